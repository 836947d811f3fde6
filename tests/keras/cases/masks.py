"""How masks travel: as nodes of functional graphs, implicitly inside Sequential."""

import keras
from keras import layers as L

from harness import family

case = family("mask")
IDS = {"dtype": "int32", "ints": 3}
SEQUENCES = {"return_sequences": True}


def masked(tensor, width=4):
    return L.Embedding(3, width, mask_zero=True)(tensor)


def readers(width=4):
    """A Sequential that reads a sequence and honours the mask it is given."""
    return keras.Sequential([keras.Input((5, width)), L.Dense(3, "tanh"), L.LSTM(3)])


def embedder():
    return keras.Sequential([keras.Input((5,), dtype="int32"), L.Embedding(3, 4, mask_zero=True)])


def functional_embedder():
    x = keras.Input((5,), dtype="int32")
    return keras.Model(x, masked(x))


def functional_reader():
    x = keras.Input((5, 4))
    return keras.Model(x, L.LSTM(3)(L.Dense(4)(x)))


def pick(tensor):
    """A reader of a sequence whose result depends on the mask."""
    return L.LSTM(3)(tensor)


THROUGH = {
    "activation": lambda: L.Activation("tanh"),
    "activity_regularization": lambda: L.ActivityRegularization(l1=0.1),
    "alpha_dropout": lambda: L.AlphaDropout(0.1),
    "batch_normalization": lambda: L.BatchNormalization(),
    "bidirectional": lambda: L.Bidirectional(L.LSTM(2, **SEQUENCES)),
    "conv1d": lambda: L.Conv1D(4, 2, padding="same"),
    "dense": lambda: L.Dense(3),
    "dropout": lambda: L.Dropout(0.1),
    "elu": lambda: L.ELU(),
    "gaussian_dropout": lambda: L.GaussianDropout(0.1),
    "gaussian_noise": lambda: L.GaussianNoise(0.1),
    "group_normalization": lambda: L.GroupNormalization(2),
    "gru": lambda: L.GRU(3, **SEQUENCES),
    "identity": lambda: L.Identity(),
    "lambda": lambda: L.Lambda(keras.activations.tanh),
    "layer_normalization": lambda: L.LayerNormalization(),
    "leaky_relu": lambda: L.LeakyReLU(),
    "lstm": lambda: L.LSTM(3, **SEQUENCES),
    "masking": lambda: L.Masking(0.25),
    "max_pooling1d": lambda: L.MaxPooling1D(2, strides=1, padding="same"),
    "normalization": lambda: L.Normalization(mean=0.5, variance=2.0),
    "permute": lambda: L.Permute((2, 1)),
    "prelu": lambda: L.PReLU(),
    "relu": lambda: L.ReLU(),
    "rescaling": lambda: L.Rescaling(0.5),
    "reshape": lambda: L.Reshape((5, 2, 2)),
    "rms_normalization": lambda: L.RMSNormalization(),
    "simple_rnn": lambda: L.SimpleRNN(3, **SEQUENCES),
    "spatial_dropout1d": lambda: L.SpatialDropout1D(0.1),
    "time_distributed": lambda: L.TimeDistributed(L.Dense(3)),
    "unit_normalization": lambda: L.UnitNormalization(),
    "up_sampling1d": lambda: L.UpSampling1D(2),
    "zero_padding1d": lambda: L.ZeroPadding1D(1),
}


def after(make):
    """The layers of a masked sequence, the one under test and a reader."""
    tail = [L.Reshape((5, 4))] if "Reshape" in type(probe := make()).__name__ else []
    return [probe, *tail, L.LSTM(3)]


for name, make in THROUGH.items():
    case(f"through_{name}", x=(5,), layer=lambda m=make: [L.Embedding(3, 4, mask_zero=True), *after(m)], **IDS)
for name in ("batch_normalization", "bidirectional", "conv1d", "dense", "gru", "lambda", "masking", "time_distributed"):
    case(f"through_{name}_graph", x=(5,), graph=lambda x, m=THROUGH[name]: pick(m()(masked(x))), **IDS)

case("into_sequential", x=(5,), graph=lambda x: L.Dense(2)(readers()(masked(x))), **IDS)
case("into_functional", x=(5,), graph=lambda x: L.Dense(2)(functional_reader()(masked(x))), **IDS)
case("out_of_sequential", x=(5,), graph=lambda x: pick(embedder()(x)), **IDS)
case("out_of_functional", x=(5,), graph=lambda x: pick(functional_embedder()(x)), **IDS)
case("sequential_into_sequential", x=(5,), layer=lambda: [L.Embedding(3, 4, mask_zero=True), readers(), L.Dense(2)], **IDS)
case("sequential_out_of_sequential", x=(5,), layer=lambda: [embedder(), L.LSTM(3)], **IDS)
case("functional_out_of_sequential", x=(5,), layer=lambda: [functional_embedder(), L.LSTM(3)], **IDS)
case("sequential_into_functional", x=(5,), layer=lambda: [L.Embedding(3, 4, mask_zero=True), functional_reader()], **IDS)
case("called_twice", x=[(5,), (5,)], graph=lambda x, y: called_twice(x, y), **IDS)
case("masked_and_not", model=lambda: masked_and_not(), **IDS)
case("average_pooling_graph", x=(5,), graph=lambda x: L.GlobalAveragePooling1D()(L.Dropout(0.1)(masked(x))), **IDS)
case("average_pooling_keepdims_graph", x=(5,), graph=lambda x: L.GlobalAveragePooling1D(keepdims=True)(masked(x)), **IDS)
case("lstm_chain_graph", x=(5,), graph=lambda x: L.GRU(2)(L.LSTM(3, **SEQUENCES)(L.SimpleRNN(4, **SEQUENCES)(masked(x)))), **IDS)
case("lstm_state_graph", x=(5,), graph=lambda x: states(x), **IDS)
case("concatenate_three", x=[(5,), (5,), (5,)], graph=lambda x, y, z: pick(L.Concatenate()([masked(x, 2), L.Embedding(3, 2)(y), masked(z, 3)])), **IDS)
case("concatenate_masking", x=[(5, 3), (5, 2)], masked=True, graph=lambda x, y: pick(L.Concatenate()([L.Masking()(x), y])))
case("softmax_of_scores", model=lambda: softmax_of_scores(), **IDS)
case("distributed_reader", x=(2, 5), graph=lambda x: L.TimeDistributed(L.LSTM(3))(masked(x)), **IDS)
case("distributed_embedding", x=(2, 5), layer=lambda: [L.TimeDistributed(embedder()), L.TimeDistributed(L.LSTM(3))], **IDS)
case("bidirectional_sum_graph", x=(5,), graph=lambda x: L.Bidirectional(L.GRU(3, **SEQUENCES), merge_mode="sum")(masked(x)), **IDS)
case("all_steps_masked", x=(5, 3), scale=0.0, layer=lambda: [L.Masking(), L.LSTM(3)])
case("all_steps_masked_sequences", x=(5, 3), scale=0.0, layer=lambda: [L.Masking(), L.GRU(3, **SEQUENCES)])


def called_twice(x, y):
    embed, read = functional_embedder(), readers()
    return L.Subtract()([read(embed(x)), read(embed(y))])


def masked_and_not():
    x, y = keras.Input((5,), dtype="int32", name="x"), keras.Input((5, 4), name="y")
    read = L.LSTM(3)
    return keras.Model([x, y], [read(masked(x)), read(y), read(L.Average()([masked(x), y]))])


def softmax_of_scores():
    x, y = keras.Input((5,), dtype="int32", name="x"), keras.Input((5,), name="y")
    mask = L.Embedding(3, 1, mask_zero=True).compute_mask(x)
    return keras.Model([x, y], L.Softmax()(y, mask=mask))


def states(x):
    sequence, *final = L.LSTM(3, return_sequences=True, return_state=True)(masked(x))
    return [L.LSTM(2)(sequence), *final]
