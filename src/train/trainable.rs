//! A Keras model with its loss and metrics, as burn-train trains it.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;

use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::{
    Content, Devices, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor, Param,
};
use burn::optim::{GradientsParams, ModuleOptimizer, MultiGradientsParams};
use burn::tensor::{Device, Tensor};
use burn::train::metric::{Adaptor, LossInput};
use burn::train::{InferenceStep, ItemLazy, Learner, TrainOutput, TrainStep};

use super::batch::{Batch, mixed};
use super::plan::Plan;
use super::rate::Rate;
use crate::error::{Error, Result};
use crate::layer::Context;
use crate::model::KerasModel;
use crate::optimizer::LossScale;
use crate::value::{Binary, Inputs, Value};

/// A compiled [`KerasModel`] for burn-train: with its loss, its optimizer and its metrics.
///
/// Burn's own strategies for several devices give each a batch of its own, and add the gradients.
///
/// [`KerasModel::fit`] does all this by itself. Any `SupervisedTraining` does with a `Trainable` what it does
/// with other models, on one device or several, with Burn's dashboard and Burn's metrics:
///
/// ```no_run
/// use burn::tensor::Device;
/// use burn::train::SupervisedTraining;
/// use burn::train::metric::LossMetric;
/// use burn_keras::KerasModel;
/// use burn_keras::train::{Arrays, Trainable};
/// # use std::sync::Arc;
/// # fn data() -> Arc<Arrays> { unimplemented!() }
///
/// let model = KerasModel::load("model.keras", &Device::flex())?;
/// let learner = Trainable::new(&model)?.learner()?;
/// let training = SupervisedTraining::new("runs/1", data(), data()).metrics((LossMetric::new(),)).num_epochs(3);
/// let trained = training.launch(learner).model.into_model();
/// trained.save("trained.keras")?;
/// # Ok::<(), burn_keras::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Trainable {
    model: KerasModel,
    plan: Arc<Plan>,
    session: Arc<Mutex<Session>>,
    /// What layers have updated themselves, here and in the copies on other devices.
    updates: Updates,
    /// Those of the model that this is a copy of.
    parent: Option<Updates>,
}

/// What changes from step to step and is no variable of the model.
#[derive(Debug, Default)]
pub(crate) struct Session {
    /// What random numbers follow from; none: from the device alone.
    pub seed: Option<u64>,
    /// How many batches were trained on.
    pub step: u64,
    /// How many steps the optimizer has made.
    pub iterations: u64,
    /// The learning rate, where it is not that of the settings.
    pub rate: Option<f64>,
    /// By what losses are multiplied before their gradients are taken, where that changes.
    pub scale: Option<LossScale>,
    /// An error of the last step of the optimizer.
    pub error: Option<Error>,
    /// What is done instead of a step.
    errand: Option<Errand>,
}

/// Only a step of the optimizer is given the optimizer and the model of a learner.
enum Errand {
    Fetch,
    Fetched(ModuleOptimizer),
    Replace(KerasModel),
}

impl fmt::Debug for Errand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Errand")
    }
}

type Updates = Arc<Mutex<Vec<(ThreadId, HashMap<String, Value>)>>>;

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What comes of a batch.
#[derive(Debug)]
pub struct Step {
    /// The loss of the whole batch with all that is added to it, as in the logs: one number.
    pub loss: Tensor<1>,
    /// The loss of each output, where there are several with one, under its name in the logs.
    pub losses: Vec<(String, Tensor<1>)>,
    /// The outputs in order, with their masks.
    pub outputs: Vec<Value>,
    /// As in the batch.
    pub targets: Vec<Option<Value>>,
    /// As in the batch.
    pub sample_weight: Vec<Option<Value>>,
    /// The number of examples.
    pub examples: usize,
    /// What went wrong; then all else means nothing.
    pub error: Option<Error>,
}

impl ItemLazy for Step {
    fn sync(self) -> Result<Self, burn::tensor::ExecutionError> {
        match &self.error {
            Some(error) => Err(burn::tensor::ExecutionError::WithContext { reason: error.to_string() }),
            None => Ok(self),
        }
    }
}

impl Adaptor<LossInput> for Step {
    fn adapt(&self) -> LossInput {
        LossInput::new(self.loss.clone())
    }
}

impl Trainable {
    /// A model that was compiled, in Python or with [`KerasModel::compile`].
    ///
    /// # Errors
    /// When it was not, or one of its settings is not of Keras: all of them at once.
    pub fn new(model: &KerasModel) -> Result<Self> {
        Self::with_plan(model, Plan::new(model, &super::Custom::default())?)
    }

    /// As [`new`](Self::new), with losses and metrics that are not of Keras.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_custom(model: &KerasModel, custom: &super::Custom) -> Result<Self> {
        Self::with_plan(model, Plan::new(model, custom)?)
    }

    fn with_plan(model: &KerasModel, plan: Plan) -> Result<Self> {
        // Of its own: what layers update is shared by clones.
        let model = model.valid().train();
        let scale = plan.optimizer.loss_scale()?;
        let session = Arc::new(Mutex::new(Session { scale, ..Session::default() }));
        Ok(Self { model, plan: Arc::new(plan), session, updates: Updates::default(), parent: None })
    }

    /// What burn-train trains it with: the optimizer goes on in the state that the model has of it.
    ///
    /// # Errors
    /// When that state is not one of this optimizer and these variables.
    pub fn learner(self) -> Result<Learner<Self>> {
        let (optimizer, progress) = self.plan.optimizer_of(&self.model)?;
        {
            let mut session = lock(&self.session);
            session.iterations = progress.iterations;
            session.rate = progress.learning_rate;
            session.scale = progress.loss_scale;
        }
        let rate = Rate { plan: Arc::clone(&self.plan), session: Arc::clone(&self.session) };
        Ok(Learner::new(self, optimizer, rate))
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &KerasModel {
        &self.model
    }

    /// The model by value.
    #[must_use]
    pub fn into_model(self) -> KerasModel {
        self.model
    }

    pub(crate) fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What all copies of it share.
    pub(crate) fn shared(&self) -> (Arc<Plan>, Arc<Mutex<Session>>) {
        (Arc::clone(&self.plan), Arc::clone(&self.session))
    }

    /// The same with another model of the same description.
    pub(crate) fn with_model(self, model: KerasModel) -> Self {
        Self { model, ..self }
    }

    /// The optimizer of a learner.
    pub(crate) fn optimizer_of(learner: &mut Learner<Self>) -> Result<ModuleOptimizer> {
        match Self::send(learner, Errand::Fetch) {
            Some(Errand::Fetched(optimizer)) => Ok(optimizer),
            _ => Err(Error::input("the learner has no optimizer")),
        }
    }

    /// Gives a learner another model of the same description.
    pub(crate) fn replace(learner: &mut Learner<Self>, model: &KerasModel) {
        let device = learner.model().model.device();
        let model = model.valid().train().fork(&device);
        Self::send(learner, Errand::Replace(model));
    }

    fn send(learner: &mut Learner<Self>, errand: Errand) -> Option<Errand> {
        let session = Arc::clone(&learner.model().session);
        lock(&session).errand = Some(errand);
        learner.optimizer_step(GradientsParams::new());
        lock(&session).errand.take()
    }

    fn run(&self, batch: Batch, cx: &Context) -> Result<(Tensor<1>, Step)> {
        let examples = batch.examples();
        let (outputs, added) =
            self.model.forward_with_losses_in(Inputs::Ordered(batch.inputs.clone()), cx)?;
        let outputs: Vec<Value> = outputs.into_iter().map(|(_, output)| output).collect();
        let losses = self.plan.losses(&batch, &outputs)?;
        let total = match added {
            Some(added) => losses.total + added,
            None => losses.total,
        };
        let plain = |(name, loss): (String, Tensor<1>)| (name, loss.without_autodiff());
        let step = Step {
            loss: total.clone().without_autodiff(),
            losses: losses.each.into_iter().map(plain).collect(),
            outputs: outputs.into_iter().map(Value::without_autodiff).collect::<Result<_>>()?,
            targets: batch.targets,
            sample_weight: batch.sample_weight,
            examples,
            error: None,
        };
        Ok((if batch.share == 1.0 { total } else { total * batch.share }, step))
    }

    fn train_step(&self, batch: Batch) -> Result<TrainOutput<Step>> {
        let factor = {
            let mut session = lock(&self.session);
            if let Some(error) = session.error.take() {
                return Err(error);
            }
            if let Some(seed) = session.seed {
                self.model.device().seed(mixed(seed, session.step));
            }
            self.plan.optimizer.loss_factor(session.scale)?
        };
        let inputs = batch.inputs.into_iter().map(Value::autodiff).collect::<Result<_>>()?;
        let (loss, item) = self.run(Batch { inputs, ..batch }, &Context::default())?;
        let loss = if factor == 1.0 { loss } else { loss * factor };
        // Of a model that is frozen, nothing has a gradient.
        let grads = match loss.is_tracked() {
            true => GradientsParams::from_grads(loss.backward(), &self.model),
            false => GradientsParams::new(),
        };
        self.tell_updates();
        Ok(TrainOutput { grads, item })
    }

    /// Makes known what layers have updated in a step.
    fn tell_updates(&self) {
        if self.plan.fixed.is_empty() {
            return;
        }
        let mut collect = Collect { path: Vec::new(), wanted: &self.plan.fixed, values: HashMap::new() };
        self.model.visit(&mut collect);
        let thread = std::thread::current().id();
        for updates in std::iter::once(&self.updates).chain(&self.parent) {
            let mut updates = lock(updates);
            updates.retain(|(other, _)| *other != thread);
            updates.push((thread, collect.values.clone()));
        }
    }

    /// The model with what layers have updated: the mean of all devices.
    fn updated(&self) -> Result<KerasModel> {
        let mut updates: Vec<_> = std::mem::take(&mut *lock(&self.updates));
        let count = updates.len() as f64;
        let Some((_, first)) = updates.pop().filter(|_| count > 1.0) else { return Ok(self.model.clone()) };
        let mut values = HashMap::new();
        for (path, mut sum) in first {
            for other in updates.iter().filter_map(|(_, values)| values.get(&path)) {
                let other = other.clone().to_device(&sum.device())?;
                sum = sum.binary(Binary::Add, other)?;
            }
            values.insert(path, crate::map_float!(sum, x => x / count)?);
        }
        Ok(self.model.clone().map(&mut Put { path: Vec::new(), values }))
    }

    fn try_optimize(
        &self,
        optim: &mut ModuleOptimizer,
        rate: ModuleLearningRate,
        mut grads: GradientsParams,
    ) -> Result<Self> {
        let mut session = lock(&self.session);
        session.step = session.step.saturating_add(1);
        let model = self.updated()?;
        // Nothing is trained.
        if grads.is_empty() {
            return Ok(self.clone().with_model(model));
        }
        // As on JAX: see the module `optimizer`.
        model.visit(&mut Fill(&mut grads));
        let mut scale = session.scale;
        let grads = self.plan.optimizer.prepare(&model, grads, &mut scale)?;
        session.scale = scale;
        let Some(grads) = grads else { return Ok(self.clone().with_model(model)) };
        session.iterations = session.iterations.saturating_add(1);
        drop(session);
        Ok(self.clone().with_model(optim.step(rate, model, grads).apply_constraints()?))
    }
}

impl TrainStep for Trainable {
    type Input = Batch;
    type Output = Step;

    fn step(&self, batch: Batch) -> TrainOutput<Step> {
        self.train_step(batch)
            .unwrap_or_else(|error| TrainOutput { grads: GradientsParams::new(), item: self.failed(error) })
    }

    fn optimize(
        self,
        optim: &mut ModuleOptimizer,
        lr_module: ModuleLearningRate,
        grads: GradientsParams,
    ) -> Self {
        {
            let mut session = lock(&self.session);
            match session.errand.take() {
                None => {}
                Some(Errand::Replace(model)) => {
                    drop(session);
                    return self.with_model(model);
                }
                Some(_) => {
                    session.errand = Some(Errand::Fetched(optim.clone()));
                    drop(session);
                    return self;
                }
            }
        }
        self.try_optimize(optim, lr_module, grads).unwrap_or_else(|error| {
            lock(&self.session).error = Some(error);
            self
        })
    }

    fn optimize_multi(
        self,
        optim: &mut ModuleOptimizer,
        lr_module: ModuleLearningRate,
        mut grads: MultiGradientsParams,
    ) -> Self {
        let mut gather = Gather { from: &mut grads, into: GradientsParams::new() };
        self.model.visit(&mut gather);
        let grads = gather.into;
        self.optimize(optim, lr_module, grads)
    }
}

impl Trainable {
    fn failed(&self, error: Error) -> Step {
        Step {
            loss: Tensor::full([1], f32::NAN, &self.model.device().inner()),
            losses: Vec::new(),
            outputs: Vec::new(),
            targets: Vec::new(),
            sample_weight: Vec::new(),
            examples: 0,
            error: Some(error),
        }
    }
}

impl InferenceStep for Trainable {
    type Input = Batch;
    type Output = Step;

    fn step(&self, batch: Batch) -> Step {
        let cx = Context { training: Some(false) };
        self.run(batch, &cx).map_or_else(|error| self.failed(error), |(_, step)| step)
    }
}

impl Module for Trainable {
    fn collect_devices(&self, devices: Devices) -> Devices {
        self.model.collect_devices(devices)
    }
    fn fork(self, device: &Device) -> Self {
        let parent = Some(Arc::clone(&self.updates));
        Self { model: self.model.fork(device), updates: Updates::default(), parent, ..self }
    }
    fn to_device(self, device: &Device) -> Self {
        Self { model: self.model.to_device(device), ..self }
    }
    fn train(self) -> Self {
        Self { model: self.model.train(), ..self }
    }
    fn valid(&self) -> Self {
        self.clone().with_model(self.model.valid())
    }
    fn materialize(self) -> Self {
        Self { model: self.model.materialize(), ..self }
    }
    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        self.model.visit(visitor);
    }
    fn map<M: ModuleMapper>(self, mapper: &mut M) -> Self {
        Self { model: self.model.map(mapper), ..self }
    }
}

impl ModuleDisplayDefault for Trainable {
    fn content(&self, content: Content) -> Option<Content> {
        self.model.content(content)
    }
}

impl ModuleDisplay for Trainable {}

impl fmt::Display for Trainable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.model.fmt(f)
    }
}

/// Gives every trainable parameter without a gradient one of zeros.
struct Fill<'a>(&'a mut GradientsParams);

impl ModuleVisitor for Fill<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if param.is_require_grad() && self.0.get::<D>(param.id).is_none() {
            self.0.register(param.id, param.val().without_autodiff().zeros_like());
        }
    }
}

/// Adds the gradients of several devices.
struct Gather<'a> {
    from: &'a mut MultiGradientsParams,
    into: GradientsParams,
}

impl ModuleVisitor for Gather<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some((grad, _)) = self.from.remove::<D>(param.id) {
            self.into.register(param.id, grad.to_device(&param.val().device().inner()));
        }
    }
}

/// The values of some variables.
struct Collect<'a> {
    path: Vec<String>,
    wanted: &'a std::collections::HashSet<String>,
    values: HashMap<String, Value>,
}

impl ModuleVisitor for Collect<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let path = self.path.join(".");
        if self.wanted.contains(&path) {
            self.values.insert(path, param.val().into());
        }
    }
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }
    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }
}

/// Gives variables other values.
struct Put {
    path: Vec<String>,
    values: HashMap<String, Value>,
}

impl ModuleMapper for Put {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let value = self.values.remove(&self.path.join(".")).and_then(|value| value.float::<D>().ok());
        match value {
            Some(value) => param.map(|_| value),
            None => param,
        }
    }
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }
    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }
}
