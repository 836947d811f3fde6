//! What one layer is in Rust source.

use crate::layer::{Args, Spec};

/// The order in which generated code holds the axes of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// As Keras says: for a channels-last model `[batch, spatial..., channels]`.
    Keras,
    /// `[batch, channels, spatial...]`, although Keras says otherwise. Burn's spatial modules want it.
    ChannelsFirst,
}

/// Where a layer stands when it is asked for its source.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The shapes and types that it is called with, in Keras' order of axes.
    pub args: &'a Args<Spec>,
    /// How the values that it is called with lie there. All do so, or else it is `Keras`.
    pub layout: Layout,
}

/// A field of the generated module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its type: `Linear`.
    pub ty: String,
    /// The expression that makes it, with fresh weights, on `device`: `LinearConfig::new(8, 4).init(device)`.
    pub init: String,
}

/// A layer in Rust source: a field, if it has parameters, and an expression.
///
/// Its numbers must be Keras', in training, too; a layer that cannot promise that has no code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// What it keeps.
    pub field: Option<Field>,
    /// What it gives. `{0}`, `{1}`, ... are the tensors that it is called with, in Keras' flattened order, each
    /// an owned expression that stands here at most once; `{self}` is the field.
    pub call: String,
    /// The items that both name: `burn::nn::{Linear, LinearConfig}` as `["burn::nn::Linear", "burn::nn::LinearConfig"]`.
    pub uses: Vec<&'static str>,
    /// How it wants the values that it is called with.
    pub takes: Layout,
    /// How it gives its output.
    pub gives: Layout,
}
