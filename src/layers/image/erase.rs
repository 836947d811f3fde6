//! `RandomErasing`: images with a hole.

use burn::tensor::{Bool, Distribution, Int, Tensor};

use super::augmentation::{Augmentation, augmentation};
use super::chance::{Factor, chosen, replace, uniform};
use super::color_range::ColorRange;
use crate::config::{Array, DataFormat};
use crate::error::{Error, Result};
use crate::initializer::Seed;

/// Rectangles, one for every image: where each starts and how long it is, along rows or columns.
pub(super) struct Side {
    pub start: Tensor<4>,
    pub length: Tensor<4>,
}

impl Side {
    /// Parts of an axis of so many pixels, somewhere on it.
    pub fn somewhere(images: &Tensor<4>, share: Tensor<4>, pixels: usize) -> Self {
        let length = share * pixels as f64;
        let start = uniform(images, (0.0, 1.0)) * (-length.clone() + pixels as f64);
        Self { start, length }
    }

    /// Which of so many pixels are on it.
    ///
    /// # Shapes
    /// - output: `[batch, 1, 1, pixels]`
    pub fn covers(&self, pixels: usize) -> Tensor<4, Bool> {
        let device = self.start.device();
        let at = Tensor::<1, Int>::arange(0..pixels as i64, &device).float().cast(self.start.dtype());
        let [batch, ..] = self.start.dims();
        let at = at.reshape([1, 1, 1, pixels]).expand([batch, 1, 1, pixels]);
        let end = (self.start.clone() + self.length.clone()).expand(at.dims());
        at.clone().greater_equal(self.start.clone().expand(at.dims())).bool_and(at.lower(end))
    }
}

/// Which pixels of images are in rectangles.
///
/// # Shapes
/// - images: `[batch, channels, height, width]`
/// - output: `[batch, channels, height, width]`
pub(super) fn inside(images: &Tensor<4>, down: &Side, across: &Side) -> Tensor<4, Bool> {
    let shape = images.dims();
    let rows = down.covers(shape[2]).swap_dims(2, 3).expand(shape);
    rows.bool_and(across.covers(shape[3]).expand(shape))
}

augmentation! {
    /// `RandomErasing`: puts noise or a color in the place of a part of images in training.
    pub struct RandomErasing {
        /// How probable that is.
        factor: Factor = Factor::Between(0.0, 1.0),
        /// How large the part is.
        scale: Factor = Factor::Between(0.02, 0.33),
        /// The color: a number, or one for each of three channels. Noise without it.
        fill_value: Option<Array> = None,
        /// The range of the colors.
        value_range: ColorRange = ColorRange::BYTES,
        /// For Keras' own random numbers.
        seed: Seed = Seed::default(),
    }
}

impl RandomErasing {
    fn color(&self, images: &Tensor<4>) -> Result<Tensor<4>> {
        let color = match &self.fill_value {
            None => images.random_like(Distribution::Normal(0.0, 1.0)) * self.value_range.1,
            Some(color) => {
                let numbers: Vec<f32> = color.numbers().iter().map(|number| *number as f32).collect();
                if numbers.len() != 1 && numbers.len() != images.dims()[1] {
                    return Err(Error::input("one color for each of three channels").at("fill_value"));
                }
                let color = Tensor::<1>::from_data(numbers.as_slice(), &images.device());
                color.reshape([1, numbers.len(), 1, 1]).expand(images.dims())
            }
        };
        Ok(self.value_range.clip(color))
    }
}

impl Augmentation for RandomErasing {
    fn format(&self) -> Option<DataFormat> {
        self.data_format
    }

    fn check(&self) -> Result<()> {
        self.factor.range("factor", 0.0, 1.0)?;
        self.scale.range("scale", 0.0, 1.0)?;
        match &self.fill_value {
            Some(color) if !matches!(color.shape(), [] | [3]) => {
                Err(Error::config("expected a number or a list of three").at("fill_value"))
            }
            Some(color) if color.shape() == [3] && self.data_format == Some(DataFormat::ChannelsFirst) => {
                Err(Error::unsupported("a color for channels that are first").at("fill_value"))
            }
            _ => Ok(()),
        }
    }

    fn augment(&self, images: Tensor<4>) -> Result<Tensor<4>> {
        let [_, _, height, width] = images.dims();
        let scale = self.scale.range("scale", 0.0, 1.0)?;
        let share = || uniform(&images, (scale.0.max(0.0), scale.1)).sqrt();
        let across = Side::somewhere(&images, share(), width);
        let down = Side::somewhere(&images, share(), height);
        let chosen = chosen(&images, self.factor.range("factor", 0.0, 1.0)?);
        let erased = images.clone().mask_where(inside(&images, &down, &across), self.color(&images)?);
        Ok(replace(images, chosen, erased))
    }
}
