"""Sets training with burn-keras beside real Keras on JAX and on TensorFlow, in one run.

    $(bash tests/keras/venv.sh) benches/train.py [--profile dev]

All go through the same number of steps of `fit` on the same models, in turn; the shortest epoch of several
counts. Prints the tables of the README. For profiles see compare.py.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WORK = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "compare"
ROUNDS = 3
BATCH = 32
STEPS = {"MLP": 100, "CNN": 20, "LSTM": 20, "transformer block": 20}


def models():
    import keras

    L = keras.layers
    x = keras.Input((64, 128))
    y = L.LayerNormalization()(L.Add()([x, L.MultiHeadAttention(4, 32)(x, x)]))
    y = L.LayerNormalization()(L.Add()([y, L.Dense(128)(L.Dense(256, activation="gelu")(y))]))
    y = L.Dense(10, activation="softmax")(L.GlobalAveragePooling1D()(y))
    made = {
        "MLP": [keras.Input((784,)), L.Dense(512, activation="relu"), L.Dense(512, activation="relu")],
        "CNN": [
            keras.Input((32, 32, 3)),
            L.Conv2D(32, 3, activation="relu", padding="same"),
            L.BatchNormalization(),
            L.MaxPooling2D(),
            L.Conv2D(64, 3, activation="relu", padding="same"),
            L.GlobalAveragePooling2D(),
        ],
        "LSTM": [keras.Input((50, 64)), L.LSTM(128)],
    }
    made = {name: keras.Sequential([*layers, L.Dense(10, activation="softmax")]) for name, layers in made.items()}
    return made | {"transformer block": keras.Model(x, y)}


def path(name):
    return WORK / f"train_{name.split()[0].lower()}.keras"


def make():
    for name, model in models().items():
        model.compile("adam", "sparse_categorical_crossentropy")
        model.save(path(name))


def keras_epoch(name):
    """The shortest epoch of Keras with the backend of this process."""
    import keras
    import numpy as np

    model = keras.models.load_model(path(name))
    examples = BATCH * STEPS[name]
    shape = (examples, *model.inputs[0].shape[1:])
    x = np.sin(np.arange(np.prod(shape), dtype="float32") * 0.37).reshape(shape)
    y = (np.arange(examples) % 10).astype("int32")

    class Clock(keras.callbacks.Callback):
        times = []

        def on_epoch_begin(self, epoch, logs=None):
            self.times.append(time.perf_counter())

        def on_train_end(self, logs=None):
            self.times.append(time.perf_counter())

    model.fit(x, y, batch_size=BATCH, epochs=4, shuffle=False, verbose=0, callbacks=[Clock()])
    times = Clock.times
    return min(end - start for start, end in zip(times[1:-1], times[2:]))


def theirs(backend, name):
    command = [sys.executable, __file__, "--keras", name]
    environment = os.environ | {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    return float(done.stdout.strip().splitlines()[-1]) / STEPS[name]


def ours(program, job, name):
    command = [program, job, str(path(name)), str(BATCH), str(STEPS[name])]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.strip().splitlines()[-1])


def bench(profile):
    command = ["cargo", "bench", "--profile", profile, "--bench", "train", "--no-run", "--message-format=json"]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    artefacts = (json.loads(line) for line in done.stdout.splitlines())
    return next(artefact["executable"] for artefact in artefacts if artefact.get("executable"))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--profile", default="bench")
    parser.add_argument("--program", help="one that is built already")
    parser.add_argument("--keras", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.keras:
        return print(keras_epoch(options.keras))
    program = options.program or bench(options.profile)
    WORK.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("KERAS_BACKEND", "jax")
    make()
    print("| a step of 32 examples | milliseconds | times as fast as Keras on JAX | on TensorFlow |")
    print("|---|---|---|---|")
    for name in STEPS:
        own, jax, tensorflow = [], [], []
        for _ in range(ROUNDS):
            own.append(ours(program, "step", name)["seconds"])
            jax.append(theirs("jax", name))
            tensorflow.append(theirs("tensorflow", name))
        own, jax, tensorflow = min(own), min(jax), min(tensorflow)
        print(f"| {name} | {own * 1e3:.3g} | {jax / own:.2f} | {tensorflow / own:.2f} |", flush=True)
    print("\n| a checkpoint per epoch | steps per epoch | adds to the epoch | in the background |")
    print("|---|---|---|---|")
    for name in STEPS:
        times = ours(program, "checkpoint", name)
        plain, waits, background = (times[key] for key in ("plain", "waits", "background"))
        cells = [f"{100 * (other / plain - 1):.1f} %" for other in (waits, background)]
        print(f"| {name} | {STEPS[name]} | {' | '.join(cells)} |", flush=True)
    print(f"load of this machine at the end: {os.getloadavg()[0]:.1f}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
