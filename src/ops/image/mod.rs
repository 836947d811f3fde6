//! Operations of images: `keras.ops.image`.

mod color;
mod filter;
mod patches;
mod resize;
mod sample;
mod scale;
#[cfg(test)]
mod tests;

pub use color::*;
pub use filter::*;
pub use patches::*;
pub use resize::*;
pub use sample::*;
pub use scale::*;

use burn::tensor::DType;

use crate::error::{Error, Result};
use crate::layer::{Row, Spec, row};
use crate::value::Value;

/// The operations of this folder.
pub(super) static ROWS: &[Row] = &[
    row::<AffineTransform>(),
    row::<CropImages>(),
    row::<ExtractPatches>(),
    row::<GaussianBlur>(),
    row::<HSVToRGB>(),
    row::<MapCoordinates>(),
    row::<PadImages>(),
    row::<PerspectiveTransform>(),
    row::<RGBToGrayscale>(),
    row::<RGBToHSV>(),
    row::<Resize>(),
    row::<SSIM>(),
    row::<ScaleAndTranslate>(),
    row::<SobelEdges>(),
];

/// Refuses images of anything but floats.
fn expect_floats(images: &Spec) -> Result<()> {
    match images.dtype.is_float() {
        true => Ok(()),
        false => Err(Error::unsupported(format_args!("images of {}", images.dtype))),
    }
}

/// A result in the type that the images had.
fn like(result: Value, dtype: DType) -> Result<Value> {
    if result.dtype() == dtype { Ok(result) } else { result.cast(dtype) }
}
