//! Model descriptions for Keras 2.
//!
//! Whatever Keras 2 does not know is refused, unless it says nothing there: a setting that only Keras 3
//! has, at the value that it has when nobody sets it.

use serde_json::{Map, Value as Json, json};

use super::activations;
use super::keras2_calls::functional;
use super::keras2_classes::{ACTIVATIONS, CONSTRAINTS, INITIALIZERS, LAYERS, REGULARIZERS};
use super::keras2_masks::check_sequence;
use super::keras2_refused::{check_settings, check_type};
use super::keys::{Fate, KERAS_2};
use crate::config::{Object, brief};
use crate::error::{Error, Problems, Result};

/// A class of Keras 2: its name; the settings that it shares with Keras 3; the arguments of its call as
/// Keras 3 orders them, those that Keras 2 lacks with a minus; what becomes of masks; and the settings that
/// only Keras 3 has, with what they are when nobody sets them.
pub(super) type Row = (&'static str, &'static str, &'static str, &'static str, &'static str);

/// Whose files are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Target {
    /// Keras 3, all of what it can say.
    #[default]
    Keras3,
    /// Keras 2.14, 2.15 and `tf_keras`; what they cannot say is refused by name. Keras 2.13 opens such a file, too,
    /// but for `.keras` archives whose layers it counts otherwise, which saving tells.
    Keras2,
}

/// The name of a setting in Keras 2.
fn renamed<'a>(class: &str, key: &'a str) -> &'a str {
    let rule = KERAS_2
        .iter()
        .find(|rule| matches!(rule.fate, Fate::Renamed(new) if new == key) && rule.applies_to(class));
    match (class, rule) {
        ("InputLayer", _) if key == "batch_shape" => "batch_input_shape",
        (_, Some(rule)) => rule.key,
        _ => key,
    }
}

/// What Keras 2 demands to be there though it says nothing.
const DEMANDED: &[(&str, &[&str])] = &[("MultiHeadAttention", &["query_shape", "key_shape", "value_shape"])];

/// What the constructor of every layer takes.
const OF_EVERY_LAYER: &[&str] = &["name", "trainable", "dtype", "activity_regularizer"];

/// The kinds of objects inside of models, by their modules.
const KINDS: &[(&str, &[Row])] = &[
    ("keras.layers", LAYERS),
    ("keras.initializers", INITIALIZERS),
    ("keras.regularizers", REGULARIZERS),
    ("keras.constraints", CONSTRAINTS),
];

/// The model description as Keras 2 reads it in a `.keras` archive, and any Keras 3 as far as one
/// description can serve both. It comes without compile settings.
///
/// # Errors
/// Everything that Keras 2 cannot say, all at once.
pub(crate) fn to_keras2(config: &Json) -> Result<Json> {
    let mut problems = Problems::default();
    let model = object(config, &mut problems);
    problems.finish()?;
    Ok(model)
}

/// The `model_config` of a legacy HDF5 file.
///
/// # Errors
/// Everything that this version of Keras cannot say, all at once.
pub(crate) fn to_legacy(config: &Json, target: Target) -> Result<Json> {
    match target {
        Target::Keras2 => Ok(bare(to_keras2(config)?)),
        Target::Keras3 => Ok(bare_layers(config)),
    }
}

/// Leaves out what tells objects apart since Keras 2.13 only.
fn bare(json: Json) -> Json {
    match json {
        Json::Array(items) => items.into_iter().map(bare).collect(),
        Json::Object(mut fields) => {
            if fields.contains_key("class_name") {
                fields.retain(|key, _| key != "module" && key != "registered_name");
            }
            fields.into_iter().map(|(key, value)| (key, bare(value))).collect()
        }
        other => other,
    }
}

/// Leaves out the same of models and their layers, but not of what is inside of layers: as Keras 3 does.
fn bare_layers(entry: &Json) -> Json {
    let mut entry = entry.clone();
    let is_operation = Object::of(&entry).is_some_and(|object| object.is_operation());
    let Some(fields) = entry.as_object_mut() else { return entry };
    if !is_operation {
        fields.retain(|key, _| matches!(key.as_str(), "class_name" | "config" | "name" | "inbound_nodes"));
    }
    if let Some(Json::Array(layers)) = fields.get_mut("config").and_then(|config| config.get_mut("layers")) {
        layers.iter_mut().for_each(|layer| *layer = bare_layers(layer));
    }
    entry
}

/// The row of a class of layers.
pub(super) fn layer_row(class: &str) -> Option<&'static Row> {
    LAYERS.iter().find(|row| row.0 == class)
}

/// Whether a class is one of models.
pub(super) fn is_model(class: &str) -> bool {
    matches!(class, "Functional" | "Sequential" | "Model")
}

/// Where a layer stands in the file, for messages.
pub(super) fn place(index: usize, name: &str, class: &str) -> String {
    format!("layers[{index}] {name:?} ({class})")
}

/// An object in the words of Keras 2.
pub(super) fn object(json: &Json, problems: &mut Problems) -> Json {
    let Some(object) = Object::of(json) else {
        let expected = "expected an object with class_name and config";
        problems.push(Error::config(format_args!("{expected}, got {}", brief(json))));
        return Json::Null;
    };
    let module = object.text("module").unwrap_or("keras.layers");
    let class = object.class;
    match class {
        "DTypePolicy" => return policy(&object, problems),
        "Sequential" => return model("Sequential", sequential(&object, problems)),
        "Functional" | "Model" => return model("Model", functional(&object, problems)),
        _ => {}
    }
    let rows = KINDS.iter().find(|(known, _)| *known == module).map_or(&[][..], |(_, rows)| rows);
    // Its name before Keras 3.4.
    let class = if class == "OrthogonalInitializer" { "Orthogonal" } else { class };
    let Some(row) = rows.iter().find(|row| row.0 == class) else {
        problems.push(Error::unsupported(format_args!("Keras 2 has no {module}.{class}")));
        return Json::Null;
    };
    if module == "keras.layers" {
        check_settings(class, object.config, problems);
    }
    let config = settings(row, module == "keras.layers", object.config, problems);
    json!({"module": module, "class_name": class, "config": config, "registered_name": null})
}

fn model(class: &str, config: Json) -> Json {
    json!({"module": "keras", "class_name": class, "config": config, "registered_name": null})
}

/// The name of a dtype policy.
fn policy(object: &Object<'_>, problems: &mut Problems) -> Json {
    let name = object.config.get("name").cloned().unwrap_or_default();
    // Its variables lie in a file as bytes without a type.
    if name == "bfloat16" {
        problems.push(Error::unsupported("Keras 2 does not read variables of type bfloat16"));
    }
    name
}

/// Any value in the words of Keras 2: objects at any depth, and everything else as it is.
fn value(json: &Json, problems: &mut Problems) -> Json {
    match json {
        Json::Array(items) => items.iter().map(|item| value(item, problems)).collect(),
        // A function is known by its name.
        Json::Object(fields) if fields.get("class_name").is_some_and(|class| class == "function") => {
            fields.get("config").cloned().unwrap_or_default()
        }
        Json::Object(fields) if !fields.contains_key("class_name") => {
            fields.iter().map(|(key, item)| (key.clone(), value(item, problems))).collect()
        }
        Json::Object(_) => object(json, problems),
        other => other.clone(),
    }
}

/// The settings of an object: kept, renamed, dropped when they say nothing, refused otherwise.
fn settings(row: &Row, is_layer: bool, config: &Map<String, Json>, problems: &mut Problems) -> Json {
    let (class, keys, _, _, only_in_3) = row;
    let neutral: Json = serde_json::from_str(&format!("{{{only_in_3}}}")).unwrap_or_default();
    let mut out = Map::new();
    for (key, given) in config {
        let takes = |key: &str| keys.split(' ').any(|known| known == key);
        let key = if takes(key) { key } else { renamed(class, key) };
        problems.at(key, |problems| {
            let known = takes(key);
            if known || (is_layer && OF_EVERY_LAYER.contains(&key)) {
                let given = match key {
                    "seed" => seed(given),
                    _ if activations::KEYS.contains(&key) => activation(given, problems),
                    _ => value(given, problems),
                };
                out.insert(key.to_owned(), type_of(class, key, config).unwrap_or(given));
            } else if !says_nothing(key, given, neutral.get(key)) {
                let message = format!("Keras 2's {class} has no such setting, got {}", brief(given));
                problems.push(Error::unsupported(message));
            }
        });
    }
    for (_, keys) in DEMANDED.iter().filter(|(of, _)| of == class) {
        out.extend(keys.iter().map(|key| ((*key).to_owned(), Json::Null)));
    }
    out.into()
}

/// The type of layers that give numbers of words or words, which Keras 2 wants to be that.
fn type_of(class: &str, key: &str, config: &Map<String, Json>) -> Option<Json> {
    let is_int = config.get("output_mode").is_some_and(|mode| mode == "int");
    match class {
        "StringLookup" | "IntegerLookup" if key == "dtype" && is_int => Some("int64".into()),
        "TextVectorization" if key == "dtype" => Some("string".into()),
        _ => None,
    }
}

/// Whether a setting that Keras 2 lacks may be left out.
fn says_nothing(key: &str, given: &Json, neutral: Option<&Json>) -> bool {
    let same = match neutral {
        None | Some(Json::Null) => *given == Json::Bool(false),
        Some(neutral) if neutral.is_number() => neutral.as_f64() == given.as_f64(),
        Some(neutral) => neutral == given,
    };
    // Both versions draw other numbers from the same seed; and channels are last where nobody asks.
    same || given.is_null() || key == "seed" || (key == "data_format" && given == "channels_last")
}

/// A seed, unless it is a generator of Keras 3.
fn seed(given: &Json) -> Json {
    if given.is_object() { Json::Null } else { given.clone() }
}

fn activation(given: &Json, problems: &mut Problems) -> Json {
    if *given == activations::hard_sigmoid() {
        return "hard_sigmoid".into();
    }
    let given = value(given, problems);
    if let Some(name) = given.as_str().filter(|name| !ACTIVATIONS.contains(name)) {
        let message = format!("Keras 2 has no activation {name:?}, or computes it differently");
        problems.push(Error::unsupported(message));
    }
    given
}

fn sequential(object: &Object<'_>, problems: &mut Problems) -> Json {
    let layers = object.config.get("layers").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
    let mut out = Vec::with_capacity(layers.len());
    for (index, layer) in layers.iter().enumerate() {
        let known = Object::of(layer);
        let name = known.and_then(|known| known.config.get("name")?.as_str()).unwrap_or_default();
        let place = place(index, name, known.map_or("", |known| known.class));
        out.push(problems.at(place, |problems| self::object(layer, problems)));
    }
    check_sequence(layers, problems);
    check_types(layers, problems);
    let mut config = Map::from_iter([("layers".to_owned(), out.into())]);
    for key in ["name", "build_input_shape"] {
        config.extend(object.config.get(key).map(|value| (key.to_owned(), value.clone())));
    }
    freeze(object, &mut config);
    config.into()
}

/// Checks what a sequence of layers is given, as far as the first that computes.
fn check_types(layers: &[Json], problems: &mut Problems) {
    let mut objects = layers.iter().filter_map(Object::of).enumerate();
    let input = objects.next().and_then(|(_, input)| input.config.get("dtype")?.as_str());
    let Some(dtype) = input else { return };
    for (index, object) in objects {
        let name = object.config.get("name").and_then(Json::as_str).unwrap_or_default();
        problems.note(
            check_type(object.class, dtype).map_err(|error| error.at(place(index, name, object.class))),
        );
        if !MOVES.iter().any(|moves| object.class.starts_with(moves)) {
            return;
        }
    }
}

/// What layers begin with that only move values.
const MOVES: &[&str] = &["Flatten", "Reshape", "Permute", "Repeat", "Cropping", "ZeroPadding", "Identity"];

/// Keras 2 hands `trainable` of a model on to all its layers, even when it is true.
pub(super) fn freeze(object: &Object<'_>, config: &mut Map<String, Json>) {
    if object.config.get("trainable") == Some(&Json::Bool(false)) {
        config.insert("trainable".to_owned(), false.into());
    }
}
