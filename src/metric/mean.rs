//! Means and sums of numbers, and of what functions make of targets and predictions.

use std::fmt;
use std::sync::Arc;

use super::kit::{divide_no_nan, masked, one, reduce_from, singles, sum};
use super::{CustomMetrics, Numbers, Settings, Tally, function, metric};
use crate::callback::Direction;
use crate::config::{Config, Dtype, Field, Json, Map, Reader, read_key};
use crate::error::{Error, Result};
use crate::loss::kit::squeeze_or_expand;
use crate::value::{Binary, Reduce, Value};

metric! {
    /// The mean of numbers. It is no metric of a model, which gives targets and predictions.
    pub struct Mean("mean", Float32, None) {}
    |metric| Ok(Arc::new(metric.clone()))
}

impl Tally for Mean {
    fn batch(&self, numbers: Value, _: Value, sample_weight: Option<Value>) -> Result<Vec<Value>> {
        weighted_mean(numbers, sample_weight)
    }

    fn result(&self, sums: &[Vec<f64>]) -> Result<Numbers> {
        mean(sums).map(|mean| Numbers::One(mean.into()))
    }

    fn sizes(&self) -> Option<Vec<usize>> {
        Some(vec![1, 1])
    }
}

metric! {
    /// The sum of numbers. It is no metric of a model, which gives targets and predictions.
    pub struct Sum("sum", Float32, None) {}
    |metric| Ok(Arc::new(metric.clone()))
}

impl Tally for Sum {
    fn batch(&self, numbers: Value, _: Value, sample_weight: Option<Value>) -> Result<Vec<Value>> {
        let mask = numbers.mask().cloned();
        let Some(weight) = sample_weight else { return Ok(vec![sum(numbers)?]) };
        let weight = masked(Some(weight), mask)?.unwrap_or_else(|| one(1.0, &numbers));
        let (numbers, weight) = squeeze_or_expand(numbers, weight)?;
        let numbers = reduce_from(numbers, Reduce::Sum, weight.rank())?;
        let weight = weight.broadcast_to(&numbers.shape()).map_err(|error| error.at("sample_weight"))?;
        Ok(vec![sum(numbers.binary(Binary::Multiply, weight)?)?])
    }

    fn result(&self, sums: &[Vec<f64>]) -> Result<Numbers> {
        let [total] = singles(sums)?;
        Ok(Numbers::One(total.iter().sum::<f32>().into()))
    }

    fn sizes(&self) -> Option<Vec<usize>> {
        Some(vec![1])
    }
}

/// The mean of what a function makes of targets and predictions.
#[derive(Clone, Debug, PartialEq)]
pub struct MeanMetricWrapper {
    /// Its name, as in the logs.
    pub name: Option<String>,
    /// The type that it counts in.
    pub dtype: Option<Dtype>,
    /// The function, as Keras describes it.
    pub function: Json,
    /// What else the function is called with.
    pub arguments: Map<String, Json>,
}

impl Config for MeanMetricWrapper {
    // Any other key is an argument of the function.
    const KEYS: &'static [&'static str] = &["name", "dtype", "fn", "**"];

    fn read(json: &Map<String, Json>, reader: &mut Reader<'_>) -> Option<Self> {
        let function = json.get("fn").cloned();
        // A function that stands by itself gives its metric its name.
        let name = read_key(json, "name", Some(function.as_ref().and_then(function::name)), reader);
        let dtype = read_key(json, "dtype", Some(None), reader);
        if function.is_none() {
            reader.push(Error::config("missing: expected a function").at("fn"));
        }
        let others = json.iter().filter(|(key, _)| !Self::KEYS.contains(&key.as_str()));
        let arguments = others.map(|(key, value)| (key.clone(), value.clone())).collect();
        Some(Self { name: name?, dtype: dtype?, function: function?, arguments })
    }

    fn write(&self) -> Map<String, Json> {
        let own = [("name", self.name.write()), ("dtype", self.dtype.write()), ("fn", self.function.clone())];
        let own = own.map(|(key, value)| (key.to_owned(), value));
        own.into_iter().chain(self.arguments.clone()).collect()
    }
}

impl Settings for MeanMetricWrapper {
    fn given_name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn given_dtype(&self) -> Option<Dtype> {
        self.dtype
    }

    fn direction(&self) -> Option<Direction> {
        function::direction(&self.function)
    }

    fn tally(&self, custom: &CustomMetrics) -> Result<Arc<dyn Tally>> {
        function::tally(&self.function, &self.arguments, custom).map_err(|error| error.at("fn"))
    }
}

/// What a function makes of targets and predictions: one number per sample, or more.
pub(super) type Values = dyn Fn(Value, Value) -> Result<Value> + Send + Sync;

/// The mean of a function's numbers, weighted.
pub(super) struct Averaged {
    values: Box<Values>,
    /// Whether the mask of the predictions weighs.
    masked: bool,
    /// Whether the root of the mean is meant.
    root: bool,
}

impl Averaged {
    pub(super) fn of(
        values: impl Fn(Value, Value) -> Result<Value> + Send + Sync + 'static,
    ) -> Result<Arc<dyn Tally>> {
        Ok(Arc::new(Self { values: Box::new(values), masked: true, root: false }))
    }

    /// The root of the mean; masks are not heeded, as Keras has it.
    pub(super) fn root_of(
        values: impl Fn(Value, Value) -> Result<Value> + Send + Sync + 'static,
    ) -> Result<Arc<dyn Tally>> {
        Ok(Arc::new(Self { values: Box::new(values), masked: false, root: true }))
    }
}

impl fmt::Debug for Averaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Averaged").finish_non_exhaustive()
    }
}

impl Tally for Averaged {
    fn batch(&self, y_true: Value, y_pred: Value, sample_weight: Option<Value>) -> Result<Vec<Value>> {
        let mask = y_pred.mask().cloned().filter(|_| self.masked);
        let sample_weight = masked(sample_weight, mask)?;
        let values = (self.values)(y_true.with_mask(None), y_pred.with_mask(None))?;
        weighted_mean(values, sample_weight)
    }

    fn result(&self, sums: &[Vec<f64>]) -> Result<Numbers> {
        let mean = mean(sums)?;
        Ok(Numbers::One(if self.root { mean.sqrt() } else { mean }.into()))
    }

    fn sizes(&self) -> Option<Vec<usize>> {
        Some(vec![1, 1])
    }
}

/// The mean of a total and a count.
fn mean(sums: &[Vec<f64>]) -> Result<f32> {
    let [total, count] = singles(sums)?;
    Ok(total.iter().zip(&count).map(|(total, count)| divide_no_nan(*total, *count)).sum())
}

/// What a batch of numbers adds to the total and the count of their mean. A mask of the numbers counts only
/// together with weights: so does Keras.
pub(super) fn weighted_mean(values: Value, sample_weight: Option<Value>) -> Result<Vec<Value>> {
    let Some(weight) = sample_weight else {
        let samples = values.shape().first().copied().unwrap_or(1);
        let count = one(samples as f64, &values);
        return Ok(vec![sum(reduce_from(values, Reduce::Mean, 1)?)?, count]);
    };
    let mask = values.mask().cloned();
    let weight = masked(Some(weight), mask)?.unwrap_or_else(|| one(1.0, &values));
    let (values, weight) = squeeze_or_expand(values, weight)?;
    let rank = weight.rank();
    let values = reduce_from(values, Reduce::Mean, rank)?;
    let weight = weight.broadcast_to(&values.shape()).map_err(|error| error.at("sample_weight"))?;
    let values = values.binary(Binary::Multiply, weight.clone())?;
    let weight = reduce_from(weight, Reduce::Mean, 1)?;
    Ok(vec![sum(reduce_from(values, Reduce::Mean, 1)?)?, sum(weight)?])
}
