"""Sets burn-keras beside real Keras and beside plain copies in one run, and prints the table of the README.

    $(bash tests/keras/venv.sh) benches/compare.py [--profile dev]

All do the same work on the same files in turn. Figures are ratios: seconds of this machine say
little about another. The release profile builds all of Burn once more; in the dev profile its
kernels are optimised too, and CARGO_PROFILE_DEV_OPT_LEVEL=3 optimises this crate.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")
import keras
import numpy as np

ROOT = Path(__file__).resolve().parent.parent
WORK = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "compare"
ROUNDS = 3


def small_cnn():
    layers = keras.layers
    return keras.Sequential([
        keras.Input((32, 32, 3)),
        layers.Conv2D(16, 3, padding="same", activation="relu"),
        layers.BatchNormalization(),
        layers.MaxPooling2D(),
        layers.Conv2D(32, 3, padding="same", activation="relu"),
        layers.GlobalAveragePooling2D(),
        layers.Dense(10, activation="softmax"),
    ])


def resnet50():
    return keras.applications.ResNet50(weights=None)


def one_gigabyte():
    return keras.Sequential([keras.Input((4096,))] + [keras.layers.Dense(4096) for _ in range(16)])


MODELS = {"small CNN": small_cnn, "ResNet50 (103 MB)": resnet50, "16 x Dense (1.07 GB)": one_gigabyte}


def seconds(run):
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def bench(profile):
    """Builds the program of benches/keras.rs and gives its path."""
    command = ["cargo", "bench", "--profile", profile, "--bench", "keras", "--no-run", "--message-format=json"]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    artefacts = (json.loads(line) for line in done.stdout.splitlines())
    return next(artefact["executable"] for artefact in artefacts if artefact.get("executable"))


def ours(program, job, path, *rest):
    command = [program, job, str(path), *map(str, rest)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.strip().splitlines()[-1])


def inputs(model, batch):
    return np.ones([batch if size is None else size for size in model.inputs[0].shape], "float32")


def theirs(job, path, model, batch):
    """What Keras does for a job, to be timed."""
    x = inputs(model, batch)
    if job == "predict":
        model.predict_on_batch(x)
    return {
        "load": lambda: keras.models.load_model(path),
        "first": lambda: keras.models.load_model(path).predict_on_batch(x),
        "save": lambda: model.save(WORK / "theirs.keras"),
        "predict": lambda: [model.predict_on_batch(x) for _ in range(10)],
    }.get(job)


def row(program, job, path, model, batch):
    """Rounds of both in turn, and the best of each."""
    run = theirs(job, path, model, batch)
    times, results = [], []
    for _ in range(ROUNDS):
        times += [seconds(run)] if run else []
        results.append(ours(program, job, path, *([batch] if job == "predict" else [])))
    own = min(result["seconds"] for result in results)
    keras_seconds = min(times) / (10 if job == "predict" else 1) if times else None
    copy = min(result["copy"] for result in results) if job != "predict" else None
    peak = max(result["peak"] for result in results)
    return {
        "milliseconds": f"{own * 1e3:.3g}",
        "keras": f"{keras_seconds / own:.1f}" if keras_seconds else "",
        "copy": f"{own / copy:.2f}" if copy else "",
        "peak": f"{peak / path.stat().st_size:.2f}" if job != "predict" else "",
    }


def rows(program, models):
    WORK.mkdir(parents=True, exist_ok=True)
    for name in models:
        path = WORK / f"{MODELS[name].__name__}.keras"
        if not path.exists():
            MODELS[name]().save(path)
        model = keras.models.load_model(path)
        for job in ("index", "load", "first", "save"):
            yield f"{job}, {name}", row(program, job, path, model, 1)
        for batch in [1] if MODELS[name] is one_gigabyte else [1, 32]:
            yield f"predict, {name}, batch {batch}", row(program, "predict", path, model, batch)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--profile", default="bench")
    parser.add_argument("--program", help="one that is built already")
    parser.add_argument("--models", nargs="*", default=list(MODELS), choices=list(MODELS))
    options = parser.parse_args()
    program = options.program or bench(options.profile)
    print("| | milliseconds | times as fast as Keras | times a plain copy | peak memory / file |")
    print("|---|---|---|---|---|")
    for name, cells in rows(program, options.models):
        print(f"| {name} | {' | '.join(cells.values())} |", flush=True)
    print(f"load of this machine at the end: {os.getloadavg()[0]:.1f}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
