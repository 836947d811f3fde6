//! `burn-keras fit` and `burn-keras evaluate`, run as their users run them.
#![cfg(feature = "cli")]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use burn::tensor::{Device, TensorData};
use burn_keras::callback::ModelCheckpoint;
use burn_keras::train::{Evaluate, Fit};
use burn_keras::{Inputs, KerasModel, KerasWeights, Limits};
use npz::Array;
use program::{fail, fixture, program, run, text};
use serde_json::Value as Json;
use tempfile::TempDir;

#[path = "../src/bin/burn-keras/npz.rs"]
#[allow(dead_code, reason = "the program uses more of it")]
mod npz;
#[path = "common/program.rs"]
mod program;

/// A model that Keras has trained, and the files for it, in a folder of their own.
struct Case {
    folder: TempDir,
    name: &'static str,
}

impl Case {
    fn new(name: &'static str) -> Self {
        let case = Self { folder: tempfile::tempdir().unwrap(), name };
        npz::write(&case.path("x.npz"), &case.arrays("in/")).unwrap();
        npz::write(&case.path("y.npz"), &case.arrays("target/")).unwrap();
        case
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn model(&self) -> PathBuf {
        fixture(&format!("fit/{}.keras", self.name))
    }

    fn arrays(&self, group: &str) -> Vec<(String, Array)> {
        let arrays = npz::read(&fixture(&format!("fit/{}.npz", self.name))).unwrap().into_iter();
        arrays.filter_map(|(name, array)| Some((name.strip_prefix(group)?.to_owned(), array))).collect()
    }

    fn inputs(&self, group: &str) -> Inputs {
        let value = |array: Array| array.into_value(&Device::flex()).unwrap();
        self.arrays(group).into_iter().map(|(name, array)| (name, value(array))).collect()
    }

    /// The arguments of a training of this case and some more; files are those of its folder.
    fn arguments(&self, more: &[&str]) -> Vec<String> {
        let here = |argument: &&str| match argument.rsplit_once('.').map(|(_, ending)| ending) {
            Some("npz" | "npy" | "keras" | "h5" | "svg" | "csv" | "onnx" | "txt") => {
                text(&self.path(argument)).to_owned()
            }
            _ => (*argument).to_owned(),
        };
        let given = |name: &str| more.contains(&name);
        let standard = [("--inputs", "x.npz"), ("--targets", "y.npz"), ("--output", "out.keras")];
        let standard =
            standard.iter().filter(|(name, _)| !given(name)).flat_map(|(name, file)| [*name, *file]);
        let all: Vec<&str> = standard.chain(more.iter().copied()).collect();
        ["fit".to_owned(), text(&self.model()).to_owned()].into_iter().chain(all.iter().map(here)).collect()
    }

    #[track_caller]
    fn fit(&self, more: &[&str]) -> (String, String) {
        let output = program().args(self.arguments(more)).output().unwrap();
        let (out, said) =
            (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert_eq!(output.status.code(), Some(0), "{more:?}: {said}");
        (out, said)
    }

    /// What a training says that fails before its first batch.
    #[track_caller]
    fn refused(&self, more: &[&str]) -> String {
        let arguments = self.arguments(more);
        let error = fail(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(!self.path("out.keras").exists(), "{more:?}: {error}");
        error
    }
}

/// All variables in a file, those of the optimizer too, bit by bit.
fn variables(path: &Path) -> Vec<(String, TensorData)> {
    let weights = KerasWeights::open(path, &Limits::default()).unwrap();
    weights.datasets().map(|it| (it.path.clone(), weights.read(&it.path).unwrap())).collect()
}

#[test]
fn the_program_trains_and_measures_as_the_library() {
    for name in ["dense", "several", "lstm"] {
        let case = Case::new(name);
        let (x, y) = (case.inputs("in/"), case.inputs("target/"));
        let validation = ["--validation-inputs", "x.npz", "--validation-targets", "y.npz"];
        let more =
            ["--epochs", "2", "--batch-size", "4", "--seed", "7", "--history", "h.csv", "--plot", "h.svg"];
        let (shown, _) = case.fit(&[&more[..], &validation].concat());

        let mut model = KerasModel::load(case.model(), &Device::flex()).unwrap();
        let fit = Fit::new().epochs(2).batch_size(4).seed(7).validation(x.clone(), y.clone());
        let history = model.fit(x.clone(), y.clone(), fit).unwrap();
        let (ours, csv) = (case.path("library.keras"), case.path("library.csv"));
        model.save(&ours).unwrap();
        history.save_csv(&csv).unwrap();
        assert_eq!(variables(&case.path("out.keras")), variables(&ours), "{name}");
        let table = |path: &Path| std::fs::read_to_string(path).unwrap();
        assert_eq!(table(&case.path("h.csv")), table(&csv));

        assert!(
            shown.lines().take_while(|line| !line.contains(" - ")).all(|it| it.chars().count() <= 80),
            "{shown}"
        );
        let picture = table(&case.path("h.svg"));
        for watched in history.names() {
            assert!(shown.contains(&format!("{watched}: ")), "{watched}: {shown}");
            let title = watched.strip_prefix("val_").unwrap_or(watched);
            assert!(shown.contains(&format!("{title} (training, validation)\n")), "{title}: {shown}");
            assert!(picture.contains(title), "{title}: {picture}");
        }
        let titles = history.names().len() / 2;
        // Of two epochs and two lines.
        assert_eq!(picture.matches("<circle").count(), 4 * titles, "{picture}");

        let logs = model.evaluate(x, y, Evaluate::new().batch_size(4)).unwrap();
        let (x, y) = (case.path("x.npz"), case.path("y.npz"));
        let evaluate =
            ["evaluate", text(&ours), "--inputs", text(&x), "--targets", text(&y), "--batch-size", "4"];
        let output = run(&[&evaluate[..], &["--json"]].concat());
        let json: serde_json::Map<String, Json> = serde_json::from_slice(&output.stdout).unwrap();
        let numbers: Vec<_> =
            json.iter().map(|(name, number)| (name.as_str(), number.as_f64().unwrap())).collect();
        assert_eq!(numbers, logs.iter().collect::<Vec<_>>());
        let shown = String::from_utf8(run(&evaluate).stdout).unwrap();
        assert_eq!(shown.lines().count(), numbers.len(), "{shown}");
    }
}

/// Targets mean the same in every type that has them.
#[test]
fn types_of_numpy_make_no_difference() {
    let case = Case::new("cnn");
    let y = case.arrays("target/").remove(0).1.numbers().unwrap();
    let x = case.arrays("in/").remove(0).1.numbers().unwrap();
    let more = ["--batch-size", "4", "--no-shuffle", "--seed", "1"];
    case.fit(&more);
    let expected = variables(&case.path("out.keras"));
    use burn::tensor::DType::{F32, F64, I8, I64, U8, U64};
    for dtype in [F32, F64, I8, I64, U8, U64] {
        npz::write(&case.path("y.npy"), &[(String::new(), y.clone().convert_dtype(dtype).into())]).unwrap();
        case.fit(&[&more[..], &["--targets", "y.npy"]].concat());
        assert_eq!(variables(&case.path("out.keras")), expected, "{dtype:?}");
    }
    npz::write(&case.path("any.npz"), &[("any".to_owned(), x.convert_dtype(F64).into())]).unwrap();
    case.fit(&[&more[..], &["--inputs", "any.npz"]].concat());
    assert_eq!(variables(&case.path("out.keras")), expected);
}

#[test]
fn arguments_are_checked_before_any_work() {
    let case = Case::new("dense");
    for (more, expected) in [
        (
            &["--output", "none/out.keras"][..],
            &["none/out.keras: no file can be written into this folder"][..],
        ),
        (&["--output", "out.onnx"], &["out.onnx: expected a name that ends in .keras, .h5"]),
        (&["--output", "out.weights.h5"], &["out.weights.h5: expected a name that ends in .keras"]),
        (
            &["--plot", "h.txt", "--history", "h.txt"],
            &["2 problems", "h.txt: expected a name that ends in .svg", "in .csv"],
        ),
        (&["--plot", "none/h.svg", "--inputs", "x.txt"], &["none/h.svg: no file", "x.txt: expected a name"]),
        (&["--checkpoint", "{epoch"], &["--checkpoint: "]),
        (&["--checkpoint", "{epok}.keras"], &["ModelCheckpoint: ", "epok"]),
        (&["--checkpoint", "c.keras", "--save-weights-only"], &["ends in .weights.h5"]),
        (
            &["--checkpoint", "c.keras", "--monitor", "los", "--save-best-only"],
            &["\"los\"", "did you mean \"loss\"?"],
        ),
        (&["--checkpoint", "c.keras", "--keep-best", "2"], &["put {epoch} into the name"]),
        (
            &["--freeze", "hiden", "lst", "hidden"],
            &[
                "2 problems",
                "no layer \"hiden\"; did you mean \"hidden\"?",
                "\"lst\"; did you mean \"last\"?",
            ],
        ),
        (&["--loss", "mze"], &["mze"]),
        (&["--device", "flax"], &["did you mean \"flex\"?"]),
    ] {
        let error = case.refused(more);
        expected.iter().for_each(|part| assert!(error.contains(part), "{more:?}: {part}: {error}"));
    }
    let error = Case::new("frozen").refused(&["--freeze", "inner/dep", "inne"]);
    assert!(error.contains("\"inner/dep\"; did you mean \"inner/deep\"?"), "{error}");
    assert!(error.contains("\"inne\"; did you mean \"inner\"?"), "{error}");
    // Wrong usage.
    for more in [
        &["--learning-rate", "-1"][..],
        &["--learning-rate", "nan"],
        &["--epochs", "0"],
        &["--resume"],
        &["--keep-best", "1"],
        &["--validation-inputs", "x.npz"],
    ] {
        assert_eq!(program().args(case.arguments(more)).output().unwrap().status.code(), Some(2), "{more:?}");
    }
}

#[test]
fn examples_that_do_not_fit_are_refused() {
    let case = Case::new("several");
    let array = |shape: &[usize]| Array::from(TensorData::ones::<f32, _>(shape.to_vec()));
    let strings = |count| Array::Strings(vec!["a".to_owned(); count], vec![count]);
    for (argument, arrays, expected) in [
        (
            "--inputs",
            vec![("a", array(&[10, 3])), ("c", array(&[10, 2]))],
            &["no input \"b\"", "unknown input \"c\""][..],
        ),
        (
            "--inputs",
            vec![("a", array(&[10, 3])), ("b", array(&[10, 5]))],
            &["input \"b\": expected the shape (None, 2), got [10, 5]"],
        ),
        ("--inputs", vec![("a", array(&[10, 3])), ("b", array(&[9, 2]))], &["input \"b\" has 9 examples"]),
        (
            "--inputs",
            vec![("a", strings(10)), ("b", strings(10))],
            &["2 problems", "new.npz: input \"a\": expected numbers, got strings", "input \"b\""],
        ),
        (
            "--targets",
            vec![("one", array(&[10, 1])), ("tow", array(&[10, 2]))],
            &["targets: no output \"tow\"", "did you mean \"two\"?"],
        ),
        ("--targets", vec![("one", array(&[10, 1]))], &["targets"]),
        (
            "--targets",
            vec![("one", array(&[9, 1])), ("two", array(&[9, 2]))],
            &["targets: 9 examples, the inputs have 10"],
        ),
        (
            "--targets",
            vec![("one", strings(10)), ("two", array(&[10, 2]))],
            &["new.npz: target \"one\": expected numbers, got strings"],
        ),
        ("--targets", vec![("one", array(&[10, 1])), ("two", array(&[10, 7]))], &["two"]),
    ] {
        let arrays: Vec<_> = arrays.into_iter().map(|(name, array)| (name.to_owned(), array)).collect();
        npz::write(&case.path("new.npz"), &arrays).unwrap();
        let error = case.refused(&[argument, "new.npz"]);
        expected.iter().for_each(|part| assert!(error.contains(part), "{part}: {error}"));
    }
    let case = Case::new("cnn");
    for (targets, expected) in [
        (
            Array::from(TensorData::from([u64::MAX; 12])),
            "target: 18446744073709552000 does not fit into the type i32",
        ),
        (TensorData::ones::<f32, _>([12, 3]).into(), "targets"),
    ] {
        npz::write(&case.path("y.npy"), &[(String::new(), targets)]).unwrap();
        let error = case.refused(&["--targets", "y.npy"]);
        assert!(error.contains(expected), "{error}");
    }
    let never = fixture("core/dense.keras");
    let (x, out) = (case.path("x.npz"), case.path("out.keras"));
    let files = [text(&never), "--inputs", text(&x), "--targets", text(&x)];
    let error = fail(&[&["fit"], &files[..], &["--output", text(&out)]].concat());
    assert!(error.contains("the model was never compiled: --loss"), "{error}");
    assert!(fail(&[&["evaluate"], &files[..]].concat()).contains("the model was never compiled"));
}

#[test]
fn layers_are_frozen_and_the_rate_is_set() {
    let case = Case::new("dense");
    let of = |path: &Path, layer: &str| -> Vec<TensorData> {
        let start = format!("layers/{layer}/");
        variables(path).into_iter().filter(|(path, _)| path.starts_with(&start)).map(|it| it.1).collect()
    };
    let (before, after) = (case.model(), case.path("out.keras"));
    // Layers end where the model begins.
    let mut arguments = case.arguments(&["--learning-rate", "0.5", "--freeze", "hidden", "--"]);
    let model = arguments.remove(1);
    arguments.push(model);
    let output = program().args(&arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(of(&before, "dense").len(), 2);
    assert_eq!(of(&before, "dense"), of(&after, "dense"));
    assert_ne!(of(&before, "dense_1"), of(&after, "dense_1"));
    // As Keras keeps it: after the number of steps.
    let rate = variables(&after).into_iter().find(|(path, _)| path == "optimizer/vars/1").unwrap().1;
    assert_eq!(rate.iter::<f32>().collect::<Vec<_>>(), [0.5]);
}

#[test]
fn a_training_goes_on_from_its_newest_sound_checkpoint() {
    let case = Case::new("dense");
    let template = text(&case.path("{epoch:02d}.k")).replace(".k", ".keras");
    let more = ["--batch-size", "4", "--seed", "3", "--checkpoint", &template, "--resume", "--epochs"];
    let fit = |epochs: &str| case.fit(&[&more[..], &[epochs]].concat());
    fit("4");
    let expected = variables(&case.path("out.keras"));
    let (shown, said) = fit("4");
    assert!(shown.contains("nothing was left to train") && !said.contains("Epoch"), "{shown}{said}");
    // The newest is damaged, the one before is not.
    std::fs::remove_file(case.path("04.keras")).unwrap();
    std::fs::write(case.path("03.keras"), "damaged").unwrap();
    let (_, said) = fit("4");
    assert!(said.contains("WARNING: not resumed from this file: ") && said.contains("03.keras"), "{said}");
    assert!(said.contains("Epoch 3/4") && !said.contains("Epoch 2/4"), "{said}");
    assert_eq!(variables(&case.path("out.keras")), expected);
}

#[test]
fn checkpoints_are_those_of_the_library() {
    for more in [
        &["--save-freq", "2"][..],
        &["--keep-best", "2", "--monitor", "loss", "--mode", "max"],
        &["--save-best-only"],
        &["--save-weights-only"],
    ] {
        let case = Case::new("dense");
        let (theirs, ours) = (case.path("theirs"), case.path("ours"));
        let name = match more[0] {
            "--save-freq" => "{epoch}-{batch}.keras",
            "--save-weights-only" => "{epoch}.weights.h5",
            _ => "{epoch}-{loss:.3f}.keras",
        };
        let template = |folder: &Path| format!("{}/{name}", text(folder));
        let arguments = ["--epochs", "3", "--batch-size", "4", "--seed", "3", "--checkpoint"];
        case.fit(&[&arguments[..], &[&template(&theirs)], more].concat());
        let checkpoint = ModelCheckpoint::new(template(&ours)).monitor("loss");
        let checkpoint = match more[0] {
            "--save-freq" => checkpoint.save_freq(burn_keras::callback::SaveFreq::Batches(2)),
            "--keep-best" => checkpoint.keep_best(2).mode(burn_keras::callback::Mode::Max),
            "--save-best-only" => checkpoint.save_best_only(true),
            _ => checkpoint.save_weights_only(true),
        };
        let mut model = KerasModel::load(case.model(), &Device::flex()).unwrap();
        let fit = Fit::new().epochs(3).batch_size(4).seed(3).callback(checkpoint);
        model.fit(case.inputs("in/"), case.inputs("target/"), fit).unwrap();
        let files = |folder: &Path| {
            let mut files: Vec<_> =
                std::fs::read_dir(folder).unwrap().map(|it| it.unwrap().file_name()).collect();
            files.sort();
            files
        };
        assert_eq!(files(&theirs), files(&ours), "{more:?}");
        for file in files(&ours) {
            assert_eq!(variables(&theirs.join(&file)), variables(&ours.join(&file)), "{more:?} {file:?}");
        }
    }
}

/// What cannot be drawn is no failure.
#[test]
fn a_single_epoch_and_nan_are_drawn() {
    let case = Case::new("dense");
    let nan = TensorData::from([[f32::NAN; 3]; 11]);
    npz::write(&case.path("nan.npy"), &[(String::new(), nan.into())]).unwrap();
    std::fs::write(case.path("out.keras"), "an older model").unwrap();
    let (shown, _) = case.fit(&["--plot", "one.svg"]);
    assert_eq!(shown.lines().count(), 1, "{shown}");
    assert!(std::fs::read_to_string(case.path("one.svg")).unwrap().contains("<circle"));
    let (shown, _) = case.fit(&["--inputs", "nan.npy", "--epochs", "2", "--plot", "nan.svg"]);
    assert!(shown.contains("loss: NaN"), "{shown}");
    assert!(std::fs::read_to_string(case.path("nan.svg")).unwrap().contains("loss: no numbers to draw"));
    let (model, x, y) = (case.model(), case.path("nan.npy"), case.path("y.npz"));
    let output = run(&["evaluate", text(&model), "--inputs", text(&x), "--targets", text(&y), "--json"]);
    let json: Json = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["loss"], Json::Null);
}

/// Ctrl-C ends it after the batch, and nothing of what was trained is lost.
#[test]
#[cfg(unix)]
fn an_interrupt_saves() {
    let case = Case::new("dense");
    let template = text(&case.path("{epoch}.k")).replace(".k", ".keras");
    let more = ["--epochs", "1000000", "--batch-size", "1", "--checkpoint", &template, "--keep-best", "1"];
    let mut training =
        program().args(case.arguments(&more)).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(training.stderr.take().unwrap()).lines();
    assert!(said.any(|line| line.unwrap().starts_with("Epoch 3/")));
    let kill = Command::new("kill").args(["-INT", &training.id().to_string()]).status().unwrap();
    assert!(kill.success());
    let rest = said.map(Result::unwrap).count();
    let output = training.wait_with_output().unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{rest} {shown}");
    assert!(shown.contains("stopped; what was trained so far is saved"), "{shown}");
    let saved = variables(&case.path("out.keras"));
    let files = std::fs::read_dir(case.folder.path()).unwrap().map(|it| it.unwrap().path());
    let is_checkpoint =
        |path: &PathBuf| path.extension().is_some_and(|it| it == "keras") && !path.ends_with("out.keras");
    let checkpoints: Vec<_> = files.filter(is_checkpoint).collect();
    assert!(checkpoints.iter().any(|path| variables(path) == saved), "{checkpoints:?}");
}
