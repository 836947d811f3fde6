"""Layers that Keras 2 had and Keras 3 has not, so that Keras 3 can open models with them."""

import keras
import numpy as np
from keras import layers as L


class LocallyConnected(L.Layer):
    """The locally connected layers of Keras 2, as one product with a matrix of all inputs and outputs."""

    def __init__(self, filters, kernel_size, strides=1, padding="valid", data_format="channels_last", activation=None, use_bias=True, implementation=1, **options):
        super().__init__(**options)
        each = lambda number: tuple(number) if isinstance(number, (list, tuple)) else (number,) * self.axes
        self.filters, self.kernel_size, self.strides = filters, each(kernel_size), each(strides)
        self.padding, self.data_format, self.use_bias = padding, data_format, use_bias
        self.activation, self.implementation = keras.activations.get(activation), implementation

    def get_config(self):
        names = ("filters", "kernel_size", "strides", "padding", "data_format", "use_bias", "implementation")
        own = {name: getattr(self, name) for name in names}
        return {**super().get_config(), **own, "activation": keras.activations.serialize(self.activation)}

    def compute_output_shape(self, shape):
        return (shape[0], *self.order(self.places(self.order(shape[1:])[0]), self.filters))

    def order(self, sizes, channels=None):
        """Axes and channels as the data format has them, or the two told apart."""
        first = self.data_format == "channels_first"
        if channels is None:
            return (tuple(sizes[1:]), sizes[0]) if first else (tuple(sizes[:-1]), sizes[-1])
        return (channels, *sizes) if first else (*sizes, channels)

    def places(self, lengths):
        sizes = zip(lengths, self.kernel_size, self.strides)
        return tuple(-(-(n - (k - 1 if self.padding == "valid" else 0)) // s) for n, k, s in sizes)

    def build(self, shape):
        lengths, channels = self.order(shape[1:])
        places = self.places(lengths)
        outputs, seen = self.order(places, self.filters), []
        before = [k // 2 if self.padding == "same" else 0 for k in self.kernel_size]
        for place in np.ndindex(*places):
            for offset in np.ndindex(*self.kernel_size):
                at = tuple(p * s + o - b for p, s, o, b in zip(place, self.strides, offset, before))
                if all(0 <= a < n for a, n in zip(at, lengths)):
                    seen += [(place, offset, at, c, f) for c in range(channels) for f in range(self.filters)]
        flat = lambda index, sizes: int(np.ravel_multi_index(index, sizes))
        ends = [(flat(self.order(p, f), outputs), flat(self.order(a, c), shape[1:])) for p, _, a, c, f in seen]
        if self.implementation == 1:
            sizes = (int(np.prod(places)), int(np.prod(self.kernel_size)) * channels, self.filters)
            inner = self.order(self.kernel_size, channels)
            numbers = [flat((flat(p, places), flat(self.order(o, c), inner), f), sizes) for p, o, _, c, f in seen]
        elif self.implementation == 2:
            sizes = (*shape[1:], *outputs)
            numbers = [flat((*self.order(a, c), *self.order(p, f)), sizes) for p, _, a, c, f in seen]
        else:
            sizes, ranks = (len(ends),), {pair: rank for rank, pair in enumerate(sorted(ends))}
            numbers = [ranks[pair] for pair in ends]
        self.table = np.full((int(np.prod(shape[1:])), int(np.prod(outputs))), int(np.prod(sizes)))
        for (output, input_), number in zip(ends, numbers):
            self.table[input_, output] = number
        self.kernel = self.add_weight(name="kernel", shape=sizes)
        self.bias = self.add_weight(name="bias", shape=(*places, self.filters)) if self.use_bias else None
        self.outputs = outputs

    def call(self, x):
        kernel = keras.ops.append(keras.ops.reshape(self.kernel, (-1,)), 0.0)
        y = keras.ops.reshape(x, (-1, self.table.shape[0])) @ keras.ops.take(kernel, self.table)
        y = keras.ops.reshape(y, (-1, *self.outputs))
        return self.activation(y if self.bias is None else y + keras.ops.reshape(self.bias, (1, *self.outputs)))


@keras.saving.register_keras_serializable()
class LocallyConnected1D(LocallyConnected):
    axes = 1


@keras.saving.register_keras_serializable()
class LocallyConnected2D(LocallyConnected):
    axes = 2


@keras.saving.register_keras_serializable()
class ThresholdedReLU(L.Layer):
    """Of Keras 2."""

    def __init__(self, theta=1.0, **options):
        super().__init__(**options)
        self.theta, self.supports_masking = theta, True

    def get_config(self):
        return {**super().get_config(), "theta": self.theta}

    def call(self, x):
        return x * keras.ops.cast(x > self.theta, x.dtype)


class CuDNN(L.Layer):
    """The layers of Keras 2 on CuDNN, after its own formulas.

    A gate is `W x + R h + b_w + b_r`, where CuDNN reads the numbers of W and R row by row, one per unit.
    """

    gates = None
    states = None

    def __init__(self, units, return_sequences=False, return_state=False, go_backwards=False, stateful=False, **kwargs):
        kwargs.pop("time_major", None)
        super().__init__(**kwargs)
        self.units = units
        self.return_sequences, self.return_state = return_sequences, return_state
        self.go_backwards, self.stateful = go_backwards, stateful

    def build(self, sequences_shape, initial_state_shape=None):
        width = self.gates * self.units
        self.kernel = self.add_weight(shape=(sequences_shape[-1], width), name="kernel")
        self.recurrent_kernel = self.add_weight(shape=(self.units, width), name="recurrent_kernel")
        self.bias = self.add_weight(shape=(2 * width,), name="bias")

    def products(self, x, kernel, bias):
        gates = zip(keras.ops.split(kernel, self.gates, axis=1), keras.ops.split(bias, self.gates))
        return [keras.ops.matmul(x, keras.ops.transpose(keras.ops.reshape(w, (self.units, -1)))) + b for w, b in gates]

    def call(self, sequences, initial_state=None):
        if self.go_backwards:
            sequences = keras.ops.flip(sequences, axis=1)
        zero = keras.ops.zeros((keras.ops.shape(sequences)[0], self.units))
        states = [zero] * self.states if initial_state is None else list(initial_state)
        input_bias, state_bias = keras.ops.split(self.bias, 2)
        outputs = []
        for at in range(sequences.shape[1]):
            x = self.products(sequences[:, at], self.kernel, input_bias)
            states = self.step(x, self.products(states[0], self.recurrent_kernel, state_bias), states)
            outputs.append(states[0])
        output = keras.ops.stack(outputs, axis=1) if self.return_sequences else outputs[-1]
        return (output, *states) if self.return_state else output

    def get_config(self):
        keys = ("units", "return_sequences", "return_state", "go_backwards", "stateful")
        return super().get_config() | {key: getattr(self, key) for key in keys} | {"time_major": False}


class CuDNNLSTM(CuDNN):
    gates, states = 4, 2

    def step(self, x, h, states):
        i, f, c, o = (a + b for a, b in zip(x, h))
        carry = keras.ops.sigmoid(f) * states[1] + keras.ops.sigmoid(i) * keras.ops.tanh(c)
        return [keras.ops.sigmoid(o) * keras.ops.tanh(carry), carry]


class CuDNNGRU(CuDNN):
    gates, states = 3, 1

    def step(self, x, h, states):
        z, r = (keras.ops.sigmoid(a + b) for a, b in zip(x[:2], h[:2]))
        return [(1 - z) * keras.ops.tanh(x[2] + r * h[2]) + z * states[0]]


# Keras 2 has them in this module.
for kind in (CuDNNLSTM, CuDNNGRU):
    kind.__module__ = "keras.layers"
    keras.saving.register_keras_serializable("keras2")(kind)
