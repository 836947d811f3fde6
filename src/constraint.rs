//! The classes of `keras.constraints`: where the values of a variable are brought back to after each
//! step of an optimizer.

use burn::tensor::Tensor;

use crate::config::{Axes, Described, classes};
use crate::error::Result;

/// A constraint: an object of `keras.constraints`, by name or with its settings, or none.
pub type Constraint = Described<AnyConstraint>;

/// `keras.backend.epsilon()`
const EPSILON: f64 = 1e-7;

crate::config! {
    /// Shortens vectors that are longer than allowed.
    pub struct MaxNorm {
        /// The greatest length.
        max_value: f64 = 2.0,
        /// The axes along which the vectors lie.
        axis: Axes = Axes::One(0),
    }
}

crate::config! {
    /// Brings the length of vectors between two bounds.
    pub struct MinMaxNorm {
        /// The least length.
        min_value: f64 = 0.0,
        /// The greatest length.
        max_value: f64 = 1.0,
        /// How far they are brought: 1 for all the way.
        rate: f64 = 1.0,
        /// The axes along which the vectors lie.
        axis: Axes = Axes::One(0),
    }
}

crate::config! {
    /// Makes negative values zero.
    pub struct NonNeg {}
}

crate::config! {
    /// Brings vectors to the length 1.
    pub struct UnitNorm {
        /// The axes along which the vectors lie.
        axis: Axes = Axes::One(0),
    }
}

classes! {
    /// A class of `keras.constraints`.
    pub enum AnyConstraint: "constraint" of "keras.constraints" { MaxNorm, MinMaxNorm, NonNeg, UnitNorm }
}

impl Constraint {
    /// The values closest to `w`, in the sense of the constraint, that keep it. Axes are those of the
    /// Keras variable.
    ///
    /// # Errors
    /// When the constraint is not one of Keras, or has an axis that is not there.
    pub fn project<const D: usize>(&self, w: Tensor<D>) -> Result<Tensor<D>> {
        let (axis, wanted): (_, Box<dyn Fn(Tensor<D>) -> Tensor<D>>) = match self.get()? {
            None => return Ok(w),
            Some(AnyConstraint::NonNeg(_)) => return Ok(w.clamp_min(0.0)),
            Some(AnyConstraint::UnitNorm(UnitNorm { axis })) => (axis, Box::new(|norms| norms.ones_like())),
            Some(AnyConstraint::MaxNorm(MaxNorm { max_value, axis })) => {
                (axis, Box::new(|norms| norms.clamp_min(0.0).clamp_max(*max_value)))
            }
            Some(AnyConstraint::MinMaxNorm(MinMaxNorm { min_value, max_value, rate, axis })) => {
                let mixed = |norms: Tensor<D>| {
                    norms.clone().clamp_min(*min_value).clamp_max(*max_value) * *rate + norms * (1.0 - *rate)
                };
                (axis, Box::new(mixed))
            }
        };
        let axes = axis.resolve(D).map_err(|error| error.at("axis"))?;
        let norms = axes.into_iter().fold(w.clone().square(), Tensor::sum_dim).sqrt();
        Ok(w * (wanted(norms.clone()) / (norms + EPSILON)))
    }
}
