//! Losses that ask for a margin between classes.

use burn::tensor::Tensor;

use super::kit::{along, level, mean_last, pair};
use super::{Objective, loss};
use crate::error::Result;
use crate::map_float;
use crate::ops::nn::loss::at_least;
use crate::value::{Binary, Reduce, Value};

loss! {
    /// The mean of `max(1 - y_true * y_pred, 0)`. Targets are -1 and 1, or 0 and 1.
    pub struct Hinge = "hinge" {}
}

impl Objective for Hinge {
    fn values(&self, y_true: Value, y_pred: Value) -> Result<Value> {
        mean_last(short_of_margin(y_true, y_pred)?)
    }
}

loss! {
    /// The mean of the squares of `max(1 - y_true * y_pred, 0)`. Targets are -1 and 1, or 0 and 1.
    pub struct SquaredHinge = "squared_hinge" {}
}

impl Objective for SquaredHinge {
    fn values(&self, y_true: Value, y_pred: Value) -> Result<Value> {
        mean_last(map_float!(short_of_margin(y_true, y_pred)?, x => x.square())?)
    }
}

fn short_of_margin(y_true: Value, y_pred: Value) -> Result<Value> {
    let y_true = map_float!(y_true, t => with_signs(t))?;
    pair!(y_true, y_pred, (t, p) => at_least(-(t * p) + 1.0, 0.0))
}

/// Labels 0 and 1 as -1 and 1, if there are no others.
fn with_signs<const D: usize>(labels: Tensor<D>) -> Tensor<D> {
    let is_binary = labels.clone().equal_elem(0.0).bool_or(labels.clone().equal_elem(1.0)).all();
    let is_binary = is_binary.reshape([1; D]).expand(labels.dims());
    labels.clone().mask_where(is_binary, labels * 2.0 - 1.0)
}

loss! {
    /// By how much the best wrong class comes within 1 of the right one.
    pub struct CategoricalHinge = "categorical_hinge" {}
}

impl Objective for CategoricalHinge {
    fn values(&self, y_true: Value, y_pred: Value) -> Result<Value> {
        let (y_true, y_pred) = level(y_true, y_pred)?;
        let right = pair!(y_true.clone(), y_pred.clone(), (t, p) => t * p)?;
        let wrong = pair!(y_true, y_pred, (t, p) => highest(-(t - 1.0) * p))?;
        let margin =
            along(Reduce::Sum, wrong, -1)?.binary(Binary::Subtract, along(Reduce::Sum, right, -1)?)?;
        map_float!(margin, x => at_least(x + 1.0, 0.0))
    }
}

/// The highest number of the last axis, shared out among all that are as high, so that gradients are, too.
fn highest<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let others = x.clone().detach().not_equal(x.clone().detach().max_dim(D - 1).expand(x.dims()));
    let count = others.clone().bool_not().float().sum_dim(D - 1);
    x.mask_fill(others, 0.0) / count
}
