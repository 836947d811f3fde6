//! The operations of `keras.ops` that stand in a graph like layers: each lives in one file, and has one
//! line in that file's table.

mod arrange;
mod create;
mod diagonal;
mod elementwise;
mod fft;
mod form;
mod image;
mod index;
mod join;
pub(crate) mod kit;
mod linalg;
pub mod nn;
mod product;
mod scatter;
mod shape;

pub use arrange::*;
pub use create::*;
pub use diagonal::*;
pub use elementwise::*;
pub use fft::*;
pub(crate) use form::Form;
pub use image::*;
pub use index::*;
pub use join::*;
pub use linalg::{
    Cholesky, CholeskyInverse, Det, Eigh, Inv, Logdet, Lstsq, LuFactor, MatrixRank, Mode, Norm, Pinv, Qr,
    SVD, Slogdet, Solve, SolveTriangular,
};
pub use product::*;
pub use scatter::*;
pub use shape::*;

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
    shape::ROWS,
    arrange::ROWS,
    join::ROWS,
    diagonal::ROWS,
    index::ROWS,
    scatter::ROWS,
    create::ROWS,
    product::ROWS,
    linalg::ROWS,
    fft::ROWS,
];
