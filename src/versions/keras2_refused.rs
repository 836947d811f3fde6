//! What Keras 2 takes but computes in another way than Keras 3, as seen by comparing both.

use serde_json::{Map, Value as Json};

use super::keras2_calls::Call;
use super::keras2_masks::{Masks, NO_MASK, masked_otherwise, merges};
use crate::config::call::Named;
use crate::config::{Object, brief};
use crate::error::{Error, Problems, Result};
use crate::layer::Tree;

type Config = Map<String, Json>;

type Setting = (&'static [&'static str], &'static str, fn(&Json) -> bool, &'static str);

/// Settings of classes: whether they are computed alike, and what is said otherwise. An empty key stands
/// for the class.
const SETTINGS: &[Setting] = &[
    (&["RandomCrop"], "", never, "Keras 2 crops in another way"),
    (&["SpectralNormalization"], "", never, "Keras 2 does not open files with it"),
    (&["TimeDistributed"], "layer", is_stateless, "Keras 2 keeps the state of every step apart"),
    (&["UpSampling2D"], "interpolation", is_linear, "Keras 2 interpolates in another way"),
    (&["ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"], "unroll", is_false, "Keras 2 cannot unroll it"),
    (&["Conv1DTranspose", "Conv2DTranspose"], "dilation_rate", all_equal, "Keras 2 wants equal rates"),
    (&["Conv1DTranspose"], "output_padding", is_not_zero, "Keras 2 does not run it"),
    (&["Conv3DTranspose"], "dilation_rate", all_one, "Keras 2 takes no notice of it"),
    (&["TextVectorization"], "ngrams", is_number, "Keras 2 does not read a list back"),
    (&["TextVectorization"], "output_mode", is_not_one_hot, "Keras 2 has no such mode there"),
    (&["Discretization"], "num_bins", is_null, "Keras 2 takes either limits or their number"),
];

/// Layers that fail with integers in Keras 2, or do something else with them.
const OF_NUMBERS: &[&str] =
    &["Attention", "AdditiveAttention", "MultiHeadAttention", "EinsumDense", "Resizing"];

/// Layers that make vectors of categories.
const CATEGORIES: &[&str] = &["CategoryEncoding", "Hashing", "Discretization"];

fn never(_: &Json) -> bool {
    false
}

fn is_linear(json: &Json) -> bool {
    json == "nearest" || json == "bilinear"
}

fn is_number(json: &Json) -> bool {
    json.is_null() || json.is_number()
}

fn is_null(json: &Json) -> bool {
    json.is_null()
}

fn is_not_one_hot(json: &Json) -> bool {
    json != "one_hot"
}

fn is_stateless(json: &Json) -> bool {
    json.pointer("/config/stateful") != Some(&Json::Bool(true))
}

fn is_not_zero(json: &Json) -> bool {
    !(*json == 0 || *json == serde_json::json!([0]))
}

fn is_false(json: &Json) -> bool {
    *json == Json::Bool(false)
}

fn all_equal(json: &Json) -> bool {
    json.as_array().is_none_or(|items| items.windows(2).all(|pair| pair.first() == pair.last()))
}

fn all_one(json: &Json) -> bool {
    json.as_array().is_none_or(|items| items.iter().all(|item| *item == 1)) || *json == 1
}

/// Checks the settings of a layer.
pub(super) fn check_settings(class: &str, config: &Config, problems: &mut Problems) {
    for (_, key, is_same, reason) in SETTINGS.iter().filter(|(classes, ..)| classes.contains(&class)) {
        let given = if key.is_empty() { Some(&Json::Null) } else { config.get(*key) };
        if let Some(given) = given.filter(|given| !is_same(given)) {
            let error = match key.is_empty() {
                true => Error::unsupported(reason),
                false => Error::unsupported(format_args!("{reason}, got {}", brief(given))).at(key),
            };
            problems.push(error);
        }
    }
    let has_bias = |key: &str| config.get(key)?.pointer("/config/use_bias");
    if class == "Bidirectional" && config.contains_key("backward_layer") {
        let (forward, backward) = (has_bias("layer"), has_bias("backward_layer"));
        if backward.is_some() && forward != backward {
            let message = "Keras 2 splits the variables of both directions in the middle";
            problems.push(Error::unsupported(message).at("backward_layer"));
        }
    }
    if let Some(name) = config.get("name").and_then(Json::as_str).filter(|name| !is_scope(name)) {
        problems.push(Error::unsupported(format_args!("{name:?} is no name in TensorFlow")).at("name"));
    }
}

/// Whether TensorFlow takes a name: Latin letters, digits and a few marks.
fn is_scope(name: &str) -> bool {
    let is_inner = |c: char| c.is_ascii_alphanumeric() || "_.\\/>-".contains(c);
    name.chars().all(is_inner) && name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '.')
}

/// Whether a type is one of whole numbers or truth values.
pub(super) fn is_whole(dtype: &str) -> bool {
    dtype.starts_with("int") || dtype.starts_with("uint") || dtype == "bool"
}

/// Checks the type of what a layer is given.
pub(super) fn check_type(class: &str, dtype: &str) -> Result<()> {
    if class == "Hashing" && dtype.starts_with("float") {
        return Err(Error::unsupported("Keras 2 hashes strings and whole numbers only"));
    }
    match is_whole(dtype) && OF_NUMBERS.contains(&class) {
        true => {
            Err(Error::unsupported(format_args!("Keras 2 computes otherwise with values of type {dtype}")))
        }
        false => Ok(()),
    }
}

/// Checks what a layer of a graph is given.
pub(super) fn check_call(object: &Object<'_>, call: &Call, masks: &Masks) -> Result<()> {
    let class = object.class;
    if let Some(first) = call.specs.first() {
        check_type(class, &first.dtype)?;
    }
    let tensors = call.arguments.iter().flat_map(|(_, tree)| tree.leaves());
    let given = call.arguments.iter().filter(|(name, _)| name.ends_with("mask"));
    let given: Vec<&Named> = given.flat_map(|(_, tree)| tree.leaves()).collect();
    if !given.is_empty() || tensors.into_iter().any(|tensor| masks.of_tensor(tensor) != NO_MASK) {
        check_masked(object, call)?;
    }
    let inputs = call.arguments.first().map(|(_, tree)| tree.leaves()).unwrap_or_default();
    let carried: Vec<_> = inputs.iter().map(|input| masks.of_tensor(input)).collect();
    let same = carried.windows(2).all(|pair| pair.first() == pair.last());
    let along_steps = class == "Concatenate" && object.config.get("axis").is_some_and(|axis| *axis != -1);
    if !same && (merges(class) || along_steps) {
        return Err(Error::unsupported("Keras 2 joins different masks in another way"));
    }
    let is_bool =
        |named: &&Named| call.specs.iter().any(|spec| spec.named == **named && spec.dtype == "bool");
    if !given.iter().all(is_bool) {
        return Err(Error::unsupported("Keras 2 wants masks of truth values"));
    }
    let of_nothing = if class == "CategoryEncoding" { "multi_hot" } else { "int" };
    let mode = object.config.get("output_mode").and_then(Json::as_str).unwrap_or(of_nothing);
    let shape = call.specs.first().and_then(|spec| spec.shape.as_array());
    let wide = mode == "one_hot" && shape.and_then(|shape| shape.last()).is_some_and(|last| *last != 1);
    let rank = shape.map_or(0, Vec::len).saturating_add(usize::from(wide));
    let is_encoding = class.ends_with("Lookup") || CATEGORIES.contains(&class);
    if is_encoding && mode != "int" && rank > 2 {
        return Err(Error::unsupported("Keras 2 gives at most two axes"));
    }
    let last = |index: usize| call.specs.get(index).and_then(|spec| spec.shape.as_array()?.last());
    if class == "AdditiveAttention" && last(0) != last(1) {
        return Err(Error::unsupported("Keras 2 wants queries as wide as values"));
    }
    Ok(())
}

/// Checks what a layer of a graph is given together with a mask.
fn check_masked(object: &Object<'_>, call: &Call) -> Result<()> {
    if let Some(reason) = masked_otherwise(object) {
        return Err(Error::unsupported(reason));
    }
    let has_state =
        |(name, tree): &(String, Tree<Named>)| name == "initial_state" && !tree.leaves().is_empty();
    if call.arguments.iter().any(has_state) {
        return Err(Error::unsupported("Keras 2 uses the mask together with a given state"));
    }
    let steps = call.specs.iter().map(|spec| spec.shape.as_array().and_then(|shape| shape.split_last()));
    let steps: Vec<_> = steps.map(|shape| shape.map(|(_, steps)| steps)).collect();
    if merges(object.class) && steps.windows(2).any(|pair| pair.first() != pair.last()) {
        return Err(Error::unsupported("Keras 2 joins masks of one shape only"));
    }
    Ok(())
}
