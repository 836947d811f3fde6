"""Real Keras opens what generated modules have saved: the same config, and the same predictions as before.

Usage: generated.py FIXTURES_DIR WRITTEN_DIR
"""

import sys
from pathlib import Path

import numpy as np
from judge import close, input_names, load, predict
from reopen import canonical


def check(fixture, written):
    model = load(written)
    arrays = np.load(fixture.with_suffix(".npz"))
    outputs = [arrays[key] for key in arrays if key.startswith("out/")]
    given = predict(model, [arrays[f"in/{name}"] for name in input_names(model)])
    assert len(given) == len(outputs), f"{len(given)} outputs"
    for (name, got), want in zip(given, outputs):
        assert close(want, got, rtol=1e-5, atol=1e-5), f"{name} is off by {np.abs(got - want).max()}"
    original = load(fixture.with_suffix(".keras"))
    assert canonical(model.get_config()) == canonical(original.get_config()), "another config"


if __name__ == "__main__":
    fixtures, written = map(Path, sys.argv[1:])
    paths = sorted(written.rglob("*.keras"))
    for path in paths:
        try:
            check(fixtures / path.relative_to(written), path)
        except Exception as error:
            raise SystemExit(f"{path.stem}: {error}") from error
    assert len(paths) > 5, paths
