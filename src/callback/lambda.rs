//! `LambdaCallback`: a callback made of functions.

use std::fmt;

use super::{Callback, End, Training};
use crate::error::Result;

type OnEvent = dyn FnMut(&mut dyn Training) -> Result<()> + Send;
type OnBatch = dyn FnMut(usize, &mut dyn Training) -> Result<()> + Send;
type OnEnd = dyn FnMut(End, &mut dyn Training) -> Result<()> + Send;

/// A callback made of functions, as `keras.callbacks.LambdaCallback`.
///
/// ```
/// use burn_keras::callback::LambdaCallback;
///
/// let callback = LambdaCallback::new().on_epoch_end(|training| {
///     println!("{}: {:?}", training.epoch(), training.logs()?.get("loss"));
///     Ok(())
/// });
/// ```
#[derive(Default)]
pub struct LambdaCallback {
    train_begin: Option<Box<OnEvent>>,
    epoch_begin: Option<Box<OnEvent>>,
    train_batch_end: Option<Box<OnBatch>>,
    epoch_end: Option<Box<OnEvent>>,
    train_end: Option<Box<OnEnd>>,
}

impl fmt::Debug for LambdaCallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LambdaCallback").finish_non_exhaustive()
    }
}

impl LambdaCallback {
    /// One that does nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What is done before the first epoch.
    #[must_use]
    pub fn on_train_begin(
        mut self,
        function: impl FnMut(&mut dyn Training) -> Result<()> + Send + 'static,
    ) -> Self {
        self.train_begin = Some(Box::new(function));
        self
    }

    /// What is done before an epoch.
    #[must_use]
    pub fn on_epoch_begin(
        mut self,
        function: impl FnMut(&mut dyn Training) -> Result<()> + Send + 'static,
    ) -> Self {
        self.epoch_begin = Some(Box::new(function));
        self
    }

    /// What is done after a batch; the first of an epoch is 0.
    #[must_use]
    pub fn on_train_batch_end(
        mut self,
        function: impl FnMut(usize, &mut dyn Training) -> Result<()> + Send + 'static,
    ) -> Self {
        self.train_batch_end = Some(Box::new(function));
        self
    }

    /// What is done after an epoch and its validation.
    #[must_use]
    pub fn on_epoch_end(
        mut self,
        function: impl FnMut(&mut dyn Training) -> Result<()> + Send + 'static,
    ) -> Self {
        self.epoch_end = Some(Box::new(function));
        self
    }

    /// What is done after everything.
    #[must_use]
    pub fn on_train_end(
        mut self,
        function: impl FnMut(End, &mut dyn Training) -> Result<()> + Send + 'static,
    ) -> Self {
        self.train_end = Some(Box::new(function));
        self
    }
}

impl Callback for LambdaCallback {
    fn on_train_begin(&mut self, training: &mut dyn Training) -> Result<()> {
        self.train_begin.as_mut().map_or(Ok(()), |function| function(training))
    }

    fn on_epoch_begin(&mut self, training: &mut dyn Training) -> Result<()> {
        self.epoch_begin.as_mut().map_or(Ok(()), |function| function(training))
    }

    fn on_train_batch_end(&mut self, batch: usize, training: &mut dyn Training) -> Result<()> {
        self.train_batch_end.as_mut().map_or(Ok(()), |function| function(batch, training))
    }

    fn on_epoch_end(&mut self, training: &mut dyn Training) -> Result<()> {
        self.epoch_end.as_mut().map_or(Ok(()), |function| function(training))
    }

    fn on_train_end(&mut self, end: End, training: &mut dyn Training) -> Result<()> {
        self.train_end.as_mut().map_or(Ok(()), |function| function(end, training))
    }
}
