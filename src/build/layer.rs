//! Layers of a model to be.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Map, Value as Json, json};

use super::{KerasTensor, Setting, Structure};
use crate::config::{Object, Reader, snake_case};
use crate::error::{Error, Result};
use crate::layer::{LayerConfig, Registry, Row, row};
use crate::limits::Limits;

/// Counts layers, which puts them in the order in which they were made.
static LAYERS: AtomicU64 = AtomicU64::new(0);

/// What tells one layer from another with the same settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Identity(u64);

impl Default for Identity {
    fn default() -> Self {
        Self(LAYERS.fetch_add(1, Ordering::Relaxed))
    }
}

/// A layer of a model to be, of any kind.
///
/// Its clones are the same layer: calling them again shares its weights.
#[derive(Clone, Debug)]
pub struct FreshLayer {
    pub(super) identity: Identity,
    pub(super) row: Row,
    /// Where Keras has its class, unless it is somebody's own.
    pub(super) module: Option<&'static str>,
    pub(super) name: Option<String>,
    pub(super) trainable: Option<bool>,
    /// What its config says besides.
    pub(super) config: Map<String, Json>,
    /// Kinds of layers that it brings along, its own and those inside of it.
    pub(super) kinds: Vec<Row>,
    /// What was wrong already when it was made: a model that does not hang together.
    pub(super) fault: Option<String>,
}

impl FreshLayer {
    pub(super) fn of_row(row: Row, module: Option<&'static str>, config: Map<String, Json>) -> Self {
        let (identity, kinds) = (Identity::default(), vec![row]);
        Self { identity, row, module, name: None, trainable: None, config, kinds, fault: None }
    }

    pub(super) fn class(&self) -> &'static str {
        self.row.classes.first().copied().unwrap_or("")
    }

    /// The name that it gets when it has none, but for a number behind it.
    pub(super) fn base_name(&self) -> String {
        self.name.clone().unwrap_or_else(|| snake_case(self.class()))
    }

    /// The layer as Keras serializes it.
    pub(super) fn object(&self) -> Json {
        self.named_object(&self.base_name())
    }

    /// The layer as Keras serializes it, and the kinds of layers to read it with.
    pub(crate) fn serialized(&self) -> (Result<Json>, Registry) {
        (self.check().map(|()| self.object()), super::tensor::registry(&self.kinds))
    }

    pub(super) fn named_object(&self, name: &str) -> Json {
        let mut config = Map::new();
        config.insert("name".into(), name.into());
        if let Some(trainable) = self.trainable {
            config.insert("trainable".into(), trainable.into());
        }
        config.extend(self.complete());
        for (key, value) in &self.config {
            config.entry(key).or_insert_with(|| value.clone());
        }
        // Classes of Keras' public modules are not registered by name.
        let is_public = self.module.is_some_and(|module| !module.starts_with("keras.src."));
        json!({
            "module": self.module,
            "class_name": self.class(),
            "config": config,
            "registered_name": if is_public { Json::Null } else { self.class().into() },
        })
    }

    /// The config with all keys, if it makes sense.
    fn complete(&self) -> Map<String, Json> {
        let (registry, limits) = (super::tensor::registry(&self.kinds), Limits::default());
        let mut reader = Reader::new(&registry, &limits);
        let object = Object { class: self.class(), config: &self.config, envelope: &Map::new() };
        (self.row.read)(&object, &mut reader).map(|config| config.write()).unwrap_or_default()
    }

    pub(super) fn check(&self) -> Result<()> {
        self.fault.as_ref().map_or(Ok(()), |fault| Err(Error::config(fault)))
    }

    /// Calls the layer on a tensor, a list or a dictionary of them.
    ///
    /// A layer that is called several times shares its weights between the calls.
    #[must_use]
    pub fn on(&self, inputs: impl Into<Structure>) -> KerasTensor {
        KerasTensor::call(self.clone(), vec![inputs.into()], Vec::new())
    }

    /// Calls the layer with further arguments, by name.
    #[must_use]
    pub fn on_with<const N: usize>(
        &self,
        inputs: impl Into<Structure>,
        others: [(&str, Structure); N],
    ) -> KerasTensor {
        let others = others.into_iter().map(|(name, value)| (name.to_owned(), value));
        KerasTensor::call(self.clone(), vec![inputs.into()], others.collect())
    }
}

/// A layer of a model to be.
///
/// Every key of its config is a method; `new` takes those that have no default. What is given is looked
/// at when the model is built.
///
/// ```
/// use burn_keras::build::Dense;
///
/// let head = Dense::new(10).activation("softmax").kernel_regularizer("l2").name("head");
/// ```
#[derive(Debug)]
pub struct Fresh<C> {
    layer: FreshLayer,
    kind: PhantomData<fn() -> C>,
}

impl<C> Clone for Fresh<C> {
    fn clone(&self) -> Self {
        Self { layer: self.layer.clone(), kind: PhantomData }
    }
}

impl<C: LayerConfig + Default> Default for Fresh<C> {
    fn default() -> Self {
        Self::bare()
    }
}

impl<C: LayerConfig> Fresh<C> {
    /// A layer about which nothing is said yet.
    pub(crate) fn bare() -> Self {
        Self::with_config(Map::new())
    }

    fn with_config(mut config: Map<String, Json>) -> Self {
        if !C::OPERATION {
            config.entry("dtype").or_insert_with(float32);
        }
        let known = crate::registry::rows().any(|row| row.classes == C::CLASSES);
        let mut layer = FreshLayer::of_row(row::<C>(), known.then_some("keras.layers"), config);
        if C::OPERATION {
            layer.fault = Some("an operation is no layer: use the operators of tensors".to_owned());
        }
        Self { layer, kind: PhantomData }
    }

    /// Sets a key of the config.
    pub(crate) fn set<T>(self, key: &str, value: impl Setting<T>) -> Self {
        let (kinds, json) = (value.kinds(), value.json());
        self.change(|layer| {
            layer.kinds.extend(kinds);
            layer.config.insert(key.to_owned(), json);
        })
    }

    /// What is changed is another layer than before.
    fn change(mut self, change: impl FnOnce(&mut FreshLayer)) -> Self {
        self.layer.identity = Identity::default();
        change(&mut self.layer);
        self
    }

    /// Gives the layer a name. Without one it gets that of its class, with a number if need be.
    #[must_use]
    pub fn name(self, name: impl Into<String>) -> Self {
        let name = name.into();
        self.change(|layer| layer.name = Some(name))
    }

    /// Whether the layer may be trained. It may by default.
    #[must_use]
    pub fn trainable(self, trainable: bool) -> Self {
        self.change(|layer| layer.trainable = Some(trainable))
    }

    /// In which types the layer computes and keeps its weights: `mixed_float16`. It is `float32` by default.
    #[must_use]
    pub fn dtype_policy(self, policy: &str) -> Self {
        self.set::<String>("dtype", policy)
    }

    /// [`FreshLayer::on`].
    #[must_use]
    pub fn on(&self, inputs: impl Into<Structure>) -> KerasTensor {
        self.layer.on(inputs)
    }

    /// [`FreshLayer::on_with`].
    #[must_use]
    pub fn on_with<const N: usize>(
        &self,
        inputs: impl Into<Structure>,
        others: [(&str, Structure); N],
    ) -> KerasTensor {
        self.layer.on_with(inputs, others)
    }

    pub(super) fn as_layer(&self) -> &FreshLayer {
        &self.layer
    }
}

impl<C: LayerConfig> From<Fresh<C>> for FreshLayer {
    fn from(layer: Fresh<C>) -> Self {
        layer.layer
    }
}

impl<C: LayerConfig> From<&Fresh<C>> for FreshLayer {
    fn from(layer: &Fresh<C>) -> Self {
        layer.layer.clone()
    }
}

impl<C: LayerConfig> From<C> for Fresh<C> {
    /// A layer with this config, of a kind that may be your own.
    fn from(config: C) -> Self {
        Self::with_config(config.write())
    }
}

impl<C: LayerConfig> From<C> for FreshLayer {
    fn from(config: C) -> Self {
        Fresh::from(config).into()
    }
}

/// The dtype policy that this crate knows.
pub(super) fn float32() -> Json {
    json!({"module": "keras", "class_name": "DTypePolicy", "config": {"name": "float32"}, "registered_name": null})
}
