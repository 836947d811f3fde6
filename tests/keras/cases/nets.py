"""Small versions of the architectures people save."""

import keras
from keras import layers as L

from harness import family

case = family("graph")

case("net_residual", x=(9, 7, 3), graph=lambda x: residual(x))
case("net_mobile", x=(9, 9, 3), graph=lambda x: mobile(x))
case("net_inception", x=(9, 7, 3), graph=lambda x: inception(x))
case("net_unet", x=(8, 12, 2), graph=lambda x: unet(x))
case("net_autoencoder", x=(8, 8, 1), layer=lambda: autoencoder())
case("net_text", x=(9,), dtype="int32", ints=11, layer=lambda: [L.Embedding(11, 4, mask_zero=True), L.Bidirectional(L.LSTM(3)), L.Dropout(0.5), L.Dense(4, "relu"), L.Dense(3, "softmax")])
case("net_text_average", x=(None,), dtype="int32", ints=11, layer=lambda: [L.Embedding(11, 5, mask_zero=True), L.GlobalAveragePooling1D(), L.Dense(1, "sigmoid")])
case("net_text_conv", x=(9,), dtype="int32", ints=11, graph=lambda x: text_conv(x))
case("net_dense_block", x=(7, 5, 2), graph=lambda x: dense_block(x))
case("net_squeeze_excite", x=(7, 5, 4), graph=lambda x: squeeze_excite(x))
case("net_wavenet", x=(9, 2), graph=lambda x: wavenet(x))
case("net_wide_and_deep", x=[(5,), (7,)], graph=lambda x, y: wide_and_deep(x, y))
case("net_vgg", x=(9, 9, 1), layer=lambda: [L.Rescaling(0.1), L.Conv2D(4, 3, padding="same", activation="relu"), L.MaxPooling2D(), L.Conv2D(6, 3, activation="relu"), L.Flatten(), L.Dense(8, "relu"), L.Dropout(0.5), L.Dense(3, "softmax")])
case("net_tabular", x=[(3,), (2,)], dtype="int32", ints=5, graph=lambda x, y: tabular(x, y))


def conv_norm(x, filters, size=3, **options):
    x = L.Conv2D(filters, size, padding="same", use_bias=False, **options)(x)
    return L.ReLU()(L.BatchNormalization()(x))


def residual(x):
    x = conv_norm(x, 4)
    for filters, strides in ((4, 1), (6, 2)):
        shortcut = x if strides == 1 else L.Conv2D(filters, 1, strides=strides, padding="same")(x)
        inner = conv_norm(x, filters, strides=strides)
        inner = L.BatchNormalization()(L.Conv2D(filters, 3, padding="same")(inner))
        x = L.Activation("relu")(L.Add()([shortcut, inner]))
    return L.Dense(3, activation="softmax")(L.GlobalAveragePooling2D()(x))


def mobile(x):
    x = L.ZeroPadding2D(((0, 1), (0, 1)))(x)
    x = L.ReLU(6.0)(L.BatchNormalization()(L.Conv2D(4, 3, strides=2, use_bias=False)(x)))
    inner = L.ReLU(6.0)(L.BatchNormalization(epsilon=1e-3)(L.Conv2D(8, 1, use_bias=False)(x)))
    inner = L.DepthwiseConv2D(3, padding="same", use_bias=False)(inner)
    inner = L.ReLU(6.0)(L.BatchNormalization()(inner))
    inner = L.BatchNormalization()(L.Conv2D(4, 1, use_bias=False)(inner))
    x = L.GlobalAveragePooling2D(keepdims=True)(L.Add()([x, inner]))
    return L.Softmax()(L.Reshape((3,))(L.Conv2D(3, 1)(L.Dropout(0.1)(x))))


def inception(x):
    branches = [
        conv_norm(x, 2, 1),
        conv_norm(conv_norm(x, 3, 1), 3, (1, 3)),
        conv_norm(conv_norm(conv_norm(x, 2, 1), 3), 2),
        conv_norm(L.AveragePooling2D(3, strides=1, padding="same")(x), 2, 1),
    ]
    return L.Dense(3)(L.GlobalMaxPooling2D()(L.Concatenate()(branches)))


def unet(x):
    top = conv_norm(x, 3)
    middle = conv_norm(L.MaxPooling2D()(top), 4)
    bottom = conv_norm(L.MaxPooling2D()(middle), 5)
    up = L.Conv2DTranspose(4, 2, strides=2, padding="same")(bottom)
    up = conv_norm(L.Concatenate()([up, middle]), 4)
    up = L.Conv2DTranspose(3, 3, strides=2, padding="same")(up)
    up = conv_norm(L.Concatenate()([L.Cropping2D(0)(up), top]), 3)
    return L.Conv2D(2, 1, activation="softmax")(up)


def autoencoder():
    encoder = keras.Sequential([keras.Input((8, 8, 1)), L.Conv2D(3, 3, strides=2, padding="same", activation="relu"), L.Flatten(), L.Dense(5)], name="encoder")
    decoder = keras.Sequential([keras.Input((5,)), L.Dense(48, "relu"), L.Reshape((4, 4, 3)), L.UpSampling2D(), L.Conv2D(1, 3, padding="same", activation="sigmoid")], name="decoder")
    return [encoder, decoder]


def text_conv(x):
    words = L.SpatialDropout1D(0.2)(L.Embedding(11, 4)(x))
    parts = [L.GlobalMaxPooling1D()(L.Conv1D(3, size, activation="relu")(words)) for size in (2, 3, 5)]
    return L.Dense(2, activation="softmax")(L.Dropout(0.5)(L.Concatenate()(parts)))


def dense_block(x):
    for _ in range(3):
        x = L.Concatenate()([x, L.Conv2D(2, 3, padding="same")(L.ReLU()(L.BatchNormalization()(x)))])
    return L.GlobalAveragePooling2D()(L.AveragePooling2D(2)(L.Conv2D(3, 1)(x)))


def squeeze_excite(x):
    scale = L.Reshape((1, 1, 4))(L.GlobalAveragePooling2D()(x))
    scale = L.Dense(4, activation="sigmoid")(L.Dense(2, activation="relu")(scale))
    return L.Multiply()([x, scale])


def wavenet(x):
    skips = []
    for rate in (1, 2, 4):
        gate = L.Conv1D(3, 2, dilation_rate=rate, padding="causal", activation="sigmoid")(x)
        wave = L.Conv1D(3, 2, dilation_rate=rate, padding="causal", activation="tanh")(x)
        skip = L.Conv1D(2, 1)(L.Multiply()([gate, wave]))
        skips.append(skip)
        x = L.Add()([x, skip])
    return L.Conv1D(2, 1, activation="log_softmax")(L.ReLU()(L.Add()(skips)))


def wide_and_deep(x, y):
    deep = L.Dense(4, "relu")(L.LayerNormalization()(L.Dense(6, "relu")(y)))
    return L.Dense(1, activation="sigmoid")(L.Concatenate()([x, deep]))


def tabular(x, y):
    parts = [L.Flatten()(L.Embedding(5, 2)(x)), L.Flatten()(L.Embedding(5, 3)(y))]
    return L.Dense(1)(L.PReLU()(L.Dense(4)(L.Concatenate()(parts))))
