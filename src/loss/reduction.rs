//! From the losses of examples to one: weights, masks, reductions.

use burn::tensor::{DType, Tensor};

use super::kit::{as_float_beside, squeeze_or_expand};
use crate::config::{Field, Json, Reader, refuse};
use crate::error::Result;
use crate::map_float;
use crate::value::{Binary, Value};

/// How the losses of examples become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    /// Their sum, divided by their number.
    SumOverBatchSize,
    /// Their sum.
    Sum,
    /// As [`SumOverBatchSize`](Self::SumOverBatchSize).
    Mean,
    /// Their sum, divided by the sum of their weights.
    MeanWithSampleWeight,
    /// They stay as they are.
    None,
}

impl Reduction {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("sum_over_batch_size", Self::SumOverBatchSize),
        ("sum", Self::Sum),
        ("mean", Self::Mean),
        ("mean_with_sample_weight", Self::MeanWithSampleWeight),
        ("none", Self::None),
    ];
}

impl Field for Reduction {
    const EXPECTED: &'static str = "one of sum_over_batch_size sum mean mean_with_sample_weight none";

    fn read(json: &Json, reader: &mut Reader<'_>) -> Option<Self> {
        // Python's `None` means the same as the word.
        let word = if json.is_null() { Some("none") } else { json.as_str() };
        let known = Self::WORDS.iter().find(|(known, _)| Some(*known) == word);
        known.map(|(_, reduction)| *reduction).or_else(|| refuse(json, reader))
    }

    fn write(&self) -> Json {
        let known = Self::WORDS.iter().find(|(_, reduction)| reduction == self);
        known.map_or(Json::Null, |(word, _)| (*word).into())
    }
}

/// The losses of examples, weighted and made one. Their mask and that of the predictions count both.
pub(super) fn weighted(
    values: Value,
    mask: Option<&Value>,
    sample_weight: Option<&Value>,
    reduction: Reduction,
) -> Result<Value> {
    let mask = mask.map(|mask| mask.clone().to_device(&values.device())).transpose()?;
    let mask = match (mask, values.mask().cloned()) {
        (Some(of_predictions), Some(of_losses)) => Some(of_predictions.and(of_losses)?),
        (one, other) => one.or(other),
    };
    let values = values.with_mask(None);
    let weight = sample_weight.map(|weight| as_float_beside(&values, weight, "sample_weight")).transpose()?;
    let weight = match mask {
        Some(mask) => {
            let mask = mask_weights(mask, reduction)?;
            Some(match weight {
                Some(weight) => {
                    let (mask, weight) = squeeze_or_expand(mask, weight)?;
                    weight.binary(Binary::Multiply, mask)?
                }
                None => mask,
            })
        }
        None => weight,
    };
    let (values, weight) = match weight {
        Some(weight) => {
            let (values, weight) = squeeze_or_expand(values, weight)?;
            (values.binary(Binary::Multiply, weight.clone())?, Some(weight))
        }
        None => (values, None),
    };
    reduce(values, weight, reduction)
}

/// A mask as weights. For a mean over all, those that count have more than 1, as if the others were not there.
fn mask_weights(mask: Value, reduction: Reduction) -> Result<Value> {
    let mask = mask.plain()?.cast(crate::value::burn_dtype(crate::config::Dtype::Bool)?)?.cast(DType::F32)?;
    if !matches!(reduction, Reduction::Mean | Reduction::SumOverBatchSize) {
        return Ok(mask);
    }
    let total = mask.shape().iter().product::<usize>() as f64;
    map_float!(mask, mask => {
        let valid = mask.clone().sum().clamp_min(1.0);
        mask * (valid.recip() * total).reshape([1; D])
    })
}

fn reduce(values: Value, weight: Option<Value>, reduction: Reduction) -> Result<Value> {
    if reduction == Reduction::None || values.rank() == 0 {
        return Ok(values);
    }
    let count = values.shape().iter().product::<usize>();
    let sum = total(values)?;
    let loss = match (reduction, weight) {
        (Reduction::Sum, _) => sum,
        (Reduction::MeanWithSampleWeight, Some(weight)) => {
            let weights = total(weight)?;
            let nothing = weights.clone().equal_elem(0.0);
            (sum / weights.mask_fill(nothing.clone(), 1.0)).mask_fill(nothing, 0.0)
        }
        _ => sum / count as f64,
    };
    Value::from(loss).reshape(&[])
}

/// The sum of all elements.
fn total(value: Value) -> Result<Tensor<1>> {
    let count = value.shape().iter().product();
    Ok(value.reshape(&[count])?.float::<1>()?.sum())
}
