//! The kinds of layers: each lives in one file, and has one line in [`LAYERS`].

mod dense;
mod input;

pub use dense::{Dense, DenseConfig};
pub use input::InputLayerConfig;

use crate::layer::{Row, row};
use crate::module::{FunctionalConfig, SequentialConfig};

/// Every kind of layer and operation that this crate knows.
pub static LAYERS: &[Row] =
    &[row::<FunctionalConfig>(), row::<SequentialConfig>(), row::<InputLayerConfig>(), row::<DenseConfig>()];
