"""Further operations in a functional graph, and integers of several types."""

import keras
from keras import layers as L
from keras import ops

from harness import family
from judge import np

case = family("ops")
PAIR = [(5, 7), (5, 7)]
IDS = {"dtype": "int32", "ints": 4}
ROW = np.array([1, 0, 2, 1, 3, 0, 2], dtype="int32")

case("power_number", x=(5, 7), graph=lambda x: x**2)
case("power_cube", x=(5, 7), graph=lambda x: x**3)
case("power_fraction", x=(5, 7), graph=lambda x: abs(x) ** 1.5)
case("power_of_number", x=(5, 7), graph=lambda x: 2.0**x)
case("power_tensor", x=PAIR, graph=lambda x, y: (abs(x) + 0.5) ** y)
case("power_array", x=(5, 7), graph=lambda x: ops.power(abs(x) + 0.5, np.linspace(-1, 2, 7, dtype="float32")))
case("power_of_integers", x=(5,), graph=lambda x: x**0.5, **IDS)
case("absolute", x=(5, 7), graph=lambda x: abs(x))
case("absolute_integers", x=(5,), graph=lambda x: abs(x - 2), **IDS)
case("negative_integers", x=(5,), graph=lambda x: -x, **IDS)
case("maximum", x=PAIR, graph=lambda x, y: ops.maximum(x, y))
case("minimum_number", x=(5, 7), graph=lambda x: ops.minimum(x, 0.25))
case("add_integer_array", x=(5, 7), dtype="int32", ints=4, graph=lambda x: x + ROW)
case("divide_integers", x=[(5,), (5,)], graph=lambda x, y: x / (y + 1), **IDS)
case("mixed_integer_and_number", x=(5,), graph=lambda x: x * 2 + 1.5, **IDS)
case("mixed_integer_types", x=(5,), graph=lambda x: ops.cast(x, "int8") + x, **IDS)

for name, compare in {
    "equal": ops.equal,
    "not_equal": ops.not_equal,
    "less": ops.less,
    "less_equal": ops.less_equal,
    "greater": ops.greater,
    "greater_equal": ops.greater_equal,
}.items():
    case(f"{name}_gate", x=PAIR, graph=lambda x, y, c=compare: ops.cast(c(ops.cast(x, "int32"), ops.cast(y, "int32")), "float32") * x)
    case(f"{name}_number", x=(5, 7), graph=lambda x, c=compare: c(x, 0.5))

case("logical_and", x=PAIR, graph=lambda x, y: (x > 0) & (y > 0))
case("logical_or", x=PAIR, graph=lambda x, y: (x > 0) | (y > 0))
case("logical_xor", x=PAIR, graph=lambda x, y: (x > 0) ^ (y > 0))
case("logical_not", x=(5, 7), graph=lambda x: ~(x > 0))
case("logical_numbers", x=[(5,), (5,)], graph=lambda x, y: ops.logical_and(x, ops.logical_not(y)), **IDS)
case("any", x=(3, 4), graph=lambda x: ops.any(x > 1, axis=-1))
case("any_axes", x=(3, 4), graph=lambda x: ops.any(x > 1.5, axis=(1, 2), keepdims=True))
case("all", x=(3, 4), graph=lambda x: ops.all(x > -1, axis=1))
case("all_keepdims", x=(3, 4), graph=lambda x: ops.all(x, axis=(0, -1), keepdims=True), masked=True)
case("cast_integer", x=(5, 7), graph=lambda x: ops.cast(x * 3, "int32"), scale=2.0)
case("ones_and_zeros", x=(5, 7), graph=lambda x: ops.ones_like(x) - x + ops.zeros_like(x, dtype="int32"))
case("expand_concatenate", x=PAIR, graph=lambda x, y: ops.concatenate([ops.expand_dims(x, 1), ops.expand_dims(y, 1)], axis=1))
case("own_mask", x=(5, 3), graph=lambda x: L.GRU(4)(x, mask=ops.any(ops.greater(x, -0.5), axis=-1)))
case("inverted_mask", x=(5,), graph=lambda x: L.LSTM(4)(L.Embedding(4, 3)(x), mask=ops.logical_not(ops.equal(x, 0))), **IDS)


def wide_table(dtype):
    """More rows than the type of the indices could count."""

    def build():
        x = keras.Input((5,), dtype=dtype, name="x")
        return keras.Model(x, L.LSTM(3)(L.Embedding(300, 2, mask_zero=True)(x)))

    return build


for dtype in ("uint8", "int8", "int64", "int16"):
    case(f"embedding_{dtype}", model=wide_table(dtype), ints=100)

case("distributed_statistics_mask", x=(4, 3), masked=True, layer=lambda: [L.Masking(), L.TimeDistributed(L.BatchNormalization()), L.LSTM(2)])
case("distributed_mask_per_step", x=(3, 5, 2), masked=True, layer=lambda: [L.Masking(), L.TimeDistributed(L.LSTM(4)), L.Dense(2)])


def distributed_state():
    """A recurrent layer that carries its state from one step of the outer time to the next."""
    x = keras.Input(batch_shape=(2, 3, 5, 2), name="x")
    return keras.Model(x, L.TimeDistributed(L.LSTM(4, stateful=True))(x))


case("distributed_stateful", model=distributed_state)
