//! How many predictions are right.

use burn::tensor::{DType, Int, Tensor};

use super::kit::{argmax, flags};
use super::mean::Averaged;
use super::{UP, metric};
use crate::error::{Error, Result};
use crate::loss::kit::squeeze_or_expand;
use crate::map_float;
use crate::value::{Compare, Value};

metric! {
    /// How many predictions are the targets.
    pub struct Accuracy("accuracy", Float32, UP) {}
    |_| Averaged::of(|y_true, y_pred| {
        let y_true = y_true.cast(y_pred.dtype())?;
        let (y_true, y_pred) = squeeze_or_expand(y_true, y_pred)?;
        flags(y_true.compare(Compare::Equal, y_pred)?)
    })
}

metric! {
    /// How many probabilities are on the right side of a threshold.
    pub struct BinaryAccuracy("binary_accuracy", Float32, UP) {
        /// The threshold.
        threshold: f64 = 0.5,
    }
    |metric| {
        let threshold = metric.threshold;
        Averaged::of(move |y_true, y_pred| {
            let (y_true, y_pred) = squeeze_or_expand(y_true, y_pred)?;
            let y_pred = map_float!(y_pred, x => x.greater_elem(threshold).float())?;
            let y_pred = y_pred.cast(y_true.dtype())?;
            flags(y_true.compare(Compare::Equal, y_pred)?)
        })
    }
}

metric! {
    /// How many classes are predicted, of targets of one number per class.
    pub struct CategoricalAccuracy("categorical_accuracy", Float32, UP) {}
    |_| Averaged::of(|y_true, y_pred| {
        let y_true = argmax(y_true)?.cast(y_pred.dtype())?;
        let shape = y_true.shape();
        match y_true.rank() == y_pred.rank() {
            true => same_class(without_last(y_true)?, y_pred)?.reshape(&shape),
            false => same_class(y_true, y_pred),
        }
    })
}

metric! {
    /// How many classes are predicted, of targets that are the numbers of classes.
    pub struct SparseCategoricalAccuracy("sparse_categorical_accuracy", Float32, UP) {}
    |_| Averaged::of(|y_true, y_pred| {
        let y_true = y_true.cast(y_pred.dtype())?;
        let shape = y_true.shape();
        let matches = match y_true.rank() == y_pred.rank() && shape.last() == Some(&1) {
            true => same_class(without_last(y_true)?, y_pred)?.reshape(&shape)?,
            false => same_class(y_true, y_pred)?,
        };
        match matches.rank() > 1 && matches.shape().last() == Some(&1) {
            true => without_last(matches),
            false => Ok(matches),
        }
    })
}

metric! {
    /// How many classes are among the likeliest, of targets of one number per class.
    pub struct TopKCategoricalAccuracy("top_k_categorical_accuracy", Float32, UP) {
        /// How many are looked at.
        k: usize = 5,
    }
    |metric| {
        let k = metric.k;
        Averaged::of(move |y_true, y_pred| in_top_k(argmax(y_true)?, y_pred, k))
    }
}

metric! {
    /// How many classes are among the likeliest, of targets that are the numbers of classes.
    pub struct SparseTopKCategoricalAccuracy("sparse_top_k_categorical_accuracy", Float32, UP) {
        /// How many are looked at.
        k: usize = 5,
        /// Whether the predictions are the numbers of classes, the likeliest first.
        from_sorted_ids: bool = false,
    }
    |metric| {
        let (k, from_sorted_ids) = (metric.k, metric.from_sorted_ids);
        Averaged::of(move |y_true, y_pred| match from_sorted_ids {
            true => among_first(y_true.cast(y_pred.dtype())?, y_pred, k),
            false => in_top_k(y_true.cast(DType::I32)?, y_pred, k),
        })
    }
}

fn without_last(value: Value) -> Result<Value> {
    let last = value.rank().saturating_sub(1);
    value.squeeze(&[last])
}

/// Where the highest entry of the last axis is the one that the targets name.
fn same_class(y_true: Value, y_pred: Value) -> Result<Value> {
    let y_pred = argmax(y_pred)?.cast(y_true.dtype())?;
    flags(y_true.compare(Compare::Equal, y_pred)?)
}

/// Predictions as rows and targets as a vector of as many, and the shape that the result is to have.
fn rows(y_true: Value, y_pred: Value) -> Result<(Value, Value, Vec<usize>)> {
    let (shape, of_pred) = (y_true.shape(), y_pred.shape());
    let Some((classes, rest)) = of_pred.split_last() else {
        return Err(Error::input("expected classes, got a single number"));
    };
    let count: usize = rest.iter().product();
    if shape.iter().product::<usize>() != count || *classes == 0 {
        return Err(Error::input(format_args!("targets {shape:?} for predictions {of_pred:?}")));
    }
    Ok((y_true.reshape(&[count])?, y_pred.reshape(&[count, *classes])?, shape))
}

/// Whether fewer than `k` entries of a row are above the one that the target names. A class that is not there
/// is below all, and so is NaN.
fn in_top_k(y_true: Value, y_pred: Value, k: usize) -> Result<Value> {
    let (y_true, y_pred, shape) = rows(y_true, y_pred)?;
    let (y_true, y_pred) = (y_true.int::<1>()?, y_pred.float::<2>()?);
    let [count, classes] = y_pred.dims();
    let classes = classes as i64;
    let from_end = y_true.clone().lower_elem(0);
    let y_true = y_true.clone().mask_where(from_end, y_true + classes);
    let outside = y_true.clone().lower_elem(0).bool_or(y_true.clone().greater_equal_elem(classes));
    let at: Tensor<2, Int> = y_true.clamp(0, classes - 1).reshape([count, 1]);
    let named = y_pred.clone().gather(1, at);
    let nothing = outside.reshape([count, 1]).bool_or(named.clone().is_nan());
    let named = named.mask_fill(nothing, f32::NEG_INFINITY);
    let above = y_pred.greater(named.expand([count, classes as usize])).float().sum_dim(1);
    Value::from(above.lower_elem(k as f64).float()).reshape(&shape)
}

/// Whether the target is one of the first `k` entries of a row.
fn among_first(y_true: Value, y_pred: Value, k: usize) -> Result<Value> {
    let (y_true, y_pred, shape) = rows(y_true, y_pred)?;
    let first = k.min(y_pred.shape().get(1).copied().unwrap_or(0));
    if first == 0 {
        return Err(Error::config("expected a positive integer, got 0").at("k"));
    }
    let found = y_true.expand_dims(1)?.compare(Compare::Equal, y_pred.narrow(1, 0, first)?)?;
    flags(found.any(1)?)?.reshape(&shape)
}
