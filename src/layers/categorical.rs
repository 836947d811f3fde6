//! What layers that number things have in common: how a number is written into the output.

use burn::tensor::{DType, IndexingUpdateOp, Int, Tensor, TensorData};
use serde_json::Value as Json;

use crate::config::{Dtype, Field, Reader, refuse};
use crate::error::{Error, Result};
use crate::layer::Spec;
use crate::value::{Compare, Value, burn_dtype};

crate::keywords! {
    /// What becomes of the numbers of a sample.
    pub enum OutputMode {
        /// They are the output.
        Int = "int",
        /// Each becomes a vector with a one at its place.
        OneHot = "one_hot",
        /// All become one vector, with ones at their places.
        MultiHot = "multi_hot",
        /// All become one vector that says how often each number is there.
        Count = "count",
        /// As `count`, weighted.
        TfIdf = "tf_idf",
    }
}

/// The type of an output: a name, or a dtype policy of that name. Kept as it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputDtype {
    dtype: Option<Dtype>,
    json: Json,
}

impl OutputDtype {
    /// The type, or `default` if none is given.
    #[must_use]
    pub fn or(&self, default: Dtype) -> Dtype {
        self.dtype.unwrap_or(default)
    }
}

impl Default for OutputDtype {
    fn default() -> Self {
        Self { dtype: None, json: Json::Null }
    }
}

impl Field for OutputDtype {
    const EXPECTED: &'static str = "the name of a dtype or of a dtype policy";

    fn read(json: &Json, reader: &mut Reader<'_>) -> Option<Self> {
        let policy = json.get("class_name").is_none_or(|class| class == "DTypePolicy");
        let dtype = match json.pointer("/config/name").unwrap_or(json) {
            Json::Null => None,
            Json::String(name) if policy => match Dtype::from_name(name) {
                Some(dtype) if dtype != Dtype::String => Some(dtype),
                _ => return refuse(json, reader),
            },
            _ => return refuse(json, reader),
        };
        Some(Self { dtype, json: json.clone() })
    }

    fn write(&self) -> Json {
        self.json.clone()
    }
}

/// Refuses an output that is a sparse tensor.
pub(super) fn refuse_sparse(sparse: bool) -> Result<()> {
    match sparse {
        true => Err(Error::unsupported("sparse outputs").at("sparse")),
        false => Ok(()),
    }
}

impl OutputMode {
    /// What becomes of numbers below `depth` of that shape.
    pub(super) fn outputs(self, input: &Spec, depth: usize, dtype: Dtype) -> Result<Spec> {
        let mut shape = input.shape.clone();
        match self {
            Self::Int => return Ok(Spec::new(shape, dtype)),
            Self::OneHot => {
                if shape.len() > 1 && shape.last() == Some(&Some(1)) {
                    shape.pop();
                }
            }
            // As Keras: it is the second axis that goes, whatever its documentation says of more of them.
            _ if shape.len() > 1 => drop(shape.remove(1)),
            _ => return Err(Error::unsupported(format_args!("this output of an input {input}"))),
        }
        shape.push(Some(depth));
        Ok(Spec::new(shape, dtype))
    }

    /// The output for some numbers. Those that are not below `depth` leave no trace in it.
    pub(super) fn encode(
        self,
        numbers: Value,
        depth: usize,
        dtype: Dtype,
        weights: Option<Value>,
    ) -> Result<Value> {
        let shape = numbers.shape();
        let output = match self {
            Self::Int => numbers,
            Self::OneHot => {
                let shape = match shape.split_last() {
                    Some((1, outer)) if !outer.is_empty() => outer.to_vec(),
                    _ => shape,
                };
                let every = Tensor::<1, Int>::arange(0..depth as i64, &numbers.device());
                let rank = shape.len();
                numbers.reshape(&shape)?.expand_dims(rank)?.compare(Compare::Equal, Value::from(every))?
            }
            Self::MultiHot => {
                let counts = count(numbers, depth, None)?;
                counts.clone().compare(Compare::Greater, zero(&counts)?)?
            }
            Self::Count | Self::TfIdf => count(numbers, depth, weights)?,
        };
        output.cast(burn_dtype(dtype)?)
    }
}

fn zero(like: &Value) -> Result<Value> {
    Value::from_data(TensorData::new(vec![0_f32], [1]), &like.device())
}

/// How often each number below `depth` is there along the second axis, in floats.
fn count(numbers: Value, depth: usize, weights: Option<Value>) -> Result<Value> {
    let mut shape = numbers.shape();
    let mut axes: Vec<usize> = (0..shape.len()).collect();
    axes.get_mut(1..).ok_or_else(|| Error::input("expected samples, got a vector"))?.rotate_left(1);
    let entries = shape.remove(1);
    let rows: usize = shape.iter().product();
    let in_rows = |value: Value| value.permute(&axes)?.reshape(&[rows, entries]);
    shape.push(depth);
    let device = numbers.device();
    let counts = Tensor::<2>::zeros([rows, depth], &device);
    if entries == 0 || rows == 0 {
        return Value::from(counts).reshape(&shape);
    }
    let numbers = in_rows(numbers)?.int::<2>()?;
    let last = depth.saturating_sub(1) as i64;
    let outside = numbers.clone().lower_elem(0).bool_or(numbers.clone().greater_elem(last));
    let weights = match weights {
        Some(weights) => in_rows(weights)?.float::<2>()?,
        None => Tensor::ones([rows, entries], &device),
    };
    let places = numbers.clamp(0, last).cast(DType::I32);
    let weights = weights.mask_fill(outside, 0.0);
    Value::from(counts.scatter(1, places, weights, IndexingUpdateOp::Add)).reshape(&shape)
}
