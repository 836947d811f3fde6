//! The learning rate from step to step.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use burn::lr_scheduler::{LrScheduler, LrSchedulerRecord};
use burn::optim::LearningRate;

use super::plan::Plan;
use super::trainable::Session;
use crate::error::Result;

/// The learning rate that the settings of the model say, or what was set in its place.
#[derive(Clone)]
pub(crate) struct Rate {
    pub plan: Arc<Plan>,
    pub session: Arc<Mutex<Session>>,
}

impl Rate {
    /// That of the next step.
    pub fn next(plan: &Plan, session: &Session) -> Result<f64> {
        match session.rate.filter(|_| !plan.has_schedule()) {
            Some(rate) => Ok(rate),
            None => plan.optimizer.learning_rate(session.iterations),
        }
    }
}

impl fmt::Debug for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rate")
    }
}

impl LrScheduler for Rate {
    fn step(&mut self) -> LearningRate {
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        Self::next(&self.plan, &session).unwrap_or_else(|error| {
            session.error = Some(error);
            0.0
        })
    }
    fn to_record(&self) -> LrSchedulerRecord {
        LrSchedulerRecord::new()
    }
    fn load_record(&mut self, _: LrSchedulerRecord) {}
}
