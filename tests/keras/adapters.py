"""Models that hand-written Burn modules load and save, and their judge.

Usage: adapters.py [NAME...]              makes the fixtures of these cases, or of all
       adapters.py --judge FOLDER...      predicts with what a module wrote, beside the module's own predictions
"""

import sys
from pathlib import Path
from zipfile import ZIP_DEFLATED

from archive import read_members, write_members
from judge import keras, load, np, predict

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures" / "adapters"
layers = keras.layers
CASES = {}


def case(name, shape, *stack, batch=2, ints=None):
    """A Sequential of `stack` over inputs of `shape`, or of `ints` different numbers."""
    CASES[name] = (lambda: keras.Sequential([keras.Input(shape, dtype=dtype(ints)), *stack]), batch, ints)


def graph(name, shapes, build, batch=2):
    """What `build` makes of inputs of `shapes`."""

    def model():
        inputs = [keras.Input(shape, name=f"x{at}") for at, shape in enumerate(shapes)]
        return keras.Model(inputs, build(*inputs))

    CASES[name] = (model, batch, None)


def dtype(ints):
    return "float32" if ints is None else "int32"


case("dense", [5], layers.Dense(3, name="dense"))
case("dense_no_bias", [4, 5], layers.Dense(3, use_bias=False, name="dense"))
case("time_distributed", [4, 5], layers.TimeDistributed(layers.Dense(3), name="dense"))
case(
    "einsum_dense",
    [4, 6],
    layers.EinsumDense("abc,cde->abde", output_shape=(None, 3, 5), bias_axes="de", name="dense"),
)
case(
    "einsum_dense_joined",
    [4, 2, 3],
    layers.EinsumDense("abcd,cde->abe", output_shape=(None, 5), bias_axes="e", name="dense"),
)

case("conv1d", [11, 3], layers.Conv1D(5, 3, name="conv"))
case("conv1d_causal", [11, 3], layers.Conv1D(5, 3, padding="causal", dilation_rate=2, name="conv"))
case("conv2d", [9, 7, 3], layers.Conv2D(5, (3, 2), use_bias=False, name="conv"))
case("conv2d_groups", [9, 7, 6], layers.Conv2D(4, (2, 3), groups=2, dilation_rate=(2, 1), name="conv"))
case("conv2d_same", [9, 8, 3], layers.Conv2D(4, (3, 4), strides=2, padding="same", name="conv"))
case("conv2d_first", [3, 9, 7], layers.Conv2D(4, (3, 2), data_format="channels_first", name="conv"))
case("conv3d", [5, 6, 7, 2], layers.Conv3D(3, (2, 3, 1), strides=(1, 2, 1), name="conv"))
case("depthwise1d", [9, 3], layers.DepthwiseConv1D(3, depth_multiplier=2, name="conv"))
case("depthwise2d", [9, 7, 3], layers.DepthwiseConv2D((3, 2), depth_multiplier=2, name="conv"))
case("depthwise2d_no_bias", [9, 7, 3], layers.DepthwiseConv2D(3, strides=2, use_bias=False, name="conv"))
case("conv1d_transpose", [5, 3], layers.Conv1DTranspose(4, 3, strides=2, name="conv"))
case("conv1d_transpose_short", [5, 3], layers.Conv1DTranspose(4, 2, strides=3, name="conv"))
case("conv2d_transpose", [5, 4, 3], layers.Conv2DTranspose(4, (3, 2), strides=(2, 1), name="conv"))
case(
    "conv2d_transpose_same",
    [5, 4, 3],
    layers.Conv2DTranspose(4, 3, strides=2, padding="same", use_bias=False, name="conv"),
)
case("conv3d_transpose", [3, 4, 2, 2], layers.Conv3DTranspose(3, (2, 3, 2), strides=(1, 2, 1), name="conv"))

case("batch_norm", [5, 4, 3], layers.BatchNormalization(name="norm"))
case("batch_norm_bare", [5, 3], layers.BatchNormalization(center=False, scale=False, name="norm"))
case("layer_norm", [4, 5], layers.LayerNormalization(name="norm"))
case("layer_norm_no_beta", [4, 5], layers.LayerNormalization(center=False, epsilon=1e-5, name="norm"))
case("layer_norm_joined", [4, 5], layers.LayerNormalization(axis=[-2, -1], name="norm"))
case("group_norm", [5, 4, 6], layers.GroupNormalization(3, name="norm"))
case("instance_norm", [5, 4, 6], layers.GroupNormalization(-1, name="norm"))
case("rms_norm", [4, 5], layers.RMSNormalization(name="norm"))

case("embedding", [6], layers.Embedding(9, 4, name="table"), ints=9)
case("reversible_embedding", [6], layers.ReversibleEmbedding(9, 4, tie_weights=True, name="table"), ints=9)
case("prelu", [4, 3, 5], layers.PReLU(shared_axes=[1, 2], name="slope"))
case("prelu_one", [4, 3], layers.PReLU(shared_axes=[1, 2], name="slope"))

for kind, layer, own in [
    ("lstm", layers.LSTM, {}),
    ("gru", layers.GRU, {}),
    ("gru_before", layers.GRU, {"reset_after": False}),
    ("rnn", layers.SimpleRNN, {}),
]:
    case(kind, [7, 3], layer(4, name="memory", return_sequences=True, **own))
    case(f"{kind}_no_bias", [7, 3], layer(4, name="memory", use_bias=False, return_sequences=True, **own))
    case(f"bi{kind}", [7, 3], layers.Bidirectional(layer(4, return_sequences=True, **own), name="memory"))
case("lstm_last", [7, 3], layers.LSTM(5, name="memory"))
case("lstm_backwards", [7, 3], layers.LSTM(4, go_backwards=True, return_sequences=True, name="memory"))

graph("attention", [[5, 6]], lambda x: layers.MultiHeadAttention(2, 3, name="attention")(x, x))
graph("attention_no_bias", [[5, 6]], lambda x: layers.MultiHeadAttention(3, 2, use_bias=False, name="attention")(x, x))
graph(
    "cross_attention",
    [[5, 6], [4, 5]],
    lambda x, y: layers.MultiHeadAttention(2, 4, name="attention")(x, y),
)
graph(
    "group_query_attention",
    [[5, 6], [4, 6]],
    lambda x, y: layers.GroupQueryAttention(3, 4, 2, name="attention")(x, y),
)


def made(name):
    """The model of a case with numbers of its own, what goes in, and what comes out."""
    build, batch, ints = CASES[name]
    keras.utils.clear_session()
    model = build()
    rng = np.random.default_rng(sum(name.encode()))
    for variable in model.variables:
        low, high = (0.5, 1.5) if "variance" in variable.name or "gamma" in variable.name else (-0.5, 0.5)
        variable.assign(rng.uniform(low, high, variable.shape).astype("float32"))
    inputs = [random_input(rng, (batch, *tensor.shape[1:]), ints) for tensor in model.inputs]
    return model, inputs


def random_input(rng, shape, ints):
    if ints is not None:
        return rng.integers(0, ints, shape).astype("int32")
    return rng.normal(size=shape).astype("float32")


def generate(names):
    FIXTURES.mkdir(parents=True, exist_ok=True)
    for name in names or CASES:
        model, inputs = made(name)
        path = FIXTURES / f"{name}.keras"
        model.save(path)
        write_members(path, read_members(path), ZIP_DEFLATED)
        ((_, output),) = predict(model, inputs)
        arrays = {f"input{at}": array for at, array in enumerate(inputs)}
        np.savez(FIXTURES / f"{name}.npz", output=output, **arrays)


def judge(folder):
    """Real Keras' predictions for NAME.keras or NAME.weights.h5 and what NAME.npz has of the module's."""
    wrong, count = 0, 0
    for expected in sorted(folder.glob("*.npz")):
        name = expected.stem
        arrays = np.load(expected)
        inputs = [arrays[key] for key in sorted(arrays) if key.startswith("input")]
        archive = folder / f"{name}.keras"
        if archive.exists():
            model = load(archive)
        else:
            model, _ = made(name)
            model.load_weights(folder / f"{name}.weights.h5")
        ((_, output),) = predict(model, inputs)
        difference = np.abs(output - arrays["output"]).max() if output.shape == arrays["output"].shape else np.inf
        count += 1
        if not difference <= 1e-5:
            wrong += 1
            print(f"{folder.name}/{name}: {difference}")
    print(f"{count} of {folder.name}, {wrong} differ")
    return count == 0 or wrong > 0


if __name__ == "__main__":
    arguments = sys.argv[1:]
    if arguments[:1] == ["--judge"]:
        sys.exit(any([judge(Path(folder)) for folder in arguments[1:]]))
    generate(arguments)
