//! Models that start in Rust.

mod common;
#[path = "common/fresh_models.rs"]
mod fresh_models;

use burn::tensor::Device;
use burn_keras::{Inputs, KerasModel};

use common::script;
use fresh_models::examples;
use npz::Array;

#[path = "../src/bin/burn-keras/npz.rs"]
#[allow(dead_code)]
mod npz;

#[test]
fn real_keras_opens_runs_and_trains_them() {
    let Some(mut fresh) = script("fresh.py") else { return };
    let (folder, device) = (tempfile::tempdir().unwrap(), Device::flex());
    for example in examples(&device).unwrap() {
        let inputs = example.inputs.iter().map(|(name, value)| (format!("in/{name}"), value.clone()));
        let mut arrays: Vec<_> = inputs.map(|(name, value)| (name, Array::of(value))).collect();
        let outputs = example.model.predict(Inputs::from_iter(example.inputs.clone())).unwrap();
        arrays.extend(outputs.into_iter().map(|(name, value)| (format!("out/{name}"), Array::of(value))));
        let path = folder.path().join(example.name);
        npz::write(&path.with_extension("npz"), &arrays).unwrap();
        example.model.save(path.with_extension("keras")).unwrap();
    }
    assert!(fresh.arg(folder.path()).status().unwrap().success(), "Keras found faults");
}

#[test]
fn what_is_saved_is_what_was_built() {
    let device = Device::flex();
    for example in examples(&device).unwrap() {
        let inputs = || Inputs::from_iter(example.inputs.clone());
        let before = example.model.predict(inputs()).unwrap();
        let again = KerasModel::from_bytes(example.model.save_to_bytes().unwrap(), &device).unwrap();
        assert_eq!(again.file().config(), example.model.file().config());
        for ((name, before), (_, after)) in before.iter().zip(again.predict(inputs()).unwrap().iter()) {
            assert_eq!(before.clone().into_data(), after.clone().into_data(), "{} {name}", example.name);
        }
    }
}
