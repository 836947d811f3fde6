//! `EarlyStopping`: stops a training that gets no better.

use std::sync::Arc;

use super::{Callback, End, Mode, Monitor, Snapshot, Training, recall, settings};
use crate::config::{Config as _, Json};
use crate::error::Result;

/// Stops a training when what is watched has got no better for a while, as `keras.callbacks.EarlyStopping`.
///
/// What it knows survives a restart, but the best weights do not: those of an epoch before the restart cannot be
/// brought back, which is said. A `ModelCheckpoint` can.
///
/// ```
/// use burn_keras::callback::EarlyStopping;
///
/// let callback = EarlyStopping::new().monitor("val_accuracy").patience(3).restore_best_weights(true);
/// ```
#[derive(Debug)]
pub struct EarlyStopping {
    monitor: Monitor,
    min_delta: f64,
    patience: usize,
    verbose: bool,
    baseline: Option<f64>,
    restore_best_weights: bool,
    start_from_epoch: usize,
    state: State,
    best_weights: Option<Arc<dyn Snapshot>>,
    stopped_epoch: Option<usize>,
}

crate::config! {
    /// What is known of the epochs so far.
    pub struct State {
        /// The best number.
        best: Option<f64> = None,
        /// The epoch with the best weights.
        best_epoch: usize = 0,
        /// For how many epochs it got no better.
        wait: usize = 0,
    }
}

impl Default for EarlyStopping {
    fn default() -> Self {
        Self {
            monitor: Monitor::new("val_loss"),
            min_delta: 0.0,
            patience: 0,
            verbose: false,
            baseline: None,
            restore_best_weights: false,
            start_from_epoch: 0,
            state: State::default(),
            best_weights: None,
            stopped_epoch: None,
        }
    }
}

impl EarlyStopping {
    /// With the defaults of Keras.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    settings! {
        monitor;
        /// By how much it must be better at least. Default: 0.
        min_delta: f64;
        /// After how many epochs without a better one the training is stopped. Default: 0.
        patience: usize;
        /// Whether it tells what it does. Default: no.
        verbose: bool;
        /// What must be beaten besides the best number so far. Default: nothing.
        baseline: Option<f64>;
        /// Whether the model goes back to the weights of its best epoch when the training is complete. Default: no.
        restore_best_weights: bool;
        /// The first epoch that counts. Default: 0.
        start_from_epoch: usize;
    }

    fn key(&self) -> String {
        format!("EarlyStopping/{}", self.monitor.name)
    }

    /// Takes the number of an epoch in; whether it is time to stop.
    fn take(&mut self, current: f64, epoch: usize, training: &mut dyn Training) -> Result<bool> {
        let state = &mut self.state;
        let is_better = self.monitor.is_better(current, state.best, self.min_delta);
        state.wait = state.wait.saturating_add(1);
        if is_better {
            (state.best, state.best_epoch) = (Some(current), epoch);
            self.best_weights = if self.restore_best_weights { Some(training.snapshot()?) } else { None };
            if self.monitor.is_better(current, self.baseline, self.min_delta) {
                state.wait = 0;
            }
        }
        Ok(!is_better && state.wait >= self.patience && epoch > 0)
    }
}

impl Callback for EarlyStopping {
    fn on_train_begin(&mut self, training: &mut dyn Training) -> Result<()> {
        self.monitor.resolve(&training.watched())?;
        (self.best_weights, self.stopped_epoch) = (None, None);
        self.state = recall(training, &self.key())?;
        if self.restore_best_weights && self.state.best.is_some() {
            training.say(&format!(
                "The best weights so far, of epoch {}, are not at hand after the restart: only later ones can be restored.",
                self.state.best_epoch.saturating_add(1)
            ));
        }
        Ok(())
    }

    fn on_epoch_end(&mut self, training: &mut dyn Training) -> Result<()> {
        let (epoch, current) = (training.epoch(), self.monitor.current(&training.logs()?)?);
        if epoch < self.start_from_epoch {
            return Ok(());
        }
        let stop = self.take(current, epoch, training)?;
        training.remember(&self.key(), Json::Object(self.state.write()));
        if stop {
            self.stopped_epoch = Some(epoch);
            training.stop(&format!("{} got no better", self.monitor.name));
        }
        Ok(())
    }

    fn on_train_end(&mut self, end: End, training: &mut dyn Training) -> Result<()> {
        if let Some(epoch) = self.stopped_epoch.filter(|_| self.verbose) {
            training.say(&format!("Epoch {}: early stopping", epoch.saturating_add(1)));
        }
        match self.best_weights.take() {
            // Whoever goes on later wants the weights as they are.
            Some(weights) if end == End::Complete => {
                if self.verbose {
                    training.say(&format!(
                        "Restoring model weights from the end of the best epoch: {}.",
                        self.state.best_epoch.saturating_add(1)
                    ));
                }
                training.restore(weights.as_ref())
            }
            _ => Ok(()),
        }
    }
}
