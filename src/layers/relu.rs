//! `ReLU`, `LeakyReLU`, `ELU` and, of Keras 2, `ThresholdedReLU`: rectifiers without variables.

use burn::tensor::Tensor;
use burn::tensor::activation::relu;

use super::support::like_input;
use crate::activation::{elu, leaky_relu};
use crate::codegen::{Code, Place, number};
use crate::error::{Error, Result};
use crate::layer::{Args, Context, Function, MaskRule, Spec, Tree};
use crate::map_float;
use crate::value::Value;

/// Refuses a number below zero.
fn check_positive(key: &str, number: f64) -> Result<()> {
    if number >= 0.0 {
        return Ok(());
    }
    Err(Error::config(format_args!("expected a number from 0, got {number}")).at(key))
}

/// The module of Burn that the expressions are in.
const ACTIVATION: &str = "burn::tensor::activation";

crate::layer_config! {
    /// `ReLU`: `x` above the threshold and up to the maximum, `negative_slope · (x - threshold)` below.
    ///
    /// # Shapes
    /// - inputs: `[batch, ...]`
    /// - outputs: as the inputs
    pub struct ReLU {
        /// The highest value that it gives.
        max_value: Option<f64> = None,
        /// The slope below the threshold.
        negative_slope: f64 = 0.0,
        /// Values up to this one count as negative.
        threshold: f64 = 0.0,
    }
}

impl ReLU {
    /// Applies the layer.
    #[must_use]
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let mut y = match self.threshold == 0.0 {
            true => relu(x.clone()),
            false => x.clone().mask_fill(x.clone().greater_elem(self.threshold).bool_not(), 0.0),
        };
        if let Some(max) = self.max_value {
            y = y.clamp_min(0.0).clamp_max(max);
        }
        match self.negative_slope == 0.0 {
            true => y,
            false => y - relu(-x + self.threshold) * self.negative_slope,
        }
    }
}

impl Function for ReLU {
    const CLASSES: &'static [&'static str] = &["ReLU"];
    const MASK: MaskRule = MaskRule::Pass;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        check_positive("max_value", self.max_value.unwrap_or_default())?;
        check_positive("negative_slope", self.negative_slope)?;
        check_positive("threshold", self.threshold)?;
        like_input(args)
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        Ok(map_float!(args.into_input()?, x => self.forward(x))?.into())
    }

    fn code(&self, place: &Place<'_>) -> Option<Code> {
        let (slope, threshold) = (self.negative_slope, self.threshold);
        let call = match (threshold == 0.0, slope == 0.0, self.max_value) {
            (true, true, _) => "activation::relu({0})".to_owned(),
            (true, false, None) => format!("activation::leaky_relu({{0}}, {})", number(slope)?),
            (false, true, _) => format!("activation::thresholded_relu({{0}}, {})", number(threshold)?),
            _ => return None,
        };
        let call = match self.max_value {
            Some(most) => format!("{call}.clamp_max({})", number(most)?),
            None => call,
        };
        Some(place.elementwise(call)?.using(ACTIVATION))
    }
}

crate::layer_config! {
    /// `LeakyReLU`: `x` above zero, `negative_slope · x` below.
    ///
    /// # Shapes
    /// - inputs: `[batch, ...]`
    /// - outputs: as the inputs
    pub struct LeakyReLU {
        /// The slope below zero.
        negative_slope: f64 = 0.3,
    }
}

impl Function for LeakyReLU {
    const CLASSES: &'static [&'static str] = &["LeakyReLU"];
    const MASK: MaskRule = MaskRule::Pass;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        check_positive("negative_slope", self.negative_slope)?;
        like_input(args)
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        Ok(map_float!(args.into_input()?, x => leaky_relu(x, self.negative_slope))?.into())
    }

    fn code(&self, place: &Place<'_>) -> Option<Code> {
        let slope = number(self.negative_slope)?;
        Some(place.elementwise(format!("activation::leaky_relu({{0}}, {slope})"))?.using(ACTIVATION))
    }
}

crate::layer_config! {
    /// `ELU`: `x` above zero, `alpha · (eˣ - 1)` below.
    ///
    /// # Shapes
    /// - inputs: `[batch, ...]`
    /// - outputs: as the inputs
    pub struct ELU {
        /// What it tends to at minus infinity, negated.
        alpha: f64 = 1.0,
    }
}

impl Function for ELU {
    const CLASSES: &'static [&'static str] = &["ELU"];
    const MASK: MaskRule = MaskRule::Pass;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        like_input(args)
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        Ok(map_float!(args.into_input()?, x => elu(x, self.alpha))?.into())
    }

    fn code(&self, place: &Place<'_>) -> Option<Code> {
        // The gradient of Burn's own is not a number where `e^x` is infinite.
        let below = match number(self.alpha)?.as_str() {
            "1.0" => "(x.clamp_max(0.0).exp() - 1.0)".to_owned(),
            alpha => format!("(x.clamp_max(0.0).exp() - 1.0) * {alpha}"),
        };
        let call = format!("{{ let x = {{0}}; activation::relu(x.clone()) + {below} }}");
        Some(place.elementwise(call)?.using(ACTIVATION))
    }
}

crate::layer_config! {
    /// `ThresholdedReLU` of Keras 2: `x` above the threshold, zero below.
    ///
    /// # Shapes
    /// - inputs: `[batch, ...]`
    /// - outputs: as the inputs
    pub struct ThresholdedReLU {
        /// The threshold.
        theta: f64 = 1.0,
    }
}

impl Function for ThresholdedReLU {
    const CLASSES: &'static [&'static str] = &["ThresholdedReLU"];
    const MASK: MaskRule = MaskRule::Pass;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        check_positive("theta", self.theta)?;
        like_input(args)
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let y = map_float!(args.into_input()?, x => {
            let above = x.clone().greater_elem(self.theta);
            x.mask_fill(above.bool_not(), 0.0)
        });
        Ok(y?.into())
    }

    fn code(&self, place: &Place<'_>) -> Option<Code> {
        let theta = number(self.theta)?;
        Some(place.elementwise(format!("activation::thresholded_relu({{0}}, {theta})"))?.using(ACTIVATION))
    }
}
