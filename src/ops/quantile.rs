//! Quantiles: numbers between the sorted elements of axes.

use burn::tensor::{DType, Tensor, TensorData};

use super::kit::{device, operand};
use super::pattern::{Pattern, float, operations};
use super::reduce::{not_empty, reduced_shape, rows};
use super::sorting::{Order, argsort, gather, numbers};
use crate::config::Axes;
use crate::error::{Error, Result};
use crate::layer::{Args, Spec, Tree};
use crate::value::Value;

crate::keywords! {
    /// What is taken where a quantile lies between two elements.
    pub enum Method {
        /// In between, by distance.
        Linear = "linear",
        /// The lower one.
        Lower = "lower",
        /// The higher one.
        Higher = "higher",
        /// The middle of both.
        Midpoint = "midpoint",
        /// The nearer one; the lower one of two that are as near.
        Nearest = "nearest",
        /// The first element up to which there are at least so many.
        InvertedCdf = "inverted_cdf",
    }
}

macro_rules! quantiles {
    ($($(#[$meta:meta])* $name:ident: $whole:literal, $skip_nan:literal, $method:expr;)+) => {
        operations! {
            ROWS["x", "q"]:
            $($(#[$meta])* $name {
                /// The axes; all without any.
                axis: Option<Axes> = None,
                /// What is taken between two elements.
                method: Method = Method::Linear,
                /// Whether axes stay with size 1.
                keepdims: bool = false,
            } = |config| {
                let method: fn(Method) -> Method = $method;
                QuantileOf {
                    axis: config.axis.clone(),
                    keepdims: config.keepdims,
                    whole: $whole,
                    of: Quantiles { method: method(config.method), skip_nan: $skip_nan },
                }
            };)+
        }
    };
}

quantiles! {
    Nanpercentile: 100.0, true, |method| method;
    Nanquantile: 1.0, true, |method| method;
    Percentile: 100.0, false, |method| method;
    /// Keras 3.15 has a `method` for it but does not use it.
    Quantile: 1.0, false, |_| Method::Linear;
}

/// How quantiles of rows are taken.
pub(super) struct Quantiles {
    pub method: Method,
    /// Whether NaN is left out; otherwise a row with NaN has no other quantile.
    pub skip_nan: bool,
}

impl Quantiles {
    /// The quantiles `[rows, quantiles]` of rows of floats.
    pub(super) fn of(&self, x: Value, q: &[f64]) -> Result<Value> {
        not_empty(&x)?;
        let sorted = gather(x.clone(), argsort(&x, Order::Lowest)?)?.float::<2>()?;
        let nan = sorted.clone().is_nan();
        let [count, size] = sorted.dims();
        let device = sorted.device();
        let q: Vec<f32> = q.iter().map(|q| *q as f32).collect();
        let q = Tensor::<2>::from_data(TensorData::new(q.clone(), [1, q.len()]), (&device, DType::F32));
        let counts = match self.skip_nan {
            true => nan.clone().bool_not().float().sum_dim(1),
            false => Tensor::full([count, 1], size as f32, &device),
        };
        let last = (counts.clone() - 1.0).clamp_min(0.0);
        let at = |position: Tensor<2>| {
            let position = position.clamp_min(0.0).min_pair(last.clone().expand([count, q.dims()[1]]));
            sorted.clone().gather(1, position.int())
        };
        let position = q.clone() * (counts.clone() - 1.0);
        let (low, high) = (position.clone().floor(), position.clone().ceil());
        let above = position - low.clone();
        let found = match self.method {
            Method::Linear => at(low) * (-above.clone() + 1.0) + at(high) * above,
            Method::Lower => at(low),
            Method::Higher => at(high),
            Method::Midpoint => (at(low) + at(high)) * 0.5,
            Method::Nearest => at(high).mask_where(above.lower_equal_elem(0.5), at(low)),
            Method::InvertedCdf => at((q.clone() * counts).ceil() - 1.0),
        };
        if self.skip_nan {
            return Ok(found.into());
        }
        let spoilt = nan.any_dim(1).expand([count, found.dims()[1]]);
        Ok(found.mask_fill(spoilt, f32::NAN).into())
    }
}

/// One of the operations of this file.
struct QuantileOf {
    axis: Option<Axes>,
    keepdims: bool,
    /// What counts as all: 1 or 100.
    whole: f64,
    of: Quantiles,
}

impl Pattern for QuantileOf {
    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let (x, q) = (operand(args, "x", None)?, operand(args, "q", None)?);
        if q.operand.rank() > 1 {
            return Err(Error::config(format_args!("expected a number or a list, got {}", q.operand)).at("q"));
        }
        let mut shape = q.operand.shape;
        shape.extend(reduced_shape(&x.operand, &self.axis, self.keepdims)?);
        Ok(Spec::new(shape, float(&[x.kind])?).into())
    }

    fn call(&self, args: &Args<Value>) -> Result<Tree<Value>> {
        let device = device(args)?;
        let (x, q) = (operand(args, "x", Some(&device))?.operand, operand(args, "q", Some(&device))?.operand);
        let kept = reduced_shape(&super::pattern::spec_of(&x), &self.axis, self.keepdims)?;
        let mut shape = q.shape();
        shape.extend(kept.into_iter().flatten());
        let q: Vec<f64> = numbers(&q)?.into_iter().map(|q| q / self.whole).collect();
        let found = self.of.of(rows(x.with_mask(None), &self.axis)?, &q)?;
        Ok(found.permute(&[1, 0])?.reshape(&shape)?.into())
    }
}
