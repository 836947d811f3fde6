"""Lets real Keras open what a store wrote out of a Burn module, and predict.

Usage: store.py FOLDER COUNT

There are COUNT files, and beside them `model.json`, which describes the model, `inputs.json`, and `outputs.json` with what the module gives. All
other files have its weights: whole models, which Keras also trains for a step if they are compiled, and weights alone.
"""

import json
import sys
import warnings
from pathlib import Path

import keras
import numpy as np

warnings.filterwarnings("ignore", message="Skipping variable loading for optimizer")


def opened(path, description):
    if path.is_dir() or path.suffix == ".keras" or path.name.startswith("whole"):
        return keras.models.load_model(path)
    model = keras.models.model_from_json(description)
    model.load_weights(path)
    return model


def main():
    folder = Path(sys.argv[1])
    description = (folder / "model.json").read_text()
    inputs = np.asarray(json.loads((folder / "inputs.json").read_text()), "float32")
    expected = np.asarray(json.loads((folder / "outputs.json").read_text()), "float32")
    names = [".keras", ".dir", ".h5", ".weights.json"]
    paths = [path for path in sorted(folder.iterdir()) if any(path.name.endswith(name) for name in names)]
    # The files of an index are opened with it.
    paths = [path for path in paths if not path.name.removesuffix(".weights.h5")[-5:].isdigit()]
    assert len(paths) == int(sys.argv[2]), [path.name for path in paths]
    for path in paths:
        model = opened(path, description)
        off = float(np.abs(model.predict(inputs, verbose=0) - expected).max())
        assert off <= 1e-5, f"{path.name} is off by {off}"
        trained = ""
        if getattr(model, "compiled", False) and path.name.startswith("whole"):
            before = [np.array(variable) for variable in model.weights]
            model.fit(inputs, expected, epochs=1, verbose=0)
            moved = [not np.array_equal(old, new) for old, new in zip(before, model.weights)]
            assert all(moved), f"{path.name} does not train"
            trained = ", and trains on"
        print(f"{path.name}: off by {off:.1e}{trained}")


main()
