//! Arithmetic of two operands, element by element.

use std::cmp::Ordering;

use burn::tensor::{Bool, DType, FloatDType, Int, Tensor, TensorData};

use super::kit::{Constant, operand};
use super::pattern::{
    Binary as Operands, Kind, Pattern, Words, counted, float, float_only, number, operations, same, spread,
    whole, wide, zip_float, zip_int,
};
use crate::codegen::{Code, Place};
use crate::config::Dtype;
use crate::error::{Error, Result};
use crate::layer::{Args, Spec, Tree};
use crate::map_float;
use crate::value::{Binary, Value, int_range};

/// Operations by their name, the type that operands are brought to, that of the result, and perhaps their name in
/// Burn.
macro_rules! binary {
    ($($name:ident: $common:expr, $result:expr => $run:expr $(, $words:expr)?;)+) => {
        operations! {
            ROWS["x1", "x2"]:
            $($name {} = |_| Operands {
                names: ["x1", "x2"],
                common: $common,
                result: $result,
                run: $run,
                words: [$($words)?].first().copied(),
            };)+
        }
    };
}

const FLOATS: &[Dtype] = &[Dtype::Float32];
const NUMBERS: &[Dtype] = &[Dtype::Float32, Dtype::Int32];

/// One of Rust's operators, and what it is of a number and a tensor.
const fn operator(types: &'static [Dtype], words: &'static str, turned: &'static str) -> Words {
    Words { types, pair: words, number: words, turned: Some(turned) }
}

/// A function whose operands may change places.
const fn either(pair: &'static str, number: &'static str) -> Words {
    Words { types: NUMBERS, pair, number, turned: Some(number) }
}

binary! {
    Add: same, same => |a, b| arithmetic(a, b, Binary::Add), operator(NUMBERS, "{0} + {1}", "{0} + {1}");
    Arctan2: float, float => |a, b| zip_float!(a, b, (a, b) => a.atan2(b));
    Divide: float, float => |a, b| a.binary(Binary::Divide, b), operator(FLOATS, "{0} / {1}", "{0}.recip() * {1}");
    DivideNoNan: float, float => divide_no_nan;
    FloorDivide: counted, counted => floor_divide;
    Fmax: same, same => |a, b| pick_number(a, b, Binary::Maximum);
    Fmin: same, same => |a, b| pick_number(a, b, Binary::Minimum);
    Fmod: counted, counted => fmod;
    Gcd: whole, whole => gcd;
    Heaviside: float, float => heaviside;
    Hypot: float, float => hypot;
    Lcm: whole, whole => lcm;
    Ldexp: ldexp_operands, float => |a, b| zip_float!(a, b, (a, b) => ldexp(a, b));
    Logaddexp: float, float => |a, b| zip_float!(a, b, (a, b) => logaddexp(a, b, 1.0));
    Logaddexp2: float, float => |a, b| zip_float!(a, b, (a, b) => logaddexp(a, b, std::f64::consts::LN_2));
    Maximum: same, same => |a, b| a.binary(Binary::Maximum, b),
        either("{0}.max_pair({1})", "{0}.clamp_min({1})");
    Minimum: same, same => |a, b| a.binary(Binary::Minimum, b),
        either("{0}.min_pair({1})", "{0}.clamp_max({1})");
    Mod: counted, counted => modulo;
    Multiply: same, same => |a, b| arithmetic(a, b, Binary::Multiply), operator(NUMBERS, "{0} * {1}", "{0} * {1}");
    Nextafter: float, float => next_after;
    Subtract: number, number => |a, b| arithmetic(a, b, Binary::Subtract), operator(NUMBERS, "{0} - {1}", "{0}.neg() + {1}");
    TrueDivide: float, float => |a, b| a.binary(Binary::Divide, b), operator(FLOATS, "{0} / {1}", "{0}.recip() * {1}");
}

operations! { POWER["x1", "x2"]:
    Power {} = |_| Powers;
}

/// See [`Power`].
struct Powers;

impl Powers {
    const OPERANDS: Operands = Operands {
        names: ["x1", "x2"],
        common: counted,
        result: counted,
        run: |a, b| match a.is_float() {
            true => zip_float!(a, b, (a, b) => a.powf(b)),
            false => int_power(a, b),
        },
        words: Some(Words {
            types: FLOATS,
            pair: "{0}.powf({1})",
            number: "{0}.powf_scalar({1})",
            turned: None,
        }),
    };
}

impl Pattern for Powers {
    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        Self::OPERANDS.outputs(args)
    }

    fn call(&self, args: &Args<Value>) -> Result<Tree<Value>> {
        // Not every backend takes negative numbers to the power of a tensor.
        if let (Some(Tree::Leaf(base)), Some(Tree::Constant(json))) = (args.get("x1"), args.get("x2"))
            && let Some(exponent) = Constant::read(json)?.array.as_number()
            && float_only(&[operand(args, "x1", None)?.kind, Constant::read(json)?.kind]).is_ok()
        {
            return Ok(map_float!(base.clone(), x => x.powf_scalar(exponent))?.into());
        }
        Self::OPERANDS.call(args)
    }

    fn code(&self, place: &Place<'_>) -> Option<Code> {
        Self::OPERANDS.code(place)
    }
}

/// Sums, differences and products. Not every backend lets integers overflow, so they get room.
fn arithmetic(a: Value, b: Value, op: Binary) -> Result<Value> {
    match a.is_float() {
        true => a.binary(op, b),
        false => a.cast(DType::I64)?.binary(op, b.cast(DType::I64)?),
    }
}

/// Powers by squaring. Exponents count without their sign, and only their last six bits: more is too
/// large for any integer anyway.
fn int_power(base: Value, exponent: Value) -> Result<Value> {
    let dtype = base.dtype();
    let step = |a: Value, b: Value| zip_int!(a, b, (a, b) => wide(a) * wide(b))?.cast(dtype);
    let mut power = zip_int!(base.clone(), exponent.clone(), (base, exponent) => {
        // Zero to the power of zero is one.
        let zero = base.clone().equal_elem(0).bool_and(exponent.not_equal_elem(0));
        base.ones_like().mask_fill(zero, 0)
    })?;
    let mut square = base;
    for bit in 0..6 {
        let factor = zip_int!(square.clone(), exponent.clone(), (square, exponent) => {
            let taken = exponent.bitwise_and_scalar(1_i64 << bit).not_equal_elem(0);
            square.ones_like().mask_where(taken, square)
        })?;
        power = step(power, factor)?;
        square = step(square.clone(), square)?;
    }
    Ok(power)
}

/// The quotient, and 0 where it is divided by 0.
fn divide_no_nan(a: Value, b: Value) -> Result<Value> {
    zip_float!(a, b, (a, b) => {
        let zero = b.clone().equal_elem(0.0);
        (a / b.mask_fill(zero.clone(), 1.0)).mask_fill(zero, 0.0)
    })
}

/// Floats in which quotients of `float32` are exact, where the device has them.
fn precise<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    if x.device().supports_dtype(DType::F64) { x.cast(FloatDType::F64) } else { x }
}

/// What is left of `a` by a division whose quotient is cut off.
fn rest<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> Tensor<D> {
    let (a, b) = (precise(a), precise(b));
    // Nothing is taken from a finite number by an infinite one.
    let whole = b.clone().is_inf().bool_and(a.clone().is_finite());
    let rest = a.clone() - b.clone() * (a.clone() / b).trunc();
    rest.mask_where(whole, a).cast(FloatDType::F32)
}

/// Where what is left has another sign than `b`.
fn other_sign<const D: usize>(rest: Tensor<D>, b: Tensor<D>) -> Tensor<D, Bool> {
    let signs = rest.clone().lower_elem(0.0).not_equal(b.lower_elem(0.0));
    signs.bool_and(rest.not_equal_elem(0.0))
}

/// A divisor that is never zero, and where it was.
fn divisor<const D: usize>(b: Tensor<D, Int>) -> (Tensor<D, Int>, Tensor<D, Bool>) {
    let zero = b.clone().equal_elem(0);
    (wide(b).mask_fill(zero.clone(), 1), zero)
}

/// What is left of `a`, with the sign of `b`; nothing where `b` is 0, as JAX has it.
fn modulo(a: Value, b: Value) -> Result<Value> {
    match a.is_float() {
        true => zip_float!(a, b, (a, b) => {
            let rest = rest(a, b.clone());
            let other = other_sign(rest.clone(), b.clone());
            rest.clone().mask_where(other, rest + b)
        }),
        false => zip_int!(a, b, (a, b) => wide(a).remainder(divisor(b).0)),
    }
}

/// What is left of `a`, with its sign; nothing where `b` is 0, as JAX has it.
fn fmod(a: Value, b: Value) -> Result<Value> {
    match a.is_float() {
        true => zip_float!(a, b, (a, b) => rest(a, b)),
        false => zip_int!(a, b, (a, b) => {
            let b = divisor(b).0;
            wide(a.clone()) - wide(a) / b.clone() * b
        }),
    }
}

fn floor_divide(a: Value, b: Value) -> Result<Value> {
    if !a.is_float() {
        let signed = int_range(a.dtype()).0 < 0;
        return zip_int!(a, b, (a, b) => {
            let (b, zero) = divisor(b);
            let a = wide(a);
            let quotient = (a.clone() - a.clone().remainder(b.clone())) / b;
            // As XLA divides by zero.
            let by_zero = -wide(a.not_equal_elem(0).int()) * i64::from(signed) - 1;
            quotient.mask_where(zero, by_zero)
        });
    }
    zip_float!(a, b, (a, b) => {
        let zero = b.clone().equal_elem(0.0);
        let rest = rest(a.clone(), b.clone());
        let other = other_sign(rest.clone(), b.clone());
        let quotient = (a.clone() - rest) / b.clone() - other.float();
        quotient.round().mask_where(zero, a / b)
    })
}

/// The one of two operands that is a number, or the higher or lower of both.
fn pick_number(a: Value, b: Value, op: Binary) -> Result<Value> {
    if !a.is_float() {
        return a.binary(op, b);
    }
    let (a, b) = spread(a, b)?;
    let (left, right) = (number_or(a.clone(), b.clone())?, number_or(b, a)?);
    left.binary(op, right)
}

/// `a`, and `b` where it is NaN.
fn number_or(a: Value, b: Value) -> Result<Value> {
    zip_float!(a, b, (a, b) => {
        let nan = a.clone().is_nan();
        a.mask_where(nan, b)
    })
}

/// The greatest common divisor, by Euclid.
fn gcd(a: Value, b: Value) -> Result<Value> {
    zip_int!(a, b, (a, b) => common_divisor(wide(a).abs(), wide(b).abs()))
}

fn common_divisor<const D: usize>(mut a: Tensor<D, Int>, mut b: Tensor<D, Int>) -> Tensor<D, Int> {
    // Neighbours among the Fibonacci numbers of 63 bits take the most steps.
    for _ in 0..92 {
        let zero = b.clone().equal_elem(0);
        let rest = a.clone().remainder(b.clone().mask_fill(zero.clone(), 1));
        (a, b) = (b.clone().mask_where(zero.clone(), a), rest.mask_where(zero, b));
    }
    a
}

fn lcm(a: Value, b: Value) -> Result<Value> {
    zip_int!(a, b, (a, b) => {
        let (a, b) = (wide(a).abs(), wide(b).abs());
        let divisor = common_divisor(a.clone(), b.clone());
        let zero = divisor.clone().equal_elem(0);
        a / divisor.mask_fill(zero, 1) * b
    })
}

/// 0 below zero, 1 above, and `at_zero` at it.
fn heaviside(x: Value, at_zero: Value) -> Result<Value> {
    zip_float!(x, at_zero, (x, at_zero) => {
        let (zero, nan) = (x.clone().equal_elem(0.0), x.clone().is_nan());
        x.clone().greater_elem(0.0).float().mask_where(zero, at_zero).mask_where(nan, x)
    })
}

/// The length of a vector, without overflow on the way.
fn hypot(a: Value, b: Value) -> Result<Value> {
    zip_float!(a, b, (a, b) => {
        let infinite = a.clone().is_inf().bool_or(b.clone().is_inf());
        let nan = a.clone().is_nan().bool_or(b.clone().is_nan());
        let (a, b) = (a.abs(), b.abs());
        let (long, short) = (a.clone().max_pair(b.clone()), a.min_pair(b));
        let zero = long.clone().equal_elem(0.0);
        let ratio = short / long.clone().mask_fill(zero, 1.0);
        let length = long * (ratio.square() + 1.0).sqrt();
        length.mask_fill(nan, f32::NAN).mask_fill(infinite, f32::INFINITY)
    })
}

/// Floats, and integers as the exponent.
fn ldexp_operands(kinds: &[Kind]) -> Result<Dtype> {
    whole(kinds.get(1..).unwrap_or_default()).map_err(|error| error.at("x2"))?;
    float(kinds)
}

/// `a 2^b`, in two steps: half of the power may fit where the whole does not.
fn ldexp<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> Tensor<D> {
    let b = b.clamp(-300.0, 300.0);
    let half = (b.clone() * 0.5).floor();
    let power = |exponent: Tensor<D>| exponent.full_like(2.0).powf(exponent);
    a * power(half.clone()) * power(b - half)
}

/// `log(e^a + e^b)`, to another base by its logarithm.
fn logaddexp<const D: usize>(a: Tensor<D>, b: Tensor<D>, base: f64) -> Tensor<D> {
    let difference = a.clone() - b.clone();
    // Both are the same infinity, or one is NaN.
    let unclear = difference.clone().is_nan();
    let distance = difference.mask_fill(unclear.clone(), 0.0).abs();
    let sum = a.clone().max_pair(b.clone()) + (-distance * base).exp().log1p() / base;
    sum.mask_where(unclear, a + b)
}

/// The next number that `float32` has from `a` towards `b`.
fn next_after(a: Value, b: Value) -> Result<Value> {
    let (a, b) = spread(a, b)?;
    let (shape, device) = (a.shape(), a.device());
    let numbers = |value: Value| value.into_data().convert_dtype(DType::F32).try_into_vec::<f32>();
    let failed = |_| Error::input("expected floats");
    let (a, b) = (numbers(a).map_err(failed)?, numbers(b).map_err(failed)?);
    let next = |(a, b): (f32, f32)| match a.partial_cmp(&b) {
        None => f32::NAN,
        Some(Ordering::Equal) => b,
        Some(Ordering::Less) => a.next_up(),
        Some(Ordering::Greater) => a.next_down(),
    };
    let moved: Vec<f32> = a.into_iter().zip(b).map(next).collect();
    Value::from_data(TensorData::new(moved, shape), &device)
}
