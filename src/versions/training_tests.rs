//! What real Keras stored of `compile` and of optimizers: `tests/keras/optimizers.py`.

use serde_json::Value as Json;

use super::compile::{compile_config, compile_config_keras2, training_config};
use super::optimizer::{
    Layout, Slot, SlotName, Trainable, from_layout, from_legacy, momentum_product, to_legacy,
};
use super::{Change, Target};

fn document() -> Json {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/optimizers.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn shape(json: &Json) -> Vec<usize> {
    serde_json::from_value(json.clone()).unwrap()
}

fn named(json: &Json) -> Vec<(String, Vec<usize>)> {
    json.as_array().unwrap().iter().map(|pair| (pair[0].as_str().unwrap().into(), shape(&pair[1]))).collect()
}

/// The variables of a legacy file, and those of an archive under their numbers.
fn stored(entry: &Json) -> Vec<SlotName> {
    named(&entry["weights"]).into_iter().map(|(name, shape)| SlotName { name, shape }).collect()
}

fn numbered(entry: &Json) -> Vec<SlotName> {
    let shapes = entry["shapes"].as_array().unwrap().iter().enumerate();
    shapes.map(|(index, json)| SlotName { name: index.to_string(), shape: shape(json) }).collect()
}

/// The optimizer of an entry in the form of Keras 3, whatever its own.
fn optimizer(entry: &Json) -> Json {
    compile_config(&entry["training_config"], &mut Vec::new())["optimizer"].clone()
}

fn entries(kind: &str) -> Vec<(String, Json, Vec<Trainable>)> {
    let document = document();
    let trainable = named(&document["trainable"]);
    let states = document["states"].as_object().unwrap().iter();
    let kept = states.filter_map(|(name, state)| Some((name.clone(), state.get(kind)?.clone())));
    kept.map(|(name, entry)| (name, entry, trainable.clone())).collect()
}

#[test]
fn what_keras_3_stores_is_in_its_order() {
    let entries = entries("keras3");
    assert!(entries.len() > 15);
    for (name, entry, trainable) in entries {
        let optimizer = &entry["compile_config"]["optimizer"];
        let slots = numbered(&entry);
        let same: Vec<Slot> = (0..slots.len()).map(Slot::Stored).collect();
        assert_eq!(from_layout(optimizer, Layout::Keras3, &slots, &trainable), Some(same.clone()), "{name}");
        if entry["weights"].is_array() {
            assert_eq!(from_legacy(optimizer, &stored(&entry), &trainable), Some(same), "{name}");
            let (names, slots): (Vec<_>, Vec<_>) =
                to_legacy(optimizer, &trainable, Target::Keras3).unwrap().into_iter().unzip();
            assert_eq!(slots, (0..names.len()).map(Slot::Stored).collect::<Vec<_>>(), "{name}");
            if name != "scaled" {
                let real: Vec<String> = stored(&entry).into_iter().map(|slot| slot.name).collect();
                assert_eq!(names, real, "{name}");
            }
        }
    }
}

/// Keras 2 and back: what both have comes back to its place.
#[test]
fn what_keras_2_stores_finds_its_place_in_keras_3() {
    let entries = entries("new");
    assert!(entries.len() > 12);
    for (name, entry, trainable) in entries {
        let optimizer = optimizer(&entry);
        let stored = stored(&entry);
        let there = from_legacy(&optimizer, &stored, &trainable).unwrap_or_else(|| panic!("{name}"));
        let in_archive = from_layout(&optimizer, Layout::Keras2, &numbered(&entry), &trainable);
        assert_eq!(in_archive.as_ref(), Some(&there), "{name}");
        let back = to_legacy(&optimizer, &trainable, Target::Keras2).unwrap();
        assert_eq!(back.len(), stored.len(), "{name}");
        for (index, ((own, slot), real)) in back.iter().zip(&stored).enumerate() {
            match slot {
                Slot::Stored(at) => assert_eq!(there[*at], Slot::Stored(index), "{name} {own}"),
                slot => assert_eq!(
                    (name.as_str(), slot),
                    ("sgd", &Slot::Constant(0.0, real.shape.clone())),
                    "{own}"
                ),
            }
            assert!(
                *own == real.name || own.ends_with(&real.name) || name == "adafactor",
                "{own} {}",
                real.name
            );
        }
    }
}

#[test]
fn legacy_slots_follow_their_names() {
    let entries = entries("legacy");
    assert!(entries.len() > 10);
    for (name, entry, trainable) in entries {
        let (optimizer, stored) = (optimizer(&entry), stored(&entry));
        let there = from_legacy(&optimizer, &stored, &trainable);
        let Some(there) = there else {
            assert_eq!(name, "nadam");
            continue;
        };
        // The names of Keras 3 and the legacy ones speak of the same variable, and of the same slot.
        for ((real, _), slot) in to_legacy(&optimizer, &trainable, Target::Keras3).unwrap().iter().zip(&there)
        {
            let Slot::Stored(at) = slot else { continue };
            let mut parts: Vec<&str> = stored[*at].name.trim_end_matches(":0").rsplit('/').take(3).collect();
            parts.reverse();
            if let [layer, variable, slot] = parts.as_slice()
                && ["a", "b"].contains(layer)
            {
                let known = [
                    ("m", "momentum"),
                    ("v", if name == "adamax" { "norm" } else { "velocity" }),
                    ("vhat", "velocity_hat"),
                    ("rms", "velocity"),
                    ("mg", "average_gradient"),
                    ("accum_grad", "accumulated_grad"),
                    ("accum_var", "accumulated_delta_var"),
                ];
                let slot = known.iter().find(|(short, _)| short == slot).map_or(*slot, |(_, long)| long);
                assert!(real.ends_with(&format!("/{layer}_{variable}_{slot}")), "{name}: {real} {parts:?}");
            }
        }
    }
}

/// As files of Keras 2.0 to 2.2 have it: names without meaning, and not every optimizer counts its steps.
#[test]
fn weights_of_keras_1_are_told_apart_by_their_number() {
    let trainable = [("a".to_owned(), vec![2, 3]), ("b".to_owned(), vec![3])];
    let stored = |shapes: &[&[usize]]| -> Vec<SlotName> {
        let name = |index| format!("training/Adam/Variable_{index}:0");
        shapes.iter().enumerate().map(|(i, s)| SlotName { name: name(i), shape: s.to_vec() }).collect()
    };
    let read = |class: &str, shapes: &[&[usize]]| {
        from_legacy(&serde_json::json!({"class_name": class, "config": {}}), &stored(shapes), &trainable)
    };
    let (a, b): (&[usize], &[usize]) = (&[2, 3], &[3]);
    let [zero, rate] = [0.0, 0.001].map(|number| Slot::Constant(number, vec![]));
    let at = Slot::Stored;
    let adam = Some(vec![at(0), rate.clone(), at(1), at(3), at(2), at(4)]);
    assert_eq!(read("Adam", &[&[], a, b, a, b]), adam);
    assert_eq!(read("Adam", &[&[], a, b, a, b, &[1], &[1]]), adam);
    assert_eq!(read("RMSprop", &[a, b]), Some(vec![zero.clone(), rate.clone(), at(0), at(1)]));
    assert_eq!(read("RMSprop", &[&[], a, b]), Some(vec![at(0), rate, at(1), at(2)]));
    assert_eq!(read("SGD", &[&[], a, b]), Some(vec![at(0), Slot::Constant(0.01, vec![])]));
    for (class, shapes) in
        [("Adam", vec![a, b, a]), ("Nadam", vec![&[], a, b, a, b]), ("RMSprop", vec![b, a])]
    {
        assert_eq!(read(class, &shapes), None, "{class}");
    }
}

#[test]
fn the_product_of_momenta_needs_no_loop_over_all_steps() {
    let first: f64 = (1..=3).map(|step| 0.9 * (1.0 - 0.5 * 0.96_f64.powi(step))).product();
    assert!((momentum_product(0.9, 3) - first).abs() < 1e-15);
    assert_eq!(momentum_product(0.9, 0), 1.0);
    assert_eq!(momentum_product(0.9, u64::MAX), 0.0);
    assert!(momentum_product(1.0, u64::MAX) > 0.0);
}

fn settings(library: &str) -> Vec<(Json, Json)> {
    let document = document();
    let entries = document[library].as_array().unwrap();
    entries.iter().map(|entry| (entry["legacy"].clone(), entry["archive"].clone())).collect()
}

/// The legacy form of Keras 3 gives back the other, but that it says a function by its name only.
#[test]
fn both_forms_of_keras_3_say_the_same() {
    for (legacy, archive) in settings("keras3") {
        let mut changes = Vec::new();
        let read = compile_config(&legacy, &mut changes);
        let written = training_config(&archive, Target::Keras3, &mut changes);
        assert_eq!(changes, []);
        let (mut read, mut archive, mut legacy, mut written) = (read, archive, legacy, written);
        for key in ["loss", "metrics"] {
            let text = archive[key].to_string();
            if text.contains("\"function\"") {
                for form in [&mut read, &mut archive] {
                    form[key].take();
                }
            }
            // The reader of Keras 3 stumbles over abbreviations that its writer makes.
            if ["\"mse\"", "[\"mse\"]", "\"kld\""].contains(&text.as_str()) && key == "loss" {
                assert!(!written[key].to_string().contains(&text[1..4]));
                for form in [&mut legacy, &mut written] {
                    form[key].take();
                }
            }
        }
        assert_eq!(read, archive);
        assert_eq!(written, legacy);
    }
}

#[test]
fn keras_2_is_put_into_words_of_keras_3() {
    for (legacy, archive) in settings("keras2") {
        for config in [&legacy, &archive] {
            let mut changes: Vec<Change> = Vec::new();
            let text = compile_config(config, &mut changes).to_string();
            assert_eq!(changes, []);
            for word in ["\"fn\"", "auto", "MeanMetricWrapper", "is_legacy_optimizer", "Custom>"] {
                assert!(!text.contains(word), "{word} in {text}");
            }
        }
    }
    let of_keras_2 = compile_config(&settings("keras2")[3].0, &mut Vec::new());
    let of_keras_3 = settings("keras3")[3].1.clone();
    assert_eq!(of_keras_2["metrics"][0], of_keras_3["metrics"]);
    for key in ["from_logits", "label_smoothing", "reduction", "name"] {
        assert_eq!(of_keras_2["loss"]["config"][key], of_keras_3["loss"]["config"][key]);
    }
}

#[test]
fn a_decay_is_a_schedule_but_for_nadam() {
    let read = |text: &str| {
        let mut changes = Vec::new();
        let json = serde_json::json!({"optimizer_config": serde_json::from_str::<Json>(text).unwrap()});
        (compile_config(&json, &mut changes)["optimizer"]["config"].clone(), changes)
    };
    let (sgd, changes) = read(r#"{"class_name": "SGD", "config": {"lr": 1, "decay": 0.1, "momentum": 0}}"#);
    assert_eq!(sgd["learning_rate"]["class_name"], "InverseTimeDecay");
    assert_eq!(sgd["learning_rate"]["config"]["initial_learning_rate"].to_string(), "1.0");
    assert_eq!(sgd["momentum"].to_string(), "0.0");
    assert_eq!(changes.len(), 1);
    let (nadam, changes) =
        read(r#"{"class_name": "Nadam", "config": {"learning_rate": 0.1, "decay": 0.004}}"#);
    assert_eq!(nadam, serde_json::json!({"learning_rate": 0.1}));
    assert_eq!(changes.len(), 1);
}

#[test]
fn what_is_custom_stays_and_what_keras_2_lacks_is_left_out() {
    let custom = r#"{"optimizer_config": {"class_name": "Addons>LAMB", "config": {"a": 1}}, "loss": "my_loss",
        "metrics": ["acc", {"class_name": "Mine", "config": {}}], "sample_weight_mode": "temporal"}"#;
    let custom: Json = serde_json::from_str(custom).unwrap();
    let mut changes = Vec::new();
    let read = compile_config(&custom, &mut changes);
    assert_eq!(changes.len(), 4, "{changes:#?}");
    assert_eq!(read["optimizer"], custom["optimizer_config"]);
    assert_eq!(read["metrics"], custom["metrics"]);
    assert_eq!(read.get("sample_weight_mode"), None);
    for entry in ["lamb", "muon"] {
        let entry = document()["states"][entry]["keras3"]["compile_config"].clone();
        let mut changes = Vec::new();
        assert!(compile_config_keras2(&entry, &mut changes).is_null());
        assert!(training_config(&entry, Target::Keras2, &mut changes).is_null());
        assert!(!training_config(&entry, Target::Keras3, &mut changes).is_null());
        assert_eq!(changes.len(), 2);
    }
}

/// Keras wrote the type of a loss for some versions.
#[test]
fn the_type_of_a_loss_is_told_when_it_is_not_the_usual_one() {
    for (dtype, count) in [("float32", 0), ("float16", 1)] {
        let loss =
            serde_json::json!({"module": "keras.losses", "class_name": "Huber", "config": {"dtype": dtype}});
        let mut changes = Vec::new();
        let written = compile_config_keras2(&serde_json::json!({"loss": loss}), &mut changes);
        assert_eq!(written["loss"]["config"], serde_json::json!({}));
        assert_eq!(changes.len(), count, "{changes:?}");
    }
}

/// What trains here and what is read and written of files are the same classes and settings.
#[cfg(feature = "train")]
#[test]
fn every_class_and_function_is_in_the_tables() {
    use std::collections::BTreeSet;

    use super::compile_names::{
        ABBREVIATIONS, COMMON, FORMER_FUNCTIONS, FUNCTIONS, LOSSES, METRICS, OPTIMIZERS, SCHEDULES,
    };
    use crate::config::Class;
    use crate::loss::{AnyLoss, Loss};
    use crate::metric::{AnyMetric, Metric};
    use crate::optimizer::{AnyOptimizer, AnySchedule, Optimizer};

    fn set<'a>(names: impl IntoIterator<Item = &'a &'static str>) -> BTreeSet<&'static str> {
        names.into_iter().copied().filter(|name| !name.is_empty()).collect()
    }
    assert_eq!(set(AnyLoss::CLASSES), set(LOSSES.iter().chain(FUNCTIONS.iter().map(|row| &row.1))));
    // Around a function, it is that function.
    let wrapper = ["MeanMetricWrapper"];
    let metrics = METRICS.iter().chain(FUNCTIONS.iter().map(|row| &row.2)).chain(&wrapper);
    assert_eq!(set(AnyMetric::CLASSES), set(metrics));
    assert_eq!(set(AnyOptimizer::CLASSES), set(OPTIMIZERS.iter().map(|row| &row.0)));
    assert_eq!(set(AnySchedule::CLASSES), set(SCHEDULES));

    for (function, loss, metric) in FUNCTIONS {
        let json = Json::from(*function);
        if !loss.is_empty() {
            assert_eq!(Loss::of(&json).get().unwrap().unwrap().class(), *loss);
        }
        if !metric.is_empty() {
            assert_eq!(Metric::of(&json).get().unwrap().unwrap().class(), *metric);
        }
    }
    let functions = FUNCTIONS.iter().map(|row| row.0).collect::<BTreeSet<_>>();
    for (short, function) in ABBREVIATIONS {
        let of = |name: &str| Loss::of(&name.into()).get().unwrap().unwrap().class();
        assert!(functions.contains(function));
        assert_eq!(of(short), of(function));
    }
    assert!(FORMER_FUNCTIONS.iter().all(|(_, loss, _)| functions.contains(loss)));
    for (class, own) in OPTIMIZERS.iter().filter(|(class, _)| !class.ends_with("Optimizer")) {
        let optimizer = Optimizer::from(class.to_lowercase().as_str());
        let written = optimizer.get().unwrap().unwrap().config();
        let written = written.keys().map(String::as_str).collect::<BTreeSet<_>>();
        let known: BTreeSet<&str> = COMMON.iter().chain(own.iter()).copied().collect();
        assert_eq!(written, known, "{class}");
    }
}
