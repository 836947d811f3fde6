//! The fixtures of all versions of Keras.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use serde_json::Value as Json;
use zip::ZipArchive;

use crate::common::root;

/// A file that a version of Keras wrote.
pub struct Fixture {
    /// That version: `3.0.5`.
    pub version: String,
    /// Where all files of that version are.
    pub folder: PathBuf,
    entry: Json,
}

/// All of them, unpacked.
static FIXTURES: LazyLock<Vec<Fixture>> = LazyLock::new(|| {
    let unpacked =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join("versions").join(std::process::id().to_string());
    let mut fixtures = Vec::new();
    for archive in std::fs::read_dir(root().join("tests/fixtures/versions")).unwrap() {
        let archive = archive.unwrap().path();
        let version = archive.file_stem().unwrap().to_str().unwrap().to_owned();
        let folder = unpacked.join(&version);
        ZipArchive::new(File::open(&archive).unwrap()).unwrap().extract(&folder).unwrap();
        let manifest = std::fs::read_to_string(folder.join("manifest.json")).unwrap();
        let manifest: Vec<Json> = serde_json::from_str(&manifest).unwrap();
        fixtures.extend(manifest.into_iter().map(|entry| Fixture {
            version: version.clone(),
            folder: folder.clone(),
            entry,
        }));
    }
    fixtures.sort_by_key(|fixture| {
        fixture.version.split('.').map(|n| n.parse::<u32>().unwrap()).collect::<Vec<_>>()
    });
    fixtures
});

impl Fixture {
    fn text(&self, key: &str) -> &str {
        self.entry[key].as_str().unwrap_or_else(|| panic!("no {key} in {}", self.entry))
    }

    /// The container: `keras`, `h5`, `weights`, `legacy weights`, `sharded weights`, `json`, `directory`.
    pub fn kind(&self) -> &str {
        self.text("kind")
    }

    /// Which of the models it is.
    pub fn model(&self) -> &str {
        self.text("model")
    }

    /// Where it lies.
    pub fn path(&self) -> PathBuf {
        self.folder.join(self.text("file"))
    }

    /// Inputs, outputs and optimizer state of the model.
    pub fn arrays(&self) -> PathBuf {
        self.folder.join(format!("{}.npz", self.model()))
    }

    /// Whether there is the state of an optimizer in it that another version goes on with.
    pub fn has_state(&self) -> bool {
        let is_old = ["3.0.5", "3.3.3", "3.6.0"].contains(&self.version.as_str());
        let is_lost = match (self.kind(), self.model()) {
            // Keras 2 leaves it out.
            ("keras", model) if model.starts_with("legacy") => true,
            // It is in another order, which a legacy file does not tell; so it is left out, and reported.
            ("h5", "nadam") => is_old,
            // Keras 3.0 trains what is frozen in a nested model.
            (_, "graph") => self.version == "3.0.5",
            _ => false,
        };
        self.entry.get("optimizer").is_some() && !is_lost
    }

    /// Whether there are functions of TensorFlow in it, which only Keras 2 knows.
    pub fn has_tensorflow(&self) -> bool {
        self.version.starts_with('2') && self.model() == "operators"
    }

    /// How far off a prediction may be.
    pub fn tolerance(&self) -> f64 {
        self.entry["tolerance"].as_f64().unwrap_or(1e-5)
    }
}

/// All fixtures of all versions.
pub fn all() -> &'static [Fixture] {
    &FIXTURES
}

/// Passes every fixture of some kinds to `check`, and fails with everything that was found.
pub fn each(kinds: &[&str], check: impl Fn(&Fixture) -> Result<(), String>) {
    let chosen: Vec<_> = all().iter().filter(|fixture| kinds.contains(&fixture.kind())).collect();
    assert!(!chosen.is_empty(), "there are no fixtures of {kinds:?}");
    let failed: Vec<String> = chosen
        .iter()
        .filter_map(|fixture| {
            let file = fixture.path();
            let problem = check(fixture).err()?;
            Some(format!("{} {}: {problem}", fixture.version, file.file_name().unwrap().to_string_lossy()))
        })
        .collect();
    assert!(failed.is_empty(), "{} of {} failed:\n{}", failed.len(), chosen.len(), failed.join("\n"));
}
