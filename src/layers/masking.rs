//! `Masking`: steps in which every feature has the mask value are zeroed and masked.

use burn::tensor::Tensor;

use crate::error::{Error, Result};
use crate::layer::{Args, Context, Function, MaskRule, Spec, Tree};
use crate::layers::support::like_input;
use crate::value::{Compare, Value};

crate::layer_config! {
    /// `Masking`.
    ///
    /// # Shapes
    /// - inputs: `[batch, time, ..., features]`
    /// - outputs: as the inputs, with a mask `[batch, time, ...]`
    pub struct Masking {
        /// What stands for nothing.
        mask_value: f64 = 0.0,
    }
}

impl Function for Masking {
    const CLASSES: &'static [&'static str] = &["Masking"];
    const MASK: MaskRule = MaskRule::Own;

    fn gives_masks(&self, _: bool) -> bool {
        true
    }

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        match args.input()?.rank() {
            0 | 1 => Err(Error::config("expected an input with features")),
            _ => like_input(args),
        }
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        let x = args.into_input()?.plain()?;
        let last = x.rank() - 1;
        let number = |number: f64| Value::from(Tensor::<1>::from_data([number as f32], &x.device()));
        let mask = x.clone().compare(Compare::NotEqual, number(self.mask_value))?.any(last)?;
        let kept = x.clone().select(mask.clone().expand_dims(last)?, number(0.0))?;
        Ok(kept.with_mask(Some(mask)).into())
    }
}
