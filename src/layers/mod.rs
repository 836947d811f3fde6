//! The kinds of layers: each lives in one file, and has one line in [`LAYERS`].

mod activation;
mod batch_normalization;
mod bidirectional;
mod concatenate;
mod conv;
mod conv_transpose;
mod dense;
mod depthwise_conv;
mod dot;
mod dropout;
mod embedding;
mod global_pooling;
mod group_normalization;
mod identity;
pub(crate) mod image;
mod input;
mod lambda;
mod layer_normalization;
mod margins;
mod masking;
mod merge;
mod noise;
mod normalization;
#[cfg(test)]
mod order_tests;
mod pooling;
mod prelu;
mod recurrent;
mod relu;
mod rescaling;
mod reshape;
mod separable_conv;
mod softmax;
pub(crate) mod spatial;
#[cfg(test)]
mod spatial_tests;
mod support;
#[cfg(test)]
mod testing;
mod time_distributed;
mod unit_normalization;
mod up_sampling;

pub use crate::image::resize::Interpolation;
pub use activation::Activation;
pub use batch_normalization::{BatchNormalization, BatchNormalizationConfig};
pub use bidirectional::{Bidirectional, BidirectionalConfig, MergeMode};
pub use concatenate::Concatenate;
pub use conv::{Conv, ConvConfig};
pub use conv_transpose::{ConvTranspose, ConvTransposeConfig};
pub use dense::{Dense, DenseConfig};
pub use depthwise_conv::{DepthwiseConv, DepthwiseConvConfig};
pub use dot::Dot;
pub use dropout::{Dropout, DropoutConfig, SpatialDropout1DConfig, SpatialDropoutConfig};
pub use embedding::{Embedding, EmbeddingConfig};
pub use global_pooling::{GlobalAveragePooling, GlobalMaxPooling};
pub use group_normalization::{GroupNormalization, GroupNormalizationConfig};
pub use identity::{ActivityRegularization, Identity};
pub use image::{
    AugMix, Augmented, AutoContrast, CenterCrop, ColorRange, ContrastLimitedAdaptiveHistogramEqualization,
    CutMix, Equalization, Factor, FlipMode, MaxNumBoundingBoxes, MixUp, RandAugment, RandomBrightness,
    RandomColorDegeneration, RandomColorJitter, RandomContrast, RandomCrop, RandomElasticTransform,
    RandomErasing, RandomFlip, RandomGaussianBlur, RandomGrayscale, RandomHue, RandomInvert,
    RandomPerspective, RandomPosterization, RandomRotation, RandomSaturation, RandomSharpness, RandomShear,
    RandomTranslation, RandomZoom, Resizing, Solarization,
};
pub use input::InputLayerConfig;
pub use lambda::Lambda;
pub use layer_normalization::{
    LayerNormalization, LayerNormalizationConfig, RMSNormalization, RMSNormalizationConfig,
};
pub use margins::{Cropping, Cropping1D, Margins, ZeroPadding};
pub use masking::Masking;
pub use merge::{Add, Average, Maximum, Minimum, Multiply, Subtract};
pub use noise::{AlphaDropoutConfig, GaussianDropoutConfig, GaussianNoiseConfig, Noise};
pub use normalization::{Normalization, NormalizationConfig};
pub use pooling::{AveragePooling, MaxPooling};
pub use prelu::{PReLU, PReLUConfig};
pub use recurrent::{GRUConfig, LSTMConfig, Recurrent, SimpleRNNConfig};
pub use relu::{ELU, LeakyReLU, ReLU};
pub use rescaling::Rescaling;
pub use reshape::{Flatten, Permute, RepeatVector, Reshape};
pub use separable_conv::{SeparableConv, SeparableConvConfig};
pub use softmax::Softmax;
pub use spatial::Padding;
pub use time_distributed::{TimeDistributed, TimeDistributedConfig};
pub use unit_normalization::UnitNormalization;
pub use up_sampling::{UpSampling1D, UpSampling2D, UpSampling3D};

use crate::layer::{Row, row};
use crate::module::{FunctionalConfig, SequentialConfig};

/// Every kind of layer that this crate knows.
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
    row::<ConvConfig<3>>(),
    row::<ConvConfig<4>>(),
    row::<ConvConfig<5>>(),
    row::<ConvTransposeConfig<3>>(),
    row::<ConvTransposeConfig<4>>(),
    row::<ConvTransposeConfig<5>>(),
    row::<DepthwiseConvConfig<3>>(),
    row::<DepthwiseConvConfig<4>>(),
    row::<SeparableConvConfig<3>>(),
    row::<SeparableConvConfig<4>>(),
    row::<MaxPooling<3>>(),
    row::<MaxPooling<4>>(),
    row::<MaxPooling<5>>(),
    row::<AveragePooling<3>>(),
    row::<AveragePooling<4>>(),
    row::<AveragePooling<5>>(),
    row::<GlobalMaxPooling<3>>(),
    row::<GlobalMaxPooling<4>>(),
    row::<GlobalMaxPooling<5>>(),
    row::<GlobalAveragePooling<3>>(),
    row::<GlobalAveragePooling<4>>(),
    row::<GlobalAveragePooling<5>>(),
    row::<ZeroPadding<3>>(),
    row::<ZeroPadding<4>>(),
    row::<ZeroPadding<5>>(),
    row::<Cropping1D>(),
    row::<Cropping<4>>(),
    row::<Cropping<5>>(),
    row::<UpSampling1D>(),
    row::<UpSampling2D>(),
    row::<UpSampling3D>(),
    row::<Resizing>(),
    row::<CenterCrop>(),
    row::<AutoContrast>(),
    row::<ContrastLimitedAdaptiveHistogramEqualization>(),
    row::<RandomCrop>(),
    row::<RandomFlip>(),
    row::<RandomRotation>(),
    row::<RandomTranslation>(),
    row::<RandomZoom>(),
    row::<RandomShear>(),
    row::<RandomPerspective>(),
    row::<RandomElasticTransform>(),
    row::<RandomBrightness>(),
    row::<RandomContrast>(),
    row::<RandomHue>(),
    row::<RandomSaturation>(),
    row::<RandomColorJitter>(),
    row::<RandomColorDegeneration>(),
    row::<RandomGrayscale>(),
    row::<RandomInvert>(),
    row::<RandomPosterization>(),
    row::<Solarization>(),
    row::<Equalization>(),
    row::<RandomSharpness>(),
    row::<RandomGaussianBlur>(),
    row::<RandomErasing>(),
    row::<MixUp>(),
    row::<CutMix>(),
    row::<RandAugment>(),
    row::<AugMix>(),
    row::<MaxNumBoundingBoxes>(),
    row::<EmbeddingConfig>(),
    row::<Masking>(),
    row::<SimpleRNNConfig>(),
    row::<LSTMConfig>(),
    row::<GRUConfig>(),
    row::<BidirectionalConfig>(),
    row::<TimeDistributedConfig>(),
];
