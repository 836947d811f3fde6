//! Callbacks for any Burn module that is trained with burn-train's own strategies.

mod file;
mod metrics;
mod module;
mod run;
mod shared;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::optim::ModuleOptimizer;
use burn::tensor::Tensor;
use burn::train::checkpoint::CheckpointerError;
use burn::train::{
    Learner, LearnerModel, LearningResult, MetricRegistration, SupervisedTraining, TrainStep, TrainingError,
};

use super::{Callback, Callbacks, End};
use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::model::KerasModel;

pub use file::load;
pub use metrics::Metrics;
pub use module::Hooked;

use file::Document;
use metrics::Named;
use run::Run;
use shared::{Shared, Stop};

/// Gives a loss out of what a training step of a module gives.
type Loss<M> = dyn Fn(&<M as TrainStep>::Output) -> Tensor<1> + Send + Sync;
type Register<M> = dyn FnOnce(SupervisedTraining<Hooked<M>>) -> SupervisedTraining<Hooked<M>>;

/// The most batches after which a training is resumed: a scheduler of learning rates takes as many steps first.
const MOST_STEPS: u64 = 1 << 28;

/// Callbacks for the training of a Burn module: `ModelCheckpoint`, `EarlyStopping`, ..., in a training that is
/// burn-train's own, on one device, on several, or distributed. However many devices there are, the callbacks are
/// called once.
///
/// ```no_run
/// # use std::sync::Arc;
/// # use burn::data::dataloader::DataLoader;
/// # use burn::module::Module;
/// # use burn::optim::{AdamConfig, Optimizer};
/// # use burn::tensor::{Device, Tensor};
/// # use burn::train::metric::LossMetric;
/// # use burn::train::{InferenceStep, RegressionOutput, SupervisedTraining, TrainOutput, TrainStep};
/// # #[derive(Module, Debug)]
/// # struct Net { linear: burn_keras::layers::Dense }
/// # impl TrainStep for Net {
/// #     type Input = Tensor<2>;
/// #     type Output = RegressionOutput;
/// #     fn step(&self, _: Tensor<2>) -> TrainOutput<RegressionOutput> { unimplemented!() }
/// # }
/// # impl InferenceStep for Net {
/// #     type Input = Tensor<2>;
/// #     type Output = RegressionOutput;
/// #     fn step(&self, _: Tensor<2>) -> RegressionOutput { unimplemented!() }
/// # }
/// # fn train(net: Net, train: Arc<dyn DataLoader<Tensor<2>>>, valid: Arc<dyn DataLoader<Tensor<2>>>) -> burn_keras::Result<()> {
/// use burn_keras::callback::{EarlyStopping, Hook, ModelCheckpoint};
///
/// let training = SupervisedTraining::new("artifacts", train, valid).num_epochs(20);
/// let result = Hook::new()
///     .metrics((LossMetric::new(),))
///     .loss(|output: &RegressionOutput| output.loss.clone())
///     .callback(ModelCheckpoint::new("best.weights.h5").save_weights_only(true).save_best_only(true))
///     .callback(EarlyStopping::new().patience(3))
///     .launch(training, net, AdamConfig::new().init(), 0.001)?;
/// let net: Net = result.model;
/// # Ok(())
/// # }
/// ```
///
/// # What is what
/// - A batch is a step of the optimizer. With several devices, or with accumulated gradients, that is several batches
///   of the data loader.
/// - In the logs are Burn's metrics as Keras would call them, `loss`, `val_loss`, `top_k_accuracy`, at the end of
///   epochs; after batches there is the `loss`, the mean of the epoch so far, when [`loss`](Self::loss) says what
///   it is.
/// - A `.weights.h5` holds the parameters of the module under their paths, which [`load`] reads. A whole model, and
///   weights that Keras opens, take a [`template`](Self::template).
/// - A learning rate that a callback sets holds for all parameters, in place of the scheduler's, which has to be
///   constant.
/// - A training is resumed at the beginning of an epoch: one that was cut off in an epoch starts this epoch anew. It
///   needs Burn's metrics in files, as they are by default: its `InMemoryMetricLogger` counts epochs from 1 again.
pub struct Hook<M: LearnerModel> {
    callbacks: Vec<Box<dyn Callback>>,
    metrics: Vec<Named>,
    register: Option<Box<Register<M>>>,
    loss: Option<Box<Loss<M>>>,
    names: Vec<(String, String)>,
    template: Option<KerasModel>,
    resume: Option<PathBuf>,
    say: Box<dyn FnMut(&str) + Send>,
}

impl<M: LearnerModel> fmt::Debug for Hook<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hook of {} callbacks", self.callbacks.len())
    }
}

impl<M: LearnerModel> Default for Hook<M> {
    fn default() -> Self {
        Self::new()
    }
}

/// What callbacks say goes where Burn's own messages on the terminal go.
fn to_terminal(message: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{message}");
}

impl<M: LearnerModel> Hook<M> {
    /// Without callbacks.
    #[must_use]
    pub fn new() -> Self {
        Self {
            callbacks: Vec::new(),
            metrics: Vec::new(),
            register: None,
            loss: None,
            names: Vec::new(),
            template: None,
            resume: None,
            say: Box::new(to_terminal),
        }
    }

    /// Adds a callback.
    #[must_use]
    pub fn callback(mut self, callback: impl Callback + 'static) -> Self {
        self.callbacks.push(Box::new(callback));
        self
    }

    /// Burn's metrics of the training, in place of
    /// [`SupervisedTraining::metrics`](burn::train::SupervisedTraining::metrics): what callbacks are to see has to be
    /// known here.
    #[must_use]
    pub fn metrics<Me: MetricRegistration<Hooked<M>> + Metrics + 'static>(mut self, metrics: Me) -> Self {
        self.metrics = metrics.named();
        self.register = Some(Box::new(|training| training.metrics(metrics)));
        self
    }

    /// Calls a metric of Burn otherwise in the logs. The name on the validation data follows.
    #[must_use]
    pub fn rename(mut self, metric: impl Into<String>, name: impl Into<String>) -> Self {
        self.names.push((metric.into(), name.into()));
        self
    }

    /// What the loss of a training step is: a number, or one for each example.
    #[must_use]
    pub fn loss(
        mut self,
        loss: impl Fn(&<M as TrainStep>::Output) -> Tensor<1> + Send + Sync + 'static,
    ) -> Self {
        self.loss = Some(Box::new(loss));
        self
    }

    /// A Keras model with the parameters of the module, below the same paths or all below one: files are then those
    /// of this model, with the weights of the module.
    #[must_use]
    pub fn template(mut self, model: KerasModel) -> Self {
        self.template = Some(model);
        self
    }

    /// Goes on from a file that callbacks of such a training wrote: weights, state of the optimizer, epoch, step of
    /// the scheduler, and what callbacks remember.
    #[must_use]
    pub fn resume(mut self, path: impl AsRef<Path>) -> Self {
        self.resume = Some(path.as_ref().to_owned());
        self
    }

    /// Who is told what callbacks say. Default: the terminal.
    #[must_use]
    pub fn on_message(mut self, say: impl FnMut(&str) + Send + 'static) -> Self {
        self.say = Box::new(say);
        self
    }

    /// Trains a module, with callbacks.
    ///
    /// The training must have neither metrics nor early stopping of its own, and no checkpoint to start from.
    ///
    /// # Errors
    /// Everything that cannot work: what a callback refuses, and a file to be resumed from that does not fit, before
    /// the first batch. An error in the training is, as always with Burn, in the result.
    pub fn launch(
        mut self,
        training: SupervisedTraining<Hooked<M>>,
        model: M,
        optimizer: ModuleOptimizer,
        scheduler: impl Into<ModuleLrScheduler>,
    ) -> Result<LearningResult<M>> {
        let mut scheduler = scheduler.into();
        metrics::rename(&mut self.metrics, &self.names)?;
        let limits = Limits::default();
        let state = file::State { model, optimizer, document: Document::default() };
        let state = match &self.resume {
            None => state,
            Some(path) => file::resume(path, state, self.template.as_ref(), &limits)
                .map_err(|error| error.in_file(path))?,
        };
        let file::State { model, optimizer, document } = state;
        if document.step > MOST_STEPS {
            return Err(Error::limit(format_args!("{} steps are too many to go on from", document.step)));
        }
        for _ in 0..document.step {
            scheduler.step();
        }
        let training = if document.epoch == 0 { training } else { training.checkpoint(document.epoch) };
        let mut run =
            Run::new(&model, &optimizer, scheduler.clone().step(), document, training.interrupter());
        (run.metrics, run.template, run.say) = (self.metrics, self.template, self.say);
        run.has_loss = self.loss.is_some();
        let shared = Arc::new(Shared::new(Callbacks::new(self.callbacks), run, self.loss));
        shared.begin()?;
        let training = match self.register {
            Some(register) => register(training),
            None => training,
        };
        let training = training.early_stopping(Stop(shared.clone()));
        let learner = Learner::new(Hooked::new(model, shared.clone()), optimizer, scheduler);
        let result = catch_unwind(AssertUnwindSafe(|| training.launch(learner)));
        let end = match &result {
            Ok(result) if result.error.is_none() => match result.interrupted {
                Some(_) if !shared.was_stopped() => End::Interrupted,
                _ => End::Complete,
            },
            _ => End::Failed,
        };
        let ended = shared.end(end);
        let LearningResult { model, renderer, interrupted, mut error } =
            result.unwrap_or_else(|panic| resume_unwind(panic));
        if let (Err(failed), None) = (ended, &error) {
            error = Some(Arc::new(failure(&failed)));
        }
        Ok(LearningResult { model: model.into_inner(), renderer, interrupted, error })
    }
}

/// An error of ours as one of Burn's.
fn failure(error: &Error) -> TrainingError {
    TrainingError::Checkpoint(CheckpointerError::Unknown(error.to_string()))
}
