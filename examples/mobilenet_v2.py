"""Makes the Keras file for `mobilenet_v2.rs`, and opens what comes of it.

Usage: mobilenet_v2.py make FOLDER | open FOLDER
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras  # noqa: E402
import numpy as np  # noqa: E402


def make(folder):
    """A network as keras.applications has it, for ten classes, that has learnt eight images by heart."""
    folder.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(7)
    model = keras.applications.MobileNetV2(weights=None, input_shape=(64, 64, 3), classes=10)
    rng = np.random.default_rng(7)
    images, labels = rng.uniform(-1, 1, (8, 64, 64, 3)).astype("float32"), np.arange(8, dtype="int32")
    # With the usual momentum, moving averages would take thousands of steps to mean something.
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.5
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(images, labels, epochs=20, verbose=0)
    model.save(folder / "keras.keras")
    probabilities = model.predict(images, verbose=0)
    np.savez(folder / "keras.npz", images=images, labels=labels, probabilities=probabilities)


def reopen(folder):
    model = keras.models.load_model(folder / "tuned.keras")
    probabilities = np.load(folder / "burn.npz")["probabilities"]
    there = model.predict(np.load(folder / "keras.npz")["images"], verbose=0)
    apart = np.abs(there - probabilities).max()
    certainty = there.max(axis=-1)
    if not 0.1 < certainty.mean() < 0.9999:
        sys.exit(f"probabilities of {certainty} would agree whatever the weights are")
    print(f"the tuned model in Keras {keras.__version__}: probabilities differ by {apart:.1e} at most")
    # Eight images make for tiny variances, and fifty normalizations by them for large last bits.
    if apart > 1e-4:
        sys.exit("Keras and Burn do not agree")


if __name__ == "__main__":
    {"make": make, "open": reopen}[sys.argv[1]](Path(sys.argv[2]))
