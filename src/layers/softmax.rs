//! `Softmax`: over one axis or several, where a mask allows it.

use super::support::like_input;
use crate::activation::softmax;
use crate::by_rank;
use crate::codegen::{Code, Place};
use crate::config::Axes;
use crate::error::{Error, Result};
use crate::layer::{Args, Context, Function, MaskRule, Spec, Tree};
use crate::map_float;
use crate::value::Value;

/// What a masked entry counts as before the exponential.
const MASKED: f64 = -1e9;

crate::layer_config! {
    /// `Softmax`: `eˣ / Σ eˣ`.
    ///
    /// Masked entries are left out of the sum and give zero. The mask broadcasts to the inputs.
    ///
    /// # Shapes
    /// - inputs: `[batch, ...]`
    /// - mask: broadcasts to the inputs
    /// - outputs: as the inputs
    pub struct Softmax {
        /// The axes of the sum.
        axis: Axes = Axes::One(-1),
    }
}

impl Softmax {
    fn axes(&self, rank: usize) -> Result<Vec<usize>> {
        let axes = self.axis.resolve(rank).map_err(|error| error.at("axis"))?;
        match axes.is_empty() {
            true => Err(Error::config("expected at least one axis").at("axis")),
            false => Ok(axes),
        }
    }
}

/// The softmax over some axes together, of the entries that a mask has; the others give zero.
pub(super) fn masked_softmax(x: Value, mask: Option<Value>, axes: &[usize]) -> Result<Value> {
    let Some(mask) = mask else {
        let axes: Vec<usize> = axes.iter().map(|axis| x.order().axis(x.rank(), *axis)).collect();
        return map_float!(x, x => softmax(x, &axes));
    };
    let shape = x.shape();
    let mask = to_bool(mask)?.broadcast_to(&shape)?;
    by_rank!(shape.len(), D => {
        let masked = mask.bool::<D>()?.bool_not();
        let x = x.float::<D>()?.mask_fill(masked.clone(), MASKED);
        Value::from(softmax(x, axes).mask_fill(masked, 0.0))
    })
}

/// A mask as booleans: other numbers count as true above one half.
fn to_bool(mask: Value) -> Result<Value> {
    if !mask.is_float() {
        return Ok(mask);
    }
    by_rank!(mask.rank(), D => Value::from(mask.float::<D>()?.greater_elem(0.5)))
}

impl Function for Softmax {
    const CLASSES: &'static [&'static str] = &["Softmax"];
    const ARGS: &'static [&'static str] = &["inputs", "mask"];
    const MASK: MaskRule = MaskRule::Pass;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        self.axes(args.input()?.rank())?;
        like_input(args)
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let mask = args.mask().cloned();
        let x = args.into_input()?;
        let axes = self.axes(x.rank())?;
        Ok(masked_softmax(x, mask, &axes)?.into())
    }

    fn code(&self, place: &Place<'_>) -> Option<Code> {
        let rank = place.input()?.rank();
        let [axis] = *self.axes(rank).ok()? else { return None };
        let axis = place.layout.axis(rank, axis);
        Some(
            place
                .elementwise(format!("activation::softmax({{0}}, {axis})"))?
                .using("burn::tensor::activation"),
        )
    }
}
