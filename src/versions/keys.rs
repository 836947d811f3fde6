//! What became of classes and config keys: one table for reading old configs and for writing them.

use serde_json::{Value as Json, json};

use Fate::{Dropped, Joined, Neutral, Renamed, Said};

/// What becomes of a key on the way to Keras 3.
#[derive(Clone, Copy)]
pub(super) enum Fate {
    /// It has another name.
    Renamed(&'static str),
    /// It says nothing that matters.
    Dropped,
    /// It says nothing when it is null or has this value; with another one it is left, and refused.
    Neutral(&'static str),
    /// Other keys say it, in another way, unless the value is not understood.
    Said(&'static [&'static str], fn(&Json) -> Option<Json>),
    /// It is an item of a list under another key, together with those after it.
    Joined(&'static [&'static str], &'static str),
}

/// A key of some families of classes, by the names of Keras 3; of all, where there are none.
pub(super) struct Rule {
    pub(super) classes: &'static [&'static [&'static str]],
    pub(super) key: &'static str,
    pub(super) fate: Fate,
}

impl Rule {
    pub(super) fn applies_to(&self, class: &str) -> bool {
        self.classes.is_empty() || self.classes.iter().any(|family| family.contains(&class))
    }
}

/// Classes with other names: the old one and that of Keras 3.
pub(super) static CLASSES: &[(&str, &str)] = &[
    ("Convolution1D", "Conv1D"),
    ("Convolution2D", "Conv2D"),
    ("Convolution3D", "Conv3D"),
    ("AtrousConvolution1D", "Conv1D"),
    ("AtrousConvolution2D", "Conv2D"),
    ("AtrousConv1D", "Conv1D"),
    ("AtrousConv2D", "Conv2D"),
    ("Deconvolution2D", "Conv2DTranspose"),
    ("Deconvolution3D", "Conv3DTranspose"),
    ("Deconv2D", "Conv2DTranspose"),
    ("Deconv3D", "Conv3DTranspose"),
    ("Convolution2DTranspose", "Conv2DTranspose"),
    ("Convolution3DTranspose", "Conv3DTranspose"),
    ("SeparableConvolution1D", "SeparableConv1D"),
    ("SeparableConvolution2D", "SeparableConv2D"),
    ("MaxPool1D", "MaxPooling1D"),
    ("MaxPool2D", "MaxPooling2D"),
    ("MaxPool3D", "MaxPooling3D"),
    ("AvgPool1D", "AveragePooling1D"),
    ("AvgPool2D", "AveragePooling2D"),
    ("AvgPool3D", "AveragePooling3D"),
    // A dense layer works along the last axis anyway.
    ("TimeDistributedDense", "Dense"),
    ("BatchNormalizationV1", "BatchNormalization"),
    ("BatchNormalizationV2", "BatchNormalization"),
    ("LSTMV2", "LSTM"),
    ("GRUV2", "GRU"),
    ("LSTMCellV2", "LSTMCell"),
    ("GRUCellV2", "GRUCell"),
    ("DenseFeaturesV2", "DenseFeatures"),
];

/// Initializers of Keras 1, by the names of its functions.
pub(super) fn initializer_of_keras_1(name: &str) -> Option<(&'static str, Json)> {
    let scaled = |mode: &str, scale: f64, distribution: &str| {
        let config = json!({"scale": scale, "mode": mode, "distribution": distribution, "seed": null});
        Some(("VarianceScaling", config))
    };
    match name {
        "uniform" => Some(("RandomUniform", json!({"minval": -0.05, "maxval": 0.05, "seed": null}))),
        "normal" => Some(("RandomNormal", json!({"mean": 0.0, "stddev": 0.05, "seed": null}))),
        "glorot_uniform" => scaled("fan_avg", 1.0, "uniform"),
        "glorot_normal" => scaled("fan_avg", 1.0, "untruncated_normal"),
        "he_uniform" => scaled("fan_in", 2.0, "uniform"),
        "he_normal" => scaled("fan_in", 2.0, "untruncated_normal"),
        "lecun_uniform" => scaled("fan_in", 1.0, "uniform"),
        "orthogonal" => Some(("Orthogonal", json!({"gain": 1.1, "seed": null}))),
        "identity" => Some(("Identity", json!({"gain": 1.0}))),
        "zero" => Some(("Zeros", json!({}))),
        "one" => Some(("Ones", json!({}))),
        _ => None,
    }
}

/// Regularizers and constraints with other names: the old one and that of Keras 3.
pub(super) static PARTS: &[(&str, &str)] =
    &[("L1L2Regularizer", "L1L2"), ("WeightRegularizer", "L1L2"), ("ActivityRegularizer", "L1L2")];

/// Their keys with other names.
pub(super) static PART_KEYS: &[(&str, &str, &str)] =
    &[("MaxNorm", "m", "max_value"), ("MinMaxNorm", "low", "min_value"), ("MinMaxNorm", "high", "max_value")];

const DENSE: &[&str] = &["Dense"];
const CONV: &[&str] = &[
    "Conv1D",
    "Conv2D",
    "Conv3D",
    "Conv2DTranspose",
    "Conv3DTranspose",
    "SeparableConv1D",
    "SeparableConv2D",
    "LocallyConnected1D",
    "LocallyConnected2D",
    "ConvLSTM2D",
];
const SEPARABLE_CONV: &[&str] = &["SeparableConv1D", "SeparableConv2D"];
const DEPTHWISE_CONV: &[&str] = &["DepthwiseConv1D", "DepthwiseConv2D"];
const CONV_TRANSPOSE: &[&str] = &["Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose"];
const CONV_LSTM: &[&str] = &["ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"];
const RECURRENT: &[&str] = &["LSTM", "GRU", "SimpleRNN", "LSTMCell", "GRUCell", "SimpleRNNCell"];
const POOLING: &[&str] = &[
    "MaxPooling1D",
    "MaxPooling2D",
    "MaxPooling3D",
    "AveragePooling1D",
    "AveragePooling2D",
    "AveragePooling3D",
];
const DROPOUT: &[&str] = &["Dropout", "GaussianDropout", "AlphaDropout"];
const SPATIAL_DROPOUT: &[&str] = &["SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D"];
const ATTENTION: &[&str] = &["Attention", "AdditiveAttention"];
/// Classes that take masks off their inputs and give none, in Keras 3.
pub(super) const TAKES_MASKS: &[&str] = MULTI_HEAD;

const MULTI_HEAD: &[&str] = &["MultiHeadAttention"];
const BATCH_NORM: &[&str] = &["BatchNormalization"];
const RANDOM: &[&str] = &[
    "RandomBrightness",
    "RandomContrast",
    "RandomCrop",
    "RandomFlip",
    "RandomRotation",
    "RandomTranslation",
    "RandomZoom",
];

const fn rule(classes: &'static [&'static [&'static str]], key: &'static str, fate: Fate) -> Rule {
    Rule { classes, key, fate }
}

/// What Keras 1 wrote.
pub(super) static KERAS_1: &[Rule] = &[
    rule(&[DENSE, RECURRENT], "output_dim", Renamed("units")),
    rule(&[SEPARABLE_CONV], "init", Said(&["depthwise_initializer", "pointwise_initializer"], initializer)),
    rule(&[DENSE, CONV, RECURRENT], "init", Said(&["kernel_initializer"], initializer)),
    rule(&[&["Embedding"]], "init", Said(&["embeddings_initializer"], initializer)),
    rule(&[&["PReLU"]], "init", Said(&["alpha_initializer"], initializer)),
    rule(&[BATCH_NORM], "beta_init", Said(&["beta_initializer"], initializer)),
    rule(&[BATCH_NORM], "gamma_init", Said(&["gamma_initializer"], initializer)),
    rule(&[RECURRENT, CONV_LSTM], "inner_init", Said(&["recurrent_initializer"], initializer)),
    rule(&[RECURRENT, CONV_LSTM], "inner_activation", Renamed("recurrent_activation")),
    rule(&[RECURRENT, CONV_LSTM], "forget_bias_init", Said(&["unit_forget_bias"], is_one)),
    rule(&[RECURRENT, CONV_LSTM], "dropout_W", Renamed("dropout")),
    rule(&[RECURRENT, CONV_LSTM], "dropout_U", Renamed("recurrent_dropout")),
    rule(&[RECURRENT, CONV_LSTM], "U_regularizer", Renamed("recurrent_regularizer")),
    rule(&[RECURRENT], "consume_less", Dropped),
    rule(&[DENSE, CONV, RECURRENT], "W_regularizer", Renamed("kernel_regularizer")),
    rule(&[DENSE, CONV, RECURRENT], "b_regularizer", Renamed("bias_regularizer")),
    rule(&[DENSE, CONV], "W_constraint", Renamed("kernel_constraint")),
    rule(&[DENSE, CONV], "b_constraint", Renamed("bias_constraint")),
    rule(&[DENSE, CONV], "bias", Renamed("use_bias")),
    rule(&[&["Embedding"]], "W_regularizer", Renamed("embeddings_regularizer")),
    rule(&[&["Embedding"]], "W_constraint", Renamed("embeddings_constraint")),
    // Of whole words, in training only; Keras 2 let go of it too.
    rule(&[&["Embedding"]], "dropout", Dropped),
    rule(&[CONV], "nb_filter", Renamed("filters")),
    rule(&[CONV], "filter_length", Renamed("kernel_size")),
    rule(&[CONV], "nb_row", Joined(&["nb_row", "nb_col"], "kernel_size")),
    rule(&[CONV], "kernel_dim1", Joined(&["kernel_dim1", "kernel_dim2", "kernel_dim3"], "kernel_size")),
    rule(&[CONV], "subsample_length", Renamed("strides")),
    rule(&[CONV], "subsample", Renamed("strides")),
    rule(&[CONV], "atrous_rate", Renamed("dilation_rate")),
    // It follows from the others, as Keras 2 computes it.
    rule(&[CONV_TRANSPOSE], "output_shape", Dropped),
    rule(&[CONV, POOLING], "border_mode", Renamed("padding")),
    rule(&[], "dim_ordering", Said(&["data_format"], data_format)),
    rule(&[POOLING], "pool_length", Renamed("pool_size")),
    rule(&[POOLING], "stride", Renamed("strides")),
    rule(&[&["UpSampling1D"]], "length", Renamed("size")),
    rule(&[&["ZeroPadding1D", "ZeroPadding2D"]], "padding", Said(&["padding"], padding)),
    rule(&[DROPOUT, SPATIAL_DROPOUT], "p", Renamed("rate")),
    rule(&[&["GaussianNoise"]], "sigma", Renamed("stddev")),
    rule(&[BATCH_NORM], "mode", Neutral("0")),
];

/// What Keras 2 and early versions of Keras 3 wrote.
pub(super) static KERAS_2: &[Rule] = &[
    rule(&[RECURRENT, CONV_LSTM, &["RNN"]], "time_major", Neutral("false")),
    rule(&[RECURRENT, CONV_LSTM, &["RNN"]], "num_constants", Neutral("null")),
    rule(&[RECURRENT, CONV_LSTM], "implementation", Dropped),
    rule(&[&["Embedding"]], "input_length", Dropped),
    rule(&[DEPTHWISE_CONV, SEPARABLE_CONV, CONV_TRANSPOSE], "groups", Neutral("1")),
    rule(&[DEPTHWISE_CONV, SEPARABLE_CONV], "kernel_initializer", Dropped),
    rule(&[DEPTHWISE_CONV, SEPARABLE_CONV], "kernel_regularizer", Neutral("null")),
    rule(&[DEPTHWISE_CONV, SEPARABLE_CONV], "kernel_constraint", Neutral("null")),
    rule(&[DEPTHWISE_CONV], "filters", Neutral("null")),
    rule(&[SPATIAL_DROPOUT], "noise_shape", Neutral("null")),
    // They have no variables, and no room for the key.
    rule(&[SPATIAL_DROPOUT, &["Discretization"]], "trainable", Dropped),
    rule(&[RANDOM], "rng_type", Dropped),
    rule(&[ATTENTION], "causal", Neutral("false")),
    rule(&[MULTI_HEAD], "query_shape", Dropped),
    rule(&[MULTI_HEAD], "key_shape", Dropped),
    rule(&[MULTI_HEAD], "value_shape", Dropped),
    rule(&[MULTI_HEAD], "softmax_robust_masking", Neutral("false")),
    rule(&[&["LeakyReLU"]], "alpha", Renamed("negative_slope")),
    rule(&[BATCH_NORM], "axis", Said(&["axis"], only_item)),
    rule(&[BATCH_NORM], "fused", Dropped),
    rule(&[BATCH_NORM], "virtual_batch_size", Neutral("null")),
    rule(&[BATCH_NORM], "adjustment", Neutral("null")),
    rule(&[&["UpSampling1D"]], "size", Said(&["size"], only_item)),
    rule(&[&["Discretization"]], "bins", Renamed("bin_boundaries")),
    rule(&[&["CategoryEncoding"]], "max_tokens", Renamed("num_tokens")),
    rule(&[&["CategoryEncoding"]], "sparse", Neutral("false")),
];

/// An initializer by the name that Keras 1 gave it.
fn initializer(json: &Json) -> Option<Json> {
    let (class, config) = initializer_of_keras_1(json.as_str()?)?;
    Some(
        json!({"module": "keras.initializers", "class_name": class, "config": config, "registered_name": null}),
    )
}

fn is_one(json: &Json) -> Option<Json> {
    json.as_str().map(|name| Json::Bool(name == "one"))
}

pub(super) fn data_format(json: &Json) -> Option<Json> {
    match json.as_str()? {
        "tf" => Some("channels_last".into()),
        "th" => Some("channels_first".into()),
        "default" => Some(Json::Null),
        _ => None,
    }
}

/// The item of a list of one.
fn only_item(json: &Json) -> Option<Json> {
    match json.as_array()?.as_slice() {
        [item] => Some(item.clone()),
        _ => None,
    }
}

/// Margins by name, or four in a row.
fn padding(json: &Json) -> Option<Json> {
    let side = |name: &str| json.get(name).cloned().unwrap_or_else(|| 0.into());
    match json {
        Json::Object(sides) if sides.keys().all(|key| ["left_pad", "right_pad"].contains(&key.as_str())) => {
            Some(json!([side("left_pad"), side("right_pad")]))
        }
        Json::Object(_) => {
            Some(json!([[side("top_pad"), side("bottom_pad")], [side("left_pad"), side("right_pad")]]))
        }
        Json::Array(sides) => match sides.as_slice() {
            [top, bottom, left, right] => Some(json!([[top, bottom], [left, right]])),
            _ => None,
        },
        _ => None,
    }
}

/// What a layer of Keras 1 and 2 says of its input when it is the first.
pub(super) const INPUT_KEYS: &[&str] =
    &["batch_input_shape", "input_shape", "input_dtype", "input_dim", "input_length"];

/// Layers of Keras 1 whose config does not say where the channels are, though it matters to them.
pub(super) const SILENT_ABOUT_CHANNELS: &[&str] = &[
    "ZeroPadding2D",
    "ZeroPadding3D",
    "Cropping2D",
    "Cropping3D",
    "UpSampling2D",
    "UpSampling3D",
    "SpatialDropout2D",
    "SpatialDropout3D",
];

/// Layers whose dtype was that of what goes in or comes out, and is no policy.
pub(super) const LOOSE_DTYPE: &[&str] = &["Embedding", "IntegerLookup", "StringLookup", "TextVectorization"];

/// Keys that hold a layer, and lists of layers.
pub(super) const LAYER_KEYS: &[&str] = &["layer", "backward_layer", "cell"];
pub(super) const LAYER_LISTS: &[&str] = &["layers", "cells"];

/// What a `Lambda` says of a function: its key, of what kind it is, and where it is from.
pub(super) const LAMBDA_KEYS: &[(&str, &str, &str)] = &[
    ("function", "function_type", "module"),
    ("output_shape", "output_shape_type", "output_shape_module"),
    ("mask", "mask_type", "mask_module"),
];

/// Layers that are called with their states after their input.
pub(super) const TAKES_STATES: &[&str] = &[
    "LSTM",
    "GRU",
    "SimpleRNN",
    "RNN",
    "ConvLSTM1D",
    "ConvLSTM2D",
    "ConvLSTM3D",
    "Bidirectional",
    "CuDNNLSTM",
    "CuDNNGRU",
];
