"""Random changes of images: outside of training most leave images as they are, some as floats."""

import keras
from keras import layers as L

from harness import family

case = family("augmentation")

EACH = {
    "random_crop": [lambda: L.RandomCrop(3, 4), lambda: L.RandomCrop(5, 7, data_format="channels_first", seed=3)],
    "random_flip": [lambda: L.RandomFlip(), lambda: L.RandomFlip("vertical", seed=1), lambda: L.RandomFlip("horizontal", data_format="channels_first")],
    "random_rotation": [lambda: L.RandomRotation(0.2), lambda: L.RandomRotation((-0.1, 0.3), fill_mode="constant", fill_value=1.5, interpolation="nearest", seed=2)],
    "random_translation": [lambda: L.RandomTranslation(0.2, (0.1, 0.3)), lambda: L.RandomTranslation((-0.5, 0.0), 0.4, fill_mode="wrap", interpolation="nearest")],
    "random_zoom": [lambda: L.RandomZoom(0.3), lambda: L.RandomZoom((-0.2, 0.1), (0.2, 0.3), fill_mode="nearest")],
    "random_shear": [lambda: L.RandomShear((0.1, 0.3), (0.0, 0.2)), lambda: L.RandomShear(fill_mode="constant", fill_value=2.0)],
    "random_perspective": [lambda: L.RandomPerspective(), lambda: L.RandomPerspective(0.5, 0.25, "nearest", 3.0, seed=4)],
    "random_elastic_transform": [lambda: L.RandomElasticTransform(), lambda: L.RandomElasticTransform(0.5, (0.1, 0.2), "nearest", "mirror", 1.0, (0, 1))],
    "random_brightness": [lambda: L.RandomBrightness(0.2), lambda: L.RandomBrightness((-0.3, 0.1), value_range=(0, 1), seed=5)],
    "random_contrast": [lambda: L.RandomContrast(0.2), lambda: L.RandomContrast((0.1, 0.5), value_range=(0, 1))],
    "random_hue": [lambda: L.RandomHue(0.2), lambda: L.RandomHue((0.1, 0.1), value_range=(0, 1), seed=6)],
    "random_saturation": [lambda: L.RandomSaturation(0.2), lambda: L.RandomSaturation((0.4, 0.6), value_range=(0, 1))],
    "random_color_jitter": [lambda: L.RandomColorJitter(), lambda: L.RandomColorJitter((0, 1), 0.2, (0.1, 0.2), 0.3, [0.1, 0.4], seed=7)],
    "random_color_degeneration": [lambda: L.RandomColorDegeneration(0.2), lambda: L.RandomColorDegeneration((0.4, 0.6), value_range=(0, 1))],
    "random_grayscale": [lambda: L.RandomGrayscale(), lambda: L.RandomGrayscale(0.25, seed=8)],
    "random_invert": [lambda: L.RandomInvert(), lambda: L.RandomInvert((0.1, 0.4), value_range=(0, 1))],
    "random_posterization": [lambda: L.RandomPosterization(3), lambda: L.RandomPosterization((2, 5), value_range=(0, 1))],
    "random_sharpness": [lambda: L.RandomSharpness(0.2), lambda: L.RandomSharpness((0.4, 0.6), value_range=(0, 1))],
    "random_gaussian_blur": [lambda: L.RandomGaussianBlur(), lambda: L.RandomGaussianBlur(0.5, (3, 5), (0.2, 0.4), (0, 1))],
    "random_erasing": [lambda: L.RandomErasing(), lambda: L.RandomErasing(0.5, (0.1, 0.2), (1, 2, 3)), lambda: L.RandomErasing(0.5, 0.2, 7.5, (0, 1))],
    "solarization": [lambda: L.Solarization(), lambda: L.Solarization((0.1, 0.2), 0.3, (0, 1), seed=9)],
    "mix_up": [lambda: L.MixUp(), lambda: L.MixUp(0.4, seed=1)],
    "cut_mix": [lambda: L.CutMix(), lambda: L.CutMix((0.2, 0.4))],
    "rand_augment": [lambda: L.RandAugment(), lambda: L.RandAugment((0, 1), 3, 0.2, "nearest", seed=2)],
    "aug_mix": [lambda: L.AugMix(), lambda: L.AugMix((0, 1), 2, 4, 0.2, 0.5, False, "nearest", seed=3)],
    "max_num_bounding_boxes": [lambda: L.MaxNumBoundingBoxes(3), lambda: L.MaxNumBoundingBoxes(5, 0, bounding_box_format="xyxy")],
}


def beside(layers, shape, dtype):
    """A model of the layers beside each other."""

    def build():
        x = keras.Input(**shape, dtype=dtype, name="x")
        return keras.Model(x, [layer()(x) for layer in layers])

    return build


for name, layers in EACH.items():
    case(name, model=beside(layers, {"shape": (4, 5, 3)}, "float32"))
    case(f"{name}_bytes", model=beside(layers, {"shape": (4, 5, 3)}, "uint8"), ints=256)
    case(f"{name}_one", model=beside(layers, {"batch_shape": (4, 5, 3)}, "float32"))

# On its own Keras takes it for a cycle of the graph.
case("equalization", x=(2, 4, 5, 3), layer=lambda: L.TimeDistributed(L.Equalization()))
case("equalization_range", x=(2, 4, 5, 3), layer=lambda: L.TimeDistributed(L.Equalization(value_range=(1, 0), bins=16)))
case("equalization_first", x=(2, 3, 4, 5), layer=lambda: L.TimeDistributed(L.Equalization(data_format="channels_first")))
case("crop_pooled", x=(6, 7, 3), layer=lambda: [L.RandomCrop(4, 4), L.Conv2D(2, 3), L.GlobalMaxPooling2D(), L.Dense(2)])
