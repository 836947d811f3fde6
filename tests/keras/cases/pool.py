"""Pooling, windowed and global."""

from keras import layers as L

from harness import family

case = family("pool")
FIRST = {"data_format": "channels_first"}
KEEP = {"keepdims": True}

WINDOWED = {
    "max1d": (L.MaxPooling1D, (9, 3)),
    "average1d": (L.AveragePooling1D, (9, 3)),
    "max2d": (L.MaxPooling2D, (9, 7, 2)),
    "average2d": (L.AveragePooling2D, (9, 7, 2)),
    "max3d": (L.MaxPooling3D, (5, 7, 5, 2)),
    "average3d": (L.AveragePooling3D, (5, 7, 5, 2)),
}
GLOBAL = {
    "global_max1d": (L.GlobalMaxPooling1D, (5, 3)),
    "global_average1d": (L.GlobalAveragePooling1D, (5, 3)),
    "global_max2d": (L.GlobalMaxPooling2D, (5, 7, 3)),
    "global_average2d": (L.GlobalAveragePooling2D, (5, 7, 3)),
    "global_max3d": (L.GlobalMaxPooling3D, (3, 5, 2, 3)),
    "global_average3d": (L.GlobalAveragePooling3D, (3, 5, 2, 3)),
}


def channels_first(shape):
    return (shape[-1], *shape[:-1])


for name, (kind, shape) in WINDOWED.items():
    case(name, x=shape, layer=lambda k=kind: k(2))
    case(f"{name}_same", x=shape, layer=lambda k=kind: k(2, padding="same"))
    case(f"{name}_same_strides", x=shape, layer=lambda k=kind: k(3, strides=2, padding="same"))
    case(f"{name}_overlap", x=shape, layer=lambda k=kind: k(3, strides=1))
    case(f"{name}_gaps_same", x=shape, layer=lambda k=kind: k(2, strides=3, padding="same"))
    case(f"{name}_first", x=channels_first(shape), layer=lambda k=kind: k(3, strides=2, padding="same", **FIRST))

for name, (kind, shape) in GLOBAL.items():
    case(name, x=shape, layer=lambda k=kind: k())
    case(f"{name}_keepdims", x=shape, layer=lambda k=kind: k(keepdims=True))
    case(f"{name}_first", x=channels_first(shape), layer=lambda k=kind: k(**FIRST))
    case(f"{name}_first_keepdims", x=channels_first(shape), layer=lambda k=kind: k(**FIRST, **KEEP))

case("max2d_window", x=(9, 7, 2), layer=lambda: L.MaxPooling2D((3, 2), strides=(2, 3)))
case("max2d_window_same", x=(9, 7, 2), layer=lambda: L.MaxPooling2D((4, 2), strides=(3, 1), padding="same"))
case("average2d_window", x=(9, 7, 2), layer=lambda: L.AveragePooling2D((3, 2), strides=(2, 3)))
case("average2d_window_same", x=(9, 7, 2), layer=lambda: L.AveragePooling2D((4, 5), strides=(3, 2), padding="same"))
case("max3d_window_same", x=(5, 7, 5, 2), layer=lambda: L.MaxPooling3D((2, 3, 1), strides=(3, 1, 2), padding="same"))
case("average3d_window_same", x=(5, 7, 5, 2), layer=lambda: L.AveragePooling3D((2, 3, 4), strides=(1, 3, 2), padding="same"))
case("max2d_free_axes", x=(None, None, 2), layer=lambda: L.MaxPooling2D(2, padding="same"))

case("global_average1d_masking", x=(5, 3), masked=True, layer=lambda: [L.Masking(), L.GlobalAveragePooling1D()])
case("global_average1d_masking_keepdims", x=(5, 3), masked=True, layer=lambda: [L.Masking(), L.GlobalAveragePooling1D(keepdims=True)])
case("global_average1d_embedding", x=(7,), dtype="int32", ints=3, layer=lambda: [L.Embedding(3, 4, mask_zero=True), L.GlobalAveragePooling1D()])
case("global_average1d_embedding_first", x=(5,), dtype="int32", ints=3, layer=lambda: [L.Embedding(3, 4, mask_zero=True), L.Permute((2, 1)), L.GlobalAveragePooling1D(**FIRST)])
case("global_max1d_masking", x=(5, 3), masked=True, layer=lambda: [L.Masking(), L.Dense(4), L.GlobalMaxPooling1D()])
case("global_average1d_all_masked", x=(5, 3), scale=0.0, layer=lambda: [L.Masking(-0.0), L.Dense(2), L.GlobalMaxPooling1D()])
