"""Files of Keras 1, written by the code of Keras 1.2.2 itself, and what its layers compute.

Usage: keras1.py SOURCE FOLDER     SOURCE is the unpacked source distribution of Keras 1.2.2;
                             besides it, numpy, h5py and six

Its backends need a TensorFlow and a Theano that nothing runs any more. NumPy stands in for them here: a
placeholder holds numbers from the start, so that building a model computes its outputs on the way. Every
variable gets random numbers, so that none is mistaken for another one.
"""

import collections.abc
import inspect
import sys
import types
from collections import namedtuple
from pathlib import Path

import h5py
import numpy as np
from recorded import record

RNG = np.random.default_rng(11)
ArgSpec = namedtuple("ArgSpec", "args varargs keywords defaults")


def getargspec(function):
    return ArgSpec(*inspect.getfullargspec(function)[:4])


# What Python has lost since.
inspect.getargspec = getargspec
collections.Iterable = collections.abc.Iterable


class Tensor:
    """Numbers with the attributes that Keras hangs on tensors."""

    def __init__(self, value, name=None):
        self.value = np.asarray(value)
        self.name = name
        self.dtype = self.value.dtype

    @property
    def shape(self):
        return self.value.shape

    def __getitem__(self, key):
        return Tensor(self.value[key])

    def __neg__(self):
        return Tensor(-self.value)


def number(x):
    return x.value if isinstance(x, Tensor) else x


def operator(name):
    return lambda self, other: Tensor(getattr(self.value, name)(number(other)))


for name in ["add", "radd", "sub", "rsub", "mul", "rmul", "truediv", "rtruediv", "pow", "ge", "gt"]:
    setattr(Tensor, f"__{name}__", operator(f"__{name}__"))

K = types.ModuleType("keras.backend")
SETTINGS = {"backend": "numpy", "image_dim_ordering": "tf", "counts": {}, "positive": ("std", "gamma")}


def backend(function):
    setattr(K, function.__name__.rstrip("_"), function)
    return function


def simple(name, compute):
    setattr(K, name, lambda *args, **kwargs: Tensor(compute(*map(number, args), **kwargs)))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def reduced(compute):
    """Keras gives several axes as a list."""
    axes = lambda axis: tuple(axis) if isinstance(axis, list) else axis
    return lambda x, axis=None, keepdims=False: compute(x, axes(axis), keepdims=keepdims)


for name, compute in {
    "dot": np.dot,
    "tanh": np.tanh,
    "exp": np.exp,
    "sqrt": np.sqrt,
    "square": np.square,
    "abs": np.abs,
    "maximum": np.maximum,
    "softplus": lambda x: np.log1p(np.exp(x)),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "sigmoid": sigmoid,
    "hard_sigmoid": lambda x: np.clip(0.2 * x + 0.5, 0, 1),
    "relu": lambda x, alpha=0.0, max_value=None: np.clip(x, 0, max_value) + number(alpha) * np.minimum(x, 0),
    "elu": lambda x, alpha=1.0: np.where(x > 0, x, alpha * (np.exp(x) - 1)),
    "softmax": lambda x: np.exp(x) / np.exp(x).sum(-1, keepdims=True),
    "reshape": lambda x, shape: x.reshape(shape),
    "expand_dims": lambda x, dim=-1: np.expand_dims(x, dim),
    "squeeze": lambda x, axis: np.squeeze(x, axis),
    "permute_dimensions": np.transpose,
    "batch_flatten": lambda x: x.reshape(len(x), -1),
    "repeat": lambda x, n: np.repeat(x[:, None], n, 1),
    "gather": lambda x, indices: x[indices.astype(int)],
    "cast": lambda x, dtype: x.astype(dtype),
    "ones_like": np.ones_like,
    "zeros_like": np.zeros_like,
    "tile": np.tile,
    "not_equal": lambda x, y: x != y,
    "any": reduced(np.any),
    "all": reduced(np.all),
    "mean": reduced(np.mean),
    "sum": reduced(np.sum),
    "max": reduced(np.max),
    "concatenate": lambda xs, axis=-1: np.concatenate([number(x) for x in xs], axis),
    "batch_normalization": lambda x, m, v, beta, gamma, epsilon: gamma * (x - m) / np.sqrt(v + epsilon) + beta,
}.items():
    simple(name, compute)

K.backend = lambda: SETTINGS["backend"]
K.floatx = lambda: "float32"
K.epsilon = lambda: 1e-8
K.cast_to_floatx = lambda x: np.asarray(x, "float32")
K.image_dim_ordering = lambda: SETTINGS["image_dim_ordering"]
K.legacy_weight_ordering = lambda: False
K.learning_phase = lambda: 0
K.in_train_phase = lambda x, alt: Tensor(number(alt() if callable(alt) else alt))
K.in_test_phase = lambda x, alt: K.in_train_phase(alt, x)
K.random_normal = lambda shape, **_: Tensor(np.zeros(shape, "float32"))
K.random_binomial = lambda shape, p: Tensor(np.ones(shape, "float32"))
K.dropout = lambda x, level, noise_shape=None, seed=None: x
K.is_keras_tensor = lambda x: hasattr(x, "_keras_history")
K.is_sparse = lambda x: False
K.int_shape = lambda x: tuple(x.shape)
K.shape = lambda x: x.shape
K.stack = lambda sizes: sizes
K.ndim = lambda x: x.value.ndim
K.dtype = lambda x: str(x.dtype)
K.get_value = lambda x: x.value
K.batch_get_value = lambda xs: [x.value for x in xs]
K.count_params = lambda x: x.value.size
K.set_value = lambda x, value: setattr(x, "value", np.asarray(value, "float32"))
K.moving_average_update = lambda *args: None
K.normalize_batch_in_training = lambda x, *args, **kwargs: (x, x, x)


@backend
def get_uid(prefix=""):
    SETTINGS["counts"][prefix] = SETTINGS["counts"].get(prefix, 0) + 1
    return SETTINGS["counts"][prefix]


@backend
def variable(value, dtype="float32", name=None):
    drawn = RNG.normal(0, 0.5, np.shape(value)).astype("float32")
    positive = any(part in (name or "") for part in SETTINGS["positive"])
    return Tensor(np.abs(drawn) + 0.3 if positive else drawn, name)


K.zeros = K.ones = lambda shape, dtype="float32", name=None: variable(np.zeros(shape), name=name)
K.random_uniform_variable = lambda shape, low, high, name=None, **_: variable(np.zeros(shape), name=name)
K.random_normal_variable = K.random_uniform_variable


@backend
def placeholder(shape=None, ndim=None, dtype="float32", sparse=False, name=None):
    given, shape = tuple(shape), [2 if size is None else size for size in shape]
    value = RNG.integers(0, 5, shape) if "int" in dtype else RNG.normal(0, 1, shape)
    tensor = Tensor(value.astype(dtype), name)
    tensor._keras_shape, tensor._uses_learning_phase = given, False
    return tensor


def windows(x, kernel, strides, border_mode, dilation, fill):
    """Every place of a kernel on channels-last values, with the sizes of the result."""
    axes = range(len(kernel))
    reach = [(kernel[a] - 1) * dilation[a] + 1 for a in axes]
    if border_mode == "same":
        sizes = [-(-x.shape[a + 1] // strides[a]) for a in axes]
        rest = [max((sizes[a] - 1) * strides[a] + reach[a] - x.shape[a + 1], 0) for a in axes]
        x = np.pad(x, [(0, 0), *((r // 2, r - r // 2) for r in rest), (0, 0)], constant_values=fill)
    else:
        sizes = [(x.shape[a + 1] - reach[a]) // strides[a] + 1 for a in axes]
    for place in np.ndindex(*kernel):
        starts = [place[a] * dilation[a] for a in axes]
        parts = [slice(starts[a], starts[a] + (sizes[a] - 1) * strides[a] + 1, strides[a]) for a in axes]
        yield place, x[(slice(None), *parts)]


def channels_last(x, dim_ordering):
    return np.moveaxis(x, 1, -1) if dim_ordering == "th" else x


def back(x, dim_ordering):
    return Tensor(np.moveaxis(x, -1, 1) if dim_ordering == "th" else x)


def last_kernel(kernel, dim_ordering):
    """Space, inputs, outputs."""
    axes = [*range(2, kernel.ndim), 1, 0] if dim_ordering == "th" else range(kernel.ndim)
    return np.transpose(kernel, axes)


@backend
def conv2d(x, kernel, strides=(1, 1), border_mode="valid", dim_ordering="tf", filter_dilation=(1, 1), **_):
    kernel = last_kernel(kernel.value, dim_ordering)
    x = channels_last(x.value, dim_ordering)
    places = windows(x, kernel.shape[:-2], strides, border_mode, filter_dilation, 0)
    return back(sum(part @ kernel[place] for place, part in places), dim_ordering)


@backend
def conv3d(x, kernel, strides=(1, 1, 1), border_mode="valid", dim_ordering="tf", **_):
    return conv2d(x, kernel, strides, border_mode, dim_ordering, (1, 1, 1))


@backend
def deconv2d(x, kernel, output_shape, strides=(1, 1), border_mode="valid", dim_ordering="tf", **_):
    kernel = last_kernel(kernel.value, dim_ordering)
    x = channels_last(x.value, dim_ordering)
    sizes = [output_shape[axis] for axis in ((2, 3) if dim_ordering == "th" else (1, 2))]
    full = [(x.shape[a + 1] - 1) * strides[a] + kernel.shape[a] for a in (0, 1)]
    out = np.zeros((len(x), *full, kernel.shape[-1]), "float32")
    for row, column in np.ndindex(*kernel.shape[:2]):
        rows = slice(row, row + (x.shape[1] - 1) * strides[0] + 1, strides[0])
        columns = slice(column, column + (x.shape[2] - 1) * strides[1] + 1, strides[1])
        out[:, rows, columns] += x @ kernel[row, column]
    starts = [(full[a] - sizes[a]) // 2 for a in (0, 1)]
    out = out[:, starts[0] : starts[0] + sizes[0], starts[1] : starts[1] + sizes[1]]
    return back(out, dim_ordering)


@backend
def separable_conv2d(x, depthwise_kernel, pointwise_kernel, strides, border_mode, dim_ordering):
    depthwise = last_kernel(depthwise_kernel.value, dim_ordering)
    pointwise = last_kernel(pointwise_kernel.value, dim_ordering)
    # Of Theano's order, the first kernel has the multiplier before the inputs.
    x = channels_last(x.value, dim_ordering)
    places = windows(x, depthwise.shape[:2], strides, border_mode, (1, 1), 0)
    middle = sum(part[..., None] * depthwise[place] for place, part in places)
    return back(middle.reshape(*middle.shape[:-2], -1) @ pointwise[0, 0], dim_ordering)


@backend
def pool2d(x, pool_size, strides=(1, 1), border_mode="valid", dim_ordering="tf", pool_mode="max"):
    x = channels_last(x.value, dim_ordering)
    ones = (1,) * len(pool_size)
    if pool_mode == "max":
        parts = [part for _, part in windows(x, pool_size, strides, border_mode, ones, -np.inf)]
        return back(np.max(parts, 0), dim_ordering)
    total = sum(part for _, part in windows(x, pool_size, strides, border_mode, ones, 0))
    count = sum(part for _, part in windows(np.ones_like(x), pool_size, strides, border_mode, ones, 0))
    return back(total / count, dim_ordering)


K.pool3d = pool2d


@backend
def batch_dot(x, y, axes=None):
    axes = (axes, axes) if isinstance(axes, int) else axes
    rows = [np.tensordot(a, b, (axes[0] - 1, axes[1] - 1)) for a, b in zip(x.value, y.value)]
    out = np.array(rows)
    return Tensor(out[:, None] if out.ndim == 1 else out)


@backend
def asymmetric_temporal_padding(x, left_pad=1, right_pad=1):
    return Tensor(np.pad(x.value, [(0, 0), (left_pad, right_pad), (0, 0)]))


@backend
def asymmetric_spatial_2d_padding(x, top_pad=1, bottom_pad=1, left_pad=1, right_pad=1, dim_ordering="tf"):
    x = channels_last(x.value, dim_ordering)
    return back(np.pad(x, [(0, 0), (top_pad, bottom_pad), (left_pad, right_pad), (0, 0)]), dim_ordering)


@backend
def resize_images(x, height_factor, width_factor, dim_ordering):
    x = channels_last(x.value, dim_ordering)
    return back(x.repeat(height_factor, 1).repeat(width_factor, 2), dim_ordering)


@backend
def repeat_elements(x, rep, axis):
    return Tensor(np.repeat(x.value, rep, axis))


@backend
def reverse(x, axes):
    return Tensor(np.flip(x.value, axes))


@backend
def rnn(step, inputs, initial_states, go_backwards=False, mask=None, constants=None, **_):
    states, outputs = initial_states, []
    steps = range(inputs.shape[1])
    output = None
    for at in reversed(steps) if go_backwards else steps:
        new, new_states = step(inputs[:, at], [*states, *(constants or [])])
        if mask is not None:
            keep = mask.value[:, at].reshape(-1, *[1] * (new.value.ndim - 1)).astype(bool)
            before = np.zeros_like(new.value) if output is None else output.value
            new = Tensor(np.where(keep, new.value, before))
            new_states = [Tensor(np.where(keep, a.value, b.value)) for a, b in zip(new_states, states)]
        output, states = new, new_states
        outputs.append(output.value)
    return output, Tensor(np.stack(outputs, 1)), states


def models():
    """The models, by name: they need Keras 1, which needs the backend above."""
    from keras.layers import core, recurrent, convolutional, wrappers, normalization, embeddings, pooling
    from keras.layers import Input, Merge, merge, noise, advanced_activations, convolutional_recurrent
    from keras.models import Model, Sequential

    c, r, p = core, recurrent, pooling

    def chain(*layers):
        model = Sequential()
        for layer in layers:
            model.add(layer)
        return model

    yield "dense", chain(
        c.Dense(5, input_dim=4, activation="relu", W_regularizer="l2", init="he_normal"),
        c.Dropout(0.5),
        normalization.BatchNormalization(),
        c.Dense(3, activation="hard_sigmoid", bias=False),
    )
    for order in ["tf", "th"]:
        SETTINGS["image_dim_ordering"] = order
        shape = (7, 6, 3) if order == "tf" else (3, 7, 6)
        yield f"images_{order}", chain(
            convolutional.Convolution2D(4, 3, 2, input_shape=shape, border_mode="same", activation="tanh"),
            normalization.BatchNormalization(axis=-1 if order == "tf" else 1),
            p.MaxPooling2D((2, 2), border_mode="same"),
            convolutional.ZeroPadding2D((1, 2)),
            convolutional.AtrousConvolution2D(3, 2, 2, atrous_rate=(2, 1)),
            convolutional.UpSampling2D((2, 1)),
            noise.GaussianNoise(0.1),
            c.Flatten(),
            c.Dense(2, activation="softmax"),
        )
        shape = (4, 5, 3) if order == "tf" else (3, 4, 5)
        sizes = (None, 8, 10, 4) if order == "tf" else (None, 4, 8, 10)
        yield f"transposed_{order}", chain(
            convolutional.Deconvolution2D(
                4, 3, 3, output_shape=sizes, input_shape=shape, subsample=(2, 2), border_mode="same"
            ),
            p.GlobalAveragePooling2D(),
        )
        yield f"volumes_{order}", chain(
            convolutional.Convolution3D(
                4, 2, 3, 2, input_shape=(4, 5, 4, 2) if order == "tf" else (2, 4, 5, 4), subsample=(1, 2, 1)
            ),
            c.Flatten(),
            c.Dense(2),
        )
        yield f"video_{order}", chain(
            convolutional_recurrent.ConvLSTM2D(
                3, 2, 2, input_shape=(3, 4, 4, 2) if order == "tf" else (3, 2, 4, 4), border_mode="same"
            ),
        )
    SETTINGS["image_dim_ordering"] = "tf"
    SETTINGS["backend"] = "tensorflow"
    yield "separable", chain(
        convolutional.SeparableConvolution2D(4, 2, 2, depth_multiplier=2, input_shape=(5, 5, 3))
    )
    SETTINGS["backend"] = "numpy"
    yield "sequences", chain(
        convolutional.Convolution1D(4, 3, input_dim=3, input_length=8, border_mode="same", subsample_length=2),
        p.MaxPooling1D(2, stride=1),
        r.LSTM(4, return_sequences=True, consume_less="gpu"),
        r.GRU(3, return_sequences=True, inner_activation="sigmoid"),
        r.LSTM(3, return_sequences=True, go_backwards=True),
        wrappers.TimeDistributed(c.Dense(4)),
        advanced_activations.LeakyReLU(0.2),
        c.TimeDistributedDense(3),
        r.SimpleRNN(2, dropout_W=0.2),
    )
    yield "words", chain(
        embeddings.Embedding(5, 4, input_length=6, dropout=0.1, mask_zero=True),
        wrappers.Bidirectional(r.LSTM(3, return_sequences=True), merge_mode="concat"),
        wrappers.Bidirectional(r.GRU(2), merge_mode="sum"),
    )
    branches = [chain(c.Dense(3, input_dim=4)), chain(c.Dense(2, input_dim=5, activation="tanh"))]
    yield "branches", chain(Merge(branches, mode="concat", concat_axis=-1), c.Dense(2))
    x, y = Input((3, 4), name="x"), Input((3, 4), name="y")
    shared = c.Dense(4, name="shared")
    a, b = shared(x), shared(y)
    merged = [merge([a, b], mode=mode) for mode in ["sum", "mul", "ave", "max"]]
    merged += [merge([a, b], mode="dot", dot_axes=(1, 1)), merge([a, y], mode="concat", concat_axis=1)]
    yield "merged", Model([x, y], merged)
    inner = chain(convolutional.Convolution1D(3, 2, input_shape=(6, 4)), r.LSTM(2))
    z = Input((6, 4), name="z")
    graph = Model(z, c.Dense(3)(r.GRU(3)(z)))
    w = Input((6, 4), name="w")
    yield "nested", Model(w, merge([inner(w), graph(w)], mode="concat"))


def recorded(save_model):
    """Every model with what is to be recorded of it."""
    for name, model in models():

        def save(path, model=model):
            save_model(model, str(path))
            with h5py.File(path) as file:
                assert file.attrs["keras_version"], path

        yield name, save, *([tensor.value for tensor in tensors] for tensors in (model.inputs, model.outputs))


def main():
    source, folder = sys.argv[1], Path(sys.argv[2])
    sys.path.insert(0, source)
    sys.modules["keras.backend"] = K
    sys.modules["yaml"] = types.ModuleType("yaml")
    import keras
    from keras.models import save_model

    keras.backend = K
    record(folder, recorded(save_model))


if __name__ == "__main__":
    main()
