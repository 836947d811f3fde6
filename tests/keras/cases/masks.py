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


def reader(width=None, units=3):
    """A functional model that reads a sequence with whatever mask comes with it."""
    x = keras.Input((5, width or 4))
    return keras.Model(x, [L.GRU(units)(L.Dense(4, "tanh")(x)), L.GlobalAveragePooling1D()(x)])


def deep_reader():
    """A model of a Sequential, a model and layers on their own."""
    x = keras.Input((5, 4))
    first, second = reader()(L.LayerNormalization()(x))
    return keras.Model(x, [readers()(x), first, second, L.Bidirectional(L.LSTM(2))(x)])


def two_readers():
    """A model of two sequences, which uses the mask of both."""
    x, y = keras.Input((5, 4)), keras.Input((5, 2))
    joined = L.Concatenate()([x, y])
    return keras.Model([x, y], [L.LSTM(3)(x), L.LSTM(3)(y), L.LSTM(2)(joined), L.GlobalAveragePooling1D()(L.Add()([x, x]))])


def from_state():
    """A sequence read from a given state: the state hides the mask from the first layer only."""
    x, a = keras.Input((5, 4)), keras.Input((3,))
    y = L.GRU(3, **SEQUENCES)(x, initial_state=a)
    z = L.Bidirectional(L.GRU(3, **SEQUENCES), merge_mode="sum")(x, initial_state=[a, a])
    return keras.Model([x, a], [y, L.LSTM(2)(y), L.GlobalAveragePooling1D()(z), L.RNN(L.GRUCell(3))(x, initial_state=a)])


def sequence_and_mask(width=4):
    return keras.Input((5, width), name="x"), keras.Input((5,), dtype="bool", name="mask")


def by_name():
    x, mask = sequence_and_mask()
    return keras.Model([x, mask], [
        L.SimpleRNN(3, **SEQUENCES)(x, mask=mask),
        pick(L.GRU(3, **SEQUENCES)(x, mask=mask)),
        L.RNN([L.LSTMCell(3), L.GRUCell(2)], **SEQUENCES)(x, mask=mask),
        L.Bidirectional(L.LSTM(3, **SEQUENCES), merge_mode="ave")(x, mask=mask),
        pick(L.BatchNormalization()(x, mask=mask)),
        pick(L.TimeDistributed(L.Dense(3))(x, mask=mask)),
        L.GlobalAveragePooling1D(keepdims=True)(x, mask=mask),
        L.Softmax()(L.GlobalAveragePooling1D(data_format="channels_first")(x), mask=mask),
        readers()(x, mask=mask),
        functional_reader()(x, mask=mask),
        *deep_reader()(x, mask=mask),
    ])


def by_position():
    """A mask that is given by position is used, but does not travel on."""
    x, mask = sequence_and_mask()
    rnn = L.GRU(3, **SEQUENCES)(x, None, mask)
    both = L.Bidirectional(L.GRU(3, **SEQUENCES))(x, None, mask)
    scores = L.Softmax()(L.GlobalAveragePooling1D(data_format="channels_first")(x), mask)
    return keras.Model([x, mask], [
        rnn, pick(rnn), both, pick(both), scores,
        L.LSTM(3)(x, [L.GlobalMaxPooling1D()(rnn)] * 2, mask),
        L.GlobalAveragePooling1D()(x, mask),
    ])


def computed():
    x, mask = sequence_and_mask()
    ids = keras.Input((5,), dtype="int32", name="ids")
    read = L.LSTM(3, **SEQUENCES)
    return keras.Model([x, mask, ids], [
        read(x, mask=keras.ops.any(x > 1, -1)),
        read(x, mask=keras.ops.logical_not(mask)),
        read(x, mask=keras.ops.logical_or(mask, keras.ops.equal(ids, 1))),
        read(x, mask=ids),
        read(x, mask=keras.ops.cast(mask, "float32")),
        read(x, mask=keras.ops.expand_dims(mask, -1)),
        L.GlobalAveragePooling1D()(x, mask=keras.ops.not_equal(ids, 2)),
        L.GlobalAveragePooling1D()(x, mask=keras.ops.cast(keras.ops.not_equal(ids, 3), "float32")),
        L.Softmax()(x, mask=keras.ops.expand_dims(keras.ops.cast(mask, "float32"), -1)),
        L.Softmax(axis=1)(x, mask=keras.ops.expand_dims(mask, -1)),
    ])


def overruled():
    """An explicit mask, or none, against that of the sequence. A model changes the mask of what it is given."""
    ids = keras.Input((5,), dtype="int32", name="ids")
    mask = keras.Input((5,), dtype="bool", name="mask")
    x = masked(ids)
    return keras.Model([ids, mask], [
        pick(L.GRU(4, **SEQUENCES)(x, mask=mask)),
        L.LSTM(3)(x, mask=None),
        pick(L.TimeDistributed(L.Dense(4))(x, mask=mask)),
        L.GlobalAveragePooling1D()(x, mask=mask),
        readers()(masked(ids), mask=mask),
        *deep_reader()(masked(ids), mask=mask),
        pick(L.Masking()(L.Dense(4, "relu")(x))),
    ])


def merged(x, y, axis=-1):
    """Two masked sequences and one that is not, merged in every way."""
    a, b, plain = masked(x), masked(y), L.Embedding(3, 4)(x)
    kinds = (L.Add, L.Average, L.Multiply, L.Maximum, L.Minimum)
    outputs = [pick(kind()(inputs)) for kind in kinds for inputs in ([a, b], [a, plain], [plain, b, a])]
    outputs += [pick(L.Subtract()([a, b])), pick(L.Subtract()([plain, b]))]
    outputs += [pick(L.Concatenate(axis)(inputs)) for axis in (1, 2) for inputs in ([a, b], [a, plain], [plain, b, a])]
    return [*outputs, pick(L.Dot(2)([a, b])), pick(L.Dot((1, 1))([a, plain]))]


def merged_rank4(x, y):
    """The same with an axis more, which is also one of the masks."""
    read = lambda tensor: L.TimeDistributed(L.LSTM(2))(tensor)
    a, b, plain = masked(x, 3), masked(y, 3), L.Embedding(3, 3)(x)
    kinds = (L.Add, L.Multiply, L.Maximum)
    outputs = [read(kind()(inputs)) for kind in kinds for inputs in ([a, b], [a, plain])]
    return outputs + [read(L.Concatenate(axis)([a, b])) for axis in (1, 2, 3)]


def dropped(x):
    """Layers that do not let a mask through."""
    a = masked(x)
    layers = [
        L.Flatten(), L.Reshape((10, 2)), L.Permute((2, 1)), L.Conv1D(3, 2), L.SeparableConv1D(3, 2), L.Conv1DTranspose(2, 2),
        L.AveragePooling1D(2), L.GlobalMaxPooling1D(keepdims=True), L.Cropping1D(1), L.ZeroPadding1D(1), L.UpSampling1D(2),
        L.RMSNormalization(), L.Lambda(keras.activations.tanh),
    ]
    outputs = [layer(a) for layer in layers]
    outputs += [L.RepeatVector(2)(pick(a)), L.RepeatVector(3)(L.GlobalAveragePooling1D()(a)), keras.ops.negative(a), a * 2.0]
    return [outputs[0], *(pick(y) for y in outputs[1:]), pick(L.Lambda(keras.activations.linear)(a))]


def distributed():
    """Masks inside of models that go step by step."""
    x = keras.Input((2, 5), dtype="int32", name="x")
    a = masked(x)
    models = [readers(), functional_reader(), keras.Sequential([keras.Input((5, 4)), L.Masking(), L.Dense(2), L.GlobalAveragePooling1D()])]
    layers = [L.LSTM(2), L.Bidirectional(L.GRU(2)), L.GlobalAveragePooling1D(), L.RNN([L.LSTMCell(2), L.GRUCell(2)])]
    return keras.Model(x, [
        *(L.TimeDistributed(layer)(a) for layer in models + layers),
        L.TimeDistributed(L.LSTM(2))(L.TimeDistributed(L.LSTM(3, **SEQUENCES))(a)),
        pick(L.TimeDistributed(embedder_reader())(x)),
    ])


def embedder_reader():
    return keras.Sequential([keras.Input((5,), dtype="int32"), L.Embedding(3, 4, mask_zero=True), L.GRU(2)])


def both_directions(x):
    a = masked(x)
    first, second = L.Bidirectional(L.LSTM(3, **SEQUENCES), merge_mode=None)(a)
    third, fourth, *states = L.Bidirectional(L.RNN(L.GRUCell(3), return_state=True, **SEQUENCES), merge_mode=None)(a)
    merged = L.Bidirectional(L.GRU(3, return_state=True, **SEQUENCES), merge_mode="mul")(a)
    return [*(pick(y) for y in (first, second, third, fourth, merged[0])), *states, *merged[1:]]


def masks_of_features():
    """`Masking` with more axes than time: each step of time counts if any of it does."""
    x = keras.Input((5, 2, 3), name="x")
    a = L.Masking()(x)
    b = L.TimeDistributed(L.Flatten())(a)
    return keras.Model(x, [L.TimeDistributed(L.LSTM(2))(a), L.LSTM(3)(b), L.GRU(2, go_backwards=True, **SEQUENCES)(b)])


def two_outputs():
    """A model of which one output is masked and the other is not."""
    x = keras.Input((5,), dtype="int32")
    return keras.Model(x, {"masked": masked(x), "plain": L.Embedding(3, 4)(x)})


def use_two_outputs(x):
    both = two_outputs()(x)
    return [pick(both["masked"]), pick(both["plain"]), pick(L.Add()([both["masked"], both["plain"]]))]


IDS_AND_STATE = lambda: (keras.Input((5,), dtype="int32", name="x"), keras.Input((3,), name="a"))


def state_given():
    x, a = IDS_AND_STATE()
    sequence = masked(x)
    y = L.GRU(3, **SEQUENCES)(sequence, initial_state=a)
    return keras.Model([x, a], [L.LSTM(2)(y), y, L.GRU(3)(sequence, initial_state=a), *from_state()([sequence, a])])


case("by_name", model=by_name)
case("by_position", model=by_position)
case("computed", model=computed, ints=4)
case("overruled", model=overruled, ints=3)
case("merged", x=[(5,), (5,)], graph=merged, **IDS)
case("merged_rank4", x=[(2, 5), (2, 5)], graph=merged_rank4, **IDS)
case("dropped", x=(5,), graph=dropped, **IDS)
case("distributed_models", model=distributed, ints=3)
case("both_directions", x=(5,), graph=both_directions, **IDS)
case("masks_of_features", model=masks_of_features, masked=True)
case("use_two_outputs", x=(5,), graph=use_two_outputs, **IDS)
case("into_two_readers", x=[(5,), (5,)], graph=lambda x, y: two_readers()([masked(x), L.Embedding(3, 2)(y)]), **IDS)
case("into_two_readers_masked", x=[(5,), (5,)], graph=lambda x, y: two_readers()([masked(x), masked(y, 2)]), **IDS)
case("into_deep_reader", x=(5,), graph=lambda x: deep_reader()(masked(x)), **IDS)
case("masking_into_deep_reader", x=(5, 4), masked=True, graph=lambda x: deep_reader()(L.Masking()(x)))
case("state_given", model=state_given, ints=3)
case("rnn_of_cells", x=(5,), layer=lambda: [L.Embedding(3, 4, mask_zero=True), L.RNN([L.LSTMCell(3), L.GRUCell(4)], **SEQUENCES), L.RNN(L.SimpleRNNCell(2))], **IDS)
for name, layer in {
    "rnn": lambda: L.RNN(L.LSTMCell(3), **SEQUENCES),
    "spatial_dropout": lambda: L.SpatialDropout1D(0.5),
    "softmax_axis": lambda: L.Activation("softmax"),
}.items():
    case(f"through_{name}_masking", x=(5, 4), masked=True, layer=lambda m=layer: [L.Masking(), m(), L.Bidirectional(L.GRU(2))])
