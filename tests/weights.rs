//! Files of weights only: what goes out comes in again, in this crate, in Burn and in real Keras.

mod common;
#[path = "common/damage.rs"]
mod damage;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::module::Module as _;
use burn::store::{BurnpackStore, ModuleSnapshot as _};
use burn::tensor::{Device, TensorData};
use burn_keras::build::{Conv2D, Dense, Input, Sequential};
use burn_keras::{
    ErrorKind, Format, KerasFile, KerasModel, KerasWeights, Limits, Matching, SaveOptions, Target,
    WeightsOptions,
};

use common::script;
use damage::fixture;

/// Kernels with axes in another order, inner models, cells, two types, and optimizers.
const MODELS: [&str; 6] = [
    "graph/trained_conv.keras",
    "graph/trained_nested.keras",
    "graph/trained_lstm.keras",
    "graph/trained_adam.keras",
    "dtypes/bfloat16_dense.keras",
    "dtypes/float16_images.keras",
];

/// What legacy HDF5 files are refused for.
const HAS_NO_LEGACY: &str = "dtypes/bfloat16_dense.keras";

/// The endings of all kinds, and whether the state of an optimizer goes into them.
const KINDS: [(&str, bool); 5] =
    [("weights.h5", true), ("weights.json", true), ("safetensors", true), ("h5", false), ("bpk", false)];

type Tensors = BTreeMap<String, TensorData>;

fn device() -> Device {
    Device::flex()
}

fn load(name: &str) -> KerasModel {
    KerasModel::load(fixture(name), &device()).unwrap()
}

/// The same model, with fresh weights and an optimizer that has not done anything.
fn fresh(model: &KerasModel) -> KerasModel {
    let mut config = model.file().config().clone();
    config["compile_config"] = serde_json::Value::Null;
    KerasModel::from_bytes(config.to_string(), &device()).unwrap()
}

fn read(path: impl AsRef<Path>) -> Tensors {
    let weights = KerasWeights::open(path, &Limits::default()).unwrap();
    weights.datasets().map(|it| (it.path.clone(), weights.read(&it.path).unwrap())).collect()
}

/// All that a `.weights.h5` of the model holds.
fn state(model: &KerasModel) -> Tensors {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.weights.h5");
    model.save_weights(&path).unwrap();
    read(path)
}

fn variables(mut tensors: Tensors) -> Tensors {
    tensors.retain(|path, _| !path.starts_with("optimizer/"));
    tensors
}

fn shards(most: u64) -> SaveOptions {
    SaveOptions::new().max_shard_size(most)
}

/// The names in a folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn every_kind_holds_all() {
    for name in MODELS {
        let (model, folder) = (load(name), tempfile::tempdir().unwrap());
        let expected = state(&model);
        for (ending, has_optimizer) in KINDS {
            let path = folder.path().join(format!("model.{ending}"));
            if ending == "h5" && name == HAS_NO_LEGACY {
                continue;
            }
            model.save_weights(&path).unwrap();
            let mut other = fresh(&model);
            let report = other.load_weights(&path).unwrap();
            assert!(report.is_complete() && report.unused.is_empty(), "{name} {ending}: {report}");
            assert_eq!(report.loaded.len(), variables(expected.clone()).len(), "{name} {ending}");
            let found = state(&other);
            match has_optimizer {
                true => assert_eq!(found, expected, "{name} {ending}"),
                false => assert_eq!(found, variables(expected.clone()), "{name} {ending}"),
            }
        }
        for target in [Target::Keras2, Target::Keras3] {
            let path = folder.path().join("legacy.hdf5");
            let saved = model.save_weights_with(&path, &SaveOptions::new().target(target));
            if name == HAS_NO_LEGACY {
                let problems = saved.unwrap_err().problems().map(ToString::to_string).collect::<Vec<_>>();
                let message = "kernel: no Keras reads variables of type bfloat16 in a legacy HDF5 file";
                assert!(problems.len() > 1 && problems[0].ends_with(message), "{problems:?}");
                assert!(!path.exists());
                continue;
            }
            saved.unwrap();
            let mut other = fresh(&model);
            other.load_weights(&path).unwrap();
            assert_eq!(state(&other), variables(expected.clone()), "{name} {target:?}");
        }
    }
}

#[test]
fn the_optimizer_can_stay_out() {
    let (model, folder) = (load("graph/trained_adam.keras"), tempfile::tempdir().unwrap());
    for (ending, _) in KINDS {
        let path = folder.path().join(format!("model.{ending}"));
        model.save_weights_with(&path, &SaveOptions::new().include_optimizer(false)).unwrap();
        assert!(read(&path).keys().all(|path| !path.starts_with("optimizer")), "{ending}");
    }
}

#[test]
fn names_are_those_of_keras_and_burn() {
    let (model, folder) = (load("graph/trained_nested.keras"), tempfile::tempdir().unwrap());
    let path = |name: &str| folder.path().join(name);
    model.save_weights(path("x.safetensors")).unwrap();
    model.save_weights(path("x.bpk")).unwrap();
    let named: Vec<String> = variables(read(path("x.safetensors"))).into_keys().collect();
    let params: Vec<String> = read(path("x.bpk")).into_keys().collect();
    assert!(named.iter().any(|name| name.split('/').count() == 3), "{named:?}");
    let dotted: Vec<String> = named.iter().map(|name| name.replace('/', ".")).collect();
    assert_eq!(dotted, params);
    let state = read(path("x.safetensors"));
    assert!(state.contains_key("optimizer/vars/0"), "{:?}", state.keys());
}

#[test]
fn burn_reads_and_writes_the_same_files() {
    let (model, folder) = (load("graph/trained_conv.keras"), tempfile::tempdir().unwrap());
    let path = |name: &str| folder.path().join(name);
    let expected = variables(state(&model));
    model.save_weights(path("ours.bpk")).unwrap();

    let mut other = fresh(&model);
    other.load_from(&mut BurnpackStore::from_file(path("ours.bpk"))).unwrap();
    assert_eq!(state(&other), expected, "a store");
    assert_eq!(state(&fresh(&model).load_file(path("ours.bpk"))), expected, "a record");

    model.clone().save_file(path("record.bpk")).unwrap();
    model.save_into(&mut BurnpackStore::from_file(path("store.bpk"))).unwrap();
    for name in ["record.bpk", "store.bpk"] {
        let mut other = fresh(&model);
        other.load_weights(path(name)).unwrap();
        assert_eq!(state(&other), expected, "{name}");
    }
}

#[test]
fn layers_are_matched_by_path_name_or_order() {
    let folder = tempfile::tempdir().unwrap();
    let model = |names: [&str; 2]| {
        let [first, second] = names;
        let model = Sequential::new().with(Input::new([3]));
        let model = model.with(Dense::new(4).name(first)).with(Dense::new(4).name(second));
        model.build(&device()).unwrap()
    };
    let old = model(["a", "b"]);
    let expected = state(&old);
    for (ending, _) in KINDS {
        let path = folder.path().join(format!("model.{ending}"));
        old.save_weights(&path).unwrap();
        let by = |matching, names| {
            let mut new = model(names);
            let loaded = new.load_weights_with(&path, &WeightsOptions::new().matching(matching)).cloned();
            loaded.map(|report| (state(&new), report))
        };
        let has_names = matches!(ending, "safetensors" | "bpk");
        // A layer that is called otherwise keeps its values, and is no fault.
        let (found, report) = by(Matching::Name, ["a", "new"]).unwrap();
        assert_eq!(found["layers/dense/vars/0"], expected["layers/dense/vars/0"], "{ending}");
        assert_ne!(found["layers/dense_1/vars/0"], expected["layers/dense_1/vars/0"], "{ending}");
        assert_eq!((report.loaded.len(), report.missing.len(), report.unused.len()), (2, 2, 2), "{ending}");
        match by(Matching::Order, ["x", "y"]) {
            Ok((found, _)) => assert_eq!((ending, found), ("h5", expected.clone())),
            Err(error) => assert!(ending != "h5" && error.kind() == ErrorKind::Unsupported, "{error}"),
        }
        match by(Matching::Path, ["x", "y"]) {
            Ok((found, _)) => assert_eq!(found, expected, "{ending}"),
            Err(error) if has_names => assert_eq!(error.kind(), ErrorKind::Weights, "{error}"),
            Err(error) => assert_eq!((ending, error.kind()), ("h5", ErrorKind::Unsupported)),
        }
    }
}

#[test]
fn what_does_not_fit_is_told_and_skipped() {
    let folder = tempfile::tempdir().unwrap();
    let model = |units: usize| {
        let model = Sequential::new().with(Input::new([3])).with(Dense::new(4).name("same"));
        model.with(Dense::new(units).name("head")).build(&device()).unwrap()
    };
    let old = model(5);
    for (ending, _) in KINDS {
        let path = folder.path().join(format!("model.{ending}"));
        old.save_weights(&path).unwrap();
        let mut new = model(6);
        let before = state(&new);
        let error = new.load_weights(&path).unwrap_err();
        assert_eq!((error.kind(), error.problems().count()), (ErrorKind::Weights, 2), "{ending}: {error}");
        assert_eq!(state(&new), before, "{ending}");
        let report = new.load_weights_with(&path, &WeightsOptions::new().skip_mismatch(true)).unwrap();
        assert_eq!((report.loaded.len(), report.skipped.len()), (2, 2), "{ending}: {report}");
        assert_eq!(
            (&report.skipped[0].expected[..], &report.skipped[0].found[..]),
            (&[4, 6][..], &[4, 5][..])
        );
        let after = state(&new);
        assert_eq!(after["layers/dense/vars/0"], state(&old)["layers/dense/vars/0"], "{ending}");
        assert_eq!(after["layers/dense_1/vars/0"], before["layers/dense_1/vars/0"], "{ending}");
    }
}

/// Burn's order of the axes of one kernel is Keras' of the other: the shapes alone look as if they fitted.
#[test]
fn axes_are_not_mistaken() {
    let folder = tempfile::tempdir().unwrap();
    let model = |channels: usize, filters: usize, kernel: [usize; 2]| {
        let model = Sequential::new().with(Input::new([9, 9, channels]));
        model.with(Conv2D::new(filters, kernel).use_bias(false)).build(&device()).unwrap()
    };
    let path = folder.path().join("model.bpk");
    model(3, 2, [1, 5]).save_weights(&path).unwrap();
    let mut other = model(1, 5, [2, 3]);
    let report = other.load_weights_with(&path, &WeightsOptions::new().skip_mismatch(true)).unwrap();
    assert_eq!((report.loaded.len(), &report.skipped[0].found[..]), (0, &[1, 5, 3, 2][..]));
}

#[test]
fn misspelt_names_are_told_with_the_nearest() {
    let folder = tempfile::tempdir().unwrap();
    let model =
        Sequential::new().with(Input::new([3])).with(Dense::new(4).name("head")).build(&device()).unwrap();
    for (ending, old, new) in
        [("safetensors", "head/kernel", "head/kernal"), ("bpk", "head.kernel", "head.kernal")]
    {
        let path = folder.path().join(format!("model.{ending}"));
        model.save_weights(&path).unwrap();
        let mut weights = KerasWeights::open(&path, &Limits::default()).unwrap();
        weights.rename(old, new).unwrap();
        weights.save(&path).unwrap();
        let mut other = fresh(&model);
        let error = other.load_weights(&path).unwrap_err().to_string();
        assert!(error.contains(new), "{error}");
        let report = other.load_weights_with(&path, &WeightsOptions::new().skip_mismatch(true)).unwrap();
        assert_eq!(report.missing[0].nearest.as_deref(), Some(new));
        assert_eq!(report.unused[0].nearest.as_deref(), Some(old));
    }
}

#[test]
fn shards_are_as_large_as_asked() {
    let (model, folder) = (load("graph/trained_adam.keras"), tempfile::tempdir().unwrap());
    let path = folder.path().join("big.weights.json");
    let expected = state(&model);
    let largest = expected.values().map(|it| it.as_bytes().len() as u64).max().unwrap();
    model.save_weights_with(&path, &shards(largest)).unwrap();
    let written = names(folder.path());
    assert_eq!(written[..2], ["big.weights.json", "big_00000.weights.h5"]);
    assert!(written.len() > 3, "{written:?}");
    for name in &written[1..] {
        let size: u64 = read(folder.path().join(name)).values().map(|it| it.as_bytes().len() as u64).sum();
        assert!(size > 0 && size <= largest, "{name}: {size}");
    }
    assert_eq!(read(&path), expected);
    let index: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let total: usize = expected.values().map(|it| it.as_bytes().len()).sum();
    assert_eq!(index["metadata"]["total_size"], total as f64);
    assert!(index["weight_map"]["/optimizer/vars"].as_array().unwrap().len() > 1);

    // One that is too large is told before anything is written.
    let before = names(folder.path());
    let error = model.save_weights_with(&path, &shards(largest - 1)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Input);
    assert!(error.problems().all(|it| it.message().contains("bytes")), "{error}");
    assert_eq!((names(folder.path()), read(&path)), (before, expected));
}

#[test]
fn old_shards_stay_until_the_new_index_is_there() {
    let (model, folder) = (load("graph/trained_adam.keras"), tempfile::tempdir().unwrap());
    let path = folder.path().join("x.weights.json");
    let numbers = || {
        let index: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let text = index["weight_map"].to_string();
        (0..20).filter(|number| text.contains(&format!("x_{number:05}."))).collect::<Vec<_>>()
    };
    std::fs::write(folder.path().join("x_mine.weights.h5"), "mine").unwrap();
    model.save_weights_with(&path, &shards(1 << 30)).unwrap();
    assert_eq!(numbers(), [0]);
    let other = fresh(&model);
    other.save_weights_with(&path, &shards(1 << 30)).unwrap();
    // Keras opens the first one whatever the index says.
    assert_eq!(numbers(), [1]);
    let all = ["x.weights.json", "x_00000.weights.h5", "x_00001.weights.h5", "x_mine.weights.h5"];
    assert_eq!(names(folder.path()), all);
    assert!(read(folder.path().join("x_00000.weights.h5")).is_empty());
    assert_eq!(read(&path), state(&other));
    model.save_weights_with(&path, &shards(1 << 30)).unwrap();
    assert_eq!(numbers(), [0]);
    assert_eq!(names(folder.path()), ["x.weights.json", "x_00000.weights.h5", "x_mine.weights.h5"]);
    assert_eq!(read(&path), state(&model));
}

#[test]
fn what_is_there_is_replaced_only_if_it_may_be() {
    let (model, folder) = (load("graph/trained_adam.keras"), tempfile::tempdir().unwrap());
    let keep = SaveOptions::new().overwrite(false);
    for (ending, _) in KINDS {
        let path = folder.path().join(format!("model.{ending}"));
        model.save_weights_with(&path, &keep).unwrap();
        assert_eq!(model.save_weights_with(&path, &keep).unwrap_err().kind(), ErrorKind::Input, "{ending}");
    }
    std::fs::remove_file(folder.path().join("model.weights.json")).unwrap();
    let error = model.save_weights_with(folder.path().join("model.weights.json"), &keep).unwrap_err();
    assert!(error.to_string().contains("model_00000.weights.h5"), "{error}");
    assert!(!folder.path().join("model.weights.json").exists());
    for (name, options) in [("x.npz", SaveOptions::new()), ("x.weights.h5", shards(1 << 20))] {
        let error = model.save_weights_with(folder.path().join(name), &options).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Input, "{name}");
    }
}

#[test]
fn files_of_weights_are_no_models() {
    let (model, folder) = (load("graph/trained_adam.keras"), tempfile::tempdir().unwrap());
    for (ending, _) in KINDS {
        let path = folder.path().join(format!("model.{ending}"));
        model.save_weights(&path).unwrap();
        let error = KerasFile::open(&path, &Limits::default()).unwrap_err();
        assert!(error.to_string().contains("weights only"), "{ending}: {error}");
        assert!(error.to_string().contains("load_weights"), "{ending}: {error}");
    }
}

#[test]
fn tensors_are_renamed_and_dropped_in_every_kind() {
    let (model, folder) = (load("graph/trained_nested.keras"), tempfile::tempdir().unwrap());
    let mut files: Vec<PathBuf> =
        KINDS.map(|(ending, _)| folder.path().join(format!("model.{ending}"))).into();
    files.iter().for_each(|path| model.save_weights(path).unwrap());
    for name in ["whole.keras", "whole.h5", "whole/"] {
        files.push(folder.path().join(name));
        model.save(&files[files.len() - 1]).unwrap();
    }
    for path in files {
        let before = read(&path);
        let mut weights = KerasWeights::open(&path, &Limits::default()).unwrap();
        let [first, second] = [0, 1].map(|at| before.keys().nth(at).unwrap().clone());
        let new = format!("{first}_new");
        assert_eq!(weights.rename("nothing", "x").unwrap_err().kind(), ErrorKind::Input);
        assert_eq!(weights.rename(&first, &second).unwrap_err().kind(), ErrorKind::Input);
        weights.rename(&first, &new).unwrap();
        weights.remove(&second).unwrap();
        assert_eq!(weights.remove(&second).unwrap_err().kind(), ErrorKind::Input);
        weights.save(&path).unwrap();
        let mut expected = before.clone();
        expected.remove(&second);
        let value = expected.remove(&first).unwrap();
        expected.insert(new.clone(), value);
        assert_eq!(read(&path), expected, "{}", path.display());
        // Back again, it is a file as before, but for what was dropped.
        let mut weights = KerasWeights::open(&path, &Limits::default()).unwrap();
        weights.rename(&new, &first).unwrap();
        weights.save(&path).unwrap();
        let mut other = fresh(&model);
        let options = WeightsOptions::new().skip_mismatch(true);
        let report = other.load_weights_with(&path, &options).unwrap();
        assert_eq!((report.missing.len(), report.skipped.len()), (1, 0), "{}: {report}", path.display());
    }
}

#[test]
fn the_rest_of_an_archive_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.keras");
    std::fs::copy(fixture("strings/text_vectors.keras"), &path).unwrap();
    let before = KerasFile::open(&path, &Limits::default()).unwrap();
    KerasWeights::open(&path, &Limits::default()).unwrap().save(&path).unwrap();
    let after = KerasFile::open(&path, &Limits::default()).unwrap();
    assert_eq!(after.format(), Format::Keras);
    assert!(after.members().eq(before.members()) && after.members().count() > 3);
    assert_eq!(after.config(), before.config());
    KerasModel::load(&path, &device()).unwrap();
}

#[test]
fn an_index_leads_only_to_its_own_files() {
    let (model, folder) = (load("graph/trained_adam.keras"), tempfile::tempdir().unwrap());
    let path = folder.path().join("in/x.weights.json");
    std::fs::create_dir(folder.path().join("in")).unwrap();
    model.save_weights(&path).unwrap();
    let file = folder.path().join("in/x_00000.weights.h5");
    std::fs::copy(&file, folder.path().join("outside.h5")).unwrap();
    std::fs::copy(&file, folder.path().join("in/again.h5")).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("../outside.h5", folder.path().join("in/link.h5")).unwrap();
    let outside = folder.path().join("outside.h5");
    let cases = [
        ("\"../outside.h5\"", "beside the index"),
        ("\"./again.h5\"", "beside the index"),
        ("\"..\"", "beside the index"),
        ("\"\"", "beside the index"),
        (&format!("{:?}", outside.to_str().unwrap()), "beside the index"),
        #[cfg(unix)]
        ("\"link.h5\"", "symbolic link"),
        ("\"none.h5\"", "cannot open"),
        ("[\"x_00000.weights.h5\", \"again.h5\"]", "in two files"),
        ("[\"x_00000.weights.h5\", \"x_00000.weights.h5\"]", "in two files"),
        ("[7]", "names of files"),
        ("{}", "names of files"),
    ];
    for (names, why) in cases {
        std::fs::remove_file(&path).unwrap();
        model.save_weights(&path).unwrap();
        let index = format!("{{\"weight_map\": {{\"/layers/dense/vars\": {names}}}}}");
        std::fs::write(&path, index).unwrap();
        let error = KerasWeights::open(&path, &Limits::default()).unwrap_err();
        assert!(error.to_string().contains(why), "{names}: {error}");
        assert_ne!(error.kind(), ErrorKind::Input, "{names}: {error}");
        // A save on top of it removes nothing that is not its own.
        model.save_weights(&path).unwrap();
        assert!(outside.exists() && folder.path().join("in/again.h5").exists(), "{names}");
    }
    std::fs::write(&path, "{\"weight_map\": {\"/layers/nothing/vars\": \"again.h5\"}}").unwrap();
    let error = KerasWeights::open(&path, &Limits::default()).unwrap_err();
    assert!(error.to_string().contains("layers/nothing/vars"), "{error}");
}

/// Keras opens what we wrote and finds the same numbers; what it then writes we open and find them, too.
#[test]
fn real_keras_opens_and_writes_the_same_files() {
    let Some(mut judge) = script("weights_open.py") else { return };
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("weights");
    let _ = std::fs::remove_dir_all(&folder);
    let models = &MODELS[..5];
    for name in models {
        let (model, folder) = (load(name), folder.join(Path::new(name).file_stem().unwrap()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::copy(fixture(name), folder.join("model.keras")).unwrap();
        for (ending, _) in KINDS.iter().filter(|it| it.0 != "h5" || *name != HAS_NO_LEGACY) {
            model.save_weights(folder.join(format!("ours.{ending}"))).unwrap();
        }
        // As large as the largest, and saved twice, so that the names are not the first ones.
        let largest = state(&model).values().map(|it| it.as_bytes().len() as u64).max().unwrap();
        for _ in 0..2 {
            model.save_weights_with(folder.join("twice.weights.json"), &shards(largest)).unwrap();
        }
    }
    assert!(judge.arg(&folder).status().unwrap().success(), "Keras found other weights");
    for name in models {
        let (model, folder) = (load(name), folder.join(Path::new(name).file_stem().unwrap()));
        for written in ["keras.weights.h5", "keras.weights.json", "named.safetensors"] {
            let mut other = fresh(&model);
            let report = other.load_weights(folder.join(written)).unwrap();
            assert!(report.is_complete() && report.unused.is_empty(), "{name} {written}: {report}");
            assert_eq!(variables(state(&other)), variables(state(&model)), "{name} {written}");
        }
    }
}

/// Models of all kinds of layers: no two variables have one name, and all come back.
#[test]
fn all_kinds_of_layers_keep_their_weights() {
    let manifest = std::fs::read_to_string(fixture("manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut count = 0;
    // All of them take minutes.
    for case in manifest["cases"].as_array().unwrap().iter().step_by(16) {
        let name = case["model"].as_str().unwrap();
        let model = load(name);
        let expected = variables(state(&model));
        for ending in ["safetensors", "bpk"] {
            let path = folder.path().join(format!("model.{ending}"));
            model.save_weights(&path).unwrap_or_else(|error| panic!("{name} {ending}: {error}"));
            let mut other = model.clone();
            let report = other.load_weights(&path).unwrap_or_else(|error| panic!("{name} {ending}: {error}"));
            assert!(report.is_complete() && report.unused.is_empty(), "{name} {ending}: {report}");
            assert_eq!(variables(state(&other)), expected, "{name} {ending}");
        }
        count += 1;
    }
    assert!(count > 30);
}
