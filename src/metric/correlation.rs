//! How targets and predictions go together.

use super::mean::Averaged;
use super::{UP, metric};
use crate::config::resolve_axis;
use crate::error::{Error, Result};
use crate::loss::kit::{EPSILON, squeeze_or_expand};
use crate::map_float;
use crate::value::{Binary, Reduce, Value};

metric! {
    /// Pearson's correlation of the entries of an axis.
    pub struct PearsonCorrelation("pearson_correlation", Float32, UP) {
        /// The axis.
        axis: i64 = -1,
    }
    |metric| {
        let axis = metric.axis;
        Averaged::of(move |y_true, y_pred| {
            let (y_true, y_pred, axis) = pair(y_true, y_pred, axis)?;
            let product = standard(y_true, axis)?.binary(Binary::Multiply, standard(y_pred, axis)?)?;
            mean(product, axis)?.squeeze(&[axis])
        })
    }
}

metric! {
    /// Lin's concordance of the entries of an axis, as Keras computes it.
    pub struct ConcordanceCorrelation("concordance_correlation", Float32, UP) {
        /// The axis.
        axis: i64 = -1,
    }
    |metric| {
        let axis = metric.axis;
        Averaged::of(move |y_true, y_pred| {
            let (y_true, y_pred, axis) = pair(y_true, y_pred, axis)?;
            let (mean_true, mean_pred) = (mean(y_true.clone(), axis)?, mean(y_pred.clone(), axis)?);
            let (var_true, var_pred) = (variance(y_true.clone(), axis)?, variance(y_pred.clone(), axis)?);
            // The targets, too, are taken from the mean of the predictions: so does Keras.
            let from_mean = |value: Value| value.binary(Binary::Subtract, mean_pred.clone());
            let covariance = from_mean(y_true)?.binary(Binary::Multiply, from_mean(y_pred)?)?;
            let apart = mean_true.binary(Binary::Subtract, mean_pred.clone())?;
            let apart = map_float!(apart, x => x.square() + EPSILON)?;
            let norm = var_true.binary(Binary::Add, var_pred)?.binary(Binary::Add, apart)?;
            let concordance = map_float!(covariance, x => x * 2.0)?.binary(Binary::Divide, norm)?;
            mean(concordance, axis)?.squeeze(&[axis])
        })
    }
}

/// Targets and predictions of one rank, and the axis counted from the front.
fn pair(y_true: Value, y_pred: Value, axis: i64) -> Result<(Value, Value, usize)> {
    let (y_true, y_pred) = squeeze_or_expand(y_true.cast(y_pred.dtype())?, y_pred)?;
    if y_true.rank() != y_pred.rank() {
        let (y_true, y_pred) = (y_true.shape(), y_pred.shape());
        return Err(Error::input(format_args!("targets {y_true:?} for predictions {y_pred:?}")));
    }
    let axis = resolve_axis(axis, y_pred.rank())?;
    Ok((y_true, y_pred, axis))
}

fn mean(value: Value, axis: usize) -> Result<Value> {
    value.reduce(Reduce::Mean, &[axis])
}

fn centered(value: Value, axis: usize) -> Result<Value> {
    value.clone().binary(Binary::Subtract, mean(value, axis)?)
}

fn variance(value: Value, axis: usize) -> Result<Value> {
    mean(map_float!(centered(value, axis)?, x => x.square())?, axis)
}

/// Values of the mean 0 and the deviation 1.
fn standard(value: Value, axis: usize) -> Result<Value> {
    let value = centered(value, axis)?;
    let deviation = map_float!(variance(value.clone(), axis)?, x => x.sqrt())?;
    value.binary(Binary::Divide, deviation)
}
