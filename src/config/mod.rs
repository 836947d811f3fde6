//! The tree of a model description, to and from typed values. Knows Keras' JSON; no tensors.

mod activity;
mod array;
pub(crate) mod call;
mod data_format;
mod described;
mod dtype;
mod field;
pub(crate) mod graph;
pub mod json;
mod object;
mod policy;
mod source;

pub use array::Array;
pub use data_format::DataFormat;
#[doc(hidden)]
pub use described::check_keys;
pub(crate) use described::classes;
pub use described::{Class, Described};
#[cfg(feature = "train")]
pub(crate) use described::{function, wrapped};
pub use dtype::Dtype;
pub use field::{Axes, Config, Field, Kept, Keyword, PerAxis, brief, read_key, refuse, resolve_axis};
pub use object::{Object, snake_case};
pub use policy::{Borders, DtypePolicy};
#[doc(hidden)]
pub use serde_json::{Map, Value as Json};
pub use source::Key;
pub(crate) use source::list;
#[doc(hidden)]
pub use source::means;

use crate::error::{Error, Problems};
use crate::layer::Registry;
use crate::limits::Limits;
use crate::registry::nearest;

/// What reading a config needs besides the JSON: the known classes, the limits, and a place for
/// everything that is wrong.
#[derive(Debug)]
pub struct Reader<'a> {
    registry: &'a Registry,
    limits: &'a Limits,
    problems: Problems,
    depth: usize,
    layers: usize,
    hints: usize,
}

/// Most unknown words for which a known one is looked for: comparing all with all takes its time.
const MOST_HINTS: usize = 1_000;

impl<'a> Reader<'a> {
    /// A reader that knows the classes of `registry`.
    #[must_use]
    pub fn new(registry: &'a Registry, limits: &'a Limits) -> Self {
        Self { registry, limits, problems: Problems::default(), depth: 0, layers: 0, hints: 0 }
    }

    /// What `read` makes of something that stands by itself: it names no classes but those of Keras.
    pub(crate) fn alone<T>(read: impl FnOnce(&mut Reader<'_>) -> Option<T>) -> crate::Result<Option<T>> {
        let (registry, limits) = (Registry::new(), Limits::default());
        let mut reader = Reader::new(&registry, &limits);
        let found = read(&mut reader);
        reader.finish().map(|()| found)
    }

    /// The known classes.
    #[must_use]
    pub fn registry(&self) -> &'a Registry {
        self.registry
    }

    /// Reads something below `place`.
    pub fn at<T>(&mut self, place: impl std::fmt::Display, read: impl FnOnce(&mut Self) -> T) -> T {
        let outer = std::mem::take(&mut self.problems);
        let result = read(self);
        let inner = std::mem::replace(&mut self.problems, outer);
        if let Err(error) = inner.finish() {
            self.problems.push(error.at(place));
        }
        result
    }

    /// Notes an error at the present place.
    pub fn push(&mut self, error: Error) {
        self.problems.push(error);
    }

    /// The value, or a note of why there is none.
    pub fn note<T>(&mut self, result: crate::Result<T>) -> Option<T> {
        self.problems.note(result)
    }

    /// `; did you mean "x"?`, when something known is close to `unknown`.
    pub(crate) fn hint<'w>(&mut self, unknown: &str, known: impl Iterator<Item = &'w str>) -> String {
        self.hints += 1;
        if self.hints > MOST_HINTS { String::new() } else { nearest(unknown, known) }
    }

    /// Counts one more layer, and reads what is inside it unless that would nest too deeply.
    pub(crate) fn enter<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        self.layers += 1;
        self.note(Limits::check("layers", self.layers as u64, self.limits.layers as u64))?;
        self.note(Limits::check("nesting of layers", self.depth as u64, self.limits.depth as u64))?;
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }

    /// Counts layers that are called again: models that call each other twice double at every level.
    fn count_again(&mut self, layers: usize) -> Option<()> {
        self.layers = self.layers.saturating_add(layers);
        let most = self.limits.layers as u64;
        self.note(Limits::check("layers and calls of them", self.layers as u64, most))
    }

    /// Everything noted, as one error.
    ///
    /// # Errors
    /// When anything has been noted.
    pub fn finish(self) -> crate::Result<()> {
        self.problems.finish()
    }
}
