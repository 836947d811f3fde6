"""Layers that change images always, and what the random ones do outside of training."""

import keras
from keras import layers as L

from harness import family

case = family("image")
FIRST = {"data_format": "channels_first"}
BYTES = {"dtype": "uint8", "ints": 256}


def several(shape, *build, dtype="float32", batch_shape=False):
    """A model of several layers beside each other."""

    def model():
        kind = {"batch_shape": shape} if batch_shape else {"shape": shape}
        x = keras.Input(**kind, dtype=dtype, name="x")
        return keras.Model(x, [layer(x) for layer in build])

    return model


METHODS = ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5")
resizings = [lambda x, m=m, a=a: L.Resizing(4, 9, interpolation=m, antialias=a)(x) for m in METHODS for a in (False, True)]
case("resizing", model=several((6, 7, 2), *resizings))
# From odd to odd lengths: otherwise many values lie just between two bytes, as float32 has it.
odd = [lambda x, m=m, a=a: L.Resizing(3, 9, interpolation=m, antialias=a)(x) for m in METHODS for a in (False, True)]
case("resizing_bytes", model=several((5, 7, 2), *odd, dtype="uint8"), ints=256)
case("resizing_first", model=several((2, 6, 7), *[lambda x, m=m: L.Resizing(3, 11, interpolation=m, antialias=True, **FIRST)(x) for m in METHODS]))
case("resizing_one", model=several((6, 7, 2), *resizings[1:4], batch_shape=True))
case("resizing_one_first", model=several((2, 5, 6), lambda x: L.Resizing(4, 3, **FIRST)(x), lambda x: L.Resizing(4, 9, pad_to_aspect_ratio=True, fill_value=1.5, **FIRST)(x), batch_shape=True))
ratios = [
    lambda x: L.Resizing(4, 4, crop_to_aspect_ratio=True)(x),
    lambda x: L.Resizing(3, 8, crop_to_aspect_ratio=True, interpolation="nearest")(x),
    lambda x: L.Resizing(4, 4, pad_to_aspect_ratio=True, fill_value=2.5)(x),
    lambda x: L.Resizing(3, 10, pad_to_aspect_ratio=True, interpolation="nearest")(x),
    lambda x: L.Resizing(5, 7, pad_to_aspect_ratio=True, interpolation="bicubic", antialias=True)(x),
    lambda x: L.Resizing(5, 7)(x),
]
case("resizing_ratio", model=several((5, 7, 2), *ratios))
case("resizing_ratio_bytes", model=several((5, 7, 2), *ratios, dtype="uint8"), ints=256)
case("resizing_ratio_first", x=(2, 5, 7), layer=lambda: L.Resizing(6, 3, pad_to_aspect_ratio=True, **FIRST))
case("resizing_integers", x=(5, 4, 1), dtype="int32", ints=1000, layer=lambda: L.Resizing(3, 3, interpolation="lanczos3"))
case("resizing_any_size", x=(None, None, 3), layer=lambda: [L.Resizing(4, 3), L.Flatten(), L.Dense(2)])

crops = [
    lambda x: L.CenterCrop(2, 4)(x),
    lambda x: L.CenterCrop(5, 3)(x),
    lambda x: L.CenterCrop(3, 9)(x),
    lambda x: L.CenterCrop(8, 8)(x),
]
case("center_crop", model=several((5, 7, 3), *crops))
case("center_crop_bytes", model=several((5, 7, 3), *crops, dtype="uint8"), ints=256)
case("center_crop_first", model=several((3, 5, 7), lambda x: L.CenterCrop(4, 3, **FIRST)(x), lambda x: L.CenterCrop(7, 3, **FIRST)(x)))
case("center_crop_one", model=several((5, 7, 3), *crops, batch_shape=True))
case("center_crop_any_size", x=(None, None, 3), layer=lambda: L.CenterCrop(4, 3))

contrasts = [lambda x: L.AutoContrast()(x), lambda x: L.AutoContrast(value_range=(0, 1))(x), lambda x: L.AutoContrast(value_range=(2, -1), **FIRST)(x)]
case("auto_contrast", model=several((5, 7, 3), *contrasts))
case("auto_contrast_bytes", model=several((2, 2, 3), *contrasts, dtype="uint8"), ints=3)
case("auto_contrast_first", model=several((3, 5, 7), *contrasts))
case("auto_contrast_one", model=several((5, 7, 3), *contrasts, batch_shape=True))

CLAHE = L.ContrastLimitedAdaptiveHistogramEqualization
limits = [
    lambda x: CLAHE()(x),
    lambda x: CLAHE(tile_grid_size=(2, 3), clip_limit=2.0)(x),
    lambda x: CLAHE(tile_grid_size=(3, 2), clip_limit=0.0)(x),
    lambda x: CLAHE(tile_grid_size=(1, 1), clip_limit=40.0)(x),
]
case("clahe_bytes", model=several((9, 7, 2), *limits, dtype="uint8"), ints=256)
case("clahe", model=several((9, 7, 2), *[lambda x, f=f: f(x) for f in limits]), scale=100.0)
case("clahe_range", x=(8, 6, 3), layer=lambda: CLAHE(value_range=(-2.0, 2.0), tile_grid_size=(2, 2), clip_limit=30.0))
case("clahe_first", x=(3, 5, 6), layer=lambda: CLAHE(tile_grid_size=(2, 4), **FIRST), scale=100.0)
case("clahe_one", model=several((8, 9, 2), *limits[:2], batch_shape=True, dtype="uint8"), ints=256)

case("classifier", x=(None, None, 3), layer=lambda: [L.Resizing(8, 8, antialias=True), L.Rescaling(1 / 127.5, offset=-1), L.RandomFlip("horizontal"), L.RandomRotation(0.1), L.RandomZoom(0.1), L.RandomContrast(0.2), L.Conv2D(4, 3), L.GlobalAveragePooling2D(), L.Dense(2)], **BYTES)

half = [
    lambda x: L.Resizing(4, 3, dtype="mixed_float16")(x),
    lambda x: L.CenterCrop(2, 4, dtype="mixed_float16")(x),
    lambda x: L.AutoContrast(value_range=(0, 1), dtype="mixed_float16")(x),
    lambda x: L.RandomFlip(dtype="mixed_float16")(x),
    lambda x: L.RandomBrightness(0.2, dtype="mixed_float16")(x),
    lambda x: L.RandomCrop(2, 2, dtype="mixed_float16")(x),
]
case("half", model=several((5, 7, 3), *half), tolerance=2.0**-9, reason="float16 has 11 bits, and Keras rounds within layers too")
case("half_bytes", model=several((5, 7, 3), *half, dtype="uint8"), ints=256, tolerance=2.0**-9, reason="float16 has 11 bits, and Keras rounds within layers too")
case("distributed", x=(2, 5, 7, 3), layer=lambda: [L.TimeDistributed(L.RandomRotation(0.1)), L.TimeDistributed(L.CenterCrop(6, 4)), L.TimeDistributed(L.AutoContrast(value_range=(-1, 1)))])
