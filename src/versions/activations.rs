//! Activation functions that Keras 3 has under another name, or computes otherwise.

use serde_json::{Value as Json, json};

use super::{Era, Work};

/// The keys of layers that hold activations.
pub(super) const KEYS: &[&str] = &["activation", "recurrent_activation"];

/// Names that TensorFlow's own functions brought along.
const NAMES: &[(&str, &str)] = &[("softmax_v2", "softmax")];

/// What Keras 1 and 2 called `hard_sigmoid`: `clip(0.2 x + 0.5, 0, 1)`. Keras 3 means `relu6(x + 3) / 6`
/// by that name and has none for the old one, but takes layers in the place of activations.
pub(super) fn hard_sigmoid() -> Json {
    let layer = |class: &str, config: Json| json!({"module": "keras.layers", "class_name": class, "config": config, "registered_name": null});
    let scaled = layer("Rescaling", json!({"name": "scaled", "scale": 0.2, "offset": 0.5}));
    let clipped = layer("ReLU", json!({"name": "clipped", "max_value": 1.0}));
    layer("Pipeline", json!({"name": "hard_sigmoid", "layers": [scaled, clipped]}))
}

impl Work {
    /// What stands under one of [`KEYS`].
    pub(super) fn activation(&mut self, json: Json, place: &str) -> Json {
        let function = match &json {
            Json::String(name) => Some(name.as_str()),
            Json::Object(object) if object.get("class_name").is_some_and(|class| class == "function") => {
                object.get("config").and_then(Json::as_str)
            }
            _ => None,
        };
        let Some(name) = function else { return self.layer(json, place) };
        if name == "hard_sigmoid" && self.era < Era::Keras3 {
            self.note(
                place,
                "wrote \"hard_sigmoid\" out as clip(0.2 x + 0.5, 0, 1), which it was before Keras 3",
            );
            return hard_sigmoid();
        }
        match NAMES.iter().find(|(old, _)| *old == name) {
            Some((old, new)) => {
                self.note(place, format_args!("renamed the activation {old:?} to {new:?}"));
                (*new).into()
            }
            None => json,
        }
    }
}
