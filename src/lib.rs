//! Real Keras models in Rust.
pub mod error;
#[allow(dead_code)]
mod file;
mod limits;
pub use error::{Error, ErrorKind, Problem, Problems, Result};
pub use limits::Limits;
