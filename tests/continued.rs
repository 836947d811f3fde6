//! One Keras goes on with training that another one began, in files that we wrote: the next steps give the weights
//! that the first would have got, so that no state of an optimizer is lost. What is lost is told.

mod common;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use burn_keras::{KerasModel, SaveOptions, SaveReport, Target};
use zip::ZipArchive;

use common::{root, script};

/// An empty folder.
fn empty(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("continued").join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Models in training that Keras 2 saved, and those of Keras 3.
fn of_keras2() -> PathBuf {
    root().join("tests/fixtures/keras2_training")
}

fn of_keras3(folder: &str) -> PathBuf {
    unpacked("keras3_training.zip", folder)
}

fn unpacked(archive: &str, folder: &str) -> PathBuf {
    let folder = empty(folder);
    let archive = File::open(root().join("tests/fixtures").join(archive)).unwrap();
    ZipArchive::new(archive).unwrap().extract(&folder).unwrap();
    folder
}

/// The models in a folder, by name, with their optimizers.
fn models(folder: &Path) -> Vec<(String, KerasModel)> {
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> =
        paths.filter(|path| path.extension().is_none_or(|ending| ending != "npz")).collect();
    paths.sort();
    let model = |path: PathBuf| {
        let model = KerasModel::load(&path, &Device::flex()).unwrap();
        let changes = &model.load_report().normalized;
        assert!(changes.iter().all(|it| it.place != "optimizer"), "{}: {changes:?}", path.display());
        (path.file_stem().unwrap().to_str().unwrap().to_owned(), model)
    };
    paths.into_iter().map(model).collect()
}

/// Lets a Keras train everything in a folder further.
fn judge(library: &str, made: &Path, written: &Path) {
    let Some(mut judge) = script("continued.py") else { return };
    judge.args(["judge", library]).args([made, written]);
    assert!(judge.status().unwrap().success(), "{library} found other weights after the next steps");
}

/// In files, and in the checkpoints of SavedModels with the optimizers before Keras 2.11.
#[test]
fn keras_3_goes_on_where_keras_2_was() {
    let old = unpacked("keras2_old_training.zip", "old");
    for (made, count) in [(of_keras2(), 6), (old, 8)] {
        let written = empty("keras3");
        let models = models(&made);
        assert_eq!(models.len(), count);
        for (name, model) in models {
            model.save(written.join(name + ".keras")).unwrap();
        }
        judge("keras", &made, &written);
    }
}

/// What Keras 2 does not go on with from Keras 3 though all is stored that it stores: it starts the product of
/// momenta of Nadam again, and multiplies it once for every variable.
const NOT_IN_KERAS_2: &str = "nadam";

#[test]
fn keras_2_goes_on_where_any_keras_was() {
    for (made, most) in [(of_keras2(), 11), (of_keras3("made"), 23)] {
        let written = empty("keras2");
        let options = SaveOptions::new().target(Target::Keras2);
        let mut count = 0;
        for (name, model) in models(&made) {
            for ending in [".keras", ".h5"] {
                let path = written.join(format!("{name}{ending}"));
                let report = model.save_with(&path, &options).unwrap();
                match name != NOT_IN_KERAS_2 && report.changes.iter().all(|change| goes_on(&change.what)) {
                    true => count += 1,
                    false => std::fs::remove_file(path).unwrap(),
                }
            }
        }
        assert_eq!(count, most);
        judge("tf_keras", &made, &written);
    }
}

/// Whether Keras 2 computes the same though this was changed: the first scales of losses are enough here, and
/// without half precision there is nothing to scale.
fn goes_on(what: &str) -> bool {
    ["Keras 2 starts again with the first loss scale", "LossScaleOptimizer is left to the dtype policy"]
        .contains(&what)
}

/// Everything that is told of the models of Keras 3 in some form.
fn told(folder: &Path, ending: &str, target: Target) -> BTreeMap<String, SaveReport> {
    let options = SaveOptions::new().target(target);
    let saved = models(folder).into_iter().map(|(name, model)| {
        let report = model.save_with(folder.join(format!("saved_{name}{ending}")), &options).unwrap();
        (name, report)
    });
    saved.filter(|(_, report)| !report.is_complete()).collect()
}

#[test]
fn saving_tells_what_it_leaves_out() {
    let lines =
        |report: &SaveReport| -> Vec<String> { report.changes.iter().map(ToString::to_string).collect() };
    let no_place = "optimizer: its state is left out: the file has no place for it";
    let lacks = |word: &str| format!("compile_config: left out, because Keras 2 has no {word}");
    let no_setting =
        |key: &str| format!("compile_config.optimizer.{key}: dropped: Keras 2 has no such setting");
    let product = "optimizer: Keras 2 starts again with the product of momenta of Nadam";
    let scale = "optimizer: Keras 2 starts again with the first loss scale";
    let fresh =
        "compile_config.optimizer: Keras 2 starts it again: it reads no state of a LossScaleOptimizer here";
    let policy = "compile_config.optimizer: LossScaleOptimizer is left to the dtype policy";
    for ending in [".keras", ".h5"] {
        let folder = of_keras3(&format!("told_{}", &ending[1..]));
        let mut told = told(&folder, ending, Target::Keras2);
        let mut expect = |name: &str, expected: &[&str]| {
            let report = told.remove(name).unwrap_or_else(|| panic!("nothing is told of {name}"));
            assert_eq!(lines(&report), expected, "{name}{ending}");
        };
        expect("lamb", &[&lacks("Lamb"), no_place]);
        expect("dice", &[&lacks("Dice"), no_place]);
        expect("accumulated", &[&no_setting("gradient_accumulation_steps"), no_place]);
        expect("factor", &[&no_setting("loss_scale_factor")]);
        expect("nadam", &[product]);
        match ending {
            ".keras" => expect("scaled", &[policy, scale]),
            _ => expect("scaled", &[fresh, scale]),
        }
        assert!(told.is_empty(), "{told:?}");
    }
    for ending in [".keras", ".h5", "/"] {
        let folder = of_keras3("told_keras3");
        assert!(told(&folder, ending, Target::Keras3).is_empty(), "{ending}");
        // Nor do we lose anything of it.
        assert_eq!(models(&folder).len(), 2 * 17);
    }
    assert_eq!(SaveReport::default().to_string(), "");
}

/// A legacy file has no place for other members of an archive, nor for the state of an optimizer of others.
#[test]
fn legacy_files_tell_what_they_leave_out() {
    let folder = of_keras3("members");
    let path = folder.join("sgd.keras");
    let mut archive =
        zip::ZipWriter::new_append(File::options().read(true).write(true).open(&path).unwrap()).unwrap();
    archive.start_file("notes.txt", zip::write::SimpleFileOptions::default()).unwrap();
    std::io::Write::write_all(&mut archive, b"mine").unwrap();
    archive.finish().unwrap();
    let model = KerasModel::load(&path, &Device::flex()).unwrap();
    let report = model.save_with(folder.join("sgd.h5"), &SaveOptions::new()).unwrap();
    assert_eq!(
        report.to_string(),
        "not saved as it was: notes.txt: left out: a legacy HDF5 file has no members\n"
    );
    assert!(model.save_with(folder.join("again.keras"), &SaveOptions::new()).unwrap().is_complete());
}
