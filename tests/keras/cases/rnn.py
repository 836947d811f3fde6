"""Recurrent layers on their own."""

import keras
from keras import layers as L

from harness import family

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
