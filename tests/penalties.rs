//! Regularizers and constraints, against the losses and weights of real Keras.

use std::path::Path;

use burn::module::Module as _;
use burn::optim::GradientsParams;
use burn::tensor::{DType, Device, TensorData};
use burn_keras::initializer::Initializer;
use burn_keras::layers::Dense;
use burn_keras::{Inputs, KerasModel, Value};
use rand::SeedableRng;
use rand::rngs::StdRng;

#[path = "../src/bin/burn-keras/npz.rs"]
#[allow(dead_code, reason = "the program uses more of it")]
mod npz;

struct Case {
    name: String,
    model: KerasModel,
    arrays: Vec<(String, TensorData)>,
}

impl Case {
    fn inputs(&self, device: &Device) -> Inputs {
        let inputs = self.arrays.iter().filter_map(|(name, data)| Some((name.strip_prefix("in/")?, data)));
        Inputs::from_iter(inputs.map(|(name, data)| (name, Value::from_data(data.clone(), device).unwrap())))
    }

    fn number(&self, name: &str) -> f64 {
        let (_, data) = self.arrays.iter().find(|(known, _)| known == name).unwrap();
        numbers(data.clone())[0]
    }
}

fn numbers(data: TensorData) -> Vec<f64> {
    data.convert_dtype(DType::F64).as_slice::<f64>().unwrap().to_vec()
}

fn assert_close(what: &str, got: f64, expected: f64) {
    assert!(
        (got - expected).abs() <= 1e-5 * (1.0 + expected.abs()),
        "{what}: expected {expected}, got {got}"
    );
}

fn case(name: &str, device: &Device) -> Case {
    let file = format!("{}/tests/fixtures/penalty/{name}", env!("CARGO_MANIFEST_DIR"));
    let arrays = npz::read(Path::new(&format!("{file}.npz"))).unwrap();
    let arrays = arrays.into_iter().map(|(name, array)| (name, array.numbers().unwrap())).collect();
    Case { name: name.to_owned(), model: KerasModel::load(format!("{file}.keras"), device).unwrap(), arrays }
}

const CASES: [&str; 5] = ["norms", "convolutions", "orthogonal", "shared", "activities"];

#[test]
fn losses_are_those_of_keras() {
    let device = Device::flex();
    for case in CASES.map(|name| case(name, &device)) {
        let weights = case.model.regularization_loss().unwrap().unwrap();
        assert_close(&case.name, weights.into_scalar::<f32>().into(), case.number("weights"));
        let (outputs, losses) = case.model.forward_with_losses(case.inputs(&device)).unwrap();
        assert_close(&case.name, losses.unwrap().into_scalar::<f32>().into(), case.number("losses"));
        let plain = case.model.forward(case.inputs(&device)).unwrap();
        let both = [outputs, plain].map(|outputs| outputs.into_iter().next().unwrap().1.into_data());
        assert_eq!(both[0], both[1]);
    }
}

#[test]
fn constraints_are_those_of_keras() {
    let device = Device::flex();
    for case in CASES.map(|name| case(name, &device)) {
        let constrained = case.model.clone().apply_constraints().unwrap();
        let outputs = constrained.predict(case.inputs(&device)).unwrap();
        for (at, (name, value)) in outputs.into_iter().enumerate() {
            let key = format!("constrained/{at}/{name}");
            let (_, expected) = case.arrays.iter().find(|(known, _)| *known == key).unwrap();
            for (got, expected) in numbers(value.into_data()).into_iter().zip(numbers(expected.clone())) {
                assert_close(&format!("{} {key}", case.name), got, expected);
            }
        }
    }
}

#[test]
fn initializers_without_chance_are_those_of_keras() {
    let file = format!("{}/tests/fixtures/penalty/initializers.npz", env!("CARGO_MANIFEST_DIR"));
    let mut count = 0;
    for (name, expected) in npz::read(Path::new(&file)).unwrap() {
        let Some(json) = name.strip_prefix("initializer/") else { continue };
        let initializer = Initializer::of(&serde_json::from_str(json).unwrap());
        let mut rng = StdRng::seed_from_u64(1);
        let got = initializer.sample(expected.shape(), &mut rng).unwrap();
        for (got, expected) in numbers(got).into_iter().zip(numbers(expected.numbers().unwrap())) {
            assert_close(json, got, expected);
        }
        count += 1;
    }
    assert!(count > 10, "only {count} initializers");
}

#[test]
fn gradients_flow_from_penalties_and_constraints_keep_parameters_trainable() {
    let device = Device::flex().autodiff();
    let case = case("norms", &device);
    let (_, losses) = case.model.forward_with_losses(case.inputs(&device)).unwrap();
    let gradients = GradientsParams::from_grads(losses.unwrap().backward(), &case.model);
    // A kernel and a bias have regularizers that are not zero.
    assert_eq!(gradients.len(), 2);
    let count = |model: &KerasModel| {
        let y = model.forward(case.inputs(&device)).unwrap().tensor::<2>().unwrap();
        GradientsParams::from_grads(y.sum().backward(), model).len()
    };
    let constrained = case.model.clone().apply_constraints().unwrap();
    assert_eq!(count(&constrained), count(&case.model));
    let [before, after] = [&case.model, &constrained].map(|model| model.layer::<Dense>("dense").unwrap());
    assert_eq!(before.kernel.id, after.kernel.id);
    assert_eq!(case.model.num_params(), constrained.num_params());
}
