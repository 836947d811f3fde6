"""Training that Keras 2 began and Keras 3 goes on with.

Usage: continued.py make DIR             with tf_keras: files of models in training, and their next weights
       continued.py judge DIR WRITTEN    with Keras 3: trains what WRITTEN has of the same names one more step
"""

import sys
from pathlib import Path

import numpy as np

STEPS = 3
TOLERANCE = 1e-6

# Name: whether legacy, the class, its arguments, and the kind of file.
CASES = {
    "adam_legacy": (True, "Adam", {"amsgrad": True}, "h5"),
    "adam": (False, "Adam", {}, "h5"),
    "adam_archive": (False, "Adam", {"weight_decay": 0.01, "use_ema": True}, "keras"),
    "sgd_decay": (True, "SGD", {"momentum": 0.9, "nesterov": True, "decay": 0.1}, "h5"),
    "rmsprop": (False, "RMSprop", {"momentum": 0.5, "centered": True}, "h5"),
    "scaled": (False, "LossScaleOptimizer", {}, "h5"),
}


def batch(step):
    numbers = np.sin(np.arange(24, dtype="float32").reshape(8, 3) * (step + 1))
    return numbers[:, :2], numbers[:, 1:]


def train(model, step):
    model.train_on_batch(*batch(step))


def model(keras):
    x = keras.layers.Input((2,), name="x")
    frozen = keras.layers.Dense(3, activation="tanh", name="frozen", trainable=False)
    inner = keras.Sequential([keras.layers.Dense(4, activation="tanh", name="deep")], name="inner")
    y = keras.layers.Dense(2, name="last")(inner(frozen(x)))
    return keras.Model(x, y)


def optimizer(keras, legacy, name, arguments):
    if name == "LossScaleOptimizer":
        return keras.mixed_precision.LossScaleOptimizer(keras.optimizers.Adam(0.01))
    where = keras.optimizers.legacy if legacy else keras.optimizers
    return getattr(where, name)(**arguments)


def make(folder):
    import tf_keras

    for name, (legacy, class_name, arguments, kind) in CASES.items():
        tf_keras.utils.set_random_seed(1)
        net = model(tf_keras)
        net.compile(optimizer=optimizer(tf_keras, legacy, class_name, arguments), loss=tf_keras.losses.Huber(), metrics=["mae"])
        for step in range(STEPS):
            train(net, step)
        net.save(folder / f"{name}.{kind}")
        train(net, STEPS)
        np.savez(folder / f"{name}.npz", *net.get_weights())


def judge(folder, written):
    import keras

    wrong = 0
    for name in CASES:
        net = keras.models.load_model(written / f"{name}.keras")
        train(net, STEPS)
        with np.load(folder / f"{name}.npz") as expected:
            pairs = list(zip(net.get_weights(), expected.values(), strict=True))
        most = max(float(np.abs(got - right).max()) for got, right in pairs)
        if not most <= TOLERANCE:
            print(f"{name}: the next weights differ by {most}")
            wrong += 1
    return wrong


command, *folders = sys.argv[1:]
sys.exit({"make": make, "judge": judge}[command](*map(Path, folders)))
