//! The classes of `keras.optimizers.schedules`: learning rates that change from step to step.

use burn::lr_scheduler::{LrScheduler, LrSchedulerRecord};
use burn::optim::LearningRate as BurnRate;

use crate::config::{Described, Field, Json, Reader, classes, json, refuse};
use crate::error::{Error, Problems, Result};

/// A learning rate that follows the number of steps: an object of `keras.optimizers.schedules`.
///
/// ```
/// use burn_keras::optimizer::{Adam, ExponentialDecay, Optimizer};
///
/// let schedule = ExponentialDecay { initial_learning_rate: 0.5, decay_steps: 10.into(), ..ExponentialDecay::new() };
/// let optimizer = Optimizer::from(Adam::new().learning_rate(schedule));
/// assert_eq!(optimizer.learning_rate(0)?, 0.5);
/// # Ok::<(), burn_keras::Error>(())
/// ```
pub type Schedule = Described<AnySchedule>;

/// A number that Keras takes as an integer or not: a whole one is written as an integer.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Number(pub f64);

macro_rules! numbers {
    ($($from:ty),+) => {
        $(impl From<$from> for Number {
            fn from(number: $from) -> Self {
                Self(number as f64)
            }
        })+
    };
}

numbers!(i32, u32, usize, u64, f64);

impl Field for Number {
    const EXPECTED: &'static str = f64::EXPECTED;

    fn read(json: &Json, reader: &mut Reader<'_>) -> Option<Self> {
        f64::read(json, reader).map(Self)
    }

    fn write(&self) -> Json {
        // Above this, not every integer is a number.
        let is_whole = self.0.fract() == 0.0 && self.0.abs() < 9e15;
        if is_whole { Json::from(self.0 as i64) } else { json::number(self.0) }
    }
}

/// Declares a schedule: a config, and methods for its keys.
macro_rules! schedule {
    ($(#[$meta:meta])* pub struct $name:ident {
        $($(#[$field_meta:meta])* $field:ident: $ty:ty = $default:expr,)*
    }) => {
        super::config::built! {
            $(#[$meta])* pub struct $name { $($(#[$field_meta])* $field: $ty = $default,)* }
        }
        impl From<$name> for super::LearningRate {
            fn from(schedule: $name) -> Self {
                Self::Scheduled(schedule.into())
            }
        }
    };
}

schedule! {
    /// `rate · decay_rate^(step / decay_steps)`
    pub struct ExponentialDecay {
        /// The rate at the start.
        initial_learning_rate: f64 = 0.001,
        /// In how many steps the rate is multiplied by the factor once.
        decay_steps: Number = Number(1000.0),
        /// The factor.
        decay_rate: f64 = 0.96,
        /// Whether it is multiplied at once after so many steps, and not little by little.
        staircase: bool = false,
        /// The name.
        name: String = "ExponentialDecay".into(),
    }
}

schedule! {
    /// Other rates after certain steps.
    pub struct PiecewiseConstantDecay {
        /// The last step of every rate but the last.
        boundaries: Vec<Number> = vec![Number(1000.0)],
        /// The rates.
        values: Vec<f64> = vec![0.001, 0.0001],
        /// The name.
        name: String = "PiecewiseConstant".into(),
    }
}

schedule! {
    /// `(rate - end) · (1 - step / decay_steps)^power + end`
    pub struct PolynomialDecay {
        /// The rate at the start.
        initial_learning_rate: f64 = 0.001,
        /// After how many steps the end is reached.
        decay_steps: Number = Number(1000.0),
        /// The rate at the end.
        end_learning_rate: f64 = 0.0001,
        /// The power.
        power: f64 = 1.0,
        /// Whether it starts again, in more steps, when the end is reached.
        cycle: bool = false,
        /// The name.
        name: String = "PolynomialDecay".into(),
    }
}

schedule! {
    /// `rate / (1 + decay_rate · step / decay_steps)`
    pub struct InverseTimeDecay {
        /// The rate at the start.
        initial_learning_rate: f64 = 0.001,
        /// The steps that count as one.
        decay_steps: Number = Number(1000.0),
        /// The factor.
        decay_rate: f64 = 0.5,
        /// Whether it changes at once after so many steps, and not little by little.
        staircase: bool = false,
        /// The name.
        name: String = "InverseTimeDecay".into(),
    }
}

schedule! {
    /// Half a period of a cosine, from the rate down to a part of it, after a linear way up if there is a
    /// target.
    pub struct CosineDecay {
        /// The rate at the start.
        initial_learning_rate: f64 = 0.001,
        /// After how many steps the least rate is reached.
        decay_steps: Number = Number(1000.0),
        /// The least rate, as a part of the highest.
        alpha: f64 = 0.0,
        /// The name.
        name: String = "CosineDecay".into(),
        /// The rate after the way up.
        warmup_target: Option<f64> = None,
        /// How many steps the way up has.
        warmup_steps: Number = Number(0.0),
    }
}

schedule! {
    /// Half periods of a cosine, one after the other.
    pub struct CosineDecayRestarts {
        /// The rate at the start.
        initial_learning_rate: f64 = 0.001,
        /// How many steps the first has.
        first_decay_steps: Number = Number(1000.0),
        /// How many times as many steps each has as the one before.
        t_mul: f64 = 2.0,
        /// How many times the rate each starts with what the one before did.
        m_mul: f64 = 1.0,
        /// The least rate, as a part of the rate at the start.
        alpha: f64 = 0.0,
        /// The name.
        name: String = "SGDRDecay".into(),
    }
}

classes! {
    /// A class of `keras.optimizers.schedules`.
    pub enum AnySchedule: "learning rate schedule" of "keras.optimizers.schedules" {
        ExponentialDecay, PiecewiseConstantDecay, PolynomialDecay, InverseTimeDecay, CosineDecay,
        CosineDecayRestarts,
    }
}

/// Keras computes in 32 bits.
const fn f(number: f64) -> f32 {
    number as f32
}

fn decayed(step: f32, decay_steps: Number, staircase: bool) -> f32 {
    let part = step / f(decay_steps.0);
    if staircase { part.floor() } else { part }
}

fn cosine(part: f32) -> f32 {
    0.5 * (1.0 + (std::f32::consts::PI * part).cos())
}

impl ExponentialDecay {
    fn at(&self, step: f32) -> f32 {
        let part = decayed(step, self.decay_steps, self.staircase);
        f(self.initial_learning_rate) * f(self.decay_rate).powf(part)
    }
}

impl PiecewiseConstantDecay {
    fn at(&self, step: f32) -> f32 {
        // Of boundaries, Keras drops what is after the point.
        let bounds: Vec<f32> = self.boundaries.iter().map(|bound| f(bound.0.trunc())).collect();
        let (Some(first), Some(last)) = (bounds.first(), bounds.last()) else { return f32::NAN };
        let holds = bounds.windows(2).map(|pair| step > pair[0] && step <= pair[1]);
        let holds = std::iter::once(step <= *first).chain(holds).chain([step > *last]);
        holds.zip(&self.values).filter(|(holds, _)| *holds).map(|(_, value)| f(*value)).sum()
    }
}

impl PolynomialDecay {
    fn at(&self, step: f32) -> f32 {
        let (rate, end) = (f(self.initial_learning_rate), f(self.end_learning_rate));
        let steps = f(self.decay_steps.0);
        let (step, steps) = match self.cycle {
            true if step == 0.0 => (step, steps),
            true => (step, steps * (step / steps).ceil()),
            false => (step.min(steps), steps),
        };
        (rate - end) * (1.0 - step / steps).powf(f(self.power)) + end
    }
}

impl InverseTimeDecay {
    fn at(&self, step: f32) -> f32 {
        let part = decayed(step, self.decay_steps, self.staircase);
        f(self.initial_learning_rate) / (1.0 + f(self.decay_rate) * part)
    }
}

impl CosineDecay {
    fn at(&self, step: f32) -> f32 {
        let (rate, steps) = (f(self.initial_learning_rate), f(self.decay_steps.0));
        let down = |from: f32, step: f32| from * (f(1.0 - self.alpha) * cosine(step / steps) + f(self.alpha));
        let Some(target) = self.warmup_target.map(f) else { return down(rate, step.min(steps)) };
        let warmup = f(self.warmup_steps.0);
        let step = step.min(steps + warmup);
        match step < warmup {
            true => (target - rate) * (step / warmup) + rate,
            false => down(target, step - warmup),
        }
    }
}

impl CosineDecayRestarts {
    fn at(&self, step: f32) -> f32 {
        let (times, alpha) = (f(self.t_mul), f(self.alpha));
        let done = step / f(self.first_decay_steps.0);
        let (restarts, part) = match times == 1.0 {
            true => (done.floor(), done - done.floor()),
            false => {
                let restarts = ((1.0 - done * (1.0 - times)).ln() / times.ln()).floor();
                let before = (1.0 - times.powf(restarts)) / (1.0 - times);
                (restarts, (done - before) / times.powf(restarts))
            }
        };
        let height = f(self.m_mul).powf(restarts) * cosine(part);
        f(self.initial_learning_rate) * ((1.0 - alpha) * height + alpha)
    }
}

impl AnySchedule {
    /// The rate of a step, of which the first is 0.
    #[must_use]
    pub fn at(&self, step: u64) -> f64 {
        let step = step as f32;
        f64::from(match self {
            Self::ExponentialDecay(it) => it.at(step),
            Self::PiecewiseConstantDecay(it) => it.at(step),
            Self::PolynomialDecay(it) => it.at(step),
            Self::InverseTimeDecay(it) => it.at(step),
            Self::CosineDecay(it) => it.at(step),
            Self::CosineDecayRestarts(it) => it.at(step),
        })
    }

    /// Notes what Keras would refuse.
    fn check(&self, problems: &mut Problems) {
        let (key, steps) = match self {
            Self::ExponentialDecay(it) => ("decay_steps", it.decay_steps),
            Self::PolynomialDecay(it) => ("decay_steps", it.decay_steps),
            Self::InverseTimeDecay(it) => ("decay_steps", it.decay_steps),
            Self::CosineDecay(it) => ("decay_steps", it.decay_steps),
            Self::CosineDecayRestarts(it) => ("first_decay_steps", it.first_decay_steps),
            Self::PiecewiseConstantDecay(it) => {
                if it.boundaries.is_empty() || it.values.len() != it.boundaries.len() + 1 {
                    let (bounds, values) = (it.boundaries.len(), it.values.len());
                    let message = "expected a boundary at least, and one value more than boundaries";
                    let message = format_args!("{message}, got {bounds} and {values}");
                    problems.push(Error::config(message).at("values"));
                }
                return;
            }
        };
        if steps.0.is_nan() || steps.0 <= 0.0 {
            let message = format_args!("expected a positive number, got {}", steps.0);
            problems.push(Error::config(message).at(key));
        }
    }
}

/// A learning rate as the config of an optimizer has it: a number, or a schedule.
#[derive(Clone, Debug, PartialEq)]
pub enum LearningRate {
    /// A number, which may be set while the training goes on.
    Constant(f64),
    /// What follows the number of steps.
    Scheduled(Schedule),
}

impl From<f64> for LearningRate {
    fn from(rate: f64) -> Self {
        Self::Constant(rate)
    }
}

impl From<Schedule> for LearningRate {
    fn from(schedule: Schedule) -> Self {
        Self::Scheduled(schedule)
    }
}

impl Field for LearningRate {
    const EXPECTED: &'static str = "a number, or a schedule";

    fn read(json: &Json, reader: &mut Reader<'_>) -> Option<Self> {
        match json {
            Json::Object(_) => Some(Self::Scheduled(Schedule::of(json))),
            Json::Number(_) => f64::read(json, reader).map(Self::Constant),
            _ => refuse(json, reader),
        }
    }

    fn write(&self) -> Json {
        match self {
            // Keras keeps it in a variable of 32 bits.
            Self::Constant(rate) => json::number(f64::from(f(*rate))),
            Self::Scheduled(schedule) => schedule.write(),
        }
    }
}

impl LearningRate {
    /// The rate of a step, of which the first is 0.
    ///
    /// # Errors
    /// When it follows a schedule that is not one of Keras.
    pub fn at(&self, step: u64) -> Result<f64> {
        match self {
            Self::Constant(rate) => Ok(f64::from(f(*rate))),
            Self::Scheduled(schedule) => match schedule.get()? {
                Some(schedule) => Ok(schedule.at(step)),
                None => Err(Error::config("expected a schedule, got none").at("learning_rate")),
            },
        }
    }

    /// Whether it follows a schedule.
    #[must_use]
    pub fn is_scheduled(&self) -> bool {
        matches!(self, Self::Scheduled(_))
    }

    /// Notes what Keras would refuse.
    pub(super) fn check(&self, problems: &mut Problems) {
        let Self::Scheduled(schedule) = self else { return };
        match schedule.get() {
            Ok(Some(known)) => known.check(problems),
            Ok(None) => problems.push(Error::config("expected a schedule, got none")),
            Err(error) => problems.push(error),
        }
        // With an integer there, Keras computes the whole schedule in integers.
        let json = schedule.write();
        let rates = ["initial_learning_rate", "values"]
            .into_iter()
            .filter_map(|key| json.pointer("/config")?.get(key));
        let first = |rate: &Json| rate.as_array().and_then(|rates| rates.first()).unwrap_or(rate).clone();
        if rates.map(first).any(|rate| rate.is_i64() || rate.is_u64()) {
            problems.push(Error::unsupported("a schedule whose first rate is an integer"));
        }
    }
}

/// The learning rate of every step in turn, for Burn.
#[derive(Clone, Debug)]
pub struct Scheduler {
    rate: LearningRate,
    step: u64,
    last: f64,
}

impl Scheduler {
    /// The rates from a step on, of which the first is 0.
    ///
    /// # Errors
    /// When the rate follows a schedule that is not one of Keras.
    pub fn new(rate: LearningRate, step: u64) -> Result<Self> {
        let last = rate.at(step)?;
        Ok(Self { rate, step, last })
    }
}

impl LrScheduler for Scheduler {
    fn step(&mut self) -> BurnRate {
        // It was there when this was made, and does not go.
        self.last = self.rate.at(self.step).unwrap_or(self.last);
        self.step = self.step.saturating_add(1);
        self.last
    }

    fn to_record(&self) -> LrSchedulerRecord {
        LrSchedulerRecord::new().with_scalar("step", self.step)
    }

    fn load_record(&mut self, record: LrSchedulerRecord) {
        self.step = record.scalar("step").unwrap_or(self.step);
    }
}
