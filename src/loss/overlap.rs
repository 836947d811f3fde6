//! Losses of areas that should overlap.

use burn::tensor::Tensor;

use super::kit::{EPSILON, pair, unlike};
use super::{Objective, loss};
use crate::config::Axes;
use crate::error::Result;
use crate::value::Value;

loss! {
    /// One less twice the overlap in proportion to both areas.
    pub struct Dice = "dice" {
        /// The axes over which areas are measured; none for all.
        axis: Option<Axes> = None,
    }
}

impl Objective for Dice {
    fn values(&self, y_true: Value, y_pred: Value) -> Result<Value> {
        let axes = axes(self.axis.as_ref(), &y_true, &y_pred)?;
        let losses = pair!(y_true, y_pred, (t, p) => {
            let both = sum(t.clone(), &axes) + sum(p.clone(), &axes) + EPSILON;
            sum(t * p, &axes) * -2.0 / both + 1.0
        })?;
        losses.squeeze(&axes)
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
        let axes = axes(self.axis.as_ref(), &y_true, &y_pred)?;
        let losses = pair!(y_true, y_pred, (t, p) => {
            let overlap = sum(t.clone() * p.clone(), &axes);
            let missing = sum((-p.clone() + 1.0) * t.clone(), &axes) * self.alpha;
            let excess = sum(p * (-t + 1.0), &axes) * self.beta;
            -(overlap.clone() / (overlap + missing + excess + EPSILON)) + 1.0
        })?;
        losses.squeeze(&axes)
    }
}

/// The axes of areas, in which both values have to agree where they are numbered.
fn axes(axes: Option<&Axes>, y_true: &Value, y_pred: &Value) -> Result<Vec<usize>> {
    let rank = y_true.rank().max(y_pred.rank());
    match axes {
        None => Ok((0..rank).collect()),
        Some(_) if y_true.rank() != y_pred.rank() => Err(unlike(y_true, y_pred)),
        Some(axes) => axes.resolve(rank),
    }
}

/// The sum over some axes, which stay with size 1.
fn sum<const D: usize>(x: Tensor<D>, axes: &[usize]) -> Tensor<D> {
    axes.iter().fold(x, |x, axis| x.sum_dim(*axis))
}
