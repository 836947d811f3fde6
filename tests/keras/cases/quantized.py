"""Weights in a few bits, and low-rank adaptations, which are part of the weights in a file."""

from unittest import mock

import keras
from keras import layers as L

from harness import family
from judge import np

case = family("quantized")


def quantized(mode, build, config=None):
    """A model with random weights that Keras itself quantized."""

    def made():
        model = build()
        rng = np.random.default_rng(7)
        for variable in model.weights:
            variable.assign(0.5 * rng.standard_normal(variable.shape))
        model.quantize(mode, config=config)
        return model

    return made


def dense(width=9, **options):
    return lambda: keras.Sequential([keras.Input((width,), name="x"), L.Dense(5, activation="relu", **options), L.Dense(3, use_bias=False)])


def words():
    x = keras.Input((6,), dtype="int32", name="x")
    return keras.Model(x, L.Dense(4)(L.Embedding(11, 7, mask_zero=True)(x)))


for mode in ("int8", "int4", "float8"):
    case(f"dense_{mode}", model=quantized(mode, dense()), keep=True)
    if mode != "float8":
        case(f"embedding_{mode}", model=quantized(mode, words), ints=11, dtype="int32", keep=True)

grouped = lambda size: keras.quantizers.Int4QuantizationConfig(block_size=size)
case("dense_int4_blocks", model=quantized("int4", dense(), grouped(4)), keep=True)
case("dense_int4_channels", model=quantized("int4", dense(), grouped(-1)), keep=True)
case("embedding_int4_blocks", model=quantized("int4", words, grouped(2)), ints=11, keep=True)
case("embedding_int4_channels", model=quantized("int4", words, grouped(-1)), ints=11, keep=True)
case("dense_int8_plain_inputs", model=quantized("int8", dense(), keras.quantizers.Int8QuantizationConfig(activation_quantizer=None)), keep=True)


def products():
    """As attention has them, with axes before, between and after those that are summed over."""
    x = keras.Input((3, 5), name="x")
    heads = L.EinsumDense("abc,cde->abde", (None, 2, 3), bias_axes="de", activation="tanh")(x)
    joined = L.EinsumDense("abde,def->abf", (None, 7), bias_axes="f")(heads)
    outputs = [
        joined,
        L.EinsumDense("abde,fed->abf", (None, 3))(heads),
        L.EinsumDense("abc,bd->adc", (4, 5), bias_axes="d")(x),
        L.EinsumDense("abc,dbe->aecd", (4, 5, 2), bias_axes="ed")(x),
        L.EinsumDense("abc,bc->abc", (3, 5))(x),
    ]
    return keras.Model(x, outputs)


def there_and_back(tied, **options):
    def build():
        words, vectors = keras.Input((6,), dtype="int32", name="x"), keras.Input((4, 7), name="y")
        layer = L.ReversibleEmbedding(11, 7, tie_weights=tied, **options)
        return keras.Model([words, vectors], [layer(words), layer(vectors, reverse=True), L.GlobalAveragePooling1D()(layer(words))])

    return build


rounding = keras.quantizers.Int4QuantizationConfig(block_size=-1, activation_quantizer=keras.quantizers.AbsMaxQuantizer())

for name, mode, config in (
    ("int8", "int8", None),
    ("float8", "float8", None),
    ("int8_plain_inputs", "int8", keras.quantizers.Int8QuantizationConfig(activation_quantizer=None)),
    ("int4_blocks", "int4", grouped(4)),
    ("int4_channels", "int4", rounding),
):
    case(f"einsum_dense_{name}", model=quantized(mode, products, config), keep=True)
for name, mode, tied, config in (
    ("int8_tied", "int8", True, None),
    ("int8", "int8", False, None),
    ("int4_blocks_tied", "int4", True, grouped(4)),
    ("int4_blocks", "int4", False, grouped(2)),
    ("int4_channels", "int4", False, rounding),
):
    case(f"reversible_{name}", model=quantized(mode, there_and_back(tied, mask_zero=tied, logit_soft_cap=None if tied else 2.0), config), ints=11, keep=True)


def by_policy():
    """Without a quantization config, where the way back rounds its inputs although there are blocks."""
    model = there_and_back(False, dtype="int4/3_from_float32")()
    rng = np.random.default_rng(9)
    for variable in model.weights:
        if variable.dtype == "int8":
            variable.assign(rng.integers(-8 if "zero" in variable.name else -128, 8, variable.shape))
        elif "scale" in variable.name:
            variable.assign(rng.uniform(0.05, 0.2, variable.shape))
    return model


case("reversible_int4_policy", model=by_policy, ints=11, keep=True)


def calibrated(policy, build=lambda **options: [L.Dense(5, activation="tanh", **options), L.Dense(4, **options), L.Dense(3, use_bias=False, **options)]):
    """Layers as their calibration leaves them, with random weights."""

    def made():
        layers = build(dtype=policy)
        model = keras.Sequential([keras.Input((9,), name="x"), *layers])
        rng = np.random.default_rng(3)
        for layer in layers:
            if not hasattr(layer, "quantized_kernel"):
                continue
            layer.is_gptq_calibrated = policy.startswith("gptq")
            layer.is_awq_calibrated = policy.startswith("awq")
            top = 256 if "/8/" in policy else 16
            layer.quantized_kernel.assign(rng.integers(0, 256, layer.quantized_kernel.shape).astype("uint8"))
            layer.kernel_scale.assign(rng.uniform(0.02, 0.1, layer.kernel_scale.shape) * 16 / top)
            layer.kernel_zero.assign(rng.integers(0, top, layer.kernel_zero.shape).astype("uint8"))
            groups = layer.kernel_scale.shape[1]
            layer.g_idx.assign(np.sort(rng.integers(0, groups, layer.g_idx.shape)).astype("float32"))
            if policy.startswith("awq"):
                layer.awq_scales.assign(rng.uniform(0.5, 2.0, layer.awq_scales.shape))
        return model

    return made


def with_zero(self):
    """Keras 3.15.1 forgets to write the zeros, and cannot read its own files."""
    return self.kernel, None, getattr(self, "kernel_zero", None)


def saving_zeros(kind=L.Dense):
    return mock.patch.object(kind, "_get_kernel_with_merged_lora", with_zero)


def heads(**options):
    """The largest axis of a kernel is its first, or its last; or there are two."""
    wide = L.EinsumDense("ab,bcd->acd", (2, 3), bias_axes="cd", activation="tanh", **options)
    return [wide, L.EinsumDense("acd,cde->ae", (7,), **options), L.EinsumDense("ca,ab->cb", (3,), bias_axes="b", **options)]


for policy in ("gptq/4/-1", "gptq/4/4", "gptq/8/2", "awq/4/-1", "awq/4/4"):
    case("dense_" + policy.replace("/", "_").replace("-1", "all"), model=calibrated(policy + "_from_float32"), keep=True, saving=saving_zeros)

def scaled():
    """With scales as training leaves them. Keras' integers of a few bits are not for `...`."""
    elided = L.EinsumDense("...a,ab->...b", (6,), bias_axes="b", activation="tanh")
    model = quantized("float8", lambda: keras.Sequential([keras.Input((9,), name="x"), elided, *heads()]))()
    rng = np.random.default_rng(4)
    for variable in model.weights:
        if variable.name.endswith("_scale"):
            variable.assign(rng.uniform(0.002, 0.02))
    return model


case("einsum_dense_float8_scaled", model=scaled, keep=True)
for policy in ("gptq/4/4", "gptq/8/-1", "awq/4/4"):
    case("einsum_dense_" + policy.replace("/", "_").replace("-1", "all"), model=calibrated(policy + "_from_float32", heads), keep=True, saving=lambda: saving_zeros(L.EinsumDense))


def adapted(build, quantize=None):
    """A model whose weights are those of its file plus an adaptation."""

    def made():
        model = build()
        rng = np.random.default_rng(5)
        for variable in model.weights:
            variable.assign(0.5 * rng.standard_normal(variable.shape))
        if quantize:
            model.quantize(quantize)
        for layer in model._flatten_layers():
            if hasattr(layer, "enable_lora"):
                layer.enable_lora(2, lora_alpha=3)
                for variable in layer.weights:
                    if "lora" in variable.name:
                        variable.assign(0.3 * rng.standard_normal(variable.shape))
        return model

    return made


case("lora_dense", model=adapted(dense()), keep=True)
case("lora_embedding", model=adapted(words), ints=11, keep=True)
case("lora_conv", model=adapted(lambda: keras.Sequential([keras.Input((6, 5, 3), name="x"), L.Conv2D(4, 3), L.Conv2D(2, (1, 2), use_bias=False)])), keep=True)
