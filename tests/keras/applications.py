"""The real graphs of keras.applications at their real size, with random weights."""

import keras

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
