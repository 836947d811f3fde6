"""Whole architectures: the real graphs of keras.applications made slim, and what else people save."""

from contextlib import ExitStack
from unittest import mock

import keras
from keras import layers as L
from keras import ops
from keras.src import applications as A

from harness import family

case = family("architecture")


def slim(build, divisor=16):
    """A model whose layers have a fraction of the filters and units that its code asks for."""

    def patched(kind, key):
        original = kind.__init__

        def init(self, count, *args, **options):
            # Asked for explicitly where the count is that of a slim layer already.
            keep = count <= 3 or options.get("use_bias", False)
            original(self, count if keep else max(2, count // divisor), *args, **options)

        def by_name(self, *args, **options):
            if key in options:
                return init(self, options.pop(key), *args, **options)
            return init(self, *args, **options)

        return mock.patch.object(kind, "__init__", by_name)

    def made():
        with ExitStack() as stack:
            for kind in (L.Conv2D, L.SeparableConv2D):
                stack.enter_context(patched(kind, "filters"))
            stack.enter_context(patched(L.Dense, "units"))
            return build()

    return made


def application(name, build, size=32, **options):
    case(name, model=lambda: build(input_shape=(size, size, 3), weights=None, classes=3), batch=1, scale=0.5, compact=True, **options)


def slim_application(name, build, size=32, divisor=16):
    case(name, model=slim(lambda: build(input_shape=(size, size, 3), weights=None, classes=3), divisor), batch=1, scale=0.5, compact=True)


def resnet(stack, preact, **options):
    return A.resnet.ResNet(stack, preact, True, weights_name="x", **options)


def stack_v1(x):
    x = A.resnet.stack_residual_blocks_v1(x, 2, 2, stride1=1, name="conv2")
    return A.resnet.stack_residual_blocks_v1(x, 4, 2, name="conv3")


def stack_v2(x):
    x = A.resnet.stack_residual_blocks_v2(x, 2, 2, name="conv2")
    return A.resnet.stack_residual_blocks_v2(x, 4, 2, stride1=1, name="conv3")


application("resnet", lambda **o: resnet(stack_v1, False, **o))
application("resnet_v2", lambda **o: resnet(stack_v2, True, **o))
slim_application("vgg16", A.vgg16.VGG16, divisor=32)
application("mobilenet", lambda **o: A.mobilenet.MobileNet(alpha=0.1, **o))
application("mobilenet_v2", lambda **o: A.mobilenet_v2.MobileNetV2(alpha=0.05, **o))
application("mobilenet_v3_small", lambda **o: A.mobilenet_v3.MobileNetV3Small(alpha=0.05, **o))
application("mobilenet_v3_minimalistic", lambda **o: A.mobilenet_v3.MobileNetV3Large(alpha=0.05, minimalistic=True, **o))
application("efficientnet", lambda **o: A.efficientnet.EfficientNet(0.1, 0.2, 32, depth_divisor=2, weights_name="x", name="efficientnet", **o))
application("efficientnet_v2", lambda **o: A.efficientnet_v2.EfficientNetV2(0.1, 0.2, 32, depth_divisor=2, min_depth=2, name="efficientnetv2-b0", weights_name="x", **o))
slim_application("densenet", lambda **o: A.densenet.DenseNet([2, 2, 1, 1], **o), divisor=8)
slim_application("inception_v3", A.inception_v3.InceptionV3, size=75, divisor=32)
slim_application("inception_resnet_v2", A.inception_resnet_v2.InceptionResNetV2, size=75, divisor=32)
slim_application("xception", A.xception.Xception, size=71, divisor=32)
application("nasnet", lambda **o: A.nasnet.NASNet(penultimate_filters=96, num_blocks=1, stem_block_filters=2, default_size=32, **o))
application("convnext", lambda **o: A.convnext.ConvNeXt([1, 1, 2, 1], [4, 6, 8, 10], weights_name="x", name="convnext", **o))


def attend(x, causal=False, context=None, heads=2):
    """A block of attention with a residual, normalised first."""
    inner = L.LayerNormalization(epsilon=1e-6)(x)
    attention = L.MultiHeadAttention(heads, 3, dropout=0.1)
    inner = attention(inner, inner if context is None else context, use_causal_mask=causal)
    return x + inner


def feed(x, width=8, activation="gelu"):
    """A block of two dense layers with a residual, normalised first."""
    inner = L.Dense(width, activation=activation)(L.LayerNormalization(epsilon=1e-6)(x))
    return x + L.Dropout(0.1)(L.Dense(x.shape[-1])(inner))


def vision_transformer():
    x = keras.Input((12, 12, 3), name="x")
    patches = L.Conv2D(6, 4, strides=4, padding="valid")(x)
    tokens = L.Reshape((9, 6))(patches)
    places = L.Embedding(9, 6)(ops.arange(0, 9))
    tokens = tokens + places
    for _ in range(2):
        tokens = feed(attend(tokens))
    pooled = L.GlobalAveragePooling1D()(L.LayerNormalization(epsilon=1e-6)(tokens))
    return keras.Model(x, L.Dense(3, activation="softmax")(pooled))


def mixer():
    x = keras.Input((12, 12, 3), name="x")
    tokens = L.Reshape((9, 6))(L.Conv2D(6, 4, strides=4)(x))
    for _ in range(2):
        inner = L.Permute((2, 1))(L.LayerNormalization()(tokens))
        inner = L.Dense(9)(L.Dense(5, activation="gelu")(inner))
        tokens = feed(L.Add()([tokens, L.Permute((2, 1))(inner)]))
    return keras.Model(x, L.Dense(3)(L.GlobalAveragePooling1D()(tokens)))


def token_input(name="x", length=7):
    return keras.Input((length,), dtype="int32", name=name)


def embed(x, length, vocabulary=11, size=6):
    words = L.Embedding(vocabulary, size, mask_zero=True)(x)
    places = L.Embedding(length, size)(ops.expand_dims(ops.arange(0, length), 0))
    return L.Add()([words, places])


def encoder():
    x = token_input()
    tokens = embed(x, 7)
    for _ in range(2):
        tokens = feed(attend(tokens))
    return keras.Model(x, L.Dense(2, activation="softmax")(tokens[:, 0]))


def translator():
    x, y = token_input("x"), token_input("y", 5)
    source = feed(attend(embed(x, 7)))
    target = attend(embed(y, 5), causal=True)
    target = feed(attend(target, context=source))
    return keras.Model([x, y], L.Dense(11)(L.LayerNormalization()(target)))


def gpt():
    x = token_input()
    table = L.ReversibleEmbedding(11, 6)
    places = L.Embedding(7, 6)(ops.arange(0, 7))
    tokens = table(x) + places
    for _ in range(2):
        tokens = feed(attend(tokens, causal=True), activation="relu")
    return keras.Model(x, table(L.LayerNormalization()(tokens), reverse=True))


def llama():
    """Grouped queries, root mean square norms and a gated feed forward part."""
    x = token_input()
    tokens = L.Embedding(11, 6)(x)
    for _ in range(2):
        inner = L.RMSNormalization()(tokens)
        tokens = tokens + L.GroupQueryAttention(3, 4, 2, use_bias=False)(inner, inner, use_causal_mask=True)
        inner = L.RMSNormalization()(tokens)
        gate = L.Dense(8, activation="silu", use_bias=False)(inner)
        tokens = tokens + L.Dense(6, use_bias=False)(gate * L.Dense(8, use_bias=False)(inner))
    return keras.Model(x, L.Dense(11, use_bias=False)(L.RMSNormalization()(tokens)))


def tagger():
    x = token_input(length=None)
    words = L.SpatialDropout1D(0.2)(L.Embedding(11, 5, mask_zero=True)(x))
    words = L.Bidirectional(L.LSTM(4, return_sequences=True, recurrent_dropout=0.1))(words)
    words = L.Bidirectional(L.LSTM(3, return_sequences=True))(words)
    return keras.Model(x, L.TimeDistributed(L.Dense(4, activation="softmax"))(words))


def seq2seq():
    x, y = token_input("x"), token_input("y", 5)
    _, h, c = L.LSTM(4, return_state=True)(L.Embedding(11, 3, mask_zero=True)(x))
    decoded = L.LSTM(4, return_sequences=True)(L.Embedding(9, 3)(y), initial_state=[h, c])
    return keras.Model([x, y], L.Dense(9, activation="softmax")(decoded))


def seq2seq_attention():
    x, y = token_input("x"), token_input("y", 5)
    source, state = L.GRU(4, return_sequences=True, return_state=True)(L.Embedding(11, 3)(x))
    target = L.GRU(4, return_sequences=True)(L.Embedding(9, 3)(y), initial_state=state)
    context = L.AdditiveAttention()([target, source])
    return keras.Model([x, y], L.Dense(9)(L.Concatenate()([target, context])))


def variational():
    """The noise is an input, as in models that are exported."""
    x, noise = keras.Input((8, 8, 1), name="x"), keras.Input((2,), name="y")
    inner = L.Conv2D(3, 3, strides=2, padding="same", activation="relu")(x)
    inner = L.Dense(5, activation="relu")(L.Flatten()(inner))
    mean, log_variance = L.Dense(2, name="mean")(inner), L.Dense(2, name="log_variance")(inner)
    z = mean + ops.exp(0.5 * log_variance) * noise
    inner = L.Reshape((4, 4, 3))(L.Dense(48, activation="relu")(z))
    image = L.Conv2DTranspose(1, 3, strides=2, padding="same", activation="sigmoid")(inner)
    divergence = -0.5 * ops.sum(1 + log_variance - ops.square(mean) - ops.exp(log_variance), axis=-1)
    return keras.Model([x, noise], [image, divergence])


def video():
    x = keras.Input((4, 6, 5, 2), name="x")
    inner = L.ConvLSTM2D(3, 3, padding="same", return_sequences=True)(x)
    inner = L.ConvLSTM2D(2, 3, padding="same", return_sequences=True)(L.BatchNormalization()(inner))
    return keras.Model(x, L.Conv3D(1, 3, padding="same", activation="sigmoid")(inner))


def spectrogram():
    x = keras.Input((160,), name="x")
    inner = L.MelSpectrogram(fft_length=64, sequence_stride=16, num_mel_bins=8, sampling_rate=2000, max_freq=900)(x)
    inner = L.Conv2D(3, 3, padding="same", activation="relu")(L.Reshape((*inner.shape[1:], 1))(inner))
    return keras.Model(x, L.Dense(3, activation="softmax")(L.GlobalMaxPooling2D()(inner)))


def augmented():
    """A classifier with its preprocessing inside."""
    x = keras.Input((9, 11, 3), name="x")
    inner = L.RandomFlip()(x)
    inner = L.RandomZoom(0.1)(L.RandomRotation(0.1)(inner))
    inner = L.Rescaling(1 / 127.5, offset=-1)(L.Resizing(8, 8)(inner))
    inner = L.Conv2D(3, 3, activation="relu")(inner)
    return keras.Model(x, L.Dense(3)(L.GlobalAveragePooling2D()(inner)))


def generator():
    """A progressive image generator with a normalisation made of operations."""
    x = keras.Input((5,), name="x")
    x1 = x / ops.sqrt(ops.mean(ops.square(x), axis=-1, keepdims=True) + 1e-8)
    inner = L.Reshape((2, 2, 4))(L.Dense(16)(x1))
    for filters in (4, 3):
        inner = L.UpSampling2D(interpolation="bilinear")(inner)
        inner = L.LeakyReLU(0.2)(L.GroupNormalization(1)(L.Conv2D(filters, 3, padding="same")(inner)))
    return keras.Model(x, ops.tanh(L.Conv2D(3, 1)(inner)))


def tabular():
    """Numbers in bins beside each other and crossed, as wide and deep models have them."""
    x, y = keras.Input((1,), name="x"), keras.Input((1,), dtype="int32", name="y")
    bins = L.Discretization(bin_boundaries=[-0.5, 0.0, 0.7])(x)
    wide = L.Concatenate()([L.CategoryEncoding(4, output_mode="one_hot")(bins), L.CategoryEncoding(7, output_mode="one_hot")(y)])
    deep = L.Concatenate()([L.Normalization(mean=0.3, variance=2.0)(x), L.Flatten()(L.Embedding(7, 3)(y))])
    deep = L.Dense(4, activation="relu")(L.Dense(5, activation="relu")(deep))
    return keras.Model([x, y], L.Dense(1, activation="sigmoid")(L.Concatenate()([wide, deep])))


def lenet():
    """Tanh and averages, as in 1998."""
    x = keras.Input((16, 16, 1), name="x")
    inner = L.Conv2D(3, 5, activation="tanh", padding="same")(x)
    inner = L.AveragePooling2D(2)(inner)
    inner = L.AveragePooling2D(2)(L.Conv2D(4, 3, activation="tanh")(inner))
    inner = L.Dense(6, activation="tanh")(L.Dense(8, activation="tanh")(L.Flatten()(inner)))
    return keras.Model(x, L.Dense(3, activation="softmax")(inner))


def wide_and_deep_with_text():
    """A text, a category and a number in one model."""
    text, kind = (keras.Input((1,), dtype="string", name=name) for name in ("text", "kind"))
    number = keras.Input((1,), name="number")
    words = L.TextVectorization(max_tokens=9, output_sequence_length=5, vocabulary=["the", "cat", "sat", "dog"])
    kinds = L.StringLookup(vocabulary=["cat", "dog"], output_mode="one_hot")
    deep = L.GlobalAveragePooling1D()(L.Embedding(9, 4, mask_zero=True)(words(text)))
    deep = L.Dense(5, activation="relu")(L.Concatenate()([deep, L.Normalization(mean=0.2, variance=1.5)(number)]))
    return keras.Model([text, kind, number], L.Dense(1, activation="sigmoid")(L.Concatenate()([deep, kinds(kind)])))


case("lenet", model=lenet)
case("wide_and_deep_with_text", model=wide_and_deep_with_text, strings=["the cat sat", "dog", "cat", "A Dog, sat!"], backend="tensorflow")
for build in (vision_transformer, mixer, video, spectrogram, augmented, generator):
    case(build.__name__, model=build)
for build in (encoder, translator, gpt, llama, tagger, seq2seq, seq2seq_attention, tabular):
    case(build.__name__, model=build)
case("variational", model=variational)
