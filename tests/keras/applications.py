"""Real models at their real size, with random weights: those of keras.applications, and three more."""

import keras
from keras import layers as L
from keras import ops

from harness import family

case = family("applications")
MODELS = {
    "ConvNeXtTiny": 64,
    "DenseNet121": 64,
    "EfficientNetB0": 64,
    "EfficientNetV2B0": 64,
    "InceptionResNetV2": 75,
    "InceptionV3": 75,
    "MobileNet": 64,
    "MobileNetV2": 64,
    "MobileNetV3Large": 64,
    "MobileNetV3Small": 64,
    "NASNetMobile": 64,
    "ResNet50": 64,
    "ResNet50V2": 64,
    "VGG16": 48,
    "Xception": 71,
}


def application(name, size):
    build = getattr(keras.applications, name)
    return lambda: build(weights=None, input_shape=(size, size, 3), classes=10)


for name, size in MODELS.items():
    case(name, model=application(name, size), batch=1)


def sentiment():
    """Reviews of films, as in Keras' guide to bidirectional layers."""
    words = keras.Input((None,), dtype="int32", name="words")
    x = L.Embedding(20000, 128)(words)
    x = L.Bidirectional(L.LSTM(64, return_sequences=True))(x)
    x = L.Bidirectional(L.LSTM(64))(x)
    return keras.Model(words, L.Dense(1, activation="sigmoid")(x), name="sentiment")


def language_model(vocabulary=8000, length=64, width=384, heads=6, blocks=6):
    """A decoder of six blocks, 17 million parameters."""
    tokens = keras.Input((length,), dtype="int32", name="tokens")
    x = L.Embedding(vocabulary, width, name="token_embedding")(tokens)
    x = x + L.Embedding(length, width, name="position_embedding")(ops.arange(length))
    for block in range(blocks):
        y = L.LayerNormalization(epsilon=1e-5, name=f"block_{block}_norm_1")(x)
        y = L.MultiHeadAttention(heads, width // heads, name=f"block_{block}_attention")(y, y, use_causal_mask=True)
        x = L.Add()([x, y])
        y = L.LayerNormalization(epsilon=1e-5, name=f"block_{block}_norm_2")(x)
        y = L.Dense(4 * width, activation="gelu", name=f"block_{block}_up")(y)
        x = L.Add()([x, L.Dense(width, name=f"block_{block}_down")(y)])
    x = L.LayerNormalization(epsilon=1e-5, name="norm")(x)
    return keras.Model(tokens, L.Dense(vocabulary, name="logits")(x), name="language_model")


def unet(size=64, widths=(64, 128, 256, 512), bottom=1024):
    """The U-Net of 2015 with padded convolutions, 31 million parameters."""

    def twice(x, width, name):
        for number in (1, 2):
            x = L.Conv2D(width, 3, padding="same", activation="relu", name=f"{name}_conv{number}")(x)
        return x

    image = keras.Input((size, size, 1), name="image")
    x, kept = image, []
    for level, width in enumerate(widths):
        kept.append(twice(x, width, f"down{level}"))
        x = L.MaxPooling2D(name=f"down{level}_pool")(kept[-1])
    x = L.Dropout(0.5)(twice(x, bottom, "bottom"))
    for level, width in reversed(list(enumerate(widths))):
        x = L.Conv2DTranspose(width, 2, strides=2, name=f"up{level}")(x)
        x = twice(L.Concatenate(name=f"up{level}_concat")([kept[level], x]), width, f"up{level}")
    return keras.Model(image, L.Conv2D(2, 1, activation="softmax", name="mask")(x), name="unet")


case("Sentiment", model=sentiment, batch=2, ints=20000)
case("LanguageModel", model=language_model, batch=1, ints=8000)
case("UNet", model=unet, batch=1)
