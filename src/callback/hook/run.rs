//! A training of Burn, as callbacks see it.

use std::path::Path;
use std::sync::Arc;

use burn::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::module::{ModuleVisitor, Param, ParamId};
use burn::optim::ModuleOptimizer;
use burn::tensor::Tensor;
use burn::train::metric::store::EventStoreClient;
use burn::train::{Interrupter, LearnerModel};

use super::super::{Logs, Saved, Snapshot, Training, Watched};
use super::file::{self, Document, Moment};
use super::metrics::{self, Named};
use crate::config::{Json, Map, json};
use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::model::KerasModel;
use crate::weights::KerasWeights;

/// The fact that is a learning rate of a callback.
const RATE: &str = "learning_rate";

/// A training.
pub(super) struct Run<M: LearnerModel> {
    pub(super) interrupter: Interrupter,
    pub(super) metrics: Vec<Named>,
    pub(super) has_loss: bool,
    /// What callbacks add to the logs.
    pub(super) adds: Vec<Watched>,
    pub(super) template: Option<KerasModel>,
    pub(super) say: Box<dyn FnMut(&str) + Send>,
    /// The newest, but in the middle of a step.
    pub(super) state: Option<(M, ModuleOptimizer)>,
    pub(super) restored: Option<Restored<M>>,
    /// Batches of the epoch that are done.
    pub(super) batch: usize,
    /// Sums of losses of the epoch, and how many each is of.
    pub(super) loss: Vec<(Tensor<1>, usize)>,
    pub(super) has_failed: bool,
    pub(super) was_stopped: bool,
    epoch: usize,
    /// Whether the epoch is over.
    is_complete: bool,
    steps_per_epoch: Option<usize>,
    step: u64,
    /// Steps of this run, without those before resuming.
    steps: u64,
    logs: Logs,
    facts: Map<String, Json>,
    /// The scheduler's learning rate.
    given: f64,
    is_one_rate: bool,
    /// The learning rates of callbacks, each with the step from which on it holds; and what was given then.
    rates: Vec<(u64, f64, f64)>,
}

/// Weights that a callback went back to.
pub(super) struct Restored<M> {
    pub(super) model: M,
    /// The step before which it did.
    pub(super) step: u64,
    /// How often that happened.
    pub(super) times: u64,
}

impl<M: LearnerModel> Run<M> {
    pub(super) fn new(
        model: &M,
        optimizer: &ModuleOptimizer,
        rate: ModuleLearningRate,
        document: Document,
        interrupter: Interrupter,
    ) -> Self {
        let mut run = Self {
            interrupter,
            metrics: Vec::new(),
            has_loss: false,
            adds: Vec::new(),
            template: None,
            say: Box::new(|_| ()),
            state: Some((model.clone(), optimizer.clone())),
            restored: None,
            batch: 0,
            loss: Vec::new(),
            has_failed: false,
            was_stopped: false,
            epoch: document.epoch,
            is_complete: false,
            steps_per_epoch: None,
            step: document.step,
            steps: 0,
            logs: Logs::default(),
            facts: document.facts,
            given: 0.0,
            is_one_rate: true,
            rates: Vec::new(),
        };
        run.take_rate(model, &rate);
        if let Some(rate) = run.facts.get(RATE).and_then(Json::as_f64) {
            run.rates.push((0, rate, run.given));
        }
        run
    }

    /// The learning rate that the scheduler gives for the step that begins.
    pub(super) fn take_rate(&mut self, model: &M, rate: &ModuleLearningRate) {
        if self.steps == 0 {
            let mut params = Params::default();
            model.visit(&mut params);
            let is_base = |(id, path): &(ParamId, String)| rate.lr_from_param(*id, Some(path)) == rate.base();
            self.is_one_rate = params.found.iter().all(is_base);
        }
        self.given = rate.base();
        if self.rates.last().is_some_and(|(_, _, given)| *given != self.given) {
            self.fail_on_error(Err(follows_a_schedule()));
        }
    }

    /// The learning rate of a step of this run.
    pub(super) fn rate_at(&self, step: u64, given: ModuleLearningRate) -> ModuleLearningRate {
        let set = self.rates.iter().rev().find(|(from, _, _)| *from <= step);
        set.map_or(given, |(_, rate, _)| (*rate).into())
    }

    pub(super) fn begin_epoch(&mut self, model: &M, optimizer: &ModuleOptimizer) {
        if self.is_complete {
            self.epoch = self.epoch.saturating_add(1);
        }
        (self.is_complete, self.batch, self.logs) = (false, 0, Logs::default());
        self.state = Some((model.clone(), optimizer.clone()));
    }

    pub(super) fn end_batch(&mut self, model: &M, optimizer: &ModuleOptimizer) {
        self.batch = self.batch.saturating_add(1);
        self.step = self.step.saturating_add(1);
        self.steps = self.steps.saturating_add(1);
        self.state = Some((model.clone(), optimizer.clone()));
    }

    /// Burn's number of the epoch is ours and one more.
    pub(super) fn end_epoch(&mut self, epoch: usize, store: &EventStoreClient) {
        let loss = self.running_loss();
        let loss = loss.unwrap_or_else(|error| {
            self.fail_on_error(Err(error));
            None
        });
        self.logs = metrics::logs(&self.metrics, loss, epoch, store);
        (self.is_complete, self.steps_per_epoch) = (true, Some(self.batch));
    }

    /// Notes an error, which ends the training.
    pub(super) fn fail_on_error(&mut self, result: Result<()>) {
        if let Err(error) = result {
            self.has_failed = true;
            self.interrupter.fail(super::failure(&error));
        }
    }

    fn running_loss(&self) -> Result<Option<f64>> {
        let (mut sum, mut count) = (0.0, 0_usize);
        for (part, of) in &self.loss {
            let part = part.clone().try_into_scalar::<f64>();
            sum += part.map_err(|error| Error::input(format_args!("the loss cannot be read: {error}")))?;
            count = count.saturating_add(*of);
        }
        Ok((count > 0).then(|| sum / count as f64))
    }

    /// Goes on with the weights of another model.
    fn replace(&mut self, other: M) -> Result<()> {
        if let Some((model, _)) = &mut self.state {
            let record = other.clone().into_record();
            *model = model.clone().try_load_record(record).map_err(Error::input)?;
        }
        let times = self.restored.as_ref().map_or(0, |restored| restored.times).saturating_add(1);
        self.restored = Some(Restored { model: other, step: self.steps, times });
        Ok(())
    }

    fn moment(&self) -> Result<Moment<M>> {
        let (model, optimizer) =
            self.state.as_ref().ok_or_else(|| Error::input("a snapshot in the middle of a step"))?;
        let (epoch, batch) = match self.is_complete {
            true => (self.epoch.saturating_add(1), 0),
            false => (self.epoch, self.batch),
        };
        let document =
            Document { epoch, batch, step: self.step, facts: self.facts.clone(), ..Document::default() };
        Ok(Moment::new(model.valid(), optimizer.clone(), document, self.template.clone()))
    }
}

fn follows_a_schedule() -> Error {
    Error::input("the learning rate cannot be set: it follows a schedule")
}

/// The parameters of a module.
#[derive(Default)]
struct Params {
    path: Vec<String>,
    found: Vec<(ParamId, String)>,
}

impl ModuleVisitor for Params {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.found.push((param.id, self.path.join(".")));
    }
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }
    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }
}

impl<M: LearnerModel> Training for Run<M> {
    fn epoch(&self) -> usize {
        self.epoch
    }

    fn steps_per_epoch(&self) -> Option<usize> {
        self.steps_per_epoch
    }

    fn step(&self) -> u64 {
        self.step
    }

    fn watched(&self) -> Vec<Watched> {
        let mut all = metrics::watched(&self.metrics, self.has_loss);
        all.extend(
            self.adds
                .iter()
                .filter(|added| all.iter().all(|it| it.name != added.name))
                .cloned()
                .collect::<Vec<_>>(),
        );
        all
    }

    fn logs(&mut self) -> Result<Logs> {
        match self.is_complete {
            true => Ok(self.logs.clone()),
            false => Ok(self.running_loss()?.map(|loss| ("loss", loss)).into_iter().collect()),
        }
    }

    fn log(&mut self, name: &str, number: f64) {
        self.logs.set(name, number);
    }

    fn learning_rate(&self) -> Result<f64> {
        Ok(self.rates.last().map_or(self.given, |(_, rate, _)| *rate))
    }

    fn set_learning_rate(&mut self, rate: f64) -> Result<()> {
        if !self.is_one_rate {
            return Err(Error::unsupported(
                "setting the learning rate where groups of parameters have their own",
            ));
        }
        if rate != self.learning_rate()? {
            self.rates.push((self.steps, rate, self.given));
            self.facts.insert(RATE.to_owned(), json::number(rate));
        }
        Ok(())
    }

    fn check_path(&self, path: &Path, what: Saved) -> Result<()> {
        file::check_path(path, what, self.template.as_ref())?;
        self.moment()?.check().map_err(|error| error.in_file(path))
    }

    fn snapshot(&mut self) -> Result<Arc<dyn Snapshot>> {
        Ok(Arc::new(self.moment()?))
    }

    fn restore(&mut self, snapshot: &dyn Snapshot) -> Result<()> {
        let moment = snapshot.as_any().downcast_ref::<Moment<M>>();
        self.replace(moment.ok_or_else(|| Error::input("a snapshot of another training"))?.model())
    }

    fn load_weights(&mut self, path: &Path) -> Result<()> {
        let file = KerasWeights::open(path, &Limits::default())?;
        let model = self.moment()?.model();
        let model = file::with_weights(path, file.store(), model, self.template.as_ref());
        self.replace(model.map_err(|error| error.in_file(path))?)
    }

    fn remember(&mut self, key: &str, fact: Json) {
        self.facts.insert(key.to_owned(), fact);
    }

    fn remembered(&self, key: &str) -> Option<Json> {
        self.facts.get(key).cloned()
    }

    fn stop(&mut self, reason: &str) {
        self.was_stopped = true;
        // After an epoch Burn asks; in the middle of one it has to be told.
        if !self.is_complete {
            self.interrupter.stop(Some(reason));
        }
    }

    fn say(&mut self, message: &str) {
        (self.say)(message);
    }
}
