//! How a layer is called, in source.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use super::{CALL, KerasCall, Settings, raw};
use crate::config::{Dtype, Field};
use crate::layer::{Spec, Tree};

type Uses = BTreeSet<&'static str>;

/// `[28, 28, 1]`, or a [`Call`](crate::module::Call).
pub(super) fn way(call: &KerasCall<'_>, settings: &Settings, uses: &mut Uses) -> String {
    let mut arguments: Vec<(String, &Tree<Spec>)> = Vec::new();
    for name in settings.args {
        match call.args.get(name) {
            Some(Tree::Dict(items)) if name.starts_with("**") => {
                arguments.extend(items.iter().map(|(key, item)| (key.clone(), item)));
            }
            Some(argument) => arguments.push(((*name).to_owned(), argument)),
            None => {}
        }
    }
    if let ([(name, Tree::Leaf(spec))], None) = (arguments.as_slice(), call.mask) {
        let is_first = settings.args.first() == Some(&name.as_str());
        if let (true, Some(example), Dtype::Float32) = (is_first, example(spec), spec.dtype) {
            return example;
        }
    }
    uses.insert(CALL);
    // By name they would be something else: see `bind`.
    let is_taken = |name: &&str| !settings.is_operation() && ["mask", "training"].contains(name);
    let taken = settings.args.iter().rposition(|name| is_taken(name) && call.args.get(name).is_some());
    let mut text = String::new();
    let positional = settings.args.get(..taken.map_or(0, |taken| taken + 1)).unwrap_or_default();
    for name in positional {
        text += &match call.args.get(name) {
            Some(tree) => argument("then", "", tree, uses),
            None => argument("then", "", &Tree::Constant(Json::Null), uses),
        };
    }
    let by_name = arguments.iter().filter(|(name, _)| !positional.contains(&name.as_str()));
    for (name, tree) in by_name {
        let is_first =
            text.is_empty() && settings.args.first() == Some(&name.as_str()) && !name.starts_with('*');
        text += &match tree_source(tree, uses).filter(|_| is_first) {
            Some(source) => format!("Call::on({source})"),
            None => argument("with", name, tree, uses),
        };
    }
    if let Some(mask) = call.mask {
        text += &argument("with", "mask", mask, uses);
    }
    if text.starts_with("Call::on") { text } else { format!("Call::new(){text}") }
}

/// One argument as a method of `Call`.
fn argument(method: &str, name: &str, tree: &Tree<Spec>, uses: &mut Uses) -> String {
    let name = if name.is_empty() { String::new() } else { format!("{name:?}, ") };
    if let Some(source) = tree_source(tree, uses) {
        return format!(".{method}({name}{source})");
    }
    match tree {
        Tree::Constant(constant) if constant_source(constant).is_some() => {
            format!(".{method}_constant({name}{})", constant_source(constant).unwrap_or_default())
        }
        tree => format!(".{method}_json({name}{})", raw(&tree_json(tree))),
    }
}

/// A tensor, or a list of some.
pub(super) fn tree_source(tree: &Tree<Spec>, uses: &mut Uses) -> Option<String> {
    match tree {
        Tree::Leaf(spec) => Some(spec_source(spec, uses)),
        Tree::List(items) if !items.is_empty() => {
            let specs: Option<Vec<String>> = items
                .iter()
                .map(|item| match item {
                    Tree::Leaf(spec) => Some(spec_source(spec, uses)),
                    _ => None,
                })
                .collect();
            let specs = specs?.join(", ");
            uses.insert("burn_keras::layer::Tree");
            Some(format!("Tree::list([{specs}])"))
        }
        _ => None,
    }
}

/// The shape of one example of a batch of any size: `[28, 28, 1]`.
fn example(spec: &Spec) -> Option<String> {
    let (batch, example) = spec.shape.split_first()?;
    if batch.is_some() || example.is_empty() {
        return None;
    }
    let sizes: Vec<String> = match example.iter().copied().collect::<Option<Vec<usize>>>() {
        Some(sizes) => sizes.iter().map(ToString::to_string).collect(),
        None => example.iter().map(|size| format!("{size:?}")).collect(),
    };
    let text = sizes.join(", ");
    Some(match example.iter().all(Option::is_none) {
        true => format!("[{}]", text.replacen("None", "None::<usize>", 1)),
        false => format!("[{text}]"),
    })
}

fn spec_source(spec: &Spec, uses: &mut Uses) -> String {
    uses.insert("burn_keras::layer::Spec");
    let dtype = format!("Dtype::{:?}", spec.dtype);
    match example(spec) {
        Some(example) if spec.dtype == Dtype::Float32 => format!("Spec::batch({example})"),
        example => {
            uses.insert("burn_keras::config::Dtype");
            match example {
                Some(example) => format!("Spec::batch({example}).with_dtype({dtype})"),
                None => format!("Spec::new(vec!{:?}, {dtype})", spec.shape),
            }
        }
    }
}

/// A constant that Rust has a literal for.
pub(super) fn constant_source(constant: &Json) -> Option<String> {
    let whole = constant.as_i64().filter(|number| i32::try_from(*number).is_ok());
    match constant {
        Json::Bool(flag) => Some(flag.to_string()),
        Json::Number(_) => whole.map(|number| number.to_string()).or_else(|| {
            // An integer that is too large for a literal is no float.
            constant.as_i64().is_none().then(|| f64::source(constant))?
        }),
        Json::String(text) if !text.starts_with('\0') => Some(format!("{text:?}")),
        Json::Array(items) if !items.is_empty() => {
            let numbers: Option<Vec<String>> = items
                .iter()
                .map(|item| item.as_i64().and_then(|number| i32::try_from(number).ok()))
                .map(|number| number.map(|number| number.to_string()))
                .collect();
            Some(format!("[{}]", numbers?.join(", ")))
        }
        _ => None,
    }
}

/// An argument as Keras serializes it.
pub(super) fn tree_json(tree: &Tree<Spec>) -> Json {
    match tree {
        Tree::Leaf(spec) => json!({
            "class_name": "__keras_tensor__",
            "config": {"shape": spec.shape, "dtype": spec.dtype.write()},
        }),
        Tree::List(items) => items.iter().map(tree_json).collect(),
        Tree::Dict(items) => {
            Json::Object(items.iter().map(|(key, item)| (key.clone(), tree_json(item))).collect())
        }
        Tree::Constant(constant) => constant.clone(),
    }
}
