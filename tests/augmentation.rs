//! Random changes of images in models that train.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use burn::tensor::{Device, Tensor};
use burn_keras::KerasModel;

/// The seed of a device is one for all threads.
static DEVICE: Mutex<()> = Mutex::new(());

/// Models of one random change each, or several, of images `[batch, 4, 5, 3]`.
fn models() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/augmentation");
    let mut models: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "keras"))
        .filter(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap();
            let others = ["_bytes", "_one", "_pooled"];
            !name.starts_with("equalization") && others.iter().all(|end| !name.ends_with(end))
        })
        .collect();
    models.sort();
    assert!(models.len() >= 26, "only {} models", models.len());
    models
}

#[test]
fn the_seed_of_the_device_decides() {
    let _guard = DEVICE.lock().unwrap_or_else(PoisonError::into_inner);
    let device = Device::flex().autodiff();
    let x = Tensor::<4>::random([3, 4, 5, 3], burn::tensor::Distribution::Uniform(0.0, 1.0), &device);
    for path in models() {
        let model = KerasModel::load(&path, &device).unwrap();
        let run = |seed| {
            device.seed(seed);
            let outputs = model.forward(x.clone()).unwrap();
            outputs.into_iter().map(|(_, value)| value.into_data()).collect::<Vec<_>>()
        };
        let first = run(3);
        assert!(first.iter().all(|data| data.iter::<f32>().all(f32::is_finite)), "{}", path.display());
        assert_eq!(first, run(3), "{}", path.display());
    }
}

#[test]
fn gradients_pass_through() {
    let _guard = DEVICE.lock().unwrap_or_else(PoisonError::into_inner);
    let device = Device::flex().autodiff();
    for path in models() {
        // These go through tables, or steps.
        let name = path.file_stem().unwrap().to_str().unwrap();
        if ["random_posterization", "rand_augment"].contains(&name) {
            continue;
        }
        let model = KerasModel::load(&path, &device).unwrap();
        let x = Tensor::<4>::random([3, 4, 5, 3], burn::tensor::Distribution::Uniform(0.2, 0.8), &device);
        let x = x.require_grad();
        let (_, value) = model.forward(x.clone()).unwrap().into_iter().next().unwrap();
        let gradients = value.float::<4>().unwrap().sum().backward();
        let gradient = x.grad(&gradients).unwrap_or_else(|| panic!("{name} cuts the gradient"));
        assert!(gradient.into_data().iter::<f32>().all(f32::is_finite), "{name}");
    }
}
