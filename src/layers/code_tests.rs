//! What layers are in Rust source, and which have none.

use serde_json::{Value as Json, json};

use super::testing::read;
use crate::codegen::{Code, Layout, Place};
use crate::config::Dtype;
use crate::layer::{Args, Spec, Tree};

/// What a layer says when it is called with tensors.
fn code(class: &str, config: &Json, shapes: &[&[Option<usize>]], layout: Layout) -> Option<Code> {
    let specs = shapes.iter().map(|shape| Spec::new(shape.to_vec(), Dtype::Float32));
    let layer = read(class, config);
    let positional = match class {
        "MultiHeadAttention" => specs.map(Tree::Leaf).collect(),
        _ if shapes.len() == 1 => specs.map(Tree::Leaf).collect(),
        _ => vec![Tree::list(specs)],
    };
    let args = Args::bind(layer.arg_names(), positional, vec![]).unwrap();
    layer.outputs(&args).unwrap();
    layer.code(&Place { args: &args, layout })
}

const TIME: &[Option<usize>] = &[None, None, Some(6)];
const IMAGE: &[Option<usize>] = &[None, Some(4), Some(4), Some(6)];

#[test]
fn layers_with_weights() {
    let lstm = |config: Json| json!({"module": "keras.layers", "class_name": "LSTM", "config": config});
    for (class, config, shapes, field, call) in [
        (
            "Dense",
            json!({"units": 3, "activation": "relu", "use_bias": false, "kernel_initializer": "zeros"}),
            &[TIME][..],
            "LinearConfig::new(6, 3).with_bias(false).with_initializer(Initializer::Zeros).init(device)",
            "activation::relu({self}.forward({0}))",
        ),
        (
            "LSTM",
            json!({"units": 4}),
            &[TIME],
            "LstmConfig::new(6, 4, true).init(device)",
            "{self}.forward({0}, None).1.hidden",
        ),
        (
            "GRU",
            json!({"units": 4, "reset_after": false, "go_backwards": true, "recurrent_activation": "hard_sigmoid"}),
            &[TIME],
            "GruConfig::new(6, 4, true).with_reset_after(false)\
          .with_gate_activation(HardSigmoidConfig::new().with_alpha(1.0 / 6.0).into()).init(device)",
            "{self}.forward({0}.flip([1]), None).select_dim::<2>(1, -1)",
        ),
        (
            "Bidirectional",
            json!({"layer": lstm(json!({"units": 4, "return_sequences": true}))}),
            &[TIME],
            "BiLstmConfig::new(6, 4, true).init(device)",
            "{self}.forward({0}, None).0",
        ),
        (
            "MultiHeadAttention",
            json!({"num_heads": 2, "key_dim": 3, "use_bias": true}),
            &[TIME, TIME],
            "MultiHeadAttentionConfig::new(6, 2).with_dropout(0.0).init(device)",
            "{ let (query, value) = ({0}, {1}); {self}.forward(MhaInput::new(query, value.clone(), value)).context }",
        ),
    ] {
        let code = code(class, &config, shapes, Layout::Keras).unwrap_or_else(|| panic!("{class} {config}"));
        assert_eq!(code.field.unwrap().init, field);
        assert_eq!(code.call, call);
    }
}

#[test]
fn what_burn_nn_does_otherwise_has_no_source() {
    let gru = json!({"module": "keras.layers", "class_name": "GRU", "config": {"units": 4}});
    for (class, config, shapes) in [
        ("LSTM", json!({"units": 4, "dropout": 0.1}), &[TIME][..]),
        ("LSTM", json!({"units": 4, "return_state": true}), &[TIME]),
        ("LSTM", json!({"units": 4, "activation": "elu"}), &[TIME]),
        ("Bidirectional", json!({"layer": gru, "merge_mode": "sum"}), &[TIME]),
        ("Embedding", json!({"input_dim": 9, "output_dim": 2, "mask_zero": true}), &[&[None, Some(4)]]),
        ("MultiHeadAttention", json!({"num_heads": 2, "key_dim": 4}), &[TIME, TIME]),
        ("Add", json!({}), &[TIME, &[None, Some(6)]]),
        ("Dot", json!({"axes": 1, "normalize": true}), &[&[None, Some(6)], &[None, Some(6)]]),
        ("EinsumDense", json!({"equation": "abc,cde->abde", "output_shape": [null, 2, 3]}), &[TIME]),
    ] {
        assert_eq!(code(class, &config, shapes, Layout::Keras), None, "{class} {config}");
    }
}

#[test]
fn values_with_their_channels_first() {
    use Layout::{ChannelsFirst, Keras};
    for (class, config, shapes, call, takes) in [
        ("Add", json!({}), &[IMAGE, IMAGE][..], "{0} + {1}", ChannelsFirst),
        ("Concatenate", json!({}), &[IMAGE, IMAGE], "Tensor::cat(vec![{0}, {1}], 1)", ChannelsFirst),
        ("Concatenate", json!({"axis": 1}), &[IMAGE, IMAGE], "Tensor::cat(vec![{0}, {1}], 2)", ChannelsFirst),
        ("Flatten", json!({}), &[IMAGE], "{0}.flatten::<2>(1, -1)", Keras),
        ("Reshape", json!({"target_shape": [-1, 6]}), &[IMAGE], "{0}.reshape([-1, 16, 6])", Keras),
        ("Reshape", json!({"target_shape": [-1, 2, 3]}), &[TIME], "{0}.reshape([0, -1, 2, 3])", Keras),
        ("Permute", json!({"dims": [3, 1, 2]}), &[IMAGE], "{0}.permute([0, 3, 1, 2])", Keras),
    ] {
        let code = code(class, &config, shapes, ChannelsFirst).unwrap_or_else(|| panic!("{class} {config}"));
        assert_eq!((code.call.as_str(), code.takes), (call, takes));
    }
}
