//! Layers out of JSON with made-up variables, for tests.

use std::collections::HashMap;
use std::sync::Arc;

use burn::tensor::{Device, TensorData};
use serde_json::{Value as Json, json};

use crate::config::{Object, Reader};
use crate::error::Result;
use crate::layer::{AnyConfig, Args, Asset, Registry, Spec, Variable, Weights};
use crate::module::AnyLayer;
use crate::variables::WeightSource;

/// Gives every variable numbers that differ along all its axes.
struct Made;

impl WeightSource for Made {
    fn read(&self, variable: &Variable) -> Result<TensorData> {
        let shape = if variable.shape.is_empty() { vec![1] } else { variable.shape.clone() };
        let numbers = (0..shape.iter().product::<usize>()).map(|n| 0.5 + (n as f32 * 1.7).sin().abs());
        Ok(TensorData::new(numbers.collect::<Vec<_>>(), shape))
    }

    fn text(&self, _: &Asset) -> Result<String> {
        Ok("[UNK]\na\nb".to_owned())
    }
}

/// The config of a layer of a class.
pub(super) fn read(class: &str, config: &Json) -> Arc<dyn AnyConfig> {
    let (registry, limits) = (Registry::new(), crate::Limits::default());
    let json = json!({"module": "keras.layers", "class_name": class, "config": config});
    let mut reader = Reader::new(&registry, &limits);
    let layer = registry.read(&Object::of(&json).unwrap(), &mut reader);
    reader.finish().unwrap();
    layer.unwrap()
}

/// The layer for inputs of some specs.
pub(super) fn build(config: &dyn AnyConfig, specs: &Args<Spec>, device: &Device) -> Result<AnyLayer> {
    let declared = config.variables(specs)?;
    let variables: HashMap<String, Variable> =
        declared.iter().map(|variable| (variable.param.clone(), variable.clone())).collect();
    let mut weights = Weights {
        variables: &variables,
        assets: declared.assets(),
        source: &Made,
        device,
        path: String::new(),
        trainable: true,
    };
    config.build(specs, &mut weights)
}
