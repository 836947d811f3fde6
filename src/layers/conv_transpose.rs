//! `Conv1DTranspose`, `Conv2DTranspose` and `Conv3DTranspose`: every input adds its multiple of the kernel
//! to the output, `strides` apart.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::module::{conv_transpose1d, conv_transpose2d, conv_transpose3d};
use burn::tensor::ops::ConvTransposeOptions;

use super::conv::kernel_axes;
use super::spatial::{
    Padding, Window, Windows, array, channel_axis, check_elements, give, lengths, lengths_of, take,
    with_sizes,
};
use crate::activation::Activation;
use crate::codegen::{Code, Layout, Place, per_axis};
use crate::config::{DataFormat, PerAxis};
use crate::constraint::Constraint;
use crate::error::{Error, Result};
use crate::initializer::Initializer;
use crate::layer::{Args, Context, Layer, LayerConfig, Spec, Tree, Variables, Weights};
use crate::regularizer::Regularizer;
use crate::value::Value;

crate::layer_config! {
    /// Config of `Conv1DTranspose`, `Conv2DTranspose` and `Conv3DTranspose`, by the rank of the inputs.
    pub struct ConvTransposeConfig<const D: usize> {
        /// Channels of the output.
        filters: std::num::NonZeroUsize,
        /// Size of the kernel.
        kernel_size: PerAxis,
        /// How far apart the kernels of two inputs are.
        strides: PerAxis = PerAxis::One(1),
        /// What is cut off the ends of the output.
        padding: Padding = Padding::Valid,
        /// What is added to the end of the output, less than the strides; null for Keras' own choice.
        output_padding: Option<PerAxis> = None,
        /// Where the channels are.
        data_format: Option<DataFormat> = None,
        /// How far apart the outputs are to which a kernel adds. Above 1 only without strides.
        dilation_rate: PerAxis = PerAxis::One(1),
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
    }
}

/// What becomes of the output of a transposed convolution along one axis.
#[derive(Clone, Copy, Debug)]
struct Cut {
    window: Window,
    /// What goes from the start.
    before: usize,
    /// What goes from the end.
    after: usize,
    /// What is added to the end.
    added: usize,
}

impl Cut {
    /// After `_convert_conv_transpose_padding_args_from_keras_to_jax` in Keras'
    /// `backend/common/backend_utils.py`, seen from the other end: JAX pads inputs that are `strides`
    /// apart, Burn cuts the outputs.
    fn new(window: Window, padding: Padding, output_padding: Option<usize>) -> Self {
        let (reach, stride) = (window.reach(), window.stride);
        let most = reach - 1;
        let (left, right) = match (padding, output_padding) {
            (Padding::Same, output_padding) => {
                let total = match output_padding {
                    None => stride.saturating_add(reach) - 2,
                    Some(more) => reach.saturating_add(reach % 2 + more) - 2,
                };
                let left = total.div_ceil(2).min(most);
                (left, total - left)
            }
            (_, Some(more)) => (most, most.saturating_add(more)),
            (_, None) => (most, most.saturating_add(stride.saturating_sub(reach))),
        };
        let (after, added) = (most.saturating_sub(right), right.saturating_sub(most));
        Self { window, before: most - left, after, added }
    }

    /// What Burn adds to the end, which it cuts as it does the start.
    fn added_back(&self) -> usize {
        self.added.saturating_add(self.before.saturating_sub(self.after))
    }

    /// The length of the output, if there is any.
    fn output(self, length: usize) -> Option<usize> {
        let full = length.checked_sub(1)?.saturating_mul(self.window.stride);
        let full = full.saturating_add(self.window.reach()).saturating_add(self.added);
        full.checked_sub(self.before.saturating_add(self.after)).filter(|output| *output > 0)
    }
}

/// `ConvTranspose1d` to `ConvTranspose3d` of burn-nn.
const MODULES: [[&str; 2]; 3] = [
    ["burn::nn::conv::ConvTranspose1d", "burn::nn::conv::ConvTranspose1dConfig"],
    ["burn::nn::conv::ConvTranspose2d", "burn::nn::conv::ConvTranspose2dConfig"],
    ["burn::nn::conv::ConvTranspose3d", "burn::nn::conv::ConvTranspose3dConfig"],
];

impl<const D: usize> ConvTransposeConfig<D> {
    fn cuts(&self) -> Result<Vec<Cut>> {
        if self.padding == Padding::Causal {
            return Err(Error::config("expected \"valid\" or \"same\", got \"causal\"").at("padding"));
        }
        let sizes = ("kernel_size", &self.kernel_size);
        let windows = Windows::new::<D>(sizes, &self.strides, &self.dilation_rate, self.padding)?;
        let windows = windows.without_dilated_strides()?;
        let output_padding = match &self.output_padding {
            None => vec![None; D - 2],
            Some(numbers) => {
                let numbers = numbers.numbers(D - 2).map_err(|error| error.at("output_padding"))?;
                numbers.into_iter().map(Some).collect()
            }
        };
        let axes = windows.axes.iter().zip(output_padding);
        axes.map(|(window, more)| match more {
            Some(more) if more >= window.stride => {
                let stride = window.stride;
                let message = format_args!("expected less than the stride of {stride}, got {more}");
                Err(Error::config(message).at("output_padding"))
            }
            more => Ok(Cut::new(*window, self.padding, more)),
        })
        .collect()
    }

    fn channels(&self, input: &Spec) -> Result<usize> {
        match input.known(channel_axis(self.data_format, D))? {
            0 => Err(Error::config(format_args!("expected channels, got the shape {input}"))),
            channels => Ok(channels),
        }
    }

    /// The shape in the file of the kernel.
    fn kernel_shape(&self, input: &Spec) -> Result<Vec<usize>> {
        let mut shape = self.kernel_size.positive(D - 2).map_err(|error| error.at("kernel_size"))?;
        shape.extend([self.filters.get(), self.channels(input)?]);
        Ok(shape)
    }
}

fn output_length(cut: &Cut, length: usize) -> Result<usize> {
    cut.output(length)
        .ok_or_else(|| Error::config(format_args!("nothing remains of the output for an axis of {length}")))
}

impl<const D: usize> LayerConfig for ConvTransposeConfig<D> {
    const CLASSES: &'static [&'static str] = match D {
        3 => &["Conv1DTranspose", "Convolution1DTranspose"],
        4 => &["Conv2DTranspose", "Convolution2DTranspose"],
        _ => &["Conv3DTranspose", "Convolution3DTranspose"],
    };

    type Layer = ConvTranspose<D>;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let input = args.input()?;
        let lengths = lengths::<D>(input, self.data_format)?;
        self.channels(input)?;
        let outputs = self.cuts()?.into_iter().zip(lengths);
        let outputs = outputs.map(|(cut, length)| length.map(|at| output_length(&cut, at)).transpose());
        let filters = self.filters.get();
        let shape = with_sizes(input, self.data_format, Some(filters), outputs.collect::<Result<_>>()?);
        Ok(self.activation.output(input.float(shape))?.into())
    }

    fn variables(&self, args: &Args<Spec>) -> Result<Variables> {
        let shape = self.kernel_shape(args.input()?)?;
        Ok(Variables::default()
            .trainable("kernel", shape)
            .with_axes(kernel_axes::<D>())
            .with(&self.kernel_initializer, &self.kernel_regularizer, &self.kernel_constraint)
            .trainable_if(self.use_bias, "bias", [self.filters.get()])
            .with(&self.bias_initializer, &self.bias_regularizer, &self.bias_constraint))
    }

    fn build(&self, _: &Args<Spec>, weights: &mut Weights<'_>) -> Result<ConvTranspose<D>> {
        Ok(ConvTranspose {
            kernel: weights.param("kernel")?,
            bias: weights.maybe("bias")?,
            cuts: self.cuts()?,
            data_format: self.data_format,
            activation: self.activation.clone(),
        })
    }

    fn code(&self, place: &Place<'_>) -> Option<Code> {
        let input = place.input()?;
        let (cuts, channels, filters) = (self.cuts().ok()?, self.channels(input).ok()?, self.filters.get());
        let numbers = |number: fn(&Cut) -> usize| per_axis(&cuts.iter().map(number).collect::<Vec<usize>>());
        let all = |number: usize| per_axis(&vec![number; D - 2]);
        let shape = self.kernel_shape(input).ok()?;
        let window: usize = shape.iter().take(D - 2).product();
        let code = Code::module(
            *MODULES.get(D - 3)?,
            &format!("[{channels}, {filters}], {}", numbers(|cut| cut.window.size)),
            Layout::spatial(self.data_format),
        )
        .with("stride", numbers(|cut| cut.window.stride), &all(1))
        .with("dilation", numbers(|cut| cut.window.dilation), &all(1))
        .with("padding", numbers(|cut| cut.before), &all(0))
        .with("padding_out", numbers(Cut::added_back), &all(0))
        .with("bias", self.use_bias.to_string(), "true")
        .initialized(&self.kernel_initializer, &shape, (filters * window, None));
        // Burn cuts both ends alike.
        let ranges = cuts.iter().map(|cut| match cut.after.saturating_sub(cut.before) {
            0 => "..".to_owned(),
            more => format!("..-{more}"),
        });
        let ranges = ranges.collect::<Vec<_>>().join(", ");
        let code = match ranges.contains('-') {
            true => Code { call: format!("{}.slice(s![.., .., {ranges}])", code.call), ..code }
                .using("burn::tensor::s"),
            false => code,
        };
        code.then(&self.activation, D)
    }
}

/// A transposed convolution over the spatial axes.
///
/// # Shapes
/// - inputs: `[batch, spatial..., channels]`, for `channels_first` `[batch, channels, spatial...]`
/// - outputs: the same with `filters` channels
#[derive(Module, Debug)]
pub struct ConvTranspose<const D: usize> {
    /// `[channels, filters, spatial...]`.
    pub kernel: Param<Tensor<D>>,
    /// `[filters]`.
    pub bias: Option<Param<Tensor<1>>>,
    #[module(skip)]
    cuts: Vec<Cut>,
    #[module(skip)]
    data_format: Option<DataFormat>,
    #[module(skip)]
    activation: Activation,
}

impl<const D: usize> ConvTranspose<D> {
    fn options<const N: usize>(&self) -> ConvTransposeOptions<N> {
        let each = |number: fn(&Cut) -> usize| array(self.cuts.iter().map(number));
        ConvTransposeOptions::new(
            each(|cut| cut.window.stride),
            // Burn cuts both ends alike.
            each(|cut| cut.before),
            each(Cut::added_back),
            each(|cut| cut.window.dilation),
            1,
        )
    }

    fn forward(&self, x: Tensor<D>) -> Result<Tensor<D>> {
        let lengths = self.cuts.iter().zip(lengths_of(&x)).map(|(cut, length)| output_length(cut, length));
        let lengths = lengths.collect::<Result<Vec<_>>>()?;
        let filters = self.kernel.dims()[1];
        check_elements("elements of an output", std::iter::once(filters).chain(lengths.iter().copied()))?;
        let (x, kernel) = (x.into_bridge(), self.kernel.val().into_bridge());
        let bias = self.bias.as_ref().map(Param::val);
        macro_rules! run {
            ($conv:ident) => {
                $conv(Tensor::from_bridge(x), Tensor::from_bridge(kernel), bias, self.options()).into_bridge()
            };
        }
        let y = Tensor::<D>::from_bridge(match D {
            3 => run!(conv_transpose1d),
            4 => run!(conv_transpose2d),
            5 => run!(conv_transpose3d),
            rank => return Err(crate::value::unsupported_rank(rank)),
        });
        let sizes = y.dims();
        Ok(lengths.into_iter().zip(2..).fold(y, |y, (length, axis)| match sizes[axis] == length {
            true => y,
            false => y.narrow(axis, 0, length),
        }))
    }
}

impl<const D: usize> Layer for ConvTranspose<D> {
    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let y = self.forward(take(args.into_input()?, self.data_format)?)?;
        Ok(self.activation.apply(give(y, self.data_format))?.into())
    }
}
