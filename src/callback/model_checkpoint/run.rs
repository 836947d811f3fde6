//! What a checkpoint does at each event.

use std::sync::Arc;
use std::time::Instant;

use serde_json::json;

use super::background::{Job, Writer};
use super::rotation::{Entry, number, read_number};
use super::{Callback, End, Logs, ModelCheckpoint, SaveFreq, Snapshot, Template, Training};
use crate::callback::python::{Number, Spec};
use crate::config::Json;
use crate::error::{Error, Result};

/// A checkpoint in a training.
#[derive(Debug)]
pub(super) struct Run {
    template: Template,
    writer: Writer,
    best: Option<f64>,
    best_snapshot: Option<Arc<dyn Snapshot>>,
    /// Whether the best value is from before a restart.
    best_is_older: bool,
    /// After how many batches or epochs it last looked whether to save, and when.
    looked: (u64, Instant),
    /// The last batch of the present epoch.
    batch: usize,
    /// After how many batches it last saved.
    saved: u64,
    warned: bool,
}

impl Callback for ModelCheckpoint {
    fn comes_last(&self) -> bool {
        true
    }

    fn on_train_begin(&mut self, training: &mut dyn Training) -> Result<()> {
        self.run = None;
        let template = self.check(training)?;
        if let Some(name) = &self.unknown_mode {
            training.say(&format!("ModelCheckpoint mode '{name}' is unknown, fallback to auto mode."));
        }
        let position =
            if self.save_freq == SaveFreq::Epoch { training.epoch() as u64 } else { training.step() };
        let mut run = Run {
            writer: Writer::new(self.background, self.results.clone())?,
            best: self.initial_value_threshold,
            best_snapshot: None,
            best_is_older: false,
            looked: (position, Instant::now()),
            batch: 0,
            saved: training.step(),
            warned: false,
            template,
        };
        let mut shelf = self.results.shelf();
        (shelf.keep, shelf.direction) = (self.keep, self.monitor.direction);
        drop(shelf);
        if let Some(fact) = training.remembered(&key(&run.template)) {
            self.recall(&fact, &mut run);
        }
        self.run = Some(run);
        Ok(())
    }

    fn on_train_batch_end(&mut self, batch: usize, training: &mut dyn Training) -> Result<()> {
        self.with_run(|this, run| {
            run.batch = batch;
            tell(run.writer.outcomes(), training)?;
            let step = training.step();
            let is_time = match this.save_freq {
                SaveFreq::Epoch => false,
                SaveFreq::Batches(batches) => step.saturating_sub(run.looked.0) >= batches,
                SaveFreq::Every(time) => run.looked.1.elapsed() >= time,
            };
            if is_time { this.look(run, step, Some(batch), training) } else { Ok(()) }
        })
    }

    fn on_epoch_end(&mut self, training: &mut dyn Training) -> Result<()> {
        self.with_run(|this, run| {
            tell(run.writer.outcomes(), training)?;
            let epochs = training.epoch().saturating_add(1) as u64;
            let is_time = epochs.saturating_sub(run.looked.0) >= this.period as u64;
            let saves = this.save_freq == SaveFreq::Epoch && is_time;
            if saves { this.look(run, epochs, None, training) } else { Ok(()) }
        })
    }

    fn on_train_end(&mut self, end: End, training: &mut dyn Training) -> Result<()> {
        if self.run.is_none() {
            // It was refused before it began, or another callback was.
            return Ok(());
        }
        self.with_run(|this, run| {
            let written = tell(run.writer.finish(), training);
            let is_cut = end != End::Complete && this.save_on_interrupt;
            let saved = if is_cut { this.save_interrupted(run, training) } else { Ok(()) };
            let restores = end != End::Failed && this.restore_best_weights;
            let restored = if restores { this.restore(run, training) } else { Ok(()) };
            written.and(saved).and(restored)
        })
    }
}

impl ModelCheckpoint {
    fn with_run(&mut self, act: impl FnOnce(&Self, &mut Run) -> Result<()>) -> Result<()> {
        let run = self.run.take();
        let mut run =
            run.ok_or_else(|| Error::input("the training of this ModelCheckpoint has not begun"))?;
        let done = act(self, &mut run);
        self.run = Some(run);
        done
    }

    /// What is counted until the next look.
    fn unit(&self) -> &'static str {
        if self.save_freq == SaveFreq::Epoch { "epochs" } else { "batches" }
    }

    /// Looks whether to save, now that it is time for that.
    fn look(
        &self,
        run: &mut Run,
        position: u64,
        batch: Option<usize>,
        training: &mut dyn Training,
    ) -> Result<()> {
        run.looked = (position, Instant::now());
        let names_metrics = run.template.names().any(|name| name != "epoch" && name != "batch");
        let needs_logs = batch.is_none() || self.compares() || names_metrics;
        let logs = if needs_logs { training.logs()? } else { Logs::default() };

        let name = &self.monitor.name;
        let value = logs.get(name);
        let only_best = self.keep.best.is_some() && self.keep.last.is_none();
        if value.is_none() && (self.save_best_only || only_best) {
            if !std::mem::replace(&mut run.warned, true) {
                training.say(&format!("Can save best model only with {name} available, skipping."));
            }
            return self.remember(run, training);
        }

        let epoch = training.epoch().saturating_add(1);
        let path = run.path(epoch, batch, &logs, None)?;
        let entry = Entry { path, value: value.filter(|value| !value.is_nan()) };
        let comparable = entry.value.filter(|_| self.monitor.direction.is_some());
        let improved = comparable.filter(|value| self.monitor.is_better(*value, run.best, 0.0));
        let (saves, why) = self.verdict(improved, run.best, &entry);
        if self.verbose > 0 {
            training.say(&format!("Epoch {epoch}: {why}"));
        }
        if improved.is_some() {
            (run.best, run.best_is_older) = (improved, false);
        }
        match saves {
            true => self.save(run, entry, improved.is_some(), training),
            false => self.remember(run, training),
        }
    }

    /// Whether to save, and why.
    fn verdict(&self, improved: Option<f64>, best: Option<f64>, entry: &Entry) -> (bool, String) {
        let (name, path) = (&self.monitor.name, &entry.path);
        let told =
            |value: Option<f64>| value.map_or_else(|| "None".to_owned(), |value| Spec::decimals(5, value));
        let best_of = self.keep.best.filter(|_| self.keep.last.is_none());
        match (improved, best_of) {
            (Some(_), _) if self.save_best_only => {
                let (from, to) = (told(best), told(improved));
                (true, format!("{name} improved from {from} to {to}, saving model to {path}"))
            }
            (None, _) if self.save_best_only => {
                (false, format!("{name} did not improve from {}", told(best)))
            }
            (_, Some(k)) if !self.results.shelf().admits(entry) => {
                (false, format!("{name} is not among the best {k}"))
            }
            _ => (true, format!("saving model to {path}")),
        }
    }

    /// Writes the present state.
    fn save(&self, run: &mut Run, entry: Entry, is_best: bool, training: &mut dyn Training) -> Result<()> {
        self.results.shelf().start(entry.clone());
        self.remember(run, training)?;
        let snapshot = training.snapshot()?;
        if is_best && self.restore_best_weights {
            run.best_snapshot = Some(snapshot.clone());
        }
        let (epoch, path) = (training.epoch().saturating_add(1), &entry.path);
        let done = (self.verbose > 0).then(|| format!("Epoch {epoch}: finished saving model to {path}"));
        let job = Job { entry, snapshot, what: self.what(), done };
        tell(run.writer.submit(job), training)?;
        run.saved = training.step();
        Ok(())
    }

    /// The state in which the training was ended, unless it is saved already.
    fn save_interrupted(&self, run: &mut Run, training: &mut dyn Training) -> Result<()> {
        if run.saved == training.step() {
            return Ok(());
        }
        // What failed may be the metrics.
        let logs = training.logs().unwrap_or_default();
        let epoch = training.epoch().saturating_add(1);
        let batch = (self.save_freq != SaveFreq::Epoch).then_some(run.batch);
        let path = run.path(epoch, batch, &logs, Some(f64::NAN))?;
        if self.verbose > 0 {
            training.say(&format!("Epoch {epoch}: interrupted, saving model to {path}"));
        }
        self.save(run, Entry { path, value: None }, false, training)
    }

    /// Gives the model its best weights.
    fn restore(&self, run: &mut Run, training: &mut dyn Training) -> Result<()> {
        if let Some(best) = run.best_snapshot.take() {
            training.restore(&*best)?;
        } else if run.best_is_older {
            let best = self.results.best_k_models().into_iter().next();
            match best.filter(|(_, value)| run.best.is_some_and(|best| best as f32 == *value as f32)) {
                Some((path, _)) => training.load_weights(&path)?,
                None => training
                    .say("ModelCheckpoint: the file with the best weights, from before the restart, is gone"),
            }
        }
        Ok(())
    }

    /// Keeps what a training that is resumed has to know, in all files from now on.
    fn remember(&self, run: &Run, training: &mut dyn Training) -> Result<()> {
        let files = self.results.shelf().remembered();
        let (best, looked) = (number(run.best), run.looked.0);
        let fact = json!({"monitor": self.compared(), "best": best, (self.unit()): looked, "files": files});
        training.remember(&key(&run.template), fact);
        Ok(())
    }

    /// Takes it from the file that the training is resumed from, which may be anybody's.
    fn recall(&self, fact: &Json, run: &mut Run) {
        let is_file = |path: &str| std::fs::symlink_metadata(path).is_ok_and(|about| about.is_file());
        let is_ours = |path: &str| run.template.read(path).is_some() && is_file(path);
        let is_same = fact["monitor"] == self.compared();
        self.results.shelf().recall(&fact["files"], is_same, is_ours);
        let is_best = |best: &f64| is_same && self.monitor.is_better(*best, run.best, 0.0) && !best.is_nan();
        if let Some(best) = read_number(&fact["best"]).filter(is_best) {
            (run.best, run.best_is_older) = (Some(best), true);
        }
        if let Some(looked) = fact[self.unit()].as_u64() {
            run.looked.0 = looked.min(run.looked.0);
        }
    }

    /// What values can be compared with each other.
    fn compared(&self) -> Json {
        json!([self.monitor.name, self.monitor.direction.map(|direction| format!("{direction:?}"))])
    }
}

impl Run {
    /// The name for a moment. Epochs and batches start at 0 here, and at 1 in the name.
    fn path(&self, epoch: usize, batch: Option<usize>, logs: &Logs, missing: Option<f64>) -> Result<String> {
        let whole = |count: usize| i64::try_from(count).ok().map(Number::Int);
        let filled = self.template.fill(|name| match (name, logs.get(name), batch) {
            ("epoch", ..) => whole(epoch),
            (_, Some(number), _) => Some(Number::Float(number)),
            ("batch", None, Some(batch)) => whole(batch.saturating_add(1)),
            _ => missing.map(Number::Float),
        });
        filled.map_err(|error| error.at("ModelCheckpoint"))
    }
}

/// Under which name its facts are remembered: several checkpoints of a training have different names.
fn key(template: &Template) -> String {
    format!("ModelCheckpoint {}", template.as_str())
}

/// Says what is to be said; the first error is that of all.
fn tell(outcomes: Vec<Result<String>>, training: &mut dyn Training) -> Result<()> {
    let mut all = Ok(());
    for outcome in outcomes {
        match outcome {
            Ok(message) => training.say(&message),
            Err(error) => all = all.and(Err(error)),
        }
    }
    all
}
