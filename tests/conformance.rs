//! Every Keras fixture, in several ways: each must give what Keras itself gave.
//!
//! The cases are those of `tests/fixtures/manifest.json`, made by `tests/keras/generate.py`. The ways
//! are in [`WAYS`]. Set `BURN_KERAS_DEVICE` to run them on another backend, `BURN_KERAS_FIXTURES` to run
//! those of another folder.

use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::tensor::{DType, Device};
use burn_keras::KerasModel;
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value as Json;

#[path = "common/judged.rs"]
mod judged;
#[path = "../src/bin/burn-keras/npz.rs"]
#[allow(dead_code, reason = "the program uses more of it")]
mod npz;

type Way = fn(&Path, &Device) -> burn_keras::Result<KerasModel>;

/// How a model comes about before it predicts.
const WAYS: &[(&str, Way)] = &[
    ("loaded", |path, device| KerasModel::load(path, device)),
    ("resaved", |path, device| {
        KerasModel::from_bytes(KerasModel::load(path, device)?.save_to_bytes()?, device)
    }),
    ("record", |path, device| {
        let record = KerasModel::load(path, device)?.into_record();
        let zeroed = KerasModel::load(path, device)?.map(&mut Zero);
        Ok(zeroed.load_record(record))
    }),
    ("to_device", |path, device| Ok(KerasModel::load(path, device)?.fork(device).to_device(device))),
];

/// Wipes parameters, so that a record which restores nothing is found out.
struct Zero;

impl burn::module::ModuleMapper for Zero {
    fn map_float<const D: usize>(
        &mut self,
        param: burn::module::Param<burn::tensor::Tensor<D>>,
    ) -> burn::module::Param<burn::tensor::Tensor<D>> {
        param.map(|tensor| tensor.zeros_like())
    }
}

/// Cases that a backend cannot do, and why.
const IGNORED: &[(&str, &str, &str)] = &[
    ("wgpu", "ops_elementwise/comparisons", "WGSL may assume that no number is NaN"),
    ("wgpu", "ops_elementwise/edges_of_floats", "WGSL may assume that no number is NaN"),
    ("wgpu", "ops_elementwise/integers_as_floats", "WGSL does not say what the angle of 0 is"),
    ("wgpu", "ops_elementwise/inverses", "WGSL gives 12 bits of an arcsine"),
];

/// What loading says where a device lacks a type of integers.
const NO_SUCH_INTEGERS: &str = "which this device does not have";

/// Fewer cases than this, and the fixtures are not where they should be.
const FEWEST: usize = 1000;

fn main() {
    let mut arguments = Arguments::from_args();
    // Burn's backends use every core for one model.
    arguments.test_threads.get_or_insert(1);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let root = std::env::var_os("BURN_KERAS_FIXTURES").map_or(root, PathBuf::from);
    let manifest = std::fs::read_to_string(root.join("manifest.json")).expect("the manifest of the fixtures");
    let manifest: Json = serde_json::from_str(&manifest).expect("a manifest in JSON");
    let cases = manifest["cases"].as_array().expect("a list of cases");
    let fewest = if root.ends_with("tests/fixtures") { FEWEST } else { 1 };
    assert!(cases.len() >= fewest, "{} cases are too few", cases.len());

    let chosen = std::env::var("BURN_KERAS_DEVICE").ok();
    let devices: Vec<&str> = chosen.as_deref().map_or(vec!["flex", "ndarray"], |name| vec![name]);
    let mut trials = Vec::new();
    for device in devices {
        for case in cases {
            for (way, make) in WAYS {
                // The ways differ in what they do to files and parameters, which no backend changes.
                if device != "flex" && *way != "loaded" {
                    continue;
                }
                let (root, case) = (root.clone(), case.clone());
                let name = format!("{device}::{way}::{}", text(&case, "name"));
                let ignored =
                    IGNORED.iter().any(|(on, ignored, _)| *on == device && *ignored == text(&case, "name"));
                let device = device.to_owned();
                let trial = Trial::test(name, move || run(&root, &case, *make, &named_device(&device)));
                trials.push(trial.with_ignored_flag(ignored));
            }
        }
    }
    libtest_mimic::run(&arguments, trials).exit();
}

#[allow(deprecated, reason = "Burn 0.22 still has its ndarray backend, so it has to work")]
fn named_device(name: &str) -> Device {
    match name {
        "flex" => Device::flex(),
        "ndarray" => Device::ndarray(),
        other => burn_keras::device::device(other).expect("a backend that was compiled in"),
    }
}

fn text<'a>(json: &'a Json, key: &str) -> &'a str {
    json[key].as_str().unwrap_or_else(|| panic!("no {key} in {json}"))
}

fn run(root: &Path, case: &Json, make: Way, device: &Device) -> Result<(), Failed> {
    let model = root.join(text(case, "model"));
    let (inputs, expected) = judged::read(&root.join(format!("{}.npz", text(case, "name"))), device)?;
    let model = match make(&model, device) {
        // Refused by name, where there is no other way.
        Err(error) if lacks_integers(device) && error.to_string().contains(NO_SUCH_INTEGERS) => return Ok(()),
        model => model?,
    };
    let tolerance = case.get("tolerance").and_then(Json::as_f64).unwrap_or(1e-5);
    Ok(judged::compare(model.predict(inputs)?, &expected, tolerance)?)
}

fn lacks_integers(device: &Device) -> bool {
    !device.supports_dtype(DType::I8)
}
