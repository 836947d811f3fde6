"""Bidirectional, TimeDistributed and stacks of recurrent layers."""

import keras
from keras import layers as L

from harness import family

case = family("rnn")
SEQUENCES = {"return_sequences": True}
KINDS = {"simple_rnn": L.SimpleRNN, "lstm": L.LSTM, "gru": L.GRU}

for name, kind in KINDS.items():
    for mode in ("concat", "sum", "ave", "mul", None):
        case(f"bidirectional_{name}_{mode}", x=(5, 3), graph=lambda x, k=kind, m=mode: L.Bidirectional(k(4), merge_mode=m)(x))
        case(f"bidirectional_{name}_{mode}_sequences", x=(5, 3), graph=lambda x, k=kind, m=mode: L.Bidirectional(k(3, **SEQUENCES), merge_mode=m)(x))
    case(f"bidirectional_{name}_state", x=(5, 3), graph=lambda x, k=kind: L.Bidirectional(k(4, return_state=True))(x))
    case(f"bidirectional_{name}_state_sequences", x=(5, 3), graph=lambda x, k=kind: L.Bidirectional(k(4, return_state=True, **SEQUENCES), merge_mode="sum")(x))
    case(f"bidirectional_{name}_masking", x=(5, 3), masked=True, layer=lambda k=kind: [L.Masking(), L.Bidirectional(k(4))])
    case(f"bidirectional_{name}_masking_sequences", x=(5, 3), masked=True, layer=lambda k=kind: [L.Masking(), L.Bidirectional(k(4, **SEQUENCES))])
    case(f"bidirectional_{name}_embedding", x=(7,), dtype="int32", ints=4, layer=lambda k=kind: [L.Embedding(4, 3, mask_zero=True), L.Bidirectional(k(3, **SEQUENCES), merge_mode="mul"), L.Bidirectional(k(2))])
    case(f"bidirectional_{name}_backward", x=(5, 3), layer=lambda k=kind: L.Bidirectional(k(4, **SEQUENCES), backward_layer=k(4, use_bias=False, go_backwards=True, activation="relu", **SEQUENCES)))
    case(f"bidirectional_{name}_initial_state", model=lambda k=kind, n=name: bidirectional_initial_state(k, n))

case("bidirectional_mixed_backward", x=(5, 3), layer=lambda: L.Bidirectional(L.LSTM(4), backward_layer=L.GRU(4, go_backwards=True), merge_mode="sum"))
case("bidirectional_state_none", x=(5, 3), graph=lambda x: L.Bidirectional(L.LSTM(3, return_state=True, **SEQUENCES), merge_mode=None)(x))
case("bidirectional_gru_reset_before", x=(5, 3), layer=lambda: L.Bidirectional(L.GRU(3, reset_after=False)))

case("distributed_dense", x=(5, 3), layer=lambda: L.TimeDistributed(L.Dense(4, activation="relu")))
case("distributed_dense_rank4", x=(5, 3, 2), layer=lambda: L.TimeDistributed(L.Dense(4)))
case("distributed_conv2d", x=(3, 7, 5, 2), layer=lambda: L.TimeDistributed(L.Conv2D(3, 3, strides=2, padding="same")))
case("distributed_flatten", x=(3, 5, 2), layer=lambda: [L.TimeDistributed(L.Flatten()), L.LSTM(3)])
case("distributed_batch_normalization", x=(3, 5, 2), layer=lambda: L.TimeDistributed(L.BatchNormalization()))
case("distributed_pool", x=(3, 7, 5, 2), layer=lambda: [L.TimeDistributed(L.MaxPooling2D(2)), L.TimeDistributed(L.GlobalAveragePooling2D()), L.GRU(3)])
case("distributed_sequential", x=(3, 7), layer=lambda: L.TimeDistributed(keras.Sequential([keras.Input((7,)), L.Dense(5, "tanh"), L.Dense(2)])))
case("distributed_functional", x=(3, 5, 7), layer=lambda: L.TimeDistributed(per_step_model()))
case("distributed_lstm", x=(3, 5, 2), layer=lambda: L.TimeDistributed(L.LSTM(4)))
case("distributed_bidirectional", x=(3, 5, 2), layer=lambda: L.TimeDistributed(L.Bidirectional(L.GRU(3))))
case("distributed_nested_twice", x=(2, 3, 5), layer=lambda: L.TimeDistributed(L.TimeDistributed(L.Dense(3))))
case("distributed_masked", x=(5, 3), masked=True, layer=lambda: [L.Masking(), L.TimeDistributed(L.Dense(4)), L.LSTM(3)])
case("distributed_masked_sequences", x=(5, 3), masked=True, layer=lambda: [L.Masking(), L.TimeDistributed(L.Dense(4, "tanh")), L.GRU(3, **SEQUENCES)])
case("distributed_after_lstm", x=(5, 3), masked=True, layer=lambda: [L.Masking(), L.LSTM(4, **SEQUENCES), L.TimeDistributed(L.Dense(2, "softmax"))])
case("distributed_free_time", x=(None, 3), layer=lambda: L.TimeDistributed(L.Dense(4)))

case("stack_mixed", x=(7, 3), layer=lambda: [L.GRU(4, **SEQUENCES), L.LSTM(5, go_backwards=True, **SEQUENCES), L.SimpleRNN(3)])
case("stack_bidirectional", x=(5, 3), masked=True, layer=lambda: [L.Masking(), L.Bidirectional(L.LSTM(3, **SEQUENCES)), L.Bidirectional(L.GRU(3)), L.Dense(2)])
case("stack_conv", x=(9, 3), layer=lambda: [L.Conv1D(4, 3, activation="relu"), L.MaxPooling1D(2), L.LSTM(3, **SEQUENCES), L.GlobalMaxPooling1D()])
case("stack_masked_through_layers", x=(5, 3), masked=True, layer=lambda: [L.Masking(), L.Dense(4), L.LayerNormalization(), L.Activation("tanh"), L.Dropout(0.1), L.SpatialDropout1D(0.1), L.LSTM(3)])
case("stack_repeat", x=(5, 3), layer=lambda: [L.LSTM(4), L.RepeatVector(3), L.LSTM(3, **SEQUENCES), L.TimeDistributed(L.Dense(2))])
case("encoder_decoder", x=[(5, 3), (4, 2)], graph=lambda x, y: encoder_decoder(x, y))
case("encoder_decoder_gru_masked", x=[(5,), (3,)], dtype="int32", ints=4, graph=lambda x, y: masked_decoder(x, y))
case("mask_argument", model=lambda: mask_argument())
case("recurrent_conv_mask_dropped", x=(5, 3), masked=True, layer=lambda: [L.Masking(), L.Conv1D(3, 2), L.LSTM(3)])


def bidirectional_initial_state(kind, name):
    x = keras.Input((5, 3), name="x")
    start = keras.Input((4,), name="start")
    count = 4 if name == "lstm" else 2
    states = [L.Dense(4, activation="tanh")(start) for _ in range(count)]
    return keras.Model([x, start], L.Bidirectional(kind(4, **SEQUENCES))(x, initial_state=states))


def per_step_model():
    x = keras.Input((5, 7))
    shortcut = L.Dense(4)(x)
    merged = L.Add()([shortcut, L.Conv1D(4, 3, padding="same")(x)])
    return keras.Model(x, L.GlobalMaxPooling1D()(merged))


def encoder_decoder(x, y):
    _, *states = L.LSTM(4, return_state=True)(x)
    decoded, _, _ = L.LSTM(4, return_state=True, **SEQUENCES)(y, initial_state=states)
    return L.Dense(3, activation="softmax")(decoded)


def masked_decoder(x, y):
    embedding = L.Embedding(4, 3, mask_zero=True)
    state = L.GRU(4)(embedding(x))
    return L.GRU(4, **SEQUENCES)(embedding(y), initial_state=state)


def mask_argument():
    x = keras.Input((5, 3), name="x")
    mask = keras.Input((5,), dtype="bool", name="mask")
    return keras.Model([x, mask], L.LSTM(4, **SEQUENCES)(x, mask=mask))
