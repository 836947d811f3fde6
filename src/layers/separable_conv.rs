//! `SeparableConv1D` and `SeparableConv2D`: a depthwise convolution, then one that mixes the channels at
//! each place.

use burn::module::{Module, Param};
use burn::tensor::Tensor;

use super::conv::{convolve, kernel_axes};
use super::depthwise_conv::{
    convolve_depthwise, depthwise_axes, depthwise_channels, depthwise_shape, depthwise_windows,
};
use super::spatial::{Padding, Windows, give, lengths, take, with_sizes};
use crate::activation::Activation;
use crate::config::{DataFormat, PerAxis};
use crate::constraint::Constraint;
use crate::error::Result;
use crate::initializer::Initializer;
use crate::layer::{Args, Context, Layer, LayerConfig, Spec, Tree, Variables, Weights};
use crate::regularizer::Regularizer;
use crate::value::Value;

crate::layer_config! {
    /// Config of `SeparableConv1D` and `SeparableConv2D`, by the rank of the inputs.
    pub struct SeparableConvConfig<const D: usize> {
        /// Filters for each channel in the first convolution.
        depth_multiplier: std::num::NonZeroUsize = std::num::NonZeroUsize::MIN,
        /// Channels of the output.
        filters: std::num::NonZeroUsize,
        /// Size of the window of the first convolution.
        kernel_size: PerAxis,
        /// How far that window moves at a time.
        strides: PerAxis = PerAxis::One(1),
        /// What is added around the inputs.
        padding: Padding = Padding::Valid,
        /// Where the channels are.
        data_format: Option<DataFormat> = None,
        /// How far apart the inputs are that the window sees.
        dilation_rate: PerAxis = PerAxis::One(1),
        /// What is applied to the output.
        activation: Activation = Activation::Linear,
        /// Whether there is a bias.
        use_bias: bool = true,
        /// For fresh weights.
        depthwise_initializer: Initializer = "glorot_uniform".into(),
        /// For fresh weights.
        pointwise_initializer: Initializer = "glorot_uniform".into(),
        /// For fresh weights.
        bias_initializer: Initializer = "zeros".into(),
        /// For training.
        depthwise_regularizer: Regularizer = Regularizer::none(),
        /// For training.
        pointwise_regularizer: Regularizer = Regularizer::none(),
        /// For training.
        bias_regularizer: Regularizer = Regularizer::none(),
        /// For training.
        activity_regularizer: Regularizer = Regularizer::none(),
        /// For training.
        depthwise_constraint: Constraint = Constraint::none(),
        /// For training.
        pointwise_constraint: Constraint = Constraint::none(),
        /// For training.
        bias_constraint: Constraint = Constraint::none(),
    }
}

impl<const D: usize> SeparableConvConfig<D> {
    fn windows(&self) -> Result<Windows> {
        depthwise_windows::<D>(&self.kernel_size, &self.strides, &self.dilation_rate, self.padding)
    }
}

impl<const D: usize> LayerConfig for SeparableConvConfig<D> {
    const CLASSES: &'static [&'static str] = match D {
        3 => &["SeparableConv1D", "SeparableConvolution1D"],
        _ => &["SeparableConv2D", "SeparableConvolution2D"],
    };

    type Layer = SeparableConv<D>;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let input = args.input()?;
        let lengths = lengths::<D>(input, self.data_format)?;
        let (channels, _) = depthwise_channels(input, self.data_format, self.depth_multiplier)?;
        let lengths = self.windows()?.outputs(Some(channels), &lengths)?;
        let shape = with_sizes(input, self.data_format, Some(self.filters.get()), lengths);
        Ok(self.activation.output(input.float(shape))?.into())
    }

    fn variables(&self, args: &Args<Spec>) -> Result<Variables> {
        let (channels, between) = depthwise_channels(args.input()?, self.data_format, self.depth_multiplier)?;
        let depthwise = depthwise_shape::<D>(&self.kernel_size, channels, self.depth_multiplier)?;
        let mut pointwise = vec![1; D - 2];
        pointwise.extend([between, self.filters.get()]);
        Ok(Variables::default()
            .trainable("depthwise_kernel", depthwise)
            .with_axes(depthwise_axes::<D>())
            .with(&self.depthwise_initializer, &self.depthwise_regularizer, &self.depthwise_constraint)
            .trainable("pointwise_kernel", pointwise)
            .with_axes(kernel_axes::<D>())
            .with(&self.pointwise_initializer, &self.pointwise_regularizer, &self.pointwise_constraint)
            .trainable_if(self.use_bias, "bias", [self.filters.get()])
            .with(&self.bias_initializer, &self.bias_regularizer, &self.bias_constraint))
    }

    fn build(&self, _: &Args<Spec>, weights: &mut Weights<'_>) -> Result<SeparableConv<D>> {
        let one = PerAxis::One(1);
        Ok(SeparableConv {
            depthwise_kernel: weights.param("depthwise_kernel")?,
            pointwise_kernel: weights.param("pointwise_kernel")?,
            bias: weights.maybe("bias")?,
            windows: self.windows()?,
            places: depthwise_windows::<D>(&one, &one, &one, Padding::Valid)?,
            data_format: self.data_format,
            activation: self.activation.clone(),
        })
    }
}

/// A convolution of each channel by itself, then of the channels at each place.
///
/// # Shapes
/// - inputs: `[batch, spatial..., channels]`, for `channels_first` `[batch, channels, spatial...]`
/// - outputs: the same with `filters` channels
#[derive(Module, Debug)]
pub struct SeparableConv<const D: usize> {
    /// `[channels, multiplier, spatial...]`.
    pub depthwise_kernel: Param<Tensor<D>>,
    /// `[filters, channels * multiplier, 1...]`.
    pub pointwise_kernel: Param<Tensor<D>>,
    /// `[filters]`.
    pub bias: Option<Param<Tensor<1>>>,
    #[module(skip)]
    windows: Windows,
    #[module(skip)]
    places: Windows,
    #[module(skip)]
    data_format: Option<DataFormat>,
    #[module(skip)]
    activation: Activation,
}

impl<const D: usize> Layer for SeparableConv<D> {
    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let x = take(args.into_input()?, self.data_format)?;
        let x = convolve_depthwise(x, self.depthwise_kernel.val(), None, &self.windows)?;
        let bias = self.bias.as_ref().map(Param::val);
        let y = convolve(x, self.pointwise_kernel.val(), bias, &self.places, 1)?;
        Ok(self.activation.apply(give(y, self.data_format))?.into())
    }
}
