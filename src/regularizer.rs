//! The classes of `keras.regularizers`: penalties on the values of variables and on what layers give.

use burn::tensor::Tensor;

use crate::config::{Described, classes};
use crate::error::{Error, Result};

/// A penalty: an object of `keras.regularizers`, by name or with its settings, or none.
///
/// ```
/// use burn_keras::regularizer::{L2, Regularizer};
///
/// let regularizer = Regularizer::from(L2 { l2: 0.25 });
/// let device = burn::tensor::Device::flex();
/// let kernel = burn::tensor::Tensor::<2>::ones([2, 5], &device) * 2.0;
/// assert_eq!(regularizer.penalty(kernel)?.into_scalar::<f32>(), 10.0);
/// # Ok::<(), burn_keras::Error>(())
/// ```
pub type Regularizer = Described<AnyRegularizer>;

crate::keywords! {
    /// Which vectors of a matrix are to be orthogonal.
    pub enum Vectors {
        /// Its rows.
        Rows = "rows",
        /// Its columns.
        Columns = "columns",
    }
}

crate::config! {
    /// `l1 · Σ|x|`
    pub struct L1 {
        /// The factor.
        l1: f64 = 0.01,
    }
}

crate::config! {
    /// `l2 · Σx²`
    pub struct L2 {
        /// The factor.
        l2: f64 = 0.01,
    }
}

crate::config! {
    /// `l1 · Σ|x| + l2 · Σx²`
    pub struct L1L2 {
        /// The factor of the magnitudes.
        l1: f64 = 0.0,
        /// The factor of the squares.
        l2: f64 = 0.0,
    }
}

crate::config! {
    /// The mean magnitude of the products of different rows or columns, all brought to the length 1.
    pub struct OrthogonalRegularizer {
        /// The factor.
        factor: f64 = 0.01,
        /// Rows or columns.
        mode: Vectors = Vectors::Rows,
    }
}

classes! {
    /// A class of `keras.regularizers`.
    pub enum AnyRegularizer: "regularizer" of "keras.regularizers" { L1, L2, L1L2, OrthogonalRegularizer }
}

impl Regularizer {
    /// The penalty on some values: a tensor of one number, through which gradients flow. Zero when there
    /// is no regularizer.
    ///
    /// # Errors
    /// When the regularizer is not one of Keras, or not for values of this rank.
    pub fn penalty<const D: usize>(&self, x: Tensor<D>) -> Result<Tensor<1>> {
        match self.get()? {
            None => Ok(Tensor::zeros([1], (&x.device(), x.dtype()))),
            Some(object) => object.penalty(x),
        }
    }
}

impl AnyRegularizer {
    fn penalty<const D: usize>(&self, x: Tensor<D>) -> Result<Tensor<1>> {
        let (l1, l2) = match self {
            Self::L1(L1 { l1 }) => (*l1, 0.0),
            Self::L2(L2 { l2 }) => (0.0, *l2),
            Self::L1L2(L1L2 { l1, l2 }) => (*l1, *l2),
            Self::OrthogonalRegularizer(object) => {
                let shape = x.dims();
                let matrix: [usize; 2] = shape.as_slice().try_into().map_err(|_| {
                    Error::config(format_args!("expected values of rank 2, got the shape {shape:?}"))
                        .at("OrthogonalRegularizer")
                })?;
                return Ok(object.penalty(x.reshape(matrix)));
            }
        };
        if let Some(factor) = [l1, l2].into_iter().find(|factor| !(factor.is_finite() && *factor >= 0.0)) {
            return Err(Error::config(format_args!("expected a non-negative number, got {factor}")));
        }
        let magnitudes = (l1 != 0.0).then(|| x.clone().abs().sum() * l1);
        let squares = (l2 != 0.0).then(|| x.clone().square().sum() * l2);
        Ok(match (magnitudes, squares) {
            (Some(magnitudes), Some(squares)) => magnitudes + squares,
            (one, other) => one.or(other).unwrap_or_else(|| Tensor::zeros([1], (&x.device(), x.dtype()))),
        })
    }
}

impl OrthogonalRegularizer {
    fn penalty(&self, x: Tensor<2>) -> Tensor<1> {
        let x = if self.mode == Vectors::Rows { x } else { x.transpose() };
        // Keras leaves a vector of zeros as it is.
        let lengths = x.clone().square().sum_dim(1).sqrt().clamp_min(1e-7);
        let x = x / lengths;
        let [count, _] = x.dims();
        let products = x.clone().matmul(x.transpose());
        let others = Tensor::<2>::eye(count, &products.device()).cast(products.dtype()) * -1.0 + 1.0;
        let pairs = count as f64 * (count as f64 - 1.0) / 2.0;
        (products * others).abs().sum() * (self.factor * 0.5) / pairs
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[test]
    fn what_is_unknown_or_does_not_fit_is_named() {
        let x = Tensor::<3>::zeros([1, 2, 3], &Device::flex());
        for (regularizer, part) in [
            (Regularizer::from("l3"), "unknown regularizer \"l3\""),
            (OrthogonalRegularizer::default().into(), "rank 2"),
            (L2 { l2: -1.0 }.into(), "non-negative"),
        ] {
            let error = regularizer.penalty(x.clone()).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
        assert_eq!(Regularizer::none().penalty(x).unwrap().into_scalar::<f32>(), 0.0);
    }
}
