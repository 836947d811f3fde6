"""Operations of images."""

import keras
from keras import ops

from harness import family
from judge import np

case = family("image_ops")
image = ops.image
FIRST = {"data_format": "channels_first"}
BYTES = {"dtype": "uint8", "ints": 256}
METHODS = ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5")


def one(shape, outputs, dtype="float32"):
    """A model of one image, without a batch."""

    def build():
        x = keras.Input(batch_shape=shape, dtype=dtype, name="x")
        return keras.Model(x, outputs(x))

    return build


def resizes(x, size=(4, 9)):
    every = [image.resize(x, size, interpolation=m, antialias=a) for m in METHODS for a in (False, True)]
    ratios = [
        image.resize(x, (3, 3), crop_to_aspect_ratio=True, antialias=True),
        image.resize(x, (3, 9), pad_to_aspect_ratio=True, fill_value=3.0),
        image.resize(x, (7, 3), pad_to_aspect_ratio=True, interpolation="nearest"),
    ]
    return every + ratios


case("resize", x=(6, 7, 2), graph=resizes)
# From odd to odd lengths, so that no value lies just between two bytes.
case("resize_bytes", x=(5, 7, 2), graph=lambda x: resizes(x, (3, 9)), **BYTES)
case("resize_one", model=one((6, 7, 2), resizes))
case("resize_first", x=(2, 5, 6), graph=lambda x: [image.resize(x, (7, 4), **FIRST), image.resize(x, (3, 9), crop_to_aspect_ratio=True, **FIRST)])

case("grayscale", x=(3, 4, 3), graph=image.rgb_to_grayscale)
case("grayscale_bytes", x=(3, 4, 3), graph=image.rgb_to_grayscale, **BYTES)
case("grayscale_gray", x=(3, 4, 1), graph=image.rgb_to_grayscale, **BYTES)
case("grayscale_first", x=(3, 4, 5), graph=lambda x: image.rgb_to_grayscale(x, **FIRST))
case("grayscale_one", model=one((4, 5, 3), image.rgb_to_grayscale))
case("hsv", x=(4, 5, 3), graph=lambda x: [image.rgb_to_hsv(abs(x)), image.hsv_to_rgb(abs(x)), image.hsv_to_rgb(image.rgb_to_hsv(x))])
case("hsv_levels", x=(9, 9, 3), dtype="int32", ints=3, graph=lambda x: [image.rgb_to_hsv(x * 0.5), image.hsv_to_rgb(x * 0.5)])
case("hsv_first", x=(3, 4, 5), graph=lambda x: [image.rgb_to_hsv(abs(x), **FIRST), image.hsv_to_rgb(abs(x), **FIRST)])
case("hsv_one", model=one((4, 5, 3), lambda x: [image.rgb_to_hsv(abs(x)), image.hsv_to_rgb(abs(x))]))

MAPS = np.array([[1.1, 0.2, -1.3, -0.15, 0.9, 0.7, 0, 0], [0.6, -0.5, 2.1, 0.55, 0.7, -3.4, 0.3, -0.4]], "float32")
MODES = ("constant", "nearest", "wrap", "mirror", "reflect")


def affine(x):
    return [image.affine_transform(x, MAPS, interpolation=i, fill_mode=m, fill_value=1.5) for i in ("nearest", "bilinear") for m in MODES]


case("affine", x=(5, 7, 3), graph=affine)
case("affine_bytes", x=(5, 7, 3), graph=affine, **BYTES)
case("affine_first", x=(2, 4, 5), graph=lambda x: image.affine_transform(x, MAPS, fill_mode="reflect", **FIRST))
case("affine_one", model=one((5, 7, 2), lambda x: [image.affine_transform(x, MAPS[0]), image.affine_transform(x, MAPS[1:], fill_mode="wrap")]))
case("affine_given", x=[(4, 5, 2), (8,)], graph=lambda x, y: image.affine_transform(x, y))
case("affine_far", x=(3, 4, 1), graph=lambda x: [image.affine_transform(x, MAPS * 9, fill_mode=m) for m in MODES])

START = np.array([[[0, 0], [6, 0], [0, 4], [6, 4]], [[1, 0], [5, 1], [0, 3], [6, 4]]], "float32")
END = START + np.array([[[0.3, 0.2], [-0.4, 0.5], [0.6, -0.1], [0.2, 0.7]], [[0.5, 0.4], [0.3, -0.6], [-0.2, 0.1], [-0.7, 0.3]]], "float32")
case("perspective", x=(5, 7, 3), graph=lambda x: [image.perspective_transform(x, START, END), image.perspective_transform(x, END, START, interpolation="nearest", fill_value=2.5)])
case("perspective_first", x=(2, 5, 7), graph=lambda x: image.perspective_transform(x, START, END, **FIRST))
case("perspective_one", model=one((5, 7, 2), lambda x: image.perspective_transform(x, START[1], END[1])))
case("perspective_bytes", x=(5, 7, 3), graph=lambda x: image.perspective_transform(x, START, END, fill_value=7.5), **BYTES)

PLACES = np.random.default_rng(5).uniform(-9, 9, (3, 4, 2)).astype("float32")


def mapped(x):
    return [image.map_coordinates(x, PLACES, order, m, fill_value=1.5) for order in (0, 1) for m in MODES]


case("map_coordinates", x=(3, 4), graph=mapped)
case("map_coordinates_integers", x=(3, 4), graph=mapped, dtype="int32", ints=100)
case("map_coordinates_small", x=(1, 2), graph=mapped)


def mapped_to_inputs():
    """Places that are an input of the model too."""
    x, y = (keras.Input(batch_shape=(2, size), name=name) for name, size in (("x", 4), ("y", 6)))
    return keras.Model([x, y], image.map_coordinates(x, y, 1, "reflect"))


case("map_coordinates_given", model=mapped_to_inputs)

case("gaussian_blur", x=(5, 7, 3), graph=lambda x: [image.gaussian_blur(x), image.gaussian_blur(x, (5, 3), (0.7, 1.9)), image.gaussian_blur(x, (4, 2), (1.5, 0.6))])
case("gaussian_blur_first", x=(2, 5, 7), graph=lambda x: image.gaussian_blur(x, (3, 5), (2.0, 0.5), **FIRST))
case("gaussian_blur_one", model=one((5, 7, 2), lambda x: image.gaussian_blur(x, (1, 3))))
case("sobel_edges", x=(5, 7, 3), graph=image.sobel_edges)
case("sobel_edges_first", x=(2, 5, 6), graph=lambda x: image.sobel_edges(x, **FIRST))

case("ssim", x=[(12, 13, 3), (12, 13, 3)], graph=lambda x, y: [image.ssim(x, y), image.ssim(x, x + 0.1 * y, max_val=2.0, filter_size=5, filter_sigma=0.8, k1=0.02, k2=0.05)])
case("ssim_first", x=[(2, 6, 7), (2, 6, 7)], graph=lambda x, y: image.ssim(x, y, filter_size=4, **FIRST))
case("ssim_one", model=one((7, 8, 2), lambda x: x * image.ssim(x, x * 0.5, filter_size=3)))

case("crop_images", x=(7, 9, 2), graph=lambda x: [image.crop_images(x, 1, 2, 3, 4), image.crop_images(x, top_cropping=2, right_cropping=1, target_height=3, target_width=5), image.crop_images(x, bottom_cropping=2, left_cropping=1, target_height=4, target_width=8)])
case("crop_images_bytes", x=(3, 5, 4), graph=lambda x: image.crop_images(x, 0, 1, 2, 1, **FIRST), **BYTES)
case("crop_images_one", model=one((5, 6, 2), lambda x: image.crop_images(x, 1, 0, target_height=2, target_width=6)))
case("pad_images", x=(3, 4, 2), graph=lambda x: [image.pad_images(x, 1, 2, 3, 4), image.pad_images(x, top_padding=2, right_padding=1, target_height=6, target_width=8), image.pad_images(x, bottom_padding=2, left_padding=0, target_height=5, target_width=4)])
case("pad_images_bytes", x=(3, 5, 4), graph=lambda x: image.pad_images(x, 0, 1, 2, 1, **FIRST), **BYTES)
case("pad_images_one", model=one((5, 6, 2), lambda x: image.pad_images(x, 1, 0, target_height=8, target_width=6)))

patches = image.extract_patches
case("extract_patches", x=(6, 7, 2), graph=lambda x: [patches(x, 3), patches(x, (2, 3), strides=(1, 2), padding="same"), patches(x, (2, 2), strides=1, dilation_rate=2), patches(x, 2, strides=3, padding="same")])
case("extract_patches_bytes", x=(6, 7, 2), graph=lambda x: patches(x, (3, 2)), **BYTES)
case("extract_patches_first", x=(2, 6, 7), graph=lambda x: patches(x, (3, 2), strides=2, padding="same", **FIRST))
case("extract_patches_one", model=one((6, 7, 2), lambda x: patches(x, (3, 2), strides=(2, 1))))
case("extract_patches_volume", x=(4, 5, 3, 2), graph=lambda x: [patches(x, (2, 3, 1)), patches(x, (2, 2, 2), strides=(1, 2, 3), padding="same"), image.extract_patches_3d(x, 2)])
case("extract_patches_volume_first", x=(2, 4, 5, 3), graph=lambda x: patches(x, (2, 3, 2), strides=1, **FIRST))
case("extract_patches_volume_one", model=one((4, 5, 3, 2), lambda x: patches(x, (3, 1, 2))))

SCALE, MOVE = np.array([0.6, 1.7], "float32"), np.array([0.4, -1.3], "float32")
WAYS = ("linear", "bilinear", "trilinear", "cubic", "bicubic", "tricubic", "lanczos3", "lanczos5")
case("scale_and_translate", x=(5, 7, 2), graph=lambda x: [image.scale_and_translate(x, (2, 6, 8, 2), SCALE, MOVE, (1, 2), w, antialias=a) for w in WAYS for a in (False, True)])
case("scale_and_translate_axes", x=(5, 7, 2), graph=lambda x: [image.scale_and_translate(x, (2, 5, 3, 4), [2.0, 0.4], [0.5, 0.0], (-1, 2), "cubic"), image.scale_and_translate(x, (3, 5, 7, 2), [1.5], [0.25], (0,), "linear")])
case("scale_and_translate_integers", x=(5, 4, 1), dtype="int32", ints=50, graph=lambda x: image.scale_and_translate(x, (2, 9, 3, 1), SCALE[::-1].copy(), MOVE, (1, 2), "lanczos3"))
case("scale_and_translate_one", model=one((5, 7, 2), lambda x: image.scale_and_translate(x, (4, 9, 2), SCALE, MOVE, (0, 1), "linear")))
case("vision_features", x=(8, 8, 3), graph=lambda x: keras.layers.Dense(2)(keras.layers.Flatten()(image.extract_patches(image.resize(image.gaussian_blur(x), (6, 6)), 3))))


def trained(x):
    """Every operation that gradients pass, one after the other and beside each other."""
    y = keras.layers.Conv2D(3, 2, activation="sigmoid", padding="same")(x)
    y = image.resize(image.gaussian_blur(y), (6, 5), interpolation="bicubic", antialias=True)
    turned = image.affine_transform(y, MAPS, fill_mode="reflect")
    seen = image.perspective_transform(y, START, END)
    colors = image.hsv_to_rgb(image.rgb_to_hsv(y))
    scaled = image.scale_and_translate(y, (2, 6, 5, 3), SCALE, MOVE, (1, 2), "cubic")
    edges = keras.layers.Reshape((6, 5, 6))(image.sobel_edges(y))
    framed = image.pad_images(image.crop_images(y, 1, 1, 1, 1), 1, 1, 1, 1)
    joined = ops.concatenate([turned, seen, colors, scaled, edges, framed, image.rgb_to_grayscale(y)], axis=-1)
    likeness = image.ssim(turned, y, filter_size=3)
    return [keras.layers.Dense(2)(image.extract_patches(joined, 2)), likeness]


case("all_trained", x=(5, 7, 3), graph=trained)
