//! `SimpleRNNCell`, `LSTMCell` and `GRUCell`, and the layers that are no more than one of them along a
//! sequence: `SimpleRNN`, `LSTM` and `GRU`.
//!
//! Parameters are fused as in Keras: the gates stand beside each other in the last axis, `i f c o` in
//! an LSTM and `z r h` in a GRU.

use burn::module::{Module, Param};
use burn::tensor::Tensor;

use super::gates::{GatedSteps, Gates};
use super::{CELL_ARGS, CellConfig, Course, Steps, cell_outputs, check_states, over_time, zero_state};
use crate::activation::Activation;
use crate::codegen::{Code, Layout, Place};
use crate::constraint::Constraint;
use crate::error::{Error, Result};
use crate::initializer::{Initializer, Seed};
use crate::layer::{Args, Context, Layer, LayerConfig, Spec, Tree, Variables, Weights};
use crate::layers::dropout::check_rate;
use crate::module::{AnyLayer, Training};
use crate::regularizer::Regularizer;
use crate::value::Value;

/// What a cell does with its gates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Simple,
    Lstm,
    Gru { reset_after: bool },
}

impl Kind {
    pub(super) fn gates(self) -> usize {
        match self {
            Self::Simple => 1,
            Self::Lstm => 4,
            Self::Gru { .. } => 3,
        }
    }

    fn states(self) -> usize {
        if self == Self::Lstm { 2 } else { 1 }
    }
}

/// What the cells have in common.
#[derive(Clone, Debug)]
pub(super) struct Gating {
    pub kind: Kind,
    pub units: usize,
    pub activation: Activation,
    pub recurrent_activation: Activation,
    pub use_bias: bool,
    pub dropout: f64,
    pub recurrent_dropout: f64,
    /// Whether the parameters lie as in the CuDNN layers of Keras 2.
    pub is_cudnn: bool,
    pub rules: Rules,
}

/// What a config says of the parameters beside their shapes.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub initializers: [Initializer; 3],
    pub regularizers: [Regularizer; 3],
    pub constraints: [Constraint; 3],
    /// Whether the bias of the forget gate starts at one.
    pub remembers: bool,
}

/// The [`Rules`] of a config, by the names of its keys.
macro_rules! rules {
    ($config:expr, remembers $remembers:expr) => {
        $crate::layers::recurrent::cell::Rules {
            initializers: [
                $config.kernel_initializer.clone(),
                $config.recurrent_initializer.clone(),
                $config.bias_initializer.clone(),
            ],
            regularizers: [
                $config.kernel_regularizer.clone(),
                $config.recurrent_regularizer.clone(),
                $config.bias_regularizer.clone(),
            ],
            constraints: [
                $config.kernel_constraint.clone(),
                $config.recurrent_constraint.clone(),
                $config.bias_constraint.clone(),
            ],
            remembers: $remembers,
        }
    };
}
pub(super) use rules;

impl Rules {
    /// The two kernels and the bias, with what becomes of them.
    pub(super) fn declare(
        &self,
        kernel: Vec<usize>,
        recurrent_kernel: Vec<usize>,
        bias: Option<Vec<usize>>,
    ) -> Variables {
        let rules = |variables: Variables, at: usize| {
            variables.with(&self.initializers[at], &self.regularizers[at], &self.constraints[at])
        };
        let variables = rules(Variables::default().trainable("kernel", kernel), 0);
        let variables = rules(variables.trainable("recurrent_kernel", recurrent_kernel), 1);
        let Some(bias) = bias else { return variables };
        let variables = rules(variables.trainable("bias", bias), 2);
        if self.remembers { variables.finished(remember) } else { variables }
    }
}

/// Ones for the second of four gates.
pub(in crate::layers) fn remember(bias: &mut [f32]) {
    let units = bias.len() / 4;
    bias.iter_mut().skip(units).take(units).for_each(|x| *x = 1.0);
}

impl CellConfig for Gating {
    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        check_rate("dropout", self.dropout)?;
        check_rate("recurrent_dropout", self.recurrent_dropout)?;
        let input = args.input()?;
        input.expect_rank(2)?;
        input.known(1)?;
        let state = input.float(vec![input.shape[0], Some(self.units)]);
        for activation in [&self.activation, &self.recurrent_activation] {
            if activation.output(state.clone())? != state {
                let message = format_args!("{} changes the shape of a state", activation.name());
                return Err(Error::unsupported(message).at("activation"));
            }
        }
        let states = vec![state.clone(); self.kind.states()];
        check_states(args.get("states"), &states)?;
        Ok(cell_outputs(state, states))
    }

    fn variables(&self, args: &Args<Spec>) -> Result<Variables> {
        let features = args.input()?.known(1)?;
        let width = self.kind.gates() * self.units;
        let bias = match self.kind {
            _ if self.is_cudnn => vec![2 * width],
            Kind::Gru { reset_after: true } => vec![2, width],
            _ => vec![width],
        };
        let bias = self.use_bias.then_some(bias);
        let has_bias = bias.is_some();
        let variables = self.rules.declare(vec![features, width], vec![self.units, width], bias);
        Ok(if has_bias { variables.flat() } else { variables })
    }

    fn build(&self, _: &Args<Spec>, weights: &mut Weights<'_>) -> Result<AnyLayer> {
        self.cell(weights).map(AnyLayer::new)
    }

    fn code(&self, course: &Course, place: &Place<'_>) -> Option<Code> {
        let [_, _, Some(features)] = place.input()?.shape[..] else { return None };
        let drops = self.dropout != 0.0 || self.recurrent_dropout != 0.0;
        if drops || self.is_cudnn || course.stateful || course.return_state {
            return None;
        }
        let new = format!("{features}, {}, {}", self.units, self.use_bias);
        let module = |paths: [&'static str; 2]| Code::module(paths, &new, Layout::Keras);
        let (activation, recurrent) = (&self.activation, &self.recurrent_activation);
        let (code, sequence, last) = match self.kind {
            Kind::Simple => {
                let code = module(["burn::nn::Rnn", "burn::nn::RnnConfig"]);
                (with_activation(code, "hidden", activation, TANH)?, ".0", ".1.hidden")
            }
            Kind::Lstm => {
                let code = module(["burn::nn::Lstm", "burn::nn::LstmConfig"]);
                let code = with_activation(code, "gate", recurrent, SIGMOID)?;
                let code = with_activation(code, "cell", activation, TANH)?;
                (with_activation(code, "hidden", activation, TANH)?, ".0", ".1.hidden")
            }
            Kind::Gru { reset_after } => {
                let code = module(["burn::nn::Gru", "burn::nn::GruConfig"]);
                let code = code.with("reset_after", reset_after.to_string(), "true");
                let code = with_activation(code, "gate", recurrent, SIGMOID)?;
                (with_activation(code, "hidden", activation, TANH)?, "", ".select_dim::<2>(1, -1)")
            }
        };
        let input = if course.go_backwards { "{0}.flip([1])" } else { "{0}" };
        let part = if course.return_sequences { sequence } else { last };
        Some(Code { call: format!("{{self}}.forward({input}, None){part}"), ..code })
    }
}

const TANH: &str = "ActivationConfig::Tanh";
const SIGMOID: &str = "ActivationConfig::Sigmoid";

/// A recurrent module of burn-nn with one of its activations, if that is one that it can have.
fn with_activation(code: Code, setting: &str, activation: &Activation, default: &str) -> Option<Code> {
    let value = match activation {
        Activation::Gelu => "ActivationConfig::Gelu",
        Activation::HardSigmoid => "HardSigmoidConfig::new().with_alpha(1.0 / 6.0).into()",
        Activation::HardSilu => "ActivationConfig::HardSwish",
        Activation::Linear => "ActivationConfig::Identity",
        Activation::Relu => "ActivationConfig::Relu",
        Activation::Sigmoid => SIGMOID,
        Activation::Softsign => "ActivationConfig::Softsign",
        Activation::Tanh => TANH,
        _ => return None,
    };
    let code = code.with(&format!("{setting}_activation"), value, default);
    Some(match value {
        value if value == default => code,
        value if value.starts_with("HardSigmoid") => code.using("burn::nn::activation::HardSigmoidConfig"),
        _ => code.using("burn::nn::activation::ActivationConfig"),
    })
}

impl Gating {
    fn cell(&self, weights: &Weights<'_>) -> Result<GatedCell> {
        Ok(GatedCell {
            kernel: weights.param("kernel")?,
            recurrent_kernel: weights.param("recurrent_kernel")?,
            bias: weights.maybe("bias")?,
            training: Training::default(),
            gating: self.clone(),
        })
    }
}

/// Adds what is said of the variables of a layer that has a kernel, one for its state, and a bias.
macro_rules! with_variables {
    ($($declare:ident)::+ ! { $($head:tt)* } { $($own:tt)* }) => {
        $($declare)::+! {
            $($head)* {
                $($own)*
                /// For fresh weights.
                kernel_initializer: Initializer = "glorot_uniform".into(),
                /// For fresh weights.
                recurrent_initializer: Initializer = "orthogonal".into(),
                /// For fresh weights.
                bias_initializer: Initializer = "zeros".into(),
                /// For training.
                kernel_regularizer: Regularizer = Regularizer::none(),
                /// For training.
                recurrent_regularizer: Regularizer = Regularizer::none(),
                /// For training.
                bias_regularizer: Regularizer = Regularizer::none(),
                /// For training.
                kernel_constraint: Constraint = Constraint::none(),
                /// For training.
                recurrent_constraint: Constraint = Constraint::none(),
                /// For training.
                bias_constraint: Constraint = Constraint::none(),
            }
        }
    };
}
pub(in crate::layers) use with_variables;

/// Hands the keys of all cells, and those of one, to a macro that declares a config.
macro_rules! with_keys {
    ($($declare:ident)::+ ! { $($head:tt)* } { $($own:tt)* }) => {
        with_variables! {
            $($declare)::+! { $($head)* } {
                $($own)*
                /// Size of the state and of the output.
                units: std::num::NonZeroUsize,
                /// What is applied to a new state.
                activation: Activation = Activation::Tanh,
                /// Whether there is a bias.
                use_bias: bool = true,
                /// The share of inputs dropped in training.
                dropout: f64 = 0.0,
                /// The share of the state dropped in training.
                recurrent_dropout: f64 = 0.0,
                /// For Keras' own random numbers.
                seed: Seed = Seed::default(),
            }
        }
    };
}

/// Declares a cell, and the layer that takes it along a sequence.
macro_rules! gated {
    ($cell_class:literal $cell:ident, $class:literal $layer:ident, kind $kind:expr, recurrent activation $recurrent:expr, remembers $remembers:expr,
     { $($own:tt)* }) => {
        with_keys! {
            crate::layer_config! { #[doc = concat!("Config of `", $cell_class, "`.")] pub struct $cell } { $($own)* }
        }
        with_keys! {
            over_time! {
                #[doc = concat!("Config of `", $class, "`.")]
                pub struct $layer, &[$class], group "cell",
                cell |config| config.gating(),
                course |config, course| {
                    course.unroll = config.unroll;
                    course.zero_output_for_mask = config.zero_output_for_mask;
                },
            } {
                /// Whether Keras unrolls its loop. It matters only to what stands for masked steps.
                unroll: bool = false,
                /// Whether the output of masked steps is zero, and not that of the step before.
                zero_output_for_mask: bool = false,
                /// For training.
                activity_regularizer: Regularizer = Regularizer::none(),
                $($own)*
            }
        }
        gated!(@gating $cell, $kind, $recurrent, $remembers);
        gated!(@gating $layer, $kind, $recurrent, $remembers);

        impl LayerConfig for $cell {
            const CLASSES: &'static [&'static str] = &[$cell_class];
            const ARGS: &'static [&'static str] = CELL_ARGS;

            type Layer = GatedCell;

            fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
                self.gating().outputs(args)
            }

            fn variables(&self, args: &Args<Spec>) -> Result<Variables> {
                self.gating().variables(args)
            }

            fn build(&self, _: &Args<Spec>, weights: &mut Weights<'_>) -> Result<GatedCell> {
                self.gating().cell(weights)
            }
        }
    };
    (@gating $config:ident, $kind:expr, $recurrent:expr, $remembers:expr) => {
        impl $config {
            fn gating(&self) -> Gating {
                let kind: fn(&Self) -> Kind = $kind;
                let recurrent_activation: fn(&Self) -> Activation = $recurrent;
                let remembers: fn(&Self) -> bool = $remembers;
                Gating {
                    kind: kind(self),
                    units: self.units.get(),
                    activation: self.activation.clone(),
                    recurrent_activation: recurrent_activation(self),
                    use_bias: self.use_bias,
                    dropout: self.dropout,
                    recurrent_dropout: self.recurrent_dropout,
                    is_cudnn: false,
                    rules: rules!(self, remembers remembers(self)),
                }
            }
        }
    };
}

gated!(
    "SimpleRNNCell" SimpleRNNCellConfig,
    "SimpleRNN" SimpleRNNConfig,
    kind |_| Kind::Simple,
    recurrent activation |_| Activation::Linear,
    remembers |_| false,
    {}
);

gated!(
    "LSTMCell" LSTMCellConfig,
    "LSTM" LSTMConfig,
    kind |_| Kind::Lstm,
    recurrent activation |config| config.recurrent_activation.clone(),
    remembers |config| config.unit_forget_bias,
    {
        /// What is applied to the gates.
        recurrent_activation: Activation = Activation::Sigmoid,
        /// For fresh weights: whether the bias of the forget gate starts at one.
        unit_forget_bias: bool = true,
    }
);

gated!(
    "GRUCell" GRUCellConfig,
    "GRU" GRUConfig,
    kind |config| Kind::Gru { reset_after: config.reset_after },
    recurrent activation |config| config.recurrent_activation.clone(),
    remembers |_| false,
    {
        /// What is applied to the gates.
        recurrent_activation: Activation = Activation::Sigmoid,
        /// Whether the reset gate is applied after the product with the recurrent kernel.
        reset_after: bool = true,
    }
);

/// A cell with gates, or a single one: `SimpleRNNCell`, `LSTMCell` or `GRUCell`.
///
/// # Shapes
/// - inputs: `[batch, features]`
/// - states: `[batch, units]`, twice for an LSTM; without them it starts from zeros
/// - outputs: `[batch, units]`, then the new states
#[derive(Module, Debug)]
pub struct GatedCell {
    /// `[features, gates · units]`
    pub kernel: Param<Tensor<2>>,
    /// `[units, gates · units]`
    pub recurrent_kernel: Param<Tensor<2>>,
    /// `[gates · units]`; twice that in a GRU with `reset_after`: first the input's, then the state's.
    pub bias: Option<Param<Tensor<1>>>,
    pub(super) training: Training,
    #[module(skip)]
    pub(super) gating: Gating,
}

impl GatedCell {
    /// Its steps along `[batch, time, features]`.
    pub(super) fn steps(&self, x: Value, cx: &Context) -> Result<Box<dyn Steps + '_>> {
        let x = x.float::<3>()?;
        let [_, _, features] = x.dims();
        let size = self.kernel.val().dims()[0];
        if features != size {
            return Err(Error::input(format_args!("expected {size} features, got {features}")));
        }
        let bias = self.bias.as_ref().map(Param::val);
        let gates = Gates::new(&self.gating, self.kernel.val(), self.recurrent_kernel.val(), bias);
        let is_training = self.training.is_on(&x.device(), cx);
        Ok(Box::new(GatedSteps::new(gates, &x, is_training)))
    }
}

impl Layer for GatedCell {
    fn call(&self, args: Args<Value>, cx: &Context) -> Result<Tree<Value>> {
        let given = args.get("states").cloned().map_or_else(Vec::new, Tree::into_leaves);
        let x = args.into_input()?;
        let states = match given.is_empty() {
            true => (0..self.gating.kind.states())
                .map(|_| zero_state(&[self.gating.units], &x))
                .collect::<Result<_>>()?,
            false => given,
        };
        let (output, states) = self.steps(x.expand_dims(1)?, cx)?.step(0, &states)?;
        Ok(cell_outputs(output, states))
    }
}
