//! Recurrent layers. A *cell* does one step in time: a layer that takes `inputs` and `states` and gives an
//! output and new states. [`Recurrent`] takes one along a sequence, whatever the cell: `RNN` any, `SimpleRNN`,
//! `LSTM`, `GRU` and their like one of their own.

mod cell;
mod cudnn;
mod gates;
mod stacked;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};

use burn::module::Module;
use burn::tensor::{DType, Tensor};

use super::conv_lstm::ConvLSTMCell;
use super::support::step_of;
use crate::codegen::{Code, Place};
use crate::error::{Error, Result};
use crate::layer::{Args, Child, Context, Layer, Spec, Tree, Variables, Weights};
use crate::map_float;
use crate::module::AnyLayer;
use crate::value::Value;

pub(super) use cell::remember;
pub use cell::{
    GRUCellConfig, GRUConfig, GatedCell, LSTMCellConfig, LSTMConfig, SimpleRNNCellConfig, SimpleRNNConfig,
};
pub use cudnn::{CuDNNGRUConfig, CuDNNLSTMConfig};
pub(super) use gates::{dropped, lstm, pieces};
pub use stacked::{StackedRNNCells, StackedRNNCellsConfig};

/// The arguments of a recurrent layer.
pub(super) const ARGS: &[&str] = &["sequences", "initial_state", "mask"];
/// The arguments of a cell.
const CELL_ARGS: &[&str] = &["inputs", "states"];

/// A cell before it is built.
pub(super) trait CellConfig {
    /// The output and the states, for the inputs of one step.
    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>>;
    /// Its variables.
    fn variables(&self, args: &Args<Spec>) -> Result<Variables>;
    /// The cell.
    fn build(&self, args: &Args<Spec>, weights: &mut Weights<'_>) -> Result<AnyLayer>;
    /// The recurrent layer in Rust source.
    fn code(&self, _course: &Course, _place: &Place<'_>) -> Option<Code> {
        None
    }
}

impl CellConfig for Child {
    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        if self.config.arg_names() != CELL_ARGS {
            let message = format_args!("a {} is no recurrent cell", self.config.class());
            return Err(Error::unsupported(message));
        }
        self.config.outputs(args)
    }

    fn variables(&self, args: &Args<Spec>) -> Result<Variables> {
        Ok(Variables::default().with_child("", "", self.config.variables(args)?, self.trainable))
    }

    fn build(&self, args: &Args<Spec>, weights: &mut Weights<'_>) -> Result<AnyLayer> {
        self.config.build(args, &mut weights.child("").frozen_unless(self.trainable))
    }
}

/// What a cell gives for the inputs of one step: the output and the states.
fn signature(cell: &dyn CellConfig, inputs: Spec) -> Result<(Spec, Vec<Spec>)> {
    let mut leaves = cell.outputs(&Args::one(inputs))?.into_leaves();
    if leaves.len() < 2 {
        return Err(Error::config("the cell has no states"));
    }
    Ok((leaves.remove(0), leaves))
}

/// Refuses states that are none of a cell's.
fn check_states(given: Option<&Tree<Spec>>, states: &[Spec]) -> Result<()> {
    let Some(given) = given else { return Ok(()) };
    if matches!(given, Tree::Constant(_)) {
        return Err(Error::unsupported("a state that is no tensor"));
    }
    let leaves = given.leaves();
    if leaves.len() != states.len() {
        let message = format_args!("expected {} states, got {}", states.len(), leaves.len());
        return Err(Error::config(message));
    }
    for (given, state) in leaves.into_iter().zip(states) {
        if given.rank() != state.rank() || given.shape[1..] != state.shape[1..] {
            return Err(Error::config(format_args!("expected a state of {state}, got {given}")));
        }
    }
    Ok(())
}

/// The arguments with the states apart: Keras 2 has them in one list with the sequences.
pub(super) fn unpack<T: Clone>(args: &Args<T>) -> Result<Args<T>> {
    let Some(Tree::List(inputs)) = args.get("sequences") else { return Ok(args.clone()) };
    let (sequences, states) = inputs.split_at(inputs.len().min(1));
    if !states.is_empty() && args.get("initial_state").is_some() {
        return Err(Error::config("initial states are given twice"));
    }
    let states = if states.is_empty() {
        args.get("initial_state").cloned()
    } else {
        Some(Tree::List(states.to_vec()))
    };
    let others = [("initial_state", states), ("mask", args.get("mask").cloned())];
    let others = others.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
    Ok(Args::bind(ARGS, sequences.to_vec(), others)?.with_masks_passing_by(args.masks_pass_by()))
}

/// How a recurrent layer goes over a sequence.
#[derive(Clone, Copy, Debug)]
pub(super) struct Course {
    pub return_sequences: bool,
    pub return_state: bool,
    pub go_backwards: bool,
    pub stateful: bool,
    pub unroll: bool,
    pub zero_output_for_mask: bool,
    pub takes_masks: bool,
}

impl Course {
    pub(super) fn outputs(&self, cell: &dyn CellConfig, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let input = args.input()?;
        let (mut output, states) = signature(cell, step_of(input)?).map_err(|error| error.at("cell"))?;
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
        check_states(args.get("initial_state"), &states).map_err(|error| error.at("initial_state"))?;
        if self.return_sequences {
            output.shape.insert(1, time);
        }
        Ok(match self.return_state {
            true => Tree::list(std::iter::once(output).chain(states)),
            false => output.into(),
        })
    }

    pub(super) fn variables(&self, cell: &dyn CellConfig, args: &Args<Spec>) -> Result<Variables> {
        cell.variables(&Args::one(step_of(args.input()?)?))
    }

    pub(super) fn build(
        self,
        cell: &dyn CellConfig,
        args: &Args<Spec>,
        weights: &Weights<'_>,
    ) -> Result<Recurrent> {
        let step = step_of(args.input()?)?;
        let (_, states) = signature(cell, step.clone())?;
        let sizes = |state: Spec| (1..state.rank()).map(|axis| state.known(axis)).collect();
        Ok(Recurrent {
            cell: cell.build(&Args::one(step), &mut weights.child("cell"))?,
            states: states.into_iter().map(sizes).collect::<Result<_>>()?,
            carried: Carried::default(),
            course: self,
        })
    }
}

/// Declares the config of a recurrent layer: the keys that all have, and its own; `$cell` gives its
/// [`CellConfig`], whose variables lie in `$group`.
macro_rules! over_time {
    ($(#[$meta:meta])* pub struct $name:ident $(<const $d:ident: usize>)?, $classes:expr, group $group:literal,
     cell $cell:expr, course $course:expr, { $($keys:tt)* }) => {
        crate::layer_config! {
            $(#[$meta])*
            pub struct $name $(<const $d: usize>)? {
                /// Whether the output has every step, or only the last.
                return_sequences: bool = false,
                /// Whether the last state is an output, too.
                return_state: bool = false,
                /// Whether the last step comes first; the output is then in that order.
                go_backwards: bool = false,
                /// Whether a batch starts with the state in which the one before ended.
                stateful: bool = false,
                $($keys)*
            }
        }

        impl $(<const $d: usize>)? $name $(<$d>)? {
            fn cell(&self) -> impl crate::layers::recurrent::CellConfig {
                let cell: fn(&Self) -> _ = $cell;
                cell(self)
            }

            fn course(&self) -> crate::layers::recurrent::Course {
                let adapt: fn(&Self, &mut crate::layers::recurrent::Course) = $course;
                let mut course = crate::layers::recurrent::Course {
                    return_sequences: self.return_sequences,
                    return_state: self.return_state,
                    go_backwards: self.go_backwards,
                    stateful: self.stateful,
                    unroll: false,
                    zero_output_for_mask: false,
                    takes_masks: true,
                };
                adapt(self, &mut course);
                course
            }
        }

        impl $(<const $d: usize>)? crate::layer::LayerConfig for $name $(<$d>)? {
            const CLASSES: &'static [&'static str] = $classes;
            const ARGS: &'static [&'static str] = crate::layers::recurrent::ARGS;
            const MASK: crate::layer::MaskRule = crate::layer::MaskRule::Own;

            type Layer = crate::layers::Recurrent;

            fn gives_masks(&self, masked: bool) -> bool {
                masked && self.course().return_sequences
            }

            fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
                self.course().outputs(&self.cell(), &crate::layers::recurrent::unpack(args)?)
            }

            fn variables(&self, args: &Args<Spec>) -> Result<Variables> {
                let args = crate::layers::recurrent::unpack(args)?;
                let variables = self.course().variables(&self.cell(), &args)?;
                Ok(Variables::default().with_child($group, "cell", variables, true))
            }

            fn build(&self, args: &Args<Spec>, weights: &mut Weights<'_>) -> Result<Self::Layer> {
                self.course().build(&self.cell(), &crate::layers::recurrent::unpack(args)?, weights)
            }

            fn code(&self, place: &crate::codegen::Place<'_>) -> Option<crate::codegen::Code> {
                crate::layers::recurrent::CellConfig::code(&self.cell(), &self.course(), place)
            }
        }
    };
}
pub(super) use cell::with_variables;
pub(super) use over_time;

over_time! {
    /// Config of `RNN`.
    pub struct RNNConfig, &["RNN"], group "cell",
    cell |config| config.cell.clone(),
    course |config, course| {
        course.unroll = config.unroll;
        course.zero_output_for_mask = config.zero_output_for_mask;
    }, {
        /// Whether Keras unrolls its loop. It matters only to what stands for masked steps.
        unroll: bool = false,
        /// Whether the output of masked steps is zero, and not that of the step before.
        zero_output_for_mask: bool = false,
        /// What does a step: a layer of `inputs` and `states` that gives an output and new states.
        cell: Child,
    }
}

/// A cell along a sequence, with everything done that does not depend on its states.
pub(super) trait Steps {
    /// The output of a step, and the states after it.
    fn step(&self, at: usize, states: &[Value]) -> Result<(Value, Vec<Value>)>;
}

/// The steps of a cell along `[batch, time, ...]`.
fn steps<'a>(cell: &'a AnyLayer, x: Value, cx: &Context) -> Result<Box<dyn Steps + 'a>> {
    if let Some(cell) = cell.downcast_ref::<GatedCell>() {
        return cell.steps(x, cx);
    }
    if let Some(cell) = cell.downcast_ref::<ConvLSTMCell<3>>() {
        return cell.steps(x, cx);
    }
    if let Some(cell) = cell.downcast_ref::<ConvLSTMCell<4>>() {
        return cell.steps(x, cx);
    }
    if let Some(cell) = cell.downcast_ref::<ConvLSTMCell<5>>() {
        return cell.steps(x, cx);
    }
    Ok(Box::new(Calls { cell, x, cx: *cx }))
}

/// The steps of a cell that is called for each.
struct Calls<'a> {
    cell: &'a AnyLayer,
    x: Value,
    cx: Context,
}

impl Steps for Calls<'_> {
    fn step(&self, at: usize, states: &[Value]) -> Result<(Value, Vec<Value>)> {
        let x = self.x.clone().narrow(1, at, 1)?.squeeze(&[1])?;
        call_cell(self.cell, x, states, &self.cx)
    }
}

/// The output and the new states of a cell.
fn call_cell(cell: &AnyLayer, x: Value, states: &[Value], cx: &Context) -> Result<(Value, Vec<Value>)> {
    let states = Tree::list(states.iter().cloned());
    let args = Args::bind(CELL_ARGS, vec![Tree::Leaf(x), states], Vec::new())?;
    let mut outputs = cell.call(args, cx)?.into_leaves();
    if outputs.is_empty() {
        return Err(Error::config("the cell gives nothing"));
    }
    Ok((outputs.remove(0), outputs))
}

/// What a cell gives when it is called as a layer.
pub(super) fn cell_outputs<T>(output: T, states: Vec<T>) -> Tree<T> {
    Tree::List(vec![Tree::Leaf(output), Tree::list(states)])
}

/// Zeros in the shape of a state, for a batch like that of `x`.
pub(super) fn zero_state(sizes: &[usize], x: &Value) -> Result<Value> {
    let shape: Vec<usize> = [x.shape()[0]].iter().chain(sizes).copied().collect();
    let zeros = Tensor::<1>::zeros([shape.iter().product::<usize>()], (&x.device(), DType::F32));
    Value::from(zeros).reshape(&shape)
}

/// States that outlive a call.
#[derive(Clone, Debug, Default)]
struct Carried(Arc<Mutex<Vec<Value>>>);

impl Carried {
    fn get(&self) -> Vec<Value> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, states: Vec<Value>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = states;
    }
}

/// Takes a cell along a sequence.
///
/// # Shapes
/// - sequences: `[batch, time, ...]`
/// - initial state: one value for each state of the cell
/// - mask: `[batch, time]`
/// - outputs: what the cell gives at the last step, or `[batch, time, ...]` with `return_sequences`; then
///   the last states with `return_state`
#[derive(Module, Debug)]
pub struct Recurrent {
    /// What does a step: a [`GatedCell`], [`StackedRNNCells`], [`ConvLSTMCell`] or a user's own.
    pub cell: AnyLayer,
    /// The sizes of the states, less the batch.
    #[module(skip)]
    states: Vec<Vec<usize>>,
    #[module(skip)]
    carried: Carried,
    #[module(skip)]
    course: Course,
}

impl Recurrent {
    fn initial(&self, given: Vec<Value>, x: &Value) -> Result<Vec<Value>> {
        let carried = if self.course.stateful { self.carried.get() } else { Vec::new() };
        let states = match (given.is_empty(), carried.is_empty()) {
            (false, _) => given,
            (true, false) => {
                carried.into_iter().map(|state| state.to_device(&x.device())).collect::<Result<_>>()?
            }
            (true, true) => self.states.iter().map(|sizes| zero_state(sizes, x)).collect::<Result<_>>()?,
        };
        let batch = x.shape()[0];
        let fits = |(state, sizes): (&Value, &Vec<usize>)| {
            state.shape()[0] == batch && state.shape()[1..] == **sizes
        };
        match states.len() == self.states.len() && states.iter().zip(&self.states).all(fits) {
            true => Ok(states),
            false => {
                let got: Vec<_> = states.iter().map(Value::shape).collect();
                let expected = &self.states;
                Err(Error::input(format_args!(
                    "expected states of {expected:?} for {batch} examples, got {got:?}"
                )))
            }
        }
    }

    /// The mask as `[batch, time]`: a step counts if any of it does.
    fn mask(&self, mask: Option<Value>, x: &Value) -> Result<Option<Value>> {
        let Some(mask) = mask else { return Ok(None) };
        if !self.course.takes_masks {
            return Err(Error::unsupported("a mask"));
        }
        let shape = mask.shape();
        let mask = match shape.as_slice() {
            [_, _] => mask,
            [_, _, entries] if x.rank() == 3 && (*entries == 1 || !self.course.unroll) => mask.any(2)?,
            _ => return Err(Error::unsupported(format_args!("a mask of {shape:?}"))),
        };
        match mask.shape() == x.shape()[..2] {
            true => Ok(Some(mask)),
            false => {
                Err(Error::input(format_args!("expected a mask of {:?}, got {shape:?}", &x.shape()[..2])))
            }
        }
    }

    /// Goes over the steps of one cell: the outputs, if not `every` only the last, and the last states.
    fn walk(
        &self,
        steps: &dyn Steps,
        mut states: Vec<Value>,
        (time, mask, every): (usize, Option<&Value>, bool),
    ) -> Result<(Vec<Value>, Vec<Value>)> {
        let mut outputs: Vec<Value> = Vec::with_capacity(if every { time } else { 1 });
        for at in 0..time {
            let (mut output, mut new) = steps.step(at, &states)?;
            if let Some(mask) = mask {
                let kept = mask.clone().narrow(1, at, 1)?;
                let instead = match (self.course.unroll, self.course.zero_output_for_mask) {
                    (true, _) => outputs.last().cloned(),
                    (false, true) => None,
                    (false, false) => states.first().cloned(),
                };
                output = hold(output, &kept, instead)?;
                let held = new.into_iter().zip(states).map(|(new, old)| hold(new, &kept, Some(old)));
                new = held.collect::<Result<_>>()?;
            }
            states = new;
            if !every {
                outputs.clear();
            }
            outputs.push(output);
        }
        Ok((outputs, states))
    }
}

/// The value where a step is kept; elsewhere what stands in for it, or zero.
fn hold(value: Value, kept: &Value, instead: Option<Value>) -> Result<Value> {
    let instead = match instead {
        Some(instead) => instead,
        None => map_float!(value.clone(), x => x.zeros_like())?,
    };
    if instead.shape() != value.shape() {
        let (value, instead) = (value.shape(), instead.shape());
        return Err(Error::unsupported(format_args!("a mask, where {instead:?} would stand for {value:?}")));
    }
    let mut shape = vec![1; value.rank()];
    shape[0] = value.shape()[0];
    value.select(kept.clone().reshape(&shape)?, instead)
}

/// A cell that does a step by itself, with the number of its states: all that are inside of a stack.
fn single_cells(cell: &AnyLayer, states: usize) -> Vec<(&AnyLayer, usize)> {
    match cell.downcast_ref::<StackedRNNCells>() {
        Some(stack) => stack.cells().flat_map(|(cell, states)| single_cells(cell, states)).collect(),
        None => vec![(cell, states)],
    }
}

/// One value out of those of all steps.
fn join(outputs: Vec<Value>) -> Result<Value> {
    Value::concat(outputs.into_iter().map(|output| output.expand_dims(1)).collect::<Result<_>>()?, 1)
}

impl Layer for Recurrent {
    fn reset_state(&self) {
        self.cell.reset_state();
        self.carried.set(Vec::new());
    }

    fn call(&self, args: Args<Value>, cx: &Context) -> Result<Tree<Value>> {
        let args = unpack(&args)?;
        let (given, mask) = (args.get("initial_state").cloned(), args.mask().cloned());
        let mut x = args.into_input()?;
        let (passed, time) = (x.mask().cloned(), x.shape().get(1).copied().unwrap_or(0));
        if time == 0 {
            return Err(Error::input(format_args!("expected time steps, got {:?}", x.shape())));
        }
        let mut mask = self.mask(mask, &x)?;
        let cells = single_cells(&self.cell, self.states.len());
        // Keras takes the first of all states for the output before, unless each cell has a list of its own.
        let is_flat =
            matches!(&given, Some(Tree::List(states)) if matches!(states.first(), Some(Tree::Leaf(_))));
        if is_flat && cells.len() > 1 && mask.is_some() {
            return Err(Error::unsupported("a mask, where the states of stacked cells are no lists"));
        }
        let mut states = self.initial(given.map_or_else(Vec::new, Tree::into_leaves), &x)?;
        if self.course.go_backwards {
            x = x.flip(1)?;
            mask = mask.map(|mask| mask.flip(1)).transpose()?;
        }
        let (mut outputs, mut last) = (Vec::new(), Vec::new());
        for (index, (cell, count)) in cells.iter().enumerate() {
            let every = self.course.return_sequences || index + 1 < cells.len();
            let own = states.drain(..(*count).min(states.len())).collect();
            let x = if index == 0 { x.clone() } else { join(std::mem::take(&mut outputs))? };
            let (given, new) = self.walk(&*steps(cell, x, cx)?, own, (time, mask.as_ref(), every))?;
            outputs = given;
            last.extend(new);
        }
        if self.course.stateful {
            let detached = last.iter().map(|state| map_float!(state.clone(), x => x.detach()));
            self.carried.set(detached.collect::<Result<_>>()?);
        }
        let output = match self.course.return_sequences {
            true => join(outputs)?.with_mask(passed),
            false => outputs.pop().ok_or_else(|| Error::input("no steps"))?,
        };
        Ok(match self.course.return_state {
            true => Tree::list(std::iter::once(output).chain(last)),
            false => output.into(),
        })
    }
}
