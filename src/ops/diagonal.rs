//! Operations of matrices that compute nothing: diagonals, triangles, products of every pair.
#![allow(non_snake_case, reason = "a key of Keras")]

use super::form::{Form, Picks, forming, moving, pair};
use crate::config::{Dtype, resolve_axis};
use crate::error::{Error, Result};
use crate::layer::{Row, Tree, row};
use crate::value::Binary;

/// The operations of this file.
pub(super) static ROWS: &[Row] = &[
    row::<Diagonal>(),
    row::<Trace>(),
    row::<Diag>(),
    row::<Diagflat>(),
    row::<Tril>(),
    row::<Triu>(),
    row::<Vander>(),
    row::<Kron>(),
];

/// A diagonal of the planes of two axes, as the last axis.
fn diagonal<T: Form>(x: T, offset: i64, axes: [i64; 2]) -> Result<T> {
    let rank = x.axes();
    let rows = resolve_axis(axes[0], rank).map_err(|error| error.at("axis1"))?;
    let columns = resolve_axis(axes[1], rank).map_err(|error| error.at("axis2"))?;
    if rows == columns {
        return Err(Error::config("expected two different axes").at("axis2"));
    }
    let mut order: Vec<usize> = (0..rank).filter(|axis| ![rows, columns].contains(axis)).collect();
    order.extend([rows, columns]);
    let x = x.permuted(&order)?;
    let mut sizes = x.sizes();
    let (height, width) = (sizes[rank - 2], sizes[rank - 1]);
    sizes.truncate(rank - 2);
    sizes.push(height.zip(width).map(|(height, width)| height.saturating_mul(width)));
    let distance = usize::try_from(offset.unsigned_abs()).unwrap_or(usize::MAX);
    let (down, right) = if offset < 0 { (distance, 0) } else { (0, distance) };
    x.reshaped(&sizes)?.picked(rank - 2, |_| {
        let (height, width) = (height.unwrap_or(0), width.unwrap_or(0));
        let length = height.saturating_sub(down).min(width.saturating_sub(right));
        Ok(Picks::new(length, move |at| (at + down) * width + at + right))
    })
}

/// A matrix with a vector on a diagonal and zeros elsewhere.
fn diagonal_matrix<T: Form>(x: T, k: i64) -> Result<T> {
    let distance = usize::try_from(k.unsigned_abs()).unwrap_or(usize::MAX);
    let down = if k < 0 { distance } else { 0 };
    let rows = x.picked(0, |size| match size {
        0 => Err(Error::unsupported("a diagonal without entries")),
        size => {
            Ok(Picks::new(size.saturating_add(distance), move |at| at.saturating_sub(down).min(size - 1)))
        }
    })?;
    let size = rows.sizes()[0];
    rows.expanded(1)?.spread(&[size, size])?.kept([0, 1], |row, column| column as i64 - row as i64 == k, 0.0)
}

/// The last two axes.
fn last_two<T: Form>(x: &T) -> Result<[usize; 2]> {
    match x.axes() {
        0 | 1 => Err(Error::config("expected at least two axes")),
        rank => Ok([rank - 2, rank - 1]),
    }
}

moving! {
    /// The operation `Diagonal`: a diagonal of the planes of two axes.
    Diagonal("x") {
        /// How far it is from the main one, to the right.
        offset: i64 = 0,
        /// The axis of rows.
        axis1: i64 = 0,
        /// The axis of columns.
        axis2: i64 = 1,
    } (this, x) => diagonal(x, this.offset, [this.axis1, this.axis2]);

    /// The operation `Trace`: the sum of a diagonal.
    Trace("x") {
        /// How far it is from the main one, to the right.
        offset: i64 = 0,
        /// The axis of rows.
        axis1: i64 = 0,
        /// The axis of columns.
        axis2: i64 = 1,
    } (this, x) => {
        let dtype = match x.dtype() {
            Dtype::Bool | Dtype::Int8 | Dtype::Int16 => Dtype::Int32,
            Dtype::Uint8 | Dtype::Uint16 => Dtype::Uint32,
            dtype => dtype,
        };
        let diagonal = diagonal(x, this.offset, [this.axis1, this.axis2])?.typed(dtype)?;
        let last = diagonal.axes() - 1;
        diagonal.summed(last)
    };

    /// The operation `Diag`: the diagonal of a matrix, or a matrix with a vector on its diagonal.
    Diag("x") {
        /// How far the diagonal is from the main one, to the right.
        k: i64 = 0,
    } (this, x) => match x.axes() {
        1 => diagonal_matrix(x, this.k),
        2 => diagonal(x, this.k, [0, 1]),
        rank => Err(Error::config(format_args!("expected one axis or two, got {rank}"))),
    };

    /// The operation `Diagflat`: a matrix with all elements on its diagonal.
    Diagflat("x") {
        /// How far the diagonal is from the main one, to the right.
        k: i64 = 0,
    } (this, x) => diagonal_matrix(x.flat()?, this.k);

    /// The operation `Tril`: zeros above a diagonal.
    Tril("x") {
        /// How far the diagonal is from the main one, to the right.
        k: i64 = 0,
    } (this, x) => {
        let axes = last_two(&x)?;
        x.kept(axes, |row, column| column as i64 - row as i64 <= this.k, 0.0)
    };

    /// The operation `Triu`: zeros below a diagonal.
    Triu("x") {
        /// How far the diagonal is from the main one, to the right.
        k: i64 = 0,
    } (this, x) => {
        let axes = last_two(&x)?;
        x.kept(axes, |row, column| column as i64 - row as i64 >= this.k, 0.0)
    };

    /// The operation `Vander`: the powers of every entry of a vector.
    Vander("x") {
        /// How many; as many as there are entries without it.
        N: Option<usize> = None,
        /// Whether they ascend.
        increasing: bool = false,
    } (this, x) => {
        let &[size] = x.sizes().as_slice() else { return Err(Error::config("expected a vector")) };
        let count = this.N.or(size).ok_or_else(|| Error::unsupported("as many powers as there are entries, of any number"))?;
        if !(1..=1000).contains(&count) {
            return Err(Error::unsupported(format_args!("{count} powers")).at("N"));
        }
        let column = x.expanded(1)?;
        let mut powers = vec![column.clone().kept([0, 1], |_, _| false, 1.0)?];
        for at in 1..count {
            let power = powers[at - 1].clone().combined(Binary::Multiply, column.clone())?;
            powers.push(power);
        }
        if !this.increasing {
            powers.reverse();
        }
        T::joined(powers, 1)
    };
}

forming! {
    /// The operation `Kron`: every element of the first operand times the whole second.
    Kron("x1", "x2") {} (_this, args) => {
        let (a, b) = pair(&args, ["x1", "x2"])?;
        let rank = a.axes().max(b.axes());
        let (mut a, mut b) = (a.raised(rank)?, b.raised(rank)?);
        let sizes: Vec<_> = a.sizes().into_iter().zip(b.sizes())
            .map(|(a, b)| a.zip(b).map(|(a, b)| a.saturating_mul(b))).collect();
        for axis in 0..rank {
            a = a.expanded(2 * axis + 1)?;
            b = b.expanded(2 * axis)?;
        }
        a.combined(Binary::Multiply, b)?.reshaped(&sizes).map(Tree::Leaf)
    };
}
