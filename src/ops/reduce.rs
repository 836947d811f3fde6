//! Reductions over axes.

use burn::tensor::{Int, Tensor};

use super::kit::operand;
use super::pattern::{
    Kind, OnRows, Pattern, Typing, float, index, number, operations, same, spec_of, storable, summed, truth,
    wide,
};
use super::quantile::{Method, Quantiles};
use super::source::cast;
use crate::codegen::{Code, Layout, Place, array};
use crate::config::{Axes, Dtype};
use crate::error::{Error, Result};
use crate::layer::{Args, Spec, Tree};
use crate::value::{Binary, Value, burn_dtype};

/// A reduction of an operand over some of its axes.
pub(super) struct Reduction {
    /// The axes; all without any.
    pub axis: Option<Axes>,
    /// Whether they stay with size 1.
    pub keepdims: bool,
    /// The type that the operand is brought to.
    pub common: Typing,
    /// The type of the result.
    pub result: Typing,
    /// The type that the config asks for instead of both.
    pub dtype: Option<Dtype>,
    /// What makes one column of the rows `[kept, reduced]` of the operand.
    pub run: OnRows,
    /// Burn's name of it along one axis, which several have with an `s`, and what comes after it.
    pub words: Option<[&'static str; 2]>,
}

impl Reduction {
    /// A reduction of numbers to numbers of one type.
    pub(super) fn new(
        axis: &Option<Axes>,
        keepdims: bool,
        typing: Typing,
        run: fn(Value) -> Result<Value>,
    ) -> Self {
        Self {
            axis: axis.clone(),
            keepdims,
            common: typing,
            result: typing,
            dtype: None,
            run: Box::new(run),
            words: None,
        }
    }

    /// Where the largest or smallest number is.
    pub(super) fn index(axis: Option<i64>, keepdims: bool, run: fn(Value) -> Result<Value>) -> Self {
        Self { result: index, ..Self::new(&axis.map(Axes::One), keepdims, same, run) }
    }

    fn dtypes(&self, kind: Kind) -> Result<[Dtype; 2]> {
        Ok([(self.common)(&[kind])?, (self.result)(&[kind])?].map(|found| self.dtype.unwrap_or(found)))
    }
}

impl Pattern for Reduction {
    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let x = operand(args, "x", None)?;
        let [common, result] = self.dtypes(x.kind)?;
        storable(common)?;
        storable(result)?;
        Ok(Spec::new(reduced_shape(&x.operand, &self.axis, self.keepdims)?, result).into())
    }

    fn call(&self, args: &Args<Value>) -> Result<Tree<Value>> {
        let x = operand(args, "x", None)?;
        let [common, result] = self.dtypes(x.kind)?;
        let x = x.operand.cast(burn_dtype(common)?)?;
        Ok(reduced(x, &self.axis, self.keepdims, &self.run)?.cast(burn_dtype(result)?)?.into())
    }

    fn code(&self, place: &Place<'_>) -> Option<Code> {
        let ([method, after], input) = (self.words?, place.alone()?);
        let [common, result] = self.dtypes(Kind::Typed(input.dtype)).ok()?;
        let types: &[Dtype] = match method {
            "all_dim" | "any_dim" => &[Dtype::Bool],
            "mean_dim" | "var_bias" => &[Dtype::Float32],
            _ => &[Dtype::Float32, Dtype::Int32],
        };
        let (rank, axes) = (input.rank(), axes_of(&self.axis, input.rank()).ok()?);
        if common != result || !types.contains(&common) {
            return None;
        }
        let layout = if axes.contains(&0) { Layout::Keras } else { place.layout };
        let mut lies: Vec<usize> = axes.iter().map(|axis| layout.axis(rank, *axis)).collect();
        lies.sort_unstable();
        let left = if self.keepdims { rank } else { rank - axes.len() };
        let several = array(&lies);
        let (reduce, squeeze) = match lies.as_slice() {
            [axis] => (format!("{method}({axis})"), format!(".squeeze_dim::<{left}>({axis})")),
            [_, _, ..] if ["max_dim", "mean_dim", "min_dim", "sum_dim"].contains(&method) => {
                (format!("{method}s(&{several})"), format!(".squeeze_dims::<{left}>(&{several})"))
            }
            _ => return None,
        };
        let squeeze = if self.keepdims { String::new() } else { squeeze };
        let has_channels = left > 2 && (self.keepdims || !axes.contains(&(rank - 1)));
        let gives = if has_channels { layout } else { Layout::Keras };
        let call = format!("{{0}}{}.{reduce}{after}{squeeze}", cast(input.dtype, common)?);
        (left > 0).then(|| Code::function(call, layout).giving(gives))
    }
}

/// The axes that are reduced, counted from the front.
fn axes_of(axis: &Option<Axes>, rank: usize) -> Result<Vec<usize>> {
    match axis {
        Some(axes) => axes.resolve(rank).map_err(|error| error.at("axis")),
        None => Ok((0..rank).collect()),
    }
}

/// The shape without the reduced axes, or with size 1 for them.
pub(super) fn reduced_shape(spec: &Spec, axis: &Option<Axes>, keepdims: bool) -> Result<Vec<Option<usize>>> {
    let axes = axes_of(axis, spec.rank())?;
    let sizes = spec.shape.iter().enumerate().filter_map(|(at, size)| match axes.contains(&at) {
        true => keepdims.then_some(Some(1)),
        false => Some(*size),
    });
    Ok(sizes.collect())
}

/// The rows `[kept, reduced]` of a value.
pub(super) fn rows(x: Value, axis: &Option<Axes>) -> Result<Value> {
    let axes = axes_of(axis, x.rank())?;
    let shape = x.shape();
    let kept = (0..x.rank()).filter(|at| !axes.contains(at));
    let count = kept.clone().map(|at| shape[at]).product();
    let order: Vec<usize> = kept.chain(axes.iter().copied()).collect();
    let size = axes.iter().map(|at| shape[*at]).product();
    x.permute(&order)?.reshape(&[count, size])
}

/// Reduces axes of a value by what makes one column of its rows.
pub(super) fn reduced(
    x: Value,
    axis: &Option<Axes>,
    keepdims: bool,
    run: impl FnOnce(Value) -> Result<Value>,
) -> Result<Value> {
    let shape: Vec<usize> = reduced_shape(&spec_of(&x), axis, keepdims)?.into_iter().flatten().collect();
    run(rows(x.with_mask(None), axis)?)?.reshape(&shape)
}

/// Runs an expression on rows, as floats or integers.
macro_rules! on_rows {
    ($rows:expr, $x:ident => $body:expr) => {{
        let rows = $rows;
        match rows.is_float() {
            true => {
                let $x = rows.float::<2>()?;
                $crate::Value::from($body)
            }
            false => {
                let $x = rows.int::<2>()?;
                $crate::Value::from($body)
            }
        }
    }};
}
pub(super) use on_rows;

/// Declares reductions whose config is their axes, some with Burn's name.
macro_rules! reductions {
    ($table:ident: $($name:ident: $typing:expr => $run:expr $(, $words:literal $($after:literal)?)?;)+) => {
        $crate::ops::pattern::operations! {
            $table["x"]:
            $($name {
                /// The axes; all without any.
                axis: Option<$crate::config::Axes> = None,
                /// Whether they stay with size 1.
                keepdims: bool = false,
            } = |config| $crate::ops::reduce::Reduction {
                words: [$([$words, concat!($($after)?)])?].first().copied(),
                ..$crate::ops::reduce::Reduction::new(&config.axis, config.keepdims, $typing, $run)
            };)+
        }
    };
}
pub(super) use reductions;

reductions! { ROWS:
    All: truth => |x| Ok(x.bool::<2>()?.all_dim(1).into()), "all_dim";
    Amax: same => max, "max_dim";
    Amin: same => min, "min_dim";
    Any: truth => |x| Ok(x.bool::<2>()?.any_dim(1).into()), "any_dim";
    Logsumexp: float => logsumexp;
    Mean: float => |x| Ok(x.float::<2>()?.mean_dim(1).into()), "mean_dim";
    Ptp: number => |x| max(x.clone())?.binary(Binary::Subtract, min(x)?);
    Std: float => |x| Ok(variance(x)?.float::<2>()?.sqrt().into()), "var_bias" ".sqrt()";
    Sum: summed => sum, "sum_dim";
    Var: float => variance, "var_bias";
}

operations! { MORE["x"]:
    CountNonzero {
        /// The axes; all without any.
        axis: Option<Axes> = None,
    } = |config| Reduction {
        result: index,
        ..Reduction::new(&config.axis, false, truth, |x| Ok(x.bool::<2>()?.int().sum_dim(1).into()))
    };
    Max {
        /// The axes; all without any.
        axis: Option<Axes> = None,
        /// Whether they stay with size 1.
        keepdims: bool = false,
        /// What the result is not below.
        initial: Option<f64> = None,
    } = |config| Reduction {
        run: from_initial(config.initial, max, Binary::Maximum),
        words: config.initial.is_none().then_some(["max_dim", ""]),
        ..Reduction::new(&config.axis, config.keepdims, same, max)
    };
    Median {
        /// The axes; all without any.
        axis: Option<Axes> = None,
        /// Whether they stay with size 1.
        keepdims: bool = false,
    } = |config| Reduction::new(&config.axis, config.keepdims, float, |x| {
        Quantiles { method: Method::Midpoint, skip_nan: false }.of(x, &[0.5])
    });
    Min {
        /// The axes; all without any.
        axis: Option<Axes> = None,
        /// Whether they stay with size 1.
        keepdims: bool = false,
        /// What the result is not above.
        initial: Option<f64> = None,
    } = |config| Reduction {
        run: from_initial(config.initial, min, Binary::Minimum),
        words: config.initial.is_none().then_some(["min_dim", ""]),
        ..Reduction::new(&config.axis, config.keepdims, same, min)
    };
    Prod {
        /// The axes; all without any.
        axis: Option<Axes> = None,
        /// Whether they stay with size 1.
        keepdims: bool = false,
        /// The element type of the result, unless that of the operand.
        dtype: Option<Dtype> = None,
    } = |config| Reduction {
        dtype: config.dtype,
        ..Reduction::new(&config.axis, config.keepdims, summed, prod)
    };
    Argmax {
        /// The axis; without it, the elements in a row.
        axis: Option<i64> = None,
        /// Whether axes stay with size 1.
        keepdims: bool = false,
    } = |config| Reduction::index(config.axis, config.keepdims, argmax);
    Argmin {
        /// The axis; without it, the elements in a row.
        axis: Option<i64> = None,
        /// Whether axes stay with size 1.
        keepdims: bool = false,
    } = |config| Reduction::index(config.axis, config.keepdims, argmin);
}

fn from_initial(initial: Option<f64>, run: fn(Value) -> Result<Value>, op: Binary) -> OnRows {
    Box::new(move |x| {
        let Some(initial) = initial else { return run(x) };
        let (device, dtype) = (x.device(), x.dtype());
        let initial = Value::from(Tensor::<2>::full([1, 1], initial, &device)).cast(dtype)?;
        // Axes of size 0 have nothing but this.
        if x.shape().get(1) == Some(&0) {
            let count = x.shape().first().copied().unwrap_or(0);
            return initial.broadcast_to(&[count, 1]);
        }
        run(x)?.binary(op, initial)
    })
}

pub(super) fn sum(x: Value) -> Result<Value> {
    match x.is_float() {
        true => Ok(x.float::<2>()?.sum_dim(1).into()),
        false => Ok(wide(x.int::<2>()?).sum_dim(1).into()),
    }
}

pub(super) fn prod(x: Value) -> Result<Value> {
    Ok(on_rows!(x, x => x.prod_dim(1)))
}

/// The highest of each row; NaN, where there is one.
pub(super) fn max(x: Value) -> Result<Value> {
    not_empty(&x)?;
    match x.is_float() {
        true => with_nan(x, |x| x.max_dim(1)),
        false => Ok(x.int::<2>()?.max_dim(1).into()),
    }
}

/// The lowest of each row; NaN, where there is one.
pub(super) fn min(x: Value) -> Result<Value> {
    not_empty(&x)?;
    match x.is_float() {
        true => with_nan(x, |x| x.min_dim(1)),
        false => Ok(x.int::<2>()?.min_dim(1).into()),
    }
}

fn with_nan(x: Value, run: impl FnOnce(Tensor<2>) -> Tensor<2>) -> Result<Value> {
    let x = x.float::<2>()?;
    let nan = x.clone().is_nan().any_dim(1);
    Ok(run(x).mask_fill(nan, f32::NAN).into())
}

/// Refuses rows without elements, of which nothing is the highest.
pub(super) fn not_empty(x: &Value) -> Result<()> {
    match x.shape().get(1) {
        Some(0) => Err(Error::input("expected at least one element to reduce")),
        _ => Ok(()),
    }
}

pub(super) fn variance(x: Value) -> Result<Value> {
    let x = x.float::<2>()?;
    let mean = x.clone().mean_dim(1);
    Ok((x - mean).square().mean_dim(1).into())
}

fn logsumexp(x: Value) -> Result<Value> {
    let x = x.float::<2>()?;
    let max = x.clone().max_dim(1).detach();
    // Infinities do not lessen each other.
    let infinite = max.clone().is_finite().bool_not();
    let max = max.mask_fill(infinite, 0.0);
    Ok(((x - max.clone()).exp().sum_dim(1).log() + max).into())
}

/// Where the highest of each row is: the first NaN, else the first of equals. Minus zero is lower than
/// zero.
pub(crate) fn argmax(x: Value) -> Result<Value> {
    extreme(x, |x| x.argmax(1), |x| x.argmax(1))
}

/// Where the lowest of each row is, as with [`argmax`].
fn argmin(x: Value) -> Result<Value> {
    extreme(x, |x| x.argmin(1), |x| x.argmin(1))
}

fn extreme(
    x: Value,
    of_floats: fn(Tensor<2>) -> Tensor<2, Int>,
    of_integers: fn(Tensor<2, Int>) -> Tensor<2, Int>,
) -> Result<Value> {
    not_empty(&x)?;
    if !x.is_float() {
        return Ok(of_integers(x.int::<2>()?).into());
    }
    let x = x.float::<2>()?;
    let minus_zero = x.clone().equal_elem(0.0).bool_and(x.clone().recip().lower_elem(0.0));
    let nan = x.clone().is_nan();
    let first_nan = nan.clone().float().argmax(1);
    let x = x.mask_fill(minus_zero, -f32::MIN_POSITIVE).mask_fill(nan.clone(), 0.0);
    Ok(of_floats(x).mask_where(nan.any_dim(1), first_nan).into())
}
