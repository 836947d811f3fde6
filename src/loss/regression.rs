//! Losses of numbers: how far they are apart, or how much they point the same way.

use burn::tensor::activation::softplus;

use super::kit::{EPSILON, along, mean_last, pair, size};
use super::{Objective, loss};
use crate::config::resolve_axis;
use crate::error::Result;
use crate::map_float;
use crate::ops::nn::loss::{at_least, at_most};
use crate::value::{Binary, Reduce, Value};

loss! {
    /// The mean of squared differences.
    pub struct MeanSquaredError = "mean_squared_error" {}
}

impl Objective for MeanSquaredError {
    fn values(&self, y_true: Value, y_pred: Value) -> Result<Value> {
        mean_last(pair!(y_true, y_pred, (t, p) => (t - p).square())?)
    }
}

loss! {
    /// The mean of differences without their signs.
    pub struct MeanAbsoluteError = "mean_absolute_error" {}
}

impl Objective for MeanAbsoluteError {
    fn values(&self, y_true: Value, y_pred: Value) -> Result<Value> {
        mean_last(pair!(y_true, y_pred, (t, p) => size(t - p))?)
    }
}

loss! {
    /// The mean of differences in percent of the target.
    pub struct MeanAbsolutePercentageError = "mean_absolute_percentage_error" {}
}

impl Objective for MeanAbsolutePercentageError {
    fn values(&self, y_true: Value, y_pred: Value) -> Result<Value> {
        let parts = pair!(y_true, y_pred, (t, p) => {
            let whole = t.clone().abs().clamp_min(EPSILON);
            size((t - p) / whole)
        })?;
        map_float!(mean_last(parts)?, x => x * 100.0)
    }
}

loss! {
    /// The mean of squared differences of the logarithms of `1 + y`.
    pub struct MeanSquaredLogarithmicError = "mean_squared_logarithmic_error" {}
}

impl Objective for MeanSquaredLogarithmicError {
    fn values(&self, y_true: Value, y_pred: Value) -> Result<Value> {
        mean_last(pair!(y_true, y_pred, (t, p) => {
            let first = (at_least(p, EPSILON) + 1.0).log();
            let second = (at_least(t, EPSILON) + 1.0).log();
            (first - second).square()
        })?)
    }
}

loss! {
    /// The cosine of the angle between vectors, negative: -1 where they point the same way.
    pub struct CosineSimilarity = "cosine_similarity" {
        /// The axis of the vectors.
        axis: i64 = -1,
    }
}

impl Objective for CosineSimilarity {
    fn values(&self, y_true: Value, y_pred: Value) -> Result<Value> {
        let (y_true, y_pred) = (unit(y_true, self.axis)?, unit(y_pred, self.axis)?);
        let products = pair!(y_true, y_pred, (t, p) => -t * p)?;
        along(Reduce::Sum, products, self.axis)
    }
}

/// Vectors of the length 1.
fn unit(x: Value, axis: i64) -> Result<Value> {
    let axis = resolve_axis(axis, x.rank())?;
    let squares = map_float!(x.clone(), x => x.square())?.reduce(Reduce::Sum, &[axis])?;
    let inverse = map_float!(squares, sum => at_most(sum.sqrt().recip(), 1.0 / EPSILON))?;
    x.binary(Binary::Multiply, inverse)
}

loss! {
    /// Half the squared difference where it is small, linear where it is large.
    pub struct Huber = "huber_loss" {
        /// Where it becomes linear.
        delta: f64 = 1.0,
    }
}

impl Objective for Huber {
    fn values(&self, y_true: Value, y_pred: Value) -> Result<Value> {
        let delta = self.delta;
        mean_last(pair!(y_true, y_pred, (t, p) => {
            let error = p - t;
            let size = error.clone().abs();
            let small = size.clone().lower_equal_elem(delta);
            let linear = size * delta - 0.5 * delta * delta;
            linear.mask_where(small, error.square() * 0.5)
        })?)
    }
}

loss! {
    /// The mean of the logarithm of the hyperbolic cosine of differences.
    pub struct LogCosh = "log_cosh" {}
}

impl Objective for LogCosh {
    fn values(&self, y_true: Value, y_pred: Value) -> Result<Value> {
        mean_last(pair!(y_true, y_pred, (t, p) => {
            let error = p - t;
            error.clone() + softplus(error * -2.0, 1.0) - std::f64::consts::LN_2
        })?)
    }
}
