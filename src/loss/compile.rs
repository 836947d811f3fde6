//! The losses that a model was compiled with, on all of its outputs.

use std::fmt::{self, Debug};
use std::sync::Arc;

use burn::tensor::Tensor;

use super::kit::{as_float, as_float_beside, squeeze_or_expand};
use super::reduction::weighted;
use super::{Custom, CustomLoss, Loss, Reduction};
use crate::config::{Field, Json, Map, Object, Reader, function, wrapped};
use crate::error::{Error, Problems, Result};
use crate::per_output::{Dicts, Nest, check_counts, leaves, names, no_output, suiting};
use crate::value::Value;

/// The losses of a model's outputs, of the settings `loss` and `loss_weights` of `compile`.
///
/// As in Keras, one loss is for every output, a list has one for each, a dict has them by the outputs'
/// names; `null` or nothing is no loss, and a list in the place of a loss is the sum of several. Of several
/// losses of a model with a single output, Keras takes the first.
#[derive(Clone, Debug)]
pub struct CompileLoss {
    outputs: Vec<String>,
    parts: Vec<Part>,
}

/// A loss of an output.
#[derive(Clone, Debug)]
struct Part {
    output: usize,
    objective: Objective,
    weight: Option<f64>,
}

#[derive(Clone)]
enum Objective {
    Keras(Loss),
    /// The crossentropy that suits the shapes.
    Crossentropy,
    Custom {
        loss: Arc<dyn CustomLoss>,
        reduction: Reduction,
        /// Functions get what has been brought to one rank; classes do that themselves.
        is_function: bool,
    },
}

impl Debug for Objective {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keras(loss) => loss.fmt(formatter),
            Self::Crossentropy => formatter.write_str("Crossentropy"),
            Self::Custom { reduction, .. } => {
                formatter.debug_struct("Custom").field("reduction", reduction).finish_non_exhaustive()
            }
        }
    }
}

/// What a batch costs.
#[derive(Clone, Debug)]
pub struct Losses {
    /// The weighted sum of all losses; zero if there are none. What regularizers add is not in it.
    pub total: Tensor<1>,
    /// Where there are several losses: each under its name in the logs, unweighted.
    pub each: Vec<(String, Tensor<1>)>,
}

impl CompileLoss {
    /// The losses that `loss` and `loss_weights` describe, for outputs of these names. Where the model's
    /// outputs are a dict, its keys are their names.
    ///
    /// # Errors
    /// All that is wrong: losses that are not of Keras and not in `custom`, unknown outputs, weights that do
    /// not fit.
    pub fn new(loss: &Json, loss_weights: &Json, outputs: &[String], custom: &Custom) -> Result<Self> {
        let mut problems = Problems::default();
        let leaves = problems.at("loss", |problems| leaves_of(loss, outputs, problems));
        let weights = problems.at("loss_weights", |problems| {
            let weights = weights_of(loss_weights, loss, outputs, problems);
            match weights {
                Some(weights) if weights.len() != leaves.len() => {
                    let (losses, given) = (leaves.len(), weights.len());
                    problems.push(Error::config(format_args!("{given} weights of {losses} losses")));
                    vec![None; losses]
                }
                weights => weights.unwrap_or_else(|| vec![None; leaves.len()]),
            }
        });
        let mut parts = Vec::new();
        for ((output, leaf), weight) in
            leaves.into_iter().zip(weights).filter(|((_, leaf), _)| !leaf.is_null())
        {
            let objective = problems.note(Objective::new(leaf, custom).map_err(|error| error.at("loss")));
            let all = 0..outputs.len();
            for output in output.map_or(all, |output| output..output + 1) {
                let objective = objective.clone();
                parts.extend(objective.map(|objective| Part { output, objective, weight }));
            }
        }
        problems.finish()?;
        parts.sort_by_key(|part: &Part| part.output);
        if outputs.len() == 1 {
            parts.truncate(1);
        }
        Ok(Self { outputs: outputs.to_vec(), parts })
    }

    /// The names of the outputs.
    pub fn outputs(&self) -> impl ExactSizeIterator<Item = &str> {
        self.outputs.iter().map(String::as_str)
    }

    /// Whether an output has a loss.
    #[must_use]
    pub fn has_loss(&self, output: usize) -> bool {
        self.parts.iter().any(|part| part.output == output)
    }

    /// The names under which the logs have single losses: of every output with a loss, when there are several
    /// losses.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        if self.parts.len() > 1 {
            for part in &self.parts {
                let name = self.name(part);
                names.extend((!names.contains(&name)).then_some(name));
            }
        }
        names
    }

    fn name(&self, part: &Part) -> String {
        format!("{}_loss", self.outputs.get(part.output).map_or("", String::as_str))
    }

    /// What a batch costs: targets, predictions and weights of the examples of every output, in order. An
    /// output without a loss needs no targets; no weights at all may be an empty slice.
    ///
    /// # Errors
    /// When something is missing, or does not fit.
    pub fn call(
        &self,
        y_true: &[Option<Value>],
        y_pred: &[Value],
        sample_weight: &[Option<Value>],
    ) -> Result<Losses> {
        check_counts(self.outputs.len(), y_true.len(), y_pred.len(), sample_weight.len())?;
        let mut total: Option<Tensor<1>> = None;
        let mut each: Vec<(String, Tensor<1>)> = Vec::new();
        for part in &self.parts {
            let weight = sample_weight.get(part.output).and_then(Option::as_ref);
            let name = self.outputs.get(part.output).map_or("", String::as_str);
            let targets = y_true.get(part.output).and_then(Option::as_ref);
            let targets = targets.ok_or_else(|| Error::input("targets are missing").at(name))?;
            let predictions =
                y_pred.get(part.output).ok_or_else(|| Error::input("no predictions").at(name))?;
            let value = part.objective.call(targets, predictions, weight);
            let value =
                value.and_then(|value| value.reshape(&[1])?.float::<1>()).map_err(|error| error.at(name))?;
            if self.parts.len() > 1 {
                let name = self.name(part);
                // As a dict of Python: the last of several losses of one output.
                each.retain(|(known, _)| *known != name);
                each.push((name, value.clone()));
            }
            let value = part.weight.map_or_else(|| value.clone(), |weight| value.clone() * weight);
            total = Some(total.map_or_else(|| value.clone(), |total| total + value.clone()));
        }
        let total = match (total, y_pred.first()) {
            (Some(total), _) => total,
            (None, Some(output)) => Tensor::zeros([1], &output.device()),
            (None, None) => return Err(Error::input("a model without outputs")),
        };
        Ok(Losses { total, each })
    }
}

impl Objective {
    fn new(json: &Json, custom: &Custom) -> Result<Self> {
        let object = Object::of(json);
        let none = Map::new();
        let config = object.map_or(&none, |object| object.config);
        let called = function(json).or_else(|| wrapped(object.as_ref()?));
        let names = match (called, object) {
            (Some(name), _) => vec![name],
            (None, object) => object.as_ref().map(names).unwrap_or_default(),
        };
        if let Some(loss) = custom.0.make(&names, config) {
            let reduction =
                config.get("reduction").map_or(Ok(Reduction::SumOverBatchSize), read_reduction)?;
            let objective = Self::Custom { loss: loss?, reduction, is_function: called.is_some() };
            return objective.making_one(names.first().copied().unwrap_or_default(), reduction);
        }
        if json.as_str().is_some_and(|name| ["crossentropy", "ce"].contains(&name.to_lowercase().as_str())) {
            return Ok(Self::Crossentropy);
        }
        let loss = Loss::of(json);
        let known = loss.known()?;
        Self::Keras(loss.clone()).making_one(known.name(), known.reduction())
    }

    /// Itself, unless it leaves the losses of examples as they are.
    fn making_one(self, name: &str, reduction: Reduction) -> Result<Self> {
        match reduction {
            Reduction::None => {
                let message = "the reduction \"none\" leaves more than one number to train on";
                Err(Error::unsupported(message).at(name))
            }
            _ => Ok(self),
        }
    }

    fn call(&self, y_true: &Value, y_pred: &Value, sample_weight: Option<&Value>) -> Result<Value> {
        match self {
            Self::Keras(loss) => loss.call(y_true, y_pred, sample_weight),
            Self::Crossentropy => {
                let name = format!("{}_crossentropy", suiting(y_true, y_pred));
                Loss::from(name.as_str()).call(y_true, y_pred, sample_weight)
            }
            Self::Custom { loss, reduction, is_function } => {
                let mut t = as_float_beside(y_pred, y_true, "y_true")?;
                let mut p = as_float(y_pred, "y_pred")?;
                if *is_function {
                    (t, p) = squeeze_or_expand(t, p)?;
                }
                let values = loss.call(&t, &p)?;
                let mask = values.mask().cloned();
                let values = as_float(&values, "losses")?.with_mask(mask);
                weighted(values, y_pred.mask(), sample_weight, *reduction)
            }
        }
    }
}

fn read_reduction(json: &Json) -> Result<Reduction> {
    let reduction = Reader::alone(|reader| reader.at("reduction", |reader| Reduction::read(json, reader)))?;
    reduction.ok_or_else(|| Error::config("expected a reduction"))
}

/// The losses in Keras' order, each with its output, or for all of them.
fn leaves_of<'a>(
    loss: &'a Json,
    outputs: &[String],
    problems: &mut Problems,
) -> Vec<(Option<usize>, &'a Json)> {
    let mut found = Vec::new();
    let mut find = |output, item, problems: &mut Problems| {
        found.extend(leaves(item, Dicts::Refused, problems).into_iter().map(|leaf| (Some(output), leaf)));
    };
    match Nest::of(loss) {
        Nest::Leaf(leaf) => return vec![(None, leaf)],
        Nest::List(_) if outputs.len() == 1 => find(0, loss, problems),
        Nest::List(items) => {
            if items.len() > outputs.len() {
                let (losses, count) = (items.len(), outputs.len());
                problems.push(Error::config(format_args!("{losses} losses for {count} outputs {outputs:?}")));
            }
            for (output, item) in items.iter().enumerate().take(outputs.len()) {
                find(output, item, problems);
            }
        }
        Nest::Dict(items) => {
            check_names(items, outputs, problems);
            for (output, name) in outputs.iter().enumerate() {
                if let Some(item) = items.get(name) {
                    find(output, item, problems);
                }
            }
        }
    }
    found
}

/// The weights in the order of the losses, if there are any.
fn weights_of(
    weights: &Json,
    loss: &Json,
    outputs: &[String],
    problems: &mut Problems,
) -> Option<Vec<Option<f64>>> {
    if weights.is_null() {
        return None;
    }
    let mut flat = Vec::new();
    match (Nest::of(weights), Nest::of(loss)) {
        (Nest::Dict(items), Nest::Dict(losses)) => {
            check_names(items, outputs, problems);
            for name in outputs.iter().filter(|name| losses.contains_key(*name)) {
                match items.get(name) {
                    Some(item) => flat.extend(leaves(item, Dicts::Refused, problems)),
                    None => problems.push(Error::config(format_args!("no weight of the loss of {name:?}"))),
                }
            }
        }
        // Keras forgets the names.
        _ => flat = leaves(weights, Dicts::Sorted, problems),
    }
    let weights = flat.into_iter().map(|leaf| match (leaf.is_null(), leaf.as_f64()) {
        (true, _) => None,
        (_, Some(weight)) => Some(weight),
        _ => {
            problems
                .push(Error::config(format_args!("expected a number, got {}", crate::config::brief(leaf))));
            None
        }
    });
    Some(weights.collect())
}

fn check_names(items: &Map<String, Json>, outputs: &[String], problems: &mut Problems) {
    for name in items.keys().filter(|name| !outputs.contains(name)) {
        problems.push(Error::config(no_output(name, outputs)));
    }
}
