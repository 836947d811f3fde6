"""Records what Keras 3 and Keras 2 store of `compile` and of optimizers.

Usage: optimizers.py OUTPUT.json     with keras (on TensorFlow) and tf_keras installed

Names, shapes and configs only: what the numbers mean is `optimizers_continue.py`'s to prove.
"""

import json
import sys
import tempfile
from pathlib import Path

import h5py
import keras
import numpy as np
import tf_keras

# Name: class, arguments, and which kinds of Keras 2 have it.
KERAS3, NEW, LEGACY = "keras3", "new", "legacy"
OPTIMIZERS = {
    "sgd": ("SGD", {}, (NEW, LEGACY)),
    "sgd_momentum": ("SGD", {"momentum": 0.9}, (NEW, LEGACY)),
    "sgd_nesterov": ("SGD", {"momentum": 0.9, "nesterov": True, "clipnorm": 1.0}, (NEW, LEGACY)),
    "sgd_ema": ("SGD", {"momentum": 0.9, "use_ema": True, "ema_momentum": 0.5}, (NEW,)),
    "rmsprop": ("RMSprop", {}, (NEW, LEGACY)),
    "rmsprop_momentum": ("RMSprop", {"momentum": 0.5}, (NEW, LEGACY)),
    "rmsprop_centered": ("RMSprop", {"momentum": 0.5, "centered": True}, (NEW, LEGACY)),
    "adam": ("Adam", {}, (NEW, LEGACY)),
    "adam_amsgrad": ("Adam", {"amsgrad": True, "use_ema": True}, (NEW,)),
    "adam_amsgrad_only": ("Adam", {"amsgrad": True}, (LEGACY,)),
    "adamw": ("AdamW", {"weight_decay": 0.01}, (NEW,)),
    "adadelta": ("Adadelta", {"learning_rate": 1.0}, (NEW, LEGACY)),
    "adagrad": ("Adagrad", {}, (NEW, LEGACY)),
    "adamax": ("Adamax", {}, (NEW, LEGACY)),
    "nadam": ("Nadam", {}, (NEW, LEGACY)),
    "ftrl": ("Ftrl", {"l1_regularization_strength": 0.01}, (NEW, LEGACY)),
    "lion": ("Lion", {}, (NEW,)),
    "adafactor": ("Adafactor", {}, (NEW,)),
    "lamb": ("Lamb", {}, ()),
    "muon": ("Muon", {}, ()),
    "schedule_free": ("ScheduleFreeAdamW", {}, ()),
    "accumulation": ("Adam", {"gradient_accumulation_steps": 2}, ()),
    "scaled": ("LossScaleOptimizer", {}, (NEW, LEGACY)),
    "scheduled": ("Adam", {"learning_rate": "schedule"}, (NEW, LEGACY)),
    "decay": ("SGD", {"momentum": 0.9, "decay": 0.1}, (LEGACY,)),
}


def optimizer(library, name, kind):
    class_name, arguments, _ = OPTIMIZERS[name]
    where = library.optimizers.legacy if kind == LEGACY else library.optimizers
    if class_name == "LossScaleOptimizer":
        scaled = library.mixed_precision if library is tf_keras else library.optimizers
        return scaled.LossScaleOptimizer(where.Adam(0.01))
    arguments = dict(arguments)
    if arguments.get("learning_rate") == "schedule":
        schedules = library.optimizers.schedules
        arguments["learning_rate"] = schedules.ExponentialDecay(0.01, 100, 0.9)
    return getattr(where, class_name)(**arguments)


def model(library):
    layers = library.layers
    x = layers.Input((2,), name="x")
    y = layers.Dense(2, name="b")(layers.Dense(3, activation="tanh", name="a")(x))
    return library.Model(x, y)


def attribute(group, name):
    return [item if isinstance(item, str) else item.decode() for item in group.attrs[name]]


def legacy(path):
    """The `training_config`, and the names and shapes of the optimizer's weights, of an HDF5 file."""
    with h5py.File(path) as file:
        group = file["optimizer_weights"]
        weights = [[name, list(group[name].shape)] for name in attribute(group, "weight_names")]
        return {"training_config": json.loads(file.attrs["training_config"]), "weights": weights}


def brief(kind, entry):
    """Of the settings of `compile`, only the optimizer, once."""
    short = {key: entry[key] for key in ("weights", "shapes") if key in entry}
    config, key = ("compile_config", "optimizer") if kind == KERAS3 else ("training_config", "optimizer_config")
    return short | {config: {key: entry[config][key]}}


def archive(path):
    """The `compile_config` and the shapes of the optimizer's variables of a `.keras` file."""
    with keras.src.saving.saving_lib.zipfile.ZipFile(path) as members:
        config = json.loads(members.read("config.json"))
        with members.open("model.weights.h5") as stream, h5py.File(stream) as file:
            variables = file["optimizer/vars"]
            shapes = [list(variables[str(index)].shape) for index in range(len(variables))]
    return {"compile_config": config["compile_config"], "shapes": shapes}


def stored(paths):
    return (legacy(paths["h5"]) if "h5" in paths else {}) | archive(paths["keras"])


def trained(library, how, folder, **compiled):
    net = model(library)
    net.compile(optimizer=how, **compiled)
    net.fit(np.ones((4, 2), "float32"), np.ones((4, 2), "float32"), verbose=0)
    paths = {suffix: str(folder / f"model.{suffix}") for suffix in ("h5", "keras")}
    net.save(paths["keras"])
    try:
        net.save(paths["h5"])
    except ValueError as error:  # Keras gives two variables of some optimizers the same name.
        print(how, error)
        del paths["h5"]
    return paths


def states(folder):
    for name, (_, _, kinds) in OPTIMIZERS.items():
        entry = {}
        if name != "decay" and not name.endswith("_only"):
            paths = trained(keras, optimizer(keras, name, NEW), folder, loss="mean_squared_error")
            entry[KERAS3] = stored(paths)
        for kind in kinds:
            paths = trained(tf_keras, optimizer(tf_keras, name, kind), folder, loss="mse")
            entry[kind] = stored(paths) if kind == NEW else legacy(paths["h5"])
        yield name, {kind: brief(kind, stored) for kind, stored in entry.items()}


def compiles(library):
    losses, metrics = library.losses, library.metrics
    yield {"loss": "mse", "metrics": ["mae", "accuracy"]}
    yield {"loss": losses.Huber(delta=2.0), "metrics": [metrics.MeanAbsoluteError(name="error")]}
    yield {"loss": losses.MeanSquaredError(), "loss_weights": [0.5], "weighted_metrics": ["mse"]}
    yield {"loss": losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.1),
           "metrics": [metrics.BinaryAccuracy(threshold=0.4), metrics.AUC(num_thresholds=5)]}
    yield {"loss": losses.mean_absolute_error, "metrics": [metrics.mean_squared_error]}
    yield {"loss": {"b": "mean_squared_error"}, "metrics": {"b": ["mae"]}, "loss_weights": {"b": 1.0}}
    yield {"loss": ["mse"], "metrics": [["mae", metrics.TopKCategoricalAccuracy(k=2)]]}
    yield {"loss": losses.CosineSimilarity(axis=-1, reduction="sum")}
    yield {"loss": "kld", "metrics": ["acc", metrics.KLDivergence()]}


def settings(library, folder):
    for compiled in compiles(library):
        paths = trained(library, "adam", folder, **compiled)
        yield {"legacy": legacy(paths["h5"])["training_config"],
               "archive": archive(paths["keras"])["compile_config"]}


def main(output):
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        document = {
            "trainable": [[v.path, list(v.shape)] for v in model(keras).trainable_variables],
            "states": dict(states(folder)),
            "settings": {"keras3": list(settings(keras, folder)), "keras2": list(settings(tf_keras, folder))},
        }
    # A line for each optimizer and each way to compile: enough to read, and small.
    lines = [f'"trainable": {json.dumps(document["trainable"])}']
    states_ = [f'{json.dumps(name)}: {json.dumps(entry)}' for name, entry in document["states"].items()]
    lines.append('"states": {\n' + ",\n".join(states_) + "\n}")
    for library, entries in document["settings"].items():
        lines.append(f'"{library}": [\n' + ",\n".join(map(json.dumps, entries)) + "\n]")
    Path(output).write_text("{\n" + ",\n".join(lines) + "\n}\n")


main(*sys.argv[1:])
