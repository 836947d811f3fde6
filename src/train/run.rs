//! One training that goes on.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use burn::data::dataloader::{DataLoader, DataLoaderIterator, Progress};
use burn::data::dataset::DatasetError;
use burn::module::Module;
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::Device;
use burn::train::train::MultiDevicesTrainStep;
use burn::train::{
    EventProcessorTraining, InferenceStep, Interrupter, Learner, LearnerEvent,
    SupervisedTrainingEventProcessor, TrainingComponents, TrainingItem,
};

use super::batch::Batch;
use super::document::Document;
use super::history::History;
use super::looping::Sink;
use super::plan::Plan;
use super::rate::Rate;
use super::running::Running;
use super::state::State;
use super::trainable::{Session, Step, Trainable, lock};
use crate::callback::{Callback, Callbacks, End, Logs, Saved, Snapshot, Training, Watched};
use crate::config::Json;
use crate::error::{Error, Result};
use crate::optimizer::state::finalize;

/// How much of the data is for an epoch, and when the model is validated.
#[derive(Clone, Debug)]
pub(crate) struct Feed {
    /// At most so many batches; the next epoch goes on where one stops.
    pub steps_per_epoch: Option<usize>,
    pub batches: Option<usize>,
    pub validates: bool,
    pub validation_freq: ValidationFreq,
    pub validation_steps: Option<usize>,
}

impl Default for Feed {
    fn default() -> Self {
        Self {
            steps_per_epoch: None,
            batches: None,
            validates: true,
            validation_freq: ValidationFreq::Every(1),
            validation_steps: None,
        }
    }
}

/// After which epochs a model is validated; the first is 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValidationFreq {
    /// After every so many.
    Every(usize),
    /// After these.
    Epochs(Vec<usize>),
}

impl ValidationFreq {
    fn is_after(&self, epoch: usize) -> bool {
        match self {
            Self::Every(epochs) => epoch.is_multiple_of((*epochs).max(1)),
            Self::Epochs(epochs) => epochs.contains(&epoch),
        }
    }
}

impl From<usize> for ValidationFreq {
    fn from(epochs: usize) -> Self {
        Self::Every(epochs)
    }
}

impl From<Vec<usize>> for ValidationFreq {
    fn from(epochs: Vec<usize>) -> Self {
        Self::Epochs(epochs)
    }
}

impl<const COUNT: usize> From<[usize; COUNT]> for ValidationFreq {
    fn from(epochs: [usize; COUNT]) -> Self {
        Self::Epochs(epochs.to_vec())
    }
}

/// A training that goes on.
pub(crate) struct Run {
    components: TrainingComponents<Trainable>,
    learner: Learner<Trainable>,
    plan: Arc<Plan>,
    session: Arc<Mutex<Session>>,
    workers: Option<(MultiDevicesTrainStep<Trainable>, Vec<Device>)>,
    running: Running,
    feed: Feed,
    sink: Sink,
    history: History,
    at: Document,
    /// The present epoch, as the callbacks see it.
    epoch: usize,
    /// The logs of the epoch that ends, or those after a batch once they were asked for.
    logs: Option<Logs>,
    adds: Vec<Watched>,
    stops: bool,
}

type Batches<'a> = Box<dyn DataLoaderIterator<Batch> + 'a>;

impl Run {
    pub fn new(
        components: TrainingComponents<Trainable>,
        learner: Learner<Trainable>,
        devices: Vec<Device>,
        start: Document,
        feed: Feed,
        sink: Sink,
    ) -> Self {
        let (plan, session) = learner.model().shared();
        {
            let mut session = lock(&session);
            session.seed = Some(start.seed);
            session.step = start.step;
        }
        let workers = (devices.len() > 1).then(|| (MultiDevicesTrainStep::new(&devices), devices));
        Self {
            running: Running::new(&plan),
            plan,
            session,
            components,
            learner,
            workers,
            feed,
            sink,
            history: History::default(),
            epoch: start.epoch,
            at: start,
            logs: None,
            adds: Vec::new(),
            stops: false,
        }
    }

    pub fn interrupter(&self) -> &Interrupter {
        &self.components.interrupter
    }

    pub fn done(self) -> (Learner<Trainable>, SupervisedTrainingEventProcessor<Trainable>, History) {
        (self.learner, self.components.event_processor, self.history)
    }

    /// Trains all epochs.
    pub fn all(
        &mut self,
        callbacks: &mut Callbacks,
        train: &dyn DataLoader<Batch>,
        valid: &dyn DataLoader<Batch>,
    ) -> Result<End> {
        self.adds = callbacks.adds();
        if self.components.grad_accumulation.is_some_and(|batches| batches > 1) {
            let message = "gradients are accumulated by the optimizer: gradient_accumulation_steps";
            return Err(Error::unsupported(message));
        }
        if self.workers.is_some() {
            self.plan.check_devices()?;
        }
        callbacks.on_train_begin(self)?;
        let mut batches = self.skipped(train)?;
        let epochs = self.components.num_epochs;
        while self.at.epoch < epochs && !self.stops && !self.interrupter().should_stop() {
            self.epoch = self.at.epoch;
            self.running.reset();
            self.logs = None;
            callbacks.on_epoch_begin(self)?;
            let total_items = train.num_items();
            let event = LearnerEvent::StartSplit { epoch_number: self.epoch + 1, total_items };
            self.tell(event, false)?;
            self.batches(callbacks, train, &mut batches)?;
            self.tell(LearnerEvent::EndSplit(self.epoch + 1), false)?;
            if self.interrupter().should_stop() {
                break;
            }
            let mut logs = match self.at.logs.take() {
                Some(logs) => logs,
                None => self.running.logs()?,
            };
            if self.feed.validates && self.feed.validation_freq.is_after(self.epoch + 1) {
                for (name, number) in self.validate(valid)?.iter() {
                    logs.set(format!("val_{name}"), number);
                }
            }
            self.tell(LearnerEvent::EndEpoch(self.epoch + 1), false)?;
            self.logs = Some(logs);
            self.at = Document { epoch: self.epoch + 1, batch: 0, ..self.at.clone() };
            callbacks.on_epoch_end(self)?;
            self.history.push(self.epoch, self.logs.clone().unwrap_or_default());
            self.end_epoch()?;
        }
        self.check()?;
        Ok(if self.interrupter().should_stop() { End::Interrupted } else { End::Complete })
    }

    /// What burn-train does at the end of an epoch.
    fn end_epoch(&mut self) -> Result<()> {
        let rest = &mut self.components;
        if rest.checkpointer.is_none() && rest.early_stopping.is_none() {
            return Ok(());
        }
        rest.interrupter.fail_on_error(rest.event_processor.flush());
        if let Some(checkpointer) = &mut rest.checkpointer {
            checkpointer.checkpoint(&self.learner, self.epoch + 1, &rest.event_store);
        }
        if let Some(early_stopping) = &mut rest.early_stopping {
            self.stops |= early_stopping.should_stop(self.epoch + 1, &rest.event_store);
        }
        self.check()
    }

    /// An error that something else has stopped the training with.
    fn check(&self) -> Result<()> {
        match self.interrupter().error() {
            Some(error) => Err(Error::input(format_args!("the training was stopped: {error}"))),
            None => Ok(()),
        }
    }

    fn tell(&mut self, event: LearnerEvent<Step>, is_validation: bool) -> Result<()> {
        let rest = &mut self.components;
        let told = match is_validation {
            true => rest.event_processor.process_valid(event),
            false => rest.event_processor.process_train(event),
        };
        told.map_err(|error| Error::input(error.to_string()))
    }

    /// The batches after those that are done.
    fn skipped<'a>(&self, train: &'a dyn DataLoader<Batch>) -> Result<Option<Batches<'a>>> {
        if self.at.epoch >= self.components.num_epochs {
            return Ok(None);
        }
        let done = match self.feed.steps_per_epoch {
            Some(steps) if self.at.batch > steps => {
                let message = format_args!("{} batches of an epoch of {steps} are done", self.at.batch);
                return Err(Error::input(message));
            }
            Some(steps) => self.at.epoch.saturating_mul(steps).saturating_add(self.at.batch),
            None => self.at.batch,
        };
        let mut batches = None;
        for _ in 0..done {
            if self.next(train, &mut batches)?.is_none() {
                break;
            }
        }
        Ok(batches)
    }

    /// Trains on the batches of an epoch.
    fn batches<'a>(
        &mut self,
        callbacks: &mut Callbacks,
        train: &'a dyn DataLoader<Batch>,
        batches: &mut Option<Batches<'a>>,
    ) -> Result<()> {
        let group = self.plan.steps_per_execution.max(1);
        let mut told = self.at.batch;
        loop {
            let is_full = self.feed.steps_per_epoch.is_some_and(|steps| self.at.batch >= steps);
            let batch = if is_full { None } else { self.next(train, batches)? };
            let is_last = batch.is_none();
            if let Some(batch) = batch {
                self.train_on(batch.0, batch.1)?;
                self.at.batch += 1;
                self.at.step = self.at.step.saturating_add(1);
                self.logs = None;
            }
            if self.at.batch > told && (is_last || self.at.batch.is_multiple_of(group)) {
                told = self.at.batch;
                callbacks.on_train_batch_end(told - 1, self)?;
            }
            if is_last || self.stops || self.interrupter().should_stop() {
                return Ok(());
            }
        }
    }

    /// The next batch of the epoch, with how far it is.
    fn next<'a>(
        &self,
        train: &'a dyn DataLoader<Batch>,
        batches: &mut Option<Batches<'a>>,
    ) -> Result<Option<(Batch, Progress)>> {
        let is_endless = self.feed.steps_per_epoch.is_some();
        for _ in 0..2 {
            let present = batches.get_or_insert_with(|| train.iter());
            match present.next() {
                Some(batch) => {
                    let batch = batch.map_err(|error| unreadable(&error))?;
                    return Ok(Some((batch, present.progress())));
                }
                None => *batches = None,
            }
            if !is_endless {
                return Ok(None);
            }
        }
        Err(Error::input("no examples to train on"))
    }

    fn train_on(&mut self, batch: Batch, progress: Progress) -> Result<()> {
        let (grads, mut steps) = match &self.workers {
            None => {
                let output = self.learner.train_step(batch);
                (output.grads, vec![output.item])
            }
            Some((workers, devices)) => spread(&self.learner.model(), workers, devices, batch)?,
        };
        if let Some(error) = steps.iter_mut().find_map(|step| step.error.take()) {
            return Err(error);
        }
        self.learner.lr_step();
        self.learner.optimizer_step(grads);
        if let Some(error) = lock(&self.session).error.take() {
            return Err(error);
        }
        let rate = self.learner.lr_current();
        for step in steps {
            self.running.add(&step)?;
            let item = TrainingItem::new(step, progress.clone(), Some(self.at.batch + 1), Some(rate.clone()));
            self.tell(LearnerEvent::ProcessedItem(item), false)?;
        }
        Ok(())
    }

    /// Measures the model on the validation data.
    fn validate(&mut self, valid: &dyn DataLoader<Batch>) -> Result<Logs> {
        let event = LearnerEvent::StartSplit { epoch_number: self.epoch + 1, total_items: valid.num_items() };
        self.tell(event, true)?;
        let model = self.learner.model().valid();
        let mut running = Running::new(&self.plan);
        let mut batches = valid.iter();
        let mut count = 0;
        while self.feed.validation_steps.is_none_or(|steps| count < steps) {
            let Some(batch) = batches.next() else { break };
            let mut step = InferenceStep::step(&model, batch.map_err(|error| unreadable(&error))?);
            if let Some(error) = step.error.take() {
                return Err(error);
            }
            running.add(&step)?;
            count += 1;
            let item = TrainingItem::new(step, batches.progress(), Some(count), None);
            self.tell(LearnerEvent::ProcessedItem(item), true)?;
            if self.interrupter().should_stop() {
                break;
            }
        }
        self.tell(LearnerEvent::EndSplit(self.epoch + 1), true)?;
        running.logs()
    }

    /// Gives the weights their moving averages, where there are any, as Keras does at the end.
    pub fn finalize(&mut self) -> Result<()> {
        if self.plan.has_averages() {
            let state = self.state()?;
            let model = finalize(state.model, state.optimizer.to_record())?;
            Trainable::replace(&mut self.learner, &model);
        }
        Ok(())
    }

    /// The present state.
    pub fn state(&mut self) -> Result<State> {
        let optimizer = Trainable::optimizer_of(&mut self.learner)?;
        let session = lock(&self.session);
        Ok(State {
            model: self.learner.model().model().valid(),
            plan: Arc::clone(&self.plan),
            optimizer,
            iterations: session.iterations,
            rate: session.rate,
            scale: session.scale,
            document: self.at.clone(),
        })
    }
}

fn unreadable(error: &DatasetError) -> Error {
    Error::input(format_args!("the data cannot be read: {error}"))
}

/// One batch on several devices: the gradients of all of it, and what comes of its parts.
fn spread(
    model: &Trainable,
    workers: &MultiDevicesTrainStep<Trainable>,
    devices: &[Device],
    batch: Batch,
) -> Result<(GradientsParams, Vec<Step>)> {
    let examples = batch.examples();
    let mut parts: Vec<Batches<'_>> = Vec::new();
    let mut start = 0;
    for (at, device) in devices.iter().enumerate() {
        let end = examples * (at + 1) / devices.len().max(1);
        let plain = device.clone().inner();
        let part = batch.clone().try_map(|value| value.narrow(0, start, end - start)?.to_device(&plain));
        let part = part?.counting_as(end - start, examples);
        parts.push(Box::new(One(Some(part).filter(|_| end > start))));
        start = end;
    }
    let (outputs, _) = workers.step(&mut parts, model).map_err(|error| Error::input(error.to_string()))?;
    let main = model.model().device();
    let mut grads = GradientsAccumulator::new();
    let mut steps = Vec::new();
    for output in outputs {
        grads.accumulate(model, output.output.grads.to_device(&main.clone().inner(), model));
        steps.push(output.output.item);
    }
    Ok((grads.grads(), steps))
}

/// A single batch.
struct One(Option<Batch>);

impl Iterator for One {
    type Item = Result<Batch, DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.take().map(Ok)
    }
}

impl DataLoaderIterator<Batch> for One {
    fn progress(&self) -> Progress {
        Progress::new(1, 1, None)
    }
}

impl Training for Run {
    fn epoch(&self) -> usize {
        self.epoch
    }

    fn steps_per_epoch(&self) -> Option<usize> {
        self.feed.steps_per_epoch.or(self.feed.batches)
    }

    fn step(&self) -> u64 {
        self.at.step
    }

    fn watched(&self) -> Vec<Watched> {
        let mut watched = self.plan.watched(self.feed.validates);
        watched.extend(self.adds.iter().cloned());
        watched
    }

    fn logs(&mut self) -> Result<Logs> {
        if let Some(logs) = &self.logs {
            return Ok(logs.clone());
        }
        let logs = self.running.logs()?;
        Ok(self.logs.insert(logs).clone())
    }

    fn log(&mut self, name: &str, number: f64) {
        self.logs.get_or_insert_default().set(name, number);
    }

    fn learning_rate(&self) -> Result<f64> {
        Rate::next(&self.plan, &lock(&self.session))
    }

    fn set_learning_rate(&mut self, rate: f64) -> Result<()> {
        if self.plan.has_schedule() {
            let message = "the learning rate follows a schedule, and cannot be set";
            return Err(Error::input(message));
        }
        lock(&self.session).rate = Some(f64::from(rate as f32));
        Ok(())
    }

    fn check_path(&self, path: &Path, what: Saved) -> Result<()> {
        let model = self.learner.model();
        model.model().check_target(path, what == Saved::Model)
    }

    fn snapshot(&mut self) -> Result<Arc<dyn Snapshot>> {
        let ends = self.steps_per_epoch().is_some_and(|steps| self.at.batch == steps);
        self.at.logs = if ends { Some(self.logs()?) } else { None };
        Ok(Arc::new(self.state()?))
    }

    fn restore(&mut self, snapshot: &dyn Snapshot) -> Result<()> {
        let state = snapshot.as_any().downcast_ref::<State>();
        let state = state.filter(|state| Arc::ptr_eq(&state.plan, &self.plan));
        let state = state.ok_or_else(|| Error::input("a snapshot of another training"))?;
        Trainable::replace(&mut self.learner, &state.model);
        Ok(())
    }

    fn load_weights(&mut self, path: &Path) -> Result<()> {
        let mut model = self.learner.model().model().valid();
        let store = model.store().clone();
        model.load_weights(path)?;
        Trainable::replace(&mut self.learner, &model.with_store(store));
        Ok(())
    }

    fn remember(&mut self, key: &str, fact: Json) {
        self.at.facts.insert(key.to_owned(), fact);
    }

    fn remembered(&self, key: &str) -> Option<Json> {
        self.at.facts.get(key).cloned()
    }

    fn stop(&mut self, _reason: &str) {
        self.stops = true;
    }

    fn say(&mut self, message: &str) {
        let mut sink = self.sink.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody can be told that nobody can be told.
        let _ = writeln!(sink, "{message}").and_then(|()| sink.flush());
    }
}
