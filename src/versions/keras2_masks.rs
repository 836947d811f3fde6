//! Masks as Keras 2 finds them by itself.
//!
//! Keras 3 writes masks as calls of operations beside the layers. Keras 2 computes most of them without
//! being told, and need not be told what it knows.

use std::collections::HashMap;

use serde_json::{Map, Value as Json};

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

/// The mask of a tensor in Keras 2 and in Keras 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Both {
    pub(super) two: Mask,
    pub(super) three: Mask,
}

const NO_MASK: Both = Both { two: Mask::None, three: Mask::None };

/// The masks of all tensors of a graph.
#[derive(Default)]
pub(super) struct Masks {
    /// Equal values have equal numbers: those of operations depend on nothing but their arguments.
    numbers: HashMap<String, usize>,
    tensors: HashMap<Named, usize>,
    masks: HashMap<Named, Both>,
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

    /// The mask that a tensor carries.
    pub(super) fn of_tensor(&self, tensor: &Named) -> Both {
        self.masks.get(tensor).copied().unwrap_or(NO_MASK)
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
        let mut masks: Vec<Both> = inputs.iter().map(|input| self.of_tensor(input)).collect();
        let given = arguments.iter().position(|(name, _)| name == "mask");
        if let Some((at, (_, tree))) = given.and_then(|at| Some((at, arguments.get(at)?))) {
            let positional = entry.calls.get(call).map_or(0, |call| call.positional);
            for (both, mask) in masks.iter_mut().zip(tree.leaves()) {
                let mask = self.as_mask(mask);
                // One that Keras 3 is given without its name does not travel on.
                *both = Both { two: mask, three: if at < positional { both.three } else { mask } };
            }
        }
        let first = inputs.first().map(|input| self.argument(&Tree::Leaf((*input).clone())));
        let mask = self.after(&entry.object, &masks, &first.unwrap_or_default());
        if mask != NO_MASK {
            self.masks.insert(output(0), mask);
        }
    }

    /// The mask of what a layer gives.
    fn after(&mut self, object: &Object<'_>, inputs: &[Both], first: &str) -> Both {
        let two: Vec<Mask> = inputs.iter().map(|both| both.two).collect();
        let three: Vec<Mask> = inputs.iter().map(|both| both.three).collect();
        Both { two: self.output(object, &two, first, false), three: self.output(object, &three, first, true) }
    }

    fn output(&mut self, object: &Object<'_>, inputs: &[Mask], first: &str, is_3: bool) -> Mask {
        let flag = |config: &Map<String, Json>, key: &str| config.get(key) == Some(&Json::Bool(true));
        let before = inputs.first().copied().unwrap_or(Mask::None);
        let unmasked = inputs.iter().all(|mask| *mask == Mask::None);
        let rule = layer_row(object.class).map_or("", |row| row.3);
        match (object.class, rule) {
            (class, _) if is_model(class) && unmasked && !any_layer(object, &makes_mask) => Mask::None,
            (class, _) if is_model(class) => {
                let version = any_layer(object, &is_sensitive).then_some(is_3);
                Mask::Is(
                    self.number(format!("{first} {inputs:?} {version:?} {:?}", object.config.get("name"))),
                )
            }
            ("TimeDistributed", _) if !is_3 && any_layer(object, &makes_mask) => Mask::Other,
            ("Embedding", _) if flag(object.config, "mask_zero") => {
                Mask::Is(self.operation("NotEqual", "", &[first.to_owned(), "0".to_owned()]))
            }
            ("Masking", _) => {
                let value = object.config.get("mask_value").and_then(Json::as_f64).unwrap_or(0.0);
                let differs = self.operation("NotEqual", "", &[first.to_owned(), value.to_string()]);
                Mask::Is(self.operation("Any", "axis=-1,keepdims=false", &[format!("#{differs}")]))
            }
            ("Embedding" | "Dot" | "GlobalAveragePooling1D", _) => Mask::None,
            (class, _) if is_3 && PASSES_IN_3.contains(&class) => before,
            ("Attention" | "AdditiveAttention", _) | (_, "pass") => before,
            (_, "") => Mask::None,
            _ if unmasked => Mask::None,
            _ if object.config.contains_key("return_sequences") => {
                if flag(object.config, "return_sequences") { before } else { Mask::None }
            }
            ("Bidirectional", _) => {
                let inner = object.config.get("layer").and_then(Object::of);
                let sequences = inner.is_some_and(|inner| flag(inner.config, "return_sequences"));
                if sequences { before } else { Mask::None }
            }
            ("TimeDistributed", _) => Mask::Other,
            ("Concatenate", _) => Mask::Is(self.number(format!("{}{inputs:?}", object.class))),
            _ if inputs.iter().all(|mask| *mask == before) => before,
            // Keras 3 wants all to have a mask, and one of them to hold; Keras 2 all that there are to hold.
            _ if is_3 && inputs.contains(&Mask::None) => Mask::None,
            _ => Mask::Is(self.number(format!("{is_3}{inputs:?}"))),
        }
    }
}

/// Whether something holds of a layer, or of any that is inside of it.
pub(super) fn any_layer(object: &Object<'_>, holds: &dyn Fn(&Object<'_>) -> bool) -> bool {
    let layers = object.config.get("layers").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
    let inner = layers.iter().chain(object.config.get("layer")).filter_map(Object::of);
    holds(object) || inner.into_iter().any(|layer| any_layer(&layer, holds))
}

fn makes_mask(layer: &Object<'_>) -> bool {
    layer.class == "Masking" || layer.config.get("mask_zero") == Some(&Json::Bool(true))
}

/// Whether a layer that is given a mask does something else in Keras 2.
pub(super) fn is_sensitive(layer: &Object<'_>) -> bool {
    let merges = layer_row(layer.class).is_some_and(|row| row.3 == "own" && row.1.is_empty());
    merges || [PASSES_IN_3, MASKED_IN_2, UNMASKED].iter().any(|classes| classes.contains(&layer.class))
}

/// Classes that hand masks on in Keras 3 only, or in another way.
const PASSES_IN_3: &[&str] = &["Identity", "Normalization", "Rescaling", "TimeDistributed"];

/// Classes that use masks in Keras 2 only.
const MASKED_IN_2: &[&str] = &["GroupNormalization"];

/// Layers of Keras 2 whose outputs for masked steps are others.
pub(super) const UNMASKED: &[&str] = &["MultiHeadAttention", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"];

/// What a layer is called with where nothing is said of masks.
pub(super) enum Silence {
    /// The same mask in both versions, or none that matters.
    Same,
    /// A mask in Keras 2 only: it has to be told that there is none.
    OnlyIn2,
    /// Another one in Keras 3.
    Different,
}

/// Whether a layer of Keras 2 uses a mask that it finds.
pub(super) fn takes_mask(class: &str) -> bool {
    let known = layer_row(class).map_or("mask", |row| row.2);
    known.split(' ').any(|known| known == "mask") || MASKED_IN_2.contains(&class)
}

/// Compares what both versions find for the inputs of a layer.
pub(super) fn silence(class: &str, inputs: &[Both]) -> Silence {
    if !takes_mask(class) {
        return Silence::Same;
    }
    let three = |both: &Both| if MASKED_IN_2.contains(&class) { Mask::None } else { both.three };
    match () {
        () if inputs.iter().all(|both| both.two == three(both)) => Silence::Same,
        () if inputs.iter().all(|both| three(both) == Mask::None) => Silence::OnlyIn2,
        () => Silence::Different,
    }
}

/// Refuses layers of a `Sequential` model that find other masks in Keras 2, since nothing can be said of
/// masks there.
pub(super) fn check_sequence(layers: &[Json], problems: &mut Problems) {
    let mut masks = Masks::default();
    let mut before = NO_MASK;
    for (index, json) in layers.iter().enumerate() {
        let Some(object) = Object::of(json) else { continue };
        let name = object.config.get("name").and_then(Json::as_str).unwrap_or_default();
        let place = place(index, name, object.class);
        if !matches!(silence(object.class, &[before]), Silence::Same) {
            problems.push(Error::unsupported(ANOTHER_MASK).at(place));
        }
        before = masks.after(&object, &[before], &format!("#{index}"));
    }
}

pub(super) const ANOTHER_MASK: &str = "Keras 2 would give it another mask";

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
