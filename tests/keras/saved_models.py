"""Small models in TensorFlow's forms, by tf_keras: SavedModels, checkpoints, and their predictions.

Usage: saved_models.py FOLDER. For each model there is a SavedModel `<name>`, a checkpoint `<name>.ckpt/ck` and
`<name>.npz` with the inputs `x0`..., the outputs `y0`..., and all weights under the keys of the checkpoint.
"""

import os
import shutil
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
import tensorflow as tf
import tf_keras as keras

layers = keras.layers
random = np.random.default_rng(3)


def dense_bn():
    """Compiled and trained, so that there is an optimizer with state."""
    x = keras.Input((3,), name="x")
    y = layers.Dense(4, activation="relu", name="first")(x)
    y = layers.BatchNormalization(name="norm")(y)
    y = layers.Dense(2, name="last")(y)
    return keras.Model(x, y, name="trained")


def old_optimizer():
    return keras.Sequential([keras.Input((3,)), layers.Dense(2)])


def recurrent():
    return keras.Sequential(
        [
            keras.Input((4, 3)),
            layers.TimeDistributed(layers.Dense(2)),
            layers.Bidirectional(layers.LSTM(2, return_sequences=True)),
            layers.RNN([layers.GRUCell(2), layers.LSTMCell(2)]),
        ]
    )


def nested():
    inner = keras.Sequential([keras.Input((3,)), layers.Dense(3), layers.Dense(2)], name="inner")
    x = keras.Input((3,))
    return keras.Model(x, layers.Dense(1)(layers.Add()([inner(layers.Dense(3)(x)), inner(x)])))


def attention():
    x = keras.Input((3, 4))
    y = layers.MultiHeadAttention(2, 3)(x, x)
    y = layers.SeparableConv1D(3, 2)(layers.LayerNormalization()(y))
    return keras.Model(x, y)


def words():
    """Vocabularies that are listed, counted, and read from a file."""
    with open("vocabulary.txt", "w") as file:
        file.write("red\ngreen\nblue\n")
    x = keras.Input((1,), dtype="string")
    counted = layers.StringLookup()
    counted.adapt(np.array(["blue", "green", "blue"]))
    listed = layers.StringLookup(vocabulary=["green", "red"], num_oov_indices=2)
    filed = layers.StringLookup(vocabulary="vocabulary.txt")
    vectors = layers.TextVectorization(output_sequence_length=2)
    vectors.adapt(np.array(["red red", "blue"]))
    y = layers.Concatenate()([lookup(x) for lookup in (counted, listed, filed, vectors)])
    return keras.Model(x, layers.Embedding(6, 2)(y))


def learnt():
    """Counts of words, and a table that is read backwards."""
    x = keras.Input((1,), dtype="string")
    frequent = layers.TextVectorization(output_mode="tf_idf")
    frequent.adapt(np.array(["red blue", "blue blue", "green blue red"]))
    present = layers.StringLookup(output_mode="multi_hot")
    present.adapt(np.array(["blue", "green"]))
    number = keras.Input((1,), dtype="int64")
    word = layers.IntegerLookup(vocabulary=[70, 50], invert=True)
    index = layers.IntegerLookup()
    index.adapt(np.array([[50], [70], [50]]))
    return keras.Model([x, number], [frequent(x), present(x), index(word(number))])


def tabular():
    x = keras.Input((2,))
    y = layers.Normalization()
    y.adapt(np.array([[1, 2], [3, 7]], "float32"))
    return keras.Model(x, layers.PReLU()(y(x)))


def ranges():
    """Bins of what was seen: of less than there are bins, of some, and of many values."""
    x = keras.Input((1,))
    outputs = []
    for count, bins, mode in ((2, 5, "int"), (40, 4, "int"), (2000, 49, "int"), (500, 7, "one_hot")):
        layer = layers.Discretization(num_bins=bins, output_mode=mode)
        layer.adapt(random.normal(size=(count, 1)).astype("float32"))
        outputs.append(layer(x))
    return keras.Model(x, outputs)


def inputs_of(model):
    for spec in model.inputs:
        # Many where a wrong limit would show.
        shape = (200 if len(model.weights) == 4 and not model.trainable_weights else 2, *spec.shape[1:])
        if spec.dtype == tf.string:
            yield np.array(["blue", "unknown"]).reshape(shape)
        elif spec.dtype == tf.int64:
            yield np.array([2, 1]).reshape(shape)
        else:
            yield random.normal(size=shape).astype("float32")


def trained(model, optimizer):
    model.compile(optimizer, "mse", metrics=["mae"])
    x = random.normal(size=(4, *model.input_shape[1:]))
    y = random.normal(size=(4, *model.output_shape[1:]))
    model.fit(x, y, epochs=3, batch_size=4, shuffle=False, verbose=0)


def write(folder, make):
    name = make.__name__
    keras.backend.clear_session()
    keras.utils.set_random_seed(1)
    model = make()
    if make is dense_bn:
        trained(model, keras.optimizers.Adam(0.01))
    if make is old_optimizer:
        trained(model, keras.optimizers.legacy.Adam(0.01))
    for variable in (weight for weight in model.weights if isinstance(weight, tf.Variable)):
        if variable.dtype.is_floating and make not in (learnt, tabular, ranges) and "moving" not in variable.name:
            variable.assign(random.normal(scale=0.5, size=variable.shape))
    # The functions that TensorFlow traces are not needed to read a model again, and take megabytes.
    model.save(os.path.join(folder, name), save_format="tf", save_traces=make is dense_bn)
    os.remove(os.path.join(folder, name, "fingerprint.pb"))
    checkpoint = os.path.join(folder, name + ".ckpt/ck")
    model.save_weights(checkpoint)
    inputs = list(inputs_of(model))
    outputs = model.predict(inputs[0] if len(inputs) == 1 else inputs, verbose=0)
    outputs = outputs if isinstance(outputs, list) else [outputs]
    arrays = {f"x{i}": x for i, x in enumerate(inputs)} | {f"y{i}": y for i, y in enumerate(outputs)}
    reader = tf.train.load_checkpoint(os.path.join(folder, name, "variables/variables"))
    for key in reader.get_variable_to_shape_map():
        value = reader.get_tensor(key)
        if getattr(value, "dtype", None) is not None and value.dtype != object:
            arrays[key] = value
    np.savez_compressed(os.path.join(folder, name + ".npz"), **arrays)


if __name__ == "__main__":
    target = os.path.abspath(sys.argv[1])
    shutil.rmtree(target, ignore_errors=True)
    os.makedirs(target)
    os.chdir(target)
    for make in (dense_bn, old_optimizer, recurrent, nested, attention, words, learnt, tabular, ranges):
        write(target, make)
    os.remove("vocabulary.txt")
