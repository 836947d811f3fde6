//! What stands for one layer of a model: what it says itself, or a [`KerasLayer`](crate::module::KerasLayer).

use serde_json::Value as Json;

use super::code::{Code, Field, Layout, Place};
use super::draft::shape;
use super::keras_layer::{KerasCall, KerasSource, keras_layer};
use super::names::plain;
use crate::config::graph::GraphLayer;
use crate::error::{Error, Result};
use crate::layer::{Args, Spec, Tree, Variable, Variables};

/// One call of a layer.
#[derive(Clone, Debug)]
pub(super) struct LayerCall {
    pub args: Args<Spec>,
    /// Masks that it is called with.
    pub mask: Option<Tree<Spec>>,
    /// Which of the tensors that it is called with, masks last, may have masks themselves.
    pub values: Vec<bool>,
    /// Whether what it gives may have a mask.
    pub gives_masks: bool,
    pub outputs: Tree<Spec>,
}

impl LayerCall {
    /// Everything that it takes and gives.
    pub(super) fn specs(&self) -> Vec<&Spec> {
        [self.args.leaves(), self.outputs.leaves()].concat()
    }

    fn is_plain(&self) -> bool {
        let has_masks = self.mask.is_some() || self.values.contains(&true) || self.gives_masks;
        !has_masks && self.specs().into_iter().all(|spec| spec.rank() > 0)
    }
}

/// A layer with all its calls.
#[derive(Debug)]
pub(super) struct Layer<'a> {
    pub layer: &'a GraphLayer,
    pub calls: Vec<LayerCall>,
    /// Whether neither it nor a model around it is frozen.
    pub trainable: bool,
    /// The expressions of its calls, if a `KerasLayer` stands for it.
    pub keras: Option<Vec<String>>,
    /// What it keeps.
    pub field: Option<Field>,
    /// The name of that.
    pub name: Option<String>,
    /// The items that it names.
    pub uses: Vec<&'static str>,
}

impl<'a> Layer<'a> {
    /// A layer, whose variables are these; `object` is it as it stands in the file.
    ///
    /// # Errors
    /// When there is no way to write it.
    pub(super) fn new(
        layer: &'a GraphLayer,
        calls: Vec<LayerCall>,
        trainable: bool,
        variables: &Variables,
        object: &Json,
    ) -> Result<Self> {
        let mut it = Self { layer, calls, trainable, keras: None, field: None, name: None, uses: Vec::new() };
        if let Some(Code { field, uses, .. }) = it.own_code(variables) {
            (it.field, it.uses) = (field, uses);
            return Ok(it);
        }
        // Whether it is as in training, the device says: what a call says of it is overruled in Keras, too, by
        // `fit` and `predict`.
        let calls = it.calls.iter().map(|call| KerasCall { args: &call.args, mask: call.mask.as_ref() });
        let source = keras_layer(object, !trainable, &calls.collect::<Vec<_>>())?;
        let KerasSource { field, calls, uses } = source;
        (it.field, it.keras, it.uses) = (Some(field), Some(calls), uses.into_iter().collect());
        Ok(it)
    }

    /// What the layer says of itself, if it can stand for all its calls.
    fn own_code(&self, variables: &Variables) -> Option<Code> {
        let trainable = |variable: &&&Variable| variable.trainable && self.trainable;
        let free: Vec<_> = variables.iter().filter(|variable| !variable.is_fixed).collect();
        let trained = free.iter().filter(trainable).count();
        let is_whole = trained == 0 || trained == free.len();
        if !is_whole || !self.calls.iter().all(LayerCall::is_plain) {
            return None;
        }
        let place =
            |call: &LayerCall| self.layer.config.code(&Place { args: &call.args, layout: Layout::Keras });
        let mut codes = self.calls.iter().map(place);
        let first = codes.next()??;
        codes.all(|code| code.is_some_and(|code| code.field == first.field)).then_some(first)
    }

    /// What the layer itself says of one of its calls, where what it is called with lies so.
    ///
    /// # Errors
    /// When it says nothing.
    pub(super) fn code(&self, call: usize, layout: Layout) -> Result<Code> {
        let code = self.calls.get(call).and_then(|call| {
            let code = |layout| self.layer.config.code(&Place { args: &call.args, layout });
            code(layout).filter(|code| code.field == self.field).or_else(|| code(Layout::Keras))
        });
        code.ok_or_else(|| Error::unsupported("there is no source for it"))
    }
}

/// What a layer is, in a line.
pub(super) fn doc(
    layer: &GraphLayer,
    call: Option<&LayerCall>,
    parameters: usize,
    is_frozen: bool,
) -> String {
    let list = |specs: Vec<&Spec>| {
        let shapes = specs.into_iter().map(|spec| format!("`{}`", shape(spec, false)));
        shapes.collect::<Vec<_>>().join(", ")
    };
    let mut doc = format!("`{}`", plain(layer.config.class()));
    if let Some(call) = call {
        let (takes, gives) = (list(call.args.leaves()), list(call.outputs.leaves()));
        doc += &if takes.is_empty() { format!(": {gives}") } else { format!(": {takes} to {gives}") };
    }
    doc += &match parameters {
        0 => String::new(),
        1 => ", 1 parameter".to_owned(),
        many => format!(", {} parameters", grouped(many)),
    };
    doc + if is_frozen { ", frozen." } else { "." }
}

/// `3,538,984`.
pub(super) fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// How many numbers there are in variables, as Keras counts them.
pub(super) fn count(variables: &Variables) -> usize {
    let counted = variables.iter().filter(|variable| !variable.is_named);
    let size =
        |variable: &Variable| variable.shape.iter().fold(1_usize, |size, axis| size.saturating_mul(*axis));
    counted.map(size).fold(0, usize::saturating_add)
}
