//! The operations of `keras.ops` that stand in a graph like layers: each lives in one file, and has one
//! line in that file's table.

mod elementwise;
pub(crate) mod kit;

pub use elementwise::*;

use crate::layer::Row;

/// Every operation that this crate knows, one table per file.
pub static OPERATIONS: &[&[Row]] = &[elementwise::ROWS];
