//! The operations of `keras.ops` that stand in a graph like layers: each lives in one file, and has one
//! line in a table of that file. Most are a pattern, such as a reduction, and what is special about it.

mod binary;
mod bitwise;
mod choose;
mod elementwise;
mod kit;
mod logic;
mod nan;
mod pattern;
mod quantile;
mod reduce;
mod running;
mod segment;
mod sort;
mod sorting;
mod special;
mod statistics;
mod unary;
mod unique;

pub use binary::*;
pub use bitwise::*;
pub use choose::*;
pub use elementwise::*;
pub use logic::*;
pub use nan::*;
pub use quantile::*;
pub use reduce::*;
pub use running::*;
pub use segment::*;
pub use sort::*;
pub use statistics::*;
pub use unary::*;
pub use unique::*;

#[cfg(test)]
mod gradient_tests;

use crate::layer::Row;

/// Every operation that this crate knows, by the tables of the files.
pub static OPERATIONS: &[&[Row]] = &[
    binary::ROWS,
    binary::POWER,
    bitwise::INVERT,
    bitwise::ROWS,
    choose::CLIP,
    choose::SELECT,
    choose::WHERE,
    elementwise::ROWS,
    logic::ALL_CLOSE,
    logic::CLOSE,
    logic::COMPARISONS,
    logic::LOGIC,
    logic::NOT,
    nan::INDICES,
    nan::ROWS,
    quantile::ROWS,
    reduce::MORE,
    reduce::ROWS,
    running::DIFF,
    running::RUNNING,
    segment::ROWS,
    sort::DIGITIZE,
    sort::IN_TOP,
    sort::IS_IN,
    sort::ROWS,
    sort::SEARCH,
    statistics::AVERAGE,
    statistics::CORRELATE,
    statistics::ROWS,
    statistics::SIZES,
    statistics::TRAPEZOID,
    unary::FLOATS,
    unary::FLOATS_ONLY,
    unary::NUMBERS,
    unary::QUESTIONS,
    unary::ROUND,
    unary::SIGNS,
    unique::ROWS,
];
