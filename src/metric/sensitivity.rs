//! The best of one rate where another is good enough.

use std::sync::Arc;

use super::confusion::{Matrix, spread};
use super::kit::{divide_no_nan, singles};
use super::{Numbers, Tally, UP, metric};
use crate::error::{Error, Result};
use crate::value::Value;

metric! {
    /// The highest sensitivity at thresholds with some specificity.
    pub struct SensitivityAtSpecificity("sensitivity_at_specificity", Float32, UP) {
        /// The only entry of the last axis that is looked at.
        class_id: Option<i64> = None,
        /// How many thresholds are tried.
        num_thresholds: usize = 200,
        /// The specificity.
        specificity: f64,
    }
    |metric| {
        let bound = at_least("specificity", metric.specificity)?;
        Best::of(metric.num_thresholds, metric.class_id, bound, specificity, recall)
    }
}

metric! {
    /// The highest specificity at thresholds with some sensitivity.
    pub struct SpecificityAtSensitivity("specificity_at_sensitivity", Float32, UP) {
        /// The only entry of the last axis that is looked at.
        class_id: Option<i64> = None,
        /// How many thresholds are tried.
        num_thresholds: usize = 200,
        /// The sensitivity.
        sensitivity: f64,
    }
    |metric| {
        let bound = at_least("sensitivity", metric.sensitivity)?;
        Best::of(metric.num_thresholds, metric.class_id, bound, recall, specificity)
    }
}

metric! {
    /// The highest precision at thresholds with some recall.
    pub struct PrecisionAtRecall("precision_at_recall", Float32, UP) {
        /// The only entry of the last axis that is looked at.
        class_id: Option<i64> = None,
        /// How many thresholds are tried.
        num_thresholds: usize = 200,
        /// The recall.
        recall: f64,
    }
    |metric| {
        let bound = at_least("recall", metric.recall)?;
        Best::of(metric.num_thresholds, metric.class_id, bound, recall, precision)
    }
}

metric! {
    /// The highest recall at thresholds with some precision.
    pub struct RecallAtPrecision("recall_at_precision", Float32, UP) {
        /// The only entry of the last axis that is looked at.
        class_id: Option<i64> = None,
        /// How many thresholds are tried.
        num_thresholds: usize = 200,
        /// The precision.
        precision: f64,
    }
    |metric| {
        let bound = at_least("precision", metric.precision)?;
        Best::of(metric.num_thresholds, metric.class_id, bound, precision, recall)
    }
}

fn at_least(key: &str, bound: f64) -> Result<f32> {
    match (0.0..=1.0).contains(&bound) {
        true => Ok(bound as f32),
        false => Err(Error::config(format_args!("expected a number from 0 to 1, got {bound}")).at(key)),
    }
}

/// True positives, false positives, true negatives and false negatives at one threshold.
type Counts = [f32; 4];
type Rate = fn(Counts) -> f32;

fn precision([right, wrong, ..]: Counts) -> f32 {
    divide_no_nan(right, right + wrong)
}

fn recall([right, _, _, missed]: Counts) -> f32 {
    divide_no_nan(right, right + missed)
}

fn specificity([_, wrong, not_wrong, _]: Counts) -> f32 {
    divide_no_nan(not_wrong, not_wrong + wrong)
}

#[derive(Debug)]
struct Best {
    matrix: Matrix,
    bound: f32,
    bounded: Rate,
    best: Rate,
}

impl Best {
    fn of(
        thresholds: usize,
        class_id: Option<i64>,
        bound: f32,
        bounded: Rate,
        best: Rate,
    ) -> Result<Arc<dyn Tally>> {
        let too_few = || Error::config("expected a positive integer, got 0").at("num_thresholds");
        let (values, even) = match thresholds {
            0 => return Err(too_few()),
            1 => (vec![0.5], false),
            count => {
                crate::Limits::check("thresholds", count as u64, super::confusion::MOST_THRESHOLDS)?;
                (spread(count), true)
            }
        };
        let matrix = Matrix { even, class_id, ..Matrix::at(values)? };
        Ok(Arc::new(Self { matrix, bound, bounded, best }))
    }
}

impl Tally for Best {
    fn batch(&self, y_true: Value, y_pred: Value, sample_weight: Option<Value>) -> Result<Vec<Value>> {
        self.matrix.count(y_true, y_pred, sample_weight)
    }

    fn result(&self, sums: &[Vec<f64>]) -> Result<Numbers> {
        let [right, wrong, not_wrong, missed] = singles(sums)?;
        let counts = right.iter().zip(&wrong).zip(not_wrong.iter().zip(&missed));
        let counts = counts.map(|((a, b), (c, d))| [*a, *b, *c, *d]);
        let fitting = counts.filter(|counts| (self.bounded)(*counts) >= self.bound);
        Ok(Numbers::One(fitting.map(self.best).fold(0.0, f32::max).into()))
    }

    fn sizes(&self) -> Option<Vec<usize>> {
        self.matrix.sizes()
    }
}
