"""Records what the losses of real Keras give: values, gradients, and what `evaluate` makes of several.

Usage: losses.py OUTPUT_FOLDER     with keras (on JAX) installed

All numbers go into one flat array; the manifest says which of them, in what shape, are what.
"""

import inspect
import json
import os
import sys
from pathlib import Path

os.environ["KERAS_BACKEND"] = "jax"

import jax
import keras
import numpy as np
from keras.src import backend
from keras.src import losses as internals
from keras.src.losses.losses import LossFunctionWrapper
from keras.src.trainers.data_adapters import data_adapter_utils

rng = np.random.default_rng(7)
REDUCTIONS = ["sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none"]


class Arrays:
    """A flat array and where in it is what; equal arrays are stored once."""

    def __init__(self):
        self.numbers, self.table, self.known = [], [], {}

    def add(self, array):
        if array is None:
            return None
        array = np.asarray(array)
        key = (str(array.dtype), array.shape, array.tobytes())
        if key not in self.known:
            self.known[key] = len(self.table)
            start = sum(len(part) for part in self.numbers)
            self.numbers.append(array.astype("float32").reshape(-1))
            self.table.append([str(array.dtype), start, list(array.shape)])
        return self.known[key]


arrays = Arrays()
cases = []


def f32(*numbers):
    return np.array(numbers, "float32")


def uniform(*shape, low=-2.0, high=2.0):
    return rng.uniform(low, high, shape).astype("float32")


def probabilities(*shape):
    x = uniform(*shape, low=0.05, high=1.0)
    return x / x.sum(-1, keepdims=True)


def one_hot(classes, *shape):
    return np.eye(classes, dtype="float32")[rng.integers(0, classes, shape)]


def case(kind, settings, y_true, y_pred, weight=None, mask=None, gradients=True):
    """One loss of one pair of arrays."""
    loss = getattr(internals, kind, None) or getattr(keras.losses, kind)
    loss = loss(**settings)
    described = keras.saving.serialize_keras_object(loss)
    # Keras reads more settings than it writes.
    written = dict(described["config"])
    described["config"] |= {key: value for key, value in settings.items() if key not in written}

    def total(y_pred):
        if mask is not None:
            backend.set_keras_mask(y_pred, jax.numpy.asarray(mask))
        value = loss(y_true, y_pred, weight)
        return jax.numpy.sum(value), value

    y_pred = np.asarray(y_pred)
    if y_pred.dtype == np.float32 and gradients:
        (_, value), gradient = jax.value_and_grad(total, has_aux=True)(jax.numpy.asarray(y_pred))
    else:
        (_, value), gradient = total(jax.numpy.asarray(y_pred)), None
    given = [y_true, y_pred, weight, mask, value, gradient]
    entry = {"loss": described, "arrays": [arrays.add(array) for array in given]}
    if written != described["config"]:
        entry["unwritten"] = sorted(set(described["config"]) - set(written))
    cases.append(entry)


def in_every_way(kind, settings, y_true, y_pred, steps):
    """All reductions, weights and masks. `steps` is the shape of the losses."""
    batch = steps[0]
    weights = [None, uniform(*steps, low=0.1), np.zeros(steps, "float32")]
    if len(steps) > 1:
        weights.append(uniform(batch, 1, low=0.1))
    mask = np.ones(steps, bool).reshape(-1)
    mask[::3] = False
    masks = [None, mask.reshape(steps), np.zeros(steps, bool)]
    for reduction in REDUCTIONS:
        for weight in weights:
            for mask in masks:
                case(kind, {**settings, "reduction": reduction}, y_true, y_pred, weight, mask)


def in_some_ways(kind, settings, y_true, y_pred):
    case(kind, settings, y_true, y_pred)
    losses = np.asarray(getattr(keras.losses, kind)(**settings, reduction="none")(y_true, y_pred)).shape
    if not losses:
        return
    case(kind, {**settings, "reduction": "none"}, y_true, y_pred)
    mask = np.ones(losses, bool).reshape(-1)
    mask[0] = False
    weight = uniform(*losses, low=0.1)
    case(kind, {**settings, "reduction": "mean_with_sample_weight"}, y_true, y_pred, weight, mask.reshape(losses))
    case(kind, {**settings, "reduction": "sum"}, y_true, y_pred, weight)


# Numbers.
a, b = uniform(4, 3), uniform(4, 3)
edges = f32(0, 1, -1, 0.5, 1e-7, 2, -1.5, 100, 0.25, 0, 1, 3).reshape(4, 3)
like_edges = edges.copy()
like_edges[1] = [0, 1e-3, -2]
positive, also_positive = uniform(4, 3, low=0.1), uniform(4, 3, low=0.1)
NUMBERS = [
    "MeanSquaredError",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredLogarithmicError",
    "CosineSimilarity",
    "Huber",
    "LogCosh",
    "Hinge",
    "SquaredHinge",
    "CategoricalHinge",
    "KLDivergence",
    "Poisson",
]
for kind in NUMBERS:
    y_true, y_pred = (positive, also_positive) if kind == "Poisson" else (a, b)
    in_some_ways(kind, {}, y_true, y_pred)
    case(kind, {}, np.abs(edges), np.abs(like_edges))
    case(kind, {}, np.abs(edges), np.abs(edges))
    if kind != "Poisson":
        case(kind, {}, edges, like_edges)
    case(kind, {}, positive[:, :1], also_positive)
    case(kind, {}, positive[0], also_positive)
    case(kind, {}, uniform(2, 2, 3, low=0.1), uniform(2, 2, 3, low=0.1))
    case(kind, {}, positive[:, 0], also_positive[:, :1])
    case(kind, {}, positive[:, :1], also_positive[:, 0])
    case(kind, {}, uniform(2, 2, 1, low=0.1), uniform(2, 2, low=0.1))
    case(kind, {}, positive[:, 0], also_positive[:, 0])
in_every_way("MeanSquaredError", {}, uniform(2, 3, 2), uniform(2, 3, 2), (2, 3))
in_every_way("MeanAbsoluteError", {}, uniform(5, 2), uniform(5, 2), (5,))
case("MeanSquaredError", {}, a, b, weight=uniform(4, low=0.1).reshape(4, 1))
case("MeanSquaredError", {}, a, b, weight=np.array([1, 0, 2, 3], "int64"))
case("MeanSquaredError", {}, uniform(3, 3, 2), uniform(3, 3, 2), weight=uniform(3))
case("MeanSquaredError", {}, uniform(2, 3, 2), uniform(2, 3, 2), mask=np.array([[True], [False]]))
for dtype in ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "bool", "float16", "float64"]:
    case("MeanSquaredError", {}, np.abs(edges[:, :2] * 2).clip(0, 1).astype(dtype), b[:, :2])
case("MeanSquaredError", {}, a, b.astype("float16"))
case("MeanSquaredError", {"name": "mine"}, a, b)
for delta in [0.3, 2.0]:
    case("Huber", {"delta": delta}, a, b)
case("Huber", {"delta": 0.5}, f32(0, 0, 1, 2), f32(0.5, -0.5, 1, 1.5))
for axis in [0, 1, -2]:
    case("CosineSimilarity", {"axis": axis}, uniform(2, 3, 4), uniform(2, 3, 4))
zero_row = a.copy()
zero_row[0] = 0
case("CosineSimilarity", {}, zero_row, b)
labels = f32(0, 1, 1, 0, 1, 0).reshape(3, 2)
meets = f32(-1, 1, 0.5, 2, -3, 0).reshape(3, 2)
for kind in ["Hinge", "SquaredHinge"]:
    case(kind, {}, labels, meets)
    case(kind, {}, labels.astype("int32"), meets)
    case(kind, {}, 2 * labels - 1, meets)
    case(kind, {}, labels * 3, meets)
case("CategoricalHinge", {}, one_hot(3, 4), np.zeros((4, 3), "float32"))
case("CategoricalHinge", {}, np.eye(3, dtype="float32"), f32(1, 0, 0, -1, 1, 0, 2, 2, 3).reshape(3, 3))

# Probabilities.
certain = f32(0, 1, 1e-7, 1 - 1e-7, 0.5, 1, 0, 1, 0.2, 0.8, 0, 1).reshape(3, 4)
beyond = f32(-0.5, 1.5, 0.3, 2, 0.5, -1, 0.1, 0.9, 1.01, -0.01, 0, 1).reshape(3, 4)
large = f32(100, -100, 0, 20, -20, 1, 0, 0, 0, 1e4, -1e4, 3).reshape(3, 4)
targets = {"hard": rng.integers(0, 2, (3, 4)).astype("float32"), "soft": uniform(3, 4, low=0, high=1)}
for kind, others in [
    ("BinaryCrossentropy", [{}]),
    (
        "BinaryFocalCrossentropy",
        [{}, {"apply_class_balancing": True, "alpha": 0.3}, {"gamma": 1.0}, {"gamma": 3.0}, {"gamma": 0.0}],
    ),
]:
    for settings in others:
        for name, y_true in targets.items():
            in_some_ways(kind, settings, y_true, uniform(3, 4, low=0.05, high=0.95))
            # JAX has no gradient of the power 0 of 0.
            case(kind, settings, y_true, certain, gradients=settings.get("gamma") != 0)
            case(kind, {**settings, "label_smoothing": 0.2}, y_true, uniform(3, 4, low=0.1, high=0.9))
            case(kind, {**settings, "from_logits": True}, y_true, uniform(3, 4))
            case(kind, {**settings, "from_logits": True, "label_smoothing": 0.1}, y_true, large)
    case(kind, {}, targets["hard"], beyond)
    case(kind, {}, targets["hard"], 1 - targets["hard"])
    case(kind, {}, targets["hard"], targets["hard"])
    case(kind, {"axis": 1}, one_hot(4, 2, 3), uniform(2, 3, 4, low=0.1, high=0.9))
    case(kind, {"axis": 0, "from_logits": True}, one_hot(4, 2, 3), uniform(2, 3, 4))
    case(kind, {}, f32(0, 1, 1), uniform(3, 1, low=0.1, high=0.9))
    case(kind, {}, np.array([[0], [1], [1]]), uniform(3, low=0.1, high=0.9))
    case(kind, {}, np.array([[0], [1], [1]], bool), uniform(3, 1, low=0.1, high=0.9))
case("BinaryFocalCrossentropy", {"gamma": 2.5}, targets["hard"], uniform(3, 4, low=0.1, high=0.9))
classes = {"hard": one_hot(4, 3), "soft": probabilities(3, 4)}
for kind, others in [
    ("CategoricalCrossentropy", [{}]),
    ("CategoricalFocalCrossentropy", [{}, {"alpha": 0.7, "gamma": 1.5}, {"gamma": 0.0}]),
]:
    for settings in others:
        for y_true in classes.values():
            in_some_ways(kind, settings, y_true, probabilities(3, 4))
            case(kind, settings, y_true, uniform(3, 4, low=0.1, high=3))
            case(kind, settings, y_true, classes["hard"])
            case(kind, {**settings, "label_smoothing": 0.2}, y_true, probabilities(3, 4))
            case(kind, {**settings, "from_logits": True}, y_true, uniform(3, 4))
            case(kind, {**settings, "from_logits": True, "label_smoothing": 0.1}, y_true, large)
    case(kind, {}, np.full((3, 1), 1.0, "float32"), uniform(3, 1, low=0.1))
    case(kind, {"axis": 1}, one_hot(3, 2, 4).transpose(0, 2, 1), uniform(2, 3, 4, low=0.1))
    case(kind, {"axis": 1, "from_logits": True, "label_smoothing": 0.1}, uniform(2, 3, 4), uniform(2, 3, 4))
    case(kind, {}, one_hot(4, 3).astype("int32"), probabilities(3, 4))
numbers = np.array([2, 0, 3], "int32")
for settings in [{}, {"from_logits": True}, {"ignore_class": 0}, {"ignore_class": -1}, {"from_logits": True, "ignore_class": 2}]:
    y_pred = uniform(3, 4) if settings.get("from_logits") else probabilities(3, 4)
    in_some_ways("SparseCategoricalCrossentropy", settings, numbers, y_pred)
    case("SparseCategoricalCrossentropy", settings, numbers.reshape(3, 1), y_pred)
    case("SparseCategoricalCrossentropy", settings, np.array([-1, 4, 1]), y_pred)
    case("SparseCategoricalCrossentropy", settings, np.array([[1, 2, 0], [3, 3, 0]]), uniform(2, 3, 4, low=0.1))
    case("SparseCategoricalCrossentropy", settings, np.array([[[1], [2]], [[3], [0]]]), uniform(2, 2, 4, low=0.1))
for dtype in ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "float32", "float16", "bool"]:
    case("SparseCategoricalCrossentropy", {}, numbers.astype(dtype), probabilities(3, 4))
case("SparseCategoricalCrossentropy", {}, f32(1.9, 0.5, 2.0), probabilities(3, 4))
case("SparseCategoricalCrossentropy", {"from_logits": True}, numbers, large)
case("SparseCategoricalCrossentropy", {"ignore_class": 2}, np.array([2, 2]), probabilities(2, 4))
case("SparseCategoricalCrossentropy", {}, np.array([0, 0]), uniform(2, 1, low=0.1))
sequence = rng.integers(0, 4, (2, 3))
in_every_way("SparseCategoricalCrossentropy", {"ignore_class": 1, "from_logits": True}, sequence, uniform(2, 3, 4), (2, 3))
for q in [0.5, 0.2, 0.9]:
    in_some_ways("CategoricalGeneralizedCrossEntropy", {"q": q}, numbers, probabilities(3, 4))
case("CategoricalGeneralizedCrossEntropy", {}, sequence, uniform(2, 3, 4, low=0.1))
case("CategoricalGeneralizedCrossEntropy", {}, numbers.reshape(3, 1), uniform(3, 4, low=0.1))

# Areas.
area, other_area = rng.integers(0, 2, (2, 3, 4)).astype("float32"), uniform(2, 3, 4, low=0, high=1)
for kind, others in [("Dice", [{}]), ("Tversky", [{}, {"alpha": 0.3, "beta": 0.8}])]:
    for settings in others:
        for axis in [None, -1, [1, 2], [0, 1]]:
            in_some_ways(kind, {**settings, "axis": axis}, area, other_area)
    case(kind, {}, area, other_area, weight=f32(1, 2))
    case(kind, {}, np.zeros((2, 2), "float32"), np.zeros((2, 2), "float32"))
    case(kind, {}, area[0, 0], other_area[0, 0].reshape(4, 1))
    case(kind, {"axis": -1}, area[:, :, :1], other_area)
    case(kind, {}, area.astype("int32"), other_area)
in_every_way("Dice", {"axis": [1, 2]}, area, other_area, (2,))


def unit(*shape):
    x = uniform(*shape)
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


for settings in [{}, {"remove_diagonal": False}, {"gamma": 3.0, "margin": 0.1}]:
    in_some_ways("Circle", settings, np.array([0, 1, 0, 2, 1]), unit(5, 3))
    case("Circle", settings, np.array([[0], [1], [0], [1]]), unit(4, 2))
    case("Circle", settings, np.array([0, 1, 2]), unit(3, 2))
    case("Circle", settings, np.array([1, 1, 1]), unit(3, 2))
    case("Circle", settings, np.array([0, 0, 1, 1]), np.eye(2, dtype="float32")[[0, 0, 1, 1]])
in_every_way("Circle", {"gamma": 2.0}, np.array([0, 1, 0, 2, 1]), unit(5, 3), (5,))
in_some_ways("CTC", {}, np.array([[1, 2, 0], [3, 3, 1]]), uniform(2, 6, 4))
case("CTC", {}, np.array([[1, 2, 0], [3, 3, 1]]), np.zeros((2, 6, 4), "float32"))
case("CTC", {}, np.array([[1], [0]]), uniform(2, 3, 4))
# What is impossible costs 100000, whose last digits are noise; so are the gradients of Keras.
case("CTC", {}, np.array([[1, 1, 1], [0, 0, 0]]), uniform(2, 2, 4), gradients=False)
case("CTC", {}, f32(1, 2, 5, 0).reshape(2, 2), uniform(2, 4, 3) * 10)

# A function with settings, as Keras writes it.
for function, settings in [("huber", {"delta": 0.5}), ("cosine_similarity", {"axis": 0}), ("mean_squared_error", {})]:
    wrapped = LossFunctionWrapper(getattr(keras.losses, function), reduction="sum", **settings)
    described = keras.saving.serialize_keras_object(wrapped)
    given = [a, b, None, None, wrapped(a, b), None]
    cases.append({"loss": described, "arrays": [arrays.add(array) for array in given], "wrapper": True})

# By name.
names = {}
for name, known in internals.ALL_OBJECTS_DICT.items():
    if name not in ("Loss", "LossFunctionWrapper"):
        function = known().fn if isinstance(known, type) else known
        names[name] = function.__name__

compiled = []


def model(outputs, masked=False):
    """A model whose outputs are its inputs, in a list or a dict."""
    layer = keras.layers.Masking if masked else keras.layers.Identity
    inputs = {name: keras.Input(array.shape[1:], name=f"in_{name}") for name, array in outputs.items()}
    found = {name: layer(name=name)(x) for name, x in inputs.items()}
    return keras.Model(list(inputs.values()), list(found.values()) if len(found) > 1 else found[name_of(found)])


def name_of(outputs):
    return next(iter(outputs))


def compile_case(outputs, loss, weights=None, y=None, sample_weight=None, masked=False):
    """`outputs`: what the model gives, by name. `y`: targets in a list, a dict, or one."""
    keras.utils.clear_session()
    entry = {"outputs": list(outputs), "loss": described(loss), "loss_weights": weights}

    def stored(given):
        if isinstance(given, dict):
            return {name: arrays.add(array) for name, array in given.items()}
        return [arrays.add(array) for array in given] if isinstance(given, list) else arrays.add(given)

    entry |= {"y_pred": stored(list(outputs.values())), "y": stored(y), "sample_weight": stored(sample_weight)}
    if masked:
        entry["masks"] = [arrays.add((array != 0).any(-1)) for array in outputs.values()]
    try:
        made = model(outputs, masked)
        made.compile("sgd", loss=loss, loss_weights=weights)
        x = list(outputs.values())
        logs = made.evaluate(x if len(x) > 1 else x[0], y, sample_weight=sample_weight, batch_size=64, verbose=0, return_dict=True)
        entry["logs"] = {key: value for key, value in logs.items()}
    except Exception as error:
        entry["error"] = f"{type(error).__name__}: {str(error)[:60]}"
    compiled.append(entry)


def described(loss):
    if isinstance(loss, (list, tuple)):
        return [described(item) for item in loss]
    if isinstance(loss, dict):
        return {key: described(item) for key, item in loss.items()}
    return loss if loss is None or isinstance(loss, str) else keras.saving.serialize_keras_object(loss)


two = {"b": uniform(4, 2), "a": uniform(4, 3)}
one = {"only": uniform(4, 2)}
y_two, y_one = [uniform(4, 2), uniform(4, 3)], uniform(4, 2)
steps = {"s": uniform(3, 4, 2), "t": uniform(3, 4, 2)}
steps["s"][0, 2:] = 0
steps["t"][1:, 1] = 0
weight = f32(0.5, 2, 0, 1)
for loss, weights in [
    ("mse", None), (["mse"], None), (["mse", "mae"], None), ({"only": "mse"}, None), ({"other": "mse"}, None),
    ("mse", 2.0), ("mse", [3]), ("mse", [1, 2]), ({"only": "mae"}, {"only": 0.5}), (keras.losses.Huber(name="h"), None),
    (keras.losses.mean_absolute_error, None), ([["mae", "mse"]], None), ("unknown", None),
]:
    compile_case(one, loss, weights, y_one)
for loss, weights in [
    ("mse", None), (["mse"], None), (["mse", None], None), ([None, "mae"], None), (["mse", "mae", "mse"], None),
    ([["mse", "mae"], "mae"], None), ([["mse", "mae"], "mae"], [[1.0, 2.0], 3.0]), ([["mse", "mae"], "mae"], [1.0, 2.0, 3.0]),
    ([["mse", "mae"], "mae"], [1.0, 2.0]), ({"a": "mse", "b": "mae"}, None), ({"a": "mse", "b": None}, None),
    ({"a": ["mse", "mae"], "b": "mae"}, None), ({"a": "mse", "c": "mae"}, None), ({"a": "mse", "b": "mae"}, {"a": 10.0, "b": 100.0}),
    ({"a": "mse", "b": "mae"}, {"a": 10.0}), ({"a": "mse", "b": "mae"}, [10.0, 100.0]), (["mae", "mse"], {"a": 10.0, "b": 100.0}),
    ("mse", [1.0, 2.0]), ("mse", [2.0]), ("mse", 2.0), ("mse", {"a": 1.0, "b": 2.0}), (["mse", "mae"], [None, 2]),
    (["mse", None], [1.0, 2.0]), ([keras.losses.LogCosh(), keras.losses.cosine_similarity], [0.0, -1.0]), ([None, None], None),
    ({"a": ["mse", "mae"], "b": "mae"}, {"b": 5.0, "a": [1.0, 2.0]}), ([{"b": "mse"}, "mae"], None),
]:
    compile_case(two, loss, weights, y_two)
compile_case(two, ["mse", "mae"], None, {"a": y_two[1], "b": y_two[0]})
compile_case(two, {"a": "mse", "b": None}, None, {"a": y_two[1], "b": y_two[0]})
compile_case(two, ["mse", None], None, {"b": y_two[0]})
compile_case(two, [None, "mse"], None, [y_two[1]])
compile_case(two, ["mse", "mae"], None, [y_two[1]])
compile_case(two, ["mse", "mae"], [0.3, 0.7], y_two, weight)
compile_case(two, ["mse", "mae"], None, y_two, weight.reshape(4, 1))
compile_case(two, ["mse", "mae"], None, y_two, [weight, f32(1, 1, 2, 2)])
compile_case(two, ["mse", "mae"], None, y_two, [weight, None])
compile_case(one, "mse", None, y_one, weight)
compile_case(steps, ["mse", "mae"], None, [uniform(3, 4, 2), uniform(3, 4, 2)], None, masked=True)
compile_case(steps, "mse", [2.0], [uniform(3, 4, 2), uniform(3, 4, 2)], [uniform(3, 4), uniform(3, 4)], masked=True)
compile_case(steps, "mse", None, [uniform(3, 4, 2), uniform(3, 4, 2)], uniform(3, 4), masked=True)
for name in ["crossentropy", "CE"]:
    compile_case({"p": uniform(4, 1, low=0.1, high=0.9)}, name, None, np.array([[0], [1], [1], [0]]))
    compile_case({"p": probabilities(4, 3)}, name, None, np.array([0, 1, 2, 0]))
    compile_case({"p": probabilities(4, 3)}, name, None, np.array([[0], [1], [2], [0]]))
    compile_case({"p": probabilities(4, 3)}, name, None, one_hot(3, 4))

weighed = []
for y, weights in [
    (np.array([0, 1, 2, 1]), {0: 0.5, 1: 2.0}),
    (np.array([[0], [1], [2], [1]], "int64"), {0: 0.5, 2: 3}),
    (np.array([0.5, 1.5, 2.5, -0.4], "float32"), {0: 5.0, 2: 7.0}),
    (np.array([[0.2, 0.8, 0.8], [1, 0, 0], [0, 0, 1]], "float32"), {0: 0.1, 1: 0.2, 2: 0.3}),
    (np.array([[True], [False]]), {1: 4.0}),
]:
    found = data_adapter_utils.class_weight_to_sample_weights(y, weights)
    weighed.append({"y": arrays.add(y), "weights": {str(key): value for key, value in weights.items()}, "found": arrays.add(found)})

folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
np.savez_compressed(folder / "numbers.npz", numbers=np.concatenate(arrays.numbers))
is_class = lambda known: isinstance(known, type) and issubclass(known, keras.losses.Loss) and known is not keras.losses.Loss
classes = sorted(name for name in dir(keras.losses) if is_class(getattr(keras.losses, name)))
manifest = {
    "keras": keras.__version__,
    "classes": classes,
    # What Keras takes in a config, written or not.
    "settings": {name: sorted(inspect.signature(getattr(keras.losses, name)).parameters) for name in classes},
    "names": names,
    "cases": cases,
    "compiled": compiled,
    "class_weights": weighed,
    "arrays": arrays.table,
}
lines = [f'"{key}": {json.dumps(value)}' for key, value in manifest.items() if not isinstance(value, list) or key == "classes"]
lines += [
    f'"{key}": [\n' + ",\n".join(json.dumps(item, separators=(",", ":")) for item in value) + "\n]"
    for key, value in manifest.items()
    if isinstance(value, list) and key != "classes"
]
(folder / "manifest.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
print(len(cases), "losses,", len(compiled), "compiled models,", len(arrays.table), "arrays")
