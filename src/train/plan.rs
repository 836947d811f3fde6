//! The settings of `compile` in use.

use std::collections::HashSet;

use burn::optim::ModuleOptimizer;

use super::Custom;
use super::settings::Compile;
use crate::callback::{Direction, Watched};
use crate::error::{Error, Problems, Result};
use crate::loss::CompileLoss;
use crate::metric::CompileMetrics;
use crate::model::KerasModel;
use crate::optimizer::state::{Progress, from_keras, stored};
use crate::optimizer::{AnyOptimizer, LossScaleOptimizer, Optimizer, parameters_of};

/// What a compiled model is trained and measured with.
#[derive(Debug)]
pub(crate) struct Plan {
    pub optimizer: Optimizer,
    pub loss: CompileLoss,
    pub metrics: CompileMetrics,
    pub steps_per_execution: usize,
    /// Whether a loss of a batch is not the mean of those of its parts.
    summed: bool,
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
        let outputs = model.compiled_names()?;
        let mut problems = Problems::default();
        let (loss, metrics) = problems.at("compile_config", |problems| {
            let optimizer = settings.optimizer().check().map_err(|error| error.at("optimizer"));
            problems.note(optimizer);
            let (loss, metrics) = settings.plan(&outputs, custom);
            (problems.note(loss), problems.note(metrics))
        });
        problems.finish()?;
        let (Some(loss), Some(metrics)) = (loss, metrics) else {
            return Err(Error::config("the settings could not be read").at("compile_config"));
        };
        let variables = model.origin().description.variables.iter();
        let fixed = variables.filter(|variable| variable.is_fixed && variable.dtype.is_float());
        Ok(Self {
            optimizer: scaled_if_stored_so(settings.optimizer().clone(), model)?,
            summed: settings.is_summed(),
            loss,
            metrics,
            steps_per_execution: settings.steps(),
            fixed: fixed.map(|variable| variable.param.clone()).collect(),
        })
    }

    /// The optimizer in the state that the model has of it.
    pub fn optimizer_of(&self, model: &KerasModel) -> Result<(ModuleOptimizer, Progress)> {
        let parameters = parameters_of(model)?;
        let mut progress = from_keras(&self.optimizer, &parameters, stored(model)?)?;
        let record = std::mem::take(&mut progress.record);
        Ok((self.optimizer.for_parameters(&parameters)?.load_record(record), progress))
    }

    /// What will be in the logs of an epoch, in their order; with the same on validation data.
    pub fn watched(&self, with_validation: bool) -> Vec<Watched> {
        let loss = |name| Watched { name, direction: Some(Direction::Down), in_batches: true };
        let losses = std::iter::once("loss".to_owned()).chain(self.loss.names()).map(loss);
        let mut watched: Vec<Watched> = losses.chain(self.metrics.watched()).collect();
        watched.sort_by(|a, b| a.name.cmp(&b.name));
        let validation = watched.iter().filter(|_| with_validation).map(|watched| Watched {
            name: format!("val_{}", watched.name),
            in_batches: false,
            ..*watched
        });
        let validation: Vec<Watched> = validation.collect();
        watched.extend(validation);
        watched
    }

    /// Whether moving averages of the weights are kept.
    pub fn has_averages(&self) -> bool {
        let known = self.optimizer.get().ok().flatten();
        known.and_then(|known| known.common().ok()).is_some_and(|common| common.use_ema)
    }

    /// Whether the parts of a batch may be on several devices.
    pub fn check_devices(&self) -> Result<()> {
        let message = "a loss with the reduction \"sum\" or \"mean_with_sample_weight\" on several devices";
        if self.summed { Err(Error::unsupported(message)) } else { Ok(()) }
    }

    /// Whether the learning rate follows a schedule.
    pub fn has_schedule(&self) -> bool {
        self.optimizer
            .get()
            .ok()
            .flatten()
            .and_then(|it| it.common().ok())
            .is_some_and(|it| it.learning_rate.is_scheduled())
    }

    /// What a batch costs.
    pub fn losses(&self, batch: &super::Batch, outputs: &[crate::Value]) -> Result<crate::loss::Losses> {
        self.loss.call(&batch.targets, outputs, &batch.sample_weight)
    }
}

/// The optimizer with the one around it that scales losses, where the file has the state of such a one: Keras puts
/// it around by itself when the dtype policy is `mixed_float16`, and does not say so.
fn scaled_if_stored_so(optimizer: Optimizer, model: &KerasModel) -> Result<Optimizer> {
    let is_in = model.store().tensors.contains_key("optimizer/inner_optimizer/vars/0");
    Ok(match optimizer.get()? {
        Some(inner) if is_in && !matches!(inner, AnyOptimizer::LossScaleOptimizer(_)) => {
            LossScaleOptimizer::new(inner.clone()).into()
        }
        _ => optimizer,
    })
}
