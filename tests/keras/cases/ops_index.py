"""Operations that take parts of values, or put parts into them."""

from keras import ops

from harness import family
from judge import np

case = family("ops_index")
INTS = {"dtype": "int32", "ints": 4}

for suffix, options in [("", {}), ("_integers", INTS), ("_booleans", {"dtype": "bool"})]:
    case(
        f"get_item{suffix}",
        x=(5, 6, 3),
        graph=lambda x: [
            x[0],
            x[-1],
            x[:, 2],
            x[:, -2],
            x[:, 1:4],
            x[:, ::2],
            x[:, ::-1],
            x[:, 4:1:-2],
            x[:, -3:],
            x[:, :-1, 1:],
            x[..., 0],
            x[..., None],
            x[:, None, 0, :, None],
            x[1, ..., -1],
            x[:, -100:100:3, ..., 1::2],
            x[::2, ...],
            x[None, ...],
            x[0, 1, 2],
            x[:, 3:-9:-1],
            x[..., :],
        ],
        **options,
    )
case(
    "take",
    x=[(5, 3), (4,)],
    graph=lambda x, y: [
        ops.take(x, [0, 2], axis=1),
        ops.take(x, np.array([[0, -1], [4, 2]]), axis=1),
        ops.take(x, 1, axis=-1),
        ops.take(x, [3, 7, -2]),
        ops.take(x, ops.cast(ops.abs(y * 2), "int32"), axis=-2),
        ops.take(x[0], ops.cast(ops.abs(y), "int32") - 1, axis=0),
    ],
)
case(
    "take_types",
    x=[(5,), (5,)],
    graph=lambda x, y: [
        ops.take(x, y, axis=1),
        ops.take(x > 1, ops.cast(y, "uint8"), axis=1),
        ops.take(x, y),
        ops.take_along_axis(x, y, axis=1),
        ops.take_along_axis(x > 1, -y, axis=-1),
        ops.take_along_axis(x, y[:, :2], axis=1),
        ops.take_along_axis(x, y[0], axis=None),
        ops.take_along_axis(x, y[:1, :], axis=1),
    ],
    **INTS,
)
case(
    "take_along_axis",
    x=(4, 3),
    graph=lambda x: [
        ops.take_along_axis(x, ops.cast(abs(x) * 1.5, "int32"), axis=1),
        ops.take_along_axis(x, np.array([[[0], [1], [2], [-1]]]), axis=-1),
    ],
)
case(
    "slice",
    x=(5, 6),
    graph=lambda x: [
        ops.slice(x, (0, 1, 2), (2, 3, 2)),
        ops.slice(x, [1, 3, 0], [1, -1, 6]),
        ops.slice(x, ops.cast(ops.abs(x[0, 0, :3]) * 3, "int32"), (1, 2, 3)),
        ops.slice_update(x, (0, 2, 4), x[:, :2, :2]),
        ops.slice_update(x, (0, 4, 5), x[:, :2, :2]),
        ops.slice_update(x, ops.cast(ops.abs(x[0, 0, :3]) * 3, "int32"), x[:1, :2, :2]),
    ],
)
case(
    "scatter_update",
    x=(4, 3),
    graph=lambda x: [
        ops.scatter_update(x, [[0, 1, 2], [1, 3, 0]], np.array([5.0, -6.0], "float32")),
        ops.scatter_update(x, [[0, 1], [1, 3]], x[:, 0]),
        *(
            ops.scatter_update(x, [[0, 1, 2], [1, 3, 0], [0, 1, 2]], x[0, :3, 0], reduction=reduction)
            for reduction in ("add", "max", "min", "mul")
        ),
        ops.scatter_update(x, [[0, -1, 2]], [7.0]),
    ],
)
case(
    "scatter_tensors",
    x=[(3,), (3,)],
    graph=lambda x, y: [
        ops.scatter_update(ops.ravel(x), y[:, 1:2], y[:, 0] * 10),
        ops.scatter_update(ops.zeros_like(ops.ravel(x)), y[:, :1], y[:, 1], reduction="add"),
        ops.scatter(y, x[:, 0], (4, 5, 6)),
        ops.scatter(y[:, :1], x, (6, 3)),
        ops.unravel_index(x, (2, 3))[0],
        ops.unravel_index(x, (2, 3))[1],
        ops.unravel_index(x - 3, (4, 2))[1],
        ops.unravel_index(x * 9, (2, 3))[0],
    ],
    **INTS,
)
case(
    "hot",
    x=(3,),
    graph=lambda x: [
        ops.one_hot(x, 4),
        ops.one_hot(x - 1, 3, axis=0, dtype="int32"),
        ops.one_hot(x, 5, axis=1, dtype="bool"),
        ops.multi_hot(x, 4),
        ops.multi_hot(x, 3, axis=1, dtype="int32"),
        ops.multi_hot(x[0], 4),
    ],
    **INTS,
)
case("hot_floats", x=(3,), graph=lambda x: [ops.multi_hot(abs(x) * 2, 4), ops.one_hot(ops.cast(x > 0, "uint8"), 2)])
case(
    "create",
    x=(3, 2),
    graph=lambda x: [
        ops.full_like(x, 2.5),
        ops.full_like(x, 3, dtype="int32"),
        ops.full_like(x, x[0, 0]),
        ops.full_like(x, np.array([1.0, 2.0], "float32")),
        ops.zeros_like(x),
        ops.empty_like(x),
        ops.ones_like(x, dtype="int32"),
        ops.ones_like(x > 0),
        ops.full((2, 3), x[0, 0, 0]),
        ops.full((2, 3), x[0, 0, 0], dtype="int32"),
    ],
)
case(
    "spaces",
    x=(3,),
    graph=lambda x: [
        ops.linspace(x, x + 2, 5),
        ops.linspace(0.0, x, 4, endpoint=False, axis=-1),
        ops.linspace(x[0], x, num=1),
        ops.linspace(x, 3, num=3, dtype="int32"),
        ops.logspace(x, 1.0, 4),
        ops.logspace(x, x + 1, 3, endpoint=False, base=2, axis=1),
        ops.geomspace(abs(x) + 0.5, 9.0, 4),
        ops.geomspace(-abs(x) - 0.5, -2.0, 5, endpoint=False, axis=1),
    ],
)
