//! What several metrics do with values.

use burn::tensor::DType;

use crate::error::{Error, Result};
use crate::loss::kit::squeeze_or_expand;
use crate::map_float;
use crate::value::{Binary, Reduce, Value};

/// The weights of samples times the mask, or the mask as weights.
pub(super) fn masked(sample_weight: Option<Value>, mask: Option<Value>) -> Result<Option<Value>> {
    let Some(mask) = mask else { return Ok(sample_weight) };
    let mask = mask.cast(DType::F32)?;
    let Some(weight) = sample_weight else { return Ok(Some(mask)) };
    let (mask, weight) = squeeze_or_expand(mask, weight.cast(DType::F32)?)?;
    weight.binary(Binary::Multiply, mask).map(Some)
}

/// Reduces the axes from one on, which go.
pub(super) fn reduce_from(value: Value, reduce: Reduce, axis: usize) -> Result<Value> {
    let axes: Vec<usize> = (axis..value.rank()).collect();
    if axes.is_empty() {
        return Ok(value);
    }
    value.reduce(reduce, &axes)?.squeeze(&axes)
}

/// The sum of everything: a vector of one number.
pub(super) fn sum(value: Value) -> Result<Value> {
    let count = value.shape().iter().product();
    Ok(value.reshape(&[count])?.float::<1>()?.sum().into())
}

/// A vector of one number.
pub(super) fn one(number: f64, like: &Value) -> Value {
    burn::tensor::Tensor::<1>::full([1], number, (&like.device(), DType::F32)).into()
}

/// Where the highest entry of the last axis, which goes, is; the first of equals.
pub(super) fn argmax(value: Value) -> Result<Value> {
    let shape = value.shape();
    let Some((classes, rest)) = shape.split_last() else {
        return Err(Error::input("expected classes, got a single number"));
    };
    let rows = rest.iter().product();
    crate::ops::argmax(value.reshape(&[rows, *classes])?)?.reshape(rest)
}

/// Zeros and ones.
pub(super) fn flags(value: Value) -> Result<Value> {
    map_float!(value, x => x)
}

/// A quotient; zero where the divisor is.
pub(super) fn divide_no_nan(a: f32, b: f32) -> f32 {
    if b == 0.0 { 0.0 } else { a / b }
}

/// Sums as Keras holds them.
pub(super) fn singles<const COUNT: usize>(sums: &[Vec<f64>]) -> Result<[Vec<f32>; COUNT]> {
    let sums: Vec<Vec<f32>> =
        sums.iter().map(|sum| sum.iter().map(|number| *number as f32).collect()).collect();
    sums.try_into()
        .map_err(|sums: Vec<_>| Error::input(format_args!("expected {COUNT} sums, got {}", sums.len())))
}
