//! Callbacks in trainings of Burn modules by burn-train's own strategies.

use std::path::Path;
use std::sync::{Arc, Barrier, Mutex};
use std::thread::ThreadId;
use std::time::Duration;

use burn::data::dataloader::batcher::Batcher;
use burn::data::dataloader::{DataLoader, DataLoaderBuilder};
use burn::data::dataset::InMemDataset;
use burn::lr_scheduler::exponential::ExponentialLrSchedulerConfig;
use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::module::{Module, ModuleVisitor, Param};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig, Lstm, LstmConfig};
use burn::optim::{AdamConfig, ModuleOptimizer};
use burn::tensor::{DType, Device, Tensor, TensorData};
use burn::train::logger::{EvaluationProgressLogger, InMemoryMetricLogger, TrainingProgressLogger};
use burn::train::metric::{LearningRateMetric, LossMetric, MetricDefinition};
use burn::train::renderer::{
    EvaluationName, MetricState, MetricsRenderer, MetricsRendererEvaluation, MetricsRendererTraining,
};
use burn::train::{
    CloneEarlyStoppingStrategy, EventProcessorTraining, ExecutionStrategy, InferenceStep, Learner,
    LearnerEvent, LearnerModel, LearningResult, MultiDeviceOptim, RegressionOutput,
    SupervisedLearningStrategy, SupervisedTraining, SupervisedTrainingEventProcessor, TrainLoader,
    TrainOutput, TrainStep, TrainingComponents, TrainingItem, TrainingStrategy, ValidLoader,
};
use burn_keras::build::{Dense, Flatten, Input, Sequential};
use burn_keras::callback::hook::{Hooked, load};
use burn_keras::callback::{
    CSVLogger, EarlyStopping, End, Hook, LambdaCallback, LearningRateScheduler, ModelCheckpoint, SaveFreq,
    Saved, TerminateOnNaN,
};
use burn_keras::{Error, KerasModel, Result};

mod common;

struct Quiet;

impl MetricsRendererTraining for Quiet {
    fn update_train(&mut self, _: MetricState) {}
    fn update_valid(&mut self, _: MetricState) {}
}
impl MetricsRendererEvaluation for Quiet {
    fn update_test(&mut self, _: EvaluationName, _: MetricState) {}
}
impl TrainingProgressLogger for Quiet {
    fn start(&mut self, _: usize, _: usize, _: Option<usize>, _: Option<&str>) {}
    fn update_epoch(&mut self, _: usize) {}
    fn start_split(&mut self, _: &str, _: usize) {}
    fn update_split(&mut self, _: usize) {}
    fn end_split(&mut self) {}
    fn end(&mut self) {}
    fn log_event_training(&mut self, _: String) {}
}
impl EvaluationProgressLogger for Quiet {
    fn start_global_progress(&mut self, _: usize) {}
    fn start_test(&mut self, _: &str, _: usize) {}
    fn update_test_progress(&mut self, _: usize) {}
    fn end_test(&mut self) {}
    fn end_global_progress(&mut self) {}
    fn log_event_evaluation(&mut self, _: String) {}
}
impl MetricsRenderer for Quiet {
    fn manual_close(&mut self) {}
    fn register_metric(&mut self, _: MetricDefinition) {}
}

/// A series of four steps with three numbers each, and what is to be told of it.
#[derive(Clone, Debug)]
struct Item {
    x: [f32; 12],
    y: [f32; 2],
}

#[derive(Clone, Debug)]
struct Batch {
    x: Tensor<3>,
    y: Tensor<2>,
}

#[derive(Clone)]
struct ToBatch;

impl Batcher<Item, Batch> for ToBatch {
    fn batch(&self, items: Vec<Item>, device: &Device) -> Batch {
        let count = items.len();
        let x: Vec<f32> = items.iter().flat_map(|item| item.x).collect();
        let y: Vec<f32> = items.iter().flat_map(|item| item.y).collect();
        Batch {
            x: Tensor::from_data(TensorData::new(x, [count, 4, 3]), device),
            y: Tensor::from_data(TensorData::new(y, [count, 2]), device),
        }
    }
}

fn data(count: usize, seed: f32) -> Arc<dyn DataLoader<Batch>> {
    let item = |at: usize| {
        let x = std::array::from_fn(|place| (seed + at as f32 * 0.7 + place as f32 * 1.3).sin());
        Item { x, y: [x[0] + x[5], x[3] * x[11]] }
    };
    DataLoaderBuilder::new(ToBatch).batch_size(8).build(InMemDataset::new((0..count).map(item).collect()))
}

trait Net: Module {
    fn output(&self, x: Tensor<3>) -> Tensor<2>;

    fn outputs(&self, batch: Batch) -> RegressionOutput {
        let output = self.output(batch.x);
        let loss = (output.clone() - batch.y.clone()).square().mean();
        RegressionOutput::new(loss, output, batch.y)
    }
}

macro_rules! trained {
    ($($net:ty),+) => {$(
        impl TrainStep for $net {
            type Input = Batch;
            type Output = RegressionOutput;
            fn step(&self, batch: Batch) -> TrainOutput<RegressionOutput> {
                let output = self.outputs(batch);
                TrainOutput::new(self, output.loss.backward(), output)
            }
        }
        impl InferenceStep for $net {
            type Input = Batch;
            type Output = RegressionOutput;
            fn step(&self, batch: Batch) -> RegressionOutput {
                self.outputs(batch)
            }
        }
    )+};
}
trained! { Mlp, Recurrent, Wrapped }

#[derive(Module, Debug)]
struct Mlp {
    layers: Vec<Linear>,
    norm: BatchNorm,
    out: Linear,
}

impl Mlp {
    fn new(device: &Device) -> Self {
        Self {
            layers: vec![LinearConfig::new(12, 8).init(device), LinearConfig::new(8, 6).init(device)],
            norm: BatchNormConfig::new(6).init(device),
            out: LinearConfig::new(6, 2).init(device),
        }
    }
}

impl Net for Mlp {
    fn output(&self, x: Tensor<3>) -> Tensor<2> {
        let x = self.layers.iter().fold(x.flatten::<2>(1, 2), |x, layer| layer.forward(x).tanh());
        self.out.forward(self.norm.forward(x))
    }
}

#[derive(Module, Debug)]
struct Recurrent {
    lstm: Lstm,
    out: Linear,
}

impl Recurrent {
    fn new(device: &Device) -> Self {
        Self { lstm: LstmConfig::new(3, 5, true).init(device), out: LinearConfig::new(5, 2).init(device) }
    }
}

impl Net for Recurrent {
    fn output(&self, x: Tensor<3>) -> Tensor<2> {
        let (_, state) = self.lstm.forward(x, None);
        self.out.forward(state.hidden)
    }
}

/// A Keras model as a part of a module.
#[derive(Module, Debug)]
struct Wrapped {
    model: KerasModel,
}

impl Net for Wrapped {
    fn output(&self, x: Tensor<3>) -> Tensor<2> {
        self.model.forward(x).unwrap().tensor::<2>().unwrap()
    }
}

fn device() -> Device {
    Device::flex().autodiff()
}

/// With Burn's logs in a folder, which a resumed training needs: in memory, Burn counts epochs anew.
fn training_in<M>(folder: &Path, epochs: usize) -> SupervisedTraining<Hooked<M>>
where
    M: LearnerModel + TrainStep<Input = Batch> + InferenceStep<Input = Batch>,
{
    SupervisedTraining::new(folder, data(40, 0.0), data(16, 5.0))
        .num_epochs(epochs)
        .with_application_logger(None)
        .renderer(Box::new(Quiet))
}

fn training<M>(epochs: usize) -> SupervisedTraining<Hooked<M>>
where
    M: LearnerModel + TrainStep<Input = Batch> + InferenceStep<Input = Batch>,
{
    training_in(Path::new(""), epochs).with_metric_logger(InMemoryMetricLogger::new())
}

fn hook<M>() -> Hook<M>
where
    M: LearnerModel + TrainStep<Output = RegressionOutput> + InferenceStep<Output = RegressionOutput>,
{
    Hook::new()
        .metrics((LossMetric::new(),))
        .loss(|output: &RegressionOutput| output.loss.clone())
        .on_message(|_| ())
}

fn adam() -> ModuleOptimizer {
    AdamConfig::new().init()
}

fn decaying() -> ModuleLrScheduler {
    ExponentialLrSchedulerConfig::new(0.05, 0.99).init().unwrap()
}

/// All parameters, bit by bit.
fn weights<M: Module>(module: &M) -> Vec<(String, TensorData)> {
    #[derive(Default)]
    struct All(Vec<String>, Vec<(String, TensorData)>);
    impl ModuleVisitor for All {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.1.push((self.0.join("."), param.val().into_data()));
        }
        fn enter_module(&mut self, name: &str, _: &str) {
            self.0.push(name.to_owned());
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.0.pop();
        }
    }
    let mut all = All::default();
    module.visit(&mut all);
    all.1
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn checkpoint(folder: &Path, name: &str) -> ModelCheckpoint {
    ModelCheckpoint::new(folder.join(name)).save_weights_only(true)
}

type Events = Arc<Mutex<Vec<(String, ThreadId)>>>;

/// Writes down everything that it is told, and by which thread.
fn witness(events: &Events) -> LambdaCallback {
    let note = |events: &Events| {
        let events = events.clone();
        move |event: String| {
            events.lock().unwrap().push((event, std::thread::current().id()));
            Ok(())
        }
    };
    let [begin, epoch, batch, epoch_end, end] = std::array::from_fn(|_| note(events));
    LambdaCallback::new()
        .on_train_begin(move |training| begin(format!("begin {}", training.step())))
        .on_epoch_begin(move |training| epoch(format!("epoch {}", training.epoch())))
        .on_train_batch_end(move |number, training| {
            assert!(training.logs()?.get("loss").unwrap().is_finite());
            batch(format!("batch {number} {}", training.step()))
        })
        .on_epoch_end(move |training| {
            let logs = training.logs()?;
            assert_eq!(logs.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["loss", "val_loss"]);
            epoch_end(format!("end of {} after {:?}", training.epoch(), training.steps_per_epoch()))
        })
        .on_train_end(move |how, _| end(format!("{how:?}")))
}

fn told(events: &Events) -> Vec<String> {
    events.lock().unwrap().iter().map(|(event, _)| event.clone()).collect()
}

fn complete<M: LearnerModel>(result: LearningResult<M>) -> M {
    assert!(result.error.is_none(), "{:?}", result.error);
    assert!(result.interrupted.is_none(), "{:?}", result.interrupted);
    result.model
}

/// The same files at the same moments with every strategy, by one writer.
#[test]
fn every_strategy_has_its_checkpoints() {
    type Ready = SupervisedTraining<Hooked<Recurrent>>;
    fn with(training: Ready, optim: Option<MultiDeviceOptim>) -> Ready {
        let strategy = match optim {
            None => ExecutionStrategy::single(device()),
            Some(optim) => ExecutionStrategy::multi(vec![device(), device()], optim),
        };
        training.with_training_strategy(TrainingStrategy::Default(strategy))
    }
    type Strategy = (&'static str, usize, fn(Ready) -> Ready);
    let strategies: [Strategy; 5] = [
        ("plain", 5, |training| training),
        ("single", 5, |training| with(training, None)),
        ("main", 3, |training| with(training, Some(MultiDeviceOptim::OptimMainDevice))),
        ("sharded", 3, |training| with(training, Some(MultiDeviceOptim::OptimSharded))),
        ("accumulated", 3, |training| training.grads_accumulation(2)),
    ];
    for (name, batches, strategy) in strategies {
        let folder = tempfile::tempdir().unwrap();
        let events = Events::default();
        let result = hook()
            .callback(checkpoint(folder.path(), "e{epoch}-{val_loss:.9f}.weights.h5"))
            .callback(
                checkpoint(folder.path(), "b{epoch}-{batch}.weights.h5").save_freq(SaveFreq::Batches(2)),
            )
            .callback(witness(&events))
            .launch(strategy(training(2)), Recurrent::new(&device()), adam(), 0.01)
            .unwrap();
        let model = complete(result);
        let mut expected = vec!["begin 0".to_owned()];
        for epoch in 0..2 {
            expected.push(format!("epoch {epoch}"));
            expected
                .extend((0..batches).map(|batch| format!("batch {batch} {}", epoch * batches + batch + 1)));
            expected.push(format!("end of {epoch} after Some({batches})"));
        }
        expected.push("Complete".to_owned());
        assert_eq!(told(&events), expected, "{name}");
        let mut writers: Vec<ThreadId> = events.lock().unwrap().iter().map(|(_, thread)| *thread).collect();
        // It begins and ends where it was launched.
        writers = writers[1..writers.len() - 1].to_vec();
        writers.dedup();
        assert_eq!(writers.len(), 1, "{name}: {} writers", writers.len());

        let files = names(folder.path());
        assert_eq!(
            files.iter().filter(|file| file.starts_with('b')).count(),
            2 * batches / 2,
            "{name}: {files:?}"
        );
        let last = files.iter().find(|file| file.starts_with("e2-")).unwrap();
        let loaded = load(folder.path().join(last), Recurrent::new(&Device::flex())).unwrap();
        assert_eq!(weights(&loaded), weights(&model), "{name}");
    }
}

/// Workers that train on the same batches, as fast as they like: what burn-train's distributed strategy does, for
/// which no CPU has the operations, but for the exchange of gradients.
struct Workers {
    count: usize,
    weights: Mutex<Vec<Vec<(String, TensorData)>>>,
}

type Processor<M> = SupervisedTrainingEventProcessor<M>;

impl Workers {
    fn validate<M: LearnerModel>(
        model: M,
        valid: &ValidLoader<M>,
        processor: &mut Processor<M>,
        epoch: usize,
    ) {
        let model = model.valid();
        let mut items = valid.iter();
        let start = LearnerEvent::StartSplit { epoch_number: epoch, total_items: valid.num_items() };
        processor.process_valid(start).unwrap();
        while let Some(item) = items.next() {
            let output = InferenceStep::step(&model, item.unwrap());
            let item = TrainingItem::new(output, items.progress(), None, None);
            processor.process_valid(LearnerEvent::ProcessedItem(item)).unwrap();
        }
        processor.process_valid(LearnerEvent::EndSplit(epoch)).unwrap();
    }
}

impl<M: LearnerModel> SupervisedLearningStrategy<M> for Workers {
    fn fit(
        &self,
        components: TrainingComponents<M>,
        learner: Learner<M>,
        train: TrainLoader<M>,
        valid: ValidLoader<M>,
        start: usize,
    ) -> (M, Processor<M>) {
        let barrier = Barrier::new(self.count);
        let processor = Mutex::new(components.event_processor);
        let (epochs, store) = (components.num_epochs, components.event_store);
        let (train, valid) = (train.to_device(&device()), valid.to_device(&Device::flex()));
        let work =
            |mut learner: Learner<M>, mut stopping: Box<dyn CloneEarlyStoppingStrategy>, number: usize| {
                learner.fork(&device());
                for epoch in start..=epochs {
                    for (batch, item) in train.iter().enumerate() {
                        std::thread::sleep(Duration::from_millis(
                            ((batch * 7 + number * 5 + epoch * 3) % 11) as u64,
                        ));
                        let output = learner.train_step(item.unwrap());
                        learner.lr_step();
                        learner.optimizer_step(output.grads);
                    }
                    if number == 0 {
                        Self::validate(learner.model(), &valid, &mut processor.lock().unwrap(), epoch);
                    }
                    barrier.wait();
                    processor.lock().unwrap().flush().unwrap();
                    if stopping.should_stop(epoch, &store) {
                        break;
                    }
                }
                self.weights.lock().unwrap().push(weights(&learner.model().valid()));
                learner.model()
            };
        let stopping = components.early_stopping.unwrap();
        let model = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..self.count)
                .map(|number| {
                    let (learner, stopping, work) = (learner.clone(), stopping.clone(), &work);
                    scope.spawn(move || work(learner, stopping, number))
                })
                .collect();
            workers.into_iter().map(|worker| worker.join().unwrap()).next().unwrap()
        });
        (model, processor.into_inner().unwrap())
    }
}

/// Learning rates, weights that are restored, and the end: all at the same step of every worker.
#[test]
fn distributed_workers_do_the_same_at_the_same_time() {
    let start = Recurrent::new(&device());
    let run = |strategy: Option<Arc<Workers>>| {
        let (events, folder) = (Events::default(), tempfile::tempdir().unwrap());
        let first = Mutex::new(None);
        let mut training = training(9);
        if let Some(strategy) = strategy {
            training = training.with_training_strategy(TrainingStrategy::Custom(strategy));
        }
        let restoring = LambdaCallback::new()
            .on_train_batch_end(|batch, training| training.set_learning_rate(0.01 / (1.0 + batch as f64)))
            .on_epoch_end(move |training| {
                let mut first = first.lock().unwrap();
                match training.epoch() {
                    0 => *first = Some(training.snapshot()?),
                    2 => training.restore(first.as_deref().unwrap())?,
                    4 => training.stop("enough"),
                    _ => {}
                }
                Ok(())
            });
        let result = Hook::new()
            .metrics((LossMetric::new(),))
            .callback(LearningRateScheduler::new(|epoch, _| if epoch == 1 { 0.0 } else { 0.03 }))
            .callback(restoring)
            .callback(
                checkpoint(folder.path(), "{epoch}.weights.h5").monitor("val_loss").save_best_only(true),
            )
            .callback(LambdaCallback::new().on_epoch_end({
                let events = events.clone();
                move |training| {
                    let event = (format!("{}", training.step()), std::thread::current().id());
                    events.lock().unwrap().push(event);
                    Ok(())
                }
            }))
            .launch(training, start.clone(), adam(), 0.01)
            .unwrap();
        assert_eq!(told(&events), ["5", "10", "15", "20", "25"]);
        weights(&complete(result))
    };
    let alone = run(None);
    for count in [1, 2, 4] {
        let workers = Arc::new(Workers { count, weights: Mutex::default() });
        assert_eq!(run(Some(workers.clone())), alone);
        let all = workers.weights.lock().unwrap();
        assert!(all.len() == count && all.iter().all(|weights| *weights == alone), "{count} workers");
    }
}

fn resumes<M>(new: fn(&Device) -> M, scheduler: fn() -> ModuleLrScheduler)
where
    M: LearnerModel
        + TrainStep<Input = Batch, Output = RegressionOutput>
        + InferenceStep<Input = Batch, Output = RegressionOutput>,
{
    let folder = tempfile::tempdir().unwrap();
    let start = new(&device());
    // A clone would share the moving averages of Burn's BatchNorm.
    let copy = |model: &M| model.valid().train();
    let run = |name: &str, epochs: usize, model: M, resume: Option<&str>| {
        let events = Events::default();
        let mut hook = hook().callback(checkpoint(folder.path(), &format!("{name}{{epoch}}.weights.h5")));
        if let Some(file) = resume {
            hook = hook.resume(folder.path().join(file));
        }
        let training = training_in(&folder.path().join("burn").join(name), epochs);
        let result = hook.callback(witness(&events)).launch(training, model, adam(), scheduler());
        (complete(result.unwrap()), told(&events))
    };
    let (whole, _) = run("whole", 4, copy(&start), None);
    let (_, _) = run("part", 2, start, None);
    // Everything is made anew, with other numbers.
    let (resumed, events) = run("part", 4, new(&device()), Some("part2.weights.h5"));
    assert_eq!(events[..3], ["begin 10", "epoch 2", "batch 0 11"]);
    assert_eq!(weights(&resumed), weights(&whole));
    assert_eq!(names(folder.path()).iter().filter(|name| name.starts_with("part")).count(), 4);
    let files = |name: &str| load(folder.path().join(name), new(&Device::flex())).unwrap();
    assert_eq!(weights(&files("part3.weights.h5")), weights(&files("whole3.weights.h5")));
    // There is nothing left to be done.
    let (again, events) = run("part", 4, new(&device()), Some("part4.weights.h5"));
    assert_eq!(events, ["begin 20", "Complete"]);
    assert_eq!(weights(&again), weights(&whole));
}

#[test]
fn a_resumed_training_is_as_if_nothing_had_happened() {
    resumes(Mlp::new, decaying);
    resumes(Recurrent::new, || 0.02.into());
}

#[test]
fn the_best_is_kept_and_restored() {
    let folder = tempfile::tempdir().unwrap();
    let losses = Arc::new(Mutex::new(Vec::new()));
    let seen = losses.clone();
    let result = hook()
        .callback(checkpoint(folder.path(), "best{epoch}.weights.h5").save_best_only(true))
        // Steps that are too large, so that it gets worse.
        .callback(LearningRateScheduler::new(|epoch, _| if epoch < 3 { 0.01 } else { 0.9 }))
        .callback(EarlyStopping::new().patience(2).restore_best_weights(true))
        .callback(LambdaCallback::new().on_epoch_end(move |training| {
            seen.lock().unwrap().push(training.logs()?.get("val_loss").unwrap());
            Ok(())
        }))
        .launch(training(20), Mlp::new(&device()), adam(), 0.01)
        .unwrap();
    let model = complete(result);
    let losses = losses.lock().unwrap();
    let best = losses.iter().copied().fold(f64::INFINITY, f64::min);
    let at = losses.iter().position(|loss| *loss == best).unwrap();
    assert_eq!(losses.len(), at + 3, "{losses:?}");
    let file = folder.path().join(format!("best{}.weights.h5", at + 1));
    let loaded = load(&file, Mlp::new(&Device::flex())).unwrap();
    assert_eq!(weights(&loaded), weights(&model));
    let mut running = f64::INFINITY;
    let improved = losses.iter().filter(|loss| {
        let is_better = **loss < running;
        running = running.min(**loss);
        is_better
    });
    assert_eq!(names(folder.path()).len(), improved.count());
}

#[test]
fn the_best_weights_outlive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let best =
        || checkpoint(folder.path(), "{epoch}.weights.h5").monitor("val_loss").restore_best_weights(true);
    hook().callback(best()).launch(training(2), Mlp::new(&device()), adam(), 0.01).unwrap();
    let checkpoint = best();
    let files = checkpoint.results();
    let result = hook()
        .resume(folder.path().join("2.weights.h5"))
        .callback(LearningRateScheduler::new(|_, _| 0.9))
        .callback(checkpoint)
        .launch(training(4), Mlp::new(&device()), adam(), 0.01)
        .unwrap();
    let file = files.best_model_path().unwrap();
    assert!(
        ["1", "2"].iter().any(|epoch| file.ends_with(format!("{epoch}.weights.h5"))),
        "{}",
        file.display()
    );
    let loaded = load(&file, Mlp::new(&Device::flex())).unwrap();
    assert_eq!(weights(&loaded), weights(&complete(result)));
}

#[test]
fn learning_rates_are_set_at_their_epochs() {
    let folder = tempfile::tempdir().unwrap();
    let save = || {
        let place = folder.path().to_owned();
        LambdaCallback::new().on_epoch_end(move |training| {
            let file = place.join(format!("{}.weights.h5", training.epoch()));
            training.snapshot()?.save(&file, Saved::Weights)
        })
    };
    let scheduler = LearningRateScheduler::new(|epoch, rate| if epoch == 1 { 0.0 } else { rate + 0.01 });
    hook()
        .callback(scheduler)
        .callback(save())
        .callback(CSVLogger::new(folder.path().join("log.csv")))
        .launch(training(3), Recurrent::new(&device()), adam(), 0.02)
        .unwrap();
    let [first, second, third] = [0, 1, 2].map(|epoch| {
        let file = folder.path().join(format!("{epoch}.weights.h5"));
        weights(&load(file, Recurrent::new(&Device::flex())).unwrap())
    });
    assert!(first == second && second != third);
    let table = std::fs::read_to_string(folder.path().join("log.csv")).unwrap();
    let rates = table.lines().map(|line| line.split(',').nth(1).unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(rates, ["learning_rate", "0.029999999329447746", "0.0", "0.009999999776482582"]);
    assert!(table.starts_with("epoch,learning_rate,loss,val_loss\r\n"), "{table}");

    let scheduled = hook()
        .callback(LearningRateScheduler::new(|_, rate| rate * 0.5))
        .launch(training(3), Recurrent::new(&device()), adam(), decaying())
        .unwrap();
    assert!(scheduled.error.unwrap().to_string().contains("follows a schedule"));
}

#[test]
fn callbacks_stop_a_training() {
    let stop = |at_batch: bool| {
        let events = Events::default();
        let stopping = LambdaCallback::new()
            .on_train_batch_end(move |batch, training| {
                if at_batch && batch == 1 {
                    training.stop("enough batches");
                }
                Ok(())
            })
            .on_epoch_end(move |training| {
                training.stop("enough epochs");
                Ok(())
            });
        let result = hook().callback(stopping).callback(witness(&events)).launch(
            training(3),
            Recurrent::new(&device()),
            adam(),
            0.02,
        );
        (result.unwrap().interrupted.map(|it| it.reason.unwrap()), told(&events))
    };
    let (interrupted, events) = stop(false);
    assert_eq!((interrupted, events.len(), events.last().unwrap().as_str()), (None, 9, "Complete"));
    let (interrupted, events) = stop(true);
    assert_eq!(interrupted.as_deref(), Some("enough batches"));
    assert_eq!(events, ["begin 0", "epoch 0", "batch 0 1", "batch 1 2", "Complete"]);
}

#[test]
fn a_training_that_is_interrupted_is_saved() {
    let folder = tempfile::tempdir().unwrap();
    let (events, training) = (Events::default(), training(3));
    let interrupter = training.interrupter();
    let result = hook()
        .callback(checkpoint(folder.path(), "{epoch}.weights.h5").save_on_interrupt(true))
        .callback(LambdaCallback::new().on_train_batch_end(move |_, training| {
            if training.step() == 7 {
                interrupter.stop(Some("Ctrl-C"));
            }
            Ok(())
        }))
        .callback(witness(&events))
        .launch(training, Recurrent::new(&device()), adam(), 0.02)
        .unwrap();
    assert_eq!(result.interrupted.unwrap().reason.as_deref(), Some("Ctrl-C"));
    assert_eq!(told(&events)[8..], ["epoch 1", "batch 0 6", "batch 1 7", "Interrupted"]);
    let files = names(folder.path());
    assert_eq!(files.len(), 2, "{files:?}");
    let loaded = load(folder.path().join(&files[1]), Recurrent::new(&Device::flex())).unwrap();
    assert_eq!(weights(&loaded), weights(&result.model));
}

#[test]
fn errors_end_a_training() {
    let events = Events::default();
    let failing = LambdaCallback::new().on_train_batch_end(|batch, _| match batch {
        3 => Err(Error::input("no more")),
        _ => Ok(()),
    });
    let result = hook()
        .callback(failing)
        .callback(witness(&events))
        .launch(training(3), Recurrent::new(&device()), adam(), 0.02)
        .unwrap();
    assert!(result.error.unwrap().to_string().contains("no more"));
    assert_eq!(told(&events)[2..], ["batch 0 1", "batch 1 2", "batch 2 3", "Failed"]);

    let ending = LambdaCallback::new().on_train_end(|end, _| match end {
        End::Complete => Err(Error::input("not at the end")),
        _ => Ok(()),
    });
    let result =
        hook().callback(ending).launch(training(1), Recurrent::new(&device()), adam(), 0.02).unwrap();
    assert!(result.error.unwrap().to_string().contains("not at the end"));

    // A learning rate at which there is soon no number left.
    let result = hook()
        .callback(TerminateOnNaN::new())
        .launch(training(9), Recurrent::new(&device()), burn::optim::SgdConfig::new().init(), 1e20)
        .unwrap();
    assert_eq!(result.interrupted.unwrap().reason.as_deref(), Some("the loss is no finite number"));
}

fn refused(hook: Hook<Recurrent>) -> String {
    let result = hook.launch(training(3), Recurrent::new(&device()), adam(), 0.02);
    result.map(drop).unwrap_err().to_string()
}

#[test]
fn what_cannot_work_is_refused_before_the_first_batch() {
    let folder = tempfile::tempdir().unwrap();
    let none: Hook<Recurrent> = Hook::new();
    let with_rate = || {
        let hook: Hook<Recurrent> = Hook::new();
        hook.metrics((LossMetric::new(), LearningRateMetric::new()))
    };
    let file = |name: &str| checkpoint(folder.path(), name);
    for (hook, part) in [
        (hook().callback(file("{val_acuracy}.weights.h5")), "val_acuracy"),
        (
            hook().callback(file("a.weights.h5").monitor("val_lss").save_best_only(true)),
            "did you mean \"val_loss\"",
        ),
        (hook().callback(ModelCheckpoint::new("a.keras")), "template"),
        (
            hook().callback(TerminateOnNaN::new()).rename("Lss", "mine"),
            "there is no metric \"Lss\"; there are: Loss",
        ),
        (none.callback(TerminateOnNaN::new()), "no loss"),
        (with_rate().rename("Learning Rate", "loss"), "two metrics are called \"loss\""),
        (hook().resume(folder.path().join("none.weights.h5")), "none.weights.h5"),
    ] {
        let error = refused(hook);
        assert!(error.contains(part), "{error}");
    }
    assert!(names(folder.path()).is_empty());
}

#[test]
fn files_that_do_not_fit_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mlp.weights.h5");
    hook()
        .callback(ModelCheckpoint::new(&file).save_weights_only(true))
        .launch(training(1), Mlp::new(&device()), adam(), 0.02)
        .unwrap();
    // All at once: parameters of the file and of the module, and shapes.
    let error = refused(hook().resume(&file));
    for part in
        ["mlp.weights.h5", "lstm.cell_gate", "layers.0.weight", "no such parameter", "[5, 2]", "[6, 2]"]
    {
        assert!(error.contains(part), "{part} in {error}");
    }
    assert!(load(&file, Recurrent::new(&device())).is_err());

    // Whatever is damaged is an error, or does no harm; never a panic.
    let whole = std::fs::read(&file).unwrap();
    let mut refused = 0;
    for at in (0..whole.len()).step_by(whole.len() / 60) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x55;
        for bytes in [&damaged[..], &whole[..at]] {
            std::fs::write(&file, bytes).unwrap();
            let result: Result<LearningResult<Mlp>> =
                hook().resume(&file).launch(training(1), Mlp::new(&device()), adam(), 0.02);
            refused += usize::from(result.is_err());
        }
    }
    assert!(refused > 60, "only {refused}");
}

/// A module around a Keras model gives files of this model.
#[test]
fn a_template_makes_whole_models() {
    let folder = tempfile::tempdir().unwrap();
    let model = Sequential::new()
        .with(Input::new([4, 3]))
        .with(Flatten::new())
        .with(Dense::new(5).activation("tanh"))
        .with(Dense::new(2))
        .build(&device())
        .unwrap();
    let run = |epochs: usize, resume: Option<&str>, name: &str| {
        let mut hook = hook()
            .template(model.clone())
            .callback(ModelCheckpoint::new(folder.path().join(format!("{name}{{epoch}}.keras"))))
            .callback(checkpoint(folder.path(), &format!("{name}{{epoch}}.weights.h5")));
        if let Some(file) = resume {
            hook = hook.resume(folder.path().join(file));
        }
        let training = training_in(&folder.path().join("burn").join(name), epochs);
        complete(hook.launch(training, Wrapped { model: model.clone() }, adam(), 0.02).unwrap())
    };
    let whole = run(4, None, "whole");
    let file = KerasModel::load(folder.path().join("whole4.keras"), &Device::flex()).unwrap();
    assert_eq!(weights(&Wrapped { model: file }), weights(&whole));
    let x = Tensor::<3>::ones([2, 4, 3], &Device::flex()) * 0.3;
    let y = whole.model.predict(x.clone()).unwrap().tensor::<2>().unwrap();
    let rows = |data: TensorData| data.convert_dtype(DType::F64).try_into_vec::<f64>().unwrap();
    let inputs: Vec<Vec<Vec<f64>>> = vec![vec![vec![f64::from(0.3f32); 3]; 4]; 2];
    assert_eq!(rows(x.into_data()), inputs.concat().concat());
    let outputs: Vec<Vec<f64>> = rows(y.into_data()).chunks(2).map(<[f64]>::to_vec).collect();
    let numbers = serde_json::json!({"inputs": inputs, "outputs": outputs});
    std::fs::write(folder.path().join("numbers.json"), numbers.to_string()).unwrap();
    for (from, to) in [("whole4.keras", "model.keras"), ("whole4.weights.h5", "same.weights.h5")] {
        std::fs::copy(folder.path().join(from), folder.path().join(to)).unwrap();
    }
    if let Some(mut script) = common::script("hook_open.py") {
        let said = script.arg(folder.path()).output().unwrap();
        let text =
            format!("{}{}", String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
        assert!(said.status.success() && said.stdout.is_empty(), "{text}");
    }
    run(2, None, "part");
    for file in ["part2.keras", "part2.weights.h5"] {
        assert_eq!(weights(&run(4, Some(file), "part")), weights(&whole), "{file}");
    }
}
