//! Filters: images as weighted sums of the pixels around each.

use burn::tensor::ops::{ConvOptions, PadMode};
use burn::tensor::{DType, Device, Tensor, TensorData, module};

/// A window of weights, row by row.
#[derive(Clone, Debug)]
pub(crate) struct Kernel {
    pub weights: Vec<f32>,
    pub size: [usize; 2],
}

impl Kernel {
    /// The product of weights along columns and along rows.
    fn outer(column: &[f64], row: &[f64]) -> Self {
        let weights = column.iter().flat_map(|a| row.iter().map(move |b| (a * b) as f32));
        Self { weights: weights.collect(), size: [column.len(), row.len()] }
    }

    /// A bell curve in both directions: heights and widths, and how wide the curves are.
    pub fn gaussian(size: [usize; 2], sigma: [f64; 2]) -> Self {
        let [rows, columns] = [0, 1].map(|axis| bell(size[axis], sigma[axis]));
        Self::outer(&rows, &columns)
    }

    fn tensor(&self, device: &Device) -> Tensor<4> {
        let [height, width] = self.size;
        let data = TensorData::new(self.weights.clone(), [1, 1, height, width]);
        Tensor::from_data(data, (device, DType::F32))
    }

    /// The weighted sums at every place where the kernel fits.
    ///
    /// # Shapes
    /// - x: `[batch, channels, height, width]`
    /// - output: `[batch, channels, rows, columns]`
    pub fn inside(&self, x: Tensor<4>) -> Tensor<4> {
        let [batch, channels, height, width] = x.dims();
        let x = x.reshape([batch * channels, 1, height, width]);
        let y = module::conv2d(
            x.clone(),
            self.tensor(&x.device()),
            None,
            ConvOptions::new([1; 2], [0; 2], [1; 2], 1),
        );
        let [_, _, rows, columns] = y.dims();
        y.reshape([batch, channels, rows, columns])
    }

    /// The weighted sums around every pixel, with zeros outside of the image.
    ///
    /// # Shapes
    /// - x: `[batch, channels, height, width]`
    /// - output: `[batch, channels, height, width]`
    pub fn around(&self, x: Tensor<4>) -> Tensor<4> {
        let pads = self.size.map(|size| ((size - 1) / 2, size / 2));
        self.inside(x.pad(pads, PadMode::Constant(0.0)))
    }
}

/// Weights of a bell curve, their sum 1.
fn bell(size: usize, sigma: f64) -> Vec<f64> {
    let center = (size as f64 - 1.0) / 2.0;
    let weights: Vec<f64> =
        (0..size).map(|at| (-0.5 * ((at as f64 - center) / sigma).powi(2)).exp()).collect();
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / sum).collect()
}

/// How much brighter it gets downwards and to the right.
///
/// # Shapes
/// - x: `[batch, channels, height, width]`
/// - outputs: twice the same
pub(crate) fn sobel(x: Tensor<4>) -> [Tensor<4>; 2] {
    let (smooth, slope) = ([1.0, 2.0, 1.0], [-1.0, 0.0, 1.0]);
    [Kernel::outer(&slope, &smooth).around(x.clone()), Kernel::outer(&smooth, &slope).around(x)]
}

/// The numbers of the structural similarity of images.
#[derive(Clone, Debug)]
pub(crate) struct Similarity {
    pub window: Kernel,
    /// What keeps the comparison of means from dividing by zero.
    pub least_mean: f64,
    /// What keeps the comparison of variances from dividing by zero.
    pub least_variance: f64,
}

impl Similarity {
    /// How similar two images are.
    ///
    /// # Shapes
    /// - a, b: `[batch, channels, height, width]`
    /// - output: `[batch]`
    pub fn of(&self, a: Tensor<4>, b: Tensor<4>) -> Tensor<1> {
        let mean = |x: Tensor<4>| self.window.inside(x);
        let (mean_a, mean_b) = (mean(a.clone()), mean(b.clone()));
        let (square_a, square_b) = (mean_a.clone().square(), mean_b.clone().square());
        let product = mean_a * mean_b;
        let variance_a = mean(a.clone() * a.clone()) - square_a.clone();
        let variance_b = mean(b.clone() * b.clone()) - square_b.clone();
        let covariance = mean(a * b) - product.clone();
        let above = (product * 2.0 + self.least_mean) * (covariance * 2.0 + self.least_variance);
        let below = (square_a + square_b + self.least_mean) * (variance_a + variance_b + self.least_variance);
        let [batch, ..] = above.dims();
        (above / below).reshape([batch as i32, -1]).mean_dim(1).reshape([batch])
    }
}
