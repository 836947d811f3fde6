//! The kinds of layers: each lives in one file, and has one line in [`LAYERS`].

mod activation;
mod batch_normalization;
mod bidirectional;
mod concatenate;
mod dense;
mod dot;
mod dropout;
mod embedding;
mod group_normalization;
mod identity;
mod input;
mod lambda;
mod layer_normalization;
mod masking;
mod merge;
mod noise;
mod normalization;
pub mod ops;
#[cfg(test)]
mod order_tests;
mod prelu;
mod recurrent;
mod relu;
mod rescaling;
mod reshape;
mod softmax;
mod support;
mod time_distributed;
mod unit_normalization;

pub use activation::Activation;
pub use batch_normalization::{BatchNormalization, BatchNormalizationConfig};
pub use bidirectional::{Bidirectional, BidirectionalConfig, MergeMode};
pub use concatenate::Concatenate;
pub use dense::{Dense, DenseConfig};
pub use dot::Dot;
pub use dropout::{Dropout, DropoutConfig, SpatialDropout1DConfig, SpatialDropoutConfig};
pub use embedding::{Embedding, EmbeddingConfig};
pub use group_normalization::{GroupNormalization, GroupNormalizationConfig};
pub use identity::{ActivityRegularization, Identity};
pub use input::InputLayerConfig;
pub use lambda::Lambda;
pub use layer_normalization::{
    LayerNormalization, LayerNormalizationConfig, RMSNormalization, RMSNormalizationConfig,
};
pub use masking::Masking;
pub use merge::{Add, Average, Maximum, Minimum, Multiply, Subtract};
pub use noise::{AlphaDropoutConfig, GaussianDropoutConfig, GaussianNoiseConfig, Noise};
pub use normalization::{Normalization, NormalizationConfig};
pub use prelu::{PReLU, PReLUConfig};
pub use recurrent::{GRUConfig, LSTMConfig, Recurrent, SimpleRNNConfig};
pub use relu::{ELU, LeakyReLU, ReLU};
pub use rescaling::Rescaling;
pub use reshape::{Flatten, Permute, RepeatVector, Reshape};
pub use softmax::Softmax;
pub use time_distributed::{TimeDistributed, TimeDistributedConfig};
pub use unit_normalization::UnitNormalization;

use crate::layer::{Row, row};
use crate::module::{FunctionalConfig, SequentialConfig};

/// Every kind of layer and operation that this crate knows.
pub static LAYERS: &[Row] = &[
    row::<FunctionalConfig>(),
    row::<SequentialConfig>(),
    row::<InputLayerConfig>(),
    row::<DenseConfig>(),
    row::<Activation>(),
    row::<ReLU>(),
    row::<LeakyReLU>(),
    row::<PReLUConfig>(),
    row::<ELU>(),
    row::<Softmax>(),
    row::<Flatten>(),
    row::<Reshape>(),
    row::<Permute>(),
    row::<RepeatVector>(),
    row::<Identity>(),
    row::<ActivityRegularization>(),
    row::<Lambda>(),
    row::<Rescaling>(),
    row::<NormalizationConfig>(),
    row::<BatchNormalizationConfig>(),
    row::<LayerNormalizationConfig>(),
    row::<RMSNormalizationConfig>(),
    row::<GroupNormalizationConfig>(),
    row::<UnitNormalization>(),
    row::<DropoutConfig>(),
    row::<SpatialDropout1DConfig>(),
    row::<SpatialDropoutConfig<4>>(),
    row::<SpatialDropoutConfig<5>>(),
    row::<GaussianDropoutConfig>(),
    row::<GaussianNoiseConfig>(),
    row::<AlphaDropoutConfig>(),
    row::<Add>(),
    row::<Subtract>(),
    row::<Multiply>(),
    row::<Average>(),
    row::<Maximum>(),
    row::<Minimum>(),
    row::<Concatenate>(),
    row::<Dot>(),
    row::<EmbeddingConfig>(),
    row::<Masking>(),
    row::<SimpleRNNConfig>(),
    row::<LSTMConfig>(),
    row::<GRUConfig>(),
    row::<BidirectionalConfig>(),
    row::<TimeDistributedConfig>(),
    row::<ops::Add>(),
    row::<ops::Subtract>(),
    row::<ops::Multiply>(),
    row::<ops::TrueDivide>(),
    row::<ops::Negative>(),
    row::<ops::Maximum>(),
    row::<ops::Minimum>(),
    row::<ops::Equal>(),
    row::<ops::NotEqual>(),
    row::<ops::Less>(),
    row::<ops::LessEqual>(),
    row::<ops::Greater>(),
    row::<ops::GreaterEqual>(),
    row::<ops::LogicalOr>(),
    row::<ops::Any>(),
    row::<ops::ExpandDims>(),
    row::<ops::Concatenate>(),
    row::<ops::ZerosLike>(),
    row::<ops::OnesLike>(),
];
