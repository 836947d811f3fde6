"""HDF5 files of models, and what they compute, as tests/wild.rs reads them: it needs no Keras."""

import json

import numpy as np


def record(folder, models):
    """Writes models, given by their names, what saves them to a path, and their inputs and outputs."""
    folder.mkdir(parents=True, exist_ok=True)
    index = []
    for name, save, inputs, outputs in models:
        save(folder / f"{name}.h5")
        arrays = {f"in_{at}": array for at, array in enumerate(inputs)}
        arrays |= {f"out_{at}": array for at, array in enumerate(outputs)}
        np.savez(folder / f"{name}.npz", **arrays)
        index.append({"model": f"{name}.h5", "io": f"{name}.npz"})
    (folder / "index.json").write_text(json.dumps(index))
    print(len(index), "models")
