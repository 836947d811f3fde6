//! The lines that Keras prints while it trains.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use super::looping::Sink;
use crate::callback::{Callback, Logs, Training};
use crate::error::Result;

/// A line is drawn again after that time at the earliest.
const INTERVAL: Duration = Duration::from_millis(100);
const WIDTH: usize = 20;

/// Shows how far the training is.
pub(crate) struct ProgressBar {
    verbose: u8,
    epochs: usize,
    sink: Sink,
    started: Instant,
    drawn: Instant,
    batches: usize,
}

impl ProgressBar {
    pub fn new(verbose: u8, epochs: usize, sink: Sink) -> Self {
        let now = Instant::now();
        Self { verbose, epochs, sink, started: now, drawn: now, batches: 0 }
    }

    fn write(&self, text: &str) {
        let mut sink = self.sink.lock().unwrap_or_else(PoisonError::into_inner);
        // Progress that nobody can see is no reason to stop.
        let _ = sink.write_all(text.as_bytes()).and_then(|()| sink.flush());
    }

    /// `5/5 ━━━━━━━━━━━━━━━━━━━━ 0s 499us/step - loss: 0.1843`
    fn line(&self, done: usize, steps: Option<usize>, logs: &Logs, is_done: bool) -> String {
        let seconds = self.started.elapsed().as_secs_f64();
        let each = seconds / done.max(1) as f64;
        let count = steps.map_or_else(|| done.to_string(), |steps| format!("{done}/{steps}"));
        let left = match steps.filter(|_| !is_done) {
            Some(steps) => each * steps.saturating_sub(done) as f64,
            None => seconds,
        };
        let (left, each) = (format!("{left:.0}s"), duration(each));
        let numbers: String =
            logs.iter().map(|(name, number)| format!(" - {name}: {}", shown(number))).collect();
        match self.verbose {
            1 => {
                let filled = steps.map_or(WIDTH, |steps| (WIDTH * done / steps.max(1)).min(WIDTH));
                let bar = format!("{}{}", "━".repeat(filled), "─".repeat(WIDTH - filled));
                format!("\r{count} {bar} {left} {each}/step{numbers}")
            }
            _ => format!("{count} - {left} - {each}/step{numbers}"),
        }
    }
}

fn duration(seconds: f64) -> String {
    match seconds {
        _ if seconds >= 1.0 => format!("{seconds:.0}s"),
        _ if seconds >= 1e-3 => format!("{:.0}ms", seconds * 1e3),
        _ => format!("{:.0}us", seconds * 1e6),
    }
}

fn shown(number: f64) -> String {
    if number.abs() > 1e-3 { format!("{number:.4}") } else { format!("{number:.4e}") }
}

impl Callback for ProgressBar {
    fn comes_last(&self) -> bool {
        true
    }

    fn on_epoch_begin(&mut self, training: &mut dyn Training) -> Result<()> {
        (self.started, self.drawn, self.batches) = (Instant::now(), Instant::now(), 0);
        self.write(&format!("Epoch {}/{}\n", training.epoch() + 1, self.epochs));
        Ok(())
    }

    fn on_train_batch_end(&mut self, batch: usize, training: &mut dyn Training) -> Result<()> {
        self.batches = batch + 1;
        if self.verbose == 1 && self.drawn.elapsed() >= INTERVAL {
            self.drawn = Instant::now();
            let logs = training.logs()?;
            self.write(&self.line(batch + 1, training.steps_per_epoch(), &logs, false));
        }
        Ok(())
    }

    fn on_epoch_end(&mut self, training: &mut dyn Training) -> Result<()> {
        let logs = training.logs()?;
        let steps = training.steps_per_epoch().or(Some(self.batches));
        self.write(&format!("{}\n", self.line(self.batches, steps, &logs, true)));
        Ok(())
    }
}
