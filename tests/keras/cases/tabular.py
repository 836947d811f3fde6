"""Numbers of tables: encodings, ranges and the layers of a FeatureSpace."""

import keras
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


def pipeline():
    inner = L.Pipeline([L.Dense(2, trainable=False, activation="tanh")])
    return L.Pipeline([L.Dense(3), L.BatchNormalization(), L.Dense(2), L.Dropout(0.5), inner])


case("pipeline", (4,), lambda: [pipeline(), L.Dense(1)])
case("pipeline_masks", (5, 3), lambda: [L.Pipeline([L.Masking(), L.Dropout(0.1)]), L.Pipeline([L.LSTM(2)])], masked=True)
case("pipeline_images", (4, 4, 3), graph=lambda x: L.Pipeline(
    [L.Rescaling(2.0, 1.0), L.Conv2D(2, 3), L.ReLU()]
)(x))

COLOURS = ["red", "green", "blue", "mauve"]
STRINGS = {"strings": COLOURS, "backend": "tensorflow", "batch": 5, "ints": 10}


def looked_up():
    lookup = L.StringLookup(num_oov_indices=2)
    lookup.adapt(np.array(COLOURS[:2]))
    return L.Pipeline([lookup, L.Embedding(4, 3), L.Flatten()])


case("pipeline_strings", (2,), looked_up, dtype="string", **STRINGS)


def table(features, **options):
    """A model on what a FeatureSpace makes of a table."""
    space = keras.utils.FeatureSpace(features, **options)
    rng = np.random.default_rng(5)
    columns = {name: rng.normal(size=20).astype("float32") for name in features}
    for name, tensor in space.inputs.items():
        if tensor.dtype == "string":
            columns[name] = rng.choice(COLOURS[:3], 20)
        elif "int" in tensor.dtype:
            columns[name] = rng.integers(0, 6, 20)
    space.adapt(tensorflow().data.Dataset.from_tensor_slices(columns))
    encoded = space.get_encoded_features()
    outputs = encoded if isinstance(encoded, dict) else L.Dense(2)(encoded)
    return keras.Model(space.get_inputs(), outputs)


def tensorflow():
    import tensorflow

    return tensorflow


SPACE = keras.utils.FeatureSpace
case("features", model=lambda: table(
    {
        "age": SPACE.float_discretized(num_bins=3),
        "code": SPACE.string_hashed(8),
        "colour": "string_categorical",
        "count": "integer_categorical",
        "height": SPACE.float_rescaled(scale=0.5, offset=1.0),
        "number": SPACE.integer_hashed(8),
        "plain": "float",
        "price": "float_normalized",
    },
    crosses=[("colour", "count"), ("code", "age")],
    crossing_dim=8,
), **STRINGS)
case("features_apart", model=lambda: table(
    {
        "colour": SPACE.string_categorical(output_mode="int", num_oov_indices=2, max_tokens=4),
        "count": SPACE.integer_categorical(num_oov_indices=3),
        "text": SPACE.feature(preprocessor=L.TextVectorization(output_mode="tf_idf"), dtype="string", output_mode="float"),
    },
    crosses=[SPACE.cross(("colour", "count"), crossing_dim=12, output_mode="int")],
    output_mode="dict",
), **STRINGS)
case("features_of_numbers", model=lambda: table(
    {"count": "integer_categorical", "age": SPACE.float_discretized(4, output_mode="int"), "price": "float_normalized"},
    output_mode="dict",
), **STRINGS)


# Every way in which a Normalization has its numbers.
def normalized(x):
    adapted = L.Normalization(axis=(1, -1), name="adapted")
    adapted.adapt(np.random.default_rng(7).normal(1.0, 2.0, (9, 3, 2)))
    back = L.Normalization(axis=None, invert=True, name="back")
    back.adapt(np.random.default_rng(8).normal(1.0, 2.0, (9, 3, 2)))
    return [
        adapted(x),
        back(x),
        L.Normalization(mean=[1.0, -2.0], variance=[4.0, 0.25], name="given")(x),
        L.Normalization(axis=(1, 2), mean=[[1.0, 2.0]], variance=[[4.0, 9.0]], invert=True, name="spread")(x),
        L.Normalization(axis=None, mean=1.5, variance=0.25, name="single")(x),
    ]


case("normalization", (3, 2), graph=normalized)
case("normalization_of_nothing", (2,), lambda: L.Normalization(mean=[1.0, 0.0], variance=[4.0, 0.0]), scale=1e-5)
case("normalization_of_ints", (2,), lambda: L.Normalization(mean=np.array([1, 2]), variance=[1.0, 4.0]), **INTS)
