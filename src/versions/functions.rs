//! Functions of TensorFlow, which Keras 2 has as layers, as operations of Keras 3.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value as Json, json};

use super::nodes::each_tensor;
use super::operations::module_of;
use super::{Work, inside, text};
use crate::error::{Error, Result};
use crate::layer::Tree;
use crate::layers::keras2::{Argument, Meaning, Parameters, key, lower};

const FUNCTION: &str = "TFOpLambda";
const SLICE: &str = "SlicingOpLambda";

/// Functions and layers that give integers from floats.
const GIVE_INTEGERS: &[&str] = &["cast", "math.argmax", "one_hot", "shape", "compat.v1.shape"];
const OF_INTEGERS: &[&str] =
    &["IntegerLookup", "StringLookup", "Hashing", "HashedCrossing", "Discretization", "TextVectorization"];

/// A tensor of a graph, as a description has it.
#[derive(Clone, Debug)]
struct Symbol {
    tensor: Json,
    is_float: bool,
}

impl Argument for Symbol {
    fn is_float(&self) -> bool {
        self.is_float
    }

    fn axes(&self) -> usize {
        0
    }

    fn permuted(self, _: &[usize]) -> Result<Self> {
        Err(Error::unsupported("a further operation"))
    }
}

impl Work {
    /// Writes functions as operations, where one does the same, and drops what nothing needs any more.
    pub(super) fn operations(&mut self, layers: &mut Vec<Json>, outputs: Option<&Json>, place: &str) {
        let is_float = layers.iter().all(gives_floats);
        for layer in layers.iter_mut() {
            if let Some(operation) = operation(layer, is_float) {
                let (old, new) = (class(layer), class(&operation));
                self.note(
                    &inside(place, name(layer).unwrap_or_default()),
                    format_args!("wrote the {old} as the operation {new:?}"),
                );
                *layer = operation;
            }
        }
        let needed = needed(layers, outputs);
        layers.retain(|layer| !is_function(layer) || name(layer).is_none_or(|name| needed.contains(name)));
    }
}

/// The names of the functions that outputs and other layers need.
fn needed(layers: &[Json], outputs: Option<&Json>) -> HashSet<String> {
    let mut needed = HashSet::new();
    let mut next = Vec::new();
    let mut refer = |json: &Json, next: &mut Vec<String>| {
        each_tensor(json, &mut |layer, _| {
            if needed.insert(layer.to_owned()) {
                next.push(layer.to_owned());
            }
        });
    };
    let calls = |layer: &Json| layer.get("inbound_nodes").cloned().unwrap_or_default();
    outputs.into_iter().for_each(|json| refer(json, &mut next));
    layers.iter().filter(|layer| !is_function(layer)).for_each(|layer| refer(&calls(layer), &mut next));
    let by_name: HashMap<&str, &Json> =
        layers.iter().filter_map(|layer| Some((name(layer)?, layer))).collect();
    while let Some(layer) = next.pop() {
        by_name.get(layer.as_str()).into_iter().for_each(|layer| refer(&calls(layer), &mut next));
    }
    needed
}

fn name(layer: &Json) -> Option<&str> {
    layer.get("name").and_then(Json::as_str)
}

fn class(layer: &Json) -> &str {
    layer.get("class_name").and_then(Json::as_str).unwrap_or_default()
}

fn is_function(layer: &Json) -> bool {
    [FUNCTION, SLICE].contains(&class(layer))
        || layer
            .get("module")
            .and_then(Json::as_str)
            .is_some_and(|module| module.starts_with("keras.src.ops."))
}

/// Whether a layer of a model gives nothing but floats, if it gets nothing else.
fn gives_floats(layer: &Json) -> bool {
    let config = layer.get("config");
    let of = |key: &str| config.and_then(|config| config.get(key)?.as_str());
    match class(layer) {
        "InputLayer" => of("dtype").is_none_or(|dtype| dtype.contains("float")),
        FUNCTION => of("function").is_some_and(|function| !GIVE_INTEGERS.contains(&function)),
        class => !OF_INTEGERS.contains(&class),
    }
}

/// The operation that does what a function did that was called once.
fn operation(layer: &Json, is_float: bool) -> Option<Json> {
    let config = layer.get("config")?.as_object()?;
    let [call] = layer.get("inbound_nodes")?.as_array()?.as_slice() else { return None };
    let args = call.get("args")?.as_array()?;
    let kwargs = call.get("kwargs")?.as_object()?;
    let (class, options, args, kwargs) = match class(layer) {
        SLICE => {
            let [tensor] = args.as_slice() else { return None };
            let key = key(kwargs.get("slice_spec")?);
            if text(config, "function") != Some("__operators__.getitem") || has_tensors(&key) {
                return None;
            }
            let key = if key.is_array() { key } else { json!([key]) };
            ("GetItem", Map::new(), vec![tensor.clone(), key], Map::new())
        }
        FUNCTION => {
            let function = text(config, "function")?;
            let (_, first) = *Meaning::of(function)?.arguments.first()?;
            let given = args.iter().map(|json| (first.to_owned(), json));
            let given = given.chain(kwargs.iter().map(|(key, json)| (key.clone(), json)));
            let parameters: Parameters<Symbol> =
                given.map(|(key, json)| Some((key, tree(json, is_float)?))).collect::<Option<_>>()?;
            let (operation, bound) = lower(function, parameters).ok()?;
            let mut args = Vec::new();
            let mut kwargs = Map::new();
            for (at, name) in operation.arg_names().iter().enumerate() {
                match bound.get(name).map(json_of) {
                    Some(json) if args.len() == at => args.push(json),
                    Some(json) => {
                        kwargs.insert((*name).to_owned(), json);
                    }
                    None => {}
                }
            }
            (operation.class(), operation.write(), args, kwargs)
        }
        _ => return None,
    };
    let name = name(layer)?;
    let mut config = Map::from_iter([("name".to_owned(), name.into())]);
    config.extend(options);
    Some(json!({
        "module": module_of(class)?, "class_name": class, "config": config, "registered_name": class,
        "name": name, "inbound_nodes": [{"args": args, "kwargs": kwargs}],
    }))
}

fn is_tensor(json: &Json) -> bool {
    class(json) == "__keras_tensor__"
}

fn has_tensors(json: &Json) -> bool {
    match json {
        Json::Array(items) => items.iter().any(has_tensors),
        Json::Object(items) => is_tensor(json) || items.values().any(has_tensors),
        _ => false,
    }
}

fn tree(json: &Json, is_float: bool) -> Option<Tree<Symbol>> {
    match json {
        _ if is_tensor(json) => Some(Tree::Leaf(Symbol { tensor: json.clone(), is_float })),
        _ if !has_tensors(json) => Some(Tree::Constant(json.clone())),
        Json::Array(items) => {
            Some(Tree::List(items.iter().map(|item| tree(item, is_float)).collect::<Option<_>>()?))
        }
        _ => None,
    }
}

fn json_of(tree: &Tree<Symbol>) -> Json {
    match tree {
        Tree::Leaf(symbol) => symbol.tensor.clone(),
        Tree::List(items) => items.iter().map(json_of).collect(),
        Tree::Dict(items) => {
            Json::Object(items.iter().map(|(key, item)| (key.clone(), json_of(item))).collect())
        }
        Tree::Constant(json) => json.clone(),
    }
}
