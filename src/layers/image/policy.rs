//! `RandAugment` and `AugMix`: some changes out of many, one after the other.

use burn::tensor::Tensor;
use rand::RngExt;
use rand::rngs::StdRng;
use rand_distr::{Distribution, Gamma};

use super::augmentation::{Augmentation, augmentation};
use super::blend::beta;
use super::chance::{Factor, generator};
use super::color_range::ColorRange;
use super::{
    AutoContrast, Equalization, RandomBrightness, RandomColorDegeneration, RandomContrast,
    RandomPosterization, RandomRotation, RandomSharpness, RandomShear, RandomTranslation, Solarization,
};
use crate::config::{DataFormat, Kept};
use crate::error::{Error, Result};
use crate::image::sample::{FillMode, Sampling};
use crate::initializer::Seed;

type Changes = Vec<Box<dyn Augmentation>>;

/// What the changes of a policy have in common.
#[derive(Clone, Copy)]
struct Policy {
    strength: (f64, f64),
    value_range: ColorRange,
    interpolation: Sampling,
    format: Option<DataFormat>,
}

impl Policy {
    fn new(
        factor: &Factor,
        value_range: ColorRange,
        interpolation: Sampling,
        format: Option<DataFormat>,
    ) -> Result<Self> {
        Ok(Self { strength: factor.range("factor", 0.0, 1.0)?, value_range, interpolation, format })
    }

    fn factor(&self) -> Factor {
        Factor::Between(self.strength.0, self.strength.1)
    }

    /// Changes of form.
    fn forms(&self) -> Changes {
        let (factor, interpolation) = (self.factor(), self.interpolation);
        macro_rules! form {
            ($name:ident { $($key:ident),+ }) => {
                Box::new($name {
                    $($key: factor,)+
                    fill_mode: FillMode::Reflect,
                    fill_value: 0.0,
                    interpolation,
                    seed: Seed::default(),
                    data_format: self.format,
                    bounding_box_format: Kept::default(),
                })
            };
        }
        vec![
            form!(RandomShear { x_factor, y_factor }),
            form!(RandomTranslation { height_factor, width_factor }),
            form!(RandomRotation { factor }),
        ]
    }

    /// Changes of all colors of an image by what they are, not by where.
    fn tones(&self) -> Changes {
        let bits = (8.0 * self.strength.1).trunc().max(1.0);
        macro_rules! tone {
            ($name:ident { $($key:ident: $given:expr),* }) => {
                Box::new($name {
                    $($key: $given,)*
                    value_range: self.value_range,
                    data_format: self.format,
                    bounding_box_format: Kept::default(),
                })
            };
        }
        let (factor, seed) = (self.factor(), Seed::default());
        vec![
            tone!(RandomPosterization { factor: Factor::Around(bits), seed: seed.clone() }),
            tone!(Solarization { addition_factor: factor, threshold_factor: factor, seed: seed }),
            tone!(AutoContrast {}),
            tone!(Equalization { bins: std::num::NonZeroUsize::MIN.saturating_add(255) }),
        ]
    }

    /// Changes of colors that Keras' `AugMix` can be made to leave out.
    fn shades(&self) -> Changes {
        macro_rules! shade {
            ($name:ident) => {
                Box::new($name {
                    factor: self.factor(),
                    value_range: self.value_range,
                    seed: Seed::default(),
                    data_format: self.format,
                    bounding_box_format: Kept::default(),
                })
            };
        }
        vec![
            shade!(RandomBrightness),
            shade!(RandomColorDegeneration),
            shade!(RandomContrast),
            shade!(RandomSharpness),
        ]
    }
}

/// One of the changes, or with `skip` perhaps none.
fn any(changes: &Changes, skip: bool, images: Tensor<4>, generator: &mut StdRng) -> Result<Tensor<4>> {
    match changes.get(generator.random_range(0..changes.len() + usize::from(skip))) {
        Some(change) => change.augment(images),
        None => Ok(images),
    }
}

augmentation! {
    /// `RandAugment`: changes the images of a batch in some ways out of eleven, in training.
    pub struct RandAugment {
        /// The range of the colors.
        value_range: ColorRange = ColorRange::BYTES,
        /// In how many ways.
        num_ops: usize = 2,
        /// How much.
        factor: Factor = Factor::Between(0.0, 0.5),
        /// What is between two pixels.
        interpolation: Sampling = Sampling::Bilinear,
        /// For Keras' own random numbers.
        seed: Seed = Seed::default(),
    }
}

impl Augmentation for RandAugment {
    fn format(&self) -> Option<DataFormat> {
        self.data_format
    }

    fn check(&self) -> Result<()> {
        self.factor.range("factor", 0.0, 1.0).map(drop)
    }

    fn augment(&self, images: Tensor<4>) -> Result<Tensor<4>> {
        let policy = Policy::new(&self.factor, self.value_range, self.interpolation, self.data_format)?;
        let changes = policy.forms().into_iter().chain(policy.shades()).chain(policy.tones()).collect();
        let mut generator = generator(&images.device());
        (0..self.num_ops).try_fold(images, |images, _| any(&changes, false, images, &mut generator))
    }
}

augmentation! {
    /// `AugMix`: blends images with a blend of several chains of changes of them, in training.
    pub struct AugMix {
        /// The range of the colors.
        value_range: ColorRange = ColorRange::BYTES,
        /// How many chains.
        num_chains: usize = 3,
        /// How many changes a chain has at most.
        chain_depth: usize = 3,
        /// How much each change does.
        factor: Factor = Factor::Between(0.0, 0.3),
        /// How different the weights of the blends are.
        alpha: f64 = 1.0,
        /// Whether brightness, color, contrast and sharpness change too.
        all_ops: bool = true,
        /// What is between two pixels.
        interpolation: Sampling = Sampling::Bilinear,
        /// For Keras' own random numbers.
        seed: Seed = Seed::default(),
    }
}

impl Augmentation for AugMix {
    fn format(&self) -> Option<DataFormat> {
        self.data_format
    }

    fn check(&self) -> Result<()> {
        self.factor.range("factor", 0.0, 1.0).map(drop)
    }

    fn augment(&self, images: Tensor<4>) -> Result<Tensor<4>> {
        let policy = Policy::new(&self.factor, self.value_range, self.interpolation, self.data_format)?;
        let shades = if self.all_ops { policy.shades() } else { Changes::new() };
        let changes = policy.forms().into_iter().chain(policy.tones()).chain(shades).collect();
        let mut generator = generator(&images.device());
        let gamma = Gamma::new(self.alpha, 1.0).map_err(|_| {
            Error::config(format_args!("expected a positive number, got {}", self.alpha)).at("alpha")
        })?;
        let (mut blend, mut total) = (images.zeros_like(), 0.0);
        for _ in 0..self.num_chains {
            let weight: f64 = gamma.sample(&mut generator);
            let changed = (0..self.chain_depth)
                .try_fold(images.clone(), |images, _| any(&changes, true, images, &mut generator))?;
            blend = blend + changed * weight;
            total += weight;
        }
        if total > 0.0 {
            blend = blend / total;
        }
        let own = beta(self.alpha, 1, &mut generator)?.first().copied().unwrap_or(1.0);
        Ok(self.value_range.clip(images * own + blend * (1.0 - own)))
    }
}
