//! A training that only looks like one: what callbacks see of it is made up, and what they do is noted.

use std::any::Any;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use burn_keras::callback::{Callback, Direction, End, Logs, Saved, Snapshot, Training, Watched};
use burn_keras::config::Json;
use burn_keras::{Error, Result};

/// The training; its weights are one number.
#[derive(Debug, Default)]
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
    /// The last line of progress, if it is to be told apart.
    pub steps_per_epoch: Option<usize>,
}

/// Its state; a file of it has the number and the facts.
#[derive(Debug)]
pub struct Moment {
    pub weights: f64,
    pub facts: BTreeMap<String, Json>,
}

impl Snapshot for Moment {
    fn save(&self, path: &Path, what: Saved) -> Result<()> {
        let text = format!("{what:?} {} {:?}", self.weights, self.facts);
        std::fs::write(path, text).map_err(|source| Error::io("cannot write", source))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Fake {
    /// One that will tell these numbers, of which Keras knows the loss and the metrics of the first column.
    pub fn telling<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let direction = |name: &str| match name.trim_start_matches("val_") {
            "loss" | "mean_absolute_error" => Some(Direction::Down),
            "accuracy" => Some(Direction::Up),
            _ => None,
        };
        let watched = |name: &str| Watched {
            name: name.to_owned(),
            direction: direction(name),
            in_batches: !name.starts_with("val_"),
        };
        Self { watched: names.into_iter().map(watched).collect(), ..Self::default() }
    }
}

impl Training for Fake {
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
        match path.extension().is_some_and(|extension| extension == "h5" || extension == "keras") {
            true => Ok(()),
            false => Err(Error::input("expected the name of a file of Keras").in_file(path)),
        }
    }

    fn snapshot(&mut self) -> Result<Arc<dyn Snapshot>> {
        Ok(Arc::new(Moment { weights: self.weights, facts: self.facts.clone() }))
    }

    fn restore(&mut self, snapshot: &dyn Snapshot) -> Result<()> {
        let moment = snapshot.as_any().downcast_ref::<Moment>();
        self.weights = moment.ok_or_else(|| Error::input("a snapshot of something else"))?.weights;
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
