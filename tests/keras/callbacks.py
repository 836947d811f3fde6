"""Writes down what real Keras' callbacks do.

Usage: callbacks.py FOLDER

Each scenario drives one or two callbacks through epochs with made-up logs, and keeps what became of the
training: how many epochs it had, its learning rates, its messages, its weights at the end, its files. For
BackupAndRestore it keeps what its files say after every event.
"""

import json
import math
import sys
import tempfile
import warnings
from pathlib import Path

import keras
import numpy as np
from keras.src.utils import io_utils

NAN, INF = math.nan, math.inf
SCHEDULES = {
    "halve": lambda epoch, rate: rate * 0.5,
    "steps": lambda epoch, rate: rate if epoch % 2 else 0.3 / (epoch + 1),
}


def epochs(**series):
    return [dict(zip(series, row, strict=True)) for row in zip(*series.values(), strict=True)]


def stopping(name, logs, **arguments):
    return scenario(f"stopping/{name}", ("EarlyStopping", arguments), logs=logs)


def plateau(name, losses, rate=0.1, **arguments):
    arguments = {"verbose": 1} | arguments
    return scenario(f"plateau/{name}", ("ReduceLROnPlateau", arguments), logs=epochs(val_loss=losses), rate=rate)


def scenario(name, *callbacks, logs, rate=0.01, batches=None, present=None):
    """`present` is what is in the file of CSVLogger before; `batches` are losses after the batches of each epoch."""
    callbacks = [{"class": kind, "arguments": arguments} for kind, arguments in callbacks]
    return {
        "name": name,
        "callbacks": callbacks,
        "logs": logs,
        "rate": rate,
        "batches": batches or [],
        "present": present,
    }


WORSE = [0.5, 0.4, 0.4, 0.6, 0.3, 0.7, 0.8, 0.2]
TINY = [0.1, 0.1 - 1e-10, 0.1 - 2e-10, 0.1 - 1e-7, 0.1 - 1e-8]
SCENARIOS = [
    stopping("no_patience", epochs(val_loss=WORSE), verbose=1),
    stopping("patience", epochs(val_loss=WORSE), patience=2, verbose=1),
    stopping("patient", epochs(val_loss=WORSE), patience=5, verbose=1),
    stopping("restored", epochs(val_loss=WORSE), patience=2, restore_best_weights=True, verbose=1),
    stopping("restored_after_all", epochs(val_loss=[3.0, 1.0, 2.0]), patience=9, restore_best_weights=True, verbose=1),
    stopping("silent", epochs(val_loss=WORSE), patience=1, restore_best_weights=True),
    stopping("min_delta", epochs(loss=[1.0, 0.9, 0.81, 0.8, 0.5]), monitor="loss", min_delta=0.1, patience=2),
    stopping("negative_delta", epochs(loss=[1.0, 0.9, 0.81, 0.8, 0.5]), monitor="loss", min_delta=-0.1, patience=2),
    stopping("auto_up", epochs(val_accuracy=[0.1, 0.3, 0.3, 0.2]), monitor="val_accuracy", patience=2, verbose=1),
    stopping("auto_down", epochs(mean_absolute_error=[1.0, 2.0, 3.0]), monitor="mean_absolute_error", patience=1),
    stopping("max", epochs(loss=[1.0, 2.0, 3.0, 2.5, 2.0]), monitor="loss", mode="max", patience=2),
    stopping("min", epochs(val_accuracy=[1.0, 2.0, 3.0]), monitor="val_accuracy", mode="min", patience=2),
    stopping("baseline_missed", epochs(val_loss=[0.9, 0.8, 0.7, 0.6]), baseline=0.5, patience=2, verbose=1),
    stopping("baseline_met", epochs(val_loss=[0.9, 0.4, 0.7, 0.6, 0.3]), baseline=0.5, patience=2, verbose=1),
    stopping(
        "baseline_restored",
        epochs(val_loss=[0.9, 0.8, 0.85, 0.6]),
        baseline=0.5,
        patience=2,
        restore_best_weights=True,
        verbose=1,
    ),
    stopping("warm_up", epochs(val_loss=[0.1, 0.9, 0.5, 0.6, 0.7, 0.8]), start_from_epoch=2, patience=2, verbose=1),
    stopping("warm_up_restored", epochs(val_loss=[0.1, 0.9, 0.5]), start_from_epoch=1, restore_best_weights=True),
    stopping("nan_first", epochs(val_loss=[NAN, 0.5, 0.4]), patience=2, restore_best_weights=True, verbose=1),
    stopping("nan_later", epochs(val_loss=[0.5, NAN, 0.4, NAN, NAN]), patience=2, verbose=1),
    stopping("infinite", epochs(val_loss=[INF, INF, 0.4, -INF, -INF]), patience=1, verbose=1),
    stopping("single_precision", epochs(val_loss=TINY), patience=3, restore_best_weights=True, verbose=1),
    plateau("patience", [1.0, 0.9, 0.9, 0.95, 0.99, 0.5, 0.6, 0.7], patience=2),
    plateau("at_once", [1.0, 1.0, 1.0, 1.0], patience=0, factor=0.3),
    plateau("every", [1.0, 1.0, 1.0, 1.0], patience=1),
    plateau("cooldown", [1.0] * 9, patience=2, cooldown=3, factor=0.5),
    plateau("cooldown_better", [1.0, 1.0, 0.5, 0.6, 0.6, 0.6], patience=1, cooldown=1, factor=0.25),
    plateau("min_lr", [1.0] * 8, patience=1, factor=0.5, min_lr=0.02),
    plateau("at_min_lr", [1.0] * 4, patience=1, factor=0.5, min_lr=0.1),
    plateau("min_delta", [1.0, 0.95, 0.91, 0.85, 0.8], patience=1, min_delta=0.1),
    plateau("default_delta", [1.0, 0.99995, 0.9998], patience=1),
    plateau("max", [1.0, 2.0, 1.5, 3.0, 2.5], patience=1, mode="max", factor=0.7),
    plateau("nan", [NAN, 1.0, 0.5], patience=1),
    plateau("tiny", [1.0] * 12, patience=1, rate=0.001),
    plateau("silent", [1.0] * 3, patience=1, verbose=0),
    scenario("rate/halve", ("LearningRateScheduler", {"schedule": "halve", "verbose": 1}), logs=epochs(loss=[1.0] * 9)),
    scenario("rate/steps", ("LearningRateScheduler", {"schedule": "steps"}), logs=epochs(loss=[1.0] * 5), rate=0.1),
    scenario(
        "rate/both",
        ("LearningRateScheduler", {"schedule": "halve", "verbose": 1}),
        ("ReduceLROnPlateau", {"monitor": "loss", "patience": 1, "factor": 0.1, "verbose": 1}),
        logs=epochs(loss=[1.0] * 4),
        rate=1.0,
    ),
    scenario(
        "nan/stop",
        ("TerminateOnNaN", {}),
        logs=epochs(loss=[0.5, NAN, 0.1]),
        batches=[[0.4, 0.5], [0.5, NAN, NAN], [0.1]],
    ),
    scenario("nan/infinite", ("TerminateOnNaN", {}), logs=epochs(loss=[0.5]), batches=[[0.4, -INF, 0.5]]),
    scenario("nan/raise", ("TerminateOnNaN", {"raise_error": True}), logs=epochs(loss=[0.5]), batches=[[0.4, INF, 0.5]]),
    scenario("nan/none", ("TerminateOnNaN", {}), logs=epochs(loss=[0.5, 0.1]), batches=[[0.4, 1e38], [0.0]]),
    scenario(
        "csv/validation",
        ("CSVLogger", {}),
        logs=epochs(loss=[0.5, 1e-5, 123456789.125], val_loss=[1e16, NAN, INF], accuracy=[1.0, 0.0, 1 / 3]),
    ),
    scenario("csv/separator", ("CSVLogger", {"separator": ";"}), logs=epochs(loss=[0.25, 2.0], mae=[1e-4, -0.0])),
    scenario("csv/quoted", ("CSVLogger", {"separator": "."}), logs=epochs(loss=[0.25, 2.0])),
    scenario("csv/validated_later", ("CSVLogger", {}), logs=[{"loss": 0.5}, {"loss": 0.4, "val_loss": 0.7}]),
    scenario("csv/gone", ("CSVLogger", {}), logs=[{"loss": 0.5, "mae": 1.0, "val_loss": 2.0}, {"loss": 0.4, "other": 1.0}]),
    scenario("csv/replaced", ("CSVLogger", {}), logs=epochs(loss=[0.5]), present="epoch,loss\r\n0,1.0\r\n"),
    scenario("csv/appended", ("CSVLogger", {"append": True}), logs=epochs(loss=[0.5]), present="epoch,loss\r\n0,1.0\r\n"),
    scenario("csv/append_to_none", ("CSVLogger", {"append": True}), logs=epochs(loss=[0.5])),
    scenario("csv/append_to_empty", ("CSVLogger", {"append": True}), logs=epochs(loss=[0.5]), present=""),
    scenario(
        "csv/rates",
        ("LearningRateScheduler", {"schedule": "halve"}),
        ("CSVLogger", {"separator": "\t"}),
        logs=epochs(loss=[0.5, 0.25]),
        rate=0.1,
    ),
]


def model_of(rate):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.compile(keras.optimizers.SGD(rate), loss="mse", metrics=["accuracy", "mean_absolute_error"])
    # Builds the metrics, whose directions are looked at.
    model.evaluate(np.zeros((1, 1)), np.zeros((1, 1)), verbose=0)
    return model


def callback_of(described, file):
    arguments = dict(described["arguments"])
    if "schedule" in arguments:
        arguments["schedule"] = SCHEDULES[arguments["schedule"]]
    if described["class"] == "CSVLogger":
        arguments["filename"] = str(file)
    return getattr(keras.callbacks, described["class"])(**arguments)


def plain(value):
    """JSON has no NaN."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return repr(value) if isinstance(value, float) and not math.isfinite(value) else value


def run(described, folder):
    file = Path(folder) / "log.csv"
    if described["present"] is not None:
        file.write_bytes(described["present"].encode())
    model, messages, rates = model_of(described["rate"]), [], []
    io_utils.print_msg = lambda message, line_break=True: messages.append(message)
    callbacks = [callback_of(one, file) for one in described["callbacks"]]
    for callback in callbacks:
        callback.set_model(model)
    error, count, steps = None, 0, 0
    model.stop_training = False
    try:
        for callback in callbacks:
            callback.on_train_begin({})
        for epoch, logs in enumerate(described["logs"]):
            for callback in callbacks:
                callback.on_epoch_begin(epoch, {})
            rates.append(float(model.optimizer.learning_rate.numpy()))
            # The weights are the number of the epoch.
            model.set_weights([np.full((1, 1), epoch, "float32")])
            for batch, loss in enumerate((described["batches"] + [[]] * 99)[epoch]):
                steps += 1
                for callback in callbacks:
                    callback.on_train_batch_end(batch, {"loss": loss})
                if model.stop_training:
                    break
            logs = dict(logs)
            for callback in callbacks:
                callback.on_epoch_end(epoch, logs)
            count += 1
            if model.stop_training:
                break
        for callback in callbacks:
            callback.on_train_end({})
    except RuntimeError as raised:
        error = str(raised)
    return {
        "epochs": count,
        "steps": steps,
        "rates": rates,
        "last_rate": float(model.optimizer.learning_rate.numpy()),
        "messages": [message.strip() for message in messages],
        "weights": float(model.get_weights()[0][0, 0]),
        "file": file.read_bytes().decode() if file.exists() else None,
        "error": error,
    }


BACKUPS = [
    {},
    {"double_checkpoint": True},
    {"save_freq": 3},
    {"save_freq": 3, "double_checkpoint": True, "delete_checkpoint": False},
    {"save_freq": 4, "delete_checkpoint": False},
    {"save_freq": 5},
    {"save_freq": 1, "double_checkpoint": True},
]


def back_up(arguments, folder):
    """Three epochs of four batches."""
    place, seen = Path(folder) / "backup", []
    callback = keras.callbacks.BackupAndRestore(str(place), **arguments)
    callback.set_model(model_of(0.1))

    def look():
        files = [place / name for name in ("training_metadata.json", "training_metadata.json.bkp")]
        seen.append([file.read_text() if file.exists() else None for file in files])

    callback.on_train_begin({})
    for epoch in range(3):
        callback.on_epoch_begin(epoch, {})
        for batch in range(4):
            callback.on_train_batch_end(batch, {})
            look()
        callback.on_epoch_end(epoch, {})
        look()
    callback.on_train_end({})
    left = sorted(file.name for file in place.iterdir()) if place.exists() else []
    return {"arguments": arguments, "seen": seen, "left": left}


def write(path, all):
    lines = ",\n".join(json.dumps(one) for one in all)
    path.write_text(f"[\n{lines}\n]\n")


def main(folder):
    warnings.simplefilter("ignore")
    folder, done = Path(folder), []
    folder.mkdir(parents=True, exist_ok=True)
    for described in SCENARIOS:
        with tempfile.TemporaryDirectory() as place:
            done.append(plain(described | {"expected": run(described, place)}))
    write(folder / "scenarios.json", done)
    backups = []
    for arguments in BACKUPS:
        with tempfile.TemporaryDirectory() as place:
            backups.append(back_up(arguments, place))
    write(folder / "backups.json", backups)
    print(f"{len(done) + len(backups)} scenarios, Keras {keras.__version__}")


if __name__ == "__main__":
    main(*sys.argv[1:])
