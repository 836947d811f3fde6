//! What the parts of this module say to each other.

use std::ops::Range;

use burn::tensor::DType;

use crate::config::Dtype;

/// A layer of a Keras file that has variables of its own.
#[derive(Clone, Debug, Default)]
pub(crate) struct KerasUnit {
    /// The names of the layers that lead to it, the model's own left out: `encoder.lstm`. Layers that are only
    /// wrapped (`TimeDistributed`, `Bidirectional`) have no unit of their own.
    pub path: String,
    /// Its class. In a file without a model description, what the name of its group says.
    pub class: String,
    /// In Keras' order.
    pub variables: Vec<KerasVariable>,
    /// Its config, if the file has a model description: what no weights tell. Of a wrapper, with the config of what
    /// it wraps inside.
    pub config: serde_json::Map<String, serde_json::Value>,
}

/// A variable of a Keras file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct KerasVariable {
    /// Its name below its unit, with the groups between: `kernel`, `cell.recurrent_kernel`,
    /// `forward_layer.cell.kernel`, `query_dense.kernel`.
    pub name: String,
    /// Its shape in the file.
    pub shape: Vec<usize>,
    /// Its element type in the file.
    pub dtype: Dtype,
    /// Its path among the tensors of the file in Keras 3's form.
    pub place: String,
}

/// A module with parameters, as far as it is one thing to an adapter: `Lstm` with all its gates.
#[derive(Clone, Debug, Default)]
pub(crate) struct ModuleUnit {
    /// The fields that lead to it: `encoder.lstm`.
    pub path: String,
    /// The name of its type: `Lstm`.
    pub ty: String,
    /// In the order in which Burn visits them.
    pub params: Vec<ModuleParam>,
}

/// A parameter of a Burn module.
#[derive(Clone, Debug)]
pub(crate) struct ModuleParam {
    /// Its path below its unit: `weight`, `input_gate.input_transform.weight`.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its element type.
    pub dtype: DType,
    /// For a parameter of a layer of this crate: which axis of the variable each of its axes is, if they are in
    /// another order.
    pub axes: Vec<usize>,
}

/// How the variables of a Keras layer and the parameters of a module are the same numbers: one description, from
/// which both directions follow.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fit {
    /// Every variable that has a place is covered by its pieces, each number once, but for pieces that add.
    pub pieces: Vec<Piece>,
    /// Variables (by number) that the module has no place for, and why.
    pub surplus: Vec<(usize, String)>,
    /// Those of them that must be this number for the layer to compute what the module does, such as 0 for a bias: that
    /// is written.
    pub neutral: Vec<(usize, f32)>,
    /// Parameters (by number) that the layer has nothing for, and the number that stands for it: 0 or 1. When
    /// a module is written, it must hold that number throughout, or that is told.
    pub constant: Vec<(usize, f32)>,
    /// What weights cannot tell and the user must see to, such as a flag of the module.
    pub notes: Vec<String>,
}

/// A block of a variable that is a parameter.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Piece {
    /// Which variable of the unit.
    pub variable: usize,
    /// Which parameter of the unit.
    pub param: usize,
    /// The shape in which the variable is looked at, with as many numbers as its own: `[in, 4, units]`.
    pub view: Vec<usize>,
    /// Which part of every axis of the view: `[0..in, 1..2, 0..units]`.
    pub window: Vec<Range<usize>>,
    /// Which axis of the window each axis of the parameter is, before axes of length 1 come and go; empty when they
    /// are in the same order.
    pub axes: Vec<usize>,
    /// Whether it is a second summand: a parameter that reads as zeros, and is added to what another piece
    /// writes.
    pub adds: bool,
}
