//! Configs of layers of any kind: the other seam of type erasure.

use std::any::Any;
use std::fmt::Debug;

use serde_json::{Map, Value as Json};

use crate::codegen::{Code, Place};
use crate::config::{Config, Dtype};
use crate::error::{Error, Result};
use crate::layer::{Args, Borders, LayerConfig, MaskRule, Spec, Tree, Variables, Weights};
use crate::module::AnyLayer;
use crate::regularizer::Regularizer;

/// A [`LayerConfig`] of any kind.
pub trait AnyConfig: Debug + Send + Sync {
    /// The canonical class name.
    fn class(&self) -> &'static str;
    /// [`LayerConfig::ARGS`].
    fn arg_names(&self) -> &'static [&'static str];
    /// [`LayerConfig::MASK`].
    fn mask_rule(&self) -> MaskRule;
    /// [`LayerConfig::TAKES_MASKS`].
    fn takes_masks(&self) -> bool;
    /// [`LayerConfig::BORDERS`].
    fn borders(&self) -> Borders;
    /// [`LayerConfig::INPUT`].
    fn is_input(&self) -> bool;
    /// [`LayerConfig::STRINGS`].
    fn takes_strings(&self) -> bool;
    /// [`LayerConfig::FIRST_CALL`].
    fn first_call(&self) -> usize;
    /// [`LayerConfig::group_name`].
    fn group_name(&self) -> Option<String>;
    /// [`LayerConfig::input`].
    fn input(&self) -> Option<Spec>;
    /// [`LayerConfig::function`].
    fn function(&self) -> Option<AnyLayer>;
    /// [`LayerConfig::activity_regularizer`].
    ///
    /// # Errors
    /// When that applies to something else than the outputs.
    fn activity_regularizer(&self, given: &Regularizer) -> Result<Regularizer>;
    /// [`LayerConfig::outputs`].
    ///
    /// # Errors
    /// When the config does not fit the inputs.
    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>>;
    /// [`LayerConfig::variables`].
    ///
    /// # Errors
    /// When the config does not fit the inputs.
    fn variables(&self, args: &Args<Spec>) -> Result<Variables>;
    /// [`LayerConfig::build`].
    ///
    /// # Errors
    /// When the weights do not fit.
    fn build(&self, args: &Args<Spec>, weights: &mut Weights<'_>) -> Result<AnyLayer>;
    /// [`LayerConfig::gives_masks`].
    fn gives_masks(&self, masked: bool) -> bool;
    /// [`LayerConfig::code`].
    fn code(&self, place: &Place<'_>) -> Option<Code>;
    /// [`Config::write`].
    fn write(&self) -> Map<String, Json>;
    /// The config itself.
    fn as_any(&self) -> &dyn Any;
}

impl dyn AnyConfig {
    /// [`LayerConfig::outputs`], but strings are refused where they are not taken.
    ///
    /// # Errors
    /// When the config does not fit the inputs.
    pub fn infer(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let given = args.leaves().into_iter().any(|spec| spec.dtype == Dtype::String);
        match given && !self.takes_strings() {
            true => Err(Error::unsupported(format_args!("a {} of strings", self.class()))),
            false => self.outputs(args),
        }
    }
}

impl<C: LayerConfig> AnyConfig for C {
    fn class(&self) -> &'static str {
        C::CLASSES.first().copied().unwrap_or("")
    }
    fn arg_names(&self) -> &'static [&'static str] {
        C::ARGS
    }
    fn mask_rule(&self) -> MaskRule {
        C::MASK
    }
    fn takes_masks(&self) -> bool {
        C::TAKES_MASKS
    }
    fn borders(&self) -> Borders {
        C::BORDERS
    }
    fn is_input(&self) -> bool {
        C::INPUT
    }
    fn takes_strings(&self) -> bool {
        C::STRINGS
    }
    fn first_call(&self) -> usize {
        C::FIRST_CALL
    }
    fn group_name(&self) -> Option<String> {
        LayerConfig::group_name(self)
    }
    fn input(&self) -> Option<Spec> {
        LayerConfig::input(self)
    }
    fn function(&self) -> Option<AnyLayer> {
        LayerConfig::function(self)
    }
    fn activity_regularizer(&self, given: &Regularizer) -> Result<Regularizer> {
        LayerConfig::activity_regularizer(self, given)
    }
    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        LayerConfig::outputs(self, args)
    }
    fn variables(&self, args: &Args<Spec>) -> Result<Variables> {
        LayerConfig::variables(self, args)
    }
    fn build(&self, args: &Args<Spec>, weights: &mut Weights<'_>) -> Result<AnyLayer> {
        LayerConfig::build(self, args, weights).map(AnyLayer::new)
    }
    fn gives_masks(&self, masked: bool) -> bool {
        LayerConfig::gives_masks(self, masked)
    }
    fn code(&self, place: &Place<'_>) -> Option<Code> {
        LayerConfig::code(self, place)
    }
    fn write(&self) -> Map<String, Json> {
        Config::write(self)
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}
