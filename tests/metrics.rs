//! Metrics against what real Keras counted: `tests/keras/metrics.py` wrote it.
#![cfg(feature = "train")]

use std::collections::BTreeSet;
use std::sync::LazyLock;

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use burn_keras::Value;
use burn_keras::callback::Direction;
use burn_keras::config::{Class, Json, json};
use burn_keras::loss::{CompileLoss, Custom};
use burn_keras::metric::{
    AnyMetric, CompileMetrics, CustomMetrics, LossTracker, Metric, Numbers, RunningMetric,
};

static KERAS: LazyLock<Json> = LazyLock::new(|| {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/metrics/metrics.json");
    json::parse(&std::fs::read_to_string(path).unwrap()).unwrap()
});

const TOLERANCE: f64 = 1e-5;

fn items(json: &Json) -> &[Json] {
    json.as_array().map_or(&[], Vec::as_slice)
}

fn text(json: &Json) -> Option<&str> {
    json.as_str()
}

fn number(json: &Json) -> f64 {
    json.as_f64().or_else(|| json::marked_number(json)).unwrap_or_else(|| panic!("no number: {json}"))
}

fn value(json: &Json) -> Value {
    let shape: Vec<usize> =
        items(&json["shape"]).iter().map(|size| size.as_u64().unwrap() as usize).collect();
    let numbers = items(&json["numbers"]);
    let device = Device::flex();
    let count = numbers.len();
    let flat = match text(&json["dtype"]).unwrap() {
        "bool" => {
            let flags: Vec<bool> = numbers.iter().map(|flag| flag.as_bool().unwrap()).collect();
            Value::from(Tensor::<1, Bool>::from_data(TensorData::new(flags, [count]), &device))
        }
        "int32" => {
            let integers: Vec<i32> = numbers.iter().map(|n| n.as_i64().unwrap() as i32).collect();
            Value::from(Tensor::<1, Int>::from_data(TensorData::new(integers, [count]), &device))
        }
        _ => {
            let floats: Vec<f32> = numbers.iter().map(|n| n.as_f64().unwrap() as f32).collect();
            Value::from(Tensor::<1>::from_data(TensorData::new(floats, [count]), &device))
        }
    };
    flat.reshape(&shape).unwrap()
}

fn direction(json: &Json) -> Option<Direction> {
    match text(json) {
        Some("up") => Some(Direction::Up),
        Some("down") => Some(Direction::Down),
        _ => None,
    }
}

/// What is not as Keras has it.
fn apart(found: &Numbers, expected: &Json) -> Option<String> {
    let found = match found {
        Numbers::One(number) if !expected.is_array() => vec![*number],
        Numbers::Many(numbers) if expected.is_array() => numbers.clone(),
        other => return Some(format!("{other:?} for {expected}")),
    };
    let expected: Vec<f64> = if expected.is_array() {
        items(expected).iter().map(number).collect()
    } else {
        vec![number(expected)]
    };
    let is_same = found.len() == expected.len() && found.iter().zip(&expected).all(|(a, b)| close(*a, *b));
    (!is_same).then(|| format!("{found:?} for {expected:?}"))
}

fn close(a: f64, b: f64) -> bool {
    (a.is_nan() && b.is_nan()) || a == b || (a - b).abs() <= TOLERANCE * b.abs().max(1.0)
}

fn count(metric: &mut RunningMetric, batch: &Json, case: &Json) -> burn_keras::Result<()> {
    let mask = case["masked"].as_bool().unwrap().then(|| value(&batch["mask"]));
    let y_pred = value(&batch["y_pred"]).with_mask(mask);
    let weight = text(&case["weight"]).map(|key| value(&batch[key]));
    metric.update(&value(&batch["y_true"]), &y_pred, weight.as_ref())
}

fn run(case: &Json) -> Result<(), String> {
    let batches = items(&KERAS["data"][text(&case["data"]).unwrap()]);
    let metric = Metric::of(&case["metric"]);
    let told = |error: burn_keras::Error| error.to_string();
    let mut running = metric.start().map_err(told)?;
    if metric.direction().unwrap() != direction(&case["direction"]) {
        return Err(format!("another direction than {}", case["direction"]));
    }
    if case["refused"] == true {
        return match count(&mut running, &batches[0], case) {
            Err(_) => Ok(()),
            Ok(()) => Err(format!("not refused, {:?}", running.result())),
        };
    }
    for (batch, expected) in batches.iter().zip(items(&case["results"])) {
        count(&mut running, batch, case).map_err(told)?;
        if let Some(apart) = apart(&running.result().map_err(told)?, expected) {
            return Err(apart);
        }
    }
    running.reset();
    count(&mut running, &batches[1], case).map_err(told)?;
    match apart(&running.result().map_err(told)?, &case["after_reset"]) {
        Some(apart) => Err(format!("after a reset: {apart}")),
        None => Ok(()),
    }
}

#[test]
fn every_metric_counts_as_keras_does() {
    let cases = items(&KERAS["cases"]);
    assert!(cases.len() > 250, "only {} cases", cases.len());
    let mut wrong = Vec::new();
    for case in cases {
        if let Err(message) = run(case) {
            let config = case["metric"]["config"].to_string();
            wrong.push(format!(
                "{} {config} of {}, weight {}, masked {}: {message}",
                case["metric"]["class_name"], case["data"], case["weight"], case["masked"]
            ));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn every_class_of_keras_is_known_and_counted() {
    let names = KERAS["names"].as_object().unwrap();
    let counted: BTreeSet<&str> =
        items(&KERAS["cases"]).iter().filter_map(|case| text(&case["metric"]["class_name"])).collect();
    let known: BTreeSet<&str> = AnyMetric::CLASSES.iter().copied().collect();
    let of_keras: BTreeSet<&str> = names.values().filter_map(|name| text(&name["class"])).collect();
    let alone = BTreeSet::from(["Mean", "Sum"]);
    let expected: BTreeSet<&str> = of_keras.iter().copied().chain(["MeanMetricWrapper"]).collect();
    assert_eq!(known, expected);
    assert_eq!(known.difference(&counted).copied().collect::<BTreeSet<_>>(), alone);

    for (name, of_keras) in names {
        let class = text(&of_keras["class"]).unwrap();
        let arguments = of_keras["arguments"].as_object().unwrap();
        let by_name = Metric::of(&Json::from(name.as_str()));
        let by_class =
            serde_json::json!({"module": "keras.metrics", "class_name": class, "config": arguments});
        let metric = Metric::of(&by_class);
        let metric = metric.get().unwrap().unwrap();
        assert_eq!(metric.class(), class);
        assert_eq!(metric.direction(), direction(&of_keras["direction"]), "{name}");
        let mut config = metric.config();
        // What Keras writes only where it was given, and what it does not write.
        let unwritten = ["thresholds", "from_sorted_ids", "axis"];
        let given = of_keras["config"].as_object().unwrap();
        config.retain(|key, _| given.contains_key(key) || !unwritten.contains(&key.as_str()));
        let (found, expected) = (Json::Object(config), &of_keras["config"]);
        for (key, expected) in expected.as_object().unwrap() {
            let same = match (found[key].as_f64(), expected.as_f64()) {
                (Some(a), Some(b)) => a == b,
                _ => found[key] == *expected,
            };
            assert!(same, "{name}.{key}: {} for {expected}", found[key]);
        }
        assert_eq!(found.as_object().unwrap().len(), given.len(), "{name}: {found}");
        assert_eq!(metric.name(), text(&of_keras["config"]["name"]).unwrap());
        if arguments.is_empty() {
            assert_eq!(by_name.get().unwrap().unwrap().class(), class, "{name}");
            metric.start(&CustomMetrics::default()).unwrap();
        }
    }
}

#[test]
fn every_function_of_keras_is_known() {
    for (name, function) in KERAS["functions"].as_object().unwrap() {
        let metric = Metric::of(&function["json"]);
        let known = metric.get().unwrap().unwrap();
        assert_eq!((known.class(), known.name()), ("MeanMetricWrapper", name.clone()));
        assert_eq!(known.direction(), direction(&function["direction"]), "{name}");
        metric.start().unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[test]
fn means_and_sums_of_numbers_are_those_of_keras() {
    for case in items(&KERAS["numbers"]) {
        let mut running = Metric::of(&case["metric"]).start().unwrap();
        assert_eq!(running.result().unwrap(), Numbers::One(0.0));
        for (at, expected) in items(&case["results"]).iter().enumerate() {
            let weight = case["weights"].as_array().map(|weights| value(&weights[at]));
            running.update_numbers(&value(&case["values"][at]), weight.as_ref()).unwrap();
            let apart = apart(&running.result().unwrap(), expected);
            assert!(apart.is_none(), "{}: {apart:?}", case["metric"]);
        }
    }
}

fn part(value: &Value, start: usize, length: usize) -> Value {
    value.clone().narrow(0, start, length).unwrap()
}

/// What is not as Keras has it, of a model of which all outputs are given.
fn evaluate(case: &Json) -> Result<(), String> {
    let outputs: Vec<String> = items(&case["outputs"]).iter().filter_map(text).map(str::to_owned).collect();
    let settings = &case["compile"];
    let told = |error: burn_keras::Error| error.to_string();
    let none = CustomMetrics::default();
    let mut metrics =
        CompileMetrics::new(&settings["metrics"], &settings["weighted_metrics"], &outputs, &none)
            .map_err(told)?;
    let losses = CompileLoss::new(&settings["loss"], &settings["loss_weights"], &outputs, &Custom::default())
        .map_err(told)?;
    let mut total = LossTracker::default();
    let mut each = vec![LossTracker::default(); losses.names().len()];
    let names = metrics.names();
    let rows = case["rows"].as_u64().unwrap() as usize;
    let [y_true, y_pred, weights, masks] =
        ["y_true", "y_pred", "weights", "masks"].map(|key| items(&case[key]));
    // Epochs of which the first is forgotten.
    for _ in 0..2 {
        metrics.reset();
        total.reset();
        each.iter_mut().for_each(LossTracker::reset);
        for start in (0..rows).step_by(5) {
            let length = 5.min(rows - start);
            let batch = |json: &Json| part(&value(json), start, length);
            let y_true: Vec<_> = y_true.iter().map(|json| Some(batch(json))).collect();
            let mask = |json: &Json| (!json.is_null()).then(|| batch(json));
            let y_pred: Vec<_> =
                y_pred.iter().zip(masks).map(|(json, masks)| batch(json).with_mask(mask(masks))).collect();
            let weights: Vec<_> = weights.iter().map(|json| Some(batch(json))).collect();
            metrics.update(&y_true, &y_pred, &weights).map_err(told)?;
            let cost = losses.call(&y_true, &y_pred, &weights).map_err(told)?;
            total.update(&cost.total, length).map_err(told)?;
            for (tracker, (_, loss)) in each.iter_mut().zip(&cost.each) {
                tracker.update(loss, length).map_err(told)?;
            }
        }
    }
    let mut found = vec![("loss".to_owned(), total.result().map_err(told)?)];
    found.extend(metrics.result().map_err(told)?.iter().map(|(name, number)| (name.to_owned(), number)));
    for (name, tracker) in losses.names().into_iter().zip(&each) {
        found.push((name, tracker.result().map_err(told)?));
    }
    let mut expected = Vec::new();
    for name in items(&case["order"]).iter().filter_map(text) {
        match &case["logs"][name] {
            Json::Array(numbers) => {
                let numbers = numbers.iter().enumerate();
                expected.extend(numbers.map(|(at, one)| (format!("{name}[{at}]"), number(one))));
            }
            one => expected.push((name.to_owned(), number(one))),
        }
    }
    let is_same = found.len() == expected.len()
        && found.iter().zip(&expected).all(|((a, x), (b, y))| a == b && close(*x, *y));
    let in_logs: Vec<&String> = found.iter().map(|(name, _)| name).collect();
    let told_before = names.iter().all(|name| in_logs.contains(&name));
    match is_same && told_before {
        true => Ok(()),
        false => Err(format!("{found:?}\n  for {expected:?}\n  named {names:?}")),
    }
}

#[test]
fn models_log_what_keras_logs() {
    let cases = items(&KERAS["compiled"]);
    assert!(cases.len() > 40, "only {} models", cases.len());
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|case| evaluate(case).err().map(|message| format!("{}: {message}", case["compile"])))
        .collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

fn settings(metrics: Json, weighted: Json, outputs: &[&str]) -> burn_keras::Result<CompileMetrics> {
    let outputs: Vec<String> = outputs.iter().map(|name| (*name).to_owned()).collect();
    CompileMetrics::new(&metrics, &weighted, &outputs, &CustomMetrics::default())
}

#[test]
fn all_that_cannot_be_counted_is_told_at_once() {
    let own = serde_json::json!({
        "module": "somewhere", "class_name": "Bias", "config": {"name": "bias"}, "registered_name": "shop>Bias"
    });
    let function = serde_json::json!({
        "module": "builtins", "class_name": "function", "config": "shop>tilt", "registered_name": "function"
    });
    let wrong = serde_json::json!([
        own, function, "accurracy", "mean", null, 3,
        {"module": "keras.metrics", "class_name": "AUC", "config": {"num_thresholds": 1}},
        {"module": "keras.metrics", "class_name": "MeanIoU", "config": {"num_classes": 2_000_000}},
        {"module": "keras.metrics", "class_name": "Precision", "config": {"thresholds": [0.5, 1.5]}},
        {"module": "keras.metrics", "class_name": "Recall", "config": {"dtype": "float16"}},
        {"module": "keras.metrics", "class_name": "FBetaScore", "config": {"beta": 0.0}},
    ]);
    let error = settings(wrong, serde_json::json!("mae"), &["y"]).unwrap_err().to_string();
    for part in [
        "Bias",
        "shop>tilt",
        "accurracy",
        "Mean: is of numbers",
        "expected a metric, got null",
        "got 3",
        "AUC.num_thresholds",
        "MeanIoU: cells",
        "Precision.thresholds: expected numbers from 0 to 1, got 1.5",
        "Recall.dtype: counting in float16",
        "FBetaScore.beta",
        "weighted_metrics: expected a list or a dict",
    ] {
        assert!(error.contains(part), "no {part:?} in {error}");
    }
    for (metrics, part) in [
        (serde_json::json!(["mae", "mse", "mae"]), "3 entries for the 2 outputs"),
        (serde_json::json!({"first": "mae", "secnd": "mse"}), "no output \"secnd\""),
        (serde_json::json!({"first": [["mae"]]}), "expected a metric"),
    ] {
        let error = settings(metrics, Json::Null, &["first", "second"]).unwrap_err().to_string();
        assert!(error.contains(part), "no {part:?} in {error}");
    }
}

#[test]
fn what_is_watched_has_a_direction_and_is_one_number() {
    let precision = serde_json::json!({
        "module": "keras.metrics", "class_name": "Precision", "config": {"thresholds": [0.25, 0.5]}
    });
    let metrics = serde_json::json!({"a": ["acc", "false_positives", precision], "b": ["mae", "mae"]});
    let metrics = settings(metrics, serde_json::json!({"b": ["mae"]}), &["a", "b"]).unwrap();
    let watched: Vec<_> =
        metrics.watched().into_iter().map(|watched| (watched.name, watched.direction)).collect();
    let expected = [
        ("a_acc", Some(Direction::Up)),
        ("a_false_positives", None),
        ("b_mae", Some(Direction::Down)),
        ("b_mae_1", Some(Direction::Down)),
        ("b_weighted_mae", Some(Direction::Down)),
    ];
    assert_eq!(watched, expected.map(|(name, direction)| (name.to_owned(), direction)));
    assert!(metrics.result().unwrap_err().to_string().contains("a_acc"));
}

#[test]
fn metrics_of_ones_own_count() {
    let function = serde_json::json!([
        {"module": "builtins", "class_name": "function", "config": "shop>tilt", "registered_name": "function"},
        {"module": null, "class_name": "Scaled", "config": {"name": "twice", "by": 2.0}, "registered_name": "shop>Scaled"},
        {"module": "keras.metrics", "class_name": "MeanMetricWrapper", "config": {
            "name": "tilted", "dtype": "float32",
            "fn": {"module": "builtins", "class_name": "function", "config": "shop>tilt", "registered_name": "function"}
        }}
    ]);
    let difference =
        |y_true: Value, y_pred: Value| y_pred.binary(burn_keras::value::Binary::Subtract, y_true);
    let custom = CustomMetrics::default().function("shop>tilt", difference).class("shop>Scaled", |config| {
        let by = config["by"].as_f64().unwrap();
        CustomMetrics::mean_of(move |y_true, y_pred| {
            let y_pred = y_pred.binary(burn_keras::value::Binary::Subtract, y_true)?;
            burn_keras::map_float!(y_pred, x => x * by)
        })
    });
    let mut metrics = CompileMetrics::new(&function, &Json::Null, &["y".to_owned()], &custom).unwrap();
    let device = Device::flex();
    let y_true = Value::from(Tensor::<2>::zeros([4, 2], &device));
    let y_pred = Value::from(Tensor::<2>::ones([4, 2], &device));
    metrics.update(&[Some(y_true)], &[y_pred], &[]).unwrap();
    let logs = metrics.result().unwrap();
    assert_eq!(logs.iter().collect::<Vec<_>>(), [("tilt", 1.0), ("twice", 2.0), ("tilted", 1.0)]);
}

/// Every metric is given everything that could be a batch; none may panic, and each has a result afterwards or
/// says why not.
#[test]
fn odd_shapes_are_errors() {
    let device = Device::flex();
    let shapes: [&[usize]; 8] = [&[], &[3], &[3, 1], &[3, 2], &[2, 3], &[3, 2, 2], &[1, 1, 1, 1], &[0, 2]];
    let values: Vec<Value> = shapes
        .iter()
        .map(|shape| {
            let data = TensorData::new(vec![0.5_f32; shape.iter().product()], shape.to_vec());
            Value::from_data(data, &device).unwrap()
        })
        .collect();
    let mut seen = BTreeSet::new();
    for case in items(&KERAS["cases"]) {
        if !seen.insert(case["metric"]["config"].to_string()) {
            continue;
        }
        let metric = Metric::of(&case["metric"]).start().unwrap();
        for (y_true, y_pred) in values.iter().flat_map(|a| values.iter().map(move |b| (a, b))) {
            for weight in values.iter().map(Some).chain([None]) {
                let mut running = metric.clone();
                if running.update(y_true, y_pred, weight).is_ok() {
                    running.result().unwrap();
                }
            }
        }
    }
}

#[test]
fn gradients_are_left_alone() {
    let device = Device::flex().autodiff();
    let y_pred = Tensor::<2>::ones([4, 1], &device).require_grad();
    let y_true = Tensor::<2>::zeros([4, 1], &Device::flex());
    let mut metric = Metric::from("mse").start().unwrap();
    metric.update(&y_true.into(), &(y_pred.clone() * 3.0).into(), None).unwrap();
    assert_eq!(metric.result().unwrap(), Numbers::One(9.0));
    let gradients = (y_pred.clone() * 2.0).sum().backward();
    assert_eq!(y_pred.grad(&gradients).unwrap().into_data().iter::<f32>().sum::<f32>(), 8.0);
}

#[test]
fn burn_shows_metrics_of_keras() {
    use burn::data::dataloader::Progress;
    use burn::train::metric::{Metric as _, MetricMetadata, Numeric, NumericEntry};
    use burn_keras::metric::{KerasMetric, KerasMetricInput};

    let progress = Progress { items_processed: 1, items_total: 1, unit: None };
    let metadata = MetricMetadata { progress, iteration: Some(0), lr: None };
    let mut metric = KerasMetric::new("accuracy").unwrap();
    assert!(metric.value().is_none() && metric.compute().unwrap().is_not_available());
    let device = Device::flex();
    let input = |right: [f32; 2]| {
        let y_true = Tensor::<1>::from_floats(right, &device).reshape([2, 1]);
        let y_pred = Tensor::<2>::from_floats([[0.9], [0.2]], &device);
        KerasMetricInput::new(y_true, y_pred)
    };
    metric.update(&input([1.0, 0.0]), &metadata).unwrap();
    metric.update(&input([1.0, 1.0]), &metadata).unwrap();
    assert_eq!(metric.value().unwrap().current(), 0.75);
    assert_eq!(metric.compute().unwrap().serialized, NumericEntry::Final(0.75).serialize());
    metric.clear();
    assert!(metric.value().is_none());
    let broken = KerasMetricInput::new(Tensor::<1>::ones([3], &device), Tensor::<2>::ones([2, 2], &device));
    assert!(metric.update(&broken, &metadata).is_err());
    assert!(KerasMetric::new("f1_score").unwrap_err().to_string().contains("several numbers"));
    assert!(KerasMetric::new("nothing").is_err());
}
