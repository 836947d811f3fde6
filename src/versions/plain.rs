//! Values that older versions wrote in ways of their own.

use serde_json::{Map, Value as Json, json};

use super::{Work, inside, text};

impl Work {
    /// Everything in the encoding of Keras 3: tuples and shapes as lists, arrays of NumPy as numbers.
    pub(super) fn plain(&mut self, json: Json, place: &str) -> Json {
        match json {
            Json::Array(items) => items.into_iter().map(|item| self.plain(item, place)).collect(),
            Json::Object(mut items) => {
                if let Some(value) = simple(&mut items) {
                    let class = text(&items, "class_name").or(text(&items, "type")).unwrap_or_default();
                    self.note(place, format_args!("wrote the {class} as Keras 3 does"));
                    return self.plain(value, place);
                }
                if items.shift_remove("__passive_serialization__").is_some() {
                    self.note(place, "dropped the mark \"__passive_serialization__\"");
                }
                let name = text(&items, "name").map(|name| inside(place, name));
                let place = name.as_deref().unwrap_or(place);
                Json::Object(items.into_iter().map(|(key, item)| (key, self.plain(item, place))).collect())
            }
            other => other,
        }
    }
}

/// The value that an object of Keras 2 stands for, if it is one of those.
fn simple(items: &mut Map<String, Json>) -> Option<Json> {
    let take = |items: &mut Map<String, Json>, key: &str| items.get_mut(key).map(Json::take);
    if text(items, "type") == Some("ndarray") {
        return take(items, "value");
    }
    if items.contains_key("config") {
        return None;
    }
    match text(items, "class_name")? {
        "__tuple__" | "TensorShape" => take(items, "items"),
        "__ellipsis__" => Some(json!({"class_name": "__ellipsis__", "config": {}})),
        "__bytes__" => {
            let value = take(items, "value")?;
            Some(json!({"class_name": "__bytes__", "config": {"value": value}}))
        }
        "TypeSpec" => {
            let (name, config) = (take(items, "type_spec")?, take(items, "serialized")?);
            Some(json!({
                "class_name": "__typespec__", "spec_name": name, "config": config,
                "module": "tensorflow.python.framework.tensor", "registered_name": null,
            }))
        }
        _ => None,
    }
}
