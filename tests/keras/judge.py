"""Real Keras on the JAX CPU backend: the settings of the judge and how it is asked."""

import os

os.environ["KERAS_BACKEND"] = "jax"
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["JAX_DEFAULT_MATMUL_PRECISION"] = "highest"

import keras
import numpy as np
from keras import tree


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
    packed = tree.pack_sequence_as(functional._inputs_struct, list(inputs))
    outputs = tree.flatten(model.predict(packed, batch_size=len(inputs[0]), verbose=0))
    return list(zip(functional.output_names, map(np.asarray, outputs), strict=True))


def load(path):
    """Opens a saved model under fresh layer names, without its Python caches."""
    keras.utils.clear_session(free_memory=False)
    return keras.models.load_model(path)
