//! The metrics that a model was compiled with, on all of its outputs, under the names that Keras prints.

use std::sync::Arc;

use burn::tensor::Tensor;

use super::{AnyMetric, CustomMetrics, DOWN, Mean, Metric, RunningMetric, UP, function};
use crate::callback::{Direction, Logs, Watched};
use crate::config::{Class, Json, Map, Object, brief, snake_case};
use crate::error::{Error, Problems, Result};
use crate::per_output::{Dicts, Nest, check_counts, leaves, names, no_output, suiting};
use crate::value::Value;

/// The metrics of a model's outputs, of the settings `metrics` and `weighted_metrics` of `compile`.
///
/// As in Keras: all metrics are for the output of a model that has one; of a model with several outputs, a list
/// has one entry for each, a dict has them by the outputs' names, and each entry is a metric, a list of them, or
/// none. The weights of samples are for the weighted metrics alone.
///
/// `accuracy` and `acc` mean the accuracy that suits the shapes of the first batch, and `crossentropy` and `ce`,
/// which only Keras 2 knows, the crossentropy.
#[derive(Clone, Debug)]
pub struct CompileMetrics {
    outputs: Vec<String>,
    /// Of every output.
    metrics: Vec<Vec<Entry>>,
    weighted: Vec<Vec<Entry>>,
}

/// A metric under its name.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) direction: Option<Direction>,
    state: State,
}

#[derive(Clone, Debug)]
enum State {
    Running(Box<RunningMetric>),
    /// The first batch decides.
    Suiting(Suiting),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Suiting {
    Accuracy,
    Crossentropy,
}

impl Suiting {
    fn of(name: &str) -> Option<Self> {
        match name.to_lowercase().as_str() {
            "accuracy" | "acc" => Some(Self::Accuracy),
            "crossentropy" | "ce" => Some(Self::Crossentropy),
            _ => None,
        }
    }

    /// The metric that suits the shapes of targets and predictions.
    fn metric(self, y_true: &Value, y_pred: &Value) -> Metric {
        let name = match self {
            Self::Accuracy => "accuracy",
            Self::Crossentropy => "crossentropy",
        };
        Metric::from(format!("{}_{name}", suiting(y_true, y_pred)).as_str())
    }
}

impl CompileMetrics {
    /// The metrics that `metrics` and `weighted_metrics` describe, for outputs of these names. Where the model's
    /// outputs are a dict, its keys are their names.
    ///
    /// # Errors
    /// All that is wrong: metrics that are not of Keras and not in `custom`, settings that are none, and what is
    /// for no output.
    pub fn new(
        metrics: &Json,
        weighted_metrics: &Json,
        outputs: &[String],
        custom: &CustomMetrics,
    ) -> Result<Self> {
        let mut problems = Problems::default();
        let mut read =
            |json: &Json, key: &str| problems.at(key, |problems| by_output(json, outputs, custom, problems));
        let (metrics, weighted) = (read(metrics, "metrics"), read(weighted_metrics, "weighted_metrics"));
        problems.finish()?;
        Ok(Self { outputs: outputs.to_vec(), metrics, weighted })
    }

    /// The names of all metrics, in the order of the logs.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.watched().into_iter().map(|watched| watched.name).collect()
    }

    /// What can be watched, in the order of the logs: metrics that come to one number.
    #[must_use]
    pub fn watched(&self) -> Vec<Watched> {
        let mut all: Vec<Watched> = Vec::new();
        for (name, entry) in self.named().into_iter().filter(|(_, entry)| entry.is_single()) {
            let watched = Watched { name, direction: entry.direction, in_batches: true };
            match all.iter_mut().find(|known| known.name == watched.name) {
                Some(known) => *known = watched,
                None => all.push(watched),
            }
        }
        all
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.metrics.iter().chain(&self.weighted).all(Vec::is_empty)
    }

    /// Counts a batch: targets, predictions and weights of samples of every output, in order. An output without
    /// metrics needs no targets; no weights at all may be an empty slice.
    ///
    /// # Errors
    /// When something is missing, or does not fit.
    pub fn update(
        &mut self,
        y_true: &[Option<Value>],
        y_pred: &[Value],
        sample_weight: &[Option<Value>],
    ) -> Result<()> {
        check_counts(self.outputs.len(), y_true.len(), y_pred.len(), sample_weight.len())?;
        let entries = self.metrics.iter_mut().zip(&mut self.weighted).zip(&self.outputs).enumerate();
        for (output, ((metrics, weighted), name)) in entries {
            if metrics.is_empty() && weighted.is_empty() {
                continue;
            }
            let targets = y_true.get(output).and_then(Option::as_ref);
            let (Some(targets), Some(predictions)) = (targets, y_pred.get(output)) else {
                return Err(Error::input("targets are missing").at(name));
            };
            let weight = sample_weight.get(output).and_then(Option::as_ref);
            let weights = [(metrics, None), (weighted, weight)];
            for (entry, weight) in
                weights.into_iter().flat_map(|(all, weight)| all.iter_mut().map(move |it| (it, weight)))
            {
                let updated = entry.update(targets, predictions, weight);
                updated.map_err(|error| error.at(&entry.name).at(name))?;
            }
        }
        Ok(())
    }

    /// What all metrics come to, since the start or the last [`reset`](Self::reset). One with several numbers has
    /// its name and their places: `f1_score[0]`, `f1_score[1]`.
    ///
    /// # Errors
    /// When no batch was counted.
    pub fn result(&self) -> Result<Logs> {
        let mut logs = Logs::default();
        for (name, entry) in self.named() {
            let numbers = entry.result().map_err(|error| error.at(&name))?;
            numbers.named(&name).into_iter().for_each(|(name, number)| logs.set(name, number));
        }
        Ok(logs)
    }

    /// Forgets all batches.
    pub fn reset(&mut self) {
        for entry in self.metrics.iter_mut().chain(&mut self.weighted).flatten() {
            entry.reset();
        }
    }

    /// All metrics with their names in the logs: with that of the output before it where there are several, and
    /// a number after it where that is taken.
    fn named(&self) -> Vec<(String, &Entry)> {
        let mut names = Names::default();
        let mut named = Vec::new();
        for (metric, prefix) in self.with_prefix(&self.metrics) {
            named.push((names.number(format!("{prefix}{}", metric.name)), metric));
        }
        for (metric, prefix) in self.with_prefix(&self.weighted) {
            let name = format!("{prefix}{}", metric.name);
            let name = if names.has(&name) { format!("{prefix}weighted_{}", metric.name) } else { name };
            named.push((names.number(name), metric));
        }
        named
    }

    fn with_prefix<'a>(&self, all: &'a [Vec<Entry>]) -> impl Iterator<Item = (&'a Entry, String)> {
        let prefix = |name: &String| if self.outputs.len() > 1 { format!("{name}_") } else { String::new() };
        let prefixes: Vec<String> = self.outputs.iter().map(prefix).collect();
        all.iter()
            .zip(prefixes)
            .flat_map(|(entries, prefix)| entries.iter().map(move |entry| (entry, prefix.clone())))
    }
}

/// Names that were given, and how often.
#[derive(Default)]
struct Names(Vec<(String, usize)>);

impl Names {
    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }

    /// The name, with a number after it where it was given before.
    fn number(&mut self, name: String) -> String {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, count)) => {
                *count += 1;
                format!("{name}_{}", *count - 1)
            }
            None => {
                self.0.push((name.clone(), 1));
                name
            }
        }
    }
}

impl Entry {
    pub(super) fn new(json: &Json, custom: &CustomMetrics) -> Result<Self> {
        if let Some(suiting) = json.as_str().and_then(Suiting::of) {
            let direction = if suiting == Suiting::Accuracy { UP } else { DOWN };
            let name = json.as_str().unwrap_or_default().to_owned();
            return Ok(Self { name, direction, state: State::Suiting(suiting) });
        }
        let (metric, name, direction) = match (json, Object::of(json)) {
            (Json::String(name), _) => {
                let own = custom.0.make(&[name], &Map::new());
                let of_keras = || known(&Metric::of(json), custom);
                let (metric, direction) =
                    own.map_or_else(of_keras, |tally| Ok((RunningMetric::new(tally?), None)))?;
                (metric, name.clone(), direction)
            }
            (_, Some(object)) if !is_function(json) => {
                if let Some(tally) = custom.0.make(&names(&object), object.config) {
                    let name = object.config.get("name").and_then(Json::as_str);
                    let name = name.map_or_else(|| snake_case(object.class), str::to_owned);
                    (RunningMetric::new(tally?), name, None)
                } else {
                    let metric = Metric::of(json);
                    let (running, direction) = known(&metric, custom)?;
                    (running, metric.get()?.map(AnyMetric::name).unwrap_or_default(), direction)
                }
            }
            (Json::Object(_), _) => {
                let tally = function::tally(json, &Map::new(), custom)?;
                let name = function::name(json).unwrap_or_default();
                (RunningMetric::new(tally), name, function::direction(json))
            }
            _ => return Err(Error::config(format_args!("expected a metric, got {}", brief(json)))),
        };
        Ok(Self { name, direction, state: State::Running(Box::new(metric)) })
    }

    pub(super) fn reset(&mut self) {
        if let State::Running(metric) = &mut self.state {
            metric.reset();
        }
    }

    pub(super) fn is_single(&self) -> bool {
        match &self.state {
            State::Running(metric) => metric.is_single(),
            State::Suiting(_) => true,
        }
    }

    pub(super) fn update(
        &mut self,
        y_true: &Value,
        y_pred: &Value,
        sample_weight: Option<&Value>,
    ) -> Result<()> {
        if let State::Suiting(suiting) = self.state {
            let metric = suiting.metric(y_true, y_pred).start()?;
            self.state = State::Running(Box::new(metric));
        }
        match &mut self.state {
            State::Running(metric) => metric.update(y_true, y_pred, sample_weight),
            State::Suiting(_) => Ok(()),
        }
    }

    pub(super) fn result(&self) -> Result<super::Numbers> {
        match &self.state {
            State::Running(metric) => metric.result(),
            State::Suiting(_) => Err(Error::input("no batch was counted yet")),
        }
    }
}

/// A metric of Keras at work, and what is better.
fn known(metric: &Metric, custom: &CustomMetrics) -> Result<(RunningMetric, Option<Direction>)> {
    let metric = metric.get()?.ok_or_else(|| Error::config("expected a metric, got none"))?;
    match metric {
        AnyMetric::Mean(_) | AnyMetric::Sum(_) => {
            Err(Error::config("is of numbers, not of targets and predictions").at(metric.class()))
        }
        _ => Ok((metric.start(custom)?, metric.direction())),
    }
}

/// Whether a function, or a loss in the place of one, stands there.
fn is_function(json: &Json) -> bool {
    let module = json.get("module").and_then(Json::as_str).unwrap_or("");
    crate::config::function(json).is_some()
        || module.starts_with("keras.losses")
        || module.starts_with("keras.src.losses")
}

/// The metrics of every output.
fn by_output(
    json: &Json,
    outputs: &[String],
    custom: &CustomMetrics,
    problems: &mut Problems,
) -> Vec<Vec<Entry>> {
    let entries = |leaves: Vec<&Json>, problems: &mut Problems| -> Vec<Entry> {
        leaves.into_iter().filter_map(|leaf| problems.note(Entry::new(leaf, custom))).collect()
    };
    let mut all: Vec<Vec<Entry>> = outputs.iter().map(|_| Vec::new()).collect();
    match (Nest::of(json), outputs.len()) {
        (Nest::Leaf(Json::Null), _) => {}
        (Nest::Leaf(leaf), _) => {
            problems.push(Error::config(format_args!("expected a list or a dict, got {}", brief(leaf))));
        }
        (_, 1) => all = vec![entries(leaves(json, Dicts::Sorted, problems), problems)],
        (Nest::List([]), _) => {}
        (Nest::List(items), count) if items.len() == count => {
            for (of_output, item) in all.iter_mut().zip(items) {
                *of_output = entries(of_one(item), problems);
            }
        }
        (Nest::List(items), count) => {
            let message = format!("{} entries for the {count} outputs {outputs:?}", items.len());
            problems.push(Error::config(message));
        }
        (Nest::Dict(items), _) => {
            for (name, item) in items {
                match outputs.iter().position(|output| output == name) {
                    Some(at) => {
                        let of_output = problems.at(name, |problems| entries(of_one(item), problems));
                        all.get_mut(at).map(|all| *all = of_output).unwrap_or_default();
                    }
                    None => problems.push(Error::config(no_output(name, outputs))),
                }
            }
        }
    }
    all
}

/// The metrics of one of several outputs.
fn of_one(json: &Json) -> Vec<&Json> {
    match Nest::of(json) {
        Nest::Leaf(Json::Null) => Vec::new(),
        Nest::List(items) => items.iter().collect(),
        _ => vec![json],
    }
}

/// The mean of a loss over all samples, as the logs have it: every batch weighs as much as it has samples.
#[derive(Clone, Debug)]
pub struct LossTracker(RunningMetric);

impl Default for LossTracker {
    fn default() -> Self {
        Self(RunningMetric::new(Arc::new(Mean::default())))
    }
}

impl LossTracker {
    /// Counts the loss of a batch of so many samples. It stays on its device.
    ///
    /// # Errors
    /// When the loss is not one number.
    pub fn update(&mut self, loss: &Tensor<1>, samples: usize) -> Result<()> {
        let loss = Value::from(loss.clone()).reshape(&[])?;
        let samples = Tensor::<1>::full([1], samples as f64, &loss.device());
        self.0.update_numbers(&loss, Some(&Value::from(samples).reshape(&[])?))
    }

    /// The mean; zero before the first batch.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn result(&self) -> Result<f64> {
        match self.0.result()? {
            super::Numbers::One(number) => Ok(number),
            other => Err(Error::input(format_args!("expected one number, got {other:?}"))),
        }
    }

    /// Forgets all batches.
    pub fn reset(&mut self) {
        self.0.reset();
    }
}
