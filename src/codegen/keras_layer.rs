//! Layers that burn-nn has no counterpart of: fields of type [`KerasLayer`](crate::module::KerasLayer).
#![allow(dead_code)]

use serde_json::Value as Json;

use super::{Code, Layout};
use crate::error::Result;
use crate::layer::{Args, Spec, Tree};

/// One call of a layer in a model.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KerasCall<'a> {
    /// What it is called with.
    pub args: &'a Args<Spec>,
    /// The explicit masks, whose tensors come after those of the arguments.
    pub mask: Option<&'a Tree<Spec>>,
    /// The `training` of the call.
    pub training: Option<bool>,
    /// What it gives.
    pub outputs: &'a Tree<Spec>,
    /// How the tensors among what it is called with lie: all alike.
    pub layout: Layout,
    /// Which of what it is called with are of type `Value`, since they may have a mask, and not tensors.
    pub values: &'a [bool],
    /// Which of its outputs shall be of type `Value`.
    pub masked: &'a [bool],
}

/// The source of a layer, once for every call of it; all have the same field.
///
/// `object` is the layer as it stands in the `layers` of a model.
///
/// # Errors
/// When the layer cannot stand alone: it is a model, or cannot be read.
pub(crate) fn keras_layer(object: &Json, calls: &[KerasCall<'_>]) -> Result<Vec<Code>> {
    let _ = (object, calls);
    Err(crate::Error::unsupported("not yet"))
}
