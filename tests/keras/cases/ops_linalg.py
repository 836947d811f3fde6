"""Linear algebra. What is not unique, such as the signs of vectors, is compared in products."""

from keras import ops

from harness import family

case = family("ops_linalg")


def positive(x):
    """Symmetric matrices with positive eigenvalues."""
    return ops.matmul(x, ops.transpose(x, (0, 2, 1))) + ops.triu(ops.tril(ops.ones_like(x)))


case(
    "cholesky",
    x=(3, 3),
    graph=lambda x: [
        ops.cholesky(positive(x)),
        ops.cholesky(positive(x), upper=True),
        ops.cholesky_inverse(ops.cholesky(positive(x))[0]),
        ops.cholesky_inverse(ops.cholesky(positive(x), upper=True)[1], upper=True),
    ],
)
case(
    "determinant",
    x=(4, 4),
    graph=lambda x: [
        ops.det(x),
        ops.slogdet(x)[0],
        ops.slogdet(x)[1],
        ops.logdet(positive(x)),
        ops.det(x[:, :2, :2]),
        ops.inv(x + 2.0 * ops.triu(ops.tril(ops.ones_like(x)))),
    ],
)
case(
    "pseudo_inverse",
    x=(4, 3),
    graph=lambda x: [
        ops.pinv(x),
        ops.pinv(ops.transpose(x, (0, 2, 1))),
        ops.pinv(x, rcond=0.6),
        ops.matrix_rank(x),
        ops.matrix_rank(ops.concatenate([x, x], axis=-1)),
        ops.matrix_rank(x, tol=0.3),
    ],
)
case(
    "solve",
    x=[(3, 3), (3, 2)],
    graph=lambda x, y: [
        ops.solve(positive(x), y),
        ops.solve(positive(x)[0], y[0, :, 0]),
        ops.solve_triangular(positive(x), y),
        ops.solve_triangular(positive(x), y, lower=True),
        ops.lstsq(y[0], x[0]),
        ops.lstsq(ops.transpose(y[1]), x[1, :2, 0]),
    ],
)
case(
    "factors",
    x=(4, 3),
    graph=lambda x: [
        *ops.lu_factor(x),
        *ops.lu_factor(ops.transpose(x, (0, 2, 1))),
        *ops.qr(x),
        ops.qr(x, mode="complete")[1],
        ops.matmul(*ops.qr(x, mode="complete")),
        ops.qr(x, mode="complete")[0][:, :, :3],
        *ops.qr(ops.transpose(x, (0, 2, 1))),
    ],
)


def eigen(x):
    values, vectors = ops.eigh(positive(x))
    return [values, ops.matmul(vectors * ops.expand_dims(values, 1), ops.transpose(vectors, (0, 2, 1)))]


def singular(x):
    u, s, v = ops.svd(x, full_matrices=False)
    full_u, full_s, full_v = ops.svd(x)
    wide_u, wide_s, wide_v = ops.svd(ops.transpose(x, (0, 2, 1)))
    return [
        s,
        ops.matmul(u * ops.expand_dims(s, 1), v),
        full_s,
        ops.matmul(full_u, ops.transpose(full_u, (0, 2, 1))),
        ops.matmul(full_u[:, :, :3] * ops.expand_dims(full_s, 1), full_v),
        ops.matmul(wide_v, ops.transpose(wide_v, (0, 2, 1))),
        ops.matmul(wide_u * ops.expand_dims(wide_s, 1), wide_v[:, :3]),
        ops.svd(x, compute_uv=False),
    ]


case("eigen", x=(3, 3), graph=eigen)
case("singular", x=(4, 3), graph=singular)
