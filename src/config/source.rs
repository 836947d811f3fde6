//! What the keys of a config are in Rust source: the methods of a fresh layer.

use serde_json::Value as Json;

use super::{Field, Reader};

/// A key of a config.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// Whether it has no default.
    pub is_required: bool,
    /// Whether a value means the same as the default.
    pub is_default: fn(&Json) -> bool,
    /// [`Field::source`] of its type.
    pub source: fn(&Json) -> Option<String>,
}

/// Whether a value means the same as another. The work of [`config!`](crate::config!).
#[must_use]
pub fn means<T: Field>(json: &Json, default: Option<T>) -> bool {
    let read = Reader::alone(|reader| T::read(json, reader));
    match (read, default.or_else(T::absent)) {
        (Ok(Some(read)), Some(default)) => read.is_like(&default),
        _ => false,
    }
}

/// A list of values, each in Rust source.
pub(crate) fn list<T: Field>(json: &Json) -> Option<String> {
    let items: Option<Vec<String>> = json.as_array()?.iter().map(T::source).collect();
    Some(format!("[{}]", items?.join(", ")))
}
