//! A loss of embeddings: those of one class are to be close, all others apart.

use burn::tensor::activation::softplus;
use burn::tensor::{Bool, Int, Tensor};

use super::kit::unlike;
use super::{Objective, loss};
use crate::error::{Error, Result};
use crate::ops::nn::loss::at_least;
use crate::value::Value;

loss! {
    /// Draws embeddings `[batch, features]` of length 1 together that have one label `[batch]`, and others apart.
    pub struct Circle = "circle" {
        /// How sharply.
        gamma: f64 = 80.0,
        /// By how much they should be close and apart.
        margin: f64 = 0.4,
        /// Whether an embedding is not compared with itself.
        remove_diagonal: bool = true,
    }
}

impl Objective for Circle {
    fn values(&self, y_true: Value, y_pred: Value) -> Result<Value> {
        let [batch, _] = y_pred.shape()[..] else {
            let shape = y_pred.shape();
            return Err(Error::input(format_args!("expected embeddings [batch, features], got {shape:?}")));
        };
        if y_true.shape() != [batch] && y_true.shape() != [batch, 1] {
            return Err(unlike(&y_true, &y_pred));
        }
        let labels = y_true.reshape(&[batch])?.int::<1>()?;
        let x = y_pred.float::<2>()?;
        let distances = at_least(-x.clone().matmul(x.transpose()) + 1.0, 0.0);
        let [alike, unlike] = self.masks(labels);
        let (close, apart) = (self.margin, 1.0 + self.margin);
        let weight = at_least((distances.clone() + close) * alike.clone().float(), 0.0);
        let drawn = weight * (-distances.clone() + close) * -self.gamma;
        let weight = at_least((-distances.clone() + apart) * unlike.clone().float(), 0.0);
        let driven = weight * (-distances + (1.0 - self.margin)) * self.gamma;
        let loss = softplus(log_sum_exp(drawn, alike) + log_sum_exp(driven, unlike), 1.0);
        let counts = loss.clone().detach().greater_elem(0.0);
        Ok(Value::from(loss).with_mask(Some(counts.into())))
    }
}

impl Circle {
    /// Which pairs have one label, and which have not: `[batch, batch]`.
    fn masks(&self, labels: Tensor<1, Int>) -> [Tensor<2, Bool>; 2] {
        let [batch] = labels.dims();
        let rows = labels.clone().reshape([batch, 1]).expand([batch, batch]);
        let alike = rows.equal(labels.reshape([1, batch]).expand([batch, batch]));
        let unlike = alike.clone().bool_not();
        if !self.remove_diagonal {
            return [alike, unlike];
        }
        // True everywhere else.
        let others = Tensor::<2, Bool>::diag_mask([batch, batch], 0, &alike.device());
        [alike.bool_and(others), unlike]
    }
}

/// The logarithm of the sum of exponentials of every row where a mask is true: `[batch]`.
fn log_sum_exp(x: Tensor<2>, mask: Tensor<2, Bool>) -> Tensor<1> {
    let [batch, _] = x.dims();
    let x = x.mask_fill(mask.bool_not(), f32::NEG_INFINITY);
    let highest = x.clone().detach().max_dim(1);
    let nothing = highest.clone().equal_elem(f32::NEG_INFINITY);
    let highest = highest.mask_fill(nothing, 0.0);
    ((x - highest.clone()).exp().sum_dim(1).log() + highest).reshape([batch])
}
