//! `RGBToGrayscale`, `RGBToHSV` and `HSVToRGB`.

use burn::tensor::Tensor;

use super::{expect_floats, like};
use crate::config::DataFormat;
use crate::error::{Error, Result};
use crate::image::Layout;
use crate::image::color::{grayscale, hsv_to_rgb, rgb_to_hsv};
use crate::layer::{Args, Context, Function, Spec, Tree};
use crate::value::Value;

fn expect_channels(images: &Spec, layout: Layout, expected: &[usize]) -> Result<()> {
    match images.shape[layout.channels()] {
        Some(channels) if !expected.contains(&channels) => {
            Err(Error::config(format_args!("expected {expected:?} channels, got {images}")))
        }
        _ => Ok(()),
    }
}

fn apply(
    images: Value,
    format: Option<DataFormat>,
    expected: &[usize],
    change: fn(Tensor<4>) -> Tensor<4>,
) -> Result<Tree<Value>> {
    let (layout, dtype) = (Layout::of_value(&images, format)?, images.dtype());
    let channels = images.shape()[layout.channels()];
    if !expected.contains(&channels) {
        return Err(Error::input(format_args!("expected {expected:?} channels, got {channels}")));
    }
    Ok(like(layout.give(change(layout.take(images)?))?, dtype)?.into())
}

crate::config! {
    /// The operation `RGBToGrayscale`: how bright colors are.
    pub struct RGBToGrayscale {
        /// Where the channels are.
        data_format: Option<DataFormat> = None,
    }
}

impl Function for RGBToGrayscale {
    const CLASSES: &'static [&'static str] = &["RGBToGrayscale"];
    const ARGS: &'static [&'static str] = &["images"];
    const OPERATION: bool = true;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let mut output = args.input()?.clone();
        let layout = Layout::of(&output, self.data_format)?;
        expect_channels(&output, layout, &[1, 3])?;
        output.shape[layout.channels()] = Some(1);
        Ok(output.into())
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        apply(args.into_input()?, self.data_format, &[1, 3], grayscale)
    }
}

macro_rules! color_space {
    ($name:ident, $change:expr, $what:literal) => {
        crate::config! {
            #[doc = concat!("The operation `", stringify!($name), "`: ", $what)]
            pub struct $name {
                /// Where the channels are.
                data_format: Option<DataFormat> = None,
            }
        }

        impl Function for $name {
            const CLASSES: &'static [&'static str] = &[stringify!($name)];
            const ARGS: &'static [&'static str] = &["images"];
            const OPERATION: bool = true;

            fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
                let images = args.input()?;
                expect_floats(images)?;
                expect_channels(images, Layout::of(images, self.data_format)?, &[3])?;
                Ok(images.clone().into())
            }

            fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
                apply(args.into_input()?, self.data_format, &[3], $change)
            }
        }
    };
}

color_space!(RGBToHSV, rgb_to_hsv, "hue, saturation and value of colors.");
color_space!(HSVToRGB, hsv_to_rgb, "colors of a hue, a saturation and a value.");
