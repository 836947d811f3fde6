//! Decompositions of one matrix on the host, in double precision and with the signs of LAPACK.

use nalgebra::{DMatrix, DVector};

pub(super) type Matrix = DMatrix<f64>;

/// The numbers of a matrix, row by row.
pub(super) fn rows(a: &Matrix) -> Vec<f64> {
    a.transpose().as_slice().to_vec()
}

/// The triangles of `P A = L U` in one matrix, and the row that each row was swapped with.
pub(super) fn lu(mut a: Matrix) -> (Matrix, Vec<usize>) {
    let (height, width) = a.shape();
    let mut swaps = Vec::new();
    for at in 0..height.min(width) {
        let best = (at..height)
            .fold(at, |best, row| if a[(row, at)].abs() > a[(best, at)].abs() { row } else { best });
        swaps.push(best);
        a.swap_rows(at, best);
        let pivot = a[(at, at)];
        for row in at + 1..height {
            if pivot != 0.0 {
                a[(row, at)] /= pivot;
            }
            let factor = a[(row, at)];
            for column in at + 1..width {
                a[(row, column)] -= factor * a[(at, column)];
            }
        }
    }
    (a, swaps)
}

/// The sign of the determinant and the logarithm of its size.
pub(super) fn determinant(a: Matrix) -> (f64, f64) {
    let (a, swaps) = lu(a);
    let swapped = swaps.iter().enumerate().filter(|(at, with)| at != *with).count();
    let start = if swapped % 2 == 0 { 1.0 } else { -1.0 };
    a.diagonal().iter().fold((start, 0.0), |(sign, log), number| {
        (if *number == 0.0 { 0.0 } else { sign * number.signum() }, log + number.abs().ln())
    })
}

/// `A⁻¹ B`.
pub(super) fn solve(a: Matrix, mut b: Matrix) -> Matrix {
    let (a, swaps) = lu(a);
    for (at, with) in swaps.into_iter().enumerate() {
        b.swap_rows(at, with);
    }
    let mut unit = a.clone();
    unit.fill_diagonal(1.0);
    solve_triangular(&a, solve_triangular(&unit, b, true), false)
}

/// `A⁻¹ B` of a triangle, of which the other one is not looked at.
pub(super) fn solve_triangular(a: &Matrix, mut b: Matrix, lower: bool) -> Matrix {
    let size = a.nrows();
    for column in 0..b.ncols() {
        for step in 0..size {
            let row = if lower { step } else { size - 1 - step };
            let known = if lower { 0..row } else { row + 1..size };
            let sum: f64 = known.map(|at| a[(row, at)] * b[(at, column)]).sum();
            b[(row, column)] = (b[(row, column)] - sum) / a[(row, row)];
        }
    }
    b
}

/// The lower triangle whose product with its transpose is the symmetric part of a matrix; not a number
/// when there is none.
pub(super) fn cholesky(a: &Matrix) -> Matrix {
    let symmetric = (a + a.transpose()) * 0.5;
    let size = a.nrows();
    nalgebra::Cholesky::new(symmetric)
        .map_or_else(|| Matrix::from_element(size, size, f64::NAN), |found| found.l())
}

/// `A = Q R` with a square `Q`, by the reflections of LAPACK.
pub(super) fn qr(mut r: Matrix) -> (Matrix, Matrix) {
    let (height, width) = r.shape();
    let mut q = Matrix::identity(height, height);
    for at in 0..height.min(width) {
        let below: f64 = (at + 1..height).map(|row| r[(row, at)].powi(2)).sum();
        if below == 0.0 {
            continue;
        }
        let head = r[(at, at)];
        let beta = -(head * head + below).sqrt().copysign(head);
        let mut axis = DVector::zeros(height);
        axis[at] = head - beta;
        for row in at + 1..height {
            axis[row] = r[(row, at)];
        }
        axis.normalize_mut();
        r -= &axis * (axis.transpose() * &r) * 2.0;
        q -= (&q * &axis) * axis.transpose() * 2.0;
        for row in at + 1..height {
            r[(row, at)] = 0.0;
        }
    }
    (q, r)
}

/// Values in ascending order, and the vectors of the symmetric part of a matrix as columns.
pub(super) fn eigh(a: &Matrix) -> (Vec<f64>, Matrix) {
    if !a.iter().all(|number| number.is_finite()) {
        return (vec![f64::NAN; a.nrows()], Matrix::from_element(a.nrows(), a.nrows(), f64::NAN));
    }
    let found = nalgebra::SymmetricEigen::new((a + a.transpose()) * 0.5);
    let mut order: Vec<usize> = (0..a.nrows()).collect();
    order.sort_by(|a, b| found.eigenvalues[*a].total_cmp(&found.eigenvalues[*b]));
    let values = order.iter().map(|at| found.eigenvalues[*at]).collect();
    (values, found.eigenvectors.select_columns(&order))
}

/// `A = U S V`, the values of `S` in descending order; `U` and `V` are square when `full`.
pub(super) fn svd(a: Matrix, full: bool) -> (Matrix, Vec<f64>, Matrix) {
    let (height, width) = a.shape();
    let count = height.min(width);
    // The iterations would not end.
    if !a.iter().all(|number| number.is_finite()) {
        let nan = |rows, columns| Matrix::from_element(rows, columns, f64::NAN);
        let (left, right) = if full { (height, width) } else { (count, count) };
        return (nan(height, left), vec![f64::NAN; count], nan(right, width));
    }
    let found = nalgebra::SVD::new(a, true, true);
    let u = found.u.unwrap_or_else(|| Matrix::identity(height, count));
    let v = found.v_t.unwrap_or_else(|| Matrix::identity(count, width));
    let values = found.singular_values.iter().copied().collect();
    if full { (completed(u), values, completed(v.transpose()).transpose()) } else { (u, values, v) }
}

/// Orthonormal columns with others that make them a basis.
fn completed(columns: Matrix) -> Matrix {
    let count = columns.ncols();
    let (mut basis, _) = qr(columns.clone());
    basis.columns_mut(0, count).copy_from(&columns);
    basis
}

/// The inverse of what is not too small: singular values up to `cutoff` times the largest count as zero.
pub(super) fn pseudo_inverse(a: Matrix, cutoff: f64, inclusive: bool) -> Matrix {
    let (u, values, v) = svd(a, false);
    let bound = cutoff * values.first().copied().unwrap_or(0.0);
    let keeps = |value: f64| value > bound || (inclusive && value == bound && value > 0.0);
    let inverse = values.iter().map(|value| if keeps(*value) { value.recip() } else { 0.0 });
    let inverse = Matrix::from_diagonal(&DVector::from_iterator(values.len(), inverse));
    v.transpose() * inverse * u.transpose()
}
