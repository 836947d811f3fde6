//! What `compile` was called with, in the words of each format.
//!
//! `compile_config` of a `.keras` file of Keras 3 is the middle: `training_config` of HDF5 files and
//! SavedModels, and `compile_config` of Keras 2, are turned into it and out of it.
//!
//! Of an optimizer, a loss or a metric that is not of Keras, nothing is known: it stays as it is, and is told.
//! It is Keras that asks for it, with `custom_objects`; a model loads and predicts without.

use serde_json::{Map, Value as Json, json};

use super::compile_names::{
    ABBREVIATIONS, COMMON, FORMER_FUNCTIONS, FUNCTIONS, INTEGERS, KERAS2_LACKS, LOSSES, METRICS, OPTIMIZERS,
    SCHEDULES, SETTINGS,
};
use super::{Change, Era, Target};
use crate::config::snake_case;

/// Brings the compile settings of a model description into the form of Keras 3. Those of Keras 3 itself are
/// left alone.
pub(crate) fn modernize_settings(config: &mut Json, era: Era, changes: &mut Vec<Change>) {
    let Some(model) = config.as_object_mut() else { return };
    let training = model.shift_remove("training_config");
    let own = model.get("compile_config").filter(|_| era < Era::Keras3);
    let Some(settings) = training.as_ref().or(own).filter(|settings| settings.is_object()) else { return };
    let settings = compile_config(settings, changes);
    if training.is_none() && model.get("compile_config") != Some(&settings) {
        let what = "in the words of Keras 3".to_owned();
        changes.push(Change { place: "compile_config".to_owned(), what });
    }
    model.insert("compile_config".to_owned(), settings);
}

/// The settings of `compile` in the form of Keras 3, from `training_config` of any version or from
/// `compile_config` of Keras 2.
pub(crate) fn compile_config(training_config: &Json, changes: &mut Vec<Change>) -> Json {
    let Some(settings) = training_config.as_object() else { return Json::Object(Map::new()) };
    let mut work = Work { changes, to: Form::Keras3 };
    let mut out = Map::new();
    let optimizer = settings.get("optimizer_config").or_else(|| settings.get("optimizer"));
    out.extend(optimizer.map(|optimizer| ("optimizer".to_owned(), work.optimizer(optimizer))));
    for (key, value) in settings {
        let value = match key.as_str() {
            "optimizer" | "optimizer_config" => continue,
            "loss" => work.nested(&LOSS, value, "loss"),
            "metrics" | "weighted_metrics" => work.metrics(value, key, settings.get("loss")),
            key if SETTINGS.contains(&key) => value.clone(),
            key => {
                work.drop(key, value, "Keras 3 has no such setting");
                continue;
            }
        };
        // Where Keras 2 writes null, Keras 3 wants a number or a switch.
        if !value.is_null() || ["loss", "loss_weights", "metrics", "weighted_metrics"].contains(&key.as_str())
        {
            out.insert(key.clone(), value);
        }
    }
    Json::Object(out)
}

/// The attribute `training_config` of an HDF5 file. `Null`: that version has no words for it, and the file is
/// to be written as one of a model that was not compiled, which opens.
pub(crate) fn training_config(compile_config: &Json, target: Target, changes: &mut Vec<Change>) -> Json {
    let form = match target {
        Target::Keras3 => Form::Keras3Legacy,
        Target::Keras2 => Form::Keras2Legacy,
    };
    let mut settings = written(compile_config, form, changes);
    if let Json::Object(settings) = &mut settings {
        let optimizer = settings.shift_remove("optimizer").filter(|optimizer| !optimizer.is_null());
        let optimizer = optimizer.unwrap_or_else(|| "rmsprop".into());
        let optimizer = match optimizer.as_str() {
            Some(name) => {
                json!({"class_name": optimizer_class(name).unwrap_or(name), "config": {}})
            }
            None => optimizer,
        };
        settings.insert("optimizer_config".into(), optimizer);
        for key in ["loss", "loss_weights", "metrics", "weighted_metrics"] {
            settings.entry(key).or_insert(Json::Null);
        }
    }
    settings
}

/// `compile_config` of a `.keras` file that Keras 2 opens, and Keras 3 as well. `Null`: as above.
pub(crate) fn compile_config_keras2(compile_config: &Json, changes: &mut Vec<Change>) -> Json {
    written(compile_config, Form::Keras2, changes)
}

/// The class of an optimizer of Keras 3 by any name that it has had: `Custom>Adam`, `adam`.
pub(crate) fn optimizer_class(name: &str) -> Option<&'static str> {
    let name = name.strip_prefix("Custom>").unwrap_or(name);
    let name = ["V1", "V3"].iter().find_map(|version| name.strip_suffix(version)).unwrap_or(name);
    let name = name.strip_prefix("Experimental").unwrap_or(name);
    OPTIMIZERS.iter().map(|(class, _)| *class).find(|class| class.eq_ignore_ascii_case(name))
}

fn written(compile_config: &Json, form: Form, changes: &mut Vec<Change>) -> Json {
    let Some(settings) = compile_config.as_object().filter(|settings| !settings.is_empty()) else {
        return Json::Null;
    };
    if form.is_keras2()
        && let Some(word) = lacking(compile_config)
    {
        let what = format!("left out, because Keras 2 has no {word}");
        changes.push(Change { place: "compile_config".into(), what });
        return Json::Null;
    }
    let mut work = Work { changes, to: form };
    let convert = |(key, value): (&String, &Json)| {
        let value = match key.as_str() {
            "optimizer" => work.optimizer(value),
            "loss" => work.nested(&LOSS, value, key),
            "metrics" | "weighted_metrics" => work.nested(&METRIC, value, key),
            _ => value.clone(),
        };
        (key.clone(), value)
    };
    Json::Object(settings.iter().map(convert).collect())
}

/// A name in there that Keras 2 does not know.
fn lacking(json: &Json) -> Option<&str> {
    match json {
        Json::String(text) => KERAS2_LACKS.contains(&text.as_str()).then_some(text),
        Json::Array(items) => items.iter().find_map(lacking),
        Json::Object(items) => items.values().find_map(lacking),
        _ => None,
    }
}

/// The form that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// `.keras` of Keras 3.
    Keras3,
    /// HDF5 of Keras 3.
    Keras3Legacy,
    /// `.keras` of Keras 2, with nothing in it that Keras 3 does not know.
    Keras2,
    /// HDF5 of Keras 2.
    Keras2Legacy,
}

impl Form {
    fn is_keras2(self) -> bool {
        matches!(self, Self::Keras2 | Self::Keras2Legacy)
    }

    /// In HDF5 files an object is its class and its config, and a function its name.
    fn is_legacy(self) -> bool {
        matches!(self, Self::Keras3Legacy | Self::Keras2Legacy)
    }
}

/// What `LossScaleOptimizer` of Keras 2 has to say.
const OF_SCALE: &[&str] = &["inner_optimizer", "initial_scale", "dynamic_growth_steps"];

/// Losses or metrics: their module, and how they are called as functions and classes.
struct Kind {
    module: &'static str,
    classes: &'static [&'static str],
    /// The class of a function.
    of_function: fn(&'static (&'static str, &'static str, &'static str)) -> &'static str,
}

const LOSS: Kind = Kind { module: "keras.losses", classes: LOSSES, of_function: |row| row.1 };
const METRIC: Kind = Kind { module: "keras.metrics", classes: METRICS, of_function: |row| row.2 };

impl Kind {
    fn is_loss(&self) -> bool {
        self.module == LOSS.module
    }

    fn class_of_function(&self, function: &str) -> Option<&'static str> {
        let row = FUNCTIONS.iter().find(|(name, ..)| *name == function)?;
        Some((self.of_function)(row)).filter(|class| !class.is_empty())
    }

    fn class(&self, name: &str) -> Option<&'static str> {
        let of_functions = FUNCTIONS.iter().map(self.of_function).filter(|class| !class.is_empty());
        self.classes.iter().copied().chain(of_functions).find(|class| *class == name)
    }

    /// The class that Keras 3 also knows by its name in snake case, as it does of metrics.
    fn class_of_snake(&self, name: &str) -> Option<&'static str> {
        let snake = |class: &&str| !self.is_loss() && snake_case(class) == name;
        self.classes.iter().copied().find(snake)
    }

    fn abbreviated(&self, name: &str) -> Option<&'static str> {
        let is_known = |abbreviation: &str| self.is_loss() || abbreviation != "kld";
        let row = ABBREVIATIONS.iter().find(|(short, _)| short.eq_ignore_ascii_case(name));
        row.filter(|(short, _)| is_known(short)).map(|(_, function)| *function)
    }

    fn knows(&self, name: &str) -> bool {
        self.class_of_function(name).is_some()
            || self.class(name).is_some()
            || self.class_of_snake(name).is_some()
            || self.abbreviated(name).is_some()
            || (!self.is_loss() && ["accuracy", "acc", "log_cosh_error"].contains(&name))
    }

    /// The name that Keras 3 has for a function of another name in Keras 2.
    fn renamed(&self, name: &str) -> Option<&'static str> {
        let row = FORMER_FUNCTIONS.iter().find(|(former, ..)| former.eq_ignore_ascii_case(name))?;
        Some(if self.is_loss() { row.1 } else { row.2 })
    }
}

struct Work<'a> {
    changes: &'a mut Vec<Change>,
    to: Form,
}

impl Work<'_> {
    fn tell(&mut self, place: &str, what: impl std::fmt::Display) {
        self.changes.push(Change { place: format!("compile_config.{place}"), what: what.to_string() });
    }

    fn drop(&mut self, key: &str, value: &Json, why: &str) {
        if !value.is_null() {
            self.tell(key, format_args!("dropped: {why}"));
        }
    }

    /// What stays as it is is news to whoever reads a file; what is written of it is the same.
    fn custom(&mut self, place: &str, name: &str) {
        if self.to == Form::Keras3 {
            self.tell(place, format_args!("{name:?} is not of Keras, and stays as it is"));
        }
    }

    /// Losses or metrics in lists and dicts by output.
    fn nested(&mut self, kind: &Kind, json: &Json, place: &str) -> Json {
        match json {
            Json::String(name) => self.name(kind, name, place),
            Json::Object(object) if object.contains_key("class_name") => self.object(kind, object, place),
            Json::Object(items) => {
                let mut convert = |(key, item): (&String, &Json)| {
                    (key.clone(), self.nested(kind, item, &format!("{place}.{key}")))
                };
                Json::Object(items.iter().map(&mut convert).collect())
            }
            Json::Array(items) => items.iter().map(|item| self.nested(kind, item, place)).collect(),
            other => other.clone(),
        }
    }

    /// Metrics, of which "crossentropy" means that of the loss.
    fn metrics(&mut self, json: &Json, place: &str, loss: Option<&Json>) -> Json {
        match json {
            Json::String(name) if ["ce", "crossentropy"].contains(&name.as_str()) => {
                let of_loss = loss.and_then(Json::as_str).filter(|loss| loss.ends_with("_crossentropy"));
                self.nested(&METRIC, of_loss.map_or(json, |_| loss.unwrap_or(json)), place)
            }
            Json::Array(items) => items.iter().map(|item| self.metrics(item, place, loss)).collect(),
            other => self.nested(&METRIC, other, place),
        }
    }

    /// A loss or metric that is given by its name.
    fn name(&mut self, kind: &Kind, name: &str, place: &str) -> Json {
        if let Some(renamed) = kind.renamed(name) {
            self.tell(place, format_args!("{name:?} is {renamed:?} now"));
            return renamed.into();
        }
        if !kind.knows(name) {
            self.custom(place, name);
        }
        match self.to {
            // It does not find abbreviations when it reads its HDF5 files.
            Form::Keras3Legacy if kind.is_loss() => kind.abbreviated(name).unwrap_or(name).into(),
            form if form.is_keras2() => kind.class_of_snake(name).unwrap_or(name).into(),
            _ => name.into(),
        }
    }

    fn object(&mut self, kind: &Kind, object: &Map<String, Json>, place: &str) -> Json {
        let class = object.get("class_name").and_then(Json::as_str).unwrap_or("");
        if class == "function" {
            let Some(name) = object.get("config").and_then(Json::as_str) else {
                return Json::Object(object.clone());
            };
            let name = self.name(kind, name, place);
            let function = || json!({"module": "builtins", "class_name": class, "config": name, "registered_name": class});
            return if self.to.is_legacy() { name } else { function() };
        }
        let config = object.get("config").and_then(Json::as_object);
        // What Keras 2 makes of a function: the class that is this function has the same settings.
        let function = config.and_then(|config| config.get("fn")?.as_str());
        let wrapped = function.filter(|_| class.ends_with("Wrapper"));
        let wrapped = wrapped.map(|name| kind.renamed(name).unwrap_or(name));
        let known = wrapped.and_then(|name| kind.class_of_function(name)).or_else(|| kind.class(class));
        let (Some(class), Some(config)) = (known, config) else {
            self.custom(place, class);
            return Json::Object(object.clone());
        };
        let has_dtype = !(kind.is_loss() && self.to.is_keras2());
        if let Some(dtype) = config.get("dtype").filter(|dtype| !has_dtype && **dtype != "float32") {
            self.drop(&format!("{place}.dtype"), dtype, "the losses of Keras 2 have no such setting");
        }
        let setting = |(key, value): (&String, &Json)| {
            let value = match (key.as_str(), value) {
                ("fn", _) => return None,
                ("dtype", _) if !has_dtype => return None,
                ("reduction", Json::String(auto)) if auto == "auto" => "sum_over_batch_size".into(),
                ("reduction", Json::String(mean)) if mean == "mean" && self.to.is_keras2() => {
                    "sum_over_batch_size".into()
                }
                ("reduction", Json::Null) if self.to.is_keras2() => "none".into(),
                _ => value.clone(),
            };
            Some((key.clone(), value))
        };
        envelope(self.to, kind.module, class, config.iter().filter_map(setting).collect())
    }

    fn optimizer(&mut self, json: &Json) -> Json {
        let place = "optimizer";
        let Some(name) = json.as_str().or_else(|| json.get("class_name")?.as_str()) else {
            return json.clone();
        };
        let known = optimizer_class(name);
        let rules = OPTIMIZERS.iter().find(|(class, _)| Some(*class) == known);
        let (Some((class, keys)), config) = (rules, json.get("config").and_then(Json::as_object)) else {
            self.custom(place, name);
            return json.clone();
        };
        let Some(config) = config else { return class.to_lowercase().into() };
        // Its module has another name in each Keras 2; they put it around an optimizer by themselves.
        if self.to == Form::Keras2
            && let Some(inner) = config.get("inner_optimizer")
        {
            self.tell(place, format_args!("{class} is left to the dtype policy"));
            return self.optimizer(inner);
        }
        if self.to == Form::Keras2Legacy && class == &"LossScaleOptimizer" {
            // It tries to put the state into an optimizer that has no variables yet, and goes on without.
            self.tell(place, format_args!("Keras 2 starts it again: it reads no state of a {class} here"));
        }
        let mut out = Map::new();
        for (key, value) in config {
            let key = if key == "lr" { "learning_rate" } else { key };
            let is_former = ["decay", "jit_compile", "is_legacy_optimizer", "dynamic"].contains(&key);
            if is_former || (key == "epsilon" && value.is_null()) {
                continue;
            }
            if !keys.contains(&key) && !COMMON.contains(&key) {
                self.drop(
                    &format!("{place}.{key}"),
                    value,
                    &format!("{class} of Keras 3 has no such setting"),
                );
                continue;
            }
            // None of them in Keras 2; that they were in use is told.
            if self.to.is_keras2() && ["loss_scale_factor", "gradient_accumulation_steps"].contains(&key) {
                self.drop(&format!("{place}.{key}"), value, "Keras 2 has no such setting");
                continue;
            }
            let value = match (key, value) {
                ("learning_rate", Json::Object(_)) => self.schedule(value),
                ("inner_optimizer", _) => self.optimizer(value),
                (key, Json::Number(number)) if !INTEGERS.contains(&key) => {
                    number.as_f64().map_or(Json::Null, Json::from)
                }
                _ => value.clone(),
            };
            out.insert(key.to_owned(), value);
        }
        self.tell_of_former(class, config, &mut out);
        self.optimizer_envelope(class, out)
    }

    /// What the optimizers before those of Keras 2.11 did otherwise.
    fn tell_of_former(&mut self, class: &str, config: &Map<String, Json>, out: &mut Map<String, Json>) {
        let number = |key: &str| config.get(key).and_then(Json::as_f64);
        let decay = number("decay");
        if config.get("dynamic").and_then(Json::as_bool) == Some(false) {
            self.tell("optimizer.dynamic", "a fixed loss scale is not expressed");
        }
        if decay.is_none() && !config.contains_key("lr") && !config.contains_key("schedule_decay") {
            return;
        }
        let momentum = number("momentum").unwrap_or(0.0);
        let other_rule = match class {
            "Nadam" => Some("it let its momentum grow more slowly"),
            "Adagrad" => Some("it added epsilon to the root"),
            "RMSprop" if momentum == 0.0 => Some("it added epsilon to the root"),
            _ => None,
        };
        if let Some(rule) = other_rule {
            self.tell("optimizer", format_args!("{class} of Keras 3 trains a little differently: {rule}"));
        }
        // What it calls so is no decay of the learning rate.
        let Some(decay) = decay.filter(|decay| *decay != 0.0 && class != "Nadam") else { return };
        let Some(rate) = out.get("learning_rate").and_then(Json::as_f64) else {
            self.tell("optimizer.decay", "dropped: the learning rate has a schedule");
            return;
        };
        let schedule = json!({
            "initial_learning_rate": rate, "decay_steps": 1, "decay_rate": decay, "staircase": false,
            "name": "InverseTimeDecay",
        });
        let schedule = schedule.as_object().cloned().unwrap_or_default();
        let schedule = envelope(Form::Keras3, "keras.optimizers.schedules", "InverseTimeDecay", schedule);
        out.insert("learning_rate".into(), schedule);
        self.tell("optimizer.decay", format_args!("{decay} is the schedule InverseTimeDecay now"));
    }

    fn optimizer_envelope(&self, class: &str, mut config: Map<String, Json>) -> Json {
        let is_scale = class == "LossScaleOptimizer";
        if self.to.is_keras2() && is_scale {
            // That takes no other: what limits and averages is of its inner one.
            config.retain(|key, _| OF_SCALE.contains(&key.as_str()));
        } else if self.to == Form::Keras2Legacy {
            config.insert("jit_compile".into(), false.into());
            // It takes any other for one of those before.
            config.insert("is_legacy_optimizer".into(), false.into());
        }
        match (self.to, is_scale) {
            (Form::Keras2Legacy, true) => envelope(self.to, "", "LossScaleOptimizerV3", config),
            (Form::Keras2Legacy, false) => envelope(self.to, "", &format!("Custom>{class}"), config),
            _ => envelope(self.to, "keras.optimizers", class, config),
        }
    }

    fn schedule(&mut self, json: &Json) -> Json {
        let class = json.get("class_name").and_then(Json::as_str).unwrap_or("");
        let config = json.get("config").and_then(Json::as_object);
        let (Some(class), Some(config)) = (SCHEDULES.iter().find(|known| **known == class), config) else {
            self.custom("optimizer.learning_rate", class);
            return json.clone();
        };
        let mut config = config.clone();
        // Keras 2 writes null for a name that was not given; Keras 3 wants a text.
        config.retain(|key, value| key != "name" || !value.is_null());
        envelope(Form::Keras3, "keras.optimizers.schedules", class, config)
    }
}

fn envelope(form: Form, module: &str, class: &str, config: Map<String, Json>) -> Json {
    if form.is_legacy() {
        return json!({"class_name": class, "config": config});
    }
    json!({"module": module, "class_name": class, "config": config, "registered_name": null})
}
