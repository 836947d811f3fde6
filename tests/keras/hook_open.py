"""Lets real Keras open what was saved of a Burn module around a Keras model.

Usage: hook_open.py FOLDER

There are `model.keras`, `same.weights.h5`, and `numbers.json` with inputs and what the model makes of them. Both
files have members of our own, which Keras is to pass over. Prints nothing when all is well.
"""

import json
import sys
import warnings
from pathlib import Path

import keras
import numpy as np


def main(folder):
    warnings.simplefilter("ignore")
    folder = Path(folder)
    numbers = json.loads((folder / "numbers.json").read_text())
    inputs, expected = (np.asarray(numbers[key], "float32") for key in ("inputs", "outputs"))
    model = keras.models.load_model(folder / "model.keras")
    for name in ("model.keras", "same.weights.h5"):
        off = np.abs(model.predict(inputs, verbose=0) - expected).max()
        if not off <= 1e-5:
            print(f"{name}: off by {off:.1e}")
        model.set_weights([np.zeros_like(weight) for weight in model.get_weights()])
        model.load_weights(folder / "same.weights.h5")
    if not np.abs(model.get_weights()[0]).max() > 0:
        print("no weights were loaded")


if __name__ == "__main__":
    main(*sys.argv[1:])
