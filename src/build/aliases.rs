//! The kinds of layers under Keras' names.

use super::Fresh;
use crate::layers;

/// Declares what a fresh layer is called, and the paths of these names.
macro_rules! aliases {
    ($($(#[$meta:meta])* $name:ident = $config:ty;)+) => {
        $(
            #[doc = concat!("A `", stringify!($name), "` of a model to be.")]
            $(#[$meta])*
            pub type $name = Fresh<$config>;
        )+

        /// The classes of Keras that have a name here, and the paths of these names.
        pub(crate) const ALIASES: &[(&str, &str)] =
            &[$((stringify!($name), concat!("burn_keras::build::", stringify!($name)))),+];
    };
}

aliases! {
    Activation = layers::Activation;
    ActivityRegularization = layers::ActivityRegularization;
    AdaptiveAveragePooling1D = layers::AdaptiveAveragePooling<3>;
    AdaptiveAveragePooling2D = layers::AdaptiveAveragePooling<4>;
    AdaptiveAveragePooling3D = layers::AdaptiveAveragePooling<5>;
    AdaptiveMaxPooling1D = layers::AdaptiveMaxPooling<3>;
    AdaptiveMaxPooling2D = layers::AdaptiveMaxPooling<4>;
    AdaptiveMaxPooling3D = layers::AdaptiveMaxPooling<5>;
    Add = layers::Add;
    AdditiveAttention = layers::AdditiveAttentionConfig;
    AlphaDropout = layers::AlphaDropoutConfig;
    Attention = layers::AttentionConfig;
    AugMix = layers::AugMix;
    AutoContrast = layers::AutoContrast;
    Average = layers::Average;
    AveragePooling1D = layers::AveragePooling<3>;
    AveragePooling2D = layers::AveragePooling<4>;
    AveragePooling3D = layers::AveragePooling<5>;
    BatchNormalization = layers::BatchNormalizationConfig;
    Bidirectional = layers::BidirectionalConfig;
    CategoryEncoding = layers::CategoryEncoding;
    CenterCrop = layers::CenterCrop;
    Concatenate = layers::Concatenate;
    ContrastLimitedAdaptiveHistogramEqualization = layers::ContrastLimitedAdaptiveHistogramEqualization;
    Conv1D = layers::ConvConfig<3>;
    Conv1DTranspose = layers::ConvTransposeConfig<3>;
    Conv2D = layers::ConvConfig<4>;
    Conv2DTranspose = layers::ConvTransposeConfig<4>;
    Conv3D = layers::ConvConfig<5>;
    Conv3DTranspose = layers::ConvTransposeConfig<5>;
    ConvLSTM1D = layers::ConvLSTMConfig<3>;
    ConvLSTM2D = layers::ConvLSTMConfig<4>;
    ConvLSTM3D = layers::ConvLSTMConfig<5>;
    Cropping1D = layers::Cropping1D;
    Cropping2D = layers::Cropping<4>;
    Cropping3D = layers::Cropping<5>;
    CutMix = layers::CutMix;
    Dense = layers::DenseConfig;
    DepthwiseConv1D = layers::DepthwiseConvConfig<3>;
    DepthwiseConv2D = layers::DepthwiseConvConfig<4>;
    Discretization = layers::Discretization;
    Dot = layers::Dot;
    Dropout = layers::DropoutConfig;
    ELU = layers::ELU;
    EinsumDense = layers::EinsumDenseConfig;
    Embedding = layers::EmbeddingConfig;
    Equalization = layers::Equalization;
    Flatten = layers::Flatten;
    GRU = layers::GRUConfig;
    GRUCell = layers::GRUCellConfig;
    GaussianDropout = layers::GaussianDropoutConfig;
    GaussianNoise = layers::GaussianNoiseConfig;
    GlobalAveragePooling1D = layers::GlobalAveragePooling<3>;
    GlobalAveragePooling2D = layers::GlobalAveragePooling<4>;
    GlobalAveragePooling3D = layers::GlobalAveragePooling<5>;
    GlobalMaxPooling1D = layers::GlobalMaxPooling<3>;
    GlobalMaxPooling2D = layers::GlobalMaxPooling<4>;
    GlobalMaxPooling3D = layers::GlobalMaxPooling<5>;
    GroupNormalization = layers::GroupNormalizationConfig;
    GroupQueryAttention = layers::GroupQueryAttentionConfig;
    HashedCrossing = layers::HashedCrossing;
    Hashing = layers::Hashing;
    Identity = layers::Identity;
    Input = layers::InputLayerConfig;
    IntegerLookup = layers::IntegerLookupConfig;
    LSTM = layers::LSTMConfig;
    LSTMCell = layers::LSTMCellConfig;
    LayerNormalization = layers::LayerNormalizationConfig;
    LeakyReLU = layers::LeakyReLU;
    Masking = layers::Masking;
    MaxNumBoundingBoxes = layers::MaxNumBoundingBoxes;
    MaxPooling1D = layers::MaxPooling<3>;
    MaxPooling2D = layers::MaxPooling<4>;
    MaxPooling3D = layers::MaxPooling<5>;
    Maximum = layers::Maximum;
    MelSpectrogram = layers::MelSpectrogram;
    Minimum = layers::Minimum;
    MixUp = layers::MixUp;
    MultiHeadAttention = layers::MultiHeadAttentionConfig;
    Multiply = layers::Multiply;
    Normalization = layers::NormalizationConfig;
    PReLU = layers::PReLUConfig;
    Permute = layers::Permute;
    Pipeline = layers::PipelineConfig;
    RMSNormalization = layers::RMSNormalizationConfig;
    RNN = layers::RNNConfig;
    RandAugment = layers::RandAugment;
    RandomBrightness = layers::RandomBrightness;
    RandomColorDegeneration = layers::RandomColorDegeneration;
    RandomColorJitter = layers::RandomColorJitter;
    RandomContrast = layers::RandomContrast;
    RandomCrop = layers::RandomCrop;
    RandomElasticTransform = layers::RandomElasticTransform;
    RandomErasing = layers::RandomErasing;
    RandomFlip = layers::RandomFlip;
    RandomGaussianBlur = layers::RandomGaussianBlur;
    RandomGrayscale = layers::RandomGrayscale;
    RandomHue = layers::RandomHue;
    RandomInvert = layers::RandomInvert;
    RandomPerspective = layers::RandomPerspective;
    RandomPosterization = layers::RandomPosterization;
    RandomRotation = layers::RandomRotation;
    RandomSaturation = layers::RandomSaturation;
    RandomSharpness = layers::RandomSharpness;
    RandomShear = layers::RandomShear;
    RandomTranslation = layers::RandomTranslation;
    RandomZoom = layers::RandomZoom;
    ReLU = layers::ReLU;
    RepeatVector = layers::RepeatVector;
    Rescaling = layers::Rescaling;
    Reshape = layers::Reshape;
    Resizing = layers::Resizing;
    ReversibleEmbedding = layers::ReversibleEmbeddingConfig;
    STFTSpectrogram = layers::STFTSpectrogramConfig;
    SeparableConv1D = layers::SeparableConvConfig<3>;
    SeparableConv2D = layers::SeparableConvConfig<4>;
    SimpleRNN = layers::SimpleRNNConfig;
    SimpleRNNCell = layers::SimpleRNNCellConfig;
    Softmax = layers::Softmax;
    Solarization = layers::Solarization;
    SpatialDropout1D = layers::SpatialDropout1DConfig;
    SpatialDropout2D = layers::SpatialDropoutConfig<4>;
    SpatialDropout3D = layers::SpatialDropoutConfig<5>;
    SpectralNormalization = layers::SpectralNormalizationConfig;
    StackedRNNCells = layers::StackedRNNCellsConfig;
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
