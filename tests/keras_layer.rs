//! `KerasLayer`: models of Keras put together from single layers, as generated and hand-written modules do it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::nn::{Linear, LinearConfig};
use burn::optim::{AdamConfig, GradientsParams};
use burn::store::{BurnpackStore, ModuleSnapshot as _};
use burn::tensor::{DType, Device, Distribution, Int, Tensor, TensorData};
use burn_keras::build::{
    Attention, BatchNormalization, Conv2D, Dense, Embedding, FreshLayer, GlobalMaxPooling2D, Input, LSTM,
    SeparableConv2D, Sequential,
};
use burn_keras::config::{Dtype, Json, Object};
use burn_keras::layer::{Spec, Tree};
use burn_keras::module::{Call, ChannelsFirst, KerasLayer, KerasObject};
use burn_keras::{KerasModel, Value};

#[path = "common/judged.rs"]
#[allow(dead_code, reason = "other tests use more of it")]
mod judged;
#[path = "../src/bin/burn-keras/npz.rs"]
#[allow(dead_code, reason = "the program uses more of it")]
mod npz;
#[path = "keras_layer/samples.rs"]
#[rustfmt::skip]
mod samples;

/// What no layer alone can do.
const REFUSED: &[&str] = &[
    // Vocabularies lie beside the weights.
    "there is no file to read it from",
    "an array among the constants of a call",
];

/// The numbers of all parameters, by path.
#[derive(Default)]
struct Numbers {
    path: Vec<String>,
    of: HashMap<String, TensorData>,
}

impl ModuleVisitor for Numbers {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.of.insert(self.path.join("."), param.val().into_data());
    }
    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        self.of.insert(self.path.join("."), param.val().into_data());
    }
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }
    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }
}

fn numbers(module: &impl Module) -> HashMap<String, TensorData> {
    let mut numbers = Numbers::default();
    module.visit(&mut numbers);
    numbers.of
}

/// Gives parameters other numbers.
struct Fill<'a> {
    path: Vec<String>,
    with: &'a HashMap<String, TensorData>,
}

impl ModuleMapper for Fill<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let data = self.with[&self.path.join(".")].clone();
        param.map(|old| Tensor::from_data(data, &old.device()))
    }
    fn map_int<const D: usize>(&mut self, param: Param<Tensor<D, Int>>) -> Param<Tensor<D, Int>> {
        let data = self.with[&self.path.join(".")].clone();
        param.map(|old| Tensor::from_data(data.clone(), (&old.device(), data.dtype())))
    }
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }
    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }
}

/// A tensor of a model: its layer, the call and the output.
type Named = (String, usize, usize);

/// A model of Keras as single layers.
struct Parts<'a> {
    device: Device,
    /// The numbers of its parameters.
    weights: HashMap<String, TensorData>,
    values: HashMap<Named, Value>,
    layers: BTreeMap<&'a str, Part<'a>>,
}

struct Part<'a> {
    json: &'a Json,
    /// What each call takes.
    calls: Vec<Vec<Named>>,
    layer: Option<KerasLayer>,
}

/// Why a model is not put together from layers here.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Other {
    Nested,
    /// Calls in the form of Keras 2.
    OldCalls,
    /// What `KerasLayer` says.
    Refused(String),
    /// It gives something else.
    Wrong(String),
}

impl Other {
    fn is_fine(&self) -> bool {
        match self {
            Self::Nested | Self::OldCalls => true,
            Self::Wrong(_) => false,
            Self::Refused(message) => REFUSED.iter().any(|refused| message.contains(refused)),
        }
    }
}

fn named(tensor: &Object<'_>) -> Named {
    let history = tensor.config["keras_history"].as_array().unwrap();
    let number = |at: usize| history[at].as_u64().unwrap() as usize;
    (history[0].as_str().unwrap().to_owned(), number(1), number(2))
}

/// The tensors of an argument in Keras' order.
fn tensors(json: &Json, found: &mut Vec<Named>) {
    match (Object::of(json), json) {
        (Some(object), _) if object.class == "__keras_tensor__" => found.push(named(&object)),
        (Some(_), _) => {}
        (_, Json::Array(items)) => items.iter().for_each(|item| tensors(item, found)),
        (_, Json::Object(items)) => {
            let sorted: BTreeMap<_, _> = items.iter().collect();
            sorted.values().for_each(|item| tensors(item, found));
        }
        _ => {}
    }
}

impl<'a> Parts<'a> {
    /// The layers of a functional model, which have the weights of the model itself.
    fn of(config: &'a Json, weights: HashMap<String, TensorData>, device: &Device) -> Result<Self, Other> {
        let mut parts =
            Self { device: device.clone(), weights, values: HashMap::new(), layers: BTreeMap::new() };
        for json in config["layers"].as_array().unwrap() {
            let object = Object::of(json).unwrap();
            if ["Functional", "Sequential", "Model"].contains(&object.class) {
                return Err(Other::Nested);
            }
            if object.class == "InputLayer" {
                continue;
            }
            let calls = json["inbound_nodes"].as_array().unwrap();
            if calls.iter().any(|call| !call["args"].is_array() || !call["kwargs"].is_object()) {
                return Err(Other::OldCalls);
            }
            let calls = calls.iter().map(inputs).collect();
            parts.layers.insert(json["name"].as_str().unwrap(), Part { json, calls, layer: None });
        }
        Ok(parts)
    }

    /// Makes a layer, once what it is first called with is there.
    fn make(&self, part: &Part<'_>) -> Result<KerasLayer, Other> {
        let mut call = None::<Call>;
        for json in part.json["inbound_nodes"].as_array().unwrap() {
            let mut next = Call::new();
            for argument in json["args"].as_array().unwrap() {
                next = next.then_json(&self.typed(argument).to_string());
            }
            // A prediction is never as in training, whatever a call says.
            let named = json["kwargs"].as_object().unwrap().iter().filter(|(key, _)| *key != "training");
            for (key, argument) in named {
                next = next.with_json(key, &self.typed(argument).to_string());
            }
            call = Some(match call {
                Some(call) => call.or(next),
                None => next,
            });
        }
        let layer = KerasLayer::new(KerasObject::from(part.json), call.unwrap(), &self.device);
        layer.map_err(|error| Other::Refused(error.to_string()))
    }

    /// An argument with the types that its tensors have: Keras itself is at times mistaken about them.
    fn typed(&self, json: &Json) -> Json {
        let object = Object::of(json);
        match (object.filter(|object| object.class == "__keras_tensor__"), json) {
            (Some(object), _) => {
                let mut json = json.clone();
                if let Some(value) = self.values.get(&named(&object)) {
                    json["config"]["dtype"] = value.keras_dtype().name().into();
                }
                json
            }
            (None, Json::Array(items)) => items.iter().map(|item| self.typed(item)).collect(),
            (None, Json::Object(items)) => {
                Json::Object(items.iter().map(|(key, item)| (key.clone(), self.typed(item))).collect())
            }
            _ => json.clone(),
        }
    }

    /// Runs every call whose tensors are there, until there is none left.
    fn run(&mut self) -> Result<(), Other> {
        let mut open: Vec<(&str, usize)> = Vec::new();
        for (name, part) in &self.layers {
            open.extend((0..part.calls.len()).map(|call| (*name, call)));
        }
        while !open.is_empty() {
            let ready = |(name, call): &(&str, usize)| {
                self.layers[name].calls[*call].iter().all(|tensor| self.values.contains_key(tensor))
            };
            let at = open.iter().position(ready).expect("a call that can be made");
            let (name, call) = open.remove(at);
            if self.layers[name].layer.is_none() {
                let layer = self.make(&self.layers[name])?;
                self.put(name, layer);
            }
            let part = &self.layers[name];
            let layer = part.layer.as_ref().unwrap();
            let inputs: Vec<Value> =
                part.calls[call].iter().map(|tensor| self.values[tensor].clone()).collect();
            let outputs: Vec<Value> =
                layer.at(call).call(inputs).map_err(|error| Other::Refused(error.to_string()))?;
            if layer.takes_masks() {
                for tensor in &part.calls[call] {
                    let value = self.values[tensor].clone().with_mask(None);
                    self.values.insert(tensor.clone(), value);
                }
            }
            for (output, value) in outputs.into_iter().enumerate() {
                self.values.insert((name.to_owned(), call, output), value);
            }
        }
        Ok(())
    }

    /// Puts a layer where it belongs, with the weights of the model.
    fn put(&mut self, name: &str, layer: KerasLayer) {
        let layer = layer.map(&mut Fill { path: vec![name.to_owned()], with: &self.weights });
        self.layers.get_mut(name).unwrap().layer = Some(layer);
    }
}

/// The tensors of a call in the order in which the layer takes them.
fn inputs(call: &Json) -> Vec<Named> {
    let (mut found, mut masks) = (Vec::new(), Vec::new());
    tensors(&call["args"], &mut found);
    const FIRST: [&str; 6] = ["query", "value", "key", "query_mask", "value_mask", "key_mask"];
    let place = |key: &str| FIRST.iter().position(|first| *first == key).unwrap_or(FIRST.len());
    let mut named: Vec<_> = call["kwargs"].as_object().unwrap().iter().collect();
    named.sort_by_key(|(key, _)| (place(key), *key));
    for (key, argument) in named {
        tensors(argument, if key == "mask" { &mut masks } else { &mut found });
    }
    found.extend(masks);
    found
}

/// The tensors under `input_layers` or `output_layers`.
fn references(json: &Json, found: &mut Vec<Named>) {
    match json {
        Json::Array(items) if items.len() == 3 && items[0].is_string() => {
            let number = |at: usize| items[at].as_u64().unwrap() as usize;
            found.push((items[0].as_str().unwrap().to_owned(), number(1), number(2)));
        }
        Json::Array(items) => items.iter().for_each(|item| references(item, found)),
        Json::Object(items) => {
            let sorted: BTreeMap<_, _> = items.iter().collect();
            sorted.values().for_each(|item| references(item, found));
        }
        _ => {}
    }
}

/// Puts one model together, from its config or with a layer that is given, and compares what it gives with what the
/// model gives.
fn compare(
    root: &Path,
    case: &Json,
    device: &Device,
    given: Option<(&str, KerasLayer)>,
) -> Result<usize, Other> {
    let name = case["name"].as_str().unwrap();
    let model = KerasModel::load(root.join(case["model"].as_str().unwrap()), device).unwrap();
    let object = Object::of(model.file().config()).unwrap();
    let config = Json::Object(object.config.clone());
    if object.class != "Functional" {
        return Err(Other::Nested);
    }
    // Calls that are made of those of Keras 2 do not say all shapes.
    if name.starts_with("keras2/") {
        return Err(Other::OldCalls);
    }
    let mut parts = Parts::of(&config, numbers(&model), device)?;
    let (inputs, _) = judged::read(&root.join(format!("{name}.npz")), device).unwrap();
    let values = inputs.clone().in_order(&model.input_names()).unwrap();
    let (mut starts, mut ends) = (Vec::new(), Vec::new());
    references(&config["input_layers"], &mut starts);
    references(&config["output_layers"], &mut ends);
    for ((tensor, value), spec) in starts.into_iter().zip(values).zip(model.inputs()) {
        let float = spec.dtype.is_float().then(|| burn_keras::value::burn_dtype(spec.dtype).unwrap());
        parts.values.insert(tensor, float.map_or(value.clone(), |dtype| value.cast(dtype).unwrap()));
    }
    if let Some((name, layer)) = given {
        parts.put(name, layer);
    }
    parts.run()?;
    for ((expected_name, expected), tensor) in model.predict(inputs).unwrap().into_iter().zip(&ends) {
        let got = parts.values[tensor].clone();
        if got.keras_dtype() != expected.keras_dtype() {
            let types = (got.keras_dtype(), expected.keras_dtype());
            return Err(Other::Wrong(format!("{name}: {expected_name}: {types:?}")));
        }
        let (got, expected) = (npz::Array::of(got), npz::Array::of(expected));
        if !same(&got, &expected) {
            return Err(Other::Wrong(format!("{name}: {expected_name}: {got:?}, not {expected:?}")));
        }
    }
    Ok(parts.layers.len())
}

/// Whether all numbers are the same, `NaN` included.
fn same(a: &npz::Array, b: &npz::Array) -> bool {
    let list = |array: &npz::Array| array.clone().numbers().ok().map(|data| data.convert_dtype(DType::F64));
    match (list(a), list(b)) {
        (Some(x), Some(y)) => {
            let pairs = x.iter::<f64>().zip(y.iter::<f64>());
            let near =
                |(x, y): (f64, f64)| x == y || (x.is_nan() && y.is_nan()) || (x - y).abs() <= 1e-6 * y.abs();
            a.shape() == b.shape() && pairs.into_iter().all(near)
        }
        _ => a == b,
    }
}

fn fixtures() -> (PathBuf, Vec<Json>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let manifest = std::fs::read_to_string(root.join("manifest.json")).unwrap();
    let manifest: Json = serde_json::from_str(&manifest).unwrap();
    (root, manifest["cases"].as_array().unwrap().clone())
}

#[test]
fn models_put_together_from_layers_give_what_the_models_give() {
    let (root, cases) = fixtures();
    let device = Device::flex();
    let (mut same, mut layers) = (0, 0);
    let mut others: BTreeMap<Other, Vec<&str>> = BTreeMap::new();
    for case in &cases {
        match compare(&root, case, &device, None) {
            Ok(count) => {
                same += 1;
                layers += count;
            }
            Err(other) => others.entry(other).or_default().push(case["name"].as_str().unwrap()),
        }
    }
    eprintln!("{same} models of {layers} layers");
    let counts = others.iter().map(|(other, cases)| (other, cases.len(), cases[0]));
    let problems: Vec<_> = counts.filter(|(other, ..)| !other.is_fine()).collect();
    assert!(problems.is_empty(), "{problems:#?}");
    assert!(same > 850, "{same} models");
}

/// The generated source of layers is compiled here, and they are put into the models that they come from.
#[test]
fn layers_from_source_give_what_the_models_give() {
    let (root, cases) = fixtures();
    let device = Device::flex();
    let (mut same, mut problems) = (0, Vec::new());
    let samples = samples::samples(&device);
    for (name, layer, made) in samples {
        let case = cases.iter().find(|case| case["name"] == name).unwrap();
        match compare(&root, case, &device, Some((layer, made))) {
            Ok(_) => same += 1,
            // Another layer of the model.
            Err(other) if other.is_fine() => {}
            Err(other) => problems.push(format!("{name} {layer}: {other:?}")),
        }
    }
    assert!(problems.is_empty(), "{problems:#?}");
    eprintln!("{same} layers");
    assert!(same >= 150, "{same} layers");
}

#[derive(Module, Debug)]
struct Net {
    conv: KerasLayer,
    norm: KerasLayer,
    pool: KerasLayer,
    head: Linear,
}

impl Net {
    fn new(seed: u64, device: &Device) -> burn_keras::Result<Self> {
        let conv = SeparableConv2D::new(6, 3).padding("same").activation("relu");
        Ok(Self {
            conv: KerasLayer::seeded(conv, [8, 8, 3], seed, device)?,
            norm: KerasLayer::seeded(BatchNormalization::new(), [8, 8, 6], seed, device)?,
            pool: KerasLayer::new(GlobalMaxPooling2D::new(), [None, None, Some(6)], device)?,
            head: LinearConfig::new(6, 2).init(device),
        })
    }

    /// Images `[batch, height, width, channels]` to `[batch, 2]`.
    fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        let x: Tensor<4> = self.conv.forward(x);
        let x: ChannelsFirst<4> = self.norm.forward(x);
        self.head.forward(self.pool.forward(x))
    }
}

fn images(device: &Device) -> Tensor<4> {
    Tensor::random([6, 8, 8, 3], Distribution::Uniform(-1.0, 1.0), device)
}

#[test]
fn a_module_with_layers_in_it_trains() {
    let device = Device::flex().autodiff();
    device.seed(3);
    let mut net = Net::new(1, &device).unwrap();
    let before = numbers(&net);
    let (x, target) = (images(&device), Tensor::<2>::ones([6, 2], &device));
    let mut optimizer = AdamConfig::new().init();
    let mut losses = Vec::new();
    for _ in 0..15 {
        let loss = (net.forward(x.clone()) - target.clone()).powi_scalar(2).mean();
        losses.push(loss.clone().into_scalar::<f32>());
        let gradients = GradientsParams::from_grads(loss.backward(), &net);
        // Two kernels and a bias, gamma and beta, and those of the linear layer; moving statistics have none.
        assert_eq!(gradients.len(), 7);
        net = optimizer.step(2e-2, net, gradients);
    }
    assert!(losses[14] < losses[0] * 0.5, "{losses:?}");
    let after = numbers(&net);
    assert_eq!(after.len(), 9);
    assert!(before.iter().all(|(path, data)| after[path] != *data), "all have moved, statistics too");
    let frozen = BatchNormalization::new().trainable(false);
    let frozen = KerasLayer::new(frozen, [8, 8, 6], &device).unwrap();
    let statistics = numbers(&frozen);
    let _: Tensor<4> = frozen.forward(Tensor::<4>::ones([6, 8, 8, 6], &device) * 3.0);
    assert_eq!(numbers(&frozen), statistics);
}

#[test]
fn records_and_files_bring_weights_back() {
    let device = Device::flex();
    let net = Net::new(1, &device).unwrap();
    assert_eq!(numbers(&net.conv), numbers(&Net::new(1, &device).unwrap().conv), "seeds repeat");
    let x = images(&device);
    let expected = net.forward(x.clone()).into_data();
    let other = Net::new(2, &device).unwrap();
    assert_ne!(other.forward(x.clone()).into_data(), expected);
    let again = other.clone().load_record(net.clone().into_record());
    again.forward(x.clone()).into_data().assert_eq(&expected, true);
    let path = std::env::temp_dir().join(format!("burn-keras-layer-{}.bpk", std::process::id()));
    net.save_into(&mut BurnpackStore::from_file(&path).overwrite(true)).unwrap();
    let mut loaded = other;
    loaded.load_from(&mut BurnpackStore::from_file(&path)).unwrap();
    loaded.forward(x.clone()).into_data().assert_eq(&expected, true);
    let moved = loaded.fork(&device).to_device(&device).valid();
    moved.forward(x).into_data().assert_eq(&expected, true);
    std::fs::remove_file(&path).unwrap();
}

/// Paths of parameters and what stores are told about the types around them.
#[derive(Default)]
struct Containers {
    path: Vec<(String, String)>,
    found: Vec<(String, String)>,
}

impl ModuleVisitor for Containers {
    fn visit_float<const D: usize>(&mut self, _: &Param<Tensor<D>>) {
        let path: Vec<&str> = self.path.iter().map(|(name, _)| name.as_str()).collect();
        self.found.push((path.join("."), self.path.last().unwrap().1.clone()));
    }
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.push((name.to_owned(), container.to_owned()));
    }
    fn exit_module(&mut self, name: &str, container: &str) {
        assert_eq!(self.path.pop().unwrap(), (name.to_owned(), container.to_owned()));
    }
}

#[test]
fn visitors_see_the_names_of_keras() {
    let device = Device::flex();
    let found = |layer: KerasLayer| {
        let mut containers = Containers::default();
        layer.visit(&mut containers);
        let declared: Vec<_> = layer.variables().iter().map(|variable| variable.param.clone()).collect();
        let paths: Vec<_> = containers.found.iter().map(|(path, _)| path.clone()).collect();
        assert_eq!(BTreeSet::from_iter(paths), BTreeSet::from_iter(declared));
        containers.found
    };
    let pair = |path: &str, container: &str| (path.to_owned(), container.to_owned());
    let conv = KerasLayer::new(Conv2D::new(4, 3), [8, 8, 3], &device).unwrap();
    assert_eq!(found(conv), [pair("kernel", "Keras:Conv2D:3,2,0,1"), pair("bias", "Keras:Conv2D")]);
    let lstm = found(KerasLayer::new(LSTM::new(4), [5, 3], &device).unwrap());
    assert!(lstm.contains(&pair("cell.recurrent_kernel", "Keras:LSTM")), "{lstm:?}");
}

#[test]
fn what_does_not_fit_is_refused() {
    let device = Device::flex();
    let error = |layer: burn_keras::Result<KerasLayer>| layer.err().unwrap().to_string();
    let both = error(KerasLayer::new(Dense::new(0).activation("rleu"), [3], &device));
    assert!(both.contains("units") && both.contains("relu"), "{both}");
    let unknown = error(KerasLayer::new(KerasObject::layer("Dence", "{}"), [3], &device));
    assert!(unknown.contains("Dense"), "{unknown}");
    let json = error(KerasLayer::new(KerasObject::layer("Dense", "{"), [3], &device));
    assert!(json.contains("JSON"), "{json}");
    let model = Sequential::new().with(Input::new([3])).with(Dense::new(2));
    let model = error(KerasLayer::new(FreshLayer::from(model), [3], &device));
    assert!(model.contains("model"), "{model}");
    let argument = error(KerasLayer::new(Dense::new(2), Call::from([3]).with_constant("axis", 1), &device));
    assert!(argument.contains("axis"), "{argument}");

    let dense = KerasLayer::new(Dense::new(2), [3], &device).unwrap();
    let wide = dense.call::<Tensor<2>>(Tensor::<2>::ones([1, 4], &device)).unwrap_err().to_string();
    assert!(wide.contains("(None, 3)") && wide.contains("(1, 4)"), "{wide}");
    // Another number of axes needs no other weights.
    let deep: Tensor<3> = dense.forward(Tensor::<3>::ones([1, 5, 3], &device));
    assert_eq!(deep.dims(), [1, 5, 2]);
    let rank = dense.call::<Tensor<3>>(Tensor::<2>::ones([1, 3], &device)).unwrap_err().to_string();
    assert!(rank.contains("rank 3"), "{rank}");
    let x = Tensor::<2>::ones([1, 3], &device);
    let two = dense.call::<Tensor<2>>((x.clone(), x.clone())).unwrap_err().to_string();
    assert!(two.contains("expected 1 tensors, got 2"), "{two}");
    assert!(dense.at(1).call::<Tensor<2>>(x).is_err());
    let tokens = Call::from(Spec::batch([4]).with_dtype(Dtype::Int32));
    let embedding = KerasLayer::new(Embedding::new(9, 2), tokens, &device).unwrap();
    let floats = embedding.call::<Tensor<3>>(Tensor::<2>::ones([1, 4], &device)).unwrap_err().to_string();
    assert!(floats.contains("int32") && floats.contains("float32"), "{floats}");
}

#[test]
fn a_layer_is_called_in_several_ways() {
    let device = Device::flex();
    let call = |causal: bool| {
        Call::on(Tree::list([Spec::batch([4, 2]), Spec::batch([4, 2])]))
            .with_constant("use_causal_mask", causal)
    };
    let attention = KerasLayer::new(Attention::new(), call(false).or(call(true)), &device).unwrap();
    let x = Tensor::<3>::random([1, 4, 2], Distribution::Uniform(-1.0, 1.0), &device);
    let first = |at: usize| -> Vec<f32> {
        let y: Tensor<3> = attention.at(at).forward((x.clone(), x.clone()));
        y.slice([0..1, 0..1]).into_data().iter::<f32>().collect()
    };
    let own: Vec<f32> = x.clone().slice([0..1, 0..1]).into_data().iter::<f32>().collect();
    // The first step sees nothing but itself.
    assert_eq!(first(1), own);
    assert_ne!(first(0), own);
    let add = Call::on(Spec::batch([2])).with_constant("x2", 1.5);
    let add = KerasLayer::new(KerasObject::operation("Add", "{}"), add, &device).unwrap();
    let y: Tensor<2> = add.forward(Tensor::<2>::ones([1, 2], &device));
    y.into_data().assert_eq(&TensorData::from([[2.5_f32, 2.5]]), true);
}
