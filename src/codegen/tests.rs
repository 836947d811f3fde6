//! What source models become.

use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use super::Codegen;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// Every model of every fixture becomes source that rustfmt can read, or is refused by name.
#[test]
fn every_fixture_has_source_or_a_reason() {
    let manifest: Json = serde_json::from_slice(&std::fs::read(fixture("manifest.json")).unwrap()).unwrap();
    let (mut written, mut wrong) = (0, Vec::new());
    for case in manifest["cases"].as_array().unwrap() {
        let model = case["model"].as_str().unwrap();
        let codegen = Codegen::new(fixture(model)).name("Model");
        match codegen.drafted_for_tests() {
            Ok((source, notes)) => {
                written += 1;
                if let Some(folder) = std::env::var_os("C1_DUMP") {
                    let name = format!("{}.rs", model.replace('/', "_"));
                    std::fs::write(Path::new(&folder).join(name), &source).unwrap();
                }
                if notes.iter().any(|note| note.contains("not formatted")) || !source.contains("pub fn forward") {
                    wrong.push(format!("{model}: {notes:?}"));
                }
            }
            Err(error) => {
                let known = ["strings in a Burn module"];
                if !error.problems().all(|problem| known.iter().any(|known| problem.to_string().contains(known))) {
                    wrong.push(format!("{model}: {error}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} are written, but:\n{}", written, wrong.join("\n"));
    assert!(written > 500);
}
