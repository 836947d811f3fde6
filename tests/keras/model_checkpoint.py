"""What real Keras' ModelCheckpoint does, and what real Python writes into names.

Usage: model_checkpoint.py make DIR     writes scenarios.json and formats.json into DIR
       model_checkpoint.py judge DIR    opens the checkpoints in DIR, of which expected.json tells what they are

A scenario is a checkpoint and the logs of a training. The real callback is told of them, with a real model to save,
and what it writes and says is noted. `ours` says where the crate does otherwise on purpose, and why.
"""

import contextlib
import io
import json
import os
import random
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np

NAN = float("nan")
INF = float("inf")


def ends(name, *values):
    """Epochs without batches, at whose ends one number is in the logs."""
    return [{"end": {"loss": 1.0, "val_loss": 1.0, name: value}} for value in values]


def batches(*epochs, name="loss"):
    """Epochs with batches after each of which one number is in the logs."""
    return [
        {
            "batches": [[index, {"loss": 1.0, name: value}] for index, value in enumerate(values)],
            "end": {"loss": 1.0, "val_loss": 1.0, name: values[-1]},
        }
        for values in epochs
    ]


FOUR = batches([0.9, 0.8, 0.7, 0.6], [0.5, 0.6, 0.4, 0.4], [0.7, 0.3, 0.2, 0.1])
DOWN = ends("val_loss", 0.5, 0.25, 0.3, 0.25, 0.125)
UP = ends("val_accuracy", 0.5, 0.25, 0.5, 0.75, 0.75)
TYPO = {"why": "told before the first epoch"}
LUCKY = ends("val_lucky", 3.0, 2.0, 1.0)

# Name, arguments, epochs, and where we do otherwise.
SCENARIOS = [
    ("every epoch", {"filepath": "model.keras"}, DOWN),
    ("silent", {"filepath": "{epoch}.keras", "verbose": 0}, DOWN),
    ("numbered", {"filepath": "e{epoch:02d}-{val_loss:.2f}.keras"}, DOWN),
    ("whole legacy files", {"filepath": "{epoch}.h5"}, DOWN[:2]),
    ("in folders", {"filepath": "a/b{epoch}/{epoch:03d}.weights.h5", "save_weights_only": True}, DOWN[:3]),
    ("braces and signs", {"filepath": "{{x}}{epoch:x}_{val_loss:+010.3e}_{loss!r:>6}.keras"}, DOWN[:2]),
    ("percent", {"filepath": "{epoch:>4}_{val_loss:.1%}_{loss:g}.keras"}, DOWN[:2]),
    ("best of val_loss", {"filepath": "{epoch}.keras", "save_best_only": True}, DOWN),
    ("best replaces", {"filepath": "best.weights.h5", "save_best_only": True, "save_weights_only": True}, DOWN),
    ("best of val_accuracy", {"filepath": "{epoch}.keras", "save_best_only": True, "monitor": "val_accuracy"}, UP),
    ("best of accuracy", {"filepath": "{epoch}.keras", "save_best_only": True, "monitor": "accuracy"}, ends("accuracy", 0.5, 0.4, 0.6)),
    ("best of loss", {"filepath": "{epoch}.keras", "save_best_only": True, "monitor": "loss"}, ends("loss", 0.5, 0.6, 0.4)),
    ("best of mae", {"filepath": "{epoch}.keras", "save_best_only": True, "monitor": "val_mae"}, ends("val_mae", 0.5, 0.6, 0.4)),
    ("highest loss", {"filepath": "{epoch}.keras", "save_best_only": True, "mode": "max"}, DOWN + ends("val_loss", 0.75)),
    ("lowest accuracy", {"filepath": "{epoch}.keras", "save_best_only": True, "monitor": "val_accuracy", "mode": "min"}, UP),
    ("unknown mode", {"filepath": "{epoch}.keras", "save_best_only": True, "mode": "lowest"}, DOWN),
    ("no direction", {"filepath": "{epoch}.keras", "save_best_only": True, "monitor": "val_lucky"}, LUCKY, TYPO | {"refused": "give the mode"}),
    ("direction given", {"filepath": "{epoch}.keras", "save_best_only": True, "monitor": "val_lucky", "mode": "min"}, LUCKY),
    (
        "no direction needed",
        {"filepath": "{epoch}.keras", "monitor": "val_lucky"},
        LUCKY[:1],
        {
            "why": "nothing is compared",
            "written": [["e1", ["1.keras"]]],
            "said": ["Epoch 1: saving model to 1.keras", "Epoch 1: finished saving model to 1.keras"],
        },
    ),
    ("ties", {"filepath": "{epoch}.keras", "save_best_only": True}, ends("val_loss", 0.5, 0.5, 0.5)),
    ("ties upwards", {"filepath": "{epoch}.keras", "save_best_only": True, "mode": "max"}, ends("val_loss", 0.5, 0.5, 0.6, 0.6)),
    # The same number for Keras, which compares in 32 bits.
    ("nearly ties", {"filepath": "{epoch}.keras", "save_best_only": True}, ends("val_loss", 0.1, 0.1 - 1e-10, 0.1 - 1e-7)),
    ("NaN later", {"filepath": "{epoch}.keras", "save_best_only": True}, ends("val_loss", 0.5, NAN, 0.6, NAN, 0.4)),
    (
        "NaN first",
        {"filepath": "{epoch}.keras", "save_best_only": True},
        ends("val_loss", NAN, 0.5, 0.6),
        {
            "why": "the documentation promises the best model, which NaN is not; in Keras nothing is saved any more",
            "written": [["e2", ["2.keras"]]],
            "said": [
                "Epoch 1: val_loss did not improve from None",
                "Epoch 2: val_loss improved from None to 0.50000, saving model to 2.keras",
                "Epoch 2: finished saving model to 2.keras",
                "Epoch 3: val_loss did not improve from 0.50000",
            ],
        },
    ),
    ("infinities", {"filepath": "{epoch}.keras", "save_best_only": True}, ends("val_loss", INF, INF, 1e30, -INF, -INF)),
    ("NaN in names", {"filepath": "{epoch}-{val_loss:.2f}-{loss}.keras"}, ends("val_loss", NAN, INF, -0.0)),
    ("threshold", {"filepath": "{epoch}.keras", "save_best_only": True, "initial_value_threshold": 0.3}, DOWN),
    ("threshold reached", {"filepath": "{epoch}.keras", "save_best_only": True, "initial_value_threshold": 0.25}, DOWN),
    ("threshold upwards", {"filepath": "{epoch}.keras", "save_best_only": True, "monitor": "val_accuracy", "initial_value_threshold": 0.6}, UP),
    ("threshold alone", {"filepath": "{epoch}.keras", "initial_value_threshold": 0.01}, DOWN[:2]),
    *((f"every {n} batches", {"filepath": "{epoch}-{batch}.weights.h5", "save_weights_only": True, "save_freq": n}, FOUR) for n in [1, 2, 3, 4, 5, 7, 13]),
    ("batches in names", {"filepath": "{epoch:02d}_{batch:03d}_{loss:.2f}.keras", "save_freq": 3}, FOUR),
    ("one name for batches", {"filepath": "last.keras", "save_freq": 5}, FOUR),
    (
        "several batches at once",
        {"filepath": "{epoch}-{batch}.keras", "save_freq": 3},
        [{"batches": [[1, {"loss": 1.0}], [3, {"loss": 1.0}], [4, {"loss": 1.0}]], "end": {"loss": 1.0, "val_loss": 1.0}}] * 3,
    ),
    ("best once an epoch", {"filepath": "{epoch}-{batch}.keras", "save_freq": 4, "save_best_only": True, "monitor": "loss"}, FOUR),
    (
        "best of batches",
        {"filepath": "{epoch}-{batch}.keras", "save_freq": 2, "save_best_only": True, "monitor": "loss"},
        FOUR[:2],
        {
            "why": "Keras fails when it compares before the first epoch has ended",
            "written": [["e1-b2", ["1-2.keras"]], ["e1-b4", ["1-4.keras"]], ["e2-b4", ["2-4.keras"]]],
            "said": [
                "Epoch 1: loss improved from None to 0.80000, saving model to 1-2.keras",
                "Epoch 1: finished saving model to 1-2.keras",
                "Epoch 1: loss improved from 0.80000 to 0.60000, saving model to 1-4.keras",
                "Epoch 1: finished saving model to 1-4.keras",
                "Epoch 2: loss did not improve from 0.60000",
                "Epoch 2: loss improved from 0.60000 to 0.40000, saving model to 2-4.keras",
                "Epoch 2: finished saving model to 2-4.keras",
            ],
        },
    ),
    (
        "best of batches by the validation",
        {"filepath": "{epoch}.keras", "save_freq": 4, "save_best_only": True},
        FOUR,
        {"why": "it is never there after a batch, so that Keras saves always", "refused": "\"val_loss\" is there only after epochs"},
    ),
    (
        "no batches",
        {"filepath": "{epoch}-{batch}.keras", "save_freq": 0},
        FOUR[:1],
        {"why": "Keras saves after every batch, which nobody who writes 0 expects", "refused": "0 batches"},
    ),
    (
        "nothing of that name",
        {"filepath": "{epoch}.keras", "save_best_only": True, "monitor": "val_acuracy"},
        UP[:2],
        {"why": "in Keras it fails after the first epoch, or saves what may not be the best", "refused": "did you mean \"val_accuracy\""},
    ),
    (
        "validation every other epoch",
        {"filepath": "{epoch}.keras", "save_best_only": True},
        [{"end": {"loss": 1.0}}, DOWN[0], {"end": {"loss": 1.0}}, DOWN[2]],
        {
            "why": "what cannot be compared may not be the best; Keras saves it",
            "written": [["e2", ["2.keras"]], ["e4", ["4.keras"]]],
            "said": [
                "Can save best model only with val_loss available, skipping.",
                "Epoch 2: val_loss improved from None to 0.50000, saving model to 2.keras",
                "Epoch 2: finished saving model to 2.keras",
                "Epoch 4: val_loss improved from 0.50000 to 0.30000, saving model to 4.keras",
                "Epoch 4: finished saving model to 4.keras",
            ],
        },
    ),
    ("unknown field", {"filepath": "{epoch}-{val_los:.2f}.keras"}, DOWN, TYPO | {"refused": "did you mean \"val_loss\""}),
    ("no batch after epochs", {"filepath": "{epoch}-{batch}.keras"}, DOWN, TYPO | {"refused": "there is no \"batch\""}),
    ("no validation after batches", {"filepath": "{val_loss}.keras", "save_freq": 2}, FOUR, TYPO | {"refused": "there is no \"val_loss\""}),
    ("wrong format", {"filepath": "{val_loss:02d}.keras"}, DOWN, TYPO | {"refused": "\"d\" is not for numbers with a fraction"}),
    ("wrong precision", {"filepath": "{epoch:.2d}.keras"}, DOWN, TYPO | {"refused": "a precision is not for whole numbers"}),
    ("open brace", {"filepath": "{epoch.keras"}, DOWN, TYPO | {"refused": "never closed"}),
    ("single brace", {"filepath": "epoch}.keras"}, DOWN, TYPO | {"refused": "a single '}'"}),
    ("no name in a field", {"filepath": "{}.keras"}, DOWN, TYPO | {"refused": "a field without a name"}),
    ("attributes", {"filepath": "{epoch.real}.keras"}, DOWN[:1], {"why": "names come from numbers, not from objects of Python", "refused": "attribute"}),
    ("nested fields", {"filepath": "{val_loss:.{epoch}f}.keras"}, DOWN[:1], {"why": "nobody does", "refused": "a field inside of a field"}),
    ("weights in a model", {"filepath": "{epoch}.keras", "save_weights_only": True}, DOWN, TYPO | {"refused": "ends in .weights.h5"}),
    ("another ending", {"filepath": "{epoch}.hdf5"}, DOWN, TYPO | {"refused": "ends in .keras or .h5"}),
    ("no ending", {"filepath": "model"}, DOWN, TYPO | {"refused": "ends in .keras or .h5"}),
    ("a directory", {"filepath": "model.keras"}, DOWN, TYPO | {"refused": "this is a directory"}, {"directory": "model.keras"}),
    ("a file for a folder", {"filepath": "models/{epoch}.keras"}, DOWN, TYPO | {"refused": "no file can be written"}, {"file": "models"}),
]

# What stands after the name in a field.
FORMATS = """
: :.2f :.0f :.5f :02d :03d :5 :<6 :>6 :^7 :=8 :08 :+ :- :; :+.3f :.3e :.0e :E :.2E :g :.3g :.10g :G :n :% :.1% :.3 :.1 :.17
:#.0f :#.0e :#.3g :#g :#x :#o :#b :#X :x :X :o :b :c :d :_d :,d :, :_ :,.2f :_.1f :010,d :012,.1f :04, :_x :_b :,x :,n :_c
:z :z.1f :z.0f :+z.2e :zd :*^12.3f :x<8 :0<8 :0>8 :0^9 :<08 :=+9.2f :*=+12,.2f :015.4e :020_.3f :.2d :.2x :s :q :.f :.2ff
:<<9 :08c :5c :#c :+c :+08.3f :-08.3f :08.1% :F :.3F :012F :.50f :.30e :+,g :.20g :1 :0 :00 :0.2f :01.2f :^+09d :#010x :#_b
!r !s !a !r:>8 !s:.3 !r:.2f !s:^9 !s:=9 !s:08 !r:5s !x !r>8 !s:, !s:+ !s:z !r:#
""".split() + [":" + spec for spec in (" ", " .2f", " >9", " 09d", "+ ", " ,d")]

NUMBERS = [
    0, 1, 3, 9, 42, 65, 100, 999, 1234, 65535, 123456, 1234567, 9876543210, 2**53 + 1, -1, -42, -12345,
    0.0, -0.0, 1.0, 0.5, 1.5, 2.5, 0.25, 0.125, 0.1, 0.3, -0.04, 0.0049999, 0.999999999, 1 / 3, -2 / 3, 9.995, 99999.95, 123456.789,
    1234567.0, 1e15, 9999999999999998.0, 1e16, 1.5e17, 1e22, 1e100, 1.7976931348623157e308, 1e-4, 0.00012345, 9.9999e-5, 1e-5, 1e-7, 5e-324,
    2.2250738585072014e-308, float(np.float32(0.1)), float(np.float32(0.7365)), NAN, INF, -INF,
]  # fmt: skip

TEMPLATES = """
{epoch} {{epoch}} {{{epoch}}} {epoch}{val_loss} {epoch:02d}-{val_loss:.2f} a{{b}}c {{}} }}{{ { } {epoch {epoch}} {epoch!} {epoch!r
{epoch:!r} {epoch:5}|{val_loss!s:>8} {epoch::>5} {epoch:}
{epoch::^9}
""".split() + ["{ epoch}", "{epoch }", "", "{epoch:}}", "é{epoch:é>4}"]


def random_formats(count):
    """Specs of all kinds, sound and unsound."""
    pick = random.Random(5).choice
    for _ in range(count):
        fill = pick(["", "", "", "*", "0", "é"])
        align = pick("<>=^") if fill else pick(["", "", "<", ">", "=", "^"])
        parts = [fill, align, pick(["", "", "+", "-", " "]), pick(["", "", "", "z"]), pick(["", "", "", "#"]), pick(["", "", "0"])]
        parts += [pick(["", "5", "12", "17"]), pick(["", "", ",", "_"]), pick(["", ".0", ".1", ".4", ".11"])]
        yield ":" + "".join(parts) + pick(["", "d", "e", "f", "g", "%", "x", "n", "E", "G", "b"])


def filled(template, **numbers):
    """What Python makes of a template; nothing where it fails."""
    try:
        return template.format(**numbers)
    except (ValueError, KeyError, IndexError, OverflowError):
        return None


def formats():
    few = random.Random(7)
    specs = dict.fromkeys(FORMATS) | dict.fromkeys(random_formats(150))
    rows = {}
    for index, spec in enumerate(specs):
        which = sorted(few.sample(range(len(NUMBERS)), 24 if index < len(FORMATS) else 12))
        results = {at: filled("{x" + spec + "}", x=NUMBERS[at]) for at in which}
        if not any(results.values()):
            # What is unsound for both kinds of numbers needs no more witnesses.
            results = {0: None, 20: None}
        rows[spec] = {at: text for at, text in results.items() if text is None or len(text) < 60}
    return {
        "numbers": [number if isinstance(number, int) else repr(number) for number in NUMBERS],
        "rows": [[spec, list(results), list(results.values())] for spec, results in rows.items()],
        "templates": [[text, filled(text, epoch=3, val_loss=0.25)] for text in TEMPLATES],
    }


def lucky(y_true, y_pred):
    """A metric of which Keras does not know what is better."""
    import keras

    return keras.ops.mean(y_pred)


def model():
    import keras

    net = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1)])
    net.compile(loss="mse", metrics=["mae", "accuracy", lucky])
    net.train_on_batch(np.zeros((2, 1)), np.zeros((2, 1)))
    return net


def watched(net):
    """Names and directions, as Keras has them."""
    directions = {"loss": "down"}
    for metric in net.metrics:
        for inner in getattr(metric, "metrics", []):
            directions[inner.name] = getattr(inner, "_direction", None)
    return [[prefix + name, direction, not prefix] for prefix in ("", "val_") for name, direction in directions.items()]


def written():
    """The files, and which writing of them these are."""
    found = {}
    for folder, _, names in os.walk("."):
        for name in names:
            about = os.stat(os.path.join(folder, name))
            found[os.path.relpath(os.path.join(folder, name))] = (about.st_ino, about.st_mtime_ns)
    return found


def play(net, arguments, epochs, prepared):
    """Tells the callback of a training, in an empty folder."""
    import keras

    for kind, name in prepared.items():
        os.mkdir(name) if kind == "directory" else Path(name).touch()
    moments, said = [], io.StringIO()
    before = written()

    def note(moment):
        nonlocal before
        after = written()
        fresh = sorted(name for name in after if after[name] != before.get(name))
        if fresh:
            moments.append([moment, fresh])
        before = after

    def show(message, *_, **__):
        if "ModelCheckpoint" in str(message) or "best model" in str(message):
            said.write(f"{message}\n")

    failed = None
    with contextlib.redirect_stdout(said), warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = show
        try:
            callback = keras.callbacks.ModelCheckpoint(**{"verbose": 1} | arguments)
            callback.set_model(net)
            callback.on_train_begin()
            for epoch, events in enumerate(epochs):
                callback.on_epoch_begin(epoch)
                for batch, logs in events.get("batches", []):
                    callback.on_train_batch_end(batch, dict(logs))
                    note(f"e{epoch + 1}-b{batch + 1}")
                callback.on_epoch_end(epoch, dict(events["end"]))
                note(f"e{epoch + 1}")
            callback.on_train_end()
        except Exception as error:
            failed = type(error).__name__
    lines = [line for line in said.getvalue().splitlines() if line]
    return {"written": moments, "said": lines, "failed": failed}


def scenarios():
    net = model()
    here = os.getcwd()
    done = []
    for name, arguments, epochs, *rest in SCENARIOS:
        ours, prepared = (rest + [None, None])[:2]
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            keras_did = play(net, arguments, epochs, prepared or {})
            os.chdir(here)
        scenario = {"name": name, "arguments": arguments, "prepared": prepared or {}, "epochs": epochs, "keras": keras_did}
        done.append(scenario | ({"ours": ours} if ours else {}))
    return {"watched": watched(net), "scenarios": done}


def plain(value):
    """JSON has no infinite numbers; they are texts."""
    if isinstance(value, float) and not np.isfinite(value):
        return repr(value)
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    return value


def lines(document):
    """JSON with a line for each element of the lists in it."""
    parts = []
    for key, value in document.items():
        inner = ",\n".join(json.dumps(plain(it), ensure_ascii=False) for it in value)
        parts.append(f"{json.dumps(key)}: [\n{inner}\n]")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def make(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for name, document in {"formats.json": formats(), "scenarios.json": scenarios()}.items():
        (folder / name).write_text(lines(document), encoding="utf-8")


def judge(folder):
    import keras

    expected = json.loads((folder / "expected.json").read_text())
    files = sorted(path.name for path in folder.iterdir() if path.name != "expected.json")
    assert files == sorted(expected["files"]), files
    x = np.array(expected["x"], "float32")
    net = None
    # Weights go into a model with an optimizer that has a state, which those out of legacy files have not.
    kinds = [".keras", ".weights.h5", ".h5"]
    for name in sorted(files, key=lambda name: next(at for at, kind in enumerate(kinds) if name.endswith(kind))):
        right = expected["files"][name]
        if name.endswith(".weights.h5"):
            net.load_weights(folder / name)
        else:
            net = keras.saving.load_model(folder / name)
        iterations = int(net.optimizer.iterations)
        assert iterations == right["iterations"], f"{name}: {iterations} iterations"
        most = float(np.abs(net.predict(x, verbose=0).ravel() - np.array(right["y"])).max())
        assert most <= 1e-5, f"{name}: differs by {most}"


command, place = sys.argv[1:]
{"make": make, "judge": judge}[command](Path(place).resolve())
