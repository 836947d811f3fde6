//! Training here: what may go wrong, who is told, and that it goes on where it was.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};
use burn::train::metric::LossMetric;
use burn::train::{Interrupter, SupervisedTraining, TrainingStrategy};
use burn_keras::build::{BatchNormalization, Dense, Dropout, Input, Sequential};
use burn_keras::callback::{Callback, Direction, End, ModelCheckpoint, SaveFreq, Training};
use burn_keras::optimizer::{Adam, SGD};
use burn_keras::train::{Arrays, Batch, Compile, Evaluate, Fit, KerasLoop, Trainable};
use burn_keras::{Error, KerasModel, KerasWeights, Limits, Result, Value};

/// Random numbers are those of a device, whoever asks: trainings beside each other disturb each other.
fn alone() -> std::sync::MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn device() -> Device {
    Device::flex()
}

fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fit_run").join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Numbers that repeat nowhere.
fn numbers(examples: usize, width: usize) -> Tensor<2> {
    let numbers: Vec<f32> = (0..examples * width).map(|at| (at as f32 * 0.7).sin()).collect();
    Tensor::<1>::from_floats(numbers.as_slice(), &device()).reshape([examples, width])
}

/// A model whose training is not the same twice without a seed.
fn model() -> KerasModel {
    let layers = Sequential::new()
        .with(Input::new([3]))
        .with(Dense::new(8).activation("tanh").name("first"))
        .with(BatchNormalization::new().name("norm"))
        .with(Dropout::new(0.3).name("drop"))
        .with(Dense::new(2).name("last"));
    let mut model = layers.seed(5).build(&device()).unwrap();
    model.compile(Compile::new(Adam::new().learning_rate(0.01), "mse").metrics(["mae"])).unwrap();
    model
}

/// Every variable of a model.
fn weights(model: &KerasModel) -> HashMap<String, Vec<f32>> {
    #[derive(Default)]
    struct All(Vec<String>, HashMap<String, Vec<f32>>);
    impl ModuleVisitor for All {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.1.insert(self.0.join("."), param.val().into_data().try_into_vec().unwrap());
        }
        fn enter_module(&mut self, name: &str, _: &str) {
            self.0.push(name.to_owned());
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.0.pop();
        }
    }
    let mut all = All::default();
    model.valid().visit(&mut all);
    all.1
}

fn fit() -> Fit {
    Fit::new().epochs(3).batch_size(4).seed(11)
}

fn train(model: &mut KerasModel, fit: Fit) -> Result<burn_keras::train::History> {
    model.fit(numbers(18, 3), numbers(18, 2), fit)
}

#[test]
fn a_training_that_is_cut_off_anywhere_ends_as_one_that_is_not() {
    let _alone = alone();
    let folder = folder("cut");
    let mut whole = model();
    let template = folder.join("{epoch:02d}-{batch:02d}.keras");
    let checkpoint = ModelCheckpoint::new(&template).monitor("loss").save_freq(SaveFreq::Batches(1));
    let history = train(&mut whole, fit().callback(checkpoint)).unwrap();
    let expected = weights(&whole);
    // 18 examples are 5 batches.
    for (epoch, batch) in [(1, 1), (1, 5), (2, 3), (3, 4), (3, 5)] {
        let file = folder.join(format!("{epoch:02}-{batch:02}.keras"));
        // Its own weights are those of the file, whatever it had.
        let mut other = model();
        train(&mut other, Fit::new().epochs(1)).unwrap();
        let resumed = train(&mut other, fit().seed(99).resume_from([&file])).unwrap();
        assert_eq!(weights(&other), expected, "from {}", file.display());
        assert_eq!(resumed.iter().map(|it| it.0).collect::<Vec<_>>(), (epoch - 1..3).collect::<Vec<_>>());
        // What was counted of an epoch before it was cut off is gone.
        assert_eq!(resumed.last() == history.last(), (epoch, batch) != (3, 4));
    }
    // The same through the name, the newest first, which is damaged.
    std::fs::write(folder.join("03-05.keras"), b"PK\x03\x04 no longer").unwrap();
    let said = Said::default();
    let mut other = model();
    train(&mut other, fit().output(said.clone()).resume(template.to_str().unwrap())).unwrap();
    assert_eq!(weights(&other), expected);
    assert!(said.text().contains("03-05.keras"), "{}", said.text());
    // A file of weights goes on as well; with all of them gone, it starts.
    let saved = folder.join("all.weights.h5");
    let weights_only = ModelCheckpoint::new(&saved).save_weights_only(true).monitor("loss");
    let mut half = model();
    train(&mut half, fit().epochs(2).callback(weights_only)).unwrap();
    let mut rest = model();
    train(&mut rest, fit().resume_from([&saved])).unwrap();
    assert_eq!(weights(&rest), expected);
    let mut fresh = model();
    train(&mut fresh, fit().resume(folder.join("none-{epoch}.keras").to_str().unwrap())).unwrap();
    assert_eq!(weights(&fresh), expected);
}

#[derive(Clone, Default)]
struct Said(Arc<Mutex<Vec<u8>>>);

impl Said {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl std::io::Write for Said {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_was_saved_goes_on_with_its_moments() {
    let _alone = alone();
    let mut whole = model();
    let two = || fit().shuffle(false);
    train(&mut whole, two().epochs(4)).unwrap();
    // In halves, with a file between: the seed of a step follows from its number, so dropout differs unless told.
    let mut half = model();
    train(&mut half, two().epochs(2)).unwrap();
    let bytes = half.save_to_bytes().unwrap();
    let again = KerasModel::from_bytes(bytes, &device()).unwrap();
    assert_eq!(weights(&half), weights(&again));
    let steps = again.file().datasets().find(|dataset| dataset.path == "optimizer/vars/0");
    assert!(steps.is_some());
    assert_ne!(weights(&half), weights(&whole));
}

/// Notes what it is told.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl Callback for Notes {
    fn on_train_begin(&mut self, training: &mut dyn Training) -> Result<()> {
        let watched: Vec<String> = training.watched().into_iter().map(|watched| watched.name).collect();
        self.note(format!("begin {watched:?}"));
        Ok(())
    }
    fn on_epoch_begin(&mut self, training: &mut dyn Training) -> Result<()> {
        self.note(format!("epoch {}", training.epoch()));
        Ok(())
    }
    fn on_train_batch_end(&mut self, batch: usize, training: &mut dyn Training) -> Result<()> {
        self.note(format!("batch {batch} of {:?}, step {}", training.steps_per_epoch(), training.step()));
        Ok(())
    }
    fn on_epoch_end(&mut self, training: &mut dyn Training) -> Result<()> {
        let names: Vec<String> = training.logs()?.iter().map(|(name, _)| name.to_owned()).collect();
        self.note(format!("end {names:?}"));
        Ok(())
    }
    fn on_train_end(&mut self, end: End, _: &mut dyn Training) -> Result<()> {
        self.note(format!("{end:?}"));
        Ok(())
    }
}

impl Notes {
    fn note(&self, text: String) {
        self.0.lock().unwrap().push(text);
    }
    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

#[test]
fn events_come_in_the_order_of_keras() {
    let _alone = alone();
    let notes = Notes::default();
    let said = Said::default();
    let mut model = model();
    let mut settings = model.compiled().unwrap().unwrap();
    settings = settings.steps_per_execution(2);
    model.compile(&settings).unwrap();
    let options = Fit::new().batch_size(6).validation_split(0.2).callback(notes.clone());
    train(&mut model, options.verbose(2).output(said.clone())).unwrap();
    assert_eq!(
        notes.all(),
        [
            "begin [\"loss\", \"mae\", \"val_loss\", \"val_mae\"]",
            "epoch 0",
            "batch 1 of Some(3), step 2",
            "batch 2 of Some(3), step 3",
            "end [\"loss\", \"mae\", \"val_loss\", \"val_mae\"]",
            "Complete",
        ]
    );
    let text = said.text();
    assert!(text.starts_with("Epoch 1/1\n3/3 - ") && text.contains("/step - loss: "), "{text}");
}

/// Does something after so many batches.
struct After<F>(u64, F);

impl<F: FnMut(&mut dyn Training) -> Result<()> + Send> Callback for After<F> {
    fn on_train_batch_end(&mut self, _: usize, training: &mut dyn Training) -> Result<()> {
        if training.step() == self.0 { (self.1)(training) } else { Ok(()) }
    }
}

#[test]
fn a_training_that_does_not_end_well_is_told_of_and_keeps_its_weights() {
    let _alone = alone();
    let untrained = weights(&model());
    // A callback that fails.
    let (mut one, notes) = (model(), Notes::default());
    let fails = After(3, |_: &mut dyn Training| Err(Error::input("enough")));
    let error = train(&mut one, fit().callback(notes.clone()).callback(fails)).unwrap_err();
    assert_eq!(error.to_string(), "enough");
    assert_eq!(notes.all().last().unwrap(), "Failed");
    assert_ne!(weights(&one), untrained);
    // Somebody who interrupts.
    let (mut one, notes, interrupter) = (model(), Notes::default(), Interrupter::new());
    let from_outside = interrupter.clone();
    let interrupts = After(7, move |_: &mut dyn Training| {
        from_outside.stop(Some("Ctrl-C"));
        Ok(())
    });
    let options = fit().callback(notes.clone()).callback(interrupts).interrupter(interrupter);
    let history = train(&mut one, options).unwrap();
    assert_eq!(notes.all().last().unwrap(), "Interrupted");
    assert_eq!(history.iter().len(), 1);
    // A callback that stops: the epoch ends, as in Keras.
    let (mut one, notes) = (model(), Notes::default());
    let stops = After(7, |training: &mut dyn Training| {
        training.stop("enough");
        Ok(())
    });
    let history = train(&mut one, fit().callback(notes.clone()).callback(stops)).unwrap();
    assert_eq!(notes.all().last().unwrap(), "Complete");
    assert_eq!(history.iter().len(), 2);
}

#[test]
fn snapshots_bring_weights_back() {
    let _alone = alone();
    let kept = Arc::new(Mutex::new(None));
    let keeps = kept.clone();
    let keep = After(2, move |training: &mut dyn Training| {
        *keeps.lock().unwrap() = Some(training.snapshot()?);
        training.set_learning_rate(0.5)
    });
    let back = After(9, move |training: &mut dyn Training| {
        assert_eq!(training.learning_rate()?, 0.5);
        let snapshot = kept.lock().unwrap().take().unwrap();
        training.restore(&*snapshot)?;
        training.stop("back");
        Ok(())
    });
    // The tenth and last batch of the two epochs is not trained on any more.
    let mut one = model();
    train(&mut one, fit().callback(keep).callback(back)).unwrap();
    // As Keras: the description says the present rate.
    assert_eq!(one.file().config()["compile_config"]["optimizer"]["config"]["learning_rate"], 0.5);
    let mut two = model();
    let stop = After(2, |training: &mut dyn Training| {
        training.stop("");
        Ok(())
    });
    train(&mut two, fit().callback(stop)).unwrap();
    assert_eq!(weights(&one), weights(&two));
}

#[test]
fn what_does_not_fit_is_refused_before_anything_is_trained() {
    let _alone = alone();
    let untrained = weights(&model());
    type Case = (&'static str, fn(&mut KerasModel) -> Result<()>);
    let cases: [Case; 8] = [
        ("never compiled", |model| {
            let layers = Sequential::new().with(Input::new([3])).with(Dense::new(2));
            *model = layers.build(&device())?;
            train(model, fit()).map(drop)
        }),
        ("expected", |model| model.fit(numbers(18, 4), numbers(18, 2), fit()).map(drop)),
        ("18", |model| model.fit(numbers(18, 3), numbers(17, 2), fit()).map(drop)),
        ("last", |model| model.fit(numbers(18, 3), numbers(18, 5), fit()).map(drop)),
        ("validation", |model| train(model, fit().validation(numbers(4, 3), numbers(4, 7))).map(drop)),
        ("validation_split", |model| train(model, fit().validation_split(1.5)).map(drop)),
        ("not both", |model| {
            let weights = Value::from(Tensor::<1>::ones([18], &device()));
            train(model, fit().class_weight([(0, 1.0)]).sample_weight(weights)).map(drop)
        }),
        ("val_nothing", |model| {
            let checkpoint = ModelCheckpoint::new("never.keras").monitor("val_nothing").save_best_only(true);
            train(model, fit().callback(checkpoint)).map(drop)
        }),
    ];
    for (part, run) in cases {
        let mut model = model();
        let error = run(&mut model).unwrap_err().to_string();
        assert!(error.contains(part), "{part}: {error}");
        if part != "never compiled" {
            assert_eq!(weights(&model), untrained, "{part}");
        }
    }
}

#[test]
fn what_is_not_of_keras_is_named_all_at_once_and_never_blocks() {
    let _alone = alone();
    let mut model = model();
    let settings = Compile::new("sgd", "my_loss").metrics(["mine", "yours"]);
    model.compile(&settings).unwrap();
    let bytes = model.save_to_bytes().unwrap();
    let mut model = KerasModel::from_bytes(bytes, &device()).unwrap();
    assert_eq!(model.compiled().unwrap().unwrap().json(), settings.json());
    model.predict(numbers(2, 3)).unwrap();
    let error = train(&mut model, fit()).unwrap_err();
    assert_eq!(error.problems().count(), 3, "{error}");
    let mut custom = burn_keras::train::Custom::default();
    custom.losses.function("my_loss", |y_true: &Value, y_pred: &Value| {
        let difference = y_pred.clone().binary(burn_keras::value::Binary::Subtract, y_true.clone())?;
        burn_keras::map_float!(difference, x => x.square())
    });
    custom.metrics =
        custom.metrics.function("mine", |_, y_pred| Ok(y_pred)).function("yours", |y_true, _| Ok(y_true));
    train(&mut model, fit().custom(custom.clone())).unwrap();
    model.evaluate(numbers(4, 3), numbers(4, 2), Evaluate::new().custom(custom)).unwrap();
}

#[test]
fn frozen_layers_stay_and_thaw() {
    let _alone = alone();
    let mut model = model();
    train(&mut model, fit()).unwrap();
    let has_state = |model: &KerasModel| {
        let bytes = model.save_to_bytes().unwrap();
        let saved = burn_keras::KerasFile::from_bytes(bytes, &burn_keras::Limits::default()).unwrap();
        saved.datasets().any(|dataset| dataset.path.starts_with("optimizer/vars/2"))
    };
    assert!(has_state(&model));
    model.set_trainable("drop", false).unwrap();
    assert!(has_state(&model), "it has nothing to train");
    model.set_trainable("first", false).unwrap();
    model.set_trainable("norm", false).unwrap();
    assert!(!has_state(&model));
    let before = weights(&model);
    train(&mut model, fit()).unwrap();
    let after = weights(&model);
    for (path, value) in &before {
        assert_eq!(after[path] == *value, !path.starts_with("last"), "{path}");
    }
    // So it is in the file.
    let again = KerasModel::from_bytes(model.save_to_bytes().unwrap(), &device()).unwrap();
    let frozen = |name: &str| {
        again.file().config()["config"]["layers"]
            .as_array()
            .unwrap()
            .iter()
            .any(|layer| layer["config"]["name"] == name && layer["config"]["trainable"] == false)
    };
    assert!(frozen("first") && frozen("norm") && !frozen("last"));
    model.set_trainable("norm", true).unwrap();
    train(&mut model, fit()).unwrap();
    let last = weights(&model);
    for (path, value) in &after {
        assert_eq!(last[path] == *value, path.starts_with("first"), "{path}");
    }
    assert!(model.set_trainable("lost", true).unwrap_err().to_string().contains("lost"));
}

/// Without dropout, which each device has of its own, and with the moving averages of one batch as a whole.
fn plain() -> KerasModel {
    let layers = Sequential::new()
        .with(Input::new([3]))
        .with(Dense::new(8).activation("tanh").kernel_regularizer("l2"))
        .with(Dense::new(2));
    let mut model = layers.seed(5).build(&device()).unwrap();
    model
        .compile(Compile::new(SGD::new().learning_rate(0.05).momentum(0.9), "mse").metrics(["mae"]))
        .unwrap();
    model
}

#[test]
fn several_devices_train_as_one() {
    let _alone = alone();
    let (mut one, mut two) = (plain(), plain());
    let first = train(&mut one, fit()).unwrap();
    let second = train(&mut two, fit().devices(vec![device(), device()])).unwrap();
    for (path, value) in weights(&one) {
        for (a, b) in value.iter().zip(&weights(&two)[&path]) {
            assert!((a - b).abs() < 1e-5, "{path}: {a} {b}");
        }
    }
    for ((name, a), (_, b)) in first.last().unwrap().iter().zip(second.last().unwrap().iter()) {
        assert!((a - b).abs() < 1e-5, "{name}: {a} {b}");
    }
}

fn arrays(batch_size: usize) -> Arc<Arrays> {
    let batch = Batch::new(vec![numbers(18, 3).into()], vec![numbers(18, 2).into()]);
    Arc::new(Arrays::new(batch, batch_size))
}

/// Burn's own training, with Burn's metrics, gives what `fit` gives.
#[test]
fn burn_trains_a_keras_model() {
    let _alone = alone();
    let mut expected = plain();
    train(&mut expected, fit().shuffle(false)).unwrap();
    let quietly = |training: SupervisedTraining<Trainable>| {
        let logger = burn::train::logger::InMemoryMetricLogger::new();
        training.with_application_logger(None).with_metric_logger(logger).num_epochs(3)
    };
    let folder = folder("burn");
    let learner = Trainable::new(&plain()).unwrap().learner().unwrap();
    let training = quietly(SupervisedTraining::new(&folder, arrays(4), arrays(4)));
    let result = training.metrics((LossMetric::new(),)).launch(learner);
    assert!(result.error.is_none());
    assert_eq!(weights(result.model.model()), weights(&expected));
    // With the loop of Keras in it.
    let keras = Arc::new(KerasLoop::new(vec![device()], vec![Box::new(Notes::default())]));
    let learner = Trainable::new(&plain()).unwrap().learner().unwrap();
    let training = quietly(SupervisedTraining::new(&folder, arrays(4), arrays(4)));
    let training = training.with_training_strategy(TrainingStrategy::Custom(keras.clone()));
    let result = training.launch(learner);
    assert_eq!(weights(result.model.model()), weights(&expected));
    assert_eq!(keras.history().names(), ["loss", "mae", "val_loss", "val_mae"]);
    // Data that does not fit ends it.
    let batch = Batch::new(vec![numbers(18, 4).into()], vec![numbers(18, 2).into()]);
    let wrong = Arc::new(Arrays::new(batch, 4));
    let learner = Trainable::new(&plain()).unwrap().learner().unwrap();
    let result = quietly(SupervisedTraining::new(&folder, wrong, arrays(4))).launch(learner);
    assert!(result.error.unwrap().to_string().contains("expected the shape"));
}

#[test]
fn a_loader_and_steps_per_epoch() {
    let _alone = alone();
    let (mut one, mut two) = (plain(), plain());
    train(&mut one, fit().shuffle(false)).unwrap();
    two.fit_loader(arrays(4), Fit::new().epochs(3).seed(11)).unwrap();
    assert_eq!(weights(&one), weights(&two));
    // Five batches, in epochs of two: three passes are eight epochs, of which the last one has one batch more.
    let (mut one, mut two, notes) = (plain(), plain(), Notes::default());
    train(&mut one, fit().shuffle(false).epochs(2)).unwrap();
    let steps = || Fit::new().batch_size(4).seed(11).shuffle(false).steps_per_epoch(2);
    train(&mut two, steps().epochs(5).callback(notes.clone())).unwrap();
    assert_eq!(weights(&one), weights(&two));
    assert_eq!(notes.all().iter().filter(|note| note.starts_with("batch")).count(), 10);
}

#[test]
fn what_is_watched_has_a_direction() {
    let _alone = alone();
    let model = model();
    struct Look;
    impl Callback for Look {
        fn on_train_begin(&mut self, training: &mut dyn Training) -> Result<()> {
            let watched = training.watched();
            assert_eq!(watched[0].name, "loss");
            assert!(watched.iter().all(|watched| watched.direction == Some(Direction::Down)));
            training.check_path(Path::new("x.keras"), burn_keras::callback::Saved::Model)?;
            assert!(training.check_path(Path::new("x.txt"), burn_keras::callback::Saved::Model).is_err());
            assert!(training.check_path(Path::new("x.keras"), burn_keras::callback::Saved::Weights).is_err());
            Ok(())
        }
    }
    train(&mut model.clone(), fit().callback(Look)).unwrap();
}

/// Sets a learning rate with which nothing gets better, after two epochs.
struct Spoil;

impl Callback for Spoil {
    fn on_epoch_begin(&mut self, training: &mut dyn Training) -> Result<()> {
        if training.epoch() < 2 { Ok(()) } else { training.set_learning_rate(10.0) }
    }
}

#[test]
fn the_best_weights_outlive_a_restart() {
    let _alone = alone();
    for kind in ["keras", "weights.h5"] {
        let folder = folder(&format!("best_{}", &kind[..5]));
        let template = folder.join(format!("{{epoch}}.{kind}"));
        let best = || {
            let checkpoint = ModelCheckpoint::new(&template).save_weights_only(kind != "keras");
            checkpoint.monitor("loss").restore_best_weights(true)
        };
        let fit = || fit().callback(Spoil).resume(template.to_str().unwrap());
        let mut first = model();
        train(&mut first, fit().epochs(2).callback(best())).unwrap();
        let mut second = model();
        let checkpoint = best();
        let files = checkpoint.results();
        let history = train(&mut second, fit().epochs(4).callback(checkpoint)).unwrap();
        assert_eq!(history.iter().map(|it| it.0).collect::<Vec<_>>(), [2, 3]);
        let file = files.best_model_path().unwrap();
        assert!(
            ["1", "2"].iter().any(|epoch| file.ends_with(format!("{epoch}.{kind}"))),
            "{}",
            file.display()
        );
        let mut expected = model();
        expected.load_weights(&file).unwrap();
        assert_eq!(weights(&second), weights(&expected));
        // Its optimizer is that of the last step: of 4 epochs of 5 batches.
        let saved = folder.join("all.weights.h5");
        second.save_weights(&saved).unwrap();
        let saved = KerasWeights::open(&saved, &Limits::default()).unwrap();
        assert_eq!(saved.read("optimizer/vars/0").unwrap().iter::<i64>().collect::<Vec<_>>(), [20]);
    }
}

#[test]
fn epochs_with_a_validation_are_chosen() {
    let _alone = alone();
    let validated = |fit: Fit| {
        let history = train(&mut model(), fit.epochs(4).validation_split(0.5)).unwrap();
        let has =
            |(epoch, logs): (usize, &burn_keras::callback::Logs)| logs.get("val_loss").map(|_| epoch + 1);
        history.iter().filter_map(has).collect::<Vec<_>>()
    };
    assert_eq!(validated(fit()), [1, 2, 3, 4]);
    assert_eq!(validated(fit().validation_freq(3)), [3]);
    assert_eq!(validated(fit().validation_freq([1, 4, 9])), [1, 4]);
}

#[test]
fn the_loss_of_layers_that_compute_in_16_bits_is_scaled() {
    let optimizer = |dtype: &str, settings: &Compile| {
        let layers = Sequential::new().with(Input::new([3])).with(Dense::new(2).dtype_policy(dtype));
        let mut model = layers.seed(5).build(&device()).unwrap();
        model.compile(settings).unwrap();
        let config = model.file().compile_config().unwrap();
        config["optimizer"]["class_name"].as_str().unwrap().to_owned()
    };
    let settings = Compile::new(Adam::new(), "mse");
    assert_eq!(optimizer("mixed_float16", &settings), "LossScaleOptimizer");
    assert_eq!(optimizer("mixed_float16", &settings.clone().auto_scale_loss(false)), "Adam");
    assert_eq!(optimizer("mixed_bfloat16", &settings), "Adam");
    assert_eq!(optimizer("float32", &settings), "Adam");
}
