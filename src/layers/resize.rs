//! Resizing images as `keras.ops.image.resize` does without antialiasing: pixels are squares, what is
//! outside of the image has no weight, and every output is a weighted mean along each axis.
//!
//! Burn's own interpolation uses another cubic kernel, and its gradient is missing on some backends; two
//! multiplications with matrices of weights work everywhere.

use std::f64::consts::PI;

use burn::tensor::{Tensor, TensorData};

crate::keywords! {
    /// What is between two pixels.
    pub enum Interpolation {
        /// The nearer one.
        Nearest = "nearest",
        /// A straight line.
        Bilinear = "bilinear",
        /// Keys' cubic with a = -0.5.
        Bicubic = "bicubic",
        /// Lanczos' kernel of radius 3.
        Lanczos3 = "lanczos3",
        /// Lanczos' kernel of radius 5.
        Lanczos5 = "lanczos5",
    }
}

/// Below this, a sum of weights counts as none, as in JAX.
const LEAST: f64 = 1000.0 * f32::EPSILON as f64;

impl Interpolation {
    /// The weight of a pixel at a distance.
    fn kernel(self, x: f64) -> f64 {
        match self {
            Self::Nearest => f64::from(x <= 0.5),
            Self::Bilinear => (1.0 - x).max(0.0),
            Self::Bicubic if x < 1.0 => (1.5 * x - 2.5) * x * x + 1.0,
            Self::Bicubic if x < 2.0 => ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0,
            Self::Bicubic => 0.0,
            Self::Lanczos3 => lanczos(3.0, x),
            Self::Lanczos5 => lanczos(5.0, x),
        }
    }

    /// The weights `[to, from]` of the pixels along an axis.
    fn weights(self, from: usize, to: usize) -> Vec<f32> {
        let scale = from as f64 / to as f64;
        let mut weights = Vec::with_capacity(from * to);
        for at in 0..to {
            let center = (at as f64 + 0.5) * scale;
            // Halves go up, which a kernel cannot say.
            let sample = if self == Self::Nearest { center.floor() } else { center - 0.5 };
            let row: Vec<f64> = (0..from).map(|pixel| self.kernel((sample - pixel as f64).abs())).collect();
            let sum: f64 = row.iter().sum();
            let factor = if sum.abs() > LEAST { 1.0 / sum } else { 0.0 };
            weights.extend(row.into_iter().map(|weight| (weight * factor) as f32));
        }
        weights
    }
}

fn lanczos(radius: f64, x: f64) -> f64 {
    if x > radius {
        0.0
    } else if x > 1e-3 {
        radius * (PI * x).sin() * (PI * x / radius).sin() / (PI * x).powi(2)
    } else {
        1.0
    }
}

/// Resizes images.
///
/// # Shapes
/// - x: `[batch, channels, height, width]`
/// - output: `[batch, channels, size...]`
pub(super) fn resize(x: Tensor<4>, size: [usize; 2], interpolation: Interpolation) -> Tensor<4> {
    let [_, _, height, width] = x.dims();
    let matrix = |from: usize, to: usize| {
        let weights = TensorData::new(interpolation.weights(from, to), [1, 1, to, from]);
        Tensor::<4>::from_data(weights, (&x.device(), x.dtype()))
    };
    let rows = (size[0] != height).then(|| matrix(height, size[0]));
    let columns = (size[1] != width).then(|| matrix(width, size[1]).swap_dims(2, 3));
    let x = rows.map_or_else(|| x.clone(), |rows| rows.matmul(x.clone()));
    columns.map_or_else(|| x.clone(), |columns| x.clone().matmul(columns))
}
