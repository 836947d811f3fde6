//! `Resizing`: images of another size.

use super::changed_images;
use crate::config::{DataFormat, Kept};
use crate::error::{Error, Result};
use crate::image::resize::{Fit, Interpolation, Resize};
use crate::image::sample::FillMode;
use crate::layer::{Args, Context, Function, Spec, Tree};
use crate::value::Value;

crate::layer_config! {
    /// `Resizing`: images of another size. They keep their element type; values between two integers go
    /// to the nearer one.
    ///
    /// # Shapes
    /// - inputs: `[batch, height, width, channels]`, for `channels_first`
    ///   `[batch, channels, height, width]`, or one image without the batch
    /// - outputs: the same with other lengths
    pub struct Resizing {
        /// The height of the outputs.
        height: usize,
        /// The width of the outputs.
        width: usize,
        /// What is between two pixels.
        interpolation: Interpolation = Interpolation::Bilinear,
        /// Whether images are cropped so that their aspect ratio stays.
        crop_to_aspect_ratio: bool = false,
        /// Whether images are padded so that their aspect ratio stays.
        pad_to_aspect_ratio: bool = false,
        /// What images are padded with: a constant, nothing else.
        fill_mode: FillMode = FillMode::Constant,
        /// The constant.
        fill_value: f64 = 0.0,
        /// Whether images that get smaller are smoothed.
        antialias: bool = false,
        /// Where the channels are.
        data_format: Option<DataFormat> = None,
        /// For boxes around what is in the images.
        bounding_box_format: Kept = Kept::default(),
    }
}

/// What the keys of a config say about the aspect ratio.
pub(crate) fn fit(crop: bool, pad: bool, fill_mode: FillMode, fill_value: f64) -> Result<Fit> {
    if fill_mode != FillMode::Constant {
        return Err(Error::config("images are padded with a constant only").at("fill_mode"));
    }
    match (crop, pad) {
        (true, true) => Err(Error::config("images are either cropped or padded").at("pad_to_aspect_ratio")),
        (true, false) => Ok(Fit::Crop),
        (false, true) => Ok(Fit::Pad(fill_value)),
        (false, false) => Ok(Fit::Stretch),
    }
}

impl Resizing {
    fn resize(&self) -> Result<Resize> {
        let (crop, pad) = (self.crop_to_aspect_ratio, self.pad_to_aspect_ratio);
        Ok(Resize {
            size: [self.height, self.width],
            interpolation: self.interpolation,
            antialias: self.antialias,
            fit: fit(crop, pad, self.fill_mode, self.fill_value)?,
            format: self.data_format,
        })
    }
}

impl Function for Resizing {
    const CLASSES: &'static [&'static str] = &["Resizing"];

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        Ok(self.resize()?.output(changed_images(args)?)?.into())
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        Ok(self.resize()?.apply(args.into_input()?)?.into())
    }
}
