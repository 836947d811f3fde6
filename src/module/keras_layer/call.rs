//! Which layer, and how it is called.

use serde_json::Value as Json;

use crate::build::{Fresh, FreshLayer};
use crate::config::call::read_tree;
use crate::config::graph::{KEEPS_MASKS, read_shape};
use crate::config::{Dtype, Object, json};
use crate::error::{Error, Result};
use crate::layer::{LayerConfig, Registry, Spec, Tree};

/// A layer or an operation as Keras serializes it.
///
/// What of it makes no sense is told when it is built.
#[derive(Clone, Debug)]
pub struct KerasObject {
    pub(super) json: Result<Json, String>,
    /// The kinds of layers that it may be made of.
    pub(super) registry: Registry,
}

impl KerasObject {
    /// A layer of Keras' class of that name with this config, in JSON: what `get_config` returns. Keys that have
    /// defaults may be left out.
    #[must_use]
    pub fn layer(class: &str, config: &str) -> Self {
        Self::read(class, "keras.layers", config)
    }

    /// An operation of `keras.ops`, by its class, with the config that Keras has for it in a model.
    #[must_use]
    pub fn operation(class: &str, config: &str) -> Self {
        // Which of the modules is no matter: names of operations are unique.
        Self::read(class, "keras.src.ops.operation", config)
    }

    /// The layer with the masks of Keras 2: its outputs have the mask of its first input, whatever its kind.
    #[must_use]
    pub fn keeping_masks(mut self) -> Self {
        if let Ok(Json::Object(envelope)) = &mut self.json {
            envelope.insert(KEEPS_MASKS.to_owned(), true.into());
        }
        self
    }

    /// The layer with further kinds of layers, or a meaning for `Lambda` layers, than those of this crate.
    #[must_use]
    pub fn with_registry(self, registry: Registry) -> Self {
        Self { registry, ..self }
    }

    fn read(class: &str, module: &str, config: &str) -> Self {
        let json = json::parse(config).map_err(|error| error.to_string());
        let object =
            json.map(|config| serde_json::json!({"module": module, "class_name": class, "config": config}));
        Self { json: object, registry: Registry::new() }
    }
}

impl From<&Json> for KerasObject {
    fn from(json: &Json) -> Self {
        Self { json: Ok(json.clone()), registry: Registry::new() }
    }
}

impl From<&str> for KerasObject {
    /// The whole object in JSON: `{"class_name": "Dense", "config": {"units": 4}}`.
    fn from(text: &str) -> Self {
        Self { json: json::parse(text).map_err(|error| error.to_string()), registry: Registry::new() }
    }
}

impl From<&FreshLayer> for KerasObject {
    fn from(layer: &FreshLayer) -> Self {
        let (json, registry) = layer.serialized();
        Self { json: json.map_err(|error| error.to_string()), registry }
    }
}

impl From<FreshLayer> for KerasObject {
    fn from(layer: FreshLayer) -> Self {
        (&layer).into()
    }
}

impl<C: LayerConfig> From<Fresh<C>> for KerasObject {
    fn from(layer: Fresh<C>) -> Self {
        FreshLayer::from(layer).into()
    }
}

impl<C: LayerConfig> From<&Fresh<C>> for KerasObject {
    fn from(layer: &Fresh<C>) -> Self {
        FreshLayer::from(layer).into()
    }
}

/// How a layer is called: the shapes and types of its tensors, its constants, and how they are put together.
///
/// For one tensor of floats its shape without the batch will do: `[28, 28, 1]`. Tensors are then given in the
/// order of the layer's parameters, and within one in that of lists and of the sorted keys of dictionaries.
///
/// ```
/// use burn_keras::layer::{Spec, Tree};
/// use burn_keras::module::Call;
///
/// // attention([query, value], use_causal_mask=True)
/// let call = Call::on(Tree::list([Spec::batch([5, 8]), Spec::batch([7, 8])]));
/// let call = call.with_constant("use_causal_mask", true);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Call {
    pub(super) positional: Vec<Tree<Spec>>,
    pub(super) keywords: Vec<(String, Tree<Spec>)>,
    pub(super) others: Vec<Call>,
    /// What was wrong already when it was made.
    pub(super) fault: Option<String>,
}

impl Call {
    /// A call without arguments.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A call whose first argument is this: a [`Spec`], or several in a [`Tree`].
    #[must_use]
    pub fn on(first: impl Into<Tree<Spec>>) -> Self {
        Self { positional: vec![first.into()], ..Self::default() }
    }

    /// The call with a further argument of that name. As in Keras, `mask` is the mask of the first argument, or a
    /// list with one for each of its tensors; those come after all other tensors.
    #[must_use]
    pub fn with(mut self, name: &str, argument: impl Into<Tree<Spec>>) -> Self {
        self.keywords.push((name.to_owned(), argument.into()));
        self
    }

    /// The call with a further argument that is no tensor: a number, a list of axes.
    #[must_use]
    pub fn with_constant(self, name: &str, constant: impl Into<Json>) -> Self {
        self.with(name, Tree::Constant(constant.into()))
    }

    /// The call with a further argument as Keras serializes it, in JSON: any structure of constants and of tensors
    /// such as `{"class_name": "__keras_tensor__", "config": {"shape": [null, 8], "dtype": "float32"}}`.
    #[must_use]
    pub fn with_json(self, name: &str, argument: &str) -> Self {
        self.read(argument, |call, argument| call.with(name, argument))
    }

    /// The call with a further argument by position.
    #[must_use]
    pub fn then(mut self, argument: impl Into<Tree<Spec>>) -> Self {
        self.positional.push(argument.into());
        self
    }

    /// The call with a further argument by position, as [`with_constant`](Self::with_constant) has it.
    #[must_use]
    pub fn then_constant(self, constant: impl Into<Json>) -> Self {
        self.then(Tree::Constant(constant.into()))
    }

    /// The call with a further argument by position, as [`with_json`](Self::with_json) has it.
    #[must_use]
    pub fn then_json(self, argument: &str) -> Self {
        self.read(argument, Self::then)
    }

    fn read(mut self, argument: &str, take: impl FnOnce(Self, Tree<Spec>) -> Self) -> Self {
        match json::parse(argument).and_then(|json| read_tree(&json, &mut read_tensor)) {
            Ok(tree) => take(self, tree),
            Err(error) => {
                self.fault = Some(error.to_string());
                self
            }
        }
    }

    /// Another way in which the layer is called, besides: it is [`KerasLayer::at`](super::KerasLayer::at) 1, the
    /// next one 2.
    #[must_use]
    pub fn or(mut self, call: impl Into<Self>) -> Self {
        self.others.push(call.into());
        self
    }
}

/// A tensor in an argument as Keras serializes it.
pub(crate) fn read_tensor(tensor: &Object<'_>) -> Result<Spec> {
    let shape = tensor.config.get("shape").and_then(read_shape);
    let dtype = tensor.config.get("dtype").and_then(Json::as_str).and_then(Dtype::from_name);
    match (shape, dtype) {
        (Some(shape), Some(dtype)) => Ok(Spec::new(shape, dtype)),
        _ => Err(Error::config("expected a tensor with a shape and a dtype")),
    }
}

impl From<Spec> for Call {
    fn from(spec: Spec) -> Self {
        Self::on(spec)
    }
}

impl<const N: usize> From<[usize; N]> for Call {
    fn from(shape: [usize; N]) -> Self {
        Self::on(Spec::batch(shape))
    }
}

impl<const N: usize> From<[Option<usize>; N]> for Call {
    fn from(shape: [Option<usize>; N]) -> Self {
        Self::on(Spec::batch(shape))
    }
}
