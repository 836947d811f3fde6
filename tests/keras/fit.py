"""Training that Keras began, and goes on with.

Usage: fit.py make DIR             models in training, what they are trained with, and what Keras makes of it
       fit.py judge DIR WRITTEN    what was trained on elsewhere, in WRITTEN, is what Keras would have trained:
                                   it goes on from there to the same weights, and measures the same
"""

import json
import sys
from pathlib import Path

import h5py
import keras
import numpy as np
from keras import layers

TOLERANCE = 1e-5
L = layers
numbers = np.random.default_rng(7)


def floats(*shape):
    return numbers.normal(size=shape).astype("float32")


def dense():
    x = keras.Input((3,), name="x")
    y = L.Dense(
        4,
        activation="tanh",
        kernel_regularizer=keras.regularizers.L1L2(0.01, 0.02),
        kernel_constraint=keras.constraints.MaxNorm(0.9),
        activity_regularizer="l2",
        name="hidden",
    )(x)
    # What the derivative of |0| is depends on the backend: a penalty on magnitudes would not do for a bias of zero.
    y = L.Dense(2, bias_regularizer="l2", bias_constraint="non_neg", name="last")(y)
    model = keras.Model(x, y)
    # Keras does not find abbreviations in its own HDF5 files.
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True)
    model.compile(optimizer, "mean_squared_error", metrics=["mean_absolute_error"], weighted_metrics=["mean_squared_error"])
    return model, {"x": floats(11, 3)}, {"last": floats(11, 2)}, {"last": numbers.uniform(size=11).astype("float32")}


def cnn():
    model = keras.Sequential(
        [
            keras.Input((6, 6, 2), name="image"),
            L.Conv2D(3, 3, use_bias=False, name="conv"),
            L.BatchNormalization(momentum=0.8, name="norm"),
            L.ReLU(name="relu"),
            L.MaxPooling2D(name="pool"),
            L.Flatten(name="flatten"),
            L.Dense(3, activation="softmax", name="last"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model, {"image": floats(12, 6, 6, 2)}, {"last": numbers.integers(0, 3, 12).astype("int32")}, {}


def frozen():
    inner = keras.Sequential([keras.Input((4,)), L.Dense(4, name="deep"), L.BatchNormalization(name="deep_norm")], name="inner")
    model = keras.Sequential(
        [
            keras.Input((3,), name="x"),
            L.Dense(4, activation="tanh", kernel_regularizer="l2", trainable=False, name="still"),
            L.BatchNormalization(trainable=False, name="norm"),
            inner,
            L.Dense(1, name="last"),
        ]
    )
    inner.trainable = False
    model.get_layer("norm").set_weights([floats(4), floats(4), floats(4), np.square(floats(4)) + 0.5])
    model.compile(keras.optimizers.AdamW(0.01, weight_decay=0.1), "huber", metrics=["mse"])
    return model, {"x": floats(8, 3)}, {"last": floats(8, 1)}, {}


def lstm():
    x = keras.Input((None,), dtype="int32", name="words")
    y = L.Embedding(7, 4, mask_zero=True, name="embedding")(x)
    y = L.LSTM(3, return_sequences=True, name="lstm")(y)
    y = L.Dense(5, name="last")(y)
    model = keras.Model(x, y)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.RMSprop(0.01, momentum=0.5, centered=True, clipnorm=0.5), loss)
    words = numbers.integers(1, 7, (9, 6)).astype("int32")
    words[2:5, 3:] = 0
    words[7, 1:] = 0
    return model, {"words": words}, {"last": numbers.integers(0, 5, (9, 6)).astype("int32")}, {}


def several():
    a, b = keras.Input((3,), name="a"), keras.Input((2,), name="b")
    both = L.Concatenate(name="both")([L.Dense(3, activation="tanh", name="left")(a), b])
    one = L.Dense(1, activation="sigmoid", name="one")(both)
    two = L.Dense(2, name="two")(L.Dense(4, activation="relu", name="right")(both))
    model = keras.Model([a, b], [one, two])
    model.compile(
        keras.optimizers.AdamW(0.01, weight_decay=0.05, global_clipnorm=0.3),
        loss={"one": "binary_crossentropy", "two": keras.losses.Huber()},
        loss_weights={"one": 0.3, "two": 2.0},
        metrics={"one": ["accuracy"], "two": ["mae", "mse"]},
    )
    targets = {"one": numbers.integers(0, 2, (10, 1)).astype("float32"), "two": floats(10, 2)}
    weights = {"one": numbers.uniform(size=10).astype("float32"), "two": numbers.uniform(size=10).astype("float32")}
    return model, {"a": floats(10, 3), "b": floats(10, 2)}, targets, weights


def averaged():
    model = keras.Sequential([keras.Input((3,), name="x"), L.Dense(2, name="last")])
    rate = keras.optimizers.schedules.ExponentialDecay(0.1, 2, 0.5)
    model.compile(keras.optimizers.SGD(rate, momentum=0.9, use_ema=True, ema_momentum=0.7, clipvalue=0.4), "mae")
    return model, {"x": floats(12, 3)}, {"last": floats(12, 2)}, {}


def accumulated():
    model = keras.Sequential([keras.Input((3,), name="x"), L.Dense(2, name="last")])
    model.compile(keras.optimizers.Adam(0.01, gradient_accumulation_steps=2, amsgrad=True), "mse")
    return model, {"x": floats(12, 3)}, {"last": floats(12, 2)}, {}


def keyed():
    x = keras.Input((3,), name="x")
    hidden = L.Dense(4, activation="tanh", name="hidden")(x)
    # Neither the order of the keys nor that of the layers is that of the dict.
    outputs = {"zeta": L.Dense(1, activation="sigmoid", name="b")(hidden), "alpha": L.Dense(2, name="c")(hidden), "mid": L.Dense(2, name="a")(hidden)}
    model = keras.Model(x, outputs)
    model.compile(
        "adam",
        loss={"zeta": "binary_crossentropy", "alpha": "mean_squared_error", "mid": "mean_absolute_error"},
        loss_weights={"zeta": 0.3, "alpha": 2.0, "mid": 0.5},
        metrics={"zeta": ["accuracy"], "alpha": ["mae", "mse"]},
        weighted_metrics={"mid": ["mse"]},
    )
    targets = {"zeta": numbers.integers(0, 2, (10, 1)).astype("float32"), "alpha": floats(10, 2), "mid": floats(10, 2)}
    weights = {name: numbers.uniform(size=10).astype("float32") for name in targets}
    return model, {"x": floats(10, 3)}, targets, weights


def scaled():
    model = keras.Sequential([keras.Input((3,), name="x"), L.Dense(2, name="last")])
    inner = keras.optimizers.Adam(0.01)
    model.compile(keras.optimizers.LossScaleOptimizer(inner, initial_scale=64.0, dynamic_growth_steps=2), "mse")
    return model, {"x": floats(12, 3)}, {"last": floats(12, 2)}, {}


# What nobody has trained on yet.
FRESH = ["fresh"]

# Name: what makes it, the kind of file, and the weights of its classes.
CASES = {
    "dense": (dense, "keras", None),
    "dense_legacy": (dense, "h5", None),
    "dense_weights": (dense, "weights.h5", None),
    "cnn": (cnn, "keras", {0: 1.0, 1: 2.5, 2: 0.5}),
    "frozen": (frozen, "keras", None),
    "lstm": (lstm, "keras", None),
    "several": (several, "keras", None),
    "fresh": (several, "keras", None),
    "averaged": (averaged, "keras", None),
    "accumulated": (accumulated, "keras", None),
    "keyed": (keyed, "keras", None),
    "scaled": (scaled, "keras", None),
}
BATCH = 4


def fit(model, arrays, classes, **keywords):
    x, y, weights = ({name: arrays[key] for key in arrays for kind, name in [key.split("/")] if kind == group} for group in ("in", "target", "weight"))
    single = lambda values: next(iter(values.values())) if len(values) == 1 else values
    # Keras finds the loss of an output by its place, unless outputs are a dict.
    named = not isinstance(model, keras.Sequential) and isinstance(model.output, dict)
    order = lambda values: values if named else [values[name] for name in model.output_names] if len(values) > 1 else single(values)
    history = model.fit(
        single(x), order(y), sample_weight=order(weights) if weights else None, class_weight=classes,
        batch_size=BATCH, shuffle=False, verbose=0, validation_data=(single(x), order(y)), **keywords,
    )
    # At the end of a training on JAX, variables and their averages are the same arrays, which the next one deletes.
    for variable in model.trainable_variables:
        variable.assign(keras.ops.convert_to_numpy(variable).copy())
    measured = model.evaluate(single(x), order(y), batch_size=BATCH, sample_weight=order(weights) if weights else None, return_dict=True, verbose=0)
    return history.history, measured


def stored(model, folder):
    """The tensors of a file of weights by their paths."""
    path, tensors = folder / "written.weights.h5", {}
    model.save_weights(path)
    with h5py.File(path) as file:
        file.visititems(lambda name, item: tensors.update({name: item[()]} if isinstance(item, h5py.Dataset) else {}))
    path.unlink()
    return tensors


def make(folder):
    manifest = {}
    for name, (build, kind, classes) in CASES.items():
        keras.backend.clear_session()
        keras.utils.set_random_seed(3)
        model, inputs, targets, weights = build()
        groups = {"in": inputs, "target": targets, "weight": weights}
        arrays = {f"{group}/{key}": value for group, values in groups.items() for key, value in values.items()}
        np.savez_compressed(folder / f"{name}.npz", **arrays)
        if name not in FRESH:
            fit(model, arrays, classes)
        if kind == "weights.h5":
            # The model itself is that of another case.
            model.save_weights(folder / f"{name}.{kind}")
        else:
            model.save(folder / f"{name}.{kind}")
        history, measured = fit(model, arrays, classes)
        np.savez_compressed(folder / f"{name}.after.npz", **stored(model, folder))
        manifest[name] = {"file": f"{name}.{kind}", "classes": classes, "history": history, "measured": measured}
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")


def same(name, what, ours, real):
    ours, real = np.asarray(ours, "float64"), np.asarray(real, "float64")
    assert ours.shape == real.shape, f"{name}: {what}: {ours.shape} {real.shape}"
    apart = (np.abs(ours - real) / np.maximum(1, np.abs(real))).max() if real.size else 0.0
    assert apart <= TOLERANCE, f"{name}: {what}: {apart} apart"


def judge(folder, written):
    manifest = json.loads((folder / "manifest.json").read_text())
    judged = 0
    for path in sorted(written.glob("*.keras")):
        name = path.stem
        classes = CASES[name][2]
        arrays = dict(np.load(folder / f"{name}.npz"))
        source = folder / manifest[name]["file"]
        if source.name == f"{name}.h5":
            # Keras 3 does not go on from its own HDF5 files: the optimizer has no variables then.
            continue
        real = keras.models.load_model(folder / "dense.keras" if source.name.endswith("weights.h5") else source)
        if source.name.endswith("weights.h5"):
            real.load_weights(source)
        ours = keras.models.load_model(path)
        assert type(ours.optimizer) is type(real.optimizer)
        fit(real, arrays, classes)
        for variable, expected in zip(ours.optimizer.variables, real.optimizer.variables, strict=True):
            same(name, variable.path, variable, expected)
        for one, other in zip(fit(ours, arrays, classes), fit(real, arrays, classes)):
            assert one.keys() == other.keys(), f"{name}: {one.keys()} {other.keys()}"
            for key in one:
                same(name, key, one[key], other[key])
        for variable, expected in zip(ours.variables, real.variables, strict=True):
            if "seed" not in variable.path:
                same(name, variable.path, variable, expected)
        judged += 1
    print(f"{judged} models go on as in Keras")
    return judged > 0


if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    sys.exit(0 if {"make": make, "judge": judge}[command](*map(Path, arguments)) is not False else 1)
