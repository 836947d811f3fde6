//! The loop of a training: batches, epochs, validation, and who is told of them.

use std::fmt;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use burn::data::dataset::DatasetError;
use burn::tensor::Device;
use burn::train::{
    Learner, SupervisedLearningStrategy, SupervisedTrainingEventProcessor, TrainLoader, TrainingComponents,
    TrainingError, ValidLoader,
};

use super::document::Document;
use super::history::History;
use super::run::{Feed, Run};
use super::state::State;
use super::trainable::Trainable;
use crate::callback::{Callback, Callbacks, End};
use crate::error::Error;

/// Where messages go.
pub(crate) type Sink = Arc<Mutex<dyn Write + Send>>;

/// Trains as Keras does, for burn-train's `SupervisedTraining`: with [callbacks](crate::callback) that may save,
/// slow down and stop, at the end of epochs and after batches, on one device or several.
///
/// ```no_run
/// use std::sync::Arc;
///
/// use burn::tensor::Device;
/// use burn::train::{SupervisedTraining, TrainingStrategy};
/// use burn_keras::KerasModel;
/// use burn_keras::train::{Arrays, KerasLoop, Trainable};
/// # fn data() -> Arc<Arrays> { unimplemented!() }
///
/// let model = KerasModel::load("model.keras", &Device::flex())?;
/// let keras = Arc::new(KerasLoop::new(vec![Device::flex()], Vec::new()));
/// let training = SupervisedTraining::new("runs/1", data(), data())
///     .num_epochs(3)
///     .with_training_strategy(TrainingStrategy::Custom(keras.clone()));
/// let result = training.launch(Trainable::new(&model)?.learner()?);
/// println!("{}", keras.history().json());
/// # Ok::<(), burn_keras::Error>(())
/// ```
pub struct KerasLoop {
    devices: Vec<Device>,
    callbacks: Mutex<Callbacks>,
    feed: Feed,
    start: Document,
    sink: Sink,
    outcome: Mutex<Option<Outcome>>,
}

/// What became of a training.
pub(crate) struct Outcome {
    pub history: History,
    pub error: Option<Error>,
    /// The state at the end, unless it could not be read.
    pub state: Option<State>,
}

impl fmt::Debug for KerasLoop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KerasLoop").field("devices", &self.devices).finish_non_exhaustive()
    }
}

impl KerasLoop {
    /// A loop on these devices, of which the first has the optimizer and validates, and with these callbacks.
    #[must_use]
    pub fn new(devices: Vec<Device>, callbacks: Vec<Box<dyn Callback>>) -> Self {
        Self {
            devices,
            callbacks: Mutex::new(Callbacks::new(callbacks)),
            feed: Feed::default(),
            start: Document { seed: rand::random(), ..Document::default() },
            sink: Arc::new(Mutex::new(std::io::stderr())),
            outcome: Mutex::new(None),
        }
    }

    pub(crate) fn fed(self, feed: Feed) -> Self {
        Self { feed, ..self }
    }

    pub(crate) fn from(self, start: Document) -> Self {
        Self { start, ..self }
    }

    pub(crate) fn saying(self, sink: Sink) -> Self {
        Self { sink, ..self }
    }

    pub(crate) fn outcome(&self) -> Option<Outcome> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// What was watched in the training that is done.
    #[must_use]
    pub fn history(&self) -> History {
        let outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        outcome.as_ref().map(|outcome| outcome.history.clone()).unwrap_or_default()
    }
}

impl SupervisedLearningStrategy<Trainable> for KerasLoop {
    fn fit(
        &self,
        components: TrainingComponents<Trainable>,
        mut learner: Learner<Trainable>,
        train: TrainLoader<Trainable>,
        valid: ValidLoader<Trainable>,
        starting_epoch: usize,
    ) -> (Trainable, SupervisedTrainingEventProcessor<Trainable>) {
        let devices: Vec<Device> = match self.devices.is_empty() {
            true => vec![learner.model().model().device().autodiff()],
            false => self.devices.iter().map(|device| device.clone().autodiff()).collect(),
        };
        let main = devices.first().cloned().unwrap_or_default();
        learner.fork(&main);
        let mut start = self.start.clone();
        start.epoch = start.epoch.max(starting_epoch.saturating_sub(1));
        let mut callbacks = self.callbacks.lock().unwrap_or_else(PoisonError::into_inner);
        let train = train.to_device(&main.clone().inner());
        let valid = valid.to_device(&main.inner());
        let mut run = Run::new(components, learner, devices, start, self.feed.clone(), self.sink.clone());
        let trained = run.all(&mut callbacks, &*train, &*valid);
        let (end, mut error) = match trained {
            Ok(end) => (end, None),
            Err(error) => (End::Failed, Some(error)),
        };
        if let Err(late) = callbacks.on_train_end(end, &mut run) {
            error.get_or_insert(late);
        }
        if let Some(error) = &error {
            let told = Error::new(error.kind(), error);
            run.interrupter().fail(TrainingError::Dataset(DatasetError::new(told)));
        }
        let state = run.state().and_then(State::finalized);
        let state = match state {
            Ok(state) => Some(state),
            Err(late) => {
                error.get_or_insert(late);
                None
            }
        };
        let (learner, processor, history) = run.done();
        let model = match &state {
            Some(state) => learner.model().with_model(state.model.clone()),
            None => learner.model(),
        };
        let outcome = Outcome { history, error, state };
        *self.outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
        (model, processor)
    }
}
