//! `Resize`, `CropImages` and `PadImages`.

use crate::config::DataFormat;
use crate::error::{Error, Result};
use crate::image::Layout;
use crate::image::resize::{self, Interpolation};
use crate::image::sample::FillMode;
use crate::layer::{Args, Context, Function, Spec, Tree};
use crate::layers::image::fit;
use crate::value::Value;

crate::config! {
    /// The operation `Resize`: images of another size.
    pub struct Resize {
        /// The height and the width.
        size: Vec<usize>,
        /// What is between two pixels.
        interpolation: Interpolation = Interpolation::Bilinear,
        /// Whether images that get smaller are smoothed.
        antialias: bool = false,
        /// Whether images are cropped so that their aspect ratio stays.
        crop_to_aspect_ratio: bool = false,
        /// Whether images are padded so that their aspect ratio stays.
        pad_to_aspect_ratio: bool = false,
        /// What images are padded with: a constant, nothing else.
        fill_mode: FillMode = FillMode::Constant,
        /// The constant.
        fill_value: f64 = 0.0,
        /// Where the channels are.
        data_format: Option<DataFormat> = None,
    }
}

impl Resize {
    fn resize(&self) -> Result<resize::Resize> {
        let [height, width] = self.size[..] else {
            return Err(Error::config(format_args!("expected two, got {:?}", self.size)).at("size"));
        };
        let (crop, pad) = (self.crop_to_aspect_ratio, self.pad_to_aspect_ratio);
        Ok(resize::Resize {
            size: [height, width],
            interpolation: self.interpolation,
            antialias: self.antialias,
            fit: fit(crop, pad, self.fill_mode, self.fill_value)?,
            format: self.data_format,
        })
    }
}

impl Function for Resize {
    const CLASSES: &'static [&'static str] = &["Resize"];
    const ARGS: &'static [&'static str] = &["images"];
    const OPERATION: bool = true;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        Ok(self.resize()?.output(args.input()?)?.into())
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        Ok(self.resize()?.apply(args.into_input()?)?.into())
    }
}

/// What is taken from or added to both ends of an axis, of which two of three numbers are given.
#[derive(Clone, Copy)]
struct Ends {
    names: [&'static str; 3],
    before: Option<usize>,
    after: Option<usize>,
    target: Option<usize>,
}

impl Ends {
    fn check(&self) -> Result<()> {
        match [self.before, self.after, self.target].iter().flatten().count() {
            2 => Ok(()),
            _ => Err(Error::config(format_args!("expected two of {:?}", self.names))),
        }
    }

    /// What is before and after, when all of it is `rest`.
    fn split(&self, rest: Option<usize>) -> Option<(usize, usize)> {
        match (self.before, self.after) {
            (Some(before), Some(after)) => Some((before, after)),
            (Some(before), None) => Some((before, rest?.checked_sub(before)?)),
            (None, Some(after)) => Some((rest?.checked_sub(after)?, after)),
            (None, None) => None,
        }
    }

    fn misfit(&self, length: usize) -> Error {
        Error::config(format_args!("{:?} do not fit an axis of {length}", self.names))
    }

    /// What is cropped from an axis of a length, of which some stays.
    fn cropped(&self, length: usize) -> Result<(usize, usize)> {
        let rest = self.target.map_or(Some(0), |target| length.checked_sub(target));
        rest.and_then(|rest| self.split(Some(rest)))
            .filter(|(before, after)| before.saturating_add(*after) < length)
            .ok_or_else(|| self.misfit(length))
    }

    /// What is added to an axis of a length.
    fn padded(&self, length: usize) -> Result<(usize, usize)> {
        let rest = self.target.map_or(Some(0), |target| target.checked_sub(length));
        rest.and_then(|rest| self.split(Some(rest))).ok_or_else(|| self.misfit(length))
    }
}

macro_rules! margins {
    ($name:ident, $what:literal, [$top:ident, $left:ident, $bottom:ident, $right:ident]) => {
        crate::config! {
            #[doc = concat!("The operation `", stringify!($name), "`: ", $what)]
            pub struct $name {
                /// How many rows at the top.
                $top: Option<usize> = None,
                /// How many columns on the left.
                $left: Option<usize> = None,
                /// How many rows at the bottom.
                $bottom: Option<usize> = None,
                /// How many columns on the right.
                $right: Option<usize> = None,
                /// The height of the result.
                target_height: Option<usize> = None,
                /// The width of the result.
                target_width: Option<usize> = None,
                /// Where the channels are.
                data_format: Option<DataFormat> = None,
            }
        }

        impl $name {
            fn ends(&self) -> Result<[Ends; 2]> {
                let rows = Ends {
                    names: [stringify!($top), stringify!($bottom), "target_height"],
                    before: self.$top,
                    after: self.$bottom,
                    target: self.target_height,
                };
                let columns = Ends {
                    names: [stringify!($left), stringify!($right), "target_width"],
                    before: self.$left,
                    after: self.$right,
                    target: self.target_width,
                };
                rows.check()?;
                columns.check()?;
                Ok([rows, columns])
            }
        }
    };
}

margins!(
    CropImages,
    "images without what is at their ends.",
    [top_cropping, left_cropping, bottom_cropping, right_cropping]
);
margins!(
    PadImages,
    "images with zeros at their ends.",
    [top_padding, left_padding, bottom_padding, right_padding]
);

/// The shape of images whose lengths change.
fn changed(
    images: &Spec,
    format: Option<DataFormat>,
    ends: [Ends; 2],
    change: impl Fn(&Ends, usize) -> Result<usize>,
) -> Result<Tree<Spec>> {
    let mut output = images.clone();
    for (axis, ends) in Layout::of(images, format)?.lengths().into_iter().zip(ends) {
        output.shape[axis] = match output.shape[axis] {
            Some(length) => Some(change(&ends, length)?),
            None => ends.target,
        };
    }
    Ok(output.into())
}

impl Function for CropImages {
    const CLASSES: &'static [&'static str] = &["CropImages"];
    const ARGS: &'static [&'static str] = &["images"];
    const OPERATION: bool = true;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        changed(args.input()?, self.data_format, self.ends()?, |ends, length| {
            ends.cropped(length).map(|(before, after)| length - before - after)
        })
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let images = args.into_input()?;
        let axes = Layout::of_value(&images, self.data_format)?.lengths().into_iter().zip(self.ends()?);
        let cropped = axes.into_iter().try_fold(images, |images, (axis, ends)| {
            let length = images.shape()[axis];
            let (before, after) = ends.cropped(length)?;
            images.narrow(axis, before, length - before - after)
        });
        Ok(cropped?.into())
    }
}

impl Function for PadImages {
    const CLASSES: &'static [&'static str] = &["PadImages"];
    const ARGS: &'static [&'static str] = &["images"];
    const OPERATION: bool = true;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        changed(args.input()?, self.data_format, self.ends()?, |ends, length| {
            ends.padded(length).map(|(before, after)| length.saturating_add(before).saturating_add(after))
        })
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let images = args.into_input()?;
        let dtype = images.dtype();
        let mut pads = vec![(0, 0); images.rank()];
        let layout = Layout::of_value(&images, self.data_format)?;
        for (axis, ends) in layout.lengths().into_iter().zip(self.ends()?) {
            pads[axis] = ends.padded(images.shape()[axis])?;
        }
        let sizes = images.shape().into_iter().zip(&pads);
        let sizes = sizes.map(|(size, (before, after))| size.saturating_add(*before).saturating_add(*after));
        layout.check(&sizes.collect::<Vec<_>>())?;
        Ok(super::like(images.pad(&pads, 0.0)?, dtype)?.into())
    }
}
