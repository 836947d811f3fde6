//! Optimizers against real Keras: `tests/keras/optimizers_continue.py` made the fixtures, and goes on from what is
//! written here.
#![cfg(feature = "train")]

mod common;

use std::path::{Path, PathBuf};

use burn::module::{Module, Param, ParamId};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{DType, Device, Tensor, TensorData};
use burn_keras::KerasModel;
use burn_keras::config::Class;
use burn_keras::optimizer::state::{self, Progress, Variables};
use burn_keras::optimizer::{
    LossScale, Optimizer, Parameter, Schedule, exclude_from_weight_decay, parameters, parameters_of,
};
use npyz::WriterBuilder;
use serde_json::Value as Json;

use common::{root, script};

const TOLERANCE: f32 = 1e-5;

fn folder() -> PathBuf {
    root().join("tests/fixtures/optimizers")
}

fn manifest() -> Json {
    serde_json::from_str(&std::fs::read_to_string(folder().join("cases.json")).unwrap()).unwrap()
}

fn sizes(json: &Json) -> Vec<usize> {
    json.as_array().unwrap().iter().map(|size| size.as_u64().unwrap() as usize).collect()
}

/// The rows of a matrix that NumPy wrote.
fn rows(path: &Path) -> Vec<Vec<f32>> {
    let array = npyz::NpyFile::new(std::fs::File::open(path).unwrap()).unwrap();
    let columns = array.shape()[1] as usize;
    let numbers: Vec<f32> = array.into_vec().unwrap();
    numbers.chunks(columns).map(<[f32]>::to_vec).collect()
}

/// What the script calls the variables.
#[derive(Module, Debug)]
struct Net {
    dense: Param<Tensor<2>>,
    bias: Param<Tensor<1>>,
    conv: Param<Tensor<4>>,
    cube: Param<Tensor<3>>,
    embedding: Param<Tensor<2>>,
    gain: Param<Tensor<1>>,
    einsum: Param<Tensor<1>>,
    tall: Param<Tensor<2>>,
}

/// The kernel of the convolution as Burn has it.
const AXES: [usize; 4] = [3, 2, 0, 1];

fn param<const D: usize>(numbers: &[f32], shape: [usize; D], device: &Device) -> Param<Tensor<D>> {
    let data = TensorData::new(numbers.to_vec(), shape);
    Param::initialized(ParamId::new(), Tensor::from_data(data, device).require_grad())
}

/// Numbers in the order of Keras, as many as each variable has.
fn split(mut numbers: &[f32], shapes: &[Vec<usize>]) -> Vec<Vec<f32>> {
    let parts = shapes.iter().map(|shape| {
        let (part, rest) = numbers.split_at(shape.iter().product());
        numbers = rest;
        part.to_vec()
    });
    let parts = parts.collect();
    assert!(numbers.is_empty());
    parts
}

fn conv(numbers: &[f32], device: &Device) -> Tensor<4> {
    Tensor::<4>::from_data(TensorData::new(numbers.to_vec(), [2, 2, 3, 2]), device).permute(AXES)
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().unwrap()
}

impl Net {
    fn new(parts: &[Vec<f32>], device: &Device) -> Self {
        let [dense, bias, kernel, cube, embedding, gain, einsum, tall] = parts else {
            panic!("eight variables")
        };
        let kernel = values(conv(kernel, &device.clone().inner()));
        Self {
            dense: param(dense, [3, 4], device),
            bias: param(bias, [4], device),
            conv: param(&kernel, [2, 3, 2, 2], device),
            cube: param(cube, [2, 3, 2], device),
            embedding: param(embedding, [5, 2], device),
            gain: param(gain, [1], device),
            einsum: param(einsum, [6], device),
            tall: param(tall, [6, 2], device),
        }
    }

    /// All numbers in the order of Keras.
    fn numbers(&self) -> Vec<f32> {
        let kernel = self.conv.val().inner().permute([2, 3, 1, 0]);
        [
            values(self.dense.val()),
            values(self.bias.val()),
            values(kernel),
            values(self.cube.val()),
            values(self.embedding.val()),
            values(self.gain.val()),
            values(self.einsum.val()),
            values(self.tall.val()),
        ]
        .concat()
    }

    fn gradients(&self, parts: &[Vec<f32>], missing: &[usize], device: &Device) -> GradientsParams {
        let mut grads = GradientsParams::new();
        let vector = |at: usize| Tensor::<1>::from_floats(parts[at].as_slice(), device);
        let matrix = |at: usize, shape: [usize; 2]| vector(at).reshape(shape);
        let is_there = |at: &usize| !missing.contains(at);
        for at in (0..parts.len()).filter(is_there) {
            match at {
                0 => grads.register(self.dense.id, matrix(at, [3, 4])),
                1 => grads.register(self.bias.id, vector(at)),
                2 => grads.register(self.conv.id, conv(&parts[at], device)),
                3 => grads.register(self.cube.id, vector(at).reshape([2, 3, 2])),
                4 => grads.register(self.embedding.id, matrix(at, [5, 2])),
                5 => grads.register(self.gain.id, vector(at)),
                6 => grads.register(self.einsum.id, vector(at)),
                _ => grads.register(self.tall.id, matrix(at, [6, 2])),
            }
        }
        grads
    }

    /// Its parameters as those of a Keras model would be.
    fn parameters(&self, manifest: &Json) -> Vec<Parameter> {
        let mut own = parameters(self);
        let variables = manifest["variables"].as_array().unwrap();
        assert_eq!(own.len(), variables.len());
        for (parameter, variable) in own.iter_mut().zip(variables) {
            parameter.path = variable[0].as_str().unwrap().to_owned();
            parameter.shape = sizes(&variable[1]);
            parameter.axes = if parameter.id == self.conv.id { AXES.to_vec() } else { Vec::new() };
            parameter.is_flat = parameter.id == self.einsum.id;
        }
        own
    }
}

/// A case of the script, under way.
struct Run<'a> {
    manifest: &'a Json,
    case: &'a Json,
    optimizer: Optimizer,
    net: Net,
    parameters: Vec<Parameter>,
    burn: ModuleOptimizer,
    scale: Option<LossScale>,
    iterations: u64,
}

impl<'a> Run<'a> {
    fn new(manifest: &'a Json, case: &'a Json, weights: &[f32]) -> Self {
        let optimizer = Optimizer::of(&case["optimizer"]);
        let net = Net::new(&split(weights, &shapes(manifest)), &Device::flex().autodiff());
        let mut parameters = net.parameters(manifest);
        if let Some(names) = case["exclude"].as_array() {
            let names: Vec<&str> = names.iter().map(|name| name.as_str().unwrap()).collect();
            exclude_from_weight_decay(&mut parameters, &names).unwrap();
        }
        let burn = optimizer.for_parameters(&parameters).unwrap();
        let scale = optimizer.loss_scale().unwrap();
        Self { manifest, case, optimizer, net, parameters, burn, scale, iterations: 0 }
    }

    fn resume(manifest: &'a Json, case: &'a Json, numbers: &[f32]) -> Self {
        let count = shapes(manifest).iter().map(|shape| shape.iter().product::<usize>()).sum();
        let mut run = Self::new(manifest, case, &numbers[..count]);
        let variables = variables(case, &numbers[count..]);
        let progress = state::from_keras(&run.optimizer, &run.parameters, variables).unwrap();
        run.iterations = progress.iterations;
        run.scale = progress.loss_scale;
        run.burn = run.burn.load_record(progress.record);
        run
    }

    fn step(&mut self, step: usize, gradients: &[Vec<f32>]) {
        let mut parts = split(&gradients[step], &shapes(self.manifest));
        if self.case["infinite"].as_u64() == Some(step as u64) {
            // As in the script: [0, 1, 0, 1] of (2, 2, 3, 2).
            parts[2][7] = f32::INFINITY;
        }
        let missing = self.case.get("missing").map(sizes).unwrap_or_default();
        let grads = self.net.gradients(&parts, &missing, &Device::flex());
        let Some(grads) = self.optimizer.prepare(&self.net, grads, &mut self.scale).unwrap() else { return };
        let rate = self.optimizer.learning_rate(self.iterations).unwrap();
        self.net = self.burn.step(rate, self.net.clone(), grads);
        self.iterations += 1;
    }

    /// Everything in the order of the script, by the names of what it is.
    fn numbers(&self) -> Vec<(String, Vec<f32>)> {
        let progress = Progress {
            record: self.burn.to_record(),
            iterations: self.iterations,
            learning_rate: None,
            loss_scale: self.scale,
        };
        let variables = state::to_keras(&self.optimizer, &self.parameters, &self.net, progress).unwrap();
        let own = split(&self.net.numbers(), &shapes(self.manifest));
        let names = self.parameters.iter().map(|parameter| parameter.path.clone());
        let expected = self.case["shapes"].as_array().unwrap();
        let (outer, inner): (Vec<_>, Vec<_>) =
            variables.into_iter().partition(|(path, _)| path.starts_with("optimizer/vars/"));
        let outer_count = expected.len();
        assert_eq!(outer.len(), outer_count);
        for ((path, data), expected) in outer.iter().zip(expected) {
            assert_eq!(data.shape().to_vec(), sizes(expected), "{path}");
        }
        // What is inside is there twice.
        let skipped = outer_count - inner.len();
        for ((path, data), (_, again)) in inner.iter().zip(&outer[skipped..]).filter(|_| !inner.is_empty()) {
            assert_eq!(data, again, "{path}");
        }
        let state =
            outer.into_iter().map(|(path, data)| (path, data.convert::<f32>().try_into_vec().unwrap()));
        names.zip(own).chain(state).collect()
    }

    fn check(&self, name: &str, when: &str, expected: &[f32]) -> usize {
        let numbers = self.numbers();
        let shapes: Vec<Vec<usize>> = numbers.iter().map(|(_, part)| vec![part.len()]).collect();
        let mut wrong = 0;
        for ((path, own), real) in numbers.iter().zip(split(expected, &shapes)) {
            let size = real.iter().fold(1.0_f32, |size, number| size.max(number.abs()));
            let worst =
                own.iter().zip(&real).map(|(own, real)| (own - real).abs() / size).fold(0.0, f32::max);
            let all_numbers = own.iter().all(|number| number.is_finite());
            if !all_numbers || worst > TOLERANCE {
                println!("{name} {when}: {path} differs by {worst}");
                wrong += 1;
            }
        }
        wrong
    }
}

fn shapes(manifest: &Json) -> Vec<Vec<usize>> {
    manifest["variables"].as_array().unwrap().iter().map(|pair| sizes(&pair[1])).collect()
}

/// The variables of the optimizer as a file has them: with integers where Keras has them.
fn variables(case: &Json, numbers: &[f32]) -> Variables {
    let shapes: Vec<Vec<usize>> = case["shapes"].as_array().unwrap().iter().map(sizes).collect();
    let parts = split(numbers, &shapes).into_iter().zip(shapes).enumerate();
    let tensor = |(number, (part, shape)): (usize, (Vec<f32>, Vec<usize>))| {
        let data = TensorData::new(part, shape);
        let data = if number == 0 { data.convert_dtype(DType::I64) } else { data };
        (format!("optimizer/vars/{number}"), data)
    };
    parts.map(tensor).collect()
}

type Rows = Vec<Vec<f32>>;
/// The name, the settings and the rows.
type Case<'a> = (&'a String, &'a Json, Rows);

/// Every case with the rows of its file, and the gradients; the first row of those are the weights at the start.
fn cases(manifest: &Json) -> (Vec<Case<'_>>, Vec<f32>, Rows) {
    let mut gradients = rows(&folder().join("gradients.npy"));
    let start = gradients.remove(0);
    let cases = manifest["cases"].as_object().unwrap().iter();
    let cases: Vec<_> =
        cases.map(|(name, case)| (name, case, rows(&folder().join(format!("{name}.npy"))))).collect();
    assert!(cases.len() > 50);
    (cases, start, gradients)
}

#[test]
fn steps_are_those_of_keras() {
    let manifest = manifest();
    let (cases, start, gradients) = cases(&manifest);
    let before = manifest["steps"][0].as_u64().unwrap() as usize;
    let mut wrong = 0;
    for (name, case, expected) in cases {
        let mut run = Run::new(&manifest, case, &start);
        (0..before).for_each(|step| run.step(step, &gradients));
        wrong += run.check(name, "before", &expected[0]);
        (before..gradients.len()).for_each(|step| run.step(step, &gradients));
        wrong += run.check(name, "after", &expected[1]);
        // What Keras kept is gone on from.
        let mut run = Run::resume(&manifest, case, &expected[0]);
        wrong += run.check(name, "as loaded", &expected[0]);
        (before..gradients.len()).for_each(|step| run.step(step, &gradients));
        wrong += run.check(name, "resumed", &expected[1]);
    }
    assert_eq!(wrong, 0);
}

/// Keras on JAX forgets the product of the momenta of a `Nadam` whose loss is scaled, and does not store it on any
/// backend. It is that of a `Nadam` alone.
#[test]
fn the_momenta_of_a_scaled_nadam_are_kept() {
    let manifest = manifest();
    let (cases, start, gradients) = cases(&manifest);
    let (_, case, expected) = cases.into_iter().find(|(name, ..)| *name == "nadam").unwrap();
    let scaled = serde_json::json!({"class_name": "LossScaleOptimizer", "config": {
        "inner_optimizer": case["optimizer"], "initial_scale": 1.0,
    }});
    let mut scaled_case = case.clone();
    scaled_case["optimizer"] = scaled;
    let shapes = case["shapes"].as_array().unwrap();
    let none = serde_json::json!([]);
    scaled_case["shapes"] = [&vec![none; 4], &shapes[..shapes.len() - 1]].concat().into();
    let mut run = Run::new(&manifest, &scaled_case, &start);
    (0..3).for_each(|step| run.step(step, &gradients));
    let before: Vec<f32> = run.numbers().into_iter().flat_map(|(_, part)| part).collect();
    let mut resumed = Run::resume(&manifest, &scaled_case, &before);
    for run in [&mut run, &mut resumed] {
        (3..gradients.len()).for_each(|step| run.step(step, &gradients));
        let own = run.net.numbers();
        let worst = own.iter().zip(&expected[1]).map(|(own, real)| (own - real).abs()).fold(0.0, f32::max);
        assert!(worst <= TOLERANCE, "{worst}");
    }
}

#[test]
fn keras_goes_on() {
    let manifest = manifest();
    let (cases, start, gradients) = cases(&manifest);
    let before = manifest["steps"][0].as_u64().unwrap() as usize;
    let written = Path::new(env!("CARGO_TARGET_TMPDIR")).join("optimizers");
    let _ = std::fs::remove_dir_all(&written);
    std::fs::create_dir_all(&written).unwrap();
    for (name, case, _) in cases {
        let mut run = Run::new(&manifest, case, &start);
        (0..before).for_each(|step| run.step(step, &gradients));
        let numbers: Vec<f32> = run.numbers().into_iter().flat_map(|(_, part)| part).collect();
        let file = std::fs::File::create(written.join(format!("{name}.npy"))).unwrap();
        let options = npyz::WriteOptions::new().default_dtype().shape(&[numbers.len() as u64]);
        let mut writer = options.writer(file).begin_nd().unwrap();
        writer.extend(numbers).unwrap();
        writer.finish().unwrap();
    }
    let Some(mut judge) = script("optimizers_continue.py") else { return };
    judge.arg("judge").args([&folder(), &written]);
    assert!(judge.status().unwrap().success(), "Keras gets other weights");
}

/// A model out of a file, with its optimizer, is trained and saved; Keras trains the same file.
#[test]
fn models_are_trained_and_saved() {
    let written = Path::new(env!("CARGO_TARGET_TMPDIR")).join("optimizer_models");
    std::fs::create_dir_all(&written).unwrap();
    for name in ["adafactor_model", "nadam_model", "scaled_model"] {
        let path = folder().join(format!("{name}.keras"));
        let device = Device::flex().autodiff();
        let mut model = KerasModel::load(&path, &device).unwrap();
        let optimizer = Optimizer::of(&model.file().config()["compile_config"]["optimizer"]);
        let parameters = parameters_of(&model).unwrap();
        let paths: Vec<&str> = parameters.iter().map(|parameter| parameter.path.as_str()).collect();
        assert_eq!(
            paths,
            ["conv/kernel", "conv/bias", "norm/gamma", "norm/beta", "last/kernel", "last/bias"]
        );
        let stored = state::stored(&model).unwrap();
        let progress = state::from_keras(&optimizer, &parameters, stored).unwrap();
        assert_eq!(progress.iterations, 2);
        let mut burn = optimizer.for_parameters(&parameters).unwrap().load_record(progress.record);
        let mut scale = progress.loss_scale;
        for step in 2..5 {
            let mut grads = GradientsParams::new();
            for (at, parameter) in parameters.iter().enumerate() {
                let count: usize = parameter.shape.iter().product();
                let sine = |place: usize| ((place * (step + 1) + at) as f32).sin();
                let numbers: Vec<f32> = (0..count).map(sine).collect();
                let data = TensorData::new(numbers, parameter.shape.clone());
                let inner = Device::flex();
                match parameter.shape.len() {
                    1 => grads.register(parameter.id, Tensor::<1>::from_data(data, &inner)),
                    2 => grads.register(parameter.id, Tensor::<2>::from_data(data, &inner)),
                    _ => {
                        let axes: [usize; 4] = parameter.axes.clone().try_into().unwrap();
                        grads.register(parameter.id, Tensor::<4>::from_data(data, &inner).permute(axes));
                    }
                }
            }
            let grads = optimizer.prepare(&model, grads, &mut scale).unwrap().unwrap();
            model = burn.step(optimizer.learning_rate(step as u64).unwrap(), model, grads);
        }
        let progress = Progress {
            record: burn.to_record(),
            iterations: 5,
            learning_rate: progress.learning_rate,
            loss_scale: scale,
        };
        let variables = state::to_keras(&optimizer, &parameters, &model, progress).unwrap();
        let model = state::put(model, variables).unwrap();
        let copy = written.join(format!("{name}.keras"));
        model.save(&copy).unwrap();
        let Some(mut judge) = script("optimizers_continue.py") else { return };
        judge.arg("model").args([&path, &copy]);
        assert!(judge.status().unwrap().success(), "Keras gets another model");
    }
}

#[test]
fn schedules_are_those_of_keras() {
    let manifest = manifest();
    let steps = manifest["at"].as_array().unwrap();
    for (name, case) in manifest["schedules"].as_object().unwrap() {
        let schedule = Schedule::of(&case["schedule"]);
        let schedule = schedule.get().unwrap().unwrap();
        assert_eq!(Json::from(schedule.config()), case["schedule"]["config"], "{name}");
        for (step, expected) in steps.iter().zip(case["rates"].as_array().unwrap()) {
            let (own, expected) = (schedule.at(step.as_u64().unwrap()), expected.as_f64().unwrap());
            assert!((own - expected).abs() <= 1e-6 * 0.05, "{name} at {step}: {own} is not {expected}");
        }
    }
}

/// What a file says is read and written key by key, and what is not said is as in Keras.
#[test]
fn settings_are_those_of_keras() {
    let manifest = manifest();
    let cases = manifest["cases"].as_object().unwrap().values().map(|case| &case["optimizer"]);
    let defaults = manifest["defaults"].as_array().unwrap();
    for json in cases.chain(defaults) {
        let optimizer = Optimizer::of(json);
        let known = optimizer.get().unwrap().unwrap();
        optimizer.check().unwrap();
        assert_eq!(Json::from(known.config()), json["config"]);
        assert_eq!(known.class(), json["class_name"]);
    }
    for json in defaults {
        let class = json["class_name"].as_str().unwrap();
        if class != "LossScaleOptimizer" {
            let named = Optimizer::from(class);
            let (own, mut real) = (named.get().unwrap().unwrap().config(), json["config"].clone());
            // Keras numbers them.
            real["name"] = own["name"].clone();
            assert_eq!(Json::from(own), real, "{class}");
        }
    }
}

#[test]
fn what_cannot_be_done_is_told_at_once() {
    use burn_keras::optimizer::{Adam, Ftrl, LossScaleOptimizer, PiecewiseConstantDecay, SGD};
    for (optimizer, parts) in [
        (Optimizer::from("adan"), vec!["unknown optimizer \"adan\""]),
        (Optimizer::none(), vec!["got none"]),
        (Optimizer::from("multioptimizer"), vec!["MultiOptimizer"]),
        (
            Adam::new().clipnorm(1.0).clipvalue(1.0).gradient_accumulation_steps(1).into(),
            vec!["clipnorm", "2 or more"],
        ),
        (
            Adam::new().global_clipnorm(1.0).gradient_accumulation_steps(2).into(),
            vec!["global_clipnorm together"],
        ),
        (SGD::new().momentum(1.5).into(), vec!["momentum"]),
        (Ftrl::new().beta(1.0).learning_rate_power(0.1).into(), vec!["learning_rate_power"]),
        (LossScaleOptimizer::new(SGD::new().momentum(-1.0)).into(), vec!["inner_optimizer", "momentum"]),
        (
            SGD::new().learning_rate(PiecewiseConstantDecay::new().values(vec![0.5])).into(),
            vec!["SGD.learning_rate.values", "got 1 and 1"],
        ),
    ] {
        let error = optimizer.update().unwrap_err().to_string();
        assert!(parts.iter().all(|part| error.contains(part)), "{error}");
    }
}
