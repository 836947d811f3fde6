//! Configs of other versions of Keras, JSON to JSON.
//!
//! What changed between versions is data: [`keys`] says what became of classes and keys, and `portable`
//! reads the same tables backwards. Code is only what no table can say: the envelope of an object
//! ([`objects`]), models and their layers ([`models`]), and the calls between them ([`nodes`]).

mod activations;
mod arrays;
pub(crate) mod compile;
mod compile_names;
mod functions;
mod keras2_calls;
mod keras2_classes;
mod keras2_functions;
mod keras2_masks;
mod keras2_refused;
mod keys;
mod legacy_merge;
mod models;
mod nodes;
mod objects;
mod operations;
pub(crate) mod optimizer;
mod plain;
pub(crate) mod portable;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod training_tests;

use std::collections::HashSet;
use std::fmt;

use serde_json::{Map, Value as Json};

use crate::error::Result;

pub(crate) use arrays::{NamedArray, modern_arrays};
pub use portable::Target;

/// Where a config comes from, as the file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Origin {
    /// The version of Keras; none is Keras 1, which did not say.
    pub(crate) keras_version: Option<String>,
    /// What Keras ran on: `tensorflow`, `theano`.
    pub(crate) backend: Option<String>,
}

/// One thing of a model description that was brought into the form of today's Keras.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Where it stands: `model/lstm`.
    pub place: String,
    /// What was done.
    pub what: String,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

/// The generations of Keras, as far as their files mean different things by the same words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Era {
    Keras1,
    Keras2,
    Keras3,
}

impl Era {
    /// The generation of a version; without one, a config that names modules is of Keras 3.
    pub(crate) fn of(config: &Json, origin: &Origin) -> Self {
        let own = config.get("keras_version").and_then(Json::as_str);
        match origin.keras_version.as_deref().or(own).map(|version| version.split('.').next()) {
            Some(Some("1")) => Self::Keras1,
            Some(Some("2")) => Self::Keras2,
            Some(_) => Self::Keras3,
            None if config.get("module").is_some() => Self::Keras3,
            None => Self::Keras1,
        }
    }
}

/// The model description in the form of Keras 3.15, and everything that was changed on the way.
///
/// What is not understood stays as it is: the reader of configs refuses it by name, all at once.
///
/// # Errors
/// None so far.
pub(crate) fn modernize(config: Json, origin: &Origin) -> Result<(Json, Vec<Change>)> {
    let mut work = Work {
        era: Era::of(&config, origin),
        backend: origin.backend.clone(),
        channels: None,
        names: HashSet::new(),
        changes: Vec::new(),
    };
    work.look_around(&config);
    let config = work.plain(config, "");
    let config = work.layer(config, "");
    Ok((config, work.changes))
}

/// What is being turned, and what has been changed so far.
struct Work {
    era: Era,
    backend: Option<String>,
    /// Where the channels are in a model of Keras 1, by those of its layers that say it.
    channels: Option<Json>,
    /// Every name in the config, so that new ones differ.
    names: HashSet<String>,
    changes: Vec<Change>,
}

impl Work {
    fn note(&mut self, place: &str, what: impl fmt::Display) {
        self.changes.push(Change { place: place.to_owned(), what: what.to_string() });
    }

    fn look_around(&mut self, json: &Json) {
        match json {
            Json::Array(items) => items.iter().for_each(|item| self.look_around(item)),
            Json::Object(items) => {
                self.names.extend(text(items, "name").map(str::to_owned));
                self.channels =
                    items.get("dim_ordering").and_then(keys::data_format).or(self.channels.take());
                items.values().for_each(|item| self.look_around(item));
            }
            _ => {}
        }
    }

    /// A name that nothing has yet: `dense`, `dense_1`, ...
    fn fresh_name(&mut self, base: &str) -> String {
        let numbered = (1_usize..).map(|number| format!("{base}_{number}"));
        let mut names = std::iter::once(base.to_owned()).chain(numbered);
        let name = names.find(|name| !self.names.contains(name)).unwrap_or_else(|| base.to_owned());
        self.names.insert(name.clone());
        name
    }
}

fn text<'a>(map: &'a Map<String, Json>, key: &str) -> Option<&'a str> {
    map.get(key)?.as_str()
}

/// The place of something inside of another.
fn inside(place: &str, name: &str) -> String {
    match place.rsplit('/').next() {
        Some("") => name.to_owned(),
        Some(last) if last == name => place.to_owned(),
        _ => format!("{place}/{name}"),
    }
}
