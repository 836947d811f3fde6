//! The kinds of layers: each lives in one file, and has one line in [`LAYERS`].

mod activation;
mod batch_normalization;
mod concatenate;
mod dense;
mod dot;
mod dropout;
mod group_normalization;
mod identity;
mod input;
mod lambda;
mod layer_normalization;
mod merge;
mod noise;
mod normalization;
#[cfg(test)]
mod order_tests;
mod prelu;
mod relu;
mod rescaling;
mod reshape;
mod softmax;
mod support;
mod unit_normalization;

pub use activation::Activation;
pub use batch_normalization::{BatchNormalization, BatchNormalizationConfig};
pub use concatenate::Concatenate;
pub use dense::{Dense, DenseConfig};
pub use dot::Dot;
pub use dropout::{Dropout, DropoutConfig, SpatialDropout1DConfig, SpatialDropoutConfig};
pub use group_normalization::{GroupNormalization, GroupNormalizationConfig};
pub use identity::{ActivityRegularization, Identity};
pub use input::InputLayerConfig;
pub use lambda::Lambda;
pub use layer_normalization::{
    LayerNormalization, LayerNormalizationConfig, RMSNormalization, RMSNormalizationConfig,
};
pub use merge::{Add, Average, Maximum, Minimum, Multiply, Subtract};
pub use noise::{AlphaDropoutConfig, GaussianDropoutConfig, GaussianNoiseConfig, Noise};
pub use normalization::{Normalization, NormalizationConfig};
pub use prelu::{PReLU, PReLUConfig};
pub use relu::{ELU, LeakyReLU, ReLU};
pub use rescaling::Rescaling;
pub use reshape::{Flatten, Permute, RepeatVector, Reshape};
pub use softmax::Softmax;
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
];
