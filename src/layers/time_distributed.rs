//! `TimeDistributed`: a layer applied to every step of time.

use burn::module::Module;
use serde_json::Value as Json;

use super::support::step_of;
use crate::error::{Error, Result};
use crate::layer::{
    Args, Borders, Child, Context, Layer, LayerConfig, MaskRule, Spec, Tree, Variables, Weights,
};
use crate::module::AnyLayer;
use crate::value::Value;

crate::layer_config! {
    /// Config of `TimeDistributed`.
    pub struct TimeDistributedConfig {
        /// The layer.
        layer: Child,
    }
}

/// Whether a layer, or one inside of it, carries state from call to call.
fn is_stateful(layer: &Json) -> bool {
    match layer {
        Json::Array(items) => items.iter().any(is_stateful),
        Json::Object(items) => items
            .iter()
            .any(|(key, item)| (key == "stateful" && item.as_bool() == Some(true)) || is_stateful(item)),
        _ => false,
    }
}

impl LayerConfig for TimeDistributedConfig {
    const CLASSES: &'static [&'static str] = &["TimeDistributed"];
    const MASK: MaskRule = MaskRule::Pass;
    const BORDERS: Borders = Borders::Wrapper;

    type Layer = TimeDistributed;

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        let input = args.input()?;
        let Tree::Leaf(mut output) = self.layer.config.outputs(&Args::one(step_of(input)?))? else {
            return Err(Error::unsupported("a layer with several outputs in TimeDistributed"));
        };
        output.shape.insert(1, input.shape[1]);
        Ok(output.into())
    }

    fn variables(&self, args: &Args<Spec>) -> Result<Variables> {
        let inner = self.layer.config.variables(&Args::one(step_of(args.input()?)?))?;
        Ok(Variables::default().with_child("layer", "layer", inner, self.layer.trainable))
    }

    fn build(&self, args: &Args<Spec>, weights: &mut Weights<'_>) -> Result<TimeDistributed> {
        let mut weights = weights.child("layer").frozen_unless(self.layer.trainable);
        Ok(TimeDistributed {
            is_stateful: is_stateful(&self.layer.json),
            // Keras runs it in the type of the wrapper.
            layer: self
                .layer
                .config
                .build(&Args::one(step_of(args.input()?)?), &mut weights)?
                .without_border(),
        })
    }
}

/// Applies a layer to every step.
///
/// # Shapes
/// - inputs: `[batch, time, ...]`
/// - mask: `[batch, time, ...]`; each step gets its own
/// - outputs: `[batch, time, ...]`
#[derive(Module, Debug)]
pub struct TimeDistributed {
    /// The layer that takes a single step.
    pub layer: AnyLayer,
    #[module(skip)]
    is_stateful: bool,
}

impl TimeDistributed {
    fn call_layer(&self, x: Value, mask: Option<Value>, cx: &Context) -> Result<Value> {
        let outputs = self.layer.call(Args::one(x.with_mask(mask)), cx)?.into_leaves();
        let output = outputs.into_iter().next().ok_or_else(|| Error::config("the layer gives nothing"))?;
        Ok(output.with_mask(None))
    }

    /// All steps at once, as further examples of the batch: the same where steps do not meet.
    fn fold(&self, x: Value, cx: &Context) -> Result<Value> {
        let mask = x.mask().cloned();
        let shape = x.shape();
        let (batch, time) = (shape[0], shape[1]);
        let fold = |value: Value| {
            let mut folded = value.shape();
            folded.splice(..2, [batch * time]);
            value.reshape(&folded)
        };
        // Without an axis of time inside, a mask matters only to the statistics of a batch.
        let mask = mask.filter(|mask| mask.rank() > 2);
        let y = self.call_layer(fold(x)?, mask.map(fold).transpose()?, cx)?;
        let mut unfolded = y.shape();
        unfolded.splice(..1, [batch, time]);
        y.reshape(&unfolded)
    }

    /// One step after the other, as Keras does.
    fn each(&self, x: Value, cx: &Context) -> Result<Value> {
        let mask = x.mask().cloned();
        let at = |value: &Value, step: usize| value.clone().narrow(1, step, 1)?.squeeze(&[1]);
        let steps = (0..x.shape()[1]).map(|step| {
            let mask = mask.as_ref().map(|mask| at(mask, step)).transpose()?;
            self.call_layer(at(&x, step)?, mask, cx)?.expand_dims(1)
        });
        Value::concat(steps.collect::<Result<_>>()?, 1)
    }
}

impl Layer for TimeDistributed {
    fn reset_state(&self) {
        self.layer.reset_state();
    }

    fn call(&self, args: Args<Value>, cx: &Context) -> Result<Tree<Value>> {
        let x = args.into_input()?;
        if x.rank() < 3 {
            return Err(Error::input(format_args!("expected an input with time, got {:?}", x.shape())));
        }
        // In training the statistics of a batch are those of a single step; a state goes on from step
        // to step.
        let training = cx.training.unwrap_or_else(|| x.device().is_autodiff());
        Ok(if training || self.is_stateful { self.each(x, cx)? } else { self.fold(x, cx)? }.into())
    }
}
