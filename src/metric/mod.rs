//! The metrics of `keras.metrics`.
//!
//! A [`Metric`] is what a file says of a metric; a [`RunningMetric`] is one at work. [`CompileMetrics`] are
//! those of a whole model, under the names that Keras prints.
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use burn_keras::Value;
//! use burn_keras::metric::{Metric, Numbers};
//!
//! let device = Device::flex();
//! let y_true = Value::from(Tensor::<2>::from_floats([[1.0], [0.0], [1.0]], &device));
//! let y_pred = Value::from(Tensor::<2>::from_floats([[0.9], [0.6], [0.2]], &device));
//! let mut metric = Metric::from("binary_accuracy").start()?;
//! metric.update(&y_true, &y_pred, None)?;
//! assert!(matches!(metric.result()?, Numbers::One(third) if (third - 1.0 / 3.0).abs() < 1e-6));
//! # Ok::<(), burn_keras::Error>(())
//! ```

mod accuracy;
mod auc;
mod compile;
mod confusion;
mod correlation;
mod custom;
mod dashboard;
mod f_score;
mod function;
mod iou;
mod kit;
mod mean;
mod r2;
mod regression;
mod running;
mod sensitivity;

pub use accuracy::{
    Accuracy, BinaryAccuracy, CategoricalAccuracy, SparseCategoricalAccuracy, SparseTopKCategoricalAccuracy,
    TopKCategoricalAccuracy,
};
pub use auc::{AUC, Curve, Summation};
pub use compile::{CompileMetrics, LossTracker};
pub use confusion::{
    FalseNegatives, FalsePositives, Precision, Recall, Thresholds, TrueNegatives, TruePositives,
};
pub use correlation::{ConcordanceCorrelation, PearsonCorrelation};
pub use custom::CustomMetrics;
pub use dashboard::{KerasMetric, KerasMetricInput};
pub use f_score::{Average, F1Score, FBetaScore};
pub use iou::{BinaryIoU, IoU, MeanIoU, OneHotIoU, OneHotMeanIoU};
pub use mean::{Mean, MeanMetricWrapper, Sum};
pub use r2::{Aggregation, R2Score};
pub use regression::{
    BinaryCrossentropy, CategoricalCrossentropy, CategoricalHinge, CosineSimilarity, Hinge, KLDivergence,
    LogCoshError, MeanAbsoluteError, MeanAbsolutePercentageError, MeanSquaredError,
    MeanSquaredLogarithmicError, Poisson, RootMeanSquaredError, SparseCategoricalCrossentropy, SquaredHinge,
};
pub use running::{Numbers, RunningMetric, Tally};
pub use sensitivity::{
    PrecisionAtRecall, RecallAtPrecision, SensitivityAtSpecificity, SpecificityAtSensitivity,
};

use std::sync::Arc;

use crate::callback::Direction;
use crate::config::{Class, Described, Dtype, classes, snake_case};
use crate::error::{Error, Result};

/// A metric: an object of `keras.metrics`, by name or with its settings, or none.
///
/// ```
/// use burn_keras::metric::{AUC, Metric};
///
/// let metric = Metric::from(AUC { num_thresholds: 50, ..AUC::default() });
/// assert_eq!(metric, Metric::of(&burn_keras::config::Field::write(&metric)));
/// ```
pub type Metric = Described<AnyMetric>;

/// Declares a metric like [`config!`](crate::config!): its name by default, what it counts in, what is
/// better, and the keys that only it has. `tally` makes its [`Tally`].
macro_rules! metric {
    (
        $(#[$meta:meta])*
        pub struct $class:ident($name:literal, $dtype:ident, $direction:expr) { $($fields:tt)* }
        $tally:expr
    ) => {
        $crate::config! {
            $(#[$meta])*
            pub struct $class {
                /// Its name, as in the logs.
                name: Option<String> = Some($name.to_owned()),
                /// The type that it counts in.
                dtype: Option<$crate::config::Dtype> = Some($crate::config::Dtype::$dtype),
                $($fields)*
            }
        }

        impl $crate::metric::Settings for $class {
            fn given_name(&self) -> Option<&str> {
                self.name.as_deref()
            }

            fn given_dtype(&self) -> Option<$crate::config::Dtype> {
                self.dtype
            }

            fn direction(&self) -> Option<$crate::callback::Direction> {
                $direction
            }

            fn tally(
                &self,
                _: &$crate::metric::CustomMetrics,
            ) -> $crate::Result<std::sync::Arc<dyn $crate::metric::Tally>> {
                let tally: fn(&Self) -> $crate::Result<std::sync::Arc<dyn $crate::metric::Tally>> = $tally;
                tally(self)
            }
        }
    };
}
use metric;

/// More is better.
const UP: Option<Direction> = Some(Direction::Up);
/// Less is better.
const DOWN: Option<Direction> = Some(Direction::Down);

macro_rules! metrics {
    ($($class:ident $(| $alias:literal)*),+ $(,)?) => {
        classes! {
            /// A class of `keras.metrics`.
            pub enum AnyMetric: "metric" of "keras.metrics" around "MeanMetricWrapper" { $($class $(| $alias)*),+ }
        }

        impl AnyMetric {
            fn settings(&self) -> &dyn Settings {
                match self { $(Self::$class(object) => object,)+ }
            }
        }
    };
}

metrics! {
    Mean,
    Sum,
    MeanMetricWrapper,
    MeanSquaredError | "mse" | "MSE",
    RootMeanSquaredError,
    MeanAbsoluteError | "mae" | "MAE",
    MeanAbsolutePercentageError | "mape" | "MAPE",
    MeanSquaredLogarithmicError | "msle" | "MSLE",
    CosineSimilarity,
    LogCoshError,
    R2Score,
    AUC,
    FalseNegatives,
    FalsePositives,
    Precision,
    PrecisionAtRecall,
    Recall,
    RecallAtPrecision,
    SensitivityAtSpecificity,
    SpecificityAtSensitivity,
    TrueNegatives,
    TruePositives,
    ConcordanceCorrelation,
    PearsonCorrelation,
    Hinge,
    SquaredHinge,
    CategoricalHinge,
    KLDivergence,
    Poisson,
    BinaryCrossentropy | "bce" | "BCE",
    CategoricalCrossentropy,
    SparseCategoricalCrossentropy,
    Accuracy,
    BinaryAccuracy,
    CategoricalAccuracy,
    SparseCategoricalAccuracy,
    TopKCategoricalAccuracy,
    SparseTopKCategoricalAccuracy,
    F1Score,
    FBetaScore,
    IoU,
    BinaryIoU,
    MeanIoU,
    OneHotIoU,
    OneHotMeanIoU,
}

/// What every class of metrics can say of itself. `metric!` writes the first half.
trait Settings {
    /// The name that it was given.
    fn given_name(&self) -> Option<&str>;

    /// The type that it was given.
    fn given_dtype(&self) -> Option<Dtype>;

    /// What is better, where Keras knows it.
    fn direction(&self) -> Option<Direction>;

    /// What it counts, if its settings are those of a metric.
    fn tally(&self, custom: &CustomMetrics) -> Result<Arc<dyn Tally>>;
}

impl AnyMetric {
    /// Its name in the logs.
    #[must_use]
    pub fn name(&self) -> String {
        self.settings().given_name().map_or_else(|| snake_case(self.class()), str::to_owned)
    }

    /// What is better, where Keras knows it.
    #[must_use]
    pub fn direction(&self) -> Option<Direction> {
        self.settings().direction()
    }

    /// The metric at work.
    ///
    /// # Errors
    /// When its settings are not those of a metric, or it counts in a type that is not kept here.
    pub fn start(&self, custom: &CustomMetrics) -> Result<RunningMetric> {
        let started = self.check_dtype().and_then(|()| self.settings().tally(custom));
        started.map(RunningMetric::new).map_err(|error| error.at(self.class()))
    }

    /// Keras would sum in 16 bits, or wrap around; those numbers are not worth having.
    fn check_dtype(&self) -> Result<()> {
        use Dtype::{Float32, Float64, Int32, Int64};
        let is_matrix = matches!(
            self,
            Self::IoU(_)
                | Self::BinaryIoU(_)
                | Self::MeanIoU(_)
                | Self::OneHotIoU(_)
                | Self::OneHotMeanIoU(_)
        );
        match self.settings().given_dtype() {
            None | Some(Float32 | Float64) => Ok(()),
            Some(Int32 | Int64) if is_matrix => Ok(()),
            Some(other) => Err(Error::unsupported(format_args!("counting in {other}")).at("dtype")),
        }
    }
}

impl Metric {
    /// The metric at work.
    ///
    /// # Errors
    /// When there is none, it is not one of Keras, or its settings are not those of a metric.
    pub fn start(&self) -> Result<RunningMetric> {
        let metric = self.get()?.ok_or_else(|| Error::config("expected a metric, got none"))?;
        metric.start(&CustomMetrics::default())
    }

    /// What is better, where Keras knows it.
    ///
    /// # Errors
    /// When it is not one of Keras.
    pub fn direction(&self) -> Result<Option<Direction>> {
        Ok(self.get()?.and_then(AnyMetric::direction))
    }
}
