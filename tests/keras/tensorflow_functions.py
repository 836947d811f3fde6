"""Builds the cases of Keras 2: functions of TensorFlow in a graph, which Keras 3 does not read.

Needs its own environment, with `tensorflow-cpu==2.21.0` and `tf_keras==2.21.0`. Usage: tensorflow_functions.py
"""

import hashlib
import json
import os
import sys
import zipfile
import zlib
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"

import numpy as np
import tensorflow as tf
import tf_keras as keras

sys.path.insert(0, str(Path(__file__).parent))
from archive import edit_config, members_of, read_members, write_members

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
JUDGE = f"tf_keras {keras.__version__}"
L = keras.layers


def arithmetic(x, y):
    return [x + y, x + 1.0, 2.0 - x, x * y, 1.0 / (abs(y) + 1.0), -x, x - y, tf.maximum(x, 0.1),
            tf.minimum(x, y), tf.constant([1.0, 2, 3, 4, 5, 6]) * x, tf.multiply(2.0, x), x + tf.ones((4, 1)),
            tf.logical_and(x > 0, y >= 0), tf.logical_not(x < y), x <= 0.5, tf.not_equal(x, y)]  # fmt: skip


def shapes(x, y):
    return [tf.reshape(x, (-1, 24)), tf.reshape(x, [tf.shape(x)[0], 24]), tf.reshape(x, (tf.shape(x)[0], 8, 3)),
            tf.reshape(x, [tf.shape(x)[0], -1, 8]), tf.reshape(x, [-1, tf.shape(x)[2], 2, 2]),
            tf.transpose(x, [0, 2, 1]), tf.expand_dims(x, -1), tf.squeeze(x[:, :1], 1), tf.concat([x, y], axis=-1),
            tf.stack([x, y], 1), *tf.unstack(x, axis=1), *tf.split(x, 2, axis=-1), *tf.split(x, [1, 2, 3], axis=2),
            tf.tile(x, [1, 2, 1]), tf.reverse(x, [1]), tf.roll(x, 2, axis=1), tf.repeat(x, 2, axis=1),
            tf.pad(x, [[0, 0], [1, 1], [2, 0]]), tf.pad(x, [[0, 0], [1, 1], [2, 0]], mode="REFLECT"),
            tf.pad(x, [[0, 0], [0, 1], [0, 0]], constant_values=2.0)]  # fmt: skip


def parts(x, y):
    return [x[:, 0], x[:, 1:3, :, tf.newaxis], x[:, :, -1], x[:, ::2, ::-1], x[:, tf.newaxis], x[0],
            tf.gather(x, [0, 2], axis=1), tf.slice(x, [0, 1, 2], [-1, 2, 3]), tf.slice(y, [1, 0, 0], [1, 4, 2]),
            tf.gather(tf.range(10.0), tf.cast(abs(x) * 2.0, "int32"))]  # fmt: skip


def products(x, y):
    return [tf.matmul(x, y, transpose_b=True), tf.matmul(x, y, transpose_a=True), x @ tf.transpose(y, [0, 2, 1]),
            tf.cast(x, tf.int32), tf.one_hot(tf.cast(abs(x), "int32"), 3), tf.zeros_like(x), tf.identity(y),
            tf.stop_gradient(x), abs(x)]  # fmt: skip


def scaled_attention(x, y):
    """What people wrote for attention before there was a layer for it."""
    q, k = L.Dense(5, name="q")(x), L.Dense(5, name="k")(y)
    scores = tf.matmul(q, k, transpose_b=True) * 0.4
    heads = tf.transpose(tf.reshape(scores, [-1, 4, 2, 2]), [0, 2, 1, 3])
    return L.Dense(3, name="o")(tf.reshape(heads, (-1, 2, 8)))


def node(op, inputs, attributes=None, constants=None):
    """Turns the layer of a function into a node of a graph, as older versions of TensorFlow wrote it."""

    def change(layer):
        layer["class_name"] = "TensorFlowOpLayer"
        layer["module"] = "tf_keras.layers"
        layer["registered_name"] = None
        names = [f"input_{i}" for i in range(inputs)]
        tensors = []

        def collect(json):
            if isinstance(json, list) and json and isinstance(json[0], str):
                if json[0] != "_CONSTANT_VALUE":
                    tensors.append([*json[:3], {}])
                collect(json[3] if len(json) > 3 else None)
            elif isinstance(json, (list, dict)):
                for item in json.values() if isinstance(json, dict) else json:
                    collect(item)

        collect(layer["inbound_nodes"])
        definition = {"name": layer["name"], "op": op, "input": names, "attr": attributes or {"T": {"type": "DT_FLOAT"}}}
        layer["config"] = {
            "name": layer["name"],
            "trainable": True,
            "dtype": "float32",
            "node_def": definition,
            "constants": constants or {},
        }
        layer.pop("build_config", None)
        layer["inbound_nodes"] = [tensors]

    return change


FLOAT = {"type": "DT_FLOAT"}
CASES = {
    "arithmetic": (arithmetic, {}),
    "shapes": (shapes, {}),
    "parts": (parts, {}),
    "products": (products, {}),
    "scaled_attention": (scaled_attention, {}),
    "nodes_arithmetic": (
        lambda x, y: [tf.add(x, y), tf.multiply(x, 3.0), tf.maximum(y, 0.0)],
        {
            "tf.math.add": node("AddV2", 2),
            "tf.math.multiply": node("Mul", 2, constants={"1": 3.0}),
            "tf.math.maximum": node("Maximum", 2, constants={"1": 0.0}),
        },
    ),
    "nodes_shapes": (
        lambda x, y: [tf.reshape(x, (-1, 8, 3)), tf.transpose(y, [0, 2, 1]), tf.expand_dims(x, 1)],
        {
            "tf.reshape": node("Reshape", 2, constants={"1": [-1, 8, 3]}),
            "tf.compat.v1.transpose": node("Transpose", 2, constants={"1": [0, 2, 1]}),
            "tf.expand_dims": node("ExpandDims", 2, constants={"1": 1}),
        },
    ),
    "nodes_products": (
        lambda x, y: [tf.matmul(x, y, transpose_b=True), tf.squeeze(x[:, :1], axis=1)],
        {
            "tf.linalg.matmul": node("BatchMatMulV2", 2, {"T": FLOAT, "adj_x": {"b": False}, "adj_y": {"b": True}}),
            "tf.compat.v1.squeeze": node("Squeeze", 1, {"T": FLOAT, "squeeze_dims": {"list": {"i": ["1"]}}}),
        },
    ),
}


def classes_of(config):
    found = {config["class_name"]} if isinstance(config, dict) and "class_name" in config else set()
    for child in config.values() if isinstance(config, dict) else config if isinstance(config, list) else []:
        found |= classes_of(child)
    return {name for name in found if not name.startswith("_") and name != "TensorShape"}


def generate(name, graph, nodes):
    keras.backend.clear_session()
    keras.utils.set_random_seed(zlib.crc32(name.encode()))
    x, y = keras.Input((4, 6), name="x"), keras.Input((4, 6), name="y")
    model = keras.Model([x, y], graph(x, y))
    path = FIXTURES / "keras2" / f"{name}.keras"
    path.parent.mkdir(parents=True, exist_ok=True)
    model.save(path)
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    inputs = [rng.standard_normal((2, 4, 6)).astype("float32") for _ in "xy"]
    outputs = model(inputs)
    outputs = [np.asarray(o) for o in (outputs if isinstance(outputs, list) else [outputs])]
    names = list(model.output_names)

    def change(config):
        for layer in config["config"]["layers"]:
            if layer["name"] in nodes:
                nodes[layer["name"]](layer)

    if nodes:
        edit_config(path, change)
    if not model.weights:
        write_members(path, read_members(path), zipfile.ZIP_DEFLATED)
    arrays = {"in/x": inputs[0], "in/y": inputs[1]}
    arrays |= {f"out/{i}/{n}": value for i, (n, value) in enumerate(zip(names, outputs, strict=True))}
    np.savez(path.with_suffix(".npz"), **arrays)
    reloaded = keras.models.load_model(path)(inputs)
    reloaded = reloaded if isinstance(reloaded, list) else [reloaded]
    for want, got in zip(outputs, reloaded, strict=True):
        np.testing.assert_allclose(want, np.asarray(got), 1e-6, 1e-6)
    files = [path, path.with_suffix(".npz")]
    return {
        "name": f"keras2/{name}",
        "model": path.relative_to(FIXTURES).as_posix(),
        "judge": JUDGE,
        "classes": sorted(classes_of(json.loads(members_of(path)["config.json"]))),
        "sha256": {f.relative_to(FIXTURES).as_posix(): hashlib.sha256(f.read_bytes()).hexdigest() for f in files},
    }


def main():
    manifest = FIXTURES / "manifest.json"
    document = json.loads(manifest.read_text(encoding="utf-8"))
    known = {case["name"]: case for case in document["cases"] if not case.get("judge")}
    for name, (graph, nodes) in CASES.items():
        case = generate(name, graph, nodes)
        known[case["name"]] = case
    document["cases"] = [known[name] for name in sorted(known)]
    manifest.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{len(CASES)} written")


if __name__ == "__main__":
    main()
