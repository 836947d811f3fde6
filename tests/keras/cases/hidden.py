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
