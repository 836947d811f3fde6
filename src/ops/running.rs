//! Running sums and products, and differences, along an axis.

use super::nan::without_nan;
use super::pattern::{Along, counted, operations, same, wide};
use crate::config::Dtype;
use crate::error::Result;
use crate::value::{Binary, Compare, Value};

macro_rules! running {
    ($($name:ident: $run:expr;)+) => {
        operations! {
            RUNNING["x"]:
            $($name {
                /// The axis; without it, the elements in a row.
                axis: Option<i64> = None,
                /// The element type of the result, unless that of the operand.
                dtype: Option<Dtype> = None,
            } = |config| {
                Along { dtype: config.dtype, ..Along::new(config.axis, counted, Box::new($run)) }
            };)+
        }
    };
}

running! {
    Cumprod: product;
    Cumsum: sum;
    Nancumprod: |rows| product(without_nan(rows, 1.0)?);
    Nancumsum: |rows| sum(without_nan(rows, 0.0)?);
}

fn sum(rows: Value) -> Result<Value> {
    match rows.is_float() {
        true => Ok(rows.float::<2>()?.cumsum(1).into()),
        false => Ok(wide(rows.int::<2>()?).cumsum(1).into()),
    }
}

/// Products overflow even 64 bits, so that integers are multiplied step by step.
fn product(rows: Value) -> Result<Value> {
    if rows.is_float() {
        return Ok(rows.float::<2>()?.cumprod(1).into());
    }
    let (dtype, size) = (rows.dtype(), rows.shape().get(1).copied().unwrap_or(0));
    let mut products: Vec<Value> = Vec::new();
    for at in 0..size {
        let next = rows.clone().narrow(1, at, 1)?;
        products.push(match products.last() {
            None => next,
            Some(last) => {
                let (last, next) = (last.clone().int::<2>()?, next.int::<2>()?);
                Value::from(wide(last) * wide(next)).cast(dtype)?
            }
        });
    }
    if products.is_empty() { Ok(rows) } else { Value::concat(products, 1) }
}

operations! { DIFF["a"]:
    Diff {
        /// How often differences are taken.
        n: usize = 1,
        /// The axis.
        axis: i64 = -1,
    } = |config| {
        let times = config.n;
        Along {
            name: "a",
            size: Box::new(move |size| size.saturating_sub(times)),
            ..Along::new(Some(config.axis), same, Box::new(move |rows| differences(rows, times)))
        }
    };
}

/// The differences of neighbours, of their differences, and so on.
fn differences(mut rows: Value, times: usize) -> Result<Value> {
    let dtype = rows.dtype();
    let size = rows.shape().get(1).copied().unwrap_or(0);
    if times >= size {
        return rows.narrow(1, 0, 0);
    }
    for left in (size - times..size).rev() {
        let (before, after) = (rows.clone().narrow(1, 0, left)?, rows.narrow(1, 1, left)?);
        rows = match (before.is_float(), before.keras_dtype()) {
            (true, _) => after.binary(Binary::Subtract, before)?,
            (_, Dtype::Bool) => after.compare(Compare::NotEqual, before)?,
            _ => {
                let (before, after) = (before.int::<2>()?, after.int::<2>()?);
                Value::from(wide(after) - wide(before)).cast(dtype)?
            }
        };
    }
    Ok(rows)
}
