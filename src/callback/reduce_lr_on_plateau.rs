//! `ReduceLROnPlateau`: smaller steps when a training gets no better.

use super::learning_rate_scheduler::{can_be_set, learning_rate, log_learning_rate, watched};
use super::python::repr;
use super::{Callback, Mode, Monitor, Training, Watched, recall, settings};
use crate::config::{Config as _, Json};
use crate::error::{Error, Result};

/// Reduces the learning rate when what is watched has got no better for a while, as
/// `keras.callbacks.ReduceLROnPlateau`. The learning rate goes into the logs.
///
/// ```
/// use burn_keras::callback::ReduceLROnPlateau;
///
/// let callback = ReduceLROnPlateau::new().factor(0.2).patience(5).min_lr(0.001);
/// ```
#[derive(Debug)]
pub struct ReduceLROnPlateau {
    monitor: Monitor,
    factor: f64,
    patience: usize,
    verbose: bool,
    min_delta: f64,
    cooldown: usize,
    min_lr: f64,
    state: State,
}

crate::config! {
    /// What is known of the epochs so far.
    pub struct State {
        /// The best number.
        best: Option<f64> = None,
        /// For how many epochs it got no better.
        wait: usize = 0,
        /// For how many epochs to come nothing is done.
        cooldown: usize = 0,
    }
}

impl Default for ReduceLROnPlateau {
    fn default() -> Self {
        Self {
            monitor: Monitor::new("val_loss"),
            factor: 0.1,
            patience: 10,
            verbose: false,
            min_delta: 1e-4,
            cooldown: 0,
            min_lr: 0.0,
            state: State::default(),
        }
    }
}

impl ReduceLROnPlateau {
    /// With the defaults of Keras.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    settings! {
        monitor;
        /// What the learning rate is multiplied by: less than 1. Default: 0.1.
        factor: f64;
        /// After how many epochs without a better one the learning rate is reduced. Default: 10.
        patience: usize;
        /// Whether it tells what it does. Default: no.
        verbose: bool;
        /// By how much it must be better at least. Default: 0.0001.
        min_delta: f64;
        /// For how many epochs after a reduction nothing is done. Default: 0.
        cooldown: usize;
        /// The least learning rate. Default: 0.
        min_lr: f64;
    }

    fn key(&self) -> String {
        format!("ReduceLROnPlateau/{}", self.monitor.name)
    }

    fn reduce(&mut self, training: &mut dyn Training) -> Result<()> {
        let old = learning_rate(training)?;
        if old <= f64::from(self.min_lr as f32) {
            return Ok(());
        }
        let new = (old * self.factor).max(self.min_lr);
        training.set_learning_rate(new)?;
        if self.verbose {
            let epoch = training.epoch().saturating_add(1);
            let new = repr(new);
            training.say(&format!("Epoch {epoch}: ReduceLROnPlateau reducing learning rate to {new}."));
        }
        (self.state.cooldown, self.state.wait) = (self.cooldown, 0);
        Ok(())
    }
}

impl Callback for ReduceLROnPlateau {
    fn adds(&self) -> Vec<Watched> {
        watched()
    }

    fn on_train_begin(&mut self, training: &mut dyn Training) -> Result<()> {
        if self.factor.is_nan() || self.factor >= 1.0 {
            return Err(Error::input(format_args!(
                "ReduceLROnPlateau: expected a factor below 1, got {}",
                self.factor
            )));
        }
        self.monitor.resolve(&training.watched())?;
        can_be_set(training)?;
        self.state = recall(training, &self.key())?;
        Ok(())
    }

    fn on_epoch_end(&mut self, training: &mut dyn Training) -> Result<()> {
        log_learning_rate(training)?;
        let current = self.monitor.current(&training.logs()?)?;
        let state = &mut self.state;
        if state.cooldown > 0 {
            state.cooldown -= 1;
            state.wait = 0;
        }
        if self.monitor.is_better(current, state.best, self.min_delta) {
            (state.best, state.wait) = (Some(current), 0);
        } else if state.cooldown == 0 {
            state.wait = state.wait.saturating_add(1);
            if state.wait >= self.patience {
                self.reduce(training)?;
            }
        }
        training.remember(&self.key(), Json::Object(self.state.write()));
        Ok(())
    }
}
