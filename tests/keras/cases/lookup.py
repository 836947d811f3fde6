"""Lookups: vocabularies from the config and from assets, every output and every way with the unknown."""

import keras
import numpy as np
from keras import layers as L

from harness import family

case = family("lookup")

WORDS = ["red", "green", "blue", "", "grün", "Red", "sky", "a b", "ab", "1234567890 and more than 64 bytes of text, for the hash"]
COLOURS = ["red", "green", "blue"]
STRINGS = {"dtype": "string", "strings": WORDS, "backend": "tensorflow", "batch": 4}
INTS = {"dtype": "int64", "ints": 12, "backend": "tensorflow", "batch": 4}


def learned(layer, data):
    """A layer whose vocabulary is an asset."""
    layer.adapt(np.array(data))
    return layer


# An empty string that is no mask would be lost when Keras reads the asset again.
SENTENCES = [["red", "green", "red", "grün"], ["blue", "red", "ab", "ab"], ["red", "sky", "sky", "sky"]]
NUMBERS = [[1, 2, 2, 3], [2, 7, 7, 9], [3, 3, 5, 5]]


def strings_to_numbers(x):
    return [
        L.StringLookup(vocabulary=COLOURS, name="plain")(x),
        L.StringLookup(vocabulary=COLOURS, mask_token="", num_oov_indices=3, name="hashed")(x),
        L.StringLookup(vocabulary=COLOURS, num_oov_indices=4, salt=[7, 1 << 40], name="salted")(x),
        L.StringLookup(vocabulary=COLOURS, num_oov_indices=5, salt=3, mask_token="ab", name="once")(x),
        L.StringLookup(vocabulary=["", "[UNK]", "red", "sky"], mask_token="", name="listed")(x),
        L.StringLookup(vocabulary=["?", "red"], oov_token="?", max_tokens=9, name="question")(x),
        learned(L.StringLookup(name="learned"), SENTENCES)(x),
        learned(L.StringLookup(mask_token="", num_oov_indices=2, max_tokens=5, name="few"), SENTENCES)(x),
        L.StringLookup(vocabulary=WORDS, num_oov_indices=0, name="known")(x),
    ]


case("strings", (3,), graph=strings_to_numbers, **STRINGS)
case("strings_of_any_shape", (2, 3, 2), lambda: L.StringLookup(vocabulary=COLOURS, num_oov_indices=2), **STRINGS)
case("strings_flat", (), lambda: learned(L.StringLookup(output_mode="one_hot"), SENTENCES), **STRINGS)


def strings_to_vectors(x):
    multi = {"output_mode": "multi_hot", "mask_token": "green"}
    return [
        L.StringLookup(vocabulary=COLOURS, output_mode="one_hot", num_oov_indices=2, mask_token="ab", name="one")(x),
        L.StringLookup(vocabulary=COLOURS[:1], num_oov_indices=2, name="multi", **multi)(x),
        L.StringLookup(vocabulary=COLOURS, pad_to_max_tokens=True, max_tokens=7, output_mode="count", name="padded")(x),
        learned(L.StringLookup(output_mode="count", mask_token="", name="counted"), SENTENCES)(x),
        learned(L.StringLookup(output_mode="tf_idf", name="weighted"), SENTENCES)(x),
        L.StringLookup(vocabulary=COLOURS, idf_weights=[0.5, 1.5, 2.5], output_mode="tf_idf", name="given")(x),
        L.StringLookup(
            vocabulary=["[UNK]", "red"], idf_weights=[0.25, 1.5], output_mode="tf_idf", name="all_given"
        )(x),
        L.StringLookup(
            vocabulary=COLOURS, idf_weights=np.array([1.0, 2.0, 4.0]), output_mode="tf_idf",
            pad_to_max_tokens=True, max_tokens=6, name="padded_weights",
        )(x),
    ]


case("string_vectors", (4,), graph=strings_to_vectors, **STRINGS)
case("string_one", (1,), lambda: L.StringLookup(vocabulary=COLOURS, output_mode="one_hot"), **STRINGS)


def there_and_back(x):
    numbers = L.StringLookup(vocabulary=COLOURS, mask_token="")(x)
    integers = L.IntegerLookup(vocabulary=[4, 3, 2], mask_token=0, name="integers")(numbers)
    return [
        L.StringLookup(vocabulary=COLOURS, mask_token="", invert=True, name="back")(numbers),
        learned(L.StringLookup(invert=True, oov_token="nothing", num_oov_indices=0, name="other"), SENTENCES)(numbers),
        L.IntegerLookup(vocabulary=[40, 30, 20], mask_token=-7, invert=True, oov_token=-9, name="numbers")(integers),
    ]


case("inverse", (3,), graph=there_and_back, **STRINGS)


def integers_to_numbers(x):
    signed = x - 5
    farm = {"oov_method": "farmhash", "num_oov_indices": 3}
    return [
        L.IntegerLookup(vocabulary=[3, 1, 2, 1 << 40], name="plain")(x),
        L.IntegerLookup(vocabulary=[3, -1], mask_token=0, num_oov_indices=4, name="remainder")(signed),
        L.IntegerLookup(vocabulary=[3, -1], mask_token=-2, name="hashed", **farm)(signed),
        L.IntegerLookup(vocabulary=[3, -1], salt=(5, 6), name="salted", **farm)(signed),
        learned(L.IntegerLookup(mask_token=2, num_oov_indices=2, name="learned"), NUMBERS)(x),
        L.IntegerLookup(vocabulary=list(range(12)), num_oov_indices=0, name="known")(x),
        L.IntegerLookup(vocabulary=[-1, 4, 5], name="listed")(x),
    ]


case("integers", (3,), graph=integers_to_numbers, **INTS)
case("integers_of_floats", (3,), lambda: L.IntegerLookup(vocabulary=[0, 1, -1], num_oov_indices=2), scale=2.5, backend="tensorflow")


def integers_to_vectors(x):
    return [
        L.IntegerLookup(vocabulary=[3, 1, 2], output_mode="one_hot", mask_token=5, name="one")(x),
        L.IntegerLookup(vocabulary=[3, 1, 2], output_mode="multi_hot", num_oov_indices=3, name="multi")(x),
        learned(L.IntegerLookup(output_mode="count", max_tokens=4, mask_token=7, name="counted"), NUMBERS)(x),
        learned(L.IntegerLookup(output_mode="tf_idf", num_oov_indices=2, name="weighted"), NUMBERS)(x),
    ]


case("integer_vectors", (5,), graph=integers_to_vectors, **INTS)


def on_jax():
    """Integers are looked up by JAX as well, as long as nothing is compiled."""
    x = keras.Input((3,), dtype="int32", name="x")
    rows = L.Embedding(8, 2)(learned(L.IntegerLookup(num_oov_indices=2), NUMBERS)(x))
    weighted = learned(L.IntegerLookup(output_mode="tf_idf", name="weighted"), NUMBERS)(x)
    model = keras.Model(x, [rows, weighted])
    model.compile(run_eagerly=True)
    return model


case("integers_on_jax", model=on_jax, ints=12, batch=4)
