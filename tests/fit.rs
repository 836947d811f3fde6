//! Training that Keras began goes on here as it does there, and the other way round.

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use burn::tensor::{DType, Device, TensorData};
use burn_keras::callback::{Callback, Logs, Training};
use burn_keras::loss::{Huber, Loss};
use burn_keras::optimizer::AdamW;
use burn_keras::train::{Compile, Evaluate, Fit, PerOutput};
use burn_keras::{Inputs, KerasModel, KerasWeights, Limits, Result, Value};

use common::{root, script};

#[path = "../src/bin/burn-keras/npz.rs"]
#[allow(dead_code, reason = "others need more of it")]
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

/// Weights and slots are those that Keras has at the end.
fn assert_is_after(name: &str, model: &KerasModel, folder: &Path) {
    let weights = folder.join(format!("{name}.weights.h5"));
    model.save_weights(&weights).unwrap();
    let ours = KerasWeights::open(&weights, &Limits::default()).unwrap();
    let mut real = npz::read(&fixtures().join(format!("{name}.after.npz"))).unwrap();
    for dataset in ours.datasets() {
        let at = real.iter().position(|(path, _)| *path == dataset.path);
        let (path, data) = real.remove(at.unwrap_or_else(|| panic!("{name}: Keras has no {}", dataset.path)));
        let real = numbers(data.into_value(&Device::flex()).unwrap().into_data());
        assert_same(&format!("{name}: {path}"), &numbers(ours.read(&path).unwrap()), &real);
    }
    let left: Vec<_> = real.iter().map(|(path, _)| path).collect();
    assert!(left.is_empty(), "{name}: {left:?}");
}

/// Compiles a model of `several` with what it was compiled with.
fn recompile(model: &mut KerasModel) {
    let real = model.file().compile_config().unwrap().clone();
    let optimizer = AdamW::new().learning_rate(0.01).weight_decay(0.05).global_clipnorm(0.3);
    let losses =
        [("one", PerOutput::from("binary_crossentropy")), ("two", Loss::from(Huber::default()).into())];
    let settings = Compile::new(optimizer, losses)
        .loss_weights([("one", 0.3), ("two", 2.0)])
        .metrics([("one", vec!["accuracy"]), ("two", vec!["mae", "mse"])]);
    model.compile(settings).unwrap();
    let mut ours = model.file().compile_config().unwrap().clone();
    // Keras forgets it, but reads it.
    ours["loss"]["two"]["config"].as_object_mut().unwrap().remove("delta").unwrap();
    assert_eq!(ours, real);
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
        if name == "fresh" {
            recompile(&mut model);
        }
        let history = model.fit(named(&name, "in"), named(&name, "target"), options(&name)).unwrap();
        assert_logs(&name, history.last().unwrap(), &case["history"]);
        assert_logs(&format!("{name} measured"), &measured(&name, &model), &case["measured"]);
        assert_is_after(&name, &model, &folder);
        model.save(written.join(format!("{name}.keras"))).unwrap();
    }
    let Some(mut judge) = script("fit.py") else { return };
    judge.arg("judge").args([&fixtures(), &written]);
    assert!(judge.status().unwrap().success(), "Keras does not go on as it would have by itself");
}

/// Notes where a training starts.
struct Start(Arc<Mutex<Option<(usize, u64)>>>);

impl Callback for Start {
    fn on_train_begin(&mut self, training: &mut dyn Training) -> Result<()> {
        *self.0.lock().unwrap() = Some((training.epoch(), training.step()));
        Ok(())
    }
}

/// A file of Keras says how many steps were made, and its name how many epochs.
#[test]
fn files_of_keras_are_resumed_by_their_names() {
    let folder = folder("resumed");
    for name in ["dense", "dense_weights", "cnn", "averaged", "accumulated", "keyed", "scaled"] {
        eprintln!("{name}");
        let case = &manifest()[name];
        let (_, kind) = case["file"].as_str().unwrap().split_once('.').unwrap();
        let file = fixtures().join(case["file"].as_str().unwrap());
        std::fs::copy(file, folder.join(format!("{name}-01.{kind}"))).unwrap();
        let (x, y) = (named(name, "in"), named(name, "target"));
        let mut model = model(name);
        // All that it has is to be that of the file.
        model.fit(x.clone(), y.clone(), options(name).epochs(2)).unwrap();
        let start = Arc::new(Mutex::new(None));
        let template = folder.join(format!("{name}-{{epoch:02d}}.{kind}"));
        let again = options(name).epochs(2).resume(template.to_str().unwrap()).callback(Start(start.clone()));
        let history = model.fit(x, y, again).unwrap();
        assert_eq!(*start.lock().unwrap(), Some((1, 3)), "{name}");
        assert_eq!(history.iter().map(|(epoch, _)| epoch).collect::<Vec<_>>(), [1], "{name}");
        assert_logs(name, history.last().unwrap(), &case["history"]);
        assert_is_after(name, &model, &folder);
    }
}
