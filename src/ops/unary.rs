//! Operations of one operand, element by element.

use super::pattern::{Unary, counted, float, float_only, map_number, number, operations, same, truth, wide};
use super::special::{self, erfc, erfinv, expm1, i0};
use crate::error::Result;
use crate::value::Value;
use crate::{map_float, map_int};

/// Functions of floats.
macro_rules! floats {
    ($table:ident, $result:expr; $($name:ident($x:ident) = $body:expr;)+) => {
        operations! {
            $table["x"]:
            $($name {} = |_| Unary { result: $result, run: |value| map_float!(value, $x => $body) };)+
        }
    };
}

floats! { FLOATS, float;
    Angle(x) = x.zeros_like().atan2(x);
    Arccos(x) = x.acos();
    Arccosh(x) = x.acosh();
    Arcsin(x) = x.asin();
    Arcsinh(x) = x.asinh();
    Arctan(x) = x.atan();
    Arctanh(x) = x.atanh();
    Cbrt(x) = x.clone().sign() * x.abs().powf_scalar(1.0 / 3.0);
    Ceil(x) = x.ceil();
    Cos(x) = x.cos();
    Cosh(x) = x.cosh();
    Deg2rad(x) = x.deg2rad();
    Erfc(x) = erfc(x);
    Erfinv(x) = erfinv(x);
    Exp(x) = x.exp();
    Exp2(x) = x.full_like(2.0).powf(x);
    Expm1(x) = expm1(x);
    Fabs(x) = x.abs();
    Floor(x) = x.floor();
    I0(x) = i0(x);
    Log(x) = x.log();
    Log10(x) = x.log() / std::f64::consts::LN_10;
    Log1p(x) = x.log1p();
    Log2(x) = x.log() / std::f64::consts::LN_2;
    Rad2deg(x) = x.rad2deg();
    Reciprocal(x) = x.recip();
    Sin(x) = x.sin();
    Sinc(x) = special::sinc(x);
    Sinh(x) = x.sinh();
    Sqrt(x) = x.sqrt();
    Tan(x) = x.tan();
    Tanh(x) = x.tanh();
}

floats! { FLOATS_ONLY, float_only;
    Erf(x) = x.erf();
    Rsqrt(x) = x.sqrt().recip();
}

fn unchanged(x: Value) -> Result<Value> {
    Ok(x)
}

/// What has no fraction is its own whole part.
fn trunc(x: Value) -> Result<Value> {
    if x.is_float() { map_float!(x, x => x.trunc()) } else { Ok(x) }
}

fn absolute(x: Value) -> Result<Value> {
    if is_bool(&x) { Ok(x) } else { map_number!(x, x => x.abs()) }
}

fn is_bool(x: &Value) -> bool {
    x.keras_dtype() == crate::config::Dtype::Bool
}

fn square(x: Value) -> Result<Value> {
    match x.is_float() {
        true => map_float!(x, x => x.square()),
        false => map_int!(x, x => wide(x.clone()) * wide(x)),
    }
}

/// -1, 0 or 1; NaN stays.
fn sign(x: Value) -> Result<Value> {
    if !x.is_float() {
        return map_int!(x, x => x.clone().greater_elem(0).int() - x.lower_elem(0).int());
    }
    map_float!(x, x => {
        let nan = x.clone().is_nan();
        x.clone().sign().mask_where(nan, x)
    })
}

macro_rules! unary {
    ($table:ident: $($name:ident: $result:expr => $run:expr;)+) => {
        operations! { $table["x"]: $($name {} = |_| Unary { result: $result, run: $run };)+ }
    };
}

unary! { NUMBERS:
    Abs: same => absolute;
    Absolute: same => absolute;
    Conj: same => unchanged;
    Conjugate: same => unchanged;
    Imag: same => |x| map_number!(x, x => x.zeros_like());
    Negative: number => |x| if x.is_float() { map_float!(x, x => -x) } else { map_int!(x, x => -wide(x)) };
    Real: same => unchanged;
    Sign: number => sign;
    Square: counted => square;
    Trunc: same => trunc;
}

/// Questions about floats; every integer is finite.
macro_rules! questions {
    ($($name:ident($x:ident) = $body:expr, of_integers: $integers:literal;)+) => {
        unary! { QUESTIONS: $($name: truth => |value| match value.is_float() {
            true => map_float!(value, $x => $body),
            false => map_int!(value, x => x.zeros_like().equal_elem($integers)),
        };)+ }
    };
}

questions! {
    Isfinite(x) = x.is_finite(), of_integers: 0;
    Isinf(x) = x.is_inf(), of_integers: 1;
    Isnan(x) = x.is_nan(), of_integers: 1;
    Isneginf(x) = x.equal_elem(f32::NEG_INFINITY), of_integers: 1;
    Isposinf(x) = x.equal_elem(f32::INFINITY), of_integers: 1;
    Isreal(x) = x.zeros_like().equal_elem(0.0), of_integers: 0;
}

unary! { SIGNS:
    Signbit: truth => |x| match x.is_float() {
        // One over minus zero is minus infinity.
        true => map_float!(x, x => x.clone().lower_elem(0.0).bool_or(x.recip().equal_elem(f32::NEG_INFINITY))),
        false => map_int!(x, x => x.lower_elem(0)),
    };
}

operations! { ROUND["x"]:
    /// To the nearest, halves to the even one.
    Round {
        /// Digits after the point that stay; before it, where negative.
        decimals: i64 = 0,
    } = |config| Rounding { decimals: config.decimals };
}

/// See [`Round`].
struct Rounding {
    decimals: i64,
}

impl super::pattern::Pattern for Rounding {
    fn outputs(
        &self,
        args: &crate::layer::Args<crate::layer::Spec>,
    ) -> Result<crate::layer::Tree<crate::layer::Spec>> {
        Unary { result: number, run: unchanged }.outputs(args)
    }

    fn call(&self, args: &crate::layer::Args<Value>) -> Result<crate::layer::Tree<Value>> {
        let x = super::kit::operand(args, "x", None)?.operand.with_mask(None);
        let dtype = x.dtype();
        if !x.is_float() && self.decimals >= 0 {
            return Ok(x.into());
        }
        let factor = 10_f64.powi(i32::try_from(self.decimals).unwrap_or(i32::MAX));
        Ok(map_float!(x, x => (x * factor).round() / factor)?.cast(dtype)?.into())
    }
}
