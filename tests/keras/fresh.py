"""Lets real Keras open, run and train models that were made without it.

Usage: fresh.py DIR     every NAME.keras in it, with its inputs and outputs in NAME.npz
"""

import sys
import warnings
from pathlib import Path

import numpy as np
from judge import input_names, keras, load, predict
from keras import tree
from report import tell


def faults(path):
    """Everything in which a model is not as good as one of Keras' own."""
    with np.load(path.with_suffix(".npz")) as arrays:
        given = {name[3:]: arrays[name] for name in arrays.files if name.startswith("in/")}
        wanted = [arrays[name] for name in arrays.files if name.startswith("out/")]
    model = load(path)
    if sorted(input_names(model)) != sorted(given):
        yield f"inputs are {input_names(model)}, were {list(given)}"
        return
    inputs = [given[name] for name in input_names(model)]
    outputs = [values for _, values in predict(model, inputs)]
    for got, want in zip(outputs, wanted, strict=True):
        if got.shape != want.shape or not np.allclose(got, want, rtol=1e-5, atol=1e-5):
            yield f"an output differs by {np.abs(got - want).max()}"
    yield from faults_of_training(model, inputs, outputs)


def faults_of_training(model, inputs, outputs):
    """Fits the model to other outputs for a moment, which must move every weight."""
    before = [np.array(weight) for weight in model.trainable_weights]
    model.compile(optimizer=keras.optimizers.Adam(0.01, epsilon=1e-12), loss="mse")
    functional = model._functional if isinstance(model, keras.Sequential) else model
    x = tree.pack_sequence_as(functional._inputs_struct, inputs)
    y = tree.pack_sequence_as(functional._outputs_struct, [values + 0.5 for values in outputs])
    history = model.fit(x, y, epochs=3, batch_size=len(inputs[0]), verbose=0).history["loss"]
    if not np.isfinite(history).all():
        yield f"training goes {history}"
    still = [
        weight.path
        for weight, old in zip(model.trainable_weights, before, strict=True)
        if np.array_equal(weight, old)
    ]
    if still:
        yield f"not trained: {still}"


def main(arguments):
    warnings.simplefilter("ignore")
    paths = sorted(Path(arguments[0]).glob("*.keras"))
    return tell("fresh models", paths, lambda path: path.stem, faults)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
