//! The settings of every optimizer: keys and defaults are those of Keras 3.15.

use std::sync::Arc;

use super::schedule::{LearningRate, Number};
use super::{AnyOptimizer, Optimizer};
use crate::config::{Config, Field, Json, Kept, Map, Reader, read_key, snake_case};
use crate::error::Error;

/// The settings that all optimizers have.
#[derive(Clone, Copy, Debug)]
pub struct Common<'a> {
    /// See [`Adam::learning_rate`].
    pub learning_rate: &'a LearningRate,
    /// See [`Adam::weight_decay`].
    pub weight_decay: Option<f64>,
    /// See [`Adam::clipnorm`].
    pub clipnorm: Option<f64>,
    /// See [`Adam::global_clipnorm`].
    pub global_clipnorm: Option<f64>,
    /// See [`Adam::clipvalue`].
    pub clipvalue: Option<f64>,
    /// See [`Adam::use_ema`].
    pub use_ema: bool,
    /// See [`Adam::ema_momentum`].
    pub ema_momentum: f64,
    /// See [`Adam::ema_overwrite_frequency`].
    pub ema_overwrite_frequency: Option<usize>,
    /// See [`Adam::loss_scale_factor`].
    pub loss_scale_factor: Option<f64>,
    /// See [`Adam::gradient_accumulation_steps`].
    pub gradient_accumulation_steps: Option<usize>,
}

/// Declares a config with a method for each of its keys.
macro_rules! built {
    ($(#[$meta:meta])* pub struct $name:ident {
        $($(#[$field_meta:meta])* $field:ident: $ty:ty = $default:expr,)*
    }) => {
        crate::config! {
            $(#[$meta])* pub struct $name { $($(#[$field_meta])* $field: $ty = $default,)* }
        }
        impl $name {
            /// With Keras' defaults, and with those of this crate for what has none there.
            #[must_use]
            pub fn new() -> Self {
                Self::default()
            }

            $(
                $(#[$field_meta])*
                #[must_use]
                pub fn $field(self, $field: impl Into<$ty>) -> Self {
                    Self { $field: $field.into(), ..self }
                }
            )*
        }
    };
}
pub(super) use built;

/// Declares an optimizer by its learning rate, its weight decay and the keys that only it has.
macro_rules! optimizer {
    ($(#[$meta:meta])* pub struct $name:ident($rate:expr, $decay:expr) {
        $($(#[$field_meta:meta])* $field:ident: $ty:ty = $default:expr,)*
    }) => {
        optimizer! {
            @declare $name
            $(#[$meta])*
            {
                /// The name.
                name: String = snake_case(stringify!($name)),
                /// The learning rate: a number, or a schedule.
                learning_rate: LearningRate = $rate.into(),
                /// Which part of the weights, times the learning rate, every step takes off them.
                weight_decay: Option<f64> = $decay,
                /// The greatest norm of the gradient of one variable.
                clipnorm: Option<f64> = None,
                /// The greatest norm of all gradients together.
                global_clipnorm: Option<f64> = None,
                /// The greatest magnitude in a gradient.
                clipvalue: Option<f64> = None,
                /// Whether moving averages of the weights are kept.
                use_ema: bool = false,
                /// The momentum of these averages.
                ema_momentum: f64 = 0.99,
                /// After how many steps each the weights become their averages.
                ema_overwrite_frequency: Option<usize> = None,
                /// What the loss was multiplied by: the gradients are divided by it.
                loss_scale_factor: Option<f64> = None,
                /// How many gradients are averaged for one step.
                gradient_accumulation_steps: Option<usize> = None,
                $($(#[$field_meta])* $field: $ty = $default,)*
            }
        }
        impl $name {
            pub(super) fn common(&self) -> Common<'_> {
                Common {
                    learning_rate: &self.learning_rate,
                    weight_decay: self.weight_decay,
                    clipnorm: self.clipnorm,
                    global_clipnorm: self.global_clipnorm,
                    clipvalue: self.clipvalue,
                    use_ema: self.use_ema,
                    ema_momentum: self.ema_momentum,
                    ema_overwrite_frequency: self.ema_overwrite_frequency,
                    loss_scale_factor: self.loss_scale_factor,
                    gradient_accumulation_steps: self.gradient_accumulation_steps,
                }
            }
        }
    };
    (@declare $name:ident $(#[$meta:meta])* {
        $($(#[$field_meta:meta])* $field:ident: $ty:ty = $default:expr,)*
    }) => {
        built! {
            $(#[$meta])* pub struct $name { $($(#[$field_meta])* $field: $ty = $default,)* }
        }
    };
}

optimizer! {
    /// Gradient descent, with momentum if there is any.
    pub struct SGD(0.01, None) {
        /// The momentum.
        momentum: f64 = 0.0,
        /// Whether it is that of Nesterov.
        nesterov: bool = false,
    }
}

optimizer! {
    /// Divides by the root of a moving average of squared gradients.
    pub struct RMSprop(0.001, None) {
        /// How much of the average is kept.
        rho: f64 = 0.9,
        /// The momentum.
        momentum: f64 = 0.0,
        /// What is added before the root is taken.
        epsilon: f64 = 1e-7,
        /// Whether the squares are those of the distances to the mean gradient.
        centered: bool = false,
    }
}

optimizer! {
    /// Moving averages of gradients and of their squares.
    pub struct Adam(0.001, None) {
        /// How much of the first average is kept.
        beta_1: f64 = 0.9,
        /// How much of the second average is kept.
        beta_2: f64 = 0.999,
        /// What is added to the root.
        epsilon: f64 = 1e-7,
        /// Whether the greatest second average is used.
        amsgrad: bool = false,
    }
}

optimizer! {
    /// [`Adam`] with a weight decay.
    pub struct AdamW(0.001, Some(0.004)) {
        /// How much of the first average is kept.
        beta_1: f64 = 0.9,
        /// How much of the second average is kept.
        beta_2: f64 = 0.999,
        /// What is added to the root.
        epsilon: f64 = 1e-7,
        /// Whether the greatest second average is used.
        amsgrad: bool = false,
    }
}

optimizer! {
    /// Steps as large as the moving average of earlier ones.
    pub struct Adadelta(0.001, None) {
        /// How much of the averages is kept.
        rho: f64 = 0.95,
        /// What is added before roots are taken.
        epsilon: f64 = 1e-7,
    }
}

optimizer! {
    /// Divides by the root of the sum of squared gradients.
    pub struct Adagrad(0.001, None) {
        /// What the sum starts with.
        initial_accumulator_value: f64 = 0.1,
        /// What is added before the root is taken.
        epsilon: f64 = 1e-7,
    }
}

optimizer! {
    /// [`Adam`] with the greatest magnitude in place of the second average.
    pub struct Adamax(0.001, None) {
        /// How much of the average is kept.
        beta_1: f64 = 0.9,
        /// How much of the greatest magnitude is kept.
        beta_2: f64 = 0.999,
        /// What is added to it.
        epsilon: f64 = 1e-7,
    }
}

optimizer! {
    /// [`Adam`] with second averages of rows and columns, and steps relative to the weights.
    pub struct Adafactor(0.001, None) {
        /// The power of the number of steps by which averages forget.
        beta_2_decay: f64 = -0.8,
        /// What is added to squared gradients.
        epsilon_1: f64 = 1e-30,
        /// The least magnitude that weights count with.
        epsilon_2: f64 = 1e-3,
        /// The greatest magnitude of a step before the learning rate.
        clip_threshold: f64 = 1.0,
        /// Whether the learning rate falls with the root of the number of steps.
        relative_step: bool = true,
    }
}

optimizer! {
    /// [`Adam`] with the momentum of Nesterov.
    pub struct Nadam(0.001, None) {
        /// How much of the first average is kept.
        beta_1: f64 = 0.9,
        /// How much of the second average is kept.
        beta_2: f64 = 0.999,
        /// What is added to the root.
        epsilon: f64 = 1e-7,
    }
}

optimizer! {
    /// "Follow the regularized leader": weights of which many are zero.
    pub struct Ftrl(0.001, None) {
        /// The power of the sum of squared gradients, not above zero.
        learning_rate_power: f64 = -0.5,
        /// What the sum starts with.
        initial_accumulator_value: f64 = 0.1,
        /// The cost of magnitudes.
        l1_regularization_strength: f64 = 0.0,
        /// The cost of squares.
        l2_regularization_strength: f64 = 0.0,
        /// The cost of squares, as a part of the gradient.
        l2_shrinkage_regularization_strength: f64 = 0.0,
        /// What is added to the root of the sum, so to speak.
        beta: f64 = 0.0,
    }
}

optimizer! {
    /// Steps of one size in the direction of the momentum's sign.
    pub struct Lion(0.001, None) {
        /// How much of the momentum is in a step.
        beta_1: f64 = 0.9,
        /// How much of the momentum is kept.
        beta_2: f64 = 0.99,
    }
}

optimizer! {
    /// [`Adam`] with steps in proportion to the norm of each variable.
    pub struct Lamb(0.001, None) {
        /// How much of the first average is kept.
        beta_1: f64 = 0.9,
        /// How much of the second average is kept.
        beta_2: f64 = 0.999,
        /// What is added to the root.
        epsilon: f64 = 1e-7,
    }
}

optimizer! {
    /// Orthogonal steps for matrices, and [`AdamW`] for everything else.
    pub struct Muon(0.001, Some(0.004)) {
        /// How much of the first average is kept, where it is as [`AdamW`].
        adam_beta_1: f64 = 0.9,
        /// How much of the second average is kept there.
        adam_beta_2: f64 = 0.999,
        /// What is added to the root there.
        epsilon: f64 = 1e-7,
        /// Patterns of the paths of matrices for which it is as [`AdamW`].
        exclude_layers: Vec<String> = Vec::new(),
        /// The factor of `x` in a step of the orthogonalization.
        muon_a: f64 = 3.4445,
        /// The factor of `x³` there.
        muon_b: f64 = -4.7750,
        /// The factor of `x⁵` there.
        muon_c: f64 = 2.0315,
        /// How many times as large the learning rate is where it is as [`AdamW`].
        adam_lr_ratio: Number = Number(1.0),
        /// The momentum of matrices.
        momentum: f64 = 0.95,
        /// The number of steps of the orthogonalization.
        ns_steps: usize = 5,
        /// Whether the momentum is that of Nesterov.
        nesterov: bool = true,
        /// Whether it is as [`AdamW`] for embeddings.
        exclude_embeddings: bool = true,
        /// The weight decay where it is as [`AdamW`].
        adam_weight_decay: Option<f64> = Some(0.004),
        /// The size of a step beside the root of the longer side, or 1 for any matrix.
        rms_rate: Option<f64> = Some(0.2),
    }
}

optimizer! {
    /// [`AdamW`] whose weights are between its own and their average, instead of a schedule.
    pub struct ScheduleFreeAdamW(0.0025, None) {
        /// How near the weights are to the average.
        beta_1: f64 = 0.9,
        /// How much of the average of squared gradients is kept.
        beta_2: f64 = 0.999,
        /// What is added to the root.
        epsilon: f64 = 1e-8,
        /// In how many steps the learning rate rises to what it is.
        warmup_steps: usize = 0,
    }
}

/// Another optimizer for a loss that is multiplied by a number which grows as long as gradients stay finite.
/// See [`LossScale`](super::LossScale).
#[derive(Clone, Debug, PartialEq)]
pub struct LossScaleOptimizer {
    /// The name.
    pub name: String,
    /// The optimizer that gets the gradients of the loss itself.
    pub inner_optimizer: Arc<Optimizer>,
    /// The number at the start.
    pub initial_scale: f64,
    /// After how many steps it is doubled.
    pub dynamic_growth_steps: usize,
}

impl LossScaleOptimizer {
    /// An optimizer around another.
    #[must_use]
    pub fn new(inner: impl Into<Optimizer>) -> Self {
        Self {
            name: snake_case("LossScaleOptimizer"),
            inner_optimizer: Arc::new(inner.into()),
            initial_scale: 32768.0,
            dynamic_growth_steps: 2000,
        }
    }

    /// The number at the start.
    #[must_use]
    pub fn initial_scale(self, initial_scale: f64) -> Self {
        Self { initial_scale, ..self }
    }

    /// After how many steps it is doubled.
    #[must_use]
    pub fn dynamic_growth_steps(self, dynamic_growth_steps: usize) -> Self {
        Self { dynamic_growth_steps, ..self }
    }
}

impl Config for LossScaleOptimizer {
    // Those of other optimizers are in older files.
    const KEYS: &'static [&'static str] = &[
        "name",
        "inner_optimizer",
        "initial_scale",
        "dynamic_growth_steps",
        "dynamic",
        "weight_decay",
        "clipnorm",
        "global_clipnorm",
        "clipvalue",
        "use_ema",
        "ema_momentum",
        "ema_overwrite_frequency",
        "loss_scale_factor",
        "gradient_accumulation_steps",
    ];

    fn read(json: &Map<String, Json>, reader: &mut Reader<'_>) -> Option<Self> {
        let default = Self::new(Optimizer::none());
        let has =
            |key: &str, usual: Json| json.get(key).is_none_or(|value| value.is_null() || *value == usual);
        let other = Self::KEYS[5..].iter().find(|key| match **key {
            "use_ema" => !has(key, false.into()),
            "ema_momentum" => !has(key, 0.99.into()),
            key => !has(key, Json::Null),
        });
        if let Some(key) = other.or_else(|| (!has("dynamic", true.into())).then_some(&"dynamic")) {
            reader.push(Error::config("belongs to the inner optimizer").at(key));
        }
        let inner = read_key::<Optimizer>(json, "inner_optimizer", None, reader);
        let inner = inner.filter(|inner| match inner.get() {
            // Keras makes no such thing.
            Ok(Some(AnyOptimizer::LossScaleOptimizer(_)) | None) => {
                reader.push(Error::config("expected an optimizer of another kind").at("inner_optimizer"));
                false
            }
            _ => true,
        });
        let scale = read_key(json, "initial_scale", Some(default.initial_scale), reader);
        let growth = read_key(json, "dynamic_growth_steps", Some(default.dynamic_growth_steps), reader);
        Some(Self {
            name: read_key(json, "name", Some(default.name), reader)?,
            inner_optimizer: Arc::new(inner?),
            initial_scale: scale?,
            dynamic_growth_steps: growth?,
        })
    }

    fn write(&self) -> Map<String, Json> {
        let keys = [
            ("name", self.name.write()),
            ("inner_optimizer", self.inner_optimizer.write()),
            ("initial_scale", self.initial_scale.write()),
            ("dynamic_growth_steps", self.dynamic_growth_steps.write()),
        ];
        keys.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
    }
}

crate::config! {
    /// Several optimizers, each for variables of its own. It is kept in files, and not trained with.
    pub struct MultiOptimizer {
        /// The optimizers, as they stand in the file.
        optimizer_map: Kept = Kept::default(),
        /// What the loss was multiplied by.
        loss_scale_factor: Option<f64> = None,
        /// The name.
        name: String = snake_case("MultiOptimizer"),
    }
}
