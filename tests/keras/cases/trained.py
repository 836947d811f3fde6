"""Compiled and trained models, and the objects a file keeps without using them."""

import keras
from keras import layers as L

from harness import family
from judge import np

case = family("graph")


def fit(optimizer, loss="mse", steps=2, **options):
    """Compiles and takes a few steps, so that the optimizer has a state to save."""

    def train(model, rng, inputs):
        model.compile(optimizer=optimizer() if callable(optimizer) else optimizer, loss=loss, **options)
        targets = [rng.uniform(0.1, 0.9, [len(inputs[0]), *t.shape[1:]]) for t in model.outputs]
        if isinstance(loss, str) and loss.startswith("categorical"):
            targets = [np.eye(t.shape[-1])[t.argmax(-1)] for t in targets]
        names = list(loss) if isinstance(loss, dict) else None
        packed = dict(zip(names, targets)) if names else targets[0] if len(targets) == 1 else targets
        values = inputs[0] if len(inputs) == 1 else inputs
        for _ in range(steps):
            model.train_on_batch(values, packed)

    return train


def compile_only(**options):
    return lambda model, rng, inputs: model.compile(**options)


def small():
    return [L.Dense(4, "tanh"), L.BatchNormalization(), L.Dense(3, "softmax")]


O = keras.optimizers
OPTIMIZERS = {
    "adam": lambda: O.Adam(0.01),
    "adam_amsgrad": lambda: O.Adam(0.01, amsgrad=True, clipnorm=1.0),
    "adam_decay_ema": lambda: O.Adam(0.01, weight_decay=0.01, use_ema=True),
    "adam_accumulate": lambda: O.Adam(0.01, gradient_accumulation_steps=2),
    "adam_schedule": lambda: O.Adam(O.schedules.ExponentialDecay(0.01, 10, 0.9)),
    "adamw": lambda: O.AdamW(0.01, clipvalue=0.5),
    "adamax": lambda: O.Adamax(0.01),
    "nadam": lambda: O.Nadam(0.01),
    "sgd": lambda: O.SGD(0.05),
    "sgd_momentum": lambda: O.SGD(0.05, momentum=0.9, nesterov=True),
    "rmsprop": lambda: O.RMSprop(0.01),
    "rmsprop_centered": lambda: O.RMSprop(0.01, centered=True, momentum=0.5),
    "adagrad": lambda: O.Adagrad(0.01),
    "adadelta": lambda: O.Adadelta(0.5),
    "adafactor": lambda: O.Adafactor(0.01),
    "ftrl": lambda: O.Ftrl(0.01),
    "lion": lambda: O.Lion(0.01),
}
for name, optimizer in OPTIMIZERS.items():
    case(f"trained_{name}", x=(7,), layer=small, train=fit(optimizer, "categorical_crossentropy", metrics=["accuracy"]))

case("trained_by_name", x=(7,), layer=small, train=fit("adam", "categorical_crossentropy"))
case("trained_conv", x=(7, 5, 2), layer=lambda: [L.Conv2D(3, 3, activation="relu"), L.BatchNormalization(), L.Dropout(0.3), L.Flatten(), L.Dense(2)], train=fit(lambda: O.Adam(0.01), metrics=["mae"]))
case("trained_lstm", x=(5, 3), masked=True, layer=lambda: [L.Masking(), L.LSTM(4, dropout=0.2), L.Dense(2)], train=fit(lambda: O.RMSprop(0.01)))
case("trained_nested", x=(7,), layer=lambda: [keras.Sequential([keras.Input((7,)), *small()]), L.Dense(2)], train=fit(lambda: O.SGD(0.05, momentum=0.9)))
case("trained_frozen_layer", x=(7,), layer=lambda: [L.Dense(4, trainable=False), L.Dense(3), L.BatchNormalization(trainable=False)], train=fit(lambda: O.Adam(0.01)))
case("trained_two_heads", x=(7,), graph=lambda x: heads(x), train=fit(lambda: O.Adam(0.01), {"value": "mse", "policy": "kl_divergence"}, loss_weights={"value": 0.5, "policy": 2.0}, metrics={"value": ["mae"], "policy": ["accuracy", "mse"]}))
case("trained_shared", x=[(7,), (7,)], graph=lambda x, y: shared(x, y), train=fit(lambda: O.Adam(0.01), keras.losses.mean_absolute_error))

case("compiled_not_trained", x=(7,), layer=small, train=compile_only(optimizer="sgd", loss="mse"))
case("compiled_objects", x=(7,), layer=small, train=compile_only(optimizer=O.Adam(0.01, beta_1=0.8), loss=keras.losses.CategoricalCrossentropy(label_smoothing=0.1), metrics=[keras.metrics.CategoricalAccuracy(name="ca"), keras.metrics.TopKCategoricalAccuracy(k=2), keras.metrics.AUC(num_thresholds=11)]))
case("compiled_weighted_metrics", x=(7,), layer=small, train=compile_only(optimizer="rmsprop", loss="huber", loss_weights=[0.5], weighted_metrics=["mse"], run_eagerly=False, steps_per_execution=2))
case("compiled_function_loss", x=(7,), layer=small, train=compile_only(optimizer="adam", loss=keras.losses.categorical_crossentropy, metrics=[keras.metrics.categorical_accuracy]))
case("compiled_schedule", x=(7,), layer=small, train=compile_only(optimizer=O.SGD(O.schedules.PiecewiseConstantDecay([10, 20], [0.1, 0.05, 0.01])), loss="mse"))


def heads(x):
    body = L.Dense(5, "tanh")(x)
    return {"value": L.Dense(1, name="value")(body), "policy": L.Dense(3, "softmax", name="policy")(body)}


def shared(x, y):
    layer = L.Dense(4, "tanh")
    return L.Dense(2)(L.Add()([layer(x), layer(y)]))


I, R, C = keras.initializers, keras.regularizers, keras.constraints
INITIALIZERS = [
    I.Constant(0.25), I.GlorotNormal(seed=1), I.GlorotUniform(seed=2), I.HeNormal(seed=3), I.HeUniform(),
    I.Identity(gain=0.5), I.LecunNormal(), I.LecunUniform(seed=4), I.Ones(), I.Orthogonal(gain=1.5, seed=5),
    I.RandomNormal(0.1, 0.2, seed=6), I.RandomUniform(-0.1, 0.3), I.TruncatedNormal(0.0, 0.5), I.Zeros(),
    I.VarianceScaling(2.0, "fan_out", "uniform", seed=7),
]
REGULARIZERS = [R.L1(0.01), R.L2(0.02), R.L1L2(0.03, 0.04), R.OrthogonalRegularizer(0.05, mode="columns")]
CONSTRAINTS = [C.MaxNorm(2.0, axis=0), C.MinMaxNorm(0.1, 2.0, rate=0.5, axis=0), C.NonNeg(), C.UnitNorm(axis=0)]


case("kept_initializers", x=(4,), layer=lambda: [L.Dense(4, kernel_initializer=kind, bias_initializer=I.Constant(0.1)) for kind in INITIALIZERS])
case("kept_regularizers", x=(4,), layer=lambda: [L.Dense(4, kernel_regularizer=kind, bias_regularizer="l2", activity_regularizer=R.L2(0.01)) for kind in REGULARIZERS])
case("kept_constraints", x=(4,), layer=lambda: [L.Dense(4, kernel_constraint=kind, bias_constraint=C.MaxNorm(1.0)) for kind in CONSTRAINTS])
case("kept_conv", x=(7, 5, 2), layer=lambda: L.Conv2D(3, 3, kernel_initializer="he_normal", bias_initializer="ones", kernel_regularizer=R.L1L2(0.1, 0.2), bias_regularizer=R.L1(0.1), activity_regularizer="l1", kernel_constraint=C.MaxNorm(3.0, axis=[0, 1, 2]), bias_constraint="non_neg"))
case("kept_depthwise", x=(9, 2), layer=lambda: [L.SeparableConv1D(3, 3, depthwise_initializer=I.RandomNormal(), pointwise_regularizer="l2", depthwise_constraint="unit_norm"), L.DepthwiseConv1D(2, depthwise_regularizer="l1", depthwise_initializer="he_uniform")])
case("kept_recurrent", x=(5, 3), layer=lambda: [L.LSTM(4, kernel_initializer="he_normal", recurrent_initializer=I.RandomNormal(), kernel_regularizer="l2", recurrent_regularizer=R.L1(0.1), bias_constraint="non_neg", return_sequences=True), L.GRU(3, recurrent_constraint=C.UnitNorm(), bias_initializer="ones")])
case("kept_normalisation", x=(5, 3), layer=lambda: [L.BatchNormalization(beta_initializer=I.Constant(0.5), gamma_regularizer="l2", gamma_constraint="non_neg", moving_mean_initializer="ones"), L.LayerNormalization(gamma_initializer=I.RandomNormal(1.0), beta_regularizer="l1"), L.PReLU(alpha_initializer=I.Constant(0.25), alpha_regularizer="l1", alpha_constraint="non_neg")])
case("kept_embedding", x=(5,), dtype="int32", layer=lambda: L.Embedding(7, 3, embeddings_initializer=I.RandomUniform(-1.0, 1.0, seed=9), embeddings_regularizer=R.L2(0.1), embeddings_constraint=C.MaxNorm(1.0)))
case("kept_infinite_constants", x=(5, 7), layer=lambda: [L.Dense(3, kernel_constraint=C.MaxNorm(float("inf")), bias_initializer=I.Constant(float("nan"))), L.Dense(2, kernel_initializer=I.Constant(float("-inf")))])
case("infinite_max_value", x=(5, 7), layer=lambda: L.ReLU(max_value=float("inf"), negative_slope=0.1))
case("dtype_by_name", x=(7,), layer=lambda: [L.Dense(4, dtype="float32"), L.Dense(2, dtype=keras.DTypePolicy("float32"))])
case("frozen", x=(7,), layer=lambda: [L.Dense(4, trainable=False), L.BatchNormalization(trainable=False), L.Dense(2)])
