//! The operations of `keras.ops` that stand in a graph like layers: each lives in one file, and has one
//! line in that file's table.

pub mod elementwise;
pub mod image;
pub(crate) mod kit;
pub mod nn;


use crate::layer::Row;

/// Every operation that this crate knows, one table per file.
pub static OPERATIONS: &[&[Row]] = &[
    elementwise::ROWS,
    image::ROWS,
    nn::activation::ROWS,
    nn::attention::ROWS,
    nn::conv::ROWS,
    nn::ctc::ROWS,
    nn::loss::ROWS,
    nn::normalization::ROWS,
    nn::patches::ROWS,
    nn::pooling::ROWS,
];
