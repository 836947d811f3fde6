//! The program, run as its users run it.

use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use burn::tensor::{DType, TensorData};
use npz::Array;
use program::{fail, fixture, program, run, text};
use serde_json::{Value as Json, json};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

#[path = "../src/bin/burn-keras/npz.rs"]
#[allow(dead_code, reason = "the program uses more of it")]
mod npz;
#[path = "common/program.rs"]
mod program;

/// What a successful run prints.
#[track_caller]
fn succeed(arguments: &[&str]) -> String {
    let output = run(arguments);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), stderr.as_str()), (Some(0), ""), "{arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// What is told of two models that are not the same.
#[track_caller]
fn differ(left: &Path, right: &Path) -> String {
    let output = run(&["diff", text(left), text(right)]);
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(1), &b""[..]));
    String::from_utf8(output.stdout).unwrap()
}

type Arrays = Vec<(String, Array)>;

/// The inputs and the outputs of a case, each under its name.
fn arrays(case: &str) -> (Arrays, Arrays) {
    let (mut inputs, mut outputs) = (Vec::new(), Vec::new());
    for (name, array) in npz::read(&fixture(&format!("{case}.npz"))).unwrap() {
        match name.strip_prefix("in/") {
            Some(input) => inputs.push((input.to_owned(), array)),
            None => outputs.push((name.rsplit('/').next().unwrap().to_owned(), array)),
        }
    }
    assert!(!inputs.is_empty() && !outputs.is_empty());
    (inputs, outputs)
}

#[track_caller]
fn assert_close(got: &Array, expected: &Array) {
    let (got, expected) = (got.clone().numbers().unwrap(), expected.clone().numbers().unwrap());
    assert_eq!(got.shape(), expected.shape());
    let (got, expected) = (got.as_slice::<f32>().unwrap(), expected.as_slice::<f32>().unwrap());
    let worst = got.iter().zip(expected).map(|(got, expected)| (got - expected).abs()).fold(0.0, f32::max);
    assert!(worst <= 1e-5, "off by {worst}");
}

/// A copy of a fixture whose `config.json` has been changed.
fn changed(fixture_name: &str, to: &Path, change: impl FnOnce(&mut Json)) {
    let file = std::fs::File::open(fixture(fixture_name)).unwrap();
    let mut old = zip::ZipArchive::new(file).unwrap();
    let mut new = ZipWriter::new(std::fs::File::create(to).unwrap());
    let mut change = Some(change);
    for index in 0..old.len() {
        let mut member = old.by_index(index).unwrap();
        let name = member.name().unwrap().into_owned();
        let mut bytes = Vec::new();
        std::io::copy(&mut member, &mut bytes).unwrap();
        if name == "config.json" {
            let mut config = serde_json::from_slice(&bytes).unwrap();
            change.take().unwrap()(&mut config);
            bytes = serde_json::to_vec(&config).unwrap();
        }
        new.start_file(name, SimpleFileOptions::default()).unwrap();
        new.write_all(&bytes).unwrap();
    }
    new.finish().unwrap();
    assert!(change.is_none());
}

/// Three layers, each with a fault of its own.
fn broken(to: &Path) {
    changed("core/dense_stack.keras", to, |config| {
        let layers = &mut config["config"]["layers"];
        layers[1]["config"]["units"] = json!(-3);
        layers[2]["class_name"] = json!("Dennse");
        layers[3]["config"]["unitz"] = json!(4);
    });
}

const FAULTS: &[&str] = &[
    "layers[1] \"dense\" (Dense).units: expected",
    "layers[2] \"dense_1\" (Dennse): unknown layer class \"Dennse\"; did you mean \"Dense\"?",
    "layers[3] \"dense_2\" (Dense).unitz: unknown key; did you mean \"units\"?",
];

#[test]
fn predict_gives_what_keras_gave() {
    let folder = tempfile::tempdir().unwrap();
    for case in ["core/dense", "core/dense_stack", "core/dense_rank3", "merge/add_of_dense"] {
        let model = fixture(&format!("{case}.keras"));
        let (inputs, expected) = arrays(case);
        let (from, to) = (folder.path().join("in.npz"), folder.path().join("out.npz"));
        npz::write(&from, &inputs).unwrap();
        for extra in [&[][..], &["--batch-size", "1"], &["--device", "flex"]] {
            let forms = ["predict", text(&model), "--inputs", text(&from), "--outputs", text(&to)];
            assert_eq!(succeed(&[&forms, extra].concat()), "");
            let got = npz::read(&to).unwrap();
            assert_eq!(got.len(), expected.len());
            for ((name, got), (expected_name, expected)) in got.iter().zip(&expected) {
                assert_eq!(name, expected_name);
                assert_close(got, expected);
            }
            std::fs::remove_file(&to).unwrap();
        }
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "something was left behind");
}

#[test]
fn predict_takes_single_arrays_of_any_name_and_type() {
    let folder = tempfile::tempdir().unwrap();
    let model = fixture("core/dense.keras");
    let (inputs, expected) = arrays("core/dense");
    let double = inputs[0].1.clone().numbers().unwrap().convert_dtype(DType::F64);
    let single = folder.path().join("in.npy");
    npz::write(&single, &[(String::new(), inputs[0].1.clone())]).unwrap();
    let renamed = folder.path().join("renamed.npz");
    npz::write(&renamed, &[("whatever".to_owned(), double.into())]).unwrap();
    let to = folder.path().join("out.npy");
    for from in [&single, &renamed] {
        std::fs::write(&to, "an older result").unwrap();
        succeed(&["predict", text(&model), "--inputs", text(from), "--outputs", text(&to)]);
        let got = npz::read(&to).unwrap();
        assert_close(&got[0].1, &expected[0].1);
    }
}

#[test]
fn predict_takes_and_gives_strings() {
    let folder = tempfile::tempdir().unwrap();
    let model = fixture("lookup/inverse.keras");
    let (inputs, expected) = arrays("lookup/inverse");
    let (from, to) = (folder.path().join("in.npy"), folder.path().join("out.npz"));
    let predict = ["predict", text(&model), "--inputs", text(&from), "--outputs", text(&to)];
    npz::write(&from, &inputs).unwrap();
    for extra in [&[][..], &["--batch-size", "1"]] {
        succeed(&[&predict, extra].concat());
        assert_eq!(npz::read(&to).unwrap(), expected);
    }
    npz::write(&from, &[(String::new(), TensorData::zeros::<f32, _>([2, 3]).into())]).unwrap();
    let error = fail(&predict);
    assert!(error.contains("expected strings, got elements of float32"), "{error}");
    npz::write(&from, &inputs).unwrap();
    let model = fixture("core/dense.keras");
    let error = fail(&["predict", text(&model), "--inputs", text(&from), "--outputs", text(&to)]);
    assert!(error.contains("expected numbers, got strings"), "{error}");
}

#[test]
fn several_outputs_keep_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model.keras");
    changed("merge/add_of_dense.keras", &model, |config| {
        config["config"]["output_layers"] = json!([["add", 0, 0], ["x", 0, 0]]);
    });
    let (inputs, expected) = arrays("merge/add_of_dense");
    let (from, to) = (folder.path().join("in.npz"), folder.path().join("out.npz"));
    npz::write(&from, &inputs).unwrap();
    succeed(&["predict", text(&model), "--inputs", text(&from), "--outputs", text(&to)]);
    let got = npz::read(&to).unwrap();
    assert_eq!(got.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["add", "x"]);
    assert_close(&got[0].1, &expected[0].1);
    let x = inputs.iter().find(|(name, _)| name == "x").unwrap();
    assert_close(&got[1].1, &x.1);

    let single = folder.path().join("out.npy");
    let error = fail(&["predict", text(&model), "--inputs", text(&from), "--outputs", text(&single)]);
    assert!(error.contains("a .npy file holds one array, the model gives [\"add\", \"x\"]"), "{error}");
}

#[test]
fn predict_says_what_is_wrong_with_its_inputs() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("in.npz"), folder.path().join("out.npz"));
    let predict = |case: &str, arrays: Arrays| {
        npz::write(&from, &arrays).unwrap();
        let model = fixture(&format!("{case}.keras"));
        let error = fail(&["predict", text(&model), "--inputs", text(&from), "--outputs", text(&to)]);
        assert!(!to.exists());
        error
    };
    let zeros = |shape: &[usize]| Array::from(TensorData::zeros::<f32, _>(shape.to_vec()));

    let error = predict("core/dense", vec![("x".to_owned(), zeros(&[2, 6]))]);
    assert!(error.contains("in.npz: input \"x\": expected the shape (None, 7), got [2, 6]"), "{error}");

    let error = predict(
        "merge/add_of_dense",
        vec![("x".to_owned(), zeros(&[2, 6])), ("z".to_owned(), zeros(&[2, 6]))],
    );
    assert!(error.contains("no input \"y\" among [\"x\", \"z\"]"), "{error}");
    assert!(error.contains("unknown input \"z\"; known are [\"x\", \"y\"]"), "{error}");

    let (model, none) = (fixture("core/dense.keras"), folder.path().join("none.npz"));
    let error = fail(&["predict", text(&model), "--inputs", text(&none), "--outputs", text(&to)]);
    assert!(error.starts_with("burn-keras: ") && error.contains("none.npz: cannot open"), "{error}");
    let error = fail(&["predict", text(&model), "--inputs", "in.csv", "--outputs", text(&to)]);
    assert!(error.contains("in.csv: expected a name that ends in .npz or .npy"), "{error}");
}

#[test]
fn a_fixed_batch_is_not_overruled() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("in.npz"), folder.path().join("out.npz"));
    let (inputs, expected) = arrays("core/input_fixed_batch");
    npz::write(&from, &inputs).unwrap();
    let model = fixture("core/input_fixed_batch.keras");
    let forms = ["predict", text(&model), "--inputs", text(&from), "--outputs", text(&to)];
    let error = fail(&[&forms[..], &["--batch-size", "1"]].concat());
    assert!(error.contains("fixed batch of") && error.contains("--batch-size 1"), "{error}");
    succeed(&forms);
    assert_close(&npz::read(&to).unwrap()[0].1, &expected[0].1);
}

#[test]
fn convert_goes_both_ways_and_replaces() {
    let folder = tempfile::tempdir().unwrap();
    let from = fixture("core/dense_stack.keras");
    let directory = format!("{}/model/", text(folder.path()));
    let back = folder.path().join("back.keras");
    std::fs::write(&back, "an older model").unwrap();
    let error = fail(&["convert", text(&from), text(&back)]);
    assert!(error.contains("may not be replaced"), "{error}");
    for _ in 0..2 {
        assert_eq!(succeed(&["convert", text(&from), &directory, "--overwrite"]), "");
        assert!(Path::new(&directory).join("config.json").is_file());
        assert_eq!(succeed(&["convert", &directory, text(&back), "--overwrite"]), "");
    }
    let facts = |model: &str| serde_json::from_str::<Json>(&succeed(&["inspect", model, "--json"])).unwrap();
    let (old, new) = (facts(text(&from)), facts(text(&back)));
    for key in ["name", "layers", "datasets", "keras_version", "date_saved"] {
        assert!(!old[key].is_null());
        assert_eq!(old[key], new[key], "{key}");
    }
    let (inputs, expected) = arrays("core/dense_stack");
    let (array, to) = (folder.path().join("in.npz"), folder.path().join("out.npz"));
    npz::write(&array, &inputs).unwrap();
    succeed(&["predict", text(&back), "--inputs", text(&array), "--outputs", text(&to)]);
    assert_close(&npz::read(&to).unwrap()[0].1, &expected[0].1);

    let error = fail(&["convert", text(&from), text(&folder.path().join("model.onnx"))]);
    assert!(error.contains("expected a name that ends in"), "{error}");
    let foreign = folder.path().join("foreign");
    std::fs::create_dir(&foreign).unwrap();
    std::fs::write(foreign.join("thesis.txt"), "text").unwrap();
    let error = fail(&["convert", text(&from), &format!("{}/", text(&foreign)), "--overwrite"]);
    assert!(error.contains("thesis.txt"), "{error}");
    assert!(foreign.join("thesis.txt").is_file());
}

/// Everything that a legacy file can hold comes back from it; what tells two models apart is told.
#[test]
fn diff_compares_files_of_different_kinds() {
    let folder = tempfile::tempdir().unwrap();
    let from = fixture("core/dense_stack.keras");
    let (legacy, back) = (folder.path().join("model.h5"), folder.path().join("back.keras"));
    succeed(&["convert", text(&from), text(&legacy)]);
    let report = succeed(&["upgrade", text(&legacy), text(&back)]);
    assert!(report.contains("variables loaded"), "{report}");
    assert_eq!(succeed(&["diff", text(&from), text(&back)]), "");

    let other = folder.path().join("other.keras");
    changed("core/dense_stack.keras", &other, |config| {
        config["config"]["layers"][1]["config"]["activation"] = json!("softplus");
    });
    let told = differ(&from, &other);
    assert_eq!(told.lines().count(), 1, "{told}");
    assert!(told.contains(".config.activation: ") && told.contains("-> \"softplus\""), "{told}");
    let told = differ(&from, &fixture("core/dense.keras"));
    assert!(told.contains("layers/dense/vars/0: "), "{told}");
}

#[test]
fn weights_are_listed_taken_out_renamed_and_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let from = fixture("core/dense.keras");
    let path = |name: &str| text(&folder.path().join(name)).to_owned();
    let facts: Json = serde_json::from_str(&succeed(&["inspect", text(&from), "--json"])).unwrap();
    for to in ["a.weights.h5", "a.weights.json", "a.safetensors", "a.bpk", "a.h5"] {
        succeed(&["convert", text(&from), &path(to)]);
        let listed = succeed(&["weights", &path(to)]);
        assert_eq!(listed.lines().count(), 1 + facts["datasets"].as_array().unwrap().len(), "{listed}");
    }
    let file = path("a.weights.h5");
    succeed(&["weights", &file, "--get", "layers/dense/vars/0", &path("kernel.npy")]);
    let kernel = npz::read(path("kernel.npy").as_ref()).unwrap();
    assert_eq!(kernel[0].1.shape(), [7, 5]);
    let renamed = path("b.weights.h5");
    let change =
        ["--rename", "layers/dense/vars/0", "layers/dense_1/vars/0", "--drop", "layers/dense/vars/1"];
    succeed(&[&["weights", &file, "-o", &renamed][..], &change].concat());
    let listed = succeed(&["weights", &renamed, "--list"]);
    assert!(listed.contains("layers/dense_1/vars/0") && !listed.contains("layers/dense/vars"), "{listed}");
    let error = fail(&["weights", &file, "--drop", "layers/dense/vars/7"]);
    assert!(error.contains("layers/dense/vars/7"), "{error}");
}

#[test]
fn check_says_what_is_wrong_and_exits_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("broken.keras");
    broken(&model);
    let error = fail(&["check", text(&model)]);
    FAULTS.iter().for_each(|fault| assert!(error.contains(fault), "{error}"));
    let report = succeed(&["check", text(&fixture("core/dense.keras"))]);
    assert!(report.contains("2 variables loaded, 0 of them renamed"), "{report}");
}

#[test]
fn every_problem_is_reported_at_once_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("broken.keras");
    broken(&model);
    let copy = folder.path().join("copy.keras");
    for arguments in [&["summary", text(&model)][..], &["convert", text(&model), text(&copy)]] {
        let error = fail(arguments);
        let lines: Vec<&str> = error.lines().collect();
        assert_eq!(lines.len(), 1 + FAULTS.len(), "{error}");
        assert_eq!(lines[0], "burn-keras: 3 problems");
        for (line, fault) in lines[1..].iter().zip(FAULTS) {
            assert!(line.starts_with(&format!("{}: {fault}", text(&model))), "{line}");
        }
    }
    assert!(!copy.exists());

    let shown = succeed(&["inspect", text(&model)]);
    assert!(shown.contains("Problems: 3\n"), "{shown}");
    for part in FAULTS.iter().chain(&["dense_1", "Dennse", "layers/dense/vars/0"]) {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let facts: Json = serde_json::from_str(&succeed(&["inspect", text(&model), "--json"])).unwrap();
    let places: Vec<_> = facts["problems"].as_array().unwrap().iter().map(|it| &it["place"]).collect();
    assert_eq!(
        places,
        [
            "layers[1] \"dense\" (Dense).units",
            "layers[2] \"dense_1\" (Dennse)",
            "layers[3] \"dense_2\" (Dense).unitz"
        ]
    );
    assert_eq!(facts["layers"][2]["class"], "Dennse");
    assert_eq!(facts["layers"][2]["parameters"], Json::Null);
}

#[test]
fn inspect_shows_what_is_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model.keras");
    let compiled = json!({
        "optimizer": {
            "module": "keras.optimizers", "class_name": "Adam", "registered_name": null,
            "config": { "name": "adam", "learning_rate": 0.25 },
        },
        "loss": "mse",
        "metrics": ["mae"],
    });
    changed("core/dense.keras", &model, |config| config["compile_config"] = compiled.clone());

    let facts: Json = serde_json::from_str(&succeed(&["inspect", text(&model), "--json"])).unwrap();
    assert_eq!(facts["class"], "Sequential");
    assert_eq!(facts["members"], json!(["config.json", "metadata.json", "model.weights.h5"]));
    assert_eq!(facts["compile"], compiled);
    assert_eq!(facts["problems"], json!([]));
    assert_eq!((&facts["trainable_parameters"], &facts["non_trainable_parameters"]), (&json!(40), &json!(0)));
    let dense = facts["layers"].as_array().unwrap().iter().find(|it| it["name"] == "dense").unwrap();
    assert_eq!(dense["output_shapes"], json!([[null, 5]]));
    assert_eq!(dense["parameters"], 40);
    let kernel = json!({ "path": "layers/dense/vars/0", "shape": [7, 5], "dtype": "float32", "bytes": 140 });
    assert!(facts["datasets"].as_array().unwrap().contains(&kernel), "{facts:#}");

    let shown = succeed(&["inspect", text(&model)]);
    let version = facts["keras_version"].as_str().unwrap();
    let date = facts["date_saved"].as_str().unwrap();
    for part in [
        &format!("Sequential of Keras {version}, saved {date}\n"),
        "dense (Dense)   (None, 5)          40\n",
        "layers/dense/vars/0  [7, 5]  float32    140\n",
        "  optimizer: Adam\n    name: \"adam\"\n    learning_rate: 0.25\n",
        "  loss: \"mse\"\n",
        "No problems\n",
    ] {
        assert!(shown.contains(part), "{part}\n{shown}");
    }
    assert!(succeed(&["inspect", text(&fixture("core/dense.keras"))]).contains("Not compiled\n"));
}

#[test]
fn weights_that_do_not_fit_do_not_hide_the_architecture() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model.keras");
    changed("core/dense.keras", &model, |config| {
        let layers = config["config"]["layers"].as_array_mut().unwrap();
        let dense = layers.iter_mut().find(|layer| layer["class_name"] == "Dense").unwrap();
        dense["config"]["units"] = json!(6);
    });
    let expected = "layers/dense/vars/0: expected the shape [7, 6] of the variable \"kernel\", got [7, 5]";
    let shown = succeed(&["inspect", text(&model)]);
    assert!(shown.contains("dense (Dense)   (None, 6)          48\n") && shown.contains(expected), "{shown}");
    assert!(succeed(&["summary", text(&model)]).contains("Total params: 48\n"));
    let error = fail(&["convert", text(&model), text(&folder.path().join("copy.keras"))]);
    assert!(error.contains(expected), "{error}");
}

#[test]
fn files_cannot_steer_the_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model.keras");
    changed("core/dense.keras", &model, |config| config["config"]["name"] = json!("\u{1b}[2Jred"));
    for command in ["inspect", "summary"] {
        let shown = succeed(&[command, text(&model)]);
        assert!(!shown.contains('\u{1b}') && shown.contains("[2Jred"), "{shown}");
    }
}

#[test]
fn summary_prints_the_table() {
    let shown = succeed(&["summary", text(&fixture("core/dense_stack.keras"))]);
    assert!(shown.starts_with("Model: \"sequential\"\nLayer (type)"), "{shown}");
    assert!(shown.contains("dense_1 (Dense)  (None, 5)          50\n"), "{shown}");
    // 7 * 9 + 9, 9 * 5 + 5, 5 * 3 + 3.
    assert!(
        shown.ends_with("Total params: 140\nTrainable params: 140\nNon-trainable params: 0\n"),
        "{shown}"
    );
}

#[test]
fn layers_lists_what_is_supported() {
    let (plain, markdown) = (succeed(&["layers"]), succeed(&["layers", "--markdown"]));
    let count = burn_keras::layer::rows().count();
    assert_eq!(plain.lines().count(), count + 1);
    assert_eq!(markdown.lines().count(), count + 2);
    assert!(
        plain.starts_with("CLASS")
            && markdown.starts_with("| Class | Aliases | Config keys |\n|---|---|---|\n")
    );
    let row = markdown.lines().find(|line| line.starts_with("| `Dense` |")).unwrap();
    assert!(row.contains("`units`, ") && row.contains("`kernel_initializer`"), "{row}");
    let row = plain.lines().find(|line| line.starts_with("Dense ")).unwrap();
    assert!(row.contains("units, "), "{row}");
}

#[test]
fn wrong_usage_ends_with_status_2() {
    for arguments in [
        &[][..],
        &["frobnicate"],
        &["inspect"],
        &["inspect", "--jsn", "x.keras"],
        &["convert", "x.keras"],
        &["predict", "x.keras", "--inputs", "in.npz"],
        &["predict", "x.keras", "--inputs", "in.npz", "--outputs", "out.npz", "--batch-size", "0"],
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(!output.stderr.is_empty() && output.stdout.is_empty(), "{arguments:?}");
    }
    for arguments in [["--help"], ["--version"]] {
        assert!(succeed(&arguments).contains("burn-keras"));
    }
}

#[test]
fn files_that_are_none_fail() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text.keras");
    std::fs::write(&path, "hello").unwrap();
    for command in ["inspect", "summary"] {
        let error = fail(&[command, text(&path)]);
        assert!(
            error.starts_with(&format!("burn-keras: {}: expected a .keras archive", text(&path))),
            "{error}"
        );
        let error = fail(&[command, "none.keras"]);
        assert!(error.starts_with("burn-keras: none.keras: cannot open"), "{error}");
    }
}

#[test]
fn devices_that_are_not_there_are_refused_by_name() {
    let model = fixture("core/dense.keras");
    let predict = |device| {
        let forms =
            ["predict", text(&model), "--inputs", "in.npz", "--outputs", "out.npz", "--device", device];
        fail(&forms)
    };
    if !cfg!(feature = "rocm") {
        let error = predict("rocm:1");
        assert!(
            error.contains("\"rocm\" was not compiled in, which takes the cargo feature \"rocm\""),
            "{error}"
        );
        assert!(burn_keras::device::compiled().all(|name| error.contains(name)), "{error}");
    }
    assert_eq!(predict("flax"), "burn-keras: no backend \"flax\"; did you mean \"flex\"?\n");
}

#[test]
fn a_reader_that_leaves_early_is_no_failure() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = program();
    let output = command.arg("layers").stdout(Stdio::from(writer)).stderr(Stdio::piped()).output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}

/// A `.npy` file in memory; the header and the bytes need not fit each other.
fn npy(version: u8, header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY".to_vec();
    bytes.extend([version, 0]);
    let length = u16::try_from(header.len()).unwrap();
    match version {
        1 => bytes.extend(length.to_le_bytes()),
        _ => bytes.extend(u32::from(length).to_le_bytes()),
    }
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

fn read_npy(bytes: &[u8]) -> burn_keras::Result<Array> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.npy");
    std::fs::write(&path, bytes).unwrap();
    npz::read(&path).map(|arrays| arrays.into_iter().next().unwrap().1)
}

#[test]
fn arrays_of_every_kind_are_read() {
    let header = |descr: &str, order: &str, shape: &str| {
        format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}\n")
    };
    let little: Vec<u8> = (0..24_i16).flat_map(i16::to_le_bytes).collect();
    let big: Vec<u8> = (0..24_i16).flat_map(i16::to_be_bytes).collect();
    let expected: Vec<i16> = (0..24).collect();
    for (descr, data) in [("<i2", &little), (">i2", &big)] {
        for version in [1, 2, 3] {
            let array = read_npy(&npy(version, &header(descr, "False", "(2, 3, 4)"), data)).unwrap();
            assert_eq!(array, TensorData::new(expected.clone(), [2, 3, 4]).into());
        }
    }
    let array = read_npy(&npy(1, &header("<i2", "True", "(2, 3, 4)"), &little)).unwrap();
    let mut transposed = Vec::<i16>::new();
    for i in 0..2 {
        for j in 0..3 {
            transposed.extend((0..4).map(|k| i + 2 * j + 6 * k));
        }
    }
    assert_eq!(array, TensorData::new(transposed, [2, 3, 4]).into());

    let array = read_npy(&npy(1, &header("<f8", "False", "()"), &1.5_f64.to_le_bytes())).unwrap();
    assert_eq!(array, TensorData::new(vec![1.5_f64], [1]).into());
    let array = read_npy(&npy(1, &header("|b1", "False", "(2,)"), &[0, 1])).unwrap();
    assert_eq!(array, TensorData::new(vec![false, true], [2]).into());
    let array = read_npy(&npy(1, &header("<f4", "True", "(3, 0)"), &[])).unwrap();
    assert_eq!(array.shape(), [3, 0]);
}

#[test]
fn arrays_of_strings_are_read() {
    let header = |descr: &str| format!("{{'descr': '{descr}', 'fortran_order': True, 'shape': (1, 2), }}\n");
    let expected = Array::Strings(vec!["ü".to_owned(), "ab".to_owned()], vec![1, 2]);
    let letters = [u32::from('ü'), 0, u32::from('a'), u32::from('b')];
    let little: Vec<u8> = letters.into_iter().flat_map(u32::to_le_bytes).collect();
    let big: Vec<u8> = letters.into_iter().flat_map(u32::to_be_bytes).collect();
    for (descr, data) in [("<U2", &little[..]), (">U2", &big[..]), ("|S2", "üab".as_bytes())] {
        assert_eq!(read_npy(&npy(1, &header(descr), data)).unwrap(), expected);
    }
}

#[test]
fn arrays_are_written_as_they_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.npz");
    let arrays = vec![
        ("a/b".to_owned(), TensorData::new(vec![1.5_f32, -2.0], [2]).into()),
        ("bits".to_owned(), TensorData::new(vec![true, false, true], [3, 1]).into()),
        ("ids".to_owned(), TensorData::new(vec![i64::MIN, 7], [1, 2]).into()),
        ("words".to_owned(), Array::Strings(vec!["grün".to_owned(), String::new()], vec![2, 1])),
    ];
    npz::write(&path, &arrays).unwrap();
    assert_eq!(npz::read(&path).unwrap(), arrays);
    let single = folder.path().join("x.npy");
    npz::write(&single, &arrays[..1]).unwrap();
    let bytes = std::fs::read(&single).unwrap();
    assert_eq!(bytes.len() % 64, 8, "the numbers begin at a multiple of 64");
    assert!(npz::write(&single, &arrays).is_err());
    assert_eq!(std::fs::read(&single).unwrap(), bytes, "a failed write leaves the old file");
}

#[test]
fn hostile_arrays_are_refused() {
    let header = |shape: &str| format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n");
    let data = [0; 16];
    for (bytes, expected) in [
        (npy(1, &header("(4294967296, 4294967296, 4294967296)"), &data), "elements for the shape"),
        (npy(1, &header("(4000000000000,)"), &data), "cannot be read"),
        (npy(1, &header("(-1,)"), &data), "cannot be read"),
        (npy(1, &header("(4,)").replace("<f4", "|O"), &data), "arrays of Python objects"),
        (npy(1, &header("(4,)").replace("<f4", "|S4"), &[255; 16]), "cannot be read"),
        (npy(1, &header("(4,)").replace("<f4", "<U1"), &[255; 16]), "cannot be read"),
        (npy(1, &header("(4,)").replace("<f4", "|S0"), &data), "arrays of |S0"),
        (npy(1, &header("(4,)").replace("<f4", "<U400000000000"), &data), "arrays of <U400000000000"),
        (npy(1, &header("(4,)").replace("'<f4'", "[('a', '<f4')]"), &data), "arrays of"),
        (npy(1, "{'descr': '<f4', 'shape': (4,)}\n", &data), "cannot be read"),
        (b"\x93NUMPY\x01".to_vec(), "cannot be read"),
        (b"PK\x03\x04 and so on".to_vec(), "cannot be read"),
    ] {
        let error = read_npy(&bytes).unwrap_err().to_string();
        assert!(error.contains(expected), "{expected}: {error}");
    }
}

#[test]
fn plot_draws_a_model() {
    let model = fixture("graph/functional_two_levels.keras");
    let folder = tempfile::tempdir().unwrap();
    let picture = folder.path().join("model.svg");
    let drawn = succeed(&["plot", text(&model), "-o", text(&picture), "--expand-nested", "--rankdir", "LR"]);
    assert_eq!(drawn, "");
    let svg = std::fs::read_to_string(&picture).unwrap();
    assert!(svg.starts_with("<svg") && svg.contains("model-box") && svg.contains("dense_1"));
    let dot = succeed(&["plot", text(&model), "--dot", "--no-shapes"]);
    assert!(dot.starts_with("digraph") && dot.contains("dense_4") && !dot.contains("shape:"), "{dot}");
    let error = fail(&["plot", text(&model), "-o", text(&folder.path().join("model.jpg"))]);
    assert!(error.contains(".svg, .png or .dot"), "{error}");
}
