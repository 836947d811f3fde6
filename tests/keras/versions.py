"""Builds the fixtures of one version of Keras, with that version: tiny models in every container it writes.

They are packed into one archive, since most of a small HDF5 file is air.
Usage: versions.py VERSION      with the Python that versions.sh prints for that version
"""

import json
import os
import sys
import tempfile
import warnings
import zipfile
import zlib
from pathlib import Path

VERSION = sys.argv[1]
KERAS2 = VERSION.startswith("2.")
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"
os.environ["KERAS_BACKEND"] = "jax"
os.environ["JAX_PLATFORMS"] = "cpu"
warnings.simplefilter("ignore")

if VERSION == "2.21.0":
    import tf_keras as keras
else:
    import keras
import numpy as np

assert keras.__version__ == VERSION, keras.__version__
FIXTURES = Path(__file__).resolve().parent.parent / "fixtures" / "versions"
L = keras.layers
O = keras.optimizers


def mlp():
    hidden = L.Dense(5, "relu", kernel_regularizer=keras.regularizers.l2(0.01), name="hidden")
    return keras.Sequential([keras.Input((4,), name="x"), hidden, L.Dropout(0.2), L.Dense(3, "softmax")])


def images():
    return keras.Sequential([
        keras.Input((8, 8, 3), name="x"),
        L.ZeroPadding2D(1),
        L.Conv2D(4, 3, strides=2, padding="same", activation="relu"),
        L.BatchNormalization(),
        L.DepthwiseConv2D(3, padding="same", depthwise_constraint="max_norm"),
        L.LeakyReLU(0.2),
        L.SeparableConv2D(5, 3),
        L.Conv2DTranspose(3, 3, strides=2),
        L.MaxPooling2D(2),
        L.UpSampling2D(2, interpolation="bilinear"),
        L.SpatialDropout2D(0.1),
        L.PReLU(shared_axes=[1, 2]),
        L.GlobalAveragePooling2D(),
        L.Dense(2),
    ])  # fmt: skip


def recurrent():
    return keras.Sequential([
        keras.Input((6,), dtype="int32", name="x"),
        L.Embedding(9, 4, mask_zero=True),
        L.Bidirectional(L.LSTM(3, return_sequences=True)),
        L.TimeDistributed(L.Dense(4, "tanh")),
        L.GRU(3, return_sequences=True),
        L.SimpleRNN(3),
        L.Dense(2),
    ])  # fmt: skip


def graph():
    """Shared layers, nested models called twice, frozen parts among others: what the order of weights hangs on."""
    left, right = keras.Input((5,), name="left"), keras.Input((5,), name="right")
    x = keras.Input((5,))
    y = L.BatchNormalization()(L.Dense(4, trainable=False)(x))
    encoder = keras.Model(x, L.Dense(3, "tanh")(y), name="encoder")
    frozen = keras.Sequential([keras.Input((6,)), L.Dense(4), L.BatchNormalization()], name="frozen")
    frozen.trainable = False
    stem = L.Dense(5, "relu", name="stem")
    both = L.Concatenate()([encoder(stem(left)), encoder(stem(right))])
    body = L.Add()([frozen(both), L.Dense(4, trainable=False)(both)])
    outputs = [L.Dense(1, name="value")(body), L.Dense(3, "softmax", name="policy")(body)]
    return keras.Model([left, right], outputs, name="two_towers")


def attention():
    x = keras.Input((5,), dtype="int32", name="x")
    y = L.Embedding(7, 4, mask_zero=True)(x)
    y = L.LayerNormalization()(L.Add()([y, L.MultiHeadAttention(2, 3)(y, y)]))
    return keras.Model(x, L.Dense(2)(L.GlobalAveragePooling1D()(y)))


def preprocessing():
    x, y, z = keras.Input((3,), name="x"), keras.Input((1,), name="y"), keras.Input((3,), name="z")
    adapted = L.Normalization()
    adapted.adapt(np.arange(12.0, dtype="float32").reshape(4, 3) ** 2)
    known = L.Normalization(mean=[1.0, 2.0, 3.0], variance=[4.0, 0.5, 1.0])
    bins = L.Flatten()(L.CategoryEncoding(4, "one_hot")(L.Discretization(bin_boundaries=[-0.5, 0.0, 0.5])(y)))
    scaled = L.Rescaling(0.5, offset=-1.0)(z)
    return keras.Model([x, y, z], L.Dense(2)(L.Concatenate()([adapted(x), known(z), bins, scaled])))


def operators():
    x, y = keras.Input((4, 3), name="x"), keras.Input((4, 3), name="y")
    if KERAS2:
        import tensorflow as tf

        joined = tf.concat([x * 2.0 + y, 1.0 - x[:, ::-1]], axis=-1)
        return keras.Model([x, y], [tf.reduce_mean(joined, axis=1), L.Dense(2)(joined[:, -1])])
    joined = keras.ops.concatenate([x * 2.0 + y, 1.0 - x[:, ::-1]], axis=-1)
    return keras.Model([x, y], [keras.ops.mean(joined, axis=1), L.Dense(2)(joined[:, -1])])


def half():
    return keras.Sequential([keras.Input((4,), name="x"), L.Dense(5, "gelu", dtype="mixed_bfloat16"), L.Dense(2, dtype="float32")])


def tiny():
    return keras.Sequential([keras.Input((3,), name="x"), L.Dense(2, name="dense")])


SCHEDULE = lambda: O.schedules.ExponentialDecay(0.01, 10, 0.9)
# What is built, and what it is trained with: an optimizer, a loss, metrics.
MODELS = {
    "mlp": (mlp, lambda: (O.Adam(0.01), keras.losses.SparseCategoricalCrossentropy(), ["accuracy"])),
    "images": (images, lambda: (O.SGD(0.01, momentum=0.9, nesterov=True), "mse", ["mae"])),
    "recurrent": (recurrent, lambda: (O.RMSprop(0.01, momentum=0.5, centered=VERSION != "3.0.5"), "mean_squared_error", None)),
    "graph": (graph, lambda: (O.Adam(0.01, amsgrad=True), ["mean_squared_error", "categorical_crossentropy"], None)),
    "attention": (attention, lambda: (O.AdamW(SCHEDULE()), keras.losses.MeanSquaredError(), None)),
    "preprocessing": (preprocessing, None),
    "operators": (operators, None),
    "half": (half, None),
    "nadam": (tiny, lambda: (O.Nadam(0.01), "mse", None)),
    "ftrl": (tiny, lambda: (O.Ftrl(0.01), "mse", None)),
}
if KERAS2:
    MODELS |= {
        "legacy_adam": (mlp, lambda: (O.legacy.Adam(0.01), "sparse_categorical_crossentropy", ["accuracy"])),
        "legacy_sgd": (tiny, lambda: (O.legacy.SGD(0.01, momentum=0.9, decay=1e-4), "mse", None)),
        "legacy_rmsprop": (tiny, lambda: (O.legacy.RMSprop(0.01, momentum=0.5, centered=True), "mse", ["mae"])),
    }
TOLERANCES = {"half": 5e-3}
ONLY_WEIGHTS = ("mlp", "graph", "recurrent")

# The variables of an optimizer after the iteration and the learning rate, as Keras 3 has them in its files:
# groups of attributes that take turns, variable by variable.
SLOTS = {
    "Adam": [["_momentums", "_velocities"], ["_velocity_hats"]],
    "AdamW": [["_momentums", "_velocities"]],
    "SGD": [["momentums"]],
    "RMSprop": [["_velocities"], ["_momentums"], ["_average_gradients"]],
    "Nadam": [["_momentums", "_velocities"]],
    "Ftrl": [["_accumulators", "_linears"]],
}
LEGACY = {"Adam": [["m", "v"]], "SGD": [["momentum"]], "RMSprop": [["rms"], ["momentum"], ["mg"]]}


def draw(model, rng):
    """Gives every weight numbers that show when they are lost; what `adapt` has found stays."""
    for weight in model.weights:
        name = getattr(weight, "path", weight.name).split("/")[-1].split(":")[0]
        if name not in ("mean", "variance", "count"):
            low, high = (0.5, 1.5) if "variance" in name or "gamma" in name else (-0.6, 0.6)
            weight.assign(rng.uniform(low, high, tuple(weight.shape)).astype("float32"))


def arrays(model, rng, batch=3):
    """Inputs by name."""
    found = {}
    for tensor in model.inputs:
        shape = (batch, *tensor.shape[1:])
        is_int = "int" in str(tensor.dtype)
        name = tensor.node.layer.name if KERAS2 else tensor._keras_history.operation.name
        values = rng.integers(0, 7, shape) if is_int else rng.uniform(-1, 1, shape)
        found[name] = values.astype("int32" if is_int else "float32")
    return found


def output_names(model):
    if KERAS2:
        return model.output_names
    return [tensor._keras_history.operation.name for tensor in model.outputs]


def flat(values):
    return values if isinstance(values, (list, tuple)) else [values]


def alone(values):
    return values[0] if len(values) == 1 else list(values)


def train(model, rng, inputs, compiled):
    optimizer, loss, metrics = compiled
    model.compile(optimizer=optimizer, loss=loss, metrics=metrics)
    batch = len(inputs[0])
    targets = [rng.uniform(0.1, 0.9, (batch, *tensor.shape[1:])) for tensor in flat(model.outputs)]
    if "sparse" in str(getattr(loss, "name", loss)):
        targets = [rng.integers(0, targets[0].shape[-1], (batch, 1))]
    for _ in range(3):
        if VERSION == "3.6.0" and "int" in str(inputs[0].dtype):
            # It multiplies losses with masks of another shape.
            gradients = [keras.ops.convert_to_tensor(rng.uniform(-1, 1, v.shape)) for v in model.trainable_variables]
            model.optimizer.apply(gradients, model.trainable_variables)
        else:
            model.train_on_batch(alone(inputs), alone(targets))


def state(model):
    """The optimizer's variables in the order of Keras 3."""
    optimizer = model.optimizer
    if not KERAS2:
        return [np.asarray(keras.ops.convert_to_numpy(variable)) for variable in optimizer.variables]
    kind, variables = type(optimizer).__name__, model.trainable_variables
    values = [optimizer.iterations]
    # A decay of the legacy optimizers is a schedule.
    if not callable(getattr(optimizer, "_learning_rate", None)) and not getattr(optimizer, "_initial_decay", 0):
        values.append(optimizer.learning_rate)
    if hasattr(optimizer, "get_slot"):
        slots = [[[optimizer.get_slot(v, name) for v in variables] for name in names] for names in LEGACY[kind]]
    else:
        slots = [[getattr(optimizer, name) for name in names if getattr(optimizer, name, None)] for names in SLOTS[kind]]
    for group in slots:
        values += [value for turn in zip(*group) for value in turn]
    if kind == "Nadam":
        values.append(optimizer._u_product)
    return [np.asarray(value) for value in values]


def containers(name, model, out):
    """Writes the model in every container that this version writes: (kind, file)."""
    model.save(out / f"{name}.keras")
    yield "keras", f"{name}.keras"
    try:
        model.save(out / f"{name}.h5")
        yield "h5", f"{name}.h5"
    except ValueError as error:
        # Old Kerases cannot when two variables have the same name.
        print(f"{VERSION} cannot write {name}.h5: {error}")
        (out / f"{name}.h5").unlink()
    if name not in ONLY_WEIGHTS:
        return
    model.save_weights(out / f"{name}.weights.h5")
    yield "weights", f"{name}.weights.h5"
    (out / f"{name}.json").write_text(model.to_json())
    yield "json", f"{name}.json"
    if KERAS2:
        model.save_weights(out / f"{name}_legacy.h5")
        yield "legacy weights", f"{name}_legacy.h5"
    elif name != "recurrent" and VERSION not in ("3.0.5", "3.3.3", "3.6.0"):
        model.save_weights(out / f"{name}.weights.json", max_shard_size=1e-7)
        yield "sharded weights", f"{name}.weights.json"
    if VERSION == "3.15.1" and name == "graph":
        directory = out.resolve() / f"{name}.dir"
        keras.saving.save_model(model, directory, zipped=False)
        yield "directory", f"{name}.dir"


def build(out):
    """Writes all fixtures into a folder, and gives the manifest."""
    for name, (make, compiled) in MODELS.items():
        rng = np.random.default_rng(zlib.crc32(name.encode()))
        keras.utils.set_random_seed(7)
        keras.backend.clear_session()
        model = make()
        draw(model, rng)
        inputs = arrays(model, rng)
        if compiled:
            train(model, rng, list(inputs.values()), compiled())
        outputs = zip(output_names(model), flat(model.predict(alone(list(inputs.values())), verbose=0)))
        recorded = {f"in/{key}": value for key, value in inputs.items()}
        recorded |= {f"out/{at}/{key}": np.asarray(value) for at, (key, value) in enumerate(outputs)}
        if compiled:
            recorded |= {f"optimizer/{at}": value for at, value in enumerate(state(model))}
        np.savez_compressed(out / f"{name}.npz", **recorded)
        for kind, file in containers(name, model, out):
            entry = {"file": file, "kind": kind, "model": name}
            entry |= {"optimizer": type(model.optimizer).__name__} if compiled else {}
            yield entry | ({"tolerance": TOLERANCES[name]} if name in TOLERANCES else {})


def main():
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        manifest = list(build(out))
        lines = ",\n".join(json.dumps(entry) for entry in manifest)
        (out / "manifest.json").write_text(f"[\n{lines}\n]\n")
        FIXTURES.mkdir(exist_ok=True)
        with zipfile.ZipFile(FIXTURES / f"{VERSION}.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for path in sorted(path for path in out.rglob("*") if path.is_file()):
                archive.writestr(str(path.relative_to(out)), path.read_bytes())
    print(f"{VERSION}: {len(manifest)} files")


if __name__ == "__main__":
    main()
