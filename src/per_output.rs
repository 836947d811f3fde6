//! What losses and metrics have in common as settings of a model: they are for some of its outputs, depend on the
//! shapes there, and may be somebody's own.

use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::sync::Arc;

use crate::config::{Json, Map, Object};
use crate::error::{Error, Problems, Result};
use crate::registry::nearest;
use crate::value::Value;

/// Settings by output.
pub(crate) enum Nest<'a> {
    Leaf(&'a Json),
    List(&'a [Json]),
    Dict(&'a Map<String, Json>),
}

impl<'a> Nest<'a> {
    pub(crate) fn of(json: &'a Json) -> Self {
        match json {
            Json::Array(items) => Self::List(items),
            Json::Object(object) => match (object.get("class_name"), object.get("items")) {
                (Some(Json::String(class)), Some(Json::Array(items))) if class == "__tuple__" => {
                    Self::List(items)
                }
                (Some(_), _) => Self::Leaf(json),
                _ => Self::Dict(object),
            },
            leaf => Self::Leaf(leaf),
        }
    }
}

/// What dicts are where their keys cannot be the names of outputs.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Dicts {
    Refused,
    /// Their entries in the order of their names: so does Keras.
    Sorted,
}

/// Lists in lists of a config may go so deep.
const DEEPEST: usize = 16;

/// All that is in lists in lists, in order.
pub(crate) fn leaves<'a>(json: &'a Json, dicts: Dicts, problems: &mut Problems) -> Vec<&'a Json> {
    let mut found = Vec::new();
    flatten(json, DEEPEST, dicts, problems, &mut found);
    found
}

fn flatten<'a>(
    json: &'a Json,
    deepest: usize,
    dicts: Dicts,
    problems: &mut Problems,
    found: &mut Vec<&'a Json>,
) {
    let items: Vec<&Json> = match Nest::of(json) {
        Nest::Leaf(leaf) => return found.push(leaf),
        Nest::List(items) => items.iter().collect(),
        Nest::Dict(_) if dicts == Dicts::Refused => {
            return problems.push(Error::unsupported("a dict inside of a list or dict"));
        }
        Nest::Dict(items) => items.iter().collect::<BTreeMap<_, _>>().into_values().collect(),
    };
    match deepest.checked_sub(1) {
        Some(deepest) => items.into_iter().for_each(|item| flatten(item, deepest, dicts, problems, found)),
        None => problems.push(Error::limit("lists in lists go too deep")),
    }
}

/// What to say of a name that no output has.
pub(crate) fn no_output<N: AsRef<str> + Debug>(name: &str, outputs: &[N]) -> String {
    let hint = nearest(name, outputs.iter().map(N::as_ref));
    format!("no output {name:?} among {outputs:?}{hint}")
}

/// Checks that there are targets and predictions for every output, and weights for every one or none.
pub(crate) fn check_counts(outputs: usize, y_true: usize, y_pred: usize, weights: usize) -> Result<()> {
    let weights = if weights == 0 { outputs } else { weights };
    for (what, given) in [("targets", y_true), ("predictions", y_pred), ("weights of examples", weights)] {
        if given != outputs {
            return Err(Error::input(format_args!("{given} {what} for {outputs} outputs")));
        }
    }
    Ok(())
}

/// The kind of accuracy or crossentropy that suits the shapes, as its name starts.
pub(crate) fn suiting(y_true: &Value, y_pred: &Value) -> &'static str {
    let last = |value: &Value| value.shape().last().copied().unwrap_or(1);
    match last(y_pred) {
        1 => "binary",
        _ if y_true.rank() < y_pred.rank() || last(y_true) == 1 => "sparse_categorical",
        _ => "categorical",
    }
}

/// The names under which an object may be known: registered ones come first.
pub(crate) fn names<'a>(object: &Object<'a>) -> Vec<&'a str> {
    object.text("registered_name").into_iter().chain([object.class]).collect()
}

/// What makes an object of its config.
type Make<T> = dyn Fn(&Map<String, Json>) -> Result<Arc<T>> + Send + Sync;

/// What makes objects that are not of Keras, by the names that a file has for them.
pub(crate) struct Makers<T: ?Sized>(BTreeMap<String, Arc<Make<T>>>);

impl<T: ?Sized> Makers<T> {
    pub(crate) fn insert(
        &mut self,
        name: impl Into<String>,
        make: impl Fn(&Map<String, Json>) -> Result<Arc<T>> + Send + Sync + 'static,
    ) {
        self.0.insert(name.into(), Arc::new(make));
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The object of the first of some names that is known.
    pub(crate) fn make(&self, names: &[&str], config: &Map<String, Json>) -> Option<Result<Arc<T>>> {
        names.iter().find_map(|name| self.0.get(*name)).map(|make| make(config))
    }
}

impl<T: ?Sized> Clone for Makers<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: ?Sized> Default for Makers<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: ?Sized> Debug for Makers<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.names()).finish()
    }
}
