//! From the calls of a graph to the steps of a method.

use std::collections::{HashMap, HashSet};

use super::code::{Code, Layout};
use super::draft::{Draft, Forward, Held, Kind, Local, Pattern, Step, Use, shape};
use super::layer::{Layer, LayerCall};
use super::model::{Model, Written};
use super::names::snake;
use crate::config::Dtype;
use crate::config::graph::{Node, TensorRef, spec_at};
use crate::error::{Error, Result};
use crate::layer::{Spec, Tree};

const KERAS: Held = Held::Tensor(Layout::Keras);
const UNMASK: &str = "{0}.with_mask(None)";

/// The method for one call of a model; `masked` says which of its inputs may have masks.
///
/// # Errors
/// What cannot be written, by name.
pub(super) fn forward(model: &Model<'_>, call: usize, masked: &[bool], draft: &mut Draft) -> Result<Forward> {
    let graph = model.graph;
    let specs = model.specs.get(call).ok_or_else(|| Error::config("it is never called"))?;
    let mut builder =
        Builder { model, specs, draft, values: Vec::new(), steps: Vec::new(), at: HashMap::new() };
    let mut shapes = [Vec::new(), Vec::new()];
    let (inputs, mut dtypes) = (graph.inputs.leaves(), Vec::new());
    for (number, node) in inputs.iter().enumerate() {
        let may = masked.get(number).copied().unwrap_or(true);
        let spec = spec_at(specs, TensorRef { node: **node, output: 0 })?;
        builder.input(**node, &spec, if may { Held::Value } else { KERAS })?;
        shapes[0].push(described(&spec, true));
        dtypes.push(spec.dtype);
    }
    builder.cast_inputs(&inputs)?;
    for (index, node) in graph.nodes.iter().enumerate() {
        if inputs.contains(&&index) {
            continue;
        }
        let place = &graph.layers[node.layer].place;
        builder.node(index, node, call).map_err(|error| error.at(place))?;
    }
    let mut outputs = Vec::new();
    for (at, held) in graph.outputs.leaves().into_iter().zip(&model.held) {
        outputs.push((builder.value(*at)?, *held));
        shapes[1].push(described(&spec_at(specs, *at)?, false));
    }
    builder.drop_unused(&outputs);
    let Builder { values, steps, .. } = builder;
    let result = model.result.clone();
    Ok(Forward { values, inputs: inputs.len(), dtypes, steps, outputs, result, shapes })
}

/// A shape, and the type of numbers if these are no floats.
fn described(spec: &Spec, is_input: bool) -> String {
    let numbers = match spec.dtype {
        Dtype::Bool => ", booleans",
        dtype if dtype.is_float() => "",
        _ => ", integers",
    };
    format!("`{}`{numbers}", shape(spec, is_input))
}

struct Builder<'a> {
    model: &'a Model<'a>,
    specs: &'a [Tree<Spec>],
    draft: &'a mut Draft,
    values: Vec<Local>,
    steps: Vec<Step>,
    /// Which value an output is.
    at: HashMap<TensorRef, usize>,
}

impl Builder<'_> {
    fn new_value(&mut self, name: String, spec: &Spec, home: Held) -> usize {
        let kind = Kind::of(spec);
        self.values.push(Local { name, kind, home });
        self.values.len() - 1
    }

    fn value(&self, at: TensorRef) -> Result<usize> {
        let value = self.at.get(&at).copied();
        value.ok_or_else(|| Error::config(format_args!("a layer gave no output {}", at.output)))
    }

    fn input(&mut self, node: usize, spec: &Spec, home: Held) -> Result<()> {
        let layer = self.model.graph.nodes.get(node).and_then(|node| self.model.graph.layers.get(node.layer));
        let layer = layer.ok_or_else(|| Error::config("an input that is no layer"))?;
        if spec.dtype == Dtype::String {
            return Err(Error::unsupported("strings in a Burn module").at(&layer.place));
        }
        let value = self.new_value(snake(&layer.name), spec, home);
        match self.at.insert(TensorRef { node, output: 0 }, value) {
            Some(_) => Err(Error::unsupported("an input that the model lists twice").at(&layer.place)),
            None => Ok(()),
        }
    }

    /// Rounds the inputs that are of fewer bits.
    fn cast_inputs(&mut self, inputs: &[&usize]) -> Result<()> {
        for node in inputs {
            let at = TensorRef { node: **node, output: 0 };
            let spec = spec_at(self.specs, at)?;
            let (value, home) = (self.value(at)?, self.home(at)?);
            let Some(dtype) = half(spec.dtype) else { continue };
            if home == Held::Value {
                return Err(Error::unsupported("masks of inputs of 16 bits"));
            }
            let name = self.values.get(value).map_or_else(String::new, |value| value.name.clone());
            let given = self.new_value(name, &spec, KERAS);
            self.step(
                format!("{{0}}.cast(DType::{dtype})"),
                vec![(value, KERAS)],
                vec![given],
                Pattern::Tuple,
            );
            self.at.insert(at, given);
        }
        Ok(())
    }

    fn home(&self, at: TensorRef) -> Result<Held> {
        let value = self.value(at)?;
        self.values.get(value).map(|value| value.home).ok_or_else(|| Error::config("no value"))
    }

    fn step(&mut self, call: String, takes: Vec<Use>, gives: Vec<usize>, pattern: Pattern) {
        self.steps.push(Step { call, takes, gives, pattern, is_generic: false });
    }

    fn node(&mut self, index: usize, node: &Node, call: usize) -> Result<()> {
        let number = self.model.numbers.get(&(call, index)).copied().unwrap_or(0);
        match self.model.layers.get(node.layer) {
            Some(Written::Layer(layer)) => self.layer(index, node, layer, number)?,
            Some(Written::Model(of, field, methods, calls)) => {
                let method = methods.get(number).copied().unwrap_or(0);
                self.inner(index, node, (*of, method), field, calls.get(number))?;
            }
            Some(Written::Nothing) | None => {
                return Err(Error::config("there is nothing that stands for it"));
            }
        }
        let layer = &self.model.graph.layers[node.layer];
        if layer.config.takes_masks() && !layer.keeps_masks {
            self.take_masks(node)?;
        }
        Ok(())
    }

    /// The values that a call takes, those of the masks last.
    fn taken(&self, node: &Node) -> Result<Vec<usize>> {
        let masks = node.mask.as_ref().map(Tree::leaves).unwrap_or_default();
        node.args.leaves().into_iter().chain(masks).map(|at| self.value(*at)).collect()
    }

    /// What a call gives, held so.
    fn given(&mut self, index: usize, name: &str, held: impl Fn(&Spec, usize) -> Held) -> Result<Vec<usize>> {
        let outputs = self.specs.get(index).ok_or_else(|| Error::config("it is never called"))?.leaves();
        let several = outputs.len() > 1;
        let mut gives = Vec::with_capacity(outputs.len());
        for (output, spec) in outputs.into_iter().enumerate() {
            let name = if several { format!("{name}_{output}") } else { name.to_owned() };
            let value = self.new_value(name, spec, held(spec, output));
            self.at.insert(TensorRef { node: index, output }, value);
            gives.push(value);
        }
        Ok(gives)
    }

    fn layer(&mut self, index: usize, node: &Node, layer: &Layer<'_>, number: usize) -> Result<()> {
        let call_of = layer.calls.get(number).ok_or_else(|| Error::config("it is never called"))?;
        let taken = self.taken(node)?;
        let code = match &layer.keras {
            // It takes and gives tensors in Keras' order, or values.
            Some(calls) => Code::function(calls.get(number).cloned().unwrap_or_default(), Layout::Keras),
            None => layer.code(number, self.layout(&taken))?,
        };
        let uses = if layer.keras.is_some() { &layer.uses } else { &code.uses };
        self.draft.import(uses);
        let call = self.draft.renamed(&code.call, uses);
        let takes = taken.iter().enumerate().filter_map(|(number, value)| {
            let local = self.values.get(*value)?;
            let is_value = call_of.values.get(number).copied().unwrap_or(true);
            let is_other = layer.keras.is_some() && local.home == Held::Tensor(Layout::ChannelsFirst);
            let layout = if local.kind.is_spatial() { code.takes } else { Layout::Keras };
            Some((*value, if is_value || is_other { Held::Value } else { Held::Tensor(layout) }))
        });
        let takes: Vec<Use> = takes.collect();
        let field = layer.name.as_ref().map_or_else(String::new, |name| format!("self.{name}"));
        let gives =
            self.given(index, &snake(&layer.layer.name), |spec, _| match Kind::of(spec).is_spatial() {
                _ if call_of.gives_masks => Held::Value,
                true => Held::Tensor(code.gives),
                false => KERAS,
            })?;
        let (call, is_generic) = (call.replace("{self}", &field), layer.keras.is_some());
        self.steps.push(Step { call, takes, gives, pattern: Pattern::Tuple, is_generic });
        Ok(())
    }

    /// How the tensors that a call takes lie, if all lie alike. Where some do with their channels first, others can.
    fn layout(&self, taken: &[usize]) -> Layout {
        let tensors: Vec<&Local> = taken.iter().filter_map(|value| self.values.get(*value)).collect();
        let first = tensors.first().map(|local| local.kind);
        let alike = tensors.iter().all(|local| local.kind.is_spatial() && Some(local.kind) == first);
        let any = tensors.iter().any(|local| local.home == Held::Tensor(Layout::ChannelsFirst));
        if alike && any { Layout::ChannelsFirst } else { Layout::Keras }
    }

    /// A call of a model.
    fn inner(
        &mut self,
        index: usize,
        node: &Node,
        (of, method): (usize, usize),
        field: &str,
        call: Option<&LayerCall>,
    ) -> Result<()> {
        let masks = given_masks(node);
        let args = node.args.leaves().into_iter().map(|at| self.value(*at)).collect::<Result<Vec<_>>>()?;
        let inner = self.draft.structs.get(of).and_then(|it| it.forwards.get(method));
        let inner = inner.ok_or_else(|| Error::config("it is never called"))?.clone();
        let (mut arguments, mut places) = (Vec::with_capacity(args.len()), Vec::with_capacity(args.len()));
        for (number, value) in args.iter().enumerate().take(inner.inputs) {
            let held = inner.values.get(number).map_or(KERAS, |value| value.home);
            let dtype = inner.dtypes.get(number).copied().filter(|dtype| dtype.is_float());
            let spec = call.and_then(|call| call.args.inputs().get(number).copied().cloned());
            let cast = dtype.zip(spec).filter(|(dtype, spec)| spec.dtype.is_float() && spec.dtype != *dtype);
            arguments.push(match cast {
                Some((dtype, spec)) => (self.cast((*value, held), &spec.with_dtype(dtype))?, held),
                None => (*value, held),
            });
        }
        for number in 0..arguments.len() {
            places.push(match masks.get(number) {
                Some(Some(mask)) => {
                    arguments.push((self.value(*mask)?, Held::Value));
                    format!("{{{number}}}.with_mask(Some({{{}}}))", arguments.len() - 1)
                }
                Some(None) => format!("{{{number}}}.with_mask(None)"),
                None => format!("{{{number}}}"),
            });
        }
        let method = method_name(method);
        let template = format!("self.{field}.{method}({})", places.join(", "));
        let gives = self.given(index, &snake(field), |_, output| {
            inner.outputs.get(output).map_or(KERAS, |(_, held)| *held)
        })?;
        self.step(template, arguments, gives, inner.result);
        Ok(())
    }

    /// A value in another type of floats.
    fn cast(&mut self, (value, held): Use, spec: &Spec) -> Result<usize> {
        if held == Held::Value {
            return Err(Error::unsupported("another type of floats in a model that is called with masks"));
        }
        let dtype = half(spec.dtype).unwrap_or("F32");
        let name = self.values.get(value).map_or_else(String::new, |value| value.name.clone());
        let given = self.new_value(name, spec, KERAS);
        self.step(format!("{{0}}.cast(DType::{dtype})"), vec![(value, KERAS)], vec![given], Pattern::Tuple);
        Ok(given)
    }

    /// A call after which its inputs have no masks any more.
    fn take_masks(&mut self, node: &Node) -> Result<()> {
        for at in node.args.leaves() {
            let value = self.value(*at)?;
            let Some(local) = self.values.get(value).filter(|local| local.home == Held::Value).cloned()
            else {
                continue;
            };
            self.values.push(local);
            let given = self.values.len() - 1;
            self.step(UNMASK.to_owned(), vec![(value, Held::Value)], vec![given], Pattern::Tuple);
            self.at.insert(*at, given);
        }
        Ok(())
    }

    /// Leaves out what takes masks off values that nothing needs afterwards.
    fn drop_unused(&mut self, outputs: &[Use]) {
        let mut used: HashSet<usize> = outputs.iter().map(|(value, _)| *value).collect();
        let mut kept = Vec::with_capacity(self.steps.len());
        for step in std::mem::take(&mut self.steps).into_iter().rev() {
            if step.call != UNMASK || step.gives.iter().any(|value| used.contains(value)) {
                used.extend(step.takes.iter().map(|(value, _)| *value));
                kept.push(step);
            }
        }
        kept.reverse();
        self.steps = kept;
    }
}

/// The masks that a model is called with, for the first of its inputs, each perhaps with none.
fn given_masks(node: &Node) -> Vec<Option<TensorRef>> {
    let one = |tree: &Tree<TensorRef>| tree.leaves().first().map(|mask| **mask);
    match &node.mask {
        Some(Tree::Leaf(mask)) => vec![Some(*mask)],
        Some(Tree::List(items)) => items.iter().map(one).collect(),
        Some(Tree::Dict(items)) => items.iter().map(|(_, item)| one(item)).collect(),
        Some(Tree::Constant(_)) | None => Vec::new(),
    }
}

/// The type of floats of 16 bits, as Burn calls it.
fn half(dtype: Dtype) -> Option<&'static str> {
    match dtype {
        Dtype::Float16 => Some("F16"),
        Dtype::Bfloat16 => Some("BF16"),
        _ => None,
    }
}

/// The name of a method: `forward`, `forward_1`, ...
pub(super) fn method_name(number: usize) -> String {
    if number == 0 { "forward".to_owned() } else { format!("forward_{number}") }
}
