"""LSTMs whose products are convolutions."""

import keras
from keras import layers as L

from harness import family

case = family("conv_lstm")

KINDS = {1: L.ConvLSTM1D, 2: L.ConvLSTM2D, 3: L.ConvLSTM3D}
SIZES = {1: (7,), 2: (7, 5), 3: (4, 5, 3)}
EVERYTHING = {"return_sequences": True, "return_state": True}


def shape(rank, first=False, time=3, channels=2):
    return (time, channels, *SIZES[rank]) if first else (time, *SIZES[rank], channels)


def ways(x, kind, **options):
    return [
        kind(3, 3, **options)(x),
        kind(2, 2, padding="same", strides=2, **EVERYTHING, **options)(x),
        kind(2, 2, dilation_rate=2, use_bias=False, return_sequences=True, go_backwards=True, **options)(x),
    ]


def initial_state(rank, first):
    """States computed elsewhere, by name, by position and in both directions."""
    kind, options = KINDS[rank], {"data_format": "channels_first" if first else "channels_last", "padding": "same"}
    x = keras.Input(shape(rank, first), name="x")
    a, b = (keras.Input(shape(rank, first)[1:], name=name) for name in "ab")
    return keras.Model([x, a, b], [
        kind(2, 3, **EVERYTHING, **options)(x, initial_state=[a, b]),
        kind(2, 3, **options)(x, [b, a]),
        L.Bidirectional(kind(2, 3, return_sequences=True, **options), merge_mode="sum")(x, initial_state=[a, b, b, a]),
    ])


def masked(rank, first=False):
    """Masks where Keras on JAX can do them: unrolled, or a batch of one."""
    x, mask = keras.Input(shape(rank, first), name="x"), keras.Input((3,), dtype="bool", name="mask")
    options = {"data_format": "channels_first" if first else "channels_last", "unroll": True}
    return keras.Model([x, mask], [
        KINDS[rank](2, 3, **options)(x, mask=mask),
        KINDS[rank](2, 2, go_backwards=True, **EVERYTHING, **options)(x, mask=mask),
        L.Bidirectional(KINDS[rank](2, 2, return_sequences=True, **options))(x, mask=mask),
    ])


def masked_one():
    x, mask = keras.Input(batch_shape=(1, 5, 4, 4, 2), name="x"), keras.Input(batch_shape=(1, 5), dtype="bool", name="mask")
    return keras.Model([x, mask], [
        L.ConvLSTM2D(2, 3, return_sequences=True)(x, mask=mask),
        L.ConvLSTM2D(2, 3, return_sequences=True, zero_output_for_mask=True)(x, mask=mask),
        L.Bidirectional(L.ConvLSTM2D(2, 3, return_sequences=True))(x, mask=mask),
    ])


def stateful():
    x = keras.Input(batch_shape=(2, 3, 5, 4, 2), name="x")
    return keras.Model(x, L.ConvLSTM2D(3, 2, stateful=True, return_sequences=True)(x))


for rank, kind in KINDS.items():
    case(f"conv_lstm{rank}d", x=shape(rank), graph=lambda x, k=kind: ways(x, k))
    case(f"conv_lstm{rank}d_first", x=shape(rank, True), graph=lambda x, k=kind: ways(x, k, data_format="channels_first"))
    case(f"conv_lstm{rank}d_initial_state", model=lambda r=rank: initial_state(r, False))
    case(f"conv_lstm{rank}d_masked", model=lambda r=rank: masked(r))
case("conv_lstm2d_first_initial_state", model=lambda: initial_state(2, True))
case("conv_lstm2d_first_masked", model=lambda: masked(2, True))
case("conv_lstm2d_masked_one", model=masked_one, batch=1)
case("conv_lstm2d_stateful", model=stateful)
case("conv_lstm2d_options", x=(None, 5, 4, 2), layer=lambda: [
    L.ConvLSTM2D(4, (3, 2), strides=(2, 1), activation="relu", recurrent_activation="hard_sigmoid", dropout=0.2, recurrent_dropout=0.3, seed=1, unit_forget_bias=False, return_sequences=True),
    L.ConvLSTM2D(2, 1, activation="softmax"),
    L.Flatten(),
])
case("conv_lstm2d_first_softmax", x=(2, 2, 4, 5), layer=lambda: L.ConvLSTM2D(3, 2, activation="softmax", data_format="channels_first", dilation_rate=(1, 2)))
case("conv_lstm2d_video", x=(3, 6, 6, 1), layer=lambda: [
    L.TimeDistributed(L.Conv2D(3, 3, activation="relu")),
    L.ConvLSTM2D(3, 3, padding="same", return_sequences=True),
    L.BatchNormalization(),
    L.ConvLSTM2D(2, 2),
    L.GlobalAveragePooling2D(),
])
for mode in ("concat", "mul", None):
    case(f"conv_lstm_bidirectional_{mode}", x=(3, 5, 4, 2), graph=lambda x, m=mode: [
        L.Bidirectional(L.ConvLSTM2D(2, 3, **EVERYTHING), merge_mode=m)(x),
        L.Bidirectional(L.ConvLSTM2D(2, 3), merge_mode=m, backward_layer=L.ConvLSTM2D(2, 3, activation="relu", go_backwards=True))(x),
    ])
