//! Fresh weights, and the file that a fresh model would have come from.

use std::collections::{HashMap, HashSet};

use burn::tensor::Device;

use super::tensor::registry;
use super::{FreshLayer, order};
use crate::error::Result;
use crate::keras_file::KerasFile;
use crate::limits::Limits;
use crate::load::network;
use crate::model::KerasModel;
use crate::module::graph_of;
use crate::weights::Draws;

/// What both kinds of models have: a name, a seed, and that they are layers, too.
macro_rules! model_methods {
    ($model:ident) => {
        impl $model {
            /// Gives the model a name.
            #[must_use]
            pub fn name(self, name: impl Into<String>) -> Self {
                Self { identity: Identity::default(), name: Some(name.into()), ..self }
            }

            /// Makes the random numbers of fresh weights repeat.
            #[must_use]
            pub fn seed(self, seed: u64) -> Self {
                Self { seed: Some(seed), ..self }
            }

            /// Calls the model as a layer of another one.
            #[must_use]
            pub fn on(&self, inputs: impl Into<crate::build::Structure>) -> crate::build::KerasTensor {
                FreshLayer::from(self).on(inputs)
            }
        }

        impl From<$model> for FreshLayer {
            fn from(model: $model) -> Self {
                (&model).into()
            }
        }
    };
}
pub(super) use model_methods;

/// Builds a model of which only the config exists.
pub(super) fn build(model: &FreshLayer, seed: Option<u64>, device: &Device) -> Result<KerasModel> {
    let registry = registry(&model.kinds);
    let (file, described) = KerasFile::fresh(model.object(), &registry, &Limits::default())?;
    if let Some(graph) = graph_of(described.description.root.as_ref()) {
        order::check(graph)?;
    }
    let network = network(&described.description, &Draws::new(seed), device)?;
    KerasModel::new(network, file, described, registry, device)
}

/// Names for the layers of a model, each there once: those that they have, then those of their classes
/// with numbers as Keras gives them.
pub(super) fn names<'a>(layers: impl Iterator<Item = &'a FreshLayer> + Clone) -> Vec<String> {
    let given: HashSet<&str> = layers.clone().filter_map(|layer| layer.name.as_deref()).collect();
    let mut counts: HashMap<String, usize> = HashMap::new();
    let mut next = |base: String| {
        let count = counts.entry(base.clone()).or_default();
        loop {
            let name = if *count == 0 { base.clone() } else { format!("{base}_{count}") };
            *count += 1;
            if !given.contains(name.as_str()) {
                return name;
            }
        }
    };
    layers.map(|layer| layer.name.clone().unwrap_or_else(|| next(layer.base_name()))).collect()
}
