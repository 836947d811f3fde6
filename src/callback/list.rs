//! Several callbacks as one.

use std::fmt;

use super::{Callback, End, Training, Watched};
use crate::error::Result;

/// The callbacks of a training, each told of everything in turn: as they were given, but those that save come last.
#[derive(Default)]
pub(crate) struct Callbacks(Vec<Box<dyn Callback>>);

impl fmt::Debug for Callbacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} callbacks", self.0.len())
    }
}

impl Callbacks {
    pub(crate) fn new(mut callbacks: Vec<Box<dyn Callback>>) -> Self {
        callbacks.sort_by_key(|callback| callback.comes_last());
        Self(callbacks)
    }
}

impl Callback for Callbacks {
    fn adds(&self) -> Vec<Watched> {
        let mut all: Vec<Watched> = Vec::new();
        for watched in self.0.iter().flat_map(|callback| callback.adds()) {
            if !all.contains(&watched) {
                all.push(watched);
            }
        }
        all
    }

    fn on_train_begin(&mut self, training: &mut dyn Training) -> Result<()> {
        self.0.iter_mut().try_for_each(|callback| callback.on_train_begin(training))
    }

    fn on_epoch_begin(&mut self, training: &mut dyn Training) -> Result<()> {
        self.0.iter_mut().try_for_each(|callback| callback.on_epoch_begin(training))
    }

    fn on_train_batch_end(&mut self, batch: usize, training: &mut dyn Training) -> Result<()> {
        self.0.iter_mut().try_for_each(|callback| callback.on_train_batch_end(batch, training))
    }

    fn on_epoch_end(&mut self, training: &mut dyn Training) -> Result<()> {
        self.0.iter_mut().try_for_each(|callback| callback.on_epoch_end(training))
    }

    /// All of them end, whatever becomes of one; the first error counts.
    fn on_train_end(&mut self, end: End, training: &mut dyn Training) -> Result<()> {
        let ended = self.0.iter_mut().map(|callback| callback.on_train_end(end, training));
        ended.fold(Ok(()), Result::and)
    }
}
