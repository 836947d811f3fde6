"""Records what Keras' random changes of images do in training, where nothing is left to chance.

Usage: augmentations.py     writes tests/fixtures/augmentation.json
"""

import json

from harness import FIXTURES
from judge import keras, np
from keras import layers as L

UNIT = {"value_range": (0, 1)}
IMAGES = ((np.arange(54) * 37 % 101) / 100).astype("float32").reshape(2, 3, 3, 3)

LAYERS = [
    L.RandomRotation((0.1, 0.1)),
    L.RandomRotation((-0.2, -0.2), fill_mode="constant", fill_value=0.5, interpolation="nearest"),
    L.RandomRotation((0.35, 0.35), fill_mode="wrap", data_format="channels_first"),
    L.RandomTranslation((0.2, 0.2), (-0.4, -0.4), fill_mode="nearest"),
    L.RandomTranslation((-0.3, -0.3), (0.15, 0.15)),
    L.RandomZoom((0.3, 0.3), (-0.4, -0.4)),
    L.RandomZoom((-0.25, -0.25), fill_mode="constant"),
    L.RandomBrightness((0.3, 0.3), **UNIT),
    L.RandomContrast((-0.2, 0.2), **UNIT),
    L.RandomHue((1, 1), **UNIT),
    L.RandomSaturation((0.3, 0.3), **UNIT),
    L.RandomColorJitter((0, 1), (0.1, 0.1), (-0.3, 0.3), (0.6, 0.6), (1, 1)),
    L.RandomColorDegeneration((0.4, 0.4), **UNIT),
    L.RandomGrayscale(1.0),
    L.RandomInvert((1, 1), **UNIT),
    L.RandomPosterization((3, 3), **UNIT),
    L.RandomSharpness((0.9, 0.9), **UNIT),
    L.RandomGaussianBlur((1, 1), (3, 5), (0.8, 0.8), **UNIT),
    L.Solarization(**UNIT),
    L.RandomErasing((1, 1), (1, 1), 0.75, **UNIT),
    L.RandomPerspective((1, 1), 0.0),
    L.RandomCrop(2, 5),
    L.RandomCrop(4, 3),
    L.Equalization(value_range=(0, 1), bins=16),
]


def record(layer):
    """The class and the config of a layer, and what it gives for the images."""
    config = keras.saving.serialize_keras_object(layer)["config"]
    values = np.asarray(layer(IMAGES, training=True))
    return {
        "class": type(layer).__name__,
        "config": {key: value for key, value in config.items() if key not in ("name", "trainable", "dtype")},
        "shape": values.shape,
        "values": [round(float(value), 6) for value in values.ravel()],
    }


if __name__ == "__main__":
    lines = [json.dumps(record(layer), separators=(",", ":")) for layer in LAYERS]
    (FIXTURES / "augmentation.json").write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")
