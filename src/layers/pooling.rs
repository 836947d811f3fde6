//! `MaxPooling1D` to `MaxPooling3D` and `AveragePooling1D` to `AveragePooling3D`: the largest and the mean
//! entry of each window. Padding counts neither way.

use burn::tensor::Tensor;
use burn::tensor::module::{avg_pool1d, avg_pool2d, max_pool1d, max_pool2d};
use burn::tensor::ops::{AvgPoolOptions, MaxPoolOptions};

use super::conv_code::padded;
use super::spatial::{Padding, Window, Windows, array, channel_axis, give, lengths, take, with_sizes};
use crate::codegen::{Code, Layout, Place, per_axis};
use crate::config::{DataFormat, PerAxis};
use crate::error::{Error, Result};
use crate::layer::{Args, Context, Function, Spec, Tree};
use crate::value::Value;

crate::layer_config! {
    /// `MaxPooling1D`, `MaxPooling2D` and `MaxPooling3D`, by the rank of the inputs.
    ///
    /// # Shapes
    /// - inputs: `[batch, spatial..., channels]`, for `channels_first` `[batch, channels, spatial...]`
    /// - outputs: the same with other lengths
    pub struct MaxPooling<const D: usize> {
        /// Size of the window.
        pool_size: PerAxis = PerAxis::One(2),
        /// What is added around the inputs.
        padding: Padding = Padding::Valid,
        /// How far the window moves at a time; null for its size.
        strides: Option<PerAxis> = None,
        /// Where the channels are.
        data_format: Option<DataFormat> = None,
    }
}

crate::layer_config! {
    /// `AveragePooling1D`, `AveragePooling2D` and `AveragePooling3D`, by the rank of the inputs.
    ///
    /// # Shapes
    /// - inputs: `[batch, spatial..., channels]`, for `channels_first` `[batch, channels, spatial...]`
    /// - outputs: the same with other lengths
    pub struct AveragePooling<const D: usize> {
        /// Size of the window.
        pool_size: PerAxis,
        /// What is added around the inputs.
        padding: Padding = Padding::Valid,
        /// How far the window moves at a time; null for its size.
        strides: Option<PerAxis> = None,
        /// Where the channels are.
        data_format: Option<DataFormat> = None,
    }
}

/// What becomes of the entries of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pool {
    /// Only the largest stays.
    Max,
    /// Only their mean stays.
    Average,
}

/// One axis: a window, and what is added before and after.
type Axis = (Window, (usize, usize));

impl Pool {
    /// Pools the last axis of three, or the last two of four.
    fn run<const N: usize, const D: usize>(
        self,
        x: Tensor<D>,
        axes: [Axis; N],
        max: fn(Tensor<D>, MaxPoolOptions<N>) -> Tensor<D>,
        average: fn(Tensor<D>, AvgPoolOptions<N>) -> Tensor<D>,
    ) -> Tensor<D> {
        let sizes = axes.map(|(window, _)| window.size);
        let strides = axes.map(|(window, _)| window.stride);
        let pads = axes.map(|(_, pads)| pads);
        match self {
            Self::Max => max(x, MaxPoolOptions::new(sizes).with_stride(strides).with_padding_pairs(pads)),
            Self::Average => {
                let options = AvgPoolOptions::new(sizes).with_stride(strides).with_padding_pairs(pads);
                average(x, options.with_count_include_pad(false))
            }
        }
    }

    fn plane(self, x: Tensor<4>, axes: [Axis; 2]) -> Tensor<4> {
        self.run(x, axes, max_pool2d, avg_pool2d)
    }

    /// Pools three axes: the last two, then the first by itself. Both kinds of pooling allow that.
    fn volume(self, x: Tensor<5>, [depth, height, width]: [Axis; 3]) -> Tensor<5> {
        let [batch, channels, deep, high, wide] = x.dims();
        let x = self.plane(x.reshape([batch, channels * deep, high, wide]), [height, width]);
        let [_, _, high, wide] = x.dims();
        let still = Axis::default();
        let x = self.plane(x.reshape([batch, channels, deep, high * wide]), [depth, still]);
        let deep = x.dims()[2];
        x.reshape([batch, channels, deep, high, wide])
    }

    /// Pools `[batch, channels, spatial...]`.
    pub(crate) fn forward<const D: usize>(self, x: Tensor<D>, windows: &Windows) -> Result<Tensor<D>> {
        let pads = windows.pads(&x)?;
        let axes = windows.axes.iter().copied().zip(pads);
        let x = x.into_bridge();
        Ok(Tensor::from_bridge(match D {
            3 => self.run(Tensor::from_bridge(x), array(axes), max_pool1d, avg_pool1d).into_bridge(),
            4 => self.plane(Tensor::from_bridge(x), array(axes)).into_bridge(),
            5 => self.volume(Tensor::from_bridge(x), array(axes)).into_bridge(),
            rank => return Err(crate::value::unsupported_rank(rank)),
        }))
    }
}

/// The modules of burn-nn along one axis and two.
const MAX: [[&str; 2]; 2] = [
    ["burn::nn::pool::MaxPool1d", "burn::nn::pool::MaxPool1dConfig"],
    ["burn::nn::pool::MaxPool2d", "burn::nn::pool::MaxPool2dConfig"],
];
const AVERAGE: [[&str; 2]; 2] = [
    ["burn::nn::pool::AvgPool1d", "burn::nn::pool::AvgPool1dConfig"],
    ["burn::nn::pool::AvgPool2d", "burn::nn::pool::AvgPool2dConfig"],
];

impl Pool {
    fn code(self, windows: &Windows, lengths: &[Option<usize>], format: Option<DataFormat>) -> Option<Code> {
        let modules = if self == Self::Max { MAX } else { AVERAGE };
        let sizes: Vec<usize> = windows.axes.iter().map(|axis| axis.size).collect();
        let strides: Vec<usize> = windows.axes.iter().map(|axis| axis.stride).collect();
        let stride = if sizes.len() == 1 { "stride" } else { "strides" };
        let code = Code::module(
            *modules.get(sizes.len().checked_sub(1)?)?,
            &per_axis(&sizes),
            Layout::spatial(format),
        )
        .with(stride, per_axis(&strides), &per_axis(&sizes));
        let counts_padding = self == Self::Max || windows.padding == Padding::Valid;
        let code = code.with("count_include_pad", counts_padding.to_string(), "true");
        Some(padded(code, windows, lengths)?.without_device())
    }
}

macro_rules! pooling {
    ($name:ident, $pool:expr, $classes:expr) => {
        impl<const D: usize> $name<D> {
            fn windows(&self) -> Result<Windows> {
                if self.padding == Padding::Causal {
                    return Err(Error::config("expected \"valid\" or \"same\", got \"causal\"").at("padding"));
                }
                let strides = self.strides.as_ref().unwrap_or(&self.pool_size);
                Windows::new::<D>(("pool_size", &self.pool_size), strides, &PerAxis::One(1), self.padding)
            }
        }

        impl<const D: usize> Function for $name<D> {
            const CLASSES: &'static [&'static str] = {
                let classes: [&'static [&'static str]; 3] = $classes;
                classes[D - 3]
            };

            fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
                let input = args.input()?;
                let lengths = lengths::<D>(input, self.data_format)?;
                let channels = input.shape[channel_axis(self.data_format, D)];
                let lengths = self.windows()?.outputs(channels, &lengths)?;
                Ok(input.float(with_sizes(input, self.data_format, channels, lengths)).into())
            }

            fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
                let x = take::<D>(args.into_input()?, self.data_format)?;
                Ok(give($pool.forward(x, &self.windows()?)?, self.data_format).into())
            }

            fn code(&self, place: &Place<'_>) -> Option<Code> {
                let lengths = lengths::<D>(place.input()?, self.data_format).ok()?;
                $pool.code(&self.windows().ok()?, &lengths, self.data_format)
            }
        }
    };
}

pooling!(
    MaxPooling,
    Pool::Max,
    [&["MaxPooling1D", "MaxPool1D"], &["MaxPooling2D", "MaxPool2D"], &["MaxPooling3D", "MaxPool3D"]]
);
pooling!(
    AveragePooling,
    Pool::Average,
    [
        &["AveragePooling1D", "AvgPool1D"],
        &["AveragePooling2D", "AvgPool2D"],
        &["AveragePooling3D", "AvgPool3D"]
    ]
);
