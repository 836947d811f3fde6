//! The settings of `compile` in use.

use std::collections::HashSet;

use burn::optim::ModuleOptimizer;
use burn::tensor::TensorData;

use super::Custom;
use super::settings::Compile;
use crate::callback::{Direction, Watched};
use crate::error::{Error, Problems, Result};
use crate::file::store::Stored;
use crate::load::tensor_data;
use crate::loss::CompileLoss;
use crate::metric::CompileMetrics;
use crate::model::KerasModel;
use crate::optimizer::state::{Progress, Variables, from_keras};
use crate::optimizer::{Optimizer, parameters_of};
use crate::value::burn_dtype;

/// What a compiled model is trained and measured with.
#[derive(Debug)]
pub(crate) struct Plan {
    pub optimizer: Optimizer,
    pub loss: CompileLoss,
    pub metrics: CompileMetrics,
    pub steps_per_execution: usize,
    /// The paths of the variables that their layers update themselves.
    pub fixed: HashSet<String>,
}

impl Plan {
    /// What the model was compiled with: everything that cannot be done, at once.
    pub fn new(model: &KerasModel, custom: &Custom) -> Result<Self> {
        let settings = model.compiled()?.ok_or_else(|| {
            Error::config("the model was never compiled: there is no loss to train with or to measure")
        })?;
        Self::of(&settings, model, custom)
    }

    pub fn of(settings: &Compile, model: &KerasModel, custom: &Custom) -> Result<Self> {
        let outputs = model.output_names();
        let mut problems = Problems::default();
        let (loss, metrics) = problems.at("compile_config", |problems| {
            let optimizer = settings.optimizer().check().map_err(|error| error.at("optimizer"));
            problems.note(optimizer);
            let loss = CompileLoss::new(
                settings.losses(),
                settings.weights_of_losses(),
                &outputs,
                &custom.losses,
            );
            let metrics = CompileMetrics::new(
                settings.metrics_of_outputs(),
                settings.weighted_metrics_of_outputs(),
                &outputs,
                &custom.metrics,
            );
            (problems.note(loss), problems.note(metrics))
        });
        problems.finish()?;
        let (Some(loss), Some(metrics)) = (loss, metrics) else {
            return Err(Error::config("the settings could not be read").at("compile_config"));
        };
        let variables = model.origin().description.variables.iter();
        let fixed = variables.filter(|variable| variable.is_fixed && variable.dtype.is_float());
        Ok(Self {
            optimizer: settings.optimizer(),
            loss,
            metrics,
            steps_per_execution: settings.steps(),
            fixed: fixed.map(|variable| variable.param.clone()).collect(),
        })
    }

    /// The optimizer in the state that the model has of it.
    pub fn optimizer_of(&self, model: &KerasModel) -> Result<(ModuleOptimizer, Progress)> {
        let parameters = parameters_of(model)?;
        let mut progress = from_keras(&self.optimizer, &parameters, optimizer_variables(model)?)?;
        let record = std::mem::take(&mut progress.record);
        Ok((self.optimizer.for_parameters(&parameters)?.load_record(record), progress))
    }

    /// What will be in the logs of an epoch, in their order; with the same on validation data.
    pub fn watched(&self, with_validation: bool) -> Vec<Watched> {
        let down = |name: String| (name, Some(Direction::Down));
        let losses = std::iter::once("loss".to_owned()).chain(self.loss.names()).map(down);
        let mut names: Vec<(String, Option<Direction>)> = losses.chain(self.metrics.watched()).collect();
        names.sort_by(|a, b| a.0.cmp(&b.0));
        let in_batches = names.iter().map(|(name, direction)| (name.clone(), *direction, true));
        let validation = names.iter().filter(|_| with_validation);
        let in_epochs = validation.map(|(name, direction)| (format!("val_{name}"), *direction, false));
        let watched = |(name, direction, in_batches)| Watched { name, direction, in_batches };
        in_batches.chain(in_epochs).map(watched).collect()
    }
}

/// The state of the optimizer that a model was read with.
fn optimizer_variables(model: &KerasModel) -> Result<Variables> {
    let variables = model.store().tensors.range("optimizer/".to_owned()..);
    let own = variables.take_while(|(path, _)| path.starts_with("optimizer/"));
    own.map(|(path, tensor)| Ok((path.clone(), read(tensor).map_err(|error| error.at(path))?))).collect()
}

fn read(tensor: &Stored) -> Result<TensorData> {
    let dtype = tensor.element.keras_name().and_then(crate::config::Dtype::from_name);
    let dtype = burn_dtype(dtype.ok_or_else(|| Error::weights("expected numbers"))?)?;
    let data = tensor_data(tensor.read()?, &tensor.shape, dtype)?;
    Ok(crate::reorder::aligned(data))
}
