//! How well areas of classes overlap.

use std::sync::Arc;

use burn::tensor::{DType, IndexingUpdateOp, Int, Tensor};

use super::{Numbers, Settings, Tally, UP, metric};
use crate::config::{Dtype, resolve_axis};
use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::loss::kit::EPSILON;
use crate::map_float;
use crate::value::Value;

metric! {
    /// The mean overlap of some classes.
    pub struct IoU("io_u", Int32, UP) {
        /// How many classes there are.
        num_classes: usize,
        /// Those that are meant.
        target_class_ids: Vec<i64>,
        /// The class that does not count where it is true.
        ignore_class: Option<i64> = None,
        /// Whether targets are the numbers of classes.
        sparse_y_true: bool = true,
        /// Whether predictions are the numbers of classes.
        sparse_y_pred: bool = true,
        /// The axis of the classes otherwise.
        axis: i64 = -1,
    }
    |metric| Overlap {
        sparse: [metric.sparse_y_true, metric.sparse_y_pred],
        ..Overlap::of(metric, metric.num_classes, metric.ignore_class, metric.axis)
    }.only(&metric.target_class_ids)
}

metric! {
    /// The mean overlap of what is true and false.
    pub struct BinaryIoU("binary_io_u", Int32, UP) {
        /// The classes that are meant: false is 0, true is 1.
        target_class_ids: Vec<i64> = vec![0, 1],
        /// What is at it or above is predicted to be true.
        threshold: f64 = 0.5,
    }
    |metric| Overlap {
        threshold: Some(metric.threshold),
        ..Overlap::of(metric, 2, None, -1)
    }.only(&metric.target_class_ids)
}

metric! {
    /// The mean overlap of all classes.
    pub struct MeanIoU("mean_io_u", Int32, UP) {
        /// How many classes there are.
        num_classes: usize,
        /// The class that does not count where it is true.
        ignore_class: Option<i64> = None,
        /// Whether targets are the numbers of classes.
        sparse_y_true: bool = true,
        /// Whether predictions are the numbers of classes.
        sparse_y_pred: bool = true,
        /// The axis of the classes otherwise.
        axis: i64 = -1,
    }
    |metric| Overlap {
        sparse: [metric.sparse_y_true, metric.sparse_y_pred],
        ..Overlap::of(metric, metric.num_classes, metric.ignore_class, metric.axis)
    }.all()
}

metric! {
    /// The mean overlap of some classes, of targets of one number per class.
    pub struct OneHotIoU("one_hot_io_u", Int32, UP) {
        /// How many classes there are.
        num_classes: usize,
        /// Those that are meant.
        target_class_ids: Vec<i64>,
        /// The class that does not count where it is true.
        ignore_class: Option<i64> = None,
        /// Whether predictions are the numbers of classes.
        sparse_y_pred: bool = false,
        /// The axis of the classes otherwise.
        axis: i64 = -1,
    }
    |metric| Overlap {
        sparse: [false, metric.sparse_y_pred],
        ..Overlap::of(metric, metric.num_classes, metric.ignore_class, metric.axis)
    }.only(&metric.target_class_ids)
}

metric! {
    /// The mean overlap of all classes, of targets of one number per class.
    pub struct OneHotMeanIoU("one_hot_mean_io_u", Int32, UP) {
        /// How many classes there are.
        num_classes: usize,
        /// The class that does not count where it is true.
        ignore_class: Option<i64> = None,
        /// Whether predictions are the numbers of classes.
        sparse_y_pred: bool = false,
        /// The axis of the classes otherwise.
        axis: i64 = -1,
    }
    |metric| Overlap {
        sparse: [false, metric.sparse_y_pred],
        ..Overlap::of(metric, metric.num_classes, metric.ignore_class, metric.axis)
    }.all()
}

/// The most cells of a matrix of classes and classes.
const MOST_CELLS: u64 = 1 << 26;

#[derive(Debug)]
struct Overlap {
    classes: usize,
    targets: Vec<usize>,
    ignored: Option<i64>,
    /// Whether targets and predictions are the numbers of classes.
    sparse: [bool; 2],
    axis: i64,
    threshold: Option<f64>,
    /// The kind of numbers that labels and weights are brought to.
    dtype: DType,
}

impl Overlap {
    fn of(metric: &impl Settings, classes: usize, ignored: Option<i64>, axis: i64) -> Self {
        let dtype = match metric.given_dtype() {
            Some(dtype) if dtype.is_float() => DType::F32,
            Some(Dtype::Int64) => DType::I64,
            _ => DType::I32,
        };
        Self { classes, targets: Vec::new(), ignored, sparse: [true; 2], axis, threshold: None, dtype }
    }

    fn only(mut self, targets: &[i64]) -> Result<Arc<dyn Tally>> {
        let wrong =
            |class: &i64| Error::config(format_args!("there is no class {class} among {}", self.classes));
        let place = |class: &i64| resolve_axis(*class, self.classes).map_err(|_| wrong(class));
        let targets: Result<_> = targets.iter().map(place).collect();
        self.targets = targets.map_err(|error: Error| error.at("target_class_ids"))?;
        match self.targets.is_empty() {
            true => Err(Error::config("expected a class at least").at("target_class_ids")),
            false => self.checked(),
        }
    }

    fn all(mut self) -> Result<Arc<dyn Tally>> {
        let cells = (self.classes as u64).saturating_mul(self.classes as u64);
        Limits::check("cells of a confusion matrix", cells, MOST_CELLS)?;
        self.targets = (0..self.classes).collect();
        self.checked()
    }

    fn checked(self) -> Result<Arc<dyn Tally>> {
        let cells = (self.classes as u64).saturating_mul(self.classes as u64);
        Limits::check("cells of a confusion matrix", cells, MOST_CELLS)?;
        match self.classes {
            0 => Err(Error::config("expected a positive integer, got 0").at("num_classes")),
            _ => Ok(Arc::new(self)),
        }
    }

    /// The numbers of the classes: a vector.
    fn classes(&self, value: Value, sparse: bool) -> Result<Value> {
        let value = if sparse { value } else { along(value, self.axis)? };
        let count = value.shape().iter().product();
        value.cast(self.dtype)?.reshape(&[count])
    }
}

/// Where the highest entry of an axis, which goes, is.
fn along(value: Value, axis: i64) -> Result<Value> {
    let rank = value.rank();
    let axis = resolve_axis(axis, rank)?;
    let order: Vec<usize> = (0..rank).filter(|other| *other != axis).chain([axis]).collect();
    super::kit::argmax(value.permute(&order)?)
}

impl Tally for Overlap {
    fn batch(&self, y_true: Value, y_pred: Value, sample_weight: Option<Value>) -> Result<Vec<Value>> {
        let y_pred = match self.threshold {
            Some(threshold) => map_float!(y_pred, x => x.greater_equal_elem(threshold).float())?,
            None => y_pred,
        };
        let (y_true, y_pred) = (self.classes(y_true, self.sparse[0])?, self.classes(y_pred, self.sparse[1])?);
        let (shape, of_pred) = (y_true.shape(), y_pred.shape());
        if shape != of_pred {
            return Err(Error::input(format_args!("{shape:?} targets for {of_pred:?} predictions")));
        }
        let weight = match sample_weight {
            None => super::kit::one(1.0, &y_true).cast(self.dtype)?,
            Some(weight) => self.classes(weight, true)?,
        };
        let weight = weight.broadcast_to(&shape).map_err(|error| error.at("sample_weight"))?;
        let classes = self.classes as f64;
        let inside = |value: &Value| {
            let value = value.clone();
            map_float!(value, x => x.clone().greater_equal_elem(0.0).bool_and(x.lower_elem(classes)).float())
        };
        let mut valid = inside(&y_true)?.and(inside(&y_pred)?)?;
        if let Some(ignored) = self.ignored {
            valid = valid.and(map_float!(y_true.clone(), x => x.not_equal_elem(ignored as f64).float())?)?;
        }
        let outside = valid.bool::<1>()?.bool_not();
        let place =
            |value: Value| Ok::<_, Error>(value.int::<1>()?.cast(DType::I64).mask_fill(outside.clone(), 0));
        let cell = place(y_true)? * self.classes as i64 + place(y_pred)?;
        let weight = weight.fill(outside.into(), 0.0)?;
        added(self.classes * self.classes, cell, weight).map(|cells| vec![cells])
    }

    fn result(&self, sums: &[Vec<f64>]) -> Result<Numbers> {
        let Some(cells) = sums.first() else { return Ok(Numbers::One(0.0)) };
        let row = |class: usize| cells.iter().skip(class * self.classes).take(self.classes);
        let column = |class: usize| cells.iter().skip(class).step_by(self.classes);
        let overlap = |class: &usize| {
            let both = cells.get(class * self.classes + class).copied().unwrap_or(0.0);
            let either = (row(*class).sum::<f64>() + column(*class).sum::<f64>() - both) as f32;
            (either > 1e-9).then(|| both as f32 / (either + EPSILON as f32))
        };
        let overlaps: Vec<f32> = self.targets.iter().filter_map(overlap).collect();
        let mean = overlaps.iter().sum::<f32>() / (overlaps.len() as f32 + EPSILON as f32);
        Ok(Numbers::One(mean.into()))
    }

    fn sizes(&self) -> Option<Vec<usize>> {
        Some(vec![self.classes * self.classes])
    }
}

/// Cells of zeros with weights added at places.
fn added(cells: usize, places: Tensor<1, Int>, weight: Value) -> Result<Value> {
    let device = places.device();
    let add = IndexingUpdateOp::Add;
    if weight.is_float() {
        let zeros = Tensor::<1>::zeros([cells], (&device, DType::F32));
        return Ok(zeros.select_assign(0, places, weight.float::<1>()?, add).into());
    }
    let zeros = Tensor::<1, Int>::zeros([cells], (&device, weight.dtype()));
    Ok(zeros.select_assign(0, places, weight.int::<1>()?, add).into())
}
