"""Training that one Keras began and another one goes on with.

Usage: continued.py make DIR                     with tf_keras: files of models in training, and their next weights
       continued.py make_old FILE.zip            the same in SavedModels, with the optimizers before Keras 2.11
       continued.py make3 FILE.zip               the same with Keras 3, and models that Keras 2 lacks words for
       continued.py judge LIBRARY DIR WRITTEN    with that module: trains what WRITTEN has of the same names further

DIR has for every model the weights after MORE more steps, WRITTEN has files of any kind.
"""

import contextlib
import importlib
import os
import sys
import tempfile
import zipfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import numpy as np

STEPS = 3
MORE = 3
TOLERANCE = 1e-5

# Name: whether legacy, the class, its arguments, and the kind of file.
KERAS2 = {
    "adam_legacy": (True, "Adam", {"amsgrad": True}, "h5"),
    "adam": (False, "Adam", {}, "h5"),
    "adam_archive": (False, "Adam", {"weight_decay": 0.01, "use_ema": True}, "keras"),
    "sgd_decay": (True, "SGD", {"momentum": 0.9, "nesterov": True, "decay": 0.1}, "h5"),
    "rmsprop": (False, "RMSprop", {"momentum": 0.5, "centered": True}, "h5"),
    "scaled": (False, "LossScaleOptimizer", {}, "h5"),
}

# Its optimizers before 2.11: the class and its arguments.
OLD = {
    "sgd": ("SGD", {"momentum": 0.9, "nesterov": True}),
    "plain_sgd": ("SGD", {}),
    "rmsprop": ("RMSprop", {"momentum": 0.5, "centered": True}),
    "adam": ("Adam", {"learning_rate": 0.02, "amsgrad": True}),
    "adadelta": ("Adadelta", {"learning_rate": 1.0}),
    "adagrad": ("Adagrad", {"learning_rate": 0.1}),
    "adamax": ("Adamax", {"learning_rate": 0.02}),
    "ftrl": ("Ftrl", {"learning_rate": 0.1}),
}

# Name: the class and its arguments.
KERAS3 = {
    "sgd": ("SGD", {"learning_rate": 0.1}),
    "nesterov": ("SGD", {"momentum": 0.9, "nesterov": True, "clipnorm": 0.5}),
    "rmsprop": ("RMSprop", {"momentum": 0.5, "centered": True}),
    "amsgrad": ("Adam", {"learning_rate": 0.02, "amsgrad": True}),
    "scheduled": ("AdamW", {"learning_rate": "schedule"}),
    "adadelta": ("Adadelta", {"learning_rate": 1.0}),
    "adagrad": ("Adagrad", {"learning_rate": 0.1}),
    "adamax": ("Adamax", {"learning_rate": 0.02}),
    "ftrl": ("Ftrl", {"learning_rate": 0.1}),
    "lion": ("Lion", {"learning_rate": 0.02}),
    "adafactor": ("Adafactor", {"learning_rate": 0.02}),
    "nadam": ("Nadam", {"learning_rate": 0.02}),
    "scaled": ("LossScaleOptimizer", {}),
    # What Keras 2 has no words for.
    "lamb": ("Lamb", {}),
    "accumulated": ("Adam", {"gradient_accumulation_steps": 2}),
    "factor": ("Adam", {"loss_scale_factor": 8.0}),
    "dice": ("Adam", {}),
}


def batch(step):
    numbers = np.sin(np.arange(24, dtype="float32").reshape(8, 3) * (step + 1))
    return numbers[:, :2], numbers[:, 1:]


def train(model, steps):
    for step in steps:
        model.train_on_batch(*batch(step))


def model(keras):
    x = keras.layers.Input((2,), name="x")
    frozen = keras.layers.Dense(3, activation="tanh", name="frozen", trainable=False)
    inner = keras.Sequential([keras.layers.Dense(4, activation="tanh", name="deep")], name="inner")
    y = keras.layers.Dense(2, name="last")(inner(frozen(x)))
    return keras.Model(x, y)


def record(net, path, **how):
    """Saves a model in training, and what its weights are some steps later."""
    train(net, range(STEPS))
    net.save(path, **how)
    train(net, range(STEPS, STEPS + MORE))
    np.savez(path.with_suffix(".npz"), *net.get_weights())


def of_keras2(keras, legacy, name, arguments):
    if name == "LossScaleOptimizer":
        return keras.mixed_precision.LossScaleOptimizer(keras.optimizers.Adam(0.01))
    where = keras.optimizers.legacy if legacy else keras.optimizers
    return getattr(where, name)(**arguments)


def make(folder):
    import tf_keras as keras

    for name, (legacy, class_name, arguments, kind) in KERAS2.items():
        keras.utils.set_random_seed(1)
        net = model(keras)
        optimizer = of_keras2(keras, legacy, class_name, arguments)
        net.compile(optimizer=optimizer, loss=keras.losses.Huber(), metrics=["mae"])
        record(net, folder / f"{name}.{kind}")


def make_old(archive):
    import tf_keras as keras

    with packed(archive) as folder:
        for name, (class_name, arguments) in OLD.items():
            keras.utils.set_random_seed(1)
            net = model(keras)
            net.compile(optimizer=of_keras2(keras, True, class_name, arguments), loss="mse")
            record(net, folder / name, save_format="tf", save_traces=False)


@contextlib.contextmanager
def packed(archive):
    """A folder that becomes an archive."""
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        yield Path(folder)
        for path in sorted(path for path in Path(folder).rglob("*") if path.is_file()):
            out.write(path, path.relative_to(folder))


def of_keras3(keras, name, arguments):
    if "schedule" in arguments.values():
        arguments = arguments | {"learning_rate": keras.optimizers.schedules.ExponentialDecay(0.02, 2, 0.5)}
    if name == "LossScaleOptimizer":
        arguments = arguments | {"inner_optimizer": keras.optimizers.Adam(0.01)}
    return getattr(keras.optimizers, name)(**arguments)


def make3(archive):
    import keras

    with packed(archive) as folder:
        for name, (class_name, arguments) in KERAS3.items():
            keras.utils.set_random_seed(1)
            net = model(keras)
            loss = keras.losses.Dice() if name == "dice" else keras.losses.Huber()
            net.compile(optimizer=of_keras3(keras, class_name, arguments), loss=loss, metrics=["mae"])
            record(net, folder / f"{name}.keras")


def judge(library, folder, written):
    keras = importlib.import_module(library)
    wrong = 0
    files = sorted(path for path in Path(written).iterdir() if path.suffix in (".keras", ".h5"))
    for path in files:
        net = keras.models.load_model(path)
        train(net, range(STEPS, STEPS + MORE))
        with np.load(Path(folder) / f"{path.stem}.npz") as expected:
            pairs = list(zip(net.get_weights(), expected.values(), strict=True))
        most = max(float(np.abs(got - right).max()) for got, right in pairs)
        if not most <= TOLERANCE:
            print(f"{path.name}: the next weights differ by {most}")
            wrong += 1
    print(f"{library} {keras.__version__}: {len(files) - wrong} went on, {wrong} did not")
    return 1 if wrong or not files else 0


if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    sys.exit({"make": make, "make_old": make_old, "make3": make3, "judge": judge}[command](*map(Path if command != "judge" else str, arguments)))
