//! Keras' `ModelCheckpoint`: files of a training while it goes on.

mod background;
mod check;
mod matching;
mod rotation;
mod run;
mod template;

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Callback, Direction, End, Logs, Mode, Monitor, Saved, Snapshot, Training};

pub use background::Queue;
pub use matching::Found;
pub use rotation::Checkpoints;
pub use template::Template;

use rotation::Keep;
use run::Run;

/// When a [`ModelCheckpoint`] looks whether it should save.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SaveFreq {
    /// After every epoch.
    #[default]
    Epoch,
    /// After so many batches, counted across epochs: with 4 batches an epoch and 3 here, that is after the third
    /// batch of the first epoch, the second of the second, and the first and the last of the third.
    Batches(u64),
    /// After the first batch that ends when so much time has passed since it last looked.
    Every(Duration),
}

/// Saves the model, or its weights, while it is trained.
///
/// The arguments are those of Keras 3 with their meaning, and with its defaults: `val_loss` is monitored, the whole
/// model is saved after every epoch, nothing is said. The file has to end in `.keras` or `.h5`, or in `.weights.h5`
/// when only the weights are saved. Fields in its name are filled as in Python, see [`Template`]: with `epoch` and
/// (unless it is saved after epochs) `batch`, which start at 1, and with whatever is in the logs. Parent folders
/// are made. A file takes its place whole, or not at all.
///
/// What cannot work is an error before the first batch.
///
/// ```
/// use burn_keras::callback::{Mode, ModelCheckpoint};
///
/// let checkpoint = ModelCheckpoint::new("run/{epoch:03d}-{val_accuracy:.3f}.keras")
///     .monitor("val_accuracy")
///     .mode(Mode::Max)
///     .keep_best(3)
///     .verbose(1);
/// let files = checkpoint.results();
/// // ... checkpoint is given to the training; afterwards:
/// assert_eq!(files.best_model_path(), None);
/// ```
///
/// # Where Keras 3.15 does otherwise
/// - Saving only the best after a number of batches is an error there, the second time; here it is done.
/// - Where what is monitored is not in the logs, as after an epoch without validation, Keras saves a model that
///   may not be the best. Here it is not saved, and told once.
/// - NaN is never better than anything. In Keras the first one is, and nothing is better than it.
/// - Whether more or less is better matters only where something is compared.
/// - A whole model in a file whose name ends in `.weights.h5` is refused.
///
/// # Arguments of older versions
/// - `period` of TensorFlow 2.3 is [`period`](Self::period).
/// - `load_weights_on_restart` is what resuming does, from the files that the same [`Template`] finds.
/// - `options` says how TensorFlow writes its own formats (`tf.train.Checkpoint`, SavedModel), which are not
///   written here; it has no counterpart.
///
/// # After a restart
/// The best value, the files and the count of batches are in every file that the training writes. A training that
/// is resumed goes on with them, if the name is the same, and with the best value, if that is of the same monitor.
#[derive(Debug)]
pub struct ModelCheckpoint {
    filepath: PathBuf,
    monitor: Monitor,
    unknown_mode: Option<String>,
    save_best_only: bool,
    save_weights_only: bool,
    save_freq: SaveFreq,
    period: usize,
    initial_value_threshold: Option<f64>,
    verbose: u8,
    keep: Keep,
    background: Option<Queue>,
    save_on_interrupt: bool,
    restore_best_weights: bool,
    results: Checkpoints,
    run: Option<Run>,
}

/// Whether something is done.
macro_rules! switches {
    ($($(#[$about:meta])* $name:ident),* $(,)?) => {$(
        $(#[$about])*
        #[must_use]
        pub fn $name(mut self, $name: bool) -> Self {
            self.$name = $name;
            self
        }
    )*};
}

impl ModelCheckpoint {
    /// Saves the whole model under that name after every epoch.
    #[must_use]
    pub fn new(filepath: impl AsRef<Path>) -> Self {
        Self {
            filepath: filepath.as_ref().to_owned(),
            monitor: Monitor::new("val_loss"),
            unknown_mode: None,
            save_best_only: false,
            save_weights_only: false,
            save_freq: SaveFreq::Epoch,
            period: 1,
            initial_value_threshold: None,
            verbose: 0,
            keep: Keep::default(),
            background: None,
            save_on_interrupt: false,
            restore_best_weights: false,
            results: Checkpoints::default(),
            run: None,
        }
    }

    /// What is compared, as it is called in the logs. Default: `val_loss`.
    #[must_use]
    pub fn monitor(mut self, name: impl Into<String>) -> Self {
        self.monitor.name = name.into();
        self
    }

    /// Which way it gets better. Default: as Keras knows it of the loss and its metrics.
    #[must_use]
    pub fn mode(mut self, mode: Mode) -> Self {
        (self.monitor.mode, self.unknown_mode) = (mode, None);
        self
    }

    /// The mode by Keras' word for it: `auto`, `min`, `max`. As in Keras, an unknown one means `auto`, with a
    /// warning when the training starts.
    #[must_use]
    pub fn mode_named(self, name: &str) -> Self {
        let known = [("auto", Mode::Auto), ("min", Mode::Min), ("max", Mode::Max)];
        match known.into_iter().find(|(known, _)| *known == name) {
            Some((_, mode)) => self.mode(mode),
            None => Self { unknown_mode: Some(name.to_owned()), ..self.mode(Mode::Auto) },
        }
    }

    switches! {
        /// Whether it saves only when what is monitored is better than ever. Default: no.
        save_best_only,
        /// Whether only the weights and the state of the optimizer are saved, into a `.weights.h5`. Default: no.
        save_weights_only,
        /// Whether a training that ends by an error or from outside is saved once more, unless it has been since
        /// the last batch. What is then not in the logs is `nan` in the name; with
        /// [`keep_last`](Self::keep_last) it is one of the last, otherwise it goes with the next file after
        /// resuming that makes others go. Default: no.
        save_on_interrupt,
        /// Whether the model has its best weights at the end, unless the training ends by an error. They are held
        /// in memory until then; those from before a restart come from their file, and it is told when that is gone.
        /// Default: no.
        restore_best_weights,
    }

    /// When it saves, or looks whether it should. Default: after every epoch.
    #[must_use]
    pub fn save_freq(mut self, save_freq: SaveFreq) -> Self {
        self.save_freq = save_freq;
        self
    }

    /// After every how many epochs, when it saves after epochs. Default: 1.
    #[must_use]
    pub fn period(mut self, epochs: usize) -> Self {
        self.period = epochs;
        self
    }

    /// What the first value has to be better than. Default: nothing. When a training is resumed, the best value
    /// until then counts as well.
    #[must_use]
    pub fn initial_value_threshold(mut self, best: f64) -> Self {
        self.initial_value_threshold = Some(best);
        self
    }

    /// 1: says what it does, in the words of Keras. Default: 0.
    #[must_use]
    pub fn verbose(mut self, verbose: u8) -> Self {
        self.verbose = verbose;
        self
    }

    /// Keeps the `k` best files of this checkpoint, and deletes the others once a better one is complete. Without
    /// [`keep_last`](Self::keep_last), what is not among them is not written at all.
    #[must_use]
    pub fn keep_best(mut self, k: usize) -> Self {
        self.keep.best = Some(k);
        self
    }

    /// Keeps the last `n` files of this checkpoint, and deletes those before once a newer one is complete. With
    /// [`keep_best`](Self::keep_best), the best are kept as well.
    ///
    /// Only files that this training wrote are ever deleted, or the one that it was resumed from, as far as they
    /// have names of this checkpoint.
    #[must_use]
    pub fn keep_last(mut self, n: usize) -> Self {
        self.keep.last = Some(n);
        self
    }

    /// Writes in a thread of its own. An error of it is that of the next batch or epoch; at the end of the
    /// training everything is written.
    #[must_use]
    pub fn background(mut self, queue: Queue) -> Self {
        self.background = Some(queue);
        self
    }

    /// What will have been written; to be asked for before the checkpoint is given to a training.
    #[must_use]
    pub fn results(&self) -> Checkpoints {
        self.results.clone()
    }

    fn what(&self) -> Saved {
        if self.save_weights_only { Saved::Weights } else { Saved::Model }
    }

    /// Whether it depends on what is monitored.
    fn compares(&self) -> bool {
        self.save_best_only || self.keep.best.is_some() || self.restore_best_weights
    }
}
