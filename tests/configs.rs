//! Configs are read and written from one declaration: what is written says what was read.

use std::collections::BTreeSet;
use std::path::Path;

use burn_keras::config::{Json, Object, Reader};
use burn_keras::layer::Registry;
use burn_keras::layer::rows;
use burn_keras::{KerasFile, Limits};

/// Keys that every layer has and that the graph keeps.
const COMMON: &[&str] = &["name", "trainable", "dtype"];

/// Classes of Keras 2 that are operations of Keras 3 once a file is opened.
const REPLACED: &[&str] = &["SlicingOpLambda"];

#[test]
fn every_config_of_every_fixture_survives_reading_and_writing() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let manifest = std::fs::read_to_string(root.join("manifest.json")).unwrap();
    let manifest: Json = serde_json::from_str(&manifest).unwrap();
    let (registry, limits) = (Registry::new(), Limits::default());
    let mut seen = BTreeSet::new();
    let mut problems = Vec::new();
    for case in manifest["cases"].as_array().unwrap() {
        let file = KerasFile::open(root.join(case["model"].as_str().unwrap()), &limits).unwrap();
        let mut objects = Vec::new();
        layers(file.config(), &mut objects);
        for object in objects {
            let row = rows()
                .find(|row| row.operation == object.is_operation() && row.classes.contains(&object.class));
            let Some(row) = row else { continue };
            let mut reader = Reader::new(&registry, &limits);
            let config = (row.read)(&object, &mut reader).unwrap_or_else(|| panic!("{case}: {object:?}"));
            reader.finish().unwrap();
            seen.insert(row.classes[0]);
            compare(&object, &config.write().into(), &mut problems);
        }
    }
    problems.sort();
    problems.dedup();
    assert!(problems.is_empty(), "{problems:#?}");
    let unseen: Vec<_> = (rows().map(|row| row.classes[0]))
        .filter(|class| !seen.contains(class) && !REPLACED.contains(class))
        .collect();
    assert!(unseen.is_empty(), "in no fixture: {unseen:?}");
}

/// Every serialized layer in a document, at any depth.
fn layers<'a>(json: &'a Json, found: &mut Vec<Object<'a>>) {
    if let Some(object) = Object::of(json) {
        found.push(object);
    }
    match json {
        Json::Array(items) => items.iter().for_each(|item| layers(item, found)),
        Json::Object(items) => items.values().for_each(|item| layers(item, found)),
        _ => {}
    }
}

fn compare(object: &Object<'_>, written: &Json, problems: &mut Vec<String>) {
    for (key, value) in object.config.iter().filter(|(key, _)| !COMMON.contains(&key.as_str())) {
        // Keras 2's name of it.
        let written = &written[if key == "batch_input_shape" { "batch_shape" } else { key }];
        if !same(value, written) {
            problems.push(format!("{}.{key}: read {value}, wrote {written}", object.class));
        }
    }
}

/// Whether two values mean the same to Keras: it takes one number for every axis or a list, and a
/// function by its name or as an object.
fn same(read: &Json, written: &Json) -> bool {
    let name = |json: &Json| match json {
        Json::Null => Some("linear".to_owned()),
        Json::String(name) => Some(name.clone()),
        other => {
            (other.get("class_name")? == "function").then(|| other["config"].as_str().map(str::to_owned))?
        }
    };
    let spread = |one: &Json, many: &Json| {
        many.as_array().is_some_and(|many| !many.is_empty() && many.iter().all(|item| item == one))
    };
    let numbers = || read.as_f64().is_some() && read.as_f64() == written.as_f64();
    let lists = || match (read, written) {
        (Json::Array(a), Json::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        _ => false,
    };
    read == written
        || numbers()
        || lists()
        || spread(read, written)
        || spread(written, read)
        || (name(read).is_some() && name(read) == name(written))
}
