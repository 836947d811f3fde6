//! The contract between one kind of layer and the rest of the crate.
//!
//! A kind of layer is a config type that implements [`LayerConfig`] (or, when it has no variables,
//! [`Function`]): how its JSON reads and writes, what it makes of shapes, which variables it has and
//! where they lie in a file, and how it becomes a Burn module. The module implements [`Layer`]: it
//! runs. One line in the table of [`layers`](crate::layers) registers it; a user's own kind goes into
//! a [`Registry`]:
//!
//! ```
//! use burn_keras::layer::{Args, Context, Function, MaskRule, Registry, Spec, Tree};
//! use burn_keras::{Result, Value, config, map_float};
//!
//! config! {
//!     /// Multiplies by a constant.
//!     pub struct Scale {
//!         /// The factor.
//!         factor: f64,
//!     }
//! }
//!
//! impl Function for Scale {
//!     const CLASSES: &'static [&'static str] = &["Scale"];
//!     const MASK: MaskRule = MaskRule::Pass;
//!
//!     fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
//!         Ok(args.input()?.clone().into())
//!     }
//!
//!     fn call(&self, args: Args<Value>, _: &Context) -> Result<Tree<Value>> {
//!         Ok(map_float!(args.into_input()?, x => x * self.factor)?.into())
//!     }
//! }
//!
//! let registry = Registry::new().with::<Scale>();
//! assert!(registry.knows("Scale"));
//! ```

use std::fmt::Debug;

use burn::module::{Devices, Module, ModuleMapper, ModuleVisitor};
use burn::tensor::Device;
use serde_json::Value as Json;

use crate::codegen::{Code, Place};
use crate::config::{Config, Object, Reader};
use crate::error::{Error, Result};
use crate::module::AnyLayer;
use crate::regularizer::Regularizer;
use crate::value::Value;

pub use crate::any_config::AnyConfig;
pub use crate::config::Borders;
pub use crate::registry::{Child, LambdaCall, LambdaShape, Policy, Registry, Row, row, rows};
pub use crate::spec::Spec;
pub use crate::variables::{Asset, Variable, Variables, Weights};

/// A nested structure of tensors and constants, as call arguments and results can be.
#[derive(Clone, Debug, PartialEq)]
pub enum Tree<T> {
    /// One tensor.
    Leaf(T),
    /// A list.
    List(Vec<Tree<T>>),
    /// A dictionary, sorted by key as Keras flattens it.
    Dict(Vec<(String, Tree<T>)>),
    /// Anything that is not a tensor.
    Constant(Json),
}

impl<T> From<T> for Tree<T> {
    fn from(leaf: T) -> Self {
        Self::Leaf(leaf)
    }
}

impl<T> Tree<T> {
    /// A list of tensors.
    pub fn list(leaves: impl IntoIterator<Item = T>) -> Self {
        Self::List(leaves.into_iter().map(Self::Leaf).collect())
    }

    /// The tensors, in Keras' flattened order.
    pub fn leaves(&self) -> Vec<&T> {
        let mut leaves = Vec::new();
        self.each(&mut |leaf| leaves.push(leaf));
        leaves
    }

    fn each<'a>(&'a self, visit: &mut impl FnMut(&'a T)) {
        match self {
            Self::Leaf(leaf) => visit(leaf),
            Self::List(items) => items.iter().for_each(|item| item.each(visit)),
            Self::Dict(items) => items.iter().for_each(|(_, item)| item.each(visit)),
            Self::Constant(_) => {}
        }
    }

    /// The tensors by value, in Keras' flattened order.
    pub fn into_leaves(self) -> Vec<T> {
        match self {
            Self::Leaf(leaf) => vec![leaf],
            Self::List(items) => items.into_iter().flat_map(Self::into_leaves).collect(),
            Self::Dict(items) => items.into_iter().flat_map(|(_, item)| item.into_leaves()).collect(),
            Self::Constant(_) => Vec::new(),
        }
    }

    /// The same structure of other tensors.
    ///
    /// # Errors
    /// The first that `map` gives.
    pub fn try_map<U>(&self, map: &mut impl FnMut(&T) -> Result<U>) -> Result<Tree<U>> {
        Ok(match self {
            Self::Leaf(leaf) => Tree::Leaf(map(leaf)?),
            Self::List(items) => {
                Tree::List(items.iter().map(|item| item.try_map(map)).collect::<Result<_>>()?)
            }
            Self::Dict(items) => Tree::Dict(
                items
                    .iter()
                    .map(|(key, item)| Ok((key.clone(), item.try_map(map)?)))
                    .collect::<Result<_>>()?,
            ),
            Self::Constant(json) => Tree::Constant(json.clone()),
        })
    }

    /// Replaces constants for which `replace` has something else.
    pub(crate) fn replace_constants(self, replace: &mut impl FnMut(&Json) -> Option<Self>) -> Self {
        match self {
            Self::Constant(json) => match (replace(&json), json) {
                (Some(replaced), _) => replaced,
                (None, Json::Array(items)) if items.iter().any(Json::is_object) => {
                    Self::List(items.into_iter().map(Self::Constant).collect()).replace_constants(replace)
                }
                (None, json) => Self::Constant(json),
            },
            Self::List(items) => {
                Self::List(items.into_iter().map(|item| item.replace_constants(replace)).collect())
            }
            Self::Dict(items) => Self::Dict(
                items.into_iter().map(|(key, item)| (key, item.replace_constants(replace))).collect(),
            ),
            leaf @ Self::Leaf(_) => leaf,
        }
    }

    /// Whether it is Python's `None`.
    #[must_use]
    pub fn is_none(&self) -> bool {
        matches!(self, Self::Constant(Json::Null))
    }
}

/// The arguments of one call of a layer, by the names that the layer declares.
#[derive(Clone, Debug)]
pub struct Args<T> {
    names: &'static [&'static str],
    values: Vec<Option<Tree<T>>>,
    masks_pass_by: bool,
}

impl<T> Args<T> {
    /// Binds positional and keyword arguments to names. Python's `None` is as good as absent.
    ///
    /// As in Python, all further positional arguments belong to a name such as `*args`, as a list, and
    /// all further keyword arguments to one such as `**kwargs`, as a dictionary.
    ///
    /// # Errors
    /// When there are too many, or one has an unknown name.
    pub fn bind(
        names: &'static [&'static str],
        mut positional: Vec<Tree<T>>,
        keywords: Vec<(String, Tree<T>)>,
    ) -> Result<Self> {
        let is_rest = |name: &&str| name.starts_with('*') && !name.starts_with("**");
        if let Some(at) = names.iter().position(is_rest).filter(|at| *at < positional.len()) {
            let rest = positional.split_off(at);
            positional.push(Tree::List(rest));
        }
        if positional.len() > names.len() {
            let (given, most) = (positional.len(), names.len());
            return Err(Error::unsupported(format_args!(
                "called with {given} arguments, at most {most} are known"
            )));
        }
        let mut values: Vec<_> = names.iter().map(|_| None).collect();
        for (slot, value) in values.iter_mut().zip(positional) {
            *slot = Some(value).filter(|value| !value.is_none());
        }
        let mut others = Vec::new();
        for (key, value) in keywords.into_iter().filter(|(_, value)| !value.is_none()) {
            match names.iter().position(|name| *name == key) {
                Some(at) => values[at] = Some(value),
                None => others.push((key, value)),
            }
        }
        match (names.iter().position(|name| name.starts_with("**")), others.first()) {
            (Some(at), _) => values[at] = Some(Tree::Dict(others)),
            (None, None) => {}
            (None, Some((key, _))) => {
                let message = format_args!("called with the argument {key:?}; known are {names:?}");
                return Err(Error::unsupported(message));
            }
        }
        Ok(Self { names, values, masks_pass_by: false })
    }

    /// A call with one tensor.
    #[must_use]
    pub fn one(input: T) -> Self {
        Self { names: &["inputs"], values: vec![Some(Tree::Leaf(input))], masks_pass_by: false }
    }

    /// A call without arguments.
    #[must_use]
    pub fn none() -> Self {
        Self { names: &[], values: Vec::new(), masks_pass_by: false }
    }

    /// The same arguments, with masks that the layer does not look at, though its outputs get them.
    /// So it is in Keras when there are several arguments, and no explicit mask.
    #[must_use]
    pub fn with_masks_passing_by(self, masks_pass_by: bool) -> Self {
        Self { masks_pass_by, ..self }
    }

    /// Whether masks only [pass by](Self::with_masks_passing_by).
    #[must_use]
    pub fn masks_pass_by(&self) -> bool {
        self.masks_pass_by
    }

    /// The argument of that name, unless absent.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Tree<T>> {
        let at = self.names.iter().position(|known| *known == name)?;
        self.values.get(at)?.as_ref()
    }

    /// The first argument, which must be one tensor.
    ///
    /// # Errors
    /// When it is none or several.
    pub fn input(&self) -> Result<&T> {
        match self.values.first() {
            Some(Some(Tree::Leaf(input))) => Ok(input),
            _ => Err(Error::config("expected to be called with one tensor")),
        }
    }

    /// The tensors in the first argument.
    #[must_use]
    pub fn inputs(&self) -> Vec<&T> {
        self.values.first().and_then(Option::as_ref).map_or_else(Vec::new, Tree::leaves)
    }

    /// The first argument by value, which must be one tensor.
    ///
    /// # Errors
    /// When it is none or several.
    pub fn into_input(self) -> Result<T> {
        match self.values.into_iter().next() {
            Some(Some(Tree::Leaf(input))) => Ok(input),
            _ => Err(Error::input("expected to be called with one tensor")),
        }
    }

    /// The tensors in the first argument, by value.
    #[must_use]
    pub fn into_inputs(self) -> Vec<T> {
        self.values.into_iter().next().flatten().map_or_else(Vec::new, Tree::into_leaves)
    }

    /// The same arguments with other tensors.
    ///
    /// # Errors
    /// The first that `map` gives.
    pub fn try_map<U>(&self, map: &mut impl FnMut(&T) -> Result<U>) -> Result<Args<U>> {
        let values = self.values.iter().map(|value| value.as_ref().map(|tree| tree.try_map(map)).transpose());
        Ok(Args {
            values: values.collect::<Result<_>>()?,
            names: self.names,
            masks_pass_by: self.masks_pass_by,
        })
    }

    /// Replaces constants for which `replace` has something else.
    pub(crate) fn replace_constants(self, replace: &mut impl FnMut(&Json) -> Option<Tree<T>>) -> Self {
        let replaced = self.values.into_iter().map(|value| Some(value?.replace_constants(replace)));
        Self { values: replaced.collect(), names: self.names, masks_pass_by: self.masks_pass_by }
    }

    /// How many of the arguments have tensors in them.
    #[must_use]
    pub fn tensor_arguments(&self) -> usize {
        self.values.iter().flatten().filter(|tree| !tree.leaves().is_empty()).count()
    }

    /// Every tensor of every argument.
    #[must_use]
    pub fn leaves(&self) -> Vec<&T> {
        self.values.iter().flatten().flat_map(Tree::leaves).collect()
    }
}

impl Args<Value> {
    /// The mask that the layer is to use: one given by position, or that of the input. It is not always
    /// the one that the outputs get.
    #[must_use]
    pub fn mask(&self) -> Option<&Value> {
        match self.get("mask") {
            Some(given) => given.leaves().first().copied(),
            None => self.inputs().first().filter(|_| !self.masks_pass_by)?.mask(),
        }
    }
}

/// What becomes of the mask of a layer's inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaskRule {
    /// The outputs have none.
    Drop,
    /// Every output gets the mask of the first input.
    Pass,
    /// The layer sets the masks of its outputs itself.
    Own,
}

/// The circumstances of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// Whether to behave as in training: `Some` overrules the layers, `None` leaves it to their own
    /// flags and to whether the data is on an autodiff device.
    pub training: Option<bool>,
}

/// A kind of layer: its config, in every respect but running.
pub trait LayerConfig: Config + Clone + Debug + Send + Sync + 'static {
    /// The class names that it goes by in Keras; the first is the one that is written and from which
    /// the path in the weights file is made.
    const CLASSES: &'static [&'static str];

    /// The parameters of `call` in order. The graph takes care of `mask` and `training` given by name:
    /// they stand here only where Keras takes a mask by position.
    const ARGS: &'static [&'static str] = &["inputs"];

    /// What becomes of masks.
    const MASK: MaskRule = MaskRule::Drop;

    /// Whether a call takes the masks off its inputs, which later calls then do not see either.
    const TAKES_MASKS: bool = false;

    /// Whether it is an operation of `keras.ops`: those have no group in the weights file.
    const OPERATION: bool = false;

    /// Whether it takes strings.
    const STRINGS: bool = false;

    /// The dtype policies for which it is this kind of its class.
    const POLICY: Policy = Policy::Plain;

    /// What its dtype policy does.
    const BORDERS: Borders = if Self::OPERATION { Borders::Free } else { Borders::Cast };

    /// Whether it is an input of a model.
    const INPUT: bool = false;

    /// The number by which a model refers to its first call in `input_layers` and `output_layers`.
    const FIRST_CALL: usize = 0;

    /// The Burn module that it builds.
    type Layer: Layer;

    /// Reads the whole serialized object, for the few kinds that need more than its config.
    fn read_object(object: &Object<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        Self::read(object.config, reader)
    }

    /// The base name of its group in a weights file; operations have none.
    #[must_use]
    fn group_name(&self) -> Option<String> {
        Self::CLASSES.first().filter(|_| !Self::OPERATION).map(|class| crate::config::snake_case(class))
    }

    /// What it takes, if it is an input of a model that says so.
    #[must_use]
    fn input(&self) -> Option<Spec> {
        None
    }

    /// The layer itself, if it has neither variables nor other state.
    #[must_use]
    fn function(&self) -> Option<AnyLayer> {
        None
    }

    /// What the outputs cost in training, by what `activity_regularizer` says in the config.
    ///
    /// # Errors
    /// When that applies to something else than the outputs.
    fn activity_regularizer(&self, given: &Regularizer) -> Result<Regularizer> {
        Ok(given.clone())
    }

    /// The shapes and types of the outputs.
    ///
    /// # Errors
    /// When the config does not fit the inputs: everything that could go wrong in [`Layer::call`]
    /// for inputs of these shapes is found here.
    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>>;

    /// The variables, in Keras' order.
    ///
    /// # Errors
    /// When the config does not fit the inputs.
    fn variables(&self, args: &Args<Spec>) -> Result<Variables> {
        let _ = args;
        Ok(Variables::default())
    }

    /// The Burn module, with its variables out of `weights`.
    ///
    /// # Errors
    /// When the weights do not fit.
    fn build(&self, args: &Args<Spec>, weights: &mut Weights<'_>) -> Result<Self::Layer>;

    /// Whether its outputs may have masks, given whether an input has one. Never no where one has.
    #[must_use]
    fn gives_masks(&self, masked: bool) -> bool {
        masked && Self::MASK != MaskRule::Drop
    }

    /// The layer in Rust source with burn-nn's modules and Burn's functions, where these give the same numbers.
    /// A layer without has a [`KerasLayer`](crate::module::KerasLayer) in its place.
    #[must_use]
    fn code(&self, place: &Place<'_>) -> Option<Code> {
        let _ = place;
        None
    }
}

/// A built layer: a Burn module that runs.
pub trait Layer: Module + Sync + 'static {
    /// Runs the layer.
    ///
    /// # Errors
    /// When the inputs are not what [`LayerConfig::outputs`] was asked about.
    fn call(&self, args: Args<Value>, cx: &Context) -> Result<Tree<Value>>;

    /// Forgets what it carries from call to call, as a `stateful` recurrent layer does.
    fn reset_state(&self) {}
}

/// A kind of layer without variables: its config is all there is to it.
pub trait Function: Config + Clone + Debug + Send + Sync + 'static {
    /// See [`LayerConfig::CLASSES`].
    const CLASSES: &'static [&'static str];
    /// See [`LayerConfig::ARGS`].
    const ARGS: &'static [&'static str] = &["inputs"];
    /// See [`LayerConfig::MASK`].
    const MASK: MaskRule = MaskRule::Drop;
    /// See [`LayerConfig::OPERATION`].
    const OPERATION: bool = false;
    /// See [`LayerConfig::STRINGS`].
    const STRINGS: bool = false;

    /// See [`LayerConfig::read_object`].
    fn read_object(object: &Object<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        Self::read(object.config, reader)
    }

    /// See [`LayerConfig::activity_regularizer`].
    ///
    /// # Errors
    /// When that applies to something else than the outputs.
    fn activity_regularizer(&self, given: &Regularizer) -> Result<Regularizer> {
        Ok(given.clone())
    }

    /// See [`LayerConfig::group_name`].
    #[must_use]
    fn group_name(&self) -> Option<String> {
        Self::CLASSES.first().filter(|_| !Self::OPERATION).map(|class| crate::config::snake_case(class))
    }

    /// See [`LayerConfig::outputs`].
    ///
    /// # Errors
    /// When the config does not fit the inputs.
    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>>;

    /// See [`Layer::call`].
    ///
    /// # Errors
    /// When the inputs are not what [`outputs`](Self::outputs) was asked about.
    fn call(&self, args: Args<Value>, cx: &Context) -> Result<Tree<Value>>;

    /// See [`LayerConfig::gives_masks`].
    #[must_use]
    fn gives_masks(&self, masked: bool) -> bool {
        masked && Self::MASK != MaskRule::Drop
    }

    /// See [`LayerConfig::code`].
    #[must_use]
    fn code(&self, place: &Place<'_>) -> Option<Code> {
        let _ = place;
        None
    }
}

impl<F: Function> LayerConfig for F {
    const CLASSES: &'static [&'static str] = F::CLASSES;
    const ARGS: &'static [&'static str] = F::ARGS;
    const MASK: MaskRule = F::MASK;
    const OPERATION: bool = F::OPERATION;
    const STRINGS: bool = F::STRINGS;

    type Layer = Stateless<F>;

    fn read_object(object: &Object<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        F::read_object(object, reader)
    }

    fn group_name(&self) -> Option<String> {
        F::group_name(self)
    }

    fn function(&self) -> Option<AnyLayer> {
        Some(AnyLayer::new(Stateless(self.clone())))
    }

    fn activity_regularizer(&self, given: &Regularizer) -> Result<Regularizer> {
        F::activity_regularizer(self, given)
    }

    fn outputs(&self, args: &Args<Spec>) -> Result<Tree<Spec>> {
        F::outputs(self, args)
    }

    fn build(&self, _: &Args<Spec>, _: &mut Weights<'_>) -> Result<Stateless<F>> {
        Ok(Stateless(self.clone()))
    }

    fn gives_masks(&self, masked: bool) -> bool {
        F::gives_masks(self, masked)
    }

    fn code(&self, place: &Place<'_>) -> Option<Code> {
        F::code(self, place)
    }
}

/// The module of a [`Function`].
#[derive(Clone, Debug)]
pub struct Stateless<F>(pub F);

impl<F: Function> Layer for Stateless<F> {
    fn call(&self, args: Args<Value>, cx: &Context) -> Result<Tree<Value>> {
        self.0.call(args, cx)
    }
}

impl<F: Function> Module for Stateless<F> {
    fn collect_devices(&self, devices: Devices) -> Devices {
        devices
    }
    fn fork(self, _: &Device) -> Self {
        self
    }
    fn to_device(self, _: &Device) -> Self {
        self
    }
    fn train(self) -> Self {
        self
    }
    fn valid(&self) -> Self {
        self.clone()
    }
    fn materialize(self) -> Self {
        self
    }
    fn visit<V: ModuleVisitor>(&self, _: &mut V) {}
    fn map<M: ModuleMapper>(self, _: &mut M) -> Self {
        self
    }
}
