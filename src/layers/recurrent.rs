//! `SimpleRNN`, `LSTM` and `GRU`: layers that carry state along the time axis.
//!
//! Parameters are fused as in Keras: the gates stand beside each other in the last axis, `i f c o` in
//! an LSTM and `z r h` in a GRU.

mod run;

use std::sync::{Arc, Mutex, PoisonError};

use burn::module::{Module, Param};
use burn::tensor::{Bool, Distribution, Tensor};

use crate::activation::Activation;
use crate::constraint::Constraint;
use crate::error::{Error, Result};
use crate::initializer::{Initializer, Seed};
use crate::layer::{Args, Context, Layer, LayerConfig, MaskRule, Spec, Tree, Variables, Weights};
use crate::layers::dropout::check_rate;
use crate::module::Training;
use crate::regularizer::Regularizer;
use crate::value::Value;
use run::{Block, Run};

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
    (
        $class:literal, $config:ident, cell $cell:expr, recurrent activation $recurrent:expr,
        fresh bias $fresh_bias:expr, { $($own:tt)* }
    ) => {
        crate::layer_config! {
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
                seed: Seed = Seed::default(),
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
                activity_regularizer: Regularizer = Regularizer::none(),
                /// For training.
                kernel_constraint: Constraint = Constraint::none(),
                /// For training.
                recurrent_constraint: Constraint = Constraint::none(),
                /// For training.
                bias_constraint: Constraint = Constraint::none(),
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
                let settings = self.settings();
                let [kernel, recurrent, bias] = settings.shapes(args)?;
                let cell = Variables::default()
                    .trainable("kernel", kernel)
                    .with(&self.kernel_initializer, &self.kernel_regularizer, &self.kernel_constraint)
                    .trainable("recurrent_kernel", recurrent)
                    .with(
                        &self.recurrent_initializer,
                        &self.recurrent_regularizer,
                        &self.recurrent_constraint,
                    )
                    .trainable_if(settings.use_bias, "bias", bias)
                    .flat()
                    .with(&self.bias_initializer, &self.bias_regularizer, &self.bias_constraint);
                let fresh_bias: fn(Variables, &Self) -> Variables = $fresh_bias;
                Ok(Variables::default().with_child("cell", "", fresh_bias(cell, self), true))
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

recurrent!(
    "SimpleRNN",
    SimpleRNNConfig,
    cell |_| Cell::Simple,
    recurrent activation |_| Activation::Linear,
    fresh bias |cell, _| cell,
    {}
);

/// Ones for the second of four gates.
fn remember(bias: &mut [f32]) {
    let units = bias.len() / 4;
    bias.iter_mut().skip(units).take(units).for_each(|x| *x = 1.0);
}

recurrent!(
    "LSTM",
    LSTMConfig,
    cell |_| Cell::Lstm,
    recurrent activation |config| config.recurrent_activation.clone(),
    fresh bias |cell, config| match config.use_bias && config.unit_forget_bias {
        true => cell.finished(remember),
        false => cell,
    },
    {
        /// What is applied to the gates.
        recurrent_activation: Activation = Activation::Sigmoid,
        /// For fresh weights: whether the bias of the forget gate starts at one.
        unit_forget_bias: bool = true,
    }
);

recurrent!(
    "GRU",
    GRUConfig,
    cell |config| Cell::Gru { reset_after: config.reset_after },
    recurrent activation |config| config.recurrent_activation.clone(),
    fresh bias |cell, _| cell,
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
        if matches!(args.get("initial_state"), Some(Tree::Constant(_))) {
            return Err(Error::unsupported("an initial state that is no tensor"));
        }
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

    /// The kernels and the bias, without what a config says of their fresh values and of training.
    fn shapes(&self, args: &Args<Spec>) -> Result<[Vec<usize>; 3]> {
        let width = self.cell.gates() * self.units;
        let bias = if self.cell == (Cell::Gru { reset_after: true }) { vec![2, width] } else { vec![width] };
        Ok([vec![args.input()?.known(2)?, width], vec![self.units, width], bias])
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

impl Recurrent {
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
        let (units, gates) = (settings.units, settings.cell.gates());
        let [batch, _, features] = x.dims();
        let drop = |rate: f64, count: usize, size: usize| -> Vec<Tensor<2>> {
            let count = if training && rate > 0.0 && rate < 1.0 { count } else { 0 };
            let mask = |_| {
                let kept = Distribution::Bernoulli(1.0 - rate);
                Tensor::random([batch, size], kept, (&x.device(), x.dtype())) / (1.0 - rate)
            };
            (0..count).map(mask).collect()
        };
        // Keras drops for every gate on its own as soon as the state is dropped, too.
        let masks = if settings.recurrent_dropout > 0.0 { gates } else { 1 };
        let (inputs, states) =
            (drop(settings.dropout, masks, features), drop(settings.recurrent_dropout, masks, units));
        let apart = inputs.len() > 1 || states.len() > 1;
        let input_gates = if apart { vec![1; gates] } else { vec![gates] };
        let state_gates = match settings.cell {
            Cell::Gru { reset_after: false } if !apart => vec![2, 1],
            _ => input_gates.clone(),
        };
        let width = gates * units;
        let bias = self.bias.as_ref().map(Param::val);
        let (input_bias, state_bias) = match (bias, settings.cell) {
            (Some(bias), Cell::Gru { reset_after: true }) => {
                (Some(bias.clone().narrow(0, 0, width)), Some(bias.narrow(0, width, width)))
            }
            (bias, _) => (bias, None),
        };
        let (kernel, recurrent) = (self.kernel.val(), self.recurrent_kernel.val());
        Run {
            settings,
            inputs: Block::cut(&kernel, input_bias.as_ref(), &inputs, &input_gates, units),
            states: Block::cut(&recurrent, state_bias.as_ref(), &states, &state_gates, units),
        }
    }

    /// Runs over a sequence; gives the outputs in the order of processing, and the last states.
    fn run(
        &self,
        x: &Tensor<3>,
        mut states: Vec<Tensor<2>>,
        mask: Option<Tensor<2, Bool>>,
        training: bool,
    ) -> (Vec<Tensor<2>>, Vec<Tensor<2>>) {
        let settings = &self.settings;
        let run = self.prepare(x, training);
        let [batch, time, _] = x.dims();
        let projected: Vec<Vec<Tensor<2>>> = run.inputs.iter().map(|block| block.products(x)).collect();
        let mut outputs: Vec<Tensor<2>> =
            Vec::with_capacity(if settings.return_sequences { time } else { 1 });
        for step in 0..time {
            let at = if settings.go_backwards { time - 1 - step } else { step };
            let input = projected.iter().map(|steps| steps[at].clone()).collect();
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

impl Layer for Recurrent {
    fn reset_state(&self) {
        self.carried.set(Vec::new());
    }

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
        let (outputs, states) = self.run(&x, states, bools, training);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Reader};
    use crate::layer::Registry;
    use crate::limits::Limits;
    use burn::tensor::{Device, Int, Tolerance};

    fn numbers<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
        let count = shape.iter().product::<usize>() as i64;
        (Tensor::<1, Int>::arange(0..count, device).float() * 12.9898).sin().reshape(shape) * 0.7
    }

    /// A layer of 4 units over 3 features.
    fn layer<C: Config>(json: serde_json::Value, settings: fn(&C) -> Settings, device: &Device) -> Recurrent {
        let (registry, limits) = (Registry::new(), Limits::default());
        let mut reader = Reader::new(&registry, &limits);
        let config = C::read(json.as_object().unwrap(), &mut reader).unwrap();
        let settings = settings(&config);
        let width = 4 * settings.cell.gates();
        Recurrent {
            kernel: Param::from_tensor(numbers([3, width], device)),
            recurrent_kernel: Param::from_tensor(numbers([4, width], device)),
            bias: settings.use_bias.then(|| Param::from_tensor(numbers([width], device))),
            training: Training::default(),
            carried: Carried::default(),
            settings,
        }
    }

    fn call(layer: &Recurrent, x: Tensor<3>, training: bool) -> Tensor<3> {
        let cx = Context { training: Some(training) };
        let mut outputs = layer.call(Args::one(x.into()), &cx).unwrap().into_leaves();
        outputs.remove(0).float().unwrap()
    }

    #[test]
    fn a_state_goes_on_with_the_next_batch_until_it_is_reset() {
        let device = Device::flex();
        for stateful in [true, false] {
            let json = serde_json::json!({"units": 4, "return_sequences": true, "stateful": stateful});
            let layer = layer(json, LSTMConfig::settings, &device);
            let x = numbers([2, 6, 3], &device);
            let whole = call(&layer, x.clone(), false);
            Layer::reset_state(&layer);
            let first = call(&layer, x.clone().narrow(1, 0, 4), false);
            // The state of a training step is of use to a prediction.
            let second = call(&layer, x.clone().to_device(&device.clone().autodiff()).narrow(1, 4, 2), false);
            let parts = Tensor::cat(vec![first, second.inner()], 1);
            let off = (whole.clone() - parts).abs().max().into_scalar::<f32>();
            assert_eq!(off < 1e-6, stateful, "off by {off}");
            Layer::reset_state(&layer);
            call(&layer, x, false)
                .into_data()
                .assert_approx_eq::<f32>(&whole.into_data(), Tolerance::default());
        }
    }

    #[test]
    fn dropped_inputs_are_the_same_at_every_step_and_only_in_training() {
        let device = Device::flex();
        let json = serde_json::json!({
            "units": 4, "activation": "linear", "use_bias": false, "return_sequences": true, "dropout": 0.5,
        });
        let mut layer = layer(json, SimpleRNNConfig::settings, &device);
        let eye = Tensor::<2>::eye(4, &device);
        layer.kernel = Param::from_tensor(eye.clone().narrow(0, 0, 3));
        layer.recurrent_kernel = Param::from_tensor(eye * 0.0);
        let ones = Tensor::<3>::ones([50, 7, 3], &device);
        let kept = |training| call(&layer, ones.clone(), training).narrow(2, 0, 3);
        assert_eq!(kept(false).into_data(), ones.clone().into_data());
        let dropped = kept(true);
        let first = dropped.clone().narrow(1, 0, 1).expand([50, 7, 3]);
        assert_eq!(dropped.clone().into_data(), first.into_data());
        let counts =
            [0.0, 2.0].map(|value| dropped.clone().equal_elem(value).int().sum().into_scalar::<i64>());
        assert_eq!(counts.iter().sum::<i64>(), 50 * 7 * 3);
        assert!(counts.iter().all(|count| *count > 200), "{counts:?}");
    }

    #[test]
    fn dropping_of_every_gate_on_its_own_keeps_the_mean() {
        let device = Device::flex();
        let rates = serde_json::json!({
            "units": 4, "dropout": 0.3, "recurrent_dropout": 0.2, "return_sequences": true,
            "reset_after": false, "activation": "linear", "recurrent_activation": "linear",
        });
        let mut layer = layer(rates, GRUConfig::settings, &device);
        // Small weights make the layer nearly linear in what is dropped.
        let small = |param: &Param<Tensor<2>>| Param::from_tensor(param.val() * 0.05);
        (layer.kernel, layer.recurrent_kernel) = (small(&layer.kernel), small(&layer.recurrent_kernel));
        let x = numbers([1, 3, 3], &device).expand([20_000, 3, 3]);
        let (expected, dropped) = (call(&layer, x.clone(), false), call(&layer, x, true));
        let spread = (dropped.clone() - expected.clone()).abs().max().into_scalar::<f32>();
        assert!(spread > 1e-3, "nothing is dropped");
        let off = (dropped - expected).mean_dim(0).abs().max().into_scalar::<f32>();
        assert!(off < 3e-3, "off by {off}");
    }
}
