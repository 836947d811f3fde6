//! Activations.

use burn::tensor::{Tensor, activation};

use crate::activation::{
    Activation, celu, elu, glu, hard_shrink, leaky_relu, log_softmax, soft_shrink, softmax, sparsemax,
    squareplus,
};
use crate::codegen::{Code, Place, number};
use crate::config::{Axes, Dtype, resolve_axis};
use crate::error::{Error, Result};
use crate::layer::{Args, Context, Function, Row, Spec, Tree, row};
use crate::layers;
use crate::map_float;
use crate::ops::kit::floats;
use crate::value::Value;

/// The operations of this file.
pub(crate) static ROWS: &[Row] = &[
    row::<Relu>(),
    row::<Relu6>(),
    row::<Celu>(),
    row::<Elu>(),
    row::<Gelu>(),
    row::<HardShrink>(),
    row::<HardSigmoid>(),
    row::<HardSilu>(),
    row::<HardTanh>(),
    row::<LeakyRelu>(),
    row::<LogSigmoid>(),
    row::<ReLU>(),
    row::<Selu>(),
    row::<Sigmoid>(),
    row::<Silu>(),
    row::<SoftShrink>(),
    row::<Softplus>(),
    row::<Softsign>(),
    row::<SparsePlus>(),
    row::<SparseSigmoid>(),
    row::<Squareplus>(),
    row::<TanhShrink>(),
    row::<Threshold>(),
    row::<Softmax>(),
    row::<LogSoftmax>(),
    row::<Sparsemax>(),
    row::<Glu>(),
];

/// Functions of every element by itself. Keras computes them of floats only.
macro_rules! elementwise {
    ($($name:ident { $($key:ident: $ty:ty $(= $default:expr)?),* } |$op:ident, $x:ident| $body:expr
       $(, |$place:ident| $code:expr)?;)+) => {
        $(
            crate::config! {
                #[doc = concat!("The operation `", stringify!($name), "`.")]
                pub struct $name {
                    $(
                        #[doc = concat!("Keras' `", stringify!($key), "`.")]
                        $key: $ty $(= $default)?,
                    )*
                }
            }

            impl Function for $name {
                const CLASSES: &'static [&'static str] = &[stringify!($name)];
                const ARGS: &'static [&'static str] = &["x"];
                const OPERATION: bool = true;

                fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
                    Ok(floats(args.input()?)?.into())
                }

                fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
                    let $op = self;
                    Ok(map_float!(args.into_input()?, $x => $body)?.into())
                }

                $(
                    fn code(&self, $place: &Place<'_>) -> Option<Code> {
                        let $op = self;
                        $code
                    }
                )?
            }
        )+
    };
}

/// Those of [`Activation`], without a setting.
macro_rules! named {
    ($($name:ident)+) => {
        elementwise! { $($name {} |_op, x| Activation::$name.forward(x), |place| named(&Activation::$name, place);)+ }
    };
}

fn named(activation: &Activation, place: &Place<'_>) -> Option<Code> {
    place.elementwise("{0}")?.then(activation, place.input()?.rank())
}

/// A function of Burn with what it takes beside a tensor.
fn burn(place: &Place<'_>, function: &str, setting: Option<f64>) -> Option<Code> {
    let setting = setting.map(|setting| number(setting).map(|setting| format!(", {setting}")));
    let setting = setting.unwrap_or(Some(String::new()))?;
    let code = place.elementwise(format!("activation::{function}({{0}}{setting})"))?;
    Some(code.using("burn::tensor::activation"))
}

/// A function of Burn along one axis.
fn burn_along(place: &Place<'_>, function: &str, axes: &[usize]) -> Option<Code> {
    let (rank, [axis]) = (place.input()?.rank(), axes) else { return None };
    let axis = place.layout.axis(rank, *axis);
    let code = place.elementwise(format!("activation::{function}({{0}}, {axis})"))?;
    Some(code.using("burn::tensor::activation"))
}

elementwise! {
    Celu { alpha: f64 = 1.0 } |op, x| celu(x, op.alpha);
    Elu { alpha: f64 = 1.0 } |op, x| elu(x, op.alpha);
    Gelu { approximate: bool = true } |op, x| gelu(x, op.approximate),
        |place| burn(place, if op.approximate { "gelu_approximate" } else { "gelu" }, None);
    HardShrink { threshold: f64 = 0.5 } |op, x| hard_shrink(x, op.threshold),
        |place| burn(place, "hard_shrink", Some(op.threshold));
    LeakyRelu { negative_slope: f64 = 0.2 } |op, x| leaky_relu(x, op.negative_slope),
        |place| burn(place, "leaky_relu", Some(op.negative_slope));
    SoftShrink { threshold: f64 = 0.5 } |op, x| soft_shrink(x, op.threshold),
        |place| burn(place, "soft_shrink", Some(op.threshold));
    Squareplus { b: f64 = 4.0 } |op, x| squareplus(x, op.b);
    Threshold { threshold: f64, default_value: f64 } |op, x| threshold(x, op.threshold, op.default_value);
    ReLU { negative_slope: f64 = 0.0, max_value: Option<f64> = None, threshold: f64 = 0.0 } |op, x| op.layer().forward(x),
        |place| Function::code(&op.layer(), place);
}

named! {
    HardSigmoid HardSilu HardTanh LogSigmoid Relu6 Selu Sigmoid Silu Softplus Softsign SparsePlus SparseSigmoid
    TanhShrink
}

impl ReLU {
    fn layer(&self) -> layers::ReLU {
        let Self { negative_slope, max_value, threshold } = *self;
        layers::ReLU { negative_slope, max_value, threshold }
    }
}

fn gelu<const D: usize>(x: Tensor<D>, approximate: bool) -> Tensor<D> {
    if approximate { activation::gelu_approximate(x) } else { activation::gelu(x) }
}

fn threshold<const D: usize>(x: Tensor<D>, threshold: f64, default: f64) -> Tensor<D> {
    let above = x.clone().greater_elem(threshold);
    x.mask_fill(above.bool_not(), default)
}

crate::config! {
    /// The operation `Relu`. Of integers it gives integers.
    pub struct Relu {}
}

impl Function for Relu {
    const CLASSES: &'static [&'static str] = &["Relu"];
    const ARGS: &'static [&'static str] = &["x"];
    const OPERATION: bool = true;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        match args.input()? {
            input if input.dtype == Dtype::Bool => Err(Error::unsupported("booleans")),
            input => Ok(input.clone().into()),
        }
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let x = args.into_input()?;
        if x.is_float() {
            return Ok(map_float!(x, x => activation::relu(x))?.into());
        }
        let shape = x.shape();
        let positive = x.reshape(&[shape.iter().product()])?.int::<1>()?.clamp_min(0);
        Ok(Value::from(positive).reshape(&shape)?.into())
    }

    fn code(&self, place: &Place<'_>) -> Option<Code> {
        named(&Activation::Relu, place)
    }
}

/// Functions of some axes together.
macro_rules! along_axes {
    ($($name:ident $run:ident;)+) => {
        $(
            crate::config! {
                #[doc = concat!("The operation `", stringify!($name), "`.")]
                pub struct $name {
                    /// The axes; null for all.
                    axis: Option<Axes> = Some(Axes::One(-1)),
                }
            }

            impl Function for $name {
                const CLASSES: &'static [&'static str] = &[stringify!($name)];
                const ARGS: &'static [&'static str] = &["x"];
                const OPERATION: bool = true;

                fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
                    let input = floats(args.input()?)?;
                    resolved(&self.axis, input.rank())?;
                    Ok(input.into())
                }

                fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
                    let x = args.into_input()?;
                    let (order, rank) = (x.order(), x.rank());
                    let axes = resolved(&self.axis, rank)?.into_iter();
                    let axes: Vec<usize> = axes.map(|axis| order.axis(rank, axis)).collect();
                    Ok(map_float!(x, x => $run(x, &axes))?.into())
                }

                fn code(&self, place: &Place<'_>) -> Option<Code> {
                    burn_along(place, stringify!($run), &resolved(&self.axis, place.input()?.rank()).ok()?)
                }
            }
        )+
    };
}

along_axes! {
    Softmax softmax;
    LogSoftmax log_softmax;
}

/// The axes counted from the front, at least one.
fn resolved(axis: &Option<Axes>, rank: usize) -> Result<Vec<usize>> {
    let axes = match axis {
        None => (0..rank).collect(),
        Some(axes) => axes.resolve(rank).map_err(|error| error.at("axis"))?,
    };
    match axes.is_empty() {
        true => Err(Error::unsupported("expected at least one axis").at("axis")),
        false => Ok(axes),
    }
}

crate::config! {
    /// The operation `Sparsemax`.
    pub struct Sparsemax {
        /// The axis.
        axis: i64 = -1,
    }
}

impl Function for Sparsemax {
    const CLASSES: &'static [&'static str] = &["Sparsemax"];
    const ARGS: &'static [&'static str] = &["x"];
    const OPERATION: bool = true;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let input = floats(args.input()?)?;
        resolve_axis(self.axis, input.rank()).map_err(|error| error.at("axis"))?;
        Ok(input.into())
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let x = args.into_input()?;
        let axis = x.order().axis(x.rank(), resolve_axis(self.axis, x.rank())?);
        Ok(map_float!(x, x => sparsemax(x, axis))?.into())
    }
}

crate::config! {
    /// The operation `Glu`: half of an axis times the sigmoid of the other half.
    pub struct Glu {
        /// The axis.
        axis: i64 = -1,
    }
}

impl Function for Glu {
    const CLASSES: &'static [&'static str] = &["Glu"];
    const ARGS: &'static [&'static str] = &["x"];
    const OPERATION: bool = true;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let mut output = floats(args.input()?)?;
        let axis = resolve_axis(self.axis, output.rank()).map_err(|error| error.at("axis"))?;
        output.shape[axis] = match output.shape[axis] {
            Some(size) if size % 2 == 1 => {
                return Err(Error::config(format_args!("cannot halve axis {axis} of {output}")).at("axis"));
            }
            size => size.map(|size| size / 2),
        };
        Ok(output.into())
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let x = args.into_input()?;
        let axis = resolve_axis(self.axis, x.rank())?;
        if x.shape()[axis] % 2 == 1 {
            return Err(Error::input(format_args!("cannot halve axis {axis} of {:?}", x.shape())));
        }
        let axis = x.order().axis(x.rank(), axis);
        Ok(map_float!(x, x => glu(x, axis))?.into())
    }

    fn code(&self, place: &Place<'_>) -> Option<Code> {
        burn_along(place, "glu", &[resolve_axis(self.axis, place.input()?.rank()).ok()?])
    }
}
