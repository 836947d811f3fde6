//! Reductions that leave NaN out.

use burn::tensor::Tensor;

use super::pattern::{float, operations, same, summed};
use super::quantile::{Method, Quantiles};
use super::reduce::{self, Reduction, on_rows, reductions};
use crate::error::Result;
use crate::value::Value;

/// The rows with a number in place of NaN.
pub(super) fn without_nan(x: Value, number: f32) -> Result<Value> {
    if !x.is_float() {
        return Ok(x);
    }
    let x = x.float::<2>()?;
    let nan = x.clone().is_nan();
    Ok(x.mask_fill(nan, number).into())
}

reductions! { ROWS:
    Nanmax: same => |x| extreme(x, f32::NEG_INFINITY, reduce::max);
    Nanmean: float => mean;
    Nanmedian: float => |x| Quantiles { method: Method::Midpoint, skip_nan: true }.of(x, &[0.5]);
    Nanmin: same => |x| extreme(x, f32::INFINITY, reduce::min);
    Nanprod: summed => |x| reduce::prod(without_nan(x, 1.0)?);
    Nanstd: float => |x| Ok(variance(x)?.float::<2>()?.sqrt().into());
    Nansum: summed => |x| reduce::sum(without_nan(x, 0.0)?);
    Nanvar: float => variance;
}

operations! { INDICES["x"]:
    Nanargmax {
        /// The axis; without it, the elements in a row.
        axis: Option<i64> = None,
        /// Whether axes stay with size 1.
        keepdims: bool = false,
    } = |config| Reduction::index(config.axis, config.keepdims, |x| index(x, f32::NEG_INFINITY));
    Nanargmin {
        /// The axis; without it, the elements in a row.
        axis: Option<i64> = None,
        /// Whether axes stay with size 1.
        keepdims: bool = false,
    } = |config| Reduction::index(config.axis, config.keepdims, |x| index(x, f32::INFINITY));
}

/// Rows with nothing but NaN.
fn nothing_else(x: &Value) -> Result<Tensor<2, burn::tensor::Bool>> {
    Ok(x.clone().float::<2>()?.is_nan().all_dim(1))
}

/// The highest or lowest of the rest, NaN where there is none.
fn extreme(x: Value, last: f32, run: fn(Value) -> Result<Value>) -> Result<Value> {
    if !x.is_float() {
        return run(x);
    }
    let empty = nothing_else(&x)?;
    let found = run(without_nan(x, last)?)?.float::<2>()?;
    Ok(found.mask_fill(empty, f32::NAN).into())
}

/// Where that is, -1 where there is none.
fn index(x: Value, last: f32) -> Result<Value> {
    reduce::not_empty(&x)?;
    let found = |x: Value| {
        Ok::<_, crate::Error>(match last > 0.0 {
            true => on_rows!(x, x => x.argmin(1)),
            false => on_rows!(x, x => x.argmax(1)),
        })
    };
    if !x.is_float() {
        return found(x);
    }
    let empty = nothing_else(&x)?;
    Ok(found(without_nan(x, last)?)?.int::<2>()?.mask_fill(empty, -1).into())
}

/// How many are left in each row.
fn counts(x: &Value) -> Result<Tensor<2>> {
    Ok(x.clone().float::<2>()?.is_nan().bool_not().float().sum_dim(1))
}

fn mean(x: Value) -> Result<Value> {
    let counts = counts(&x)?;
    Ok((without_nan(x, 0.0)?.float::<2>()?.sum_dim(1) / counts).into())
}

fn variance(x: Value) -> Result<Value> {
    let counts = counts(&x)?;
    let mean = mean(x.clone())?.float::<2>()?;
    let distance = Value::from(x.float::<2>()? - mean);
    Ok((without_nan(distance, 0.0)?.float::<2>()?.square().sum_dim(1) / counts).into())
}
