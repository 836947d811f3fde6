//! Keras 2 opens what was written for it, and predicts the same; what it cannot say is refused by name.

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use burn::tensor::Device;
use burn_keras::{ErrorKind, KerasModel, SaveOptions, Target};

use common::{root, script};

/// Keras 2 takes minutes for all; unless it is asked for all, it is given one in so many.
const SHARE: usize = 4;

/// Writes every fixture that Keras 2 can say, in both forms, and counts those that it cannot.
fn write(folder: &Path) -> [usize; 2] {
    let _ = std::fs::remove_dir_all(folder);
    let fixtures = root().join("tests/fixtures");
    let manifest = std::fs::read_to_string(fixtures.join("manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    let options = SaveOptions::new().target(Target::Keras2);
    let only = std::env::var("BURN_KERAS_ONLY").unwrap_or_default();
    let all = !only.is_empty() || std::env::var_os("BURN_KERAS_ALL").is_some();
    let (mut counts, mut reasons) = ([0, 0], BTreeMap::<String, usize>::new());
    for (number, case) in manifest["cases"].as_array().unwrap().iter().enumerate() {
        let (model, name) = (case["model"].as_str().unwrap(), case["name"].as_str().unwrap());
        if case.get("judge").is_some() || !name.starts_with(&only) || !(all || number % SHARE == 0) {
            continue;
        }
        let model = KerasModel::load(fixtures.join(model), &Device::flex()).unwrap();
        let path = folder.join("keras").join(name).with_extension("keras");
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        match model.save_with(&path, &options) {
            Ok(_) => {
                counts[0] += 1;
                // Layers with files of their own have no place in one of HDF5.
                let path = folder.join("h5").join(name).with_extension("h5");
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                let written = model.save_with(&path, &options);
                assert!(written.is_ok() || model.file().members().any(|name| name.starts_with("assets/")));
            }
            Err(error) => {
                counts[1] += 1;
                assert_eq!(error.kind(), ErrorKind::Unsupported, "{name}: {error}");
                for problem in error.problems() {
                    assert!(!problem.message().is_empty());
                    *reasons.entry(problem.message().to_owned()).or_default() += 1;
                }
            }
        }
    }
    for (reason, count) in &reasons {
        println!("{count:5} {reason}");
    }
    println!("{} models are written for Keras 2, {} are refused", counts[0], counts[1]);
    counts
}

#[test]
fn keras_2_opens_what_was_written_for_it() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("portable");
    let [written, refused] = write(&folder);
    assert!(std::env::var_os("BURN_KERAS_ONLY").is_some() || (written > 200 && refused > 100));
    let other = std::env::var_os("BURN_KERAS_KERAS2_PYTHON").map(|python| {
        let mut command = Command::new(PathBuf::from(python));
        command.arg(root().join("tests/keras/keras2_opens.py"));
        command
    });
    let Some(mut opens) = other.or_else(|| script("keras2_opens.py")) else { return };
    opens.arg(root().join("tests/fixtures")).args(["keras", "h5"].map(|form| folder.join(form)));
    assert!(opens.status().unwrap().success(), "Keras 2 found differences");
}

#[test]
fn the_table_is_that_of_the_installed_versions() {
    let Some(mut keys) = script("keras2_keys.py") else { return };
    assert!(keys.arg("--check").env("KERAS_BACKEND", "tensorflow").status().unwrap().success());
}
