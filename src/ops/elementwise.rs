//! Operations that make values or put them beside each other.

use burn::tensor::{Int, Tensor};

use crate::config::{Dtype, resolve_axis};
use crate::error::{Error, Result};
use crate::layer::{Args, Context, Function, Row, Spec, Tree, row};
use crate::value::{Value, burn_dtype};

/// The operations of this file.
pub(crate) static ROWS: &[Row] =
    &[row::<ExpandDims>(), row::<Concatenate>(), row::<ZerosLike>(), row::<OnesLike>()];

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
