//! `DepthwiseConv1D` and `DepthwiseConv2D`: every channel is convolved by itself, with as many filters as
//! the depth multiplier says.

use burn::module::{Module, Param};
use burn::tensor::Tensor;

use super::conv::convolve;
use super::conv_code::Convolution;
use super::spatial::{Padding, Windows, channel_axis, give, lengths, take, with_sizes};
use crate::activation::Activation;
use crate::codegen::{Code, Place};
use crate::config::{DataFormat, PerAxis};
use crate::constraint::Constraint;
use crate::error::{Error, Result};
use crate::initializer::Initializer;
use crate::layer::{Args, Context, Layer, LayerConfig, Spec, Tree, Variables, Weights};
use crate::regularizer::Regularizer;
use crate::value::Value;

crate::layer_config! {
    /// Config of `DepthwiseConv1D` and `DepthwiseConv2D`, by the rank of the inputs.
    pub struct DepthwiseConvConfig<const D: usize> {
        /// Filters for each channel.
        depth_multiplier: std::num::NonZeroUsize = std::num::NonZeroUsize::MIN,
        /// Size of the window.
        kernel_size: PerAxis,
        /// How far the window moves at a time.
        strides: PerAxis = PerAxis::One(1),
        /// What is added around the inputs.
        padding: Padding = Padding::Valid,
        /// Where the channels are.
        data_format: Option<DataFormat> = None,
        /// How far apart the inputs are that a window sees.
        dilation_rate: PerAxis = PerAxis::One(1),
        /// What is applied to the output.
        activation: Activation = Activation::Linear,
        /// Whether there is a bias.
        use_bias: bool = true,
        /// For fresh weights.
        depthwise_initializer: Initializer = "glorot_uniform".into(),
        /// For fresh weights.
        bias_initializer: Initializer = "zeros".into(),
        /// For training.
        depthwise_regularizer: Regularizer = Regularizer::none(),
        /// For training.
        bias_regularizer: Regularizer = Regularizer::none(),
        /// For training.
        activity_regularizer: Regularizer = Regularizer::none(),
        /// For training.
        depthwise_constraint: Constraint = Constraint::none(),
        /// For training.
        bias_constraint: Constraint = Constraint::none(),
    }
}

/// The number of channels of the input, and of the output of a depthwise convolution.
pub(crate) fn depthwise_channels(
    input: &Spec,
    data_format: Option<DataFormat>,
    depth_multiplier: std::num::NonZeroUsize,
) -> Result<(usize, usize)> {
    match input.known(channel_axis(data_format, input.rank()))? {
        0 => Err(Error::config(format_args!("expected channels, got the shape {input}"))),
        channels => Ok((channels, channels.saturating_mul(depth_multiplier.get()))),
    }
}

/// The windows of a depthwise convolution over an input of rank `D`.
pub(crate) fn depthwise_windows<const D: usize>(
    kernel_size: &PerAxis,
    strides: &PerAxis,
    dilation_rate: &PerAxis,
    padding: Padding,
) -> Result<Windows> {
    if padding == Padding::Causal {
        return Err(Error::config("expected \"valid\" or \"same\", got \"causal\"").at("padding"));
    }
    Windows::new::<D>(("kernel_size", kernel_size), strides, dilation_rate, padding)
}

/// The shape in the file of the kernel of a depthwise convolution.
pub(crate) fn depthwise_shape<const D: usize>(
    kernel_size: &PerAxis,
    channels: usize,
    depth_multiplier: std::num::NonZeroUsize,
) -> Result<Vec<usize>> {
    let mut shape = kernel_size.positive(D - 2).map_err(|error| error.at("kernel_size"))?;
    shape.extend([channels, depth_multiplier.get()]);
    Ok(shape)
}

/// The order of axes from Keras' `[spatial..., channels, multiplier]` to
/// `[channels, multiplier, spatial...]`, which [`convolve_depthwise`] takes.
pub(crate) fn depthwise_axes<const D: usize>() -> Vec<usize> {
    [D - 2, D - 1].into_iter().chain(0..D - 2).collect()
}

/// Convolves `[batch, channels, spatial...]` with `[channels, multiplier, spatial...]`.
pub(crate) fn convolve_depthwise<const D: usize>(
    x: Tensor<D>,
    kernel: Tensor<D>,
    bias: Option<Tensor<1>>,
    windows: &Windows,
) -> Result<Tensor<D>> {
    let mut shape = kernel.dims();
    let groups = shape[0];
    (shape[0], shape[1]) = (shape[0] * shape[1], 1);
    convolve(x, kernel.reshape(shape), bias, windows, groups)
}

impl<const D: usize> DepthwiseConvConfig<D> {
    fn windows(&self) -> Result<Windows> {
        depthwise_windows::<D>(&self.kernel_size, &self.strides, &self.dilation_rate, self.padding)
    }
}

impl<const D: usize> LayerConfig for DepthwiseConvConfig<D> {
    const CLASSES: &'static [&'static str] = match D {
        3 => &["DepthwiseConv1D"],
        _ => &["DepthwiseConv2D"],
    };

    type Layer = DepthwiseConv<D>;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let input = args.input()?;
        let lengths = lengths::<D>(input, self.data_format)?;
        let (channels, filters) = depthwise_channels(input, self.data_format, self.depth_multiplier)?;
        let lengths = self.windows()?.outputs(Some(channels), &lengths)?;
        let shape = with_sizes(input, self.data_format, Some(filters), lengths);
        Ok(self.activation.output(input.float(shape))?.into())
    }

    fn variables(&self, args: &Args<Spec>) -> Result<Variables> {
        let (channels, filters) = depthwise_channels(args.input()?, self.data_format, self.depth_multiplier)?;
        let shape = depthwise_shape::<D>(&self.kernel_size, channels, self.depth_multiplier)?;
        Ok(Variables::default()
            .trainable("kernel", shape)
            .with_axes(depthwise_axes::<D>())
            .with(&self.depthwise_initializer, &self.depthwise_regularizer, &self.depthwise_constraint)
            .trainable_if(self.use_bias, "bias", [filters])
            .with(&self.bias_initializer, &self.bias_regularizer, &self.bias_constraint))
    }

    fn build(&self, _: &Args<Spec>, weights: &mut Weights<'_>) -> Result<DepthwiseConv<D>> {
        Ok(DepthwiseConv {
            kernel: weights.param("kernel")?,
            bias: weights.maybe("bias")?,
            windows: self.windows()?,
            data_format: self.data_format,
            activation: self.activation.clone(),
        })
    }

    fn code(&self, place: &Place<'_>) -> Option<Code> {
        let input = place.input()?;
        let (channels, filters) = depthwise_channels(input, self.data_format, self.depth_multiplier).ok()?;
        let convolution = Convolution {
            channels: [channels, filters],
            groups: channels,
            windows: &self.windows().ok()?,
            lengths: &lengths::<D>(input, self.data_format).ok()?,
            use_bias: self.use_bias,
            data_format: self.data_format,
            initializer: &self.depthwise_initializer,
            shape: &depthwise_shape::<D>(&self.kernel_size, channels, self.depth_multiplier).ok()?,
        };
        convolution.code()?.then(&self.activation, D)
    }
}

/// A convolution of each channel by itself.
///
/// # Shapes
/// - inputs: `[batch, spatial..., channels]`, for `channels_first` `[batch, channels, spatial...]`
/// - outputs: the same with `channels * multiplier` channels, those from one input next to each other
#[derive(Module, Debug)]
pub struct DepthwiseConv<const D: usize> {
    /// `[channels, multiplier, spatial...]`.
    pub kernel: Param<Tensor<D>>,
    /// `[channels * multiplier]`.
    pub bias: Option<Param<Tensor<1>>>,
    #[module(skip)]
    windows: Windows,
    #[module(skip)]
    data_format: Option<DataFormat>,
    #[module(skip)]
    activation: Activation,
}

impl<const D: usize> Layer for DepthwiseConv<D> {
    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let x = take(args.into_input()?, self.data_format)?;
        let bias = self.bias.as_ref().map(Param::val);
        let y = convolve_depthwise(x, self.kernel.val(), bias, &self.windows)?;
        Ok(self.activation.apply(give(y, self.data_format))?.into())
    }
}
