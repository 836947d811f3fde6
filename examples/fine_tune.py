"""Opens in Keras what `fine_tune.rs` has trained, and measures it there."""

import os
import sys
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras  # noqa: E402
import numpy as np  # noqa: E402

results = Path(sys.argv[1])
digits = np.load(results / "mirrored.npz")
model = keras.models.load_model(results / "best.keras")
_, accuracy = model.evaluate(digits["images"], digits["labels"], verbose=0)
print(f"the same checkpoint, in Keras {keras.__version__}:           {100 * accuracy:.1f} % are read")
if abs(accuracy - np.load(results / "burn.npz")["accuracy"][0]) > 1e-6:
    sys.exit("Keras and Burn do not agree")
model.fit(digits["images"], digits["labels"], verbose=0)
print("and there, too, it goes on training")
