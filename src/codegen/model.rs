//! From the graph of a model to what is to be written of it.

use std::collections::HashMap;

use serde_json::Value as Json;

use super::code::Layout;
use super::draft::{Draft, FieldLine, Held, Kind, OutputField, OutputStruct, Pattern, Struct, shape};
use super::forward::forward;
use super::keras_layer::objects;
use super::layer::{Layer, LayerCall, count, doc, grouped};
use super::masks::masked;
use super::names::{Names, normalized, pascal, plain, snake};
use super::notes::Notes;
use crate::config::Dtype;
use crate::config::graph::{Graph, GraphLayer, spec_at};
use crate::error::{Error, Problems, Result};
use crate::layer::{AnyConfig, Spec, Tree, Variables};
use crate::module::{graph_of, is_trainable};

/// Longest tuple of outputs.
const LONGEST_TUPLE: usize = 4;

/// What a model is called with, everywhere where it is.
#[derive(Clone, Debug)]
pub(super) struct Calls {
    /// The shapes and types of the inputs of every call; of one whose inputs say them themselves, nothing.
    pub inputs: Vec<Option<Vec<Spec>>>,
    /// For every input, whether it may have a mask in some call.
    pub masked: Vec<bool>,
    /// Whether it is no layer of another model. Then masks end with it.
    pub is_outermost: bool,
}

impl Calls {
    /// How a model is called that is no layer of another.
    pub(super) fn once(graph: &Graph) -> Self {
        let masked = vec![false; graph.inputs.leaves().len()];
        Self { inputs: vec![None], masked, is_outermost: true }
    }

    fn of(calls: &[LayerCall]) -> Self {
        let inputs = calls.iter().map(|call| Some(call.args.inputs().into_iter().cloned().collect()));
        let mut masked: Vec<bool> = Vec::new();
        for call in calls {
            masked.resize(call.values.len().max(masked.len()), false);
            masked.iter_mut().zip(&call.values).for_each(|(any, one)| *any |= *one || call.mask.is_some());
        }
        Self { inputs: inputs.collect(), masked, is_outermost: false }
    }
}

/// What is known of a model before its methods are written.
pub(super) struct Model<'a> {
    pub graph: &'a Graph,
    /// For every call, the shapes of all values.
    pub specs: Vec<Vec<Tree<Spec>>>,
    /// What stands for each layer.
    pub layers: Vec<Written<'a>>,
    /// Which call of its layer a node is, in each call of the model.
    pub numbers: HashMap<(usize, usize), usize>,
    /// How its outputs are held.
    pub held: Vec<Held>,
    pub result: Pattern,
}

/// What stands for a layer.
#[derive(Debug)]
pub(super) enum Written<'a> {
    /// An input, or one that cannot be written, which is then told.
    Nothing,
    /// A model of its own: the number of its struct, the field, the method for each call, and those calls.
    Model(usize, String, Vec<usize>, Vec<LayerCall>),
    /// Any other layer.
    Layer(Box<Layer<'a>>),
}

/// Drafts models, one struct for each.
pub(super) struct Drafter {
    pub draft: Draft,
    pub problems: Problems,
    types: Names,
    notes: Notes,
}

impl Drafter {
    /// One that gives types other names than these.
    pub(super) fn new<'a>(taken: impl IntoIterator<Item = &'a str>) -> Self {
        let types = Names::without(taken);
        Self { draft: Draft::new(), problems: Problems::default(), types, notes: Notes::default() }
    }

    /// Everything, once the model itself is drafted.
    ///
    /// # Errors
    /// Everything that cannot be written.
    pub(super) fn finish(mut self) -> Result<Draft> {
        self.problems.finish()?;
        self.draft.notes = self.notes.lines();
        Ok(self.draft)
    }

    /// Drafts a model with the models in it; gives the number of its struct, and that of the method for each call.
    pub(super) fn model(
        &mut self,
        config: &dyn AnyConfig,
        name: &str,
        calls: &Calls,
        trainable: bool,
    ) -> Option<(usize, Vec<usize>)> {
        let graph = graph_of(config)?;
        let trainable = trainable && is_trainable(config);
        let specs = calls.inputs.iter().map(|inputs| graph.infer(inputs.as_deref()));
        let specs: Vec<_> = self.problems.note(specs.collect::<Result<_>>())?;
        let masked = masked(graph, &calls.masked);
        let type_name = self.types.give(&pascal(name));
        let mut site =
            Site { graph, specs: &specs, masked: &masked, calls, trainable, numbers: HashMap::new() };
        let mut fields = Fields::new(graph);
        let layers = self.layers(&mut site, &objects(config), &mut fields);
        let numbers = site.numbers;
        let held = held(graph, &masked, calls);
        let output = self.outputs(graph, specs.first()?, &held, &type_name)?;
        let result = output.as_ref().map_or(Pattern::Tuple, |output| {
            Pattern::Struct(
                output.name.clone(),
                output.fields.iter().map(|field| field.name.clone()).collect(),
            )
        });
        if !self.problems.is_empty() {
            return None;
        }
        let model = Model { graph, specs, layers, numbers, held, result };
        let (mut forwards, mut methods): (Vec<super::draft::Forward>, Vec<usize>) = (Vec::new(), Vec::new());
        for call in 0..calls.inputs.len() {
            let forward = forward(&model, call, &calls.masked, &mut self.draft);
            let forward = self.problems.note(forward)?;
            let known = forwards.iter().position(|known| forward.is(known));
            methods.push(known.unwrap_or(forwards.len()));
            forwards.extend(Some(forward).filter(|_| known.is_none()));
        }
        let fields = fields.lines;
        let doc = describe(config.class(), name, &fields);
        self.draft.structs.push(Struct { name: type_name, doc, fields, forwards, output });
        Some((self.draft.structs.len() - 1, methods))
    }

    /// What stands for each layer; those that nothing can stand for are told all at once.
    fn layers<'a>(
        &mut self,
        site: &mut Site<'a, '_>,
        objects: &HashMap<String, Json>,
        fields: &mut Fields,
    ) -> Vec<Written<'a>> {
        let mut written = Vec::with_capacity(site.graph.layers.len());
        for (index, layer) in site.graph.layers.iter().enumerate() {
            let calls = site.calls_of(index).map_err(|error| error.at(&layer.place));
            let calls = self.problems.note(calls).unwrap_or_default();
            let stands =
                if calls.is_empty() { None } else { self.layer(site, layer, calls, objects, fields) };
            written.push(stands.unwrap_or(Written::Nothing));
        }
        written
    }

    fn layer<'a>(
        &mut self,
        site: &Site<'a, '_>,
        layer: &'a GraphLayer,
        calls: Vec<LayerCall>,
        objects: &HashMap<String, Json>,
        fields: &mut Fields,
    ) -> Option<Written<'a>> {
        let place = &layer.place;
        if calls.iter().flat_map(LayerCall::specs).any(|spec| spec.dtype == Dtype::String) {
            self.problems.push(Error::unsupported("strings in a Burn module").at(place));
            return None;
        }
        if layer.config.is_input() {
            self.problems.push(Error::unsupported("an input that the model does not list").at(place));
            return None;
        }
        let trainable = site.trainable && layer.trainable;
        let variables = layer.config.variables(&calls.first()?.args).map_err(|error| error.at(place));
        let variables = self.problems.note(variables)?;
        if graph_of(layer.config.as_ref()).is_some() {
            let all = Calls::of(&calls);
            let (number, methods) =
                self.model(layer.config.as_ref(), &layer.name, &all, trainable)?;
            let ty = self.draft.structs.get(number)?.name.clone();
            let line = FieldLine {
                model: Some(number),
                init: format!("{ty}::new(device)"),
                ty,
                ..FieldLine::default()
            };
            let field = fields.add(site, layer, line, &variables, calls.first());
            return Some(Written::Model(number, field, methods, calls));
        }
        self.notes.layer(layer, &variables);
        // What is not in the list is an array that a layer is called with.
        let own = Json::Object(layer.config.write());
        let object = objects.get(&layer.name).unwrap_or(&own);
        let written = Layer::new(layer, calls, trainable, &variables, object);
        let mut written = self.problems.note(written.map_err(|error| error.at(place)))?;
        self.draft.import(&written.uses);
        if let Some(field) = written.field.clone() {
            let [ty, init] = [&field.ty, &field.init].map(|text| self.draft.renamed(text, &written.uses));
            let line = FieldLine { ty, init, is_keras: written.keras.is_some(), ..FieldLine::default() };
            written.name = Some(fields.add(site, layer, line, &variables, written.calls.first()));
        }
        Some(Written::Layer(Box::new(written)))
    }

    /// The struct of what a model gives, if that is no tuple.
    fn outputs(
        &mut self,
        graph: &Graph,
        specs: &[Tree<Spec>],
        held: &[Held],
        type_name: &str,
    ) -> Option<Option<OutputStruct>> {
        if !has_dict(&graph.outputs) && graph.outputs.leaves().len() <= LONGEST_TUPLE {
            return Some(None);
        }
        let (mut names, mut fields) = (Names::without([]), Vec::new());
        let keys = keys(&graph.outputs, "");
        let outputs = graph.outputs.leaves().into_iter().zip(held);
        for (((at, held), key), layer) in outputs.zip(keys).zip(graph.output_names()) {
            let spec = self.problems.note(spec_at(specs, *at))?;
            let name = names.give(&snake(if key.is_empty() { layer } else { &key }));
            let ty = Kind::of(&spec).held(*held);
            fields.push(OutputField { name, ty, doc: format!("`{}`", shape(&spec, false)) });
        }
        let name = self.types.give(&format!("{type_name}Output"));
        Some(Some(OutputStruct { name, fields }))
    }
}

/// A model and where it is called.
struct Site<'g, 'a> {
    graph: &'g Graph,
    specs: &'a [Vec<Tree<Spec>>],
    masked: &'a [bool],
    calls: &'a Calls,
    trainable: bool,
    numbers: HashMap<(usize, usize), usize>,
}

impl Site<'_, '_> {
    /// All calls of a layer, in those of the model.
    fn calls_of(&mut self, layer: usize) -> Result<Vec<LayerCall>> {
        let inputs = self.graph.inputs.leaves();
        let mut calls = Vec::new();
        for call in 0..self.calls.inputs.len() {
            for (node, it) in self.graph.nodes.iter().enumerate() {
                if it.layer == layer && !inputs.contains(&&node) {
                    self.numbers.insert((call, node), calls.len());
                    calls.push(self.call(call, node)?);
                }
            }
        }
        Ok(calls)
    }

    fn call(&self, call: usize, node: usize) -> Result<LayerCall> {
        let nothing = || Error::config("it is never called");
        let specs = self.specs.get(call).ok_or_else(nothing)?;
        let it = self.graph.nodes.get(node).ok_or_else(nothing)?;
        let masks = it.mask.as_ref().map(Tree::leaves).unwrap_or_default();
        let masked = |at: usize| self.masked.get(at).copied().unwrap_or(true);
        Ok(LayerCall {
            args: it.args.try_map(&mut |at| spec_at(specs, *at))?,
            mask: it.mask.as_ref().map(|mask| mask.try_map(&mut |at| spec_at(specs, *at))).transpose()?,
            values: it.args.leaves().into_iter().chain(masks).map(|at| masked(at.node)).collect(),
            gives_masks: masked(node),
            outputs: specs.get(node).cloned().ok_or_else(nothing)?,
        })
    }
}

/// The fields of a struct, as they are found.
struct Fields {
    lines: Vec<FieldLine>,
    names: Names,
    /// How many layers there are of a name, as stores compare them.
    counts: HashMap<String, usize>,
}

impl Fields {
    fn new(graph: &Graph) -> Self {
        let mut counts = HashMap::new();
        graph.layers.iter().for_each(|layer| *counts.entry(normalized(&layer.name)).or_default() += 1);
        Self { lines: Vec::new(), names: Names::without([]), counts }
    }

    /// Adds a field of a type; gives its name.
    fn add(
        &mut self,
        site: &Site<'_, '_>,
        layer: &GraphLayer,
        line: FieldLine,
        variables: &Variables,
        call: Option<&LayerCall>,
    ) -> String {
        let name = self.names.give(&snake(&layer.name));
        let same = self.counts.get(&normalized(&layer.name)).copied().unwrap_or(0);
        let parameters = count(variables);
        let is_frozen = !(site.trainable && layer.trainable) && parameters > 0;
        // A layer with statistics of its own does not take those of the batch then; one that drops some still does.
        let has_statistics = variables.iter().any(|variable| variable.is_fixed && variable.dtype.is_float());
        let freeze = if has_statistics { "freeze" } else { "no_grad" };
        // Whatever is in a model that is frozen is frozen there, and a layer of this crate sees to it itself.
        let init = if is_frozen && line.model.is_none() && !line.is_keras {
            format!("{}.{freeze}()", line.init)
        } else {
            line.init
        };
        self.lines.push(FieldLine {
            name: name.clone(),
            keras: layer.name.clone(),
            is_renamed: same > 1 || normalized(&layer.name) != name,
            parameters,
            doc: doc(layer, call, parameters, is_frozen),
            init,
            ..line
        });
        name
    }
}

/// How the outputs of a model are held.
fn held(graph: &Graph, masked: &[bool], calls: &Calls) -> Vec<Held> {
    let may = |node: usize| masked.get(node).copied().unwrap_or(true) && !calls.is_outermost;
    let outputs = graph.outputs.leaves().into_iter();
    outputs.map(|at| if may(at.node) { Held::Value } else { Held::Tensor(Layout::Keras) }).collect()
}

fn describe(class: &str, name: &str, fields: &[FieldLine]) -> String {
    let parameters = fields.iter().fold(0_usize, |sum, field| sum.saturating_add(field.parameters));
    format!("The {} model `{}`: {} parameters.", class.to_lowercase(), plain(name), grouped(parameters))
}

fn has_dict<T>(tree: &Tree<T>) -> bool {
    match tree {
        Tree::Dict(_) => true,
        Tree::List(items) => items.iter().any(has_dict),
        _ => false,
    }
}

/// For every leaf, the keys that lead to it.
fn keys<T>(tree: &Tree<T>, outer: &str) -> Vec<String> {
    match tree {
        Tree::Leaf(_) => vec![outer.to_owned()],
        Tree::List(items) => items.iter().flat_map(|item| keys(item, outer)).collect(),
        Tree::Dict(items) => {
            items.iter().flat_map(|(key, item)| keys(item, &format!("{outer}_{key}"))).collect()
        }
        Tree::Constant(_) => Vec::new(),
    }
}
