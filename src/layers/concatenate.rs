//! `Concatenate`: inputs one after the other along an axis.

use crate::codegen::{Code, Place};
use crate::config::resolve_axis;
use crate::error::{Error, Result};
use crate::layer::{Args, Context, Function, MaskRule, Spec, Tree};
use crate::value::Value;

crate::layer_config! {
    /// `Concatenate`: joins its inputs along an axis.
    ///
    /// The mask of the result joins those of the inputs, which count as true where they have none.
    ///
    /// # Shapes
    /// - inputs: a list of `[batch, ...]` that differ on the joined axis only
    /// - outputs: `[batch, ...]`
    pub struct Concatenate {
        /// The axis, the batch being 0.
        axis: i64 = -1,
    }
}

impl Concatenate {
    fn resolve(&self, rank: usize) -> Result<usize> {
        resolve_axis(self.axis, rank).map_err(|error| error.at("axis"))
    }

    /// The mask of the result, if any input has one.
    fn mask(&self, inputs: &[Value], axis: usize) -> Result<Option<Value>> {
        if inputs.iter().all(|input| input.mask().is_none()) {
            return Ok(None);
        }
        let masks = inputs.iter().map(|input| match input.mask() {
            None => Ok(Value::from(burn::tensor::Tensor::<1>::ones([1], &input.device()).bool())
                .broadcast_to(&input.shape())?),
            Some(mask) if mask.rank() < input.rank() => {
                mask.clone().expand_dims(mask.rank())?.broadcast_to(&input.shape())
            }
            Some(mask) => Ok(mask.clone()),
        });
        let joined = Value::concat(masks.collect::<Result<_>>()?, axis)?;
        let last = joined.rank().saturating_sub(1);
        joined.any(last).map(Some)
    }
}

impl Function for Concatenate {
    const CLASSES: &'static [&'static str] = &["Concatenate", "TFDConcat"];
    const MASK: MaskRule = MaskRule::Own;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let inputs = args.inputs();
        let Some((first, others)) = inputs.split_first() else {
            return Err(Error::config("expected a list of at least one input"));
        };
        let axis = self.resolve(first.rank())?;
        let mut shape = first.shape.clone();
        for other in others {
            other.expect_rank(first.rank())?;
            for (at, (size, other_size)) in shape.iter_mut().zip(&other.shape).enumerate() {
                *size = match (*size, *other_size) {
                    (Some(a), Some(b)) if at == axis => Some(a.saturating_add(b)),
                    _ if at == axis => None,
                    (Some(a), Some(b)) if a != b => {
                        let message = format_args!("{first} and {other} differ on axis {at}");
                        return Err(Error::config(message));
                    }
                    (a, b) => a.or(b),
                };
            }
        }
        let float = inputs.iter().find(|input| input.dtype.is_float()).unwrap_or(first);
        Ok(Spec::new(shape, float.dtype).into())
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let inputs = args.into_inputs();
        let axis = self.resolve(inputs.first().map_or(0, Value::rank))?;
        let mask = self.mask(&inputs, axis)?;
        Ok(Value::concat(inputs, axis)?.with_mask(mask).into())
    }

    fn code(&self, place: &Place<'_>) -> Option<Code> {
        let inputs = place.alike()?;
        let rank = inputs.first()?.rank();
        let axis = place.layout.axis(rank, self.resolve(rank).ok()?);
        if inputs.len() == 1 {
            return Some(Code::function("{0}", place.layout));
        }
        let operands: Vec<String> = (0..inputs.len()).map(|at| format!("{{{at}}}")).collect();
        let call = format!("Tensor::cat(vec![{}], {axis})", operands.join(", "));
        Some(Code::function(call, place.layout).using("burn::tensor::Tensor"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Dtype;

    #[test]
    fn other_axes_must_agree() {
        let (n, s) = (None, Some);
        let shape = |axis, shapes: &[[Option<usize>; 3]]| {
            let inputs = shapes.iter().map(|shape| Spec::new(shape.to_vec(), Dtype::Float32));
            let args = Args::bind(&["inputs"], vec![Tree::list(inputs)], vec![]).unwrap();
            let outputs = Concatenate { axis }.outputs(&args).ok()?;
            outputs.leaves().first().map(|spec| spec.shape.clone())
        };
        assert_eq!(shape(-1, &[[n, n, s(2)], [n, s(4), s(3)]]).unwrap(), [n, s(4), s(5)]);
        assert_eq!(shape(1, &[[n, n, s(2)], [n, s(4), s(2)]]).unwrap(), [n, n, s(2)]);
        assert!(shape(-1, &[[n, s(5), s(2)], [n, s(4), s(3)]]).is_none());
        assert!(shape(3, &[[n, s(4), s(2)]]).is_none());
    }
}
