//! `ModelCheckpoint` beside that of real Keras, told of the same trainings; and what Keras' cannot do.
//!
//! `tests/keras/model_checkpoint.py` has the scenarios, and what real Keras and real Python did is in
//! `tests/fixtures/model_checkpoint`. Where a scenario has `ours`, we do otherwise, for the reason given there.

#![cfg(feature = "train")]

mod common;
#[path = "common/training.rs"]
mod training;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use burn::tensor::{Device, Tensor, TensorData};
use burn_keras::build::{Dense, Input, Sequential};
use burn_keras::callback::{
    Callback, Direction, End, Logs, Mode, ModelCheckpoint, Number, Queue, SaveFreq, Saved, Template, Training,
};
use burn_keras::train::{Compile, Fit};
use burn_keras::{Error, ErrorKind, KerasModel, Result};
use serde_json::{Value as Json, json};

use common::{root, script};
use training::Fake;

const FIXTURES: &str = "tests/fixtures/model_checkpoint";

fn fixture(name: &str) -> Json {
    serde_json::from_slice(&fs::read(root().join(FIXTURES).join(name)).unwrap()).unwrap()
}

#[test]
fn real_keras_does_what_the_fixtures_say() {
    let Some(mut script) = script("model_checkpoint.py") else { return };
    let folder = tempfile::tempdir().unwrap();
    assert!(script.arg("make").arg(folder.path()).status().unwrap().success());
    for name in ["scenarios.json", "formats.json"] {
        let now: Json = serde_json::from_slice(&fs::read(folder.path().join(name)).unwrap()).unwrap();
        let fixture = fixture(name);
        for (key, rows) in fixture.as_object().unwrap() {
            for (now, before) in now[key].as_array().unwrap().iter().zip(rows.as_array().unwrap()) {
                assert_eq!(now, before, "{name}, {key}");
            }
        }
        assert_eq!(now, fixture, "{name}");
    }
}

/// A number of a fixture; infinite ones are texts.
fn float(json: &Json) -> f64 {
    json.as_f64().unwrap_or_else(|| json.as_str().unwrap().parse().unwrap())
}

fn logs(json: &Json) -> Logs {
    json.as_object().unwrap().iter().map(|(name, number)| (name.as_str(), float(number))).collect()
}

#[test]
fn names_are_filled_as_python_fills_them() {
    let formats = fixture("formats.json");
    let numbers: Vec<Number> = formats["numbers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|number| number.as_i64().map_or_else(|| Number::Float(float(number)), Number::Int))
        .collect();
    let mut count = 0;
    let mut wrong = Vec::new();
    for row in formats["rows"].as_array().unwrap() {
        let text = format!("{{x{}}}", row[0].as_str().unwrap());
        for (index, expected) in row[1].as_array().unwrap().iter().zip(row[2].as_array().unwrap()) {
            let number = numbers[index.as_u64().unwrap() as usize];
            let filled = Template::parse(text.as_str()).and_then(|it| it.fill(|_| Some(number)));
            let filled = filled.map_or(Json::Null, Json::String);
            if filled != *expected {
                wrong.push(format!("{text} of {number:?}: {filled}, in Python {expected}"));
            }
            count += 1;
        }
    }
    for row in formats["templates"].as_array().unwrap() {
        let text = row[0].as_str().unwrap();
        let filled = Template::parse(text).and_then(|template| {
            template.fill(|name| match name {
                "epoch" => Some(Number::Int(3)),
                "val_loss" => Some(Number::Float(0.25)),
                _ => None,
            })
        });
        let filled = filled.map_or(Json::Null, Json::String);
        if filled != row[1] {
            wrong.push(format!("{text}: {filled}, in Python {}", row[1]));
        }
    }
    assert!(wrong.is_empty(), "{} wrong: {wrong:#?}", wrong.len());
    assert!(count > 3_000, "{count}");
}

/// What Keras monitors in the model of the scenarios.
fn watched() -> Fake {
    let scenarios = fixture("scenarios.json");
    let rows: Vec<_> = scenarios["watched"].as_array().unwrap().iter().collect();
    let direction = |json: &Json| match json.as_str()? {
        "up" => Some(Direction::Up),
        _ => Some(Direction::Down),
    };
    let rows = rows.iter().map(|row| (row[0].as_str().unwrap(), direction(&row[1]), row[2] == true));
    Fake::watching(rows)
}

fn checkpoint(folder: &Path, arguments: &Json) -> ModelCheckpoint {
    let mut checkpoint =
        ModelCheckpoint::new(folder.join(arguments["filepath"].as_str().unwrap())).verbose(1);
    for (name, value) in arguments.as_object().unwrap() {
        checkpoint = match (name.as_str(), value) {
            ("filepath", _) => checkpoint,
            ("monitor", Json::String(name)) => checkpoint.monitor(name),
            ("mode", Json::String(name)) => checkpoint.mode_named(name),
            ("save_best_only", Json::Bool(yes)) => checkpoint.save_best_only(*yes),
            ("save_weights_only", Json::Bool(yes)) => checkpoint.save_weights_only(*yes),
            ("save_freq", Json::Number(n)) => checkpoint.save_freq(SaveFreq::Batches(n.as_u64().unwrap())),
            ("verbose", Json::Number(n)) => checkpoint.verbose(n.as_u64().unwrap() as u8),
            ("initial_value_threshold", number) => checkpoint.initial_value_threshold(float(number)),
            other => panic!("{other:?}"),
        };
    }
    checkpoint
}

/// Tells a checkpoint of a training. What was written at which moments.
fn play(
    checkpoint: &mut ModelCheckpoint,
    fake: &mut Fake,
    epochs: &Json,
    folder: &Path,
) -> Result<Vec<Json>> {
    let mut moments = Vec::new();
    let mut note = |moment: String, fake: &Fake| {
        let name = |path: &Path| path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
        let names: Vec<String> = fake.take_written().iter().map(|(path, _)| name(path)).collect();
        if !names.is_empty() {
            moments.push(json!([moment, names]));
        }
    };
    checkpoint.on_train_begin(fake)?;
    for (epoch, events) in epochs.as_array().unwrap().iter().enumerate() {
        fake.epoch = epoch;
        checkpoint.on_epoch_begin(fake)?;
        let mut trained = 0;
        for event in events["batches"].as_array().into_iter().flatten() {
            let batch = event[0].as_u64().unwrap();
            fake.step += batch + 1 - trained;
            trained = batch + 1;
            fake.logs = logs(&event[1]);
            checkpoint.on_train_batch_end(batch as usize, fake)?;
            note(format!("e{}-b{trained}", epoch + 1), fake);
        }
        fake.logs = logs(&events["end"]);
        checkpoint.on_epoch_end(fake)?;
        note(format!("e{}", epoch + 1), fake);
    }
    checkpoint.on_train_end(End::Complete, fake)?;
    Ok(moments)
}

/// All files below a folder.
fn files(folder: &Path) -> BTreeSet<String> {
    fn walk(folder: &Path, below: &str, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{below}{}", entry.file_name().to_string_lossy());
            if entry.path().is_dir() {
                walk(&entry.path(), &format!("{name}/"), found);
            } else {
                found.insert(name);
            }
        }
    }
    let mut found = BTreeSet::new();
    walk(folder, "", &mut found);
    found
}

fn plays_as_keras(scenario: &Json) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (kind, name) in scenario["prepared"].as_object().unwrap() {
        let path = folder.join(name.as_str().unwrap());
        if kind == "directory" { fs::create_dir(path).unwrap() } else { fs::write(path, "").unwrap() }
    }
    let before = files(folder);
    let expected = if scenario["ours"].is_object() { &scenario["ours"] } else { &scenario["keras"] };
    assert!(scenario["ours"].is_null() || scenario["ours"]["why"].is_string());
    let mut fake = watched();
    let mut checkpoint = checkpoint(folder, &scenario["arguments"]);
    let is_refused = expected["refused"].as_str();
    let moments = match (play(&mut checkpoint, &mut fake, &scenario["epochs"], folder), is_refused) {
        (Err(error), Some(why)) if error.to_string().contains(why) && files(folder) == before => {
            return Ok(());
        }
        (Ok(moments), None) => moments,
        (Ok(moments), Some(_)) => return Err(format!("not refused, but {moments:?}")),
        (Err(error), _) => return Err(format!("{error}, with {:?}", files(folder))),
    };
    if Json::from(moments.as_slice()) != expected["written"] {
        return Err(format!("wrote {moments:?}, not {}", expected["written"]));
    }
    let inside = format!("{}/", folder.display());
    let said: Vec<String> = fake.said.iter().map(|message| message.replace(&inside, "")).collect();
    if Json::from(said.as_slice()) != expected["said"] {
        return Err(format!("said {said:#?}, not {:#}", expected["said"]));
    }
    let all =
        moments.iter().flat_map(|it| it[1].as_array().unwrap()).map(|it| it.as_str().unwrap().to_owned());
    if all.collect::<BTreeSet<_>>() != files(folder) {
        return Err(format!("left {:?}", files(folder)));
    }
    Ok(())
}

#[test]
fn files_moments_and_messages_are_those_of_keras() {
    let scenarios = fixture("scenarios.json");
    let scenarios = scenarios["scenarios"].as_array().unwrap();
    assert!(scenarios.len() > 55);
    let wrong: Vec<String> = scenarios
        .iter()
        .filter_map(|scenario| Some(format!("{}: {}", scenario["name"], plays_as_keras(scenario).err()?)))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // Where we agree, Keras did not fail.
    let failed = |it: &&Json| !it["keras"]["failed"].is_null() && it["ours"].is_null();
    assert_eq!(scenarios.iter().find(failed), None);
}

/// Numbers that look random.
fn waves<const D: usize>(shape: [usize; D], pitch: f32) -> TensorData {
    let count = shape.iter().product::<usize>();
    TensorData::new((0..count).map(|index| (index as f32 * pitch).sin()).collect::<Vec<_>>(), shape)
}

#[test]
fn real_keras_opens_the_checkpoints_of_a_real_training() {
    let (device, folder) = (Device::flex(), tempfile::tempdir().unwrap());
    let at = |name: &str| ModelCheckpoint::new(folder.path().join(name));
    let layers =
        Sequential::new().with(Input::new([3])).with(Dense::new(4).activation("tanh")).with(Dense::new(1));
    let mut model = layers.seed(3).build(&device).unwrap();
    model.compile(Compile::new("adam", "mse").metrics(["mae"])).unwrap();
    let every = at("{epoch:02d}-{val_loss:.4f}.keras").background(Queue::Wait);
    let best = at("best.weights.h5").save_weights_only(true).save_best_only(true).monitor("mae");
    let batches = at("{epoch}-{batch}-{loss:.2e}.h5").save_freq(SaveFreq::Batches(2)).keep_last(2);
    let (all, last) = (every.results(), batches.results());
    let (x, y) = (waves([12, 3], 1.3), waves([12, 1], 0.7));
    let tensor = |data: &TensorData| Tensor::<2>::from_data(data.clone(), &device);
    let fit = Fit::new().epochs(3).batch_size(3).seed(5).validation_split(0.25);
    let fit = fit.callback(every).callback(best).callback(batches);
    let history = model.fit(tensor(&x), tensor(&y), fit).unwrap();

    let outputs = |model: &KerasModel| -> Vec<f32> {
        let outputs = model.predict(tensor(&x)).unwrap();
        outputs.into_iter().next().unwrap().1.into_data().try_into_vec().unwrap()
    };
    let mut expected = serde_json::Map::new();
    let losses = history.get("val_loss");
    for (epoch, loss) in losses.iter().enumerate() {
        let name = format!("{:02}-{loss:.4}.keras", epoch + 1);
        let y = outputs(&KerasModel::load(folder.path().join(&name), &device).unwrap());
        assert_eq!(epoch == 2, y == outputs(&model), "{name}");
        expected.insert(name, json!({"iterations": 3 * (epoch + 1), "y": y}));
    }
    let mut values: Vec<f64> = all.best_k_models().into_iter().map(|it| it.1).collect();
    assert!(values.is_sorted() && values.len() == 3);
    values.retain(|value| !losses.contains(value));
    assert!(values.is_empty(), "{values:?}");
    // Of 9 batches, after the 6th and the 8th.
    let mut kept: Vec<_> = files(folder.path()).into_iter().filter(|name| name.contains('e')).collect();
    kept.retain(|name| name.ends_with(".h5") && !name.starts_with("best"));
    assert!(kept.len() == 2 && kept[0].starts_with("2-3-") && kept[1].starts_with("3-2-"), "{kept:?}");
    assert!(last.last_model_path().unwrap().ends_with(&kept[1]));
    for (name, iterations) in kept.into_iter().zip([6, 8]) {
        let y = outputs(&KerasModel::load(folder.path().join(&name), &device).unwrap());
        expected.insert(name, json!({"iterations": iterations, "y": y}));
    }
    // The best epoch has the same weights as its whole model.
    let errors = history.get("mae");
    let index = (0..3).min_by(|a, b| errors[*a].total_cmp(&errors[*b])).unwrap();
    let y = expected[&format!("{:02}-{:.4}.keras", index + 1, losses[index])].clone();
    expected.insert("best.weights.h5".to_owned(), y);

    let Some(mut script) = script("model_checkpoint.py") else { return };
    let rows: Vec<Vec<f32>> = x.try_into_vec::<f32>().unwrap().chunks(3).map(<[f32]>::to_vec).collect();
    let expected = json!({"x": rows, "files": expected});
    fs::write(folder.path().join("expected.json"), expected.to_string()).unwrap();
    assert!(script.arg("judge").arg(folder.path()).status().unwrap().success(), "Keras found faults");
}

/// A folder, and a training that monitors a loss and an accuracy.
fn training() -> (tempfile::TempDir, Fake) {
    let (down, up) = (Some(Direction::Down), Some(Direction::Up));
    let watched =
        [("loss", down, true), ("accuracy", up, true), ("mine", None, true), ("val_loss", down, false)];
    (tempfile::tempdir().unwrap(), Fake::watching(watched))
}

/// One epoch of 4 batches, at whose end that is the validation's loss.
fn epoch(checkpoint: &mut ModelCheckpoint, fake: &mut Fake, val_loss: f64) -> Result<()> {
    checkpoint.on_epoch_begin(fake)?;
    for batch in 0..4 {
        fake.step += 1;
        fake.logs = Logs::from_iter([("loss", val_loss), ("accuracy", 1.0 - val_loss)]);
        checkpoint.on_train_batch_end(batch, fake)?;
    }
    fake.logs.set("val_loss", val_loss);
    checkpoint.on_epoch_end(fake)?;
    fake.epoch += 1;
    Ok(())
}

fn train(checkpoint: &mut ModelCheckpoint, fake: &mut Fake, losses: &[f64], end: End) -> Result<()> {
    checkpoint.on_train_begin(fake)?;
    losses.iter().try_for_each(|loss| epoch(checkpoint, fake, *loss))?;
    // It tells of the end before it counts the epoch.
    checkpoint.on_train_end(end, fake)
}

fn names(folder: &Path) -> Vec<String> {
    files(folder).into_iter().collect()
}

#[test]
fn the_best_and_the_last_are_kept() {
    let losses = [0.5, 0.2, 0.4, 0.3, 0.6];
    let new = |folder: &Path| ModelCheckpoint::new(folder.join("{epoch}.keras"));
    type Change = fn(ModelCheckpoint) -> ModelCheckpoint;
    let table: [(Change, &[&str]); 6] = [
        (|it| it.keep_best(2), &["2.keras", "4.keras"]),
        (|it| it.keep_best(2).save_best_only(true), &["1.keras", "2.keras"]),
        (|it| it.keep_last(2), &["4.keras", "5.keras"]),
        (|it| it.keep_last(1).keep_best(1), &["2.keras", "5.keras"]),
        (|it| it.keep_best(1).monitor("accuracy"), &["2.keras"]),
        (|it| it.keep_best(3).background(Queue::Wait), &["2.keras", "3.keras", "4.keras"]),
    ];
    for (change, expected) in table {
        let (folder, mut fake) = training();
        let foreign = folder.path().join("9.keras");
        fs::write(&foreign, "").unwrap();
        let mut checkpoint = change(new(folder.path()));
        let results = checkpoint.results();
        train(&mut checkpoint, &mut fake, &losses, End::Complete).unwrap();
        fs::remove_file(&foreign).expect("only our own files may be deleted");
        assert_eq!(names(folder.path()), expected);
        let paths: BTreeSet<_> = expected.iter().map(|name| folder.path().join(name)).collect();
        assert_eq!(results.best_k_models().into_iter().map(|(path, _)| path).collect::<BTreeSet<_>>(), paths);
        let best = results.best_model_path();
        assert_eq!(best.is_some_and(|path| path.ends_with("2.keras")), expected.contains(&"2.keras"));
        assert!(paths.contains(&results.last_model_path().unwrap()));
    }
}

#[test]
fn a_file_goes_only_after_the_next_one_is_complete() {
    let (folder, mut fake) = training();
    let seen: Arc<Mutex<Vec<Vec<String>>>> = Arc::default();
    let (at, noted) = (folder.path().to_owned(), seen.clone());
    fake.before = Some(Arc::new(move |path| {
        noted.lock().unwrap().push(names(&at));
        if path.ends_with("3.keras") { Err(Error::input("the disk is full")) } else { Ok(()) }
    }));
    let mut checkpoint = ModelCheckpoint::new(folder.path().join("{epoch}.keras")).keep_last(1);
    let results = checkpoint.results();
    let error = train(&mut checkpoint, &mut fake, &[0.3, 0.2, 0.1], End::Complete).unwrap_err();
    assert!(error.to_string().contains("the disk is full"));
    assert_eq!(*seen.lock().unwrap(), [vec![], vec!["1.keras".to_owned()], vec!["2.keras".to_owned()]]);
    assert_eq!(names(folder.path()), ["2.keras"]);
    assert!(results.last_model_path().unwrap().ends_with("2.keras"));
}

#[test]
fn one_name_is_one_file() {
    let (folder, mut fake) = training();
    let mut checkpoint = ModelCheckpoint::new(folder.path().join("best.keras")).keep_best(1);
    let results = checkpoint.results();
    train(&mut checkpoint, &mut fake, &[0.5, 0.7, 0.2, 0.2, 0.4], End::Complete).unwrap();
    assert_eq!(fake.take_written().len(), 2);
    assert_eq!(results.best_k_models(), [(folder.path().join("best.keras"), 0.2)]);
}

#[test]
fn what_cannot_work_is_refused_at_the_start() {
    type Change = fn(ModelCheckpoint) -> ModelCheckpoint;
    let table: [(&str, Change, &str); 14] = [
        ("{epoch}.keras", |it| it.save_freq(SaveFreq::Batches(0)), "0 batches"),
        ("{epoch}.keras", |it| it.period(0), "0 epochs"),
        ("{epoch}.keras", |it| it.period(2).save_freq(SaveFreq::Batches(3)), "period counts epochs"),
        ("{epoch}.keras", |it| it.keep_best(0), "nothing would be kept"),
        ("{epoch}.keras", |it| it.keep_last(0), "nothing would be kept"),
        ("{val_loss}.keras", |it| it.keep_last(2), "put {epoch} into the name"),
        ("{val_loss}.keras", |it| it.keep_last(1).keep_best(1), "put {epoch} into the name"),
        ("best.keras", |it| it.save_best_only(true).save_on_interrupt(true), "put {epoch} into the name"),
        (
            "{epoch}.keras",
            |it| it.save_freq(SaveFreq::Batches(3)).monitor("loss").keep_best(2),
            "put {epoch} into the name, and {batch}",
        ),
        ("{epoch}.keras", |it| it.initial_value_threshold(f64::NAN), "NaN"),
        ("{epoch}.keras", |it| it.monitor("mine").restore_best_weights(true), "give the mode Min or Max"),
        ("{epoch}.keras", |it| it.monitor("val_los").keep_best(2), "did you mean \"val_loss\""),
        ("forbidden{epoch}.keras", |it| it, "such a name is forbidden"),
        ("{epoch:300}.keras", |it| it, "300 characters"),
    ];
    for (name, change, why) in table {
        let (folder, mut fake) = training();
        let mut checkpoint = change(ModelCheckpoint::new(folder.path().join(name)));
        let error = checkpoint.on_train_begin(&mut fake).unwrap_err().to_string();
        assert!(error.contains(why) && error.contains("ModelCheckpoint"), "{name}: {error}");
        assert!(files(folder.path()).is_empty() && checkpoint.on_epoch_end(&mut fake).is_err());
        checkpoint.on_train_end(End::Failed, &mut fake).unwrap();
    }
    // All of it at once.
    let (folder, mut fake) = training();
    let mut checkpoint = ModelCheckpoint::new(folder.path().join("{epok}-{los}.txt")).monitor("acuracy");
    checkpoint = checkpoint.save_best_only(true).period(0);
    let error = checkpoint.on_train_begin(&mut fake).unwrap_err();
    assert_eq!(error.problems().count(), 5, "{error}");
}

#[test]
fn it_counts_epochs_batches_and_time() {
    let written = |change: fn(ModelCheckpoint) -> ModelCheckpoint| {
        let (folder, mut fake) = training();
        let mut checkpoint = change(ModelCheckpoint::new(folder.path().join("{epoch}-{loss}.weights.h5")));
        checkpoint = checkpoint.save_weights_only(true);
        train(&mut checkpoint, &mut fake, &[0.5; 5], End::Complete).unwrap();
        let written = fake.take_written();
        assert!(written.iter().all(|(_, what)| *what == Saved::Weights));
        written.len()
    };
    assert_eq!(written(|it| it.period(2)), 2);
    assert_eq!(written(|it| it.save_freq(SaveFreq::Batches(6))), 3);
    assert_eq!(written(|it| it.save_freq(SaveFreq::Every(Duration::ZERO))), 20);
    assert_eq!(written(|it| it.save_freq(SaveFreq::Every(Duration::from_secs(3600)))), 0);
}

#[test]
fn everything_survives_a_restart() {
    let (folder, mut fake) = training();
    let new = || {
        let best =
            ModelCheckpoint::new(folder.path().join("best_{epoch}.keras")).keep_best(2).save_best_only(true);
        (best, ModelCheckpoint::new(folder.path().join("last.keras")).period(2))
    };
    let both = |fake: &mut Fake, losses: &[f64]| {
        let (mut best, mut last) = new();
        let results = best.results();
        best.on_train_begin(fake).unwrap();
        last.on_train_begin(fake).unwrap();
        for loss in losses {
            let start = (fake.step, fake.epoch);
            epoch(&mut best, fake, *loss).unwrap();
            (fake.step, fake.epoch) = start;
            epoch(&mut last, fake, *loss).unwrap();
        }
        best.on_train_end(End::Complete, fake).unwrap();
        results
    };
    both(&mut fake, &[0.5, 0.3, 0.4]);
    assert_eq!(names(folder.path()), ["best_1.keras", "best_2.keras", "last.keras"]);
    // The file of the other checkpoint has all facts of both.
    let mut again = fake.resumed(&folder.path().join("last.keras"));
    assert_eq!(again.epoch, 2);
    let results = both(&mut again, &[0.35, 0.2]);
    assert_eq!(names(folder.path()), ["best_2.keras", "best_4.keras", "last.keras"]);
    assert_eq!(results.best_k_models().into_iter().map(|it| it.1).collect::<Vec<_>>(), [0.2, 0.3]);
    let last = again.take_written();
    assert!(last.last().unwrap().0.ends_with("last.keras"), "{last:?}");

    // Another monitor, or the same the other way round, starts anew.
    for (monitor, mode, expected) in
        [("val_loss", Mode::Auto, 0), ("val_loss", Mode::Max, 1), ("loss", Mode::Auto, 1)]
    {
        let (folder, mut fake) = training();
        let new = || ModelCheckpoint::new(folder.path().join("{epoch}.keras")).save_best_only(true);
        train(&mut new(), &mut fake, &[0.2], End::Complete).unwrap();
        let mut again = fake.resumed(&folder.path().join("1.keras"));
        let mut checkpoint = new().monitor(monitor).mode(mode).initial_value_threshold(0.25);
        train(&mut checkpoint, &mut again, &[if mode == Mode::Max { 0.3 } else { 0.22 }], End::Complete)
            .unwrap();
        assert_eq!(again.take_written().len(), expected, "{monitor} {mode:?}");
    }

    // Batches are counted on: 4 + 1 of the first training, 4 of the second.
    let (folder, mut fake) = training();
    let new = || {
        let name = folder.path().join("{epoch}-{batch}.keras");
        ModelCheckpoint::new(name).save_freq(SaveFreq::Batches(5)).keep_last(1)
    };
    let mut first = new();
    train(&mut first, &mut fake, &[0.1, 0.1], End::Complete).unwrap();
    assert_eq!(names(folder.path()), ["2-1.keras"]);
    let mut again = fake.resumed(&folder.path().join("2-1.keras"));
    let mut second = new();
    train(&mut second, &mut again, &[0.1, 0.1], End::Complete).unwrap();
    // Resumed after 5 batches: the next is the 10th, and the first file goes.
    assert_eq!(names(folder.path()), ["4-1.keras"]);
}

#[test]
fn what_a_file_says_cannot_delete_others() {
    let (folder, mut fake) = training();
    let inside = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let template = inside("run/m{epoch}.keras");
    fs::create_dir_all(folder.path().join("run/m3.keras")).unwrap();
    let victims = ["precious", "run/precious.keras", "run/m1.keras.keras", "m1.keras"];
    for name in victims {
        fs::write(inside(name), "").unwrap();
    }
    let listed = [&victims[..], &["run/../precious", "run/m3.keras", "run/m2.keras", "/"]].concat();
    let listed: Vec<Json> = listed.iter().map(|name| json!({"path": inside(name), "value": null})).collect();
    let facts = json!({"monitor": ["val_loss", "Down"], "best": 1e308, "epochs": u64::MAX, "files": listed});
    fake.facts.insert(format!("ModelCheckpoint {template}"), facts);
    let mut checkpoint = ModelCheckpoint::new(&template).keep_last(1);
    train(&mut checkpoint, &mut fake, &[0.5, 0.4], End::Complete).unwrap();
    for name in victims {
        assert!(Path::new(&inside(name)).is_file(), "{name}");
    }
    assert!(Path::new(&inside("run/m2.keras")).is_file() && Path::new(&inside("run/m3.keras")).is_dir());
    for odd in [json!(3), json!({"best": "nan", "files": {"path": []}, "epochs": -1}), json!([]), Json::Null]
    {
        fake.facts.insert(format!("ModelCheckpoint {template}"), odd);
        checkpoint.on_train_begin(&mut fake).unwrap();
    }
}

/// Files that wait until they are told to be written.
fn slow(fake: &mut Fake) -> std::sync::mpsc::Sender<()> {
    let (tell, told) = channel();
    let told = Mutex::new(told);
    fake.before = Some(Arc::new(move |_| {
        told.lock().unwrap().recv().expect("the test has ended");
        Ok(())
    }));
    tell
}

#[test]
fn in_the_background_the_newest_wins() {
    let (folder, mut fake) = training();
    let tell = slow(&mut fake);
    let mut checkpoint = ModelCheckpoint::new(folder.path().join("{epoch}.keras"));
    checkpoint = checkpoint.background(Queue::NewestWins).keep_last(2).verbose(1);
    checkpoint.on_train_begin(&mut fake).unwrap();
    epoch(&mut checkpoint, &mut fake, 0.5).unwrap();
    // The first may still wait for the thread, and would be replaced: it is being written once this is told.
    tell.send(()).unwrap();
    while files(folder.path()).is_empty() {
        std::thread::yield_now();
    }
    for loss in [0.4, 0.3, 0.2, 0.1] {
        epoch(&mut checkpoint, &mut fake, loss).unwrap();
    }
    assert_eq!(names(folder.path()), ["1.keras"]);
    (0..4).for_each(|_| tell.send(()).unwrap());
    checkpoint.on_train_end(End::Complete, &mut fake).unwrap();
    let left = names(folder.path());
    assert!(left.len() == 2 && left[1] == "5.keras", "{left:?}");
    let written = fake.take_written().len();
    assert!((2..=4).contains(&written), "{written}");
    let finished = fake.said.iter().filter(|it| it.contains("finished saving")).count();
    assert_eq!(finished, written);
}

#[test]
fn in_the_background_all_are_written_when_it_waits() {
    let (folder, mut fake) = training();
    let active = Arc::new(AtomicUsize::new(0));
    fake.before = Some(Arc::new(move |_| {
        assert_eq!(active.fetch_add(1, Ordering::SeqCst), 0, "two at a time");
        std::thread::sleep(Duration::from_millis(5));
        active.fetch_sub(1, Ordering::SeqCst);
        Ok(())
    }));
    let mut checkpoint =
        ModelCheckpoint::new(folder.path().join("{epoch:02d}.keras")).background(Queue::Wait);
    train(&mut checkpoint, &mut fake, &[0.5; 12], End::Failed).unwrap();
    assert_eq!(names(folder.path()), (1..=12).map(|n| format!("{n:02}.keras")).collect::<Vec<_>>());
    assert_eq!(fake.take_written().len(), 12);
}

#[test]
fn the_training_goes_on_meanwhile() {
    let (folder, mut fake) = training();
    let tell = slow(&mut fake);
    let mut checkpoint = ModelCheckpoint::new(folder.path().join("{epoch}.keras")).background(Queue::Wait);
    checkpoint.on_train_begin(&mut fake).unwrap();
    epoch(&mut checkpoint, &mut fake, 0.5).unwrap();
    epoch(&mut checkpoint, &mut fake, 0.4).unwrap();
    // Nothing is written yet. A training that is dropped has its files all the same.
    assert!(files(folder.path()).is_empty());
    (0..2).for_each(|_| tell.send(()).unwrap());
    drop(checkpoint);
    assert_eq!(names(folder.path()), ["1.keras", "2.keras"]);
}

#[test]
fn errors_and_panics_of_the_background_come_back() {
    for panics in [false, true] {
        let (folder, mut fake) = training();
        fake.before = Some(Arc::new(move |path| match path.ends_with("1.keras") {
            true if panics => panic!("on purpose"),
            true => Err(Error::new(ErrorKind::Io, "on purpose")),
            false => Ok(()),
        }));
        let mut checkpoint =
            ModelCheckpoint::new(folder.path().join("{epoch}.keras")).background(Queue::Wait);
        let results = checkpoint.results();
        checkpoint.on_train_begin(&mut fake).unwrap();
        epoch(&mut checkpoint, &mut fake, 0.5).unwrap();
        let error = loop {
            if let Err(error) = checkpoint.on_train_batch_end(0, &mut fake) {
                break error;
            }
        };
        assert!(error.kind() == ErrorKind::Io && error.to_string().contains("on purpose"), "{error}");
        assert!(files(folder.path()).is_empty() && results.last_model_path().is_none());
        // It is told once, and what comes after is written.
        fake.epoch = 1;
        checkpoint.on_epoch_end(&mut fake).unwrap();
        checkpoint.on_train_end(End::Failed, &mut fake).unwrap();
        assert_eq!(names(folder.path()), ["2.keras"]);
    }
}

#[test]
fn an_end_that_nobody_planned_is_saved() {
    for end in [End::Complete, End::Interrupted, End::Failed] {
        let (folder, mut fake) = training();
        let mut checkpoint = ModelCheckpoint::new(folder.path().join("{epoch}-{val_loss:.2f}.keras"));
        checkpoint = checkpoint.save_on_interrupt(true).save_best_only(true).keep_best(1).verbose(1);
        checkpoint.on_train_begin(&mut fake).unwrap();
        epoch(&mut checkpoint, &mut fake, 0.5).unwrap();
        fake.step += 1;
        fake.logs = Logs::from_iter([("loss", 0.25)]);
        checkpoint.on_train_batch_end(0, &mut fake).unwrap();
        checkpoint.on_train_end(end, &mut fake).unwrap();
        if end == End::Complete {
            assert_eq!(names(folder.path()), ["1-0.50.keras"]);
            continue;
        }
        assert_eq!(names(folder.path()), ["1-0.50.keras", "2-nan.keras"]);
        assert!(fake.said.iter().any(|it| it.contains("Epoch 2: interrupted, saving model to")));
        // The next training lets it go when it has something better.
        let mut again = fake.resumed(&folder.path().join("2-nan.keras"));
        again.epoch = 1;
        let mut checkpoint = ModelCheckpoint::new(folder.path().join("{epoch}-{val_loss:.2f}.keras"));
        checkpoint = checkpoint.save_best_only(true).keep_best(1);
        train(&mut checkpoint, &mut again, &[0.6, 0.4], End::Complete).unwrap();
        assert_eq!(names(folder.path()), ["3-0.40.keras"]);
    }
    // What is saved already is not saved again.
    let (folder, mut fake) = training();
    let mut checkpoint = ModelCheckpoint::new(folder.path().join("{epoch}.keras")).save_on_interrupt(true);
    train(&mut checkpoint, &mut fake, &[0.5], End::Interrupted).unwrap();
    assert_eq!(fake.take_written().len(), 1);
}

#[test]
fn the_best_weights_come_back() {
    let best = |end, losses: &[f64]| {
        let (folder, mut fake) = training();
        let mut checkpoint =
            ModelCheckpoint::new(folder.path().join("last.keras")).restore_best_weights(true);
        train(&mut checkpoint, &mut fake, losses, end).unwrap();
        fake.restored
    };
    assert_eq!(best(End::Complete, &[0.5, 0.3, 0.3, 0.4]), [8]);
    assert_eq!(best(End::Interrupted, &[f64::NAN, 0.5, 0.6]), [8]);
    assert!(best(End::Failed, &[0.5]).is_empty() && best(End::Complete, &[f64::NAN]).is_empty());

    let (folder, mut fake) = training();
    let new =
        || ModelCheckpoint::new(folder.path().join("{epoch}.keras")).restore_best_weights(true).keep_best(1);
    train(&mut new(), &mut fake, &[0.1], End::Complete).unwrap();
    let mut again = fake.resumed(&folder.path().join("1.keras"));
    train(&mut new(), &mut again, &[0.2], End::Complete).unwrap();
    assert_eq!((again.restored, again.said.len()), (vec![4], 0));
    // Better ones are those that count, and of a file that is gone it is told.
    let mut better = fake.resumed(&folder.path().join("1.keras"));
    let mut worse = fake.resumed(&folder.path().join("1.keras"));
    train(&mut new(), &mut better, &[0.2, 0.05], End::Complete).unwrap();
    assert_eq!((better.restored, better.said.len()), (vec![12], 0));
    let _ = std::fs::remove_file(folder.path().join("1.keras"));
    train(&mut new(), &mut worse, &[0.2], End::Complete).unwrap();
    assert!(worse.restored.is_empty() && worse.said[0].contains("from before the restart, is gone"));
}

#[test]
fn the_files_of_a_template_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, seconds: u64| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds);
        File::create(path).unwrap().set_modified(time).unwrap();
    };
    for (name, seconds) in [
        ("run/01/1-0.50.keras", 1),
        ("run/02/3-0.25.keras", 9),
        ("run/10/1-nan.keras", 5),
        ("run/09/2--1.00.keras", 5),
        ("run/09/12-inf.keras", 5),
        ("run/3/1-0.50.keras", 20),
        ("run/04/1-0.5.keras", 20),
        ("run/04/1-0.50.keras.part", 20),
        ("run/x/1-0.50.keras", 20),
        ("other/04/1-0.50.keras", 20),
    ] {
        write(name, seconds);
    }
    fs::create_dir_all(folder.path().join("run/05/1-0.50.keras")).unwrap();
    fs::write(folder.path().join("run/06"), "").unwrap();
    let template = Template::parse("run/{epoch:02d}/{batch}-{val_loss:.2f}.keras").unwrap();
    let found = template.matching(folder.path()).unwrap();
    let numbers: Vec<_> = found.iter().map(|it| (it.epoch.unwrap(), it.batch.unwrap())).collect();
    assert_eq!(numbers, [(2, 3), (10, 1), (9, 12), (9, 2), (1, 1)]);
    assert_eq!(found[0].path, folder.path().join("run/02/3-0.25.keras"));

    // A template may be a whole path, and have no fields.
    let absolute = folder.path().join("run/01/1-0.50.keras");
    for (text, from) in
        [(absolute.to_str().unwrap(), Path::new("")), ("01/1-0.50.keras", &folder.path().join("run"))]
    {
        let found = Template::parse(text).unwrap().matching(from).unwrap();
        assert!(found.len() == 1 && found[0].path == absolute && found[0].epoch.is_none(), "{found:?}");
    }
    let none = Template::parse("nowhere/{epoch}/{loss}.keras").unwrap().matching(folder.path()).unwrap();
    assert!(none.is_empty());
}

#[test]
fn modes_have_names() {
    let (folder, mut fake) = training();
    let mut checkpoint = ModelCheckpoint::new(folder.path().join("{epoch}.keras")).mode_named("maximum");
    checkpoint.on_train_begin(&mut fake).unwrap();
    assert_eq!(fake.said, ["ModelCheckpoint mode 'maximum' is unknown, fallback to auto mode."]);
    checkpoint = checkpoint.mode(Mode::Max);
    fake.said.clear();
    checkpoint.on_train_begin(&mut fake).unwrap();
    assert!(fake.said.is_empty() && fake.remembered("ModelCheckpoint").is_none());
}
