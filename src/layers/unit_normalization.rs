//! `UnitNormalization`: `x / √Σx²`.

use burn::tensor::Tensor;

use super::support::like_input;
use crate::codegen::{Code, Place};
use crate::config::Axes;
use crate::error::Result;
use crate::layer::{Args, Context, Function, MaskRule, Spec, Tree};
use crate::map_float;
use crate::value::Value;

/// What the norm is at least.
const LEAST: f64 = 1e-12;

crate::layer_config! {
    /// `UnitNormalization`: divides by the Euclidean norm over some axes.
    ///
    /// # Shapes
    /// - inputs: `[batch, ...]`
    /// - outputs: as the inputs
    pub struct UnitNormalization {
        /// The axes of the norm.
        axis: Axes = Axes::One(-1),
    }
}

/// Divides by the Euclidean norm over some axes, which counts as `least` below that.
pub(super) fn normalize<const D: usize>(x: Tensor<D>, axes: &[usize], least: f64) -> Tensor<D> {
    let sum = axes.iter().fold(x.clone().square(), |x, axis| x.sum_dim(*axis));
    x * sum.clamp_min(least * least).sqrt().recip()
}

impl Function for UnitNormalization {
    const CLASSES: &'static [&'static str] = &["UnitNormalization"];
    const MASK: MaskRule = MaskRule::Pass;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        self.axis.resolve(args.input()?.rank()).map_err(|error| error.at("axis"))?;
        like_input(args)
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let x = args.into_input()?;
        let (order, rank) = (x.order(), x.rank());
        let axes = self.axis.resolve(rank)?.into_iter().map(|axis| order.axis(rank, axis));
        let axes: Vec<usize> = axes.collect();
        Ok(map_float!(x, x => normalize(x, &axes, LEAST))?.into())
    }

    fn code(&self, place: &Place<'_>) -> Option<Code> {
        let rank = place.input()?.rank();
        let sums = self.axis.resolve(rank).ok()?.into_iter();
        let sums = sums.map(|axis| format!(".sum_dim({})", place.layout.axis(rank, axis)));
        let sums = sums.collect::<String>();
        let least = LEAST * LEAST;
        place.elementwise(format!(
            "{{ let x = {{0}}; x.clone() / x.square(){sums}.clamp_min({least:?}).sqrt() }}"
        ))
    }
}
