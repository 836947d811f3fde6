//! The calls of a graph, from the lists of Keras 1 and 2 to the arguments of Keras 3.

use std::collections::HashMap;

use serde_json::{Map, Value as Json, json};

use super::{Era, Work, keys};

/// What the calls of a graph need to know of its layers.
struct Layers<'a> {
    /// The shape and type of every input; other layers have none.
    known: HashMap<&'a str, Option<(&'a Json, &'a Json)>>,
    /// The number of the first call, for models in the graph: Keras 2 counted another call before it.
    first: HashMap<&'a str, u64>,
}

impl Work {
    /// Writes the calls and outputs of a graph as Keras 3 does.
    pub(super) fn connect(&mut self, config: &mut Map<String, Json>, place: &str) {
        if self.era == Era::Keras3 {
            return;
        }
        let Some(Json::Array(mut layers)) = config.get_mut("layers").map(Json::take) else { return };
        let lists = layers.iter().filter_map(|layer| layer.get("inbound_nodes")).filter_map(Json::as_array);
        let is_old = lists.flatten().any(Json::is_array) || layers.len() == 1;
        if is_old {
            let calls: Vec<Json> = {
                let graph = Layers::new(&layers, config);
                layers.iter().map(|layer| graph.calls(layer)).collect()
            };
            for key in ["input_layers", "output_layers"] {
                let graph = Layers::new(&layers, config);
                if let Some(ends) = config.get(key).map(|ends| graph.ends(ends, &layers)) {
                    config.insert(key.to_owned(), ends);
                }
            }
            for (layer, calls) in layers.iter_mut().zip(calls) {
                if let Some(envelope) = layer.as_object_mut() {
                    envelope.insert("inbound_nodes".into(), calls);
                }
            }
            self.note(place, "wrote the calls of layers as Keras 3 does");
            self.operations(&mut layers, config.get("output_layers"), place);
        }
        config.insert("layers".into(), layers.into());
    }
}

/// `[layer, call, output, ...]`.
fn triple(json: &Json) -> Option<(&str, u64, u64)> {
    let items = json.as_array()?;
    Some((items.first()?.as_str()?, items.get(1)?.as_u64()?, items.get(2)?.as_u64()?))
}

/// Goes through every tensor that is referred to below `json`.
pub(super) fn each_tensor<'a>(json: &'a Json, found: &mut impl FnMut(&'a str, u64)) {
    if let Some((layer, call, _)) = triple(json) {
        found(layer, call);
    }
    match json {
        Json::Array(items) => items.iter().for_each(|item| each_tensor(item, found)),
        Json::Object(items) => items.values().for_each(|item| each_tensor(item, found)),
        _ => {}
    }
}

fn class(layer: &Json) -> &str {
    layer.get("class_name").and_then(Json::as_str).unwrap_or_default()
}

impl<'a> Layers<'a> {
    fn new(layers: &'a [Json], config: &'a Map<String, Json>) -> Self {
        let named = layers.iter().filter_map(|layer| Some((layer.get("name")?.as_str()?, layer)));
        let input = |layer: &'a Json| {
            let config = layer.get("config").filter(|_| class(layer) == "InputLayer")?;
            Some((config.get("batch_shape")?, config.get("dtype")?))
        };
        let known: HashMap<_, _> = named.clone().map(|(name, layer)| (name, input(layer))).collect();
        let mut first = HashMap::new();
        let models = named.filter(|(_, layer)| layer.pointer("/config/layers").is_some());
        first.extend(models.map(|(name, _)| (name, u64::MAX)));
        let mut lower = |layer: &'a str, call: u64| {
            if let Some(first) = first.get_mut(layer) {
                *first = call.min(*first);
            }
        };
        layers
            .iter()
            .filter_map(|layer| layer.get("inbound_nodes"))
            .for_each(|json| each_tensor(json, &mut lower));
        config.get("output_layers").into_iter().for_each(|json| each_tensor(json, &mut lower));
        Self { known, first }
    }

    /// The calls of a layer.
    fn calls(&self, layer: &Json) -> Json {
        let calls = layer.get("inbound_nodes").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
        let call = |call: &Json| match call {
            Json::Array(tensors) => self.call(tensors, class(layer)),
            other => other.clone(),
        };
        calls.iter().map(call).collect()
    }

    /// One call: `[[layer, call, output, arguments], ...]`, a single one without the outer list.
    fn call(&self, tensors: &[Json], class: &str) -> Json {
        let is_single = tensors.first().is_some_and(Json::is_string);
        let alone = Json::from(tensors);
        let tensors = if is_single { std::slice::from_ref(&alone) } else { tensors };
        let mut kwargs = Map::new();
        let mut args = Vec::with_capacity(tensors.len());
        for tensor in tensors {
            let items = tensor.as_array().map_or(&[][..], Vec::as_slice);
            args.push(self.argument(&items.iter().take(3).cloned().collect()));
            if let Some(Json::Object(given)) = items.get(3).filter(|_| kwargs.is_empty()) {
                kwargs = given.iter().map(|(key, value)| (key.clone(), self.argument(value))).collect();
            }
        }
        let args = match args.len() {
            0 | 1 => args,
            // The states of a recurrent layer followed its input.
            _ if keys::TAKES_STATES.contains(&class) => {
                kwargs.insert("initial_state".into(), args.split_off(1).into());
                args
            }
            _ => vec![args.into()],
        };
        json!({"args": args, "kwargs": kwargs})
    }

    /// An argument: tensors are told by the names of layers, anything else is a constant.
    fn argument(&self, json: &Json) -> Json {
        if let Some((layer, call, output)) = triple(json)
            && json.as_array().is_some_and(|items| items.len() == 3)
            && let Some(input) = self.known.get(layer)
        {
            let call = call.saturating_sub(self.first.get(layer).copied().unwrap_or(0));
            // Keras takes no notice of them, but wants them to be there.
            let (shape, dtype) = input
                .map_or((json!([null]), json!("float32")), |(shape, dtype)| (shape.clone(), dtype.clone()));
            let config = json!({"shape": shape, "dtype": dtype, "keras_history": [layer, call, output]});
            return json!({"class_name": "__keras_tensor__", "config": config});
        }
        match json {
            Json::Array(items) => match items.as_slice() {
                [Json::String(mark), _, value] if mark == "_CONSTANT_VALUE" => value.clone(),
                items => items.iter().map(|item| self.argument(item)).collect(),
            },
            Json::Object(items) => {
                Json::Object(items.iter().map(|(key, item)| (key.clone(), self.argument(item))).collect())
            }
            constant => constant.clone(),
        }
    }

    /// Inputs or outputs: one stands by itself, and calls of models count as Keras 3 counts them.
    fn ends(&self, json: &Json, layers: &[Json]) -> Json {
        if let Some((name, call, output)) = triple(json) {
            let layer = layers.iter().find(|layer| layer.get("name").is_some_and(|own| own == name));
            // Keras 3 goes on to count from one here, but only for models of this kind.
            let start = u64::from(layer.is_some_and(|layer| class(layer) == "Functional"));
            let call = match self.first.get(name) {
                Some(first) => call.saturating_sub(*first).saturating_add(start),
                None => call,
            };
            return json!([name, call, output]);
        }
        match json {
            Json::Array(items) => match items.as_slice() {
                [end] => self.ends(end, layers),
                items => items.iter().map(|item| self.ends(item, layers)).collect(),
            },
            Json::Object(items) => {
                Json::Object(items.iter().map(|(key, item)| (key.clone(), self.ends(item, layers))).collect())
            }
            other => other.clone(),
        }
    }
}
