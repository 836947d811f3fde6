//! `ConvLSTM1D`, `ConvLSTM2D` and `ConvLSTM3D`: an LSTM whose products are convolutions.

use burn::module::{Module, Param};
use burn::tensor::Tensor;

use super::conv::{convolve, kernel_axes};
use super::dropout::check_rate;
use super::recurrent::{
    CellConfig, Steps, cell_outputs, dropped, lstm, over_time, pieces, remember, with_variables,
};
use super::spatial::{Padding, Windows, channel_axis, give, lengths, take, with_sizes};
use crate::activation::Activation;
use crate::config::{DataFormat, PerAxis};
use crate::constraint::Constraint;
use crate::error::{Error, Result};
use crate::initializer::{Initializer, Seed};
use crate::layer::{Args, Context, Layer, Spec, Tree, Variables, Weights};
use crate::module::{AnyLayer, Training};
use crate::regularizer::Regularizer;
use crate::value::Value;

with_variables! {
    over_time! {
        /// Config of `ConvLSTM1D`, `ConvLSTM2D` and `ConvLSTM3D`, by the rank of a step.
        pub struct ConvLSTMConfig<const D: usize>, match D {
            3 => &["ConvLSTM1D"],
            4 => &["ConvLSTM2D"],
            _ => &["ConvLSTM3D"],
        }, group "cell",
        cell |config| config.clone(),
        course |config, course| {
            course.unroll = config.unroll;
            course.zero_output_for_mask = config.zero_output_for_mask;
        },
    } {
        /// Whether Keras unrolls its loop. It matters only to what stands for masked steps.
        unroll: bool = false,
        /// Whether the output of masked steps is zero, and not that of the step before.
        zero_output_for_mask: bool = false,
        /// Channels of the state and of the output.
        filters: std::num::NonZeroUsize,
        /// Size of the window.
        kernel_size: PerAxis,
        /// How far the window moves over the inputs at a time.
        strides: PerAxis = PerAxis::One(1),
        /// What is added around the inputs.
        padding: Padding = Padding::Valid,
        /// Where the channels are.
        data_format: Option<DataFormat> = None,
        /// How far apart the inputs are that a window sees. Above 1 only without strides.
        dilation_rate: PerAxis = PerAxis::One(1),
        /// What is applied to a new state.
        activation: Activation = Activation::Tanh,
        /// What is applied to the gates.
        recurrent_activation: Activation = Activation::Sigmoid,
        /// Whether there is a bias.
        use_bias: bool = true,
        /// The share of inputs dropped in training.
        dropout: f64 = 0.0,
        /// The share of the state dropped in training.
        recurrent_dropout: f64 = 0.0,
        /// For Keras' own random numbers.
        seed: Seed = Seed::default(),
        /// For fresh weights: whether the bias of the forget gate starts at one.
        unit_forget_bias: bool = true,
        /// For training.
        activity_regularizer: Regularizer = Regularizer::none(),
    }
}

/// The number of gates: `i f c o`.
const GATES: usize = 4;

impl<const D: usize> ConvLSTMConfig<D> {
    /// The windows over the inputs.
    fn windows(&self) -> Result<Windows> {
        if self.padding == Padding::Causal {
            return Err(Error::config("expected \"valid\" or \"same\"").at("padding"));
        }
        let sizes = ("kernel_size", &self.kernel_size);
        Windows::new::<D>(sizes, &self.strides, &self.dilation_rate, self.padding)?.without_dilated_strides()
    }

    /// The windows over the state, which keeps its size.
    fn state_windows(&self) -> Result<Windows> {
        let (sizes, one) = (("kernel_size", &self.kernel_size), PerAxis::One(1));
        Windows::new::<D>(sizes, &one, &one, Padding::Same)
    }
}

impl<const D: usize> CellConfig for ConvLSTMConfig<D> {
    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        check_rate("dropout", self.dropout)?;
        check_rate("recurrent_dropout", self.recurrent_dropout)?;
        let (input, windows) = (args.input()?, self.windows()?);
        let lengths = lengths::<D>(input, self.data_format)?;
        if lengths.contains(&None) {
            return Err(Error::config(format_args!("the lengths must be known, got {input}")));
        }
        let channels = input.known(channel_axis(self.data_format, D))?;
        let lengths = windows.outputs(Some(channels), &lengths)?;
        let filters = self.filters.get();
        self.state_windows()?.outputs(Some(filters), &lengths)?;
        let state = input.float(with_sizes(input, self.data_format, Some(filters), lengths));
        for activation in [&self.activation, &self.recurrent_activation] {
            if activation.output(state.clone())? != state {
                let message = format_args!("{} changes the shape of a state", activation.name());
                return Err(Error::unsupported(message).at("activation"));
            }
        }
        Ok(cell_outputs(state.clone(), vec![state; 2]))
    }

    fn variables(&self, args: &Args<Spec>) -> Result<Variables> {
        let channels = args.input()?.known(channel_axis(self.data_format, D))?;
        let filters = self.filters.get();
        let sizes = self.kernel_size.positive(D - 2).map_err(|error| error.at("kernel_size"))?;
        let shape = |channels: usize| [sizes.as_slice(), &[channels, GATES * filters]].concat();
        let variables = Variables::default()
            .trainable("kernel", shape(channels))
            .with_axes(kernel_axes::<D>())
            .with(&self.kernel_initializer, &self.kernel_regularizer, &self.kernel_constraint)
            .trainable("recurrent_kernel", shape(filters))
            .with_axes(kernel_axes::<D>())
            .with(&self.recurrent_initializer, &self.recurrent_regularizer, &self.recurrent_constraint)
            .trainable_if(self.use_bias, "bias", [GATES * filters])
            .with(&self.bias_initializer, &self.bias_regularizer, &self.bias_constraint);
        Ok(if self.unit_forget_bias { variables.finished(remember) } else { variables })
    }

    fn build(&self, _: &Args<Spec>, weights: &mut Weights<'_>) -> Result<AnyLayer> {
        Ok(AnyLayer::new(ConvLSTMCell::<D> {
            kernel: weights.param("kernel")?,
            recurrent_kernel: weights.param("recurrent_kernel")?,
            bias: weights.maybe("bias")?,
            training: Training::default(),
            windows: self.windows()?,
            state_windows: self.state_windows()?,
            config: self.clone(),
        }))
    }
}

/// What a ConvLSTM does at each step.
///
/// # Shapes
/// - inputs: `[batch, spatial..., channels]`, for `channels_first` `[batch, channels, spatial...]`
/// - states: two of the shape of the output
/// - outputs: the same with `filters` channels, then the new states
#[derive(Module, Debug)]
pub struct ConvLSTMCell<const D: usize> {
    /// `[4 · filters, channels, spatial...]`
    pub kernel: Param<Tensor<D>>,
    /// `[4 · filters, filters, spatial...]`
    pub recurrent_kernel: Param<Tensor<D>>,
    /// `[4 · filters]`
    pub bias: Option<Param<Tensor<1>>>,
    training: Training,
    #[module(skip)]
    windows: Windows,
    #[module(skip)]
    state_windows: Windows,
    #[module(skip)]
    config: ConvLSTMConfig<D>,
}

impl<const D: usize> ConvLSTMCell<D> {
    /// Its steps along `[batch, time, ...]`: the inputs of all are convolved at once.
    pub(super) fn steps(&self, x: Value, cx: &Context) -> Result<Box<dyn Steps + '_>> {
        let is_training = self.training.is_on(&x.device(), cx);
        let shape = x.shape();
        let (batch, time) = (shape[0], shape[1]);
        let mut axes: Vec<usize> = (0..shape.len()).collect();
        axes.swap(0, 1);
        let folded: Vec<usize> = std::iter::once(batch * time).chain(shape[2..].iter().copied()).collect();
        let x = take::<D>(x.permute(&axes)?.reshape(&folded)?, self.config.data_format)?;
        let drop = |rate: f64, like: &Tensor<D>, channels: usize, lengths: &[usize]| {
            let mut shape = like.dims();
            (shape[0], shape[1]) = (batch, channels);
            shape[2..].copy_from_slice(lengths);
            dropped(if is_training && rate < 1.0 { rate } else { 0.0 }, GATES, shape, like)
        };
        let (channels, known) = (x.dims()[1], x.dims().map(Some));
        let masks = drop(self.config.dropout, &x, channels, &x.dims()[2..]);
        let lengths = self.windows.outputs(Some(channels), &known[2..])?;
        let lengths: Vec<usize> = lengths.into_iter().flatten().collect();
        let state_masks = drop(self.config.recurrent_dropout, &x, self.config.filters.get(), &lengths);
        let masks: Vec<_> = masks.into_iter().map(|mask| mask.repeat_dim(0, time)).collect();
        let bias = self.bias.as_ref().map(Param::val);
        let y = gated(x, &masks, self.kernel.val(), bias, &self.windows)?;
        Ok(Box::new(ConvSteps { cell: self, inputs: pieces(y, 0, batch), state_masks }))
    }
}

/// The convolution for all gates: `[batch, 4 · filters, spatial...]`, with a mask for each or none.
fn gated<const D: usize>(
    x: Tensor<D>,
    masks: &[Tensor<D>],
    kernel: Tensor<D>,
    bias: Option<Tensor<1>>,
    windows: &Windows,
) -> Result<Tensor<D>> {
    if masks.is_empty() {
        return convolve(x, kernel, bias, windows, 1);
    }
    let filters = kernel.dims()[0] / GATES;
    let gates = masks.iter().enumerate().map(|(gate, mask)| {
        let start = gate * filters;
        let bias = bias.clone().map(|bias| bias.narrow(0, start, filters));
        convolve(x.clone() * mask.clone(), kernel.clone().narrow(0, start, filters), bias, windows, 1)
    });
    Ok(Tensor::cat(gates.collect::<Result<_>>()?, 1))
}

/// The steps of a [`ConvLSTMCell`].
struct ConvSteps<'a, const D: usize> {
    cell: &'a ConvLSTMCell<D>,
    /// The convolved inputs of every step.
    inputs: Vec<Tensor<D>>,
    state_masks: Vec<Tensor<D>>,
}

impl<const D: usize> Steps for ConvSteps<'_, D> {
    fn step(&self, at: usize, states: &[Value]) -> Result<(Value, Vec<Value>)> {
        let ConvLSTMConfig { filters, data_format, activation, recurrent_activation, .. } = &self.cell.config;
        let [h, c] = states else {
            return Err(Error::input(format_args!("expected two states, got {}", states.len())));
        };
        let h = take::<D>(h.clone(), *data_format)?;
        let kernel = self.cell.recurrent_kernel.val();
        let sums =
            self.inputs[at].clone() + gated(h, &self.state_masks, kernel, None, &self.cell.state_windows)?;
        let gates = std::array::from_fn(|gate| sums.clone().narrow(1, gate * filters.get(), filters.get()));
        let apply = |activation: &Activation, x: Tensor<D>| {
            take(activation.apply(give(x, *data_format))?, *data_format)
        };
        let c = take(c.clone(), *data_format)?;
        let states = lstm(gates, c, |x| apply(activation, x), |x| apply(recurrent_activation, x))?;
        let [h, c] = states.map(|state| give(state, *data_format));
        Ok((h.clone(), vec![h, c]))
    }
}

impl<const D: usize> Layer for ConvLSTMCell<D> {
    fn call(&self, args: Args<Value>, cx: &Context) -> Result<Tree<Value>> {
        let states = args.get("states").cloned().map_or_else(Vec::new, Tree::into_leaves);
        let (output, states) = self.steps(args.into_input()?.expand_dims(1)?, cx)?.step(0, &states)?;
        Ok(cell_outputs(output, states))
    }
}
