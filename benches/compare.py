"""Sets burn-keras beside real Keras in one run, and prints the table of the README.

    $(bash tests/keras/venv.sh) benches/compare.py

Both do the same work on the same files in turn. Figures are ratios: seconds of this machine say
little about another.
"""

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
REPEATS = 2


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


def best(run):
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def ours(job, path, *rest):
    command = ["cargo", "bench", "--quiet", "--bench", "keras", "--", job, str(path), *map(str, rest)]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.strip().splitlines()[-1])


def keras_predict(model, batch):
    shape = [batch if size is None else size for size in model.inputs[0].shape]
    x = np.ones(shape, "float32")
    model.predict_on_batch(x)
    return best(lambda: [model.predict_on_batch(x) for _ in range(10)]) / 10


def rows():
    WORK.mkdir(parents=True, exist_ok=True)
    for name, make in MODELS.items():
        path = WORK / f"{make.__name__}.keras"
        if not path.exists():
            make().save(path)
        size = path.stat().st_size
        model = keras.models.load_model(path)
        theirs = {
            "load": best(lambda: keras.models.load_model(path)),
            "save": best(lambda: model.save(WORK / "theirs.keras")),
        }
        for job in ("load", "save"):
            result = ours(job, path)
            yield (f"{job}, {name}", theirs[job] / result["seconds"], result["seconds"] / result["copy"],
                   result["memory"] / size)
        batches = [1] if make is one_gigabyte else [1, 32]
        for batch in batches:
            result = ours("predict", path, batch)
            yield f"predict, {name}, batch {batch}", keras_predict(model, batch) / result["seconds"], None, None


def main():
    print("| | times as fast as Keras | times a plain copy | memory of a loaded model / file |")
    print("|---|---|---|---|")
    for name, speed, copies, memory in rows():
        cells = [f"{speed:.1f}", f"{copies:.2f}" if copies else "", f"{memory:.2f}" if memory is not None else ""]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
