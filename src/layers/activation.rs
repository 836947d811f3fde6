//! `Activation`: a function of `keras.activations` as a layer of its own.

use crate::activation::Activation as Kind;
use crate::codegen::{Code, Place};
use crate::error::Result;
use crate::layer::{Args, Context, Function, MaskRule, Spec, Tree};
use crate::value::Value;

crate::layer_config! {
    /// `Activation`: applies a function.
    ///
    /// # Shapes
    /// - inputs: `[batch, ...]`
    /// - outputs: as the inputs; `glu` halves the last axis
    pub struct Activation {
        /// The function.
        activation: Kind,
    }
}

impl Function for Activation {
    const CLASSES: &'static [&'static str] = &["Activation"];
    const MASK: MaskRule = MaskRule::Pass;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let input = args.input()?;
        Ok(match &self.activation {
            Kind::Linear => input.clone().into(),
            activation => activation.output(input.float(input.shape.clone()))?.into(),
        })
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        Ok(self.activation.apply(args.into_input()?)?.into())
    }

    fn code(&self, place: &Place<'_>) -> Option<Code> {
        place.elementwise("{0}")?.then(&self.activation, place.input()?.rank())
    }
}
