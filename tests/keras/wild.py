"""Lets real Keras predict with models that were read from old files and saved as `.keras`.

Usage: wild.py FOLDER WRITTEN     FOLDER has the arrays beside the old files, WRITTEN the models
"""

import sys
import zipfile
from pathlib import Path

import keras
import numpy as np

# What Keras 3 has no class for.
GONE = ["TensorFlowOpLayer"]


def main():
    folder, written = map(Path, sys.argv[1:3])
    failures, count = [], 0
    for path in sorted(written.glob("*.keras")):
        config = zipfile.ZipFile(path).read("config.json").decode()
        if gone := [name for name in GONE if f'"{name}"' in config]:
            print(f"SKIPPED: {path.name} has {gone}, which Keras 3 has not")
            continue
        count += 1
        arrays = np.load(folder / f"{path.stem}.npz")
        inputs = [arrays[name] for name in arrays.files if name.startswith("in_")]
        expected = [arrays[name] for name in arrays.files if name.startswith("out_")]
        try:
            model = keras.models.load_model(path)
            inputs = inputs[0] if len(inputs) == 1 else keras.tree.pack_sequence_as(model.input, inputs)
            outputs = model.predict(inputs, batch_size=len(arrays["in_0"]), verbose=0)
            outputs = keras.tree.flatten(outputs)
            # Some are only there to be loaded.
            for output, wanted in zip(outputs, expected or outputs, strict=True):
                np.testing.assert_allclose(output, wanted, rtol=1e-5, atol=1e-5)
        except Exception as error:
            failures.append(f"{path.name}: {type(error).__name__}: {str(error)[:300]}")
    print("\n".join(failures))
    print(f"{count} models, {len(failures)} failures")
    sys.exit(bool(failures) or count == 0)


if __name__ == "__main__":
    main()
