"""Real Keras 3 opens what became of SavedModels: same predictions, same state of optimizers.

Usage: upgraded.py FIXTURES WRITTEN. Needs the TensorFlow backend, since one of the models takes strings.
"""

import pathlib
import sys

import keras
import numpy as np
import tensorflow as tf

SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"
# Where the checkpoints have what Keras 3 has in this order, after the steps and the learning rate.
STATES = {
    "dense_bn": [f"optimizer/_variables/{number}{SUFFIX}" for number in range(1, 13)],
    "old_optimizer": [
        f"layer_with_weights-0/{variable}/.OPTIMIZER_SLOT/optimizer/{slot}{SUFFIX}"
        for variable in ("kernel", "bias")
        for slot in ("m", "v")
    ],
}
STEPS = {"dense_bn": "optimizer/_iterations", "old_optimizer": "optimizer/iter"}


def check(path, arrays):
    model = keras.models.load_model(path)
    inputs = [tf.constant(arrays[f"x{number}"]) for number in range(len(model.inputs))]
    outputs = keras.tree.flatten(model(inputs[0] if len(inputs) == 1 else inputs))
    for number, output in enumerate(outputs):
        np.testing.assert_allclose(output, arrays[f"y{number}"], rtol=1e-5, atol=1e-5)
    if path.stem in STATES:
        steps, _, *slots = model.optimizer.variables
        assert int(steps.numpy()) == arrays[STEPS[path.stem] + SUFFIX] == 3
        assert len(slots) == len(STATES[path.stem]), len(slots)
        for slot, key in zip(slots, STATES[path.stem]):
            np.testing.assert_array_equal(slot.numpy(), arrays[key], key)
            assert np.any(arrays[key]), key


if __name__ == "__main__":
    fixtures, written = map(pathlib.Path, sys.argv[1:])
    paths = sorted(written.glob("*.keras"))
    for path in paths:
        try:
            check(path, np.load(fixtures / f"{path.stem}.npz"))
        except Exception as error:
            raise SystemExit(f"{path.stem}: {error}") from error
    assert len(paths) > 5, paths
