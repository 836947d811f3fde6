//! Operations of linear algebra.
//!
//! Decompositions are computed on the host in double precision: no gradients flow through them. Vectors
//! of a decomposition that is not unique may have other signs than those of LAPACK.

mod host;
mod norm;

use burn::tensor::{Device, TensorData};

use super::form::{Form, Sizes, one};
use crate::config::Dtype;
use crate::error::{Error, Result};
use crate::layer::{Args, Context, Function, Row, Spec, Tree, row};
use crate::value::Value;
use host::Matrix;

pub use norm::Norm;

/// The operations of this folder.
pub(super) static ROWS: &[Row] = &[
    row::<Norm>(),
    row::<Cholesky>(),
    row::<CholeskyInverse>(),
    row::<Det>(),
    row::<Slogdet>(),
    row::<Logdet>(),
    row::<Inv>(),
    row::<Pinv>(),
    row::<MatrixRank>(),
    row::<LuFactor>(),
    row::<Qr>(),
    row::<Eigh>(),
    row::<SVD>(),
    row::<Solve>(),
    row::<SolveTriangular>(),
    row::<Lstsq>(),
];

/// The smallest step of `float32` from one.
const EPSILON: f64 = f32::EPSILON as f64;

/// One of the results for a matrix: its shape and type.
type Part = (Vec<usize>, Dtype);

/// The sizes of the last two axes, which must be known.
fn matrix_of(spec: &Spec) -> Result<(usize, usize)> {
    if spec.rank() < 2 {
        return Err(Error::config(format_args!("expected matrices, got {spec}")));
    }
    if spec.dtype != Dtype::Float32 {
        return Err(Error::unsupported(format_args!("matrices of {}", spec.dtype)));
    }
    Ok((spec.known(spec.rank() - 2)?, spec.known(spec.rank() - 1)?))
}

fn square(spec: &Spec) -> Result<usize> {
    match matrix_of(spec)? {
        (height, width) if height == width && height > 0 => Ok(height),
        _ => Err(Error::config(format_args!("expected square matrices, got {spec}"))),
    }
}

/// The matrices of a value, and the sizes of the axes before theirs.
fn matrices(x: Value) -> Result<(Vec<usize>, Vec<Matrix>)> {
    let mut shape = x.shape();
    let (width, height) = (shape.pop().unwrap_or(0), shape.pop().unwrap_or(0));
    let numbers = numbers(x)?;
    let size = (height * width).max(1);
    Ok((shape, numbers.chunks(size).map(|numbers| Matrix::from_row_slice(height, width, numbers)).collect()))
}

fn numbers(x: Value) -> Result<Vec<f64>> {
    let data = x.into_data().convert_dtype(burn::tensor::DType::F64);
    data.as_slice::<f64>().map(<[f64]>::to_vec).map_err(|_| Error::input("expected numbers"))
}

/// A value out of the numbers of all matrices.
fn value(numbers: Vec<f64>, batch: &[usize], (shape, dtype): &Part, device: &Device) -> Result<Value> {
    let shape = [batch, shape].concat();
    let numbers: Vec<f32> = numbers.into_iter().map(|number| number as f32).collect();
    Value::from_data(TensorData::new(numbers, shape), device)?.typed(*dtype)
}

/// Operations of every matrix of a value: the shapes of the results for a matrix of so many rows and
/// columns, and their numbers.
macro_rules! decompositions {
    ($($(#[$meta:meta])* $name:ident { $($fields:tt)* } ($this:ident, $height:ident, $width:ident, $a:ident) $size:ident => $parts:expr, $compute:expr;)+) => {$(
        crate::config! {
            $(#[$meta])*
            pub struct $name { $($fields)* }
        }

        impl $name {
            fn parts(&self, $height: usize, $width: usize) -> Vec<Part> {
                let $this = self;
                let _ = ($this, $height, $width);
                $parts
            }

            fn compute(&self, $a: Matrix) -> Vec<Vec<f64>> {
                let $this = self;
                let _ = $this;
                $compute
            }
        }

        impl Function for $name {
            const CLASSES: &'static [&'static str] = &[stringify!($name)];
            const ARGS: &'static [&'static str] = &["x"];
            const OPERATION: bool = true;

            fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
                let x = args.input()?;
                let (height, width) = matrix_of(x)?;
                if height == 0 || width == 0 {
                    return Err(Error::unsupported("matrices without elements"));
                }
                $size(x)?;
                let batch = &x.shape[..x.rank() - 2];
                let mut parts = self.parts(height, width).into_iter().map(|(shape, dtype)| {
                    let shape: Sizes = batch.iter().copied().chain(shape.into_iter().map(Some)).collect();
                    Tree::Leaf(Spec::new(shape, dtype))
                });
                match parts.len() {
                    1 => parts.next().ok_or_else(|| Error::config("no result")),
                    _ => Ok(Tree::List(parts.collect())),
                }
            }

            fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
                let x = args.into_input()?;
                let (device, shape) = (x.device(), x.shape());
                let parts = self.parts(shape[shape.len() - 2], shape[shape.len() - 1]);
                let (batch, matrices) = matrices(x)?;
                let mut results = vec![Vec::new(); parts.len()];
                for matrix in matrices {
                    for (all, one) in results.iter_mut().zip(self.compute(matrix)) {
                        all.extend(one);
                    }
                }
                let values = results.into_iter().zip(&parts).map(|(numbers, part)| value(numbers, &batch, part, &device));
                let mut values = values.collect::<Result<Vec<_>>>()?;
                match values.len() {
                    1 => Ok(values.remove(0).into()),
                    _ => Ok(Tree::list(values)),
                }
            }
        }
    )+};
}

const FLOAT: Dtype = Dtype::Float32;

decompositions! {
    /// The operation `Cholesky`: the triangle whose product with its transpose is a matrix.
    Cholesky {
        /// Whether it is the upper one.
        upper: bool = false,
    } (this, height, width, a) square => vec![(vec![height, width], FLOAT)], {
        let lower = host::cholesky(&a);
        vec![host::rows(&if this.upper { lower.transpose() } else { lower })]
    };

    /// The operation `CholeskyInverse`: the inverse of the matrix that has this triangle.
    CholeskyInverse {
        /// Whether it is the upper one.
        upper: bool = false,
    } (this, height, width, a) square => vec![(vec![height, width], FLOAT)], {
        let size = a.nrows();
        let inverse = host::solve_triangular(&a, Matrix::identity(size, size), !this.upper);
        vec![host::rows(&if this.upper { &inverse * inverse.transpose() } else { inverse.transpose() * &inverse })]
    };

    /// The operation `Det`: the determinant.
    Det {} (_this, height, width, a) square => vec![(vec![], FLOAT)], {
        let (sign, log) = host::determinant(a);
        vec![vec![sign * log.exp()]]
    };

    /// The operation `Slogdet`: the sign of the determinant and the logarithm of its size.
    Slogdet {} (_this, height, width, a) square => vec![(vec![], FLOAT), (vec![], FLOAT)], {
        let (sign, log) = host::determinant(a);
        vec![vec![sign], vec![log]]
    };

    /// The operation `Logdet`: the logarithm of the size of the determinant.
    Logdet {} (_this, height, width, a) square => vec![(vec![], FLOAT)], vec![vec![host::determinant(a).1]];

    /// The operation `Inv`: the inverse.
    Inv {} (_this, height, width, a) square => vec![(vec![height, width], FLOAT)], {
        let size = a.nrows();
        vec![host::rows(&host::solve(a, Matrix::identity(size, size)))]
    };

    /// The operation `Pinv`: the inverse of what is not too small.
    Pinv {
        /// What is too small, as a part of the largest singular value.
        rcond: Option<f64> = None,
    } (this, height, width, a) matrix_of => vec![(vec![width, height], FLOAT)], {
        let cutoff = this.rcond.unwrap_or(10.0 * a.nrows().max(a.ncols()) as f64 * EPSILON);
        vec![host::rows(&host::pseudo_inverse(a, cutoff, false))]
    };

    /// The operation `MatrixRank`: how many singular values are not too small.
    MatrixRank {
        /// What is too small.
        tol: Option<f64> = None,
    } (this, height, width, a) matrix_of => vec![(vec![], Dtype::Int32)], {
        let size = a.nrows().max(a.ncols()) as f64;
        let (_, values, _) = host::svd(a, false);
        let bound = this.tol.unwrap_or(values.first().copied().unwrap_or(0.0) * size * EPSILON);
        vec![vec![values.iter().filter(|value| **value > bound).count() as f64]]
    };

    /// The operation `LuFactor`: the triangles of a matrix with its rows swapped, and with which they
    /// were swapped.
    LuFactor {} (_this, height, width, a) matrix_of =>
        vec![(vec![height, width], FLOAT), (vec![height.min(width)], Dtype::Int32)],
    {
        let (triangles, swaps) = host::lu(a);
        vec![host::rows(&triangles), swaps.into_iter().map(|row| row as f64).collect()]
    };

    /// The operation `Qr`: an orthogonal matrix and an upper triangle, whose product is a matrix.
    Qr {
        /// Whether the orthogonal matrix is square.
        mode: Mode = Mode::Reduced,
    } (this, height, width, a) matrix_of => {
        let count = if this.mode == Mode::Complete { height } else { height.min(width) };
        vec![(vec![height, count], FLOAT), (vec![count, width], FLOAT)]
    }, {
        let count = if this.mode == Mode::Complete { a.nrows() } else { a.nrows().min(a.ncols()) };
        let (q, r) = host::qr(a);
        vec![host::rows(&q.columns(0, count).into_owned()), host::rows(&r.rows(0, count).into_owned())]
    };

    /// The operation `Eigh`: the eigenvalues of a symmetric matrix, ascending, and its vectors as columns.
    Eigh {} (_this, height, width, a) square => vec![(vec![height], FLOAT), (vec![height, width], FLOAT)], {
        let (values, vectors) = host::eigh(&a);
        vec![values, host::rows(&vectors)]
    };

    /// The operation `SVD`: the singular values of a matrix, descending, between its vectors.
    SVD {
        /// Whether there are as many vectors as rows and columns.
        full_matrices: bool = true,
        /// Whether there are vectors at all.
        compute_uv: bool = true,
    } (this, height, width, a) matrix_of => {
        let count = height.min(width);
        let (left, right) = if this.full_matrices { (height, width) } else { (count, count) };
        let values = (vec![count], FLOAT);
        match this.compute_uv {
            true => vec![(vec![height, left], FLOAT), values, (vec![right, width], FLOAT)],
            false => vec![values],
        }
    }, {
        let (u, values, v) = host::svd(a, this.full_matrices && this.compute_uv);
        if this.compute_uv { vec![host::rows(&u), values, host::rows(&v)] } else { vec![values] }
    };
}

crate::keywords! {
    /// How much of a decomposition is given.
    pub enum Mode {
        /// What is needed for the product.
        Reduced = "reduced",
        /// A whole basis.
        Complete = "complete",
    }
}

/// The shape of the solutions of equations: `a` has one matrix for each of `b`, or `b` is a vector.
fn equations(args: &Args<Spec>) -> Result<(Spec, Spec)> {
    let (a, b): (Spec, Spec) = (one(args, "a")?.operand, one(args, "b")?.operand);
    let (height, _) = matrix_of(&a).map_err(|error| error.at("a"))?;
    let sides = match b.rank() {
        1 if a.rank() == 2 => b.known(0)?,
        rank if rank == a.rank() && b.shape[..rank - 2] == a.shape[..rank - 2] => b.known(rank - 2)?,
        _ => return Err(Error::unsupported(format_args!("{b} beside {a}")).at("b")),
    };
    if sides != height || b.dtype != Dtype::Float32 {
        return Err(Error::config(format_args!("{b} of {} beside {a}", b.dtype)).at("b"));
    }
    Ok((a, b))
}

/// Solves equations matrix by matrix.
fn solutions(args: &Args<Value>, solve: impl Fn(Matrix, Matrix) -> Matrix) -> Result<Tree<Value>> {
    let (a, b): (Value, Value) = (one(args, "a")?.operand, one(args, "b")?.operand);
    let (device, vector) = (b.device(), b.rank() == 1);
    let b = if vector { b.expanded(1)? } else { b };
    let ((batch, a), (_, b)) = (matrices(a)?, matrices(b)?);
    let solved: Vec<Matrix> = a.into_iter().zip(b).map(|(a, b)| solve(a, b)).collect();
    let shape = solved.first().map_or((0, 0), Matrix::shape);
    let part = (if vector { vec![shape.0] } else { vec![shape.0, shape.1] }, FLOAT);
    value(solved.iter().flat_map(host::rows).collect(), &batch, &part, &device).map(Tree::Leaf)
}

crate::config! {
    /// The operation `Solve`: what a matrix makes the right side of.
    pub struct Solve {}
}

impl Function for Solve {
    const CLASSES: &'static [&'static str] = &["Solve"];
    const ARGS: &'static [&'static str] = &["a", "b"];
    const OPERATION: bool = true;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let (a, b) = equations(args)?;
        square(&a).map_err(|error| error.at("a"))?;
        Ok(b.into())
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        solutions(&args, host::solve)
    }
}

crate::config! {
    /// The operation `SolveTriangular`: what a triangle makes the right side of.
    pub struct SolveTriangular {
        /// Whether it is the lower one.
        lower: bool = false,
    }
}

impl Function for SolveTriangular {
    const CLASSES: &'static [&'static str] = &["SolveTriangular"];
    const ARGS: &'static [&'static str] = &["a", "b"];
    const OPERATION: bool = true;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let (a, b) = equations(args)?;
        square(&a).map_err(|error| error.at("a"))?;
        Ok(b.into())
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        solutions(&args, |a, b| host::solve_triangular(&a, b, self.lower))
    }
}

crate::config! {
    /// The operation `Lstsq`: what a matrix makes most nearly the right side of.
    pub struct Lstsq {
        /// Which singular values count as zero, as a part of the largest.
        rcond: Option<f64> = None,
    }
}

impl Function for Lstsq {
    const CLASSES: &'static [&'static str] = &["Lstsq"];
    const ARGS: &'static [&'static str] = &["a", "b"];
    const OPERATION: bool = true;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let (a, mut b) = equations(args)?;
        a.expect_rank(2).map_err(|error| error.at("a"))?;
        b.shape[0] = a.shape[1];
        Ok(b.into())
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        solutions(&args, |a, b| {
            let cutoff = self.rcond.filter(|cutoff| *cutoff >= 0.0);
            let cutoff = cutoff.unwrap_or(a.nrows().max(a.ncols()) as f64 * EPSILON);
            host::pseudo_inverse(a, cutoff, true) * b
        })
    }
}
