"""Declares, builds, saves and checks the cases of the proof."""

import fnmatch
import hashlib
import json
import os
import zlib
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Callable
from zipfile import ZIP_DEFLATED

from archive import members_of, read_members, write_members
from judge import BACKEND, close, input_names, keras, load, np, predict

HALVES = ("float16", "bfloat16")
_COMMITTED = Path(__file__).resolve().parent.parent / "fixtures"
FIXTURES = Path(os.environ.get("BURN_KERAS_FIXTURES", _COMMITTED))
CASES = {}
# The largest archive that stays as Keras wrote it, without compression.
STORED = 30_000


@dataclass
class Case:
    """One model: how it is built, what it is fed and what is done to its file."""

    name: str
    build: Callable
    batch: int = 2
    ints: int = 7
    strings: list | None = None
    backend: str = "jax"
    masked: bool = False
    compact: bool = False
    keep: bool = False
    saving: Callable = nullcontext
    scale: float = 1.0
    train: Callable | None = None
    edit: Callable | None = None
    more: Callable | None = None
    tolerance: float | None = None
    reason: str | None = None

    @property
    def rng(self):
        return np.random.default_rng(zlib.crc32(self.name.encode()))


def family(prefix):
    """Returns the function that declares cases of one family.

    A case is `layer` (one layer or a list, after an input "x" of shape `x`),
    `graph` (tensors of the shapes in `x` to outputs) or `model` (the model).
    Strings are drawn from `strings`; layers of them need the TensorFlow backend.
    """

    def case(name, x=None, layer=None, graph=None, model=None, dtype="float32", **options):
        if layer is not None:
            build = lambda: _sequential(x, dtype, layer())
        elif graph is not None:
            build = lambda: _functional(x, dtype, graph)
        else:
            build = model
        name = f"{prefix}/{name}"
        if name in CASES:
            raise ValueError(f"case {name} is declared twice")
        CASES[name] = Case(name, build, **options)

    return case


def _sequential(shape, dtype, layers):
    layers = layers if isinstance(layers, list) else [layers]
    return keras.Sequential([keras.Input(shape, dtype=dtype, name="x"), *layers])


def _functional(shapes, dtype, graph):
    shapes = shapes if isinstance(shapes, list) else [shapes]
    names = ["x", "y", "z"] if len(shapes) > 1 else ["x"]
    dtypes = dtype if isinstance(dtype, list) else [dtype] * len(shapes)
    inputs = [keras.Input(s, dtype=d, name=n) for s, d, n in zip(shapes, dtypes, names)]
    return keras.Model(inputs if len(inputs) > 1 else inputs[0], graph(*inputs))


def random_weight(rng, variable):
    """A value for a variable that keeps activations of order one."""
    shape, name = tuple(variable.shape), variable.name
    if "variance" in name or "stddev" in name:
        return rng.uniform(0.5, 2.0, shape)
    if name in ("gamma", "scale"):
        return 1.0 + 0.3 * rng.standard_normal(shape)
    if len(shape) >= 2 and "kernel" in name:
        return rng.standard_normal(shape) / np.sqrt(max(1, np.prod(shape[:-1])))
    return 0.4 * rng.standard_normal(shape)


def randomise(model, rng, compact=False):
    """Replaces every weight except what `adapt` computed; compact ones compress to half."""
    adapted = {
        id(variable)
        for layer in model._flatten_layers()
        if isinstance(layer, keras.layers.Normalization)
        for variable in layer.weights
    }
    for variable in model.weights:
        if id(variable) not in adapted and "float" in str(variable.dtype):
            value = random_weight(rng, variable)
            variable.assign((value.astype("float16") if compact else value).astype("float32"))


def random_input(case, rng, tensor):
    """Values for one input; a free axis other than the batch has length 5."""
    shape = [case.batch if axis == 0 else 5 for axis in range(len(tensor.shape))]
    shape = [size or free for size, free in zip(tensor.shape, shape)]
    if tensor.dtype == "string":
        return rng.choice(case.strings, shape)
    if "int" in str(tensor.dtype):
        return rng.integers(0, case.ints, shape).astype(str(tensor.dtype))
    if str(tensor.dtype) == "bool":
        return rng.random(shape) < 0.6
    values = case.scale * rng.standard_normal(shape)
    if case.masked:
        values[0, shape[1] - 2 :] = 0.0
        values[1, 0] = 0.0
        values[1, 2] = 0.0
    return values.astype(str(tensor.dtype))


def classes_of(config):
    """Class names of all layers and models inside a config; operations as `ops.Name`."""
    found = set()
    if isinstance(config, dict):
        module = str(config.get("module"))
        operations = ("keras.src.ops", "keras.src.activations")
        if "class_name" in config and module.startswith(operations):
            found.add(f"ops.{config['class_name']}")
        kinds = ("keras.layers", "keras.src.models", "keras.src.applications", "bygone")
        if "class_name" in config and (module == "keras" or module.startswith(kinds)):
            found.add(config["class_name"])
    children = config.values() if isinstance(config, dict) else config
    for child in children if isinstance(config, (dict, list)) else []:
        found |= classes_of(child)
    return found - {"DTypePolicy"}


def stored(value):
    """An array that every reader knows: floats of 16 bits are widened, their type ends the name."""
    dtype = str(value.dtype)
    return (f":{dtype}", value.astype("float32")) if dtype in HALVES else ("", value)


def generate(case):
    """Writes the files of one case and returns its entry of the manifest."""
    keras.utils.clear_session(free_memory=False)
    keras.utils.set_random_seed(1)
    rng, path = case.rng, FIXTURES / f"{case.name}.keras"
    path.parent.mkdir(parents=True, exist_ok=True)
    model = case.build()
    if not case.keep:
        randomise(model, rng, case.compact)
    inputs = [random_input(case, rng, tensor) for tensor in model.inputs]
    if case.train:
        case.train(model, rng, inputs)
    with case.saving():
        model.save(path)
    if not model.weights or path.stat().st_size > STORED:
        write_members(path, read_members(path), ZIP_DEFLATED)
    outputs = predict(model, inputs)
    names = input_names(model)
    if case.edit:
        path = case.edit(path) or path
    check(path, names, inputs, outputs)
    arrays = {f"in/{name}": stored(value)[1] for name, value in zip(names, inputs, strict=True)}
    for i, (name, value) in enumerate(outputs):
        suffix, value = stored(value)
        arrays[f"out/{i}/{name}{suffix}"] = value
    if case.more:
        arrays |= case.more(model, inputs)
    np.savez(FIXTURES / f"{case.name}.npz", **arrays)
    return entry(case, path)


def check(path, names, inputs, outputs):
    """Fails unless Keras reopens the file with the same outputs, all finite."""
    for name, values in outputs:
        if values.dtype.kind == "U":
            continue
        if not np.isfinite(values).all():
            raise ValueError(f"output {name} is not finite")
        if values.size and np.abs(values).max() > 1e3:
            raise ValueError(f"output {name} reaches {np.abs(values).max()}")
    reloaded = load(path)
    if input_names(reloaded) != names:
        raise ValueError(f"inputs {input_names(reloaded)} after reopening, {names} before")
    for (name, want), (again, got) in zip(outputs, predict(reloaded, inputs), strict=True):
        if name != again or not close(want, got, rtol=1e-6, atol=1e-6):
            raise ValueError(f"output {name} differs after reopening")


def path_of(case):
    """Where the model of a case lies: a file, or a directory."""
    file, folder = (FIXTURES / f"{case.name}{suffix}" for suffix in (".keras", ".dir"))
    return file if file.exists() else folder


def entry(case, path):
    """The entry of a case in the manifest."""
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    files.append(FIXTURES / f"{case.name}.npz")
    result = {
        "name": case.name,
        "model": path.relative_to(FIXTURES).as_posix(),
        "classes": sorted(classes_of(json.loads(members_of(path)["config.json"]))),
        "sha256": {
            file.relative_to(FIXTURES).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
            for file in files
        },
    }
    if case.backend != "jax":
        result["backend"] = case.backend
    if case.tolerance:
        result |= {"tolerance": case.tolerance, "reason": case.reason}
    return result


def selected(pattern, backend=BACKEND):
    """Cases whose name matches a shell pattern, in order of declaration; `None` is any backend."""
    cases = [case for case in CASES.values() if backend in (None, case.backend)]
    return [case for case in cases if fnmatch.fnmatch(case.name, pattern)]
