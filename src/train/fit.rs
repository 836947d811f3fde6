//! `fit` and `evaluate`, as Keras has them.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;
use std::sync::{Arc, Mutex};

use burn::data::dataloader::DataLoader;
use burn::module::Module;
use burn::tensor::Device;
use burn::train::logger::InMemoryMetricLogger;
use burn::train::{InferenceStep, Interrupter, SupervisedTraining, TrainingStrategy};

use super::batch::{Arrays, Batch};
use super::document::Document;
use super::history::History;
use super::looping::{KerasLoop, Sink};
use super::plan::Plan;
use super::progress::ProgressBar;
use super::quiet::Quiet;
use super::resume::{Resume, Resumed};
use super::run::{Feed, ValidationFreq};
use super::running::Running;
use super::settings::Custom;
use super::trainable::Trainable;
use crate::callback::{Callback, Logs};
use crate::error::{Error, Result};
use crate::model::KerasModel;
use crate::value::{Inputs, Value};

/// Inputs, targets, and perhaps weights of examples.
type Data = (Inputs, Inputs, Option<Inputs>);

/// How [`KerasModel::fit`] trains: the arguments of Keras' `fit`, under their names.
///
/// ```
/// use burn_keras::callback::EarlyStopping;
/// use burn_keras::train::Fit;
///
/// let fit = Fit::new()
///     .epochs(5)
///     .batch_size(32)
///     .seed(7)
///     .validation_split(0.1)
///     .class_weight([(0, 1.0), (1, 2.5)])
///     .callback(EarlyStopping::new());
/// ```
pub struct Fit {
    epochs: usize,
    batch_size: Option<usize>,
    shuffle: bool,
    seed: Option<u64>,
    validation: Option<Data>,
    validation_loader: Option<Arc<dyn DataLoader<Batch>>>,
    validation_split: f64,
    validation_batch_size: Option<usize>,
    class_weight: Option<BTreeMap<i64, f64>>,
    sample_weight: Option<Inputs>,
    initial_epoch: usize,
    feed: Feed,
    callbacks: Vec<Box<dyn Callback>>,
    verbose: u8,
    sink: Sink,
    devices: Vec<Device>,
    interrupter: Interrupter,
    custom: Custom,
    resume: Option<Resume>,
}

impl fmt::Debug for Fit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fit").field("epochs", &self.epochs).finish_non_exhaustive()
    }
}

impl Default for Fit {
    fn default() -> Self {
        Self {
            epochs: 1,
            batch_size: None,
            shuffle: true,
            seed: None,
            validation: None,
            validation_loader: None,
            validation_split: 0.0,
            validation_batch_size: None,
            class_weight: None,
            sample_weight: None,
            initial_epoch: 0,
            feed: Feed { validates: false, ..Feed::default() },
            callbacks: Vec::new(),
            verbose: 0,
            sink: Arc::new(Mutex::new(std::io::stderr())),
            devices: Vec::new(),
            interrupter: Interrupter::new(),
            custom: Custom::default(),
            resume: None,
        }
    }
}

/// Declares the methods of settings that are only kept.
macro_rules! kept {
    ($($(#[$meta:meta])* $name:ident($value:ident: $ty:ty) => $($field:ident).+ = $set:expr;)*) => {
        impl Fit {
            $($(#[$meta])*
            #[must_use]
            pub fn $name(mut self, $value: $ty) -> Self {
                self.$($field).+ = $set;
                self
            }
            )*
        }
    };
}

kept! {
    /// At which epoch to end, counted from the start of the very first training. Default: 1.
    epochs(epochs: usize) => epochs = epochs;
    /// How many examples go through the model at once. Default: 32.
    batch_size(size: usize) => batch_size = Some(size);
    /// Whether every epoch has another order of the examples. Default: yes.
    shuffle(shuffle: bool) => shuffle = shuffle;
    /// What the order of the examples and all random numbers follow from. Default: another one every time.
    seed(seed: u64) => seed = Some(seed);
    /// Which part of the examples, the last ones, is kept for validation. Default: none.
    validation_split(part: f64) => validation_split = part;
    /// How many examples are validated at once. Default: as many as are trained on.
    validation_batch_size(size: usize) => validation_batch_size = Some(size);
    /// How many batches are validated at most. Default: all.
    validation_steps(steps: usize) => feed.validation_steps = Some(steps);
    /// After how many batches an epoch ends; the next one goes on from there. Default: after all.
    steps_per_epoch(steps: usize) => feed.steps_per_epoch = Some(steps);
    /// How many epochs are done already. Default: none.
    initial_epoch(epoch: usize) => initial_epoch = epoch;
    /// 1: shows the progress of every epoch in a line that changes; 2: in one that is written at its end. Default: 0,
    /// nothing.
    verbose(verbose: u8) => verbose = verbose;
    /// Where to train: each device has its part of every batch, and the mean of the losses of the parts is that of
    /// the batch. Moving statistics are the means of those of the devices. Default: where the model is.
    devices(devices: Vec<Device>) => devices = devices;
    /// What stops the training from outside, such as after Ctrl-C.
    interrupter(interrupter: Interrupter) => interrupter = interrupter;
    /// Losses and metrics that are not of Keras.
    custom(custom: Custom) => custom = custom;
}

impl Fit {
    /// One epoch in batches of 32, in random order.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// After every how many epochs the model is validated, or after which ones; the first is 1. Default: 1.
    ///
    /// ```
    /// use burn_keras::train::Fit;
    ///
    /// let every_other = Fit::new().validation_freq(2);
    /// let after_three = Fit::new().validation_freq([1, 2, 10]);
    /// ```
    #[must_use]
    pub fn validation_freq(mut self, epochs: impl Into<ValidationFreq>) -> Self {
        self.feed.validation_freq = epochs.into();
        self
    }

    /// On what the model is measured after every epoch.
    #[must_use]
    pub fn validation(mut self, x: impl Into<Inputs>, y: impl Into<Inputs>) -> Self {
        self.validation = Some((x.into(), y.into(), None));
        self
    }

    /// The same with weights of the examples.
    #[must_use]
    pub fn weighted_validation(
        mut self,
        x: impl Into<Inputs>,
        y: impl Into<Inputs>,
        sample_weight: impl Into<Inputs>,
    ) -> Self {
        self.validation = Some((x.into(), y.into(), Some(sample_weight.into())));
        self
    }

    /// The same for data that comes from a loader.
    #[must_use]
    pub fn validation_loader(mut self, loader: Arc<dyn DataLoader<Batch>>) -> Self {
        self.validation_loader = Some(loader);
        self
    }

    /// How much the examples of each class count; of one that is not named, 1.
    #[must_use]
    pub fn class_weight(mut self, weights: impl IntoIterator<Item = (i64, f64)>) -> Self {
        self.class_weight = Some(weights.into_iter().collect());
        self
    }

    /// How much each example counts: one array, or one for every output.
    #[must_use]
    pub fn sample_weight(mut self, weights: impl Into<Inputs>) -> Self {
        self.sample_weight = Some(weights.into());
        self
    }

    /// Adds what takes part in the training.
    #[must_use]
    pub fn callback(mut self, callback: impl Callback + 'static) -> Self {
        self.callbacks.push(Box::new(callback));
        self
    }

    /// Adds several of them.
    #[must_use]
    pub fn callbacks(mut self, callbacks: impl IntoIterator<Item = Box<dyn Callback>>) -> Self {
        self.callbacks.extend(callbacks);
        self
    }

    /// Where progress and messages go. Default: the standard error stream.
    #[must_use]
    pub fn output(mut self, output: impl Write + Send + 'static) -> Self {
        self.sink = Arc::new(Mutex::new(output));
        self
    }

    pub(super) fn with_resume(mut self, resume: Resume) -> Self {
        self.resume = Some(resume);
        self
    }
}

impl KerasModel {
    /// Trains the model, as Keras' `fit`: with what it was compiled with, in Python or by
    /// [`compile`](Self::compile), and from where its optimizer was.
    ///
    /// Whatever becomes of it, the model has then the weights and the state of the optimizer of the last batch, and
    /// saves as Keras would save it. On Burn's CPU backend, the same seed gives the same weights; the random numbers
    /// of a device are those of all trainings on it, so this holds for one training at a time.
    ///
    /// ```no_run
    /// # use burn::tensor::{Device, Int, Tensor};
    /// use burn_keras::KerasModel;
    /// use burn_keras::callback::ModelCheckpoint;
    /// use burn_keras::train::Fit;
    ///
    /// # fn data(_: &Device) -> (Tensor<2>, Tensor<1, Int>) { unimplemented!() }
    /// let device = Device::flex();
    /// let mut model = KerasModel::load("model.keras", &device)?;
    /// let (x, y) = data(&device);
    /// let checkpoint = ModelCheckpoint::new("runs/{epoch:02d}-{val_loss:.2f}.keras");
    /// let history = model.fit(x, y, Fit::new().epochs(5).validation_split(0.1).callback(checkpoint))?;
    /// println!("{:?}", history.get("val_loss"));
    /// # Ok::<(), burn_keras::Error>(())
    /// ```
    ///
    /// # Errors
    /// Everything that does not fit, before the first batch; and what goes wrong later, errors of callbacks included.
    pub fn fit(&mut self, x: impl Into<Inputs>, y: impl Into<Inputs>, mut fit: Fit) -> Result<History> {
        let start = fit.start(self)?;
        let plan = Plan::new(self, &fit.custom)?;
        let data = (x.into(), y.into(), fit.sample_weight.take());
        let mut train = batch_of(self, &plan, data, fit.class_weight.as_ref())?;
        let mut valid = match fit.validation.take() {
            Some(data) => Some(batch_of(self, &plan, data, None).map_err(|error| error.at("validation"))?),
            None => None,
        };
        if fit.validation_split != 0.0 && valid.is_none() {
            let (first, last) = split(&train, fit.validation_split)?;
            (train, valid) = (first, Some(last));
        }
        let batch_size = fit.batch_size.unwrap_or(match fit.feed.steps_per_epoch {
            // As Keras: all examples in so many batches.
            Some(steps) => train.examples().div_ceil(steps.max(1)),
            None => 32,
        });
        check(self, &fit.custom, &train, batch_size)?;
        if let Some(valid) = &valid {
            check(self, &fit.custom, valid, batch_size).map_err(|error| error.at("validation"))?;
        }
        // What is taken from a loader in turns starts over at its very beginning.
        let epoch = if fit.feed.steps_per_epoch.is_some() { 0 } else { start.epoch as u64 };
        let train = Arrays::new(train, batch_size).from_epoch(epoch);
        let train = if fit.shuffle { train.shuffled(start.seed) } else { train };
        fit.feed.batches = Some(train.batches());
        let valid = valid.map(|valid| Arrays::new(valid, fit.validation_batch_size.unwrap_or(batch_size)));
        let valid = valid.map(|valid| Arc::new(valid) as Arc<dyn DataLoader<Batch>>);
        fit.run(self, start, Arc::new(train), valid)
    }

    /// [`fit`](Self::fit) with data that comes from a loader, such as one that does not fit in memory.
    ///
    /// Resuming goes on at the same batch if the loader gives the same ones again.
    ///
    /// # Errors
    /// As [`fit`](Self::fit), and for settings that are about arrays.
    pub fn fit_loader(&mut self, train: Arc<dyn DataLoader<Batch>>, mut fit: Fit) -> Result<History> {
        let misplaced = [
            ("validation_split", fit.validation_split != 0.0),
            ("class_weight", fit.class_weight.is_some()),
            ("sample_weight", fit.sample_weight.is_some()),
            ("batch_size", fit.batch_size.is_some()),
        ];
        if let Some((name, _)) = misplaced.into_iter().find(|(_, is_set)| *is_set) {
            return Err(Error::input(format_args!("{name} is for arrays: a loader sees to that itself")));
        }
        let start = fit.start(self)?;
        let plan = Plan::new(self, &fit.custom)?;
        let valid = match fit.validation.take() {
            Some(data) => {
                let valid = batch_of(self, &plan, data, None).map_err(|error| error.at("validation"))?;
                Some(Arc::new(Arrays::new(valid, fit.validation_batch_size.unwrap_or(32)))
                    as Arc<dyn DataLoader<_>>)
            }
            None => None,
        };
        fit.run(self, start, train, valid)
    }

    /// What the loss and the metrics are on some examples, as Keras' `evaluate`.
    ///
    /// # Errors
    /// When the model was not compiled, or the data does not fit.
    pub fn evaluate(&self, x: impl Into<Inputs>, y: impl Into<Inputs>, options: Evaluate) -> Result<Logs> {
        let plan = Plan::new(self, &options.custom)?;
        let data = batch_of(self, &plan, (x.into(), y.into(), options.sample_weight), None)?;
        let model = Trainable::with_custom(self, &options.custom)?.valid();
        let arrays = Arrays::new(data, options.batch_size).to_device(&model.model().device());
        let mut running = Running::new(model.plan());
        for batch in arrays.iter() {
            let batch = batch.map_err(|error| Error::input(error.to_string()))?;
            measure(&model, &mut running, batch)?;
        }
        running.logs()
    }
}

/// How [`KerasModel::evaluate`] goes about it.
///
/// ```
/// use burn_keras::train::Evaluate;
///
/// let options = Evaluate::new().batch_size(100);
/// ```
#[derive(Clone, Debug)]
pub struct Evaluate {
    batch_size: usize,
    sample_weight: Option<Inputs>,
    custom: Custom,
}

impl Default for Evaluate {
    fn default() -> Self {
        Self { batch_size: 32, sample_weight: None, custom: Custom::default() }
    }
}

impl Evaluate {
    /// In batches of 32.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many examples go through the model at once.
    #[must_use]
    pub fn batch_size(mut self, size: usize) -> Self {
        self.batch_size = size;
        self
    }

    /// How much each example counts.
    #[must_use]
    pub fn sample_weight(mut self, weights: impl Into<Inputs>) -> Self {
        self.sample_weight = Some(weights.into());
        self
    }

    /// Losses and metrics that are not of Keras.
    #[must_use]
    pub fn custom(mut self, custom: Custom) -> Self {
        self.custom = custom;
        self
    }
}

impl Fit {
    /// Where the training starts; one that is resumed brings its model with it.
    fn start(&mut self, model: &mut KerasModel) -> Result<Document> {
        let resumed = match self.resume.take() {
            Some(resume) => resume.load(model, &self.custom, &self.sink)?,
            None => None,
        };
        let seed = self.seed.unwrap_or_else(rand::random);
        let fresh = Document { epoch: self.initial_epoch, seed, ..Document::default() };
        Ok(match resumed {
            Some(Resumed::Exactly(document)) => document,
            Some(Resumed::Roughly(step, done)) => {
                let (epoch, batch) = done.unwrap_or((self.initial_epoch, 0));
                Document { step, epoch, batch, ..fresh }
            }
            None => fresh,
        })
    }

    fn run(
        self,
        model: &mut KerasModel,
        start: Document,
        train: Arc<dyn DataLoader<Batch>>,
        valid: Option<Arc<dyn DataLoader<Batch>>>,
    ) -> Result<History> {
        let valid = valid.or(self.validation_loader);
        let mut callbacks = self.callbacks;
        if self.verbose > 0 {
            callbacks.push(Box::new(ProgressBar::new(self.verbose, self.epochs, self.sink.clone())));
        }
        let device = model.device();
        let devices = if self.devices.is_empty() { vec![device.clone()] } else { self.devices };
        let feed = Feed { validates: valid.is_some(), ..self.feed };
        let keras = KerasLoop::new(devices, callbacks).fed(feed).from(start).saying(self.sink);
        let keras = Arc::new(keras);
        let learner = Trainable::with_custom(model, &self.custom)?.learner()?;
        let none =
            || Arc::new(Arrays::new(Batch::new(Vec::new(), Vec::new()), 1)) as Arc<dyn DataLoader<Batch>>;
        let training = SupervisedTraining::new("", train, valid.unwrap_or_else(none))
            .num_epochs(self.epochs)
            .with_interrupter(self.interrupter)
            .with_application_logger(None)
            .with_metric_logger(InMemoryMetricLogger::new())
            .renderer(Box::new(Quiet))
            .with_training_strategy(TrainingStrategy::Custom(keras.clone()));
        let result = training.launch(learner);
        let outcome = keras.outcome().ok_or_else(|| Error::input("the training did not start"))?;
        if let Some(state) = &outcome.state {
            let trained = state.to_model()?;
            let trained = if device.is_autodiff() { trained.train() } else { trained };
            *model = trained.fork(&device);
        }
        match (outcome.error, &result.error) {
            (Some(error), _) => Err(error),
            (None, Some(error)) => Err(Error::input(format_args!("the training was stopped: {error}"))),
            (None, None) => Ok(outcome.history),
        }
    }
}

fn measure(model: &Trainable, running: &mut Running, batch: Batch) -> Result<()> {
    let mut step = InferenceStep::step(model, batch);
    match step.error.take() {
        Some(error) => Err(error),
        None => running.add(&step),
    }
}

/// Arrays in the order of the model, with weights of classes as those of examples.
fn batch_of(
    model: &KerasModel,
    plan: &Plan,
    (x, y, weights): Data,
    classes: Option<&BTreeMap<i64, f64>>,
) -> Result<Batch> {
    let inputs = model.prepare(x, None)?;
    let targets = plan.loss.targets(y).map_err(|error| error.at("targets"))?;
    let weights = match (weights, classes) {
        (Some(_), Some(_)) => return Err(Error::input("either weights of examples or of classes, not both")),
        (Some(weights), None) => plan.loss.sample_weights(weights)?,
        (None, Some(classes)) => plan.loss.class_weights(&targets, classes)?,
        (None, None) => targets.iter().map(|_| None).collect(),
    };
    let batch = Batch::new(inputs, Vec::new()).with_targets(targets).with_sample_weight(weights);
    let examples = batch.examples();
    let others = [("targets", &batch.targets), ("sample_weight", &batch.sample_weight)];
    for (what, values) in others {
        for value in values.iter().flatten() {
            let got = value.shape().first().copied().unwrap_or(0);
            if got != examples {
                return Err(Error::input(format_args!("{got} examples, the inputs have {examples}")).at(what));
            }
        }
    }
    Ok(batch)
}

/// The last part of the examples apart from the others.
fn split(all: &Batch, part: f64) -> Result<(Batch, Batch)> {
    let examples = all.examples();
    let first = (examples as f64 * (1.0 - part)).floor();
    if !(first >= 1.0 && first < examples as f64) {
        let message = "leaves no examples to train on, or none to validate on";
        return Err(Error::input(format_args!("{part} of {examples} {message}")).at("validation_split"));
    }
    let first = first as usize;
    let of = |start, length| all.clone().try_map(|value: Value| value.narrow(0, start, length));
    Ok((of(0, first)?, of(first, examples - first)?))
}

/// Sees whether the model, its loss and its metrics take such examples, with as few as will do.
fn check(model: &KerasModel, custom: &Custom, all: &Batch, batch_size: usize) -> Result<()> {
    let fixed = model.inputs().into_iter().find_map(|spec| spec.shape.first().copied().flatten());
    let few = match fixed {
        Some(size) if !all.examples().is_multiple_of(size.max(1)) || batch_size != size => {
            return Err(Error::input(format_args!(
                "the model takes batches of {size}: expected that batch size and a multiple of as many examples"
            )));
        }
        Some(size) => size,
        None => 1,
    };
    let model = Trainable::with_custom(model, custom)?.valid();
    let device = model.model().device();
    let few = all.clone().try_map(|value| value.narrow(0, 0, few)?.to_device(&device))?;
    let mut running = Running::new(model.plan());
    measure(&model, &mut running, few)?;
    running.logs().map(drop)
}
