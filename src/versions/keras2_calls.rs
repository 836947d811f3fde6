//! Graphs as Keras 2 writes them: calls as lists, masks left to the layers, operations as functions of
//! TensorFlow.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::{Map, Value as Json, json};

use super::keras2_functions::{SLICED, function, slices};
use super::keras2_masks::{ANOTHER_MASK, Both, Mask, Masks, Silence, silence, takes_mask};
use super::keras2_refused::check_call;
use super::portable::{freeze, is_model, layer_row, object, place};
use crate::config::call::{Named, read_argument, read_history};
use crate::config::graph::order::{Called, Order};
use crate::config::{Object, brief};
use crate::error::{Error, Problems, Result};
use crate::layer::Tree;

/// What the call of a model takes.
const MODEL_CALL: &str = "inputs training mask";

/// A layer or operation of a graph.
pub(super) struct Entry<'a> {
    pub(super) name: &'a str,
    pub(super) place: String,
    pub(super) object: Object<'a>,
    pub(super) calls: Vec<Call>,
    json: &'a Json,
}

/// A call: its arguments by name, the first one first.
pub(super) struct Call {
    pub(super) arguments: Vec<(String, Tree<Named>)>,
    pub(super) parents: Vec<Named>,
    /// How many of the arguments were given without their names.
    pub(super) positional: usize,
    /// What the file says of the shapes and types of the tensors.
    pub(super) specs: Vec<TensorSpec>,
}

/// A tensor that a layer is called with.
pub(super) struct TensorSpec {
    pub(super) named: Named,
    pub(super) dtype: String,
    pub(super) shape: Json,
}

/// A graph that is being rewritten.
pub(super) struct Graph<'a> {
    entries: Vec<Entry<'a>>,
    order: Order,
    masks: Masks,
    /// Models whose calls are counted from one.
    nested: HashSet<&'a str>,
}

/// What has become of an entry: its JSON, and what its calls are given.
struct Written<'a> {
    entry: &'a Entry<'a>,
    json: Json,
    calls: Vec<Vec<Named>>,
}

impl Called for Written<'_> {
    fn calls(&self) -> usize {
        self.calls.len()
    }
    fn parents(&self, call: usize) -> &[Named] {
        self.calls.get(call).map_or(&[], Vec::as_slice)
    }
    fn is_input(&self) -> bool {
        self.entry.is_input()
    }
    fn place(&self) -> &str {
        &self.entry.place
    }
}

/// The config of a `Functional` model.
pub(super) fn functional(model: &Object<'_>, problems: &mut Problems) -> Json {
    let graph = Graph::read(model, problems);
    let Some((graph, outputs, inputs)) = graph else { return Json::Null };
    let written = graph.write(&outputs, problems);
    if problems.is_empty() {
        problems.note(graph.check_order(&written, &inputs, &outputs));
    }
    let written: Vec<Json> = written.into_iter().map(|written| written.json).collect();
    let mut config = Map::new();
    config.extend(model.config.get("name").map(|name| ("name".to_owned(), name.clone())));
    freeze(model, &mut config);
    config.insert("layers".to_owned(), written.into());
    for (key, refs) in [("input_layers", inputs), ("output_layers", outputs)] {
        // A single one stands in a list, as all versions but the newest have it.
        let refs = if matches!(refs, Tree::Leaf(_)) { Tree::List(vec![refs]) } else { refs };
        config.insert(key.to_owned(), graph.structure(&refs));
    }
    config.into()
}

impl<'a> Graph<'a> {
    fn read(model: &Object<'a>, problems: &mut Problems) -> Option<(Self, Tree<Named>, Tree<Named>)> {
        let layers = model.config.get("layers").and_then(Json::as_array)?;
        let mut entries = Vec::with_capacity(layers.len());
        for (index, json) in layers.iter().enumerate() {
            entries.extend(problems.note(read_entry(index, json)));
        }
        let names = names(&entries);
        let functional =
            |name: &str| names.get(name).is_some_and(|at| entries[*at].object.class == "Functional");
        let refs = |key: &str| match model.config.get(key) {
            Some(json) => read_refs(json, &functional).map_err(|error| error.at(key)),
            None => Err(Error::config("missing").at(key)),
        };
        let (inputs, outputs) = (problems.note(refs("input_layers"))?, problems.note(refs("output_layers"))?);
        let order = problems.note(Order::new(&entries, &names, &inputs, &outputs))?;
        let masks = Masks::of(&entries, &order);
        let nested = entries.iter().filter(|entry| starts_with_input(&entry.object)).map(|entry| entry.name);
        let nested = nested.collect();
        Some((Self { entries, order, masks, nested }, outputs, inputs))
    }

    /// The layers, without those operations that only gave masks which Keras 2 finds by itself.
    fn write(&self, outputs: &Tree<Named>, problems: &mut Problems) -> Vec<Written<'_>> {
        let mut written: Vec<Option<Written<'_>>> = Vec::with_capacity(self.entries.len());
        for entry in &self.entries {
            let layer = !entry.object.is_operation();
            written.push(layer.then(|| problems.at(&entry.place, |problems| self.layer(entry, problems))));
        }
        let used = written.iter().flatten().flat_map(|layer| layer.calls.iter().flatten());
        let mut wanted: Vec<String> = used.chain(outputs.leaves()).map(|named| named.layer.clone()).collect();
        let names = names(&self.entries);
        while let Some(index) = wanted.pop().and_then(|name| names.get(name.as_str())) {
            let (Some(entry), Some(place @ None)) = (self.entries.get(*index), written.get_mut(*index))
            else {
                continue;
            };
            let json = problems.at(&entry.place, |problems| problems.note(self.operation(entry)));
            let calls: Vec<_> = entry.calls.iter().map(|call| call.parents.clone()).collect();
            wanted.extend(calls.iter().flatten().map(|named| named.layer.clone()));
            *place = Some(Written { entry, json: json.unwrap_or_default(), calls });
        }
        written.into_iter().flatten().collect()
    }

    /// The groups of a weights file are numbered in the order of the layers, which depends on all calls.
    fn check_order(
        &self,
        written: &[Written<'_>],
        inputs: &Tree<Named>,
        outputs: &Tree<Named>,
    ) -> Result<()> {
        let names = written.iter().enumerate().map(|(index, written)| (written.entry.name, index)).collect();
        let now = Order::new(written, &names, inputs, outputs)?;
        let before = self.order.layers.iter().filter_map(|index| self.entries.get(*index));
        let now = now.layers.iter().filter_map(|index| Some(written.get(*index)?.entry));
        match numbered(before) == numbered(now) {
            true => Ok(()),
            false => {
                Err(Error::unsupported("without the operations for its masks, the layers have another order"))
            }
        }
    }

    fn layer<'b>(&'b self, entry: &'b Entry<'a>, problems: &mut Problems) -> Written<'b> {
        let mut json = object(entry.json, problems);
        let (mut nodes, mut calls) = (Vec::new(), Vec::new());
        for call in &entry.calls {
            if let Some((node, parents)) = problems.note(self.call(entry, call)) {
                nodes.push(node);
                calls.push(parents);
            }
        }
        if let Some(fields) = json.as_object_mut() {
            fields.insert("name".to_owned(), entry.name.into());
            fields.insert("inbound_nodes".to_owned(), nodes.into());
        }
        Written { entry, json, calls }
    }

    /// `[[layer, call, output, arguments], ...]`, and all tensors of the call.
    fn call(&self, entry: &Entry<'a>, call: &Call) -> Result<(Json, Vec<Named>)> {
        let known = layer_row(entry.object.class).map_or(MODEL_CALL, |row| row.2);
        let mut problems = Problems::default();
        let (mut kwargs, mut mask) = (BTreeMap::new(), None);
        let (_, first) = call.arguments.first().ok_or_else(|| Error::config("a call without arguments"))?;
        for (name, argument) in call.arguments.iter().skip(1) {
            match name.as_str() {
                // A model that is called tells its layers whether this is training.
                "training" => {}
                "mask" => mask = Some(argument),
                _ if is_nothing(argument) => {}
                _ if known.split(' ').any(|known| known == name) => {
                    kwargs.insert(name.as_str(), argument.clone());
                }
                _ => {
                    let message = format!("Keras 2's {} is not called with it", entry.object.class);
                    problems.push(Error::unsupported(message).at(name));
                }
            }
        }
        let mask = problems.note(self.mask(&entry.object, first, mask));
        kwargs.extend(mask.flatten().map(|mask| ("mask", mask)));
        problems.note(check_call(&entry.object, call, &self.masks));
        let tensors: Vec<&Named> = first.leaves();
        let flat = is_model(entry.object.class)
            || match first {
                Tree::Leaf(_) => true,
                Tree::List(items) => items.iter().all(|item| matches!(item, Tree::Leaf(_))),
                _ => false,
            };
        if !flat || tensors.is_empty() {
            problems.push(Error::unsupported("Keras 2 cannot say what it is called with"));
        }
        let said = kwargs.iter().map(|(key, tree)| Ok(((*key).to_owned(), self.argument(tree)?)));
        let said = problems.note(said.collect::<Result<Map<_, _>>>());
        problems.finish()?;
        let parents =
            tensors.iter().copied().chain(kwargs.values().flat_map(Tree::leaves)).cloned().collect();
        let tensors = tensors.into_iter();
        Ok((
            tensors.map(|named| json!([named.layer, self.number(named), named.output, said])).collect(),
            parents,
        ))
    }

    /// What has to be said of the mask of a call: nothing where Keras 2 finds the same one.
    fn mask(
        &self,
        object: &Object<'a>,
        first: &Tree<Named>,
        given: Option<&Tree<Named>>,
    ) -> Result<Option<Tree<Named>>> {
        let implied: Vec<Both> =
            first.leaves().into_iter().map(|input| self.masks.of_tensor(input)).collect();
        let Some(given) = given.filter(|given| !is_nothing(given)) else {
            return match silence(object.class, &implied) {
                Silence::Same => Ok(None),
                Silence::OnlyIn2 => Ok(Some(Tree::Constant(Json::Null))),
                Silence::Different => Err(Error::unsupported(ANOTHER_MASK)),
            };
        };
        let items = match given {
            Tree::List(items) => items.as_slice(),
            one => std::slice::from_ref(one),
        };
        let said = items.iter().map(|item| match item {
            Tree::Leaf(named) => self.masks.as_mask(named),
            _ => Mask::None,
        });
        let known = !takes_mask(object.class) || said.eq(implied.iter().map(|both| both.two));
        Ok((!known).then(|| given.clone()))
    }

    fn operation(&self, entry: &Entry<'a>) -> Result<Json> {
        let calls = entry.calls.iter();
        let (class, function, nodes) = if entry.object.class == SLICED {
            let nodes =
                calls.map(|call| slices(call, &|tree| self.argument(tree))).collect::<Result<Json>>()?;
            ("SlicingOpLambda", "__operators__.getitem", nodes)
        } else {
            let function = function(&entry.object)?;
            let nodes = calls.map(|call| function.call(call, &|tree| self.argument(tree)));
            ("TFOpLambda", function.name, nodes.collect::<Result<Json>>()?)
        };
        Ok(json!({
            "class_name": class,
            "config": {"name": entry.name, "trainable": true, "dtype": "float32", "function": function},
            "name": entry.name,
            "inbound_nodes": nodes,
        }))
    }

    /// An argument beside the first one.
    fn argument(&self, tree: &Tree<Named>) -> Result<Json> {
        match tree {
            Tree::Constant(json) if contains_object(json) => {
                Err(Error::unsupported(format_args!("Keras 2 cannot say {}", brief(json))))
            }
            Tree::List(items) => items.iter().map(|item| self.argument(item)).collect(),
            Tree::Dict(_) => Err(Error::unsupported("a dictionary of tensors")),
            tree => Ok(self.structure(tree)),
        }
    }

    fn structure(&self, tree: &Tree<Named>) -> Json {
        match tree {
            Tree::Leaf(named) => json!([named.layer, self.number(named), named.output]),
            Tree::List(items) => items.iter().map(|item| self.structure(item)).collect(),
            Tree::Dict(items) => {
                items.iter().map(|(key, item)| (key.clone(), self.structure(item))).collect()
            }
            Tree::Constant(json) => json.clone(),
        }
    }

    /// Keras 2 counts the call that a model is made by.
    fn number(&self, named: &Named) -> usize {
        named.call.saturating_add(usize::from(self.nested.contains(named.layer.as_str())))
    }
}

/// The layers of every class in their order, which numbers them.
fn numbered<'a, 'b: 'a>(entries: impl Iterator<Item = &'a Entry<'b>>) -> Vec<(&'a str, &'a str)> {
    let layers = entries.filter(|entry| !entry.object.is_operation());
    let mut layers: Vec<_> = layers.map(|entry| (entry.object.class, entry.name)).collect();
    layers.sort_by_key(|(class, _)| *class);
    layers
}

fn names<'a>(entries: &[Entry<'a>]) -> HashMap<&'a str, usize> {
    entries.iter().enumerate().map(|(index, entry)| (entry.name, index)).collect()
}

fn read_entry(index: usize, json: &Json) -> Result<Entry<'_>> {
    let object = Object::of(json).ok_or_else(|| Error::config("expected a layer").at(index))?;
    let name = object.text("name").or_else(|| object.config.get("name")?.as_str()).unwrap_or_default();
    let place = place(index, name, object.class);
    let nodes = object.envelope.get("inbound_nodes").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
    let parameters = match object.class {
        _ if object.is_operation() => "",
        class if is_model(class) => MODEL_CALL,
        class => layer_row(class).map_or("", |row| row.2),
    };
    let calls = nodes.iter().map(|node| read_call(node, parameters)).collect::<Result<_>>();
    let calls = calls.map_err(|error| error.at(&place))?;
    Ok(Entry { name, place, object, calls, json })
}

/// Names the positional arguments, and puts the one first that comes first in a call.
fn read_call(node: &Json, parameters: &str) -> Result<Call> {
    let fields = node.as_object().ok_or_else(|| Error::config("expected args and kwargs"))?;
    let args = fields.get("args").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
    let mut names = parameters.split(' ').map(|name| name.trim_start_matches('-'));
    let mut arguments = Vec::new();
    for arg in args {
        arguments.push((names.next().unwrap_or_default().to_owned(), read_argument(arg)?));
    }
    if let Some(kwargs) = fields.get("kwargs").and_then(Json::as_object) {
        let mut kwargs: Vec<_> = kwargs.iter().collect();
        kwargs.sort_by_key(|(name, _)| *name);
        for (name, json) in kwargs {
            arguments.push((name.clone(), read_argument(json)?));
        }
    }
    let parents = arguments.iter().flat_map(|(_, tree)| tree.leaves()).cloned().collect();
    if args.is_empty() && !parameters.is_empty() {
        let first = parameters.split(' ').next();
        let at = arguments.iter().position(|(name, _)| Some(name.as_str()) == first);
        arguments.swap(0, at.ok_or_else(|| Error::config("a call without its first argument"))?);
    }
    let mut specs = Vec::new();
    note_specs(node, &mut specs);
    Ok(Call { arguments, parents, positional: args.len(), specs })
}

fn note_specs(json: &Json, specs: &mut Vec<TensorSpec>) {
    match json {
        Json::Array(items) => items.iter().for_each(|item| note_specs(item, specs)),
        Json::Object(fields) if fields.get("class_name").is_some_and(|class| class == "__keras_tensor__") => {
            let get = |key: &str| fields.get("config").and_then(|config| config.get(key));
            let dtype = get("dtype").and_then(Json::as_str).unwrap_or_default().to_owned();
            let named =
                get("keras_history").and_then(Json::as_array).and_then(|items| read_history(items).ok());
            let shape = get("shape").cloned().unwrap_or_default();
            specs.extend(named.map(|named| TensorSpec { named, dtype, shape }));
        }
        Json::Object(fields) => fields.values().for_each(|item| note_specs(item, specs)),
        _ => {}
    }
}

/// The structure under `input_layers` or `output_layers`, with calls counted from zero.
fn read_refs(json: &Json, functional: &impl Fn(&str) -> bool) -> Result<Tree<Named>> {
    match json {
        Json::Array(items) if items.len() == 3 && items.first().is_some_and(Json::is_string) => {
            let mut named = read_history(items)?;
            named.call = named.call.saturating_sub(usize::from(functional(&named.layer)));
            Ok(Tree::Leaf(named))
        }
        Json::Array(items) => {
            Ok(Tree::List(items.iter().map(|item| read_refs(item, functional)).collect::<Result<_>>()?))
        }
        Json::Object(items) => {
            let mut items: Vec<_> = items.iter().collect();
            items.sort_by_key(|(key, _)| *key);
            let items = items.into_iter().map(|(key, item)| Ok((key.clone(), read_refs(item, functional)?)));
            Ok(Tree::Dict(items.collect::<Result<_>>()?))
        }
        other => Err(Error::config(format_args!("expected a layer, call and output, got {}", brief(other)))),
    }
}

/// Whether a model has been called once before anyone calls it.
fn starts_with_input(model: &Object<'_>) -> bool {
    match model.class {
        "Functional" | "Model" => true,
        "Sequential" => {
            let first = model.config.get("layers").and_then(|layers| layers.get(0)).and_then(Object::of);
            first.is_some_and(|layer| layer.class == "InputLayer")
        }
        _ => false,
    }
}

/// Whether an argument says nothing: `None` and `False`, or only that in a list.
fn is_nothing(tree: &Tree<Named>) -> bool {
    fn is_null(json: &Json) -> bool {
        match json {
            Json::Null | Json::Bool(false) => true,
            Json::Array(items) => items.iter().all(is_null),
            _ => false,
        }
    }
    match tree {
        Tree::Constant(json) => is_null(json),
        Tree::List(items) => items.iter().all(is_nothing),
        _ => false,
    }
}

fn contains_object(json: &Json) -> bool {
    match json {
        Json::Object(_) => true,
        Json::Array(items) => items.iter().any(contains_object),
        _ => false,
    }
}
