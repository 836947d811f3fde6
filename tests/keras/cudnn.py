"""CuDNNLSTM and CuDNNGRU of Keras 2, which Keras 3 no longer has, after CuDNN's own formulas."""

import keras
from keras import ops


class CuDNN(keras.layers.Layer):
    """A gate is `W x + R h + b_w + b_r`, where CuDNN reads the numbers of W and R row by row, one per unit."""

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
        gates = zip(ops.split(kernel, self.gates, axis=1), ops.split(bias, self.gates))
        return [ops.matmul(x, ops.transpose(ops.reshape(w, (self.units, -1)))) + b for w, b in gates]

    def call(self, sequences, initial_state=None):
        if self.go_backwards:
            sequences = ops.flip(sequences, axis=1)
        zero = ops.zeros((ops.shape(sequences)[0], self.units))
        states = [zero] * self.states if initial_state is None else list(initial_state)
        input_bias, state_bias = ops.split(self.bias, 2)
        outputs = []
        for at in range(sequences.shape[1]):
            x = self.products(sequences[:, at], self.kernel, input_bias)
            states = self.step(x, self.products(states[0], self.recurrent_kernel, state_bias), states)
            outputs.append(states[0])
        output = ops.stack(outputs, axis=1) if self.return_sequences else outputs[-1]
        return (output, *states) if self.return_state else output

    def get_config(self):
        keys = ("units", "return_sequences", "return_state", "go_backwards", "stateful")
        return super().get_config() | {key: getattr(self, key) for key in keys} | {"time_major": False}


class CuDNNLSTM(CuDNN):
    gates, states = 4, 2

    def step(self, x, h, states):
        i, f, c, o = (a + b for a, b in zip(x, h))
        carry = ops.sigmoid(f) * states[1] + ops.sigmoid(i) * ops.tanh(c)
        return [ops.sigmoid(o) * ops.tanh(carry), carry]


class CuDNNGRU(CuDNN):
    gates, states = 3, 1

    def step(self, x, h, states):
        z, r = (ops.sigmoid(a + b) for a, b in zip(x[:2], h[:2]))
        return [(1 - z) * ops.tanh(x[2] + r * h[2]) + z * states[0]]


# Keras 2 has them in this module.
for kind in (CuDNNLSTM, CuDNNGRU):
    kind.__module__ = "keras.layers"
    keras.saving.register_keras_serializable("keras2")(kind)
