"""Numbers of tables: encodings, ranges and the layers of a FeatureSpace."""

import numpy as np
from keras import layers as L
from keras import ops

from harness import family

case = family("tabular")
INTS = {"dtype": "int32", "ints": 7, "batch": 3}


def encodings(x):
    return [
        L.CategoryEncoding(7, name="multi")(x),
        L.CategoryEncoding(7, output_mode="one_hot", name="one")(x),
        L.CategoryEncoding(7, output_mode="count", name="count")(x),
        L.CategoryEncoding(5, output_mode="count", name="few")(x - 1),
    ]


case("encoding", (4,), graph=encodings, **INTS)
case("encoding_one", (1,), lambda: L.CategoryEncoding(7, output_mode="one_hot"), **INTS)
case("encoding_flat", (), lambda: L.CategoryEncoding(7, output_mode="one_hot"), **INTS)
def deep_encodings(x):
    return [
        L.CategoryEncoding(7, name="multi")(x),
        L.CategoryEncoding(7, output_mode="one_hot", name="one")(x),
        L.CategoryEncoding(7, output_mode="count", name="count")(x),
    ]


def whole(x):
    return ops.cast(ops.cast(x, "int32"), "float32")


case("encoding_of_floats", (8,), graph=lambda x: deep_encodings(L.Concatenate()([x, whole(2 * x)])))
case("encoding_rank3", (3, 3), graph=deep_encodings, **INTS)


def weighted(x, y):
    return L.CategoryEncoding(7, output_mode="count")(x, count_weights=y)


case("encoding_weighted", [(4,), (4,)], graph=weighted, **INTS | {"dtype": ["int32", "float32"]})


def ranges(x):
    learned = L.Discretization(num_bins=4, name="learned")
    learned.adapt(np.random.default_rng(3).normal(size=(40,)))
    edges = [-0.5, 0.0, 0.75]
    return [
        learned(x),
        L.Discretization(edges, name="given")(x),
        L.Discretization(edges, output_mode="one_hot", name="one")(x),
        L.Discretization(edges, output_mode="multi_hot", name="multi")(x),
        L.Discretization(edges, output_mode="count", name="count")(x),
        L.Discretization([float("-inf"), 0, 0, float("inf")], name="open")(x),
    ]


case("ranges", (4,), graph=ranges)
case("ranges_one", (1,), lambda: L.Discretization([-0.5, 0.5], output_mode="one_hot"))


def ranges_of_ints(x):
    return [L.Discretization([1, 3, 4], name="whole")(x), L.Discretization([0.5, 3.0], name="broken")(x)]


case("ranges_of_ints", (2, 3), graph=ranges_of_ints, **INTS)
