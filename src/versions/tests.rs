use std::path::{Path, PathBuf};

use serde_json::json;

use super::*;
use crate::config::{Object, Reader};
use crate::file::h5::{Attribute, H5File};
use crate::keras_file::KerasFile;
use crate::layer::Registry;
use crate::limits::Limits;

fn from(version: &str) -> Origin {
    Origin { keras_version: Some(version.to_owned()), backend: Some("tensorflow".to_owned()) }
}

fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut found: Vec<_> = paths
        .flat_map(|path| match path.is_dir() {
            true => files(&path, ending),
            false if path.extension().is_some_and(|own| own == ending) => vec![path],
            false => Vec::new(),
        })
        .collect();
    found.sort();
    found
}

/// Reads a config with the layers of this crate.
fn read(config: &Json) -> Result<()> {
    let (registry, limits) = (Registry::new(), Limits::default());
    let mut reader = Reader::new(&registry, &limits);
    let object = Object::read(config, &mut reader);
    let model = object.and_then(|object| reader.enter(|reader| registry.read(&object, reader)));
    reader.finish()?;
    model.unwrap();
    Ok(())
}

/// Turns a config, twice: the second time nothing is left to do.
fn modern(config: Json, origin: &Origin) -> (Json, Vec<Change>) {
    let (config, changes) = modernize(config, origin).unwrap();
    let (again, more) = modernize(config.clone(), origin).unwrap();
    assert_eq!(again, config);
    assert_eq!(more, []);
    (config, changes)
}

#[test]
fn a_config_of_keras_3_stays_as_it_is() {
    let fixtures = files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures"), "keras");
    assert!(fixtures.len() > 500);
    for path in fixtures {
        let file = KerasFile::open(&path, &Limits::default()).unwrap();
        let origin = Origin { keras_version: file.keras_version().map(str::to_owned), backend: None };
        let config = file.config().clone();
        let (modern, changes) = modern(config.clone(), &origin);
        if Era::of(&config, &origin) == Era::Keras3 {
            assert_eq!(changes, [], "{}", path.display());
            assert_eq!(modern, config, "{}", path.display());
        } else {
            assert_ne!(changes, [], "{}", path.display());
            read(&modern).unwrap();
        }
    }
}

/// The config in a legacy file, and where it is from.
fn legacy(path: &Path) -> (Json, Origin) {
    let bytes = std::fs::read(path).unwrap();
    let file = H5File::open(bytes.into(), &Limits::default()).unwrap();
    let root = &file.groups()[""];
    let text = |key: &str| match root.get(key) {
        Some(Attribute::Str(text)) => Some(text.clone()),
        Some(Attribute::Strs(texts)) => texts.first().cloned(),
        _ => None,
    };
    let config = crate::config::json::parse(&text("model_config").unwrap()).unwrap();
    (config, Origin { keras_version: text("keras_version"), backend: text("backend") })
}

#[test]
#[allow(clippy::print_stderr)]
fn configs_from_the_wild_are_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/wild");
    let paths = files(&folder, "h5");
    if paths.is_empty() {
        eprintln!("SKIPPED: there are no models from the wild in {}", folder.display());
        return;
    }
    let mut wrong = Vec::new();
    for path in &paths {
        let (config, origin) = legacy(path);
        let (config, changes) = modern(config, &origin);
        assert!(!changes.is_empty(), "{}", path.display());
        if let Err(error) = read(&config) {
            wrong.push(format!("{}: {error}", path.file_name().unwrap().display()));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), paths.len(), wrong.join("\n"));
}

#[test]
fn a_list_of_layers_is_a_model() {
    let dense = json!({
        "batch_input_shape": [null, 4], "name": "dense_1", "output_dim": 3, "init": "glorot_uniform",
        "activation": "hard_sigmoid", "W_regularizer": {"name": "L1L2Regularizer", "l1": 0.0, "l2": 0.5},
        "b_regularizer": null, "activity_regularizer": null, "W_constraint": {"name": "MaxNorm", "m": 2, "axis": 0},
        "b_constraint": null, "bias": true, "input_dim": 4, "input_dtype": "float32", "trainable": true,
    });
    let layers = json!([{"class_name": "Dense", "config": dense}, {"class_name": "Dropout", "config": {"p": 0.5, "name": "d"}}]);
    let (config, changes) = modern(json!({"class_name": "Sequential", "config": layers}), &Origin::default());
    read(&config).unwrap();
    let layers = &config["config"]["layers"];
    assert_eq!(config["module"], "keras");
    assert_eq!(layers[0]["config"]["batch_shape"], json!([null, 4]));
    assert_eq!(layers[0]["config"]["name"], "dense_1_input");
    let dense = &layers[1]["config"];
    assert_eq!(dense["units"], 3);
    assert_eq!(dense["activation"], activations::hard_sigmoid());
    assert_eq!(dense["kernel_regularizer"]["config"], json!({"l1": 0.0, "l2": 0.5}));
    assert_eq!(dense["kernel_constraint"]["config"], json!({"max_value": 2, "axis": 0}));
    assert_eq!(layers[2]["config"]["rate"], 0.5);
    let renamed = Change {
        place: "Sequential/dense_1".to_owned(),
        what: "renamed \"output_dim\" to \"units\"".to_owned(),
    };
    assert!(changes.contains(&renamed), "{changes:#?}");
}

#[test]
fn what_is_not_neutral_is_refused_all_at_once() {
    let layer = |class: &str, name: &str, key: &str, value: Json| json!({"class_name": class, "config": {"name": name, "units": 2, key: value}});
    let layers = json!([
        {"class_name": "InputLayer", "config": {"batch_input_shape": [null, 3, 4], "name": "in"}},
        layer("LSTM", "a", "time_major", true.into()),
        layer("DepthwiseConv2D", "b", "groups", 2.into()),
        layer("MaxoutDense", "c", "nb_feature", 2.into()),
    ]);
    let config = json!({"class_name": "Sequential", "config": {"name": "s", "layers": layers}});
    let error = read(&modern(config, &from("2.3.1")).0).unwrap_err().to_string();
    for named in ["time_major", "groups", "MaxoutDense"] {
        assert!(error.contains(named), "{named} in {error}");
    }
}

fn functional(layers: Json, outputs: Json) -> Json {
    json!({"class_name": "Model", "config": {
        "name": "m", "layers": layers, "input_layers": [["x", 0, 0]], "output_layers": outputs,
    }})
}

fn input(name: &str) -> Json {
    json!({"class_name": "InputLayer", "name": name, "inbound_nodes": [],
        "config": {"batch_input_shape": [null, 4], "dtype": "float32", "name": name}})
}

#[test]
fn calls_of_models_count_from_zero() {
    let inner = json!({"class_name": "Sequential", "name": "inner",
        "inbound_nodes": [[["x", 0, 0, {}]], [["d", 0, 0, {}]]],
        "config": [{"class_name": "Dense", "config": {"name": "e", "units": 4, "batch_input_shape": [null, 4]}}]});
    let dense = json!({"class_name": "Dense", "name": "d", "config": {"name": "d", "units": 4},
        "inbound_nodes": [[["inner", 1, 0, {}]]]});
    let (config, _) =
        modern(functional(json!([input("x"), inner, dense]), json!([["inner", 2, 0]])), &from("2.2.4"));
    read(&config).unwrap();
    let config = &config["config"];
    let call = &config["layers"][2]["inbound_nodes"][0]["args"][0]["config"];
    assert_eq!(call["keras_history"], json!(["inner", 0, 0]));
    assert_eq!(config["output_layers"], json!(["inner", 1, 0]));
    assert_eq!(config["input_layers"], json!(["x", 0, 0]));
}

#[test]
fn states_and_constants_are_arguments() {
    let lstm = json!({"class_name": "LSTM", "name": "l", "config": {"name": "l", "units": 4},
        "inbound_nodes": [[["x", 0, 0, {}], ["y", 0, 0, {}], ["y", 0, 0, {}]]]});
    let add = json!({"class_name": "TFOpLambda", "name": "a", "config": {"name": "a", "function": "__operators__.add"},
        "inbound_nodes": [["l", 0, 0, {"y": ["y", 0, 0], "name": null}]]});
    let (config, _) =
        modern(functional(json!([input("x"), input("y"), lstm, add]), json!([["a", 0, 0]])), &from("2.4.0"));
    let layers = &config["config"]["layers"];
    let call = &layers[2]["inbound_nodes"][0];
    assert_eq!(call["args"].as_array().unwrap().len(), 1);
    assert_eq!(call["kwargs"]["initial_state"][1]["config"]["keras_history"], json!(["y", 0, 0]));
    let call = &layers[3]["inbound_nodes"][0];
    assert_eq!(call["kwargs"]["y"]["config"]["shape"], json!([null, 4]));
}

#[test]
fn joined_models_become_one_graph() {
    let branch = |name: &str| {
        let dense = json!({"name": name, "output_dim": 2, "batch_input_shape": [null, 4]});
        json!({"class_name": "Sequential", "config": [{"class_name": "Dense", "config": dense}]})
    };
    let merge = json!({"name": "merge_1", "mode": "concat", "mode_type": "raw", "concat_axis": -1, "dot_axes": -1,
        "output_shape": null, "output_shape_type": "raw", "output_mask": null, "output_mask_type": "raw",
        "arguments": {}, "layers": [branch("a"), branch("b")]});
    let layers = json!([{"class_name": "Merge", "config": merge},
        {"class_name": "Dense", "config": {"name": "c", "output_dim": 1}}]);
    let (config, _) = modern(json!({"class_name": "Sequential", "config": layers}), &Origin::default());
    read(&config).unwrap();
    assert_eq!(config["config"]["input_layers"], json!([["a_input", 0, 0], ["b_input", 0, 0]]));
}

#[test]
fn functions_of_others_are_not_those_of_keras() {
    let lambda = |module: &str| {
        let config = json!({"name": "l", "function": "relu", "function_type": "function", "module": module,
            "output_shape": null, "output_shape_type": "raw", "output_shape_module": null, "arguments": {}});
        let layers = json!([input("x"), {"class_name": "Lambda", "config": config}]);
        modern(json!({"class_name": "Sequential", "config": {"name": "s", "layers": layers}}), &from("2.4.0"))
            .0
    };
    read(&lambda("tensorflow.python.keras.activations")).unwrap();
    let error = read(&lambda("__main__")).unwrap_err().to_string();
    assert!(error.contains("__main__.relu"), "{error}");
}

#[test]
fn values_of_keras_2_are_plain() {
    let config = json!({"class_name": "Sequential", "config": {"name": "s", "layers": [
        {"class_name": "InputLayer", "config": {"name": "i", "sparse": false,
            "batch_input_shape": {"class_name": "__tuple__", "items": [null, 4]}}},
        {"class_name": "LeakyReLU", "config": {"name": "r", "alpha": {"type": "ndarray", "value": 0.25}}},
    ], "__passive_serialization__": true}});
    let (config, _) = modern(config, &from("2.1.3"));
    read(&config).unwrap();
    assert_eq!(config["config"]["layers"][0]["config"]["batch_shape"], json!([null, 4]));
    assert_eq!(config["config"]["layers"][1]["config"]["negative_slope"], 0.25);
}
