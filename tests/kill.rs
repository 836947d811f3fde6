//! A save that is killed leaves the old model or the new one, and one for which there is no room the old; a training
//! that is killed goes on where it was.
#![cfg(unix)]

#[path = "common/damage.rs"]
mod damage;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use burn::tensor::{Device, Tensor};
use burn_keras::build::{BatchNormalization, Dense, Dropout, Input, Sequential};
use burn_keras::callback::{LambdaCallback, ModelCheckpoint, Queue, SaveFreq};
use burn_keras::optimizer::{Adam, CosineDecay};
use burn_keras::train::{Compile, Fit};
use burn_keras::{DatasetInfo, ErrorKind, KerasModel, KerasWeights, Limits, SaveOptions};
use damage::{Random, fixture};
use tempfile::TempDir;

/// How often a process is killed while it saves, for each form of a model. The README says it.
const KILLS: usize = 200;

/// Of how many bytes of weights a file has at most, when they go into several.
const SHARD_BYTES: u64 = 1 << 16;

/// Where this program, started once more, is to save to, and which model first.
const PATH: &str = "BURN_KERAS_SAVES_TO";
const FIRST: &str = "BURN_KERAS_SAVES_FIRST";

type Members = BTreeMap<String, Vec<u8>>;

/// A small model, where there is a place for it with an asset, and a larger one without.
fn models(path: &Path) -> [KerasModel; 2] {
    let is_h5 = path.extension().is_some_and(|ending| ending == "h5");
    let small = if is_h5 { "core/dense.keras" } else { "strings/text_vectors.keras" };
    let large = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/digits.keras");
    [fixture(small), large].map(|path| KerasModel::load(path, &Device::flex()).unwrap())
}

fn members_of(path: &Path) -> Members {
    fn walk(folder: &Path, prefix: &str, found: &mut Members) {
        for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap()) {
            let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
            match entry.path().is_dir() {
                true => walk(&entry.path(), &format!("{name}/"), found),
                false => drop(found.insert(name, std::fs::read(entry.path()).unwrap())),
            }
        }
    }
    let mut found = Members::new();
    match path.is_dir() {
        true => walk(path, "", &mut found),
        false => drop(found.insert(String::new(), std::fs::read(path).unwrap())),
    }
    found
}

/// One of the tests of this program, as a process of its own.
fn child(role: &str) -> [String; 4] {
    let program = std::env::current_exe().unwrap().to_str().unwrap().to_owned();
    [program, role.into(), "--exact".into(), "--nocapture".into()]
}

/// A folder in memory where there is one: syncing takes time, and what is killed is a process, not the system.
fn folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// Saves two models in turns until it is killed.
#[test]
fn saves_for_ever() {
    let Some(path) = std::env::var_os(PATH) else { return };
    let models = models(Path::new(&path));
    let first: usize = std::env::var(FIRST).unwrap().parse().unwrap();
    println!("\nready");
    for turn in first.. {
        save(&models[turn % 2], Path::new(&path));
    }
}

fn save(model: &KerasModel, path: &Path) {
    match path.extension().is_some_and(|ending| ending == "json") {
        true => model.save_weights_with(path, &SaveOptions::new().max_shard_size(SHARD_BYTES)).unwrap(),
        false => model.save(path).unwrap(),
    }
}

/// Kills a process that saves to `path`, within so many microseconds.
fn kill_a_saver(path: &Path, first: usize, within: usize, random: &mut Random) {
    kill("saves_for_ever", path, first, within, random);
}

/// Kills a process in that role within so many microseconds after it has said that it is ready. Whether it
/// had come to its end.
fn kill(role: &str, path: &Path, first: usize, within: usize, random: &mut Random) -> bool {
    let [program, arguments @ ..] = child(role);
    let mut command = Command::new(program);
    command.args(arguments).env(PATH, path).env(FIRST, first.to_string()).stdout(Stdio::piped());
    let mut process = command.spawn().unwrap();
    let said = BufReader::new(process.stdout.take().unwrap());
    assert!(said.lines().any(|line| line.unwrap() == "ready"), "the {role} ended");
    std::thread::sleep(Duration::from_micros(random.below(within) as u64));
    let _ = process.kill();
    process.wait().unwrap().success()
}

fn kill_often(name: &str) {
    let folder = folder();
    let path = folder.path().join(name);
    let models = models(&path);
    let start = Instant::now();
    let save = |model: &KerasModel| {
        model.save(&path).unwrap();
        members_of(&path)
    };
    let expected: Vec<Members> = models.iter().map(save).collect();
    let both = start.elapsed().as_micros() as usize;
    let mut random = Random(0x1234_5678_9abc_def1);
    let (mut seen, mut interrupted) = ([0; 2], 0);
    for kill in 0..KILLS {
        kill_a_saver(&path, kill % 2, 2 * both, &mut random);
        let found = members_of(&path);
        let which = expected.iter().position(|expected| *expected == found);
        seen[which.unwrap_or_else(|| panic!("kill {kill} left neither model"))] += 1;
        KerasModel::load(&path, &Device::flex()).unwrap();
        interrupted += usize::from(std::fs::read_dir(folder.path()).unwrap().count() > 1);
    }
    assert!(seen[0] > KILLS / 20 && seen[1] > KILLS / 20, "{seen:?}");
    assert!(interrupted > KILLS / 20, "only {interrupted} kills came in the middle of a save");
    // What the killed left behind goes with the next save.
    models[0].save(&path).unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn killed_while_saving_an_archive() {
    kill_often("model.keras");
}

#[test]
fn killed_while_saving_a_directory() {
    kill_often("model/");
}

#[test]
fn killed_while_saving_a_legacy_file() {
    kill_often("model.h5");
}

/// Weights in several files are the old ones or the new ones, and never some of both.
#[test]
fn killed_while_saving_several_files() {
    let folder = folder();
    let path = folder.path().join("model.weights.json");
    let weights = || {
        let weights = KerasWeights::open(&path, &Limits::default()).unwrap();
        let read = |it: DatasetInfo| (it.path.clone(), weights.read(&it.path).unwrap().as_bytes().to_vec());
        weights.datasets().map(read).collect::<Members>()
    };
    let models = models(&path);
    let start = Instant::now();
    let expected = models.each_ref().map(|model| {
        save(model, &path);
        weights()
    });
    let both = start.elapsed().as_micros() as usize;
    let mut random = Random(0x0fed_cba9_8765_4321);
    let mut seen = [0; 2];
    for kill in 0..KILLS {
        kill_a_saver(&path, kill % 2, 2 * both, &mut random);
        let found = weights();
        let which = expected.iter().position(|expected| *expected == found);
        seen[which.unwrap_or_else(|| panic!("kill {kill} left neither of the weights"))] += 1;
        assert!(folder.path().join("model_00000.weights.h5").exists(), "Keras opens the first file");
    }
    assert!(seen[0] > KILLS / 20 && seen[1] > KILLS / 20, "{seen:?}");
}

/// Saves a small model, and then a large one for which there is no room.
#[test]
fn runs_out_of_room() {
    let Some(path) = std::env::var_os(PATH) else { return };
    let path = Path::new(&path);
    let [small, large] = models(path);
    small.save(path).unwrap();
    let before = members_of(path);
    let error = large.save(path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io, "{error}");
    assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    assert!(members_of(path) == before, "the old model has changed");
    KerasModel::load(path, &Device::flex()).unwrap();
    let beside = std::fs::read_dir(path.parent().unwrap()).unwrap().count();
    assert_eq!(beside, 1, "something was left behind");
    println!("\nrefused: {error}");
}

/// What the program says that saves where `script` has made little room.
fn with_little_room(script: &str, name: &str) -> (bool, String) {
    let folder = folder();
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("{script} && exec \"$0\" \"$@\"")).args(child("runs_out_of_room"));
    command.env(PATH, folder.path().join(name)).env("FOLDER", folder.path());
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn files_may_not_grow() {
    for name in ["model.keras", "model/", "model.h5"] {
        let (passed, said) = with_little_room("trap '' XFSZ; ulimit -f 128", name);
        assert!(passed && said.contains("refused: "), "{said}");
    }
}

#[test]
fn the_disk_is_full() {
    // A small disk of its own, where the system lets its users have that.
    let mount = "mount -t tmpfs -o size=128k none";
    let can = Command::new("unshare").args(["-rm", "sh", "-c", &format!("{mount} /tmp")]).output();
    if !can.is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: this system has no small disk to fill; files_may_not_grow stands for it");
        return;
    }
    for name in ["model.keras", "model/", "model.h5"] {
        let script =
            format!("exec unshare -rm sh -c '{mount} \"$FOLDER\" && exec \"$0\" \"$@\"' \"$0\" \"$@\"; true");
        let (passed, said) = with_little_room(&script, name);
        assert!(passed && said.contains("refused: "), "{said}");
    }
}

/// Epochs of a training that is killed, and batches of each.
const EPOCHS: usize = 12;
const BATCHES: usize = 10;

/// Trains in that folder until it is killed, and goes on where one before it was killed.
#[test]
fn trains_until_the_end() {
    let Some(folder) = std::env::var_os(PATH) else { return };
    let folder = Path::new(&folder);
    let template = folder.join("{epoch:02d}-{batch:02d}.keras").to_str().unwrap().to_owned();
    let checkpoint =
        ModelCheckpoint::new(&template).monitor("loss").save_freq(SaveFreq::Batches(1)).keep_last(3);
    let is_first = std::env::var(FIRST).unwrap() == "0";
    let checkpoint = if is_first { checkpoint.background(Queue::NewestWins) } else { checkpoint };
    let ready = LambdaCallback::new().on_train_begin(|_| {
        println!("\nready");
        Ok(())
    });
    let fit = Fit::new().callback(ready).callback(checkpoint).resume(&template);
    train(fit).save(folder.join("end.keras")).unwrap();
}

/// A model with random numbers at every step, and a learning rate that depends on the step.
fn train(fit: Fit) -> KerasModel {
    let device = Device::flex();
    let layers = Sequential::new()
        .with(Input::new([6]))
        .with(Dense::new(16).activation("relu"))
        .with(BatchNormalization::new())
        .with(Dropout::new(0.4))
        .with(Dense::new(3));
    let mut model = layers.seed(3).build(&device).unwrap();
    let rate = CosineDecay { initial_learning_rate: 0.02, decay_steps: 200.into(), ..CosineDecay::default() };
    model.compile(Compile::new(Adam::new().learning_rate(rate), "mse")).unwrap();
    let numbers = |width: usize| -> Tensor<2> {
        let numbers: Vec<f32> = (0..4 * BATCHES * width).map(|at| (at as f32 * 0.7).sin()).collect();
        Tensor::<1>::from_floats(numbers.as_slice(), &device).reshape([4 * BATCHES, width])
    };
    model.fit(numbers(6), numbers(3), fit.epochs(EPOCHS).batch_size(4).seed(9)).unwrap();
    model
}

/// Weights and the state of the optimizer, bit by bit.
fn state(path: &Path) -> Members {
    let weights = KerasWeights::open(path, &Limits::default()).unwrap();
    let read = |it: DatasetInfo| (it.path.clone(), weights.read(&it.path).unwrap().as_bytes().to_vec());
    weights.datasets().map(read).collect()
}

#[test]
fn killed_while_training() {
    let undisturbed = folder();
    let path = undisturbed.path().join("end.keras");
    let start = Instant::now();
    train(Fit::new()).save(&path).unwrap();
    let expected = state(&path);
    assert!(expected.keys().any(|path| path.starts_with("optimizer/vars/")), "{:?}", expected.keys());
    let batch = start.elapsed().as_micros() as usize / (EPOCHS * BATCHES);

    let mut random = Random(0x5555_aaaa_1234_9999);
    let (mut kills, mut ends) = (0, 0);
    while kills < KILLS {
        let runs = folder();
        let end = runs.path().join("end.keras");
        while !end.exists() {
            // Some are killed before their first checkpoint, some after many.
            let ended = kill("trains_until_the_end", runs.path(), ends % 2, 60 * batch, &mut random);
            kills += usize::from(!ended);
            let names = std::fs::read_dir(runs.path()).unwrap().map(|entry| entry.unwrap().path());
            // All that are there under their names are whole; what was being written has another name.
            for path in names.filter(|path| path.extension().is_some_and(|ending| ending == "keras")) {
                KerasModel::load(&path, &Device::flex())
                    .unwrap_or_else(|error| panic!("kill {kills}: {error}"));
            }
        }
        assert!(state(&end) == expected, "training {ends} ended otherwise after {kills} kills");
        ends += 1;
    }
    assert!(ends > 1, "{kills} kills in {ends} trainings");
}
