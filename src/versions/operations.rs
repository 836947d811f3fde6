//! Where Keras 3 has its operations, which its HDF5 files do not say.

use crate::registry::rows;

/// The classes that are not in `numpy`, by their modules.
const MODULES: &[(&str, &str)] = &[
    (
        "keras.src.ops.image",
        "AffineTransform CropImages ExtractPatches GaussianBlur HSVToRGB MapCoordinates PadImages \
         PerspectiveTransform RGBToGrayscale RGBToHSV Resize SSIM ScaleAndTranslate SobelEdges",
    ),
    (
        "keras.src.ops.nn",
        "AveragePool BatchNorm BinaryCrossentropy CTCDecode CTCLoss CategoricalCrossentropy Celu Conv \
         DepthToSpace DepthwiseConv DotProductAttention Elu Fold Gelu Glu HardShrink HardSigmoid HardSilu \
         HardTanh LayerNorm LeakyRelu LogSigmoid LogSoftmax MaxPool Moments MultiHot Normalize OneHot PSNR \
         RMSNorm Relu Relu6 Selu SeparableConv Sigmoid Silu SoftShrink Softmax Softplus Softsign \
         SpaceToDepth SparseCategoricalCrossentropy SparsePlus SparseSigmoid Sparsemax Squareplus \
         TanhShrink Threshold Unfold",
    ),
    (
        "keras.src.ops.math",
        "CDist Erf Erfc Erfinv ExtractSequences FFT FFT2 IFFT2 IRFFT ISTFT InTopK Logdet Logsumexp RFFT \
         Rsqrt STFT SegmentMax SegmentMin SegmentProd SegmentSum TopK",
    ),
    (
        "keras.src.ops.core",
        "Cast ConvertToTensor SaturateCast Scatter ScatterUpdate Slice SliceUpdate StopGradient Unstack",
    ),
    (
        "keras.src.ops.linalg",
        "Cholesky CholeskyInverse Det Eigh Inv Lstsq LuFactor MatrixRank Norm Pinv Qr SVD Solve \
         SolveTriangular",
    ),
    ("keras.src.ops.einops", "Rearrange"),
    ("keras.src.activations.activations", "ReLU"),
];

/// The module of an operation, if it is one that this crate knows.
pub(super) fn module_of(class: &str) -> Option<&'static str> {
    rows().find(|row| row.operation && row.classes.contains(&class))?;
    let mut modules = MODULES.iter().filter(|(_, classes)| classes.split(' ').any(|known| known == class));
    Some(modules.next().map_or("keras.src.ops.numpy", |(module, _)| module))
}
