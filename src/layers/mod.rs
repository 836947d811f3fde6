//! The kinds of layers: each lives in one file, and has one line in [`LAYERS`].

mod activation;
mod adaptive_pooling;
mod applications;
mod attention;
mod batch_normalization;
mod bidirectional;
mod categorical;
#[cfg(test)]
mod code_tests;
mod concatenate;
mod constant;
pub(crate) mod conv;
mod conv_code;
mod conv_lstm;
mod conv_transpose;
mod dense;
pub(crate) mod depthwise_conv;
mod dot;
mod dropout;
mod einsum_dense;
mod embedding;
mod encoding;
mod global_pooling;
mod group_normalization;
mod hashing;
mod identity;
pub(crate) mod image;
mod input;
pub(crate) mod keras2;
mod lambda;
mod layer_normalization;
mod locally_connected;
mod lookup;
mod margins;
mod masking;
mod merge;
mod multi_head_attention;
mod noise;
mod normalization;
#[cfg(test)]
mod order_tests;
mod pipeline;
pub(crate) mod pooling;
mod prelu;
mod quantized;
mod recurrent;
mod relu;
mod rescaling;
mod reshape;
mod reversible_embedding;
mod separable_conv;
mod softmax;
pub(crate) mod spatial;
#[cfg(test)]
mod spatial_code_tests;
#[cfg(test)]
mod spatial_tests;
mod spectral_normalization;
mod spectrogram;
mod support;
#[cfg(test)]
mod testing;
mod text_vectorization;
mod time_distributed;
mod unit_normalization;
mod up_sampling;

pub use crate::image::resize::Interpolation;
pub use activation::Activation;
pub use adaptive_pooling::{AdaptiveAveragePooling, AdaptiveMaxPooling};
pub use applications::{CustomScaleLayer, LayerScale, LayerScaleConfig, StochasticDepthConfig};
pub use attention::{AdditiveAttentionConfig, Attention, AttentionConfig, ScoreMode};
pub use batch_normalization::{BatchNormalization, BatchNormalizationConfig};
pub use bidirectional::{Bidirectional, BidirectionalConfig, MergeMode};
pub use categorical::{OutputDtype, OutputMode};
pub use concatenate::Concatenate;
pub(crate) use constant::ConstantConfig;
pub use conv::{Conv, ConvConfig};
pub use conv_lstm::{ConvLSTMCell, ConvLSTMConfig};
pub use conv_transpose::{ConvTranspose, ConvTransposeConfig};
pub use dense::{Dense, DenseConfig};
pub use depthwise_conv::{DepthwiseConv, DepthwiseConvConfig};
pub use dot::Dot;
pub use dropout::{Dropout, DropoutConfig, SpatialDropout1DConfig, SpatialDropoutConfig};
pub use einsum_dense::{EinsumDense, EinsumDenseConfig};
pub use embedding::{Embedding, EmbeddingConfig};
pub use encoding::{Boundaries, CategoryEncoding, Discretization};
pub use global_pooling::{GlobalAveragePooling, GlobalMaxPooling};
pub use group_normalization::{GroupNormalization, GroupNormalizationConfig};
pub use hashing::{HashedCrossing, Hashing, Salt};
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
pub use keras2::{SlicingOpLambda, TFOpLambda, TensorFlowOpLayer};
pub use lambda::Lambda;
pub use layer_normalization::{
    LayerNormalization, LayerNormalizationConfig, RMSNormalization, RMSNormalizationConfig,
};
pub use locally_connected::{LocallyConnected, LocallyConnectedConfig};
pub use lookup::{IntegerLookupConfig, Lookup, OovMethod, StringLookupConfig, Token, Vocabulary};
pub use margins::{Cropping, Cropping1D, Margins, ZeroPadding};
pub use masking::Masking;
pub use merge::{Add, Average, Maximum, Minimum, Multiply, Subtract};
pub use multi_head_attention::{GroupQueryAttentionConfig, MultiHeadAttention, MultiHeadAttentionConfig};
pub use noise::{AlphaDropoutConfig, GaussianDropoutConfig, GaussianNoiseConfig, Noise};
pub use normalization::{Normalization, NormalizationConfig};
pub use pipeline::{Pipeline, PipelineConfig};
pub use pooling::{AveragePooling, MaxPooling};
pub use prelu::{PReLU, PReLUConfig};
pub use quantized::{
    Float8Dense, Float8DenseConfig, Float8EinsumDense, Float8EinsumDenseConfig, Float8Scales, QuantizedDense,
    QuantizedDenseConfig, QuantizedEinsumDense, QuantizedEinsumDenseConfig, QuantizedEmbedding,
    QuantizedEmbeddingConfig, QuantizedKernel, QuantizedReversibleEmbedding,
    QuantizedReversibleEmbeddingConfig,
};
pub use recurrent::{
    CuDNNGRUConfig, CuDNNLSTMConfig, GRUCellConfig, GRUConfig, GatedCell, LSTMCellConfig, LSTMConfig,
    RNNConfig, Recurrent, SimpleRNNCellConfig, SimpleRNNConfig, StackedRNNCells, StackedRNNCellsConfig,
};
pub use relu::{ELU, LeakyReLU, ReLU, ThresholdedReLU};
pub use rescaling::Rescaling;
pub use reshape::{Flatten, Permute, RepeatVector, Reshape};
pub use reversible_embedding::{ReversibleEmbedding, ReversibleEmbeddingConfig};
pub use separable_conv::{SeparableConv, SeparableConvConfig};
pub use softmax::Softmax;
pub use spatial::Padding;
pub use spectral_normalization::{SpectralNormalization, SpectralNormalizationConfig};
pub use spectrogram::{FrameWindow, MelSpectrogram, STFTSpectrogram, STFTSpectrogramConfig, SpectrogramMode};
pub use text_vectorization::{Ngrams, Split, Standardize, TextVectorization, TextVectorizationConfig};
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
    row::<EinsumDenseConfig>(),
    row::<AttentionConfig>(),
    row::<AdditiveAttentionConfig>(),
    row::<MultiHeadAttentionConfig>(),
    row::<GroupQueryAttentionConfig>(),
    row::<QuantizedDenseConfig>(),
    row::<Float8DenseConfig>(),
    row::<QuantizedEinsumDenseConfig>(),
    row::<Float8EinsumDenseConfig>(),
    row::<Activation>(),
    row::<ReLU>(),
    row::<LeakyReLU>(),
    row::<PReLUConfig>(),
    row::<ELU>(),
    row::<ThresholdedReLU>(),
    row::<Softmax>(),
    row::<Flatten>(),
    row::<Reshape>(),
    row::<Permute>(),
    row::<RepeatVector>(),
    row::<Identity>(),
    row::<ActivityRegularization>(),
    row::<Lambda>(),
    row::<TFOpLambda>(),
    row::<SlicingOpLambda>(),
    row::<TensorFlowOpLayer>(),
    row::<Rescaling>(),
    row::<PipelineConfig>(),
    row::<STFTSpectrogramConfig>(),
    row::<MelSpectrogram>(),
    row::<CategoryEncoding>(),
    row::<Hashing>(),
    row::<HashedCrossing>(),
    row::<StringLookupConfig>(),
    row::<IntegerLookupConfig>(),
    row::<TextVectorizationConfig>(),
    row::<Discretization>(),
    row::<NormalizationConfig>(),
    row::<BatchNormalizationConfig>(),
    row::<LayerNormalizationConfig>(),
    row::<RMSNormalizationConfig>(),
    row::<GroupNormalizationConfig>(),
    row::<UnitNormalization>(),
    row::<SpectralNormalizationConfig>(),
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
    row::<LocallyConnectedConfig<3>>(),
    row::<LocallyConnectedConfig<4>>(),
    row::<LayerScaleConfig>(),
    row::<StochasticDepthConfig>(),
    row::<CustomScaleLayer>(),
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
    row::<AdaptiveMaxPooling<3>>(),
    row::<AdaptiveMaxPooling<4>>(),
    row::<AdaptiveMaxPooling<5>>(),
    row::<AdaptiveAveragePooling<3>>(),
    row::<AdaptiveAveragePooling<4>>(),
    row::<AdaptiveAveragePooling<5>>(),
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
    row::<QuantizedEmbeddingConfig>(),
    row::<ReversibleEmbeddingConfig>(),
    row::<QuantizedReversibleEmbeddingConfig>(),
    row::<Masking>(),
    row::<RNNConfig>(),
    row::<SimpleRNNConfig>(),
    row::<LSTMConfig>(),
    row::<GRUConfig>(),
    row::<SimpleRNNCellConfig>(),
    row::<LSTMCellConfig>(),
    row::<GRUCellConfig>(),
    row::<StackedRNNCellsConfig>(),
    row::<ConvLSTMConfig<3>>(),
    row::<ConvLSTMConfig<4>>(),
    row::<ConvLSTMConfig<5>>(),
    row::<CuDNNLSTMConfig>(),
    row::<CuDNNGRUConfig>(),
    row::<BidirectionalConfig>(),
    row::<TimeDistributedConfig>(),
];
