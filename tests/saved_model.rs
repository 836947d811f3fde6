//! SavedModel directories of Keras 2, without TensorFlow: each must give what tf_keras itself gave.
//!
//! `tests/keras/saved_models.py` made the fixtures.

use std::path::{Path, PathBuf};

use burn::tensor::{Device, TensorData};
use burn_keras::config::json;
use burn_keras::{ErrorKind, Format, KerasModel, Matching, Outputs, Value, WeightsOptions};
use common::script;
use npz::Array;

mod common;

#[path = "../src/bin/burn-keras/npz.rs"]
#[allow(dead_code, reason = "the program uses more of it")]
mod npz;

const FIXTURES: &[&str] = &[
    "dense_bn",
    "old_optimizer",
    "recurrent",
    "nested",
    "attention",
    "words",
    "learnt",
    "tabular",
    "ranges",
];

fn fixtures() -> PathBuf {
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/saved_model");
    std::env::var_os("BURN_KERAS_SAVED_MODELS").map_or(committed, PathBuf::from)
}

fn names() -> Vec<String> {
    if std::env::var_os("BURN_KERAS_SAVED_MODELS").is_none() {
        return FIXTURES.iter().map(|name| (*name).to_owned()).collect();
    }
    let entries = std::fs::read_dir(fixtures()).unwrap().map(|entry| entry.unwrap().path());
    let names = entries.filter(|path| path.extension().is_some_and(|ending| ending == "npz"));
    names.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

/// The arrays `<prefix>0`, `<prefix>1`, ... of a fixture.
fn arrays(name: &str, prefix: &str) -> Vec<Array> {
    let all = npz::read(&fixtures().join(format!("{name}.npz"))).unwrap();
    let own = |key: &str| key.strip_prefix(prefix).is_some_and(|rest| rest.parse::<usize>().is_ok());
    let mut own: Vec<_> = all.into_iter().filter(|(key, _)| own(key)).collect();
    own.sort_by(|one, other| one.0.cmp(&other.0));
    own.into_iter().map(|(_, array)| array).collect()
}

fn predict(model: &KerasModel, name: &str) -> burn_keras::Result<Outputs> {
    let device = Device::flex();
    let inputs = arrays(name, "x").into_iter().map(|array| match array {
        Array::Numbers(data) => Value::from_data(data, &device),
        Array::Strings(strings, shape) => Value::from_strings(strings, &shape, &device),
    });
    model.predict(inputs.collect::<burn_keras::Result<Vec<_>>>().unwrap())
}

/// The largest difference between what a model gives and what Keras gave.
fn difference(model: &KerasModel, name: &str) -> f64 {
    let numbers = |data: TensorData| data.convert::<f64>().try_into_vec::<f64>().unwrap();
    let mut largest = 0.0_f64;
    let outputs = predict(model, name).unwrap();
    let expected = arrays(name, "y");
    assert_eq!(outputs.iter().len(), expected.len(), "{name}");
    for ((_, value), expected) in outputs.into_iter().zip(expected) {
        let Array::Numbers(expected) = expected else { panic!("{name}: strings") };
        let shape = expected.shape().clone();
        let got = value.into_data();
        assert_eq!(*got.shape(), shape, "{name}");
        for (got, expected) in numbers(got).into_iter().zip(numbers(expected)) {
            assert!(got.is_finite() && expected.is_finite(), "{name}: {got} for {expected}");
            largest = largest.max((got - expected).abs());
        }
    }
    largest
}

/// A model with the same layers and fresh weights.
fn fresh(model: &KerasModel) -> KerasModel {
    KerasModel::from_bytes(json::print(model.file().config()), &Device::flex()).unwrap()
}

#[test]
fn checkpoints_are_loaded_onto_models() {
    let device = Device::flex();
    let mut failed = Vec::new();
    for name in names() {
        let path = fixtures().join(&name);
        let Ok(model) = KerasModel::load(&path, &device) else { continue };
        let checkpoints = [format!("{name}.ckpt/ck"), format!("{name}.ckpt/ck.index"), name.clone()];
        for checkpoint in checkpoints.map(|checkpoint| fixtures().join(checkpoint)) {
            let mut fresh = fresh(&model);
            match fresh.load_weights(&checkpoint) {
                Ok(report) => {
                    assert!(report.is_complete(), "{report}");
                    assert_eq!(report.loaded.len(), model.load_report().loaded.len(), "{name}");
                    let difference = difference(&fresh, &name);
                    if difference > 1e-5 {
                        failed.push(format!("{}: {difference} from Keras", checkpoint.display()));
                    }
                }
                Err(error) => failed.push(error.to_string()),
            }
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn what_does_not_fit_is_refused() {
    let device = Device::flex();
    let load = |name: &str| KerasModel::load(fixtures().join(name), &device).unwrap();
    let refused = |onto: &str, checkpoint: &str, kind: ErrorKind, message: &str| {
        let mut model = fresh(&load(onto));
        let error = model.load_weights(fixtures().join(checkpoint)).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(message), "{error}");
    };
    refused("nested", "dense_bn.ckpt/ck", ErrorKind::Weights, "another number of layers");
    refused("attention", "dense_bn.ckpt/ck", ErrorKind::Weights, "missing: the variable");
    refused("nested", "none.ckpt/ck", ErrorKind::Io, "none.ckpt");
    // The same layers by their places, but the first has the name of the last.
    let config = json::print(load("dense_bn").file().config());
    let config = config.replace("\"first\"", "\"?\"").replace("\"last\"", "\"first\"");
    let mut model = KerasModel::from_bytes(config.replace("\"?\"", "\"last\""), &device).unwrap();
    let error = model.load_weights(fixtures().join("dense_bn.ckpt/ck")).unwrap_err();
    assert!(error.to_string().contains("by its place, the checkpoint has the layer"), "{error}");
    let mut model = load("nested");
    let by_name = WeightsOptions::new().matching(Matching::Name);
    let error = model.load_weights_with(fixtures().join("nested"), &by_name).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
}

#[test]
fn real_keras_opens_what_they_become() {
    let written = Path::new(env!("CARGO_TARGET_TMPDIR")).join("saved_models");
    let _ = std::fs::remove_dir_all(&written);
    std::fs::create_dir_all(&written).unwrap();
    for name in FIXTURES {
        let model = KerasModel::load(fixtures().join(name), &Device::flex()).unwrap();
        model.save(written.join(format!("{name}.keras"))).unwrap();
    }
    let Some(mut upgraded) = script("upgraded.py") else { return };
    upgraded.env("KERAS_BACKEND", "tensorflow").args([&fixtures(), &written]);
    assert!(upgraded.status().unwrap().success(), "Keras found differences");
}

/// Damage is an error, or a model that runs.
#[test]
fn damaged_saved_models_do_no_harm() {
    let device = Device::flex();
    let (mut refused, mut loaded) = (0, 0);
    for name in ["dense_bn", "words"] {
        let dir = tempfile::tempdir().unwrap();
        let source = fixtures().join(name);
        let files = ["saved_model.pb", "keras_metadata.pb", "variables/variables.index"];
        let files = files.into_iter().chain(["variables/variables.data-00000-of-00001"]);
        let files: Vec<_> = files.map(|file| (file, std::fs::read(source.join(file)).unwrap())).collect();
        std::fs::create_dir(dir.path().join("variables")).unwrap();
        std::fs::create_dir(dir.path().join("assets")).unwrap();
        for entry in std::fs::read_dir(source.join("assets")).into_iter().flatten() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), dir.path().join("assets").join(entry.file_name())).unwrap();
        }
        let write = |file: &str, bytes: &[u8]| std::fs::write(dir.path().join(file), bytes).unwrap();
        files.iter().for_each(|(file, bytes)| write(file, bytes));
        assert!(KerasModel::load(dir.path(), &device).is_ok());
        for (file, bytes) in &files {
            for step in 0..100 {
                let at = bytes.len() * step / 100;
                let mut damaged = bytes.clone();
                match step % 4 {
                    0 => damaged.truncate(at),
                    bit => damaged[at] ^= 1 << (bit + at % 5),
                }
                write(file, &damaged);
                match KerasModel::load(dir.path(), &device) {
                    Ok(model) => {
                        loaded += 1;
                        drop(predict(&model, name));
                    }
                    Err(_) => refused += 1,
                }
            }
            write(file, bytes);
        }
    }
    assert!(refused > 300 && loaded > 50, "{refused} refused, {loaded} loaded");
}

#[test]
fn saved_models_give_what_keras_gave() {
    let device = Device::flex();
    let mut failed = Vec::new();
    for name in names() {
        let path = fixtures().join(&name);
        match KerasModel::load(&path, &device) {
            Ok(model) => {
                assert_eq!(model.file().format(), Format::SavedModel);
                let again = KerasModel::from_bytes(model.save_to_bytes().unwrap(), &device).unwrap();
                for model in [model, again] {
                    let difference = difference(&model, &name);
                    if difference > 1e-5 {
                        failed.push(format!("{name}: {difference} from Keras"));
                    }
                }
            }
            Err(error) => failed.push(format!("{name}: {error}")),
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
