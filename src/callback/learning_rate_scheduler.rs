//! `LearningRateScheduler`: a learning rate for every epoch; and what else deals with learning rates.

use std::fmt;

use super::python::repr;
use super::{Callback, Training, Watched, settings};
use crate::error::{Error, Result};

/// What Keras calls it in the logs.
const LEARNING_RATE: &str = "learning_rate";

/// The learning rate as Keras has it: of 32 bits.
pub(crate) fn learning_rate(training: &dyn Training) -> Result<f64> {
    Ok(f64::from(training.learning_rate()? as f32))
}

/// Puts it into the logs.
pub(crate) fn log_learning_rate(training: &mut dyn Training) -> Result<()> {
    let rate = learning_rate(training)?;
    training.log(LEARNING_RATE, rate);
    Ok(())
}

/// What [`log_learning_rate`] adds.
pub(crate) fn watched() -> Vec<Watched> {
    vec![Watched { name: LEARNING_RATE.to_owned(), direction: None, in_batches: false }]
}

/// Finds out whether it can be set, before anything is done.
pub(crate) fn can_be_set(training: &mut dyn Training) -> Result<()> {
    let rate = training.learning_rate()?;
    training.set_learning_rate(rate)
}

type Schedule = dyn FnMut(usize, f64) -> f64 + Send;

/// Sets the learning rate before every epoch, as `keras.callbacks.LearningRateScheduler`. It goes into the logs.
///
/// ```
/// use burn_keras::callback::LearningRateScheduler;
///
/// let callback = LearningRateScheduler::new(|epoch, rate| if epoch < 10 { rate } else { rate * 0.9 });
/// ```
pub struct LearningRateScheduler {
    schedule: Box<Schedule>,
    verbose: bool,
}

impl fmt::Debug for LearningRateScheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LearningRateScheduler").finish_non_exhaustive()
    }
}

impl LearningRateScheduler {
    /// The function gets the epoch, from 0, and the present learning rate, and gives the next one.
    pub fn new(schedule: impl FnMut(usize, f64) -> f64 + Send + 'static) -> Self {
        Self { schedule: Box::new(schedule), verbose: false }
    }

    settings! {
        /// Whether it tells what it does. Default: no.
        verbose: bool;
    }
}

impl Callback for LearningRateScheduler {
    fn adds(&self) -> Vec<Watched> {
        watched()
    }

    fn on_train_begin(&mut self, training: &mut dyn Training) -> Result<()> {
        can_be_set(training)
    }

    fn on_epoch_begin(&mut self, training: &mut dyn Training) -> Result<()> {
        let epoch = training.epoch();
        let rate = (self.schedule)(epoch, learning_rate(training)?);
        if rate.is_nan() {
            return Err(Error::input(format_args!(
                "LearningRateScheduler: the learning rate of epoch {epoch} is no number"
            )));
        }
        training.set_learning_rate(rate)?;
        if self.verbose {
            let (epoch, rate) = (epoch.saturating_add(1), repr(rate));
            training.say(&format!("Epoch {epoch}: LearningRateScheduler setting learning rate to {rate}."));
        }
        Ok(())
    }

    fn on_epoch_end(&mut self, training: &mut dyn Training) -> Result<()> {
        log_learning_rate(training)
    }
}
