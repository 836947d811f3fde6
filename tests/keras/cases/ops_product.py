"""Products of vectors, matrices and tensors."""

from keras import ops

from harness import family
from judge import np

case = family("ops_product")
INTS = {"dtype": "int32", "ints": 9}

case(
    "matmul",
    x=[(3, 4), (4, 5)],
    graph=lambda x, y: [
        x @ y,
        ops.matmul(x, y[0]),
        ops.matmul(x[0], y),
        ops.matmul(x, y[0, :, 0]),
        ops.matmul(x[0, 0], y),
        ops.matmul(x[:, None], y[:1, None]),
        ops.matmul(x, np.linspace(-1, 1, 8, dtype="float32").reshape(4, 2)),
        ops.matmul(ops.expand_dims(x, 1), y),
        x * 0 + ops.matmul(x[0, 0], y[0, :, 0]),
    ],
)
case(
    "matmul_integers",
    x=[(3, 4), (4, 5)],
    graph=lambda x, y: [
        x @ y,
        ops.matmul(ops.cast(x, "int8"), ops.cast(y, "int8")),
        ops.matmul(ops.cast(x, "int16"), ops.cast(y, "uint8")),
        ops.matmul(x, ops.cast(y, "float32")),
        ops.matmul(x[0], y),
        ops.dot(ops.cast(x[0], "int8"), ops.cast(y[0], "int8")),
    ],
    **INTS,
)
case(
    "dot",
    x=[(3, 4), (4, 5)],
    graph=lambda x, y: [
        ops.dot(x, y[0]),
        ops.dot(x, y),
        ops.dot(x, y[0, :, 0]),
        ops.dot(x, 2.5),
        ops.dot(x[0, 0, 0], y),
        x * 0 + ops.dot(x[0, 0], y[0, :, 1]),
        x * 0 + ops.vdot(x[:, :, 0], y[:, 0, :3]),
    ],
)
case(
    "inner",
    x=[(3, 4), (5, 4)],
    graph=lambda x, y: [
        ops.inner(x, y),
        ops.inner(x, y[0, 0]),
        ops.inner(x[0], y[1]),
        ops.outer(x[0, 0], y[0, 0]),
        ops.outer(x, y[0]),
        ops.outer(x[0, 0], np.array([1.0, 2.0], "float32")),
    ],
)
case(
    "tensordot",
    x=[(3, 4), (4, 3)],
    graph=lambda x, y: [
        ops.tensordot(x, y[0], axes=1),
        ops.tensordot(x[0], ops.transpose(y[0]), axes=0),
        ops.tensordot(x, y, axes=[[1, 2], [2, 1]]),
        ops.tensordot(x, y, axes=[[-1], [1]]),
        ops.tensordot(x, y, axes=[[0, 2], [0, 1]]),
        x * 0 + ops.tensordot(x[0], ops.transpose(y[1])),
    ],
)
case(
    "cross",
    x=[(4, 3), (4, 3)],
    graph=lambda x, y: [
        ops.cross(x, y),
        ops.cross(x[..., :2], y),
        ops.cross(x, y[..., :2]),
        ops.cross(x[..., 1:], y[..., 1:]),
        ops.cross(ops.transpose(x, (2, 0, 1)), y, axisa=0, axisc=1),
        ops.cross(x[:, 1:], y[:, 1:], axis=1),
    ],
)
case(
    "einsum",
    x=[(3, 4), (4, 5)],
    graph=lambda x, y: [
        ops.einsum("bij,bjk->bik", x, y),
        ops.einsum("bij,bjk", x, y),
        ops.einsum("...ij->...j", x),
        ops.einsum("bij,bij,bjk->bk", x, x, y),
        ops.einsum("bii->bi", x[:, :3, :3]),
        ops.einsum("bij,bjk->ik", ops.cast(x, "int8"), ops.cast(y, "int8")),
    ],
)
case(
    "cdist",
    x=[(3, 4), (5, 4)],
    graph=lambda x, y: [ops.cdist(x, y), ops.cdist(x, y[0]), ops.cdist(x[0], y[1])],
)
