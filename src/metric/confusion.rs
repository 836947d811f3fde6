//! What is predicted right and wrong, at thresholds.

use std::sync::Arc;

use burn::tensor::{DType, Tensor, TensorData};

use super::kit::{divide_no_nan, singles};
use super::{Numbers, Tally, UP, metric};
use crate::config::{Field, Json, Reader, refuse, resolve_axis};
use crate::error::{Error, Result};
use crate::loss::kit::squeeze_or_expand;
use crate::map_float;
use crate::value::{Binary, Value};

/// Thresholds above which something counts as predicted: one, or several with a number for each.
#[derive(Clone, Debug, PartialEq)]
pub enum Thresholds {
    /// One.
    One(f64),
    /// Several.
    Many(Vec<f64>),
}

impl Field for Thresholds {
    const EXPECTED: &'static str = "a number or a list of them";

    fn read(json: &Json, reader: &mut Reader<'_>) -> Option<Self> {
        match json {
            Json::Array(_) => Vec::read(json, reader).map(Self::Many),
            Json::Number(_) => f64::read(json, reader).map(Self::One),
            _ => refuse(json, reader),
        }
    }

    fn write(&self) -> Json {
        match self {
            Self::One(threshold) => threshold.write(),
            Self::Many(thresholds) => thresholds.write(),
        }
    }
}

metric! {
    /// How many are predicted that are not true.
    pub struct FalsePositives("false_positives", Float32, None) {
        /// What counts as predicted is above; 0.5 if none.
        thresholds: Option<Thresholds> = None,
    }
    |metric| Rates::count(&metric.thresholds, FALSE_POSITIVES)
}

metric! {
    /// How many are true that are not predicted.
    pub struct FalseNegatives("false_negatives", Float32, None) {
        /// What counts as predicted is above; 0.5 if none.
        thresholds: Option<Thresholds> = None,
    }
    |metric| Rates::count(&metric.thresholds, FALSE_NEGATIVES)
}

metric! {
    /// How many are neither true nor predicted.
    pub struct TrueNegatives("true_negatives", Float32, None) {
        /// What counts as predicted is above; 0.5 if none.
        thresholds: Option<Thresholds> = None,
    }
    |metric| Rates::count(&metric.thresholds, TRUE_NEGATIVES)
}

metric! {
    /// How many are true and predicted.
    pub struct TruePositives("true_positives", Float32, None) {
        /// What counts as predicted is above; 0.5 if none.
        thresholds: Option<Thresholds> = None,
    }
    |metric| Rates::count(&metric.thresholds, TRUE_POSITIVES)
}

metric! {
    /// How much of what is predicted is true.
    pub struct Precision("precision", Float32, UP) {
        /// What counts as predicted is above; 0.5 if none.
        thresholds: Option<Thresholds> = None,
        /// Only so many of the highest entries of the last axis count as predicted.
        top_k: Option<usize> = None,
        /// The only entry of the last axis that is looked at.
        class_id: Option<i64> = None,
    }
    |metric| Rates::of(&metric.thresholds, metric.top_k, metric.class_id, Rate::Part(FALSE_POSITIVES))
}

metric! {
    /// How much of what is true is predicted.
    pub struct Recall("recall", Float32, UP) {
        /// What counts as predicted is above; 0.5 if none.
        thresholds: Option<Thresholds> = None,
        /// Only so many of the highest entries of the last axis count as predicted.
        top_k: Option<usize> = None,
        /// The only entry of the last axis that is looked at.
        class_id: Option<i64> = None,
    }
    |metric| Rates::of(&metric.thresholds, metric.top_k, metric.class_id, Rate::Part(FALSE_NEGATIVES))
}

/// The places of the four counts.
const TRUE_POSITIVES: usize = 0;
const FALSE_POSITIVES: usize = 1;
const TRUE_NEGATIVES: usize = 2;
const FALSE_NEGATIVES: usize = 3;

/// What stands for nothing where only the highest entries count.
const LOWEST: f64 = -1e10;
/// More thresholds than anyone has.
pub(super) const MOST_THRESHOLDS: u64 = 1 << 20;

/// What a metric at thresholds comes to.
#[derive(Clone, Copy, Debug)]
enum Rate {
    /// One of the counts.
    Count(usize),
    /// The true positives as a part of them and of another count.
    Part(usize),
}

#[derive(Debug)]
struct Rates {
    matrix: Matrix,
    rate: Rate,
}

impl Rates {
    fn count(thresholds: &Option<Thresholds>, count: usize) -> Result<Arc<dyn Tally>> {
        Self::of(thresholds, None, None, Rate::Count(count))
    }

    fn of(
        thresholds: &Option<Thresholds>,
        top_k: Option<usize>,
        class_id: Option<i64>,
        rate: Rate,
    ) -> Result<Arc<dyn Tally>> {
        let thresholds = match thresholds {
            None if top_k.is_some() => vec![LOWEST],
            None => vec![0.5],
            Some(Thresholds::One(threshold)) => vec![*threshold],
            Some(Thresholds::Many(thresholds)) => thresholds.clone(),
        };
        if top_k == Some(0) {
            return Err(Error::config("expected a positive integer, got 0").at("top_k"));
        }
        let given = thresholds.iter().filter(|threshold| **threshold != LOWEST);
        check_thresholds(given).map_err(|error| error.at("thresholds"))?;
        let matrix = Matrix { top_k, class_id, ..Matrix::at(thresholds)? };
        Ok(Arc::new(Self { matrix, rate }))
    }
}

impl Tally for Rates {
    fn batch(&self, y_true: Value, y_pred: Value, sample_weight: Option<Value>) -> Result<Vec<Value>> {
        self.matrix.count(y_true, y_pred, sample_weight)
    }

    fn result(&self, sums: &[Vec<f64>]) -> Result<Numbers> {
        let counts = singles::<4>(sums)?;
        let part = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| divide_no_nan(*a, a + b)).collect();
        let numbers: Vec<f32> = match self.rate {
            Rate::Count(at) => counts[at].clone(),
            Rate::Part(at) => part(&counts[TRUE_POSITIVES], &counts[at]),
        };
        Ok(match numbers.as_slice() {
            [number] => Numbers::One((*number).into()),
            numbers => Numbers::Many(numbers.iter().copied().map(f64::from).collect()),
        })
    }

    fn sizes(&self) -> Option<Vec<usize>> {
        self.matrix.sizes()
    }

    fn is_single(&self) -> bool {
        self.matrix.thresholds.len() == 1
    }
}

/// Refuses thresholds that are not probabilities.
pub(super) fn check_thresholds<'a>(thresholds: impl Iterator<Item = &'a f64>) -> Result<()> {
    match thresholds.copied().find(|threshold| !(0.0..=1.0).contains(threshold)) {
        Some(wrong) => Err(Error::config(format_args!("expected numbers from 0 to 1, got {wrong}"))),
        None => Ok(()),
    }
}

/// Thresholds from zero to one, all equally far apart.
pub(super) fn spread(count: usize) -> Vec<f64> {
    (0..count).map(|at| at as f64 / (count.saturating_sub(1).max(1)) as f64).collect()
}

/// Counts what is predicted right and wrong at thresholds.
#[derive(Clone, Debug)]
pub(super) struct Matrix {
    pub(super) thresholds: Vec<f64>,
    /// Whether the thresholds are equally far apart, so that there is a short way.
    pub(super) even: bool,
    pub(super) top_k: Option<usize>,
    pub(super) class_id: Option<i64>,
    /// Whether the entries of the last axis are counted apart.
    pub(super) by_label: bool,
    pub(super) label_weights: Option<Vec<f64>>,
}

impl Matrix {
    pub(super) fn at(thresholds: Vec<f64>) -> Result<Self> {
        crate::Limits::check("thresholds", thresholds.len() as u64, MOST_THRESHOLDS)?;
        if thresholds.is_empty() {
            return Err(Error::config("expected a threshold at least").at("thresholds"));
        }
        let even = Self::are_even(&thresholds);
        Ok(Self { thresholds, even, top_k: None, class_id: None, by_label: false, label_weights: None })
    }

    /// Whether thresholds are equally far apart, as Keras tells it.
    pub(super) fn are_even(thresholds: &[f64]) -> bool {
        let close = |(a, b): (&f64, f64)| (a - b).abs() <= 1e-7 + 1e-5 * b;
        thresholds.len() >= 3 && thresholds.iter().zip(spread(thresholds.len())).all(close)
    }

    pub(super) fn sizes(&self) -> Option<Vec<usize>> {
        (!self.by_label).then(|| vec![self.thresholds.len(); 4])
    }

    /// The four counts: `[thresholds]`, or `[thresholds, labels]` where labels are apart.
    pub(super) fn count(&self, y_true: Value, y_pred: Value, weight: Option<Value>) -> Result<Vec<Value>> {
        let (y_true, y_pred) = (y_true.cast(DType::F32)?, y_pred.cast(DType::F32)?);
        let (mut y_pred, mut y_true) = squeeze_or_expand(y_pred, y_true)?;
        let weight = match weight {
            None => None,
            Some(weight) => {
                let (rank, weight) = (weight.rank(), weight.cast(DType::F32)?);
                Some(if rank == y_true.rank() { weight } else { weight.expand_dims(rank)? })
            }
        };
        if y_true.shape() != y_pred.shape() || y_pred.rank() == 0 {
            let (y_true, y_pred) = (y_true.shape(), y_pred.shape());
            return Err(Error::input(format_args!("targets {y_true:?} for predictions {y_pred:?}")));
        }
        if let Some(k) = self.top_k {
            y_pred = only_highest(y_pred, k).map_err(|error| error.at("top_k"))?;
        }
        if let Some(class) = self.class_id {
            (y_true, y_pred) = (entry(y_true, class)?, entry(y_pred, class)?);
        }
        let shape = y_pred.shape();
        let labels = match (self.by_label, shape.as_slice()) {
            (false, _) => 1,
            (true, [_, labels]) => *labels,
            (true, _) => {
                return Err(Error::input(format_args!("expected predictions of rank 2, got {shape:?}")));
            }
        };
        let weight = self.weight(weight, &y_pred)?;
        let rows = shape.iter().product::<usize>() / labels.max(1);
        let y_true = map_float!(y_true, x => x.not_equal_elem(0.0).float())?;
        let flat = |value: Value| value.reshape(&[rows, labels])?.float::<2>();
        let (y_true, y_pred) = (flat(y_true)?, flat(y_pred)?);
        let weight = weight.map(flat).transpose()?;
        let weighted = |x: Tensor<2>| match &weight {
            Some(weight) => x * weight.clone(),
            None => x,
        };
        let (yes, no) = (weighted(y_true.clone()), weighted(-y_true + 1.0));
        let counts = if self.even { self.in_buckets(yes, no, y_pred) } else { self.at_each(yes, no, y_pred) };
        Ok(counts.map(Value::from).to_vec())
    }

    /// The weights of all entries of the predictions.
    fn weight(&self, weight: Option<Value>, y_pred: &Value) -> Result<Option<Value>> {
        let shape = y_pred.shape();
        let weight =
            weight.map(|weight| weight.broadcast_to(&shape).map_err(|error| error.at("sample_weight")));
        let Some(labels) = &self.label_weights else { return weight.transpose() };
        let labels = TensorData::new(labels.clone(), [1, labels.len()]).convert_dtype(DType::F32);
        let labels = Value::from_data(labels, &y_pred.device())?.broadcast_to(&shape);
        let labels = labels.map_err(|error| error.at("label_weights"))?;
        match weight.transpose()? {
            Some(weight) => weight.binary(Binary::Multiply, labels).map(Some),
            None => Ok(Some(labels)),
        }
    }

    /// Compares everything with every threshold.
    fn at_each(&self, yes: Tensor<2>, no: Tensor<2>, y_pred: Tensor<2>) -> [Tensor<2>; 4] {
        let count = self.thresholds.len();
        let [rows, labels] = y_pred.dims();
        let thresholds: Vec<f32> = self.thresholds.iter().map(|threshold| *threshold as f32).collect();
        let thresholds = Tensor::<1>::from_data(TensorData::new(thresholds, [count]), &y_pred.device());
        let shape = [count, rows, labels];
        let y_pred = y_pred.reshape([1, rows, labels]).expand(shape);
        let predicted = y_pred.greater(thresholds.reshape([count, 1, 1]).expand(shape)).float();
        let others = -predicted.clone() + 1.0;
        let among = |predicted: &Tensor<3>, counted: &Tensor<2>| {
            let counted = counted.clone().reshape([1, rows, labels]);
            (predicted.clone() * counted).sum_dim(1).reshape([count, labels])
        };
        [among(&predicted, &yes), among(&predicted, &no), among(&others, &no), among(&others, &yes)]
    }

    /// Counts what lies between neighbouring thresholds, and adds up from above.
    fn in_buckets(&self, yes: Tensor<2>, no: Tensor<2>, y_pred: Tensor<2>) -> [Tensor<2>; 4] {
        let count = self.thresholds.len();
        let [rows, labels] = y_pred.dims();
        let device = y_pred.device();
        let (first, last) = (self.thresholds.first(), self.thresholds.last());
        let has_margin = first.is_some_and(|first| *first < 0.0) || last.is_some_and(|last| *last > 1.0);
        // What lies on a threshold is in the bucket below; zero itself is in none, unless there is a margin.
        let bucket = (y_pred.clamp(0.0, 1.0) * (count as f64 - 1.0)).ceil() - 1.0;
        let bucket = match has_margin {
            true => bucket.clamp_min(0.0),
            false => {
                let below = bucket.clone().lower_elem(0.0);
                bucket.mask_fill(below, count as f64)
            }
        };
        let label = Tensor::<1, burn::tensor::Int>::arange(0..labels as i64, &device).reshape([1, labels]);
        let place = bucket.int() * labels as i64 + label.expand([rows, labels]);
        let counted = Tensor::cat(
            vec![yes.clone().reshape([rows * labels, 1]), no.clone().reshape([rows * labels, 1])],
            1,
        );
        let buckets = Tensor::<2>::zeros([(count + 1) * labels, 2], (&device, DType::F32));
        let add = burn::tensor::IndexingUpdateOp::Add;
        let buckets = buckets.select_assign(0, place.reshape([rows * labels]), counted, add);
        let buckets = buckets.reshape([count + 1, labels * 2]).narrow(0, 0, count);
        let above = buckets.flip([0]).cumsum(0).flip([0]).reshape([count, labels, 2]);
        let at = |which| above.clone().narrow(2, which, 1).reshape([count, labels]);
        let (right, wrong) = (at(0), at(1));
        let (not_wrong, missed) = (no.sum_dim(0) - wrong.clone(), yes.sum_dim(0) - right.clone());
        [right, wrong, not_wrong, missed]
    }
}

/// One entry of the last axis, which stays.
fn entry(value: Value, class: i64) -> Result<Value> {
    let shape = value.shape();
    let (Some(classes), true) = (shape.last(), shape.len() > 1) else {
        return Err(
            Error::input(format_args!("expected predictions of rank 2, got {shape:?}")).at("class_id")
        );
    };
    let outside = |_| Error::input(format_args!("there is no class {class} among {classes}")).at("class_id");
    let class = resolve_axis(class, *classes).map_err(outside)?;
    value.narrow(shape.len() - 1, class, 1)
}

/// The highest entries of the last axis; of equals, the first ones. The others are as low as nothing is.
fn only_highest(value: Value, k: usize) -> Result<Value> {
    let shape = value.shape();
    let classes = shape.last().copied().unwrap_or(0);
    if k > classes {
        return Err(Error::input(format_args!("{k} of {classes} classes")));
    }
    let rows = shape.iter().product::<usize>() / classes.max(1);
    let x = value.reshape(&[rows, classes])?.float::<2>()?;
    let last = x.clone().topk(k, 1).min_dim(1);
    let above = x.clone().greater(last.clone().expand([rows, classes])).float();
    let equal = x.clone().equal(last.expand([rows, classes])).float();
    let room = -above.clone().sum_dim(1) + k as f64;
    let has_room = equal.clone().cumsum(1).lower_equal(room.expand([rows, classes])).float();
    let kept = above + equal * has_room;
    let highest = x * kept.clone() + (-kept + 1.0) * LOWEST;
    Value::from(highest).reshape(&shape)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[test]
    fn the_first_of_equals_are_the_highest() {
        let x = Tensor::<2>::from_floats([[1.0, 2.0, 2.0, 2.0], [0.0, -1.0, 0.0, 3.0]], &Device::flex());
        let kept = only_highest(x.into(), 2).unwrap().float::<2>().unwrap().greater_elem(-1e9);
        assert_eq!(
            kept.into_data().iter::<bool>().collect::<Vec<_>>(),
            [false, true, true, false, true, false, false, true]
        );
        assert!(only_highest(Value::from(Tensor::<2>::ones([1, 2], &Device::flex())), 3).is_err());
    }

    #[test]
    fn thresholds_are_even_as_keras_tells_it() {
        assert!(Matrix::are_even(&[0.0, 0.5, 1.0]));
        assert!(Matrix::are_even(&spread(200)));
        assert!(!Matrix::are_even(&[0.0, 1.0]));
        assert!(!Matrix::are_even(&[0.1, 0.5, 1.0]));
    }
}
