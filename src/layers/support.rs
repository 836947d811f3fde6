//! What several kinds of layers need.

use burn::tensor::{DType, Device, Tensor, TensorData};

use crate::config::Array;
use crate::error::{Error, Result};
use crate::layer::{Args, Spec, Tree};
use crate::value::Value;

/// The outputs of a layer that gives floats of the shape of its input.
pub(super) fn like_input(args: &Args<Spec>) -> Result<Tree<Spec>> {
    let input = args.input()?;
    Ok(input.float(input.shape.clone()).into())
}

/// The input of one step of a sequence `[batch, time, ...]`.
pub(super) fn step_of(input: &Spec) -> Result<Spec> {
    if input.rank() < 3 {
        return Err(Error::config(format_args!("expected an input with time and features, got {input}")));
    }
    let mut shape = input.shape.clone();
    shape.remove(1);
    Ok(Spec::new(shape, input.dtype))
}

/// A shape with axes of size 1 before it, up to `D` axes.
pub(super) fn aligned<const D: usize>(shape: &[usize]) -> [usize; D] {
    std::array::from_fn(|axis| (axis + shape.len()).checked_sub(D).map_or(1, |at| shape[at]))
}

/// The numbers of an array in one axis.
pub(super) fn array_tensor(array: &Array, device: &Device) -> Tensor<1> {
    let numbers = array.numbers();
    Tensor::from_data(TensorData::new(numbers.to_vec(), [numbers.len()]), (device, DType::F32))
}

/// An array as a value; a single number has one axis.
pub(super) fn array_value(array: &Array, device: &Device) -> Result<Value> {
    let shape = if array.shape().is_empty() { &[1][..] } else { array.shape() };
    Value::from(array_tensor(array, device)).reshape(shape)
}

/// An argument that says yes or no.
pub(super) fn flag<T>(args: &Args<T>, name: &str) -> Result<bool> {
    match args.get(name) {
        None => Ok(false),
        Some(Tree::Constant(json)) if json.is_boolean() => Ok(json.as_bool() == Some(true)),
        Some(_) => Err(Error::unsupported("expected true or false").at(name)),
    }
}
