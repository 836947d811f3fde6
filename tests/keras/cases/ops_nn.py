"""The operations of keras.ops.nn."""

import keras
from keras import layers as L
from keras import ops

from harness import family
from judge import np

case = family("ops_nn")
IDS = {"dtype": "int32", "ints": 9}
RNG = np.random.default_rng(5)


def array(*shape):
    """A constant of a graph."""
    return RNG.standard_normal(shape).astype("float32")


def inputs(*specs, **shared):
    """Inputs with a type of their own each: (shape, dtype)."""
    names = ["x", "y", "z", "w", "v"]
    return [keras.Input(shape, dtype=dtype, name=name, **shared) for (shape, dtype), name in zip(specs, names)]


case("activations", x=(5, 7), scale=2.0, graph=lambda x: [
    ops.relu(x), ops.relu6(3 * x), ops.sigmoid(x), ops.sparse_sigmoid(x), ops.softplus(x), ops.softsign(x),
    ops.sparse_plus(x), ops.silu(x), ops.log_sigmoid(x), ops.hard_sigmoid(x), ops.hard_silu(x), ops.selu(x),
    ops.tanh_shrink(x), ops.hard_tanh(x),
    keras.activations.relu(x), keras.activations.relu(x, 0.3, 1.5, 0.25),
])
case("activations_with_numbers", x=(5, 7), scale=2.0, graph=lambda x: [
    ops.soft_shrink(x), ops.soft_shrink(x, 0.9), ops.squareplus(x), ops.squareplus(x, b=2), ops.leaky_relu(x),
    ops.leaky_relu(x, negative_slope=0.05), ops.elu(x), ops.elu(x, alpha=0.7), ops.celu(x), ops.celu(x, 0.6),
    ops.gelu(x), ops.gelu(x, approximate=False), ops.hard_shrink(x), ops.hard_shrink(x, 1.25),
    ops.threshold(x, 0.5, -3), ops.threshold(x, -0.25, 1.5), keras.activations.relu(x, max_value=6),
    keras.activations.relu(x, negative_slope=0.1),
])
case("activations_of_integers", x=(5,), graph=lambda x: ops.relu(x - 4), **IDS)
case("softmax", x=(3, 4, 5), graph=lambda x: [
    ops.softmax(x), ops.softmax(x, axis=1), ops.softmax(x, axis=-2), ops.log_softmax(x), ops.log_softmax(x, axis=2),
    ops.sparsemax(x), ops.sparsemax(x, axis=1),
])
case("softmax_of_all", x=(3, 4), batch=3, graph=lambda x: [ops.softmax(x, axis=None), ops.log_softmax(x, axis=None)])
case("softmax_axes", x=(3, 4, 5), graph=lambda x: [ops.softmax(x, axis=(1, 3)), ops.softmax(x, axis=[-1, -2])])
case("glu", x=(4, 6), graph=lambda x: [ops.glu(x), ops.glu(x, axis=1)])
case("softmax_channels_first", x=(6, 5, 2), graph=lambda x: [ops.softmax(L.Conv2D(4, 2)(x)), ops.glu(L.Conv2D(4, 2)(x)), ops.softmax(L.Conv2D(4, 2)(x), axis=1)])

case("normalize", x=(3, 4), graph=lambda x: [
    ops.normalize(x), ops.normalize(x, axis=1), ops.normalize(x, order=1), ops.normalize(x, axis=1, order=3),
    ops.normalize(x, axis=None), ops.normalize(x * 0, epsilon=0.1) + ops.normalize(x, order=1, epsilon=3.0),
])
case("layer_normalization", x=(3, 4), graph=lambda x: [
    ops.layer_normalization(x), ops.layer_normalization(x, array(4), array(4)),
    ops.layer_normalization(x, gamma=array(3), axis=1, epsilon=0.01), ops.layer_normalization(x, beta=array(3), axis=1),
    ops.layer_normalization(x, array(12), array(3, 4), axis=(1, 2)), ops.layer_normalization(x, array(1, 3, 1), axis=-2),
    ops.layer_normalization(x, array(4), array(4), rms_scaling=True),
])
case("layer_normalization_tensors", x=[(3, 4), (3, 4)], graph=lambda x, y: ops.layer_normalization(x, y, y * 2))
case("rms_normalization", x=(3, 4), graph=lambda x: [
    ops.rms_normalization(x), ops.rms_normalization(x, array(4)), ops.rms_normalization(x, array(3, 1), axis=1, epsilon=0.01),
    ops.rms_normalization(x, axis=(1, 2)), ops.rms_normalization(x, scale=x),
])
case("batch_normalization", x=(3, 4, 2), graph=lambda x: [
    ops.batch_normalization(x, array(2), array(2) ** 2, -1),
    ops.batch_normalization(x, array(3), array(3) ** 2, 1, array(3), array(3)),
    ops.batch_normalization(x, array(4), array(4) ** 2, axis=2, scale=array(4), offset=array(4), epsilon=0.1),
])

case("conv", x=(7, 8, 4), graph=lambda x: [
    ops.conv(x, array(2, 3, 4, 5)), ops.conv(x, array(3, 3, 4, 2), strides=2, padding="same"),
    ops.conv(x, array(3, 2, 4, 6), strides=(1, 2)), ops.conv(x, array(2, 2, 4, 3), dilation_rate=(2, 1), padding="same"),
    ops.conv(x, array(2, 2, 4, 3), strides=2, dilation_rate=2),
])
case("conv_of_others", x=[(9, 2), (4, 5, 6, 2)], graph=lambda x, y: [
    ops.conv(x, array(3, 2, 4), padding="same"), ops.conv(y, array(2, 2, 3, 2, 3), padding="same", strides=(2, 1, 2)),
])
case("conv_of_integers", x=(9, 2), graph=lambda x: ops.conv(x, array(3, 2, 4)), **IDS)
case("depthwise_conv", x=(7, 8, 3), graph=lambda x: [
    ops.depthwise_conv(x, array(2, 3, 3, 2)), ops.depthwise_conv(x, array(3, 3, 3, 1), strides=2, padding="same"),
    ops.depthwise_conv(x, array(2, 2, 3, 2), dilation_rate=2, padding="same"),
])
case("separable_conv", x=(7, 8, 3), graph=lambda x: [
    ops.separable_conv(x, array(2, 3, 3, 2), array(1, 1, 6, 4)),
    ops.separable_conv(x, array(3, 3, 3, 1), array(1, 1, 3, 5), strides=2, padding="same"),
    ops.separable_conv(x, array(2, 2, 3, 1), array(1, 1, 3, 2), dilation_rate=(1, 2)),
])
case("pool", x=(7, 8, 3), graph=lambda x: [
    ops.max_pool(x, 2, 2), ops.max_pool(x, 3, strides=1, padding="same"), ops.max_pool(x, 3, strides=2),
    ops.average_pool(x, 2, 2), ops.average_pool(x, 3, strides=2, padding="same"), ops.average_pool(x, 3, strides=1),
])
case("pool_of_others", x=[(9, 2), (4, 5, 6, 2)], graph=lambda x, y: [
    ops.max_pool(x, 3, 3), ops.average_pool(x, 2, 2, padding="same"), ops.max_pool(y, 2, 2), ops.average_pool(y, 3, strides=1, padding="same"),
])
case("pool_channels_first", x=(3, 8, 7), graph=lambda x: [
    ops.max_pool(x, 2, 2, data_format="channels_first"), ops.average_pool(x, 3, 2, data_format="channels_first"),
])

case("blocks", x=[(2, 3, 8), (4, 6, 3)], graph=lambda x, y: [
    ops.depth_to_space(x, 2), ops.space_to_depth(y, 2), ops.depth_to_space(L.Conv2D(18, 1)(x), 3),
])
case("blocks_channels_first", x=[(8, 2, 3), (3, 4, 6)], graph=lambda x, y: [
    ops.depth_to_space(x, 2, data_format="channels_first"), ops.space_to_depth(y, 2, data_format="channels_first"),
])
case("blocks_of_integers", x=(2, 2, 4), graph=lambda x: ops.space_to_depth(ops.depth_to_space(x, 2), 2), **IDS)
case("unfold", x=(2, 6, 7), graph=lambda x: [
    ops.unfold(x, 2), ops.unfold(x, (3, 2), stride=2), ops.unfold(x, 3, dilation=(2, 1), padding=1), ops.unfold(x, (2, 3), padding=(1, 2), stride=(2, 3)),
])
case("fold", x=[(8, 30), (12, 12), (12, 35)], graph=lambda x, y, z: [
    ops.fold(x, (6, 7), 2), ops.fold(y, (8, 6), (2, 2), stride=2),
    ops.fold(z, (6, 7), (2, 3), padding=(0, 1)),
])

QKV = [(5, 2, 3), (4, 2, 3), (4, 2, 3)]
case("attention", x=QKV, graph=lambda q, k, v: [
    ops.dot_product_attention(q, k, v), ops.dot_product_attention(q, k, v, is_causal=True),
    ops.dot_product_attention(q, k, v, scale=0.3), ops.dot_product_attention(q, k, v, bias=array(1, 2, 5, 4)),
    ops.dot_product_attention(q, k, v, mask=array(1, 1, 5, 4) > 0), ops.dot_product_attention(q, k, v, mask=array(5, 4) > -1, bias=array(1, 1, 4), is_causal=True),
])
case("attention_shared_heads", x=[(5, 6, 3), (4, 2, 3), (4, 2, 3)], graph=lambda q, k, v: [
    ops.dot_product_attention(q, k, v), ops.dot_product_attention(q, k, v, bias=array(1, 6, 5, 4), is_causal=True),
])


def attention_masks():
    """Masks and biases that the graph computes."""
    q, k, m = inputs(((5, 2, 3), "float32"), ((4, 2, 3), "float32"), ((1, 5, 4), "float32"))
    return keras.Model([q, k, m], [
        ops.dot_product_attention(q, k, k, mask=m > 0), ops.dot_product_attention(q, k, k, bias=m),
    ])


case("attention_masks", model=attention_masks)
case("binary_crossentropy", x=[(3, 4), (3, 4)], graph=lambda x, y: [
    ops.binary_crossentropy(ops.sigmoid(x), ops.sigmoid(y)), ops.binary_crossentropy(ops.sigmoid(x), y, from_logits=True),
    ops.binary_crossentropy(ops.cast(x > 0, "int32"), ops.sparse_sigmoid(y)),
])
case("categorical_crossentropy", x=[(3, 3), (3, 3)], graph=lambda x, y: [
    ops.categorical_crossentropy(ops.softmax(x), ops.softmax(y)), ops.categorical_crossentropy(ops.softmax(x), y, from_logits=True),
    ops.categorical_crossentropy(ops.softmax(x, axis=1), ops.softmax(y, axis=1), axis=1), ops.categorical_crossentropy(x, ops.sigmoid(y)),
])


def sparse_crossentropy():
    """Targets with and without an axis of size 1, and one out of range."""
    x, y, z = inputs(((4,), "int32"), ((4, 9), "float32"), ((4, 1), "float32"))
    return keras.Model([x, y, z], [
        ops.sparse_categorical_crossentropy(x, ops.softmax(y)), ops.sparse_categorical_crossentropy(x, y, from_logits=True),
        ops.sparse_categorical_crossentropy(z * 2, y, from_logits=True), ops.sparse_categorical_crossentropy(x + 4, ops.sigmoid(y)),
    ])


case("sparse_categorical_crossentropy", model=sparse_crossentropy, ints=9)


def ctc_model(loss):
    """A model of labels, logits and both lengths, of which each is a vector."""

    def build():
        target = keras.Input((5,), dtype="int32", name="x")
        output = keras.Input((8, 6), name="y")
        labels = keras.Input((), dtype="int32", name="z")
        steps = keras.Input((), dtype="int32", name="w")
        return keras.Model([target, output, labels, steps], loss(target, output, labels + 1, steps + 4))

    return build


case("ctc_loss", model=ctc_model(lambda target, output, labels, steps: [
    ops.ctc_loss(target, output, labels, steps), ops.ctc_loss(target, output, labels, steps, mask_index=5),
]), ints=5, batch=4)


def decoded(output, steps, **options):
    """What is decoded, with the examples on the first axis."""
    labels, scores = ops.ctc_decode(output, steps, **options)
    return [ops.any(labels > k, axis=0) for k in range(-1, 5)] + [scores]


case("ctc_decode", model=ctc_model(lambda target, output, labels, steps: [
    *decoded(output, steps), *decoded(output, steps, merge_repeated=False), *decoded(output, steps, mask_index=5),
    ops.relu(target), ops.relu(labels),
]), ints=5, batch=4)
case("psnr", x=[(3, 4), (3, 4)], graph=lambda x, y: [x * 0 + ops.psnr(x, y, 2.5), x * 0 + ops.psnr(x, y, max_val=1)])
