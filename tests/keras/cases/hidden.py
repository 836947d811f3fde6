"""Layers that wrap or embed, and those that Keras 3 hides or no longer has."""

import keras
from keras import layers as L

from harness import family

case = family("hidden")
IDS = {"dtype": "int32", "ints": 6}


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
case("spectral_convolutions", x=(7, 6, 3), layer=lambda: [SPECTRAL(L.Conv2D(4, 3), power_iterations=3), SPECTRAL(L.Conv2DTranspose(2, 2)), SPECTRAL(L.EinsumDense("abcd,de->abce", (None, None, 3)), trainable=False)])
case("spectral_embedding", x=(5,), layer=lambda: SPECTRAL(L.Embedding(6, 4)), **IDS)
case("spectral_drops_mask", x=(5,), layer=lambda: [L.Embedding(6, 4, mask_zero=True), SPECTRAL(L.Dense(3)), L.LSTM(2)], **IDS)
