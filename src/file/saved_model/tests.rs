use super::*;
use crate::error::ErrorKind;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/saved_model").join(name)
}

fn open(path: &Path) -> Result<(SavedModel, Resources)> {
    let model = SavedModel::open(path, &Limits::default())?;
    let resources = model.resources()?;
    Ok((model, resources))
}

/// A copy of a fixture that can be changed.
fn copy(name: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for below in ["", "variables", "assets"] {
        std::fs::create_dir_all(dir.path().join(below)).unwrap();
        for entry in std::fs::read_dir(fixture(name).join(below)).into_iter().flatten() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_file() {
                std::fs::copy(entry.path(), dir.path().join(below).join(entry.file_name())).unwrap();
            }
        }
    }
    dir
}

#[test]
fn models_are_described() {
    for (name, kind) in [("dense_bn", "_tf_keras_network"), ("recurrent", "_tf_keras_sequential")] {
        assert!(SavedModel::is_at(&fixture(name)));
        let (model, _) = open(&fixture(name)).unwrap();
        assert_eq!(model.identifier, kind);
        assert!(model.metadata.contains("\"keras_version\": \"2."));
        let key = model.objects.find(0, &["layer_with_weights-0"]).unwrap();
        assert!(model.objects.children(key).count() > 0);
    }
}

#[test]
fn tables_are_found_wherever_they_are() {
    let (model, resources) = open(&fixture("words")).unwrap();
    for (path, expected) in [
        (&["layer-1", "lookup_table"][..], &["blue", "green"][..]),
        (&["layer-2", "lookup_table"], &["green", "red"]),
        (&["layer-3", "lookup_table"], &["red", "green", "blue"]),
        (&["layer-4", "_lookup_layer", "lookup_table"], &["red", "blue"]),
    ] {
        let node = model.objects.find(0, path).unwrap();
        let Keys::Texts(keys) = resources.table(&model.objects, node, false).unwrap() else { panic!() };
        assert_eq!(keys, expected, "{path:?}");
    }
    assert_eq!(resources.table(&model.objects, 0, false).unwrap_err().kind(), ErrorKind::Unsupported);
}

#[test]
fn damage_is_an_error_or_harmless() {
    let dir = copy("words");
    for name in [MODEL, METADATA] {
        let path = dir.path().join(name);
        let whole = std::fs::read(&path).unwrap();
        for step in 1..60 {
            std::fs::write(&path, &whole[..whole.len() * step / 61]).unwrap();
            assert!(open(dir.path()).is_err(), "{name} cut to {step}/61");
        }
        for at in (0..whole.len()).step_by(whole.len() / 300) {
            let mut damaged = whole.clone();
            damaged[at] ^= 1 << (at % 8);
            std::fs::write(&path, damaged).unwrap();
            if let Ok((model, resources)) = open(dir.path()) {
                for node in 0..20 {
                    let _ = resources.table(&model.objects, node, false);
                }
            }
        }
        std::fs::write(&path, whole).unwrap();
    }
    assert!(open(dir.path()).is_ok());
}

#[test]
fn files_outside_of_the_directory_are_left_alone() {
    let dir = copy("words");
    let path = dir.path().join(MODEL);
    let whole = std::fs::read(&path).unwrap();
    let name = b"vocabulary.txt";
    for other in [b"../vocabul.txt", b"/vocabular.txt", b"a/cabulary.txt"] {
        let mut damaged = whole.clone();
        for at in 0..damaged.len() - name.len() {
            if damaged[at..].starts_with(name) {
                damaged[at..at + name.len()].copy_from_slice(other);
            }
        }
        std::fs::write(&path, damaged).unwrap();
        let (model, resources) = open(dir.path()).unwrap();
        let node = model.objects.find(0, &["layer-3", "lookup_table"]).unwrap();
        let error = resources.table(&model.objects, node, false).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
    }
}

#[cfg(unix)]
#[test]
fn links_are_not_followed() {
    for (link, target) in [
        (METADATA, fixture("words").join(METADATA)),
        ("variables", fixture("words/variables")),
        ("assets", fixture("words/assets")),
        ("assets/vocabulary.txt", fixture("words/assets/vocabulary.txt")),
    ] {
        let dir = copy("words");
        let link = dir.path().join(link);
        if link.is_dir() { std::fs::remove_dir_all(&link) } else { std::fs::remove_file(&link) }.unwrap();
        std::os::unix::fs::symlink(target, &link).unwrap();
        let error = open(dir.path()).and_then(|(model, resources)| {
            resources.table(
                &model.objects,
                model.objects.find(0, &["layer-3", "lookup_table"]).unwrap(),
                false,
            )
        });
        assert_eq!(error.unwrap_err().kind(), ErrorKind::Damaged);
    }
}

/// What Keras 3 exports, and TensorFlow 2.4 and older write: there is no `keras_metadata.pb`.
#[test]
fn descriptions_are_found_in_the_graph_or_asked_for() {
    let dir = copy("dense_bn");
    std::fs::remove_file(dir.path().join(METADATA)).unwrap();
    let error = open(dir.path()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("model.save(\"model.keras\")"), "{error}");

    let message = |tag: u8, content: &[u8]| {
        assert!(content.len() < 128);
        [&[tag << 3 | 2, content.len() as u8], content].concat()
    };
    let user_object = [message(1, b"_tf_keras_network"), message(3, b"{}")].concat();
    let graph = message(2, &message(7, &message(1, &message(4, &user_object))));
    std::fs::write(dir.path().join(MODEL), graph).unwrap();
    let (model, _) = open(dir.path()).unwrap();
    assert_eq!((model.identifier.as_str(), model.metadata.as_str()), ("_tf_keras_network", "{}"));
}
