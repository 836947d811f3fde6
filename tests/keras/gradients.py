"""Compares gradients with those of real Keras.

Usage: gradients.py FIXTURES_DIR GRADIENTS_DIR

GRADIENTS_DIR holds models whose trainable weights are gradients of the weights of
the fixture of the same name: of the sum of all float outputs, each entry times
the cosine of its number. Prints one line per difference, then the count.
"""

import json
import sys
import warnings
from pathlib import Path

from judge import input_names, keras, load, np
from keras import tree


def weighted_sum(outputs):
    """The scalar that is differentiated."""
    import jax.numpy as jnp

    total = 0.0
    for output in tree.flatten(outputs):
        if jnp.issubdtype(output.dtype, jnp.floating):
            weights = jnp.cos(jnp.arange(output.size, dtype="float32"))
            total += jnp.sum(output.reshape(-1).astype("float32") * weights)
    return total


def expected(model, arrays):
    """The gradient of every trainable variable, in order."""
    import jax

    functional = model._functional if isinstance(model, keras.Sequential) else model
    inputs = tree.pack_sequence_as(functional._inputs_struct, arrays)
    fixed = [variable.value for variable in model.non_trainable_variables]

    def total(trainable):
        outputs, _ = model.stateless_call(trainable, fixed, inputs, training=False)
        return weighted_sum(outputs)

    return jax.grad(total)([variable.value for variable in model.trainable_variables])


def differences(fixture, ours, tolerance):
    model = load(fixture)
    with np.load(fixture.with_suffix(".npz")) as recorded:
        arrays = [recorded[f"in/{name}"] for name in input_names(model)]
    wanted = [np.asarray(gradient) for gradient in expected(model, arrays)]
    got = [np.asarray(variable) for variable in load(ours).trainable_variables]
    for variable, want, ours in zip(model.trainable_variables, wanted, got, strict=True):
        scale = max(1.0, float(np.abs(want).max(initial=0.0)))
        worst = float(np.abs(want - ours).max(initial=0.0)) / scale
        if not worst <= tolerance:
            yield f"the gradient of {variable.path} is off by {worst:.1e}"


def main(originals, gradients):
    warnings.simplefilter("ignore")
    cases = json.loads((Path(originals) / "manifest.json").read_text(encoding="utf-8"))["cases"]
    tolerances = {case["model"]: case.get("tolerance", 0.0) for case in cases}
    passed = failed = 0
    for path in sorted(Path(gradients).rglob("*.keras")):
        name = path.relative_to(gradients)
        try:
            # The way back rounds once more.
            tolerance = max(2e-5, 2 * tolerances[name.as_posix()])
            found = list(differences(Path(originals) / name, path, tolerance))
        except Exception as error:
            found = [f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"]
        for line in found:
            print(f"{name}: {line}")
        passed, failed = passed + (not found), failed + bool(found)
    print(f"{passed} gradients agree, {failed} do not")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
