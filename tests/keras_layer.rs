//! `KerasLayer`: models of Keras put together from single layers, as generated and hand-written modules do it.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use burn_keras::config::{Json, Object};
use burn_keras::module::{Call, KerasLayer, KerasObject};
use burn_keras::{KerasModel, Value};

#[path = "common/judged.rs"]
#[allow(dead_code, reason = "other tests use more of it")]
mod judged;
#[path = "../src/bin/burn-keras/npz.rs"]
#[allow(dead_code, reason = "the program uses more of it")]
mod npz;

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
    values: HashMap<Named, Value>,
    layers: BTreeMap<&'a str, (KerasLayer, Vec<Vec<Named>>)>,
}

/// Why a model is not put together from layers here.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Other {
    Nested,
    OldCalls,
    /// What `KerasLayer` says.
    Refused(String),
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
    /// Makes the layers of a functional model, with the weights of the model itself.
    fn of(config: &'a Json, weights: &HashMap<String, TensorData>, device: &Device) -> Result<Self, Other> {
        let mut parts = Self { device: device.clone(), values: HashMap::new(), layers: BTreeMap::new() };
        for json in config["layers"].as_array().unwrap() {
            let object = Object::of(json).unwrap();
            if ["Functional", "Sequential", "Model"].contains(&object.class) {
                return Err(Other::Nested);
            }
            if object.class == "InputLayer" {
                continue;
            }
            let name = json["name"].as_str().unwrap();
            let (mut call, mut inputs) = (None::<Call>, Vec::new());
            for json in json["inbound_nodes"].as_array().unwrap() {
                let (next, tensors) = parts.call(json, object.is_operation(), name)?;
                call = Some(match call {
                    Some(call) => call.or(next),
                    None => next,
                });
                inputs.push(tensors);
            }
            let layer = KerasLayer::new(KerasObject::from(json), call.unwrap(), device);
            let layer = layer.map_err(|error| Other::Refused(error.to_string()))?;
            let mut path = vec![name.to_owned()];
            let layer = layer.map(&mut Fill { path: std::mem::take(&mut path), with: &prefixed(weights, name) });
            parts.layers.insert(name, (layer, inputs));
        }
        Ok(parts)
    }

    /// A call, and the tensors in the order in which the layer takes them.
    fn call(&mut self, json: &Json, is_operation: bool, name: &str) -> Result<(Call, Vec<Named>), Other> {
        let (Some(args), Some(kwargs)) = (json["args"].as_array(), json["kwargs"].as_object()) else {
            return Err(Other::OldCalls);
        };
        let (mut call, mut inputs, mut masks) = (Call::new(), Vec::new(), Vec::new());
        for argument in args {
            let argument = self.without_arrays(argument, is_operation, name);
            call = call.then_json(&argument.to_string());
            tensors(&argument, &mut inputs);
        }
        let sorted: BTreeMap<_, _> = kwargs.iter().collect();
        for (key, argument) in sorted {
            let argument = self.without_arrays(argument, is_operation, name);
            call = call.with_json(key, &argument.to_string());
            tensors(&argument, if key == "mask" && !is_operation { &mut masks } else { &mut inputs });
        }
        inputs.extend(masks);
        Ok((call, inputs))
    }

    /// An argument in which arrays are tensors, as a layer wants them.
    fn without_arrays(&mut self, json: &Json, is_operation: bool, name: &str) -> Json {
        match (Object::of(json), json) {
            (Some(object), _) if ["__numpy__", "__tensor__"].contains(&object.class) && !is_operation => {
                let array = KerasLayer::new(KerasObject::from(json), Call::new(), &self.device).unwrap();
                let value: Value = array.forward(());
                let layer = format!("{name}/{}", self.values.len());
                let (shape, dtype) = (value.shape(), value.keras_dtype().name());
                self.values.insert((layer.clone(), 0, 0), value);
                serde_json::json!({"class_name": "__keras_tensor__", "config": {
                    "shape": shape, "dtype": dtype, "keras_history": [layer, 0, 0],
                }})
            }
            (Some(_), _) => json.clone(),
            (_, Json::Array(items)) => {
                items.iter().map(|item| self.without_arrays(item, is_operation, name)).collect()
            }
            (_, Json::Object(items)) => {
                let items = items.iter();
                let items = items.map(|(key, item)| (key.clone(), self.without_arrays(item, is_operation, name)));
                Json::Object(items.collect())
            }
            _ => json.clone(),
        }
    }

    /// Runs every call whose tensors are there, until there is none left.
    fn run(&mut self) -> burn_keras::Result<()> {
        let mut open: Vec<(&str, usize)> = Vec::new();
        self.layers.iter().for_each(|(name, (_, calls))| open.extend((0..calls.len()).map(|call| (*name, call))));
        while !open.is_empty() {
            let ready = |(name, call): &(&str, usize)| {
                self.layers[name].1[*call].iter().all(|tensor| self.values.contains_key(tensor))
            };
            let at = open.iter().position(ready).expect("a call that can be made");
            let (name, call) = open.remove(at);
            let (layer, calls) = &self.layers[name];
            let inputs: Vec<Value> = calls[call].iter().map(|tensor| self.values[tensor].clone()).collect();
            let outputs: Vec<Value> = layer.at(call).call(inputs)?;
            if layer.takes_masks() {
                for tensor in &calls[call] {
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
}

fn prefixed(weights: &HashMap<String, TensorData>, layer: &str) -> HashMap<String, TensorData> {
    let own = weights.iter().filter(|(path, _)| path.starts_with(&format!("{layer}.")));
    own.map(|(path, data)| (path.clone(), data.clone())).collect()
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

/// Puts one model together and compares what it gives with what the model gives.
fn compare(root: &Path, case: &Json, device: &Device) -> Result<usize, Other> {
    let name = case["name"].as_str().unwrap();
    let model = KerasModel::load(root.join(case["model"].as_str().unwrap()), device).unwrap();
    let object = Object::of(model.file().config()).unwrap();
    let config = Json::Object(object.config.clone());
    if !config["input_layers"].is_array() && !config["input_layers"].is_object() {
        return Err(Other::OldCalls);
    }
    let mut parts = Parts::of(&config, &numbers(&model), device)?;
    let (inputs, _) = judged::read(&root.join(format!("{name}.npz")), device).unwrap();
    let values = inputs.clone().in_order(&model.input_names()).unwrap();
    let (mut given, mut wanted) = (Vec::new(), Vec::new());
    references(&config["input_layers"], &mut given);
    references(&config["output_layers"], &mut wanted);
    for ((tensor, value), spec) in given.into_iter().zip(values).zip(model.inputs()) {
        let is_plain = spec.dtype == burn_keras::config::Dtype::Float32;
        let value = if is_plain { value.cast(DType::F32).unwrap() } else { value };
        parts.values.insert(tensor, value);
    }
    parts.run().unwrap_or_else(|error| panic!("{name}: {error}"));
    for ((expected_name, expected), tensor) in model.predict(inputs).unwrap().into_iter().zip(&wanted) {
        let got = parts.values[tensor].clone();
        assert_eq!(got.keras_dtype(), expected.keras_dtype(), "{name}: {expected_name}");
        let (got, expected) = (npz::Array::of(got), npz::Array::of(expected));
        assert!(same(&got, &expected), "{name}: {expected_name}: {got:?}, not {expected:?}");
    }
    Ok(parts.layers.len())
}

/// Whether all numbers are the same, `NaN` included.
fn same(a: &npz::Array, b: &npz::Array) -> bool {
    let list = |array: &npz::Array| array.clone().numbers().ok().map(|data| data.convert_dtype(DType::F64));
    match (list(a), list(b)) {
        (Some(x), Some(y)) => {
            let pairs = x.iter::<f64>().zip(y.iter::<f64>());
            let near = |(x, y): (f64, f64)| x == y || (x.is_nan() && y.is_nan()) || (x - y).abs() <= 1e-6 * y.abs();
            a.shape() == b.shape() && pairs.into_iter().all(near)
        }
        _ => a == b,
    }
}

#[test]
fn models_put_together_from_layers_give_what_the_models_give() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let manifest = std::fs::read_to_string(root.join("manifest.json")).unwrap();
    let manifest: Json = serde_json::from_str(&manifest).unwrap();
    let device = Device::flex();
    let (mut same, mut layers) = (0, 0);
    let mut others: BTreeMap<Other, Vec<&str>> = BTreeMap::new();
    for case in manifest["cases"].as_array().unwrap() {
        match compare(&root, case, &device) {
            Ok(count) => {
                same += 1;
                layers += count;
            }
            Err(other) => others.entry(other).or_default().push(case["name"].as_str().unwrap()),
        }
    }
    let counts: Vec<_> = others.iter().map(|(other, cases)| (other, cases.len(), cases[0])).collect();
    eprintln!("{same} models of {layers} layers; {counts:#?}");
    assert!(same > 1400, "{same} models");
}
