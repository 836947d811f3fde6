"""Layers that wrap or embed, and those that Keras 3 hides or no longer has."""

import keras
from keras import layers as L
from keras.src.applications.convnext import LayerScale, StochasticDepth
from keras.src.applications.inception_resnet_v2 import CustomScaleLayer

from harness import family
from bygone import LocallyConnected1D, LocallyConnected2D, ThresholdedReLU

case = family("hidden")
IDS = {"dtype": "int32", "ints": 6}


def masked(ids):
    return L.Embedding(6, 4, mask_zero=True)(ids)


def there_and_back(**options):
    def graph(ids):
        embedding = L.ReversibleEmbedding(6, 4, **options)
        x = embedding(ids)
        return [embedding(L.Dense(4)(x), reverse=True), L.LSTM(2)(L.Reshape((-1, 4))(x)) if len(x.shape) > 3 else L.LSTM(2)(x), x]

    return graph


case("reversible_tied", x=(5,), graph=there_and_back(mask_zero=True), **IDS)
case("reversible_untied", x=(None,), graph=there_and_back(tie_weights=False, reverse_dtype="float32"), **IDS)
case("reversible_capped", x=(3, 2), graph=there_and_back(logit_soft_cap=0.3), **IDS)

SPECTRAL = L.SpectralNormalization
case("spectral_dense", x=(5,), layer=lambda: SPECTRAL(L.Dense(4, activation="relu")))
case("spectral_convolutions", x=(7, 6, 3), layer=lambda: [SPECTRAL(L.Conv2D(4, 3), power_iterations=3), SPECTRAL(L.Conv2DTranspose(2, 2)), SPECTRAL(L.EinsumDense("abcd,de->abce", (None, None, 3)))])
case("spectral_embedding", x=(5,), layer=lambda: SPECTRAL(L.Embedding(6, 4)), **IDS)
case("spectral_drops_mask", x=(5,), layer=lambda: [L.Embedding(6, 4, mask_zero=True), SPECTRAL(L.Dense(3)), L.LSTM(2)], **IDS)

FIRST = {"data_format": "channels_first"}
LOCAL1 = {"valid": (3,), "strides": (2, 2), "same": (3, 2, "same"), "same_even": (4, 1, "same")}
LOCAL2 = {"valid": (2,), "window": ((3, 2), (1, 2)), "same": ((2, 3), (2, 1), "same")}

for kind, shape, forms in (LocallyConnected1D, (7, 3), LOCAL1), (LocallyConnected2D, (5, 4, 2), LOCAL2):
    for implementation in (1, 2, 3):
        def graph(x, k=kind, i=implementation, f=forms):
            fits = [form for form in f.values() if i > 1 or "same" not in form]
            x_first = L.Permute((len(x.shape) - 1, *range(1, len(x.shape) - 1)))(x)
            options = {"implementation": i}
            return [k(3, *form, activation="tanh", **options)(x) for form in fits] + [k(2, *form, use_bias=form == fits[0], **FIRST, **options)(x_first) for form in fits]

        case(f"{kind.__name__.lower()}_{implementation}", x=shape, graph=graph)

case("thresholded", x=(5,), layer=lambda: [L.Embedding(6, 4, mask_zero=True), ThresholdedReLU(0.2), L.LSTM(2)], **IDS)
case("thresholded_default", x=(5, 3), graph=lambda x: [ThresholdedReLU()(x), ThresholdedReLU(0.0)(x)])
case("thresholded_image", x=(6, 5, 2), layer=lambda: [L.Conv2D(3, 2), ThresholdedReLU(0.1), L.Conv2D(2, 1)])

case("layer_scale", x=(6, 5, 4), layer=lambda: [L.Conv2D(4, 3), LayerScale(1e-6, 4), L.Conv2D(2, 1), StochasticDepth(0.3)])
case("layer_scale_after_mask", x=(5,), graph=lambda x: [L.LSTM(2)(kind(masked(x))) for kind in (LayerScale(0.5, 4), LayerScale(0.5, 1), StochasticDepth(0.5))], **IDS)
case("layer_scale_flat", x=(5,), graph=lambda x: [LayerScale(0.5, 5)(x), StochasticDepth(0.1)(x)])
case("custom_scale", x=[(5, 6, 2), (5, 6, 2)], graph=lambda x, y: [CustomScaleLayer(scale=0.3)([x, y]), CustomScaleLayer(scale=-2.0)([L.Conv2D(2, 1)(x), L.Conv2D(2, 1)(y)])])
case("custom_scale_spread", x=[(5, 1), (5, 4)], graph=lambda x, y: CustomScaleLayer(scale=1.5)([x, y]))
case("custom_scale_after_mask", x=[(5,), (5,)], graph=lambda x, y: L.LSTM(2)(CustomScaleLayer(scale=0.5)([masked(x), masked(y)])), **IDS)
