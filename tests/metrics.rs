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
