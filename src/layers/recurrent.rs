//! `SimpleRNN`, `LSTM` and `GRU`: layers that carry state along the time axis.
//!
//! Parameters are fused as in Keras: the gates stand beside each other in the last axis, `i f c o` in
//! an LSTM and `z r h` in a GRU.

use std::sync::{Arc, Mutex, PoisonError};

use burn::module::{Module, Param};
use burn::tensor::{Bool, Distribution, Tensor};

use crate::activation::Activation;
use crate::config::Kept;
use crate::error::{Error, Result};
use crate::layer::{Args, Context, Layer, LayerConfig, MaskRule, Spec, Tree, Variables, Weights};
use crate::layers::dropout::check_rate;
use crate::module::Training;
use crate::value::Value;

/// How one step goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cell {
    Simple,
    Lstm,
    Gru { reset_after: bool },
}

impl Cell {
    fn gates(self) -> usize {
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

/// What the three kinds have in common.
#[derive(Clone, Debug)]
struct Settings {
    cell: Cell,
    units: usize,
    activation: Activation,
    recurrent_activation: Activation,
    use_bias: bool,
    return_sequences: bool,
    return_state: bool,
    go_backwards: bool,
    stateful: bool,
    unroll: bool,
    zero_output_for_mask: bool,
    dropout: f64,
    recurrent_dropout: f64,
}

/// Declares a config with the keys that all recurrent layers have, and those of one.
macro_rules! recurrent {
    ($class:literal, $config:ident, cell $cell:expr, recurrent activation $recurrent:expr, { $($own:tt)* }) => {
        crate::config! {
            #[doc = concat!("Config of `", $class, "`.")]
            pub struct $config {
                /// Size of the state and of the output.
                units: std::num::NonZeroUsize,
                /// What is applied to a new state.
                activation: Activation = Activation::Tanh,
                /// Whether there is a bias.
                use_bias: bool = true,
                /// Whether the output has every step, or only the last.
                return_sequences: bool = false,
                /// Whether the last state is an output, too.
                return_state: bool = false,
                /// Whether the last step comes first; the output is then in that order.
                go_backwards: bool = false,
                /// Whether a batch starts with the state in which the one before ended.
                stateful: bool = false,
                /// Whether Keras unrolls its loop. It matters only to what stands for masked steps.
                unroll: bool = false,
                /// Whether the output of masked steps is zero, and not that of the step before.
                zero_output_for_mask: bool = false,
                /// The share of inputs dropped in training.
                dropout: f64 = 0.0,
                /// The share of the state dropped in training.
                recurrent_dropout: f64 = 0.0,
                /// For Keras' own random numbers.
                seed: Kept,
                /// For fresh weights.
                kernel_initializer: Kept,
                /// For fresh weights.
                recurrent_initializer: Kept,
                /// For fresh weights.
                bias_initializer: Kept,
                /// For training.
                kernel_regularizer: Kept,
                /// For training.
                recurrent_regularizer: Kept,
                /// For training.
                bias_regularizer: Kept,
                /// For training.
                activity_regularizer: Kept,
                /// For training.
                kernel_constraint: Kept,
                /// For training.
                recurrent_constraint: Kept,
                /// For training.
                bias_constraint: Kept,
                $($own)*
            }
        }

        impl $config {
            fn settings(&self) -> Settings {
                let cell: fn(&Self) -> Cell = $cell;
                let recurrent_activation: fn(&Self) -> Activation = $recurrent;
                Settings {
                    cell: cell(self),
                    units: self.units.get(),
                    activation: self.activation.clone(),
                    recurrent_activation: recurrent_activation(self),
                    use_bias: self.use_bias,
                    return_sequences: self.return_sequences,
                    return_state: self.return_state,
                    go_backwards: self.go_backwards,
                    stateful: self.stateful,
                    unroll: self.unroll,
                    zero_output_for_mask: self.zero_output_for_mask,
                    dropout: self.dropout,
                    recurrent_dropout: self.recurrent_dropout,
                }
            }
        }

        impl LayerConfig for $config {
            const CLASSES: &'static [&'static str] = &[$class];
            const ARGS: &'static [&'static str] = &["sequences", "initial_state"];
            const MASK: MaskRule = MaskRule::Own;

            type Layer = Recurrent;

            fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
                self.settings().outputs(args)
            }

            fn variables(&self, args: &Args<Spec>) -> Result<Variables> {
                Ok(Variables::default().with_child("cell", "", self.settings().variables(args)?, true))
            }

            fn build(&self, _: &Args<Spec>, weights: &mut Weights<'_>) -> Result<Recurrent> {
                Ok(Recurrent {
                    kernel: weights.param("kernel")?,
                    recurrent_kernel: weights.param("recurrent_kernel")?,
                    bias: weights.maybe("bias")?,
                    training: Training::default(),
                    carried: Carried::default(),
                    settings: self.settings(),
                })
            }
        }
    };
}

recurrent!("SimpleRNN", SimpleRNNConfig, cell |_| Cell::Simple, recurrent activation |_| Activation::Linear, {});

recurrent!("LSTM", LSTMConfig, cell |_| Cell::Lstm, recurrent activation |config| config.recurrent_activation.clone(), {
    /// What is applied to the gates.
    recurrent_activation: Activation = Activation::Sigmoid,
    /// For fresh weights: whether the bias of the forget gate starts at one.
    unit_forget_bias: bool = true,
});

recurrent!(
    "GRU",
    GRUConfig,
    cell |config| Cell::Gru { reset_after: config.reset_after },
    recurrent activation |config| config.recurrent_activation.clone(),
    {
        /// What is applied to the gates.
        recurrent_activation: Activation = Activation::Sigmoid,
        /// Whether the reset gate is applied after the product with the recurrent kernel.
        reset_after: bool = true,
    }
);

impl Settings {
    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        check_rate("dropout", self.dropout)?;
        check_rate("recurrent_dropout", self.recurrent_dropout)?;
        let input = args.input()?;
        input.expect_rank(3)?;
        input.known(2)?;
        let (batch, time) = (input.shape[0], input.shape[1]);
        if self.unroll && time.is_none() {
            return Err(Error::config("the number of time steps must be known").at("unroll"));
        }
        if self.stateful && batch.is_none() {
            return Err(Error::config("the size of the batch must be known").at("stateful"));
        }
        if time == Some(0) {
            return Err(Error::config(format_args!("expected time steps, got the shape {input}")));
        }
        for activation in [&self.activation, &self.recurrent_activation] {
            let state = input.float(vec![batch, Some(self.units)]);
            if activation.output(state.clone())? != state {
                let message = format_args!("{} changes the shape of a state", activation.name());
                return Err(Error::unsupported(message).at("activation"));
            }
        }
        let state = input.float(vec![batch, Some(self.units)]);
        let given = args.get("initial_state").map(Tree::leaves).unwrap_or_default();
        if !given.is_empty() && given.len() != self.cell.states() {
            let message = format_args!("expected {} initial states, got {}", self.cell.states(), given.len());
            return Err(Error::config(message));
        }
        for given in given {
            if given.rank() != 2 || given.shape[1] != Some(self.units) {
                return Err(Error::config(format_args!("expected an initial state of {state}, got {given}")));
            }
        }
        let output = match self.return_sequences {
            true => input.float(vec![batch, time, Some(self.units)]),
            false => state.clone(),
        };
        Ok(match self.return_state {
            true => Tree::list(std::iter::once(output).chain(std::iter::repeat_n(state, self.cell.states()))),
            false => output.into(),
        })
    }

    fn variables(&self, args: &Args<Spec>) -> Result<Variables> {
        let features = args.input()?.known(2)?;
        let width = self.cell.gates() * self.units;
        let variables = Variables::default()
            .trainable("kernel", [features, width])
            .trainable("recurrent_kernel", [self.units, width]);
        Ok(match (self.use_bias, self.cell) {
            (false, _) => variables,
            (true, Cell::Gru { reset_after: true }) => variables.trainable("bias", [2, width]).flat(),
            (true, _) => variables.trainable("bias", [width]),
        })
    }
}

/// States that outlive a call.
#[derive(Clone, Debug, Default)]
struct Carried(Arc<Mutex<Vec<Tensor<2>>>>);

impl Carried {
    fn get(&self) -> Vec<Tensor<2>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, states: Vec<Tensor<2>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = states;
    }
}

/// A recurrent layer: `SimpleRNN`, `LSTM` or `GRU`.
///
/// # Shapes
/// - sequences: `[batch, time, features]`
/// - initial state: `[batch, units]`, twice for an LSTM
/// - mask: `[batch, time]`
/// - outputs: `[batch, units]`, or `[batch, time, units]` with `return_sequences`; then the states
///   with `return_state`
#[derive(Module, Debug)]
pub struct Recurrent {
    /// `[features, gates · units]`
    pub kernel: Param<Tensor<2>>,
    /// `[units, gates · units]`
    pub recurrent_kernel: Param<Tensor<2>>,
    /// `[gates · units]`; twice that in a GRU with `reset_after`: first the input's, then the state's.
    pub bias: Option<Param<Tensor<1>>>,
    training: Training,
    #[module(skip)]
    carried: Carried,
    #[module(skip)]
    settings: Settings,
}

/// A step's masks of dropout, `[batch, features]` for every gate; constant over time.
struct Dropped {
    inputs: Vec<Tensor<2>>,
    states: Vec<Tensor<2>>,
}

/// A run over a sequence: parameters as the loop wants them.
struct Run<'a> {
    settings: &'a Settings,
    /// `[features, gates · units]`
    kernel: Tensor<2>,
    /// `[1, gates · units]`
    bias: Option<Tensor<2>>,
    /// Those of all gates; or, in a GRU without `reset_after`, of `z r` and of `h`.
    recurrent: Vec<Tensor<2>>,
    recurrent_bias: Option<Tensor<2>>,
    dropped: Dropped,
}

impl Recurrent {
    /// Forgets the state that a `stateful` layer carries from batch to batch.
    pub fn reset_states(&self) {
        self.carried.set(Vec::new());
    }

    fn initial(&self, given: Vec<Value>, x: &Tensor<3>) -> Result<Vec<Tensor<2>>> {
        let [batch, _, _] = x.dims();
        let shape = [batch, self.settings.units];
        let count = self.settings.cell.states();
        let carried = if self.settings.stateful { self.carried.get() } else { Vec::new() };
        let states = match (given.is_empty(), carried.is_empty()) {
            (false, _) => given.into_iter().map(Value::float).collect::<Result<Vec<_>>>()?,
            (true, false) => carried.into_iter().map(|state| state.to_device(&x.device())).collect(),
            (true, true) => vec![Tensor::zeros(shape, (&x.device(), x.dtype())); count],
        };
        match states.iter().find(|state| state.dims() != shape) {
            Some(state) => {
                Err(Error::input(format_args!("expected a state of {shape:?}, got {:?}", state.dims())))
            }
            None => Ok(states),
        }
    }

    fn prepare(&self, x: &Tensor<3>, training: bool) -> Run<'_> {
        let settings = &self.settings;
        let width = settings.cell.gates() * settings.units;
        let recurrent = self.recurrent_kernel.val();
        let recurrent = match settings.cell {
            Cell::Gru { reset_after: false } => {
                let split = 2 * settings.units;
                vec![recurrent.clone().narrow(1, 0, split), recurrent.narrow(1, split, settings.units)]
            }
            _ => vec![recurrent],
        };
        let bias = self.bias.as_ref().map(Param::val);
        let (bias, recurrent_bias) = match (bias, settings.cell) {
            (Some(bias), Cell::Gru { reset_after: true }) => {
                (Some(bias.clone().narrow(0, 0, width)), Some(bias.narrow(0, width, width)))
            }
            (bias, _) => (bias, None),
        };
        let [batch, _, features] = x.dims();
        let keep = |rate: f64, count: usize, size: usize| {
            let mask = || {
                let kept = Tensor::random([batch, size], Distribution::Bernoulli(1.0 - rate), &x.device());
                kept / (1.0 - rate)
            };
            let active = training && rate > 0.0 && rate < 1.0;
            (0..if active { count } else { 0 }).map(|_| mask()).collect()
        };
        // Keras drops for every gate on its own as soon as the state is dropped, too.
        let separate = settings.recurrent_dropout > 0.0;
        let gates = if separate { settings.cell.gates() } else { 1 };
        Run {
            settings,
            kernel: self.kernel.val(),
            bias: bias.map(|bias| bias.unsqueeze()),
            recurrent,
            recurrent_bias: recurrent_bias.map(|bias| bias.unsqueeze()),
            dropped: Dropped {
                inputs: keep(settings.dropout, gates, features),
                states: keep(settings.recurrent_dropout, gates, settings.units),
            },
        }
    }

    /// Runs over a sequence; gives the outputs in the order of processing, and the last states.
    fn run(
        &self,
        x: Tensor<3>,
        mut states: Vec<Tensor<2>>,
        mask: Option<Tensor<2, Bool>>,
        training: bool,
    ) -> (Vec<Tensor<2>>, Vec<Tensor<2>>) {
        let settings = &self.settings;
        let run = self.prepare(&x, training);
        let [batch, time, _] = x.dims();
        // One product for all steps is faster, but its backward pass costs the square of their number.
        let tracked = x.is_autodiff();
        let projected = (!tracked).then(|| run.project_all(x.clone()));
        let mut outputs: Vec<Tensor<2>> =
            Vec::with_capacity(if settings.return_sequences { time } else { 1 });
        for step in 0..time {
            let at = if settings.go_backwards { time - 1 - step } else { step };
            let input = match &projected {
                Some(projected) => projected.clone().narrow(1, at, 1).squeeze_dim::<2>(1),
                None => run.project(x.clone().narrow(1, at, 1).squeeze_dim::<2>(1)),
            };
            let mut new = run.step(input, &states);
            let mut output = new[0].clone();
            if let Some(mask) = &mask {
                let masked = mask.clone().narrow(1, at, 1).bool_not().expand([batch, settings.units]);
                let instead = match (settings.unroll, settings.zero_output_for_mask) {
                    (true, _) => outputs.last().cloned().unwrap_or_else(|| output.zeros_like()),
                    (false, true) => output.zeros_like(),
                    (false, false) => states[0].clone(),
                };
                output = output.mask_where(masked.clone(), instead);
                let kept = new.into_iter().zip(states);
                new = kept.map(|(new, old)| new.mask_where(masked.clone(), old)).collect();
            }
            states = new;
            if !settings.return_sequences {
                outputs.clear();
            }
            outputs.push(output);
        }
        (outputs, states)
    }
}

impl Run<'_> {
    /// The inputs of all steps times the kernel: `[batch, time, gates · units]`.
    fn project_all(&self, x: Tensor<3>) -> Tensor<3> {
        burn::tensor::module::linear(
            x,
            self.kernel.clone(),
            self.bias.clone().map(|bias| bias.squeeze_dim(0)),
        )
    }

    /// The input of one step times the kernel: `[batch, gates · units]`.
    fn project(&self, x: Tensor<2>) -> Tensor<2> {
        let y = match self.dropped.inputs.as_slice() {
            [] => x.matmul(self.kernel.clone()),
            [mask] => (x * mask.clone()).matmul(self.kernel.clone()),
            masks => self.by_gate(&x, masks, &self.kernel),
        };
        match &self.bias {
            Some(bias) => y + bias.clone(),
            None => y,
        }
    }

    /// A product in which every gate drops for itself.
    fn by_gate(&self, x: &Tensor<2>, masks: &[Tensor<2>], kernel: &Tensor<2>) -> Tensor<2> {
        let units = self.settings.units;
        let gates = masks.iter().enumerate().map(|(gate, mask)| {
            (x.clone() * mask.clone()).matmul(kernel.clone().narrow(1, gate * units, units))
        });
        Tensor::cat(gates.collect(), 1)
    }

    /// The state times one of the recurrent kernels, of which the first gate is `first`.
    fn recur(&self, h: &Tensor<2>, kernel: usize, first: usize) -> Tensor<2> {
        let kernel = &self.recurrent[kernel];
        let y = match self.dropped.states.as_slice() {
            [] => h.clone().matmul(kernel.clone()),
            [mask] => (h.clone() * mask.clone()).matmul(kernel.clone()),
            masks => {
                let count = kernel.dims()[1] / self.settings.units;
                self.by_gate(h, &masks[first..first + count], kernel)
            }
        };
        match &self.recurrent_bias {
            Some(bias) => y + bias.clone(),
            None => y,
        }
    }

    /// One step: the new states, of which the first is the output.
    fn step(&self, input: Tensor<2>, states: &[Tensor<2>]) -> Vec<Tensor<2>> {
        let Settings { cell, units, activation, recurrent_activation, .. } = self.settings;
        let h = states[0].clone();
        let gate = |gates: &Tensor<2>, index: usize| gates.clone().narrow(1, index * units, *units);
        match cell {
            Cell::Simple => vec![activation.forward(input + self.recur(&h, 0, 0))],
            Cell::Lstm => {
                let gates = input + self.recur(&h, 0, 0);
                let i = recurrent_activation.forward(gate(&gates, 0));
                let f = recurrent_activation.forward(gate(&gates, 1));
                let o = recurrent_activation.forward(gate(&gates, 3));
                let c = f * states[1].clone() + i * activation.forward(gate(&gates, 2));
                vec![o * activation.forward(c.clone()), c]
            }
            Cell::Gru { reset_after } => {
                let state = self.recur(&h, 0, 0);
                let z = recurrent_activation.forward(gate(&input, 0) + gate(&state, 0));
                let r = recurrent_activation.forward(gate(&input, 1) + gate(&state, 1));
                let reset = match reset_after {
                    true => r * gate(&state, 2),
                    false => self.recur(&(r * h.clone()), 1, 2),
                };
                let new = activation.forward(gate(&input, 2) + reset);
                vec![z.clone() * h + (-z + 1.0) * new]
            }
        }
    }
}

impl Layer for Recurrent {
    fn call(&self, args: Args<Value>, cx: &Context) -> Result<Tree<Value>> {
        let given = args.get("initial_state").cloned().map_or_else(Vec::new, Tree::into_leaves);
        let sequences = args.into_input()?;
        let mask = sequences.mask().cloned();
        let training = self.training.is_on(&sequences.device(), cx);
        let x = sequences.float::<3>()?;
        let [batch, time, features] = x.dims();
        if time == 0 || features != self.kernel.val().dims()[0] {
            return Err(Error::input(format_args!(
                "expected sequences that fit the kernel, got {:?}",
                x.dims()
            )));
        }
        let bools = mask.clone().map(Value::bool::<2>).transpose()?;
        if let Some(mask) = bools.as_ref().filter(|mask| mask.dims() != [batch, time]) {
            let (expected, got) = ([batch, time], mask.dims());
            return Err(Error::input(format_args!("expected a mask of {expected:?}, got {got:?}")));
        }
        let states = self.initial(given, &x)?;
        let (outputs, states) = self.run(x, states, bools, training);
        if self.settings.stateful {
            self.carried.set(states.iter().map(|state| state.clone().detach()).collect());
        }
        let output = match self.settings.return_sequences {
            true => Value::from(Tensor::stack::<3>(outputs, 1)).with_mask(mask),
            false => {
                outputs.into_iter().next_back().map(Value::from).ok_or_else(|| Error::input("no steps"))?
            }
        };
        Ok(match self.settings.return_state {
            true => Tree::list(std::iter::once(output).chain(states.into_iter().map(Value::from))),
            false => output.into(),
        })
    }
}
