//! `Pipeline`: layers one after the other, as one layer.

use std::collections::HashMap;

use burn::module::Module;

use crate::config::graph::numbered;
use crate::error::Result;
use crate::layer::{
    Args, Borders, Child, Context, Layer, LayerConfig, MaskRule, Spec, Tree, Variables, Weights,
};
use crate::module::{AnyLayer, call_layer};
use crate::value::Value;

crate::layer_config! {
    /// Config of `Pipeline`.
    pub struct PipelineConfig {
        /// The layers, in order.
        layers: Vec<Child>,
    }
}

impl PipelineConfig {
    /// What every layer is called with, and what the last one gives.
    fn calls(&self, args: &Args<Spec>) -> Result<(Vec<Args<Spec>>, Tree<Spec>)> {
        let mut output = Tree::Leaf(args.input()?.clone());
        let mut calls = Vec::with_capacity(self.layers.len());
        for child in &self.layers {
            let call = Args::bind(child.config.arg_names(), vec![output], Vec::new())?;
            output = child.config.infer(&call).map_err(|error| error.at(&child.name))?;
            calls.push(call);
        }
        Ok((calls, output))
    }
}

impl LayerConfig for PipelineConfig {
    const CLASSES: &'static [&'static str] = &["Pipeline"];
    const MASK: MaskRule = MaskRule::Own;
    const STRINGS: bool = true;
    const BORDERS: Borders = Borders::Free;

    type Layer = Pipeline;

    fn function(&self) -> Option<AnyLayer> {
        let layers = self.layers.iter().map(|child| child.config.function());
        let layers = layers.collect::<Option<_>>()?;
        Some(AnyLayer::new(Pipeline { layers, children: self.layers.clone() }))
    }

    fn gives_masks(&self, masked: bool) -> bool {
        self.layers.iter().fold(masked, |masked, child| child.config.gives_masks(masked))
    }

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        Ok(self.calls(args)?.1)
    }

    fn variables(&self, args: &Args<Spec>) -> Result<Variables> {
        let (calls, _) = self.calls(args)?;
        let (mut counts, mut variables) = (HashMap::new(), Variables::default());
        for (at, (child, call)) in self.layers.iter().zip(&calls).enumerate() {
            let own = child.config.variables(call).map_err(|error| error.at(&child.name))?;
            let group = child.config.group_name().map(|base| numbered(&mut counts, base));
            variables = variables.with_child(
                &group.unwrap_or_default(),
                &format!("layers.{at}"),
                own,
                child.trainable,
            );
        }
        Ok(variables)
    }

    fn build(&self, args: &Args<Spec>, weights: &mut Weights<'_>) -> Result<Pipeline> {
        let (calls, _) = self.calls(args)?;
        let layers = self.layers.iter().zip(&calls).enumerate().map(|(at, (child, call))| {
            let mut weights = weights.child(&format!("layers.{at}")).frozen_unless(child.trainable);
            child.config.build(call, &mut weights).map_err(|error| error.at(&child.name))
        });
        Ok(Pipeline { layers: layers.collect::<Result<_>>()?, children: self.layers.clone() })
    }
}

/// Layers one after the other. The mask of the output is what the last of them makes of it.
///
/// # Shapes
/// - inputs: what the first layer takes
/// - outputs: what the last layer gives
#[derive(Module, Debug)]
pub struct Pipeline {
    /// The layers, in order.
    pub layers: Vec<AnyLayer>,
    #[module(skip)]
    children: Vec<Child>,
}

impl Layer for Pipeline {
    fn call(&self, args: Args<Value>, cx: &Context) -> Result<Tree<Value>> {
        let mut output = Tree::Leaf(args.into_input()?);
        for (layer, child) in self.layers.iter().zip(&self.children) {
            let call = Args::bind(child.config.arg_names(), vec![output], Vec::new())?;
            let called = call_layer(child.config.mask_rule(), layer, call, cx);
            output = called.map_err(|error| error.at(&child.name))?;
        }
        Ok(output)
    }

    fn reset_state(&self) {
        self.layers.iter().for_each(AnyLayer::reset_state);
    }
}
