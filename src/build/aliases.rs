//! The kinds of layers under Keras' names.

use super::Fresh;
use crate::layers;

/// Declares what a fresh layer is called.
macro_rules! aliases {
    ($($(#[$meta:meta])* $name:ident = $config:ty;)+) => {
        $(
            #[doc = concat!("A `", stringify!($name), "` of a model to be.")]
            $(#[$meta])*
            pub type $name = Fresh<$config>;
        )+
    };
}

aliases! {
    Activation = layers::Activation;
    ActivityRegularization = layers::ActivityRegularization;
    Add = layers::Add;
    AlphaDropout = layers::AlphaDropoutConfig;
    Average = layers::Average;
    AveragePooling1D = layers::AveragePooling<3>;
    AveragePooling2D = layers::AveragePooling<4>;
    AveragePooling3D = layers::AveragePooling<5>;
    BatchNormalization = layers::BatchNormalizationConfig;
    Bidirectional = layers::BidirectionalConfig;
    CategoryEncoding = layers::CategoryEncoding;
    Concatenate = layers::Concatenate;
    Conv1D = layers::ConvConfig<3>;
    Conv2D = layers::ConvConfig<4>;
    Conv3D = layers::ConvConfig<5>;
    Conv1DTranspose = layers::ConvTransposeConfig<3>;
    Conv2DTranspose = layers::ConvTransposeConfig<4>;
    Conv3DTranspose = layers::ConvTransposeConfig<5>;
    Cropping1D = layers::Cropping1D;
    Cropping2D = layers::Cropping<4>;
    Cropping3D = layers::Cropping<5>;
    Dense = layers::DenseConfig;
    DepthwiseConv1D = layers::DepthwiseConvConfig<3>;
    DepthwiseConv2D = layers::DepthwiseConvConfig<4>;
    Discretization = layers::Discretization;
    Dot = layers::Dot;
    Dropout = layers::DropoutConfig;
    ELU = layers::ELU;
    Embedding = layers::EmbeddingConfig;
    Flatten = layers::Flatten;
    GRU = layers::GRUConfig;
    GaussianDropout = layers::GaussianDropoutConfig;
    GaussianNoise = layers::GaussianNoiseConfig;
    GlobalAveragePooling1D = layers::GlobalAveragePooling<3>;
    GlobalAveragePooling2D = layers::GlobalAveragePooling<4>;
    GlobalAveragePooling3D = layers::GlobalAveragePooling<5>;
    GlobalMaxPooling1D = layers::GlobalMaxPooling<3>;
    GlobalMaxPooling2D = layers::GlobalMaxPooling<4>;
    GlobalMaxPooling3D = layers::GlobalMaxPooling<5>;
    GroupNormalization = layers::GroupNormalizationConfig;
    HashedCrossing = layers::HashedCrossing;
    Hashing = layers::Hashing;
    Identity = layers::Identity;
    Input = layers::InputLayerConfig;
    IntegerLookup = layers::IntegerLookupConfig;
    LSTM = layers::LSTMConfig;
    LayerNormalization = layers::LayerNormalizationConfig;
    LeakyReLU = layers::LeakyReLU;
    Masking = layers::Masking;
    MaxPooling1D = layers::MaxPooling<3>;
    MaxPooling2D = layers::MaxPooling<4>;
    MaxPooling3D = layers::MaxPooling<5>;
    Maximum = layers::Maximum;
    MelSpectrogram = layers::MelSpectrogram;
    Minimum = layers::Minimum;
    Multiply = layers::Multiply;
    Normalization = layers::NormalizationConfig;
    PReLU = layers::PReLUConfig;
    Permute = layers::Permute;
    RMSNormalization = layers::RMSNormalizationConfig;
    ReLU = layers::ReLU;
    RepeatVector = layers::RepeatVector;
    Rescaling = layers::Rescaling;
    Reshape = layers::Reshape;
    STFTSpectrogram = layers::STFTSpectrogramConfig;
    SeparableConv1D = layers::SeparableConvConfig<3>;
    SeparableConv2D = layers::SeparableConvConfig<4>;
    SimpleRNN = layers::SimpleRNNConfig;
    Softmax = layers::Softmax;
    SpatialDropout1D = layers::SpatialDropout1DConfig;
    SpatialDropout2D = layers::SpatialDropoutConfig<4>;
    SpatialDropout3D = layers::SpatialDropoutConfig<5>;
    StringLookup = layers::StringLookupConfig;
    Subtract = layers::Subtract;
    TextVectorization = layers::TextVectorizationConfig;
    TimeDistributed = layers::TimeDistributedConfig;
    UnitNormalization = layers::UnitNormalization;
    UpSampling1D = layers::UpSampling1D;
    UpSampling2D = layers::UpSampling2D;
    UpSampling3D = layers::UpSampling3D;
    ZeroPadding1D = layers::ZeroPadding<3>;
    ZeroPadding2D = layers::ZeroPadding<4>;
    ZeroPadding3D = layers::ZeroPadding<5>;
}
