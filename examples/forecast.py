"""Opens in Keras what `forecast.rs` has written, and forecasts the same waves there."""

import os
import sys
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras  # noqa: E402
import numpy as np  # noqa: E402

results = Path(sys.argv[1])
recorded = np.load(results / "forecast.npz")
model = keras.models.load_model(results / "forecast.keras")
model.summary()
apart = np.abs(model.predict(recorded["series"], verbose=0) - recorded["forecasts"]).max()
print(f"Keras {keras.__version__} and Burn differ by {apart:.1e} at most")
if apart > 1e-5:
    sys.exit("Keras and Burn do not agree")
