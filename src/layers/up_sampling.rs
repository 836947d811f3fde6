//! `UpSampling1D`, `UpSampling2D` and `UpSampling3D`: a whole number of times as many places.

use std::num::NonZeroUsize;

use super::spatial::{
    channel_axis, check_elements, give, lengths, lengths_of, spatial_axes, take, with_sizes,
};
use crate::codegen::{Code, Place};
use crate::config::{DataFormat, PerAxis};
use crate::error::Result;
use crate::image::resize::{Interpolation, resize};
use crate::layer::{Args, Context, Function, Spec, Tree};
use crate::value::Value;

crate::layer_config! {
    /// `UpSampling1D`: repeats every step.
    ///
    /// # Shapes
    /// - inputs: `[batch, time, channels]`
    /// - outputs: `[batch, time * size, channels]`
    pub struct UpSampling1D {
        /// How often.
        size: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1),
    }
}

crate::layer_config! {
    /// `UpSampling2D`: enlarges images.
    ///
    /// # Shapes
    /// - inputs: `[batch, height, width, channels]`, for `channels_first`
    ///   `[batch, channels, height, width]`
    /// - outputs: the same with larger lengths
    pub struct UpSampling2D {
        /// How much.
        size: PerAxis = PerAxis::One(2),
        /// Where the channels are.
        data_format: Option<DataFormat> = None,
        /// What is between two pixels.
        interpolation: Interpolation = Interpolation::Nearest,
    }
}

crate::layer_config! {
    /// `UpSampling3D`: repeats every place.
    ///
    /// # Shapes
    /// - inputs: `[batch, depth, height, width, channels]`, for `channels_first`
    ///   `[batch, channels, depth, height, width]`
    /// - outputs: the same with larger lengths
    pub struct UpSampling3D {
        /// How often along each axis.
        size: PerAxis = PerAxis::One(2),
        /// Where the channels are.
        data_format: Option<DataFormat> = None,
    }
}

fn enlarged<const D: usize>(
    input: &Spec,
    format: Option<DataFormat>,
    factors: &[usize],
) -> Result<Vec<Option<usize>>> {
    let lengths = lengths::<D>(input, format)?.into_iter().zip(factors);
    let lengths = lengths.map(|(length, factor)| length.map(|length| length.saturating_mul(*factor)));
    Ok(with_sizes(input, format, input.shape[channel_axis(format, D)], lengths.collect()))
}

fn factors(size: &PerAxis, count: usize) -> Result<Vec<usize>> {
    size.positive(count).map_err(|error| error.at("size"))
}

fn check_size(shape: &[usize], factors: &[usize]) -> Result<()> {
    check_elements("elements of an enlarged value", shape.iter().skip(1).chain(factors).copied())
}

/// Repeats every place along the spatial axes.
fn repeat(x: Value, format: Option<DataFormat>, factors: &[usize]) -> Result<Value> {
    let shape = x.shape();
    check_size(&shape, factors)?;
    let axes = spatial_axes(format, shape.len()).zip(factors);
    axes.rev().try_fold(x, |x, (axis, factor)| x.repeat_each(axis, *factor))
}

/// The source of repeating every place along the spatial axes: each of them gets a neighbour, along which
/// the entries spread.
fn repeat_code<const D: usize>(
    place: &Place<'_>,
    format: Option<DataFormat>,
    factors: &[usize],
) -> Option<Code> {
    place.input()?.expect_rank(D).ok()?;
    let layout = place.spatial(format);
    let mut each = [1; D];
    for (axis, factor) in spatial_axes(format, D).zip(factors) {
        *each.get_mut(layout.axis(D, axis))? = *factor;
    }
    let repeated: Vec<(usize, usize)> =
        each.into_iter().enumerate().filter(|(_, factor)| *factor > 1).collect();
    // No backend of Burn has fewer axes at most.
    (repeated.len() + D <= 6).then_some(())?;
    if repeated.is_empty() {
        return Some(Code::function("{0}", layout));
    }
    let list = |neighbour: &dyn Fn(usize) -> String, own: &dyn Fn(usize, usize) -> String| {
        let axes = each.iter().enumerate().map(|(axis, factor)| match factor {
            1 => format!("dims[{axis}]"),
            factor => own(axis, *factor) + &neighbour(*factor),
        });
        axes.collect::<Vec<_>>().join(", ")
    };
    let own = |axis, _| format!("dims[{axis}]");
    let apart = list(&|_| ", 1".to_owned(), &own);
    let spread = list(&|factor| format!(", {factor}"), &own);
    let joined = list(&|_| String::new(), &|axis, factor| format!("dims[{axis}] * {factor}"));
    Some(Code::function(
        format!(
            "{{ let x = {{0}}; let dims = x.dims(); \
             x.reshape([{apart}]).expand([{spread}]).reshape([{joined}]) }}"
        ),
        layout,
    ))
}

impl Function for UpSampling1D {
    const CLASSES: &'static [&'static str] = &["UpSampling1D"];

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let input = args.input()?;
        Ok(Spec::new(enlarged::<3>(input, None, &[self.size.get()])?, input.dtype).into())
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        Ok(repeat(args.into_input()?, None, &[self.size.get()])?.into())
    }

    fn code(&self, place: &Place<'_>) -> Option<Code> {
        repeat_code::<3>(place, None, &[self.size.get()])
    }
}

impl Function for UpSampling2D {
    const CLASSES: &'static [&'static str] = &["UpSampling2D"];

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let input = args.input()?;
        let shape = enlarged::<4>(input, self.data_format, &factors(&self.size, 2)?)?;
        Ok(match self.interpolation {
            Interpolation::Nearest => Spec::new(shape, input.dtype),
            _ => input.float(shape),
        }
        .into())
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let (x, factors) = (args.into_input()?, factors(&self.size, 2)?);
        if self.interpolation == Interpolation::Nearest {
            return Ok(repeat(x, self.data_format, &factors)?.into());
        }
        check_size(&x.shape(), &factors)?;
        let x = take::<4>(x, self.data_format)?;
        let lengths = lengths_of(&x).into_iter().zip(factors).map(|(length, factor)| length * factor);
        let size = super::spatial::array(lengths);
        Ok(give(resize(x, size, self.interpolation, false)?, self.data_format).into())
    }

    fn code(&self, place: &Place<'_>) -> Option<Code> {
        let factors = factors(&self.size, 2).ok().filter(|_| self.interpolation == Interpolation::Nearest)?;
        repeat_code::<4>(place, self.data_format, &factors)
    }
}

impl Function for UpSampling3D {
    const CLASSES: &'static [&'static str] = &["UpSampling3D"];

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let input = args.input()?;
        let shape = enlarged::<5>(input, self.data_format, &factors(&self.size, 3)?)?;
        Ok(Spec::new(shape, input.dtype).into())
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        Ok(repeat(args.into_input()?, self.data_format, &factors(&self.size, 3)?)?.into())
    }

    fn code(&self, place: &Place<'_>) -> Option<Code> {
        repeat_code::<5>(place, self.data_format, &factors(&self.size, 3).ok()?)
    }
}
