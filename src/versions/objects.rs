//! Single objects: the envelope around a config, and what is in it.

use serde_json::{Map, Value as Json, json};

use super::keys::{self, Fate, Rule};
use super::{Era, Work, activations, inside, operations, text};
use crate::config::graph::KEEPS_MASKS;
use crate::registry::rows;

/// The kinds of objects that layers have under keys with these endings, and their modules.
const ROLES: &[(&str, &str)] = &[
    ("_initializer", "keras.initializers"),
    ("_regularizer", "keras.regularizers"),
    ("_constraint", "keras.constraints"),
];

/// Whether it is a layer of Keras that this crate knows; rules are for those alone.
pub(super) fn is_known(class: &str) -> bool {
    rows().any(|row| !row.operation && row.classes.contains(&class))
}

impl Work {
    /// A layer or model, as Keras 3 has it. What is none is left as it is.
    pub(super) fn layer(&mut self, json: Json, place: &str) -> Json {
        let Json::Object(mut envelope) = json else { return json };
        let Some(class) = text(&envelope, "class_name").map(str::to_owned) else {
            return Json::Object(envelope);
        };
        if class.starts_with("__") || !envelope.contains_key("config") {
            return Json::Object(envelope);
        }
        let own = envelope.get("config").and_then(Json::as_object).and_then(|config| text(config, "name"));
        let name = text(&envelope, "name").or(own).unwrap_or(&class).to_owned();
        let place = inside(place, &name);
        self.merge(&mut envelope, &place);
        let class = text(&envelope, "class_name").unwrap_or(&class).to_owned();
        let class = self.class(&mut envelope, class, &place);
        let config = envelope.get_mut("config").map(Json::take).unwrap_or_default();
        let config = match (class.as_str(), config) {
            ("Sequential", config) => self.sequential(&mut envelope, config, &place),
            ("Functional", Json::Object(config)) => Json::Object(self.functional(config, &place)),
            (class, Json::Object(config)) if is_known(class) => {
                Json::Object(self.config(class, config, &place))
            }
            (_, config) => config,
        };
        envelope.insert("config".into(), config);
        if self.era == Era::Keras2 && keys::TAKES_MASKS.contains(&class.as_str()) {
            envelope.insert(KEEPS_MASKS.into(), true.into());
            // Keras 3 wants the shapes of all arguments there, or nothing.
            envelope.remove("build_config");
        }
        Json::Object(envelope)
    }

    /// Brings the class and its module into the form of Keras 3; gives the class.
    fn class(&mut self, envelope: &mut Map<String, Json>, class: String, place: &str) -> String {
        let module = text(envelope, "module").map(str::to_owned);
        if module.is_some() && self.era == Era::Keras3 {
            // `keras.Model` stands for a graph in files that Keras 2 opens too.
            let is_graph = class == "Model"
                && envelope.get("config").is_some_and(|config| config.get("layers").is_some());
            return if is_graph { "Functional".to_owned() } else { class };
        }
        let new = keys::CLASSES.iter().find(|(old, _)| *old == class).map_or(class.as_str(), |(_, new)| new);
        let is_graph = envelope.get("config").is_some_and(|config| config.get("input_layers").is_some());
        let new =
            if is_graph && ["Model", "Container", "Network"].contains(&new) { "Functional" } else { new };
        if new != class {
            self.note(place, format_args!("renamed the class {class:?} to {new:?}"));
        }
        // An operation has no state that could be trained; layers always say whether theirs is.
        let may_be_operation = self.era == Era::Keras3
            && envelope.get("config").is_some_and(|config| config.get("trainable").is_none())
            && !["InputLayer", "Sequential", "Functional"].contains(&new);
        let operation = operations::module_of(new).filter(|_| may_be_operation);
        let (module_now, registered) = match (new, operation) {
            (_, Some(module)) => (module, new.into()),
            ("Sequential", _) => ("keras", Json::Null),
            ("Functional", _) => ("keras.src.models.functional", new.into()),
            // What only Keras 2 has stays where Keras 2 has it.
            _ if is_known(new) && (module.is_none() || new != class) => ("keras.layers", Json::Null),
            _ => return class,
        };
        if module.as_deref() != Some(module_now) || new != class {
            if let Some(module) = &module {
                self.note(place, format_args!("changed the module {module:?} to {module_now:?}"));
            }
            let mut ordered = Map::new();
            ordered.insert("module".into(), module_now.into());
            ordered.insert("class_name".into(), new.into());
            ordered.insert("config".into(), Json::Null);
            ordered.insert("registered_name".into(), registered);
            for (key, value) in std::mem::take(envelope) {
                if key == "config" || !ordered.contains_key(&key) {
                    ordered.insert(key, value);
                }
            }
            *envelope = ordered;
        }
        new.to_owned()
    }

    /// The config of a layer that is no model.
    fn config(&mut self, class: &str, mut config: Map<String, Json>, place: &str) -> Map<String, Json> {
        if self.backend.is_none() && config.contains_key("nb_filter") {
            self.note(
                place,
                "took its kernel for one of TensorFlow: the file does not say what Keras ran on",
            );
        }
        if class == "RandomCrop" && config.contains_key("rng_type") {
            self.note(place, "left it to crop in training only, as in Keras 3; Keras 2 resized elsewhere");
        }
        for rule in keys::KERAS_1.iter().chain(keys::KERAS_2).filter(|rule| rule.applies_to(class)) {
            self.apply(rule, &mut config, place);
        }
        if self.era < Era::Keras3 {
            self.common_keys(class, &mut config, place);
        }
        if class == "Lambda" {
            self.lambda(&mut config, place);
        }
        self.dtype(class, &mut config, place);
        let keys: Vec<String> = config.keys().cloned().collect();
        for key in keys {
            if let Some(value) = config.get_mut(&key) {
                let old = value.take();
                *value = self.value(&key, old, place);
            }
        }
        config
    }

    /// Applies a rule, if its key is there.
    fn apply(&mut self, rule: &Rule, config: &mut Map<String, Json>, place: &str) {
        let Some(value) = config.get(rule.key) else { return };
        let key = rule.key;
        match rule.fate {
            Fate::Renamed(new) => {
                if !config.contains_key(new)
                    && let Some(value) = config.shift_remove(key)
                {
                    self.note(place, format_args!("renamed {key:?} to {new:?}"));
                    config.insert(new.to_owned(), value);
                }
            }
            Fate::Dropped => {
                config.shift_remove(key);
                self.note(place, format_args!("dropped {key:?}"));
            }
            Fate::Neutral(neutral) => {
                if value.is_null()
                    || serde_json::from_str(neutral).is_ok_and(|neutral: Json| *value == neutral)
                {
                    self.note(place, format_args!("dropped {key:?}, which was {value}"));
                    config.shift_remove(key);
                }
            }
            Fate::Said(others, turn) => {
                if let Some(new) = turn(value) {
                    self.note(place, format_args!("said {key:?}: {value} by {others:?}: {new}"));
                    config.shift_remove(key);
                    config.extend(others.iter().map(|other| ((*other).to_owned(), new.clone())));
                }
            }
            Fate::Joined(parts, new) => {
                if parts.iter().all(|part| config.contains_key(*part)) && !config.contains_key(new) {
                    self.note(place, format_args!("joined {parts:?} as {new:?}"));
                    let items: Json = parts.iter().filter_map(|part| config.shift_remove(*part)).collect();
                    config.insert(new.to_owned(), items);
                }
            }
        }
    }

    /// Keys that any layer of Keras 1 and 2 could have, and what it meant that one was not there.
    fn common_keys(&mut self, class: &str, config: &mut Map<String, Json>, place: &str) {
        if class == "InputLayer" {
            for (old, new) in [("batch_input_shape", "batch_shape"), ("input_dtype", "dtype")] {
                self.apply(&Rule { classes: &[], key: old, fate: Fate::Renamed(new) }, config, place);
            }
            return;
        }
        let is_embedding = class == "Embedding";
        for key in keys::INPUT_KEYS.iter().filter(|key| **key != "input_dim" || !is_embedding) {
            // The first layer of a Sequential model has given them to an input already.
            self.apply(&Rule { classes: &[], key, fate: Fate::Dropped }, config, place);
        }
        if let Some(format) = &self.channels
            && keys::SILENT_ABOUT_CHANNELS.contains(&class)
            && !config.contains_key("data_format")
        {
            let format = format.clone();
            self.note(place, format_args!("said \"data_format\": {format}, as other layers do"));
            config.insert("data_format".into(), format);
        }
        if ["GRU", "GRUCell"].contains(&class) && !config.contains_key("reset_after") {
            self.note(place, "said \"reset_after\": false, which went without saying");
            config.insert("reset_after".into(), false.into());
        }
    }

    /// The dtype policy.
    fn dtype(&mut self, class: &str, config: &mut Map<String, Json>, place: &str) {
        let Some(dtype) = config.get("dtype") else { return };
        let policy = match dtype {
            Json::Object(policy) => {
                let is_old = policy
                    .get("class_name")
                    .and_then(Json::as_str)
                    .is_some_and(|class| class.starts_with("Policy"));
                let name = dtype.pointer("/config/name").cloned().unwrap_or_default();
                match is_old {
                    true if name == "_infer" => Some(Json::Null),
                    true => Some(json!({
                        "module": "keras", "class_name": "DTypePolicy",
                        "config": {"name": name}, "registered_name": null,
                    })),
                    false => None,
                }
            }
            Json::String(name) => match name.strip_suffix("_ref") {
                Some(name) => Some(name.into()),
                None => {
                    let is_of_its_ends = ["int", "string"].iter().any(|kind| name.contains(kind));
                    let is_loose = self.era < Era::Keras3 && keys::LOOSE_DTYPE.contains(&class);
                    (is_of_its_ends && is_loose).then_some(Json::Null)
                }
            },
            Json::Null if self.era < Era::Keras3 => Some(Json::Null),
            _ => None,
        };
        match policy {
            Some(Json::Null) => {
                self.note(place, format_args!("dropped \"dtype\": {dtype}"));
                config.shift_remove("dtype");
            }
            Some(policy) => {
                self.note(place, format_args!("wrote \"dtype\": {dtype} as Keras 3 does"));
                config.insert("dtype".into(), policy);
            }
            None => {}
        }
    }

    /// What stands under a key of a layer: other objects, by what the key is called.
    fn value(&mut self, key: &str, json: Json, place: &str) -> Json {
        if activations::KEYS.contains(&key) {
            return self.activation(json, place);
        }
        if let Some((_, module)) = ROLES.iter().find(|(ending, _)| key.ends_with(ending)) {
            return self.part(module, json, place, key);
        }
        match json {
            Json::Array(items) if keys::LAYER_LISTS.contains(&key) => {
                items.into_iter().map(|item| self.layer(item, place)).collect()
            }
            json if keys::LAYER_KEYS.contains(&key) => self.layer(json, place),
            json => json,
        }
    }

    /// An initializer, regularizer or constraint.
    fn part(&mut self, module: &str, json: Json, place: &str, key: &str) -> Json {
        let Json::Object(mut object) = json else { return json };
        let place = &format!("{place}.{key}");
        // Keras 1 put the class among the settings.
        if let Some(class) =
            text(&object, "name").filter(|_| !object.contains_key("class_name")).map(str::to_owned)
        {
            object.shift_remove("name");
            self.note(place, format_args!("wrote the {class} as Keras 3 does"));
            let config = std::mem::take(&mut object);
            object.insert("class_name".into(), class.into());
            object.insert("config".into(), config.into());
        }
        let Some(class) = text(&object, "class_name").map(str::to_owned) else { return Json::Object(object) };
        let Some(Json::Object(mut config)) = object.get_mut("config").map(Json::take) else {
            return Json::Object(object);
        };
        let is_old = !object.contains_key("module") && !class.contains('>');
        let new = keys::PARTS.iter().find(|(old, _)| *old == class).map_or(class.as_str(), |(_, new)| new);
        for (_, old, new) in keys::PART_KEYS.iter().filter(|(class, _, _)| *class == new) {
            self.apply(&Rule { classes: &[], key: old, fate: Fate::Renamed(new) }, &mut config, place);
        }
        if module == "keras.initializers" && self.era < Era::Keras3 && config.shift_remove("dtype").is_some()
        {
            self.note(place, "dropped \"dtype\"");
        }
        if config.get("distribution").is_some_and(|distribution| distribution == "normal") {
            self.note(place, "said \"truncated_normal\" for \"normal\"");
            config.insert("distribution".into(), "truncated_normal".into());
        }
        if is_old {
            return json!({"module": module, "class_name": new, "config": config, "registered_name": null});
        }
        object.insert("config".into(), config.into());
        Json::Object(object)
    }

    /// A function of Python, kept as it is: what it says of code is never run.
    fn lambda(&mut self, config: &mut Map<String, Json>, place: &str) {
        for (key, kind_key, module_key) in keys::LAMBDA_KEYS {
            let kind = config.shift_remove(*kind_key);
            let module = config.shift_remove(*module_key);
            let Some(kind) = kind else { continue };
            let module = module.as_ref().and_then(Json::as_str).unwrap_or("__main__").to_owned();
            let Some(value) = config.get_mut(*key) else { continue };
            let new = match (kind.as_str(), &*value) {
                (Some("lambda"), Json::Array(parts)) => {
                    let part = |at: usize| parts.get(at).cloned().unwrap_or_default();
                    let parts = json!({"code": part(0), "defaults": part(1), "closure": part(2)});
                    json!({"class_name": "__lambda__", "config": parts})
                }
                // A name means a function of Keras only if that is where it is from.
                (Some("function"), Json::String(name)) if !module.ends_with("keras.activations") => {
                    let name = format!("{module}.{name}");
                    json!({"module": module, "class_name": "function", "config": name, "registered_name": name})
                }
                _ => continue,
            };
            *value = new;
            self.note(place, format_args!("wrote {key:?} as Keras 3 does"));
        }
    }
}
