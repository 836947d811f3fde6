//! What takes part in a training: it is told of epochs and batches, and may save, slow down or stop.
//!
//! The names, the order of events and the meaning of every argument are those of `keras.callbacks`.

mod backup_and_restore;
mod csv_logger;
mod early_stopping;
pub mod hook;
mod lambda;
mod learning_rate_scheduler;
mod list;
mod model_checkpoint;
mod monitor;
mod python;
mod reduce_lr_on_plateau;
mod terminate_on_nan;

use std::any::Any;
use std::fmt::Debug;
use std::path::Path;
use std::sync::Arc;

use crate::config::{Config, Json, Reader};
use crate::error::{Error, Result};

pub use backup_and_restore::BackupAndRestore;
pub use csv_logger::CSVLogger;
pub use early_stopping::EarlyStopping;
pub use hook::Hook;
pub use lambda::LambdaCallback;
pub use learning_rate_scheduler::LearningRateScheduler;
pub(crate) use list::Callbacks;
pub use model_checkpoint::{Checkpoints, Found, ModelCheckpoint, Queue, SaveFreq, Template};
pub use monitor::{Mode, Monitor};
pub use python::Number;
pub use reduce_lr_on_plateau::ReduceLROnPlateau;
pub use terminate_on_nan::TerminateOnNaN;

/// What is watched, in the order in which Keras prints it: the loss, the metrics, and the same on the
/// validation data after `val_`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Logs(Vec<(String, f64)>);

impl Logs {
    /// The number of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<f64> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, number)| *number)
    }

    /// Sets the number of that name; a new name comes last.
    pub fn set(&mut self, name: impl Into<String>, number: f64) {
        let name = name.into();
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, present)) => *present = number,
            None => self.0.push((name, number)),
        }
    }

    /// All names with their numbers.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, f64)> {
        self.0.iter().map(|(name, number)| (name.as_str(), *number))
    }
}

impl<N: Into<String>> FromIterator<(N, f64)> for Logs {
    fn from_iter<I: IntoIterator<Item = (N, f64)>>(numbers: I) -> Self {
        let mut logs = Self::default();
        numbers.into_iter().for_each(|(name, number)| logs.set(name, number));
        logs
    }
}

/// Whether more of something is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Less is better: losses, errors.
    Down,
    /// More is better: accuracies.
    Up,
}

/// Something that will be in the [`Logs`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    /// Its name, as in the logs at the end of an epoch.
    pub name: String,
    /// What is better, where Keras knows it.
    pub direction: Option<Direction>,
    /// Whether it is in the logs after each batch, too: all but what the validation gives.
    pub in_batches: bool,
}

/// How much of a training goes into a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saved {
    /// The whole model.
    Model,
    /// Its weights and the state of its optimizer.
    Weights,
}

/// The state of a training at a moment: weights, optimizer, and all that
/// [`remember`](Training::remember) was told. It can be written later, by another thread, while the
/// training goes on.
pub trait Snapshot: Debug + Send + Sync {
    /// Writes a file, whole or not at all; one that is there is replaced.
    ///
    /// # Errors
    /// When writing fails; what was there is then untouched.
    fn save(&self, path: &Path, what: Saved) -> Result<()>;

    /// The snapshot itself, for the training that it comes from.
    fn as_any(&self) -> &dyn Any;
}

/// A training, as a [`Callback`] sees it.
pub trait Training {
    /// The present epoch; the first is 0. It goes on counting when a training is resumed.
    fn epoch(&self) -> usize;

    /// How many batches an epoch has, if that is known.
    fn steps_per_epoch(&self) -> Option<usize>;

    /// How many batches were trained on, in all epochs, before and after resuming.
    fn step(&self) -> u64;

    /// What will be in the logs.
    fn watched(&self) -> Vec<Watched>;

    /// What is in the logs now: after a batch the running values of the epoch, at the end of an epoch all of them.
    /// On a GPU this waits for the batch.
    ///
    /// # Errors
    /// When a metric cannot be computed.
    fn logs(&mut self) -> Result<Logs>;

    /// Adds a number to the logs of the epoch that ends, for the callbacks after this one and for the history.
    fn log(&mut self, name: &str, number: f64);

    /// The learning rate of the next batch.
    ///
    /// # Errors
    /// When the optimizer has none.
    fn learning_rate(&self) -> Result<f64>;

    /// Sets it.
    ///
    /// # Errors
    /// When it follows a schedule, as in Keras.
    fn set_learning_rate(&mut self, rate: f64) -> Result<()>;

    /// Whether a file of that name can be written; asked before the training starts.
    ///
    /// # Errors
    /// When it cannot: the name means another kind of file, or the model has no config to be written whole.
    fn check_path(&self, path: &Path, what: Saved) -> Result<()>;

    /// The present state. This is cheap: tensors are shared, not copied.
    ///
    /// # Errors
    /// When the state cannot be read.
    fn snapshot(&mut self) -> Result<Arc<dyn Snapshot>>;

    /// Goes back to the weights of a snapshot of this training. The optimizer stays as it is.
    ///
    /// # Errors
    /// When it is a snapshot of something else.
    fn restore(&mut self, snapshot: &dyn Snapshot) -> Result<()>;

    /// Goes back to the weights in a file that an earlier part of this training wrote. The optimizer stays as it is.
    ///
    /// # Errors
    /// When the file cannot be read or does not fit, or the training cannot do this.
    fn load_weights(&mut self, path: &Path) -> Result<()> {
        Err(Error::unsupported("to bring weights back from a file").in_file(path))
    }

    /// Keeps a fact under a name, in every snapshot from now on, and so in every file that is written of them.
    fn remember(&mut self, key: &str, fact: Json);

    /// What was remembered, now or in the file that the training was resumed from.
    fn remembered(&self, key: &str) -> Option<Json>;

    /// Ends the training after the present batch or epoch.
    fn stop(&mut self, reason: &str);

    /// Tells the user something, between the lines of progress.
    fn say(&mut self, message: &str);
}

/// How a training ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// After its last epoch, or because a callback stopped it.
    Complete,
    /// From outside: [`Interrupter`](burn::train::Interrupter), such as after Ctrl-C.
    Interrupted,
    /// By an error.
    Failed,
}

/// Something that takes part in a training. Every method does nothing unless it is given.
///
/// An error ends the training and is what it returns.
#[allow(unused_variables, reason = "an implementation that does nothing")]
pub trait Callback: Send {
    /// What it will [`log`](Training::log) at the end of epochs, so that other callbacks may watch it. The training
    /// has it among its [`watched`](Training::watched).
    fn adds(&self) -> Vec<Watched> {
        Vec::new()
    }

    /// Whether it is told of everything after those that do not want this. So does what saves, since what the others
    /// [`remember`](Training::remember) goes into its files.
    fn comes_last(&self) -> bool {
        false
    }

    /// Before the first epoch, resumed or not. Everything that cannot work is to be refused here.
    ///
    /// # Errors
    /// When it cannot work with this training.
    fn on_train_begin(&mut self, training: &mut dyn Training) -> Result<()> {
        Ok(())
    }

    /// Before an epoch.
    ///
    /// # Errors
    /// When the training cannot go on.
    fn on_epoch_begin(&mut self, training: &mut dyn Training) -> Result<()> {
        Ok(())
    }

    /// After a batch; the first of an epoch is 0.
    ///
    /// # Errors
    /// When the training cannot go on.
    fn on_train_batch_end(&mut self, batch: usize, training: &mut dyn Training) -> Result<()> {
        Ok(())
    }

    /// After an epoch and its validation.
    ///
    /// # Errors
    /// When the training cannot go on.
    fn on_epoch_end(&mut self, training: &mut dyn Training) -> Result<()> {
        Ok(())
    }

    /// After everything, however it ended.
    ///
    /// # Errors
    /// When something that had to be finished could not be.
    fn on_train_end(&mut self, end: End, training: &mut dyn Training) -> Result<()> {
        Ok(())
    }
}

/// What a callback remembered under a key, or how it starts.
pub(crate) fn recall<C: Config + Default>(training: &dyn Training, key: &str) -> Result<C> {
    let Some(json) = training.remembered(key) else { return Ok(C::default()) };
    let read = Reader::alone(|reader| C::read(json.as_object()?, reader)).map_err(|error| error.at(key))?;
    read.ok_or_else(|| Error::damaged("what the callback remembered is of another kind").at(key))
}

/// The methods for the settings of a callback; `monitor` stands for two that are often there.
macro_rules! settings {
    (monitor; $($rest:tt)*) => {
        /// What is watched. Default: `val_loss`.
        #[must_use]
        pub fn monitor(mut self, name: impl Into<String>) -> Self {
            self.monitor.name = name.into();
            self
        }

        /// Which way it gets better. Default: as Keras knows it.
        #[must_use]
        pub fn mode(mut self, mode: Mode) -> Self {
            self.monitor.mode = mode;
            self
        }

        settings! { $($rest)* }
    };
    ($($(#[$meta:meta])* $name:ident: $ty:ty;)*) => {
        $($(#[$meta])*
        #[must_use]
        pub fn $name(mut self, $name: $ty) -> Self {
            self.$name = $name;
            self
        })*
    };
}
use settings;
