"""Regularizers and constraints: what they add to the loss, and what they make of weights."""

import json

from harness import family
from judge import keras, np, predict

case = family("penalty")
L = keras.layers
R = keras.regularizers
C = keras.constraints


WINDOWS = ("boxcar", "hann", "hamming", "blackman", "nuttall", "blackmanharris", "flattop", "cosine", "bartlett")


def measured(model, inputs):
    """Keras' own losses, and its outputs once every constraint has been applied."""
    model(inputs if len(inputs) > 1 else inputs[0])
    arrays = {"losses": np.array(sum(model.losses, 0.0), "float32")}
    weights = [v.regularizer(v) for v in model.trainable_variables if v.regularizer is not None]
    arrays["weights"] = np.array(sum(weights, 0.0), "float32")
    for variable in model.trainable_variables:
        if variable.constraint is not None:
            variable.assign(variable.constraint(variable))
    for i, (name, values) in enumerate(predict(model, inputs)):
        arrays[f"constrained/{i}/{name}"] = values
    return arrays


def fixed(model, inputs):
    """Initializers that draw no numbers, by their serialized form."""
    kinds = keras.initializers
    array = np.arange(6, dtype="float32").reshape(2, 1, 3)
    stft = [kinds.STFT(window=window) for window in WINDOWS] + [
        kinds.STFT("imag", "hamming", "spectrum", periodic=True),
        kinds.STFT("imag", "cosine", None, periodic=True),
        kinds.STFT("real", "bartlett", "spectrum", periodic=True),
        kinds.STFT("imag", None),
    ]
    shaped = [(kind, (8, 1, 5)) for kind in stft] + [
        (kinds.STFT(), (9, 1, 6)),
        (kinds.STFT(periodic=True), (1, 1, 3)),
        (kinds.Constant(0.7), (2, 3)),
        (kinds.Constant(array), (2, 4, 3)),
        (kinds.Identity(), (3, 5)),
        (kinds.Ones(), (4,)),
    ]
    name = lambda kind: json.dumps(kinds.serialize(kind))
    return {f"initializer/{name(kind)}": np.array(kind(shape), "float32") for kind, shape in shaped}


def shared(x, y):
    dense = L.Dense(4, kernel_regularizer=R.L2(0.02), bias_regularizer="l1", kernel_constraint="unit_norm")
    frozen = L.Dense(3, kernel_regularizer="l2", kernel_constraint="non_neg", trainable=False)
    return frozen(L.Add()([dense(x), dense(y)]))


def activities(x):
    h = L.Conv1D(3, 2, activity_regularizer=R.L1L2(0.01, 0.02), kernel_regularizer="l1")(x)
    h = L.ActivityRegularization(l1=0.03, l2=0.01)(h)
    inner = keras.Sequential([keras.Input((6, 3)), L.Dense(2, activity_regularizer="l2")])
    h = inner(h)
    return L.LSTM(3, activity_regularizer=R.L1(0.1), recurrent_regularizer=R.L2(0.3))(h)


case(
    "norms",
    x=(6,),
    layer=lambda: [
        L.Dense(7, kernel_constraint=C.MaxNorm(0.9), bias_constraint=C.MaxNorm(0.3), kernel_regularizer="l1l2"),
        L.Dense(5, kernel_constraint=C.MinMaxNorm(0.6, 0.8, 0.7, axis=1), kernel_regularizer=R.L1L2(0.1, 0.2)),
        L.Dense(4, kernel_constraint=C.NonNeg(), bias_constraint="non_neg"),
        L.Dense(3, kernel_constraint=C.UnitNorm(axis=[0, 1]), bias_regularizer=R.L1(0.3)),
    ],
    more=measured,
)
case(
    "convolutions",
    x=(8, 7, 3),
    layer=lambda: [
        L.Conv2D(4, (3, 2), kernel_constraint=C.MaxNorm(0.7, axis=[0, 1, 2]), kernel_regularizer="l2"),
        L.DepthwiseConv2D(2, depth_multiplier=2, depthwise_constraint=C.UnitNorm(axis=2)),
        L.SeparableConv2D(
            5,
            3,
            depthwise_constraint=C.MinMaxNorm(0.5, 0.9, axis=[0, 1]),
            pointwise_constraint=C.MaxNorm(0.5, axis=-2),
            pointwise_regularizer=R.L1L2(0.3, 0.4),
        ),
        L.Conv2DTranspose(2, 2, kernel_constraint=C.UnitNorm(axis=(0, 3)), bias_regularizer="l2"),
        L.BatchNormalization(gamma_regularizer="l1", beta_constraint=C.MaxNorm(0.2), gamma_constraint="non_neg"),
        L.PReLU(alpha_regularizer=R.L2(0.1), alpha_constraint=C.MaxNorm(0.4, axis=1)),
        L.LayerNormalization(axis=[1, 2], gamma_constraint=C.UnitNorm(axis=1), beta_regularizer="l2"),
    ],
    more=measured,
)
case(
    "orthogonal",
    x=(5,),
    layer=lambda: [
        L.Dense(6, kernel_regularizer=R.OrthogonalRegularizer(0.3)),
        L.Dense(4, kernel_regularizer=R.OrthogonalRegularizer(0.2, mode="columns")),
        L.Reshape((2, 2)),
        L.GRU(
            3,
            recurrent_regularizer=R.OrthogonalRegularizer(0.5),
            kernel_constraint=C.MaxNorm(0.4),
            bias_constraint=C.UnitNorm(axis=1),
            bias_regularizer="l2",
        ),
    ],
    more=measured,
)
case("initializers", x=(2,), layer=lambda: L.Dense(2), more=fixed)
case("shared", x=[(4,), (4,)], graph=shared, more=measured)
case("activities", x=(7, 2), graph=activities, more=measured)
