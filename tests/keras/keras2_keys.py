"""Which settings the classes of Keras 2 take, as a table in Rust.

Usage: keras2_keys.py            prints src/versions/keras2_classes.rs
       keras2_keys.py --check    fails when the committed table is another

Every key that Keras 3 writes is kept, dropped or refused by this table, so it has to come from the
signatures themselves. Needs tf_keras beside Keras 3.
"""

import inspect
import json
import os
import sys
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
import tf_keras

TABLE = Path(__file__).resolve().parents[2] / "src/versions/keras2_classes.rs"
# What `Layer.__init__` itself takes.
OF_EVERY_LAYER = {"name", "trainable", "dtype"}
# The names that Keras 2 has for settings of Keras 3, and what only its own files have.
RENAMED = {"InputLayer": {"batch_shape": "batch_input_shape"}, "LeakyReLU": {"negative_slope": "alpha"}}
MORE = {
    "MultiHeadAttention": {"query_shape", "key_shape", "value_shape"},
    **{name: {"vocabulary_size"} for name in ("StringLookup", "IntegerLookup", "TextVectorization")},
    **{name: {"zero_output_for_mask"} for name in ("RNN", "SimpleRNN", "LSTM", "GRU", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D")},
}
# Not before tf_keras 2.16, or not before Keras 3.9: left out, so that all open the file.
LATER = {"optional", "ragged", "sparse"}
# Made of Python, or not made at all.
OTHERS = {"Layer", "Lambda", "TorchModuleWrapper", "TFSMLayer", "JaxLayer", "FlaxLayer", "Functional"}


def parameters(function):
    """Names and defaults of a function, and whether it takes others too."""
    found = inspect.signature(function).parameters.values()
    named = {p.name: p.default for p in found if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) and p.name != "self"}
    return named, any(p.kind == p.VAR_KEYWORD for p in found)


def keys(cls, base):
    """What the constructor of a class takes: its own parameters, and those that it hands on."""
    found = {}
    for each in cls.__mro__:
        if each is base or each is object:
            break
        if "__init__" not in vars(each):
            continue
        named, open_end = parameters(each.__init__)
        found = {**named, **found}
        if not open_end:
            break
    return found


def plain(value):
    """A default as JSON has it."""
    if value is inspect.Parameter.empty:
        return None
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    try:
        json.dumps(value)
    except TypeError:
        return None
    return value


def masks(cls):
    """What becomes of a mask: nothing, it passes, or the class has its own way."""
    layer = tf_keras.layers.Layer
    if cls.compute_mask is not layer.compute_mask:
        return "own"
    for each in cls.__mro__:
        if each is layer:
            return ""
        if "__init__" in vars(each) and "supports_masking = True" in inspect.getsource(each.__init__):
            return "pass"
    return ""


def only_here(three, two):
    """The settings that only Keras 3 has, with what they are when nobody sets them."""
    return {name: plain(default) for name, default in three.items() if name not in two}


def both(three, two, name):
    """Whether both versions have a class, and `name` is no alias of it."""
    return inspect.isclass(three) and inspect.isclass(two) and three.__name__ == name


def layers():
    for name in sorted(vars(keras.layers)):
        three, two = (getattr(module.layers, name, None) for module in (keras, tf_keras))
        if not both(three, two, name) or not issubclass(three, keras.layers.Layer) or name in OTHERS:
            continue
        renamed = RENAMED.get(name, {})
        old = set(keys(two, tf_keras.layers.Layer)) - LATER
        new = {renamed.get(key, key): value for key, value in keys(three, keras.layers.Layer).items()}
        new = {key: value for key, value in new.items() if key not in OF_EVERY_LAYER}
        known, _ = parameters(two.call)
        call = [key if key in known or not place else "-" + key for place, key in enumerate(parameters(three.call)[0])]
        taken = (old & set(new)) | set(renamed.values()) | MORE.get(name, set())
        yield name, sorted(taken), call, masks(two), only_here(new, taken)


def others(module):
    for name in sorted(vars(getattr(keras, module))):
        three, two = (getattr(getattr(package, module), name, None) for package in (keras, tf_keras))
        if not both(three, two, name):
            continue
        old, new = keys(two, object), keys(three, object)
        yield name, sorted(set(old) & set(new)), [], "", only_here(new, old)


def activations():
    """Names that both know, and compute alike."""
    values = tf.constant(np.linspace(-8, 8, 161, dtype="float32").reshape(7, 23))
    for name in sorted(vars(keras.activations)):
        function = getattr(keras.activations, name)
        if not inspect.isfunction(function) or name in ("serialize", "deserialize", "get"):
            continue
        try:
            two = tf_keras.activations.get(name)
            new, old = (np.asarray(run(values)) for run in (keras.activations.get(name), two))
        except Exception:
            continue
        if np.allclose(new, old, rtol=1e-6, atol=1e-6):
            yield name


def row(name, taken, call, mask, lost):
    texts = [name, " ".join(taken), " ".join(call), mask, json.dumps(lost)[1:-1]]
    return "(" + ", ".join(f'r#"{text}"#' if '"' in text else f'"{text}"' for text in texts) + ")"


def table():
    lines = [
        "//! Which settings the classes of Keras 2 take. Made by `tests/keras/keras2_keys.py`, not to be edited.",
        "",
        "use super::portable::Row;",
        "",
    ]
    for name, rows in (
        ("LAYERS", layers()),
        *((module.upper(), others(module)) for module in ("initializers", "regularizers", "constraints")),
    ):
        lines += ["#[rustfmt::skip]", f"pub(super) const {name}: &[Row] = &["]
        lines += [f"    {row(*each)}," for each in rows]
        lines += ["];", ""]
    names = ", ".join(f'"{name}"' for name in activations())
    lines += ["/// Activations that both versions know by the same name, and compute alike.", "#[rustfmt::skip]"]
    lines += [f"pub(super) const ACTIVATIONS: &[&str] = &[{names}];"]
    return "\n".join(lines) + "\n"


def main(arguments):
    made = table()
    if arguments != ["--check"]:
        sys.stdout.write(made)
        return 0
    if TABLE.read_text() == made:
        return 0
    print(f"{TABLE} is not what the installed versions say; run this script again")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
