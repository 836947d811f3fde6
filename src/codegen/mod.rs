//! Rust source out of a Keras model: a Burn module with burn-nn's layers in it.
//!
//! [`Codegen`] writes it, on the command line as `burn-keras codegen`, from a `build.rs`, or anywhere else:
//!
//! ```no_run
//! use burn_keras::codegen::Codegen;
//!
//! let generated = Codegen::new("mobilenet.keras").name("MobileNetV2").out_dir("src/model").run()?;
//! generated.files.iter().for_each(|file| println!("{}", file.display()));
//! # Ok::<(), burn_keras::Error>(())
//! ```
//!
//! What is written needs `burn` and this crate, and no Keras file to be made; `load` brings the weights of one into
//! it. Layers that burn-nn has no counterpart of are [`KerasLayer`](crate::module::KerasLayer)s.

mod builder;
mod code;
mod draft;
mod forward;
mod keras_layer;
mod layer;
mod masks;
mod model;
mod names;
mod notes;
mod rustfmt;
mod statements;
#[cfg(test)]
mod tests;
mod text;
mod write;

pub use builder::{Codegen, Generated};
pub use code::{Code, Field, Layout, Place};
pub(crate) use code::{array, number, per_axis};
