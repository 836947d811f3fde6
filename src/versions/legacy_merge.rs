//! `Merge` of Keras 1: one class for what became eight, which could also stand at the head of a
//! `Sequential` model and join others.

use serde_json::{Map, Value as Json, json};

use super::{Work, text};

/// A mode, the class that it became, and that one's settings with what they were.
type Mode = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

const MODES: &[Mode] = &[
    ("sum", "Add", &[]),
    ("mul", "Multiply", &[]),
    ("ave", "Average", &[]),
    ("max", "Maximum", &[]),
    ("concat", "Concatenate", &[("axis", "concat_axis")]),
    ("dot", "Dot", &[("axes", "dot_axes")]),
];

const CLASS: &str = "Merge";

/// Whether models are joined at the head of this one.
pub(super) fn is_first(layers: &[Json]) -> bool {
    layers.first().is_some_and(|layer| {
        layer.get("class_name").is_some_and(|class| class == CLASS)
            && layer.pointer("/config/layers").is_some()
    })
}

impl Work {
    /// The layer that a `Merge` became; one whose mode is Python code or gone stays, and is refused.
    pub(super) fn merge(&mut self, envelope: &mut Map<String, Json>, place: &str) {
        if text(envelope, "class_name") != Some(CLASS) {
            return;
        }
        let Some(config) = envelope.get("config").and_then(Json::as_object) else { return };
        let mode =
            text(config, "mode").filter(|_| text(config, "mode_type").is_none_or(|kind| kind == "raw"));
        let Some((mode, class, keys)) =
            mode.and_then(|mode| MODES.iter().find(|(known, _, _)| *known == mode))
        else {
            return;
        };
        let mut new = Map::new();
        new.extend(config.get("name").map(|name| ("name".to_owned(), name.clone())));
        for (key, old) in *keys {
            new.extend(config.get(*old).map(|value| ((*key).to_owned(), value.clone())));
        }
        self.note(place, format_args!("wrote the {CLASS} of the mode {mode:?} as the class {class:?}"));
        envelope.insert("class_name".into(), (*class).into());
        envelope.insert("config".into(), new.into());
    }

    /// The graph of a `Sequential` model that begins by joining others.
    ///
    /// The weights of all its layers lie side by side in a file of Keras 1, as they do for a graph.
    pub(super) fn merged(
        &mut self,
        envelope: &mut Map<String, Json>,
        config: &Map<String, Json>,
        layers: &[Json],
        place: &str,
    ) -> Option<Json> {
        let mut graph = Chain { layers: Vec::new(), inputs: Vec::new() };
        let last = graph.append(self, layers)?;
        self.note(place, "wrote models that are joined as one graph");
        envelope.insert("class_name".into(), "Functional".into());
        envelope.insert("module".into(), "keras.src.models.functional".into());
        envelope.insert("registered_name".into(), "Functional".into());
        let mut new = Map::new();
        new.extend(config.get("name").map(|name| ("name".to_owned(), name.clone())));
        new.insert("layers".into(), graph.layers.into());
        new.insert("input_layers".into(), graph.inputs.into());
        new.insert("output_layers".into(), json!([[last, 0, 0]]));
        Some(Json::Object(self.functional(new, place)))
    }
}

/// A graph that grows by chains of layers.
struct Chain {
    layers: Vec<Json>,
    inputs: Vec<Json>,
}

impl Chain {
    /// Adds the layers of a `Sequential` model; gives the name of the last one.
    fn append(&mut self, work: &mut Work, layers: &[Json]) -> Option<String> {
        let (first, others) = layers.split_first()?;
        let mut before = match is_first(layers) {
            true => {
                let branches = first.pointer("/config/layers")?.as_array()?;
                let ends = branches.iter().map(|branch| self.branch(work, branch));
                let ends: Vec<Json> = ends.collect::<Option<_>>()?;
                self.push(first, ends)?
            }
            false => {
                let input = work.implied_input(first)?;
                let name = input.pointer("/config/name")?.as_str()?.to_owned();
                self.inputs.push(json!([name, 0, 0]));
                self.push(&input, Vec::new())?;
                self.push(first, vec![json!([name, 0, 0])])?
            }
        };
        for layer in others {
            before = self.push(layer, vec![json!([before, 0, 0])])?;
        }
        Some(before)
    }

    fn branch(&mut self, work: &mut Work, branch: &Json) -> Option<Json> {
        let config = branch
            .get("config")
            .filter(|_| branch.get("class_name").is_some_and(|class| class == "Sequential"))?;
        let layers = config.as_array().or_else(|| config.get("layers")?.as_array())?;
        let last = self.append(work, layers)?;
        Some(json!([last, 0, 0]))
    }

    fn push(&mut self, layer: &Json, tensors: Vec<Json>) -> Option<String> {
        let mut layer = layer.clone();
        let name = layer.pointer("/config/name")?.as_str()?.to_owned();
        let calls = if tensors.is_empty() { json!([]) } else { json!([tensors]) };
        // A layer of two models is one layer with two calls.
        if self.layers.iter().any(|known| known.get("name").is_some_and(|known| *known == name)) {
            return None;
        }
        let envelope = layer.as_object_mut()?;
        envelope.insert("name".into(), name.clone().into());
        envelope.insert("inbound_nodes".into(), calls);
        self.layers.push(layer);
        Some(name)
    }
}
