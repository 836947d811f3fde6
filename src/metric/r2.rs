//! How much of the variance of targets is explained.

use std::sync::Arc;

use burn::tensor::DType;

use super::kit::{one, singles};
use super::{Numbers, Tally, UP, metric};
use crate::error::{Error, Result};
use crate::loss::kit::squeeze_or_expand;
use crate::map_float;
use crate::value::{Binary, Value};

crate::keywords! {
    /// How the scores of several outputs become one.
    pub enum Aggregation {
        /// Their mean.
        Uniform = "uniform_average",
        /// Their mean, weighted with the variance of the targets.
        Variance = "variance_weighted_average",
    }
}

metric! {
    /// The coefficient of determination.
    pub struct R2Score("r2_score", Float32, UP) {
        /// How the scores of several outputs become one; they stay apart if none.
        class_aggregation: Option<Aggregation> = Some(Aggregation::Uniform),
        /// How many independent variables the adjusted score is for; zero for the score itself.
        num_regressors: usize = 0,
    }
    |metric| Ok(Arc::new(metric.clone()))
}

impl Tally for R2Score {
    fn batch(&self, y_true: Value, y_pred: Value, sample_weight: Option<Value>) -> Result<Vec<Value>> {
        let (y_true, y_pred) = squeeze_or_expand(y_true.cast(DType::F32)?, y_pred.cast(DType::F32)?)?;
        let shape = y_pred.shape();
        if shape.len() != 2 || y_true.shape() != shape {
            let shapes = format_args!("{:?} and {shape:?}", y_true.shape()).to_string();
            return Err(Error::input(format_args!("expected values of one shape of rank 2, got {shapes}")));
        }
        let weight = match sample_weight {
            None => one(1.0, &y_pred),
            Some(weight) if weight.rank() == 1 => weight.expand_dims(1)?,
            Some(weight) => weight,
        };
        let weight =
            weight.cast(DType::F32)?.broadcast_to(&shape).map_err(|error| error.at("sample_weight"))?;
        let weighted = y_true.clone().binary(Binary::Multiply, weight.clone())?;
        let squares = y_true.clone().binary(Binary::Multiply, weighted.clone())?;
        let apart = y_true.clone().binary(Binary::Subtract, y_pred)?;
        let apart = map_float!(apart, x => x.square())?.binary(Binary::Multiply, weight.clone())?;
        let samples = one(shape.iter().product::<usize>() as f64, &y_true);
        Ok(vec![weighted.total(0)?, squares.total(0)?, apart.total(0)?, weight.total(0)?, samples])
    }

    fn result(&self, sums: &[Vec<f64>]) -> Result<Numbers> {
        let [sum, squares, residual, count, samples] = singles(sums)?;
        let total: Vec<f32> = sum
            .iter()
            .zip(&squares)
            .zip(&count)
            .map(|((sum, squares), count)| squares - sum * (sum / count))
            .collect();
        let score = |(residual, total): (&f32, &f32)| 1.0 - residual / total;
        let scores: Vec<f32> = residual.iter().zip(&total).map(score).collect();
        let scores: Vec<f32> = scores.into_iter().map(|x| if x.is_infinite() { 0.0 } else { x }).collect();
        let scores = match self.class_aggregation {
            Some(Aggregation::Uniform) => vec![scores.iter().sum::<f32>() / scores.len() as f32],
            Some(Aggregation::Variance) => {
                let weighted: f32 = total.iter().zip(&scores).map(|(total, score)| total * score).sum();
                vec![weighted / total.iter().sum::<f32>()]
            }
            None => scores,
        };
        let (n, p) = (samples.first().copied().unwrap_or(0.0), self.num_regressors as f32);
        // As many samples as that have no adjusted score, and Keras gives the plain one.
        let adjusts = self.num_regressors != 0 && p < n - 1.0;
        let adjusted = |score: f32| match adjusts {
            true => 1.0 - (1.0 - score) * (n - 1.0) / (n - p - 1.0),
            false => score,
        };
        let scores: Vec<f64> = scores.into_iter().map(|score| adjusted(score).into()).collect();
        Ok(match (self.class_aggregation, scores.as_slice()) {
            (Some(_), [score]) => Numbers::One(*score),
            _ => Numbers::Many(scores),
        })
    }

    fn sizes(&self) -> Option<Vec<usize>> {
        None
    }

    fn is_single(&self) -> bool {
        self.class_aggregation.is_some()
    }
}
