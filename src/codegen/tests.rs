//! What source models become.

use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use super::Codegen;
use super::rustfmt::formatted;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// Every model of every fixture becomes source, but for those of strings and of files with vocabularies.
#[test]
fn every_fixture_has_source_or_a_reason() {
    let manifest: Json = serde_json::from_slice(&std::fs::read(fixture("manifest.json")).unwrap()).unwrap();
    let (mut written, mut wrong) = (0, Vec::new());
    for (number, case) in manifest["cases"].as_array().unwrap().iter().enumerate() {
        let model = case["model"].as_str().unwrap();
        match Codegen::new(fixture(model)).name("Model").unformatted(false) {
            Ok(code) => {
                written += 1;
                // One process each takes its time.
                let is_read = number % 40 > 0 || formatted(&code.source, None).is_ok();
                if !is_read || !code.source.contains("pub fn forward") {
                    wrong.push(model.to_owned());
                }
            }
            Err(error) => {
                const REASONS: [&str; 2] =
                    ["strings in a Burn module", "beside its weights, which a fresh layer does not have"];
                let is_known = |problem: String| REASONS.iter().any(|reason| problem.ends_with(reason));
                if !error.problems().all(|problem| is_known(problem.to_string())) {
                    wrong.push(format!("{model}: {error}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} are written, but:\n{}", written, wrong.join("\n"));
    assert!(written > 1000, "{written}");
}

/// The files are the source, the description and, if wanted, the weights; what somebody else wrote stays.
#[test]
fn files_are_written_and_those_of_others_stay() {
    let folder = tempfile::tempdir().unwrap();
    let case = fixture("graph/functional_two_levels.keras");
    let codegen = Codegen::new(&case).name("TwoLevels").out_dir(folder.path().join("model")).embed(true);
    let generated = codegen.run().unwrap();
    let names: Vec<_> =
        generated.files.iter().map(|file| file.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["two_levels.rs", "two_levels.keras", "two_levels.json"]);
    let source = std::fs::read_to_string(&generated.files[0]).unwrap();
    assert_eq!(source, codegen.source().unwrap());
    assert!(
        source.contains("pub struct TwoLevels {") && source.contains("include_bytes!(\"two_levels.keras\")")
    );
    assert_eq!(std::fs::read(&generated.files[1]).unwrap(), std::fs::read(&case).unwrap());
    // What was generated is replaced, and nothing else.
    assert_eq!(codegen.run().unwrap(), generated);
    std::fs::write(&generated.files[0], "fn mine() {}").unwrap();
    assert!(codegen.run().unwrap_err().to_string().contains("which was not generated"));
    assert_eq!(std::fs::read_to_string(&generated.files[0]).unwrap(), "fn mine() {}");
}

/// A struct is called like nothing else in the source.
#[test]
fn names_with_another_meaning_are_refused() {
    for name in ["Tensor", "linear"] {
        let error =
            Codegen::new(fixture("graph/functional_two_levels.keras")).name(name).source().unwrap_err();
        assert!(error.to_string().contains("choose another name"), "{error}");
    }
}
