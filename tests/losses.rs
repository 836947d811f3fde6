//! Losses give what those of real Keras give: values, gradients, and what `evaluate` makes of several.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::{DType, Device, Tensor, TensorData};
use burn_keras::config::{Class, Described, Field};
use burn_keras::loss::{
    AnyLoss, BinaryCrossentropy, Circle, CompileLoss, CosineSimilarity, Custom, Dice, Huber, Loss, Losses,
    class_weights,
};
use burn_keras::value::Binary;
use burn_keras::{Inputs, Result, Value};
use serde_json::{Value as Json, json};

#[path = "../src/bin/burn-keras/npz.rs"]
#[allow(dead_code, reason = "others need more of it")]
mod npz;

/// What real Keras gave.
struct Fixture {
    manifest: Json,
    numbers: Vec<f32>,
    device: Device,
}

impl Fixture {
    fn load() -> Self {
        Self::on(Device::flex())
    }

    fn on(device: Device) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/losses");
        let manifest = std::fs::read_to_string(folder.join("manifest.json")).unwrap();
        let arrays = npz::read(&folder.join("numbers.npz")).unwrap();
        let (_, numbers) = arrays.into_iter().next().unwrap();
        Self {
            manifest: serde_json::from_str(&manifest).unwrap(),
            numbers: numbers.numbers().unwrap().iter().collect(),
            device,
        }
    }

    fn list(&self, key: &str) -> &[Json] {
        self.manifest[key].as_array().unwrap()
    }

    /// The numbers, shape and type of an array.
    fn array(&self, index: &Json) -> Option<(&[f32], Vec<usize>, &str)> {
        let entry = &self.list("arrays")[index.as_u64()? as usize];
        let shape: Vec<usize> =
            entry[2].as_array()?.iter().map(|size| size.as_u64().unwrap() as usize).collect();
        let start = entry[1].as_u64()? as usize;
        Some((&self.numbers[start..start + shape.iter().product::<usize>()], shape, entry[0].as_str()?))
    }

    fn value(&self, index: &Json) -> Option<Value> {
        let (numbers, shape, dtype) = self.array(index)?;
        let dtype = burn_keras::config::Dtype::from_name(dtype).unwrap();
        let data = TensorData::new(numbers.to_vec(), shape);
        let value = Value::from_data(data, &self.device).unwrap();
        Some(value.cast(burn_keras::value::burn_dtype(dtype).unwrap()).unwrap())
    }

    /// Values of a list, of a dict, or one.
    fn inputs(&self, given: &Json) -> Inputs {
        match given {
            Json::Array(items) => {
                items.iter().map(|item| self.value(item).unwrap()).collect::<Vec<_>>().into()
            }
            Json::Object(items) => {
                items.iter().map(|(name, item)| (name, self.value(item).unwrap())).collect()
            }
            one => self.value(one).unwrap().into(),
        }
    }
}

fn numbers(value: Value) -> Vec<f32> {
    value.into_data().convert::<f32>().iter().collect()
}

/// Whether numbers are within 1e-5, of each other or in proportion.
fn apart(given: &[f32], expected: &[f32]) -> Option<String> {
    let near = |(a, b): (&f32, &f32)| {
        a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-5 * b.abs().max(1.0)
    };
    let same = given.len() == expected.len() && given.iter().zip(expected).all(near);
    (!same).then(|| format!("{given:?} instead of {expected:?}"))
}

/// The value of a case, and the gradient of its sum.
fn run(fixture: &Fixture, case: &Json) -> Result<(Value, Vec<f32>)> {
    let loss = Loss::of(&case["loss"]);
    let given = |place: usize| &case["arrays"][place];
    let (flat, shape, dtype) = fixture.array(given(1)).unwrap();
    let data = TensorData::new(flat.to_vec(), [flat.len()]);
    let leaf = Tensor::<1>::from_data(data, &fixture.device.clone().autodiff()).require_grad();
    let mut y_pred = Value::from(leaf.clone()).reshape(&shape)?;
    if dtype == "float16" {
        y_pred = y_pred.cast(DType::F16)?;
    }
    let y_true = fixture.value(given(0)).unwrap();
    let weight = fixture.value(given(2));
    let y_pred = y_pred.with_mask(fixture.value(given(3)));
    let value = loss.call(&y_true, &y_pred, weight.as_ref())?;
    let count = value.shape().iter().product();
    let gradients = value.clone().reshape(&[count])?.float::<1>()?.sum().backward();
    let gradient = leaf.grad(&gradients).map(|gradient| gradient.into_data().iter().collect());
    Ok((value, gradient.unwrap_or_default()))
}

#[test]
fn values_and_gradients_are_those_of_keras() {
    compare(&Fixture::on(Device::flex()));
}

#[test]
#[allow(deprecated, reason = "Burn 0.22 still has its ndarray backend, so it has to work")]
fn they_are_on_another_backend() {
    compare(&Fixture::on(Device::ndarray()));
}

fn compare(fixture: &Fixture) {
    let mut wrong = Vec::new();
    for (number, case) in fixture.list("cases").iter().enumerate() {
        let (expected, shape, _) = fixture.array(&case["arrays"][4]).unwrap();
        let problem = match run(fixture, case) {
            Err(error) => Some(error.to_string()),
            Ok((value, _)) if value.shape() != shape => Some(format!("shape {:?}", value.shape())),
            Ok((value, gradient)) => apart(&numbers(value), expected).or_else(|| {
                let (expected, ..) = fixture.array(&case["arrays"][5])?;
                apart(&gradient, expected).map(|problem| format!("gradient {problem}"))
            }),
        };
        wrong.extend(problem.map(|problem| format!("{number} {}: {problem}", case["loss"]["config"])));
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), fixture.list("cases").len(), wrong.join("\n"));
    assert!(fixture.list("cases").len() > 700);
}

#[test]
fn every_class_and_name_of_keras_is_known() {
    let fixture = Fixture::load();
    let mut known = AnyLoss::CLASSES.to_vec();
    known.sort_unstable();
    let classes: Vec<&str> = fixture.list("classes").iter().map(|class| class.as_str().unwrap()).collect();
    assert_eq!(known, classes);
    let proven =
        |class: &&str| fixture.list("cases").iter().any(|case| case["loss"]["class_name"] == **class);
    assert!(classes.iter().all(proven));

    let names = fixture.manifest["names"].as_object().unwrap();
    for (name, function) in names {
        let class = |json: &Json| Loss::of(json).known().unwrap().class().to_owned();
        let function = function.as_str().unwrap();
        let expected = class(&function.into());
        assert_eq!(burn_keras::config::snake_case(&expected), function);
        let written = json!({
            "module": "builtins", "class_name": "function", "config": function, "registered_name": "function",
        });
        assert_eq!((class(&name.as_str().into()), class(&written)), (expected.clone(), expected));
    }
    assert!(names.len() > 50);
}

#[test]
fn configs_are_those_of_keras() {
    let fixture = Fixture::load();
    for case in fixture.list("cases") {
        let (json, loss) = (&case["loss"], Loss::of(&case["loss"]));
        assert_eq!(&loss.write(), json);
        if case.get("wrapper").is_some() {
            continue;
        }
        let written = Loss::from(loss.known().unwrap().class()).write();
        let known = Described::from(loss.known().unwrap().clone()).write();
        let mut expected = json["config"].as_object().unwrap().clone();
        for (key, value) in known["config"].as_object().unwrap() {
            // Keras takes some settings that it does not write.
            let class = loss.known().unwrap().class();
            assert!(fixture.manifest["settings"][class].as_array().unwrap().contains(&key.as_str().into()));
            let default = expected.entry(key.clone()).or_insert_with(|| written["config"][key].clone());
            let same =
                *default == *value || default.as_f64().is_some_and(|number| Some(number) == value.as_f64());
            assert!(same, "{json}: {key} is {value}");
        }
        assert_eq!(known["config"].as_object().unwrap().len(), expected.len(), "{json}");
    }
}

fn names_of(case: &Json) -> Vec<String> {
    case["outputs"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
}

fn evaluate(fixture: &Fixture, case: &Json) -> Result<Losses> {
    let loss = CompileLoss::new(&case["loss"], &case["loss_weights"], &names_of(case), &Custom::default())?;
    let mut y_pred: Vec<Value> =
        case["y_pred"].as_array().unwrap().iter().map(|index| fixture.value(index).unwrap()).collect();
    if let Some(masks) = case["masks"].as_array() {
        y_pred = y_pred.into_iter().zip(masks).map(|(y, mask)| y.with_mask(fixture.value(mask))).collect();
    }
    let y_true = loss.targets(fixture.inputs(&case["y"]))?;
    let weights = &case["sample_weight"];
    let weights = match weights {
        Json::Null => Vec::new(),
        Json::Array(items) if items.iter().any(Json::is_null) => {
            items.iter().map(|item| fixture.value(item)).collect()
        }
        given => loss.sample_weights(fixture.inputs(given))?,
    };
    loss.call(&y_true, &y_pred, &weights)
}

#[test]
fn compiled_losses_are_those_of_keras() {
    let fixture = Fixture::load();
    let (mut wrong, mut refused) = (Vec::new(), 0);
    for case in fixture.list("compiled") {
        let told = format!("{} {} {}", case["loss"], case["loss_weights"], case["y"]);
        match (evaluate(&fixture, case), case["logs"].as_object()) {
            (Ok(losses), Some(logs)) => {
                let mut found: BTreeMap<String, f32> =
                    losses.each.into_iter().map(|(name, loss)| (name, loss.into_scalar())).collect();
                found.insert("loss".into(), losses.total.into_scalar());
                // Keras adds up nothing for several losses of a single output.
                let single = names_of(case).len() == 1;
                let logs = logs.iter().filter(|(name, _)| !single || *name == "loss");
                let logs: BTreeMap<String, f32> =
                    logs.map(|(name, loss)| (name.clone(), loss.as_f64().unwrap() as f32)).collect();
                let names = found.keys().eq(logs.keys());
                let numbers = |of: &BTreeMap<String, f32>| of.values().copied().collect::<Vec<_>>();
                if !names || apart(&numbers(&found), &numbers(&logs)).is_some() {
                    wrong.push(format!("{told}: {found:?} instead of {logs:?}"));
                }
            }
            (Err(_), None) => refused += 1,
            (Err(error), Some(_)) => wrong.push(format!("{told}: {error}")),
            (Ok(losses), None) => {
                wrong.push(format!("{told}: {losses:?} where Keras says {}", case["error"]))
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(refused > 8 && fixture.list("compiled").len() > 50);
}

#[test]
fn weights_of_classes_are_those_of_keras() {
    let fixture = Fixture::load();
    for case in fixture.list("class_weights") {
        let weights = case["weights"].as_object().unwrap().iter();
        let weights =
            weights.map(|(class, weight)| (class.parse().unwrap(), weight.as_f64().unwrap())).collect();
        let found = class_weights(&fixture.value(&case["y"]).unwrap(), &weights).unwrap();
        assert_eq!(numbers(found), fixture.array(&case["found"]).unwrap().0);
    }
    let y = Value::from(Tensor::<3>::zeros([2, 2, 3], &fixture.device));
    assert!(class_weights(&y, &BTreeMap::new()).unwrap_err().to_string().contains("[batch, classes]"));
}

fn two_outputs() -> Vec<String> {
    vec!["first".into(), "second".into()]
}

#[test]
fn everything_wrong_with_settings_is_told_at_once() {
    let error = CompileLoss::new(
        &json!({"first": ["mean_square_error", {"class_name": "Huber", "config": {"delta": "wide"}}],
                "secnd": "mse",
                "second": {"class_name": "MeanSquaredError", "config": {"reduction": "none"}}}),
        &json!({"first": [1.0, "heavy"], "third": 2.0}),
        &two_outputs(),
        &Custom::default(),
    )
    .unwrap_err()
    .to_string();
    for part in [
        "mean_square_error",
        "did you mean",
        "delta",
        "\"secnd\"",
        "reduction \"none\"",
        "\"heavy\"",
        "\"third\"",
        "no weight of the loss of \"second\"",
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
    for (loss, part) in [
        (json!({"class_name": "MeanSquaredError", "config": {"dtype": "mixed_float16"}}), "mixed_float16"),
        (
            json!({"class_name": "MyLoss", "module": "mine", "config": {}, "registered_name": "Mine>MyLoss"}),
            "MyLoss",
        ),
        (json!({"class_name": "function", "config": "Mine>loss"}), "Mine>loss"),
        (json!(["mse", [["mae", {"first": "mse"}]]]), "a dict inside"),
        (json!(["mse", "mae", "mse"]), "3 losses for 2 outputs"),
        (json!(5), "the loss 5"),
        (json!(["mse", ""]), "unknown loss \"\""),
        (json!({"class_name": 5}), "the loss"),
        (json!({"class_name": "function", "config": {}}), "unknown loss \"function\""),
        (json!({"class_name": "MeanSquaredError", "config": {"reduction": "auto"}}), "sum_over_batch_size"),
        (json!({"class_name": "Dice", "config": {"axis": "x"}}), "axis"),
        (json!({"class_name": "LossFunctionWrapper", "config": {"fn": "huber", "width": 3}}), "width"),
        ((0..40).fold(json!("mse"), |inner, _| json!([inner])), "too deep"),
    ] {
        let error = CompileLoss::new(&loss, &Json::Null, &two_outputs(), &Custom::default()).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[test]
fn losses_of_somebody_s_own_are_found_by_their_names() {
    let device = Device::flex();
    let difference = |y_true: &Value, y_pred: &Value| y_pred.clone().binary(Binary::Subtract, y_true.clone());
    let mut custom = Custom::default();
    custom.function("difference", difference);
    custom.class("Mine>Power", |config| {
        let power = config.get("power").and_then(Json::as_f64).unwrap_or(1.0);
        Ok(move |y_true: &Value, y_pred: &Value| {
            let apart = y_pred.clone().binary(Binary::Subtract, y_true.clone())?;
            burn_keras::map_float!(apart, x => x.powf_scalar(power))
        })
    });
    let function = json!({"module": "builtins", "class_name": "function", "config": "difference",
                          "registered_name": "function"});
    let wrapped = json!({"module": "keras.src.losses.losses", "class_name": "LossFunctionWrapper",
                         "config": {"fn": function, "reduction": "sum", "name": "d"},
                         "registered_name": "LossFunctionWrapper"});
    let class = json!({"module": null, "class_name": "Power", "registered_name": "Mine>Power",
                       "config": {"power": 3.0, "reduction": "sum", "name": "power"}});
    let y_true = Value::from(Tensor::<1>::from_floats([0.0, 1.0], &device));
    let y_pred = Value::from(Tensor::<2>::from_floats([[2.0], [2.0]], &device));
    for (loss, expected) in [(json!("difference"), 1.5), (function, 1.5), (wrapped, 3.0)] {
        let loss = CompileLoss::new(&loss, &Json::Null, &["y".into()], &custom).unwrap();
        let losses = loss.call(&[Some(y_true.clone())], std::slice::from_ref(&y_pred), &[]).unwrap();
        assert_eq!((losses.total.into_scalar::<f32>(), losses.each.len()), (expected, 0));
    }
    // A class brings ranks together by itself: here all pairs.
    let loss = CompileLoss::new(&class, &Json::Null, &["y".into()], &custom).unwrap();
    let losses = loss.call(&[Some(y_true)], &[y_pred], &[]).unwrap();
    assert_eq!(losses.total.into_scalar::<f32>(), 18.0);
}

#[test]
fn what_does_not_fit_is_named() {
    let device = Device::flex();
    let zeros = |shape: &[usize]| {
        let count = shape.iter().product();
        Value::from_data(TensorData::new(vec![0.0_f32; count], shape.to_vec()), &device).unwrap()
    };
    for (loss, y_true, y_pred, part) in [
        (Loss::from("mse"), zeros(&[3, 2]), zeros(&[3, 4]), "do not fit"),
        (Loss::from("bce"), zeros(&[3, 1]), zeros(&[3, 4]), "do not fit"),
        (Loss::from("sparse_categorical_crossentropy"), zeros(&[2]), zeros(&[3, 4]), "do not fit"),
        (Loss::from("mse"), zeros(&[0, 4]), zeros(&[0, 4]), "no values"),
        (Loss::from("ctc"), zeros(&[2, 3]), zeros(&[2, 3]), "[batch, time, classes]"),
        (Circle::default().into(), zeros(&[3, 2]), zeros(&[3, 4]), "do not fit"),
        (Circle::default().into(), zeros(&[3]), zeros(&[3, 4, 2]), "[batch, features]"),
        (CosineSimilarity { axis: 2, ..Default::default() }.into(), zeros(&[3, 4]), zeros(&[3, 4]), "axis 2"),
        (Loss::none(), zeros(&[3]), zeros(&[3]), "got none"),
    ] {
        let error = loss.call(&y_true, &y_pred, None).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    let strings = Value::from_strings(vec!["a"], &[1], &device).unwrap();
    assert!(
        Loss::from("mse").call(&strings, &zeros(&[1]), None).unwrap_err().to_string().contains("strings")
    );
    let error = Loss::from("mse").call(&zeros(&[2, 3]), &zeros(&[2, 3]), Some(&zeros(&[5]))).unwrap_err();
    assert!(error.to_string().contains("broadcast"), "{error}");
}

/// Values of all kinds of shapes give numbers or errors.
#[test]
fn no_shape_makes_a_loss_panic() {
    let device = Device::flex();
    let shapes: &[&[usize]] = &[
        &[],
        &[1],
        &[3],
        &[3, 1],
        &[1, 3],
        &[3, 3],
        &[3, 4],
        &[2, 1],
        &[2, 3, 1],
        &[2, 3, 4],
        &[3, 2, 1, 1],
        &[1, 1, 1, 1, 1, 1],
        &[0],
        &[2, 0],
    ];
    let of = |shape: &[usize], offset: f32| {
        let numbers =
            (0..shape.iter().product::<usize>()).map(|at| (at as f32).mul_add(0.4, offset) - 1.0).collect();
        Value::from_data(TensorData::new::<f32, _>(numbers, shape.to_vec()), &device)
    };
    let (mut computed, mut refused) = (0, 0);
    let mut losses: Vec<Loss> = AnyLoss::CLASSES.iter().map(|class| Loss::from(*class)).collect();
    losses.push(BinaryCrossentropy { axis: 1, ..Default::default() }.into());
    losses
        .push(Dice { axis: Some(burn_keras::config::Axes::Many(vec![0, -1])), ..Default::default() }.into());
    losses.push(Huber { delta: f64::NAN, ..Default::default() }.into());
    for loss in &losses {
        for y_true in shapes {
            for y_pred in shapes {
                let (Ok(y_true), Ok(y_pred)) = (of(y_true, 0.0), of(y_pred, 0.3)) else { continue };
                for weight in [None, Some(&[3_usize][..]), Some(&[2, 3]), Some(&[])] {
                    let weight = weight.map(|shape| of(shape, 1.0).unwrap());
                    let mask = weight.clone().filter(|weight| weight.rank() == 2);
                    match loss.call(&y_true, &y_pred.clone().with_mask(mask), weight.as_ref()) {
                        Ok(_) => computed += 1,
                        Err(_) => refused += 1,
                    }
                }
            }
        }
    }
    assert!(computed > 2000 && refused > 2000, "{computed} and {refused}");
}
