//! `RandomRotation`, `RandomTranslation`, `RandomZoom` and `RandomShear`: images under affine maps.

use std::f64::consts::TAU;

use burn::tensor::Tensor;

use super::augmentation::{Augmentation, augmentation};
use super::chance::{Factor, sign, uniform};
use crate::config::DataFormat;
use crate::error::Result;
use crate::image::sample::{Continuation, FillMode, Sampling};
use crate::initializer::Seed;

/// An affine map for every image, as [`Continuation::affine`] takes it: `[[a0, a1, a2], [b0, b1, b2]]`, each
/// `[batch, 1, 1, 1]`.
fn transforms(rows: [[Tensor<4>; 3]; 2]) -> Tensor<2> {
    let entries: Vec<Tensor<4>> = rows.into_iter().flatten().collect();
    let none = entries[0].zeros_like();
    let entries = entries.into_iter().chain([none.clone(), none]);
    Tensor::cat(entries.map(|entry| entry.flatten::<2>(1, 3)).collect(), 1)
}

augmentation! {
    /// `RandomRotation`: turns images about their middle in training.
    pub struct RandomRotation {
        /// How far, in full turns.
        factor: Factor,
        /// What is outside of an image.
        fill_mode: FillMode = FillMode::Reflect,
        /// What is between two pixels.
        interpolation: Sampling = Sampling::Bilinear,
        /// For Keras' own random numbers.
        seed: Seed = Seed::default(),
        /// What is outside of an image for the mode `constant`.
        fill_value: f64 = 0.0,
    }
}

impl Augmentation for RandomRotation {
    fn format(&self) -> Option<DataFormat> {
        self.data_format
    }

    fn check(&self) -> Result<()> {
        self.factor.range("factor", -1.0, 1.0).map(drop)
    }

    fn augment(&self, images: Tensor<4>) -> Result<Tensor<4>> {
        let (low, high) = self.factor.range("factor", -1.0, 1.0)?;
        let angle = uniform(&images, (low * TAU, high * TAU));
        let [_, _, height, width] = images.dims();
        let (x, y) = ((width as f64 - 1.0) / 2.0, (height as f64 - 1.0) / 2.0);
        let (cos, sin) = (angle.clone().cos(), angle.sin());
        let across = -(cos.clone() * x) + sin.clone() * y + x;
        let down = -(sin.clone() * x) - cos.clone() * y + y;
        let turned = transforms([[cos.clone(), -sin.clone(), across], [sin, cos, down]]);
        let outside =
            Continuation { sampling: self.interpolation, mode: self.fill_mode, value: self.fill_value };
        Ok(outside.affine(images, turned))
    }
}

augmentation! {
    /// `RandomTranslation`: moves images in training.
    pub struct RandomTranslation {
        /// How far down, in heights.
        height_factor: Factor,
        /// How far to the right, in widths.
        width_factor: Factor,
        /// What is outside of an image.
        fill_mode: FillMode = FillMode::Reflect,
        /// What is between two pixels.
        interpolation: Sampling = Sampling::Bilinear,
        /// For Keras' own random numbers.
        seed: Seed = Seed::default(),
        /// What is outside of an image for the mode `constant`.
        fill_value: f64 = 0.0,
    }
}

impl Augmentation for RandomTranslation {
    fn format(&self) -> Option<DataFormat> {
        self.data_format
    }

    fn check(&self) -> Result<()> {
        self.height_factor.range("height_factor", -1.0, 1.0)?;
        self.width_factor.range("width_factor", -1.0, 1.0).map(drop)
    }

    fn augment(&self, images: Tensor<4>) -> Result<Tensor<4>> {
        let [_, _, height, width] = images.dims();
        let down = uniform(&images, self.height_factor.range("height_factor", -1.0, 1.0)?) * height as f64;
        let across = uniform(&images, self.width_factor.range("width_factor", -1.0, 1.0)?) * width as f64;
        let (zero, one) = (down.zeros_like(), down.ones_like());
        let moved = transforms([[one.clone(), zero.clone(), -across], [zero, one, -down]]);
        let outside =
            Continuation { sampling: self.interpolation, mode: self.fill_mode, value: self.fill_value };
        Ok(outside.affine(images, moved))
    }
}

augmentation! {
    /// `RandomZoom`: makes images larger or smaller about their middle in training.
    pub struct RandomZoom {
        /// How much less high what is in an image gets.
        height_factor: Factor,
        /// How much less wide; as much as less high without it.
        width_factor: Option<Factor> = None,
        /// What is outside of an image.
        fill_mode: FillMode = FillMode::Reflect,
        /// What is between two pixels.
        interpolation: Sampling = Sampling::Bilinear,
        /// For Keras' own random numbers.
        seed: Seed = Seed::default(),
        /// What is outside of an image for the mode `constant`.
        fill_value: f64 = 0.0,
    }
}

impl Augmentation for RandomZoom {
    fn format(&self) -> Option<DataFormat> {
        self.data_format
    }

    fn check(&self) -> Result<()> {
        self.height_factor.range("height_factor", -1.0, 1.0)?;
        self.width_factor.map_or(Ok(()), |factor| factor.range("width_factor", -1.0, 1.0).map(drop))
    }

    fn augment(&self, images: Tensor<4>) -> Result<Tensor<4>> {
        let [_, _, height, width] = images.dims();
        let tall = uniform(&images, self.height_factor.range("height_factor", -1.0, 1.0)?) + 1.0;
        let wide = match self.width_factor {
            Some(factor) => uniform(&images, factor.range("width_factor", -1.0, 1.0)?) + 1.0,
            None => tall.clone(),
        };
        let rest = |zoom: &Tensor<4>, length: usize| (-zoom.clone() + 1.0) * ((length as f64 - 1.0) / 2.0);
        let (across, down, zero) = (rest(&wide, width), rest(&tall, height), tall.zeros_like());
        let zoomed = transforms([[wide, zero.clone(), across], [zero, tall, down]]);
        let outside =
            Continuation { sampling: self.interpolation, mode: self.fill_mode, value: self.fill_value };
        Ok(outside.affine(images, zoomed))
    }
}

augmentation! {
    /// `RandomShear`: slants images in training.
    pub struct RandomShear {
        /// How far a row moves against the one above it.
        x_factor: Factor = Factor::Around(0.0),
        /// How far a column moves against the one beside it.
        y_factor: Factor = Factor::Around(0.0),
        /// What is between two pixels.
        interpolation: Sampling = Sampling::Bilinear,
        /// What is outside of an image.
        fill_mode: FillMode = FillMode::Reflect,
        /// What is outside of an image for the mode `constant`.
        fill_value: f64 = 0.0,
        /// For Keras' own random numbers.
        seed: Seed = Seed::default(),
    }
}

impl Augmentation for RandomShear {
    fn format(&self) -> Option<DataFormat> {
        self.data_format
    }

    // Keras writes a single number as the pair around zero, though it does not read that again.
    fn check(&self) -> Result<()> {
        self.x_factor.range("x_factor", -1.0, 1.0)?;
        self.y_factor.range("y_factor", -1.0, 1.0).map(drop)
    }

    fn augment(&self, images: Tensor<4>) -> Result<Tensor<4>> {
        let sign = sign(&images);
        let across = uniform(&images, self.x_factor.range("x_factor", -1.0, 1.0)?) * sign.clone();
        let down = uniform(&images, self.y_factor.range("y_factor", -1.0, 1.0)?) * sign;
        let (zero, one) = (down.zeros_like(), down.ones_like());
        let slanted = transforms([[one.clone(), across, zero.clone()], [down, one, zero]]);
        let outside =
            Continuation { sampling: self.interpolation, mode: self.fill_mode, value: self.fill_value };
        Ok(outside.affine(images, slanted))
    }
}
