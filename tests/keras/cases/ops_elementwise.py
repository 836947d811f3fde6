"""Operations of `keras.ops`, element by element."""

from keras import ops
from keras.src.ops import numpy as classes

from harness import family
from judge import np

case = family("ops_elementwise")
PAIR = [(3, 4), (3, 4)]
INTS = {"dtype": "int32", "ints": 9}
WIDE = np.array([[-np.inf, -2.5, -1.0, -0.0], [0.0, 1e-6, 0.5, 1.5], [2.5, 31.0, np.inf, np.nan]], dtype="float32")
TYPES = ("bool", "uint8", "int8", "uint16", "int16", "uint32")


def named(*functions):
    """All of these functions of one tensor."""
    return lambda x: {f.__name__: f(x) for f in functions}


def finite(x):
    """Numbers in place of what a fixture may not hold."""
    x = ops.nan_to_num(x, nan=-77.0, posinf=99.0, neginf=-99.0)
    return ops.minimum(ops.maximum(x, -999), 999)


case("trigonometry", x=(3, 4), scale=2.0, graph=named(ops.sin, ops.cos, ops.tan, ops.sinh, ops.cosh, ops.tanh, ops.arctan, ops.arcsinh, ops.sinc, ops.deg2rad, ops.rad2deg))
case("inverses", x=(3, 4), graph=lambda x: [f(ops.tanh(x)) for f in (ops.arcsin, ops.arccos, ops.arctanh, ops.erfinv)] + [ops.arccosh(ops.cosh(x))])
case("exponentials", x=(3, 4), scale=2.0, graph=named(ops.exp, ops.exp2, ops.expm1, ops.erf, ops.erfc, ops.i0, ops.cbrt))
case("logarithms", x=(3, 4), graph=lambda x: [f(ops.exp(x)) for f in (ops.log, ops.log2, ops.log10, ops.log1p, ops.sqrt, ops.rsqrt, ops.reciprocal)])
case("steps", x=(3, 4), scale=3.0, graph=named(ops.ceil, ops.floor, ops.trunc, ops.sign, ops.signbit, ops.fabs, ops.abs, ops.absolute, ops.square, ops.negative))
case("real_parts", x=(3, 4), graph=named(ops.real, ops.imag, ops.conj, ops.conjugate, ops.angle, ops.isreal))
case("other_names", x=(3, 4), graph=lambda x: [classes.Abs()(x), classes.Conj()(x)])
case("round", x=(3, 4), scale=300.0, graph=lambda x: [ops.round(x), ops.round(x / 100, decimals=2), ops.round(x, decimals=-2), ops.round(x / 100 * 2) / 2, ops.round(ops.trunc(x) / 2)])
case("edges_of_floats", x=(3, 4), graph=lambda x: [finite(f(x * 0 + WIDE)) for f in (ops.expm1, ops.erf, ops.erfc, ops.sign, ops.sinc, ops.log1p, ops.reciprocal, ops.round, ops.square, ops.i0, ops.rsqrt, ops.cbrt, ops.arctan, ops.tanh, ops.trunc, ops.angle)])
case("questions", x=(3, 4), graph=lambda x: [f(x * 0 + WIDE) for f in (ops.isfinite, ops.isinf, ops.isnan, ops.isneginf, ops.isposinf, ops.signbit, ops.isreal, ops.logical_not)] + [f(ops.cast(x, "int32")) for f in (ops.isfinite, ops.isinf, ops.isnan, ops.isneginf, ops.isposinf)])
case("integers_as_floats", x=(5,), graph=named(ops.sin, ops.exp, ops.exp2, ops.expm1, ops.log1p, ops.sqrt, ops.cbrt, ops.fabs, ops.deg2rad, ops.angle, ops.sinc), dtype="int32", ints=5)
case("integers", x=(5,), graph=lambda x: [ops.reciprocal(x + 1)] + [f(x - 4) for f in (ops.abs, ops.absolute, ops.negative, ops.sign, ops.signbit, ops.square, ops.trunc, ops.real, ops.imag, ops.conj, ops.isreal, ops.round, ops.ceil, ops.floor)] + [ops.round(x * 13, decimals=-1), ops.round(x, decimals=2)], **INTS)
case("integer_types", x=(5,), graph=lambda x: [f(ops.cast(x, t)) for t in ("uint8", "int8", "int16", "int64") for f in (ops.negative, ops.square, ops.sign, ops.abs)], **INTS)
case("booleans", x=(5,), graph=lambda x: [f(x > 3) for f in (ops.square, ops.abs, ops.trunc, ops.exp, ops.sin, ops.real, ops.isfinite, ops.signbit)], **INTS)

case("arithmetic", x=PAIR, graph=lambda x, y: [ops.add(x, y), ops.subtract(x, y), ops.multiply(x, y), ops.divide(x, y + 3), ops.true_divide(x, 2), ops.divide(1, y + 3), x // 0.7, x % 0.7, ops.mod(x, y + 3), ops.floor_divide(x, y + 3), ops.fmod(x, y + 3), ops.fmod(x, -0.4)])
case("arithmetic_scalars", x=[(3, 4), (4,)], graph=lambda x, y: [x * 0 + ops.max(x) + ops.max(y), ops.multiply(ops.max(y), x), ops.maximum(ops.min(x), x + 1), ops.arctan2(ops.max(y), x)])
case("divide_no_nan", x=PAIR, graph=lambda x, y: [ops.divide_no_nan(x, ops.floor(y)), ops.divide_no_nan(ops.cast(x * 3, "int32"), ops.cast(y * 2, "int32")), ops.divide_no_nan(3, ops.floor(y))])
case("floats_by_zero", x=PAIR, graph=lambda x, y: [finite(ops.floor_divide(x, y * 0)), finite(ops.mod(x, y * 0)), finite(x / (y * 0)), finite(ops.mod(WIDE, x)), finite(ops.mod(x, WIDE)), finite(ops.fmod(x, WIDE)), finite(ops.floor_divide(x, WIDE)), finite(ops.floor_divide(WIDE, x))])
case("remainder_is_exact", x=(3, 4), scale=1e5, graph=lambda x: [ops.mod(x, 0.1), ops.fmod(x, 0.3), ops.mod(x, 6.2831855)])
case("integer_division", x=[(5,), (5,)], graph=lambda x, y: [f(x - 4, d) for f in (ops.floor_divide, ops.mod, ops.fmod) for d in (y - 4, 3, -3)] + [x // 2, 20 % (y + 1), x / (y + 1)], **INTS)
case("unsigned_division", x=[(5,), (5,)], graph=lambda x, y: [f(ops.cast(x, t), ops.cast(y, t)) for f in (ops.floor_divide, ops.mod, ops.fmod) for t in ("uint8", "int8", "int16")], **INTS)
case("overflow", x=(5,), graph=lambda x: [ops.square(ops.cast(x, "int8") * 20), ops.cast(x, "uint8") - 5, (x - 4) * 1000000000 // 16777216, ops.cast(x * 100, "int8"), ops.cast(x * -30, "uint8")], **INTS)
case("boolean_arithmetic", x=[(5,), (5,)], graph=lambda x, y: [f(x > 3, y > 3) for f in (ops.add, ops.multiply, ops.maximum, ops.minimum, ops.mod, ops.floor_divide, ops.power, ops.logaddexp, ops.hypot)] + [(x > 3) + 1, (x > 3) * y, ops.divide(x > 3, y + 1), (x > 3) * 0.5, True * y], **INTS)
case("mixed_types", x=[(5,), (5,)], graph=lambda x, y: [ops.add(ops.cast(x, a), ops.cast(y, b)) for a in TYPES for b in TYPES if a < b], **INTS)
case("powers", x=PAIR, graph=lambda x, y: [ops.power(abs(x) + 0.1, y), ops.power(x, 3), ops.power(x, 2.0), ops.power(2, x), ops.power(abs(x), 0.5), finite(ops.power(x, ops.cast(y * 2, "int32"))), finite(ops.power(x, y))])
case("integer_powers", x=[(5,), (5,)], graph=lambda x, y: [ops.power(x - 4, y % 4), (x - 4) ** 2, 2 ** (x % 5), ops.power(ops.cast(x, "int8"), ops.cast(y, "int8")), ops.power(x - 4, y - 9) % 1000, ops.power(x, ops.cast(y, "float32") / 9), ops.power(x * 0, y % 2)], **INTS)
case("extremes", x=PAIR, graph=lambda x, y: [f(x, y) for f in (ops.maximum, ops.minimum, ops.fmax, ops.fmin)] + [finite(f(x, WIDE)) for f in (ops.maximum, ops.minimum, ops.fmax, ops.fmin)] + [ops.fmax(x, 0.3), ops.maximum(0, x)])
case("integer_extremes", x=[(5,), (5,)], graph=lambda x, y: [f(x, y) for f in (ops.maximum, ops.minimum, ops.fmax, ops.fmin)] + [ops.maximum(x, 3), ops.minimum(x, 2.5), ops.fmax(ops.cast(x, "uint8"), 4)], **INTS)
case("two_floats", x=PAIR, graph=lambda x, y: [f(x, y) for f in (ops.arctan2, ops.hypot, ops.logaddexp, ops.logaddexp2, ops.heaviside)] + [ops.heaviside(ops.round(x), y), ops.arctan2(x, 2.0), ops.logaddexp(x, 1), finite(ops.logaddexp(x * 0 + WIDE, x * 0 + WIDE)), finite(ops.logaddexp2(x, WIDE)), finite(ops.hypot(x, ops.convert_to_tensor(WIDE))), finite(ops.heaviside(x * 0 + WIDE, y))])
case("two_integers_as_floats", x=[(5,), (5,)], graph=lambda x, y: [f(x - 3, y - 3) for f in (ops.arctan2, ops.hypot, ops.logaddexp, ops.logaddexp2, ops.heaviside)], **INTS)
case("ldexp", x=PAIR, graph=lambda x, y: [ops.ldexp(x, ops.cast(y * 3, "int32")), ops.ldexp(x, 3), ops.ldexp(x * 1e-30, np.array([100, 99, 98, 101])), ops.ldexp(ops.cast(x * 3, "int32"), ops.cast(y, "int8"))])
case("divisors", x=[(7,), (7,)], graph=lambda x, y: [ops.gcd(x - 20, y), ops.lcm(x - 20, y), ops.gcd(x, 12), ops.lcm(ops.cast(x, "uint8"), 6), ops.gcd(ops.cast(x, "int16"), ops.cast(y, "int8"))], dtype="int32", ints=40)
case("nextafter", x=PAIR, graph=lambda x, y: [(ops.nextafter(x, y) - x) * 1e7, ops.nextafter(x, x), (ops.nextafter(x, 9) - x) * 1e7])
case("comparisons", x=PAIR, graph=lambda x, y: [f(ops.round(x), ops.round(y)) for f in (ops.equal, ops.not_equal, ops.less, ops.less_equal, ops.greater, ops.greater_equal)] + [ops.less(x, WIDE), ops.not_equal(WIDE, x * 0 + WIDE), ops.greater(0, x), ops.equal(ops.cast(x, "int32"), ops.cast(y, "uint8"))])
case("large_integers_compare", x=(5,), graph=lambda x: [ops.equal(x + 2000000000, 2000000003), ops.less(x + 2000000000, 2000000004), x + 2000000000 - 2000000000], **INTS)
case("closeness", x=PAIR, graph=lambda x, y: [ops.isclose(x, x * 1.000001), ops.isclose(x, y, rtol=0.5, atol=0.1), ops.isclose(x * 0 + WIDE, WIDE), ops.isclose(x * 0 + WIDE, WIDE, equal_nan=True), ops.isclose(x, 0.5, atol=0.4), ops.isclose(ops.cast(x, "int32"), ops.cast(y, "int32"))])
case("all_close", x=PAIR, graph=lambda x, y: [ops.logical_and(x > 0, c) for c in (ops.allclose(x, x + 1e-7), ops.allclose(x, y), ops.allclose(x, y, rtol=100.0, atol=9.0), ops.allclose(x * 0 + WIDE, WIDE, equal_nan=True))])
case("logic", x=PAIR, graph=lambda x, y: [f(ops.round(x), y > 0) for f in (ops.logical_and, ops.logical_or, ops.logical_xor)] + [ops.logical_not(ops.round(x)), ops.logical_and(x > 0, True), ops.logical_or(x, 0)])
case("bitwise", x=[(5,), (5,)], graph=lambda x, y: [f(x - 40, y) for f in (ops.bitwise_and, ops.bitwise_or, ops.bitwise_xor)] + [f(x > 20, y > 20) for f in (ops.bitwise_and, ops.bitwise_or, ops.bitwise_xor)] + [f(z) for f in (ops.bitwise_invert, ops.bitwise_not) for z in (x, x > 20, ops.cast(x, "uint8"))] + [ops.bitwise_and(ops.cast(x, "uint8"), ops.cast(y, "int8"))], dtype="int32", ints=60)
case("shifts", x=[(5,), (5,)], graph=lambda x, y: [f(x - 4, y) for f in (ops.left_shift, ops.right_shift, ops.bitwise_left_shift, ops.bitwise_right_shift)] + [ops.left_shift(x, 3), ops.right_shift(x * 100 - 400, 2), ops.right_shift(x - 4, y * 5), ops.left_shift(x, y * 5) % 7, ops.left_shift(ops.cast(x, "uint8"), ops.cast(y, "uint8")), ops.right_shift(ops.cast(x * 30, "uint8"), ops.cast(y * 2, "uint8")), ops.left_shift(ops.cast(x, "int8"), ops.cast(y - 2, "int8"))], **INTS)
