"""Real Keras on the CPU: the settings of the judge and how it is asked.

The backend is JAX, unless KERAS_BACKEND says "tensorflow": layers of strings run on nothing else.
"""

import os
from contextlib import ExitStack
from pathlib import Path
from unittest import mock

_CACHE = Path(__file__).resolve().parents[2] / "target" / "keras-jax-cache"
BACKEND = os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["JAX_DEFAULT_MATMUL_PRECISION"] = "highest"
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(_CACHE))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")

import keras
import numpy as np
from keras import tree

import bygone  # registers its classes


def _functional(model):
    return model._functional if isinstance(model, keras.Sequential) else model


def input_names(model):
    """Names of the input layers, in the flattened order of the model's inputs."""
    return [tensor._keras_history.operation.name for tensor in model.inputs]


def predict(model, inputs):
    """Asks the model for its outputs on a flat list of arrays.

    Returns (name, array) pairs in the flattened order of the outputs.
    """
    functional = _functional(model)
    packed = tree.pack_sequence_as(functional._inputs_struct, list(map(_given, inputs)))
    outputs = tree.flatten(model.predict(packed, batch_size=len(inputs[0]), verbose=0))
    return list(zip(functional.output_names, map(_taken, outputs), strict=True))


def _given(array):
    """What Keras takes for an array: strings must be tensors of TensorFlow."""
    if array.dtype.kind != "U":
        return array
    import tensorflow

    return tensorflow.constant(array)


def _taken(output):
    """The array for what Keras gives: strings come as objects of bytes."""
    output = np.asarray(output)
    if output.dtype != object:
        return output
    return np.array([item.decode() for item in output.ravel()]).reshape(output.shape)


def close(want, got, **tolerance):
    """Whether two arrays are equal, or as good as that."""
    if want.shape != got.shape or "U" in (want.dtype.kind, got.dtype.kind):
        return np.array_equal(want, got)
    return np.allclose(got, want, **tolerance)


def _unset(initializer, shape, dtype=None):
    return np.full(shape, np.nan, dtype or "float32")


def load(path):
    """Opens a saved model in a fresh namespace of layer names.

    Random initial values would be compiled per shape and then overwritten by the
    file. They are NaN instead, so that a weight the file leaves out shows.
    """
    keras.utils.clear_session(free_memory=False)
    kinds = keras.initializers
    with ExitStack() as stack:
        for kind in (
            kinds.Orthogonal,
            kinds.RandomNormal,
            kinds.RandomUniform,
            kinds.TruncatedNormal,
            kinds.VarianceScaling,
        ):
            stack.enter_context(mock.patch.object(kind, "__call__", _unset))
        return keras.models.load_model(path)
