//! The classes of `keras.losses`: how far predictions are from what they should be.
//!
//! ```
//! use burn_keras::Value;
//! use burn_keras::loss::{Huber, Loss};
//!
//! let device = burn::tensor::Device::flex();
//! let y_true = Value::from(burn::tensor::Tensor::<2>::zeros([4, 3], &device));
//! let y_pred = Value::from(burn::tensor::Tensor::<2>::ones([4, 3], &device) * 2.0);
//!
//! let loss = Loss::from(Huber { delta: 0.5, ..Default::default() });
//! let value = loss.call(&y_true, &y_pred, None)?;
//! assert_eq!(value.reshape(&[1])?.float::<1>()?.into_scalar::<f32>(), 0.875);
//! # Ok::<(), burn_keras::Error>(())
//! ```

mod circle;
mod compile;
mod crossentropy;
mod ctc;
mod custom;
mod hinge;
pub(crate) mod kit;
mod overlap;
mod reduction;
mod regression;
mod targets;

pub use circle::Circle;
pub use compile::{CompileLoss, Losses};
pub use crossentropy::{
    BinaryCrossentropy, BinaryFocalCrossentropy, CategoricalCrossentropy, CategoricalFocalCrossentropy,
    CategoricalGeneralizedCrossEntropy, KLDivergence, Poisson, SparseCategoricalCrossentropy,
};
pub use ctc::CTC;
pub use custom::{Custom, CustomLoss};
pub use hinge::{CategoricalHinge, Hinge, SquaredHinge};
pub use overlap::{Dice, Tversky};
pub use reduction::Reduction;
pub use regression::{
    CosineSimilarity, Huber, LogCosh, MeanAbsoluteError, MeanAbsolutePercentageError, MeanSquaredError,
    MeanSquaredLogarithmicError,
};
pub use targets::class_weights;

use crate::config::{Described, Field, Json, brief, classes};
use crate::error::{Error, Result};
use crate::value::Value;
use kit::{as_float, as_float_beside, squeeze_or_expand};

/// A loss: an object of `keras.losses`, by name or with its settings, or none.
///
/// All that a saved file may have in its place is read: a class, a function, or one of Keras' short names.
pub type Loss = Described<AnyLoss>;

/// Declares a loss: a [`config!`](crate::config!) with the settings that all have, and Keras' name for it.
macro_rules! loss {
    ($(#[$meta:meta])* pub struct $class:ident = $called:literal { $($fields:tt)* }) => {
        $crate::config! {
            $(#[$meta])*
            pub struct $class {
                /// Its name.
                name: String = $called.to_owned(),
                /// How the losses of examples become one.
                reduction: $crate::loss::Reduction = $crate::loss::Reduction::SumOverBatchSize,
                $($fields)*
            }
        }
    };
}
use loss;

/// Declares the class with an [`Objective`] for each, and what to look up in any of them.
macro_rules! losses {
    ($($class:ident $(| $alias:literal)*),+ $(,)?) => {
        classes! {
            /// A class of `keras.losses`.
            pub enum AnyLoss: "loss" of "keras.losses" { $($class $(| $alias)*),+ }
        }

        impl AnyLoss {
            /// How the losses of examples become one.
            #[must_use]
            pub fn reduction(&self) -> Reduction {
                match self { $(Self::$class(loss) => loss.reduction,)+ }
            }

            /// Keras' name of this loss.
            #[must_use]
            pub fn name(&self) -> &str {
                match self { $(Self::$class(loss) => &loss.name,)+ }
            }

            fn objective(&self) -> &dyn Objective {
                match self { $(Self::$class(loss) => loss,)+ }
            }
        }
    };
}

losses! {
    BinaryCrossentropy | "bce" | "BCE",
    BinaryFocalCrossentropy,
    CategoricalCrossentropy,
    CategoricalFocalCrossentropy,
    CategoricalGeneralizedCrossEntropy,
    CategoricalHinge,
    Circle,
    CosineSimilarity,
    CTC,
    Dice,
    Hinge,
    Huber,
    KLDivergence | "kld" | "KLD",
    LogCosh,
    MeanAbsoluteError | "mae" | "MAE",
    MeanAbsolutePercentageError | "mape" | "MAPE",
    MeanSquaredError | "mse" | "MSE",
    MeanSquaredLogarithmicError | "msle" | "MSLE",
    Poisson,
    SparseCategoricalCrossentropy,
    SquaredHinge,
    Tversky,
}

impl Loss {
    /// The loss of predictions: a value without axes, through which gradients flow to `y_pred`, or with
    /// the reduction `none` the losses of examples.
    ///
    /// `y_pred` may have a mask: what it leaves out does not count.
    ///
    /// # Errors
    /// When there is no loss, it is not one of Keras, or it is not for values of these shapes.
    pub fn call(&self, y_true: &Value, y_pred: &Value, sample_weight: Option<&Value>) -> Result<Value> {
        let loss = self.known()?;
        let values = loss.values(y_true, y_pred).map_err(|error| error.at(loss.name()))?;
        let reduced = reduction::weighted(values, y_pred.mask(), sample_weight, loss.reduction());
        reduced.map_err(|error| error.at(loss.name()))
    }

    /// The loss itself.
    ///
    /// # Errors
    /// When there is none, or it is not one of Keras, or computes with 16 bits.
    pub fn known(&self) -> Result<&AnyLoss> {
        let loss = self.get()?.ok_or_else(|| Error::config("expected a loss, got none"))?;
        match narrow_dtype(&self.write()) {
            Some(dtype) => Err(Error::unsupported(format_args!("losses in {dtype}")).at(loss.name())),
            None => Ok(loss),
        }
    }
}

/// The type that a loss is told to compute in, where it is another than ours. Keras reads the setting, and
/// does not write it.
fn narrow_dtype(loss: &Json) -> Option<String> {
    let dtype = loss.pointer("/config/dtype").filter(|dtype| !dtype.is_null())?;
    let name = dtype.as_str().or_else(|| dtype.pointer("/config/name")?.as_str());
    (!name.is_some_and(|name| ["float32", "float64"].contains(&name))).then(|| brief(dtype))
}

/// What a class of losses computes.
trait Objective {
    /// The losses of examples, and perhaps a mask of those that count.
    ///
    /// `y_true` and `y_pred` are floats in the order of their shapes, and have values; where their ranks differ
    /// by one, Keras' rule of the last axis has been applied.
    fn values(&self, y_true: Value, y_pred: Value) -> Result<Value>;
}

impl AnyLoss {
    /// The losses of examples, before weights and reduction; the value's mask says which of them count,
    /// when not all do.
    ///
    /// # Errors
    /// When the loss is not for values of these shapes.
    pub fn values(&self, y_true: &Value, y_pred: &Value) -> Result<Value> {
        let y_true = as_float_beside(y_pred, y_true, "y_true")?;
        let (y_true, y_pred) = squeeze_or_expand(y_true, as_float(y_pred, "y_pred")?)?;
        self.objective().values(y_true, y_pred)
    }
}
