"""Lets one version of Keras open files that were written for it: predictions and optimizer states are compared.

Usage: versions_open.py VERSION LIST.json      with the Python that versions.sh prints for that version

The list has, for every file, the arrays that were recorded when the model was made.
"""

import json
import sys
from pathlib import Path

from report import tell
from versions import KERAS2, VERSION, alone, flat, keras, np, state


def differences(entry):
    """Everything in which a file is not what was recorded."""
    keras.backend.clear_session()
    with np.load(entry["arrays"]) as recorded:
        model = keras.models.load_model(entry["file"])
        inputs = [recorded[name] for name in recorded.files if name.startswith("in/")]
        outputs = [(name, recorded[name]) for name in recorded.files if name.startswith("out/")]
        got = flat(model.predict(alone(inputs), verbose=0))
        if len(got) != len(outputs):
            yield f"{len(got)} outputs, expected {len(outputs)}"
        for (name, want), got in zip(outputs, map(np.asarray, got)):
            if want.shape != got.shape or not np.allclose(got, want, rtol=entry["tolerance"], atol=entry["tolerance"]):
                yield f"{name} is {got.ravel()[:4]}, expected {want.ravel()[:4]}"
        if not entry["state"]:
            return
        names = sorted((name for name in recorded.files if name.startswith("optimizer/")), key=lambda it: int(it[10:]))
        states, got = [recorded[name] for name in names], state(model)
        if type(model.optimizer).__name__ == "Nadam":
            states, got = in_order(states), in_order(got)
        is_of_keras2 = Path(entry["arrays"]).parent.name.startswith("2.")
        if (KERAS2 or is_of_keras2) and type(model.optimizer).__name__ == "Nadam":
            # Keras 2 does not store the last one, and starts it again.
            states, got = states[:-1], got[:-1]
        if len(got) != len(states):
            yield f"{len(got)} optimizer variables, expected {len(states)}"
            return
        for at, got in enumerate(got):
            if got.shape != states[at].shape or not np.array_equal(got.astype("float64"), states[at].astype("float64")):
                yield f"optimizer variable {at} is {got.ravel()[:4]}, expected {states[at].ravel()[:4]}"


def in_order(values):
    """The state of Nadam in today's order: up to Keras 3.6, the product of momenta stood before the slots."""
    scalars = next(at for at, value in enumerate(values) if value.shape)
    return [*values[: scalars - 1], *values[scalars:], values[scalars - 1]] if scalars > 2 else values


def main():
    entries = json.loads(Path(sys.argv[2]).read_text())
    return tell(f"Keras {VERSION}", entries, lambda entry: "/".join(Path(entry["file"]).parts[-2:]), differences)


if __name__ == "__main__":
    sys.exit(main())
