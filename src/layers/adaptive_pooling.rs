//! `AdaptiveMaxPooling1D` to `AdaptiveMaxPooling3D` and `AdaptiveAveragePooling1D` to
//! `AdaptiveAveragePooling3D`: the largest and the mean entry of as many windows as are asked for, which
//! cover each axis and overlap where they do not divide it.

use std::ops::Range;

use burn::tensor::kind::{Numeric, Ordered};
use burn::tensor::{Device, Int, Tensor, TensorData};

use super::spatial::{channel_axis, give, lengths, spatial_axes, take, with_sizes};
use crate::codegen::{Code, Layout, Place, per_axis};
use crate::config::{DataFormat, Dtype, PerAxis};
use crate::error::{Error, Result};
use crate::layer::{Args, Context, Function, Spec, Tree};
use crate::value::Value;

crate::layer_config! {
    /// `AdaptiveMaxPooling1D`, `AdaptiveMaxPooling2D` and `AdaptiveMaxPooling3D`, by the rank of the inputs.
    ///
    /// # Shapes
    /// - inputs: `[batch, spatial..., channels]`, for `channels_first` `[batch, channels, spatial...]`
    /// - outputs: the same with the lengths of `output_size`
    pub struct AdaptiveMaxPooling<const D: usize> {
        /// The number of windows.
        output_size: PerAxis,
        /// Where the channels are.
        data_format: Option<DataFormat> = None,
    }
}

crate::layer_config! {
    /// `AdaptiveAveragePooling1D`, `AdaptiveAveragePooling2D` and `AdaptiveAveragePooling3D`, by the rank of
    /// the inputs.
    ///
    /// # Shapes
    /// - inputs: `[batch, spatial..., channels]`, for `channels_first` `[batch, channels, spatial...]`
    /// - outputs: the same with the lengths of `output_size`
    pub struct AdaptiveAveragePooling<const D: usize> {
        /// The number of windows.
        output_size: PerAxis,
        /// Where the channels are.
        data_format: Option<DataFormat> = None,
    }
}

/// What becomes of windows `[before, windows, entries, after]`, and how much the entries count.
type Reduce<K> = fn(Tensor<4, K>, Option<Tensor<4>>) -> Tensor<4, K>;

fn max<K: Ordered>(x: Tensor<4, K>, _: Option<Tensor<4>>) -> Tensor<4, K> {
    x.max_dim(2)
}

fn average(x: Tensor<4>, weights: Option<Tensor<4>>) -> Tensor<4> {
    match weights {
        Some(weights) => (x * weights).sum_dim(2),
        None => x.mean_dim(2),
    }
}

/// Where the entries of windows are along an axis, and how much each counts; windows that are shorter than
/// others see their last entry again, for nothing.
fn windows(length: usize, count: usize, device: &Device) -> (Tensor<1, Int>, Tensor<4>) {
    let ranges = (0..count).map(|at| (at * length / count, ((at + 1) * length).div_ceil(count)));
    let longest = ranges.clone().map(|(start, end)| end - start).max().unwrap_or(1);
    let (mut places, mut weights) = (Vec::new(), Vec::new());
    for (start, end) in ranges {
        let own = end - start;
        places.extend((0..longest).map(|entry| (start + entry.min(own - 1)) as i64));
        weights.extend((0..longest).map(|entry| if entry < own { 1.0 / own as f32 } else { 0.0 }));
    }
    let weights = TensorData::new(weights, [1, count, longest, 1]);
    (Tensor::from_data(places.as_slice(), device), Tensor::from_data(weights, device))
}

/// Pools some axes in turn: both kinds of pooling allow that.
fn pool<const D: usize, K: Numeric>(
    x: Tensor<D, K>,
    axes: Range<usize>,
    counts: &[usize],
    reduce: Reduce<K>,
) -> Result<Tensor<D, K>> {
    if x.dims()[axes.clone()].contains(&0) {
        return Err(Error::input(format_args!("nothing to pool in the shape {:?}", x.dims())));
    }
    Ok(counts.iter().zip(axes).fold(x, |x, (count, axis)| {
        let mut shape = x.dims();
        let (before, length): (usize, usize) = (shape[..axis].iter().product(), shape[axis]);
        let after: usize = shape[axis + 1..].iter().product();
        shape[axis] = *count;
        let reduced = if length.is_multiple_of(*count) {
            reduce(x.reshape([before, *count, length / count, after]), None)
        } else {
            let (places, weights) = windows(length, *count, &x.device());
            let longest = weights.dims()[2];
            let windows = x.reshape([before, length, after]).select(1, places);
            reduce(windows.reshape([before, *count, longest, after]), Some(weights))
        };
        reduced.reshape(shape)
    }))
}

/// What burn-nn has of it, along one to three axes.
const AVERAGES: [[&str; 2]; 3] = [
    ["burn::nn::pool::AdaptiveAvgPool1d", "burn::nn::pool::AdaptiveAvgPool1dConfig"],
    ["burn::nn::pool::AdaptiveAvgPool2d", "burn::nn::pool::AdaptiveAvgPool2dConfig"],
    ["burn::nn::pool::AdaptiveAvgPool3d", "burn::nn::pool::AdaptiveAvgPool3dConfig"],
];

macro_rules! adaptive {
    ($name:ident, keeps integers $keeps:literal, $reduce:expr, $modules:expr, $classes:expr) => {
        impl<const D: usize> $name<D> {
            fn counts(&self) -> Result<Vec<usize>> {
                self.output_size.positive(D - 2).map_err(|error| error.at("output_size"))
            }
        }

        impl<const D: usize> Function for $name<D> {
            const CLASSES: &'static [&'static str] = {
                let classes: [&'static [&'static str]; 3] = $classes;
                classes[D - 3]
            };

            fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
                let input = args.input()?;
                if lengths::<D>(input, self.data_format)?.contains(&Some(0)) {
                    return Err(Error::config(format_args!("nothing to pool in the shape {input}")));
                }
                if $keeps && input.dtype == Dtype::Bool {
                    return Err(Error::unsupported("the largest of booleans"));
                }
                let counts = self.counts()?.into_iter().map(Some).collect();
                let channels = input.shape[channel_axis(self.data_format, D)];
                let output = input.float(with_sizes(input, self.data_format, channels, counts));
                Ok(if $keeps { output.with_dtype(input.dtype) } else { output }.into())
            }

            fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
                let (x, counts) = (args.into_input()?, self.counts()?);
                if $keeps && !x.is_float() {
                    let axes = spatial_axes(self.data_format, D);
                    return Ok(Value::from(pool(x.int::<D>()?, axes, &counts, max)?).into());
                }
                let x = take::<D>(x, self.data_format)?;
                Ok(give(pool(x, 2..D, &counts, $reduce)?, self.data_format).into())
            }

            fn code(&self, place: &Place<'_>) -> Option<Code> {
                place.input()?;
                let modules: &[[&'static str; 2]] = &$modules;
                let (module, layout) = (*modules.get(D - 3)?, Layout::spatial(self.data_format));
                Some(Code::module(module, &per_axis(&self.counts().ok()?), layout).without_device())
            }
        }
    };
}

adaptive!(
    AdaptiveMaxPooling,
    keeps integers true,
    max,
    [],
    [&["AdaptiveMaxPooling1D"], &["AdaptiveMaxPooling2D"], &["AdaptiveMaxPooling3D"]]
);
adaptive!(
    AdaptiveAveragePooling,
    keeps integers false,
    average,
    AVERAGES,
    [&["AdaptiveAveragePooling1D"], &["AdaptiveAveragePooling2D"], &["AdaptiveAveragePooling3D"]]
);
