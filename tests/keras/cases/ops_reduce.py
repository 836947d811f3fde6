"""Operations of `keras.ops` that reduce axes."""

from keras import ops

from harness import family
from judge import np

case = family("ops_reduce")
INTS = {"dtype": "int32", "ints": 9}
# Some take no list of axes on JAX, and a tuple comes back from a file as a list.
ONE = ({"axis": 1}, {"axis": -1, "keepdims": True}, {"axis": 0}, {"keepdims": True})
FORMS = ({"axis": 1}, {"axis": -1, "keepdims": True}, {"axis": (0, 2)}, {"axis": [2, 1], "keepdims": True}, {"keepdims": True})
SPOILT = np.array([[np.nan, 0, 0, 0], [0, np.nan, 0, 0], [0, 0, 0, np.nan]], dtype="float32")


def finite(x):
    return ops.nan_to_num(x, nan=-77.0, posinf=99.0, neginf=-99.0)


def forms(*functions):
    """Functions over one axis, several and all."""

    def graph(x):
        outputs = [f(x, **form) for f in functions for form in FORMS]
        return outputs + [x * 0 + f(x) for f in functions]

    return graph


def spoilt(*functions):
    """The same with NaN in every corner, and rows of nothing else."""

    def graph(x):
        y = x + SPOILT
        z = ops.where(ops.max(x, axis=-1, keepdims=True) > 1, np.nan, y)
        outputs = [f(y, **form) for f in functions for form in ONE]
        return [finite(o) for o in outputs + [f(z, axis=-1) for f in functions] + [x * 0 + f(y) for f in functions]]

    return graph


case("sum", x=(3, 4), graph=forms(ops.sum))
case("mean", x=(3, 4), graph=forms(ops.mean))
case("prod", x=(3, 4), graph=forms(ops.prod))
case("max_min", x=(3, 4), graph=forms(ops.max, ops.min))
case("amax_amin", x=(3, 4), graph=forms(ops.amax, ops.amin))
case("var_std", x=(3, 4), graph=forms(ops.var, ops.std))
case("median", x=(3, 4), graph=forms(ops.median))
case("ptp", x=(3, 4), graph=forms(ops.ptp))
case("logsumexp", x=(3, 4), scale=30.0, graph=forms(ops.logsumexp))
case("quantifiers", x=(3, 4), graph=lambda x: [f(x > t, **form) for f, t in ((ops.any, 1.3), (ops.all, -1.3)) for form in FORMS] + [ops.logical_and(x > 0, ops.any(x > 9)), ops.logical_or(x > 0, ops.all(x)), ops.any(x, axis=1)])
case("initial", x=(3, 4), graph=lambda x: [ops.max(x, axis=1, initial=0.2), ops.min(x, axis=(1, 2), initial=-1), ops.max(ops.cast(x, "int32"), axis=-1, initial=1), ops.min(x, axis=1, keepdims=True, initial=9.0)])
case("count_nonzero", x=(3, 4), graph=lambda x: [x * 0 + ops.count_nonzero(ops.round(x)), x * 0 + ops.count_nonzero(x > 0)])
case("no_axes", x=(3, 4), graph=lambda x: [ops.sum(x, axis=()), ops.max(x, axis=[]), ops.any(x > 0, axis=())])
case("nan_spoils", x=(3, 4), graph=spoilt(ops.sum, ops.max, ops.min, ops.mean, ops.median, ops.std))
case("integers", x=(3, 4), graph=lambda x: [f(x - 4, axis=a) for f in (ops.sum, ops.prod, ops.max, ops.min, ops.amax, ops.amin, ops.mean, ops.var, ops.std, ops.ptp, ops.median, ops.logsumexp, ops.any, ops.all) for a in (-1, (0, 1))], **INTS)
case("integer_types", x=(3, 4), graph=lambda x: [f(ops.cast(x, t), axis=1) for t in ("bool", "uint8", "int8", "uint16", "uint32") for f in (ops.sum, ops.prod, ops.max, ops.min, ops.mean, ops.median)], **INTS)
case("wrapping_sum", x=(3, 4), graph=lambda x: [ops.sum(ops.cast(x * 30, "uint8"), axis=1), ops.sum(ops.cast(x * 14, "int8"), axis=(1, 2)), ops.max(x + 2000000000, axis=1) - 2000000000, ops.sum(x + 100000000, axis=1) - 300000000], **INTS)
case("prod_dtype", x=(3, 4), graph=lambda x: [ops.prod(x, axis=1, dtype="float32"), ops.prod(x, axis=1, dtype="uint8"), ops.prod(ops.cast(x, "float32") / 2, axis=-1, dtype="int32"), ops.prod(x > 2, axis=1)], dtype="int32", ints=5)
case("argmax", x=(3, 4), graph=lambda x: [f(r, **form) for f in (ops.argmax, ops.argmin) for r in (x, ops.round(x)) for form in ({"axis": 1}, {"axis": -1, "keepdims": True}, {"axis": 0}, {"keepdims": True})] + [ops.cast(x * 0, "int32") + ops.argmax(x)])
case("argmax_edges", x=(3, 4), graph=lambda x: [f(x + SPOILT, axis=a) for f in (ops.argmax, ops.argmin) for a in (1, 2)] + [f(x * 0 * np.array([-1, 1, -1, 1]), axis=-1) for f in (ops.argmax, ops.argmin)] + [ops.argmax(x > 0, axis=1)])
case("argmax_integers", x=(3, 4), graph=lambda x: [f(ops.cast(x - 4, t), axis=-1) for f in (ops.argmax, ops.argmin) for t in ("int32", "int8", "uint8", "bool")] + [ops.argmax(x + 2000000000, axis=-1)], **INTS)

case("nan_sums", x=(3, 4), graph=spoilt(ops.nansum, ops.nanprod))
case("nan_means", x=(3, 4), graph=spoilt(ops.nanmean, ops.nanvar, ops.nanstd))
case("nan_extremes", x=(3, 4), graph=spoilt(ops.nanmax, ops.nanmin))
case("nan_medians", x=(3, 4), graph=spoilt(ops.nanmedian))
case("nan_indices", x=(3, 4), graph=lambda x: [f(y, **form) for f in (ops.nanargmax, ops.nanargmin) for y in (x + SPOILT, ops.where(ops.max(x, axis=-1, keepdims=True) > 1, np.nan, x)) for form in ({"axis": 1}, {"axis": -1, "keepdims": True}, {"axis": 0})] + [ops.cast(x * 0, "int32") + ops.nanargmin(x + SPOILT)])
case("nan_of_integers", x=(3, 4), graph=lambda x: [f(x - 4, axis=1) for f in (ops.nansum, ops.nanprod, ops.nanmean, ops.nanvar, ops.nanstd, ops.nanmax, ops.nanmin, ops.nanmedian, ops.nanargmax, ops.nanargmin)] + [f(ops.cast(x, t), axis=1) for f in (ops.nansum, ops.nanprod, ops.nanmax) for t in ("bool", "uint8", "int16")], **INTS)

METHODS = ("linear", "lower", "higher", "midpoint", "nearest", "inverted_cdf")
case("quantile", x=(3, 4), graph=lambda x: [ops.quantile(x, q, keepdims=True) for q in (0.0, 1.0, 0.3)] + [ops.quantile(x, q) for q in ([0.1, 0.5], [0.5], np.array([0.2, 0.9, 0.4]))] + [ops.quantile(x, [0.2, 0.8], keepdims=True, method="lower"), x * 0 + ops.quantile(x, 0.7, method="nearest")])
case("percentile", x=(3, 4), graph=lambda x: [ops.percentile(x, q, axis=1, method=m) for m in METHODS for q in (0, 37, [50, 90], 100)] + [ops.percentile(x, 25, **form) for form in ONE])
case("quantile_of_nan", x=(3, 4), graph=lambda x: [finite(f(x + SPOILT, q, axis=1, method=m)) for f, q in ((ops.nanquantile, 0.3), (ops.nanpercentile, [20, 75.5]), (ops.percentile, 60)) for m in METHODS] + [finite(ops.nanquantile(x + SPOILT, [0.4], axis=-1, keepdims=True)), finite(ops.nanpercentile(x + SPOILT, 30, keepdims=True))])
case("quantile_of_tensor", x=[(3, 4), (1,)], graph=lambda x, y: [ops.nanquantile(x, ops.max(y) * 0 + 0.25, axis=1), ops.nanpercentile(x, ops.sum(y * 0, axis=1) + 30, axis=2)])
case("quantile_integers", x=(3, 4), graph=lambda x: [f(x, q, axis=1) for f, q in ((ops.percentile, 40), (ops.nanquantile, [0.3, 0.6]), (ops.nanpercentile, 55))] + [ops.quantile(x > 3, 0.5, keepdims=True), ops.quantile(x, 0.3, keepdims=True)], **INTS)
case("quantile_of_many", x=(50,), graph=lambda x: [ops.nanquantile(x, 0.37, axis=-1), ops.percentile(x, [3, 97], axis=-1), ops.median(x, axis=-1)])
