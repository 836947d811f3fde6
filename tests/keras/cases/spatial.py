"""Padding, cropping and up-sampling."""

from keras import layers as L

from harness import family

case = family("conv")
FIRST = {"data_format": "channels_first"}

case("zero_padding1d", x=(5, 3), layer=lambda: L.ZeroPadding1D(2))
case("zero_padding1d_asymmetric", x=(5, 3), layer=lambda: L.ZeroPadding1D((1, 3)))
case("zero_padding1d_one_side", x=(5, 3), layer=lambda: L.ZeroPadding1D((0, 2)))
case("zero_padding1d_first", x=(3, 5), layer=lambda: L.ZeroPadding1D((2, 1), **FIRST))
case("zero_padding2d", x=(5, 7, 2), layer=lambda: L.ZeroPadding2D())
case("zero_padding2d_pair", x=(5, 7, 2), layer=lambda: L.ZeroPadding2D((1, 2)))
case("zero_padding2d_asymmetric", x=(5, 7, 2), layer=lambda: L.ZeroPadding2D(((0, 1), (3, 2))))
case("zero_padding2d_first", x=(2, 5, 7), layer=lambda: L.ZeroPadding2D(((0, 1), (3, 2)), **FIRST))
case("zero_padding3d", x=(3, 5, 2, 2), layer=lambda: L.ZeroPadding3D(1))
case("zero_padding3d_triple", x=(3, 5, 2, 2), layer=lambda: L.ZeroPadding3D((1, 0, 2)))
case("zero_padding3d_asymmetric", x=(3, 5, 2, 2), layer=lambda: L.ZeroPadding3D(((0, 1), (2, 0), (1, 2))))
case("zero_padding3d_first", x=(2, 3, 5, 2), layer=lambda: L.ZeroPadding3D(((0, 1), (2, 0), (1, 2)), **FIRST))

case("cropping1d", x=(7, 3), layer=lambda: L.Cropping1D(2))
case("cropping1d_asymmetric", x=(7, 3), layer=lambda: L.Cropping1D((1, 3)))
case("cropping1d_one_side", x=(7, 3), layer=lambda: L.Cropping1D((0, 2)))
case("cropping2d", x=(7, 9, 2), layer=lambda: L.Cropping2D(2))
case("cropping2d_pair", x=(7, 9, 2), layer=lambda: L.Cropping2D((1, 3)))
case("cropping2d_asymmetric", x=(7, 9, 2), layer=lambda: L.Cropping2D(((0, 1), (3, 2))))
case("cropping2d_first", x=(2, 7, 9), layer=lambda: L.Cropping2D(((2, 0), (0, 4)), **FIRST))
case("cropping3d", x=(5, 7, 5, 2), layer=lambda: L.Cropping3D())
case("cropping3d_triple", x=(5, 7, 5, 2), layer=lambda: L.Cropping3D((1, 0, 2)))
case("cropping3d_asymmetric", x=(5, 7, 5, 2), layer=lambda: L.Cropping3D(((0, 1), (3, 0), (1, 2))))
case("cropping3d_first", x=(2, 5, 7, 5), layer=lambda: L.Cropping3D(((0, 1), (3, 0), (1, 2)), **FIRST))

case("up_sampling1d", x=(5, 3), layer=lambda: L.UpSampling1D())
case("up_sampling1d_three", x=(5, 3), layer=lambda: L.UpSampling1D(3))
case("up_sampling1d_conv", x=(5, 3), layer=lambda: [L.UpSampling1D(2), L.Conv1D(2, 3)])
case("up_sampling2d", x=(5, 3, 2), layer=lambda: L.UpSampling2D())
for mode in ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"):
    case(f"up_sampling2d_{mode}", x=(5, 7, 2), layer=lambda mode=mode: L.UpSampling2D((2, 3), interpolation=mode))
    case(f"up_sampling2d_{mode}_first", x=(2, 5, 3), layer=lambda mode=mode: L.UpSampling2D((3, 2), interpolation=mode, **FIRST))
case("up_sampling2d_bilinear_small", x=(1, 2, 3), layer=lambda: L.UpSampling2D(4, interpolation="bilinear"))
case("up_sampling3d", x=(3, 2, 5, 2), layer=lambda: L.UpSampling3D())
case("up_sampling3d_sizes", x=(3, 2, 2, 2), layer=lambda: L.UpSampling3D((1, 2, 3)))
case("up_sampling3d_first", x=(2, 3, 2, 2), layer=lambda: L.UpSampling3D((2, 3, 1), **FIRST))
