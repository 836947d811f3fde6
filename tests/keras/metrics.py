"""Lets real Keras count with every metric, and writes what it comes to.

Usage: metrics.py tests/fixtures/metrics/metrics.json     with keras on JAX

All numbers of the data are 64ths, so that they are exact and meet thresholds.
"""

import json
import sys
from pathlib import Path

import keras
import numpy as np
from keras import losses, metrics
from keras.src import backend, ops
from keras.src.metrics import ALL_OBJECTS_DICT
from keras.src.saving import serialization_lib

BATCHES = 3
RANDOM = np.random.RandomState(7)


def numbers(*shape, low=0, high=64):
    """64ths from low to high, both of them among them."""
    return (RANDOM.randint(low, high + 1, shape) / 64).astype("float32")


def classes(count, *shape):
    return RANDOM.randint(0, count, shape).astype("int32")


def one_hot(count, *shape):
    return np.eye(count, dtype="float32")[classes(count, *shape)]


def shares(*shape):
    """Numbers that add up to one along the last axis, with ties."""
    cuts = np.sort(RANDOM.randint(1, 64, (*shape[:-1], shape[-1] - 1)), axis=-1)
    ends = np.full((*shape[:-1], 1), 64)
    return (np.diff(cuts, axis=-1, prepend=ends * 0, append=ends) / 64).astype("float32")


def mask(*shape):
    kept = RANDOM.rand(*shape) < 0.6
    kept[:, 0] = True
    return kept


# Targets, predictions, weights by name, and a mask of the predictions.
DATA = {
    "numbers": lambda: (numbers(5, 3, low=-64), numbers(5, 3, low=-64), [(5,), (5, 1)], None),
    "vector": lambda: (numbers(5, low=-64), numbers(5, 1, low=-64), [(5,)], None),
    "positive": lambda: (numbers(5, 3, low=1), numbers(5, 3, low=1), [(5,)], None),
    "sequence": lambda: (numbers(4, 3, 2, low=-64), numbers(4, 3, 2, low=-64), [(4,), (4, 3)], (4, 3)),
    "binary": lambda: (classes(2, 6, 1), numbers(6, 1), [(6,), (6, 1)], None),
    "binary_float": lambda: (classes(2, 6, 1).astype("float32"), numbers(6, 1), [(6,)], None),
    "binary_vector": lambda: (classes(2, 6), numbers(6, 1), [(6,)], None),
    "logits": lambda: (classes(2, 6, 1).astype("float32"), numbers(6, 1, low=-128, high=128), [(6,)], None),
    "labels": lambda: (classes(2, 6, 3).astype("float32"), numbers(6, 3), [(6,)], None),
    "classes": lambda: (one_hot(4, 6), shares(6, 4), [(6,)], None),
    "class_logits": lambda: (one_hot(4, 6), numbers(6, 4, low=-128, high=128), [(6,)], None),
    "sparse": lambda: (classes(4, 6), shares(6, 4), [(6,)], None),
    "sparse_column": lambda: (classes(4, 6, 1), shares(6, 4), [(6,), (6, 1)], None),
    "sparse_sequence": lambda: (classes(5, 3, 4), shares(3, 4, 5), [(3,), (3, 4)], (3, 4)),
    "class_sequence": lambda: (one_hot(5, 3, 4), shares(3, 4, 5), [(3,), (3, 4)], (3, 4)),
    "binary_sequence": lambda: (classes(2, 3, 4, 1).astype("float32"), numbers(3, 4, 1), [(3, 4)], (3, 4)),
    "equal": lambda: (classes(3, 6), classes(3, 6).astype("float32"), [(6,)], None),
    "sorted": lambda: (classes(5, 6), np.argsort(RANDOM.rand(6, 5)).astype("float32"), [(6,)], None),
    "areas": lambda: (classes(5, 2, 3, 3) - 1, classes(4, 2, 3, 3), [(2, 3, 3)], None),
    "areas_first": lambda: (one_hot(3, 2, 3, 3).transpose(0, 3, 1, 2).copy(), numbers(2, 3, 3, 3), [(2, 3, 3)], None),
    "areas_hot": lambda: (one_hot(3, 2, 3, 3), numbers(2, 3, 3, 3), [(2, 3, 3)], None),
}


def everything():
    """Every metric with its settings, and the data that it counts."""
    for data in ("numbers", "vector", "sequence"):
        yield metrics.MeanSquaredError(), data
        yield metrics.RootMeanSquaredError(), data
        yield metrics.MeanAbsoluteError(), data
    for data in ("numbers", "sequence"):
        yield metrics.LogCoshError(), data
        yield metrics.CosineSimilarity(), data
        yield metrics.PearsonCorrelation(), data
        yield metrics.ConcordanceCorrelation(), data
    yield metrics.PearsonCorrelation(axis=0), "numbers"
    yield metrics.ConcordanceCorrelation(axis=1), "sequence"
    yield metrics.MeanAbsolutePercentageError(), "positive"
    yield metrics.MeanSquaredLogarithmicError(), "positive"
    yield metrics.Poisson(), "positive"
    yield metrics.KLDivergence(), "positive"
    yield metrics.KLDivergence(), "class_sequence"
    yield metrics.R2Score(), "numbers"
    yield metrics.R2Score(class_aggregation=None), "numbers"
    yield metrics.R2Score(class_aggregation="variance_weighted_average"), "numbers"
    yield metrics.R2Score(num_regressors=2), "numbers"
    yield metrics.R2Score(num_regressors=10000), "numbers"
    yield metrics.R2Score(class_aggregation=None, num_regressors=1), "vector"
    for data in ("binary_float", "labels", "binary_sequence"):
        yield metrics.Hinge(), data
        yield metrics.SquaredHinge(), data
    yield metrics.CategoricalHinge(), "classes"
    yield metrics.CategoricalHinge(), "class_sequence"
    for data in ("binary", "binary_float", "binary_vector", "labels", "binary_sequence"):
        yield metrics.BinaryAccuracy(), data
    yield metrics.BinaryAccuracy(threshold=0.25), "binary"
    yield metrics.BinaryCrossentropy(), "binary_float"
    yield metrics.BinaryCrossentropy(label_smoothing=0.25), "labels"
    yield metrics.BinaryCrossentropy(from_logits=True), "logits"
    yield metrics.BinaryCrossentropy(), "binary_sequence"
    yield metrics.CategoricalCrossentropy(), "classes"
    yield metrics.CategoricalCrossentropy(from_logits=True, label_smoothing=0.5), "class_logits"
    yield metrics.CategoricalCrossentropy(axis=1), "areas_first"
    yield metrics.CategoricalCrossentropy(), "class_sequence"
    for data in ("sparse", "sparse_column", "sparse_sequence"):
        yield metrics.SparseCategoricalCrossentropy(), data
        yield metrics.SparseCategoricalCrossentropy(from_logits=True, ignore_class=2), data
        yield metrics.SparseCategoricalAccuracy(), data
        yield metrics.SparseTopKCategoricalAccuracy(k=2), data
    yield metrics.Accuracy(), "equal"
    for data in ("classes", "class_logits", "class_sequence"):
        yield metrics.CategoricalAccuracy(), data
        yield metrics.TopKCategoricalAccuracy(k=2), data
    yield metrics.TopKCategoricalAccuracy(), "classes"
    yield metrics.SparseTopKCategoricalAccuracy(k=3, from_sorted_ids=True), "sorted"
    yield from confusion()
    for score in (metrics.F1Score, metrics.FBetaScore):
        for average in (None, "micro", "macro", "weighted"):
            yield score(average=average), "classes"
        yield score(average="macro", threshold=0.5), "labels"
    yield metrics.FBetaScore(beta=2.0, average="weighted"), "labels"
    yield from overlaps()
    for function in (losses.mean_squared_error, losses.cosine_similarity, losses.huber, metrics.pearson_correlation):
        yield metrics.MeanMetricWrapper(function), "sequence"
    yield metrics.MeanMetricWrapper(metrics.binary_accuracy, name="wrapped", threshold=0.25), "binary"
    yield metrics.MeanMetricWrapper(losses.binary_focal_crossentropy, gamma=3.0), "binary_float"


def confusion():
    counts = (metrics.TruePositives, metrics.FalsePositives, metrics.TrueNegatives, metrics.FalseNegatives)
    for count in counts:
        yield count(), "binary"
        yield count(thresholds=[0.25, 0.5]), "labels"
        yield count(thresholds=[0.0, 0.5, 1.0]), "labels"
    for rate in (metrics.Precision, metrics.Recall):
        yield rate(), "binary"
        yield rate(), "binary_vector"
        yield rate(thresholds=0.25), "labels"
        yield rate(thresholds=[0.25, 0.5, 0.875]), "labels"
        yield rate(thresholds=[0.0, 0.25, 0.5, 0.75, 1.0]), "labels"
        yield rate(top_k=2), "labels"
        yield rate(top_k=1, class_id=2), "classes"
        yield rate(class_id=1), "labels"
        yield rate(class_id=-1), "class_sequence"
    for data, options in (("labels", {}), ("labels", {"num_thresholds": 5, "class_id": 1}), ("binary", {"num_thresholds": 1})):
        yield metrics.SensitivityAtSpecificity(0.5, **options), data
        yield metrics.SpecificityAtSensitivity(0.5, **options), data
        yield metrics.PrecisionAtRecall(0.5, **options), data
        yield metrics.RecallAtPrecision(0.5, **options), data
    for curve in ("ROC", "PR", "PRGAIN"):
        for method in ("interpolation", "minoring", "majoring"):
            yield metrics.AUC(curve=curve, summation_method=method), "labels"
            yield metrics.AUC(curve=curve, summation_method=method, multi_label=True, num_thresholds=9), "labels"
    yield metrics.AUC(num_thresholds=2), "binary"
    yield metrics.AUC(from_logits=True), "logits"
    yield metrics.AUC(), "binary_vector"
    yield metrics.AUC(), "sequence_labels"
    yield metrics.AUC(thresholds=[0.75, 0.25, 0.4]), "labels"
    yield metrics.AUC(thresholds=[0.75, 0.25, 0.5]), "labels"
    yield metrics.AUC(label_weights=[0.5, 0.25, 2.0]), "labels"
    yield metrics.AUC(label_weights=[0.5, 0.25, 2.0], thresholds=[0.1, 0.2], curve="PR"), "labels"
    for thresholds in (None, [0.1, 0.4]):
        options = {"multi_label": True, "num_labels": 3, "label_weights": [0.5, 0.25, 2.0], "thresholds": thresholds}
        yield metrics.AUC(**options), "labels"
        yield metrics.AUC(**options, curve="PR"), "labels"


def overlaps():
    yield metrics.IoU(4, [0, 2]), "areas"
    yield metrics.IoU(4, [1], ignore_class=0, dtype="float32"), "areas"
    yield metrics.MeanIoU(4), "areas"
    yield metrics.MeanIoU(6, ignore_class=2), "areas"
    yield metrics.MeanIoU(4, dtype="int64"), "areas"
    yield metrics.MeanIoU(3, sparse_y_true=False, sparse_y_pred=False), "areas_hot"
    yield metrics.OneHotIoU(3, [0, 2]), "areas_hot"
    yield metrics.OneHotMeanIoU(3), "areas_hot"
    yield metrics.OneHotMeanIoU(3, dtype="float32", ignore_class=1), "areas_hot"
    yield metrics.BinaryIoU(), "binary"
    yield metrics.BinaryIoU([1], 0.25, dtype="float32"), "labels_flat"


DATA["sequence_labels"] = lambda: (classes(2, 3, 4, 2).astype("float32"), numbers(3, 4, 2), [(3, 4)], None)
DATA["labels_flat"] = lambda: (classes(2, 6, 3).astype("float32"), numbers(6, 3), [(6, 3)], None)


def written(array):
    return {"dtype": str(array.dtype), "shape": array.shape, "numbers": array.reshape(-1).tolist()}


def datasets():
    """Batches of all data, and the same for the file."""
    found, file = {}, {}
    for name, make in DATA.items():
        batches = []
        for _ in range(BATCHES):
            y_true, y_pred, weights, masked = make()
            batch = {"y_true": y_true, "y_pred": y_pred}
            for at, shape in enumerate(weights):
                # Metrics of areas count in integers.
                high = 3 if name.startswith("areas") else None
                batch[f"weight{at}"] = classes(high, *shape).astype("float32") if high else numbers(*shape, high=128)
            if masked:
                batch["mask"] = mask(*masked)
            batches.append(batch)
        found[name] = batches
        file[name] = [{key: written(array) for key, array in batch.items()} for batch in batches]
    return found, file


def plain(result):
    return np.asarray(result, dtype="float64").tolist()


def count(metric, batch, weight, masked):
    y_pred = ops.convert_to_tensor(batch["y_pred"])
    if masked:
        backend.set_keras_mask(y_pred, ops.convert_to_tensor(batch["mask"]))
    metric.update_state(ops.convert_to_tensor(batch["y_true"]), y_pred, sample_weight=batch.get(weight))


def direction(metric):
    return getattr(metric, "_direction", None)


def run(metric, data, weight, masked, batches):
    case = {
        "metric": serialization_lib.serialize_keras_object(metric),
        "data": data,
        "weight": weight,
        "masked": masked,
        "direction": direction(metric),
    }
    results = []
    try:
        for batch in batches:
            count(metric, batch, weight, masked)
            results.append(plain(metric.result()))
        metric.reset_state()
        count(metric, batches[1], weight, masked)
        case |= {"results": results, "after_reset": plain(metric.result())}
    except (ValueError, TypeError) as error:
        print("refused:", type(metric).__name__, data, weight, masked, str(error).split("\n")[0][:90])
        case["refused"] = True
    return case


def single_metrics(batches):
    cases = []
    for metric, data in everything():
        first = batches[data][0]
        for weight in [None] + [key for key in first if key.startswith("weight")]:
            for masked in [False, True] if "mask" in first else [False]:
                metric.reset_state()
                cases.append(run(metric, data, weight, masked, batches[data]))
    return cases


def numbers_alone():
    """Mean and Sum, which are of numbers."""
    values = [numbers(4, 3, 2) for _ in range(BATCHES)]
    weights = [None, [numbers() for _ in values], [numbers(4) for _ in values], [numbers(4, 3) for _ in values]]
    cases = []
    for metric in (metrics.Mean(), metrics.Sum()):
        for weight in weights:
            metric.reset_state()
            results = []
            for at, value in enumerate(values):
                metric.update_state(value, sample_weight=None if weight is None else weight[at])
                results.append(plain(metric.result()))
            cases.append({
                "metric": serialization_lib.serialize_keras_object(metric),
                "values": [written(value) for value in values],
                "weights": weight and [written(np.asarray(one, dtype="float32")) for one in weight],
                "results": results,
            })
    return cases


def names():
    """Every name of a metric: its class, and what is better."""
    needed = {
        "IoU": {"num_classes": 2, "target_class_ids": [0]},
        "MeanIoU": {"num_classes": 2},
        "OneHotIoU": {"num_classes": 2, "target_class_ids": [0]},
        "OneHotMeanIoU": {"num_classes": 2},
        "PrecisionAtRecall": {"recall": 0.5},
        "RecallAtPrecision": {"precision": 0.5},
        "SensitivityAtSpecificity": {"specificity": 0.5},
        "SpecificityAtSensitivity": {"sensitivity": 0.5},
    }
    found = {}
    for name, cls in sorted(ALL_OBJECTS_DICT.items()):
        if cls.__name__ in ("Metric", "MeanMetricWrapper"):
            continue
        # Names of classes without a name of their own are numbered through a process.
        keras.utils.clear_session(free_memory=False)
        metric = cls(**needed.get(cls.__name__, {}))
        found[name] = {
            "class": cls.__name__,
            "arguments": needed.get(cls.__name__, {}),
            "config": metric.get_config(),
            "direction": direction(metric),
        }
    return found


def functions():
    """Every function that a file may have in the place of a metric."""
    found = {}
    for module in (losses, metrics):
        for name, function in sorted(vars(module).items()):
            if callable(function) and name.islower() and name not in ("get", "serialize", "deserialize"):
                json_form = serialization_lib.serialize_keras_object(function)
                assert serialization_lib.deserialize_keras_object(json_form) is function
                metric = metrics.MeanMetricWrapper(function)
                found[name] = {"json": json_form, "direction": direction(metric)}
    return found


# Metrics, weighted metrics, loss, and the data of the outputs.
def compiled():
    for data in ("binary", "binary_vector", "classes", "sparse", "sparse_column", "sparse_sequence", "labels"):
        yield ["accuracy"], None, (data,)
        yield ["acc"], None, (data,)
    yield ["Accuracy"], None, ("binary",)
    yield ["accuracy"], ["accuracy"], ("binary_sequence",)
    yield ["mae", "mse"], ["mae", "mean_absolute_error", "mae"], ("numbers",)
    yield [metrics.MeanAbsoluteError(), "mean_absolute_error", "mae", "MAE"], None, ("numbers",)
    yield [metrics.AUC(), metrics.AUC(curve="PR"), metrics.AUC(name="area")], ["auc"], ("labels",)
    yield {"out_0": ["mae", "mse"]}, None, ("numbers",)
    yield {"elsewhere": "mae", "another": ["mse"]}, None, ("numbers",)
    yield [["mae", "mse"]], [["mse"]], ("numbers",)
    yield [losses.mean_squared_error, losses.cosine_similarity, "cosine_similarity"], None, ("numbers",)
    yield [metrics.binary_accuracy, metrics.MeanMetricWrapper(metrics.binary_accuracy)], None, ("labels",)
    yield [losses.MeanSquaredError(), losses.Huber(name="own")], None, ("numbers",)
    yield None, None, ("numbers",)
    yield [], ["mae"], ("numbers",)
    two = ("numbers", "binary")
    yield [["mae"], ["accuracy", "mse"]], None, two
    yield ["mae", "mse"], None, two
    yield ["mae", None], [None, "accuracy"], two
    yield {"out_0": "mae"}, {"out_1": ["accuracy", metrics.BinaryAccuracy()]}, two
    yield {"out_1": ["mae", "mae"], "out_0": ["mae"]}, {"out_1": "mae"}, two
    yield [["mae"], []], [[], "auc"], two
    three = ("sparse", "classes", "binary_sequence")
    yield [["accuracy"], ["acc"], ["accuracy"]], ["accuracy", "acc", "accuracy"], three
    yield {name: "accuracy" for name in ("out_0", "out_1", "out_2")}, None, three
    yield [[metrics.F1Score(average="macro")], "auc", [metrics.Recall(), metrics.Precision()]], None, ("classes", "labels", "binary")


def compile_case(metrics_given, weighted, data, batches, with_weights):
    """What a model that gives its inputs back evaluates to."""
    inputs, outputs, y_true, y_pred, weights, masks = [], [], [], [], [], []
    for at, name in enumerate(data):
        joined = {key: np.concatenate([batch[key] for batch in batches[name]]) for key in batches[name][0]}
        # Rows in which nothing is kept are zero, and are left out.
        prediction = joined["y_pred"]
        masked = "mask" in joined
        if masked:
            prediction = prediction * joined["mask"][..., None]
            masks.append((prediction != 0).any(-1))
        else:
            masks.append(None)
        entry = keras.Input(prediction.shape[1:], name=f"in_{at}")
        inner = keras.layers.Masking()(entry) if masked else entry
        inputs.append(entry)
        outputs.append(keras.layers.Activation("linear", name=f"out_{at}")(inner))
        y_true.append(joined["y_true"])
        y_pred.append(prediction)
        weights.append(joined["weight0"])
    rows = min(len(target) for target in y_true)
    single = len(data) == 1
    kind = lambda arrays: arrays[0][:rows] if single else [array[:rows] for array in arrays]  # noqa: E731
    model = keras.Model(inputs[0] if single else inputs, outputs[0] if single else outputs)
    sparse = losses.SparseCategoricalCrossentropy(from_logits=True)
    loss = [sparse if name.startswith("sparse") else "mse" for name in data]
    model.compile("sgd", loss=loss[0] if single else loss, metrics=metrics_given, weighted_metrics=weighted)
    sample_weight = kind(weights) if with_weights else None
    arguments = {"x": kind(y_pred), "y": kind(y_true), "sample_weight": sample_weight, "batch_size": 5, "verbose": 0}
    found = model.evaluate(**arguments, return_dict=True)
    order = list(model.get_metrics_result())
    history = model.fit(**arguments, shuffle=False).history
    for key, value in found.items():
        np.testing.assert_allclose(history[key][0], value, rtol=1e-6, err_msg=f"{key} of fit and evaluate")
    settings = model.get_compile_config()
    return {
        "compile": {key: settings[key] for key in ("metrics", "weighted_metrics", "loss", "loss_weights")},
        "outputs": [f"out_{at}" for at in range(len(data))],
        "rows": rows,
        "y_true": [written(array[:rows]) for array in y_true],
        "y_pred": [written(array[:rows]) for array in y_pred],
        "masks": [None if array is None else written(array[:rows]) for array in masks],
        "weights": [written(array[:rows]) for array in weights] if with_weights else None,
        "order": order,
        "logs": {key: plain(value) for key, value in found.items()},
    }


def compile_cases(batches):
    cases = []
    for metrics_given, weighted, data in compiled():
        for with_weights in (False, True) if weighted else (False,):
            keras.utils.clear_session(free_memory=False)
            cases.append(compile_case(metrics_given, weighted, data, batches, with_weights))
    return cases


def main():
    batches, file = datasets()
    document = {
        "keras": keras.__version__,
        "names": names(),
        "functions": functions(),
        "data": file,
        "cases": single_metrics(batches),
        "numbers": numbers_alone(),
        "compiled": compile_cases(batches),
    }
    path = Path(sys.argv[1])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, separators=(",", ":")) + "\n", encoding="utf-8")
    print(len(document["cases"]), "cases,", len(document["compiled"]), "models,", path.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
