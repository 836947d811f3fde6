"""Steps of every optimizer of Keras with fixed gradients, and what it keeps after them.

Usage: optimizers_continue.py make DIR               writes cases.json, gradients.npy and one .npy for each case
       optimizers_continue.py judge DIR WRITTEN      goes on from the states in WRITTEN, compares with DIR
       optimizers_continue.py model FILE WRITTEN     steps on from FILE, compares with the model WRITTEN

A .npy of a case has two rows, after BEFORE steps and after all: the variables, then those of the optimizer.
Keras runs on JAX.
"""

import json
import sys
from pathlib import Path

import keras
import numpy as np
from keras import optimizers
from keras.optimizers import schedules

BEFORE, AFTER = 3, 3
STEPS = BEFORE + AFTER
TOLERANCE = 1e-5

# Path, and shape in Keras. In Burn the kernel of the convolution has other axes, and the bias is a vector.
VARIABLES = {
    "dense/kernel": (3, 4),
    "dense/bias": (4,),
    "conv/kernel": (2, 2, 3, 2),
    "cube/kernel": (2, 3, 2),
    "embedding/embeddings": (5, 2),
    "gain/scale": (),
    "einsum/bias": (2, 3),
    "tall/kernel": (6, 2),
}

SCHEDULES = {
    "exponential": schedules.ExponentialDecay(0.05, 2, 0.5),
    "exponential_stairs": schedules.ExponentialDecay(0.05, 2, 0.5, staircase=True),
    "piecewise": schedules.PiecewiseConstantDecay([1, 2, 4], [0.05, 0.02, 0.01, 0.005]),
    "piecewise_one": schedules.PiecewiseConstantDecay([3.7], [0.05, 0.02]),
    "polynomial": schedules.PolynomialDecay(0.05, 5, 0.01, power=2.0),
    "polynomial_cycle": schedules.PolynomialDecay(0.05, 2, 0.01, power=0.5, cycle=True),
    "inverse": schedules.InverseTimeDecay(0.05, 2, 0.5),
    "inverse_stairs": schedules.InverseTimeDecay(0.05, 2.5, 0.5, staircase=True),
    "cosine": schedules.CosineDecay(0.05, 5, alpha=0.1),
    "cosine_warmup": schedules.CosineDecay(0.01, 4, alpha=0.1, warmup_target=0.05, warmup_steps=2),
    "restarts": schedules.CosineDecayRestarts(0.05, 2, t_mul=1.5, m_mul=0.8, alpha=0.1),
    "restarts_same": schedules.CosineDecayRestarts(0.05, 2, t_mul=1.0, m_mul=0.9),
}
RATES = [*range(12), 99, 1000, 54321, 1000000]


def scaled(inner, **arguments):
    return optimizers.LossScaleOptimizer(inner, **arguments)


# Name: how to make it, and what is special: variables without a gradient, names without weight decay, the step
# whose gradients are not finite.
CASES = {
    "sgd": (lambda: optimizers.SGD(0.1), {}),
    "sgd_momentum": (lambda: optimizers.SGD(0.1, momentum=0.9), {}),
    "sgd_nesterov": (lambda: optimizers.SGD(0.1, momentum=0.9, nesterov=True, clipnorm=0.5), {}),
    "sgd_decay": (lambda: optimizers.SGD(0.1, momentum=0.5, weight_decay=0.1), {"exclude": ["bias", "^sc"]}),
    "sgd_clipvalue": (lambda: optimizers.SGD(0.1, clipvalue=0.3), {}),
    "sgd_global": (lambda: optimizers.SGD(0.1, global_clipnorm=0.7), {}),
    "sgd_global_factor": (lambda: optimizers.SGD(0.1, global_clipnorm=0.7, loss_scale_factor=4.0), {}),
    "sgd_global_idle": (lambda: optimizers.SGD(0.1, global_clipnorm=1e9), {}),
    "sgd_factor": (lambda: optimizers.SGD(0.1, momentum=0.9, loss_scale_factor=128.0), {}),
    "sgd_ema": (lambda: optimizers.SGD(0.1, use_ema=True, ema_momentum=0.7), {}),
    "rmsprop": (lambda: optimizers.RMSprop(0.01), {}),
    "rmsprop_momentum": (lambda: optimizers.RMSprop(0.01, momentum=0.8, rho=0.7), {}),
    "rmsprop_centered": (lambda: optimizers.RMSprop(0.01, momentum=0.8, centered=True, epsilon=1e-3), {}),
    "adam": (lambda: optimizers.Adam(0.01), {}),
    "adam_amsgrad": (lambda: optimizers.Adam(0.01, amsgrad=True, beta_2=0.7), {}),
    "adam_clipnorm": (lambda: optimizers.Adam(0.01, clipnorm=0.1, weight_decay=0.05), {"exclude": ["kernel"]}),
    "adam_ema": (lambda: optimizers.Adam(0.05, use_ema=True, ema_momentum=0.8, ema_overwrite_frequency=2), {}),
    "adam_accumulation": (lambda: optimizers.Adam(0.05, gradient_accumulation_steps=2, clipnorm=0.5), {}),
    "adam_everything": (
        lambda: optimizers.Adam(
            SCHEDULES["exponential"], amsgrad=True, gradient_accumulation_steps=2, use_ema=True, ema_momentum=0.6,
            ema_overwrite_frequency=2, weight_decay=0.1, clipvalue=0.5, loss_scale_factor=2.0,
        ),
        {"exclude": ["bias"]},
    ),
    "adam_missing": (lambda: optimizers.Adam(0.05, use_ema=True, weight_decay=0.1), {"missing": [0, 2, 6]}),
    "adamw": (lambda: optimizers.AdamW(0.01, weight_decay=0.3), {"exclude": ["bias"]}),
    "adadelta": (lambda: optimizers.Adadelta(1.0), {}),
    "adagrad": (lambda: optimizers.Adagrad(0.1, initial_accumulator_value=0.3), {"missing": [1]}),
    "adamax": (lambda: optimizers.Adamax(0.01), {}),
    "adafactor": (lambda: optimizers.Adafactor(0.05), {}),
    "adafactor_absolute": (lambda: optimizers.Adafactor(0.05, relative_step=False, clip_threshold=0.5), {}),
    "adafactor_scheduled": (lambda: optimizers.Adafactor(SCHEDULES["cosine"], beta_2_decay=-0.5), {}),
    "adafactor_ema": (
        lambda: optimizers.Adafactor(0.05, use_ema=True, gradient_accumulation_steps=2), {"missing": [2, 6]},
    ),
    "nadam": (lambda: optimizers.Nadam(0.01), {}),
    "nadam_accumulation": (lambda: optimizers.Nadam(0.01, gradient_accumulation_steps=2), {}),
    "ftrl": (lambda: optimizers.Ftrl(0.1), {}),
    "ftrl_regularized": (
        lambda: optimizers.Ftrl(
            0.1, learning_rate_power=-0.7, initial_accumulator_value=0.2, l1_regularization_strength=0.05,
            l2_regularization_strength=0.1, l2_shrinkage_regularization_strength=0.02, beta=0.3,
        ),
        {"missing": [3]},
    ),
    "lion": (lambda: optimizers.Lion(0.01, weight_decay=0.1), {}),
    "lamb": (lambda: optimizers.Lamb(0.01), {}),
    "muon": (lambda: optimizers.Muon(0.01), {"exclude": ["bias"]}),
    "muon_plain": (
        lambda: optimizers.Muon(
            0.01, nesterov=False, rms_rate=None, exclude_embeddings=False, adam_lr_ratio=0.1, adam_weight_decay=None,
            ns_steps=3, exclude_layers=["^tall/", "ein.um"],
        ),
        {},
    ),
    "schedule_free": (lambda: optimizers.ScheduleFreeAdamW(0.05), {"missing": [4]}),
    "schedule_free_warmup": (lambda: optimizers.ScheduleFreeAdamW(0.05, warmup_steps=4, weight_decay=0.1), {}),
    "scaled": (lambda: scaled(optimizers.Adam(0.01), initial_scale=8.0, dynamic_growth_steps=2), {"infinite": 1}),
    "scaled_later": (
        lambda: scaled(
            optimizers.SGD(SCHEDULES["inverse"], momentum=0.9, global_clipnorm=0.1, use_ema=True, loss_scale_factor=3.0),
            initial_scale=64.0,
        ),
        {"infinite": 4},
    ),
    "scaled_adafactor": (lambda: scaled(optimizers.Adafactor(0.01)), {}),
    **{f"schedule_{name}": (lambda it=it: optimizers.SGD(it), {}) for name, it in SCHEDULES.items()},
}


def gradients():
    """Of every step one after the other, each a list of arrays: tiny and large ones."""
    draw = np.random.default_rng(7)
    count = sum(int(np.prod(shape)) for shape in VARIABLES.values())
    numbers = draw.normal(size=(STEPS, count)) * 10.0 ** draw.uniform(-5, 0.5, size=(STEPS, count))
    numbers[2] *= 30.0
    numbers[4] *= 1e-3
    return numbers.astype("float32")


def split(numbers, shapes):
    at = 0
    for shape in shapes:
        count = int(np.prod(shape))
        yield np.asarray(numbers[at:at + count]).reshape(shape)
        at += count
    assert at == len(numbers), (at, len(numbers))


def variables():
    draw = np.random.default_rng(3)
    made = []
    for path, shape in VARIABLES.items():
        scope, name = path.split("/")
        with keras.name_scope(scope):
            made.append(keras.Variable(draw.normal(size=shape).astype("float32") * 0.5, name=name))
    assert [it.path for it in made] == list(VARIABLES)
    return made


def built(name, weights):
    make, special = CASES[name]
    optimizer = make()
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    if "exclude" in special:
        inner.exclude_from_weight_decay(var_names=special["exclude"])
    optimizer.build(weights)
    return optimizer


def steps(name, optimizer, weights, first, last):
    _, special = CASES[name]
    numbers = gradients()
    for step in range(first, last):
        grads = list(split(numbers[step], VARIABLES.values()))
        if special.get("infinite") == step:
            grads[2] = grads[2].copy()
            grads[2][0, 1, 0, 1] = np.inf
        for at in special.get("missing", []):
            grads[at] = None
        grads = [None if grad is None else keras.ops.convert_to_tensor(grad) for grad in grads]
        values = [variable.value for variable in optimizer.variables]
        new, values = optimizer.stateless_apply(values, grads, [weight.value for weight in weights])
        for variable, value in zip([*weights, *optimizer.variables], [*new, *values], strict=True):
            variable.assign(value)


def flat(weights, optimizer):
    parts = [np.asarray(it.value, "float32").ravel() for it in [*weights, *optimizer.variables]]
    return np.concatenate(parts)


def make(folder):
    folder.mkdir(exist_ok=True)
    start = np.concatenate([np.asarray(it.value).ravel() for it in variables()])
    np.save(folder / "gradients.npy", np.concatenate([start[None], gradients()]))
    cases = {}
    for name, (_, special) in CASES.items():
        keras.backend.clear_session()
        weights = variables()
        optimizer = built(name, weights)
        steps(name, optimizer, weights, 0, BEFORE)
        before = flat(weights, optimizer)
        steps(name, optimizer, weights, BEFORE, STEPS)
        np.save(folder / f"{name}.npy", np.stack([before, flat(weights, optimizer)]))
        described = optimizers.serialize(optimizer)
        shapes = [list(it.shape) for it in optimizer.variables]
        cases[name] = {"optimizer": described, "shapes": shapes, **special}
    schedule = lambda it: {"schedule": schedules.serialize(it), "rates": [float(it(np.int32(step))) for step in RATES]}
    document = {
        "variables": [[path, list(shape)] for path, shape in VARIABLES.items()],
        "steps": [BEFORE, AFTER],
        "at": RATES,
        "defaults": [optimizers.serialize(make()) for make in defaults()],
        "schedules": {name: schedule(it) for name, it in SCHEDULES.items()},
        "cases": cases,
    }
    lines = []
    for key, value in document.items():
        if isinstance(value, dict):
            inner = ",\n".join(f"{json.dumps(name)}: {json.dumps(it)}" for name, it in value.items())
            lines.append(f"{json.dumps(key)}: {{\n{inner}\n}}")
        else:
            lines.append(f"{json.dumps(key)}: {json.dumps(value)}")
    (folder / "cases.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
    model = keras.Sequential([
        keras.layers.Input((6, 6, 2)),
        keras.layers.Conv2D(3, (3, 2), name="conv"),
        keras.layers.BatchNormalization(name="norm"),
        keras.layers.Flatten(name="flat"),
        keras.layers.Dense(2, name="frozen", trainable=False),
        keras.layers.Dense(3, name="last"),
    ], name="model")
    for name, optimizer in MODELS.items():
        model.compile(optimizer=optimizer(), loss="mse")
        model.optimizer.build(model.trainable_variables)
        for step in range(2):
            step_model(model, step)
        model.save(folder / f"{name}.keras")


MODELS = {
    "adafactor_model": lambda: optimizers.Adafactor(0.01, use_ema=True),
    "nadam_model": lambda: optimizers.Nadam(0.01),
    "scaled_model": lambda: scaled(optimizers.Adafactor(0.01), initial_scale=8.0, dynamic_growth_steps=3),
}


def defaults():
    known = "SGD RMSprop Adam AdamW Adadelta Adagrad Adamax Adafactor Nadam Ftrl Lion Lamb Muon ScheduleFreeAdamW"
    yield from (getattr(optimizers, name) for name in known.split())
    yield lambda: scaled(optimizers.Adam())


def step_model(model, step):
    """The gradient of every variable is the sine of its numbers' places, in the order of Keras."""
    optimizer = model.optimizer
    grads = []
    for at, variable in enumerate(model.trainable_variables):
        places = np.arange(np.prod(variable.shape), dtype="float32").reshape(variable.shape)
        grads.append(keras.ops.convert_to_tensor(np.sin(places * (step + 1) + at).astype("float32")))
    values = [variable.value for variable in optimizer.variables]
    new, values = optimizer.stateless_apply(values, grads, [it.value for it in model.trainable_variables])
    for variable, value in zip([*model.trainable_variables, *optimizer.variables], [*new, *values], strict=True):
        variable.assign(value)


def difference(got, expected):
    """The greatest, beside the size of what is compared."""
    if got.shape != expected.shape:
        return np.inf
    worst = np.abs(got - expected).max(initial=0.0) / max(1.0, np.abs(expected).max(initial=0.0))
    return float(worst) if np.isfinite(worst) else np.inf


def judge(folder, written):
    cases = json.loads((folder / "cases.json").read_text())["cases"]
    wrong = 0
    for name in CASES:
        weights = variables()
        optimizer = built(name, weights)
        shapes = [*VARIABLES.values(), *cases[name]["shapes"]]
        parts = split(np.load(written / f"{name}.npy"), shapes)
        for variable, value in zip([*weights, *optimizer.variables], parts, strict=True):
            variable.assign(value.astype(variable.dtype))
        steps(name, optimizer, weights, BEFORE, STEPS)
        expected = np.load(folder / f"{name}.npy")[1]
        got = flat(weights, optimizer)
        pairs = zip(split(got, shapes), split(expected, shapes), strict=True)
        worst = max(difference(*pair) for pair in pairs)
        if not worst <= TOLERANCE:
            print(f"{name}: what Keras makes of it differs by {worst}")
            wrong += 1
    return wrong


def model(original, written):
    own = keras.models.load_model(original)
    other = keras.models.load_model(written)
    for step in range(2, 5):
        step_model(own, step)
    pairs = zip([*own.weights, *own.optimizer.variables], [*other.weights, *other.optimizer.variables], strict=True)
    worst = max(difference(np.asarray(b.value), np.asarray(a.value)) for a, b in pairs)
    print(f"{written.name}: {worst}")
    return not worst <= TOLERANCE


if __name__ == "__main__":
    command, *paths = sys.argv[1:]
    sys.exit(int({"make": make, "judge": judge, "model": model}[command](*map(Path, paths)) or 0))
