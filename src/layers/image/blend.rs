//! `MixUp` and `CutMix`: images put together from two of a batch; and `MaxNumBoundingBoxes`, which has
//! nothing to do where there are no boxes.

use burn::tensor::{Device, Tensor};
use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand_distr::{Beta, Distribution};

use super::augmentation::{Augmentation, augmentation};
use super::chance::{Factor, generator, per_image, reordered};
use super::erase::{Side, inside};
use super::images;
use crate::config::{DataFormat, Kept};
use crate::error::{Error, Result};
use crate::initializer::Seed;
use crate::layer::{Args, Context, Function, Spec, Tree};
use crate::value::Value;

/// A number from 0 to 1 for every image, of a symmetric beta distribution.
pub(super) fn beta(alpha: f64, count: usize, generator: &mut StdRng) -> Result<Vec<f32>> {
    let beta = Beta::new(alpha, alpha)
        .map_err(|_| Error::config(format_args!("expected a positive number, got {alpha}")).at("alpha"))?;
    Ok((0..count).map(|_| beta.sample(generator) as f32).collect())
}

/// The images in any order.
fn shuffled(images: Tensor<4>, generator: &mut StdRng) -> Tensor<4> {
    let mut order: Vec<usize> = (0..images.dims()[0]).collect();
    order.shuffle(generator);
    reordered(images, &order)
}

fn weights(alpha: f64, images: &Tensor<4>, generator: &mut StdRng) -> Result<Tensor<4>> {
    let device: Device = images.device();
    Ok(per_image(beta(alpha, images.dims()[0], generator)?, &device))
}

augmentation! {
    /// `MixUp`: blends each image with another in training.
    pub struct MixUp {
        /// How much: of the beta distribution of the weights.
        alpha: f64 = 0.2,
        /// For Keras' own random numbers.
        seed: Seed = Seed::default(),
    }
}

impl Augmentation for MixUp {
    fn casts(&self) -> bool {
        false
    }

    fn format(&self) -> Option<DataFormat> {
        self.data_format
    }

    fn augment(&self, images: Tensor<4>) -> Result<Tensor<4>> {
        let mut generator = generator(&images.device());
        let weight = weights(self.alpha, &images, &mut generator)?;
        let others = shuffled(images.clone(), &mut generator);
        Ok(others.clone() + weight * (images - others))
    }
}

augmentation! {
    /// `CutMix`: puts a part of another image into each in training.
    pub struct CutMix {
        /// How different the sizes of the parts are.
        factor: Factor = Factor::Between(0.0, 1.0),
        /// For Keras' own random numbers.
        seed: Seed = Seed::default(),
    }
}

impl Augmentation for CutMix {
    fn format(&self) -> Option<DataFormat> {
        self.data_format
    }

    fn check(&self) -> Result<()> {
        self.factor.range("factor", 0.0, 1.0).map(drop)
    }

    fn augment(&self, images: Tensor<4>) -> Result<Tensor<4>> {
        let [_, _, height, width] = images.dims();
        let (low, high) = self.factor.range("factor", 0.0, 1.0)?;
        let mut generator = generator(&images.device());
        let alpha = low + (high - low) * generator.random::<f64>() + 1e-6;
        let share = (-weights(alpha, &images, &mut generator)? + 1.0).sqrt();
        let across = Side::somewhere(&images, share.clone(), width);
        let down = Side::somewhere(&images, share, height);
        let others = shuffled(images.clone(), &mut generator);
        Ok(images.clone().mask_where(inside(&images, &down, &across), others))
    }
}

crate::layer_config! {
    /// `MaxNumBoundingBoxes`: a limit for boxes around what is in images; the images stay as they are.
    ///
    /// # Shapes
    /// - inputs: `[batch, ...]`
    /// - outputs: as the inputs
    pub struct MaxNumBoundingBoxes {
        /// The number of boxes.
        max_number: usize,
        /// What stands for boxes that are missing.
        fill_value: Kept = Kept::default(),
        /// Where the channels are.
        data_format: Option<DataFormat> = None,
        /// How boxes are written.
        bounding_box_format: Kept = Kept::default(),
    }
}

impl Function for MaxNumBoundingBoxes {
    const CLASSES: &'static [&'static str] = &["MaxNumBoundingBoxes"];

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        crate::image::Layout::of(images(args)?, self.data_format)?;
        Ok(images(args)?.clone().into())
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        Ok(args.into_input()?.into())
    }
}
