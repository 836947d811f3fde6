//! Layers in Rust source, as text. That it compiles and computes what Keras does is for the tests of whole models.

use serde_json::{Value as Json, json};

use super::testing::read;
use crate::codegen::{Code, Layout, Place};
use crate::config::Dtype;
use crate::layer::{Args, Spec};

/// The source of a layer for an input of 32-bit floats; a size of 0 is one that is not known.
fn code(class: &str, config: &Json, shape: &[usize], layout: Layout) -> Option<Code> {
    let shape = shape.iter().map(|size| Some(*size).filter(|size| *size > 0)).collect();
    let args = &Args::one(Spec::new(shape, Dtype::Float32));
    read(class, config).code(&Place { args, layout })
}

const IMAGE: &[usize] = &[0, 8, 9, 4];

/// Compares how modules are made: class, config, shape of the input, expression.
fn check_modules(rows: &[(&str, Json, &[usize], &str)]) {
    for (class, config, shape, expected) in rows {
        let code = code(class, config, shape, Layout::Keras).unwrap();
        assert_eq!(code.field.unwrap().init, *expected, "{class} {config}");
    }
}

#[test]
fn modules_are_made_as_keras_means_them() {
    let rows: &[(&str, Json, &[usize], &str)] = &[
        (
            "Conv2D",
            json!({"filters": 6, "kernel_size": [3, 2], "strides": 2, "padding": "same", "use_bias": false}),
            IMAGE,
            "Conv2dConfig::new([4, 6], [3, 2]).with_stride([2, 2]).with_bias(false)\
             .with_padding(PaddingConfig2d::Same)\
             .with_initializer(Initializer::XavierUniform { gain: 1.0 }).init(device)",
        ),
        (
            "Conv2D",
            json!({"filters": 4, "kernel_size": 1, "strides": 2, "padding": "same",
                   "kernel_initializer": "ones"}),
            IMAGE,
            "Conv2dConfig::new([4, 4], [1, 1]).with_stride([2, 2])\
             .with_initializer(Initializer::Ones).init(device)",
        ),
        // Burn's own padding knows nothing of dilation.
        (
            "Conv2D",
            json!({"filters": 6, "kernel_size": [3, 2], "dilation_rate": 3, "padding": "same",
                   "kernel_initializer": "he_normal"}),
            &[0, 0, 0, 4],
            "Conv2dConfig::new([4, 6], [3, 2]).with_dilation([3, 3])\
             .with_padding(PaddingConfig2d::Explicit(3, 1, 3, 2))\
             .with_initializer(Initializer::KaimingNormal { gain: 2.0_f64.sqrt(), fan_out_only: false })\
             .init(device)",
        ),
        // Burn draws its bias without knowing how many connections lead out, which Xavier's method needs.
        (
            "Conv1D",
            json!({"filters": 4, "kernel_size": 3, "padding": "causal"}),
            &[0, 0, 4],
            "Conv1dConfig::new(4, 4, 3).with_padding(PaddingConfig1d::Explicit(2, 0))\
             .with_initializer(Initializer::Uniform { min: -0.5, max: 0.5 }).init(device)",
        ),
        (
            "DepthwiseConv2D",
            json!({"kernel_size": 3, "depth_multiplier": 2, "depthwise_initializer": "ones"}),
            IMAGE,
            "Conv2dConfig::new([4, 8], [3, 3]).with_groups(4).with_initializer(Initializer::Ones).init(device)",
        ),
        (
            "Conv2DTranspose",
            json!({"filters": 6, "kernel_size": 3, "strides": 2, "padding": "same",
                   "kernel_initializer": "zeros"}),
            IMAGE,
            "ConvTranspose2dConfig::new([4, 6], [3, 3]).with_stride([2, 2])\
             .with_initializer(Initializer::Zeros).init(device)",
        ),
        (
            "AveragePooling2D",
            json!({"pool_size": 2, "strides": 1, "padding": "same"}),
            IMAGE,
            "AvgPool2dConfig::new([2, 2]).with_strides([1, 1]).with_count_include_pad(false)\
             .with_padding(PaddingConfig2d::Same).init()",
        ),
        ("MaxPooling1D", json!({"pool_size": 3}), &[0, 9, 4], "MaxPool1dConfig::new(3).init()"),
    ];
    check_modules(rows);
}

#[test]
fn normalizations_are_made_as_keras_means_them() {
    check_modules(&[
        (
            "BatchNormalization",
            json!({}),
            IMAGE,
            "BatchNormConfig::new(4).with_epsilon(0.001).with_momentum(1.0 - 0.99).init(device)",
        ),
        (
            "LayerNormalization",
            json!({"epsilon": 1e-5, "center": false}),
            IMAGE,
            "LayerNormConfig::new(4).with_bias(false).init(device)",
        ),
        (
            "GroupNormalization",
            json!({"groups": 2}),
            IMAGE,
            "GroupNormConfig::new(2, 4).with_epsilon(0.001).init(device)",
        ),
        ("RMSNormalization", json!({}), IMAGE, "RmsNormConfig::new(4).with_epsilon(1e-6).init(device)"),
        (
            "PReLU",
            json!({"shared_axes": [1, 2]}),
            IMAGE,
            "PReluConfig::new().with_num_parameters(4).with_alpha(0.0).init(device)",
        ),
        ("Dropout", json!({"rate": 0.25}), IMAGE, "DropoutConfig::new(0.25).init()"),
    ]);
}

#[test]
fn calls_follow_how_values_lie() {
    let (keras, first) = (Layout::Keras, Layout::ChannelsFirst);
    let rows: &[(&str, Json, Layout, &str, [Layout; 2])] = &[
        (
            "Conv2D",
            json!({"filters": 6, "kernel_size": 1, "activation": "softmax"}),
            keras,
            "activation::softmax({self}.forward({0}), 1)",
            [first, first],
        ),
        (
            "Conv2D",
            json!({"filters": 6, "kernel_size": 1, "data_format": "channels_first", "activation": "softmax"}),
            keras,
            "activation::softmax({self}.forward({0}), 3)",
            [keras, keras],
        ),
        (
            "Conv2DTranspose",
            json!({"filters": 6, "kernel_size": 3, "strides": 2, "padding": "same"}),
            first,
            "{self}.forward({0}).slice(s![.., .., ..-1, ..-1])",
            [first, first],
        ),
        ("BatchNormalization", json!({"axis": 1}), first, "{self}.forward({0})", [keras, keras]),
        ("LayerNormalization", json!({}), first, "{self}.forward({0})", [keras, keras]),
        (
            "GlobalAveragePooling2D",
            json!({}),
            first,
            "{0}.mean_dims(&[2, 3]).squeeze_dims::<2>(&[2, 3])",
            [first, keras],
        ),
        ("GlobalMaxPooling2D", json!({"keepdims": true}), keras, "{0}.max_dims(&[1, 2])", [keras, keras]),
        (
            "ZeroPadding2D",
            json!({"padding": [[0, 1], [2, 3]]}),
            first,
            "{0}.pad([(0, 1), (2, 3)], PadMode::Constant(0.0))",
            [first, first],
        ),
        (
            "ZeroPadding2D",
            json!({"padding": [[0, 1], [2, 3]]}),
            keras,
            "{0}.pad([(0, 1), (2, 3), (0, 0)], PadMode::Constant(0.0))",
            [keras, keras],
        ),
        (
            "Cropping2D",
            json!({"cropping": [[0, 1], [2, 0]]}),
            keras,
            "{0}.slice(s![.., ..-1, 2.., ..])",
            [keras, keras],
        ),
        ("Softmax", json!({"axis": 1}), first, "activation::softmax({0}, 2)", [first, first]),
        ("ReLU", json!({"max_value": 6.0}), first, "activation::relu({0}).clamp_max(6.0)", [first, first]),
        ("Activation", json!({"activation": "elu"}), keras, "Activation::Elu.forward({0})", [keras, keras]),
        ("Rescaling", json!({"scale": 0.5, "offset": -1}), first, "{0} * 0.5 - 1.0", [first, first]),
        (
            "UpSampling2D",
            json!({"size": [2, 1]}),
            first,
            "{ let x = {0}; let dims = x.dims(); x.reshape([dims[0], dims[1], dims[2], 1, dims[3]])\
             .expand([dims[0], dims[1], dims[2], 2, dims[3]])\
             .reshape([dims[0], dims[1], dims[2] * 2, dims[3]]) }",
            [first, first],
        ),
    ];
    for (class, config, layout, expected, orders) in rows {
        let code = code(class, config, IMAGE, *layout).unwrap();
        assert_eq!(code.call, *expected, "{class} {config}");
        assert_eq!([code.takes, code.gives], *orders, "{class} {config}");
    }
}

#[test]
fn what_burn_does_otherwise_has_no_source() {
    let rows = [
        ("Conv2D", json!({"filters": 6, "kernel_size": 1, "lora_rank": 2})),
        ("BatchNormalization", json!({"scale": false})),
        ("BatchNormalization", json!({"axis": 2})),
        ("BatchNormalization", json!({"renorm": true})),
        ("BatchNormalization", json!({"epsilon": 0.0})),
        ("LayerNormalization", json!({"rms_scaling": true})),
        ("LayerNormalization", json!({"axis": [2, 3]})),
        ("GroupNormalization", json!({"groups": 2, "center": false})),
        ("Dropout", json!({"rate": 0.5, "noise_shape": [null, 1, 1, null]})),
        ("Dropout", json!({"rate": 1.0})),
        ("PReLU", json!({})),
        ("PReLU", json!({"shared_axes": [1, 3]})),
        ("ReLU", json!({"negative_slope": 0.1, "max_value": 6.0})),
        ("Softmax", json!({"axis": [1, 2]})),
        ("UpSampling2D", json!({"interpolation": "bilinear"})),
        ("SeparableConv2D", json!({"filters": 6, "kernel_size": 3})),
    ];
    for (class, config) in rows {
        assert_eq!(code(class, &config, IMAGE, Layout::Keras), None, "{class} {config}");
    }
    let image = Spec::new(vec![None, Some(8), Some(9), Some(4)], Dtype::Uint8);
    let args = &Args::one(image);
    let layer = read("Rescaling", &json!({"scale": 0.5}));
    assert_eq!(layer.code(&Place { args, layout: Layout::Keras }), None);
}
