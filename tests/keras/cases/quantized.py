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


def calibrated(policy):
    """Layers as their calibration leaves them, with random weights."""

    def made():
        layers = [L.Dense(5, activation="tanh", dtype=policy), L.Dense(4, dtype=policy), L.Dense(3, use_bias=False, dtype=policy)]
        model = keras.Sequential([keras.Input((9,), name="x"), *layers])
        rng = np.random.default_rng(3)
        for layer in layers:
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


def saving_zeros():
    return mock.patch.object(L.Dense, "_get_kernel_with_merged_lora", with_zero)


for policy in ("gptq/4/-1", "gptq/4/4", "gptq/8/2", "awq/4/-1", "awq/4/4"):
    case("dense_" + policy.replace("/", "_").replace("-1", "all"), model=calibrated(policy + "_from_float32"), keep=True, saving=saving_zeros)


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
