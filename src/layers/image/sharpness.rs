//! `RandomSharpness` and `RandomGaussianBlur`: images that get clearer or less clear.

use burn::tensor::Tensor;
use rand::RngExt;

use super::augmentation::{Augmentation, augmentation};
use super::chance::{Factor, chosen, generator, replace, uniform};
use super::color_range::ColorRange;
use crate::config::{DataFormat, PerAxis};
use crate::error::{Error, Result};
use crate::image::filter::Kernel;
use crate::initializer::Seed;

augmentation! {
    /// `RandomSharpness`: makes images less or more different from smoothed ones in training.
    pub struct RandomSharpness {
        /// From 0, smoothed, over 0.5, unchanged, to 1, sharp.
        factor: Factor,
        /// The range of the colors.
        value_range: ColorRange = ColorRange::BYTES,
        /// For Keras' own random numbers.
        seed: Seed = Seed::default(),
    }
}

impl Augmentation for RandomSharpness {
    fn format(&self) -> Option<DataFormat> {
        self.data_format
    }

    fn check(&self) -> Result<()> {
        self.factor.range("factor", 0.0, 1.0).map(drop)
    }

    fn augment(&self, images: Tensor<4>) -> Result<Tensor<4>> {
        let smoothness = -(uniform(&images, self.factor.range("factor", 0.0, 1.0)?) * 2.0) + 1.0;
        let mut weights = vec![1.0 / 13.0; 9];
        weights[4] = 5.0 / 13.0;
        let smooth = Kernel { weights, size: [3, 3] }.around(images.clone());
        Ok(self.value_range.sorted().clip(images.clone() + smoothness * (smooth - images)))
    }
}

augmentation! {
    /// `RandomGaussianBlur`: smooths images in training.
    pub struct RandomGaussianBlur {
        /// How probable that is.
        factor: Factor = Factor::Between(0.0, 1.0),
        /// How wide and how high the window is.
        kernel_size: PerAxis = PerAxis::One(3),
        /// How wide the bell curve is.
        sigma: Factor = Factor::Around(1.0),
        /// The range of the colors.
        value_range: ColorRange = ColorRange::BYTES,
        /// For Keras' own random numbers.
        seed: Seed = Seed::default(),
    }
}

impl RandomGaussianBlur {
    fn size(&self) -> Result<[usize; 2]> {
        match self.kernel_size.numbers(2).map_err(|error| error.at("kernel_size"))?.as_slice() {
            [width, height] if width % 2 == 1 && height % 2 == 1 => Ok([*height, *width]),
            sizes => {
                Err(Error::config(format_args!("expected odd numbers, got {sizes:?}")).at("kernel_size"))
            }
        }
    }
}

impl Augmentation for RandomGaussianBlur {
    fn format(&self) -> Option<DataFormat> {
        self.data_format
    }

    fn check(&self) -> Result<()> {
        crate::layers::spatial::check_elements("elements of a kernel", self.size()?)?;
        self.factor.range("factor", 0.0, 1.0)?;
        self.sigma.range("sigma", 0.0, 1.0).map(drop)
    }

    fn augment(&self, images: Tensor<4>) -> Result<Tensor<4>> {
        let (low, high) = self.sigma.range("sigma", 0.0, 1.0)?;
        let mut generator = generator(&images.device());
        let sigma = [0, 1].map(|_| low + (high - low) * generator.random::<f64>() + 1e-6);
        let blurred = Kernel::gaussian(self.size()?, sigma).around(images.clone());
        let chosen = chosen(&images, self.factor.range("factor", 0.0, 1.0)?);
        Ok(self.value_range.clip(replace(images, chosen, blurred)))
    }
}
