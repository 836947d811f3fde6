//! What a picture tells of a model: what Keras' `model_to_dot` tells of it.

use serde_json::Value as Json;

use super::{LONGEST_LIST, LONGEST_NAME, text};
use crate::config::graph::{Graph, GraphLayer, TensorRef, spec_at};
use crate::error::Result;
use crate::layer::{Args, Spec, Tree};
use crate::module::graph_of;

/// The class of a model that is a chain.
pub(super) const SEQUENTIAL: &str = "Sequential";

/// The layers of a model, and how they are connected.
#[derive(Clone, Debug)]
pub(super) struct Model {
    pub name: String,
    /// Those that are drawn, in Keras' order.
    pub layers: Vec<Layer>,
    links: Vec<Link>,
    /// The layer that takes each input.
    entries: Vec<Option<usize>>,
    /// The layer that gives each output, and which of its outputs that is.
    exits: Vec<(Option<usize>, usize)>,
}

/// A layer or an operation, in the words of Keras.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    pub name: String,
    pub class: &'static str,
    pub is_input: bool,
    pub activation: Option<String>,
    pub input_shape: String,
    pub output_shape: String,
    pub dtype: String,
    /// Whether its variables may change, if it has any.
    pub trainable: Option<bool>,
    /// What is inside of a model.
    pub inner: Option<Model>,
}

/// A tensor on its way from one layer to another.
#[derive(Clone, Copy, Debug)]
struct Link {
    source: usize,
    output: usize,
    target: usize,
    /// The number of the tensor in the call of the target.
    input: usize,
}

/// What is drawn: leaves, in clusters when models are expanded.
#[derive(Debug)]
pub(super) struct Scene<'a> {
    pub nodes: Vec<&'a Layer>,
    pub root: Cluster<'a>,
    /// From node to node, each once.
    pub edges: Vec<(usize, usize)>,
}

/// An expanded model, or the whole one.
#[derive(Debug)]
pub(super) struct Cluster<'a> {
    pub name: &'a str,
    pub parts: Vec<Part<'a>>,
}

/// What is in a cluster.
#[derive(Debug)]
pub(super) enum Part<'a> {
    /// A node, by its number.
    Node(usize),
    Cluster(Cluster<'a>),
}

impl Model {
    /// The model of a graph. In a chain, which is a `Sequential` model, the input is not drawn.
    pub(super) fn new(
        name: &str,
        graph: &Graph,
        specs: &[Tree<Spec>],
        is_chain: bool,
        trainable: bool,
    ) -> Result<Self> {
        let (calls, nodes) = (graph.first_calls(specs)?, graph.calls());
        let mut layers = Vec::new();
        let mut drawn = Vec::with_capacity(graph.layers.len());
        for (index, (layer, call)) in graph.layers.iter().zip(&calls).enumerate() {
            let is_drawn = !(layer.is_array() || is_chain && layer.config.is_input());
            drawn.push(is_drawn.then_some(layers.len()));
            if is_drawn {
                let node = nodes.get(index).and_then(|nodes| nodes.first()).copied().unwrap_or(usize::MAX);
                layers.push(Layer::new(graph, specs, (index, node), call, trainable)?);
            }
        }
        let place = |node: usize| *drawn.get(graph.nodes.get(node)?.layer)?;
        let mut links = Vec::new();
        for node in nodes.into_iter().flatten() {
            for (input, at) in tensors(graph, node).into_iter().enumerate() {
                let ends = place(at.node).zip(place(node));
                links.extend(ends.map(|(source, target)| Link { source, output: at.output, target, input }));
            }
        }
        let entries = match is_chain {
            true => vec![Some(0)],
            false => graph.inputs.leaves().into_iter().map(|node| place(*node)).collect(),
        };
        let exits = graph.outputs.leaves().into_iter().map(|at| (place(at.node), at.output)).collect();
        Ok(Self { name: text(name, LONGEST_NAME), layers, links, entries, exits })
    }

    /// What is drawn of it, with nested models as boxes around what is in them or as nodes.
    pub(super) fn scene(&self, expand_nested: bool) -> Scene<'_> {
        let mut scene = Scene {
            nodes: Vec::new(),
            root: Cluster { name: &self.name, parts: Vec::new() },
            edges: Vec::new(),
        };
        let root = self.place(expand_nested, &mut scene.nodes);
        self.connect(&root, &mut scene.edges);
        let mut seen = std::collections::HashSet::new();
        scene.edges.retain(|edge| seen.insert(*edge));
        Scene { root, ..scene }
    }

    fn place<'a>(&'a self, expand: bool, nodes: &mut Vec<&'a Layer>) -> Cluster<'a> {
        let parts = self.layers.iter().map(|layer| match &layer.inner {
            Some(inner) if expand => Part::Cluster(inner.place(expand, nodes)),
            _ => {
                nodes.push(layer);
                Part::Node(nodes.len() - 1)
            }
        });
        let parts = parts.collect();
        Cluster { name: &self.name, parts }
    }

    fn connect(&self, cluster: &Cluster<'_>, edges: &mut Vec<(usize, usize)>) {
        for (layer, part) in self.layers.iter().zip(&cluster.parts) {
            if let (Some(inner), Part::Cluster(cluster)) = (&layer.inner, part) {
                inner.connect(cluster, edges);
            }
        }
        let ends = |link: &Link| {
            let exit = |model: &Self, output: usize| model.exits.get(output).copied();
            let entry = |model: &Self, input: usize| {
                let entry = model.entries.get(input).or(model.entries.last())?;
                Some((*entry, input))
            };
            let source = self.leaf(cluster, (link.source, link.output), exit)?;
            Some((source, self.leaf(cluster, (link.target, link.input), entry)?))
        };
        edges.extend(self.links.iter().filter_map(ends));
    }

    /// The node of a layer that gives or takes a tensor. In an expanded model it is that of the layer inside
    /// that `step` tells of, which may be a model again.
    fn leaf(
        &self,
        cluster: &Cluster<'_>,
        (mut layer, mut tensor): (usize, usize),
        step: impl Fn(&Self, usize) -> Option<(Option<usize>, usize)>,
    ) -> Option<usize> {
        let (mut model, mut cluster) = (self, cluster);
        loop {
            match cluster.parts.get(layer)? {
                Part::Node(node) => return Some(*node),
                Part::Cluster(inner) => {
                    (model, cluster) = (model.layers.get(layer)?.inner.as_ref()?, inner);
                    let (next, at) = step(model, tensor)?;
                    (layer, tensor) = (next?, at);
                }
            }
        }
    }
}

impl Layer {
    fn new(
        graph: &Graph,
        specs: &[Tree<Spec>],
        (index, node): (usize, usize),
        call: &Args<Spec>,
        trainable: bool,
    ) -> Result<Self> {
        let layer = &graph.layers[index];
        let trainable = trainable && layer.trainable;
        let inner = inner(layer, call, trainable)?;
        let outputs = specs.get(node).map(Tree::leaves).unwrap_or_default();
        let inputs =
            tensors(graph, node).into_iter().map(|at| spec_at(specs, at)).collect::<Result<Vec<_>>>()?;
        let (mut inputs, mut outputs) = (flat(inputs), flat(outputs.into_iter().cloned()));
        let mut model = None;
        if let Some(inner) = inner {
            // A functional model shows what it was made with, and not what it was called with.
            (inputs, outputs) = inner.tensors.unwrap_or((inputs, outputs));
            model = Some(inner.model);
        }
        let dtype = |spec: &Spec| match outputs {
            Tree::Leaf(_) => spec.dtype.name().to_owned(),
            _ => format!("'{}'", spec.dtype.name()),
        };
        let is_operation = layer.group.is_none();
        let has_variables = || -> Result<bool> {
            let variables = layer.config.variables(call).map_err(|error| error.at(&layer.place))?;
            Ok(variables.iter().any(|variable| !variable.is_named))
        };
        Ok(Self {
            name: text(&layer.name, LONGEST_NAME),
            class: layer.config.class(),
            is_input: layer.config.is_input(),
            activation: (!is_operation).then(|| activation(layer)).flatten(),
            input_shape: text(&shapes(&inputs), LONGEST_LIST),
            output_shape: text(&shapes(&outputs), LONGEST_LIST),
            dtype: text(&python(&outputs, &dtype), LONGEST_LIST),
            trainable: (!is_operation && has_variables()?).then_some(trainable),
            inner: model,
        })
    }
}

/// A model inside of another.
struct Inner {
    model: Model,
    /// What it takes and gives by itself, in its own structure.
    tensors: Option<(Tree<Spec>, Tree<Spec>)>,
}

fn inner(layer: &GraphLayer, call: &Args<Spec>, trainable: bool) -> Result<Option<Inner>> {
    let Some(graph) = graph_of(layer.config.as_ref()) else { return Ok(None) };
    let given: Vec<Spec> = call.inputs().into_iter().cloned().collect();
    // Without an input of its own, it has the shapes of its first call.
    let specs =
        graph.infer(None).or_else(|_| graph.infer(Some(&given))).map_err(|error| error.at(&layer.place))?;
    let is_chain = layer.config.class() == SEQUENTIAL;
    let tensors = match is_chain {
        true => None,
        false => {
            let inputs =
                graph.inputs.try_map(&mut |node| spec_at(&specs, TensorRef { node: *node, output: 0 }))?;
            let outputs = graph.outputs.try_map(&mut |at| spec_at(&specs, *at))?;
            let config = layer.config.write();
            let written = |key: &str| config.get(key).unwrap_or(&Json::Null);
            Some((as_written(inputs, written("input_layers")), as_written(outputs, written("output_layers"))))
        }
    };
    let model = Model::new(&layer.name, graph, &specs, is_chain, trainable)?;
    Ok(Some(Inner { model, tensors }))
}

/// The same structure with the order that the dictionaries in it have in the file.
fn as_written<T>(tree: Tree<T>, json: &Json) -> Tree<T> {
    match (tree, json) {
        (Tree::Dict(mut items), Json::Object(written)) => {
            items.sort_by_key(|(name, _)| written.keys().position(|key| key == name));
            let item = |(key, item)| {
                let json = written.get(&key).unwrap_or(&Json::Null);
                (key, as_written(item, json))
            };
            Tree::Dict(items.into_iter().map(item).collect())
        }
        (Tree::List(items), Json::Array(written)) => {
            Tree::List(items.into_iter().zip(written).map(|(item, json)| as_written(item, json)).collect())
        }
        (tree, _) => tree,
    }
}

/// The tensors of a call as Keras lists them: those of all arguments, one after the other.
fn tensors(graph: &Graph, node: usize) -> Vec<TensorRef> {
    let Some(node) = graph.nodes.get(node) else { return Vec::new() };
    let masks = node.mask.iter().flat_map(Tree::leaves);
    let tensors = node.args.leaves().into_iter().chain(masks).copied();
    tensors.filter(|at| !graph.layers[graph.nodes[at.node].layer].is_array()).collect()
}

/// One tensor by itself, several as a list.
fn flat(specs: impl IntoIterator<Item = Spec>) -> Tree<Spec> {
    let mut leaves: Vec<Tree<Spec>> = specs.into_iter().map(Tree::Leaf).collect();
    match leaves.len() {
        1 => leaves.remove(0),
        _ => Tree::List(leaves),
    }
}

/// The name of the function, or of the layer, under `activation` in the config of a layer.
fn activation(layer: &GraphLayer) -> Option<String> {
    let config = layer.config.write();
    let name = match config.get("activation")? {
        Json::Null => "linear",
        Json::String(name) => name,
        object => {
            let named = object.pointer("/config/name").or_else(|| object.get("config"));
            named.or_else(|| object.get("class_name")).and_then(Json::as_str)?
        }
    };
    Some(text(name, LONGEST_NAME))
}

fn shapes(specs: &Tree<Spec>) -> String {
    let shown = match specs {
        Tree::Dict(items) => {
            let items = items.iter().map(|(key, item)| format!("{key}: {}", python(item, &shape)));
            items.collect::<Vec<_>>().join(", ")
        }
        specs => python(specs, &shape),
    };
    shown.replace(['{', '}'], "")
}

/// A shape as Python prints tuples.
fn shape(spec: &Spec) -> String {
    match spec.rank() {
        1 => spec.to_string().replace(')', ",)"),
        _ => spec.to_string(),
    }
}

/// A structure as Python prints it.
fn python(tree: &Tree<Spec>, leaf: &impl Fn(&Spec) -> String) -> String {
    let list = |items: Vec<String>| items.join(", ");
    match tree {
        Tree::Leaf(spec) => leaf(spec),
        Tree::List(items) => format!("[{}]", list(items.iter().map(|item| python(item, leaf)).collect())),
        Tree::Dict(items) => {
            let items = items.iter().map(|(key, item)| format!("'{key}': {}", python(item, leaf)));
            format!("{{{}}}", list(items.collect()))
        }
        Tree::Constant(_) => "None".to_owned(),
    }
}
