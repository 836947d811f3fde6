use super::*;
use crate::config::Dtype;
use crate::layers::testing;
use burn::module::Param;
use burn::tensor::{Device, Int, Tolerance};

fn numbers<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    let count = shape.iter().product::<usize>() as i64;
    (Tensor::<1, Int>::arange(0..count, device).float() * 12.9898).sin().reshape(shape) * 0.7
}

/// A layer of 4 units over 3 features.
fn layer(class: &str, config: &serde_json::Value, device: &Device) -> Recurrent {
    let spec = Spec::new(vec![Some(2), None, Some(3)], Dtype::Float32);
    let built = testing::build(&*testing::read(class, config), &Args::one(spec), device).unwrap();
    let mut layer = built.downcast_ref::<Recurrent>().unwrap().clone();
    let mut cell = cell(&layer).clone();
    let small = |param: &Param<Tensor<2>>| Param::from_tensor(numbers(param.val().dims(), device));
    (cell.kernel, cell.recurrent_kernel) = (small(&cell.kernel), small(&cell.recurrent_kernel));
    layer.cell = AnyLayer::new(cell);
    layer
}

fn cell(layer: &Recurrent) -> &GatedCell {
    layer.cell.downcast_ref().unwrap()
}

fn call(layer: &Recurrent, x: Tensor<3>, training: bool) -> Tensor<3> {
    let cx = Context { training: Some(training) };
    let mut outputs = layer.call(Args::one(x.into()), &cx).unwrap().into_leaves();
    outputs.remove(0).float().unwrap()
}

#[test]
fn a_state_goes_on_with_the_next_batch_until_it_is_reset() {
    let device = Device::flex();
    for stateful in [true, false] {
        let json = serde_json::json!({"units": 4, "return_sequences": true, "stateful": stateful});
        let layer = layer("LSTM", &json, &device);
        let x = numbers([2, 6, 3], &device);
        let whole = call(&layer, x.clone(), false);
        Layer::reset_state(&layer);
        let first = call(&layer, x.clone().narrow(1, 0, 4), false);
        // The state of a training step is of use to a prediction.
        let second = call(&layer, x.clone().to_device(&device.clone().autodiff()).narrow(1, 4, 2), false);
        let parts = Tensor::cat(vec![first, second.inner()], 1);
        let off = (whole.clone() - parts).abs().max().into_scalar::<f32>();
        assert_eq!(off < 1e-6, stateful, "off by {off}");
        Layer::reset_state(&layer);
        call(&layer, x, false).into_data().assert_approx_eq::<f32>(&whole.into_data(), Tolerance::default());
    }
}

#[test]
fn dropped_inputs_are_the_same_at_every_step_and_only_in_training() {
    let device = Device::flex();
    let json = serde_json::json!({
        "units": 4, "activation": "linear", "use_bias": false, "return_sequences": true, "dropout": 0.5,
    });
    let mut layer = layer("SimpleRNN", &json, &device);
    let eye = Tensor::<2>::eye(4, &device);
    let mut cell = cell(&layer).clone();
    cell.kernel = Param::from_tensor(eye.clone().narrow(0, 0, 3));
    cell.recurrent_kernel = Param::from_tensor(eye * 0.0);
    layer.cell = AnyLayer::new(cell);
    let ones = Tensor::<3>::ones([50, 7, 3], &device);
    let kept = |training| call(&layer, ones.clone(), training).narrow(2, 0, 3);
    assert_eq!(kept(false).into_data(), ones.clone().into_data());
    let dropped = kept(true);
    let first = dropped.clone().narrow(1, 0, 1).expand([50, 7, 3]);
    assert_eq!(dropped.clone().into_data(), first.into_data());
    let counts = [0.0, 2.0].map(|value| dropped.clone().equal_elem(value).int().sum().into_scalar::<i64>());
    assert_eq!(counts.iter().sum::<i64>(), 50 * 7 * 3);
    assert!(counts.iter().all(|count| *count > 200), "{counts:?}");
}

#[test]
fn dropping_of_every_gate_on_its_own_keeps_the_mean() {
    let device = Device::flex();
    let rates = serde_json::json!({
        "units": 4, "dropout": 0.3, "recurrent_dropout": 0.2, "return_sequences": true,
        "reset_after": false, "activation": "linear", "recurrent_activation": "linear",
    });
    let mut layer = layer("GRU", &rates, &device);
    // Small weights make the layer nearly linear in what is dropped.
    let small = |param: &Param<Tensor<2>>| Param::from_tensor(param.val() * 0.05);
    let mut cell = cell(&layer).clone();
    (cell.kernel, cell.recurrent_kernel) = (small(&cell.kernel), small(&cell.recurrent_kernel));
    layer.cell = AnyLayer::new(cell);
    let x = numbers([1, 3, 3], &device).expand([20_000, 3, 3]);
    let (expected, dropped) = (call(&layer, x.clone(), false), call(&layer, x, true));
    let spread = (dropped.clone() - expected.clone()).abs().max().into_scalar::<f32>();
    assert!(spread > 1e-3, "nothing is dropped");
    let off = (dropped - expected).mean_dim(0).abs().max().into_scalar::<f32>();
    assert!(off < 3e-3, "off by {off}");
}
