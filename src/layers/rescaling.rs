//! `Rescaling`: `x · scale + offset`.

use crate::codegen::{Code, Layout, Place, array, number};
use crate::config::Array;
use crate::error::{Error, Result};
use crate::layer::{Args, Context, Function, MaskRule, Spec, Tree};
use crate::map_float;
use crate::value::{Binary, Value};

use super::support::{array_value, like_input};

/// How many numbers are written into source.
const MOST: usize = 16;

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

/// A number, or a tensor for the channels of inputs of that rank.
fn operand(given: &Array, rank: usize, layout: Layout) -> Option<String> {
    let numbers = given.numbers().iter().map(|x| number(*x)).collect::<Option<Vec<_>>>()?;
    match given.shape() {
        [] => numbers.into_iter().next(),
        [size] if *size <= MOST => {
            let mut shape = vec![1; rank];
            *shape.get_mut(layout.axis(rank, rank - 1))? = *size;
            let numbers = numbers.join(", ");
            Some(format!("Tensor::<1>::from_floats([{numbers}], &device).reshape({})", array(&shape)))
        }
        _ => None,
    }
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

    fn code(&self, place: &Place<'_>) -> Option<Code> {
        let rank = place.input()?.rank();
        let (scale, offset) =
            (operand(&self.scale, rank, place.layout)?, operand(&self.offset, rank, place.layout)?);
        let call = |x: &str| match (offset.as_str(), offset.strip_prefix('-')) {
            ("0.0", _) => format!("{x} * {scale}"),
            (_, Some(less)) => format!("{x} * {scale} - {less}"),
            (more, None) => format!("{x} * {scale} + {more}"),
        };
        let is_plain = self.scale.as_number().is_some() && self.offset.as_number().is_some();
        place.elementwise(match is_plain {
            true => call("{0}"),
            false => format!("{{ let x = {{0}}; let device = x.device(); {} }}", call("x")),
        })
    }
}
