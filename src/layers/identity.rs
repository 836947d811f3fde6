//! `Identity` and `ActivityRegularization`: layers that change nothing.

use crate::codegen::{Code, Place};
use crate::error::{Error, Result};
use crate::layer::{Args, Context, Function, MaskRule, Spec, Tree};
use crate::regularizer::{L1L2, Regularizer};
use crate::value::Value;

crate::layer_config! {
    /// `Identity`: gives what it gets, be it one tensor or a structure of them.
    ///
    /// # Shapes
    /// - inputs: `[...]`
    /// - outputs: as the inputs
    pub struct Identity {}
}

impl Function for Identity {
    const CLASSES: &'static [&'static str] = &["Identity", "TFDIdentity"];
    const MASK: MaskRule = MaskRule::Own;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        args.get("inputs").cloned().ok_or_else(|| Error::config("expected an input"))
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        args.get("inputs").cloned().ok_or_else(|| Error::input("expected an input"))
    }

    fn code(&self, place: &Place<'_>) -> Option<Code> {
        place.alone()?;
        Some(Code::function("{0}", place.layout))
    }
}

crate::layer_config! {
    /// `ActivityRegularization`: adds `(l1 · Σ|x| + l2 · Σx²) / batch` to the loss of a training in
    /// Keras. It gives what it gets.
    ///
    /// # Shapes
    /// - inputs: `[batch, ...]`
    /// - outputs: as the inputs
    pub struct ActivityRegularization {
        /// The weight of the sum of magnitudes, for training.
        l1: f64 = 0.0,
        /// The weight of the sum of squares, for training.
        l2: f64 = 0.0,
    }
}

impl Function for ActivityRegularization {
    const CLASSES: &'static [&'static str] = &["ActivityRegularization"];
    const MASK: MaskRule = MaskRule::Pass;

    fn activity_regularizer(&self, _: &Regularizer) -> Result<Regularizer> {
        Ok(L1L2 { l1: self.l1, l2: self.l2 }.into())
    }

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        Ok(args.input()?.clone().into())
    }

    fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
        Ok(args.into_input()?.into())
    }
}
