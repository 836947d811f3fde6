//! Callbacks, against what real Keras' do with the same logs.

use std::path::Path;
use std::sync::{Arc, Mutex};

use burn_keras::Result;
use burn_keras::callback::{
    BackupAndRestore, CSVLogger, Callback, EarlyStopping, End, LambdaCallback, LearningRateScheduler, Logs,
    Mode, ReduceLROnPlateau, SaveFreq, TerminateOnNaN, Training,
};
use burn_keras::config::Json;

#[path = "common/training.rs"]
mod training;

use training::{Epoch, Fake};

fn scenarios() -> Vec<Json> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/callbacks/scenarios.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// A number, or the word for one that JSON has not.
fn number(json: &Json) -> f64 {
    json.as_f64().unwrap_or_else(|| json.as_str().unwrap().parse().unwrap())
}

fn epochs(scenario: &Json) -> Vec<Epoch> {
    let batches = scenario["batches"].as_array().unwrap();
    let logs = scenario["logs"].as_array().unwrap().iter().enumerate();
    let epochs = logs.map(|(epoch, logs)| Epoch {
        logs: logs.as_object().unwrap().iter().map(|(name, value)| (name.clone(), number(value))).collect(),
        batches: batches
            .get(epoch)
            .map_or_else(Vec::new, |losses| losses.as_array().unwrap().iter().map(number).collect()),
    });
    epochs.collect()
}

/// The callbacks of a scenario, made anew.
fn callbacks(scenario: &Json, file: &Path) -> Vec<Box<dyn Callback>> {
    let all = scenario["callbacks"].as_array().unwrap().iter();
    all.map(|described| callback(described["class"].as_str().unwrap(), &described["arguments"], file))
        .collect()
}

fn callback(class: &str, arguments: &Json, file: &Path) -> Box<dyn Callback> {
    let names: Vec<&str> = arguments.as_object().unwrap().keys().map(String::as_str).collect();
    let known = [
        "monitor",
        "mode",
        "patience",
        "verbose",
        "min_delta",
        "baseline",
        "restore_best_weights",
        "start_from_epoch",
        "factor",
        "cooldown",
        "min_lr",
        "schedule",
        "raise_error",
        "separator",
        "append",
    ];
    assert!(names.iter().all(|name| known.contains(name)), "{names:?}");
    let count = |key: &str, default| arguments[key].as_u64().map_or(default, |count| count as usize);
    let float = |key: &str, default| arguments[key].as_f64().unwrap_or(default);
    let flag = |key: &str| arguments[key].as_bool().unwrap_or(arguments[key] == 1);
    let monitor = arguments["monitor"].as_str().unwrap_or("val_loss");
    let mode = match arguments["mode"].as_str() {
        Some("min") => Mode::Min,
        Some("max") => Mode::Max,
        _ => Mode::Auto,
    };
    match class {
        "EarlyStopping" => Box::new(
            EarlyStopping::new()
                .monitor(monitor)
                .mode(mode)
                .patience(count("patience", 0))
                .verbose(flag("verbose"))
                .min_delta(float("min_delta", 0.0))
                .baseline(arguments["baseline"].as_f64())
                .restore_best_weights(flag("restore_best_weights"))
                .start_from_epoch(count("start_from_epoch", 0)),
        ),
        "ReduceLROnPlateau" => Box::new(
            ReduceLROnPlateau::new()
                .monitor(monitor)
                .mode(mode)
                .factor(float("factor", 0.1))
                .patience(count("patience", 10))
                .verbose(flag("verbose"))
                .min_delta(float("min_delta", 1e-4))
                .cooldown(count("cooldown", 0))
                .min_lr(float("min_lr", 0.0)),
        ),
        "LearningRateScheduler" => {
            Box::new(
                match arguments["schedule"].as_str().unwrap() {
                    "halve" => LearningRateScheduler::new(|_, rate| rate * 0.5),
                    "steps" => LearningRateScheduler::new(|epoch, rate| {
                        if epoch % 2 == 1 { rate } else { 0.3 / (epoch + 1) as f64 }
                    }),
                    other => panic!("{other}"),
                }
                .verbose(flag("verbose")),
            )
        }
        "TerminateOnNaN" => Box::new(TerminateOnNaN::new().raise_error(flag("raise_error"))),
        "CSVLogger" => {
            let separator = arguments["separator"].as_str().unwrap_or(",").chars().next().unwrap();
            Box::new(CSVLogger::new(file).separator(separator).append(flag("append")))
        }
        other => panic!("{other}"),
    }
}

fn training(scenario: &Json, epochs: &[Epoch]) -> Fake {
    let names = epochs.iter().flat_map(|epoch| epoch.logs.iter().map(|(name, _)| name));
    Fake { rate: number(&scenario["rate"]), ..Fake::telling(names) }
}

fn rounded(rates: &[f64]) -> Vec<f64> {
    rates.iter().map(|rate| f64::from(*rate as f32)).collect()
}

fn numbers(json: &Json) -> Vec<f64> {
    json.as_array().unwrap().iter().map(number).collect()
}

#[test]
fn callbacks_do_what_those_of_keras_do() {
    let scenarios = scenarios();
    assert!(scenarios.len() > 45, "only {}", scenarios.len());
    for scenario in &scenarios {
        let (name, expected) = (scenario["name"].as_str().unwrap(), &scenario["expected"]);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("log.csv");
        if let Some(present) = scenario["present"].as_str() {
            std::fs::write(&file, present).unwrap();
        }
        let epochs = epochs(scenario);
        let mut training = training(scenario, &epochs);
        let ran = training.run(&mut callbacks(scenario, &file), &epochs, true);
        assert_eq!(
            ran.as_ref().err().map(ToString::to_string).as_deref(),
            expected["error"].as_str(),
            "{name}"
        );
        if let Ok((count, rates)) = ran {
            assert_eq!(count as u64, expected["epochs"], "{name}: epochs");
            assert_eq!(rounded(&rates), numbers(&expected["rates"]), "{name}: learning rates");
        }
        assert_eq!(training.step, expected["steps"], "{name}: batches");
        assert_eq!(
            rounded(&[training.rate]),
            [number(&expected["last_rate"])],
            "{name}: the last learning rate"
        );
        assert_eq!(Json::from(training.said), expected["messages"], "{name}: messages");
        assert_eq!(training.weights, number(&expected["weights"]), "{name}: weights");
        let written = std::fs::read_to_string(&file).ok();
        assert_eq!(written.as_deref(), expected["file"].as_str(), "{name}: the file");
    }
}

/// However often a training is cut off and goes on, its callbacks go on as well.
#[test]
fn what_callbacks_know_survives_restarts() {
    let scenarios = scenarios();
    let mut seen = 0;
    for scenario in &scenarios {
        let (name, expected) = (scenario["name"].as_str().unwrap(), &scenario["expected"]);
        // Best weights do not survive, and Keras has nothing to compare that with.
        let restores = scenario["callbacks"][0]["arguments"]["restore_best_weights"] == true;
        if restores || !(name.starts_with("stopping/") || name.starts_with("plateau/")) {
            continue;
        }
        seen += 1;
        let epochs = epochs(scenario);
        let mut state = training(scenario, &epochs);
        let (mut all, mut rates) = (0, Vec::new());
        for end in 1..=epochs.len() {
            let (count, some) = state
                .run(&mut callbacks(scenario, Path::new("")), &epochs[..end], state.stopped.is_some())
                .unwrap();
            all += count;
            rates.extend(some);
            if state.stopped.is_some() {
                break;
            }
            state = Fake {
                epoch: end,
                rate: state.rate,
                // As in a file.
                facts: serde_json::from_str(&serde_json::to_string(&state.facts).unwrap()).unwrap(),
                ..training(scenario, &epochs)
            };
        }
        assert_eq!(all as u64, expected["epochs"], "{name}: epochs");
        assert_eq!(rounded(&rates), numbers(&expected["rates"]), "{name}: learning rates");
    }
    assert!(seen > 20, "only {seen}");
}

#[test]
fn best_weights_before_a_restart_are_told_to_be_gone() {
    let told = |losses: &[f64]| -> Vec<Epoch> {
        let epochs = losses
            .iter()
            .map(|loss| Epoch { logs: Logs::from_iter([("val_loss", *loss)]), ..Epoch::default() });
        epochs.collect()
    };
    let new = || -> Vec<Box<dyn Callback>> {
        vec![Box::new(EarlyStopping::new().patience(1).restore_best_weights(true))]
    };
    let mut first = Fake::telling(["val_loss"]);
    first.run(&mut new(), &told(&[1.0, 0.5]), false).unwrap();
    assert!(first.said.is_empty());
    let mut second = Fake { epoch: 2, facts: first.facts, ..Fake::telling(["val_loss"]) };
    second.run(&mut new(), &told(&[1.0, 0.5, 0.7]), true).unwrap();
    assert!(second.said[0].contains("of epoch 2, are not at hand"), "{:?}", second.said);
    assert_eq!((second.weights, second.stopped.is_some()), (2.0, true));
}

#[test]
fn what_cannot_work_is_refused_before_the_first_epoch() {
    let refused: [(Box<dyn Callback>, &str); 8] = [
        (Box::new(EarlyStopping::new().monitor("val_los")), "did you mean \"val_loss\""),
        (Box::new(EarlyStopping::new().monitor("mine")), "\"mine\" is better"),
        (Box::new(ReduceLROnPlateau::new().factor(1.0)), "factor below 1"),
        (Box::new(ReduceLROnPlateau::new().factor(f64::NAN)), "factor below 1"),
        (Box::new(CSVLogger::new("a.csv").separator('\u{e9}')), "ASCII"),
        (Box::new(CSVLogger::new("no/such/folder/a.csv")), "no/such/folder/a.csv"),
        (Box::new(BackupAndRestore::new("backup").save_freq(SaveFreq::Batches(0))), "save_freq"),
        (Box::new(TerminateOnNaN::new()), "no loss"),
    ];
    for (callback, part) in refused {
        let mut training = Fake::telling(["val_loss", "mine"]);
        let error = training.run(&mut [callback], &[], true).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    let damaged = [("EarlyStopping/val_loss".to_owned(), serde_json::json!({"wait": -1}))];
    let mut training = Fake { facts: damaged.into(), ..Fake::telling(["val_loss"]) };
    let error = training.run(&mut [Box::new(EarlyStopping::new())], &[], true).unwrap_err().to_string();
    assert!(error.contains("EarlyStopping/val_loss.wait"), "{error}");
}

/// A number that another callback puts into the logs can be watched.
#[test]
fn callbacks_watch_what_others_add() {
    let logs = Epoch { logs: Logs::from_iter([("loss", 1.0)]), ..Epoch::default() };
    let mut training = Fake { rate: 1.0, ..Fake::telling(["loss"]) };
    let mut callbacks: Vec<Box<dyn Callback>> = vec![
        Box::new(LearningRateScheduler::new(|epoch, _| (epoch as f64 - 2.0).abs())),
        Box::new(EarlyStopping::new().monitor("learning_rate").mode(Mode::Min)),
    ];
    let (count, _) = training.run(&mut callbacks, &vec![logs; 9], true).unwrap();
    assert_eq!(count, 4);
}

fn say(training: &mut dyn Training, text: &str) -> Result<()> {
    training.say(text);
    Ok(())
}

#[test]
fn functions_are_called() {
    let mut callbacks: Vec<Box<dyn Callback>> = vec![Box::new(
        LambdaCallback::new()
            .on_train_begin(|training| say(training, "train"))
            .on_epoch_begin(|training| {
                let text = format!("epoch {}", training.epoch());
                say(training, &text)
            })
            .on_train_batch_end(|batch, training| say(training, &format!("batch {batch}")))
            .on_epoch_end(|training| {
                let loss = training.logs()?.get("loss");
                training.say(&format!("loss {loss:?}"));
                training.stop("enough");
                Ok(())
            })
            .on_train_end(|end, training| say(training, &format!("{:?}", end == End::Complete))),
    )];
    let epoch = Epoch { logs: Logs::from_iter([("loss", 1.0)]), batches: vec![0.5, 0.5] };
    let mut training = Fake::telling(["loss"]);
    training.run(&mut callbacks, &[epoch.clone(), epoch], true).unwrap();
    assert_eq!(training.said, ["train", "epoch 0", "batch 0", "batch 1", "loss Some(1.0)", "true"]);
}

/// Where the backups lie, in a scenario of one.
fn backup(described: &Json, place: &Path) -> BackupAndRestore {
    let arguments = &described["arguments"];
    let callback = BackupAndRestore::new(place)
        .double_checkpoint(arguments["double_checkpoint"] == true)
        .delete_checkpoint(arguments["delete_checkpoint"] != false);
    match arguments["save_freq"].as_u64() {
        Some(batches) => callback.save_freq(SaveFreq::Batches(batches)),
        None => callback,
    }
}

#[test]
fn backups_are_those_of_keras() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/callbacks/backups.json");
    let scenarios: Vec<Json> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert!(scenarios.len() > 3);
    for scenario in scenarios {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("a/backup");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let look = |seen: &Arc<Mutex<Vec<Json>>>| {
            let (seen, place) = (seen.clone(), place.clone());
            move || {
                let read = |name: &str| std::fs::read_to_string(place.join(name)).ok();
                let state = ["training_metadata.json", "training_metadata.json.bkp"].map(read);
                seen.lock().unwrap().push(serde_json::json!(state));
                Ok(())
            }
        };
        let (batch, epoch) = (look(&seen), look(&seen));
        let mut callbacks: Vec<Box<dyn Callback>> = vec![
            Box::new(backup(&scenario, &place)),
            Box::new(
                LambdaCallback::new().on_train_batch_end(move |_, _| batch()).on_epoch_end(move |_| epoch()),
            ),
        ];
        let told = Epoch { logs: Logs::default(), batches: vec![0.0; 4] };
        Fake::telling([]).run(&mut callbacks, &vec![told; 3], true).unwrap();
        assert_eq!(Json::from(seen.lock().unwrap().clone()), scenario["seen"], "{}", scenario["arguments"]);
        let mut left: Vec<String> = std::fs::read_dir(&place)
            .map(|entries| entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect())
            .unwrap_or_default();
        left.sort();
        assert_eq!(Json::from(left), scenario["left"], "{}", scenario["arguments"]);
    }
}

#[test]
fn of_a_folder_of_backups_only_these_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("backup");
    let new = || -> Vec<Box<dyn Callback>> {
        vec![Box::new(BackupAndRestore::new(&place).double_checkpoint(true))]
    };
    Fake::telling([]).run(&mut new(), &vec![Epoch::default(); 2], false).unwrap();
    let backups = BackupAndRestore::new(&place).backups();
    assert_eq!(backups, ["latest.weights.h5", "latest.weights.h5.bkp"].map(|name| place.join(name)));
    for (backup, weights) in backups.iter().zip([1.0, 0.0]) {
        let file: Json = serde_json::from_str(&std::fs::read_to_string(backup).unwrap()).unwrap();
        assert_eq!(file["weights"], weights);
    }
    std::fs::write(place.join("mine"), "").unwrap();
    Fake::telling([]).run(&mut new(), &[Epoch::default()], true).unwrap();
    assert_eq!(std::fs::read_dir(&place).unwrap().count(), 1);
}
