//! `InputLayer`: where values enter a model.

use serde_json::{Map, Value as Json};

use crate::config::graph::read_shape;
use crate::config::{Config, Dtype, Field, Reader, read_key};
use crate::error::{Error, Result};
use crate::layer::{Args, Context, Layer, LayerConfig, Spec, Tree, Weights};
use crate::value::Value;

/// Config of `InputLayer`.
#[derive(Clone, Debug, PartialEq)]
pub struct InputLayerConfig {
    /// The shape, `[batch, ...]`, as far as it is fixed.
    pub batch_shape: Option<Vec<Option<usize>>>,
    /// The element type.
    pub dtype: Dtype,
}

impl Config for InputLayerConfig {
    const KEYS: &'static [&'static str] =
        &["batch_shape", "batch_input_shape", "dtype", "sparse", "ragged", "optional"];

    fn read(json: &Map<String, Json>, reader: &mut Reader<'_>) -> Option<Self> {
        for key in ["sparse", "ragged", "optional"] {
            if json.get(key).and_then(Json::as_bool) == Some(true) {
                reader.push(Error::unsupported(format_args!("{key} inputs")).at(key));
            }
        }
        // Keras 2's name of the key is one that Keras 3 still reads.
        let key = if json.contains_key("batch_input_shape") { "batch_input_shape" } else { "batch_shape" };
        let batch_shape = match json.get(key).filter(|shape| !shape.is_null()) {
            Some(shape) => Some(read_shape(shape).or_else(|| {
                reader.push(Error::config("expected a list of sizes, null for any").at(key));
                None
            })?),
            None => None,
        };
        let dtype = match json.get("dtype") {
            Some(policy @ Json::Object(_)) => {
                let name = policy.pointer("/config/name").unwrap_or(policy);
                reader.at("dtype", |reader| Dtype::read(name, reader))?
            }
            _ => read_key(json, "dtype", Some(Dtype::Float32), reader)?,
        };
        Some(Self { batch_shape, dtype })
    }

    fn write(&self) -> Map<String, Json> {
        let shape = self.batch_shape.as_ref().map_or(Json::Null, |shape| shape.iter().copied().collect());
        let mut json = Map::new();
        json.insert("batch_shape".into(), shape);
        json.insert("dtype".into(), self.dtype.write());
        json.insert("sparse".into(), false.into());
        json.insert("ragged".into(), false.into());
        json.insert("optional".into(), false.into());
        json
    }
}

impl LayerConfig for InputLayerConfig {
    const CLASSES: &'static [&'static str] = &["InputLayer"];
    const INPUT: bool = true;

    type Layer = Input;

    fn input(&self) -> Option<Spec> {
        self.batch_shape.as_ref().map(|shape| Spec::new(shape.clone(), self.dtype))
    }

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        Ok(args.input()?.clone().into())
    }

    fn build(&self, _: &Args<Spec>, _: &mut Weights<'_>) -> Result<Input> {
        Ok(Input {})
    }
}

/// An input of a model.
#[derive(burn::module::Module, Debug)]
pub struct Input {}

impl Layer for Input {
    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        Ok(args.into_input()?.into())
    }
}
