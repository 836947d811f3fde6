//! The graph of a model: layers, their calls, and how values flow. From `Sequential` and
//! `Functional` configs.

pub(crate) mod order;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::activity::Activity;
use super::call::{Call, Named, read_call, read_history, sorted};
use super::{Object, Reader, brief, snake_case};
use crate::error::{Error, Problems, Result};
use crate::layer::{AnyConfig, Args, Registry, Spec, Tree};
use crate::limits::Limits;
use crate::value::MAX_RANK;
use order::{Called, Order};

/// What is said beside the config of a layer for which [`GraphLayer::keeps_masks`] holds. Keras takes no
/// notice of it.
pub(crate) const KEEPS_MASKS: &str = "keeps_masks";

/// One output of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TensorRef {
    /// The node, by its place in the order of execution.
    pub node: usize,
    /// Which of its outputs.
    pub output: usize,
}

/// A layer or operation of a graph.
#[derive(Clone, Debug)]
pub(crate) struct GraphLayer {
    pub name: String,
    pub config: Arc<dyn AnyConfig>,
    pub trainable: bool,
    /// Where it stands in the file, for messages.
    pub place: String,
    /// Its group in the weights file; operations have none.
    pub group: Option<String>,
    /// What its outputs cost in training.
    pub activity: Activity,
    /// Whether its outputs have the mask of its first input, and its inputs keep theirs, as with any layer
    /// of Keras 2.
    pub keeps_masks: bool,
}

impl GraphLayer {
    /// Whether it is an array that stands in a call, and no layer of Keras.
    pub fn is_array(&self) -> bool {
        self.config.class().starts_with("__")
    }
}

/// One call of a layer.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub layer: usize,
    /// Which call of the layer it is, in the order in which they were made.
    pub call: usize,
    pub args: Args<TensorRef>,
    /// An explicit `mask` argument.
    pub mask: Option<Tree<TensorRef>>,
    /// A recorded `training` argument.
    pub training: Option<bool>,
}

impl Node {
    fn without_arguments(layer: usize) -> Self {
        Self { layer, call: 0, args: Args::none(), mask: None, training: None }
    }
}

/// Everything that a model's config says about its layers.
#[derive(Clone, Debug)]
pub(crate) struct Graph {
    /// In the order of Keras' `model.layers`, operations included.
    pub layers: Vec<GraphLayer>,
    /// In an order in which they can be executed.
    pub nodes: Vec<Node>,
    /// The nodes of the inputs, in the structure that the model takes.
    pub inputs: Tree<usize>,
    /// What the model gives.
    pub outputs: Tree<TensorRef>,
    /// For every node, those whose values nobody needs once it has run.
    pub done: Vec<Vec<usize>>,
    /// The shape of a `Sequential` model's input when no `InputLayer` says it.
    implied: Option<Spec>,
    activation_limit: u64,
}

impl Graph {
    /// The shapes of all values: for every node, its outputs.
    ///
    /// # Errors
    /// Everything that does not fit, at the places of the layers.
    pub fn infer(&self, inputs: Option<&[Spec]>) -> Result<Vec<Tree<Spec>>> {
        let mut problems = Problems::default();
        let mut specs: Vec<Option<Tree<Spec>>> = Vec::with_capacity(self.nodes.len());
        let input_nodes = self.inputs.leaves().into_iter().enumerate();
        let given: HashMap<usize, usize> = input_nodes.rev().map(|(at, node)| (*node, at)).collect();
        for (index, node) in self.nodes.iter().enumerate() {
            let layer = &self.layers[node.layer];
            let result = match given.get(&index).copied() {
                Some(at) => self.input_spec(layer, inputs.and_then(|inputs| inputs.get(at))).map(Tree::Leaf),
                None => match node.args.try_map(&mut |at| spec_of(&specs, *at)) {
                    Ok(args) => {
                        check_ranks(layer.group.is_some(), &args).and_then(|()| layer.config.infer(&args))
                    }
                    Err(error) => {
                        let is_unknown = |at: &&TensorRef| specs.get(at.node).is_none_or(Option::is_none);
                        // Then the problem is with a layer before this one, and has been noted there.
                        if !node.args.leaves().iter().any(is_unknown) {
                            problems.push(error.at(&layer.place));
                        }
                        specs.push(None);
                        continue;
                    }
                },
            };
            let result = result.and_then(|outputs| {
                outputs.leaves().into_iter().try_for_each(|spec| check_size(spec, self.activation_limit))?;
                Ok(outputs)
            });
            specs.push(problems.note(result.map_err(|error| error.at(&layer.place))));
        }
        problems.finish()?;
        let specs: Vec<_> = specs.into_iter().flatten().collect();
        let outputs = self.outputs.try_map(&mut |at| spec_at(&specs, *at));
        outputs.map_err(|error| error.at("output_layers"))?;
        Ok(specs)
    }

    fn input_spec(&self, layer: &GraphLayer, given: Option<&Spec>) -> Result<Spec> {
        let own = layer.config.input();
        let dtype = own.as_ref().map(|own| own.dtype).filter(|dtype| dtype.is_float());
        let given = given.map(|given| given.with_dtype(dtype.unwrap_or(given.dtype)));
        given.or(own).or_else(|| self.implied.clone()).ok_or_else(|| {
            Error::config("the model was saved before it was built: the shape of its input is not known")
        })
    }

    /// The arguments of the first call of every layer, which is the one that builds it.
    pub fn first_calls(&self, specs: &[Tree<Spec>]) -> Result<Vec<Args<Spec>>> {
        let mut calls: Vec<Option<Args<Spec>>> = self.layers.iter().map(|_| None).collect();
        for (node, spec) in self.nodes.iter().zip(specs) {
            let is_input = node.args.leaves().is_empty();
            if let Some(call @ None) = calls.get_mut(node.layer) {
                *call = Some(match spec {
                    Tree::Leaf(spec) if is_input => Args::one(spec.clone()),
                    _ => node.args.try_map(&mut |at| spec_at(specs, *at))?,
                });
            }
        }
        Ok(calls.into_iter().flatten().collect())
    }

    /// For every layer, its nodes in the order in which they were made.
    pub fn calls(&self) -> Vec<Vec<usize>> {
        let mut calls = vec![Vec::new(); self.layers.len()];
        for (index, node) in self.nodes.iter().enumerate() {
            calls[node.layer].push(index);
        }
        for nodes in &mut calls {
            nodes.sort_by_key(|node| self.nodes[*node].call);
        }
        calls
    }

    /// The names of the inputs, in order.
    pub fn input_names(&self) -> Vec<&str> {
        self.inputs
            .leaves()
            .into_iter()
            .map(|node| self.layers[self.nodes[*node].layer].name.as_str())
            .collect()
    }

    /// The names of the outputs, in order: those of the layers that give them.
    pub fn output_names(&self) -> Vec<&str> {
        let name = |at: &TensorRef| self.layers[self.nodes[at.node].layer].name.as_str();
        self.outputs.leaves().into_iter().map(name).collect()
    }
}

/// Layers expect an axis of examples; only operations take scalars.
pub(crate) fn check_ranks(is_layer: bool, args: &Args<Spec>) -> Result<()> {
    match is_layer && args.leaves().iter().any(|spec| spec.rank() == 0) {
        true => Err(Error::unsupported("called with a value that has no axes")),
        false => Ok(()),
    }
}

/// Refuses values that are too large, or have no entries.
pub(crate) fn check_size(spec: &Spec, activation_limit: u64) -> Result<()> {
    if spec.rank() > MAX_RANK {
        return Err(crate::value::unsupported_rank(spec.rank()));
    }
    // Backends do not agree on values without entries, and some read what is not there.
    if spec.shape.contains(&Some(0)) {
        return Err(Error::unsupported(format_args!("a value of the shape {spec}")));
    }
    let known = spec.shape.iter().flatten().map(|size| *size as u64);
    let elements = known.fold(1_u64, |product, size| product.saturating_mul(size.max(1)));
    Limits::check("elements of an intermediate value", elements, activation_limit)
}

/// The spec of one output of one node.
pub(crate) fn spec_at(specs: &[Tree<Spec>], at: TensorRef) -> Result<Spec> {
    spec_in(specs.get(at.node), at.output)
}

fn spec_of(specs: &[Option<Tree<Spec>>], at: TensorRef) -> Result<Spec> {
    spec_in(specs.get(at.node).and_then(Option::as_ref), at.output)
}

fn spec_in(outputs: Option<&Tree<Spec>>, output: usize) -> Result<Spec> {
    let leaves = outputs.map(Tree::leaves).unwrap_or_default();
    let count = leaves.len();
    leaves
        .get(output)
        .map(|spec| (*spec).clone())
        .ok_or_else(|| Error::config(format_args!("refers to output {output} of a layer that has {count}")))
}

/// A layer as read, before it is known whether the graph uses it.
struct Read<'a> {
    name: String,
    config: Arc<dyn AnyConfig>,
    activity: Activity,
    keeps_masks: bool,
    trainable: bool,
    place: String,
    /// How many layers one call of it comes to, with those inside of it.
    layers: usize,
    calls: Vec<Call>,
    /// The arrays that it is called with, as layers of their own.
    constants: Vec<Arc<dyn AnyConfig>>,
    inbound: Option<&'a Json>,
}

impl Called for Read<'_> {
    fn calls(&self) -> usize {
        self.calls.len()
    }
    fn parents(&self, call: usize) -> &[Named] {
        self.calls.get(call).map_or(&[], |call| call.parents.as_slice())
    }
    fn is_input(&self) -> bool {
        self.config.is_input()
    }
    fn place(&self) -> &str {
        &self.place
    }
}

impl Read<'_> {
    /// Notes the arrays of a call as values of the graph. Operations take them as they are.
    fn take_constants(&mut self, call: Call, registry: &Registry) -> Result<Call> {
        if self.config.group_name().is_none() {
            return Ok(call);
        }
        let mut failed = Ok(());
        let args = call.args.replace_constants(&mut |json| {
            Object::of(json).filter(|object| matches!(object.class, "__tensor__" | "__numpy__"))?;
            match registry.read_constant(json) {
                Ok(config) => self.constants.push(config),
                Err(error) => failed = Err(error),
            }
            let number = self.constants.len().saturating_sub(1);
            Some(Tree::Leaf(Named { layer: constant_name(&self.name, number), call: 0, output: 0 }))
        });
        failed.map(|()| Call { args, ..call })
    }
}

/// Longest name of a layer, in bytes.
const LONGEST_NAME: u64 = 1_000;

fn constant_name(layer: &str, number: usize) -> String {
    format!("{layer}/constant_{number}")
}

/// Reads one layer of a model.
fn read_entry<'a>(index: usize, json: &'a Json, reader: &mut Reader<'_>) -> Option<Read<'a>> {
    let Some(object) = Object::of(json) else {
        return reader.at(format_args!("layers[{index}]"), |reader| Object::read(json, reader).and(None));
    };
    let named = object.text("name").or_else(|| object.config.get("name").and_then(Json::as_str));
    // Names are repeated in the paths of everything below them.
    let longest = named.unwrap_or_default().len().max(object.class.len()) as u64;
    let length = Limits::check("length of a name", longest, LONGEST_NAME);
    reader.note(length.map_err(|error| error.at(format_args!("layers[{index}]"))))?;
    let name = named.map_or_else(|| snake_case(object.class), str::to_owned);
    let place = format!("layers[{index}] {name:?} ({})", object.class);
    let trainable = object.config.get("trainable").and_then(Json::as_bool).unwrap_or(true);
    let before = reader.layers;
    let config = reader.at(&place, |reader| {
        let registry = reader.registry();
        reader.enter(|reader| registry.read(&object, reader))
    })?;
    Some(Read {
        name,
        activity: Activity::of(&object),
        keeps_masks: object.envelope.get(KEEPS_MASKS) == Some(&Json::Bool(true)),
        config,
        trainable,
        place,
        layers: reader.layers.saturating_sub(before),
        calls: Vec::new(),
        constants: Vec::new(),
        inbound: object.envelope.get("inbound_nodes"),
    })
}

fn read_entries<'a>(config: &'a Map<String, Json>, reader: &mut Reader<'_>) -> Option<Vec<Read<'a>>> {
    let Some(layers) = config.get("layers").and_then(Json::as_array) else {
        reader.push(Error::config("expected a list of layers").at("layers"));
        return None;
    };
    let entries: Vec<_> =
        layers.iter().enumerate().map(|(index, json)| read_entry(index, json, reader)).collect();
    let entries = entries.into_iter().collect::<Option<Vec<_>>>()?;
    let mut seen = HashSet::new();
    for entry in &entries {
        if !seen.insert(&entry.name) {
            reader.push(Error::config("another layer has the same name").at(&entry.place));
        }
    }
    (seen.len() == entries.len()).then_some(entries)
}

/// Reads the graph of a `Functional` model.
pub(crate) fn read_functional(config: &Map<String, Json>, reader: &mut Reader<'_>) -> Option<Graph> {
    let mut entries = read_entries(config, reader)?;
    let mut sound = true;
    for entry in &mut entries {
        let calls = match entry.inbound {
            Some(Json::Array(calls)) => calls.as_slice(),
            _ => &[],
        };
        for (index, json) in calls.iter().enumerate() {
            let place = format!("{}.inbound_nodes[{index}]", entry.place);
            let call = reader.at(place, |reader| {
                let call = read_call(json, entry.config.as_ref());
                let call = call.and_then(|call| entry.take_constants(call, reader.registry()));
                reader.note(call)
            });
            sound &= call.is_some();
            entry.calls.extend(call);
        }
        let again = entry.calls.len().saturating_sub(1);
        reader.count_again(again.saturating_mul(entry.layers))?;
    }
    let first_calls: FirstCalls<'_> =
        entries.iter().map(|entry| (entry.name.as_str(), entry.config.first_call())).collect();
    let inputs = read_refs("input_layers", config, &first_calls, reader);
    let outputs = read_refs("output_layers", config, &first_calls, reader);
    let (inputs, outputs) = (inputs?, outputs?);
    if !sound {
        return None;
    }
    let graph = assemble(entries, &inputs, &outputs, None, reader.limits);
    reader.note(graph)
}

/// Reads the graph of a `Sequential` model, whose input may only be implied.
pub(crate) fn read_sequential(object: &Object<'_>, reader: &mut Reader<'_>) -> Option<Graph> {
    let mut entries = read_entries(object.config, reader)?;
    let built = object.envelope.get("build_config").and_then(|json| json.get("input_shape"));
    let implied = object.config.get("build_input_shape").filter(|json| !json.is_null()).or(built);
    let implied = implied.and_then(read_shape).map(|shape| Spec::new(shape, super::Dtype::Float32));
    if entries.first().is_none_or(|entry| !entry.config.is_input()) {
        // The name that Keras gives to the input that it makes.
        let json = serde_json::json!({
            "module": "keras.layers", "class_name": "InputLayer", "config": {"name": "input_layer"},
        });
        let object = Object::of(&json)?;
        let config = reader.registry().read(&object, reader)?;
        let taken = entries.iter().any(|entry| entry.name == "input_layer");
        let name = if taken { "input_layer_0" } else { "input_layer" }.to_owned();
        let place = "the implied input".to_owned();
        let activity = Activity::of(&object);
        let (calls, constants) = (Vec::new(), Vec::new());
        entries.insert(
            0,
            Read {
                name,
                config,
                activity,
                keeps_masks: false,
                trainable: false,
                place,
                layers: 1,
                calls,
                constants,
                inbound: None,
            },
        );
    }
    let mut before: Option<String> = None;
    for entry in &mut entries {
        if let Some(before) = before.replace(entry.name.clone()) {
            let input = Named { layer: before, call: 0, output: 0 };
            let args = Args::bind(entry.config.arg_names(), vec![Tree::Leaf(input.clone())], Vec::new());
            let args = reader.note(args.map_err(|error| error.at(&entry.place)))?;
            entry.calls.push(Call { args, mask: None, training: None, parents: vec![input] });
        }
    }
    let first = entries.first().map(|entry| entry.name.clone())?;
    let (input, output) = (
        Named { layer: first, call: 0, output: 0 },
        Named { layer: before.unwrap_or_default(), call: 0, output: 0 },
    );
    let graph = assemble(entries, &Tree::Leaf(input), &Tree::Leaf(output), implied, reader.limits);
    reader.note(graph)
}

/// A shape: a list of sizes, `null` for any.
pub(crate) fn read_shape(json: &Json) -> Option<Vec<Option<usize>>> {
    let size = |json: &Json| match json {
        Json::Null => Some(None),
        size => size.as_u64().filter(|size| i32::try_from(*size).is_ok()).map(|size| Some(size as usize)),
    };
    json.as_array()?.iter().map(size).collect()
}

/// From which number on the calls of a layer count, by its name.
type FirstCalls<'a> = HashMap<&'a str, usize>;

/// The structure under `input_layers` or `output_layers`.
fn read_refs(
    key: &str,
    config: &Map<String, Json>,
    first_calls: &FirstCalls<'_>,
    reader: &mut Reader<'_>,
) -> Option<Tree<Named>> {
    let tree = match config.get(key) {
        Some(json) => read_ref(json, first_calls),
        None => Err(Error::config("missing: expected layers with their outputs")),
    };
    reader.note(tree.map_err(|error| error.at(key)))
}

fn read_ref(json: &Json, first_calls: &FirstCalls<'_>) -> Result<Tree<Named>> {
    match json {
        Json::Array(items) if items.len() == 3 && items[0].is_string() => {
            let mut named = read_history(items)?;
            let first = first_calls.get(named.layer.as_str()).copied().unwrap_or(0);
            named.call = named.call.checked_sub(first).ok_or_else(|| {
                Error::config(format_args!("calls of {:?} count from {first} here, got 0", named.layer))
            })?;
            Ok(Tree::Leaf(named))
        }
        Json::Array(items) => {
            Ok(Tree::List(items.iter().map(|item| read_ref(item, first_calls)).collect::<Result<_>>()?))
        }
        Json::Object(items) => {
            let items = items.iter().map(|(key, item)| Ok((key.clone(), read_ref(item, first_calls)?)));
            Ok(Tree::Dict(sorted(items.collect::<Result<Vec<_>>>()?)))
        }
        other => Err(Error::config(format_args!("expected a layer, call and output, got {}", brief(other)))),
    }
}

/// Orders layers and calls as Keras does, and resolves names to numbers.
///
/// After `map_graph` in `keras/src/ops/function.py`. The order of layers decides their groups in the
/// weights file, so it has to be exactly Keras' own.
fn assemble(
    entries: Vec<Read<'_>>,
    inputs: &Tree<Named>,
    outputs: &Tree<Named>,
    implied: Option<Spec>,
    limits: &Limits,
) -> Result<Graph> {
    let names: HashMap<&str, usize> =
        entries.iter().enumerate().map(|(index, entry)| (entry.name.as_str(), index)).collect();
    let order = Order::new(&entries, &names, inputs, outputs)?;
    Limits::check("calls of layers", order.nodes.len() as u64, limits.layers as u64)?;

    let place: HashMap<usize, usize> =
        order.layers.iter().enumerate().map(|(at, layer)| (*layer, at)).collect();
    let node_of: HashMap<(usize, usize), usize> =
        order.nodes.iter().enumerate().map(|(at, node)| (*node, at)).collect();
    let constants: Vec<(String, &Arc<dyn AnyConfig>)> = order
        .layers
        .iter()
        .map(|layer| &entries[*layer])
        .flat_map(|entry| {
            let named = |(number, config)| (constant_name(&entry.name, number), config);
            entry.constants.iter().enumerate().map(named)
        })
        .collect();
    let constant: HashMap<&str, usize> =
        constants.iter().enumerate().map(|(node, (name, _))| (name.as_str(), node)).collect();
    let mut resolve = |named: &Named| -> Result<TensorRef> {
        if let Some(node) = constant.get(named.layer.as_str()) {
            return Ok(TensorRef { node: *node, output: 0 });
        }
        let node = names.get(named.layer.as_str()).and_then(|layer| node_of.get(&(*layer, named.call)));
        let node = node.ok_or_else(|| {
            Error::config(format_args!("refers to {}, which is no part of it", show(named)))
        })?;
        Ok(TensorRef { node: constants.len() + node, output: named.output })
    };
    let mut nodes = Vec::with_capacity(constants.len() + order.nodes.len());
    let first = order.layers.len();
    nodes.extend((first..first + constants.len()).map(Node::without_arguments));
    for (layer, call) in &order.nodes {
        let entry = &entries[*layer];
        nodes.push(match entry.calls.get(*call) {
            Some(made) => Node {
                layer: place[layer],
                call: *call,
                args: made.args.try_map(&mut resolve)?,
                mask: made.mask.as_ref().map(|mask| mask.try_map(&mut resolve)).transpose()?,
                training: made.training,
            },
            None => Node::without_arguments(place[layer]),
        });
    }
    let inputs = inputs.try_map(&mut |named| Ok(resolve(named)?.node))?;
    let outputs = outputs.try_map(&mut resolve)?;

    let mut counts: HashMap<String, usize> = HashMap::new();
    let layers = order.layers.iter().map(|index| {
        let entry = &entries[*index];
        let config = Arc::clone(&entry.config);
        let group = config.group_name().map(|base| numbered(&mut counts, base));
        let (name, place) = (entry.name.clone(), entry.place.clone());
        let activity = entry.activity.clone();
        let (trainable, keeps_masks) = (entry.trainable, entry.keeps_masks);
        GraphLayer { name, config, trainable, place, group, activity, keeps_masks }
    });
    // At the end, where they do not count as layers of the model.
    let layers = layers.chain(constants.iter().map(|(name, config)| GraphLayer {
        name: name.clone(),
        config: Arc::clone(config),
        trainable: false,
        place: name.clone(),
        group: None,
        activity: Activity::default(),
        keeps_masks: false,
    }));
    let layers = layers.collect();
    let done = last_uses(&nodes, &outputs);
    Ok(Graph { layers, nodes, inputs, outputs, done, implied, activation_limit: limits.activation })
}

/// `layers/dense`, `layers/dense_1`, ...
pub(crate) fn numbered(counts: &mut HashMap<String, usize>, base: String) -> String {
    let count = counts.entry(base.clone()).or_default();
    let group = if *count == 0 { format!("layers/{base}") } else { format!("layers/{base}_{count}") };
    *count += 1;
    group
}

fn last_uses(nodes: &[Node], outputs: &Tree<TensorRef>) -> Vec<Vec<usize>> {
    let mut last: Vec<usize> = (0..nodes.len()).collect();
    for (index, node) in nodes.iter().enumerate() {
        let masks = node.mask.as_ref().map(Tree::leaves).unwrap_or_default();
        for at in node.args.leaves().into_iter().chain(masks) {
            last[at.node] = last[at.node].max(index);
        }
    }
    let kept: HashSet<usize> = outputs.leaves().into_iter().map(|at| at.node).collect();
    let mut done = vec![Vec::new(); nodes.len()];
    for (node, last) in last.into_iter().enumerate().filter(|(node, _)| !kept.contains(node)) {
        done[last].push(node);
    }
    done
}

fn show(named: &Named) -> String {
    format!("output {} of call {} of {:?}", named.output, named.call, named.layer)
}
