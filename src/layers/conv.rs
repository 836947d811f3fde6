//! `Conv1D`, `Conv2D` and `Conv3D`: `activation(inputs * kernel + bias)`, a cross-correlation.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::module::{conv1d, conv2d, conv3d};
use burn::tensor::ops::ConvOptions;

use super::conv_code::Convolution;
use super::spatial::{Padding, Windows, channel_axis, give, lengths, pad_zeros, take, with_sizes};
use crate::activation::Activation;
use crate::codegen::{Code, Place};
use crate::config::{DataFormat, Kept, PerAxis};
use crate::constraint::Constraint;
use crate::error::{Error, Result};
use crate::initializer::Initializer;
use crate::layer::{Args, Context, Layer, LayerConfig, Spec, Tree, Variables, Weights};
use crate::regularizer::Regularizer;
use crate::value::Value;

crate::layer_config! {
    /// Config of `Conv1D`, `Conv2D` and `Conv3D`, by the rank of the inputs.
    pub struct ConvConfig<const D: usize> {
        /// Channels of the output.
        filters: std::num::NonZeroUsize,
        /// Size of the window.
        kernel_size: PerAxis,
        /// How far the window moves at a time.
        strides: PerAxis = PerAxis::One(1),
        /// What is added around the inputs.
        padding: Padding = Padding::Valid,
        /// Where the channels are.
        data_format: Option<DataFormat> = None,
        /// How far apart the inputs are that a window sees. Above 1 only without strides.
        dilation_rate: PerAxis = PerAxis::One(1),
        /// Into how many parts channels are split, each with filters of its own.
        groups: std::num::NonZeroUsize = std::num::NonZeroUsize::MIN,
        /// What is applied to the output.
        activation: Activation = Activation::Linear,
        /// Whether there is a bias.
        use_bias: bool = true,
        /// For fresh weights.
        kernel_initializer: Initializer = "glorot_uniform".into(),
        /// For fresh weights.
        bias_initializer: Initializer = "zeros".into(),
        /// For training.
        kernel_regularizer: Regularizer = Regularizer::none(),
        /// For training.
        bias_regularizer: Regularizer = Regularizer::none(),
        /// For training.
        activity_regularizer: Regularizer = Regularizer::none(),
        /// For training.
        kernel_constraint: Constraint = Constraint::none(),
        /// For training.
        bias_constraint: Constraint = Constraint::none(),
        /// The rank of a low-rank adaptation, which is part of the kernel in a file.
        lora_rank: Kept = Kept::default(),
        /// Its weight.
        lora_alpha: Kept = Kept::default(),
    }
}

/// The order of axes from Keras' `[spatial..., in, out]` to Burn's `[out, in, spatial...]`.
pub(crate) fn kernel_axes<const D: usize>() -> Vec<usize> {
    [D - 1, D - 2].into_iter().chain(0..D - 2).collect()
}

/// Convolves `[batch, channels, spatial...]` with `[out, in / groups, spatial...]`.
pub(crate) fn convolve<const D: usize>(
    x: Tensor<D>,
    kernel: Tensor<D>,
    bias: Option<Tensor<1>>,
    windows: &Windows,
    groups: usize,
) -> Result<Tensor<D>> {
    let pads = windows.pads(&x)?;
    // Burn cannot pad the ends of three axes differently.
    let (x, pads) = match D == 5 && pads.iter().any(|(before, after)| before != after) {
        true => (pad_zeros(x, &pads), vec![(0, 0); pads.len()]),
        false => (x, pads),
    };
    let (x, kernel) = (x.into_bridge(), kernel.into_bridge());
    macro_rules! run {
        ($conv:ident) => {{
            let options = ConvOptions::new_with_padding(
                windows.strides(),
                super::spatial::array(pads),
                windows.dilation(),
                groups,
            );
            $conv(Tensor::from_bridge(x), Tensor::from_bridge(kernel), bias, options).into_bridge()
        }};
    }
    Ok(Tensor::from_bridge(match D {
        3 => run!(conv1d),
        4 => run!(conv2d),
        5 => run!(conv3d),
        rank => return Err(crate::value::unsupported_rank(rank)),
    }))
}

impl<const D: usize> ConvConfig<D> {
    fn windows(&self) -> Result<Windows> {
        let sizes = ("kernel_size", &self.kernel_size);
        Windows::new::<D>(sizes, &self.strides, &self.dilation_rate, self.padding)?.without_dilated_strides()
    }

    /// The number of channels of the input.
    fn channels(&self, input: &Spec) -> Result<usize> {
        let channels = input.known(channel_axis(self.data_format, D))?;
        let (filters, groups) = (self.filters.get(), self.groups.get());
        if channels == 0 || channels % groups != 0 || filters % groups != 0 {
            return Err(Error::config(format_args!(
                "{channels} channels and {filters} filters do not divide into {groups} groups"
            ))
            .at("groups"));
        }
        Ok(channels)
    }

    /// The shape in the file of the kernel.
    fn kernel_shape(&self, input: &Spec) -> Result<Vec<usize>> {
        let mut shape = self.kernel_size.positive(D - 2).map_err(|error| error.at("kernel_size"))?;
        shape.extend([self.channels(input)? / self.groups, self.filters.get()]);
        Ok(shape)
    }
}

impl<const D: usize> LayerConfig for ConvConfig<D> {
    const CLASSES: &'static [&'static str] = match D {
        3 => &["Conv1D", "Convolution1D"],
        4 => &["Conv2D", "Convolution2D"],
        _ => &["Conv3D", "Convolution3D"],
    };

    type Layer = Conv<D>;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let input = args.input()?;
        let lengths = lengths::<D>(input, self.data_format)?;
        let channels = self.channels(input)?;
        let lengths = self.windows()?.outputs(Some(channels), &lengths)?;
        let shape = with_sizes(input, self.data_format, Some(self.filters.get()), lengths);
        Ok(self.activation.output(input.float(shape))?.into())
    }

    fn variables(&self, args: &Args<Spec>) -> Result<Variables> {
        let shape = self.kernel_shape(args.input()?)?;
        Ok(Variables::default()
            .trainable("kernel", shape)
            .frozen_if(self.lora_rank.is_set())
            .with_axes(kernel_axes::<D>())
            .with(&self.kernel_initializer, &self.kernel_regularizer, &self.kernel_constraint)
            .trainable_if(self.use_bias, "bias", [self.filters.get()])
            .with(&self.bias_initializer, &self.bias_regularizer, &self.bias_constraint))
    }

    fn build(&self, _: &Args<Spec>, weights: &mut Weights<'_>) -> Result<Conv<D>> {
        Ok(Conv {
            kernel: weights.param("kernel")?,
            bias: weights.maybe("bias")?,
            windows: self.windows()?,
            groups: self.groups.get(),
            data_format: self.data_format,
            activation: self.activation.clone(),
        })
    }

    fn code(&self, place: &Place<'_>) -> Option<Code> {
        // Training an adaptation leaves the kernel alone.
        let input = place.input().filter(|_| !self.lora_rank.is_set())?;
        let convolution = Convolution {
            channels: [self.channels(input).ok()?, self.filters.get()],
            groups: self.groups.get(),
            windows: &self.windows().ok()?,
            lengths: &lengths::<D>(input, self.data_format).ok()?,
            use_bias: self.use_bias,
            data_format: self.data_format,
            initializer: &self.kernel_initializer,
            shape: &self.kernel_shape(input).ok()?,
        };
        convolution.code()?.then(&self.activation, D)
    }
}

/// A convolution over the spatial axes.
///
/// # Shapes
/// - inputs: `[batch, spatial..., channels]`, for `channels_first` `[batch, channels, spatial...]`
/// - outputs: the same with `filters` channels
#[derive(Module, Debug)]
pub struct Conv<const D: usize> {
    /// `[filters, channels / groups, spatial...]`.
    pub kernel: Param<Tensor<D>>,
    /// `[filters]`.
    pub bias: Option<Param<Tensor<1>>>,
    #[module(skip)]
    windows: Windows,
    #[module(skip)]
    groups: usize,
    #[module(skip)]
    data_format: Option<DataFormat>,
    #[module(skip)]
    activation: Activation,
}

impl<const D: usize> Layer for Conv<D> {
    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let x = take(args.into_input()?, self.data_format)?;
        let bias = self.bias.as_ref().map(Param::val);
        let y = convolve(x, self.kernel.val(), bias, &self.windows, self.groups)?;
        Ok(self.activation.apply(give(y, self.data_format))?.into())
    }
}
