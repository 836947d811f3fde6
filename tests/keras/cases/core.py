"""Dense, shapes, embeddings, scaling and the simple layers around them."""

import keras
import numpy as np
from keras import layers as L

from harness import family

case = family("core")

case("dense", x=(7,), layer=lambda: L.Dense(5))
case("dense_no_bias", x=(7,), layer=lambda: L.Dense(5, use_bias=False))
case("dense_rank3", x=(5, 7), layer=lambda: L.Dense(3, activation="relu"))
case("dense_rank4", x=(3, 5, 7), layer=lambda: L.Dense(4, activation="softmax"))
case("dense_rank3_free_axis", x=(None, 7), layer=lambda: L.Dense(3, use_bias=False))
case("dense_one_unit", x=(9,), layer=lambda: L.Dense(1, activation="sigmoid"))
case("dense_stack", x=(7,), layer=lambda: [L.Dense(9, "tanh"), L.Dense(5, "elu"), L.Dense(3)])

case("flatten_rank2", x=(7,), layer=lambda: L.Flatten())
case("flatten_rank3", x=(5, 7), layer=lambda: L.Flatten())
case("flatten_rank4", x=(5, 7, 3), layer=lambda: [L.Flatten(), L.Dense(3)])
case("flatten_rank5", x=(3, 5, 2, 3), layer=lambda: L.Flatten("channels_last"))
case("flatten_first_rank2", x=(7,), layer=lambda: L.Flatten("channels_first"))
case("flatten_first_rank3", x=(5, 7), layer=lambda: L.Flatten("channels_first"))
case("flatten_first_rank4", x=(2, 5, 7), layer=lambda: L.Flatten("channels_first"))
case("flatten_first_rank5", x=(2, 3, 5, 2), layer=lambda: L.Flatten("channels_first"))
case("flatten_scalar", x=(), layer=lambda: L.Flatten())

case("reshape", x=(6, 5), layer=lambda: L.Reshape((3, 10)))
case("reshape_infer_first", x=(6, 5), layer=lambda: L.Reshape((-1, 3, 2)))
case("reshape_infer_last", x=(4, 3, 5), layer=lambda: L.Reshape((6, -1)))
case("reshape_infer_all", x=(3, 7), layer=lambda: L.Reshape((-1,)))
case("reshape_free_axis", x=(None, 6), layer=lambda: L.Reshape((-1, 3)))
case("permute", x=(5, 7), layer=lambda: L.Permute((2, 1)))
case("permute_three", x=(3, 5, 7), layer=lambda: L.Permute((3, 1, 2)))
case("permute_four", x=(2, 3, 5, 4), layer=lambda: L.Permute((4, 2, 1, 3)))
case("repeat_vector", x=(7,), layer=lambda: L.RepeatVector(3))
case("repeat_vector_one", x=(5,), layer=lambda: L.RepeatVector(1))
case("repeat_vector_dense", x=(5,), layer=lambda: [L.RepeatVector(4), L.Dense(3)])
case("identity", x=(5, 7), layer=lambda: L.Identity())
case("identity_between", x=(7,), layer=lambda: [L.Dense(3), L.Identity(), L.Dense(2)])
case("identity_named", x=(3, 5, 2), layer=lambda: L.Identity(name="same"))

case("embedding", x=(5,), dtype="int32", layer=lambda: L.Embedding(7, 3))
case("embedding_mask_zero", x=(5,), dtype="int32", layer=lambda: L.Embedding(7, 4, mask_zero=True))
case("embedding_rank3", x=(3, 5), dtype="int32", layer=lambda: L.Embedding(7, 2))
case("embedding_float_ids", model=lambda: _embedding_of_floats())
case("embedding_dense", x=(5,), dtype="int32", layer=lambda: [L.Embedding(7, 3), L.Flatten(), L.Dense(2)])
case("embedding_int64", x=(None,), dtype="int64", layer=lambda: L.Embedding(7, 3))
case("masking", x=(5, 3), masked=True, layer=lambda: L.Masking())
case("masking_value", model=lambda: _masking_of_sevens())
case("masking_dense", x=(5, 3), masked=True, layer=lambda: [L.Masking(0.0), L.Dense(4)])

case("rescaling", x=(5, 7), layer=lambda: L.Rescaling(1 / 255))
case("rescaling_offset", x=(5, 7), layer=lambda: L.Rescaling(0.5, offset=-1.0))
case("rescaling_lists", x=(5, 3), layer=lambda: L.Rescaling([0.5, 2.0, -1.0], offset=[1.0, 0.0, -2.0]))
case("rescaling_int_input", x=(5,), dtype="int32", layer=lambda: L.Rescaling(0.25, 1.0))
case("unit_normalization", x=(5, 7), layer=lambda: L.UnitNormalization())
case("unit_normalization_axis", x=(5, 7), layer=lambda: L.UnitNormalization(axis=1))
case("unit_normalization_axes", x=(3, 5, 7), layer=lambda: L.UnitNormalization(axis=[1, -1]))
case("unit_normalization_zero", x=(5, 3), masked=True, layer=lambda: L.UnitNormalization(axis=-1))

case("activity_regularization", x=(7,), layer=lambda: [L.Dense(5), L.ActivityRegularization(l1=0.1, l2=0.2)])
case("activity_regularization_rank3", x=(5, 7), layer=lambda: L.ActivityRegularization(l2=0.3))
case("activity_regularization_l1", x=(7,), layer=lambda: [L.ActivityRegularization(l1=0.01), L.Dense(2)])

case("lambda_relu", x=(5, 7), layer=lambda: L.Lambda(keras.activations.relu))
case("lambda_softsign", x=(7,), layer=lambda: [L.Dense(5), L.Lambda(keras.activations.softsign)])
case("lambda_softmax", x=(3, 5), layer=lambda: L.Lambda(keras.activations.softmax))
case("lambda_leaky_relu_arguments", x=(7,), layer=lambda: L.Lambda(keras.activations.leaky_relu, arguments={"negative_slope": 0.5}))

case("input_int32", x=(7,), dtype="int32", layer=lambda: L.Dense(3))
case("input_fixed_batch", batch=3, model=lambda: _fixed_batch())
case("input_layer_named", model=lambda: _input_layer())
case("input_int_tanh", x=(5,), dtype="int32", layer=lambda: [L.Rescaling(0.1), L.Dense(3, activation="tanh")])
case("build_input_shape", model=lambda: _without_input_layer())


def _embedding_of_floats():
    x = keras.Input((5,), name="x")
    ids = L.ReLU(max_value=6.0)(L.Rescaling(2.0, offset=3.5)(x))
    return keras.Model(x, L.Embedding(7, 3)(ids))


def _masking_of_sevens():
    x = keras.Input((5, 2), dtype="int32", name="x")
    masked = L.Masking(mask_value=2.0)(L.Rescaling(0.5)(x))
    return keras.Model(x, masked)


def _fixed_batch():
    x = keras.Input(batch_shape=(3, 7), name="x")
    return keras.Model(x, L.Dense(4)(x))


def _input_layer():
    return keras.Sequential([L.InputLayer(shape=(7,), dtype="float32", name="entry"), L.Dense(2)])


def _without_input_layer():
    model = keras.Sequential([L.Dense(5, "relu"), L.Dense(3)])
    model.build((None, 7))
    return model


def _normalization(shape, samples=64, **options):
    """A Normalization layer that has seen data with a mean and a spread per axis."""

    def build():
        layer = L.Normalization(**options)
        rng = np.random.default_rng(5)
        spread, centre = rng.uniform(0.5, 2.0, shape), rng.standard_normal(shape)
        layer.adapt((spread * rng.standard_normal((samples, *shape)) + centre).astype("float32"))
        return layer

    return build


case("normalization", x=(7,), layer=_normalization((7,)))
case("normalization_rank3", x=(5, 7), layer=_normalization((5, 7)))
case("normalization_axis1", x=(5, 7), layer=_normalization((5, 7), axis=1))
case("normalization_axes", x=(3, 5, 2), layer=_normalization((3, 5, 2), axis=[1, 3]))
case("normalization_axes_reversed", x=(3, 5), layer=_normalization((3, 5), axis=(2, 1)))
case("normalization_none", x=(5, 3), layer=_normalization((5, 3), axis=None))
case("normalization_invert", x=(7,), layer=_normalization((7,), invert=True))
case("normalization_image_invert", x=(5, 7, 3), layer=_normalization((5, 7, 3), invert=True))
case("normalization_given", x=(5, 3), layer=lambda: L.Normalization(mean=[0.5, -1.0, 2.0], variance=[0.25, 1.0, 4.0]))
case("normalization_given_scalars", x=(5, 3), layer=lambda: L.Normalization(axis=None, mean=0.5, variance=2.25))
case("normalization_given_invert", x=(3,), layer=lambda: L.Normalization(mean=1.5, variance=4.0, invert=True))
case("normalization_zero_variance", x=(3,), layer=lambda: L.Normalization(mean=[0.0, 1.0, 2.0], variance=[1.0, 0.5, 0.0], invert=True))
case("normalization_dense", x=(7,), layer=lambda: [_normalization((7,))(), L.Dense(3, "relu"), L.Dense(1)])
