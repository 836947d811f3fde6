"""Lets real Keras open what a store wrote out of a Burn module, and predict.

Usage: store.py FOLDER COUNT

There are COUNT files with weights, and beside them `model.json`, which describes their model, `inputs.json`, and
`outputs.json` with what the module gives. Those called `whole` are whole models, and go on training.
"""

import json
import sys
import warnings
from pathlib import Path

import keras
import numpy as np

warnings.filterwarnings("ignore", message="Skipping variable loading for optimizer")


def opened(path, description):
    if path.name.startswith("whole"):
        return keras.models.load_model(path)
    model = keras.models.model_from_json(description)
    model.load_weights(path)
    return model


def main():
    folder = Path(sys.argv[1])
    description = (folder / "model.json").read_text()
    inputs = np.asarray(json.loads((folder / "inputs.json").read_text()), "float32")
    expected = np.asarray(json.loads((folder / "outputs.json").read_text()), "float32")
    names = [".keras", ".h5", ".weights.json"]
    paths = [path for path in sorted(folder.iterdir()) if any(path.name.endswith(name) for name in names)]
    # The files of an index are opened with it.
    paths = [path for path in paths if not path.name.removesuffix(".weights.h5")[-5:].isdigit()]
    assert len(paths) == int(sys.argv[2]), [path.name for path in paths]
    for path in paths:
        model = opened(path, description)
        off = float(np.abs(model.predict(inputs, verbose=0) - expected).max())
        assert off <= 1e-5, f"{path.name} is off by {off}"
        trains = getattr(model, "compiled", False)
        if trains:
            before = np.asarray(model.weights[-1].value)
            model.fit(inputs, expected.argmax(-1), epochs=1, verbose=0)
            assert not np.array_equal(before, model.weights[-1].value), f"{path.name} does not train"
        print(f"{path.name}: off by {off:.1e}{', and trains on' if trains else ''}")


main()
