//! The order of numbers. Indices have no gradient, so they are found on the host, where sorting keeps
//! equal elements in order as no backend promises; values are then gathered by them.

use std::cmp::Ordering;

use burn::tensor::{DType, Int, Tensor, TensorData};

use crate::error::{Error, Result};
use crate::value::Value;

/// What comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// The lowest; zeros are equal, NaN comes last.
    Lowest,
    /// The highest, as XLA takes the top: minus zero is below zero, NaN above all.
    Highest,
    /// The highest of the negated numbers.
    HighestNegated,
}

impl Order {
    fn compare(self, a: f64, b: f64) -> Ordering {
        let top = |x: f64| if x.is_nan() { f64::NAN } else { x };
        match self {
            Self::Lowest => order(a, b),
            Self::Highest => top(b).total_cmp(&top(a)),
            Self::HighestNegated => top(-b).total_cmp(&top(-a)),
        }
    }
}

/// The numbers of a value on the host.
pub(super) fn numbers(x: &Value) -> Result<Vec<f64>> {
    let data = x.clone().into_data().convert_dtype(DType::F64);
    data.try_into_vec().map_err(|_| Error::input("expected numbers"))
}

/// How two numbers are ordered; NaN is above all others, and equal to itself.
pub(super) fn order(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

/// The indices that sort each row of `[rows, size]`; equal elements stay in order.
pub(super) fn argsort(x: &Value, order: Order) -> Result<Tensor<2, Int>> {
    let shape = x.shape();
    let size = shape.get(1).copied().unwrap_or(0);
    let mut indices: Vec<i64> = Vec::new();
    for row in numbers(x)?.chunks(size.max(1)) {
        let key = |at: &usize| row.get(*at).copied().unwrap_or(f64::NAN);
        let mut sorted: Vec<usize> = (0..row.len()).collect();
        sorted.sort_by(|a, b| order.compare(key(a), key(b)));
        indices.extend(sorted.into_iter().map(|at| at as i64));
    }
    Value::from_data(TensorData::new(indices, shape), &x.device())?.int::<2>()
}

/// The elements of rows at indices of each row.
pub(super) fn gather(x: Value, indices: Tensor<2, Int>) -> Result<Value> {
    Ok(super::reduce::on_rows!(x, x => x.gather(1, indices)))
}
