//! A model file is untrusted input: whatever is done to one, loading gives a model or an error. It
//! never panics, and never allocates much more than the file is large.

#[path = "common/damage.rs"]
mod damage;
#[path = "../fuzz/targets.rs"]
mod targets;

use burn::tensor::Device;
use burn_keras::{ErrorKind, KerasModel, Limits};
use damage::{Random, files, fixture, watched};
use serde_json::{Value as Json, json};
use targets::{pack, run, unpack};

/// The most memory that a file of a few kilobytes may cost, in mebibytes.
const MOST_MEMORY: f32 = 128.0;

/// Loads, and runs what loads: a model that was damaged in harmless places must run as well.
fn attempt(bytes: &[u8]) -> burn_keras::Result<KerasModel> {
    let name = format!("a file of {} bytes", bytes.len());
    let load = || KerasModel::from_bytes(bytes.to_vec(), &Device::flex());
    let result = watched(&name, MOST_MEMORY, load);
    if let Ok(model) = &result {
        run(model);
    }
    result
}

#[test]
fn truncated_files_are_errors() {
    let mut tried = 0;
    for (name, bytes) in files("fuzz/corpus/load") {
        for length in (0..bytes.len()).step_by(37) {
            assert!(attempt(&bytes[..length]).is_err(), "{name} cut to {length} bytes");
            tried += 1;
        }
    }
    assert!(tried > 500, "{tried}");
}

/// A `Dense` model with another config.
fn with_config(change: impl FnOnce(&mut Json)) -> burn_keras::Result<KerasModel> {
    let mut members = unpack(&std::fs::read(fixture("core/dense.keras")).unwrap()).unwrap();
    let config = members.iter_mut().find(|(name, _)| name == "config.json").unwrap();
    let mut json = serde_json::from_slice(&config.1).unwrap();
    change(&mut json);
    config.1 = json.to_string().into_bytes();
    attempt(&pack(&members))
}

fn layer(class: &str, config: Json) -> Json {
    json!({"module": "keras.layers", "class_name": class, "config": config, "registered_name": null})
}

fn refused(kind: ErrorKind, change: impl FnOnce(&mut Json)) -> String {
    let error = with_config(change).expect_err("a hostile config was accepted");
    assert_eq!(error.kind(), kind, "{error}");
    error.to_string()
}

#[test]
fn sizes_out_of_a_config_are_compared_before_anything_is_allocated() {
    refused(ErrorKind::Weights, |json| json["config"]["layers"][1]["config"]["units"] = json!(2_000_000_000));
    refused(ErrorKind::Config, |json| json["config"]["layers"][1]["config"]["units"] = json!(u64::MAX));
    refused(ErrorKind::Limit, |json| {
        let layers = json["config"]["layers"].as_array_mut().unwrap();
        layers.push(layer("RepeatVector", json!({"name": "bomb", "n": 2_147_483_647})));
    });
    refused(ErrorKind::Limit, |json| {
        let layers = json["config"]["layers"].as_array_mut().unwrap();
        layers.push(layer("ZeroPadding1D", json!({"name": "bomb", "padding": 2_147_483_647})));
        layers.insert(2, layer("Reshape", json!({"name": "three", "target_shape": [-1, 1]})));
    });
}

#[test]
fn loops_strangers_and_depth_are_refused() {
    let message = refused(ErrorKind::Config, |json| {
        let tensor =
            |name: &str| json!({"class_name": "__keras_tensor__", "config": {"keras_history": [name, 0, 0]}});
        let node = |name: &str| json!([{"args": [tensor(name)], "kwargs": {}}]);
        let entry = |name: &str, from: &str| json!({"module": "keras.layers", "class_name": "Identity", "config": {"name": name}, "name": name, "inbound_nodes": node(from)});
        json["class_name"] = json!("Functional");
        json["config"] = json!({
            "name": "loop", "layers": [entry("a", "b"), entry("b", "a")],
            "input_layers": [["a", 0, 0]], "output_layers": [["b", 0, 0]],
        });
    });
    assert!(message.contains("loop"), "{message}");

    refused(ErrorKind::Unsupported, |json| json["config"]["layers"][1]["class_name"] = json!("os.system"));
    refused(ErrorKind::Limit, |json| {
        let layers = vec![layer("Identity", json!({})); Limits::default().layers + 1];
        *json = json!({"class_name": "Sequential", "config": {"name": "many", "layers": layers}});
    });
    refused(ErrorKind::Limit, |json| {
        for _ in 0..Limits::default().depth / 3 * 4 {
            *json = json!({"class_name": "Sequential", "config": {"name": "deep", "layers": [json]}});
        }
    });
}

/// What a file says is honoured or refused by name, and never passed over.
#[test]
fn arguments_and_types_that_cannot_be_honoured_are_refused() {
    refused(ErrorKind::Config, |json| {
        let policy =
            json!({"module": "keras", "class_name": "DTypePolicy", "config": {"name": "mixed_float16"}});
        json["config"]["layers"][0]["config"]["dtype"] = policy;
    });
    for (key, value) in [("mask", json!([[true, false]])), ("initial_state", json!([[0.0, 1.0]]))] {
        let message = refused(ErrorKind::Unsupported, |json| {
            let entry = |class: &str, config: Json, inbound: Json| json!({"module": "keras.layers", "class_name": class, "name": config["name"], "config": config, "inbound_nodes": inbound});
            let input = entry("InputLayer", json!({"name": "x", "batch_shape": [null, 3, 2]}), json!([]));
            let call = json!([[["x", 0, 0, {key: value.clone()}]]]);
            let lstm = entry("GRU", json!({"name": "gru", "units": 2}), call);
            json["class_name"] = json!("Functional");
            json["config"] = json!({
                "name": "m", "layers": [input, lstm],
                "input_layers": [["x", 0, 0]], "output_layers": [["gru", 0, 0]],
            });
        });
        assert!(message.contains("no tensor"), "{message}");
    }
}

/// Every place of a document that holds a number, a flag or nothing.
fn leaves<'a>(json: &'a mut Json, found: &mut Vec<&'a mut Json>) {
    match json {
        Json::Array(items) => items.iter_mut().for_each(|item| leaves(item, found)),
        Json::Object(items) => items.values_mut().for_each(|item| leaves(item, found)),
        Json::String(_) => {}
        leaf => found.push(leaf),
    }
}

/// Every fixture with another value in its config, several times: a model or an error.
#[test]
fn other_numbers_in_any_config_are_errors_or_harmless() {
    let root = fixture("");
    let manifest: Json =
        serde_json::from_str(&std::fs::read_to_string(root.join("manifest.json")).unwrap()).unwrap();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let small = [
        json!(-1),
        json!(0),
        json!(1),
        json!(2),
        json!(-3),
        json!(0.5),
        json!(null),
        json!(true),
        json!([2]),
    ];
    let large =
        [json!(2_000_000_000), json!(u64::MAX), json!(i64::MIN), json!(1e300), json!([1 << 20, 1 << 20])];
    let mut panicked = Vec::new();
    for case in manifest["cases"].as_array().unwrap() {
        let model = case["model"].as_str().unwrap();
        if !model.ends_with(".keras") || model.starts_with("architecture/") {
            continue;
        }
        let members = unpack(&std::fs::read(root.join(model)).unwrap()).unwrap();
        for turn in 0..4 {
            let mut members = members.clone();
            let config = members.iter_mut().find(|(name, _)| name == "config.json").unwrap();
            let Ok(mut json) = serde_json::from_slice::<Json>(&config.1) else { continue };
            let mut found = Vec::new();
            leaves(&mut json["config"], &mut found);
            let Some(count) = std::num::NonZeroUsize::new(found.len()) else { continue };
            let runs = turn != 0;
            let new = if runs { random.pick(&small) } else { random.pick(&large) };
            *found[random.below(count.get())] = new.clone();
            config.1 = json.to_string().into_bytes();
            let bytes = pack(&members);
            let outcome = std::panic::catch_unwind(|| match runs {
                true => drop(attempt(&bytes)),
                false => drop(KerasModel::from_bytes(bytes, &Device::flex())),
            });
            if outcome.is_err() {
                panicked.push(model);
            }
        }
    }
    assert!(panicked.is_empty(), "{}: {panicked:#?}", panicked.len());
}
