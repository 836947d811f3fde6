//! `Rescaling`: `x · scale + offset`.

use crate::config::Array;
use crate::error::{Error, Result};
use crate::layer::{Args, Context, Function, MaskRule, Spec, Tree};
use crate::map_float;
use crate::value::{Binary, Value};

use super::support::{array_value, like_input};

crate::layer_config! {
    /// `Rescaling`: `x · scale + offset`.
    ///
    /// # Shapes
    /// - inputs: `[batch, ...]`
    /// - outputs: as the inputs
    pub struct Rescaling {
        /// The factor: one number, or an array that broadcasts to the inputs.
        scale: Array,
        /// What is added: one number, or an array that broadcasts to the inputs.
        offset: Array = Array::number(0.0),
    }
}

/// Refuses an array that does not broadcast to the inputs, or would enlarge them.
fn check_fits(array: &Array, input: &Spec, key: &str) -> Result<()> {
    let shape = array.shape();
    let own = input.shape.iter().rev();
    let fits = shape.len() <= input.rank()
        && shape.iter().rev().zip(own).all(|(size, own)| *size == 1 || own.is_none_or(|own| own == *size));
    if fits {
        return Ok(());
    }
    Err(Error::config(format_args!("an array of the shape {shape:?} does not broadcast to {input}")).at(key))
}

impl Function for Rescaling {
    const CLASSES: &'static [&'static str] = &["Rescaling"];
    const MASK: MaskRule = MaskRule::Pass;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let input = args.input()?;
        check_fits(&self.scale, input, "scale")?;
        check_fits(&self.offset, input, "offset")?;
        like_input(args)
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let x = args.into_input()?;
        if let (Some(scale), Some(offset)) = (self.scale.as_number(), self.offset.as_number()) {
            return Ok(map_float!(x, x => x * scale + offset)?.into());
        }
        let device = x.device();
        let (scale, offset) = (array_value(&self.scale, &device)?, array_value(&self.offset, &device)?);
        Ok(x.binary(Binary::Multiply, scale)?.binary(Binary::Add, offset)?.into())
    }
}
