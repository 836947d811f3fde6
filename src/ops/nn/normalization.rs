//! Normalizations in the form of functions, their factors given as operands.

use crate::config::{Axes, resolve_axis};
use crate::error::{Error, Result};
use crate::layer::{Args, Context, Function, Row, Spec, Tree, row};
use crate::map_float;
use crate::ops::kit::{broadcast, device, floats, maybe, operand};
use crate::value::{Binary, Reduce, Value};

/// The operations of this file.
pub(crate) static ROWS: &[Row] =
    &[row::<Normalize>(), row::<LayerNorm>(), row::<RMSNorm>(), row::<BatchNorm>()];

/// What Keras adds when nothing else is said.
const EPSILON: f64 = 1e-7;

crate::config! {
    /// The operation `Normalize`: divides by a norm over some axes.
    pub struct Normalize {
        /// The axes; null for all.
        axis: Option<Axes> = Some(Axes::One(-1)),
        /// Which norm.
        order: std::num::NonZeroUsize = std::num::NonZeroUsize::MIN.saturating_add(1),
        /// The least that is divided by.
        epsilon: Option<f64> = None,
    }
}

fn resolved(axis: Option<&Axes>, rank: usize) -> Result<Vec<usize>> {
    let axes = axis.map_or_else(|| Ok((0..rank).collect()), |axes| axes.resolve(rank));
    match axes.map_err(|error| error.at("axis"))? {
        axes if axes.is_empty() => Err(Error::unsupported("expected at least one axis").at("axis")),
        axes => Ok(axes),
    }
}

impl Function for Normalize {
    const CLASSES: &'static [&'static str] = &["Normalize"];
    const ARGS: &'static [&'static str] = &["x"];
    const OPERATION: bool = true;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let input = floats(args.input()?)?;
        let axes = resolved(self.axis.as_ref(), input.rank())?;
        if self.order.get() != 2 && axes.len() > 1 {
            return Err(Error::unsupported("norms of matrices").at("order"));
        }
        Ok(input.into())
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let x = args.into_input()?;
        let axes = resolved(self.axis.as_ref(), x.rank())?;
        let epsilon = self.epsilon.unwrap_or(EPSILON);
        if self.order.get() == 2 {
            let squares = map_float!(x.clone(), x => x.square())?.reduce(Reduce::Sum, &axes)?;
            let inverse = map_float!(squares, x => x.sqrt().recip().clamp_max(1.0 / epsilon))?;
            return Ok(x.binary(Binary::Multiply, inverse)?.into());
        }
        let order = self.order.get() as f64;
        let sum = map_float!(x.clone(), x => x.abs().powf_scalar(order))?.reduce(Reduce::Sum, &axes)?;
        let norm = map_float!(sum, x => x.powf_scalar(1.0 / order).clamp_min(epsilon))?;
        Ok(x.binary(Binary::Divide, norm)?.into())
    }
}

/// Refuses a factor that does not broadcast to the input.
fn check_spread(name: &str, factor: &Spec, input: &Spec) -> Result<()> {
    match broadcast(&[input, factor]).map_err(|error| error.at(name))? == input.shape {
        true => Ok(()),
        false => Err(Error::config(format_args!("{factor} does not broadcast to {input}")).at(name)),
    }
}

crate::config! {
    /// The operation `RMSNorm`: divides by the root of the mean square over some axes.
    pub struct RMSNorm {
        /// The axes; null for all.
        axis: Option<Axes> = Some(Axes::One(-1)),
        /// What is added to the mean square.
        epsilon: Option<f64> = None,
    }
}

impl Function for RMSNorm {
    const CLASSES: &'static [&'static str] = &["RMSNorm"];
    const ARGS: &'static [&'static str] = &["x", "scale"];
    const OPERATION: bool = true;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let input = floats(&operand(args, "x", None)?.operand)?;
        resolved(self.axis.as_ref(), input.rank())?;
        if let Some(scale) = maybe(args, "scale", None)? {
            check_spread("scale", &scale.operand, &input)?;
        }
        Ok(input.into())
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let device = device(&args)?;
        let x = operand(&args, "x", Some(&device))?.operand;
        let axes = resolved(self.axis.as_ref(), x.rank())?;
        let mean = map_float!(x.clone(), x => x.square())?.reduce(Reduce::Mean, &axes)?;
        let inverse = inverse_root(mean, self.epsilon)?;
        let y = x.binary(Binary::Multiply, inverse)?;
        Ok(match maybe(&args, "scale", Some(&device))? {
            Some(scale) => y.binary(Binary::Multiply, scale.operand)?,
            None => y,
        }
        .into())
    }
}

fn inverse_root(variance: Value, epsilon: Option<f64>) -> Result<Value> {
    map_float!(variance, x => (x + epsilon.unwrap_or(EPSILON)).sqrt().recip())
}

crate::config! {
    /// The operation `LayerNorm`: normalizes over some axes of every sample.
    pub struct LayerNorm {
        /// The axes.
        axis: Axes = Axes::One(-1),
        /// What is added to the variance.
        epsilon: Option<f64> = None,
        /// Whether to divide by the standard deviation without moving the mean to zero.
        rms_scaling: bool = false,
    }
}

impl LayerNorm {
    /// The shape that a factor gets: its axes are those of the normalization, unless it has all.
    fn factor(&self, shape: &[Option<usize>], input: &Spec) -> Result<Vec<Option<usize>>> {
        let axes = resolved(Some(&self.axis), input.rank())?;
        if shape.len() == input.rank() || axes == [input.rank() - 1] {
            return Ok(shape.to_vec());
        }
        let size = |axis| if axes.contains(&axis) { input.known(axis).map(Some) } else { Ok(Some(1)) };
        let spread = (0..input.rank()).map(size).collect::<Result<Vec<_>>>()?;
        let count =
            |shape: &[Option<usize>]| shape.iter().try_fold(1_usize, |n, size| n.checked_mul((*size)?));
        match count(shape).is_some() && count(shape) == count(&spread) {
            true => Ok(spread),
            false => Err(Error::config(format_args!("a factor of another size than the axes of {input}"))),
        }
    }

    /// The factor of that name, ready to meet the input.
    fn spread(&self, args: &Args<Value>, name: &str, x: &Value) -> Result<Option<Value>> {
        let Some(factor) = maybe(args, name, Some(&x.device()))? else { return Ok(None) };
        let known = |value: &Value| value.shape().into_iter().map(Some).collect::<Vec<_>>();
        let shape = self.factor(&known(&factor.operand), &Spec::new(known(x), x.keras_dtype()))?;
        let shape: Vec<usize> = shape.into_iter().flatten().collect();
        factor.operand.reshape(&shape).map(Some)
    }
}

impl Function for LayerNorm {
    const CLASSES: &'static [&'static str] = &["LayerNorm"];
    const ARGS: &'static [&'static str] = &["x", "gamma", "beta"];
    const OPERATION: bool = true;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let input = floats(&operand(args, "x", None)?.operand)?;
        resolved(Some(&self.axis), input.rank())?;
        for name in ["gamma", "beta"] {
            if let Some(factor) = maybe(args, name, None)? {
                let shape = self.factor(&factor.operand.shape, &input).map_err(|error| error.at(name))?;
                check_spread(name, &Spec::new(shape, input.dtype), &input)?;
            }
        }
        Ok(input.into())
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let x = operand(&args, "x", Some(&device(&args)?))?.operand;
        let axes = resolved(Some(&self.axis), x.rank())?;
        let mean = x.clone().reduce(Reduce::Mean, &axes)?;
        let centred = x.clone().binary(Binary::Subtract, mean)?;
        let variance = map_float!(centred.clone(), x => x.square())?.reduce(Reduce::Mean, &axes)?;
        let inverse = inverse_root(variance, self.epsilon)?;
        let y = if self.rms_scaling { x.clone() } else { centred };
        let y = y.binary(Binary::Multiply, inverse)?;
        let y = match self.spread(&args, "gamma", &x)? {
            Some(gamma) => y.binary(Binary::Multiply, gamma)?,
            None => y,
        };
        Ok(match self.spread(&args, "beta", &x)?.filter(|_| !self.rms_scaling) {
            Some(beta) => y.binary(Binary::Add, beta)?,
            None => y,
        }
        .into())
    }
}

crate::config! {
    /// The operation `BatchNorm`: `(x - mean) / sqrt(variance) * scale + offset` along an axis.
    pub struct BatchNorm {
        /// The axis of the channels.
        axis: i64,
        /// What is added to the variance.
        epsilon: f64 = 0.001,
    }
}

impl Function for BatchNorm {
    const CLASSES: &'static [&'static str] = &["BatchNorm"];
    const ARGS: &'static [&'static str] = &["x", "mean", "variance", "offset", "scale"];
    const OPERATION: bool = true;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let input = floats(&operand(args, "x", None)?.operand)?;
        let axis = resolve_axis(self.axis, input.rank()).map_err(|error| error.at("axis"))?;
        let channels = input.known(axis)?;
        for name in ["mean", "variance", "offset", "scale"] {
            let given = match name {
                "mean" | "variance" => Some(operand(args, name, None)?),
                _ => maybe(args, name, None)?,
            };
            if let Some(given) = given.filter(|given| given.operand.shape != [Some(channels)]) {
                let message = format_args!("expected {channels} numbers, got {}", given.operand);
                return Err(Error::config(message).at(name));
            }
        }
        Ok(input.into())
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let device = device(&args)?;
        let x = operand(&args, "x", Some(&device))?.operand;
        let axis = resolve_axis(self.axis, x.rank())?;
        let mut shape = vec![1; x.rank()];
        shape[axis] = x.shape()[axis];
        let along = |value: Value| value.reshape(&shape);
        let [mean, variance] =
            [operand(&args, "mean", Some(&device))?, operand(&args, "variance", Some(&device))?]
                .map(|given| along(given.operand));
        let mut inverse = inverse_root(variance?, Some(self.epsilon))?;
        if let Some(scale) = maybe(&args, "scale", Some(&device))? {
            inverse = inverse.binary(Binary::Multiply, along(scale.operand)?)?;
        }
        let y = x.binary(Binary::Subtract, mean?)?.binary(Binary::Multiply, inverse)?;
        Ok(match maybe(&args, "offset", Some(&device))? {
            Some(offset) => y.binary(Binary::Add, along(offset.operand)?)?,
            None => y,
        }
        .into())
    }
}
