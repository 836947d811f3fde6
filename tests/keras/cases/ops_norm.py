"""Norms of vectors and matrices, over all axes: Keras on JAX fails over some of them."""

from keras import ops

from harness import family

case = family("ops_norm")
INF = float("inf")

case(
    "vectors",
    x=(4,),
    graph=lambda x: [x * 0 + ops.norm(x[0], ord=o) for o in (None, 1, 2, 3, 0, INF, -INF, 0.5)],
)
case(
    "matrices",
    x=(4,),
    graph=lambda x: [x * 0 + ops.norm(x, ord=o) for o in (None, "fro", "nuc", 1, -1, 2, -2, INF, -INF)],
)
case("integers", x=(4,), graph=lambda x: [ops.cast(x, "float32") * 0 + ops.norm(x), ops.norm(x, keepdims=True)], dtype="int32")
case("whole", x=(4, 3), graph=lambda x: [x * 0 + ops.norm(x), ops.norm(x, keepdims=True)])
