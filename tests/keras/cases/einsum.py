"""EinsumDense."""

from keras import layers as L

from harness import family

case = family("einsum")


def dense(*args, **options):
    return lambda: L.EinsumDense(*args, **options)


case("dense_matrix", x=(5,), layer=dense("ab,bc->ac", 4, bias_axes="c", activation="tanh"))
case("dense_free_sequence", x=(None, 5), layer=dense("abc,cd->abd", (None, 4)))
case("dense_two_axes", x=(3, 4, 5), layer=dense("abcd,cde->abe", (None, 6), bias_axes="e", activation="relu"))
case("dense_per_head", x=(3, 4), layer=dense("bnd,ndh->bhn", (5, 3), bias_axes="hn"))
case("dense_bias_in_the_middle", x=(3, 4), layer=dense("abc,cde->abde", (3, 2, 5), bias_axes="b"))
case("dense_left", x=(None, 3, 4), layer=dense("...x,xy->...y", 5, bias_axes="y", activation="gelu"))
case("dense_left_flat", x=(4,), layer=dense("...ax,xy->...ay", 5, bias_axes="y"))
case("dense_right", x=(3, 4, 2), layer=dense("ab...,bc->ac...", 5, bias_axes="c"))
case("dense_integers", x=(3, 4), dtype="int32", layer=dense("abc,cd->adb", (6, 3), activation="softmax"))
case("dense_sum", x=(3, 4), layer=dense("abc,cd->ad", 6, bias_axes="d"))
case("dense_scalar_kernel_axis", x=(3, 4), layer=dense("abc,b->abc", (3, 4)))
case("dense_drops_mask", x=(5,), dtype="int32", layer=lambda: [L.Embedding(7, 4, mask_zero=True), L.EinsumDense("abc,cd->abd", (None, 3)), L.LSTM(2)])
