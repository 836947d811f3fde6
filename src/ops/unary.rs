//! Operations of one operand, element by element.

use super::kit::operand;
use super::pattern::{
    Pattern, Unary, counted, float, float_only, map_number, number, operations, same, truth, wide,
};
use super::special::{self, erfc, erfinv, expm1, i0};
use crate::config::Dtype;
use crate::error::Result;
use crate::layer::{Args, Spec, Tree};
use crate::value::Value;
use crate::{map_float, map_int};

/// Functions of floats: with `=` in Burn's own words, so that they are source, too, with `=>` in ours.
macro_rules! floats {
    ($table:ident, $result:expr; $($name:ident($x:ident) $is:tt $body:expr;)+) => {
        operations! {
            $table["x"]:
            $($name {} = |_| Unary {
                result: $result,
                run: |value| map_float!(value, $x => $body),
                words: floats!(@words $is $body),
            };)+
        }
    };
    (@words = $body:expr) => { Some((Dtype::Float32, stringify!($body))) };
    (@words => $body:expr) => { None };
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
    Erfc(x) => erfc(x);
    Erfinv(x) => erfinv(x);
    Exp(x) = x.exp();
    Exp2(x) = x.full_like(2.0).powf(x);
    Expm1(x) => expm1(x);
    Fabs(x) = x.abs();
    Floor(x) = x.floor();
    I0(x) => i0(x);
    Log(x) = x.log();
    Log10(x) = x.log() / std::f64::consts::LN_10;
    Log1p(x) = x.log1p();
    Log2(x) = x.log() / std::f64::consts::LN_2;
    Rad2deg(x) = x.rad2deg();
    Reciprocal(x) = x.recip();
    Sin(x) = x.sin();
    Sinc(x) => special::sinc(x);
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
    x.keras_dtype() == Dtype::Bool
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

/// Operations by the type of their result, and for floats perhaps in Burn's words.
macro_rules! unary {
    ($table:ident: $($name:ident: $result:expr => $run:expr $(, $words:literal)?;)+) => {
        operations! {
            $table["x"]:
            $($name {} = |_| Unary {
                result: $result,
                run: $run,
                words: [$((Dtype::Float32, $words))?].first().copied(),
            };)+
        }
    };
}

unary! { NUMBERS:
    Abs: same => absolute, "x.abs()";
    Absolute: same => absolute, "x.abs()";
    Conj: same => unchanged;
    Conjugate: same => unchanged;
    Imag: same => |x| map_number!(x, x => x.zeros_like());
    Negative: number => |x| if x.is_float() { map_float!(x, x => -x) } else { map_int!(x, x => -wide(x)) }, "x.neg()";
    Real: same => unchanged;
    Sign: number => sign;
    Square: counted => square, "x.square()";
    Trunc: same => trunc, "x.trunc()";
}

/// Questions about floats, and the answer for all integers.
macro_rules! questions {
    ($($name:ident($x:ident) = $body:expr, of_integers: $integers:literal;)+) => {
        unary! { QUESTIONS: $($name: truth => |value| match value.is_float() {
            true => map_float!(value, $x => $body),
            false => map_int!(value, x => x.zeros_like().equal_elem(i64::from(!$integers))),
        };)+ }
    };
}

questions! {
    Isfinite(x) = x.is_finite(), of_integers: true;
    Isinf(x) = x.is_inf(), of_integers: false;
    Isnan(x) = x.is_nan(), of_integers: false;
    Isneginf(x) = x.equal_elem(f32::NEG_INFINITY), of_integers: false;
    Isposinf(x) = x.equal_elem(f32::INFINITY), of_integers: false;
    Isreal(x) = x.zeros_like().equal_elem(0.0), of_integers: true;
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

impl Pattern for Rounding {
    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        Unary { result: number, run: unchanged, words: None }.outputs(args)
    }

    fn call(&self, args: &Args<Value>) -> Result<Tree<Value>> {
        let x = operand(args, "x", None)?.operand.with_mask(None);
        if !x.is_float() && self.decimals >= 0 {
            return Ok(x.into());
        }
        let integers = (!x.is_float()).then(|| x.dtype());
        let factor = 10_f64.powi(i32::try_from(self.decimals).unwrap_or(i32::MAX));
        let rounded = map_float!(x, x => (x * factor).round() / factor)?;
        // Keras rounds integers as floats too.
        Ok(integers.map_or(Ok(rounded.clone()), |dtype| rounded.cast(dtype))?.into())
    }
}
