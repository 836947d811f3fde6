//! The classes of `keras.optimizers`: how weights follow from gradients.
//!
//! An [`Optimizer`] is what a file has of it; [`for_module`](Optimizer::for_module) makes of it what Burn trains
//! any module with:
//!
//! ```
//! use burn::module::Module;
//! use burn::nn::LinearConfig;
//! use burn::optim::GradientsParams;
//! use burn::tensor::{Device, Tensor};
//! use burn_keras::optimizer::{Adam, Optimizer};
//!
//! let device = Device::flex().autodiff();
//! let mut linear = LinearConfig::new(3, 1).init(&device);
//! let optimizer = Optimizer::from(Adam::new().learning_rate(0.01).clipnorm(1.0));
//! let mut burn = optimizer.for_module(&linear)?;
//! for step in 0..5 {
//!     let loss = linear.forward(Tensor::<2>::ones([4, 3], &device)).square().mean();
//!     let grads = GradientsParams::from_grads(loss.backward(), &linear);
//!     linear = burn.step(optimizer.learning_rate(step)?, linear, grads);
//! }
//! # Ok::<(), burn_keras::Error>(())
//! ```
//!
//! What needs all gradients at once, `global_clipnorm` and [`LossScaleOptimizer`], is done to them before, by
//! [`prepare`](Optimizer::prepare).
//!
//! The rules are those of Keras 3.15, computed in `float32`. What becomes of a variable without a gradient, Keras
//! leaves to its backend: on TensorFlow it stays as it is, with its slots, and so does a parameter here that
//! `GradientsParams` have nothing of. On JAX it has a gradient of zeros: moments fade and still move it, and weights
//! decay. [`KerasModel::fit`](crate::KerasModel::fit) trains as on JAX. The steps are counted for each parameter, as in Burn: for one whose first gradient
//! comes later than those of others, Keras has counted further.

mod config;
mod gradients;
mod parameter;
mod rules;
mod schedule;
pub mod state;
mod update;

use burn::module::{Module, ParamGroup};
use burn::optim::ModuleOptimizer;

pub use config::{
    Adadelta, Adafactor, Adagrad, Adam, AdamW, Adamax, Common, Ftrl, Lamb, Lion, LossScaleOptimizer,
    MultiOptimizer, Muon, Nadam, RMSprop, SGD, ScheduleFreeAdamW,
};
pub use gradients::LossScale;
pub use parameter::{Parameter, exclude_from_weight_decay, parameters, parameters_of};
pub use schedule::{
    AnySchedule, CosineDecay, CosineDecayRestarts, ExponentialDecay, InverseTimeDecay, LearningRate, Number,
    PiecewiseConstantDecay, PolynomialDecay, Schedule, Scheduler,
};
pub use update::{State, Update};

use crate::config::{Described, classes};
use crate::error::{Error, Problems, Result};
use parameter::Role;

/// An optimizer: an object of `keras.optimizers`, by name or with its settings.
///
/// ```
/// use burn_keras::optimizer::{Optimizer, SGD};
///
/// let optimizer = Optimizer::from(SGD { momentum: 0.9, ..SGD::new() }.weight_decay(1e-4));
/// assert_eq!(Optimizer::from("sgd").learning_rate(0)?, f64::from(0.01_f32));
/// # Ok::<(), burn_keras::Error>(())
/// ```
pub type Optimizer = Described<AnyOptimizer>;

classes! {
    /// A class of `keras.optimizers`.
    pub enum AnyOptimizer: "optimizer" of "keras.optimizers" {
        SGD, RMSprop | "rmsprop", Adam, AdamW | "adamw", Adadelta, Adagrad, Adamax, Adafactor, Nadam, Ftrl, Lion, Lamb,
        Muon, ScheduleFreeAdamW | "schedulefreeadamw", LossScaleOptimizer | "lossscaleoptimizer",
        MultiOptimizer | "multioptimizer",
    }
}

/// Most steps of an orthogonalization: a file may ask for more than anyone can wait for.
const MOST_STEPS: usize = 1000;

impl AnyOptimizer {
    /// The settings that all optimizers have, those of the inner one where there is one.
    ///
    /// # Errors
    /// When it is one of several.
    pub fn common(&self) -> Result<Common<'_>> {
        Ok(match self {
            Self::SGD(it) => it.common(),
            Self::RMSprop(it) => it.common(),
            Self::Adam(it) => it.common(),
            Self::AdamW(it) => it.common(),
            Self::Adadelta(it) => it.common(),
            Self::Adagrad(it) => it.common(),
            Self::Adamax(it) => it.common(),
            Self::Adafactor(it) => it.common(),
            Self::Nadam(it) => it.common(),
            Self::Ftrl(it) => it.common(),
            Self::Lion(it) => it.common(),
            Self::Lamb(it) => it.common(),
            Self::Muon(it) => it.common(),
            Self::ScheduleFreeAdamW(it) => it.common(),
            // Keras takes the factor away from the inner one, so that gradients are not divided twice.
            Self::LossScaleOptimizer(it) => {
                Common { loss_scale_factor: None, ..it.inner_optimizer.known()?.common()? }
            }
            Self::MultiOptimizer(_) => return Err(Error::unsupported("training with a MultiOptimizer")),
        })
    }

    /// Notes what Keras would refuse, and what cannot be done.
    fn check(&self, problems: &mut Problems) {
        if let Self::LossScaleOptimizer(outer) = self {
            match outer.inner_optimizer.known() {
                Ok(inner) => problems.at("inner_optimizer", |problems| inner.check(problems)),
                Err(error) => problems.push(error.at("inner_optimizer")),
            }
            return;
        }
        let Some(common) = problems.note(self.common()) else { return };
        problems.at("learning_rate", |problems| common.learning_rate.check(problems));
        let mut refuse = |key: &str, wrong: bool, expected: &str| {
            if wrong {
                problems.push(Error::config(format_args!("expected {expected}")).at(key));
            }
        };
        let clips = [common.clipnorm, common.clipvalue, common.global_clipnorm];
        refuse(
            "clipnorm",
            clips.iter().flatten().count() > 1,
            "one of clipnorm, clipvalue and global_clipnorm",
        );
        let steps = common.gradient_accumulation_steps;
        refuse("gradient_accumulation_steps", steps == Some(1), "an integer of 2 or more");
        let is_part = |number: f64| (0.0..=1.0).contains(&number);
        refuse("ema_momentum", common.use_ema && !is_part(common.ema_momentum), "a number from 0 to 1");
        match self {
            Self::Muon(it) => refuse("ns_steps", it.ns_steps > MOST_STEPS, "a thousand steps at most"),
            Self::SGD(it) => refuse("momentum", !is_part(it.momentum), "a number from 0 to 1"),
            Self::AdamW(it) => refuse("weight_decay", it.weight_decay.is_none(), "a number"),
            Self::Lion(it) => {
                refuse("beta_1", !(is_part(it.beta_1) && it.beta_1 > 0.0), "a number above 0, to 1")
            }
            Self::Ftrl(it) => {
                refuse("learning_rate_power", it.learning_rate_power > 0.0, "a number not above 0");
                for (key, number) in [
                    ("initial_accumulator_value", it.initial_accumulator_value),
                    ("l1_regularization_strength", it.l1_regularization_strength),
                    ("l2_regularization_strength", it.l2_regularization_strength),
                    ("l2_shrinkage_regularization_strength", it.l2_shrinkage_regularization_strength),
                ] {
                    refuse(key, number < 0.0, "a number not below 0");
                }
            }
            _ => {}
        }
        if common.global_clipnorm.is_some_and(|norm| norm > 0.0) && steps.is_some_and(|steps| steps > 1) {
            let message = "global_clipnorm together with gradient_accumulation_steps";
            problems.push(Error::unsupported(message));
        }
    }
}

impl Optimizer {
    /// The optimizer that its name or class says.
    fn known(&self) -> Result<&AnyOptimizer> {
        self.get()?.ok_or_else(|| Error::config("expected an optimizer, got none"))
    }

    /// The optimizer that gets the gradients: the inner one where there is one.
    fn inner(&self) -> Result<&AnyOptimizer> {
        match self.known()? {
            AnyOptimizer::LossScaleOptimizer(outer) => outer.inner_optimizer.known(),
            own => Ok(own),
        }
    }

    /// Whether it can train.
    ///
    /// # Errors
    /// Everything that Keras would refuse, and everything that cannot be done.
    pub fn check(&self) -> Result<()> {
        let mut problems = Problems::default();
        if let Some(known) = problems.note(self.known()) {
            problems.at(crate::config::Class::class(known), |problems| known.check(problems));
        }
        problems.finish()
    }

    /// The learning rate of a step, of which the first is 0. While gradients are accumulated, every call counts.
    ///
    /// # Errors
    /// When the optimizer is not one of Keras, or its schedule.
    pub fn learning_rate(&self, step: u64) -> Result<f64> {
        self.known()?.common()?.learning_rate.at(step)
    }

    /// The learning rate of every step from this one on, for Burn.
    ///
    /// # Errors
    /// When the optimizer is not one of Keras, or its schedule.
    pub fn scheduler(&self, step: u64) -> Result<Scheduler> {
        Scheduler::new(self.known()?.common()?.learning_rate.clone(), step)
    }

    /// What Burn trains all trainable parameters of a module with.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn for_module<M: Module>(&self, module: &M) -> Result<ModuleOptimizer> {
        self.for_parameters(&parameters(module))
    }

    /// What Burn trains a module with some of whose parameters are special: they are excluded from weight decay, or
    /// their axes are not in the order of Keras.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn for_parameters(&self, parameters: &[Parameter]) -> Result<ModuleOptimizer> {
        self.check()?;
        let inner = self.inner()?;
        let mut roles: Vec<(Role, Vec<_>)> = Vec::new();
        for parameter in parameters {
            let role = parameter.role(inner)?;
            match roles.iter_mut().find(|(known, _)| *known == role) {
                Some((_, ids)) => ids.push(parameter.id),
                None => roles.push((role, vec![parameter.id])),
            }
        }
        let start = ModuleOptimizer::from(self.update()?);
        let mut special = roles.into_iter().filter(|(role, _)| *role != Role::default());
        special.try_fold(start, |optimizer, (role, ids)| {
            Ok(optimizer.with_group(ParamGroup::from_ids(ids), Update::new(self, role)?, None))
        })
    }

    /// What Burn trains single tensors with, in the order of Keras and with weight decay if there is any.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn update(&self) -> Result<Update> {
        self.check()?;
        Update::new(self, Role::default())
    }
}
