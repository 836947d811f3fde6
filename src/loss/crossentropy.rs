//! Losses of probabilities.

use burn::tensor::activation::{sigmoid, softmax};
use burn::tensor::{DType, Int, Tensor};

use super::kit::{EPSILON, along, expect_alike, mean_last, pair, unlike};
use super::{Objective, loss};
use crate::config::{Dtype, resolve_axis};
use crate::error::{Error, Result};
use crate::map_float;
use crate::ops::nn::loss::{binary_crossentropy, categorical_crossentropy, clip, sparse_crossentropy};
use crate::value::{Compare, Reduce, Value, burn_dtype};

loss! {
    /// The crossentropy of probabilities, each of which is by itself.
    pub struct BinaryCrossentropy = "binary_crossentropy" {
        /// Whether predictions are before the sigmoid.
        from_logits: bool = false,
        /// How far targets are drawn towards one half.
        label_smoothing: f64 = 0.0,
        /// The axis that the mean is of.
        axis: i64 = -1,
    }
}

impl Objective for BinaryCrossentropy {
    fn values(&self, y_true: Value, y_pred: Value) -> Result<Value> {
        expect_alike(&y_true, &y_pred)?;
        let y_true = towards_half(y_true, self.label_smoothing)?;
        along(Reduce::Mean, binary_crossentropy(y_true, y_pred, self.from_logits)?, self.axis)
    }
}

loss! {
    /// As [`BinaryCrossentropy`], less of what is nearly right.
    pub struct BinaryFocalCrossentropy = "binary_focal_crossentropy" {
        /// Whether predictions are before the sigmoid.
        from_logits: bool = false,
        /// How far targets are drawn towards one half.
        label_smoothing: f64 = 0.0,
        /// The axis that the mean is of.
        axis: i64 = -1,
        /// Whether `alpha` is used.
        apply_class_balancing: bool = false,
        /// The weight of the class 1; that of the class 0 is what is left of 1.
        alpha: f64 = 0.25,
        /// How much less what is nearly right counts.
        gamma: f64 = 2.0,
    }
}

impl Objective for BinaryFocalCrossentropy {
    fn values(&self, y_true: Value, y_pred: Value) -> Result<Value> {
        expect_alike(&y_true, &y_pred)?;
        let y_true = towards_half(y_true, self.label_smoothing)?;
        let y_pred = if self.from_logits { map_float!(y_pred, x => sigmoid(x))? } else { y_pred };
        let plain = binary_crossentropy(y_true.clone(), y_pred.clone(), false)?;
        let factor = pair!(y_true.clone(), y_pred, (t, p) => {
            let right = t.clone() * p.clone() + (-t + 1.0) * (-p + 1.0);
            (-right + 1.0).powf_scalar(self.gamma)
        })?;
        let focal = pair!(factor, plain, (factor, plain) => factor * plain)?;
        let focal = match self.apply_class_balancing {
            true => pair!(y_true, focal, (t, focal) => {
                (t.clone() * self.alpha + (-t + 1.0) * (1.0 - self.alpha)) * focal
            })?,
            false => focal,
        };
        along(Reduce::Mean, focal, self.axis)
    }
}

fn towards_half(y_true: Value, smoothing: f64) -> Result<Value> {
    if smoothing == 0.0 {
        return Ok(y_true);
    }
    map_float!(y_true, t => t * (1.0 - smoothing) + 0.5 * smoothing)
}

loss! {
    /// The crossentropy of the probabilities of classes.
    pub struct CategoricalCrossentropy = "categorical_crossentropy" {
        /// Whether predictions are before the softmax.
        from_logits: bool = false,
        /// How much of the targets is spread over all classes.
        label_smoothing: f64 = 0.0,
        /// The axis of the classes.
        axis: i64 = -1,
    }
}

impl Objective for CategoricalCrossentropy {
    fn values(&self, y_true: Value, y_pred: Value) -> Result<Value> {
        expect_alike(&y_true, &y_pred)?;
        let axis = resolve_axis(self.axis, y_pred.rank())?;
        let y_true = towards_all(y_true, self.label_smoothing)?;
        categorical_crossentropy(y_true, y_pred, self.from_logits, axis)
    }
}

loss! {
    /// As [`CategoricalCrossentropy`], less of what is nearly right.
    pub struct CategoricalFocalCrossentropy = "categorical_focal_crossentropy" {
        /// Whether predictions are before the softmax.
        from_logits: bool = false,
        /// How much of the targets is spread over all classes.
        label_smoothing: f64 = 0.0,
        /// The axis of the classes.
        axis: i64 = -1,
        /// A factor.
        alpha: f64 = 0.25,
        /// How much less what is nearly right counts.
        gamma: f64 = 2.0,
    }
}

impl Objective for CategoricalFocalCrossentropy {
    fn values(&self, y_true: Value, y_pred: Value) -> Result<Value> {
        let (at, gamma, alpha) = (resolve_axis(self.axis, y_pred.rank())?, self.gamma, self.alpha);
        let y_pred = map_float!(y_pred, x => {
            let x = if self.from_logits { softmax(x, at) } else { x };
            clip(x.clone() / x.sum_dim(at), EPSILON, 1.0 - EPSILON)
        })?;
        let y_true = towards_all(y_true, self.label_smoothing)?;
        let focal = pair!(y_true, y_pred, (t, p) => {
            (-p.clone() + 1.0).powf_scalar(gamma) * alpha * (-t * p.log())
        })?;
        along(Reduce::Sum, focal, self.axis)
    }
}

/// Targets of which a part is spread over all classes, of which Keras always takes the last axis to be.
fn towards_all(y_true: Value, smoothing: f64) -> Result<Value> {
    let classes = y_true.shape().last().map_or(1.0, |classes| *classes as f64);
    if smoothing == 0.0 {
        return Ok(y_true);
    }
    map_float!(y_true, t => t * (1.0 - smoothing) + smoothing / classes)
}

loss! {
    /// The crossentropy of the probabilities of classes, the target being the number of one, with or
    /// without an axis of 1 at the end. One that is out of range gives zero.
    pub struct SparseCategoricalCrossentropy = "sparse_categorical_crossentropy" {
        /// Whether predictions are before the softmax.
        from_logits: bool = false,
        /// The class that does not count.
        ignore_class: Option<i64> = None,
        /// The axis of the classes: the last.
        axis: i64 = -1,
    }
}

impl Objective for SparseCategoricalCrossentropy {
    fn values(&self, y_true: Value, y_pred: Value) -> Result<Value> {
        let axis = resolve_axis(self.axis, y_pred.rank())?;
        if axis + 1 != y_pred.rank() {
            return Err(Error::unsupported("classes on another axis than the last").at("axis"));
        }
        let one_at_the_end = y_true.rank() == y_pred.rank() && y_true.shape().last() == Some(&1);
        let y_true = if one_at_the_end { y_true.squeeze(&[axis])? } else { y_true };
        if y_pred.shape().get(..axis) != Some(y_true.shape().as_slice()) {
            return Err(unlike(&y_true, &y_pred));
        }
        let Some(ignored) = self.ignore_class else {
            return sparse_crossentropy(y_true, y_pred, self.from_logits);
        };
        let shape = y_pred.shape();
        let ignored = map_float!(y_true.clone(), t => t.equal_elem(ignored as f64).float())?;
        let ignored = ignored.cast(burn_dtype(Dtype::Bool)?)?;
        let y_pred = y_pred.fill(ignored.clone().expand_dims(axis)?.broadcast_to(&shape)?, 0.0)?;
        let y_true = y_true.fill(ignored.clone(), 0.0)?;
        let values = sparse_crossentropy(y_true, y_pred, self.from_logits)?.fill(ignored.clone(), 0.0)?;
        let counts =
            ignored.compare(Compare::Equal, Value::from(Tensor::<1>::zeros([1], &values.device())))?;
        Ok(values.with_mask(Some(counts)))
    }
}

loss! {
    /// A loss of the probability of the right class that bears wrong labels, the target being its number.
    pub struct CategoricalGeneralizedCrossEntropy = "categorical_generalized_cross_entropy" {
        /// Between 0 and 1: how much it bears.
        q: f64 = 0.5,
    }
}

impl Objective for CategoricalGeneralizedCrossEntropy {
    fn values(&self, y_true: Value, y_pred: Value) -> Result<Value> {
        let q = self.q;
        if !(q > 0.0 && q < 1.0) {
            return Err(Error::config(format_args!("expected a number between 0 and 1, got {q}")).at("q"));
        }
        let classes = y_pred.shape().last().copied().unwrap_or(1);
        let numbers = Tensor::<1, Int>::arange(0..classes as i64, &y_pred.device());
        let (rank, number) = (y_true.rank(), y_true.cast(DType::I32)?);
        let chosen = number.expand_dims(rank)?.compare(Compare::Equal, numbers.into())?;
        let likely = pair!(chosen, y_pred, (chosen, p) => chosen * p)?;
        map_float!(along(Reduce::Sum, likely, -1)?, p => (-p.powf_scalar(q) + 1.0) / q)
    }
}

loss! {
    /// How much one distribution differs from another.
    pub struct KLDivergence = "kl_divergence" {}
}

impl Objective for KLDivergence {
    fn values(&self, y_true: Value, y_pred: Value) -> Result<Value> {
        let parts = pair!(y_true, y_pred, (t, p) => {
            let (t, p) = (clip(t, EPSILON, 1.0), clip(p, EPSILON, 1.0));
            t.clone() * (t / p).log()
        })?;
        along(Reduce::Sum, parts, -1)
    }
}

loss! {
    /// The mean of `y_pred - y_true * log(y_pred)`.
    pub struct Poisson = "poisson" {}
}

impl Objective for Poisson {
    fn values(&self, y_true: Value, y_pred: Value) -> Result<Value> {
        mean_last(pair!(y_true, y_pred, (t, p) => p.clone() - t * (p + EPSILON).log())?)
    }
}
