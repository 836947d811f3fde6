//! What is to be written, before it is text.

use std::collections::BTreeMap;

use super::code::Layout;
use super::names::pascal;
use super::text::replace_word;
use crate::config::Dtype;
use crate::layer::Spec;

/// Items that every file may name.
const USUAL: &[&str] = &[
    "burn::module::Module",
    "burn::store::BurnpackStore",
    "burn::store::ModuleSnapshot",
    "burn::tensor::Bool",
    "burn::tensor::DType",
    "burn::tensor::Device",
    "burn::tensor::Int",
    "burn::tensor::Tensor",
    "burn_keras::Error",
    "burn_keras::Result",
    "burn_keras::Value",
    "burn_keras::module::typed",
    "burn_keras::store::KerasStore",
    "std::path::PathBuf",
];

/// Everything that goes into one file of source.
#[derive(Debug)]
pub(super) struct Draft {
    /// The model itself is the last one.
    pub structs: Vec<Struct>,
    /// The paths of items, and what they are called here.
    pub uses: BTreeMap<String, String>,
    /// What the reader of the source has to know.
    pub notes: Vec<String>,
}

impl Draft {
    pub(super) fn new() -> Self {
        let mut draft = Self { structs: Vec::new(), uses: BTreeMap::new(), notes: Vec::new() };
        draft.import(USUAL);
        draft
    }

    /// Names these items. One of several of the same name gets another one.
    pub(super) fn import(&mut self, paths: &[&str]) {
        for path in paths {
            if self.uses.contains_key(*path) {
                continue;
            }
            let (own, crate_name) = (name_of(path), pascal(path.split("::").next().unwrap_or_default()));
            let crate_name =
                crate_name.strip_prefix("Burn").filter(|rest| !rest.is_empty()).unwrap_or(&crate_name);
            let mut name = own.to_owned();
            while self.uses.values().any(|known| *known == name) {
                name = format!("{crate_name}{name}");
            }
            self.uses.insert((*path).to_owned(), name);
        }
    }

    /// Source that names these items, with what they are called here.
    pub(super) fn renamed(&self, source: &str, paths: &[&str]) -> String {
        let renamed = paths.iter().filter_map(|path| Some((name_of(path), self.uses.get(*path)?)));
        let renamed = renamed.filter(|(own, name)| own != name);
        renamed.fold(source.to_owned(), |source, (own, name)| replace_word(&source, own, name))
    }
}

/// The last part of a path.
fn name_of(path: &str) -> &str {
    path.rsplit("::").next().unwrap_or(path)
}

/// A model: a struct with a method for every way in which it is called.
#[derive(Debug)]
pub(super) struct Struct {
    pub name: String,
    /// What it is, in a line.
    pub doc: String,
    pub fields: Vec<FieldLine>,
    pub forwards: Vec<Forward>,
    /// What the methods give, if that is no tuple.
    pub output: Option<OutputStruct>,
}

/// A field of a struct.
#[derive(Debug, Default)]
pub(super) struct FieldLine {
    pub name: String,
    /// The name of the layer.
    pub keras: String,
    /// Whether a store does not find the layer by the name of the field.
    pub is_renamed: bool,
    pub parameters: usize,
    /// The number of its struct, if it is a model.
    pub model: Option<usize>,
    /// Whether it is a layer of this crate.
    pub is_keras: bool,
    pub ty: String,
    pub init: String,
    /// What it is, in a line.
    pub doc: String,
}

/// The struct of what a model gives.
#[derive(Debug)]
pub(super) struct OutputStruct {
    pub name: String,
    pub fields: Vec<OutputField>,
}

/// One of several outputs.
#[derive(Debug)]
pub(super) struct OutputField {
    pub name: String,
    pub ty: String,
    pub doc: String,
}

/// How a value is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Held {
    /// As a tensor of Burn's.
    Tensor(Layout),
    /// As a [`Value`](crate::Value), which may have a mask.
    Value,
}

/// What kind of tensor a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    rank: usize,
    dtype: Dtype,
}

impl Kind {
    pub(super) fn of(spec: &Spec) -> Self {
        // The width of numbers is not in their type.
        let dtype = match spec.dtype {
            Dtype::Bool => Dtype::Bool,
            dtype if dtype.is_float() => Dtype::Float32,
            _ => Dtype::Int32,
        };
        Self { rank: spec.rank(), dtype }
    }

    /// The type of the tensor: `Tensor<2, Int>`. What has no axes in Keras is a vector of one in Burn.
    pub(super) fn tensor(self) -> String {
        let rank = self.rank.max(1);
        match self.dtype {
            Dtype::Float32 => format!("Tensor<{rank}>"),
            Dtype::Bool => format!("Tensor<{rank}, Bool>"),
            _ => format!("Tensor<{rank}, Int>"),
        }
    }

    /// The type of the value as it is held.
    pub(super) fn held(self, held: Held) -> String {
        if held == Held::Value { "Value".to_owned() } else { self.tensor() }
    }

    /// An expression of the value held in one way, from one of it held in another.
    pub(super) fn convert(self, x: &str, from: Held, to: Held) -> String {
        use Layout::{ChannelsFirst, Keras};
        match (from, to) {
            (Held::Tensor(Keras), Held::Tensor(ChannelsFirst)) => self.permute(x, true),
            (Held::Tensor(ChannelsFirst), Held::Tensor(Keras)) => self.permute(x, false),
            (Held::Tensor(Keras), Held::Value) => format!("Value::from({x})"),
            (Held::Tensor(ChannelsFirst), Held::Value) => format!("Value::from_channels_first({x})"),
            (Held::Value, Held::Tensor(Keras)) => format!("typed::<{}>({x})", self.tensor()),
            (Held::Value, Held::Tensor(ChannelsFirst)) => {
                self.permute(&self.convert(x, from, Held::Tensor(Keras)), true)
            }
            _ => x.to_owned(),
        }
    }

    fn permute(self, x: &str, to_channels_first: bool) -> String {
        let mut axes: Vec<usize> = (0..self.rank).collect();
        match (axes.get_mut(1..), to_channels_first) {
            (Some(axes), true) if !axes.is_empty() => axes.rotate_right(1),
            (Some(axes), false) if !axes.is_empty() => axes.rotate_left(1),
            _ => {}
        }
        format!("{x}.permute({axes:?})")
    }

    /// Whether its axes can be in another order than Keras'.
    pub(super) fn is_spatial(self) -> bool {
        self.rank >= 3 && self.dtype == Dtype::Float32
    }
}

/// A value of a method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Local {
    /// What it may be called.
    pub name: String,
    pub kind: Kind,
    /// How it is held where it comes from.
    pub home: Held,
}

/// A value, and how it is held there.
pub(super) type Use = (usize, Held);

/// One statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// An expression of `{0}`, `{1}`, ...
    pub call: String,
    pub takes: Vec<Use>,
    /// The values that it gives, as they are held at home.
    pub gives: Vec<usize>,
    /// How several come.
    pub pattern: Pattern,
    /// Whether the expression can be of several types.
    pub is_generic: bool,
}

/// How several values come out of an expression, or go into one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Pattern {
    /// As themselves or in a tuple.
    Tuple,
    /// As fields of a struct.
    Struct(String, Vec<String>),
}

/// A method.
#[derive(Clone, Debug)]
pub(super) struct Forward {
    pub values: Vec<Local>,
    /// How many of the values, from the first on, are arguments.
    pub inputs: usize,
    /// The types of their numbers.
    pub dtypes: Vec<Dtype>,
    pub steps: Vec<Step>,
    pub outputs: Vec<Use>,
    pub result: Pattern,
    /// The shapes of the inputs and those of the outputs, with names for their axes.
    pub shapes: [Vec<String>; 2],
}

impl Forward {
    /// Whether the two are the same but for what is said of them.
    pub(super) fn is(&self, other: &Self) -> bool {
        let parts = |it: &Self| (it.values.clone(), it.inputs, it.steps.clone(), it.outputs.clone());
        parts(self) == parts(other) && self.result == other.result
    }
}

/// `[batch, 28, 28, 1]`.
pub(super) fn shape(spec: &Spec, is_input: bool) -> String {
    let names: &[&str] = match (spec.rank(), spec.shape.iter().skip(1).filter(|size| size.is_none()).count())
    {
        (3, 1) if is_input => &["steps"],
        (4, 2) if is_input => &["height", "width"],
        (5, 3) if is_input => &["depth", "height", "width"],
        _ => &[],
    };
    let mut names = names.iter();
    let axes = spec.shape.iter().enumerate().map(|(axis, size)| match (size, axis) {
        (Some(size), _) => size.to_string(),
        (None, 0) => "batch".to_owned(),
        (None, _) => names.next().map_or_else(|| "any".to_owned(), |name| (*name).to_owned()),
    });
    format!("[{}]", axes.collect::<Vec<_>>().join(", "))
}
