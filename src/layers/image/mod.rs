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
