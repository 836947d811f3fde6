use std::path::{Path, PathBuf};

use super::portable::{Target, to_keras2, to_legacy};
use crate::{KerasFile, Limits};

/// Writes what becomes of every fixture's description into a folder, for Python to open.
#[test]
fn every_fixture_is_written_or_refused() {
    let Some(out) = std::env::var_os("BURN_KERAS_PORTABLE").map(PathBuf::from) else { return };
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let manifest = std::fs::read_to_string(fixtures.join("manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    for case in manifest["cases"].as_array().unwrap() {
        let (model, name) = (case["model"].as_str().unwrap(), case["name"].as_str().unwrap());
        let file = KerasFile::open(fixtures.join(model), &Limits::default()).unwrap();
        let path = out.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        to_legacy(file.config(), Target::Keras3).unwrap();
        match to_keras2(file.config()) {
            Ok(json) => {
                std::fs::write(path.with_extension("json"), crate::config::json::print(&json)).unwrap()
            }
            Err(error) => std::fs::write(path.with_extension("refused"), error.to_string()).unwrap(),
        }
    }
}
