//! `StackedRNNCells`: cells on top of each other, which together are one.

use std::collections::HashMap;

use burn::module::Module;

use super::CellConfig as _;
use super::{CELL_ARGS, call_cell, cell_outputs, check_states, signature};
use crate::error::{Error, Result};
use crate::layer::{Args, Child, Context, Layer, LayerConfig, Spec, Tree, Variables, Weights};
use crate::module::AnyLayer;
use crate::value::Value;

crate::layer_config! {
    /// Config of `StackedRNNCells`.
    pub struct StackedRNNCellsConfig {
        /// The cells, from the inputs to the output.
        cells: Vec<Child>,
    }
}

/// A cell with what it takes and what its states are.
struct Storey<'a> {
    cell: &'a Child,
    inputs: Args<Spec>,
    states: Vec<Spec>,
}

impl StackedRNNCellsConfig {
    /// The cells, and what the last of them gives.
    fn storeys(&self, args: &Args<Spec>) -> Result<(Vec<Storey<'_>>, Spec)> {
        let mut inputs = args.input()?.clone();
        let storeys = self.cells.iter().enumerate().map(|(index, cell)| {
            let place = |error: Error| error.at(format_args!("cells[{index}]"));
            let (output, states) = signature(cell, inputs.clone()).map_err(place)?;
            let inputs = Args::one(std::mem::replace(&mut inputs, output));
            Ok(Storey { cell, inputs, states })
        });
        let storeys = storeys.collect::<Result<Vec<_>>>()?;
        match storeys.is_empty() {
            true => Err(Error::config("expected at least one cell").at("cells")),
            false => Ok((storeys, inputs)),
        }
    }
}

impl LayerConfig for StackedRNNCellsConfig {
    const CLASSES: &'static [&'static str] = &["StackedRNNCells"];
    const ARGS: &'static [&'static str] = CELL_ARGS;

    type Layer = StackedRNNCells;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let (storeys, output) = self.storeys(args)?;
        let states: Vec<Spec> = storeys.into_iter().flat_map(|storey| storey.states).collect();
        check_states(args.get("states"), &states)?;
        Ok(cell_outputs(output, states))
    }

    fn variables(&self, args: &Args<Spec>) -> Result<Variables> {
        let mut counts: HashMap<String, usize> = HashMap::new();
        let (storeys, _) = self.storeys(args)?;
        let storeys = storeys.into_iter().enumerate();
        storeys.into_iter().try_fold(Variables::default(), |variables, (index, storey)| {
            let base = storey.cell.config.group_name().unwrap_or_default();
            let count = counts.entry(base.clone()).or_default();
            let group = if *count == 0 { format!("cells/{base}") } else { format!("cells/{base}_{count}") };
            *count += 1;
            let own = storey.cell.variables(&storey.inputs)?;
            Ok(variables.with_child(&group, &format!("cells.{index}"), own, true))
        })
    }

    fn build(&self, args: &Args<Spec>, weights: &mut Weights<'_>) -> Result<StackedRNNCells> {
        let (storeys, _) = self.storeys(args)?;
        let states = storeys.iter().map(|storey| storey.states.len()).collect();
        let cells = storeys.into_iter().enumerate().map(|(index, storey)| {
            storey.cell.build(&storey.inputs, &mut weights.child(&format!("cells.{index}")))
        });
        Ok(StackedRNNCells { cells: cells.collect::<Result<_>>()?, states })
    }
}

/// Cells of which each takes the output of the one before.
///
/// # Shapes
/// - inputs: `[batch, features]`
/// - states: those of every cell in turn; without them it starts from zeros
/// - outputs: `[batch, units]` of the last cell, then the new states
#[derive(Module, Debug)]
pub struct StackedRNNCells {
    /// The cells, from the inputs to the output.
    pub cells: Vec<AnyLayer>,
    /// The number of states of each.
    #[module(skip)]
    states: Vec<usize>,
}

impl StackedRNNCells {
    /// Its cells, each with the number of its states.
    pub(super) fn cells(&self) -> impl Iterator<Item = (&AnyLayer, usize)> {
        self.cells.iter().zip(self.states.iter().copied())
    }
}

impl Layer for StackedRNNCells {
    fn reset_state(&self) {
        self.cells.iter().for_each(AnyLayer::reset_state);
    }

    fn call(&self, args: Args<Value>, cx: &Context) -> Result<Tree<Value>> {
        let mut given = args.get("states").cloned().map_or_else(Vec::new, Tree::into_leaves);
        let (mut x, mut states) = (args.into_input()?, Vec::new());
        for (cell, count) in self.cells() {
            let own: Vec<Value> = given.drain(..count.min(given.len())).collect();
            let (output, new) = call_cell(cell, x, &own, cx)?;
            x = output;
            states.extend(new);
        }
        Ok(cell_outputs(x, states))
    }
}
