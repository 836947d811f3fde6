//! An array that a layer is called with beside tensors, as in `Add()([x, array])`.
//!
//! Keras has no class for it. In a graph it is a layer without inputs, so that every layer may be called
//! with arrays.

use std::sync::Arc;

use burn::module::Module;
use burn::tensor::{DType, Int, Tensor};
use serde_json::{Map, Value as Json};

use crate::codegen::{self, Code, Layout, Place};
use crate::config::{Config, Dtype, Reader};
use crate::error::Result;
use crate::layer::{Args, Context, Layer, LayerConfig, Spec, Tree, Weights};
use crate::ops::kit;
use crate::value::{Value, burn_dtype};

/// Longer arrays make no readable source.
const MOST_NUMBERS: usize = 4096;

/// A float of 32 bits as Rust writes it.
fn number_of(number: f32) -> Option<String> {
    number.is_finite().then(|| format!("{number:?}f32"))
}

/// An array out of a call.
#[derive(Clone, Debug)]
pub(crate) struct ConstantConfig {
    json: Json,
    constant: Arc<kit::Constant>,
}

impl ConstantConfig {
    /// Reads an array as Keras writes it.
    pub(crate) fn new(json: &Json) -> Result<Self> {
        Ok(Self { json: json.clone(), constant: Arc::new(kit::Constant::read(json)?) })
    }
}

impl Config for ConstantConfig {
    const KEYS: &'static [&'static str] = &[];

    fn read(json: &Map<String, Json>, reader: &mut Reader<'_>) -> Option<Self> {
        let read = Self::new(&Json::Object(json.clone()));
        reader.note(read)
    }

    fn write(&self) -> Map<String, Json> {
        self.json.as_object().cloned().unwrap_or_default()
    }
}

impl LayerConfig for ConstantConfig {
    const CLASSES: &'static [&'static str] = &["__tensor__"];
    const ARGS: &'static [&'static str] = &[];

    type Layer = Constant;

    fn group_name(&self) -> Option<String> {
        None
    }

    fn outputs(&self, _: &Args<Spec>) -> Result<Tree<Spec>> {
        Ok(self.constant.spec().into())
    }

    fn build(&self, _: &Args<Spec>, weights: &mut Weights<'_>) -> Result<Constant> {
        let value = self.constant.value(weights.device())?;
        let (shape, dtype) = (value.shape(), burn_dtype(self.constant.spec().dtype)?);
        let flat = value.reshape(&[shape.iter().product()])?;
        let (floats, integers) = match flat.is_float() {
            true => (Some(flat.float()?), None),
            false => (None, Some(flat.int()?)),
        };
        Ok(Constant { floats, integers, shape, dtype })
    }

    fn code(&self, _: &Place<'_>) -> Option<Code> {
        let kit::Constant { array, .. } = self.constant.as_ref();
        let (spec, rank) = (self.constant.spec(), array.shape().len());
        let write = |number: &f64| match spec.dtype {
            Dtype::Bool => Some((*number != 0.0).to_string()),
            Dtype::Int32 => Some(format!("{}i32", *number as i32)),
            Dtype::Float32 => number_of(*number as f32),
            _ => None,
        };
        let numbers = array.numbers();
        if rank == 0 || numbers.is_empty() || numbers.len() > MOST_NUMBERS {
            return None;
        }
        let numbers = numbers.iter().map(write).collect::<Option<Vec<_>>>()?.join(", ");
        let (kind, path) = match spec.dtype {
            Dtype::Bool => (", Bool", Some("burn::tensor::Bool")),
            Dtype::Int32 => (", Int", Some("burn::tensor::Int")),
            _ => ("", None),
        };
        let data = format!("TensorData::new(vec![{numbers}], {})", codegen::array(array.shape()));
        let field = codegen::Field {
            ty: format!("Tensor<{rank}{kind}>"),
            init: format!("Tensor::from_data({data}, device)"),
        };
        let uses = ["burn::tensor::Tensor", "burn::tensor::TensorData"].into_iter().chain(path).collect();
        Some(Code { field: Some(field), uses, ..Code::function("{self}.clone()", Layout::Keras) })
    }
}

/// An array on a device.
#[derive(Module, Debug)]
pub(crate) struct Constant {
    floats: Option<Tensor<1>>,
    integers: Option<Tensor<1, Int>>,
    #[module(skip)]
    shape: Vec<usize>,
    #[module(skip)]
    dtype: DType,
}

impl Layer for Constant {
    fn call(&self, _: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let floats = self.floats.clone().map(Value::from);
        let flat = floats.or_else(|| self.integers.clone().map(Value::from));
        Ok(match flat {
            Some(flat) => flat.reshape(&self.shape)?.cast(self.dtype)?.into(),
            None => Tree::List(Vec::new()),
        })
    }
}
