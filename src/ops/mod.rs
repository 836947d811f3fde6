//! The operations of `keras.ops` that stand in a graph like layers: each lives in one file, and has one
//! line in that file's table.

mod elementwise;
mod image;
mod kit;

pub use elementwise::*;
pub use image::*;

use crate::layer::Row;

/// Every operation that this crate knows, one table per file.
pub static OPERATIONS: &[&[Row]] = &[elementwise::ROWS, image::ROWS];
