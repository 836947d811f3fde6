"""Lets Keras 2 open models that were written for it.

Usage: keras2_opens.py ORIGINALS_DIR WRITTEN_DIR...    one line per failure, then the counts

`tf_keras`, or `keras` where that is a Keras 2, opens every file of the folders, and has to predict what
is recorded beside the original of the same name.
"""

import json
import os
import sys
import warnings
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
# TensorFlow 2.15 pools with strides wrongly with it.
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"

import numpy as np
import tensorflow as tf

try:
    import tf_keras as keras
except ImportError:
    import keras

# Relative and absolute, unless the manifest says more for a case.
TOLERANCE = 1e-5


def input_names(model):
    return [tensor._keras_history.layer.name for tensor in model.inputs]


def given(array):
    return tf.constant(array) if array.dtype.kind == "U" else array


def taken(output):
    output = np.asarray(output)
    if output.dtype != object:
        return output
    return np.array([item.decode() for item in output.ravel()]).reshape(output.shape)


def predict(model, inputs):
    """All outputs for a list of arrays, flat."""
    packed = tf.nest.pack_sequence_as(model._nested_inputs, [given(array) for array in inputs.values()])
    if input_names(model) != list(inputs):
        raise ValueError(f"inputs are {input_names(model)}, were {list(inputs)}")
    # As `predict` does, but for compiling the graph first, which takes longer than all the rest.
    return [taken(output) for output in tf.nest.flatten(model(packed, training=False))]


def close(want, got, tolerance):
    if want.shape != got.shape or "U" in (want.dtype.kind, got.dtype.kind):
        return np.array_equal(want, got)
    return np.allclose(got.astype("float64"), want.astype("float64"), rtol=tolerance, atol=tolerance, equal_nan=True)


def differences(path, recorded, tolerance):
    keras.backend.clear_session()
    model = keras.models.load_model(path, compile=False)
    inputs = {name[3:]: recorded[name] for name in recorded.files if name.startswith("in/")}
    expected = {name: recorded[name] for name in recorded.files if name.startswith("out/")}
    outputs = predict(model, inputs)
    if len(outputs) != len(expected):
        yield f"{len(outputs)} outputs, were {len(expected)}"
        return
    for (name, want), got in zip(expected.items(), outputs):
        if want.shape != got.shape:
            yield f"{name} has the shape {got.shape}, had {want.shape}"
        elif not close(want, got, tolerance):
            yield f"{name} differs: {got.ravel()[:6]}, was {want.ravel()[:6]}"


def tolerances(originals):
    manifest = json.loads((originals / "manifest.json").read_text())
    return {case["name"]: case.get("tolerance") or TOLERANCE for case in manifest["cases"]}


def check(originals, written):
    """Opens every file of a folder, and counts those that passed and those that failed."""
    known, counts = tolerances(originals), {True: 0, False: 0}
    for path in sorted(p for p in written.rglob("*") if p.suffix in (".keras", ".h5")):
        name = str(path.relative_to(written).with_suffix(""))
        try:
            with np.load(originals / f"{name}.npz") as recorded:
                found = list(differences(path, recorded, known.get(name, TOLERANCE)))
        except Exception as error:
            found = [f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"]
        for line in found:
            print(f"{name}{path.suffix}: {line}", flush=True)
        counts[not found] += 1
    print(f"Keras {keras.__version__}, {written.name}: {counts[True]} passed, {counts[False]} failed", flush=True)
    return counts[True] and not counts[False]


def main(arguments):
    if len(arguments) < 2:
        sys.exit(__doc__)
    warnings.simplefilter("ignore")
    originals, *folders = map(Path, arguments)
    return 0 if all([check(originals, written) for written in folders]) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
