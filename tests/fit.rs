//! Training that Keras began goes on here as it does there, and the other way round.

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::tensor::{DType, Device, TensorData};
use burn_keras::callback::Logs;
use burn_keras::train::{Evaluate, Fit};
use burn_keras::{Inputs, KerasModel, KerasWeights, Limits, Value};

use common::{root, script};

#[path = "../src/bin/burn-keras/npz.rs"]
#[allow(dead_code)]
mod npz;

const TOLERANCE: f64 = 1e-5;

fn fixtures() -> PathBuf {
    root().join("tests/fixtures/fit")
}

fn manifest() -> serde_json::Map<String, serde_json::Value> {
    let text = std::fs::read_to_string(fixtures().join("manifest.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The arrays of a case that begin with a word, without it.
fn arrays(name: &str, group: &str) -> Vec<(String, Value)> {
    let arrays = npz::read(&fixtures().join(format!("{name}.npz"))).unwrap();
    let of_group = arrays.into_iter().filter_map(|(name, data)| {
        let name = name.strip_prefix(group)?.strip_prefix('/')?.to_owned();
        Some((name, data.into_value(&Device::flex()).unwrap()))
    });
    of_group.collect()
}

fn named(name: &str, group: &str) -> Inputs {
    arrays(name, group).into_iter().collect()
}

/// A model as Keras left it.
fn model(name: &str) -> KerasModel {
    let file = fixtures().join(manifest()[name]["file"].as_str().unwrap());
    if !file.to_str().unwrap().ends_with(".weights.h5") {
        return KerasModel::load(file, &Device::flex()).unwrap();
    }
    let mut model = KerasModel::load(fixtures().join("dense.keras"), &Device::flex()).unwrap();
    model.load_weights(file).unwrap();
    model
}

/// As `fit` in `fit.py`.
fn options(name: &str) -> Fit {
    let fit = Fit::new().batch_size(4).shuffle(false).validation(named(name, "in"), named(name, "target"));
    let fit = match manifest()[name]["classes"].as_object() {
        Some(classes) => {
            let weight = |(class, weight): (&String, &serde_json::Value)| {
                (class.parse().unwrap(), weight.as_f64().unwrap())
            };
            fit.class_weight(classes.iter().map(weight))
        }
        None => fit,
    };
    match arrays(name, "weight").is_empty() {
        true => fit,
        false => fit.sample_weight(named(name, "weight")),
    }
}

fn measured(name: &str, model: &KerasModel) -> Logs {
    let options = Evaluate::new().batch_size(4);
    let options = match arrays(name, "weight").is_empty() {
        true => options,
        false => options.sample_weight(named(name, "weight")),
    };
    model.evaluate(named(name, "in"), named(name, "target"), options).unwrap()
}

fn numbers(data: TensorData) -> Vec<f64> {
    data.convert_dtype(DType::F64).try_into_vec().unwrap()
}

fn assert_same(what: &str, ours: &[f64], real: &[f64]) {
    assert_eq!(ours.len(), real.len(), "{what}");
    for (ours, real) in ours.iter().zip(real) {
        assert!((ours - real).abs() <= TOLERANCE * real.abs().max(1.0), "{what}: {ours}, Keras has {real}");
    }
}

fn assert_logs(what: &str, ours: &Logs, real: &serde_json::Value) {
    let real: BTreeMap<&str, f64> = real
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, number)| (name.as_str(), number.as_f64().unwrap_or_else(|| number[0].as_f64().unwrap())))
        .collect();
    let ours: BTreeMap<&str, f64> = ours.iter().collect();
    assert_eq!(ours.keys().collect::<Vec<_>>(), real.keys().collect::<Vec<_>>(), "{what}");
    for (name, number) in ours {
        assert_same(&format!("{what}: {name}"), &[number], &[real[name]]);
    }
}

fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fit").join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Weights, slots, losses and metrics after the steps that Keras made, too.
#[test]
fn training_goes_on_as_in_keras() {
    let folder = folder("goes_on");
    let written = folder.join("written");
    std::fs::create_dir_all(&written).unwrap();
    for (name, case) in manifest() {
        eprintln!("{name}");
        let mut model = model(&name);
        let history = model.fit(named(&name, "in"), named(&name, "target"), options(&name)).unwrap();
        assert_logs(&name, history.last().unwrap(), &case["history"]);
        assert_logs(&format!("{name} measured"), &measured(&name, &model), &case["measured"]);
        let weights = folder.join(format!("{name}.weights.h5"));
        model.save_weights(&weights).unwrap();
        let ours = KerasWeights::open(&weights, &Limits::default()).unwrap();
        let mut real = npz::read(&fixtures().join(format!("{name}.after.npz"))).unwrap();
        for dataset in ours.datasets() {
            let at = real.iter().position(|(path, _)| *path == dataset.path);
            let (path, data) =
                real.remove(at.unwrap_or_else(|| panic!("{name}: Keras has no {}", dataset.path)));
            let real = numbers(data.into_value(&Device::flex()).unwrap().into_data());
            assert_same(&format!("{name}: {path}"), &numbers(ours.read(&path).unwrap()), &real);
        }
        let left: Vec<_> = real.iter().map(|(path, _)| path).collect();
        assert!(left.is_empty(), "{name}: {left:?}");
        model.save(written.join(format!("{name}.keras"))).unwrap();
    }
    let Some(mut judge) = script("fit.py") else { return };
    judge.arg("judge").args([&fixtures(), &written]);
    assert!(judge.status().unwrap().success(), "Keras does not go on as it would have by itself");
}
