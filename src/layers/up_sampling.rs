//! `UpSampling1D`, `UpSampling2D` and `UpSampling3D`: a whole number of times as many places.

use std::num::NonZeroUsize;

use super::spatial::{
    channel_axis, check_elements, give, lengths, lengths_of, spatial_axes, take, with_sizes,
};
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

impl Function for UpSampling1D {
    const CLASSES: &'static [&'static str] = &["UpSampling1D"];

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let input = args.input()?;
        Ok(Spec::new(enlarged::<3>(input, None, &[self.size.get()])?, input.dtype).into())
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        Ok(repeat(args.into_input()?, None, &[self.size.get()])?.into())
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
}
