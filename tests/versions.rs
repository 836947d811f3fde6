//! What each version of Keras wrote, in every container that it writes: opened here, written again, and
//! opened there. Predictions and the states of optimizers are compared.
//!
//! The fixtures are made by `tests/keras/versions.py`, one archive for each version. Real Keras 3.15 and
//! tf_keras are asked in the environment of `tests/keras/venv.sh`; `bash tests/versions.sh` asks all others
//! too.

mod common;
#[path = "common/judged.rs"]
mod judged;
#[path = "../src/bin/burn-keras/npz.rs"]
#[allow(dead_code, reason = "the program uses more of it")]
mod npz;
#[path = "common/versions.rs"]
mod versions;

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use burn_keras::{KerasModel, Result, SaveOptions, Target};
use serde_json::{Value as Json, json};
use versions::Fixture;

/// Makes models of all fixtures of some kinds; each must predict what Keras predicted.
fn predict(kinds: &[&str], make: impl Fn(&Fixture) -> Result<KerasModel>) {
    let device = Device::flex();
    versions::each(kinds, |fixture| {
        let (inputs, expected) = judged::read(&fixture.arrays(), &device)?;
        let outputs =
            make(fixture).and_then(|model| model.predict(inputs)).map_err(|error| error.to_string())?;
        judged::compare(outputs, &expected, fixture.tolerance())
    });
}

fn load(fixture: &Fixture) -> Result<KerasModel> {
    KerasModel::load(fixture.path(), &Device::flex())
}

#[test]
fn archives() {
    predict(&["keras", "directory"], load);
}

#[test]
fn legacy_files() {
    predict(&["h5"], load);
}

/// Onto the model that `to_json` describes.
#[test]
fn weights() {
    predict(&["weights", "legacy weights"], |fixture| {
        let description = fixture.folder.join(format!("{}.json", fixture.model()));
        let mut model = KerasModel::load(description, &Device::flex())?;
        model.load_weights(fixture.path())?;
        Ok(model)
    });
}

/// What is written of a model, and which versions open it.
struct Way {
    /// What the README calls it.
    label: &'static str,
    name: &'static str,
    ending: &'static str,
    target: Target,
    /// Whether the optimizer of the reader goes on where that of the file was.
    state: bool,
    readers: &'static [&'static str],
    takes: fn(reader: &str, fixture: &Fixture) -> bool,
}

const WAYS: &[Way] = &[
    Way {
        label: "`.keras`",
        name: "keras",
        ending: ".keras",
        target: Target::Keras3,
        state: true,
        readers: &["3.15.1"],
        takes: |_, fixture| !fixture.has_tensorflow(),
    },
    Way {
        label: "`.keras` of a model that came from that version",
        name: "keras_back",
        ending: ".keras",
        target: Target::Keras3,
        state: true,
        readers: &["3.0.5", "3.3.3", "3.6.0", "3.10.0"],
        takes: |reader, fixture| {
            let is_own = reader == fixture.version && fixture.kind() == "keras";
            is_own && !NOT_BACK.contains(&(reader, fixture.model()))
        },
    },
    Way {
        label: "`.h5`",
        name: "h5",
        ending: ".h5",
        target: Target::Keras3,
        // Keras 3 itself leaves the state of an optimizer in a legacy file.
        state: false,
        readers: &["3.15.1"],
        takes: |_, fixture| !fixture.has_tensorflow(),
    },
    Way {
        label: "`.keras` for Keras 2",
        name: "keras_for_keras2",
        ending: ".keras",
        target: Target::Keras2,
        state: true,
        readers: KERAS_2,
        takes: |_, fixture| !REFUSED.contains(&fixture.model()),
    },
    Way {
        label: "`.h5` for Keras 2",
        name: "h5_for_keras2",
        ending: ".h5",
        target: Target::Keras2,
        state: true,
        readers: KERAS_2,
        takes: |_, fixture| !REFUSED.contains(&fixture.model()),
    },
];

const KERAS_2: &[&str] = &["2.13.1", "2.14.0", "2.15.0", "2.21.0"];

/// What does not go back to the version that it came from: `Nadam` has the order of today, and Keras 3.0 opens no
/// slices and no `Bidirectional`, not even in the files that it wrote itself.
const NOT_BACK: &[(&str, &str)] = &[
    ("3.0.5", "nadam"),
    ("3.3.3", "nadam"),
    ("3.6.0", "nadam"),
    ("3.0.5", "operators"),
    ("3.0.5", "recurrent"),
];

/// Models that Keras 2 would run in another way: with masks in `TimeDistributed` and `MultiHeadAttention`.
const REFUSED: &[&str] = &["recurrent", "attention"];

/// Writes the fixtures that a version of Keras is to open, and lists them for it.
fn write_for(reader: &str, folder: &Path) -> PathBuf {
    let (mut written, mut refused, mut told) = (Vec::new(), Vec::new(), 0);
    let ways = WAYS.iter().filter(|way| way.readers.contains(&reader));
    for fixture in versions::all().iter().filter(|fixture| matches!(fixture.kind(), "keras" | "h5")) {
        for way in ways.clone().filter(|way| (way.takes)(reader, fixture)) {
            let file = folder.join(format!("{}_{}_{}", fixture.version, fixture.kind(), way.name));
            std::fs::create_dir_all(&file).unwrap();
            let file = file.join(format!("{}{}", fixture.model(), way.ending));
            let options = SaveOptions::new().target(way.target);
            match load(fixture).and_then(|model| model.save_with(&file, &options)) {
                Err(error) => {
                    refused.push(error.to_string());
                    continue;
                }
                Ok(report)
                    if reader == "2.13.1" && report.changes.iter().any(|it| it.what.contains("2.13")) =>
                {
                    told += 1;
                    continue;
                }
                Ok(_) => {}
            }
            written.push(json!({
                "file": file,
                "arrays": fixture.arrays(),
                "state": way.state && fixture.has_state(),
                "tolerance": fixture.tolerance(),
            }));
        }
    }
    assert_eq!(told > 0, reader == "2.13.1", "{told} are told not to be for 2.13");
    let list = folder.join("list.json");
    std::fs::write(&list, Json::from(written).to_string()).unwrap();
    assert!(refused.is_empty(), "{} could not be written:\n{}", refused.len(), refused.join("\n"));
    list
}

#[test]
fn real_kerases_open_what_we_wrote() {
    let every = std::env::var_os("BURN_KERAS_EVERY_VERSION").is_some();
    let readers: &[&str] = match every {
        true => &["2.13.1", "2.14.0", "2.15.0", "2.21.0", "3.0.5", "3.3.3", "3.6.0", "3.10.0", "3.15.1"],
        false => &["2.21.0", "3.15.1"],
    };
    let mut failed = Vec::new();
    for reader in readers {
        let Some(mut judge) = common::version(reader, "versions_open.py") else { return };
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("versions_written").join(reader);
        let _ = std::fs::remove_dir_all(&folder);
        let list = write_for(reader, &folder);
        if !judge.arg(list).status().unwrap().success() {
            failed.push(*reader);
        }
    }
    assert!(failed.is_empty(), "differences are found by {failed:?}");
}

/// What the README claims is what is tested here.
#[test]
fn the_table_of_formats_is_proven() {
    let readme = std::fs::read_to_string(common::root().join("README.md")).unwrap();
    let expect = |label: &str, versions: &[&str]| {
        let row = format!("| {label} | {} |", versions.join(", "));
        assert!(readme.lines().any(|line| line == row), "the README should say: {row}");
    };
    for (kind, label) in KINDS {
        let fixtures = versions::all().iter().filter(|fixture| fixture.kind() == *kind);
        let mut versions: Vec<&str> = fixtures.map(|fixture| fixture.version.as_str()).collect();
        versions.dedup();
        expect(label, &versions);
    }
    WAYS.iter().for_each(|way| expect(way.label, way.readers));
}

/// The kinds of fixtures, and what the README calls them.
const KINDS: &[(&str, &str)] = &[
    ("keras", "`.keras` zip files"),
    ("directory", "their directory form"),
    ("h5", "whole models in `.h5`"),
    ("weights", "`.weights.h5`"),
    ("legacy weights", "weights in `.h5`"),
    ("json", "`to_json()`"),
];
