"""Operations of `keras.ops` that sort, search, run along an axis or choose."""

import keras
from keras import ops

from harness import family
from judge import np

case = family("ops_sort")
INTS = {"dtype": "int32", "ints": 9}
SPOILT = np.array([[np.nan, 0, 0, 0], [0, np.nan, 0, 0], [0, 0, 0, np.nan]], dtype="float32")
BINS = np.array([-1.0, 0.0, 0.5, 2.0], dtype="float32")


def finite(x):
    return ops.nan_to_num(x, nan=-77.0, posinf=99.0, neginf=-99.0)


case("sort", x=(3, 4), graph=lambda x: [ops.sort(x), ops.sort(x, axis=1), ops.sort(x, axis=0), ops.sort(x, axis=None), finite(ops.sort(x + SPOILT))])
case("argsort", x=(3, 4), graph=lambda x: [ops.argsort(x), ops.argsort(ops.round(x), axis=1), ops.argsort(x, axis=None), ops.argsort(x + SPOILT, axis=-1)])
case("stable_argsort", x=(60,), graph=lambda x: [ops.argsort(x), ops.sort(x), ops.top_k(x, 40)], dtype="int32", ints=4)
case("sort_integers", x=(3, 4), graph=lambda x: [f(ops.cast(x - 4, t), axis=1) for f in (ops.sort, ops.argsort) for t in ("int32", "uint8", "int8", "bool")], **INTS)
case("argpartition", x=(7,), graph=lambda x: [ops.argpartition(x, 2), ops.argpartition(ops.round(x), -3), ops.argpartition(x, 5, axis=None), ops.argpartition(ops.cast(x * 2, "int32"), 0, axis=1)])
case("top_k", x=(3, 4), graph=lambda x: [ops.top_k(x, 2), ops.top_k(ops.round(x), 4), ops.top_k(x, 3, sorted=False)[0]])
case("top_k_edges", x=(3, 4), graph=lambda x: [finite(ops.top_k(x + SPOILT, 3)[0]), ops.top_k(x + SPOILT, 3)[1], ops.top_k(ops.cast(x, "int8"), 2)])
case("in_top_k", x=(6,), graph=lambda x: [ops.in_top_k(ops.argmax(x * s, axis=-1), x, k) for s in (1, -1) for k in (1, 3, 6)] + [ops.in_top_k(ops.argmin(x, axis=-1), ops.round(x), 4)])
case("search_sorted", x=(3, 4), graph=lambda x: [ops.searchsorted(BINS, x), ops.searchsorted(BINS, ops.round(x * 2) / 2, side="right"), ops.searchsorted(BINS, x + SPOILT), ops.searchsorted(np.array([-2, 0, 1]), ops.cast(x, "int32"))])
case("digitize", x=(3, 4), graph=lambda x: [ops.digitize(x, BINS), ops.digitize(ops.round(x * 2) / 2, BINS), ops.digitize(ops.round(x * 2) / 2, BINS[::-1].copy()), ops.digitize(x + SPOILT, BINS), ops.digitize(ops.cast(x * 2, "int32"), np.array([-1, 1, 2]))])
case("is_in", x=[(5,), (5,)], graph=lambda x, y: [ops.isin(x, y), ops.isin(x, [1, 3, 20]), ops.isin(x, y, invert=True), ops.isin(x, np.array([[2.0, 2.5], [4.0, np.nan]], dtype="float32"), assume_unique=True), ops.isin(x, 4)], **INTS)

case("cumsum", x=(3, 4), graph=lambda x: [f(x, axis=a) for f in (ops.cumsum, ops.cumprod) for a in (1, -1, 0, None)] + [ops.cumsum(x, axis=1, dtype="int32"), ops.cumprod(x, axis=-1, dtype="int32")])
case("cumsum_integers", x=(3, 4), graph=lambda x: [f(ops.cast(x, t), axis=1) for f in (ops.cumsum, ops.cumprod) for t in ("int32", "int8", "uint8", "bool")] + [ops.cumsum(x, axis=-1, dtype="float32"), ops.cumprod(ops.cast(x * 9, "int8"), axis=-1)], **INTS)
case("nan_cumsum", x=(3, 4), graph=lambda x: [f(x + SPOILT, axis=a) for f in (ops.nancumsum, ops.nancumprod) for a in (1, -1, None)] + [ops.nancumsum(ops.cast(x * 3, "int32"), axis=1), finite(ops.cumsum(x + SPOILT, axis=1))])
case("diff", x=(3, 4), graph=lambda x: [ops.diff(x), ops.diff(x, axis=1), ops.diff(x, n=2), ops.diff(x, n=3, axis=-1), ops.diff(ops.cast(x * 3, "int32"), axis=1), ops.diff(x > 0), ops.diff(ops.cast(abs(x) * 3, "uint8"))])
case("trapezoid", x=(3, 4), graph=lambda x: [ops.trapezoid(x), ops.trapezoid(x, dx=0.5, axis=1), ops.trapezoid(x, x=[0.0, 1.0, 3.0, 3.5]), ops.trapezoid(ops.cast(x * 3, "int32"), axis=-1), ops.trapezoid(x, x=[0, 2, 1], axis=1)])
case("average", x=[(3, 4), (3, 4)], graph=lambda x, y: [ops.average(x, axis=1), ops.average(x, axis=-1, weights=np.array([1.0, 2.0, 0.5, 3.0], dtype="float32")), ops.average(x, axis=1, weights=abs(y)), x * 0 + ops.average(x), x * 0 + ops.average(x, weights=abs(y)), ops.average(ops.cast(x * 3, "int32"), axis=1, weights=np.array([1, 2, 3]))])
case("moments", x=(3, 4), graph=lambda x: [ops.moments(x, axes=[1]), ops.moments(x, axes=[1, 2], keepdims=True), ops.moments(x, axes=[0, 1], keepdims=True), ops.moments(x, axes=[-1])])
case("sizes", x=(3, 3), graph=lambda x: [x * ops.size(x), x + ops.ndim(x)])


def vectors():
    x, y = keras.Input(batch_shape=(5,), name="x"), keras.Input(batch_shape=(5,), name="y")
    return keras.Model([x, y], [ops.correlate(x, y, mode=m) for m in ("valid", "same", "full")] + [ops.correlate(x, np.array(k, dtype="float32"), mode=m) for m in ("valid", "same", "full") for k in ([1.0, 2.0], [0.5, -1.0, 2.0, 1.0], [1, 2, 3, 4, 5, 6, 7, 8.0])])


case("correlate", model=vectors, batch=5)


def correlations():
    x = keras.Input(batch_shape=(4, 6), name="x")
    return keras.Model(x, ops.corrcoef(x))


case("corrcoef", model=correlations, batch=4)


def segments():
    x, ids = keras.Input((2, 3), name="x"), keras.Input((), dtype="int32", name="ids")
    outputs = [finite(f(x, ids, num_segments=n)) for f in (ops.segment_sum, ops.segment_max, ops.segment_min) for n in (5, 8)]
    outputs += [ops.segment_sum(ops.cast(x * 3, "int32"), ids, num_segments=5), ops.segment_max(ops.cast(x * 3, "int8"), ids, num_segments=9)]
    outputs += [ops.segment_prod(x, ids, num_segments=6), ops.segment_prod(ops.cast(x * 3, "int32"), ids, num_segments=6)]
    return keras.Model([x, ids], outputs + [ops.segment_sum(x, ids - 2, num_segments=3, sorted=False)])


case("segments", model=segments, batch=7, ints=6)

PAIR = [(3, 4), (3, 4)]
case("where", x=PAIR, graph=lambda x, y: [ops.where(x > y, x, y), ops.where(x > 0, 1.5, y), ops.where(x > 0, x, 0), ops.where(x > 0, 1, 2), ops.where(ops.round(x), x, y), ops.where(x > 0, ops.cast(y, "int32"), 2.5), ops.where(x > 0, True, y > 0), ops.where(x > 0, np.float32(3), ops.max(y)), ops.where(np.array([True, False, True, True]), x, y)])
case("where_broadcasts", x=[(3, 4), (4,)], graph=lambda x, y: [ops.where(ops.expand_dims(y, 1) > 0, x, ops.expand_dims(y, 1)), ops.where(ops.max(x) > 0, ops.expand_dims(y, 1), x)])
case("select", x=PAIR, graph=lambda x, y: [ops.select([x > 1, x > 0], [x, y], 7), ops.select([x > 1, y > 0], [y, x * 2]), ops.select([x > 0], [ops.cast(y * 3, "int32")], -1), ops.select([x > 0, y > 0], [x, y], y * 2)])
case("clip", x=(3, 4), graph=lambda x: [ops.clip(x, -0.5, 0.5), ops.clip(x, 0, 1), ops.clip(x, 0.5, -0.5), ops.clip(x, None, 0.2), ops.clip(x, -0.2, None), finite(ops.clip(x + SPOILT, -1, 1))])
case("clip_integers", x=(5,), graph=lambda x: [ops.clip(x, 2, 5), ops.clip(ops.cast(x, "uint8"), 3, 6), ops.clip(x > 4, 0, 1), ops.clip(x + 2000000000, 2000000003, 2000000005) - 2000000000, ops.clip(x, 1.5, 4.5)], **INTS)
case("nan_to_num", x=(3, 4), graph=lambda x: [ops.nan_to_num(x + SPOILT), ops.nan_to_num(x / 0, nan=1.0, posinf=2.0, neginf=-3.0), ops.nan_to_num(ops.cast(x, "int32")), ops.nan_to_num(x / 0) * 1e-37])
case("cast", x=(3, 4), scale=100.0, graph=lambda x: [ops.cast(x, t) for t in ("int8", "uint8", "int16", "int32", "bool", "float32")] + [ops.cast(ops.cast(x, "int32"), t) for t in ("int8", "uint8", "bool", "float32")] + [ops.cast(x > 0, "int32"), ops.cast(x / 0, "int32") // 100000000, ops.cast(x + SPOILT, "int32")])
case("saturate_cast", x=(3, 4), scale=200.0, graph=lambda x: [ops.saturate_cast(x, t) for t in ("int8", "uint8", "bool", "float32")] + [ops.saturate_cast(ops.cast(x, "int32"), t) for t in ("int8", "uint8", "bool")] + [ops.saturate_cast(x * 1e9, "int32") // 100000000, ops.saturate_cast(x > 0, "int8"), ops.saturate_cast(ops.cast(x, "int8"), "uint8")])
case("view", x=(3, 4), graph=lambda x: [ops.view(x, "int32") // 16777216, ops.view(x, "uint8"), ops.view(ops.cast(ops.view(x, "uint8"), "uint8"), "float32"), ops.view(ops.cast(x * 9, "int32"), "int16"), ops.view(x)])
