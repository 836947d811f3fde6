//! Tensors of a model to be.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Map, Value as Json, json};

use super::{Fresh, FreshLayer, Setting};
use crate::config::{Dtype, Field, Object, Reader};
use crate::error::{Error, Result};
use crate::layer::{Args, Registry, Row, Spec, Tree};
use crate::layers::InputLayerConfig;
use crate::limits::Limits;

/// Counts calls, so that they can be put in the order in which they were made.
static CALLS: AtomicU64 = AtomicU64::new(0);

/// What a layer is called with: a tensor, a list or a dictionary of them, at any depth.
pub type Structure = Tree<KerasTensor>;

/// A tensor of a model to be: what a layer gives when it is called.
#[derive(Clone, Debug)]
pub struct KerasTensor {
    pub(super) call: Arc<Call>,
    /// Which output of the call; none when it is meant to be the only one.
    output: Option<usize>,
}

/// A call of a layer.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) layer: FreshLayer,
    pub(super) number: u64,
    positional: Vec<Structure>,
    keywords: Vec<(String, Structure)>,
    /// What it gives, as far as that can be told already.
    specs: Option<Vec<Spec>>,
}

impl KerasTensor {
    pub(super) fn call(
        layer: FreshLayer,
        positional: Vec<Structure>,
        keywords: Vec<(String, Structure)>,
    ) -> Self {
        let number = CALLS.fetch_add(1, Ordering::Relaxed);
        // What is wrong is told with its place when the model is built.
        let specs = infer(&layer, &positional, &keywords).ok();
        Self { call: Arc::new(Call { layer, number, positional, keywords, specs }), output: None }
    }

    /// The shape, the batch first, and the element type; none when the layer refuses its settings or its
    /// inputs, which building the model tells.
    #[must_use]
    pub fn spec(&self) -> Option<&Spec> {
        self.call.specs.as_ref()?.get(self.output.unwrap_or(0))
    }

    /// The outputs of a layer that gives several.
    ///
    /// ```
    /// use burn_keras::build::{Input, LSTM};
    ///
    /// let lstm = LSTM::new(4).return_state(true);
    /// let [y, hidden, carried] = lstm.on(&Input::new([5, 3])).outputs();
    /// assert_eq!(carried.spec().unwrap().to_string(), "(None, 4)");
    /// ```
    #[must_use]
    pub fn outputs<const N: usize>(&self) -> [Self; N] {
        std::array::from_fn(|at| Self { call: Arc::clone(&self.call), output: Some(at) })
    }

    /// Its place among the outputs of its layer.
    pub(super) fn index(&self) -> Result<usize> {
        match (self.output, &self.call.specs) {
            (Some(output), _) => Ok(output),
            (None, Some(specs)) if specs.len() != 1 => {
                let (layer, count) = (self.call.layer.base_name(), specs.len());
                let message = format_args!("it gives {count} tensors: take them apart with outputs()");
                Err(Error::config(message).at(format_args!("{layer:?}")))
            }
            _ => Ok(0),
        }
    }
}

impl Call {
    /// Every tensor that it needs.
    pub(super) fn parents(&self) -> impl Iterator<Item = &KerasTensor> {
        let keywords = self.keywords.iter().map(|(_, value)| value);
        self.positional.iter().chain(keywords).flat_map(Tree::leaves)
    }

    /// The call as Keras serializes it, with the names that `history` gives to tensors.
    pub(super) fn object(&self, history: &dyn Fn(&KerasTensor) -> Result<Json>) -> Result<Json> {
        let args = self.positional.iter().map(|value| argument(value, history));
        let kwargs = self.keywords.iter().map(|(key, value)| Ok((key.clone(), argument(value, history)?)));
        Ok(json!({
            "args": args.collect::<Result<Vec<_>>>()?,
            "kwargs": kwargs.collect::<Result<Map<_, _>>>()?,
        }))
    }
}

fn argument(value: &Structure, history: &dyn Fn(&KerasTensor) -> Result<Json>) -> Result<Json> {
    Ok(match value {
        Tree::Leaf(tensor) => {
            let spec = tensor.spec();
            json!({
                "class_name": "__keras_tensor__",
                "config": {
                    "shape": spec.map(|spec| &spec.shape),
                    "dtype": spec.map(|spec| spec.dtype.write()),
                    "keras_history": history(tensor)?,
                },
            })
        }
        Tree::List(items) => items.iter().map(|item| argument(item, history)).collect::<Result<_>>()?,
        Tree::Dict(items) => {
            let items = items.iter().map(|(key, item)| Ok((key.clone(), argument(item, history)?)));
            Json::Object(items.collect::<Result<_>>()?)
        }
        Tree::Constant(json) => json.clone(),
    })
}

/// What a layer gives for some arguments.
fn infer(
    layer: &FreshLayer,
    positional: &[Structure],
    keywords: &[(String, Structure)],
) -> Result<Vec<Spec>> {
    layer.check()?;
    let (limits, json) = (Limits::default(), layer.object());
    let registry = registry(&layer.kinds);
    let mut reader = Reader::new(&registry, &limits);
    let config = Object::read(&json, &mut reader).and_then(|object| registry.read(&object, &mut reader));
    reader.finish()?;
    let config = config.ok_or_else(|| Error::config("the layer could not be read"))?;
    if let Some(input) = config.input().filter(|_| config.is_input()) {
        return Ok(vec![input]);
    }
    let mut spec = |tensor: &KerasTensor| {
        tensor.spec().cloned().ok_or_else(|| Error::config("an input of unknown shape"))
    };
    let positional = positional.iter().map(|value| value.try_map(&mut spec)).collect::<Result<_>>()?;
    let keywords = keywords.iter().filter(|(key, _)| !["mask", "training"].contains(&key.as_str()));
    let keywords = keywords.map(|(key, value)| Ok((key.clone(), value.try_map(&mut spec)?)));
    let args = Args::bind(config.arg_names(), positional, keywords.collect::<Result<_>>()?)?;
    Ok(config.infer(&args)?.into_leaves())
}

/// The kinds of this crate and some more.
pub(super) fn registry(kinds: &[Row]) -> Registry {
    kinds.iter().fold(Registry::new(), |registry, kind| registry.with_row(*kind))
}

impl Fresh<InputLayerConfig> {
    /// An input of a model: its shape without the batch, `None` for an axis of any size.
    #[must_use]
    pub fn new<S: Into<Option<usize>>>(shape: impl IntoIterator<Item = S>) -> Self {
        let shape = shape.into_iter().map(Into::into);
        let batch_shape = Some(std::iter::once(None).chain(shape).collect());
        InputLayerConfig { batch_shape, dtype: Dtype::Float32 }.into()
    }

    /// The shape with the batch, for a batch of a fixed size.
    #[must_use]
    pub fn batch_shape(self, shape: impl Setting<Vec<Option<usize>>>) -> Self {
        self.set("batch_shape", shape)
    }

    /// The element type.
    #[must_use]
    pub fn dtype(self, dtype: impl Setting<Dtype>) -> Self {
        self.set::<Dtype>("dtype", dtype)
    }

    /// The tensor that enters the model here.
    #[must_use]
    pub fn tensor(&self) -> KerasTensor {
        KerasTensor::call(self.as_layer().clone(), Vec::new(), Vec::new())
    }
}

impl From<&KerasTensor> for Structure {
    fn from(tensor: &KerasTensor) -> Self {
        Self::Leaf(tensor.clone())
    }
}

impl From<&Fresh<InputLayerConfig>> for Structure {
    fn from(input: &Fresh<InputLayerConfig>) -> Self {
        Self::Leaf(input.tensor())
    }
}

/// Lists and dictionaries.
macro_rules! structures {
    ($($tensor:ty),+) => {
        $(
            impl<const N: usize> From<[$tensor; N]> for Structure {
                fn from(tensors: [$tensor; N]) -> Self {
                    Self::List(tensors.into_iter().map(Into::into).collect())
                }
            }

            impl From<Vec<$tensor>> for Structure {
                fn from(tensors: Vec<$tensor>) -> Self {
                    Self::List(tensors.into_iter().map(Into::into).collect())
                }
            }

            impl<const N: usize> From<[(&str, $tensor); N]> for Structure {
                fn from(tensors: [(&str, $tensor); N]) -> Self {
                    let items = tensors.into_iter().map(|(key, tensor)| (key.to_owned(), tensor.into()));
                    let mut items: Vec<_> = items.collect();
                    items.sort_by(|a: &(String, Self), b| a.0.cmp(&b.0));
                    Self::Dict(items)
                }
            }
        )+
    };
}

structures!(&KerasTensor, &Fresh<InputLayerConfig>, KerasTensor);
