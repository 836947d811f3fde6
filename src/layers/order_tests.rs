//! Layers between spatial ones must give the same in either memory order of their inputs, and keep it.

use burn::tensor::{Device, Distribution, Tensor};
use serde_json::{Value as Json, json};

use super::testing::{build, read};
use crate::config::Dtype;
use crate::layer::{Args, Context, Spec, Tree};
use crate::value::{Order, Value};

const SHAPE: [usize; 4] = [2, 3, 5, 4];

/// What a layer of a class makes of some inputs.
fn run(class: &str, config: &Json, inputs: Vec<Value>) -> Value {
    let layer = read(class, config);
    let spec = |value: &Value| {
        let shape = value.shape().into_iter().map(Some).collect();
        Ok(Spec::new(shape, Dtype::Float32))
    };
    let tree = match inputs.len() {
        1 => Tree::Leaf(inputs.into_iter().next().unwrap()),
        _ => Tree::list(inputs),
    };
    let args = Args::bind(&["inputs"], vec![tree], vec![]).unwrap();
    let specs = args.try_map(&mut |value| spec(value)).unwrap();
    let declared = layer.outputs(&specs).unwrap();
    let built = build(layer.as_ref(), &specs, &Device::flex()).unwrap();
    let output = built.call(args, &Context::default()).unwrap().into_leaves().remove(0);
    let shape: Vec<_> = output.shape().into_iter().map(Some).collect();
    assert_eq!(declared.leaves()[0].shape, shape, "{class} {config}");
    output
}

/// The same numbers in both memory orders.
fn both(seed: f64) -> [Value; 2] {
    let tensor = Tensor::<4>::random(SHAPE, Distribution::Uniform(-1.0 - seed, 2.0), &Device::flex());
    [Value::from(tensor.clone()), Value::from_channels_first(tensor.permute([0, 3, 1, 2]))]
}

fn assert_same(class: &str, config: &Json, plain: Value, first: Value) {
    assert_eq!(plain.shape(), first.shape(), "{class} {config}");
    let (plain, first) = (plain.into_data(), first.into_data());
    for (a, b) in plain.as_slice::<f32>().unwrap().iter().zip(first.as_slice::<f32>().unwrap()) {
        assert!((a - b).abs() < 1e-5, "{class} {config}: {a} and {b}");
    }
}

#[test]
fn one_input_in_either_order() {
    let keeping = [
        ("Activation", json!({"activation": "softmax"})),
        ("Activation", json!({"activation": "tanh"})),
        ("ReLU", json!({"max_value": 0.5, "negative_slope": 0.1, "threshold": 0.2})),
        ("LeakyReLU", json!({})),
        ("ELU", json!({})),
        ("PReLU", json!({})),
        ("PReLU", json!({"shared_axes": [1, 2]})),
        ("PReLU", json!({"shared_axes": [3]})),
        ("Softmax", json!({"axis": [1, 3]})),
        ("Softmax", json!({"axis": 2})),
        ("Identity", json!({})),
        ("Rescaling", json!({"scale": 0.5, "offset": 1.0})),
        ("Normalization", json!({"axis": [1, 3]})),
        ("Normalization", json!({"axis": -1, "mean": [1, 2, 3, 4], "variance": [4, 3, 2, 1]})),
        ("BatchNormalization", json!({})),
        ("BatchNormalization", json!({"axis": 1})),
        ("BatchNormalization", json!({"axis": 2})),
        ("LayerNormalization", json!({})),
        ("LayerNormalization", json!({"axis": [1, 2]})),
        ("LayerNormalization", json!({"axis": [1, -1]})),
        ("RMSNormalization", json!({"axis": [-2, -1]})),
        ("GroupNormalization", json!({"groups": 2})),
        ("UnitNormalization", json!({"axis": [1, 3]})),
        ("Dropout", json!({"rate": 0.5})),
    ];
    for (class, config) in keeping {
        let [plain, first] = both(0.0);
        let (plain, first) = (run(class, &config, vec![plain]), run(class, &config, vec![first]));
        assert_eq!(first.order(), Order::ChannelsFirst, "{class} {config}");
        assert_same(class, &config, plain, first);
    }
    let others = [
        ("Flatten", json!({})),
        ("Flatten", json!({"data_format": "channels_first"})),
        ("Reshape", json!({"target_shape": [4, -1]})),
        ("Permute", json!({"dims": [3, 1, 2]})),
        ("GroupNormalization", json!({"groups": 3, "axis": 1})),
        ("GroupNormalization", json!({"groups": 5, "axis": 2})),
        ("Rescaling", json!({"scale": [1, 2, 3, 4]})),
    ];
    for (class, config) in others {
        let [plain, first] = both(0.0);
        let (plain, first) = (run(class, &config, vec![plain]), run(class, &config, vec![first]));
        assert_same(class, &config, plain, first);
    }
}

#[test]
fn several_inputs_in_either_order() {
    for (class, config) in [
        ("Add", json!({})),
        ("Subtract", json!({})),
        ("Multiply", json!({})),
        ("Average", json!({})),
        ("Maximum", json!({})),
        ("Minimum", json!({})),
        ("Concatenate", json!({})),
        ("Concatenate", json!({"axis": 1})),
        ("Dot", json!({"axes": [3, 3]})),
    ] {
        let ([plain, first], [other, other_first]) = (both(0.0), both(1.0));
        let expected = run(class, &config, vec![plain.clone(), other.clone()]);
        let together = run(class, &config, vec![first.clone(), other_first]);
        if class != "Dot" {
            assert_eq!(together.order(), Order::ChannelsFirst, "{class} {config}");
        }
        assert_same(class, &config, expected.clone(), together);
        assert_same(class, &config, expected, run(class, &config, vec![first, other]));
    }
}

#[test]
fn spatial_layers_keep_channels_first_between_them() {
    for (class, config) in [
        ("Conv2D", json!({"filters": 3, "kernel_size": 2, "activation": "softmax"})),
        ("Conv2DTranspose", json!({"filters": 3, "kernel_size": 2, "strides": 2})),
        ("DepthwiseConv2D", json!({"kernel_size": 2, "padding": "same"})),
        ("SeparableConv2D", json!({"filters": 3, "kernel_size": 2})),
        ("MaxPooling2D", json!({"padding": "same"})),
        ("AveragePooling2D", json!({"pool_size": [1, 2]})),
        ("ZeroPadding2D", json!({"padding": [[1, 2], [0, 3]]})),
        ("Cropping2D", json!({"cropping": [[1, 0], [2, 1]]})),
        ("UpSampling2D", json!({"size": [2, 3]})),
        ("UpSampling2D", json!({"interpolation": "bicubic"})),
        ("GlobalMaxPooling2D", json!({"keepdims": true})),
        ("GlobalAveragePooling2D", json!({})),
    ] {
        let [plain, first] = both(0.0);
        let (plain, first) = (run(class, &config, vec![plain]), run(class, &config, vec![first]));
        if !class.starts_with("Global") {
            assert_eq!(first.order(), Order::ChannelsFirst, "{class} {config}");
        }
        assert_same(class, &config, plain, first);
    }
}
