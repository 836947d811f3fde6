"""Walks every layer and operation class of the installed Keras.

Usage: coverage.py < ROWS.json     [{"classes": [...], "operation": false}, ...]

Each class must be among the rows and in enough fixtures (three for a layer, one
for an operation), or in unsupported.json with a reason. Each row must be a class
of Keras, or among the `hidden` of unsupported.json, which says where it occurs.
"""

import collections
import importlib
import inspect
import json
import pkgutil
import sys
from pathlib import Path

from harness import FIXTURES
from judge import keras
from keras.src import ops
from keras.src.ops.operation import Operation

UNSUPPORTED = Path(__file__).with_name("unsupported.json")
FEWEST = {"layer": 3, "operation": 1}


def public_layers():
    """Every public name in `keras.layers`, by the class name that configs have."""
    found = collections.defaultdict(set)
    for name, value in vars(keras.layers).items():
        if inspect.isclass(value) and issubclass(value, keras.layers.Layer):
            found[value.__name__].add(name)
    return found


def operations():
    """Every operation class, by module."""
    found = {}
    for module in pkgutil.iter_modules(ops.__path__):
        if module.name.endswith("_test"):
            continue
        for name, value in vars(importlib.import_module(f"{ops.__name__}.{module.name}")).items():
            if inspect.isclass(value) and issubclass(value, Operation) and value.__module__.endswith(f".{module.name}"):
                found[name] = {name}
    return found


def fixtures():
    """In how many fixtures each class is."""
    cases = json.loads((FIXTURES / "manifest.json").read_text(encoding="utf-8"))["cases"]
    return collections.Counter(name for case in cases for name in case["classes"])


def problems(kind, known, rows, listed, hidden, counts):
    """Everything that is neither proven nor explained."""
    prefix = "ops." if kind == "operation" else ""
    supported = {name for row in rows for name in row}
    for name, names in sorted(known.items()):
        names = names | {name}
        if name in listed:
            if names & supported:
                yield f"{kind} {name} is supported and listed as unsupported"
            continue
        if not names <= supported:
            yield f"{kind} {name}: {sorted(names - supported)} not known here, and no reason given"
            continue
        count = sum(counts[prefix + alias] for row in rows if names & set(row) for alias in row)
        if count < FEWEST[kind]:
            yield f"{kind} {name} is in {count} fixtures, {FEWEST[kind]} are needed"
    every = {alias for name, names in known.items() for alias in names | {name}}
    for name in sorted(set(listed) - every):
        yield f"{kind} {name} is listed as unsupported, but Keras does not have it"
    for row in rows:
        if not set(row) & every and not set(row) & set(hidden):
            yield f"{kind} {row[0]} is no class of Keras, and not among the hidden ones"


def main():
    rows = json.load(sys.stdin)
    lists = json.loads(UNSUPPORTED.read_text(encoding="utf-8"))
    counts, found = fixtures(), []
    for kind, known in (("layer", public_layers()), ("operation", operations())):
        classes = [row["classes"] for row in rows if row["operation"] == (kind == "operation")]
        listed, hidden = lists.get(kind, {}), lists["hidden"].get(kind, {})
        found += problems(kind, known, classes, listed, hidden, counts)
        print(f"{len(known)} {kind} classes, {len(listed)} unsupported")
    print(*found, sep="\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
