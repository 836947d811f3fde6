//! Masks as Keras 2 finds them by itself.
//!
//! Keras 3 writes masks as calls of operations beside the layers. Keras 2 computes most of them without
//! being told, and need not be told what it knows.

use std::collections::HashMap;

use serde_json::Value as Json;

use super::keras2_calls::Entry;
use super::portable::{is_model, layer_row, place};
use crate::config::Object;
use crate::config::call::Named;
use crate::config::graph::order::{Called, Order};
use crate::error::{Error, Problems};
use crate::layer::Tree;

/// What Keras 2 knows of the mask of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mask {
    None,
    /// It has the value of that number.
    Is(usize),
    /// It has one, or not; not the one that Keras 3 has.
    Other,
}

/// The masks of all tensors of a graph.
#[derive(Default)]
pub(super) struct Masks {
    /// Equal values have equal numbers: those of operations depend on nothing but their arguments.
    numbers: HashMap<String, usize>,
    tensors: HashMap<Named, usize>,
    masks: HashMap<Named, Mask>,
}

impl Masks {
    pub(super) fn of(entries: &[Entry<'_>], order: &Order) -> Self {
        let mut masks = Self::default();
        for (layer, call) in &order.nodes {
            if let Some(entry) = entries.get(*layer) {
                masks.enter(entry, *call);
            }
        }
        masks
    }

    /// What Keras 2 knows of the mask of a tensor.
    pub(super) fn of_tensor(&self, tensor: &Named) -> Mask {
        self.masks.get(tensor).copied().unwrap_or(Mask::None)
    }

    /// The value of a tensor, as the mask of another.
    pub(super) fn as_mask(&self, tensor: &Named) -> Mask {
        self.tensors.get(tensor).map_or(Mask::Other, |number| Mask::Is(*number))
    }

    fn number(&mut self, value: String) -> usize {
        let next = self.numbers.len();
        *self.numbers.entry(value).or_insert(next)
    }

    /// The number of an operation's value.
    fn operation(&mut self, class: &str, options: &str, args: &[String]) -> usize {
        // Either of two equal masks is that mask.
        if let ("LogicalOr" | "LogicalAnd", [a, b]) = (class, args)
            && a == b
            && let Ok(number) = a.trim_start_matches('#').parse()
        {
            return number;
        }
        self.number(format!("{class}({options})({})", args.join(",")))
    }

    fn argument(&self, tree: &Tree<Named>) -> String {
        match tree {
            Tree::Leaf(named) => format!("#{}", self.tensors.get(named).copied().unwrap_or(usize::MAX)),
            Tree::Constant(json) => {
                json.as_f64().map_or_else(|| json.to_string(), |number| number.to_string())
            }
            Tree::List(items) => items.iter().map(|item| self.argument(item)).collect::<Vec<_>>().join(";"),
            Tree::Dict(_) => "?".to_owned(),
        }
    }

    fn enter(&mut self, entry: &Entry<'_>, call: usize) {
        let output = |output| Named { layer: entry.name.to_owned(), call, output };
        let arguments = entry.calls.get(call).map_or(&[][..], |call| call.arguments.as_slice());
        if entry.object.is_operation() {
            let args: Vec<_> = arguments.iter().map(|(_, tree)| self.argument(tree)).collect();
            let options = entry.object.config.iter().filter(|(key, _)| *key != "name");
            let options: Vec<_> = options.map(|(key, value)| format!("{key}={value}")).collect();
            let number = self.operation(entry.object.class, &options.join(","), &args);
            self.tensors.insert(output(0), number);
            return;
        }
        let number = self.number(format!("{}/{call}", entry.name));
        self.tensors.insert(output(0), number);
        let inputs = arguments.first().map(|(_, tree)| tree.leaves()).unwrap_or_default();
        let given = arguments.iter().find(|(name, _)| name == "mask").map(|(_, tree)| tree.leaves());
        let inputs_masks: Vec<Mask> = match given.filter(|given| !given.is_empty()) {
            Some(given) => given.into_iter().map(|mask| self.as_mask(mask)).collect(),
            None => inputs.iter().map(|input| self.of_tensor(input)).collect(),
        };
        let first = inputs.first().map(|input| self.argument(&Tree::Leaf((*input).clone())));
        let mask = self.output_mask(&entry.object, &inputs_masks, &first.unwrap_or_default());
        if mask != Mask::None {
            self.masks.insert(output(0), mask);
        }
    }

    /// The mask of what a layer gives.
    fn output_mask(&mut self, object: &Object<'_>, inputs: &[Mask], first: &str) -> Mask {
        let flag =
            |config: &serde_json::Map<String, Json>, key: &str| config.get(key) == Some(&Json::Bool(true));
        let before = inputs.first().copied().unwrap_or(Mask::None);
        if is_model(object.class) {
            let quiet = inputs.iter().all(|mask| *mask == Mask::None) && !makes_masks(object);
            return if quiet { Mask::None } else { Mask::Other };
        }
        let rule = layer_row(object.class).map_or("", |row| row.3);
        match (object.class, rule) {
            ("Embedding", _) if flag(object.config, "mask_zero") => {
                Mask::Is(self.operation("NotEqual", "", &[first.to_owned(), "0".to_owned()]))
            }
            ("Embedding" | "Dot" | "GlobalAveragePooling1D", _) => Mask::None,
            ("Masking", _) => {
                let value = object.config.get("mask_value").and_then(Json::as_f64).unwrap_or(0.0);
                let differs = self.operation("NotEqual", "", &[first.to_owned(), value.to_string()]);
                Mask::Is(self.operation("Any", "axis=-1,keepdims=false", &[format!("#{differs}")]))
            }
            ("Attention" | "AdditiveAttention", _) => before,
            (_, "pass") => before,
            (_, "") => Mask::None,
            _ if inputs.iter().all(|mask| *mask == Mask::None) => Mask::None,
            _ if object.config.contains_key("return_sequences") => {
                if flag(object.config, "return_sequences") { before } else { Mask::None }
            }
            ("Bidirectional", _) => {
                let inner = object.config.get("layer").and_then(Object::of);
                let sequences = inner.is_some_and(|inner| flag(inner.config, "return_sequences"));
                if sequences { before } else { Mask::None }
            }
            ("Concatenate" | "TimeDistributed", _) => Mask::Other,
            _ if inputs.iter().all(|mask| *mask == before) => before,
            _ => Mask::Other,
        }
    }
}

/// Whether any layer of a model makes a mask.
fn makes_masks(model: &Object<'_>) -> bool {
    let layers = model.config.get("layers").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
    layers.iter().filter_map(Object::of).any(|layer| {
        layer.class == "Masking"
            || layer.config.get("mask_zero") == Some(&Json::Bool(true))
            || (is_model(layer.class) && makes_masks(&layer))
    })
}

/// Classes that do with masks in Keras 3 what they do not in Keras 2, or the other way round.
const DIFFERENT: &[&str] =
    &["Identity", "Normalization", "Rescaling", "TimeDistributed", "GroupNormalization"];

/// Refuses layers of a `Sequential` model that are given a mask and treat it in another way in Keras 3,
/// since nothing can be said of masks there.
pub(super) fn check_sequence(layers: &[Json], problems: &mut Problems) {
    let mut masks = Masks::default();
    let mut before = Mask::None;
    for (index, json) in layers.iter().enumerate() {
        let Some(object) = Object::of(json) else { continue };
        if before != Mask::None && DIFFERENT.contains(&object.class) {
            let name = object.config.get("name").and_then(Json::as_str).unwrap_or_default();
            let message = "it treats masks in another way in Keras 2";
            problems.push(Error::unsupported(message).at(place(index, name, object.class)));
        }
        before = masks.output_mask(&object, &[before], &format!("#{index}"));
    }
}

impl Called for Entry<'_> {
    fn calls(&self) -> usize {
        self.calls.len()
    }
    fn parents(&self, call: usize) -> &[Named] {
        self.calls.get(call).map_or(&[], |call| call.parents.as_slice())
    }
    fn is_input(&self) -> bool {
        self.object.class == "InputLayer"
    }
    fn place(&self) -> &str {
        &self.place
    }
}
