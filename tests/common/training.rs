//! A training that only looks like one: what callbacks see of it is made up, and what they do is noted.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use burn_keras::callback::{Callback, Direction, End, Logs, Saved, Snapshot, Training, Watched};
use burn_keras::config::Json;
use burn_keras::{Error, Result};

/// What happens before a file is written.
type Before = Arc<dyn Fn(&Path) -> Result<()> + Send + Sync>;

/// The files that were written, in this order.
type Written = Arc<Mutex<Vec<(PathBuf, Saved)>>>;

/// The training; its weights are one number.
#[derive(Default)]
pub struct Fake {
    pub epoch: usize,
    pub step: u64,
    pub weights: f64,
    pub rate: f64,
    pub logs: Logs,
    pub watched: Vec<Watched>,
    pub facts: BTreeMap<String, Json>,
    /// What callbacks said.
    pub said: Vec<String>,
    /// Why a callback stopped it.
    pub stopped: Option<String>,
    /// The steps of what was restored.
    pub restored: Vec<u64>,
    pub before: Option<Before>,
    pub written: Written,
}

impl Fake {
    /// One that watches these: names, what is better, and whether batches have them.
    pub fn watching<'a>(watched: impl IntoIterator<Item = (&'a str, Option<Direction>, bool)>) -> Self {
        let watched = watched.into_iter().map(|(name, direction, in_batches)| Watched {
            name: name.to_owned(),
            direction,
            in_batches,
        });
        Self { watched: watched.collect(), ..Self::default() }
    }

    /// One that will tell these numbers, of which Keras knows the loss and some metrics.
    pub fn telling<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let direction = |name: &str| match name.trim_start_matches("val_") {
            "loss" | "mean_absolute_error" => Some(Direction::Down),
            "accuracy" => Some(Direction::Up),
            _ => None,
        };
        Self::watching(names.into_iter().map(|name| (name, direction(name), !name.starts_with("val_"))))
    }

    /// The same training, in another process, from one of its files.
    pub fn resumed(&self, path: &Path) -> Self {
        let file: Json = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        Self {
            epoch: file["epoch"].as_u64().unwrap() as usize + 1,
            step: file["step"].as_u64().unwrap(),
            watched: self.watched.clone(),
            facts: serde_json::from_value(file["facts"].clone()).unwrap(),
            ..Self::default()
        }
    }

    /// What was written since this was asked last.
    pub fn take_written(&self) -> Vec<(PathBuf, Saved)> {
        std::mem::take(&mut self.written.lock().unwrap())
    }
}

/// Its state; a file of it has the numbers and the facts.
struct Moment {
    step: u64,
    weights: f64,
    content: Json,
    before: Option<Before>,
    written: Written,
}

impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.content.fmt(f)
    }
}

impl Snapshot for Moment {
    fn save(&self, path: &Path, what: Saved) -> Result<()> {
        self.before.iter().try_for_each(|before| before(path))?;
        std::fs::write(path, self.content.to_string()).map_err(|source| Error::io("cannot write", source))?;
        self.written.lock().unwrap().push((path.to_owned(), what));
        Ok(())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Training for Fake {
    fn epoch(&self) -> usize {
        self.epoch
    }

    fn steps_per_epoch(&self) -> Option<usize> {
        None
    }

    fn step(&self) -> u64 {
        self.step
    }

    fn watched(&self) -> Vec<Watched> {
        self.watched.clone()
    }

    fn logs(&mut self) -> Result<Logs> {
        Ok(self.logs.clone())
    }

    fn log(&mut self, name: &str, number: f64) {
        self.logs.set(name, number);
    }

    fn learning_rate(&self) -> Result<f64> {
        Ok(self.rate)
    }

    fn set_learning_rate(&mut self, rate: f64) -> Result<()> {
        self.rate = rate;
        Ok(())
    }

    fn check_path(&self, path: &Path, _: Saved) -> Result<()> {
        match path.to_string_lossy().contains("forbidden") {
            true => Err(Error::input("such a name is forbidden")),
            false => Ok(()),
        }
    }

    fn snapshot(&mut self) -> Result<Arc<dyn Snapshot>> {
        let (step, weights) = (self.step, self.weights);
        let content = serde_json::json!({
            "epoch": self.epoch, "step": step, "weights": weights, "facts": self.facts,
        });
        let (before, written) = (self.before.clone(), self.written.clone());
        Ok(Arc::new(Moment { step, weights, content, before, written }))
    }

    fn restore(&mut self, snapshot: &dyn Snapshot) -> Result<()> {
        let moment = snapshot.as_any().downcast_ref::<Moment>();
        let moment = moment.ok_or_else(|| Error::input("a snapshot of something else"))?;
        self.weights = moment.weights;
        self.restored.push(moment.step);
        Ok(())
    }

    fn load_weights(&mut self, path: &Path) -> Result<()> {
        let file: Json = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        self.restored.push(file["step"].as_u64().unwrap());
        Ok(())
    }

    fn remember(&mut self, key: &str, fact: Json) {
        self.facts.insert(key.to_owned(), fact);
    }

    fn remembered(&self, key: &str) -> Option<Json> {
        self.facts.get(key).cloned()
    }

    fn stop(&mut self, reason: &str) {
        self.stopped = Some(reason.to_owned());
    }

    fn say(&mut self, message: &str) {
        self.said.push(message.to_owned());
    }
}

/// The logs of an epoch, and the losses after each of its batches.
#[derive(Clone, Debug, Default)]
pub struct Epoch {
    pub logs: Logs,
    pub batches: Vec<f64>,
}

impl Fake {
    /// Lets callbacks live through the epochs from the present one on, until one of them stops it, and ends it if it
    /// `is_last`. The weights are the number of the epoch. Gives how many epochs there were, and their learning rates.
    pub fn run(
        &mut self,
        callbacks: &mut [Box<dyn Callback>],
        epochs: &[Epoch],
        is_last: bool,
    ) -> Result<(usize, Vec<f64>)> {
        let mut rates = Vec::new();
        let adds: Vec<Watched> = callbacks.iter().flat_map(|callback| callback.adds()).collect();
        self.watched.extend(adds);
        self.each(callbacks, |callback, training| callback.on_train_begin(training))?;
        for (epoch, told) in epochs.iter().enumerate().skip(self.epoch) {
            self.epoch = epoch;
            self.logs = Logs::default();
            self.each(callbacks, |callback, training| callback.on_epoch_begin(training))?;
            rates.push(self.rate);
            self.weights = epoch as f64;
            for (batch, loss) in told.batches.iter().enumerate() {
                self.step += 1;
                self.logs = Logs::from_iter([("loss", *loss)]);
                self.each(callbacks, |callback, training| callback.on_train_batch_end(batch, training))?;
                if self.stopped.is_some() {
                    break;
                }
            }
            self.logs = told.logs.clone();
            self.each(callbacks, |callback, training| callback.on_epoch_end(training))?;
            if self.stopped.is_some() {
                break;
            }
        }
        if is_last {
            self.each(callbacks, |callback, training| callback.on_train_end(End::Complete, training))?;
        }
        Ok((rates.len(), rates))
    }

    fn each(
        &mut self,
        callbacks: &mut [Box<dyn Callback>],
        tell: impl Fn(&mut dyn Callback, &mut dyn Training) -> Result<()>,
    ) -> Result<()> {
        callbacks.iter_mut().try_for_each(|callback| tell(callback.as_mut(), self))
    }
}
