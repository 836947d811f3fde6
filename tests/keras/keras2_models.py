"""Files of Keras 2 with every kind of layer, by itself and in use, and what they predict.

Usage: keras2_models.py FOLDER     with tf_keras
"""

import sys
from pathlib import Path

import numpy as np
import tensorflow as tf
import tf_keras as keras
from recorded import record

L = keras.layers

# What computes with 16 bits, in another order, is not compared, nor what Keras 3 means otherwise.
UNEQUAL = ["mixed", "dropout_in_use", "random_crop"]

# What a layer is called with, and the layers that are.
SHAPES = {
    (4,): [
        lambda: L.Dense(3, activation="hard_sigmoid", kernel_regularizer="l2", kernel_constraint="max_norm"),
        lambda: L.Dense(3, kernel_initializer=keras.initializers.VarianceScaling(2.0, distribution="uniform")),
        lambda: L.Dense(2, activation=L.LeakyReLU(alpha=0.1)),
        lambda: L.Activation("swish"),
        lambda: L.Activation("hard_sigmoid"),
        lambda: L.ActivityRegularization(l1=0.1),
        lambda: L.AlphaDropout(0.2),
        lambda: L.BatchNormalization(),
        lambda: L.BatchNormalization(axis=[1], renorm=True),
        lambda: L.Dropout(0.3, noise_shape=(None, 1), seed=3),
        lambda: L.ELU(0.3),
        lambda: L.EinsumDense("ab,bc->ac", output_shape=5, bias_axes="c"),
        lambda: L.GaussianDropout(0.1),
        lambda: L.GaussianNoise(0.1),
        lambda: L.LayerNormalization(axis=[-1]),
        lambda: L.LeakyReLU(alpha=0.2),
        lambda: L.Masking(0.5),
        lambda: L.Normalization(mean=[1.0, 2.0, 3.0, 4.0], variance=[1.0, 2.0, 3.0, 4.0]),
        lambda: L.PReLU(),
        lambda: L.ReLU(max_value=6.0, negative_slope=0.1, threshold=0.2),
        lambda: L.RepeatVector(3),
        lambda: L.Rescaling(0.5, 1.0),
        lambda: L.Reshape((2, 2)),
        lambda: L.Softmax(),
        lambda: L.UnitNormalization(),
        lambda: L.Discretization(bin_boundaries=[0.0, 1.0]),
        lambda: L.Identity(),
        lambda: L.GroupNormalization(groups=2),
    ],
    (6, 4): [
        lambda: L.Conv1D(3, 2, padding="causal", dilation_rate=2),
        lambda: L.Conv1DTranspose(3, 2),
        lambda: L.SeparableConv1D(3, 2),
        lambda: L.DepthwiseConv1D(2),
        lambda: L.MaxPooling1D(2),
        lambda: L.AveragePooling1D(2),
        lambda: L.GlobalMaxPooling1D(),
        lambda: L.GlobalAveragePooling1D(),
        lambda: L.UpSampling1D(2),
        lambda: L.ZeroPadding1D(1),
        lambda: L.Cropping1D(1),
        lambda: L.SpatialDropout1D(0.2),
        lambda: L.Permute((2, 1)),
        lambda: L.Flatten(),
        lambda: L.LSTM(3, recurrent_activation="hard_sigmoid", dropout=0.1),
        lambda: L.GRU(3, reset_after=False),
        lambda: L.GRU(3),
        lambda: L.SimpleRNN(3, return_sequences=True),
        lambda: L.RNN([L.LSTMCell(3), L.GRUCell(2)]),
        lambda: L.Bidirectional(L.LSTM(2, return_sequences=True)),
        lambda: L.Bidirectional(L.GRU(2), merge_mode="sum", backward_layer=L.GRU(2, go_backwards=True)),
        lambda: L.TimeDistributed(L.Dense(2)),
        lambda: L.LayerNormalization(axis=[1, 2]),
    ],
    (6, 6, 4): [
        lambda: L.Conv2D(3, 2, groups=1),
        lambda: L.Conv2DTranspose(3, 2, strides=2, output_padding=1),
        lambda: L.SeparableConv2D(3, 2),
        lambda: L.DepthwiseConv2D(2),
        lambda: L.MaxPooling2D(2),
        lambda: L.AveragePooling2D(2, padding="same"),
        lambda: L.GlobalMaxPooling2D(keepdims=True),
        lambda: L.GlobalAveragePooling2D(),
        lambda: L.UpSampling2D(2, interpolation="bilinear"),
        lambda: L.ZeroPadding2D(((1, 2), (0, 1))),
        lambda: L.Cropping2D(1),
        lambda: L.SpatialDropout2D(0.2),
        lambda: L.BatchNormalization(),
        lambda: L.ConvLSTM1D(2, 2),
        lambda: L.Resizing(3, 3),
        lambda: L.CenterCrop(3, 3),
        lambda: L.RandomCrop(3, 3),
        lambda: L.RandomFlip("horizontal"),
        lambda: L.RandomRotation(0.1),
        lambda: L.RandomTranslation(0.1, 0.1),
        lambda: L.RandomZoom(0.1),
        lambda: L.RandomContrast(0.1),
        lambda: L.RandomBrightness(0.1),
    ],
    (3, 6, 6, 4): [
        lambda: L.Conv3D(3, 2),
        lambda: L.Conv3DTranspose(3, 2),
        lambda: L.MaxPooling3D(2),
        lambda: L.AveragePooling3D(2),
        lambda: L.GlobalMaxPooling3D(),
        lambda: L.GlobalAveragePooling3D(),
        lambda: L.UpSampling3D(2),
        lambda: L.ZeroPadding3D(1),
        lambda: L.Cropping3D(1),
        lambda: L.SpatialDropout3D(0.2),
        lambda: L.ConvLSTM2D(2, 2, recurrent_activation="hard_sigmoid"),
    ],
}

MERGES = [
    lambda: L.Add(),
    lambda: L.Subtract(),
    lambda: L.Multiply(),
    lambda: L.Average(),
    lambda: L.Maximum(),
    lambda: L.Minimum(),
    lambda: L.Concatenate(axis=-1),
    lambda: L.Dot(axes=1, normalize=True),
    lambda: L.Attention(use_scale=True),
    lambda: L.AdditiveAttention(),
]


def by_layer():
    """One layer in a `Sequential` model, for each of them."""
    for shape, layers in SHAPES.items():
        for layer in layers:
            model = keras.Sequential([keras.Input(shape, name="x"), layer()])
            yield model.layers[-1].name, model
    ids = keras.Input((5,), dtype="int32", name="ids")
    yield "embedding", keras.Model(ids, L.LSTM(3)(L.Embedding(7, 3, mask_zero=True, input_length=5)(ids)))
    yield "category_encoding", keras.Model(ids, L.CategoryEncoding(8)(ids))
    yield "hashing", keras.Model(ids, L.Hashing(4)(ids))
    yield "integer_lookup", keras.Model(ids, L.IntegerLookup(vocabulary=[3, 4])(ids))
    for layer in MERGES:
        x, y = keras.Input((3, 4), name="x"), keras.Input((3, 4), name="y")
        layer = layer()
        yield layer.name, keras.Model([x, y], layer([x, y]))


def in_use():
    """Layers that are called with more than one tensor, or more than once, and models in models."""
    x, y = keras.Input((3, 4), name="x"), keras.Input((3, 4), name="y")
    yield "multi_head_attention", keras.Model([x, y], L.MultiHeadAttention(2, 3, name="a")(x, value=y))
    outputs, h, c = L.LSTM(3, return_state=True, return_sequences=True)(x)
    yield "states", keras.Model([x, y], L.LSTM(3)(y, initial_state=[h, c]))
    yield "state_inputs", keras.Model([x, y], L.GRU(4)(x, initial_state=L.GlobalMaxPooling1D()(y)))
    dense = L.Dense(4, name="shared")
    yield "shared", keras.Model([x, y], [dense(x), dense(dense(y))])
    inner = keras.Sequential([keras.Input((3, 4)), L.Dense(4)], name="inner")
    z = keras.Input((3, 4), name="z")
    graph = keras.Model(z, L.Add()([L.Dense(4)(z), z]), name="graph")
    yield "nested", keras.Model([x, y], [graph(inner(x)), L.Dense(2)(inner(graph(y)))])
    yield "nested_outputs", keras.Model([x, y], [inner(x), graph(y), graph(inner(y))])
    yield "nested_first", keras.Sequential([graph, keras.Sequential([L.Flatten(), L.Dense(2)])])
    yield "dropout_in_use", keras.Model(x, L.Dropout(0.5)(x, training=True))
    mask = L.Masking()(x)
    yield "masked", keras.Model([x, y], L.Concatenate()([L.LSTM(2)(mask), L.GRU(2)(y)]))
    yield "dictionary", keras.Model({"p": x, "q": y}, {"r": L.Add()([x, y])})
    # What Keras 2 makes of operators and functions of TensorFlow.
    a = (x + y) * 2.0 - 1.0 / (tf.abs(y) + 1.0)
    b = tf.concat([tf.nn.relu(a), tf.math.sigmoid(-y)], axis=-1)
    c = tf.transpose(tf.reshape(b, (-1, 4, 6)), (0, 2, 1))[:, 1:, ::2]
    d = tf.matmul(c, tf.transpose(tf.reduce_mean(b, axis=1, keepdims=True)[:, :, :2], (0, 2, 1)))
    e = tf.reshape(y, (tf.shape(y)[0], 12)) ** 2
    f = tf.split(tf.expand_dims(tf.nn.softmax(e), 1), 3, axis=-1)[1]
    yield "functions", keras.Model([x, y], [c, d, f, tf.clip_by_value(tf.squeeze(f, 1), 0.01, 0.2)])
    g = L.Concatenate()([tf.stack([x, y], axis=1)[:, 0], tf.tile(x, [1, 1, 2])])
    yield "functions_and_layers", keras.Model([x, y], L.Dense(2)(tf.pad(g, [[0, 0], [1, 0], [0, 0]])))
    z = image = keras.Input((8, 8, 3), name="image")
    for number in range(2):
        z = L.BatchNormalization()(L.DepthwiseConv2D(3, padding="same", use_bias=False)(L.Conv2D(4, 1)(z)))
        z = L.ReLU(6.0)(z)
    small = keras.Model(image, L.Add()([z, L.Conv2D(4, 1)(image)]), name="mobilenet")
    features = keras.Sequential([small, L.GlobalAveragePooling2D()])
    head = keras.Sequential([keras.Input((4,)), L.Dense(5, activation="relu"), L.Dense(2, use_bias=False)])
    yield "teachable_machine", keras.Sequential([features, head])
    keras.mixed_precision.set_global_policy("mixed_float16")
    yield "mixed", keras.Sequential([keras.Input((4,)), L.Dense(3), L.Activation("softmax", dtype="float32")])
    keras.mixed_precision.set_global_policy("float32")


def random_weights(model, rng):
    """Numbers that tell every weight from every other one; variances are positive."""
    values = []
    for weight, value in zip(model.weights, model.get_weights()):
        if value.dtype.kind == "f" and "seed" not in weight.name:
            drawn = rng.normal(0.0, 0.4, value.shape)
            value = (np.abs(drawn) + 0.3 if "variance" in weight.name else drawn).astype(value.dtype)
        values.append(value)
    model.set_weights(values)


def random_input(tensor, rng):
    shape = [2, *tensor.shape[1:]]
    if tensor.dtype.is_integer:
        return rng.integers(0, 6, shape, dtype="int32")
    return rng.normal(0.0, 1.0, shape).astype("float32")


def recorded():
    """Every model with what is to be recorded of it."""
    rng = np.random.default_rng(7)
    for name, model in [*by_layer(), *in_use()]:
        random_weights(model, rng)
        inputs, outputs = [random_input(tensor, rng) for tensor in model.inputs], []
        if name not in UNEQUAL:
            outputs = tf.nest.flatten(model(tf.nest.pack_sequence_as(model.input, inputs), training=False))
        yield name, model.save, inputs, [np.asarray(output) for output in outputs]


def main():
    record(Path(sys.argv[1]), recorded())


if __name__ == "__main__":
    main()
