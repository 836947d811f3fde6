//! The harmonic mean of precision and recall.

use std::sync::Arc;

use burn::tensor::DType;

use super::kit::{singles, sum};
use super::{Numbers, Tally, UP, metric};
use crate::error::{Error, Result};
use crate::loss::kit::EPSILON;
use crate::map_float;
use crate::value::{Binary, Compare, Reduce, Value};

crate::keywords! {
    /// How the scores of several classes become one.
    pub enum Average {
        /// All classes are counted together.
        Micro = "micro",
        /// Their mean.
        Macro = "macro",
        /// Their mean, weighted with how often the classes are true.
        Weighted = "weighted",
    }
}

metric! {
    /// The F-score with the weight 1.
    pub struct F1Score("f1_score", Float32, UP) {
        /// How the scores of several classes become one; they stay apart if none.
        average: Option<Average> = None,
        /// What counts as true is above it; if none, the highest class does.
        threshold: Option<f64> = None,
    }
    |metric| Score::of(metric.average, 1.0, metric.threshold)
}

metric! {
    /// The F-score: how much more recall matters than precision is a choice.
    pub struct FBetaScore("fbeta_score", Float32, UP) {
        /// How the scores of several classes become one; they stay apart if none.
        average: Option<Average> = None,
        /// How much more recall matters.
        beta: f64 = 1.0,
        /// What counts as true is above it; if none, the highest class does.
        threshold: Option<f64> = None,
    }
    |metric| Score::of(metric.average, metric.beta, metric.threshold)
}

#[derive(Debug)]
struct Score {
    average: Option<Average>,
    beta: f32,
    threshold: Option<f64>,
}

impl Score {
    fn of(average: Option<Average>, beta: f64, threshold: Option<f64>) -> Result<Arc<dyn Tally>> {
        if !(beta.is_finite() && beta > 0.0) {
            return Err(Error::config(format_args!("expected a positive number, got {beta}")).at("beta"));
        }
        if let Some(threshold) = threshold.filter(|threshold| !(*threshold > 0.0 && *threshold <= 1.0)) {
            let message =
                format_args!("expected a number above 0 and at most 1, got {threshold}").to_string();
            return Err(Error::config(message).at("threshold"));
        }
        Ok(Arc::new(Self { average, beta: beta as f32, threshold }))
    }

    /// What is predicted to be true, as zeros and ones.
    fn positive(&self, y_pred: Value) -> Result<Value> {
        if let Some(threshold) = self.threshold {
            return map_float!(y_pred, x => x.greater_elem(threshold).float());
        }
        let highest = y_pred.clone().reduce(Reduce::Max, &[1])?;
        let is_something = map_float!(y_pred.clone(), x => x.abs().greater_elem(1e-9).float())?;
        y_pred.compare(Compare::GreaterEqual, highest)?.and(is_something)?.cast(DType::F32)
    }
}

impl Tally for Score {
    fn batch(&self, y_true: Value, y_pred: Value, sample_weight: Option<Value>) -> Result<Vec<Value>> {
        let (y_true, y_pred) = (y_true.cast(DType::F32)?, y_pred.cast(DType::F32)?);
        let shape = y_pred.shape();
        if shape.len() != 2 || y_true.shape() != shape {
            let shapes = format!("{:?} and {shape:?}", y_true.shape());
            return Err(Error::input(format_args!("expected values of one shape of rank 2, got {shapes}")));
        }
        let weight = match sample_weight {
            Some(weight) if weight.shape() != shape[..1] => {
                let message =
                    format!("expected a weight for each of {} samples, got {:?}", shape[0], weight.shape());
                return Err(Error::input(message).at("sample_weight"));
            }
            weight => weight.map(|weight| weight.expand_dims(1)).transpose()?,
        };
        let positive = self.positive(y_pred)?;
        let without = |value: &Value| map_float!(value.clone(), x => -x + 1.0);
        let (negative, wrong) = (without(&positive)?, without(&y_true)?);
        let counted = [
            positive.clone().binary(Binary::Multiply, y_true.clone())?,
            positive.binary(Binary::Multiply, wrong)?,
            negative.binary(Binary::Multiply, y_true.clone())?,
            y_true,
        ];
        let count = |value: Value| {
            let value = match &weight {
                Some(weight) => value.binary(Binary::Multiply, weight.clone())?,
                None => value,
            };
            if self.average == Some(Average::Micro) { sum(value) } else { value.total(0) }
        };
        counted.into_iter().map(count).collect()
    }

    fn result(&self, sums: &[Vec<f64>]) -> Result<Numbers> {
        let [right, too_many, missed, weights] = singles(sums)?;
        let epsilon = EPSILON as f32;
        let squared = self.beta * self.beta;
        let score = |((right, too_many), missed): ((&f32, &f32), &f32)| {
            let precision = right / (right + too_many + epsilon);
            let recall = right / (right + missed + epsilon);
            precision * recall / (squared * precision + recall + epsilon) * (1.0 + squared)
        };
        let scores: Vec<f32> = right.iter().zip(&too_many).zip(&missed).map(score).collect();
        Ok(match self.average {
            None => Numbers::Many(scores.into_iter().map(f64::from).collect()),
            Some(Average::Weighted) => {
                let all = weights.iter().sum::<f32>() + epsilon;
                let weighted: f32 =
                    scores.iter().zip(&weights).map(|(score, weight)| score * (weight / all)).sum();
                Numbers::One(weighted.into())
            }
            Some(_) => Numbers::One((scores.iter().sum::<f32>() / scores.len() as f32).into()),
        })
    }

    fn sizes(&self) -> Option<Vec<usize>> {
        (self.average == Some(Average::Micro)).then(|| vec![1; 4])
    }

    fn is_single(&self) -> bool {
        self.average.is_some()
    }
}
