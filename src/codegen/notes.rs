//! What of a model has no place in generated source.

use std::collections::BTreeMap;

use super::names::plain;
use crate::config::graph::GraphLayer;
use crate::layer::Variables;

/// Most layers that a note names.
const MOST_NAMES: usize = 8;

/// What there is of each kind, and in which layers.
#[derive(Debug, Default)]
pub(super) struct Notes(BTreeMap<&'static str, Vec<String>>);

impl Notes {
    /// Notes what of a layer only a Keras model takes into account.
    pub(super) fn layer(&mut self, layer: &GraphLayer, variables: &Variables) {
        let mut note = |what: &'static str, is_there: bool| {
            if is_there {
                self.0.entry(what).or_default().push(plain(&layer.name));
            }
        };
        note("regularizers", variables.iter().any(|variable| !variable.regularizer.is_none()));
        note("constraints", variables.iter().any(|variable| !variable.constraint.is_none()));
        note("activity regularizers", !layer.activity.given.is_none() || layer.activity.is_hidden);
    }

    /// A sentence for each kind.
    pub(super) fn lines(&self) -> Vec<String> {
        let line = |(what, layers): (&&str, &Vec<String>)| {
            let named = layers.iter().take(MOST_NAMES).map(|name| format!("`{name}`")).collect::<Vec<_>>();
            let others = layers.len().saturating_sub(MOST_NAMES);
            let others = if others > 0 { format!(" and {others} more") } else { String::new() };
            format!(
                "The {what} of {}{others} are no part of a Burn module: add them to your loss or training step.",
                named.join(", ")
            )
        };
        self.0.iter().map(line).collect()
    }
}
