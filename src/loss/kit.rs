//! What losses have in common: targets and predictions whose shapes meet, and means.

use burn::tensor::{DType, Tensor};

use crate::config::resolve_axis;
use crate::error::{Error, Result};
use crate::value::{Reduce, Value};

/// How close to 0 a number may come where that matters; Keras' `epsilon()`.
pub(crate) const EPSILON: f64 = 1e-7;

/// Runs an expression on targets and predictions of the same rank `D`, which spread to each other.
/// Gives a `Result<Value>`.
macro_rules! pair {
    ($y_true:expr, $y_pred:expr, ($t:ident, $p:ident) => $body:expr) => {{
        let (y_true, y_pred) = $crate::loss::kit::level($y_true, $y_pred)?;
        $crate::by_rank!(y_pred.rank(), D => {
            let $t: burn::tensor::Tensor<D> = y_true.float::<D>()?;
            let $p: burn::tensor::Tensor<D> = y_pred.float::<D>()?;
            $crate::Value::from($body)
        })
    }};
}
pub(super) use pair;

/// A value as floats in the order of its shape, without its mask.
pub(super) fn as_float(value: &Value, name: &str) -> Result<Value> {
    if value.shape().contains(&0) {
        return Err(Error::input(format_args!("no values in the shape {:?}", value.shape())).at(name));
    }
    let float = value.clone().with_mask(None).plain().and_then(|value| value.cast(DType::F32));
    float.map_err(|error| error.at(name))
}

/// A value as floats where another one is: Burn mixes no devices.
pub(super) fn as_float_beside(other: &Value, value: &Value, name: &str) -> Result<Value> {
    as_float(value, name)?.to_device(&other.device())
}

/// Keras' rule for ranks that differ by one: an axis of 1 at the end goes, or is added to a vector.
pub(crate) fn squeeze_or_expand(a: Value, b: Value) -> Result<(Value, Value)> {
    if a.rank() == b.rank() + 1 {
        let (b, a) = shorter_and_longer(b, a)?;
        return Ok((a, b));
    }
    if b.rank() == a.rank() + 1 {
        return shorter_and_longer(a, b);
    }
    Ok((a, b))
}

fn shorter_and_longer(shorter: Value, longer: Value) -> Result<(Value, Value)> {
    match (longer.shape().last(), shorter.rank()) {
        (Some(1), 1) => Ok((shorter.expand_dims(1)?, longer)),
        (Some(1), rank) => Ok((shorter, longer.squeeze(&[rank])?)),
        _ => Ok((shorter, longer)),
    }
}

/// Two values with as many axes, missing ones before the others, if they spread to each other.
pub(super) fn level(y_true: Value, y_pred: Value) -> Result<(Value, Value)> {
    let rank = y_true.rank().max(y_pred.rank());
    let level = |value: &Value| [vec![1; rank - value.rank()], value.shape()].concat();
    let (a, b) = (level(&y_true), level(&y_pred));
    if a.iter().zip(&b).any(|(a, b)| a != b && *a != 1 && *b != 1) {
        return Err(unlike(&y_true, &y_pred));
    }
    Ok((y_true.reshape(&a)?, y_pred.reshape(&b)?))
}

/// Checks that targets and predictions have one shape.
pub(super) fn expect_alike(y_true: &Value, y_pred: &Value) -> Result<()> {
    if y_true.shape() == y_pred.shape() { Ok(()) } else { Err(unlike(y_true, y_pred)) }
}

pub(super) fn unlike(y_true: &Value, y_pred: &Value) -> Error {
    let (expected, got) = (y_pred.shape(), y_true.shape());
    Error::input(format_args!("targets {got:?} do not fit predictions {expected:?}"))
}

/// A number without its sign. Gradients are JAX' own: at 0 as above.
pub(super) fn size<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let negative = x.clone().lower_elem(0.0);
    x.clone().mask_where(negative, -x)
}

/// The mean along the last axis, which goes.
pub(super) fn mean_last(values: Value) -> Result<Value> {
    along(Reduce::Mean, values, -1)
}

/// A reduction along an axis, which goes.
pub(super) fn along(reduce: Reduce, values: Value, axis: i64) -> Result<Value> {
    let axis = resolve_axis(axis, values.rank())?;
    values.reduce(reduce, &[axis])?.squeeze(&[axis])
}
