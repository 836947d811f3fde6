//! `RandomPerspective` and `RandomElasticTransform`: images that are no longer flat.

use burn::tensor::{Distribution, Tensor, TensorData};
use rand::RngExt;

use super::augmentation::{Augmentation, augmentation};
use super::chance::{Factor, chosen, generator, replace};
use super::color_range::ColorRange;
use crate::config::DataFormat;
use crate::error::{Error, Result};
use crate::image::filter::Kernel;
use crate::image::sample::{Continuation, FillMode, Sampling, homography};
use crate::initializer::Seed;

augmentation! {
    /// `RandomPerspective`: moves the corners of images in training.
    pub struct RandomPerspective {
        /// How probable that is.
        factor: Factor = Factor::Between(0.0, 1.0),
        /// How far the corners move.
        scale: f64 = 1.0,
        /// What is between two pixels.
        interpolation: Sampling = Sampling::Bilinear,
        /// What is outside of an image.
        fill_value: f64 = 0.0,
        /// For Keras' own random numbers.
        seed: Seed = Seed::default(),
    }
}

impl Augmentation for RandomPerspective {
    fn format(&self) -> Option<DataFormat> {
        self.data_format
    }

    fn check(&self) -> Result<()> {
        self.factor.range("factor", 0.0, 1.0)?;
        match (0.0..=1.0).contains(&self.scale) {
            true => Ok(()),
            false => Err(Error::config(format_args!("expected 0 to 1, got {}", self.scale)).at("scale")),
        }
    }

    fn augment(&self, images: Tensor<4>) -> Result<Tensor<4>> {
        let [batch, _, height, width] = images.dims();
        let (right, bottom) = (width as f64 - 1.0, height as f64 - 1.0);
        let corners = [[0.0, 0.0], [right, 0.0], [0.0, bottom], [right, bottom]];
        let mut generator = generator(&images.device());
        let mut transforms = Vec::with_capacity(batch * 8);
        for _ in 0..batch {
            let moved = corners
                .map(|corner| corner.map(|at| at * (1.0 + self.scale * (generator.random::<f64>() - 0.5))));
            let unmoved = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0];
            transforms.extend(homography(&corners, &moved).unwrap_or(unmoved));
        }
        let transforms = Tensor::from_data(TensorData::new(transforms, [batch, 8]), &images.device());
        let outside =
            Continuation { sampling: self.interpolation, mode: FillMode::Constant, value: self.fill_value };
        let chosen = chosen(&images, self.factor.range("factor", 0.0, 1.0)?);
        Ok(replace(images.clone(), chosen, outside.project(images, transforms)))
    }
}

augmentation! {
    /// `RandomElasticTransform`: moves neighboring pixels about alike in training.
    pub struct RandomElasticTransform {
        /// How probable that is.
        factor: Factor = Factor::Between(0.0, 1.0),
        /// How far the pixels move.
        scale: Factor = Factor::Between(0.0, 1.0),
        /// What is between two pixels.
        interpolation: Sampling = Sampling::Bilinear,
        /// What is outside of an image.
        fill_mode: FillMode = FillMode::Reflect,
        /// What is outside of an image for the mode `constant`.
        fill_value: f64 = 0.0,
        /// The range of the colors.
        value_range: ColorRange = ColorRange::BYTES,
        /// For Keras' own random numbers.
        seed: Seed = Seed::default(),
    }
}

impl Augmentation for RandomElasticTransform {
    fn format(&self) -> Option<DataFormat> {
        self.data_format
    }

    fn check(&self) -> Result<()> {
        self.factor.range("factor", 0.0, 1.0)?;
        self.scale.range("scale", 0.0, 1.0).map(drop)
    }

    fn augment(&self, images: Tensor<4>) -> Result<Tensor<4>> {
        let probability = self.factor.range("factor", 0.0, 1.0)?;
        let (low, high) = self.scale.range("scale", 0.0, 1.0)?;
        let device = images.device();
        let scale = low + (high - low) * generator(&device).random::<f64>();
        let [batch, _, height, width] = images.dims();
        let (reach, sigma) =
            (0.1 * scale * height.max(width) as f64, 0.05 * scale * height.min(width) as f64);
        if probability.1 <= 0.0 || sigma <= 0.0 {
            return Ok(images);
        }
        // Keras draws rows and columns from one state of its generator: they move alike.
        let noise = Tensor::random([batch, 1, height, width], Distribution::Normal(0.0, sigma), &device);
        let size = (6.0 * sigma) as usize | 1;
        let moved = Kernel::gaussian([size, size], [sigma, sigma]).around(noise) * reach;
        let outside =
            Continuation { sampling: self.interpolation, mode: self.fill_mode, value: self.fill_value };
        let chosen = chosen(&images, probability);
        let distorted = outside.displace(images.clone(), moved.clone(), moved);
        Ok(self.value_range.clip(replace(images, chosen, distorted)))
    }
}
