//! Operations of the bits of integers.

use burn::tensor::{Int, Tensor};

use super::logic::not;
use super::pattern::{Binary, Unary, bits, counted, operations, wide, zip_int};
use crate::config::Dtype;
use crate::error::Result;
use crate::map_int;
use crate::value::{Value, int_range};

macro_rules! bitwise {
    ($($name:ident: $result:expr => $run:expr;)+) => {
        operations! {
            ROWS["x", "y"]:
            $($name {} = |_| Binary { names: ["x", "y"], common: $result, result: $result, run: $run, words: None };)+
        }
    };
}

bitwise! {
    BitwiseAnd: bits => |a, b| zip_int!(a, b, (a, b) => a.bitwise_and(b));
    BitwiseLeftShift: shifted => left;
    BitwiseOr: bits => |a, b| zip_int!(a, b, (a, b) => a.bitwise_or(b));
    BitwiseRightShift: shifted => right;
    BitwiseXor: bits => |a, b| zip_int!(a, b, (a, b) => a.bitwise_xor(b));
    LeftShift: shifted => left;
    RightShift: shifted => right;
}

operations! { INVERT["x"]:
    BitwiseInvert {} = |_| Unary { result: bits, run: invert, words: None };
    BitwiseNot {} = |_| Unary { result: bits, run: invert, words: None };
}

fn shifted(kinds: &[super::pattern::Kind]) -> Result<Dtype> {
    bits(kinds)?;
    counted(kinds)
}

fn invert(x: Value) -> Result<Value> {
    if x.keras_dtype() == Dtype::Bool { not(x) } else { map_int!(x, x => wide(x).bitwise_not()) }
}

/// The most that a value can be shifted by, and whether it has a sign.
fn room(x: &Value) -> (i64, bool) {
    let bits = i64::try_from(x.dtype().size()).unwrap_or(8).saturating_mul(8);
    (bits - 1, int_range(x.dtype()).0 < 0)
}

/// What is shifted by less than nothing or by all its bits is gone.
fn left(x: Value, by: Value) -> Result<Value> {
    let (most, _) = room(&x);
    zip_int!(x, by, (x, by) => {
        let (x, by) = (wide(x), wide(by));
        let gone = out_of_range(by.clone(), most);
        x.bitwise_left_shift(by.mask_fill(gone.clone(), 0)).mask_fill(gone, 0)
    })
}

/// The sign stays, as far as there is one.
fn right(x: Value, by: Value) -> Result<Value> {
    let (most, signed) = room(&x);
    zip_int!(x, by, (x, by) => {
        let (x, by) = (wide(x), wide(by));
        let gone = out_of_range(by.clone(), most);
        let shifted = x.bitwise_right_shift(by.mask_fill(gone.clone(), most));
        if signed { shifted } else { shifted.mask_fill(gone, 0) }
    })
}

fn out_of_range<const D: usize>(by: Tensor<D, Int>, most: i64) -> Tensor<D, burn::tensor::Bool> {
    by.clone().lower_elem(0).bool_or(by.greater_elem(most))
}
