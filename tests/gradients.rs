//! Gradients of representative models of every family are those of real Keras.

mod common;

use std::collections::HashMap;
use std::path::Path;

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Device, Gradients, Tensor};
use burn_keras::layer::Context;
use burn_keras::{Inputs, KerasFile, KerasModel, Limits};

use common::{root, script};

#[path = "../src/bin/burn-keras/npz.rs"]
#[allow(dead_code, reason = "the program uses more of it")]
mod npz;

/// Of every family with weights to train, one fixture in so many; of whole architectures, more.
const ONE_IN: usize = 16;
const ONE_ARCHITECTURE_IN: usize = 4;

fn cases() -> Vec<String> {
    let manifest = std::fs::read_to_string(root().join("tests/fixtures/manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    let mut seen = HashMap::new();
    let cases = manifest["cases"].as_array().unwrap().iter().filter_map(|case| {
        let (model, name) = (case["model"].as_str().unwrap(), case["name"].as_str().unwrap());
        let (family, _) = name.split_once('/').unwrap();
        let file = KerasFile::open(root().join("tests/fixtures").join(model), &Limits::default()).unwrap();
        // Only Keras 3 on JAX is asked.
        let elsewhere = case.get("backend").is_some() || case.get("judge").is_some();
        if elsewhere
            || !model.ends_with(".keras")
            || file.datasets().all(|dataset| dataset.path.starts_with("optimizer"))
        {
            return None;
        }
        let count = seen.entry(family.to_owned()).or_insert(0);
        *count += 1;
        let one_in = if family == "architecture" { ONE_ARCHITECTURE_IN } else { ONE_IN };
        (*count % one_in == 1).then(|| name.to_owned())
    });
    cases.collect()
}

/// Puts gradients where the weights are.
struct ToGradients<'a>(&'a Gradients);

impl ModuleMapper for ToGradients<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        match param.val().grad(self.0) {
            Some(gradient) => {
                let device = param.val().device();
                param.map(|_| gradient.to_device(&device).detach())
            }
            None => param.map(|weight| weight.zeros_like().detach()),
        }
    }
}

fn save_gradients(name: &str, target: &Path) -> bool {
    let device = Device::flex().autodiff();
    let fixtures = root().join("tests/fixtures");
    let model = KerasModel::load(fixtures.join(format!("{name}.keras")), &device).unwrap();
    let arrays = npz::read(&fixtures.join(format!("{name}.npz"))).unwrap();
    let inputs = arrays.into_iter().filter_map(|(name, data)| {
        let name = name.strip_prefix("in/")?.to_owned();
        Some((name, data.into_value(&device).unwrap()))
    });
    let outputs = model.forward_with(Inputs::from_iter(inputs), &Context { training: Some(false) }).unwrap();
    let total = outputs.into_iter().filter(|(_, value)| value.is_float()).map(|(_, value)| {
        let count = value.shape().iter().product::<usize>();
        let flat = value.reshape(&[count]).unwrap().float::<1>().unwrap();
        let weights: Vec<f32> = (0..count).map(|at| (at as f32).cos()).collect();
        (flat * Tensor::from_floats(weights.as_slice(), &device)).sum()
    });
    // Frozen models, and integers, have no gradient.
    let Some(total) = total.reduce(|a, b| a + b).filter(Tensor::is_tracked) else { return false };
    let gradients = total.backward();
    std::fs::create_dir_all(target.parent().unwrap()).unwrap();
    model.map(&mut ToGradients(&gradients)).save(target).unwrap();
    true
}

#[test]
fn gradients_are_those_of_keras() {
    let Some(mut compare) = script("gradients.py") else { return };
    let written = Path::new(env!("CARGO_TARGET_TMPDIR")).join("gradients");
    let _ = std::fs::remove_dir_all(&written);
    let saved =
        cases().iter().filter(|name| save_gradients(name, &written.join(format!("{name}.keras")))).count();
    assert!(saved >= 60, "{saved} cases are too few");
    let status = compare.args([&root().join("tests/fixtures"), &written]).status().unwrap();
    assert!(status.success(), "gradients differ");
}
