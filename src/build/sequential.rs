//! `Sequential`: a chain of layers.

use burn::tensor::Device;
use serde_json::{Map, Value as Json};

use super::layer::{Identity, float32};
use super::{FreshLayer, fresh};
use crate::config::Object;
use crate::error::{Error, Result};
use crate::layer::row;
use crate::model::KerasModel;
use crate::module::SequentialConfig;

/// A chain of layers, each called with what the one before it gives.
///
/// ```
/// use burn_keras::build::{Dense, Dropout, Input, Sequential};
///
/// let model = Sequential::new()
///     .with(Input::new([4]))
///     .with(Dense::new(16).activation("relu"))
///     .with(Dropout::new(0.1))
///     .with(Dense::new(3).activation("softmax"))
///     .seed(7)
///     .build(&burn::tensor::Device::flex())?;
/// println!("{}", model.summary());
/// # Ok::<(), burn_keras::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Sequential {
    identity: Identity,
    layers: Vec<FreshLayer>,
    name: Option<String>,
    seed: Option<u64>,
}

impl Sequential {
    /// A chain without layers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a layer, which may be another model. The first is an input.
    #[must_use]
    pub fn with(mut self, layer: impl Into<FreshLayer>) -> Self {
        self.layers.push(layer.into());
        Self { identity: Identity::default(), ..self }
    }

    /// The model with fresh weights.
    ///
    /// # Errors
    /// Everything that is wrong with its layers, all at once.
    pub fn build(&self, device: &Device) -> Result<KerasModel> {
        let layer = FreshLayer::from(self);
        layer.check()?;
        if !layer.config.contains_key("build_input_shape") {
            return Err(Error::config("expected an Input first, which tells the shape of what enters"));
        }
        fresh::build(&layer, self.seed, device)
    }
}

impl From<&Sequential> for FreshLayer {
    fn from(model: &Sequential) -> Self {
        let mut config = Map::new();
        let names = fresh::names(model.layers.iter());
        let layers: Vec<Json> =
            model.layers.iter().zip(&names).map(|(layer, name)| layer.named_object(name)).collect();
        let input = layers.first().and_then(Object::of).and_then(|first| first.config.get("batch_shape"));
        let input = input.cloned();
        config.insert("trainable".into(), true.into());
        config.insert("dtype".into(), float32());
        config.insert("layers".into(), layers.into());
        config.extend(input.map(|shape| ("build_input_shape".to_owned(), shape)));
        let mut layer = Self::of_row(row::<SequentialConfig>(), Some("keras"), config);
        layer.identity = model.identity;
        layer.name.clone_from(&model.name);
        layer.kinds.extend(model.layers.iter().flat_map(|layer| layer.kinds.clone()));
        layer.fault = model.layers.iter().find_map(|layer| layer.fault.clone());
        layer
    }
}

fresh::model_methods!(Sequential);
