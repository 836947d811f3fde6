//! Layers of images: those that change them always, and those that do so at random, in training only.

mod augmentation;
mod blend;
mod chance;
mod color;
mod color_range;
mod crop;
mod erase;
mod flip;
mod histogram;
mod policy;
mod projection;
mod resizing;
mod sharpness;
#[cfg(test)]
mod tests;
mod transform;

pub use augmentation::Augmented;
pub use blend::{CutMix, MaxNumBoundingBoxes, MixUp};
pub use chance::Factor;
pub use color::{
    RandomBrightness, RandomColorDegeneration, RandomColorJitter, RandomContrast, RandomGrayscale, RandomHue,
    RandomInvert, RandomPosterization, RandomSaturation, Solarization,
};
pub use color_range::ColorRange;
pub use crop::{CenterCrop, RandomCrop};
pub use erase::RandomErasing;
pub use flip::{FlipMode, RandomFlip};
pub use histogram::{AutoContrast, ContrastLimitedAdaptiveHistogramEqualization, Equalization};
pub use policy::{AugMix, RandAugment};
pub use projection::{RandomElasticTransform, RandomPerspective};
pub use resizing::Resizing;
pub(crate) use resizing::fit;
pub use sharpness::{RandomGaussianBlur, RandomSharpness};
pub use transform::{RandomRotation, RandomShear, RandomTranslation, RandomZoom};

use crate::error::{Error, Result};
use crate::layer::{Args, Spec, Tree};

/// The images that a layer is called with.
fn images(args: &Args<Spec>) -> Result<&Spec> {
    match args.get("inputs") {
        Some(Tree::Dict(_)) => Err(Error::unsupported("images together with labels, boxes or masks")),
        _ => args.input(),
    }
}

/// The images that a layer changes always. Of a single one the height must be known: else it is taken for
/// a batch, by all that cut batches or put them together.
fn changed_images(args: &Args<Spec>) -> Result<&Spec> {
    let images = images(args)?;
    match images.rank() == 3 && images.shape[0].is_none() {
        true => Err(Error::unsupported(format_args!("one image of the unknown size {images}"))),
        false => Ok(images),
    }
}
