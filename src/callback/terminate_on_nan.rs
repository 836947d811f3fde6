//! `TerminateOnNaN`: ends a training whose loss is no number.

use super::python::repr;
use super::{Callback, Training, settings};
use crate::error::{Error, Result};

/// Ends a training as soon as the loss is NaN or infinite, as `keras.callbacks.TerminateOnNaN`.
///
/// It looks at the loss after every batch, for which a GPU has to be waited for.
#[derive(Clone, Debug, Default)]
pub struct TerminateOnNaN {
    raise_error: bool,
}

impl TerminateOnNaN {
    /// With the defaults of Keras.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    settings! {
        /// Whether the training fails, rather than to stop. Default: no.
        raise_error: bool;
    }
}

impl Callback for TerminateOnNaN {
    fn on_train_begin(&mut self, training: &mut dyn Training) -> Result<()> {
        match training.watched().iter().any(|watched| watched.name == "loss" && watched.in_batches) {
            true => Ok(()),
            false => Err(Error::input("TerminateOnNaN: this training tells no loss after its batches")),
        }
    }

    fn on_train_batch_end(&mut self, batch: usize, training: &mut dyn Training) -> Result<()> {
        match training.logs()?.get("loss") {
            Some(loss) if !loss.is_finite() && self.raise_error => Err(Error::input(format_args!(
                "NaN or Inf loss encountered at batch {batch}. Loss value: {}. Terminating training immediately.",
                repr(loss)
            ))),
            Some(loss) if !loss.is_finite() => {
                training.say(&format!("Batch {batch}: Invalid loss, terminating training"));
                training.stop("the loss is no finite number");
                Ok(())
            }
            _ => Ok(()),
        }
    }
}
