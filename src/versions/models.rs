//! Models: layers, their names, and the inputs that the first of them only implied.

use serde_json::{Map, Value as Json, json};

use super::{Era, Work, text};
use crate::config::snake_case;

impl Work {
    /// The config of a `Sequential` model: a bare list of layers in Keras 1 and early in Keras 2.
    pub(super) fn sequential(&mut self, envelope: &mut Map<String, Json>, config: Json, place: &str) -> Json {
        let mut config = match config {
            Json::Array(layers) => {
                let name = text(envelope, "name").map(str::to_owned);
                let name = name.unwrap_or_else(|| self.fresh_name("sequential"));
                self.note(place, "gave the list of layers a name");
                Map::from_iter([("name".to_owned(), name.into()), ("layers".to_owned(), layers.into())])
            }
            Json::Object(config) => config,
            other => return other,
        };
        let Some(Json::Array(layers)) = config.get_mut("layers").map(Json::take) else {
            return Json::Object(config);
        };
        if super::legacy_merge::is_first(&layers)
            && let Some(graph) = self.merged(envelope, &config, &layers, place)
        {
            return graph;
        }
        let input = layers.first().and_then(|layer| self.implied_input(layer));
        let mut layers: Vec<Json> = layers.into_iter().map(|layer| self.named_layer(layer, place)).collect();
        let input = input.or_else(|| layers.first().and_then(|layer| self.input_of_model(layer)));
        if let Some(input) = input {
            self.note(place, format_args!("made an input of the shape {}", input["config"]["batch_shape"]));
            layers.insert(0, input);
        }
        config.insert("layers".into(), layers.into());
        Json::Object(config)
    }

    /// A layer of a model: it has a name, as every layer had before Keras 3.
    fn named_layer(&mut self, mut layer: Json, place: &str) -> Json {
        let class = layer.get("class_name").and_then(Json::as_str).map(snake_case);
        let given = layer.get("name").and_then(Json::as_str).map(str::to_owned);
        if self.era < Era::Keras3
            && let Some(class) = class
            && let Some(config) = layer.get_mut("config").and_then(Json::as_object_mut)
            && !config.contains_key("name")
        {
            let name = given.unwrap_or_else(|| self.fresh_name(&class));
            self.note(&name, "named the layer");
            config.insert("name".into(), name.into());
        }
        self.layer(layer, place)
    }

    /// The input that the first layer of a model of Keras 1 or 2 implies by its config.
    pub(super) fn implied_input(&mut self, layer: &Json) -> Option<Json> {
        if self.era == Era::Keras3 || layer.get("class_name")? == "InputLayer" {
            return None;
        }
        let config = layer.get("config")?.as_object()?;
        let given = |key: &str| config.get(key).filter(|value| !value.is_null());
        let with_batch = |sizes: &[Json]| Json::from_iter(std::iter::once(&Json::Null).chain(sizes).cloned());
        let is_embedding = layer.get("class_name")? == "Embedding";
        let shape = match (given("batch_input_shape"), given("input_shape"), given("input_dim")) {
            (Some(shape @ Json::Array(_)), _, _) => shape.clone(),
            (_, Some(Json::Array(sizes)), _) => with_batch(sizes),
            (_, _, Some(_)) if is_embedding => with_batch(&[given("input_length")?.clone()]),
            (_, _, Some(size)) if config.contains_key("input_length") => {
                with_batch(&[config.get("input_length")?.clone(), size.clone()])
            }
            (_, _, Some(size)) => with_batch(std::slice::from_ref(size)),
            _ => return None,
        };
        let dtype = given("input_dtype").or_else(|| given("dtype")).and_then(Json::as_str);
        let name = text(config, "name").unwrap_or("sequential");
        Some(self.input(shape, dtype, name))
    }

    /// The input of a model that is the first layer of another one.
    fn input_of_model(&mut self, model: &Json) -> Option<Json> {
        if self.era == Era::Keras3 {
            return None;
        }
        let config = model.get("config")?;
        let layers = config.get("layers")?.as_array()?;
        let first = match config.get("input_layers") {
            Some(inputs) => {
                let inputs = inputs.as_array()?;
                // One input stands there by itself, or alone in a list.
                let input = inputs.first()?.as_str().or_else(|| inputs.first()?.get(0)?.as_str());
                let is_only = inputs.len() == 1 || inputs.first()?.is_string();
                let name = input.filter(|_| is_only)?;
                layers.iter().find(|layer| layer.get("name").is_some_and(|own| own == name))?
            }
            None => layers.first()?,
        };
        let input = first.get("config")?;
        let shape = input.get("batch_shape")?.clone();
        let name = config.get("name").and_then(Json::as_str).unwrap_or("sequential");
        Some(self.input(shape, input.get("dtype").and_then(Json::as_str), name))
    }

    /// An input for the layer of that name.
    fn input(&mut self, shape: Json, dtype: Option<&str>, layer: &str) -> Json {
        let name = self.fresh_name(&format!("{layer}_input"));
        json!({
            "module": "keras.layers",
            "class_name": "InputLayer",
            "config": {
                "batch_shape": shape, "dtype": dtype.unwrap_or("float32"), "sparse": false, "ragged": false,
                "name": name, "optional": false,
            },
            "registered_name": null,
        })
    }

    /// The config of a `Functional` model.
    pub(super) fn functional(&mut self, mut config: Map<String, Json>, place: &str) -> Map<String, Json> {
        let Some(Json::Array(layers)) = config.get_mut("layers").map(Json::take) else { return config };
        let layers: Vec<Json> =
            layers.into_iter().map(|layer| entry(self.named_layer(layer, place))).collect();
        config.insert("layers".into(), layers.into());
        self.connect(&mut config, place);
        config
    }
}

/// An entry of a graph: it has a name and calls.
fn entry(mut layer: Json) -> Json {
    if let Json::Object(envelope) = &mut layer {
        let name = envelope.get("config").and_then(|config| config.get("name")).cloned();
        if !envelope.contains_key("name")
            && let Some(name) = name
        {
            envelope.insert("name".into(), name);
        }
        if !envelope.contains_key("inbound_nodes") {
            envelope.insert("inbound_nodes".into(), json!([]));
        }
    }
    layer
}
