//! Operations of elements: arithmetic, comparisons, logic.

use burn::tensor::{Int, Tensor};

use super::kit::{Constant, Kind, broadcast, device, operand, promote};
use crate::config::{Axes, Dtype};
use crate::error::{Error, Result};
use crate::layer::{Args, Context, Function, Row, Spec, Tree, row};
use crate::value::{Binary, Compare, Value, burn_dtype};
use crate::{by_rank, map_float};

/// The operations of this file.
pub(super) static ROWS: &[Row] = &[
    row::<Add>(),
    row::<Subtract>(),
    row::<Multiply>(),
    row::<TrueDivide>(),
    row::<Power>(),
    row::<Negative>(),
    row::<Absolute>(),
    row::<Maximum>(),
    row::<Minimum>(),
    row::<Equal>(),
    row::<NotEqual>(),
    row::<Less>(),
    row::<LessEqual>(),
    row::<Greater>(),
    row::<GreaterEqual>(),
    row::<LogicalAnd>(),
    row::<LogicalOr>(),
    row::<LogicalXor>(),
    row::<LogicalNot>(),
    row::<Any>(),
    row::<All>(),
    row::<Cast>(),
    row::<ZerosLike>(),
    row::<OnesLike>(),
];

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
    /// The type that the operands are brought to, and that of the result.
    fn dtypes(self, kinds: [Kind; 2]) -> Result<(Dtype, Dtype)> {
        let [a, b] = kinds;
        Ok(match self {
            Self::Comparison(_) => (promote(&kinds)?, Dtype::Bool),
            Self::And | Self::Or | Self::Xor => (Dtype::Bool, Dtype::Bool),
            Self::Arithmetic(Binary::Divide) => {
                let dtype = promote(&[a, b, Kind::WeakFloat])?;
                (dtype, dtype)
            }
            Self::Arithmetic(_) => match promote(&kinds)? {
                Dtype::Bool => return Err(Error::unsupported("arithmetic with nothing but booleans")),
                dtype => (dtype, dtype),
            },
        })
    }

    fn outputs(self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let (a, b) = (operand(args, "x1", None)?, operand(args, "x2", None)?);
        let (_, dtype) = self.dtypes([a.kind, b.kind])?;
        Ok(Spec::new(broadcast(&[&a.operand, &b.operand])?, dtype).into())
    }

    fn call(self, args: &Args<Value>) -> Result<Tree<Value>> {
        let device = device(args)?;
        let (a, b) = (operand(args, "x1", Some(&device))?, operand(args, "x2", Some(&device))?);
        let dtype = burn_dtype(self.dtypes([a.kind, b.kind])?.0)?;
        let (a, b) = (a.operand.cast(dtype)?, b.operand.cast(dtype)?);
        Ok(match self {
            Self::Arithmetic(op) => a.binary(op, b)?,
            Self::Comparison(op) => a.compare(op, b)?,
            Self::And => not(not(a)?.or(not(b)?)?)?,
            Self::Or => a.or(b)?,
            Self::Xor => a.compare(Compare::NotEqual, b)?,
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
        let (a, b) = (operand(args, "x1", None)?, operand(args, "x2", None)?);
        let dtype = promote(&[a.kind, b.kind])?;
        if !dtype.is_float() {
            return Err(Error::unsupported("powers of integers by integers"));
        }
        Ok(Spec::new(broadcast(&[&a.operand, &b.operand])?, dtype).into())
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let device = device(&args)?;
        let (base, exponent) = (operand(&args, "x1", Some(&device))?, operand(&args, "x2", Some(&device))?);
        let dtype = burn_dtype(promote(&[base.kind, exponent.kind])?)?;
        let base = base.operand.cast(dtype)?;
        // Not every backend takes negative numbers to the power of a tensor.
        if let Some(Tree::Constant(json)) = args.get("x2")
            && let Some(exponent) = Constant::read(json)?.array.as_number()
        {
            return Ok(map_float!(base, x => x.powf_scalar(exponent))?.into());
        }
        let exponent = exponent.operand.cast(dtype)?;
        let shape = broadcast_shape(&base, &exponent)?;
        let (base, exponent) = (base.broadcast_to(&shape)?, exponent.broadcast_to(&shape)?);
        by_rank!(shape.len(), D => Value::from(base.float::<D>()?.powf(exponent.float::<D>()?)).into())
    }
}

/// The shape of two values spread to each other.
fn broadcast_shape(a: &Value, b: &Value) -> Result<Vec<usize>> {
    let spec = |value: &Value| Spec::new(value.shape().into_iter().map(Some).collect(), value.keras_dtype());
    Ok(broadcast(&[&spec(a), &spec(b)])?.into_iter().flatten().collect())
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
    /// The operation `Cast`.
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
            // Keras on JAX makes `float32` of it; other backends do not.
            Dtype::Float64 | Dtype::String => {
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
