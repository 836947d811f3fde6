//! Losses and measures of likeness.

use burn::tensor::activation::{log_softmax, softplus};
use burn::tensor::{Int, Tensor};

use crate::by_rank;
use crate::config::{Dtype, resolve_axis};
use crate::error::{Error, Result};
use crate::layer::{Args, Context, Function, Row, Spec, Tree, row};
use crate::ops::kit::{device, operand};
use crate::value::{Binary, Reduce, Value};

/// The operations of this file.
pub(crate) static ROWS: &[Row] = &[
    row::<BinaryCrossentropy>(),
    row::<CategoricalCrossentropy>(),
    row::<SparseCategoricalCrossentropy>(),
    row::<PSNR>(),
];

/// How close a probability may come to 0 and 1.
const EPSILON: f64 = 1e-7;

/// Both operands as specs, the output being floats.
fn pair(args: &Args<Spec>, names: [&str; 2]) -> Result<[Spec; 2]> {
    let [a, b] = [operand(args, names[0], None)?.operand, operand(args, names[1], None)?.operand];
    match b.dtype.is_float() {
        true => Ok([a, b]),
        false => Err(Error::unsupported(format_args!("expected floats, got {}", b.dtype)).at(names[1])),
    }
}

fn same_shape(a: &Spec, b: &Spec) -> Result<()> {
    match a.shape == b.shape {
        true => Ok(()),
        false => Err(Error::config(format_args!("expected two values of one shape, got {a} and {b}"))),
    }
}

/// Both operands as values.
fn values(args: &Args<Value>, names: [&str; 2]) -> Result<[Value; 2]> {
    let device = device(args)?;
    Ok([operand(args, names[0], Some(&device))?.operand, operand(args, names[1], Some(&device))?.operand])
}

const NAMES: [&str; 2] = ["target", "output"];

crate::config! {
    /// The operation `BinaryCrossentropy`, of every element by itself.
    pub struct BinaryCrossentropy {
        /// Whether the output is before the sigmoid.
        from_logits: bool = false,
    }
}

impl Function for BinaryCrossentropy {
    const CLASSES: &'static [&'static str] = &["BinaryCrossentropy"];
    const ARGS: &'static [&'static str] = &NAMES;
    const OPERATION: bool = true;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let [target, output] = pair(args, NAMES)?;
        same_shape(&target, &output)?;
        Ok(output.into())
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let [target, output] = values(&args, NAMES)?;
        Ok(binary_crossentropy(target, output, self.from_logits)?.into())
    }
}

/// A number that is not below `low`. Gradients are JAX' own: half of them where it is equal.
pub(crate) fn at_least<const D: usize>(x: Tensor<D>, low: f64) -> Tensor<D> {
    let (below, equal) = (x.clone().lower_elem(low), x.clone().equal_elem(low));
    let halves = x.clone() * 0.5 + low * 0.5;
    x.mask_where(equal, halves).mask_fill(below, low)
}

/// A number that is not above `high`, with gradients as of [`at_least`].
pub(crate) fn at_most<const D: usize>(x: Tensor<D>, high: f64) -> Tensor<D> {
    let (above, equal) = (x.clone().greater_elem(high), x.clone().equal_elem(high));
    let halves = x.clone() * 0.5 + high * 0.5;
    x.mask_where(equal, halves).mask_fill(above, high)
}

/// A number between two others, with gradients as of [`at_least`].
pub(crate) fn clip<const D: usize>(x: Tensor<D>, low: f64, high: f64) -> Tensor<D> {
    at_most(at_least(x, low), high)
}

/// The crossentropy of every element. Both values have one shape.
pub(crate) fn binary_crossentropy(target: Value, output: Value, from_logits: bool) -> Result<Value> {
    let shape = output.shape();
    let count = [shape.iter().product()];
    let (target, x) = (target.reshape(&count)?.float::<1>()?, output.reshape(&count)?.float::<1>()?);
    let (yes, no) = match from_logits {
        true => (-softplus(-x.clone(), 1.0), -softplus(x, 1.0)),
        false => {
            let x = clip(x, EPSILON, 1.0 - EPSILON);
            (x.clone().log(), (-x + 1.0).log())
        }
    };
    let loss = -(target.clone() * yes) - (-target + 1.0) * no;
    Value::from(loss).reshape(&shape)
}

/// The logarithms of probabilities along an axis.
fn log_probabilities<const D: usize>(x: Tensor<D>, axis: usize, from_logits: bool) -> Tensor<D> {
    if from_logits {
        return log_softmax(x, axis);
    }
    clip(x.clone() / x.sum_dim(axis), EPSILON, 1.0 - EPSILON).log()
}

/// The crossentropy along an axis, which goes. Both values have one shape.
pub(crate) fn categorical_crossentropy(
    target: Value,
    output: Value,
    from_logits: bool,
    axis: usize,
) -> Result<Value> {
    let log = by_rank!(output.rank(), D => {
        Value::from(log_probabilities(output.float::<D>()?, axis, from_logits))
    })?;
    let loss = target.binary(Binary::Multiply, log)?.reduce(Reduce::Sum, &[axis])?;
    crate::map_float!(loss, x => -x)?.squeeze(&[axis])
}

/// The crossentropy along the last axis, which goes; the target is the number of a class and has no such axis.
pub(crate) fn sparse_crossentropy(target: Value, output: Value, from_logits: bool) -> Result<Value> {
    let (shape, last) = (output.shape(), output.rank().saturating_sub(1));
    let (classes, count) = (shape[last], shape[..last].iter().product());
    let x = output.reshape(&[count, classes])?.float::<2>()?;
    let log = log_probabilities(x, 1, from_logits);
    let target = target.reshape(&[count, 1])?.int::<2>()?.cast(burn::tensor::DType::I32);
    let numbers = Tensor::<1, Int>::arange(0..classes as i64, &log.device()).cast(target.dtype());
    let numbers = numbers.reshape([1, classes]).expand([count, classes]);
    let others = target.expand([count, classes]).not_equal(numbers);
    let loss = -log.mask_fill(others, 0.0).sum_dim(1);
    Value::from(loss).reshape(&shape[..last])
}

fn without(input: &Spec, axis: usize) -> Spec {
    let mut shape = input.shape.clone();
    shape.remove(axis);
    Spec::new(shape, input.dtype)
}

crate::config! {
    /// The operation `CategoricalCrossentropy`: of every example, over its classes.
    pub struct CategoricalCrossentropy {
        /// Whether the output is before the softmax.
        from_logits: bool = false,
        /// The axis of the classes.
        axis: i64 = -1,
    }
}

impl Function for CategoricalCrossentropy {
    const CLASSES: &'static [&'static str] = &["CategoricalCrossentropy"];
    const ARGS: &'static [&'static str] = &NAMES;
    const OPERATION: bool = true;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let [target, output] = pair(args, NAMES)?;
        same_shape(&target, &output)?;
        let axis = resolve_axis(self.axis, output.rank()).map_err(|error| error.at("axis"))?;
        let loss = without(&output, axis);
        // Keras says the shape without the last axis, whichever one it sums over.
        if loss != without(&output, output.rank() - 1) {
            return Err(Error::unsupported("a shape that is not the one that Keras expects").at("axis"));
        }
        Ok(loss.into())
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let [target, output] = values(&args, NAMES)?;
        let axis = resolve_axis(self.axis, output.rank())?;
        Ok(categorical_crossentropy(target, output, self.from_logits, axis)?.into())
    }
}

crate::config! {
    /// The operation `SparseCategoricalCrossentropy`: the target is the number of a class. One that is out
    /// of range gives zero.
    pub struct SparseCategoricalCrossentropy {
        /// Whether the output is before the softmax.
        from_logits: bool = false,
        /// The axis of the classes: the last.
        axis: i64 = -1,
    }
}

impl Function for SparseCategoricalCrossentropy {
    const CLASSES: &'static [&'static str] = &["SparseCategoricalCrossentropy"];
    const ARGS: &'static [&'static str] = &NAMES;
    const OPERATION: bool = true;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let [target, output] = pair(args, NAMES)?;
        let axis = resolve_axis(self.axis, output.rank()).map_err(|error| error.at("axis"))?;
        if axis + 1 != output.rank() {
            return Err(Error::unsupported("classes on another axis than the last").at("axis"));
        }
        output.known(axis)?;
        let loss = without(&output, axis);
        let has_classes = target.rank() == output.rank() && target.shape[axis] == Some(1);
        let target = if has_classes { without(&target, axis) } else { target };
        same_shape(&target, &loss)?;
        Ok(loss.into())
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let [target, output] = values(&args, NAMES)?;
        Ok(sparse_crossentropy(target, output, self.from_logits)?.into())
    }
}

crate::config! {
    /// The operation `PSNR`: how much larger the highest value is than the noise, in decibels.
    pub struct PSNR {
        /// The highest value.
        max_val: f64,
    }
}

impl Function for PSNR {
    const CLASSES: &'static [&'static str] = &["PSNR"];
    const ARGS: &'static [&'static str] = &["x1", "x2"];
    const OPERATION: bool = true;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let [a, b] = pair(args, ["x1", "x2"])?;
        same_shape(&a, &b)?;
        if a.dtype != b.dtype {
            return Err(Error::unsupported(format_args!("{} and {}", a.dtype, b.dtype)));
        }
        Ok(Spec::new(Vec::new(), Dtype::Float32).into())
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let [a, b] = values(&args, ["x1", "x2"])?;
        let count = [a.shape().iter().product()];
        let noise = a.reshape(&count)?.float::<1>()? - b.reshape(&count)?.float::<1>()?;
        let mean = noise.square().mean();
        let decibels = mean.log() * (-10.0 / std::f64::consts::LN_10) + 20.0 * self.max_val.log10();
        Ok(Value::from(decibels).reshape(&[])?.into())
    }
}
