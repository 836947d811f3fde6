"""Recurrent layers on their own."""

import keras
from keras import layers as L

from harness import family
from bygone import CuDNNGRU, CuDNNLSTM

case = family("rnn")

KINDS = {"simple_rnn": L.SimpleRNN, "lstm": L.LSTM, "gru": L.GRU}
STATES = {"simple_rnn": 1, "lstm": 2, "gru": 1}
SEQUENCES = {"return_sequences": True}

OPTIONS = {
    "": {},
    "sequences": SEQUENCES,
    "state": {"return_state": True},
    "sequences_state": {"return_sequences": True, "return_state": True},
    "no_bias": {"use_bias": False},
    "relu": {"activation": "relu", "return_sequences": True},
    "backwards": {"go_backwards": True},
    "backwards_sequences": {"go_backwards": True, "return_sequences": True},
    "unroll": {"unroll": True, "return_sequences": True},
    "dropout": {"dropout": 0.3, "recurrent_dropout": 0.2, "seed": 4},
}
MASKED = {
    "": {},
    "sequences": SEQUENCES,
    "zero_output": {"return_sequences": True, "zero_output_for_mask": True},
    "state": {"return_sequences": True, "return_state": True},
    "backwards": {"go_backwards": True, "return_sequences": True},
    "unroll": {"unroll": True, "return_sequences": True},
}


def embedded(kind, **options):
    return lambda: [L.Embedding(4, 3, mask_zero=True), kind(4, **options)]


def initial_state(kind, count, sequences=True):
    """A recurrent layer that starts from states computed by Dense layers."""

    def build():
        x = keras.Input((5, 3), name="x")
        start = keras.Input((2,), name="start")
        states = [L.Dense(4, name=f"state_{i}")(start) for i in range(count)]
        layer = kind(4, return_sequences=sequences, return_state=True)
        return keras.Model([x, start], layer(x, initial_state=states))

    return build


def stateful(kind, **options):
    def build():
        x = keras.Input(batch_shape=(2, 5, 3), name="x")
        return keras.Model(x, kind(4, stateful=True, **options)(x))

    return build


for name, kind in KINDS.items():
    for suffix, options in OPTIONS.items():
        title = f"{name}_{suffix}".rstrip("_")
        case(title, x=(5, 3), graph=lambda x, k=kind, o=options: k(4, **o)(x))
    for suffix, options in MASKED.items():
        title = f"{name}_masking_{suffix}".rstrip("_")
        case(title, x=(5, 3), masked=True, graph=lambda x, k=kind, o=options: k(4, **o)(L.Masking()(x)))
    case(f"{name}_embedding_mask", x=(7,), dtype="int32", ints=4, layer=embedded(kind))
    case(f"{name}_embedding_mask_sequences", x=(7,), dtype="int32", ints=4, layer=embedded(kind, **SEQUENCES))
    case(f"{name}_initial_state", model=initial_state(kind, STATES[name]))
    case(f"{name}_initial_state_last", model=initial_state(kind, STATES[name], sequences=False))
    case(f"{name}_stateful", model=stateful(kind))
    case(f"{name}_stateful_sequences", model=stateful(kind, return_sequences=True))
    case(f"{name}_free_time", x=(None, 3), layer=lambda k=kind: k(4, return_sequences=True))
    case(f"{name}_stack", x=(5, 3), masked=True, layer=lambda k=kind: [L.Masking(), k(4, return_sequences=True), L.Dropout(0.2), k(3)])

for name in ("lstm", "gru"):
    kind = KINDS[name]
    case(f"{name}_hard_sigmoid", x=(5, 3), layer=lambda k=kind: k(4, recurrent_activation="hard_sigmoid"))
    case(f"{name}_softsign_tanh", x=(5, 3), layer=lambda k=kind: k(4, activation="softsign", recurrent_activation="tanh"))
    case(f"{name}_linear", x=(5, 3), layer=lambda k=kind: k(4, activation=None, **SEQUENCES))

case("lstm_no_unit_forget_bias", x=(5, 3), layer=lambda: L.LSTM(4, unit_forget_bias=False))
case("lstm_cudnn_off", x=(5, 3), layer=lambda: L.LSTM(4, use_cudnn=False))
case("simple_rnn_linear", x=(5, 3), layer=lambda: L.SimpleRNN(4, activation="linear"))

BEFORE = {"reset_after": False}
case("gru_reset_before", x=(5, 3), layer=lambda: L.GRU(4, **BEFORE))
case("gru_reset_before_sequences", x=(5, 3), layer=lambda: L.GRU(4, return_sequences=True, go_backwards=True, **BEFORE))
case("gru_reset_before_no_bias", x=(5, 3), layer=lambda: L.GRU(4, use_bias=False, **BEFORE))
case("gru_reset_before_masking", x=(5, 3), masked=True, layer=lambda: [L.Masking(), L.GRU(4, activation="relu", **BEFORE, **SEQUENCES)])
case("gru_reset_before_state", x=(5, 3), graph=lambda x: L.GRU(4, return_state=True, **BEFORE)(x))

CELLS = {"simple_rnn_cell": L.SimpleRNNCell, "lstm_cell": L.LSTMCell, "gru_cell": L.GRUCell}


def along(x, make):
    """A cell along a sequence in every way that Keras has, masked and not."""
    masked = L.Masking()(x)
    ways = [
        (x, {}),
        (x, {"return_sequences": True, "go_backwards": True, "return_state": True}),
        (masked, {"return_sequences": True}),
        (masked, {"return_sequences": True, "zero_output_for_mask": True, "go_backwards": True}),
        (masked, {"return_sequences": True, "unroll": True, "return_state": True}),
    ]
    return [L.RNN(make(), **options)(x) for x, options in ways]


def stack():
    return [L.LSTMCell(4), L.GRUCell(3, reset_after=False), L.LSTMCell(2, use_bias=False)]


def nested():
    return [L.StackedRNNCells([L.SimpleRNNCell(4), L.LSTMCell(3)]), L.GRUCell(2)]


def cells_as_layers():
    x, a, b = keras.Input((3,), name="x"), keras.Input((4,), name="a"), keras.Input((4,), name="b")
    lstm, gru = L.LSTMCell(4, activation="softsign"), L.GRUCell(4)
    h, states = lstm(x, [a, b])
    return keras.Model([x, a, b], [
        lstm(x, states=states),
        h,
        gru(x, [a]),
        L.GRUCell(4, reset_after=False, activation="softmax")(x, b),
        L.SimpleRNNCell(4, use_bias=False)(x, a),
    ])


def stack_as_layer():
    x, a, b, c = (keras.Input((n,), name=name) for n, name in zip((3, 4, 4, 2), "xabc"))
    cells = L.StackedRNNCells([L.LSTMCell(4), L.StackedRNNCells([L.GRUCell(2)])])
    plain = L.StackedRNNCells([L.LSTMCell(4), L.GRUCell(2)])
    return keras.Model([x, a, b, c], [plain(x, [[a, b], [c]]), cells(x, [[a, b], [[c]]])[0]])


def stack_initial_state():
    x, a, b, c = (keras.Input(s, name=name) for s, name in zip(((5, 3), (4,), (4,), (2,)), "xabc"))
    cells = lambda: [L.LSTMCell(4), L.GRUCell(2)]
    return keras.Model([x, a, b, c], [
        L.RNN(cells(), return_state=True)(x, initial_state=[[a, b], [c]]),
        L.RNN(cells())(x, [[a, b], c]),
        L.RNN([L.GRUCell(4), L.SimpleRNNCell(2)])(x, initial_state=[b, c]),
        L.Bidirectional(L.RNN(cells(), return_sequences=True))(x, initial_state=[[a, b], [c], [b, a], [c]]),
    ])


def states_by_position():
    x, a, b = keras.Input((5, 3), name="x"), keras.Input((4,), name="a"), keras.Input((4,), name="b")
    return keras.Model([x, a, b], [
        L.LSTM(4)(x, [a, b]),
        L.GRU(4, return_state=True)(x, a),
        L.SimpleRNN(4, return_sequences=True)(x, [a]),
        L.RNN(L.LSTMCell(4))(x, [a, b]),
        L.Bidirectional(L.LSTM(4), merge_mode="ave")(x, [a, b, b, a]),
        L.Bidirectional(L.GRU(4, return_state=True), merge_mode=None)(x, [a, b]),
    ])


def states_of_numbers():
    """States that are arrays in the file."""
    x = keras.Input(batch_shape=(2, 5, 3), name="x")
    array = lambda seed: keras.ops.convert_to_tensor([[seed + row - column / 4 for column in range(4)] for row in range(2)], "float32")
    return keras.Model(x, [
        L.LSTM(4)(x, initial_state=[array(0.5), array(-0.5)]),
        L.Bidirectional(L.GRU(4))(x, initial_state=[array(0.25), array(0.0)]),
    ])


def stateful_from(batch=2):
    """States that outlive a call, and states that are given, in one layer."""
    x = keras.Input(batch_shape=(batch, 5, 3), name="x")
    start = keras.Input(batch_shape=(batch, 4), name="start")
    return keras.Model([x, start], [
        L.GRU(4, stateful=True, return_state=True)(x, initial_state=start),
        L.RNN(stack(), stateful=True)(x),
        L.Bidirectional(L.RNN(L.LSTMCell(3), stateful=True))(x),
    ])


for name, cell in CELLS.items():
    case(f"rnn_{name}", x=(5, 3), masked=True, graph=lambda x, c=cell: along(x, lambda: c(4)))
case("rnn_options", x=(5, 3), masked=True, graph=lambda x: along(x, lambda: L.GRUCell(3, reset_after=False, use_bias=False, dropout=0.2, recurrent_dropout=0.3, seed=2, activation="relu", recurrent_activation="hard_sigmoid")))
case("rnn_stack", x=(5, 3), masked=True, graph=lambda x: along(x, lambda: stack()))
case("rnn_stack_same_cells", x=(None, 3), layer=lambda: L.RNN([L.LSTMCell(3), L.LSTMCell(3), L.GRUCell(3), L.LSTMCell(2)]))
case("rnn_stack_explicit", x=(5, 3), layer=lambda: [L.RNN(L.StackedRNNCells(stack()), return_sequences=True), L.RNN(L.GRUCell(2))])
case("rnn_nested_stack", x=(5, 3), masked=True, graph=lambda x: [L.RNN(nested())(x), L.RNN(nested(), return_sequences=True)(L.Masking()(x))])
case("rnn_stack_initial_state", model=stack_initial_state)
case("rnn_frozen_cell", x=(5, 3), layer=lambda: L.RNN([L.LSTMCell(3, trainable=False), L.GRUCell(2)]))
case("cells_as_layers", model=cells_as_layers)
case("stack_as_layer", model=stack_as_layer)
case("states_by_position", model=states_by_position)
case("stateful_from", model=stateful_from)
case("states_of_numbers", model=states_of_numbers)
for mode in ("concat", "sum", "ave", "mul", None):
    case(f"rnn_bidirectional_{mode}", x=(5, 3), masked=True, graph=lambda x, m=mode: [
        L.Bidirectional(L.RNN(L.LSTMCell(4), return_state=True), merge_mode=m)(x),
        L.Bidirectional(L.RNN(stack(), return_state=True, return_sequences=True), merge_mode=m)(L.Masking()(x)),
        L.Bidirectional(L.RNN(L.GRUCell(4)), backward_layer=L.SimpleRNN(4, activation="relu", go_backwards=True), merge_mode=m)(x),
    ])
case("rnn_bidirectional_sizes", x=(5, 3), graph=lambda x: [
    L.Bidirectional(L.RNN(L.LSTMCell(4)), backward_layer=L.RNN([L.GRUCell(3), L.SimpleRNNCell(2)], go_backwards=True))(x),
    L.Bidirectional(L.LSTM(4, go_backwards=True), backward_layer=L.LSTM(4, name="ahead"), merge_mode="sum")(x),
])
case("rnn_distributed", x=(2, 5, 3), layer=lambda: L.TimeDistributed(L.RNN(stack())))

for kind, count in ((CuDNNLSTM, 2), (CuDNNGRU, 1)):
    name = kind.__name__.lower()
    case(f"{name}_sequences", x=(5, 3), layer=lambda k=kind: [k(4, return_sequences=True), k(2)])
    case(f"{name}_backwards", x=(5, 3), graph=lambda x, k=kind: k(4, go_backwards=True, return_sequences=True, return_state=True)(x))
    case(f"{name}_initial_state", x=[(5, 3), (4,)], graph=lambda x, y, k=kind, n=count: k(4, return_state=True)(x, initial_state=[L.Dense(4)(y) for _ in range(n)]))


def of_half_floats():
    """Cells with the policy of their layer, and one that is more precise."""
    before, plain = keras.config.dtype_policy(), {"recurrent_initializer": "glorot_uniform"}
    keras.config.set_dtype_policy("mixed_float16")
    try:
        x = keras.Input((4, 3), name="x")
        return keras.Model(x, [
            L.RNN([L.LSTMCell(4, **plain), L.GRUCell(3, **plain)], return_state=True)(x),
            L.RNN(L.SimpleRNNCell(3, **plain), return_sequences=True)(L.Masking()(x)),
            L.RNN(L.LSTMCell(3, dtype="float32"), return_state=True)(x),
            L.Bidirectional(L.RNN(L.GRUCell(3, **plain)), merge_mode="sum")(x),
            L.ConvLSTM1D(2, 2, **plain)(keras.ops.expand_dims(x, -1)),
            *L.LSTMCell(3, **plain)(x[:, 0], [x[:, 1], x[:, 2]]),
        ])
    finally:
        keras.config.set_dtype_policy(before)


case("of_half_floats", model=of_half_floats, tolerance=2.0**-8, reason="float16 has 11 bits, and layers round up to four times")
