//! Regularizers of what layers give.

use serde_json::Value as Json;

use super::Object;
use crate::regularizer::Regularizer;

/// What the outputs of a layer cost in training.
#[derive(Clone, Debug, Default)]
pub(crate) struct Activity {
    /// What the config says.
    pub given: Regularizer,
    /// Whether layers inside of it have regularizers of their own, which nobody asks.
    pub is_hidden: bool,
}

impl Activity {
    const KEY: &'static str = "activity_regularizer";

    /// Any layer may have one, so that the kinds of layers need not know.
    pub(super) fn of(object: &Object<'_>) -> Self {
        let given = object.config.get(Self::KEY).map(Regularizer::of).unwrap_or_default();
        let inner = object.config.iter().filter(|(key, _)| *key != Self::KEY);
        let is_model = object.config.contains_key("layers");
        Self { given, is_hidden: !is_model && inner.into_iter().any(|(_, json)| Self::is_in(json)) }
    }

    fn is_in(json: &Json) -> bool {
        match json {
            Json::Array(items) => items.iter().any(Self::is_in),
            Json::Object(items) => {
                items.iter().any(|(key, item)| (key == Self::KEY && !item.is_null()) || Self::is_in(item))
            }
            _ => false,
        }
    }
}
