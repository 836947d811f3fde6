//! Metrics of Keras on Burn's own trainings.

use std::sync::Arc;

use burn::tensor::{ExecutionError, TensorReadError};
use burn::train::metric::{
    Metric as BurnMetric, MetricAttributes, MetricMetadata, MetricName, Numeric, NumericAttributes,
    NumericEntry, SerializedEntry,
};

use super::compile::Entry;
use super::{CustomMetrics, Metric, Numbers};
use crate::callback::Direction;
use crate::config::{Field, Json};
use crate::error::{Error, Result};
use crate::value::Value;

/// A metric of Keras that any training with burn-train can show, whatever the model.
///
/// What the steps give has to implement `Adaptor<KerasMetricInput>`.
///
/// ```
/// use burn::tensor::Tensor;
/// use burn::train::metric::{Adaptor, Metric, Numeric};
/// use burn_keras::metric::{KerasMetric, KerasMetricInput};
///
/// struct Output {
///     targets: Tensor<2>,
///     probabilities: Tensor<2>,
/// }
///
/// impl Adaptor<KerasMetricInput> for Output {
///     fn adapt(&self) -> KerasMetricInput {
///         KerasMetricInput::new(self.targets.clone(), self.probabilities.clone())
///     }
/// }
///
/// let metric = KerasMetric::new("auc")?;
/// assert_eq!(*metric.name(), "auc");
/// # Ok::<(), burn_keras::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct KerasMetric {
    name: MetricName,
    entry: Entry,
    value: Option<f64>,
}

/// What a [`KerasMetric`] counts.
#[derive(Clone, Debug)]
pub struct KerasMetricInput {
    /// What is right.
    pub y_true: Value,
    /// What the model says.
    pub y_pred: Value,
    /// How much each sample weighs.
    pub sample_weight: Option<Value>,
}

impl KerasMetricInput {
    /// Targets and predictions of samples that weigh the same.
    #[must_use]
    pub fn new(y_true: impl Into<Value>, y_pred: impl Into<Value>) -> Self {
        Self { y_true: y_true.into(), y_pred: y_pred.into(), sample_weight: None }
    }
}

impl KerasMetric {
    /// The metric of that name; `accuracy` is the one that suits the first batch.
    ///
    /// # Errors
    /// When Keras has none, or it comes to more than one number.
    pub fn new(name: &str) -> Result<Self> {
        Self::read(&Json::from(name))
    }

    /// A metric with settings of its own.
    ///
    /// # Errors
    /// When its settings are not those of a metric, or it comes to more than one number.
    pub fn of(metric: &Metric) -> Result<Self> {
        Self::read(&metric.write())
    }

    fn read(json: &Json) -> Result<Self> {
        let entry = Entry::new(json, &CustomMetrics::default())?;
        if !entry.is_single() {
            return Err(Error::unsupported(format_args!("the several numbers of {:?}", entry.name)));
        }
        Ok(Self { name: Arc::new(entry.name.clone()), entry, value: None })
    }

    fn count(&mut self, input: &KerasMetricInput) -> Result<f64> {
        self.entry.update(&input.y_true, &input.y_pred, input.sample_weight.as_ref())?;
        self.read_value()
    }

    fn read_value(&mut self) -> Result<f64> {
        match self.entry.result()? {
            Numbers::One(number) => {
                self.value = Some(number);
                Ok(number)
            }
            _ => Err(Error::unsupported(format_args!("the several numbers of {:?}", self.entry.name))),
        }
    }
}

/// Burn's metrics fail in no other way.
fn failed(error: Error) -> TensorReadError {
    ExecutionError::WithContext { reason: error.to_string() }.into()
}

impl BurnMetric for KerasMetric {
    type Input = KerasMetricInput;

    fn name(&self) -> MetricName {
        self.name.clone()
    }

    fn attributes(&self) -> MetricAttributes {
        let higher_is_better = self.entry.direction == Some(Direction::Up);
        NumericAttributes { unit: None, higher_is_better }.into()
    }

    fn update(
        &mut self,
        item: &KerasMetricInput,
        _: &MetricMetadata,
    ) -> Result<SerializedEntry, TensorReadError> {
        let value = self.count(item).map_err(failed)?;
        Ok(SerializedEntry::new(format!("{value:.4}"), NumericEntry::Value(value).serialize()))
    }

    fn compute(&mut self) -> Result<SerializedEntry, TensorReadError> {
        if self.value.is_none() {
            return Ok(SerializedEntry::not_available(None));
        }
        let value = self.read_value().map_err(failed)?;
        Ok(SerializedEntry::new(format!("{value:.4}"), NumericEntry::Final(value).serialize()))
    }

    fn clear(&mut self) {
        self.entry.reset();
        self.value = None;
    }
}

impl Numeric for KerasMetric {
    fn value(&self) -> Option<NumericEntry> {
        self.value.map(NumericEntry::Value)
    }

    fn running_value(&self) -> Option<NumericEntry> {
        self.value()
    }

    fn final_value(&self) -> NumericEntry {
        NumericEntry::Final(self.value.unwrap_or(f64::NAN))
    }
}
