"""Operations that move, repeat and join elements."""

import keras
from keras import ops

from archive import edit_config
from harness import family
from judge import np

case = family("ops_shape")
INTS = {"dtype": "int32", "ints": 9}
BOTH = [("", {}), ("_integers", INTS), ("_booleans", {"dtype": "bool"})]

case(
    "reshape",
    x=(4, 6),
    graph=lambda x: [
        ops.reshape(x, (-1, 24)),
        ops.reshape(x, (-1,)),
        ops.reshape(x, (2, 3, -1)),
        ops.reshape(x, (-1, 8, 1, 3)),
        ops.ravel(x),
        ops.copy(x),
    ],
)
case(
    "transpose",
    x=(3, 4, 5),
    graph=lambda x: [
        ops.transpose(x),
        ops.transpose(x, (0, 3, 1, 2)),
        ops.transpose(x, (-1, 0, -2, 1)),
        ops.swapaxes(x, 1, -1),
        ops.moveaxis(x, 1, -1),
        ops.moveaxis(x, (0, -1), (2, 0)),
        ops.moveaxis(x, [3, 1], [0, 1]),
    ],
)
case(
    "squeeze",
    x=(1, 4, 1),
    graph=lambda x: [
        ops.squeeze(x),
        ops.squeeze(x, 1),
        ops.squeeze(x, (-1, 1)),
        ops.expand_dims(x, 0),
        ops.expand_dims(x, -1),
        ops.expand_dims(x, (1, -1)),
    ],
)
case(
    "broadcast",
    x=(1, 3),
    graph=lambda x: [ops.broadcast_to(x, (2, 4, 3)), ops.broadcast_to(x, (5, 2, 1, 3))],
)
for suffix, options in BOTH:
    case(
        f"turn{suffix}",
        x=(3, 4),
        graph=lambda x: [
            ops.flip(x),
            ops.flip(x, 1),
            ops.flip(x, (-1, 1)),
            ops.fliplr(x),
            ops.flipud(x),
            ops.roll(x, 2),
            ops.roll(x, -5, axis=1),
            ops.roll(x, 1, axis=-1),
        ],
        **options,
    )
    case(
        f"repeat{suffix}",
        x=(3, 2),
        graph=lambda x: [
            ops.repeat(x, 2),
            ops.repeat(x, 3, axis=1),
            ops.repeat(x, 2, axis=-1),
            ops.tile(x, 2),
            ops.tile(x, (2, 1, 3)),
            ops.tile(x, [2, 1, 1, 2]),
        ],
        **options,
    )
    case(
        f"pad{suffix}",
        x=(4, 3),
        graph=lambda x: [
            ops.pad(x, 1),
            ops.pad(x, (2, 1)),
            ops.pad(x, ((0, 0), (2, 1), (0, 3)), constant_values=3),
            ops.pad(x, ((0, 0), (3, 2), (1, 2)), mode="reflect"),
            ops.pad(x, ((0, 0), (7, 0), (0, 9)), mode="reflect"),
            ops.pad(x, ((0, 0), (4, 5), (2, 0)), mode="symmetric"),
            ops.pad(x, ((1, 0), (6, 9), (2, 0)), mode="edge"),
            ops.pad(x, ((0, 0), (5, 9), (2, 1)), mode="wrap"),
            ops.pad(x, ((0, 0), (0, 2), (0, 0)), mode="empty"),
        ],
        **options,
    )
case(
    "pad_statistics",
    x=(4, 3),
    graph=lambda x: [
        ops.pad(x, ((0, 0), (1, 2), (2, 1)), mode="maximum"),
        ops.pad(x, ((0, 0), (1, 2), (2, 1)), mode="minimum"),
        ops.pad(x, ((0, 0), (1, 2), (2, 1)), mode="mean"),
        ops.pad(x, ((0, 0), (1, 2), (2, 1)), mode="linear_ramp"),
    ],
)
case(
    "roll_axes",
    x=(3, 4),
    graph=lambda x: [ops.roll(x, (1, 2), axis=(1, 2)), ops.roll(x, 1, axis=(0, 1)), ops.roll(x, (1, -2, 1), axis=(1, 2, 1))],
)
case(
    "join",
    x=[(3, 4), (3, 4)],
    graph=lambda x, y: [
        ops.concatenate([x, y, x], axis=-1),
        ops.concatenate([x, y]),
        ops.append(x, y),
        ops.append(x, y, axis=2),
        ops.stack([x, y]),
        ops.stack([x, y, y], axis=-1),
        ops.stack([x, y], axis=2),
        ops.hstack([x, y]),
        ops.vstack([x, y]),
        ops.dstack([x, y]),
        ops.dstack([ops.ravel(x), ops.ravel(y)]),
        ops.vstack([ops.ravel(x), ops.ravel(y)]),
    ],
)
case(
    "join_types",
    x=[(3,), (3,)],
    graph=lambda x, y: [
        ops.concatenate([x, ops.cast(y, "float32")], axis=1),
        ops.stack([ops.cast(x, "int8"), y > 3], axis=1),
        ops.append(ops.cast(x, "uint8"), ops.cast(y, "int8")),
        ops.hstack([x, ops.cast(y, "bool")]),
        ops.concatenate([x, np.array([[1.5, 2.5], [3.5, 4.5]], "float32")], axis=1),
        ops.stack([x > 1, y > 2]),
    ],
    **INTS,
)
case(
    "split",
    x=(5, 6),
    graph=lambda x: [
        *ops.split(x, 3, axis=-1),
        *ops.split(x, [1, 3], axis=1),
        *ops.array_split(x, 3, axis=1),
        *ops.array_split(x, 4, axis=-1),
        *ops.unstack(x, axis=1),
        *ops.unstack(x, num=6, axis=-1),
    ],
)
case(
    "split_named",
    x=(4, 6),
    graph=lambda x: [
        *ops.hsplit(x, 2),
        *ops.vsplit(ops.transpose(x, (1, 0, 2)), [1, 3]),
        *ops.dsplit(x, 3),
        *ops.hsplit(ops.ravel(x[:, 0]), 3),
        *ops.unstack(ops.reshape(x, (2, 24)), axis=0),
    ],
)
case(
    "meshgrid",
    x=[(3,), (4,)],
    graph=lambda x, y: [
        *ops.meshgrid(x[0], y[0]),
        *ops.meshgrid(x[0], y[0], indexing="ij"),
        *ops.meshgrid(x[0], y[0], y[1]),
    ],
)
case(
    "triangle",
    x=(4, 5),
    graph=lambda x: [ops.tril(x), ops.tril(x, 1), ops.tril(x, -2), ops.triu(x), ops.triu(x, -1), ops.triu(x, 4), ops.triu(x > 0)],
)
case(
    "diagonal",
    x=(4, 5),
    graph=lambda x: [
        ops.diagonal(x),
        ops.diagonal(x, 1, axis1=1, axis2=2),
        ops.diagonal(x, -2, axis1=-2, axis2=-1),
        ops.diagonal(x, offset=1, axis1=2, axis2=1),
        ops.trace(x, axis1=1, axis2=2),
        ops.trace(x, -1, axis1=2, axis2=1),
        ops.diag(x[0]),
        ops.diag(x[1], k=2),
        ops.diag(x[1], k=-1),
        ops.diag(x[0, 1]),
        ops.diag(x[0, 1], k=-2),
        ops.diag(x[1, 1], k=1),
        ops.diagflat(x[:, 0, :2]),
        ops.diagflat(x[0, 0], k=1),
    ],
)
case(
    "diagonal_types",
    x=(3, 3),
    graph=lambda x: [
        ops.trace(ops.cast(x, "int8"), axis1=1, axis2=2),
        ops.trace(ops.cast(x, "uint8"), axis1=1, axis2=2),
        ops.trace(x > 3, axis1=1, axis2=2),
        ops.trace(x),
        ops.diagonal(x, axis1=1, axis2=2),
        ops.diagflat(x[0, 0] > 3, k=-1),
        ops.tril(x, -1),
    ],
    **INTS,
)
case(
    "vander",
    x=(4,),
    graph=lambda x: [ops.vander(x[0]), ops.vander(x[1], 3), ops.vander(x[0], 5, increasing=True), ops.vander(ops.cast(x[1] * 2, "int32"), N=2)],
)
case(
    "kron",
    x=[(2,), (3,)],
    graph=lambda x, y: [ops.kron(x, y), ops.kron(x[0], y[1]), ops.kron(x, ops.cast(y, "int32")), ops.kron(x, np.array([[1.0, 2.0]], "float32"))],
)


def without_axes(path):
    """Keras cannot run what it reads back: it takes the axes from a list, which JAX does not like."""

    def change(config):
        for layer in config["config"]["layers"]:
            if layer["class_name"] == "Rot90":
                del layer["config"]["axes"]

    edit_config(path, change)


case(
    "rotate",
    x=(3, 4),
    graph=lambda x: [ops.rot90(x), ops.rot90(x, 2), ops.rot90(x, 3), ops.rot90(x, -5), ops.rot90(x, 4)],
    edit=without_axes,
)


def rearranged():
    """Keras needs to know every size, that of the batch too."""
    x = keras.Input(batch_shape=(2, 4, 6, 3), name="x")
    outputs = [
        ops.rearrange(x, "b h w c -> b c h w"),
        ops.rearrange(x, "b h w c -> b (h w) c"),
        ops.rearrange(x, "b (h p) (w q) c -> b h w (p q c)", h=2, p=2, w=2, q=3),
        ops.rearrange(x, "b (h p) w c -> b p h w c", h=2, p=2),
    ]
    return keras.Model(x, outputs)


case("rearrange", model=rearranged)
case(
    "convert",
    x=(4,),
    graph=lambda x: [
        ops.convert_to_tensor(x),
        ops.convert_to_tensor(x, dtype="int32"),
        ops.array(x),
        ops.array(x, dtype="bool"),
        ops.stop_gradient(x),
        ops.copy(x > 0),
    ],
    scale=3.0,
)
