//! Operations of Keras 3 as functions of TensorFlow, which Keras 2 has as layers.

use serde_json::{Map, Value as Json, json};

use super::keras2_calls::Call;
use crate::config::Object;
use crate::config::call::Named;
use crate::error::{Error, Result};
use crate::layer::Tree;
use crate::layers::keras2::Meaning;

/// The functions that were seen to give the same numbers, by operation.
const FUNCTIONS: &[(&str, &str)] = &[
    ("Add", "math.add"),
    ("Subtract", "math.subtract"),
    ("Multiply", "math.multiply"),
];

/// A function of TensorFlow, and what it is called with.
pub(super) struct Function {
    pub(super) name: &'static str,
    meaning: Meaning,
    options: Map<String, Json>,
}

/// The function that an operation is.
pub(super) fn function(operation: &Object<'_>) -> Result<Function> {
    let class = operation.class;
    let known = FUNCTIONS.iter().find(|(known, _)| *known == class);
    let known = known.and_then(|(_, name)| Some((*name, Meaning::of(name)?)));
    let (name, meaning) =
        known.ok_or_else(|| Error::unsupported(format_args!("Keras 2 has no layer for the operation {class}")))?;
    let mut options = Map::new();
    for (key, value) in operation.config.iter().filter(|(key, _)| *key != "name") {
        match meaning.options.iter().find(|(own, _)| own == key) {
            Some((_, theirs)) => {
                options.insert((*theirs).to_owned(), value.clone());
            }
            None if value.is_null() || *value == Json::Bool(false) => {}
            None => return Err(Error::unsupported(format_args!("{name} of TensorFlow has no such option")).at(key)),
        }
    }
    Ok(Function { name, meaning, options })
}

impl Function {
    /// `[layer, call, output, arguments]`, or a list of such when the first argument is a list.
    pub(super) fn call(&self, call: &Call, write: &dyn Fn(&Tree<Named>) -> Result<Json>) -> Result<Json> {
        let mut kwargs = self.options.clone();
        let mut first = None;
        for (place, (own, theirs)) in self.meaning.arguments.iter().enumerate() {
            let by_name = call.arguments.iter().find(|(name, _)| name == own);
            let positional = call.arguments.get(place).filter(|(name, _)| name.is_empty());
            let Some((_, argument)) = by_name.or(positional) else { continue };
            match place {
                0 => first = Some(argument),
                _ => {
                    kwargs.insert((*theirs).to_owned(), write(argument)?);
                }
            }
        }
        let tensor = |tree: &Tree<Named>| -> Result<Json> {
            let mut items = match tree {
                Tree::Leaf(_) => write(tree)?,
                _ => json!(["_CONSTANT_VALUE", -1, write(tree)?]),
            };
            if let Some(items) = items.as_array_mut() {
                items.push(kwargs.clone().into());
            }
            Ok(items)
        };
        match first {
            Some(Tree::List(items)) => items.iter().map(tensor).collect(),
            Some(one) => tensor(one),
            None => Err(Error::config("a call without its first argument")),
        }
    }
}
