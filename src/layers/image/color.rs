//! Random changes of colors.

use burn::tensor::Tensor;

use super::augmentation::{Augmentation, augmentation};
use super::chance::{Factor, chosen, replace, sign, uniform};
use super::color_range::ColorRange;
use crate::config::{DataFormat, Kept};
use crate::error::{Error, Result};
use crate::image::color::{grayscale, hsv_to_rgb, rgb_to_hsv};
use crate::initializer::Seed;

/// Keras' number that keeps a division from having no result.
const LEAST: f64 = 1e-7;

fn expect_channels(images: &Tensor<4>, expected: &[usize]) -> Result<()> {
    let channels = images.dims()[1];
    match expected.contains(&channels) {
        true => Ok(()),
        false => Err(Error::input(format_args!("expected {expected:?} channels, got {channels}"))),
    }
}

augmentation! {
    /// `RandomBrightness`: makes images brighter or darker in training.
    pub struct RandomBrightness {
        /// How much, as a part of the range of the colors.
        factor: Factor,
        /// The range of the colors.
        value_range: ColorRange = ColorRange::BYTES,
        /// For Keras' own random numbers.
        seed: Seed = Seed::default(),
    }
}

impl Augmentation for RandomBrightness {
    fn casts(&self) -> bool {
        false
    }

    fn format(&self) -> Option<DataFormat> {
        self.data_format
    }

    fn check(&self) -> Result<()> {
        self.factor.range("factor", -1.0, 1.0).map(drop)
    }

    fn augment(&self, images: Tensor<4>) -> Result<Tensor<4>> {
        let range = self.value_range.sorted();
        let change = uniform(&images, self.factor.range("factor", -1.0, 1.0)?) * range.width();
        Ok(range.clip(images + change))
    }
}

augmentation! {
    /// `RandomContrast`: brings colors closer to the mean of their channel or away from it in training.
    pub struct RandomContrast {
        /// How much closer and how much away.
        factor: Factor,
        /// The range of the colors.
        value_range: ColorRange = ColorRange::BYTES,
        /// For Keras' own random numbers.
        seed: Seed = Seed::default(),
    }
}

impl Augmentation for RandomContrast {
    fn casts(&self) -> bool {
        false
    }

    fn format(&self) -> Option<DataFormat> {
        self.data_format
    }

    fn check(&self) -> Result<()> {
        self.factor.range("factor", 0.0, 1.0).map(drop)
    }

    fn augment(&self, images: Tensor<4>) -> Result<Tensor<4>> {
        let (closer, away) = self.factor.range("factor", 0.0, 1.0)?;
        let factor = uniform(&images, (1.0 - closer, 1.0 + away));
        let mean = images.clone().mean_dim(2).mean_dim(3);
        Ok(self.value_range.clip((images - mean.clone()) * factor + mean))
    }
}

augmentation! {
    /// `RandomHue`: turns the circle of colors in training.
    pub struct RandomHue {
        /// How far either way, in halves of the circle.
        factor: Factor,
        /// The range of the colors.
        value_range: ColorRange = ColorRange::BYTES,
        /// For Keras' own random numbers.
        seed: Seed = Seed::default(),
    }
}

impl Augmentation for RandomHue {
    fn casts(&self) -> bool {
        false
    }

    fn format(&self) -> Option<DataFormat> {
        self.data_format
    }

    fn check(&self) -> Result<()> {
        self.factor.range("factor", 0.0, 1.0).map(drop)
    }

    fn augment(&self, images: Tensor<4>) -> Result<Tensor<4>> {
        expect_channels(&images, &[3])?;
        let turn = sign(&images) * uniform(&images, self.factor.range("factor", 0.0, 1.0)?) * 0.5;
        let hsv = rgb_to_hsv(self.value_range.to(images, ColorRange::UNIT));
        let hue = hsv.clone().narrow(1, 0, 1) + turn;
        let over = hue.clone().greater_elem(1.0).float();
        let under = hue.clone().lower_elem(0.0).float();
        let hsv = Tensor::cat(vec![hue - over + under, hsv.narrow(1, 1, 2)], 1);
        Ok(ColorRange::UNIT.to(ColorRange::UNIT.clip(hsv_to_rgb(hsv)), self.value_range))
    }
}

augmentation! {
    /// `RandomSaturation`: makes colors paler or fuller in training.
    pub struct RandomSaturation {
        /// From 0, gray, over 0.5, unchanged, to 1, full.
        factor: Factor,
        /// The range of the colors.
        value_range: ColorRange = ColorRange::BYTES,
        /// For Keras' own random numbers.
        seed: Seed = Seed::default(),
    }
}

impl Augmentation for RandomSaturation {
    fn casts(&self) -> bool {
        false
    }

    fn format(&self) -> Option<DataFormat> {
        self.data_format
    }

    fn check(&self) -> Result<()> {
        self.factor.range("factor", -1.0, 1.0).map(drop)
    }

    fn augment(&self, images: Tensor<4>) -> Result<Tensor<4>> {
        expect_channels(&images, &[3])?;
        let factor = uniform(&images, self.factor.range("factor", -1.0, 1.0)?);
        let factor = factor.clone() / (-factor + 1.0 + LEAST);
        let hsv = rgb_to_hsv(images);
        // Keras clips saturation to the range of the colors.
        let saturation = self.value_range.sorted().clip(hsv.clone().narrow(1, 1, 1) * factor);
        let (hue, value) = (hsv.clone().narrow(1, 0, 1), hsv.narrow(1, 2, 1));
        Ok(hsv_to_rgb(Tensor::cat(vec![hue, saturation, value], 1)))
    }
}

augmentation! {
    /// `RandomColorJitter`: changes brightness, contrast, saturation and hue in training, as far as there
    /// are factors for them.
    pub struct RandomColorJitter {
        /// The range of the colors.
        value_range: ColorRange = ColorRange::BYTES,
        /// That of [`RandomBrightness`].
        brightness_factor: Option<Factor> = None,
        /// That of [`RandomContrast`].
        contrast_factor: Option<Factor> = None,
        /// That of [`RandomSaturation`].
        saturation_factor: Option<Factor> = None,
        /// That of [`RandomHue`].
        hue_factor: Option<Factor> = None,
        /// For Keras' own random numbers.
        seed: Seed = Seed::default(),
    }
}

impl RandomColorJitter {
    fn steps(&self) -> Vec<Box<dyn Augmentation>> {
        macro_rules! step {
            ($name:ident, $factor:expr) => {
                $factor.map(|factor| {
                    Box::new($name {
                        factor,
                        value_range: self.value_range,
                        seed: Seed::default(),
                        data_format: None,
                        bounding_box_format: Kept::default(),
                    }) as Box<dyn Augmentation>
                })
            };
        }
        let steps = [
            step!(RandomBrightness, self.brightness_factor),
            step!(RandomContrast, self.contrast_factor),
            step!(RandomSaturation, self.saturation_factor),
            step!(RandomHue, self.hue_factor),
        ];
        steps.into_iter().flatten().collect()
    }
}

impl Augmentation for RandomColorJitter {
    fn casts(&self) -> bool {
        false
    }

    // Keras does not tell the layers that this one is made of.
    fn format(&self) -> Option<DataFormat> {
        None
    }

    fn check(&self) -> Result<()> {
        self.steps().iter().try_for_each(|step| step.check())
    }

    fn augment(&self, images: Tensor<4>) -> Result<Tensor<4>> {
        self.steps().iter().try_fold(images, |images, step| step.augment(images))
    }
}

augmentation! {
    /// `RandomColorDegeneration`: takes a part of the color away in training.
    pub struct RandomColorDegeneration {
        /// How much, up to 1 for all of it.
        factor: Factor,
        /// The range of the colors.
        value_range: ColorRange = ColorRange::BYTES,
        /// For Keras' own random numbers.
        seed: Seed = Seed::default(),
    }
}

impl Augmentation for RandomColorDegeneration {
    fn casts(&self) -> bool {
        false
    }

    fn format(&self) -> Option<DataFormat> {
        self.data_format
    }

    fn check(&self) -> Result<()> {
        self.factor.range("factor", -1.0, 1.0).map(drop)
    }

    fn augment(&self, images: Tensor<4>) -> Result<Tensor<4>> {
        expect_channels(&images, &[1, 3])?;
        let factor = uniform(&images, self.factor.range("factor", -1.0, 1.0)?);
        let change = factor * (grayscale(images.clone()) - images.clone());
        Ok(self.value_range.sorted().clip(images + change))
    }
}

augmentation! {
    /// `RandomGrayscale`: takes the color of some images away in training.
    pub struct RandomGrayscale {
        /// How probable that is.
        factor: f64 = 0.5,
        /// For Keras' own random numbers.
        seed: Seed = Seed::default(),
    }
}

impl Augmentation for RandomGrayscale {
    fn casts(&self) -> bool {
        false
    }

    fn format(&self) -> Option<DataFormat> {
        self.data_format
    }

    fn check(&self) -> Result<()> {
        crate::layers::dropout::check_rate("factor", self.factor)
    }

    fn augment(&self, images: Tensor<4>) -> Result<Tensor<4>> {
        expect_channels(&images, &[1, 3])?;
        let chosen = uniform(&images, (0.0, 1.0)).lower_elem(self.factor);
        let gray = grayscale(images.clone()).expand(images.dims());
        Ok(replace(images, chosen, gray))
    }
}

augmentation! {
    /// `RandomInvert`: turns some images into negatives in training.
    pub struct RandomInvert {
        /// How probable that is.
        factor: Factor = Factor::Between(0.0, 1.0),
        /// The range of the colors.
        value_range: ColorRange = ColorRange::BYTES,
        /// For Keras' own random numbers.
        seed: Seed = Seed::default(),
    }
}

impl Augmentation for RandomInvert {
    fn casts(&self) -> bool {
        false
    }

    fn format(&self) -> Option<DataFormat> {
        self.data_format
    }

    fn check(&self) -> Result<()> {
        self.factor.range("factor", 0.0, 1.0).map(drop)
    }

    fn augment(&self, images: Tensor<4>) -> Result<Tensor<4>> {
        let chosen = chosen(&images, self.factor.range("factor", 0.0, 1.0)?);
        Ok(replace(images.clone(), chosen, -images + self.value_range.1))
    }
}

augmentation! {
    /// `RandomPosterization`: keeps the first bits of the colors in training.
    pub struct RandomPosterization {
        /// How many bits, from 1 to 8; one less than the upper end of a range.
        factor: Factor,
        /// The range of the colors.
        value_range: ColorRange = ColorRange::BYTES,
        /// For Keras' own random numbers.
        seed: Seed = Seed::default(),
    }
}

impl Augmentation for RandomPosterization {
    fn casts(&self) -> bool {
        false
    }

    fn format(&self) -> Option<DataFormat> {
        self.data_format
    }

    fn check(&self) -> Result<()> {
        self.factor.range("factor", 1.0, 8.0).map(drop)
    }

    fn augment(&self, images: Tensor<4>) -> Result<Tensor<4>> {
        let range = self.value_range.sorted();
        let bits = uniform(&images, self.factor.range("factor", 1.0, 8.0)?).floor();
        let step = (((-bits + 8.0) * std::f64::consts::LN_2).exp()).round();
        let bytes = ColorRange::BYTES.clip(range.to(images, ColorRange::BYTES)).floor();
        let posterized = (bytes / step.clone()).floor() * step;
        Ok(ColorRange::BYTES.to(posterized, range))
    }
}

augmentation! {
    /// `Solarization`: makes colors brighter and turns those above a threshold into negatives, in
    /// training.
    pub struct Solarization {
        /// How much brighter.
        addition_factor: Factor = Factor::Between(0.0, 0.0),
        /// Where the threshold is.
        threshold_factor: Factor = Factor::Between(0.0, 0.0),
        /// The range of the colors.
        value_range: ColorRange = ColorRange::BYTES,
        /// For Keras' own random numbers.
        seed: Seed = Seed::default(),
    }
}

impl Augmentation for Solarization {
    fn format(&self) -> Option<DataFormat> {
        self.data_format
    }

    fn check(&self) -> Result<()> {
        self.addition_factor.range("addition_factor", 0.0, 1.0)?;
        self.threshold_factor.range("threshold_factor", 0.0, 1.0).map(drop)
    }

    fn augment(&self, images: Tensor<4>) -> Result<Tensor<4>> {
        let range = self.value_range.sorted();
        // Keras takes the upper ends as parts of 255, and the lower ones as they are.
        let draw = |factor: Factor, key| {
            let (low, high) = factor.range(key, 0.0, 1.0)?;
            Ok(uniform(&images, (low, high * 255.0)))
        };
        let addition: Result<Tensor<4>> = draw(self.addition_factor, "addition_factor");
        let (addition, threshold) = (addition?, draw(self.threshold_factor, "threshold_factor")?);
        let bytes = ColorRange::BYTES.clip(range.to(images.clone(), ColorRange::BYTES) + addition);
        let below = bytes.clone().lower(threshold.expand(bytes.dims()));
        let solarized = (-bytes.clone() + 255.0).mask_where(below, bytes);
        Ok(ColorRange::BYTES.to(solarized, range))
    }
}
