//! Which number is watched, and whether a new one is better.

use super::{Direction, Logs, Watched};
use crate::error::{Error, Result};
use crate::registry::nearest;

/// Which way a number gets better.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// As Keras knows it of the loss and of its metrics.
    #[default]
    Auto,
    /// Down.
    Min,
    /// Up.
    Max,
}

/// A number of the [`Logs`] that a callback watches.
#[derive(Clone, Debug)]
pub struct Monitor {
    /// Its name, as in the logs: `val_loss`.
    pub name: String,
    /// Which way it gets better, as far as the user says.
    pub mode: Mode,
    /// Which way it gets better; known once it is [resolved](Self::resolve).
    pub direction: Option<Direction>,
}

impl Monitor {
    /// Watches what has that name.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), mode: Mode::Auto, direction: None }
    }

    /// Finds out which way is better. Called before a training begins.
    ///
    /// # Errors
    /// When there will be nothing of that name, or neither the user nor Keras says which way it gets better.
    pub fn resolve(&mut self, watched: &[Watched]) -> Result<()> {
        let Some(found) = watched.iter().find(|watched| watched.name == self.name) else {
            let names: Vec<&str> = watched.iter().map(|watched| watched.name.as_str()).collect();
            return Err(unknown(&self.name, &names));
        };
        self.direction = match self.mode {
            Mode::Min => Some(Direction::Down),
            Mode::Max => Some(Direction::Up),
            Mode::Auto => found.direction,
        };
        match self.direction {
            Some(_) => Ok(()),
            None => Err(Error::input(format_args!(
                "nothing says whether more or less of {:?} is better: give the mode Min or Max",
                self.name
            ))),
        }
    }

    /// The number in the logs.
    ///
    /// # Errors
    /// When it is not there.
    pub fn current(&self, logs: &Logs) -> Result<f64> {
        let names = || logs.iter().map(|(name, _)| name).collect::<Vec<_>>();
        logs.get(&self.name).ok_or_else(|| unknown(&self.name, &names()))
    }

    /// Whether a number is better than the best one by more than `min_delta`, with the precision of Keras, which
    /// is `f32`. Everything is better than nothing; nothing is better than NaN, nor is NaN than any number.
    #[must_use]
    pub fn is_better(&self, current: f64, best: Option<f64>, min_delta: f64) -> bool {
        let (Some(best), min_delta) = (best.map(|best| best as f32), min_delta.abs()) else { return true };
        match self.direction {
            Some(Direction::Up) => (current - min_delta) as f32 > best,
            Some(Direction::Down) | None => ((current + min_delta) as f32) < best,
        }
    }
}

fn unknown(name: &str, known: &[&str]) -> Error {
    let (all, close) = (known.join(", "), nearest(name, known.iter().copied()));
    Error::input(format_args!("there is no {name:?} to watch; there are: {all}{close}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watched(name: &str, direction: Option<Direction>) -> Watched {
        Watched { name: name.to_owned(), direction, in_batches: true }
    }

    #[test]
    fn what_cannot_be_watched_is_told_at_once() {
        let all = [watched("loss", Some(Direction::Down)), watched("mine", None)];
        let error = Monitor::new("los").resolve(&all).unwrap_err().to_string();
        assert!(error.contains("loss, mine") && error.contains("did you mean \"loss\""), "{error}");
        let error = Monitor::new("mine").resolve(&all).unwrap_err().to_string();
        assert!(error.contains("\"mine\"") && error.contains("mode"), "{error}");
        let mut mine = Monitor { mode: Mode::Max, ..Monitor::new("mine") };
        mine.resolve(&all).unwrap();
        assert!(mine.is_better(2.0, Some(1.0), 0.5) && !mine.is_better(2.0, Some(1.0), 1.0));
    }

    #[test]
    fn nan_is_no_better_and_cannot_be_beaten() {
        let mut loss = Monitor::new("loss");
        loss.resolve(&[watched("loss", Some(Direction::Down))]).unwrap();
        assert!(loss.is_better(f64::NAN, None, 0.0));
        assert!(!loss.is_better(f64::NAN, Some(1.0), 0.0) && !loss.is_better(0.0, Some(f64::NAN), 0.0));
        // The same number for Keras.
        assert!(!loss.is_better(0.1, Some(0.1 + 1e-10), 0.0));
    }
}
