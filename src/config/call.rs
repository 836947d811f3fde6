//! The calls of a graph: `inbound_nodes`, in the form of Keras 3 and the list form of Keras 2.

use serde_json::{Map, Value as Json};

use super::{Object, brief};
use crate::error::{Error, Result};
use crate::layer::{AnyConfig, Args, Tree};

/// A call whose tensors are still named by layer, call and output.
pub(super) struct Call {
    pub(super) args: Args<Named>,
    pub(super) mask: Option<Tree<Named>>,
    pub(super) training: Option<bool>,
    /// Every tensor in Keras' flattened order, which decides the order of layers.
    pub(super) parents: Vec<Named>,
}

/// A tensor by layer, call and output, as `keras_history` has it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Named {
    pub(crate) layer: String,
    pub(crate) call: usize,
    pub(crate) output: usize,
}

/// Dictionaries are flattened by sorted key.
pub(super) fn sorted<T>(mut items: Vec<(String, T)>) -> Vec<(String, T)> {
    items.sort_by(|a, b| a.0.cmp(&b.0));
    items
}

/// `[layer, call, output]`.
pub(crate) fn read_history(items: &[Json]) -> Result<Named> {
    let number = |at: usize| items.get(at).and_then(Json::as_u64).and_then(|n| usize::try_from(n).ok());
    match (items.first().and_then(Json::as_str), number(1), number(2)) {
        (Some(layer), Some(call), Some(output)) => Ok(Named { layer: layer.to_owned(), call, output }),
        _ => Err(Error::config("expected a layer's name, a call and an output")),
    }
}

/// Reads one entry of `inbound_nodes`, in the form of Keras 3 or the list form that it also takes.
pub(super) fn read_call(json: &Json, config: &dyn AnyConfig) -> Result<Call> {
    let (positional, keywords) = match json {
        Json::Object(call) => {
            let args = call.get("args").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
            let positional = args.iter().map(read_argument).collect::<Result<Vec<_>>>()?;
            let empty = Map::new();
            let kwargs = call.get("kwargs").and_then(Json::as_object).unwrap_or(&empty);
            let keywords = kwargs.iter().map(|(key, json)| Ok((key.clone(), read_argument(json)?)));
            (positional, sorted(keywords.collect::<Result<Vec<_>>>()?))
        }
        Json::Array(tensors) => read_list_call(tensors)?,
        other => return Err(Error::config(format_args!("expected a call, got {}", brief(other)))),
    };
    let parents = positional.iter().chain(keywords.iter().map(|(_, tree)| tree));
    let parents = parents.flat_map(Tree::leaves).cloned().collect();
    let Bound { args, mask, training } = bind(config, positional, keywords)?;
    Ok(Call { args, mask, training, parents })
}

/// A call with its arguments at their places.
#[derive(Clone, Debug)]
pub(crate) struct Bound<T> {
    pub(crate) args: Args<T>,
    pub(crate) mask: Option<Tree<T>>,
    pub(crate) training: Option<bool>,
}

/// Binds what a layer is called with; a mask and `training` by name are not its own arguments.
pub(crate) fn bind<T>(
    config: &dyn AnyConfig,
    positional: Vec<Tree<T>>,
    keywords: Vec<(String, Tree<T>)>,
) -> Result<Bound<T>> {
    let (mut mask, mut training, mut others) = (None, None, Vec::new());
    let is_operation = config.group_name().is_none();
    for (key, value) in keywords {
        match (key.as_str(), &value) {
            // Keras gives masks to layers; to an operation it is an argument like any other.
            ("mask", _) if is_operation => others.push((key, value)),
            ("mask", value) if is_nothing(value) => {}
            ("mask", value) if value.leaves().is_empty() => {
                return Err(Error::unsupported("a mask that is no tensor"));
            }
            ("mask", _) => mask = Some(value),
            ("training", Tree::Constant(Json::Bool(flag))) => training = Some(*flag),
            _ => others.push((key, value)),
        }
    }
    Ok(Bound { args: Args::bind(config.arg_names(), positional, others)?, mask, training })
}

/// Whether an argument says nothing: Python's `None`, or only that in a structure.
fn is_nothing<T>(tree: &Tree<T>) -> bool {
    fn is_null(json: &Json) -> bool {
        match json {
            Json::Null => true,
            Json::Array(items) => items.iter().all(is_null),
            Json::Object(items) => items.values().all(is_null),
            _ => false,
        }
    }
    match tree {
        Tree::Leaf(_) => false,
        Tree::List(items) => items.iter().all(is_nothing),
        Tree::Dict(items) => items.iter().all(|(_, item)| is_nothing(item)),
        Tree::Constant(json) => is_null(json),
    }
}

type Keywords = Vec<(String, Tree<Named>)>;
type Arguments = (Vec<Tree<Named>>, Keywords);

/// `[[layer, call, output, kwargs], ...]`; one of them may stand without the outer list.
fn read_list_call(tensors: &[Json]) -> Result<Arguments> {
    if tensors.first().is_some_and(Json::is_string) {
        let (tensor, keywords) = read_list_tensor(tensors)?;
        return Ok((vec![tensor], keywords));
    }
    let mut leaves = Vec::with_capacity(tensors.len());
    let mut keywords = Vec::new();
    for tensor in tensors {
        let items = tensor.as_array().ok_or_else(|| {
            Error::unsupported(format_args!(
                "expected [layer, call, output, arguments], got {}",
                brief(tensor)
            ))
        })?;
        let (leaf, kwargs) = read_list_tensor(items)?;
        leaves.push(leaf);
        keywords = if kwargs.is_empty() { keywords } else { kwargs };
    }
    let inputs = if leaves.len() == 1 { leaves } else { vec![Tree::List(leaves)] };
    Ok((inputs, keywords))
}

/// `[layer, call, output, kwargs]`, or a constant in place of a tensor.
fn read_list_tensor(items: &[Json]) -> Result<(Tree<Named>, Keywords)> {
    let tensor = read_list_argument(&Json::Array(items.iter().take(3).cloned().collect()))?;
    let keywords = match items.get(3) {
        Some(Json::Object(kwargs)) => {
            let keywords = kwargs.iter().map(|(key, json)| Ok((key.clone(), read_list_argument(json)?)));
            sorted(keywords.collect::<Result<Vec<_>>>()?)
        }
        _ => Vec::new(),
    };
    match tensor {
        Tree::Leaf(_) | Tree::Constant(_) if items.len() >= 3 => Ok((tensor, keywords)),
        _ => Err(Error::config("expected a layer's name, a call and an output")),
    }
}

/// An argument of the list form: `[layer, call, output]` is a tensor, and anything else a constant that
/// may stand in its place.
fn read_list_argument(json: &Json) -> Result<Tree<Named>> {
    match json {
        Json::Array(items) => match items.as_slice() {
            [Json::String(layer), _, value] if layer == "_CONSTANT_VALUE" => {
                Ok(Tree::Constant(value.clone()))
            }
            [Json::String(_), Json::Number(_), Json::Number(_)] => Ok(Tree::Leaf(read_history(items)?)),
            _ => {
                let items = items.iter().map(read_list_argument).collect::<Result<Vec<_>>>()?;
                match items.iter().all(|item| matches!(item, Tree::Constant(_))) {
                    true => Ok(Tree::Constant(json.clone())),
                    false => Ok(Tree::List(items)),
                }
            }
        },
        constant => Ok(Tree::Constant(constant.clone())),
    }
}

/// One argument of a call: tensors at any depth, constants elsewhere.
pub(crate) fn read_argument(json: &Json) -> Result<Tree<Named>> {
    read_tree(json, &mut |tensor| {
        let history = tensor.config.get("keras_history").and_then(Json::as_array);
        read_history(history.ok_or_else(|| Error::config("a tensor without history"))?)
    })
}

/// An argument whose tensors `read` makes something of.
pub(crate) fn read_tree<T>(json: &Json, read: &mut impl FnMut(&Object<'_>) -> Result<T>) -> Result<Tree<T>> {
    let is_constant = |item: &Tree<T>| matches!(item, Tree::Constant(_));
    if let Some(object) = Object::of(json) {
        return match object.class {
            "__keras_tensor__" => read(&object).map(Tree::Leaf),
            _ => Ok(Tree::Constant(json.clone())),
        };
    }
    Ok(match json {
        Json::Array(items) => {
            let items = items.iter().map(|item| read_tree(item, read)).collect::<Result<Vec<_>>>()?;
            // A list of numbers is a constant, as is one without anything in it.
            match items.iter().all(is_constant) {
                true => Tree::Constant(json.clone()),
                false => Tree::List(items),
            }
        }
        Json::Object(items) => {
            let items = items.iter().map(|(key, item)| Ok((key.clone(), read_tree(item, read)?)));
            let items = items.collect::<Result<Vec<_>>>()?;
            // A slice of Keras 2, for one.
            match !items.is_empty() && items.iter().all(|(_, item)| is_constant(item)) {
                true => Tree::Constant(json.clone()),
                false => Tree::Dict(sorted(items)),
            }
        }
        constant => Tree::Constant(constant.clone()),
    })
}
