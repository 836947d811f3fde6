//! Losses as metrics: their mean over all samples, without the weights of a loss.

use super::function::mean_of;
use super::mean::Averaged;
use super::{DOWN, UP, metric};
use crate::loss::kit::squeeze_or_expand;
use crate::loss::{self, AnyLoss};
use crate::map_float;
use crate::value::Binary;

metric! {
    /// The mean of squared differences.
    pub struct MeanSquaredError("mean_squared_error", Float32, DOWN) {}
    |_| mean_of(AnyLoss::MeanSquaredError(loss::MeanSquaredError::default()))
}

metric! {
    /// The root of the mean of squared differences. Masks are not heeded.
    pub struct RootMeanSquaredError("root_mean_squared_error", Float32, DOWN) {}
    |_| Averaged::root_of(|y_true, y_pred| {
        let (y_true, y_pred) = squeeze_or_expand(y_true, y_pred)?;
        map_float!(y_pred.binary(Binary::Subtract, y_true)?, x => x.square())
    })
}

metric! {
    /// The mean of differences without their signs.
    pub struct MeanAbsoluteError("mean_absolute_error", Float32, DOWN) {}
    |_| mean_of(AnyLoss::MeanAbsoluteError(loss::MeanAbsoluteError::default()))
}

metric! {
    /// The mean of differences in percent of the target.
    pub struct MeanAbsolutePercentageError("mean_absolute_percentage_error", Float32, DOWN) {}
    |_| mean_of(AnyLoss::MeanAbsolutePercentageError(loss::MeanAbsolutePercentageError::default()))
}

metric! {
    /// The mean of squared differences of the logarithms of `1 + y`.
    pub struct MeanSquaredLogarithmicError("mean_squared_logarithmic_error", Float32, DOWN) {}
    |_| mean_of(AnyLoss::MeanSquaredLogarithmicError(loss::MeanSquaredLogarithmicError::default()))
}

metric! {
    /// The cosine of the angle between vectors: 1 where they point the same way. Keras does not write the axis.
    pub struct CosineSimilarity("cosine_similarity", Float32, UP) {
        /// The axis of the vectors.
        axis: i64 = -1,
    }
    |metric| {
        let loss = loss::CosineSimilarity { axis: metric.axis, ..Default::default() };
        let loss = AnyLoss::CosineSimilarity(loss);
        Averaged::of(move |y_true, y_pred| map_float!(loss.values(&y_true, &y_pred)?, x => -x))
    }
}

metric! {
    /// The mean of the logarithm of the hyperbolic cosine of differences.
    pub struct LogCoshError("logcosh", Float32, DOWN) {}
    |_| mean_of(AnyLoss::LogCosh(loss::LogCosh::default()))
}

metric! {
    /// The hinge loss of targets that are -1 and 1, or 0 and 1.
    pub struct Hinge("hinge", Float32, DOWN) {}
    |_| mean_of(AnyLoss::Hinge(loss::Hinge::default()))
}

metric! {
    /// The squared hinge loss of targets that are -1 and 1, or 0 and 1.
    pub struct SquaredHinge("squared_hinge", Float32, DOWN) {}
    |_| mean_of(AnyLoss::SquaredHinge(loss::SquaredHinge::default()))
}

metric! {
    /// The hinge loss of classes.
    pub struct CategoricalHinge("categorical_hinge", Float32, DOWN) {}
    |_| mean_of(AnyLoss::CategoricalHinge(loss::CategoricalHinge::default()))
}

metric! {
    /// The divergence of two distributions.
    pub struct KLDivergence("kl_divergence", Float32, DOWN) {}
    |_| mean_of(AnyLoss::KLDivergence(loss::KLDivergence::default()))
}

metric! {
    /// The Poisson loss of counts.
    pub struct Poisson("poisson", Float32, DOWN) {}
    |_| mean_of(AnyLoss::Poisson(loss::Poisson::default()))
}

metric! {
    /// The crossentropy of probabilities of what is true or false.
    pub struct BinaryCrossentropy("binary_crossentropy", Float32, DOWN) {
        /// Whether the predictions are before the sigmoid.
        from_logits: bool = false,
        /// How far targets are drawn towards 0.5.
        label_smoothing: f64 = 0.0,
    }
    |metric| mean_of(AnyLoss::BinaryCrossentropy(loss::BinaryCrossentropy {
        from_logits: metric.from_logits,
        label_smoothing: metric.label_smoothing,
        ..Default::default()
    }))
}

metric! {
    /// The crossentropy of classes, of targets of one number per class.
    pub struct CategoricalCrossentropy("categorical_crossentropy", Float32, DOWN) {
        /// Whether the predictions are before the softmax.
        from_logits: bool = false,
        /// How far targets are drawn towards all classes alike.
        label_smoothing: f64 = 0.0,
        /// The axis of the classes.
        axis: i64 = -1,
    }
    |metric| mean_of(AnyLoss::CategoricalCrossentropy(loss::CategoricalCrossentropy {
        from_logits: metric.from_logits,
        label_smoothing: metric.label_smoothing,
        axis: metric.axis,
        ..Default::default()
    }))
}

metric! {
    /// The crossentropy of classes, of targets that are the numbers of classes.
    pub struct SparseCategoricalCrossentropy("sparse_categorical_crossentropy", Float32, DOWN) {
        /// Whether the predictions are before the softmax.
        from_logits: bool = false,
        /// The class that does not count where it is true.
        ignore_class: Option<i64> = None,
        /// The axis of the classes.
        axis: i64 = -1,
    }
    |metric| mean_of(AnyLoss::SparseCategoricalCrossentropy(loss::SparseCategoricalCrossentropy {
        from_logits: metric.from_logits,
        ignore_class: metric.ignore_class,
        axis: metric.axis,
        ..Default::default()
    }))
}
