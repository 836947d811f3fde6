"""Lets real Keras compare rewritten models with the files they were read from.

Usage: reopen.py ORIGINALS_DIR REWRITTEN_DIR     one line per failure, then the count
       reopen.py --h5 FILE...                    h5py walks every object of every file
"""

import io
import json
import sys
import warnings
from itertools import zip_longest
from pathlib import Path

import h5py
import numpy as np

WEIGHTS = "model.weights.h5"
CLOSE = {"rtol": 1e-6, "atol": 1e-6}


def canonical(config):
    """The config without ids of Python objects, which differ at every load."""
    if isinstance(config, dict):
        return {k: canonical(v) for k, v in config.items() if k != "shared_object_id"}
    if isinstance(config, (list, tuple)):
        return [canonical(item) for item in config]
    return config


def text(config):
    return json.dumps(config, sort_keys=True, default=repr)


def h5_objects(data):
    """Every group and dataset by path, with its attributes."""
    found = {}

    def visit(path, item):
        attributes = {name: np.asarray(value).tolist() for name, value in item.attrs.items()}
        found[path] = (item[()] if isinstance(item, h5py.Dataset) else None, attributes)

    with h5py.File(io.BytesIO(data), "r") as file:
        visit("/", file)
        file.visititems(visit)
    return found


def same_values(original, rewritten):
    """Equal bytes and dtype, or the float32 that Keras reads from another float type."""
    if original is None or rewritten is None:
        return original is rewritten
    original, rewritten = np.asarray(original), np.asarray(rewritten)
    if original.dtype.kind == "f" and original.dtype != rewritten.dtype:
        original = original.astype("<f4")
    return (
        original.dtype == rewritten.dtype
        and original.shape == rewritten.shape
        and original.tobytes() == rewritten.tobytes()
    )


def h5_differences(original, rewritten):
    old, new = h5_objects(original), h5_objects(rewritten)
    for path in sorted(old.keys() ^ new.keys()):
        yield f"{path} is only in the {'original' if path in old else 'rewritten file'}"
    for path in sorted(old.keys() & new.keys()):
        if not same_values(old[path][0], new[path][0]):
            yield f"{path} differs"
        if old[path][1] != new[path][1]:
            yield f"attributes of {path} are {new[path][1]}, were {old[path][1]}"


def variable_differences(kind, original, rewritten):
    for index, (old, new) in enumerate(zip_longest(original, rewritten)):
        if old is None or new is None:
            yield f"{len(rewritten)} {kind}, were {len(original)}"
            return
        a, b = np.asarray(old), np.asarray(new)
        if old.path != new.path or a.dtype != b.dtype or a.shape != b.shape:
            yield f"{kind} {index} is {new.path} {b.shape}, was {old.path} {a.shape}"
        elif a.tobytes() != b.tobytes():
            yield f"{kind} {index} ({old.path}) differs"


def prediction_differences(model, recorded):
    from judge import close, input_names, predict

    inputs = {name[3:]: recorded[name] for name in recorded.files if name.startswith("in/")}
    expected = [(name, recorded[name]) for name in recorded.files if name.startswith("out/")]
    # The type of what is stored in more bits than it has.
    expected = [(n.removesuffix(":float16").removesuffix(":bfloat16"), values) for n, values in expected]
    if list(inputs) != input_names(model):
        yield f"inputs are {input_names(model)}, were {list(inputs)}"
        return
    outputs = [(f"out/{i}/{name}", out) for i, (name, out) in enumerate(predict(model, list(inputs.values())))]
    if [name for name, _ in outputs] != [name for name, _ in expected]:
        yield f"outputs are {[name for name, _ in outputs]}"
        return
    for (name, got), (_, want) in zip(outputs, expected):
        if got.shape != want.shape:
            yield f"{name} has the shape {got.shape}, had {want.shape}"
        elif not close(want, got, **CLOSE, equal_nan=True):
            yield f"{name} differs: {got.ravel()[:8]}, was {want.ravel()[:8]}"


def differences(original, rewritten, recorded):
    """Everything in which a rewritten model differs from the original."""
    from archive import members_of
    from judge import load

    old_members, new_members = members_of(original), members_of(rewritten)
    old_config, new_config = (json.loads(m["config.json"]) for m in (old_members, new_members))
    if text(old_config) != text(new_config):
        yield "config.json differs"
    yield from h5_differences(old_members[WEIGHTS], new_members[WEIGHTS])
    old, new = load(original), load(rewritten)
    if text(canonical(old.get_config())) != text(canonical(new.get_config())):
        yield "get_config differs"
    yield from variable_differences("weights", old.weights, new.weights)
    states = [m.optimizer.variables if m.compiled else [] for m in (old, new)]
    yield from variable_differences("optimizer variables", *states)
    yield from prediction_differences(new, recorded)


def compare(originals, rewritten):
    """Prints every difference and returns the numbers of passed and failed files."""
    counts = {True: 0, False: 0}
    for path in sorted(rewritten.rglob("*.keras")):
        stem = path.relative_to(rewritten).with_suffix("")
        original = originals / stem.with_suffix(".keras")
        if not original.exists():
            original = originals / stem.with_suffix(".dir")
        try:
            with np.load(originals / f"{stem}.npz") as recorded:
                found = list(differences(original, path, recorded))
        except Exception as error:
            found = [f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"]
        for line in found:
            print(f"{stem}: {line}")
        counts[not found] += 1
    return counts[True], counts[False]


def walk_h5(paths):
    """Reads every object of every file with h5py."""
    counts = {True: 0, False: 0}
    for path in paths:
        try:
            h5_objects(Path(path).read_bytes())
            counts[True] += 1
        except Exception as error:
            print(f"{path}: {type(error).__name__}: {error}")
            counts[False] += 1
    return counts[True], counts[False]


def main(arguments):
    warnings.simplefilter("ignore")
    if arguments[:1] == ["--h5"]:
        passed, failed = walk_h5(arguments[1:])
    elif len(arguments) == 2:
        passed, failed = compare(*map(Path, arguments))
    else:
        sys.exit(__doc__)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
