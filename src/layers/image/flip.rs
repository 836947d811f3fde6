//! `RandomFlip`: images seen in a mirror.

use burn::tensor::Tensor;

use super::augmentation::{Augmentation, augmentation};
use super::chance::{replace, uniform};
use crate::config::DataFormat;
use crate::error::Result;
use crate::initializer::Seed;

crate::keywords! {
    /// How images are mirrored.
    pub enum FlipMode {
        /// Left and right.
        Horizontal = "horizontal",
        /// Top and bottom.
        Vertical = "vertical",
        /// Both at once.
        Both = "horizontal_and_vertical",
    }
}

augmentation! {
    /// `RandomFlip`: mirrors half of the images in training.
    pub struct RandomFlip {
        /// How.
        mode: FlipMode = FlipMode::Both,
        /// For Keras' own random numbers.
        seed: Seed = Seed::default(),
    }
}

impl Augmentation for RandomFlip {
    fn format(&self) -> Option<DataFormat> {
        self.data_format
    }

    fn augment(&self, images: Tensor<4>) -> Result<Tensor<4>> {
        let chosen = uniform(&images, (0.0, 1.0)).lower_equal_elem(0.5);
        let flipped = match self.mode {
            FlipMode::Horizontal => images.clone().flip([3]),
            FlipMode::Vertical => images.clone().flip([2]),
            FlipMode::Both => images.clone().flip([2, 3]),
        };
        Ok(replace(images, chosen, flipped))
    }
}
