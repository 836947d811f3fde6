//! Rust source out of a Keras model: a Burn module with burn-nn's layers in it.

mod code;
mod keras_layer;

pub use code::{Code, Field, Layout, Place};
pub(crate) use code::{array, number, per_axis};
