//! The operations of `keras.ops` that stand in a graph like layers: each lives in one file, and has one
//! line in a table of that file. Most are a pattern, such as a reduction, and what is special about it.

mod arrange;
mod binary;
mod bitwise;
mod choose;
mod create;
mod diagonal;
mod fft;
mod form;
mod image;
mod index;
mod join;
pub(crate) mod kit;
mod linalg;
mod logic;
mod nan;
pub mod nn;
mod pattern;
mod product;
mod quantile;
mod reduce;
mod running;
mod scatter;
mod segment;
mod shape;
mod sort;
mod sorting;
pub(crate) mod source;
mod special;
mod statistics;
mod unary;
mod unique;

pub use arrange::*;
pub use binary::*;
pub use bitwise::*;
pub use choose::*;
pub use create::*;
pub use diagonal::*;
pub use fft::*;
pub(crate) use form::Form;
pub use image::*;
pub use index::*;
pub use join::*;
pub use linalg::{
    Cholesky, CholeskyInverse, Det, Eigh, Inv, Logdet, Lstsq, LuFactor, MatrixRank, Mode, Norm, Pinv, Qr,
    SVD, Slogdet, Solve, SolveTriangular,
};
pub use logic::*;
pub use nan::*;
pub use product::*;
pub use quantile::*;
pub use reduce::*;
pub use running::*;
pub use scatter::*;
pub use segment::*;
pub use shape::*;
pub use sort::*;
pub use statistics::*;
pub use unary::*;
pub use unique::*;

#[cfg(test)]
mod gradient_tests;

use crate::layer::Row;

/// Every operation that this crate knows, by the tables of the files.
pub static OPERATIONS: &[&[Row]] = &[
    image::ROWS,
    nn::activation::ROWS,
    nn::attention::ROWS,
    nn::conv::ROWS,
    nn::ctc::ROWS,
    nn::loss::ROWS,
    nn::normalization::ROWS,
    nn::patches::ROWS,
    nn::pooling::ROWS,
    shape::ROWS,
    arrange::ROWS,
    join::ROWS,
    diagonal::ROWS,
    index::ROWS,
    scatter::ROWS,
    create::ROWS,
    product::ROWS,
    binary::ROWS,
    binary::POWER,
    bitwise::INVERT,
    bitwise::ROWS,
    choose::CLIP,
    choose::SELECT,
    choose::WHERE,
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
    linalg::ROWS,
    fft::ROWS,
    unique::ROWS,
];
