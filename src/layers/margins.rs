//! `ZeroPadding1D` to `ZeroPadding3D` and `Cropping1D` to `Cropping3D`: more and less at the ends of the
//! spatial axes.

use serde_json::Value as Json;

use super::spatial::{channel_axis, check_elements, lengths, spatial_axes, with_sizes};
use crate::codegen::{Code, Place, array};
use crate::config::{DataFormat, Field, PerAxis, Reader, refuse};
use crate::error::{Error, Result};
use crate::layer::{Args, Context, Function, Spec, Tree};
use crate::value::Value;

/// How much at both ends of every spatial axis: a number for all of them, or one for each, or a pair for
/// each. With one axis, a list has its two ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Margins {
    /// The same everywhere.
    All(usize),
    /// For each axis, or for both ends of a single one.
    Each(Vec<PerAxis>),
}

impl Margins {
    /// What is before and after each of `count` axes.
    fn pairs(&self, count: usize) -> Result<Vec<(usize, usize)>> {
        let pair = |ends: &PerAxis| match ends.numbers(2)?.as_slice() {
            [before, after] => Ok((*before, *after)),
            _ => Ok((0, 0)),
        };
        match self {
            Self::All(number) => Ok(vec![(*number, *number); count]),
            Self::Each(ends) if count == 1 => match ends.as_slice() {
                [PerAxis::One(before), PerAxis::One(after)] => Ok(vec![(*before, *after)]),
                _ => Err(Error::config("expected two integers for the ends of one axis")),
            },
            Self::Each(axes) if axes.len() == count => axes.iter().map(pair).collect(),
            Self::Each(axes) => {
                Err(Error::config(format_args!("expected {count} entries, got {}", axes.len())))
            }
        }
    }
}

impl Field for Margins {
    const EXPECTED: &'static str = "an integer, or a list of integers or pairs";

    fn read(json: &Json, reader: &mut Reader<'_>) -> Option<Self> {
        match json {
            Json::Array(_) => Vec::read(json, reader).map(Self::Each),
            Json::Number(_) => usize::read(json, reader).map(Self::All),
            _ => refuse(json, reader),
        }
    }

    fn write(&self) -> Json {
        match self {
            Self::All(number) => number.write(),
            Self::Each(axes) => axes.write(),
        }
    }

    fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::All(all), Self::Each(ends)) | (Self::Each(ends), Self::All(all)) => {
                !ends.is_empty() && ends.iter().all(|ends| ends.is_like(&PerAxis::One(*all)))
            }
            (one, other) => one == other,
        }
    }

    fn source(json: &Json) -> Option<String> {
        let pair =
            |ends: &Json| usize::list_source(ends).filter(|_| ends.as_array().map(Vec::len) == Some(2));
        PerAxis::source(json).or_else(|| {
            let pairs: Option<Vec<String>> = json.as_array()?.iter().map(pair).collect();
            Some(format!("[{}]", pairs?.join(", ")))
        })
    }
}

crate::layer_config! {
    /// `ZeroPadding1D`, `ZeroPadding2D` and `ZeroPadding3D`, by the rank of the inputs.
    ///
    /// # Shapes
    /// - inputs: `[batch, spatial..., channels]`, for `channels_first` `[batch, channels, spatial...]`
    /// - outputs: the same with larger lengths
    pub struct ZeroPadding<const D: usize> {
        /// How many zeros.
        padding: Margins = Margins::All(1),
        /// Where the channels are.
        data_format: Option<DataFormat> = None,
    }
}

impl<const D: usize> Function for ZeroPadding<D> {
    const CLASSES: &'static [&'static str] = match D {
        3 => &["ZeroPadding1D"],
        4 => &["ZeroPadding2D"],
        _ => &["ZeroPadding3D"],
    };

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let input = args.input()?;
        let lengths = lengths::<D>(input, self.data_format)?;
        let pads = self.padding.pairs(D - 2).map_err(|error| error.at("padding"))?;
        let lengths = lengths.into_iter().zip(pads).map(|(length, (before, after))| {
            length.map(|length| length.saturating_add(before).saturating_add(after))
        });
        let channels = input.shape[channel_axis(self.data_format, D)];
        let shape = with_sizes(input, self.data_format, channels, lengths.collect());
        Ok(Spec::new(shape, input.dtype).into())
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let x = args.into_input()?;
        let shape = x.shape();
        let mut pads = vec![(0, 0); shape.len()];
        pads.splice(spatial_axes(self.data_format, shape.len()), self.padding.pairs(D - 2)?);
        let sizes = shape.iter().zip(&pads);
        let sizes = sizes.map(|(size, (before, after))| size.saturating_add(*before).saturating_add(*after));
        check_elements("elements of a padded value", sizes.skip(1))?;
        Ok(x.pad(&pads, 0.0)?.into())
    }

    fn code(&self, place: &Place<'_>) -> Option<Code> {
        place.input()?.expect_rank(D).ok()?;
        let layout = place.spatial(self.data_format);
        let mut pads = vec![(0, 0); D];
        for (axis, ends) in spatial_axes(self.data_format, D).zip(self.padding.pairs(D - 2).ok()?) {
            *pads.get_mut(layout.axis(D, axis))? = ends;
        }
        // Those of the first axes may be left out.
        let first = pads.iter().position(|ends| *ends != (0, 0)).unwrap_or(D - 1);
        let pads = array(pads.get(first..)?);
        let code = Code::function(format!("{{0}}.pad({pads}, PadMode::Constant(0.0))"), layout);
        Some(code.using("burn::tensor::ops::PadMode"))
    }
}

crate::layer_config! {
    /// `Cropping1D`.
    ///
    /// # Shapes
    /// - inputs: `[batch, time, channels]`
    /// - outputs: `[batch, less time, channels]`
    pub struct Cropping1D {
        /// How much goes.
        cropping: Margins = Margins::All(1),
    }
}

crate::layer_config! {
    /// `Cropping2D` and `Cropping3D`, by the rank of the inputs.
    ///
    /// # Shapes
    /// - inputs: `[batch, spatial..., channels]`, for `channels_first` `[batch, channels, spatial...]`
    /// - outputs: the same with smaller lengths
    pub struct Cropping<const D: usize> {
        /// How much goes. Keras' default is 0 for two axes and 1 for three.
        cropping: Margins = Margins::All(D - 4),
        /// Where the channels are.
        data_format: Option<DataFormat> = None,
    }
}

/// What remains of an axis: where it starts, and its length.
fn remains((before, after): (usize, usize), length: usize) -> Result<(usize, usize)> {
    match length.checked_sub(before.saturating_add(after)) {
        None | Some(0) => {
            Err(Error::config(format_args!("nothing remains of an axis of {length}")).at("cropping"))
        }
        Some(length) => Ok((before, length)),
    }
}

fn cropped<const D: usize>(
    cropping: &Margins,
    format: Option<DataFormat>,
    input: &Spec,
) -> Result<Tree<Spec>> {
    let lengths = lengths::<D>(input, format)?;
    let pairs = cropping.pairs(D - 2).map_err(|error| error.at("cropping"))?;
    let lengths = pairs.into_iter().zip(lengths).map(|(ends, length)| {
        length.map(|length| remains(ends, length).map(|(_, length)| length)).transpose()
    });
    let channels = input.shape[channel_axis(format, D)];
    let shape = with_sizes(input, format, channels, lengths.collect::<Result<_>>()?);
    Ok(Spec::new(shape, input.dtype).into())
}

fn crop(cropping: &Margins, format: Option<DataFormat>, x: Value) -> Result<Tree<Value>> {
    let shape = x.shape();
    let axes = spatial_axes(format, shape.len());
    let x = axes.clone().zip(cropping.pairs(axes.len())?).try_fold(x, |x, (axis, ends)| {
        let (start, length) = remains(ends, shape[axis])?;
        if ends == (0, 0) { Ok(x) } else { x.narrow(axis, start, length) }
    })?;
    Ok(x.into())
}

fn crop_code<const D: usize>(
    cropping: &Margins,
    format: Option<DataFormat>,
    place: &Place<'_>,
) -> Option<Code> {
    place.input()?.expect_rank(D).ok()?;
    let layout = place.spatial(format);
    let mut ranges = vec!["..".to_owned(); D];
    for (axis, ends) in spatial_axes(format, D).zip(cropping.pairs(D - 2).ok()?) {
        *ranges.get_mut(layout.axis(D, axis))? = match ends {
            (0, 0) => "..".to_owned(),
            (0, after) => format!("..-{after}"),
            (before, 0) => format!("{before}.."),
            (before, after) => format!("{before}..-{after}"),
        };
    }
    Some(Code::function(format!("{{0}}.slice(s![{}])", ranges.join(", ")), layout).using("burn::tensor::s"))
}

impl Function for Cropping1D {
    const CLASSES: &'static [&'static str] = &["Cropping1D"];

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        cropped::<3>(&self.cropping, None, args.input()?)
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        crop(&self.cropping, None, args.into_input()?)
    }

    fn code(&self, place: &Place<'_>) -> Option<Code> {
        crop_code::<3>(&self.cropping, None, place)
    }
}

impl<const D: usize> Function for Cropping<D> {
    const CLASSES: &'static [&'static str] = match D {
        4 => &["Cropping2D"],
        _ => &["Cropping3D"],
    };

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        cropped::<D>(&self.cropping, self.data_format, args.input()?)
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        crop(&self.cropping, self.data_format, args.into_input()?)
    }

    fn code(&self, place: &Place<'_>) -> Option<Code> {
        crop_code::<D>(&self.cropping, self.data_format, place)
    }
}
