"""Dtype policies: types of variables, of what layers compute in, and of what they give."""

import keras
from keras import layers as L
from keras import ops

from harness import family

case = family("dtypes")
POLICIES = ("float16", "bfloat16", "mixed_float16", "mixed_bfloat16", "float64")
# Orthogonal matrices are not made of 16 bits.
PLAIN = {"recurrent_initializer": "glorot_uniform"}

# Keras rounds after every operation inside a layer, this crate where the layer ends.
ROUNDED = {
    "float16": {"tolerance": 2.0**-9, "reason": "float16 has 11 bits, and Keras rounds within layers too"},
    "bfloat16": {"tolerance": 2.0**-6, "reason": "bfloat16 has 8 bits, and Keras rounds within layers too"},
}


def typed(name, policy, build, **options):
    """A case whose layers all have a policy."""

    def model():
        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy(policy)
        try:
            return build()
        finally:
            keras.config.set_dtype_policy(before)

    rounded = ROUNDED.get(policy.removeprefix("mixed_"), {})
    if name == "nested" and rounded:
        reason = f"{rounded['reason']}; normalization widens what that does"
        rounded = {"tolerance": 2 * rounded["tolerance"], "reason": reason}
    case(f"{policy}_{name}", model=model, **rounded, **options)


def chain(shape, *layers, dtype="float32"):
    """A chain of layers that are made under the policy."""
    return lambda: keras.Sequential([keras.Input(shape, dtype=dtype, name="x"), *[layer() for layer in layers]])


def branches(shape, graph, dtype="float32"):
    """A graph that is made under the policy."""

    def build():
        x = keras.Input(shape, dtype=dtype, name="x")
        return keras.Model(x, graph(x))

    return build


def nested():
    """A model in a model."""
    inner = keras.Sequential([keras.Input((4,), name="y"), L.Dense(5, activation="gelu"), L.LayerNormalization()])
    x = keras.Input((3, 4), name="x")
    return keras.Model(x, [L.TimeDistributed(inner)(x), L.Softmax()(L.Flatten()(x))])


for policy in POLICIES:
    typed("dense", policy, branches((4, 6), lambda x: [L.Dense(5, activation="tanh")(x), L.Dense(3, use_bias=False)(L.Dense(4, activation="relu")(x))]))
    typed("images", policy, chain((8, 7, 3), lambda: L.Conv2D(4, 3, activation="relu"), L.BatchNormalization, lambda: L.MaxPooling2D(2), lambda: L.SeparableConv2D(3, 2, padding="same"), L.GlobalAveragePooling2D))
    typed("recurrent", policy, chain((4, 3), lambda: L.LSTM(4, return_sequences=True, **PLAIN), lambda: L.Bidirectional(L.GRU(3, **PLAIN))))
    typed("normalization", policy, branches((5, 6), lambda x: [L.LayerNormalization()(x), L.GroupNormalization(3)(x), L.RMSNormalization()(x), L.BatchNormalization(axis=1)(x), L.UnitNormalization()(x)]))
    typed("cells", policy, chain((4, 3), lambda: L.RNN([L.LSTMCell(3, **PLAIN), L.GRUCell(2, **PLAIN)]), lambda: L.SpectralNormalization(L.Dense(3))))
    typed("embedding", policy, chain((5,), lambda: L.Embedding(9, 4, mask_zero=True), lambda: L.SimpleRNN(3, **PLAIN), dtype="int32"), ints=9)
    typed("attention", policy, branches((5, 6), lambda x: L.Attention()([x, x])))
    # JAX does not multiply the heads in float16 on a CPU.
    if not policy.endswith("float16") or "bf" in policy:
        typed("heads", policy, branches((5, 6), lambda x: L.MultiHeadAttention(2, 3)(x, x)))
    typed("merging", policy, branches((4, 6), lambda x: [L.Add()([x, L.Dense(6)(x)]), L.Concatenate()([x, L.Activation("relu")(x)]), L.Multiply()([x, x]), L.Flatten()(x), L.AveragePooling1D(2)(x)]))
    typed("nested", policy, nested)
    typed("operations", policy, branches((4, 6), lambda x: [L.Dense(3)(x) * 2.0, ops.softmax(L.Dense(3)(x)) + ops.cast(L.Dense(3)(x), "float32"), ops.layer_normalization(L.Dense(4)(x))]))


def of_their_own():
    """Layers with a policy each, by name and by object, and a model with an input of 16 bits."""
    x = keras.Input((5, 4), name="x")
    y = keras.Input((5, 4), dtype="float16", name="y")
    half = L.Dense(6, dtype="mixed_float16", name="half")(x)
    pure = L.Dense(6, dtype=keras.DTypePolicy("float16"), activation=L.LeakyReLU(dtype="float16"), name="pure")(half)
    full = L.Dense(6, dtype="float32", name="full")(pure)
    brief = L.LSTM(3, dtype="bfloat16", return_sequences=True, **PLAIN)(full)
    outer = L.TimeDistributed(L.Dense(2, dtype="mixed_float16"), dtype="float32")(brief)
    both = L.Bidirectional(L.GRU(2, dtype="float16", **PLAIN), dtype="float32")(full)
    return keras.Model([x, y], [half, pure, full, brief, outer, both, L.Add()([x, y]), L.Flatten(dtype="bfloat16")(y), y * 2.0, L.Dropout(0.5)(y)])


case("cast", x=(4, 6), graph=lambda x: [ops.cast(x, "float16"), ops.cast(x, "bfloat16") * ops.cast(x, "float16"), ops.cast(ops.cast(x, "bfloat16"), "int32")], **ROUNDED["bfloat16"])
case("of_their_own", model=of_their_own, **ROUNDED["bfloat16"])
case("map", x=(5, 6), graph=lambda x: L.MultiHeadAttention(2, 3, dtype=keras.dtype_policies.DTypePolicyMap(default_policy="mixed_bfloat16"))(x, x), **ROUNDED["bfloat16"])
case("frozen", x=(5, 6), layer=lambda: [L.Dense(4, dtype="mixed_float16", trainable=False), L.BatchNormalization(dtype="float16", trainable=False)], **ROUNDED["float16"])
case("stateful", model=lambda: keras.Sequential([keras.Input(batch_shape=(2, 4, 3), name="x"), L.LSTM(3, stateful=True, dtype="mixed_float16", **PLAIN), L.Dense(2, dtype="float16")]), **ROUNDED["float16"])
