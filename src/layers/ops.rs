//! Operations of `keras.ops` that stand in a graph like layers: the arithmetic of overloaded operators,
//! and what Keras itself puts there to compute masks.
//!
//! Operands are tensors, numbers or arrays. Reductions of all axes are refused, since a value has at
//! least one.

use burn::tensor::{DType, Device, Int, Tensor};
use serde_json::Value as Json;

use crate::config::{Array, Axes, Dtype, Field, Reader, brief, resolve_axis};
use crate::error::{Error, Result};
use crate::layer::{Args, Context, Function, Spec, Tree};
use crate::layers::support::array_value;
use crate::value::{Binary, Compare, Value, burn_dtype};
use crate::{by_rank, map_float};

/// The device of the operands.
fn device(args: &Args<Value>) -> Result<Device> {
    let device = args.leaves().first().map(|value| value.device());
    device.ok_or_else(|| Error::config("expected a tensor among the operands"))
}

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
    // Keras takes constants in its default type.
    let given = given.map(|dtype| if dtype.is_float() { Dtype::Float32 } else { dtype });
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
    And,
    Or,
    Xor,
}

impl Elementwise {
    fn outputs(self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let (a, b) = (operand_spec(args, "x1")?, operand_spec(args, "x2")?);
        let shape = broadcast(&a, &b)?;
        let dtype = match self {
            Self::Comparison(_) | Self::And | Self::Or | Self::Xor => Dtype::Bool,
            Self::Arithmetic(op)
                if (a.dtype, b.dtype) == (Dtype::Bool, Dtype::Bool) && op != Binary::Divide =>
            {
                return Err(Error::unsupported("arithmetic with nothing but booleans"));
            }
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
        let device = device(args)?;
        let (a, b) = (operand(args, "x1", &device)?, operand(args, "x2", &device)?);
        Ok(match self {
            Self::Arithmetic(op) => a.binary(op, b)?,
            Self::Comparison(op) => a.compare(op, b)?,
            Self::And => not(not(a)?.or(not(b)?)?)?,
            Self::Or => a.or(b)?,
            Self::Xor => not(a)?.compare(Compare::NotEqual, not(b)?)?,
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
    LogicalAnd = Elementwise::And;
    LogicalOr = Elementwise::Or;
    LogicalXor = Elementwise::Xor;
}

/// Whether a value is false, element by element.
fn not(x: Value) -> Result<Value> {
    by_rank!(x.rank(), D => Value::from(x.bool::<D>()?.bool_not()))
}

/// Operations of one operand that have a sign.
macro_rules! signed {
    ($($name:ident($x:ident) = $body:expr;)+) => {
        $(
            crate::config! {
                #[doc = concat!("The operation `", stringify!($name), "`.")]
                pub struct $name {}
            }

            impl Function for $name {
                const CLASSES: &'static [&'static str] = &[stringify!($name)];
                const ARGS: &'static [&'static str] = &["x"];
                const OPERATION: bool = true;

                fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
                    let input = args.input()?;
                    match input.dtype {
                        Dtype::Bool | Dtype::Uint8 | Dtype::Uint16 | Dtype::Uint32 | Dtype::Uint64 => {
                            Err(Error::unsupported(format_args!("the sign of {}", input.dtype)))
                        }
                        _ => Ok(input.clone().into()),
                    }
                }

                fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
                    let value = args.into_input()?;
                    if value.is_float() {
                        return Ok(map_float!(value, $x => $body)?.into());
                    }
                    by_rank!(value.rank(), D => {
                        let $x = value.int::<D>()?;
                        Value::from($body).into()
                    })
                }
            }
        )+
    };
}

signed! {
    Negative(x) = -x;
    Absolute(x) = x.abs();
}

crate::config! {
    /// The operation `Power`: the first operand to the power of the second. Not of integers by
    /// integers.
    pub struct Power {}
}

impl Function for Power {
    const CLASSES: &'static [&'static str] = &["Power"];
    const ARGS: &'static [&'static str] = &["x1", "x2"];
    const OPERATION: bool = true;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let (a, b) = (operand_spec(args, "x1")?, operand_spec(args, "x2")?);
        let dtype = [a.dtype, b.dtype].into_iter().find(|dtype| dtype.is_float());
        let dtype = dtype.ok_or_else(|| Error::unsupported("powers of integers by integers"))?;
        Ok(Spec::new(broadcast(&a, &b)?, dtype).into())
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let device = device(&args)?;
        let exponent = match args.get("x2") {
            Some(Tree::Constant(json)) => constant(json)?.array.as_number(),
            _ => None,
        };
        let base = operand(&args, "x1", &device)?;
        // Not every backend takes negative numbers to the power of a tensor.
        if let Some(exponent) = exponent {
            return Ok(map_float!(base, x => x.powf_scalar(exponent))?.into());
        }
        let exponent = operand(&args, "x2", &device)?;
        let spec = |value: &Value| Spec::new(value.shape().into_iter().map(Some).collect(), Dtype::Float32);
        let shape: Vec<usize> = broadcast(&spec(&base), &spec(&exponent))?.into_iter().flatten().collect();
        let (base, exponent) = (base.broadcast_to(&shape)?, exponent.broadcast_to(&shape)?);
        by_rank!(shape.len(), D => Value::from(base.float::<D>()?.powf(exponent.float::<D>()?)).into())
    }
}

crate::config! {
    /// The operation `LogicalNot`.
    pub struct LogicalNot {}
}

impl Function for LogicalNot {
    const CLASSES: &'static [&'static str] = &["LogicalNot"];
    const ARGS: &'static [&'static str] = &["x"];
    const OPERATION: bool = true;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        Ok(args.input()?.with_dtype(Dtype::Bool).into())
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        Ok(not(args.into_input()?)?.into())
    }
}

crate::config! {
    /// The operation `Cast`. To `float32`, integers and booleans only.
    pub struct Cast {
        /// The element type.
        dtype: Dtype,
    }
}

impl Function for Cast {
    const CLASSES: &'static [&'static str] = &["Cast"];
    const ARGS: &'static [&'static str] = &["x"];
    const OPERATION: bool = true;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        match self.dtype {
            // Layers compute in `float32`, and no backend mixes types.
            Dtype::Float16 | Dtype::Bfloat16 | Dtype::Float64 | Dtype::String => {
                Err(Error::unsupported(format_args!("a cast to {}", self.dtype)).at("dtype"))
            }
            dtype => Ok(args.input()?.with_dtype(dtype).into()),
        }
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        Ok(args.into_input()?.cast(burn_dtype(self.dtype)?)?.with_mask(None).into())
    }
}

/// `Any` and `All`.
macro_rules! quantifier {
    ($name:ident, $what:literal, $of:expr) => {
        crate::config! {
            #[doc = concat!("The operation `", stringify!($name), "`: whether ", $what)]
            /// along some axes is true.
            pub struct $name {
                /// The axes; all without any.
                axis: Option<Axes> = None,
                /// Whether they stay with size 1.
                keepdims: bool = false,
            }
        }

        impl Function for $name {
            const CLASSES: &'static [&'static str] = &[stringify!($name)];
            const ARGS: &'static [&'static str] = &["x"];
            const OPERATION: bool = true;

            fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
                let input = args.input()?;
                let axes = quantified(&self.axis, input.rank())?;
                let sizes = input.shape.iter().enumerate();
                let sizes = sizes.filter_map(|(axis, size)| match axes.contains(&axis) {
                    true => self.keepdims.then_some(Some(1)),
                    false => Some(*size),
                });
                Ok(Spec::new(sizes.collect(), Dtype::Bool).into())
            }

            fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
                let x = args.into_input()?;
                let axes = quantified(&self.axis, x.rank())?;
                let of: fn(Value, usize) -> Result<Value> = $of;
                let reduced = axes.into_iter().rev().try_fold(x, |x, axis| {
                    let reduced = of(x, axis)?;
                    if self.keepdims { reduced.expand_dims(axis) } else { Ok(reduced) }
                });
                Ok(reduced?.into())
            }
        }
    };
}

/// The axes that a quantifier runs over.
fn quantified(axis: &Option<Axes>, rank: usize) -> Result<Vec<usize>> {
    match axis {
        Some(axes) => axes.resolve(rank).map_err(|error| error.at("axis")),
        None => Err(Error::unsupported("expected axes that leave some of the value").at("axis")),
    }
}

quantifier!(Any, "any entry", |x, axis| x.any(axis));
quantifier!(All, "every entry", |x, axis| not(not(x)?.any(axis)?));

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
                    Some(dtype) => burn_dtype(dtype)?,
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
