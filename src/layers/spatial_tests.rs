//! Spatial layers refuse what does not fit, whenever it turns up, and have the right gradients.

use burn::module::{ModuleVisitor, Param};
use burn::tensor::{Device, Distribution, Tensor};
use serde_json::{Value as Json, json};

use super::testing::{build, read};
use crate::config::Dtype;
use crate::layer::{Args, Context, Spec};
use crate::module::AnyLayer;
use crate::value::Value;

const MOST: usize = i32::MAX as usize;

fn spec(shape: &[Option<usize>]) -> Args<Spec> {
    Args::one(Spec::new(shape.to_vec(), Dtype::Float32))
}

/// The shape that a layer says it gives, or what it finds wrong.
fn shape(class: &str, config: &Json, input: &[Option<usize>]) -> Result<Vec<Option<usize>>, String> {
    let outputs = read(class, config).outputs(&spec(input));
    outputs.map(|outputs| outputs.leaves()[0].shape.clone()).map_err(|error| error.to_string())
}

#[test]
fn what_cannot_run_is_refused_by_name() {
    let image = [None, Some(5), Some(6), Some(4)];
    for (class, config, place) in [
        ("Conv2D", json!({"filters": 2, "kernel_size": 3, "padding": "causal"}), "padding"),
        ("Conv2D", json!({"filters": 2, "kernel_size": 6}), "window"),
        ("Conv2D", json!({"filters": 2, "kernel_size": [3, 3, 3]}), "kernel_size"),
        ("Conv2D", json!({"filters": 2, "kernel_size": [3, 0]}), "kernel_size"),
        ("Conv2D", json!({"filters": 2, "kernel_size": 3, "strides": 0}), "strides"),
        ("Conv2D", json!({"filters": 3, "kernel_size": 1, "groups": 2}), "groups"),
        ("Conv2D", json!({"filters": 3, "kernel_size": 1, "groups": 3}), "groups"),
        (
            "Conv2D",
            json!({"filters": 2, "kernel_size": 2, "strides": 2, "dilation_rate": 2}),
            "dilation_rate",
        ),
        (
            "Conv2D",
            json!({"filters": 2, "kernel_size": 2, "padding": "same", "dilation_rate": MOST}),
            "elements of a padded input",
        ),
        ("Conv2DTranspose", json!({"filters": 2, "kernel_size": 3, "padding": "causal"}), "padding"),
        ("Conv2DTranspose", json!({"filters": 2, "kernel_size": 3, "output_padding": 1}), "output_padding"),
        ("DepthwiseConv2D", json!({"kernel_size": 7}), "window"),
        ("SeparableConv2D", json!({"filters": 2, "kernel_size": 7}), "window"),
        ("MaxPooling2D", json!({"pool_size": [2, 7]}), "window"),
        ("AveragePooling2D", json!({"pool_size": 2, "padding": "causal"}), "padding"),
        ("AveragePooling2D", json!({"pool_size": 2, "strides": [1, 0]}), "strides"),
        ("ZeroPadding2D", json!({"padding": [1, 2, 3]}), "padding"),
        ("Cropping2D", json!({"cropping": [[2, 3], [0, 0]]}), "cropping"),
        ("UpSampling2D", json!({"size": 0}), "size"),
        ("UpSampling2D", json!({"size": [1, 2, 3]}), "size"),
    ] {
        let error = shape(class, &config, &image).unwrap_err();
        assert!(error.contains(place), "{class} {config}: {error}");
    }
    for class in ["Conv2D", "Conv2DTranspose", "SeparableConv2D"] {
        let config = json!({"filters": 2, "kernel_size": 1});
        for input in [&[None, Some(5), Some(4)][..], &[None, Some(5), Some(6), None]] {
            assert!(shape(class, &config, input).is_err(), "{class} {input:?}");
        }
    }
    assert!(shape("GlobalMaxPooling2D", &json!({}), &[None, Some(0), None, Some(4)]).is_err());
    let config = json!({"filters": 1, "kernel_size": 2, "padding": "same", "output_padding": 0});
    assert!(shape("Conv1DTranspose", &config, &[None, Some(1), Some(4)]).is_err());
}

/// All classes over one spatial axis, with the numbers that they take.
fn configs(size: usize, stride: usize, dilation: usize, padding: &str) -> Vec<(&'static str, Json)> {
    let window =
        json!({"kernel_size": size, "strides": stride, "padding": padding, "dilation_rate": dilation});
    let with = |more: Json| {
        let mut config = window.clone();
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        config
    };
    let pool = json!({"pool_size": size, "strides": stride, "padding": padding});
    vec![
        ("Conv1D", with(json!({"filters": 2}))),
        ("Conv1DTranspose", with(json!({"filters": 2}))),
        ("Conv1DTranspose", with(json!({"filters": 2, "output_padding": dilation}))),
        ("DepthwiseConv1D", with(json!({"depth_multiplier": 2}))),
        ("SeparableConv1D", with(json!({"filters": 2}))),
        ("MaxPooling1D", pool.clone()),
        ("AveragePooling1D", pool),
        ("ZeroPadding1D", json!({"padding": [size, stride]})),
        ("Cropping1D", json!({"cropping": [size, stride]})),
        ("UpSampling1D", json!({"size": size.max(1)})),
        ("GlobalAveragePooling1D", json!({})),
    ]
}

#[test]
fn shapes_are_right_and_lengths_that_do_not_fit_are_errors_whenever_they_turn_up() {
    let device = Device::flex();
    let sizes = [0, 1, 2, 3, 4];
    for padding in ["valid", "same", "causal"] {
        for (size, stride, dilation) in sizes
            .iter()
            .flat_map(|size| (0..4).map(move |stride| (*size, stride)))
            .flat_map(|(size, stride)| (0..3).map(move |dilation| (size, stride, dilation)))
        {
            for (class, config) in configs(size, stride, dilation, padding) {
                let layer = read(class, &config);
                let open = spec(&[None, None, Some(2)]);
                let Ok(built) = layer.outputs(&open).and_then(|_| build(layer.as_ref(), &open, &device))
                else {
                    continue;
                };
                for (batch, length) in [(2, 0), (2, 1), (2, 2), (2, 5), (0, 5)] {
                    let x = Tensor::<3>::ones([batch, length, 2], &device);
                    let said = shape(class, &config, &[Some(batch), Some(length), Some(2)]);
                    let got = built.call(Args::one(Value::from(x)), &Context::default());
                    let got = got.map(|outputs| outputs.leaves()[0].shape());
                    let got = got.map(|shape| shape.into_iter().map(Some).collect::<Vec<_>>());
                    match (said, got) {
                        (Ok(said), Ok(got)) => assert_eq!(said, got, "{class} {config} {length}"),
                        (Err(_), Err(_)) => {}
                        (said, got) => panic!("{class} {config} {length}: {said:?} and {got:?}"),
                    }
                }
            }
        }
    }
}

#[test]
fn sizes_out_of_a_file_cannot_overflow() {
    let numbers = [1, 2, 1 << 16, MOST];
    for padding in ["valid", "same"] {
        for (size, stride, dilation) in numbers
            .iter()
            .flat_map(|size| numbers.iter().map(move |stride| (*size, *stride)))
            .flat_map(|(size, stride)| numbers.iter().map(move |dilation| (size, stride, *dilation)))
        {
            for (class, config) in configs(size, stride, dilation, padding) {
                for length in [None, Some(0), Some(3), Some(MOST)] {
                    let _ = shape(class, &config, &[None, length, Some(MOST)]);
                }
            }
        }
    }
    let x = || Value::from(Tensor::<4>::ones([1, 3, 3, 2], &Device::flex()));
    for (class, config) in [
        ("UpSampling2D", json!({"size": MOST})),
        ("UpSampling2D", json!({"size": MOST, "interpolation": "bilinear"})),
        ("ZeroPadding2D", json!({"padding": MOST})),
        ("MaxPooling2D", json!({"pool_size": MOST, "padding": "same"})),
        ("DepthwiseConv2D", json!({"kernel_size": 2, "padding": "same", "dilation_rate": MOST})),
        ("Conv2DTranspose", json!({"filters": 1, "kernel_size": 2, "strides": MOST})),
    ] {
        let (layer, open) = (read(class, &config), spec(&[None, None, None, Some(2)]));
        let built = build(layer.as_ref(), &open, &Device::flex()).unwrap();
        let error = built.call(Args::one(x()), &Context::default()).unwrap_err();
        assert_eq!(error.kind(), crate::error::ErrorKind::Limit, "{class}: {error}");
    }
}

fn random<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::random(shape, Distribution::Uniform(-1.0, 1.0), device)
}

fn output<const D: usize>(layer: &AnyLayer, x: Tensor<D>) -> Tensor<D> {
    let outputs = layer.call(Args::one(Value::from(x)), &Context::default()).unwrap();
    outputs.into_leaves().remove(0).float().unwrap()
}

/// Sums up what a gradient says of a change of every parameter by itself.
struct Along<'a>(&'a burn::tensor::Gradients, Vec<f32>);

impl ModuleVisitor for Along<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let gradient = param.val().grad(self.0).unwrap();
        self.1.push((gradient * param.val().inner()).sum().into_scalar());
    }
}

/// Without bias, an output is linear in the inputs and in each kernel: a gradient then gives the output
/// for any inputs, and for the kernel itself.
fn check_gradient<const D: usize>(device: &Device, class: &str, config: &Json, shape: [usize; D]) {
    let device = device.clone().autodiff();
    let layer = read(class, config);
    let sizes: Vec<_> = shape.iter().copied().map(Some).collect();
    let layer = build(layer.as_ref(), &spec(&sizes), &device).unwrap();
    let x = random(shape, &device).require_grad();
    let y = output(&layer, x.clone());
    let weights = random(y.dims(), &device);
    let loss = (y * weights.clone()).sum();
    let expected: f32 = loss.clone().into_scalar();
    let gradients = loss.backward();
    // The larger of two inputs depends on both: there it is only the gradient along the inputs.
    let other = if class.starts_with("Max") { x.clone().detach() } else { random(shape, &device) };
    let there: f32 = (output(&layer, other.clone()) * weights).sum().into_scalar();
    let along: f32 = (x.grad(&gradients).unwrap() * other.inner()).sum().into_scalar();
    assert!((along - there).abs() < 1e-3 * (1.0 + there.abs()), "{class} {config}: {along}, not {there}");
    let mut along = Along(&gradients, Vec::new());
    burn::module::Module::visit(&layer, &mut along);
    for along in along.1 {
        let close = (along - expected).abs() < 1e-3 * (1.0 + expected.abs());
        assert!(close, "{class} {config}: {along} for a kernel, not {expected}");
    }
}

#[test]
fn gradients_are_those_of_the_outputs() {
    let conv = json!({"filters": 4, "kernel_size": 2, "padding": "same", "use_bias": false});
    let strided = json!({"filters": 4, "kernel_size": 3, "strides": 2, "padding": "same", "use_bias": false});
    let pool = json!({"pool_size": 3, "strides": 2, "padding": "same"});
    let depth = json!({"kernel_size": 2, "depth_multiplier": 2, "padding": "same", "use_bias": false});
    let device = Device::flex();
    for config in [&conv, &strided] {
        for class in ["Conv1D", "Conv1DTranspose", "SeparableConv1D"] {
            check_gradient(&device, class, config, [2, 6, 3]);
        }
        for class in ["Conv2D", "Conv2DTranspose", "SeparableConv2D"] {
            check_gradient(&device, class, config, [2, 6, 5, 3]);
        }
        for class in ["Conv3D", "Conv3DTranspose"] {
            check_gradient(&device, class, config, [2, 4, 6, 5, 3]);
        }
    }
    check_gradient(&device, "DepthwiseConv2D", &depth, [2, 6, 5, 3]);
    for class in ["MaxPooling", "AveragePooling"] {
        check_gradient(&device, &format!("{class}1D"), &pool, [2, 6, 3]);
        check_gradient(&device, &format!("{class}2D"), &pool, [2, 6, 5, 3]);
        check_gradient(&device, &format!("{class}3D"), &pool, [2, 6, 5, 4, 3]);
    }
    for interpolation in ["nearest", "bilinear", "bicubic", "lanczos3"] {
        let config = json!({"size": [2, 3], "interpolation": interpolation});
        check_gradient(&device, "UpSampling2D", &config, [2, 3, 4, 2]);
    }
    check_gradient(&device, "ZeroPadding2D", &json!({"padding": [[1, 2], [0, 3]]}), [2, 3, 4, 2]);
    check_gradient(&device, "Cropping2D", &json!({"cropping": [[1, 0], [1, 2]]}), [2, 3, 4, 2]);
}
