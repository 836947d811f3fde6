//! Functions in the place of metrics: their mean over all samples is taken.

use std::sync::Arc;

use super::mean::Averaged;
use super::{AnyMetric, CustomMetrics, DOWN, Tally};
use crate::callback::Direction;
use crate::config::{Class, Json, Map, Reader, brief, function, snake_case};
use crate::error::{Error, Result};
use crate::loss::{AnyLoss, Loss};

/// The functions that are in `keras.metrics` alone.
const FUNCTIONS: &[&str] = &[
    "binary_accuracy",
    "categorical_accuracy",
    "sparse_categorical_accuracy",
    "top_k_categorical_accuracy",
    "sparse_top_k_categorical_accuracy",
    "pearson_correlation",
    "concordance_correlation",
];

fn is_loss(name: &str) -> bool {
    AnyLoss::CLASSES.iter().any(|class| snake_case(class) == name)
}

/// A loss that Keras does not know to be one when it stands as a metric.
const OVERLOOKED: &str = "categorical_generalized_cross_entropy";

/// Less of a loss is better; of other functions, Keras does not know.
pub(super) fn direction(json: &Json) -> Option<Direction> {
    match function(json) {
        Some(name) => DOWN.filter(|_| is_loss(name) && name != OVERLOOKED),
        None => DOWN.filter(|_| Loss::of(json).get().is_ok_and(|loss| loss.is_some())),
    }
}

/// The name of its metric in the logs: that of the function, or of the loss.
pub(super) fn name(json: &Json) -> Option<String> {
    match function(json) {
        Some(name) => name.rsplit('>').next().map(snake_case),
        None => Loss::of(json).get().ok().flatten().map(|loss| loss.name().to_owned()),
    }
}

/// What a function, called with some more arguments, counts. Such a function may also be a loss, which makes
/// one number of every batch.
pub(super) fn tally(
    json: &Json,
    arguments: &Map<String, Json>,
    custom: &CustomMetrics,
) -> Result<Arc<dyn Tally>> {
    let Some(name) = function(json) else { return of_loss(json) };
    if let Some(tally) = custom.0.make(&[name], arguments) {
        return tally;
    }
    if FUNCTIONS.contains(&name) {
        return read::<AnyMetric>(name, arguments)?.settings().tally(custom);
    }
    if is_loss(name) {
        return mean_of(read(name, arguments)?);
    }
    Err(Error::unsupported(format_args!("the function {name:?}, which is not of Keras")))
}

/// The mean of the losses of all samples.
pub(super) fn mean_of(loss: AnyLoss) -> Result<Arc<dyn Tally>> {
    Averaged::of(move |y_true, y_pred| loss.values(&y_true, &y_pred))
}

fn of_loss(json: &Json) -> Result<Arc<dyn Tally>> {
    let loss = Loss::of(json);
    match loss.get()? {
        Some(_) => Averaged::of(move |y_true, y_pred| loss.call(&y_true, &y_pred, None)),
        None => Err(Error::config(format_args!("expected a function, got {}", brief(json)))),
    }
}

fn read<C: Class>(name: &str, config: &Map<String, Json>) -> Result<C> {
    let object = Reader::alone(|reader| C::read(name, config, reader))?;
    object.ok_or_else(|| Error::config(format_args!("the settings of {name}")))
}
