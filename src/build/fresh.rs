//! Fresh weights, and the file that a fresh model would have come from.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, Hasher, RandomState};

use burn::tensor::{Device, TensorData};
use rand::SeedableRng;
use rand::rngs::StdRng;
use siphasher::sip::SipHasher13;

use super::tensor::registry;
use super::{FreshLayer, order};
use crate::error::Result;
use crate::keras_file::KerasFile;
use crate::layer::Variable;
use crate::limits::Limits;
use crate::load::network;
use crate::model::KerasModel;
use crate::module::graph_of;
use crate::variables::WeightSource;

/// Builds a model of which only the config exists.
pub(super) fn build(model: &FreshLayer, seed: Option<u64>, device: &Device) -> Result<KerasModel> {
    let registry = registry(&model.kinds);
    let (file, description) = KerasFile::fresh(model.object(), &registry, &Limits::default())?;
    if let Some(graph) = graph_of(description.root.as_ref()) {
        order::check(graph)?;
    }
    let seed = seed.unwrap_or_else(|| RandomState::new().build_hasher().finish());
    let network = network(&description, &Draws { seed }, device)?;
    KerasModel::new(network, file, description, device)
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

/// Draws the values of variables from their initializers.
struct Draws {
    seed: u64,
}

impl WeightSource for Draws {
    fn read(&self, variable: &Variable) -> Result<TensorData> {
        // By path, so that a further layer does not change the weights of the others.
        let mut hasher = SipHasher13::new_with_keys(self.seed, 0);
        hasher.write(variable.dataset().as_bytes());
        let mut rng = StdRng::seed_from_u64(hasher.finish());
        let drawn = variable.initializer.sample(&variable.shape, &mut rng);
        let mut data = drawn.map_err(|error| error.at(variable.name))?;
        if let (Some(finish), Ok(numbers)) = (variable.finish, data.as_mut_slice::<f32>()) {
            finish(numbers);
        }
        Ok(data)
    }
}
