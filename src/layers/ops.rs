//! Operations of `keras.ops` that stand in a graph like layers: the arithmetic of overloaded operators,
//! and what Keras itself puts there to compute masks.

use burn::tensor::{DType, Device, Int, Tensor};
use serde_json::Value as Json;

use crate::config::{Array, Axes, Dtype, Field, Reader, brief, resolve_axis};
use crate::error::{Error, Result};
use crate::layer::{Args, Context, Function, Spec, Tree};
use crate::layers::support::array_value;
use crate::value::{Binary, Compare, Value};

/// An operand: a tensor, or a number or array out of the file.
fn operand(args: &Args<Value>, name: &str, device: &Device) -> Result<Value> {
    match args.get(name) {
        Some(Tree::Leaf(value)) => Ok(value.clone()),
        Some(Tree::Constant(json)) => constant(json)?.value(device),
        _ => Err(Error::config(format_args!("expected a tensor or a constant for {name}"))),
    }
}

/// A number or an array of a graph.
struct Constant {
    array: Array,
    dtype: Dtype,
}

impl Constant {
    fn value(&self, device: &Device) -> Result<Value> {
        match (self.dtype.is_float(), self.array.as_number()) {
            (false, Some(number)) => Ok(Tensor::<1, Int>::from_data([number as i64], device).into()),
            (true, _) => array_value(&self.array, device),
            (false, None) => array_value(&self.array, device)?.cast(DType::I32),
        }
    }

    fn spec(&self) -> Spec {
        Spec::new(self.array.shape().iter().copied().map(Some).collect(), self.dtype)
    }
}

fn constant(json: &Json) -> Result<Constant> {
    let registry = crate::layer::Registry::new();
    let limits = crate::Limits::default();
    let mut reader = Reader::new(&registry, &limits);
    let array = Array::read(json, &mut reader);
    reader.finish()?;
    let array =
        array.ok_or_else(|| Error::config(format_args!("expected a constant, got {}", brief(json))))?;
    let given = json.pointer("/config/dtype").and_then(Json::as_str).and_then(Dtype::from_name);
    let plain = match json {
        Json::Number(number) if !number.is_f64() => Dtype::Int32,
        _ => Dtype::Float32,
    };
    Ok(Constant { array, dtype: given.unwrap_or(plain) })
}

fn operand_spec(args: &Args<Spec>, name: &str) -> Result<Spec> {
    match args.get(name) {
        Some(Tree::Leaf(spec)) => Ok(spec.clone()),
        Some(Tree::Constant(json)) => Ok(constant(json)?.spec()),
        _ => Err(Error::config(format_args!("expected a tensor or a constant for {name}"))),
    }
}

/// The shape of two operands, with NumPy's broadcasting.
fn broadcast(a: &Spec, b: &Spec) -> Result<Vec<Option<usize>>> {
    let rank = a.rank().max(b.rank());
    let size = |spec: &Spec, axis: usize| {
        (axis + spec.rank()).checked_sub(rank).map_or(Some(1), |at| spec.shape[at])
    };
    let sizes = (0..rank).map(|axis| match (size(a, axis), size(b, axis)) {
        (a, b) if a == b => Ok(a),
        (Some(1), other) | (other, Some(1)) => Ok(other),
        (None, other) | (other, None) => Ok(other),
        _ => Err(Error::config(format_args!("the shapes {a} and {b} do not broadcast"))),
    });
    sizes.collect()
}

/// What an operation of two operands does.
#[derive(Clone, Copy)]
enum Elementwise {
    Arithmetic(Binary),
    Comparison(Compare),
    Or,
}

impl Elementwise {
    fn outputs(self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let (a, b) = (operand_spec(args, "x1")?, operand_spec(args, "x2")?);
        let shape = broadcast(&a, &b)?;
        let dtype = match self {
            Self::Comparison(_) | Self::Or => Dtype::Bool,
            // A Python number takes the type of the tensor that it meets, unless only it is a float.
            Self::Arithmetic(op) => match (a.dtype.is_float(), b.dtype.is_float()) {
                (true, _) => a.dtype,
                (_, true) => b.dtype,
                _ if op == Binary::Divide => Dtype::Float32,
                _ if a.rank() == 0 => b.dtype,
                _ => a.dtype,
            },
        };
        Ok(Spec::new(shape, dtype).into())
    }

    fn call(self, args: &Args<Value>) -> Result<Tree<Value>> {
        let device = args.leaves().first().map(|value| value.device());
        let device = device.ok_or_else(|| Error::config("expected a tensor among the operands"))?;
        let (a, b) = (operand(args, "x1", &device)?, operand(args, "x2", &device)?);
        Ok(match self {
            Self::Arithmetic(op) => a.binary(op, b)?,
            Self::Comparison(op) => a.compare(op, b)?,
            Self::Or => a.or(b)?,
        }
        .into())
    }
}

macro_rules! elementwise {
    ($($name:ident = $op:expr;)+) => {
        $(
            crate::config! {
                #[doc = concat!("The operation `", stringify!($name), "`.")]
                pub struct $name {}
            }

            impl Function for $name {
                const CLASSES: &'static [&'static str] = &[stringify!($name)];
                const ARGS: &'static [&'static str] = &["x1", "x2"];
                const OPERATION: bool = true;

                fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
                    $op.outputs(args)
                }

                fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
                    $op.call(&args)
                }
            }
        )+
    };
}

elementwise! {
    Add = Elementwise::Arithmetic(Binary::Add);
    Subtract = Elementwise::Arithmetic(Binary::Subtract);
    Multiply = Elementwise::Arithmetic(Binary::Multiply);
    TrueDivide = Elementwise::Arithmetic(Binary::Divide);
    Maximum = Elementwise::Arithmetic(Binary::Maximum);
    Minimum = Elementwise::Arithmetic(Binary::Minimum);
    Equal = Elementwise::Comparison(Compare::Equal);
    NotEqual = Elementwise::Comparison(Compare::NotEqual);
    Less = Elementwise::Comparison(Compare::Less);
    LessEqual = Elementwise::Comparison(Compare::LessEqual);
    Greater = Elementwise::Comparison(Compare::Greater);
    GreaterEqual = Elementwise::Comparison(Compare::GreaterEqual);
    LogicalOr = Elementwise::Or;
}

crate::config! {
    /// The operation `Negative`.
    pub struct Negative {}
}

impl Function for Negative {
    const CLASSES: &'static [&'static str] = &["Negative"];
    const ARGS: &'static [&'static str] = &["x"];
    const OPERATION: bool = true;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        Ok(args.input()?.clone().into())
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let x = args.into_input()?;
        let zero = Value::from(Tensor::<1, Int>::zeros([1], &x.device()));
        Ok(zero.binary(Binary::Subtract, x)?.into())
    }
}

crate::config! {
    /// The operation `Any`: whether any entry along some axes is true.
    pub struct Any {
        /// The axes; all without any.
        axis: Option<Axes> = None,
        /// Whether they stay with size 1.
        keepdims: bool = false,
    }
}

impl Any {
    fn axes(&self, rank: usize) -> Result<Vec<usize>> {
        match &self.axis {
            Some(axes) => axes.resolve(rank).map_err(|error| error.at("axis")),
            None => Err(Error::unsupported("expected axes that leave some of the value").at("axis")),
        }
    }
}

impl Function for Any {
    const CLASSES: &'static [&'static str] = &["Any"];
    const ARGS: &'static [&'static str] = &["x"];
    const OPERATION: bool = true;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let input = args.input()?;
        let axes = self.axes(input.rank())?;
        let sizes = input.shape.iter().enumerate().filter_map(|(axis, size)| match axes.contains(&axis) {
            true => self.keepdims.then_some(Some(1)),
            false => Some(*size),
        });
        Ok(Spec::new(sizes.collect(), Dtype::Bool).into())
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let x = args.into_input()?;
        let axes = self.axes(x.rank())?;
        let mut any = x;
        for axis in axes.into_iter().rev() {
            any = any.any(axis)?;
            if self.keepdims {
                any = any.expand_dims(axis)?;
            }
        }
        Ok(any.into())
    }
}

crate::config! {
    /// The operation `ExpandDims`: a new axis of size 1.
    pub struct ExpandDims {
        /// Where it is in the result.
        axis: i64,
    }
}

impl Function for ExpandDims {
    const CLASSES: &'static [&'static str] = &["ExpandDims"];
    const ARGS: &'static [&'static str] = &["x"];
    const OPERATION: bool = true;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let input = args.input()?;
        let mut shape = input.shape.clone();
        shape.insert(resolve_axis(self.axis, input.rank() + 1).map_err(|error| error.at("axis"))?, Some(1));
        Ok(Spec::new(shape, input.dtype).into())
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let x = args.into_input()?;
        let axis = resolve_axis(self.axis, x.rank() + 1)?;
        Ok(x.expand_dims(axis)?.into())
    }
}

crate::config! {
    /// The operation `Concatenate`: values beside each other along an axis.
    pub struct Concatenate {
        /// The axis.
        axis: i64 = 0,
    }
}

impl Function for Concatenate {
    const CLASSES: &'static [&'static str] = &["Concatenate"];
    const ARGS: &'static [&'static str] = &["xs"];
    const OPERATION: bool = true;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let inputs = args.inputs();
        let Some(first) = inputs.first() else { return Err(Error::config("nothing to concatenate")) };
        let axis = resolve_axis(self.axis, first.rank()).map_err(|error| error.at("axis"))?;
        let mut output = (*first).clone();
        let mut total = Some(0_usize);
        for input in &inputs {
            let others = |spec: &Spec| {
                spec.shape
                    .iter()
                    .enumerate()
                    .filter(|(at, _)| *at != axis)
                    .map(|(_, size)| *size)
                    .collect::<Vec<_>>()
            };
            if input.rank() != first.rank() || others(input) != others(first) {
                return Err(Error::config(format_args!(
                    "cannot concatenate {first} and {input} on axis {axis}"
                )));
            }
            total = total.zip(input.shape[axis]).map(|(total, size)| total.saturating_add(size));
            if input.dtype.is_float() {
                output.dtype = input.dtype;
            }
        }
        output.shape[axis] = total;
        Ok(output.into())
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let inputs = args.into_inputs();
        let axis = resolve_axis(self.axis, inputs.first().map_or(0, Value::rank))?;
        Ok(Value::concat(inputs, axis)?.into())
    }
}

/// `ZerosLike` and `OnesLike`.
macro_rules! filled_like {
    ($name:ident, $number:literal) => {
        crate::config! {
            #[doc = concat!("The operation `", stringify!($name), "`.")]
            pub struct $name {
                /// The element type, unless that of the operand.
                dtype: Option<Dtype> = None,
            }
        }

        impl Function for $name {
            const CLASSES: &'static [&'static str] = &[stringify!($name)];
            const ARGS: &'static [&'static str] = &["x"];
            const OPERATION: bool = true;

            fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
                let input = args.input()?;
                Ok(input.with_dtype(self.dtype.unwrap_or(input.dtype)).into())
            }

            fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
                let x = args.into_input()?;
                let dtype = match self.dtype {
                    Some(dtype) => crate::value::burn_dtype(dtype)?,
                    None => x.dtype(),
                };
                let number = Tensor::<1, Int>::full([1], $number, &x.device());
                Ok(Value::from(number).broadcast_to(&x.shape())?.cast(dtype)?.into())
            }
        }
    };
}

filled_like!(ZerosLike, 0);
filled_like!(OnesLike, 1);
