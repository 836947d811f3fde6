//! `GlobalMaxPooling1D` to `GlobalMaxPooling3D` and `GlobalAveragePooling1D` to `GlobalAveragePooling3D`: the
//! largest and the mean entry of each channel. `GlobalAveragePooling1D` leaves out what a mask says.

use burn::tensor::{Bool, Tensor};

use super::spatial::{channel_axis, lengths, spatial_axes, take, with_sizes};
use crate::codegen::{Code, Layout, Place, array};
use crate::config::DataFormat;
use crate::error::{Error, Result};
use crate::layer::{Args, Context, Function, Spec, Tree};
use crate::value::{Order, Value};

crate::layer_config! {
    /// `GlobalMaxPooling1D`, `GlobalMaxPooling2D` and `GlobalMaxPooling3D`, by the rank of the inputs.
    ///
    /// # Shapes
    /// - inputs: `[batch, spatial..., channels]`, for `channels_first` `[batch, channels, spatial...]`
    /// - outputs: `[batch, channels]`, or with `keepdims` as the inputs with lengths of 1
    pub struct GlobalMaxPooling<const D: usize> {
        /// Where the channels are.
        data_format: Option<DataFormat> = None,
        /// Whether the spatial axes stay.
        keepdims: bool = false,
    }
}

crate::layer_config! {
    /// `GlobalAveragePooling1D`, `GlobalAveragePooling2D` and `GlobalAveragePooling3D`, by the rank of the
    /// inputs.
    ///
    /// # Shapes
    /// - inputs: `[batch, spatial..., channels]`, for `channels_first` `[batch, channels, spatial...]`
    /// - outputs: `[batch, channels]`, or with `keepdims` as the inputs with lengths of 1
    pub struct GlobalAveragePooling<const D: usize> {
        /// Where the channels are.
        data_format: Option<DataFormat> = None,
        /// Whether the spatial axes stay.
        keepdims: bool = false,
    }
}

fn output<const D: usize>(input: &Spec, format: Option<DataFormat>, keepdims: bool) -> Result<Spec> {
    if lengths::<D>(input, format)?.contains(&Some(0)) {
        return Err(Error::config(format_args!("nothing to pool in the shape {input}")));
    }
    let channels = input.shape[channel_axis(format, D)];
    let shape = match keepdims {
        true => with_sizes(input, format, channels, vec![Some(1); D - 2]),
        false => vec![input.shape[0], channels],
    };
    Ok(input.float(shape))
}

/// Reduces the places of each channel by an operation that keeps the axis.
fn reduce<const D: usize>(
    x: Value,
    format: Option<DataFormat>,
    keepdims: bool,
    run: impl FnOnce(Tensor<3>, usize) -> Result<Tensor<3>>,
) -> Result<Value> {
    let mut shape = x.shape();
    let axes = spatial_axes(format, shape.len());
    let (batch, channels) = (shape[0], shape[channel_axis(format, shape.len())]);
    let places: usize = shape[axes.clone()].iter().product();
    if places * channels == 0 {
        return Err(Error::input(format_args!("nothing to pool in the shape {shape:?}")));
    }
    let is_last = format != Some(DataFormat::ChannelsFirst) && x.order() == Order::Plain;
    let (x, axis) = match is_last {
        true => (x.float::<D>()?.reshape([batch, places, channels]), 1),
        false => (take::<D>(x, format)?.reshape([batch, channels, places]), 2),
    };
    shape[axes].fill(1);
    let shape = if keepdims { shape } else { vec![batch, channels] };
    Value::from(run(x, axis)?).reshape(&shape)
}

/// The mean of the places that a mask `[batch, time]` has, over `axis` of three.
fn masked_mean(x: Tensor<3>, mask: Value, axis: usize) -> Result<Tensor<3>> {
    let (batch, length, channels) = (x.dims()[0], x.dims()[axis], x.dims()[3 - axis]);
    if mask.shape() != [batch, length] {
        let shape = mask.shape();
        return Err(Error::input(format_args!("expected a mask [{batch}, {length}], got {shape:?}")));
    }
    let mask: Tensor<3, Bool> = mask.bool::<2>()?.unsqueeze_dim(3 - axis);
    let count = mask.clone().float().cast(x.dtype()).sum_dim(axis);
    let mask = mask.repeat_dim(3 - axis, channels);
    Ok(x.clone().zeros_like().mask_where(mask, x).sum_dim(axis) / count)
}

/// The source of a reduction, given what Burn calls it.
fn global(
    place: &Place<'_>,
    format: Option<DataFormat>,
    keepdims: bool,
    rank: usize,
    reduction: &str,
) -> Option<Code> {
    place.input()?.expect_rank(rank).ok()?;
    let layout = place.spatial(format);
    let axes = spatial_axes(format, rank).map(|axis| layout.axis(rank, axis));
    let axes = array(&axes.collect::<Vec<_>>());
    let call = format!("{{0}}.{reduction}_dims(&{axes})");
    Some(match keepdims {
        true => Code::function(call, layout),
        false => Code::function(format!("{call}.squeeze_dims::<2>(&{axes})"), layout).giving(Layout::Keras),
    })
}

impl<const D: usize> Function for GlobalMaxPooling<D> {
    const CLASSES: &'static [&'static str] = match D {
        3 => &["GlobalMaxPooling1D", "GlobalMaxPool1D"],
        4 => &["GlobalMaxPooling2D", "GlobalMaxPool2D"],
        _ => &["GlobalMaxPooling3D", "GlobalMaxPool3D"],
    };

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        Ok(output::<D>(args.input()?, self.data_format, self.keepdims)?.into())
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let x = args.into_input()?;
        Ok(reduce::<D>(x, self.data_format, self.keepdims, |x, axis| Ok(x.max_dim(axis)))?.into())
    }

    fn code(&self, place: &Place<'_>) -> Option<Code> {
        global(place, self.data_format, self.keepdims, D, "max")
    }
}

impl<const D: usize> Function for GlobalAveragePooling<D> {
    const CLASSES: &'static [&'static str] = match D {
        3 => &["GlobalAveragePooling1D", "GlobalAvgPool1D"],
        4 => &["GlobalAveragePooling2D", "GlobalAvgPool2D"],
        _ => &["GlobalAveragePooling3D", "GlobalAvgPool3D"],
    };
    const ARGS: &'static [&'static str] = if D == 3 { &["inputs", "mask"] } else { &["inputs"] };

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        Ok(output::<D>(args.input()?, self.data_format, self.keepdims)?.into())
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let mask = args.mask().filter(|_| D == 3).cloned();
        let x = args.into_input()?;
        let y = reduce::<D>(x, self.data_format, self.keepdims, |x, axis| match mask {
            Some(mask) => masked_mean(x, mask, axis),
            None => Ok(x.mean_dim(axis)),
        })?;
        Ok(y.into())
    }

    fn code(&self, place: &Place<'_>) -> Option<Code> {
        global(place, self.data_format, self.keepdims, D, "mean")
    }
}
