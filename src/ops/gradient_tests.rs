//! Gradients of operations, compared with finite differences.

use burn::tensor::{Device, Tensor, TensorData};

use crate::{Inputs, KerasModel, Value};

fn numbers(shape: &[usize], phase: f64) -> TensorData {
    let count = shape.iter().product::<usize>();
    let numbers = (0..count).map(|at| ((at as f64 * 1.7 + phase).sin() * 1.3) as f32).collect::<Vec<_>>();
    TensorData::new(numbers, shape.to_vec())
}

/// The sum of all floats that a model gives, weighted so that no two count the same.
fn total(model: &KerasModel, inputs: &[(String, Tensor<1>, Vec<usize>)]) -> Tensor<1> {
    let given =
        inputs.iter().map(|(name, x, shape)| (name.clone(), Value::from(x.clone()).reshape(shape).unwrap()));
    let outputs = model.forward(Inputs::from_iter(given)).unwrap();
    let parts = outputs.into_iter().filter(|(_, value)| value.is_float()).map(|(_, value)| {
        let count = value.shape().iter().product();
        let x = value.reshape(&[count]).unwrap().float::<1>().unwrap();
        let weights = Tensor::<1>::from_data(numbers(&[count], 0.3), &x.device());
        (x * weights).sum()
    });
    parts.reduce(|a, b| a + b).unwrap()
}

#[test]
fn gradients_are_those_of_finite_differences() {
    let device = Device::flex().autodiff();
    for (name, batch) in [
        ("ops_elementwise/trigonometry", 2),
        ("ops_elementwise/inverses", 2),
        ("ops_elementwise/exponentials", 2),
        ("ops_elementwise/logarithms", 2),
        ("ops_elementwise/arithmetic_scalars", 2),
        ("ops_elementwise/extremes", 2),
        ("ops_reduce/max_min", 2),
        ("ops_reduce/prod", 2),
        ("ops_reduce/var_std", 2),
        ("ops_reduce/median", 2),
        ("ops_reduce/logsumexp", 2),
        ("ops_reduce/percentile", 2),
        ("ops_reduce/nan_means", 2),
        ("ops_sort/sort", 2),
        ("ops_sort/top_k", 2),
        ("ops_sort/cumsum", 2),
        ("ops_sort/diff", 2),
        ("ops_sort/average", 2),
        ("ops_sort/moments", 2),
        ("ops_sort/trapezoid", 2),
        ("ops_sort/where", 2),
        ("ops_sort/clip", 2),
        ("ops_sort/correlate", 5),
        ("ops_sort/corrcoef", 4),
        ("ops_elementwise/remainder_is_exact", 2),
    ] {
        let path = format!("{}/tests/fixtures/{name}.keras", env!("CARGO_MANIFEST_DIR"));
        let model = KerasModel::load(path, &device).unwrap();
        let names: Vec<String> = model.input_names().into_iter().map(Into::into).collect();
        let shapes = model
            .inputs()
            .into_iter()
            .map(|spec| spec.shape.iter().map(|size| size.unwrap_or(batch)).collect::<Vec<usize>>());
        let moved = |step: f64| -> Vec<_> {
            let tensor = |(at, (name, shape)): (usize, (&String, Vec<usize>))| {
                let count = [shape.iter().product::<usize>()];
                let x = Tensor::<1>::from_data(numbers(&count, at as f64 + 0.5), &device);
                let direction = Tensor::<1>::from_data(numbers(&count, 5.0), &device);
                (name.clone(), (x + direction * step).detach().require_grad(), shape)
            };
            names.iter().zip(shapes.clone()).enumerate().map(tensor).collect()
        };
        let at = moved(0.0);
        let gradients = total(&model, &at).backward();
        let along: f64 = at
            .iter()
            .map(|(_, x, shape)| {
                let count = [shape.iter().product::<usize>()];
                let gradient = x.grad(&gradients).unwrap();
                let direction = Tensor::<1>::from_data(numbers(&count, 5.0), &gradient.device());
                f64::from((gradient * direction).sum().into_scalar::<f32>())
            })
            .sum();
        let step = 2e-3;
        let value = |step| f64::from(total(&model, &moved(step)).into_scalar::<f32>());
        let slope = (value(step) - value(-step)) / (2.0 * step);
        assert!((slope - along).abs() < 2e-2 * (1.0 + slope.abs()), "{name}: {along} for {slope}");
    }
}
