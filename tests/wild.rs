//! Models of Keras 1 and 2 found in the wild predict what they predicted there, and go on to do so in the
//! real Keras 3 once they have been saved as `.keras`.

mod common;

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use burn_keras::{KerasModel, Result, Value};
use npz::Array;

#[path = "../src/bin/burn-keras/npz.rs"]
#[allow(dead_code, reason = "the program uses more of it")]
mod npz;

/// No element is further from what is expected than this, and this times what is expected.
const TOLERANCE: f32 = 1e-5;

/// The models of a folder with their arrays, unless the folder is absent.
fn models(folder: &Path) -> Vec<(PathBuf, PathBuf)> {
    let Ok(index) = std::fs::read_to_string(folder.join("index.json")) else {
        eprintln!("SKIPPED: there are no models in {}", folder.display());
        return Vec::new();
    };
    let index: serde_json::Value = serde_json::from_str(&index).unwrap();
    let path = |entry: &serde_json::Value, key: &str| folder.join(entry[key].as_str().unwrap());
    index.as_array().unwrap().iter().map(|entry| (path(entry, "model"), path(entry, "io"))).collect()
}

/// The arrays `in_0`, `in_1`, ... or `out_0`, `out_1`, ...
fn numbered(arrays: &[(String, Array)], kind: &str) -> Vec<Array> {
    let named = |number: usize| arrays.iter().find(|(name, _)| *name == format!("{kind}_{number}"));
    (0..).map_while(named).map(|(_, array)| array.clone()).collect()
}

fn numbers(array: Array) -> Result<Vec<f32>> {
    Ok(array.numbers()?.convert_dtype(burn::tensor::DType::F32).try_into_vec::<f32>().unwrap())
}

/// Compares what a model predicts with what it predicted.
fn check(model: &KerasModel, arrays: &[(String, Array)], device: &Device) -> Result<(), String> {
    let text = |error: burn_keras::Error| error.to_string();
    let inputs = numbered(arrays, "in").into_iter().map(|array| array.into_value(device));
    let inputs: Vec<Value> = inputs.collect::<Result<_>>().map_err(text)?;
    let outputs = model.predict(inputs).map_err(text)?;
    let expected = numbered(arrays, "out");
    // Some are only there to be loaded.
    if expected.is_empty() {
        return Ok(());
    }
    if outputs.iter().len() != expected.len() {
        return Err(format!("{} outputs, expected {}", outputs.iter().len(), expected.len()));
    }
    for ((name, output), expected) in outputs.into_iter().zip(expected) {
        let output = Array::of(output);
        if output.shape() != expected.shape() {
            return Err(format!("{name}: the shape {:?}, expected {:?}", output.shape(), expected.shape()));
        }
        let (output, expected) = (numbers(output).map_err(text)?, numbers(expected).map_err(text)?);
        let far = |(a, b): (&f32, &f32)| (a - b).abs() - TOLERANCE * b.abs();
        let furthest = output.iter().zip(&expected).map(far).fold(0.0, f32::max);
        if furthest.is_nan() || furthest > TOLERANCE || output.iter().any(|x| x.is_nan()) {
            return Err(format!("{name}: {furthest} too far from what is expected"));
        }
    }
    Ok(())
}

/// Checks every model of a folder: as it is, saved and loaded again, and saved and loaded by real Keras.
fn check_all(folder: &Path, name: &str) {
    let (device, models) = (Device::flex(), models(folder));
    let written = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&written);
    std::fs::create_dir_all(&written).unwrap();
    let mut wrong = Vec::new();
    for (path, io) in &models {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let arrays = npz::read(io).unwrap();
        let loaded = KerasModel::load(path, &device).map_err(|error| error.to_string());
        let result = loaded.and_then(|model| {
            check(&model, &arrays, &device)?;
            let saved = written.join(format!("{name}.keras"));
            model.save(&saved).map_err(|error| error.to_string())?;
            let again = KerasModel::load(&saved, &device).map_err(|error| error.to_string())?;
            match again.load_report().normalized.as_slice() {
                [] => check(&again, &arrays, &device),
                changes => Err(format!("changed again: {changes:?}")),
            }
        });
        wrong.extend(result.err().map(|error| format!("{name}: {error}")));
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), models.len(), wrong.join("\n"));
    if models.is_empty() {
        return;
    }
    let Some(mut judge) = common::script("wild.py") else { return };
    assert!(judge.args([folder, &written]).status().unwrap().success(), "Keras found differences");
}

#[test]
fn models_from_the_wild_predict_what_they_did() {
    check_all(&common::root().join("../shared/wild"), "wild");
}

/// Files that the code of Keras 1.2.2 wrote: `tests/keras/keras1.py`.
#[test]
fn models_of_keras_1_predict_what_they_did() {
    check_all(&common::root().join("tests/fixtures/keras1"), "keras1");
}

#[test]
fn models_of_keras_2_predict_what_they_did() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("keras2");
    let Some(mut maker) = common::script("keras2_models.py") else { return };
    assert!(maker.arg(&folder).status().unwrap().success(), "Keras 2 made no models");
    check_all(&folder, "keras2_saved");
}
