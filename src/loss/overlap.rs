//! Losses of areas that should overlap.

use super::kit::{EPSILON, pair};
use super::{Objective, loss};
use crate::config::Axes;
use crate::error::Result;
use crate::map_float;
use crate::value::{Binary, Reduce, Value};

loss! {
    /// One less twice the overlap in proportion to both areas.
    pub struct Dice = "dice" {
        /// The axes over which areas are measured; none for all.
        axis: Option<Axes> = None,
    }
}

impl Objective for Dice {
    fn values(&self, y_true: Value, y_pred: Value) -> Result<Value> {
        let overlap = sum(pair!(y_true.clone(), y_pred.clone(), (t, p) => t * p)?, self.axis.as_ref())?;
        let (one, other) = (sum(y_true, self.axis.as_ref())?, sum(y_pred, self.axis.as_ref())?);
        let both = map_float!(one.binary(Binary::Add, other)?, x => x + EPSILON)?;
        map_float!(overlap.binary(Binary::Divide, both)?, x => x * -2.0 + 1.0)
    }
}

loss! {
    /// As [`Dice`], with a weight for each way to be wrong.
    pub struct Tversky = "tversky" {
        /// The weight of what is missing.
        alpha: f64 = 0.5,
        /// The weight of what is too much.
        beta: f64 = 0.5,
        /// The axes over which areas are measured; none for all.
        axis: Option<Axes> = None,
    }
}

impl Objective for Tversky {
    fn values(&self, y_true: Value, y_pred: Value) -> Result<Value> {
        let (axis, alpha, beta) = (self.axis.as_ref(), self.alpha, self.beta);
        let overlap = sum(pair!(y_true.clone(), y_pred.clone(), (t, p) => t * p)?, axis)?;
        let missing = sum(pair!(y_true.clone(), y_pred.clone(), (t, p) => (-p + 1.0) * t)?, axis)?;
        let excess = sum(pair!(y_true, y_pred, (t, p) => p * (-t + 1.0))?, axis)?;
        let wrong = pair!(missing, excess, (missing, excess) => missing * alpha + excess * beta)?;
        let all = map_float!(overlap.clone().binary(Binary::Add, wrong)?, x => x + EPSILON)?;
        map_float!(overlap.binary(Binary::Divide, all)?, x => -x + 1.0)
    }
}

/// The sum over some axes, or all of them, which go.
fn sum(value: Value, axes: Option<&Axes>) -> Result<Value> {
    let axes = axes.map_or_else(|| Ok((0..value.rank()).collect()), |axes| axes.resolve(value.rank()))?;
    value.reduce(Reduce::Sum, &axes)?.squeeze(&axes)
}
