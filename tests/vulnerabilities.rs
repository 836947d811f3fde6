//! Attacks on Keras that are known, and those on the formats that it uses: one test for each. Every file
//! here is refused by name, without anything outside of it being opened, and at little cost.

#[path = "common/damage.rs"]
mod damage;
#[path = "../fuzz/targets.rs"]
mod targets;

use std::path::{Path, PathBuf};
use std::process::Command;

use burn::tensor::Device;
use burn_keras::{Error, ErrorKind, KerasFile, KerasModel, Limits};
use damage::{fixture, watched};
use serde_json::{Value as Json, json};
use targets::{pack, unpack};
use tempfile::TempDir;

/// The most memory that a refusal may take, in mebibytes.
const MOST_MEMORY: f32 = 64.0;

/// How the place is marked in fixtures where the path of a file stands that nobody may open.
const OUTSIDE: &str = "/outside";
const OUTSIDE_LENGTH: usize = 127;

fn hostile(name: &str) -> Vec<u8> {
    std::fs::read(fixture("hostile").join(name)).unwrap()
}

/// A folder with a pipe in it: whoever opens that waits for ever, and the watchdog ends the test.
fn trap() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("outside");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    (folder, pipe)
}

/// Weights that lead to the pipe.
fn trapped(name: &str, pipe: &Path) -> Vec<u8> {
    let mut bytes = hostile(name);
    let path = pipe.to_str().unwrap();
    let path = format!("{}{path}", "/".repeat(OUTSIDE_LENGTH - path.len()));
    let marked = format!("{}{}", "/".repeat(OUTSIDE_LENGTH - OUTSIDE.len()), OUTSIDE);
    let at = bytes.windows(OUTSIDE_LENGTH).position(|window| window == marked.as_bytes());
    let at = at.unwrap_or_else(|| panic!("{name} leads nowhere"));
    bytes[at..at + OUTSIDE_LENGTH].copy_from_slice(path.as_bytes());
    bytes
}

/// The config of a `Dense(5)` that takes 7 numbers.
fn dense() -> Json {
    let members = unpack(&std::fs::read(fixture("core/dense.keras")).unwrap()).unwrap();
    let config = members.iter().find(|(name, _)| name == "config.json").unwrap();
    serde_json::from_slice(&config.1).unwrap()
}

fn archive_of(config: &[u8], weights: &[u8]) -> Vec<u8> {
    let members = [("config.json", config), ("model.weights.h5", weights)];
    pack(&members.map(|(name, bytes)| (name.to_owned(), bytes.to_vec())))
}

fn with_config(config: &Json) -> Vec<u8> {
    archive_of(config.to_string().as_bytes(), &hostile("nothing.h5"))
}

fn with_weights(weights: &[u8]) -> Vec<u8> {
    archive_of(dense().to_string().as_bytes(), weights)
}

/// The config with one more layer.
fn with_layer(module: &str, class: &str, config: Json) -> Vec<u8> {
    let mut json = dense();
    let entry = json!({"module": module, "class_name": class, "config": config, "registered_name": null});
    json["config"]["layers"].as_array_mut().unwrap().push(entry);
    with_config(&json)
}

fn with_activation(activation: Json) -> Vec<u8> {
    let mut json = dense();
    json["config"]["layers"][1]["config"]["activation"] = activation;
    with_config(&json)
}

fn function(module: &str, name: &str) -> Json {
    json!({"module": module, "class_name": "function", "config": name, "registered_name": name})
}

fn lambda(function: Json, arguments: Json) -> Vec<u8> {
    with_layer(
        "keras.layers",
        "Lambda",
        json!({"name": "evil", "function": function, "arguments": arguments}),
    )
}

fn load(bytes: Vec<u8>) -> Result<KerasModel, Error> {
    let name = format!("an archive of {} bytes", bytes.len());
    watched(&name, MOST_MEMORY, || KerasModel::from_bytes(bytes, &Device::flex()))
}

#[track_caller]
fn assert_refusal(error: &Error, kind: ErrorKind, words: &str) {
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().contains(words), "{error}");
}

#[track_caller]
fn refused(bytes: Vec<u8>, kind: ErrorKind, words: &str) {
    assert_refusal(&load(bytes).expect_err("a hostile file was loaded"), kind, words);
}

/// What the others are compared with: the same without the evil loads.
#[test]
fn harmless_files_are_loaded() {
    assert!(load(with_config(&dense())).is_ok());
    assert!(load(with_activation(function("builtins", "relu"))).is_ok());
}

#[test]
fn cve_2024_3660_lambda_bytecode_is_never_run() {
    let code = "4wEAAAAAAAAAAAAAAAAAAAABAAAABAAAAEMAAADzDAAAAGQBewBkAgQAUwA=";
    let of_keras_3 =
        json!({"class_name": "__lambda__", "config": {"code": code, "defaults": null, "closure": null}});
    let of_keras_2 = json!([code, null, null]);
    for function in [&of_keras_3, &of_keras_2] {
        refused(lambda(function.clone(), json!({})), ErrorKind::Unsupported, "Python code is never run");
    }
    refused(
        with_activation(of_keras_3.clone()),
        ErrorKind::Unsupported,
        "unknown layer class \"__lambda__\"",
    );
    let mut json = dense();
    json["config"]["layers"].as_array_mut().unwrap().push(of_keras_3);
    refused(with_config(&json), ErrorKind::Unsupported, "unknown layer class \"__lambda__\"");
}

#[test]
fn cve_2025_1550_modules_are_never_imported() {
    for (module, name) in [("builtins", "eval"), ("os", "system"), ("subprocess", "Popen"), ("pty", "spawn")]
    {
        refused(lambda(function(module, name), json!({"x": "id"})), ErrorKind::Unsupported, "is never run");
        let unknown = format!("unknown activation {name:?}");
        refused(with_activation(function(module, name)), ErrorKind::Unsupported, &unknown);
        let unknown = format!("unknown layer class {name:?}");
        refused(with_layer(module, name, json!({"args": ["id"]})), ErrorKind::Unsupported, &unknown);
        // As the published exploit has it: a function in place of a layer, called with the code.
        let mut json = dense();
        let mut entry = function(module, name);
        entry["inbound_nodes"] = json!([{"args": ["id"], "kwargs": {}}]);
        json["config"]["layers"].as_array_mut().unwrap().push(entry);
        refused(with_config(&json), ErrorKind::Config, "expected an object with class_name and config");
    }
}

#[test]
fn cve_2025_8747_utilities_of_keras_are_no_functions() {
    let arguments = json!({"fname": "evil.tar", "origin": "http://127.0.0.1:9/evil.tar", "extract": true});
    for (module, name) in [
        ("keras.utils", "get_file"),
        ("keras.src.utils.file_utils", "get_file"),
        ("keras.models", "load_model"),
        ("keras.saving", "deserialize_keras_object"),
    ] {
        refused(lambda(function(module, name), arguments.clone()), ErrorKind::Unsupported, name);
        refused(with_activation(function(module, name)), ErrorKind::Unsupported, "unknown activation");
        refused(with_layer(module, name, arguments.clone()), ErrorKind::Unsupported, "unknown layer class");
    }
}

#[test]
fn cve_2025_9905_legacy_hdf5_files_have_the_same_rules() {
    refused(hostile("legacy_lambda.h5"), ErrorKind::Unsupported, "Python code is never run");
    assert!(load(hostile("legacy.h5")).is_ok());
}

#[test]
fn cve_2025_9906_no_file_can_allow_code() {
    let name = "enable_unsafe_deserialization";
    for module in ["keras.config", "keras.src.saving.serialization_lib"] {
        refused(
            lambda(function(module, name), json!({})),
            ErrorKind::Unsupported,
            "Python code is never run",
        );
        refused(with_activation(function(module, name)), ErrorKind::Unsupported, "unknown activation");
    }
    let layer = json!({"name": "evil", "function": ["4wEAAAA=", null, null], "safe_mode": false});
    refused(with_layer("keras.layers", "Lambda", layer), ErrorKind::Unsupported, "Python code is never run");
}

#[test]
fn cve_2025_12058_vocabulary_files_are_never_opened() {
    let (_folder, pipe) = trap();
    let path = pipe.to_str().unwrap();
    for vocabulary in [path, &format!("file://{path}"), "http://127.0.0.1:9/vocabulary.txt", "/etc/passwd"] {
        for class in ["StringLookup", "IntegerLookup", "TextVectorization"] {
            let layer = json!({"name": "evil", "vocabulary": vocabulary});
            let words = "vocabulary: a vocabulary in a file of its own: such files are never opened";
            refused(with_layer("keras.layers", class, layer), ErrorKind::Unsupported, words);
        }
    }
}

/// As CVE-2025-12638, which is the same in another place.
#[test]
fn cve_2025_12060_nothing_is_ever_extracted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inner/model.keras");
    std::fs::create_dir(folder.path().join("inner")).unwrap();
    let mut tar = vec![0; 1024];
    tar[..10].copy_from_slice(b"../escaped");
    tar[257..262].copy_from_slice(b"ustar");
    let mut members = unpack(&with_config(&dense())).unwrap();
    members.push(("assets/evil.tar".into(), tar.clone()));
    let harmless = pack(&members);
    members.push(("../escaped".into(), b"x".to_vec()));
    for (bytes, words) in
        [(pack(&members), "leaves the archive with \"..\""), (tar, "expected a .keras archive")]
    {
        std::fs::write(&path, bytes).unwrap();
        let error = KerasModel::load(&path, &Device::flex()).expect_err("a hostile file was loaded");
        assert_refusal(&error, ErrorKind::Damaged, words);
    }
    std::fs::write(&path, harmless).unwrap();
    KerasModel::load(&path, &Device::flex()).unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    assert_eq!(std::fs::read_dir(folder.path().join("inner")).unwrap().count(), 1);
}

#[test]
fn cve_2026_0897_hdf5_shape_bombs() {
    refused(with_weights(&hostile("shape_bomb.h5")), ErrorKind::Limit, "times as much");
    refused(with_weights(&hostile("shape_bomb_in_chunks.h5")), ErrorKind::Limit, "times as much");
    refused(with_weights(&hostile("shape_overflow.h5")), ErrorKind::Damaged, "is not possible");
    refused(with_weights(&hostile("unlimited_bomb.h5")), ErrorKind::Limit, "more than the limit");
}

#[test]
fn hdf5_external_links() {
    let (_folder, pipe) = trap();
    for name in ["external_link.h5", "external_link_to_group.h5"] {
        let words = "links to other files are refused";
        refused(with_weights(&trapped(name, &pipe)), ErrorKind::Unsupported, words);
    }
}

#[test]
fn cve_2026_1669_hdf5_external_storage() {
    let (_folder, pipe) = trap();
    let words = "\"layers/dense/vars/0\": data in other files is refused";
    refused(with_weights(&trapped("external_storage.h5", &pipe)), ErrorKind::Unsupported, words);
}

#[test]
fn hdf5_virtual_datasets() {
    let (_folder, pipe) = trap();
    let words = "virtual datasets lead to other files and are refused";
    refused(with_weights(&trapped("virtual_dataset.h5", &pipe)), ErrorKind::Unsupported, words);
}

#[test]
fn hdf5_soft_links() {
    for name in ["soft_link.h5", "soft_link_loop.h5", "dangling_soft_link.h5"] {
        refused(with_weights(&hostile(name)), ErrorKind::Unsupported, "soft links are refused");
    }
}

#[test]
fn hdf5_hard_link_loops_and_bombs() {
    refused(with_weights(&hostile("hard_link_cycle.h5")), ErrorKind::Damaged, "the group contains itself");
    refused(with_weights(&hostile("hard_link_bomb.h5")), ErrorKind::Limit, "objects of a file of this size");
}

#[test]
fn hdf5_filter_bombs() {
    refused(with_weights(&hostile("filter_bomb.h5")), ErrorKind::Weights, "expected the shape [7, 5]");
    refused(with_weights(&hostile("many_filters.h5")), ErrorKind::Limit, "times as much");
    refused(with_weights(&hostile("lzf_twice.h5")), ErrorKind::Unsupported, "LZF together with filter 32000");
    // Whoever asks for all of it gets it up to the limits.
    let limits = Limits { expansion: 100, expansion_floor: 1 << 20, ..Limits::default() };
    let error = burn_keras::read_hdf5(hostile("filter_bomb.h5").into(), &limits).unwrap_err();
    assert_refusal(&error, ErrorKind::Limit, "times as much");
}

#[test]
fn hdf5_deep_nesting_and_long_texts() {
    refused(with_weights(&hostile("deep_nesting.h5")), ErrorKind::Limit, "nesting of groups");
    let limits = Limits { text_bytes: 100_000, ..Limits::default() };
    for name in ["huge_attribute.h5", "long_names.h5"] {
        let error = burn_keras::read_hdf5(hostile(name).into(), &limits).unwrap_err();
        assert_refusal(&error, ErrorKind::Limit, "text in paths and attributes");
    }
    refused(with_weights(&hostile("huge_attribute.h5")), ErrorKind::Limit, "of a file of this size");
}

#[test]
fn hdf5_objects_that_are_no_numbers() {
    let words = "layers/dense/vars/0: expected the shape [7, 5]";
    refused(with_weights(&hostile("object_reference.h5")), ErrorKind::Weights, words);
    let words = "expected a group or a dataset, got neither";
    refused(with_weights(&hostile("named_datatype.h5")), ErrorKind::Unsupported, words);
}

#[test]
fn zip_bombs() {
    let huge = vec![b' '; 64 << 20];
    let mut members = unpack(&with_config(&dense())).unwrap();
    let mut config = members[0].1.clone();
    config.extend(&huge);
    let bomb = archive_of(&config, &hostile("nothing.h5"));
    assert!(bomb.len() < 1 << 20);
    refused(bomb, ErrorKind::Limit, "times as much");
    // In a member that loading does not need, and saving would copy.
    members.push(("assets/bomb".into(), huge));
    refused(pack(&members), ErrorKind::Limit, "times as much");
}

/// Many entries that lead to the same bytes.
#[test]
fn zip_bombs_of_overlapping_members() {
    let noise: Vec<u8> =
        (0..1 << 16_u32).map(|at: u32| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let mut members = unpack(&with_config(&dense())).unwrap();
    members.extend((0..100).map(|number| (format!("assets/{number:03}"), Vec::new())));
    members.push(("assets/100".into(), noise));
    let mut bytes = pack(&members);
    let end = bytes.len();
    let places: Vec<usize> = (0..end - 46).filter(|at| bytes[*at..].starts_with(b"PK\x01\x02")).collect();
    let last = bytes[*places.last().unwrap()..][..46].to_vec();
    for at in &places[2..] {
        // Checksum, sizes, and the place of the local header.
        bytes[at + 10..at + 12].copy_from_slice(&last[10..12]);
        bytes[at + 16..at + 28].copy_from_slice(&last[16..28]);
        bytes[at + 42..at + 46].copy_from_slice(&last[42..46]);
    }
    refused(bytes, ErrorKind::Damaged, "the members overlap");
}

#[test]
fn zip_path_traversal() {
    for name in ["../x", "/etc/x", "assets/../../x", "C:/x", "assets\\..\\x", "assets//x", "./x"] {
        let mut members = unpack(&with_config(&dense())).unwrap();
        members.push((name.into(), b"x".to_vec()));
        refused(pack(&members), ErrorKind::Damaged, "the name of member");
    }
}

#[test]
fn zip_duplicates_checksums_and_symbolic_links() {
    let whole = with_config(&dense());
    let twice = archive_of(b"{}", b"");
    let members = [unpack(&whole).unwrap(), vec![("config.jso2".into(), b"{}".to_vec())]].concat();
    let mut bytes = pack(&members);
    let places: Vec<usize> =
        (0..bytes.len() - 11).filter(|at| bytes[*at..].starts_with(b"config.jso2")).collect();
    for at in places {
        bytes[at + 10] = b'n';
    }
    refused(bytes, ErrorKind::Damaged, "two members");
    let mut bytes = twice;
    let at = bytes.windows(4).position(|window| window == b"PK\x01\x02").unwrap();
    bytes[at + 16] ^= 1;
    refused(bytes, ErrorKind::Damaged, "member \"config.json\"");
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.add_symlink("config.json", "/etc/passwd", zip::write::SimpleFileOptions::default()).unwrap();
    refused(zip.finish().unwrap().into_inner(), ErrorKind::Damaged, "is a symbolic link");
}

#[test]
fn directories_with_links_and_pipes() {
    let (folder, pipe) = trap();
    let error = KerasModel::load(&pipe, &Device::flex()).expect_err("a pipe was loaded");
    assert_refusal(&error, ErrorKind::Input, "is not a regular file");
    for (name, bytes) in unpack(&with_config(&dense())).unwrap() {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    let load = || watched("a directory", MOST_MEMORY, || KerasModel::load(folder.path(), &Device::flex()));
    assert_refusal(&load().unwrap_err(), ErrorKind::Damaged, "member \"outside\" is not a regular file");
    std::fs::remove_file(&pipe).unwrap();
    load().unwrap();
    std::os::unix::fs::symlink("/", folder.path().join("assets")).unwrap();
    assert_refusal(&load().unwrap_err(), ErrorKind::Damaged, "member \"assets\" is a symbolic link");
}

#[test]
fn layers_with_foreign_graphs() {
    for (module, class) in [
        ("keras.layers", "TFSMLayer"),
        ("keras.layers", "TorchModuleWrapper"),
        ("keras.layers", "JaxLayer"),
        ("keras.layers", "FlaxLayer"),
        ("tensorflow_hub.keras_layer", "KerasLayer"),
    ] {
        let config = json!({"name": "evil", "filepath": "/etc", "call_endpoint": "serve", "handle": "http://127.0.0.1:9"});
        let words = format!("unknown layer class {class:?}");
        refused(with_layer(module, class, config), ErrorKind::Unsupported, &words);
    }
}

#[test]
fn pickles_are_never_read() {
    let pickle = b"\x80\x04cos\nsystem\n(S'id'\ntR.".to_vec();
    refused(pickle.clone(), ErrorKind::Damaged, "got a Python pickle");
    refused(with_weights(&pickle), ErrorKind::Damaged, "model.weights.h5: HDF5");
    refused(archive_of(&pickle, &hostile("nothing.h5")), ErrorKind::Damaged, "config.json");
}

#[test]
fn weights_in_npz_files() {
    let mut members = unpack(&with_config(&dense())).unwrap();
    members[1].0 = "model.weights.npz".into();
    refused(pack(&members), ErrorKind::Unsupported, "weights in a model.weights.npz");
}

/// A layer, a call of it, and an output of that.
type Output<'a> = (&'a str, u64, u64);

/// A graph of `Identity` layers, each called with what `from` says.
fn graph(from: &[(&str, &[Output<'_>])]) -> Json {
    let tensor = |history: &Output<'_>| {
        let (layer, call, output) = *history;
        json!({"class_name": "__keras_tensor__", "config": {"keras_history": [layer, call, output]}})
    };
    let input = json!({"module": "keras.layers", "class_name": "InputLayer", "name": "x",
        "config": {"name": "x", "batch_shape": [null, 7]}, "inbound_nodes": []});
    let entries = from.iter().map(|(name, calls)| {
        let calls: Vec<Json> =
            calls.iter().map(|call| json!({"args": [tensor(call)], "kwargs": {}})).collect();
        json!({"module": "keras.layers", "class_name": "Identity", "name": name, "config": {"name": name},
            "inbound_nodes": calls})
    });
    let layers: Vec<Json> = std::iter::once(input).chain(entries).collect();
    json!({"module": "keras", "class_name": "Functional", "config": {"name": "graph", "layers": layers,
        "input_layers": [["x", 0, 0]], "output_layers": [["last", 0, 0]]}})
}

#[test]
fn graphs_that_never_resolve() {
    let refused = |graph: Json, words: &str| refused(with_config(&graph), ErrorKind::Config, words);
    refused(graph(&[("a", &[("last", 0, 0)]), ("last", &[("a", 0, 0)])]), "the graph has a loop");
    refused(graph(&[("last", &[("last", 0, 0)])]), "the graph has a loop");
    refused(graph(&[("last", &[("nobody", 0, 0)])]), "no such call");
    refused(graph(&[("last", &[("x", 1, 0)])]), "no such call");
    refused(graph(&[("last", &[("x", 0, 1)])]), "refers to output 1 of a layer that has 1");
    refused(graph(&[("last", &[("x", u64::MAX, u64::MAX)])]), "no such call");
    refused(graph(&[("last", &[])]), "");
}

/// Each model calls the one in it twice: twenty of them are a million calls.
#[test]
fn graphs_that_double_at_every_level() {
    let mut inner = graph(&[("last", &[("x", 0, 0)])]);
    for depth in 0..20 {
        let mut outer = graph(&[("m", &[("x", 0, 0), ("m", 0, 0)])]);
        let mut entry = inner;
        entry["name"] = json!("m");
        entry["inbound_nodes"] = outer["config"]["layers"][1]["inbound_nodes"].take();
        outer["config"]["layers"][1] = entry;
        // Here, and only here, Keras counts the calls of a model from one.
        outer["config"]["output_layers"] = json!([["m", 2, 0]]);
        inner = outer;
        if depth == 2 {
            load(with_config(&inner)).unwrap();
        }
    }
    let error = load(with_config(&inner)).expect_err("a hostile graph was loaded");
    assert_refusal(&error, ErrorKind::Limit, "layers and calls of them");
}

/// What a megabyte of config asks for is done in seconds: no step takes the square of its size.
#[test]
fn graphs_that_are_wide() {
    let wide = |count: usize, entry: &dyn Fn(usize) -> Json| {
        let mut json = graph(&[("last", &[("x", 0, 0)])]);
        let layers = json["config"]["layers"].as_array_mut().unwrap();
        layers.extend((0..count).map(entry));
        json
    };
    let named = |class: &str, number: usize, from: Json| {
        json!({"module": "keras.layers", "class_name": class, "name": format!("l{number}"),
            "config": {"name": format!("l{number}")}, "inbound_nodes": from})
    };
    let chained = |number: usize| match number {
        0 => named("Identity", 0, json!([[["x", 0, 0]]])),
        _ => named("Identity", number, json!([[[format!("l{}", number - 1), 0, 0]]])),
    };
    let mut outputs = wide(5_000, &chained);
    outputs["config"]["output_layers"] =
        (0..5_000).map(|number| json!([format!("l{number}"), 0, 0])).collect();
    let mut again = wide(1, &chained);
    again["config"]["output_layers"] = vec![json!(["l0", 0, 0]); 50_000].into();
    let mut inputs = wide(5_000, &|number| {
        let mut input = named("InputLayer", number, json!([]));
        input["config"]["batch_shape"] = json!([null, 7]);
        input
    });
    inputs["config"]["input_layers"] = (0..5_000).map(|number| json!([format!("l{number}"), 0, 0])).collect();
    inputs["config"]["output_layers"] = inputs["config"]["input_layers"].clone();
    let mut calls = wide(0, &chained);
    calls["config"]["layers"][1]["inbound_nodes"] = vec![json!([["x", 0, 0]]); 20_000].into();
    calls["config"]["output_layers"] = (0..20_000).map(|call| json!(["last", call, 0])).collect();
    let mut split = wide(0, &chained);
    split["config"]["layers"][1] = json!({"module": "keras.src.ops.numpy", "class_name": "Split", "name": "last",
        "config": {"name": "last", "indices_or_sections": 7, "axis": 1}, "inbound_nodes": [[["x", 0, 0]]]});
    split["config"]["output_layers"] = (0..40_000).map(|at| json!(["last", 0, at % 7])).collect();
    for (name, loads, json) in [
        ("outputs", true, outputs),
        ("one output many times", true, again),
        ("inputs", true, inputs),
        ("calls", true, calls),
        ("split", true, split),
        ("unknown classes", false, wide(5_000, &|number| named("DenseButUnknown", number, json!([])))),
        ("misspelt keys", false, {
            let mut json = dense();
            for key in 0..5_000 {
                json["config"]["layers"][1]["config"][format!("kernel_initialiser_{key}")] = json!(0);
            }
            json
        }),
    ] {
        let bytes = with_config(&json);
        let result = watched(name, 2.0 * MOST_MEMORY, || KerasModel::from_bytes(bytes, &Device::flex()));
        assert_eq!(result.is_ok(), loads, "{name}: {:?}", result.err());
    }
    // Layers in layers in layers.
    let wrap = |class: &str, key: &str, inner: Json| json!({"module": "keras.layers", "class_name": class, "config": {"name": "w", key: inner}});
    for (class, key, list) in [
        ("TimeDistributed", "layer", false),
        ("SpectralNormalization", "layer", false),
        ("Pipeline", "layers", true),
        ("StackedRNNCells", "cells", true),
        ("Sequential", "layers", true),
    ] {
        let mut layer =
            json!({"module": "keras.layers", "class_name": "Dense", "config": {"name": "d", "units": 7}});
        for _ in 0..36 {
            layer = wrap(class, key, if list { json!([layer]) } else { layer });
        }
        let mut json = dense();
        json["config"]["layers"].as_array_mut().unwrap().push(layer);
        let bytes = with_config(&json);
        load(bytes).expect_err(class);
    }
}

#[test]
fn json_bombs() {
    let weights = hostile("nothing.h5");
    let deep = |count| format!("{}{}", "[".repeat(count), "]".repeat(count)).into_bytes();
    for depth in [130, 1_000_000] {
        refused(
            archive_of(&deep(depth), &weights),
            ErrorKind::Limit,
            "config.json: not JSON: recursion limit",
        );
    }
    // Twenty bytes of memory and more for every one of text.
    let digits: String = (0..10_000_010_u32).map(|at| if at % 7 == 0 { "1," } else { "0," }).collect();
    let wide = format!("[{digits}0]").into_bytes();
    let bytes = watched("packing", f32::INFINITY, || archive_of(&wide, &weights));
    let result = watched("a wide document", 160.0, || KerasModel::from_bytes(bytes, &Device::flex()));
    assert_refusal(&result.unwrap_err(), ErrorKind::Limit, "values of the JSON document");
    let limits = Limits { json_bytes: 1_000, ..Limits::default() };
    let error = KerasFile::from_bytes(with_config(&dense()), &limits).unwrap_err();
    assert_refusal(&error, ErrorKind::Limit, "config.json: size of JSON in bytes");
    for (units, kind) in [
        ("NaN", ErrorKind::Config),
        ("1e999", ErrorKind::Damaged),
        ("99999999999999999999999", ErrorKind::Config),
    ] {
        let config = dense().to_string().replace("\"units\":5", &format!("\"units\":{units}"));
        refused(archive_of(config.as_bytes(), &weights), kind, "");
    }
    // The last one counts, as it does for Python.
    let config = dense().to_string().replace("\"units\":5", "\"units\":6,\"units\":5");
    assert!(load(archive_of(config.as_bytes(), &weights)).is_ok());
}

/// A description without weights gets fresh ones: as many as it asks for, up to a limit.
#[test]
fn descriptions_may_not_ask_for_much() {
    let mut json = dense();
    assert!(load(json.to_string().into_bytes()).is_ok());
    json["config"]["layers"][1]["config"]["units"] = json!(2_000_000_000);
    refused(json.to_string().into_bytes(), ErrorKind::Limit, "fresh values in bytes");
}

/// Messages repeat names, and there may be as many messages as there are bytes.
#[test]
fn messages_stay_small() {
    let long = "n".repeat(1 << 20);
    refused(with_layer("keras.layers", &long, json!({})), ErrorKind::Limit, "length of a name");
    let mut evil = json!({"name": "evil"});
    for key in 0..20_000 {
        evil[format!("k{key}")] = json!(0);
    }
    let error = load(with_layer("keras.layers", "Identity", evil)).expect_err("unknown keys were accepted");
    assert_refusal(&error, ErrorKind::Unsupported, "there may be more problems than these");
    assert!(error.problems().count() < 10_100 && error.to_string().len() < 1 << 21);
    for key in ["name", "class_name", "units", "activation", "dtype"] {
        let mut json = dense();
        let layer = &mut json["config"]["layers"][1];
        let place = if key == "class_name" { &mut layer[key] } else { &mut layer["config"][key] };
        *place = json!(long);
        let error = load(with_config(&json)).expect_err("a hostile name was accepted");
        assert!(error.to_string().len() < 10_000, "{key}: {}", error.to_string().len());
    }
}

/// A SavedModel in a folder of its own.
fn saved_model(name: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for part in ["", "variables", "assets"] {
        let from = fixture("saved_model").join(name).join(part);
        std::fs::create_dir_all(folder.path().join(part)).unwrap();
        for entry in std::fs::read_dir(from).into_iter().flatten().map(|entry| entry.unwrap().path()) {
            if entry.is_file() {
                std::fs::copy(&entry, folder.path().join(part).join(entry.file_name().unwrap())).unwrap();
            }
        }
    }
    folder
}

fn load_folder(folder: &TempDir) -> Result<KerasModel, Error> {
    watched("a SavedModel", MOST_MEMORY, || KerasModel::load(folder.path(), &Device::flex()))
}

/// Its graph may read and write files. Only what describes the layers is read.
#[test]
fn saved_models_are_never_run() {
    let folder = saved_model("dense_bn");
    load_folder(&folder).unwrap();
    // Another operation in the graph changes nothing, since nobody asks for it.
    let path = folder.path().join("saved_model.pb");
    let mut graph = std::fs::read(&path).unwrap();
    let mut replaced = 0;
    for at in 0..graph.len() - 6 {
        if graph[at..].starts_with(b"MatMul") {
            graph[at..at + 6].copy_from_slice(b"PyFunc");
            replaced += 1;
        }
    }
    assert!(replaced > 0);
    std::fs::write(&path, graph).unwrap();
    load_folder(&folder).unwrap();
    // Without a description there is nothing but the graph.
    std::fs::remove_file(folder.path().join("keras_metadata.pb")).unwrap();
    assert_refusal(&load_folder(&folder).unwrap_err(), ErrorKind::Unsupported, "which layers it is made");
}

#[test]
fn saved_models_with_links_pipes_and_wrong_sizes() {
    for name in ["saved_model.pb", "keras_metadata.pb", "variables/variables.index"] {
        let folder = saved_model("dense_bn");
        let path = folder.path().join(name);
        let bytes = std::fs::read(&path).unwrap();
        for length in [0, 1, bytes.len() / 2, bytes.len() - 1] {
            // The graph is not read where the description is.
            if name != "saved_model.pb" {
                std::fs::write(&path, &bytes[..length]).unwrap();
                assert_eq!(load_folder(&folder).unwrap_err().kind(), ErrorKind::Damaged);
            }
        }
        if name != "saved_model.pb" {
            std::fs::remove_file(&path).unwrap();
            std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
            assert_refusal(&load_folder(&folder).unwrap_err(), ErrorKind::Damaged, "is a symbolic link");
        }
        std::fs::remove_file(&path).unwrap();
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        assert!(load_folder(&folder).is_err());
    }
    let folder = saved_model("words");
    let vocabulary = folder.path().join("assets/vocabulary.txt");
    std::fs::remove_file(&vocabulary).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", &vocabulary).unwrap();
    assert_refusal(&load_folder(&folder).unwrap_err(), ErrorKind::Damaged, "is a symbolic link");
}

#[test]
fn regular_expressions_are_never_run() {
    let mut json = dense();
    json["config"]["layers"][1]["config"]["name"] = json!("a".repeat(100) + "!");
    let optimizer =
        json!({"name": "muon", "exclude_layers": ["(a+)+$", "(a|a)*b"], "exclude_embeddings": true});
    let optimizer = json!({"module": "keras.optimizers", "class_name": "Muon", "config": optimizer});
    json["compile_config"] = json!({"optimizer": optimizer, "loss": function("os", "system")});
    let model = load(with_config(&json)).unwrap();
    // What this crate does not need is text to it, and goes back as it was.
    let saved = unpack(&model.save_to_bytes().unwrap()).unwrap();
    let config = saved.iter().find(|(name, _)| name == "config.json").unwrap();
    let config: Json = serde_json::from_slice(&config.1).unwrap();
    assert_eq!(config["compile_config"], json["compile_config"]);
}
