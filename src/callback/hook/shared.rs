//! What all copies of a module share in a training: the callbacks, and whose turn it is.
//!
//! Where a training is distributed, every worker has a copy of the module, and all take the same steps. The callbacks
//! go with the worker that takes its first step first; before a step the others wait until it has begun the same one,
//! and after an epoch until it has ended it. So all do what the callbacks say at the same step.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;
use std::time::Duration;

use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::optim::ModuleOptimizer;
use burn::tensor::Tensor;
use burn::train::metric::store::EventStoreClient;
use burn::train::{EarlyStoppingStrategy, LearnerModel, TrainStep};

use super::super::{Callback, Callbacks, End};
use super::Loss;
use super::run::Run;
use crate::error::Result;

/// How long a worker sleeps at most before it looks whether the training was interrupted.
const NAP: Duration = Duration::from_millis(20);

pub(super) struct Shared<M: LearnerModel> {
    state: Mutex<State<M>>,
    changed: Condvar,
    loss: Option<Box<Loss<M>>>,
    /// The sum of the losses of the epoch so far and their number, for each thread.
    losses: Mutex<HashMap<ThreadId, (Tensor<1>, usize)>>,
}

struct State<M: LearnerModel> {
    callbacks: Callbacks,
    run: Run<M>,
    in_epoch: bool,
    is_over: bool,
    leader: Option<ThreadId>,
    /// All that take steps.
    workers: HashMap<ThreadId, Place>,
}

/// How far a worker is.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    /// Steps that it began.
    steps: u64,
    /// Epochs that it ended.
    epochs: usize,
}

impl<M: LearnerModel> State<M> {
    /// Lets the callbacks do something; what goes wrong ends the training.
    fn tell(&mut self, tell: impl FnOnce(&mut Callbacks, &mut Run<M>) -> Result<()>) {
        if !self.run.has_failed {
            let told = tell(&mut self.callbacks, &mut self.run);
            self.run.fail_on_error(told);
        }
    }

    fn place(&mut self, worker: ThreadId) -> &mut Place {
        self.workers.entry(worker).or_default()
    }
}

impl<M: LearnerModel> Shared<M> {
    pub(super) fn new(callbacks: Callbacks, mut run: Run<M>, loss: Option<Box<Loss<M>>>) -> Self {
        run.adds = callbacks.adds();
        let state =
            State { callbacks, run, in_epoch: false, is_over: false, leader: None, workers: HashMap::new() };
        Self { state: Mutex::new(state), changed: Condvar::new(), loss, losses: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State<M>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the leader.
    fn wait(&self, is_there: impl Fn(Place) -> bool) -> MutexGuard<'_, State<M>> {
        let mut state = self.state();
        loop {
            let leader = state.leader.and_then(|leader| state.workers.get(&leader)).copied();
            if state.is_over || state.run.interrupter.should_stop() || leader.is_none_or(&is_there) {
                return state;
            }
            let waited = self.changed.wait_timeout(state, NAP);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Before the first batch.
    pub(super) fn begin(&self) -> Result<()> {
        let state = &mut *self.state();
        state.callbacks.on_train_begin(&mut state.run)
    }

    /// Before a step of a copy: its learning rate, or none if it is not to be taken.
    pub(super) fn before(
        &self,
        model: &M,
        optimizer: &ModuleOptimizer,
        rate: ModuleLearningRate,
    ) -> Option<ModuleLearningRate> {
        let me = std::thread::current().id();
        let mut state = self.state();
        let leads = *state.leader.get_or_insert(me) == me;
        let Place { steps, epochs } = *state.place(me);
        if leads {
            state.run.take_rate(model, &rate);
            if !state.in_epoch {
                state.in_epoch = true;
                state.run.begin_epoch(model, optimizer);
                state.tell(|callbacks, run| callbacks.on_epoch_begin(run));
            }
            // Nobody else holds what is about to change.
            state.run.state = None;
        } else {
            drop(state);
            state = self.wait(|leader| leader.steps > steps || leader.epochs > epochs);
        }
        state.place(me).steps += 1;
        self.changed.notify_all();
        (!state.run.has_failed).then(|| state.run.rate_at(steps, rate))
    }

    /// After a step of a copy.
    pub(super) fn after(&self, model: &M, optimizer: &ModuleOptimizer) {
        let me = std::thread::current().id();
        let state = &mut *self.state();
        if state.leader != Some(me) {
            return;
        }
        state.run.end_batch(model, optimizer);
        state.run.loss = self.sum(state);
        let batch = state.run.batch.saturating_sub(1);
        state.tell(|callbacks, run| callbacks.on_train_batch_end(batch, run));
    }

    /// After an epoch of a copy: whether the training is over.
    fn end_epoch(&self, epoch: usize, store: &EventStoreClient) -> bool {
        let me = std::thread::current().id();
        let mut state = self.state();
        let epochs = state.place(me).epochs;
        if state.leader == Some(me) {
            state.in_epoch = false;
            state.run.end_epoch(epoch, store);
            state.tell(|callbacks, run| callbacks.on_epoch_end(run));
            self.losses.lock().unwrap_or_else(PoisonError::into_inner).clear();
        } else {
            drop(state);
            state = self.wait(|leader| leader.epochs > epochs);
        }
        state.place(me).epochs += 1;
        self.changed.notify_all();
        state.is_over || state.run.has_failed || state.run.was_stopped
    }

    /// After everything. Others do not wait any longer.
    pub(super) fn end(&self, end: End) -> Result<()> {
        let state = &mut *self.state();
        state.is_over = true;
        self.changed.notify_all();
        state.callbacks.on_train_end(end, &mut state.run)
    }

    pub(super) fn was_stopped(&self) -> bool {
        self.state().run.was_stopped
    }

    /// Notes the loss of a batch. Nothing waits for it.
    pub(super) fn add_loss(&self, output: &<M as TrainStep>::Output) {
        let Some(loss) = &self.loss else { return };
        let loss = loss(output).detach();
        let count = loss.dims()[0];
        let mut losses = self.losses.lock().unwrap_or_else(PoisonError::into_inner);
        let me = std::thread::current().id();
        let (sum, all) = losses
            .remove(&me)
            .map_or((loss.clone().sum(), count), |(sum, all)| (sum + loss.sum(), all.saturating_add(count)));
        losses.insert(me, (sum, all));
    }

    /// The losses that count: of the leader, and of threads that only compute.
    fn sum(&self, state: &State<M>) -> Vec<(Tensor<1>, usize)> {
        let losses = self.losses.lock().unwrap_or_else(PoisonError::into_inner);
        let counts =
            |worker: &ThreadId| state.leader.as_ref() == Some(worker) || !state.workers.contains_key(worker);
        losses.iter().filter(|(worker, _)| counts(worker)).map(|(_, sum)| sum.clone()).collect()
    }

    /// The weights that a callback went back to, if a copy that did so `times` times has to follow.
    pub(super) fn restored(&self, times: u64, model: M) -> Option<(u64, M)> {
        let me = std::thread::current().id();
        let state = &mut *self.state();
        let restored = state.run.restored.as_ref()?;
        let steps = state.workers.get(&me).map_or(u64::MAX, |place| place.steps);
        if restored.times <= times || steps < restored.step {
            return None;
        }
        let (times, record) = (restored.times, restored.model.clone().into_record());
        match model.try_load_record(record) {
            Ok(model) => Some((times, model)),
            Err(error) => {
                state.run.fail_on_error(Err(crate::Error::input(error)));
                None
            }
        }
    }
}

/// Ends epochs. Burn asks it after each, on every worker, when all metrics are known.
pub(super) struct Stop<M: LearnerModel>(pub(super) Arc<Shared<M>>);

impl<M: LearnerModel> Clone for Stop<M> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<M: LearnerModel> EarlyStoppingStrategy for Stop<M> {
    fn should_stop(&mut self, epoch: usize, store: &EventStoreClient) -> bool {
        self.0.end_epoch(epoch, store)
    }
}
