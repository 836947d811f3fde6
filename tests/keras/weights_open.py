"""Lets real Keras load weights that were written for its models, and write them again.

Usage: weights_open.py FOLDER

Every folder in it has a `model.keras` and the same weights in files `ours.*` and `twice.weights.json`. Keras adds
`keras.weights.h5`, `keras.weights.json` and, by hand, `named.safetensors`.
"""

import json
import struct
import sys
import warnings
from pathlib import Path

import keras
import ml_dtypes
import numpy as np
from report import tell

warnings.filterwarnings("ignore")
TYPES = {"F32": "<f4", "F16": "<f2", "BF16": ml_dtypes.bfloat16, "I32": "<i4", "U32": "<u4", "I64": "<i8"}


def read_safetensors(path):
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    assert header.pop("__metadata__") == {"format": "keras"}
    body, found, end = data[8 + length :], {}, 0
    for name, info in header.items():
        start, stop = info["data_offsets"]
        assert start == end, f"{name} starts at {start}, not at {end}"
        dtype = np.dtype(TYPES[info["dtype"]])
        assert (8 + length + start) % dtype.itemsize == 0, f"{name} is not aligned"
        found[name] = np.frombuffer(body[start:stop], dtype).reshape(info["shape"])
        end = stop
    assert end == len(body)
    return found


def write_safetensors(path, arrays):
    header, end = {"__metadata__": {"format": "keras"}}, 0
    for name, array in arrays.items():
        dtype = next(key for key, known in TYPES.items() if np.dtype(known) == array.dtype)
        header[name] = {"dtype": dtype, "shape": array.shape, "data_offsets": [end, end + array.nbytes]}
        end += array.nbytes
    text = json.dumps(header).encode()
    body = b"".join(array.tobytes() for array in arrays.values())
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)


def named(model):
    return {variable.path: np.asarray(variable.value) for variable in model.weights}


def optimizer_of(model):
    optimizer = getattr(model, "optimizer", None)
    return optimizer.variables if optimizer else []


def zeroed(path):
    model = keras.saving.load_model(path)
    for variable in model.weights + optimizer_of(model):
        variable.assign(np.zeros(variable.shape, variable.dtype))
    return model


def differences(expected, found):
    for at, (one, other) in enumerate(zip(expected, found, strict=True)):
        one, other = np.asarray(one), np.asarray(other)
        if one.dtype != other.dtype or one.shape != other.shape or one.tobytes() != other.tobytes():
            yield f"number {at} is {other.dtype} {other.shape}, was {one.dtype} {one.shape}"


def meant(ours, name):
    """Our names have all models around a layer, and other names for cells."""
    ours, name = ours.split("/"), name.split("/")
    return ours[-len(name) :] == name or (ours[0], ours[-1]) == (name[0], name[-1])


def judge(folder):
    path = folder / "model.keras"
    expected = keras.saving.load_model(path)
    files = ["ours.weights.h5", "ours.weights.json", "twice.weights.json"]
    # Keras does not read bfloat16 in a legacy file, not even in its own.
    if all(variable.dtype != "bfloat16" for variable in expected.weights):
        files += ["ours.h5", "ours.h5 by name"]
    for name in files:
        model = zeroed(path)
        file, _, by_name = name.partition(" ")
        model.load_weights(folder / file, **({"by_name": True} if by_name else {}))
        yield from (f"{name}: {it}" for it in differences(expected.weights, model.weights))
        if ".weights." in name:
            pairs = optimizer_of(expected), optimizer_of(model)
            yield from (f"{name}: optimizer {it}" for it in differences(*pairs))
    tensors = read_safetensors(folder / "ours.safetensors")
    for name, array in named(expected).items():
        alike = [tensors[name]] if name in tensors else [tensors[it] for it in tensors if meant(it, name)]
        if len(alike) != 1:
            yield f"safetensors: {len(alike)} tensors for {name}"
        else:
            yield from (f"safetensors: {name}: {it}" for it in differences([array], alike))
    expected.save_weights(folder / "keras.weights.h5")
    largest = max(np.asarray(it).nbytes for it in expected.weights + optimizer_of(expected))
    expected.save_weights(folder / "keras.weights.json", max_shard_size=largest / 1024**3)
    write_safetensors(folder / "named.safetensors", named(expected))


def main(folder):
    folders = sorted(it for it in Path(folder).iterdir() if it.is_dir())
    return tell("weights", folders, lambda folder: folder.name, judge)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
