//! The area under curves of rates at thresholds.

use std::sync::Arc;

use super::confusion::{MOST_THRESHOLDS, Matrix, spread};
use super::kit::{divide_no_nan, singles};
use super::{Numbers, Tally, UP, metric};
use crate::config::Array;
use crate::error::{Error, Result};
use crate::loss::kit::EPSILON;
use crate::map_float;
use crate::value::Value;

crate::keywords! {
    /// Which curve the area is under.
    pub enum Curve {
        /// The true positive rate over the false positive rate.
        Roc = "ROC",
        /// Precision over recall.
        Pr = "PR",
        /// Precision gain over recall gain.
        PrGain = "PRGAIN",
    }
}

crate::keywords! {
    /// How the area between two thresholds is taken.
    pub enum Summation {
        /// Between the two; of precision, what lies between true positives.
        Interpolation = "interpolation",
        /// The lower one.
        Minoring = "minoring",
        /// The higher one.
        Majoring = "majoring",
    }
}

metric! {
    /// The area under a curve.
    pub struct AUC("auc", Float32, UP) {
        /// How many thresholds there are, from zero to one.
        num_thresholds: usize = 200,
        /// Which curve it is.
        curve: Curve = Curve::Roc,
        /// How the area between two thresholds is taken.
        summation_method: Summation = Summation::Interpolation,
        /// Whether the entries of the last axis have a curve each, of which the mean area is taken.
        multi_label: bool = false,
        /// How many entries that are.
        num_labels: Option<usize> = None,
        /// The weight of each of them.
        label_weights: Option<Array> = None,
        /// Whether the predictions are before the sigmoid.
        from_logits: bool = false,
        /// The thresholds between zero and one, in place of those equally far apart.
        thresholds: Option<Vec<f64>> = None,
    }
    |metric| Area::of(metric)
}

#[derive(Debug)]
struct Area {
    matrix: Matrix,
    curve: Curve,
    summation: Summation,
    from_logits: bool,
    num_labels: Option<usize>,
    label_weights: Option<Vec<f32>>,
}

impl Area {
    fn of(metric: &AUC) -> Result<Arc<dyn Tally>> {
        let (mut thresholds, even) = match &metric.thresholds {
            Some(given) => {
                let mut all: Vec<f64> = given.iter().copied().chain([0.0, 1.0]).collect();
                super::confusion::check_thresholds(all.iter()).map_err(|error| error.at("thresholds"))?;
                all.sort_by(f64::total_cmp);
                let even = Matrix::are_even(&all);
                (all, even)
            }
            None if metric.num_thresholds < 2 => {
                return Err(Error::config("expected an integer above 1").at("num_thresholds"));
            }
            None => {
                crate::Limits::check("thresholds", metric.num_thresholds as u64, MOST_THRESHOLDS)?;
                (spread(metric.num_thresholds), true)
            }
        };
        // Nothing is at the ends, whatever the rounding.
        if let [first, .., last] = thresholds.as_mut_slice() {
            (*first, *last) = (-EPSILON, 1.0 + EPSILON);
        }
        let num_labels = metric.num_labels.filter(|count| *count != 0);
        if num_labels.is_some() && !metric.multi_label {
            return Err(Error::config("is for multi_label only").at("num_labels"));
        }
        let weights = metric.label_weights.as_ref().map(|weights| weights.numbers().to_vec());
        let by_label = metric.multi_label;
        let label_weights = weights.clone().filter(|_| !by_label);
        let matrix = Matrix { even, by_label, label_weights, ..Matrix::at(thresholds)? };
        Ok(Arc::new(Self {
            matrix,
            curve: metric.curve,
            summation: metric.summation_method,
            from_logits: metric.from_logits,
            num_labels,
            label_weights: weights.filter(|_| by_label).map(|all| all.iter().map(|x| *x as f32).collect()),
        }))
    }

    /// The area under the curve of one label: the four counts at all thresholds.
    fn area(&self, counts: &[[f32; 4]]) -> f32 {
        if self.curve == Curve::Pr && self.summation == Summation::Interpolation {
            return counts.windows(2).map(interpolated).sum();
        }
        let points: Vec<(f32, f32)> = counts.iter().map(|counts| self.point(*counts)).collect();
        let height = |a: f32, b: f32| match self.summation {
            Summation::Interpolation => (a + b) / 2.0,
            Summation::Minoring => a.min(b),
            Summation::Majoring => a.max(b),
        };
        points.windows(2).map(|pair| (pair[0].0 - pair[1].0) * height(pair[0].1, pair[1].1)).sum()
    }

    fn point(&self, [right, wrong, not_wrong, missed]: [f32; 4]) -> (f32, f32) {
        let recall = divide_no_nan(right, right + missed);
        match self.curve {
            Curve::Roc => (divide_no_nan(wrong, wrong + not_wrong), recall),
            Curve::Pr => (recall, divide_no_nan(right, right + wrong)),
            // Both gains diverge where nothing true is predicted.
            Curve::PrGain if right == 0.0 => (0.0, 1.0),
            Curve::PrGain => {
                let scale = divide_no_nan(right + missed, not_wrong + wrong);
                ((1.0 - scale * (missed / right)).max(0.0), 1.0 - scale * (wrong / right))
            }
        }
    }
}

/// The area under precision between two thresholds, true and false positives growing evenly in between.
fn interpolated(pair: &[[f32; 4]]) -> f32 {
    let [[right, wrong, ..], [next_right, next_wrong, _, next_missed]] = pair else { return 0.0 };
    let (all, next_all) = (right + wrong, next_right + next_wrong);
    let more = right - next_right;
    let slope = divide_no_nan(more, (all - next_all).max(0.0));
    let intercept = next_right - slope * next_all;
    let ratio = if all > 0.0 && next_all > 0.0 { divide_no_nan(all, next_all) } else { 1.0 };
    divide_no_nan(slope * (more + intercept * ratio.ln()), (next_right + next_missed).max(0.0))
}

impl Tally for Area {
    fn batch(&self, y_true: Value, y_pred: Value, sample_weight: Option<Value>) -> Result<Vec<Value>> {
        let y_pred = match self.from_logits {
            true => map_float!(y_pred, x => burn::tensor::activation::sigmoid(x))?,
            false => y_pred,
        };
        let labels = y_pred.shape().last().copied();
        let expected = self.num_labels.or(self.label_weights.as_ref().map(Vec::len));
        if expected.is_some() && expected != labels {
            let message = format_args!("expected {expected:?} labels, got {labels:?}").to_string();
            return Err(Error::input(message));
        }
        self.matrix.count(y_true, y_pred, sample_weight)
    }

    fn result(&self, sums: &[Vec<f64>]) -> Result<Numbers> {
        let counts = singles::<4>(sums)?;
        let labels = (counts[0].len() / self.matrix.thresholds.len()).max(1);
        let of_label = |label: usize| {
            let at = |which: usize| counts[which].iter().skip(label).step_by(labels);
            let counts: Vec<[f32; 4]> =
                at(0).zip(at(1)).zip(at(2).zip(at(3))).map(|((a, b), (c, d))| [*a, *b, *c, *d]).collect();
            self.area(&counts)
        };
        let areas = (0..labels).map(of_label);
        let area = match &self.label_weights {
            Some(weights) => {
                let weighted: f32 = areas.zip(weights).map(|(area, weight)| area * weight).sum();
                divide_no_nan(weighted, weights.iter().sum())
            }
            None => areas.sum::<f32>() / labels as f32,
        };
        Ok(Numbers::One(area.into()))
    }

    fn sizes(&self) -> Option<Vec<usize>> {
        self.matrix.sizes().or_else(|| {
            let size = self.matrix.thresholds.len().checked_mul(self.num_labels?)?;
            Some(vec![size; 4])
        })
    }
}
