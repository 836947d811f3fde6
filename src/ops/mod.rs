//! The operations of `keras.ops` that stand in a graph like layers: each lives in one file, and has one
//! line in that file's table.

mod arrange;
mod create;
mod diagonal;
mod elementwise;
mod form;
mod index;
mod join;
mod kit;
mod linalg;
mod product;
mod scatter;
mod shape;

pub use arrange::*;
pub use create::*;
pub use diagonal::*;
pub use elementwise::*;
pub(crate) use form::Form;
pub use index::*;
pub use join::*;
pub use linalg::{Cholesky, CholeskyInverse, Det, Eigh, Inv, Logdet, Lstsq, LuFactor, MatrixRank, Mode, Norm, Pinv, Qr, SVD, Slogdet, Solve, SolveTriangular};
pub use product::*;
pub use scatter::*;
pub use shape::*;

use crate::layer::Row;

/// Every operation that this crate knows, one table per file.
pub static OPERATIONS: &[&[Row]] = &[
    elementwise::ROWS,
    shape::ROWS,
    arrange::ROWS,
    join::ROWS,
    diagonal::ROWS,
    index::ROWS,
    scatter::ROWS,
    create::ROWS,
    product::ROWS,
    linalg::ROWS,
];
