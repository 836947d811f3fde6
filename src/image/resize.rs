//! Resizing images as `keras.ops.image.resize` does: pixels are squares, what is outside of the image has
//! no weight, and every output is a weighted mean along each axis.
//!
//! Burn's own interpolation uses another cubic kernel, and its gradient is missing on some backends; two
//! multiplications with matrices of weights work everywhere.

use std::f32::consts::PI;

use burn::tensor::{DType, Device, Tensor, TensorData};

use super::{Layout, saturate};
use crate::config::DataFormat;
use crate::error::{Error, Result};
use crate::layer::Spec;
use crate::layers::spatial::check_elements;
use crate::value::Value;

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
const LEAST: f32 = 1000.0 * f32::EPSILON;

impl Interpolation {
    /// The weight of a pixel at a distance.
    fn kernel(self, x: f32) -> f32 {
        match self {
            Self::Nearest => f32::from(x < 0.5),
            Self::Bilinear => (1.0 - x).max(0.0),
            Self::Bicubic if x < 1.0 => (1.5 * x - 2.5) * x * x + 1.0,
            Self::Bicubic if x < 2.0 => ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0,
            Self::Bicubic => 0.0,
            Self::Lanczos3 => lanczos(3.0, x),
            Self::Lanczos5 => lanczos(5.0, x),
        }
    }

    /// The weights `[to, from]` of the pixels along an axis.
    ///
    /// In `f32` and in the order of JAX: bytes between two others are rounded, and often lie just there.
    fn weights(self, axis: &Axis) -> Vec<f32> {
        let Axis { from, to, scale, translation, antialias } = *axis;
        let (inverse, translation) = ((1.0 / scale) as f32, translation as f32);
        let width = if antialias { inverse.max(1.0) } else { 1.0 };
        let mut weights = Vec::with_capacity(from.saturating_mul(to));
        for at in 0..to {
            let sample = (at as f32 + 0.5) * inverse - translation * inverse - 0.5;
            let inside = sample >= -0.5 && sample <= from as f32 - 0.5;
            let weight = |pixel: usize| self.kernel((sample - pixel as f32).abs() / width);
            let row: Vec<f32> = (0..from).map(weight).collect();
            let sum: f32 = row.iter().sum();
            let factor = if inside && sum.abs() > LEAST { 1.0 / sum } else { 0.0 };
            weights.extend(row.into_iter().map(|weight| weight * factor));
        }
        weights
    }
}

/// What becomes of one axis of images: pixel `x` goes to `x * scale + translation`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Axis {
    pub from: usize,
    pub to: usize,
    pub scale: f64,
    pub translation: f64,
    /// Whether an axis that gets shorter is smoothed.
    pub antialias: bool,
}

impl Axis {
    /// All of an axis in another length.
    fn whole(from: usize, to: usize, antialias: bool) -> Self {
        Self { from, to, scale: to as f64 / from as f64, translation: 0.0, antialias }
    }

    /// The matrix `[to, from]` of the weights.
    pub fn matrix(&self, interpolation: Interpolation, device: &Device) -> Tensor<2> {
        let weights = TensorData::new(interpolation.weights(self), [self.to, self.from]);
        Tensor::from_data(weights, (device, DType::F32))
    }
}

/// The pixel nearest to each place of a resized axis. JAX counts in `f32`.
fn nearest(from: usize, to: usize) -> Vec<usize> {
    let pixel = |at: usize| ((at as f32 + 0.5) * from as f32 / to as f32).floor() as usize;
    (0..to).map(|at| pixel(at).min(from.saturating_sub(1))).collect()
}

fn lanczos(radius: f32, x: f32) -> f32 {
    if x > radius {
        0.0
    } else if x > 1e-3 {
        radius * (PI * x).sin() * (PI * x / radius).sin() / (PI * PI * x * x)
    } else {
        1.0
    }
}

/// Resizes images, other than to the nearest pixels.
///
/// # Errors
/// When the lengths are too large.
///
/// # Shapes
/// - x: `[batch, channels, height, width]`
/// - output: `[batch, channels, size...]`
pub(crate) fn resize(
    x: Tensor<4>,
    size: [usize; 2],
    interpolation: Interpolation,
    antialias: bool,
) -> Result<Tensor<4>> {
    let [_, _, height, width] = x.dims();
    check_elements("weights of pixels", [height, size[0]])?;
    check_elements("weights of pixels", [width, size[1]])?;
    let matrix = |from: usize, to: usize| {
        let axis = Axis::whole(from, to, antialias);
        (from != to).then(|| axis.matrix(interpolation, &x.device()).unsqueeze::<4>())
    };
    let (rows, columns) = (matrix(height, size[0]), matrix(width, size[1]));
    let x = rows.map_or_else(|| x.clone(), |rows| rows.matmul(x.clone()));
    Ok(columns.map_or_else(|| x.clone(), |columns| x.clone().matmul(columns.swap_dims(2, 3))))
}

/// What becomes of the aspect ratio of resized images.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fit {
    /// It changes.
    Stretch,
    /// What is too long is cropped first.
    Crop,
    /// What is too short is padded first, with a number.
    Pad(f64),
}

/// How images get another size.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resize {
    pub size: [usize; 2],
    pub interpolation: Interpolation,
    pub antialias: bool,
    pub fit: Fit,
    pub format: Option<DataFormat>,
}

impl Resize {
    /// What comes of images of a shape, of the same type.
    ///
    /// # Errors
    /// When they are no images.
    pub fn output(&self, input: &Spec) -> Result<Spec> {
        if self.size.contains(&0) {
            return Err(Error::config(format_args!("cannot resize to {:?}", self.size)));
        }
        let layout = Layout::of(input, self.format)?;
        Ok(Spec::new(layout.with_lengths(input.shape.clone(), self.size.map(Some)), input.dtype))
    }

    /// Resizes images, and brings them back to their type.
    ///
    /// # Errors
    /// When they are no images, or get too large.
    pub fn apply(&self, images: Value) -> Result<Value> {
        let (layout, dtype) = (Layout::of_value(&images, self.format)?, images.dtype());
        layout.check(&layout.with_lengths(images.shape(), self.size))?;
        let images = self.fitted(images, layout)?;
        let [height, width] = layout.lengths().map(|axis| images.shape()[axis]);
        if height == 0 || width == 0 {
            return Err(Error::input("images without pixels cannot be resized"));
        }
        let resized = if self.interpolation == Interpolation::Nearest {
            let [rows, columns] = layout.lengths();
            let images = images.pick(rows, &nearest(height, self.size[0]))?;
            images.pick(columns, &nearest(width, self.size[1]))?
        } else {
            layout.give(resize(layout.take(images)?, self.size, self.interpolation, self.antialias)?)?
        };
        if resized.dtype() == dtype { Ok(resized) } else { saturate(resized, dtype) }
    }

    /// The images cropped or padded.
    fn fitted(&self, images: Value, layout: Layout) -> Result<Value> {
        let axes = layout.lengths();
        let lengths = axes.map(|axis| images.shape()[axis]);
        match self.fit {
            Fit::Stretch => Ok(images),
            Fit::Crop => {
                let window = window(lengths, self.size);
                axes.into_iter()
                    .zip(window)
                    .try_fold(images, |images, (axis, (start, length))| images.narrow(axis, start, length))
            }
            Fit::Pad(with) => {
                let [height, width] = lengths;
                let [target_height, target_width] = self.size;
                let padded = [width * target_height / target_width, height * target_width / target_height];
                let mut margins = [0, 1].map(|axis| padded[axis].saturating_sub(lengths[axis]) / 2);
                if margins[0] > 0 {
                    margins[1] = 0;
                }
                let mut pads = vec![(0, 0); images.rank()];
                for (axis, margin) in axes.into_iter().zip(margins) {
                    pads[axis] = (margin, margin);
                }
                let sizes = images.shape().into_iter().zip(&pads).map(|(size, pad)| size + pad.0 + pad.1);
                layout.check(&sizes.collect::<Vec<_>>())?;
                if pads.iter().all(|pad| *pad == (0, 0)) {
                    return Ok(images);
                }
                images.cast(DType::F32)?.pad(&pads, with)
            }
        }
    }
}

/// The largest window of images that has the aspect ratio of a size, in their middle: the start and the
/// length for rows and columns.
pub(crate) fn window([height, width]: [usize; 2], size: [usize; 2]) -> [(usize, usize); 2] {
    let rows = (width * size[0] / size[1].max(1)).min(height).max(1);
    let columns = (height * size[1] / size[0].max(1)).min(width).max(1);
    [(height.saturating_sub(rows) / 2, rows), (width.saturating_sub(columns) / 2, columns)]
}
