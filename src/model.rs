//! A loaded Keras model.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use burn::module::{
    Content, Devices, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor,
};
use burn::tensor::{Device, Tensor};

use crate::config::Dtype;
use crate::config::graph::TensorRef;
use crate::error::{Error, Result};
use crate::file::store::Store;
use crate::keras_file::{Described, Description, KerasFile};
use crate::layer::{Context, Layer, Registry, Spec, Tree};
use crate::load::LoadOptions;
use crate::module::{AnyLayer, Network};
use crate::summary::Summary;
use crate::value::{Inputs, Outputs, Value, burn_dtype};
use crate::weights::LoadReport;

/// A Keras model as a Burn module.
///
/// Its parameters are visited under the names of its Keras layers, `conv2d.kernel`, whatever reads
/// them: records, optimizers, stores. It nests in any `#[derive(Module)]` struct.
///
/// ```no_run
/// use burn::tensor::{Device, Tensor};
/// use burn_keras::KerasModel;
///
/// let device = Device::flex();
/// let model = KerasModel::load("model.keras", &device)?;
/// println!("{}", model.summary());
/// let y = model.predict(Tensor::<2>::ones([1, 4], &device))?.tensor::<2>()?;
/// println!("{y}");
/// model.save("copy.keras")?;
/// # Ok::<(), burn_keras::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct KerasModel {
    network: Network,
    origin: Arc<Origin>,
    /// What was last loaded, under the paths of Keras 3: what is not a variable of the model is saved from it.
    store: Arc<Store>,
    report: Arc<LoadReport>,
    /// Where inputs go when there are no parameters to follow.
    device: Device,
}

/// What of a file stays with its model, to be written back: documents, optimizer state, assets.
#[derive(Debug)]
pub(crate) struct Origin {
    pub file: KerasFile,
    pub description: Description,
    pub specs: Vec<Tree<Spec>>,
    /// The kinds of layers that the description was read with.
    #[cfg_attr(not(feature = "train"), allow(dead_code, reason = "a model is built anew to be trained"))]
    pub registry: Registry,
}

/// How [`KerasModel::predict_with`] goes about it.
pub struct PredictOptions<'a> {
    /// How many examples go through the model at once. Default: 32, as in Keras.
    pub batch_size: usize,
    /// Is told, after every batch, how many examples are done.
    pub on_batch: Option<&'a mut dyn FnMut(usize)>,
}

impl Default for PredictOptions<'_> {
    fn default() -> Self {
        Self { batch_size: 32, on_batch: None }
    }
}

impl std::fmt::Debug for PredictOptions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PredictOptions").field("batch_size", &self.batch_size).finish_non_exhaustive()
    }
}

impl KerasModel {
    pub(crate) fn new(
        network: Network,
        file: KerasFile,
        described: Described,
        registry: Registry,
        device: &Device,
    ) -> Result<Self> {
        let specs = network.graph().infer(None)?;
        let Described { description, store, report } = described;
        let origin = Arc::new(Origin { file, description, specs, registry });
        let (store, report) = (Arc::new(store), Arc::new(report));
        Ok(Self { network, origin, store, report, device: device.clone() })
    }

    /// Loads a model file of any kind that [`KerasFile::open`] knows, with the default [`LoadOptions`].
    ///
    /// # Errors
    /// Everything that keeps the model from being loaded, all at once.
    pub fn load(path: impl AsRef<Path>, device: &Device) -> Result<Self> {
        LoadOptions::new().load(path, device)
    }

    /// Loads a model file that lies in memory.
    ///
    /// # Errors
    /// Everything that keeps the model from being loaded, all at once.
    pub fn from_bytes(bytes: impl Into<bytes::Bytes>, device: &Device) -> Result<Self> {
        LoadOptions::new().from_bytes(bytes, device)
    }

    pub(crate) fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The same model after something was loaded onto it.
    pub(crate) fn with_loaded(self, store: Arc<Store>, report: Arc<LoadReport>) -> Self {
        Self { store, report, ..self }
    }

    /// The same model with another file and other tensors beside its variables.
    #[cfg(feature = "train")]
    pub(crate) fn with_file(&self, file: KerasFile, store: Store) -> Self {
        let Origin { description, specs, registry, .. } = &*self.origin;
        let (description, specs, registry) = (description.clone(), specs.clone(), registry.clone());
        let origin = Arc::new(Origin { file, description, specs, registry });
        Self { origin, store: Arc::new(store), ..self.clone() }
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// The same model with something else to be saved beside its variables.
    #[cfg(feature = "train")]
    pub(crate) fn with_store(self, store: Store) -> Self {
        Self { store: Arc::new(store), ..self }
    }

    /// The file that the model came from.
    #[must_use]
    pub fn file(&self) -> &KerasFile {
        &self.origin.file
    }

    /// What the last loading did with every variable of the model and of the file.
    #[must_use]
    pub fn load_report(&self) -> &LoadReport {
        &self.report
    }

    /// The names of the inputs, in order.
    #[must_use]
    pub fn input_names(&self) -> Vec<&str> {
        self.network.graph().input_names()
    }

    /// The shapes and types of the inputs, in order.
    #[must_use]
    pub fn inputs(&self) -> Vec<&Spec> {
        let nodes = self.network.graph().inputs.leaves();
        nodes.into_iter().filter_map(|node| self.origin.specs.get(*node)).flat_map(Tree::leaves).collect()
    }

    /// The names of the outputs, in order: those of the layers that give them, numbered when one
    /// gives several.
    #[must_use]
    pub fn output_names(&self) -> Vec<String> {
        unique(self.network.graph().output_names())
    }

    /// The names that `compile` has for the outputs, in order: the keys of a dict, else those of the layers.
    ///
    /// # Errors
    /// For outputs for which Keras has more than one name.
    #[cfg(feature = "train")]
    pub(crate) fn compiled_names(&self) -> Result<Vec<String>> {
        let layers = self.output_names();
        let is_leaf = |tree: &Tree<_>| matches!(tree, Tree::Leaf(_));
        let keys: Vec<String> = match &self.network.graph().outputs {
            Tree::Dict(items) if items.iter().all(|(_, item)| is_leaf(item)) => {
                items.iter().map(|(key, _)| key.clone()).collect()
            }
            Tree::List(items) if items.iter().all(is_leaf) => return Ok(layers),
            Tree::Leaf(_) => return Ok(layers),
            _ => return Err(Error::unsupported("to train outputs in lists or dicts inside of one")),
        };
        // A list of metrics is then in the order of the layers, one of losses in that of the keys.
        if keys != layers && keys.iter().all(|key| layers.contains(key)) {
            let message = "to train a dict of outputs under the names of the layers of other ones";
            return Err(Error::unsupported(format_args!("{message}: {keys:?}, of the layers {layers:?}")));
        }
        Ok(keys)
    }

    /// The layer of that name, as its own type.
    ///
    /// # Errors
    /// When there is no such layer, or it is of another type.
    ///
    /// ```no_run
    /// # use burn_keras::{KerasModel, layers::Dense};
    /// # let model = KerasModel::load("model.keras", &burn::tensor::Device::flex())?;
    /// let dense: &Dense = model.layer("dense")?;
    /// println!("{}", dense.kernel.val());
    /// # Ok::<(), burn_keras::Error>(())
    /// ```
    pub fn layer<L: Layer>(&self, name: &str) -> Result<&L> {
        let layer = self.any_layer(name)?;
        layer
            .downcast_ref()
            .ok_or_else(|| Error::input(format_args!("layer {name:?} is no {}", std::any::type_name::<L>())))
    }

    /// The layer of that name, of whatever type.
    ///
    /// # Errors
    /// When there is no such layer.
    pub fn any_layer(&self, name: &str) -> Result<&AnyLayer> {
        self.network.layer(name).ok_or_else(|| {
            let names = self.network.graph().layers.iter().map(|layer| layer.name.as_str());
            Error::input(format_args!("no layer {name:?}{}", crate::registry::nearest(name, names)))
        })
    }

    /// The table that Keras prints as `model.summary()`: `println!("{}", model.summary())`.
    #[must_use]
    pub fn summary(&self) -> Summary {
        Summary::new(
            self.network.graph(),
            &self.origin.specs,
            &self.origin.description.variables,
            self.name(),
        )
    }

    /// The name of the model.
    #[must_use]
    pub fn name(&self) -> &str {
        self.origin.file.name()
    }

    /// What the model gives for some inputs, as Keras' `predict`: in batches, never as in training.
    ///
    /// # Errors
    /// When the inputs do not fit the model.
    pub fn predict(&self, inputs: impl Into<Inputs>) -> Result<Outputs> {
        self.predict_with(inputs, PredictOptions::default())
    }

    /// [`predict`](Self::predict) with options.
    ///
    /// # Errors
    /// When the inputs do not fit the model.
    pub fn predict_with(&self, inputs: impl Into<Inputs>, options: PredictOptions<'_>) -> Result<Outputs> {
        let wanted = self.network.graph().outputs.clone();
        self.run_batches(inputs.into(), &wanted, self.output_names(), options)
    }

    /// What the layers of those names give for some inputs, as in [`predict`](Self::predict). A
    /// layer that is called several times gives the result of its first call; one with several
    /// outputs gives them all, numbered.
    ///
    /// # Errors
    /// When there is no such layer, or the inputs do not fit the model.
    pub fn outputs_of(&self, layers: &[&str], inputs: impl Into<Inputs>) -> Result<Outputs> {
        let graph = self.network.graph();
        let (mut wanted, mut names) = (Vec::new(), Vec::new());
        for name in layers {
            self.any_layer(name)?;
            let node = graph.nodes.iter().position(|node| graph.layers[node.layer].name == **name);
            let node = node.ok_or_else(|| Error::input(format_args!("layer {name:?} is never called")))?;
            let count = self.origin.specs.get(node).map_or(0, |spec| spec.leaves().len());
            wanted.extend((0..count).map(|output| TensorRef { node, output }));
            names.extend((0..count).map(|_| *name));
        }
        self.run_batches(inputs.into(), &Tree::list(wanted), unique(names), PredictOptions::default())
    }

    /// Runs the model on one batch, as calling it in Keras does. Gradients flow; on an autodiff
    /// device the layers behave as in training unless they are frozen. What regularizers add to a loss is
    /// left out; see [`forward_with_losses`](Self::forward_with_losses).
    ///
    /// # Errors
    /// When the inputs do not fit the model.
    pub fn forward(&self, inputs: impl Into<Inputs>) -> Result<Outputs> {
        self.forward_with(inputs, &Context::default())
    }

    /// As [`forward`](Self::forward), with a say in whether the layers behave as in training.
    ///
    /// # Errors
    /// When the inputs do not fit the model.
    pub fn forward_with(&self, inputs: impl Into<Inputs>, cx: &Context) -> Result<Outputs> {
        let inputs = self.prepare(inputs.into(), None)?;
        let outputs = self.network.run(inputs, cx)?.into_leaves();
        Ok(Outputs::new(self.output_names().into_iter().zip(outputs).collect()))
    }

    /// [`forward`](Self::forward), and what is to be added to the loss besides: the sum of Keras'
    /// `model.losses`, of the regularizers of variables and of those of what layers give; none if there
    /// are no regularizers.
    ///
    /// # Errors
    /// When the inputs do not fit the model, or a regularizer is not one of Keras.
    pub fn forward_with_losses(&self, inputs: impl Into<Inputs>) -> Result<(Outputs, Option<Tensor<1>>)> {
        self.forward_with_losses_in(inputs.into(), &Context::default())
    }

    /// [`forward_with_losses`](Self::forward_with_losses), with a say in whether the layers behave as in training.
    pub(crate) fn forward_with_losses_in(
        &self,
        inputs: Inputs,
        cx: &Context,
    ) -> Result<(Outputs, Option<Tensor<1>>)> {
        let inputs = self.prepare(inputs, None)?;
        let mut losses: Vec<Tensor<1>> = self.regularization_loss()?.into_iter().collect();
        let outputs = self.network.run_with_losses(inputs, cx, &mut losses)?.into_leaves();
        let outputs = Outputs::new(self.output_names().into_iter().zip(outputs).collect());
        Ok((outputs, losses.into_iter().reduce(|a, b| a + b)))
    }

    /// Makes every `stateful` layer start from zero again.
    pub fn reset_state(&self) {
        Layer::reset_state(&self.network);
    }

    /// Where the variables are, or the inputs go when there are none.
    pub(crate) fn device(&self) -> Device {
        self.devices().into_iter().next().unwrap_or_else(|| self.device.clone())
    }

    fn run_batches(
        &self,
        inputs: Inputs,
        wanted: &Tree<TensorRef>,
        names: Vec<String>,
        options: PredictOptions<'_>,
    ) -> Result<Outputs> {
        let PredictOptions { batch_size, mut on_batch } = options;
        let mut device = self.device();
        let mut network = &self.network;
        let plain;
        if device.is_autodiff() {
            (plain, device) = (self.network.valid(), device.inner());
            network = &plain;
        }
        let inputs = self.prepare(inputs, Some(&device))?;
        let total = inputs.first().map_or(0, |input| input.shape()[0]);
        let batch_size = self.fixed_batch(total)?.unwrap_or(batch_size).max(1);
        let cx = Context { training: Some(false) };
        let mut batches: Vec<Vec<Value>> = Vec::new();
        for start in (0..total).step_by(batch_size) {
            let length = batch_size.min(total - start);
            let batch = inputs.iter().map(|input| match length == total {
                true => Ok(input.clone()),
                false => input.clone().narrow(0, start, length),
            });
            let outputs = network.run_until(batch.collect::<Result<_>>()?, &cx, wanted, None)?;
            // Plain at once: what is joined must agree, and a batch's channels-first copy can go.
            batches.push(outputs.into_leaves().into_iter().map(Value::plain).collect::<Result<_>>()?);
            if let Some(on_batch) = &mut on_batch {
                on_batch(start + length);
            }
        }
        let joined = names.into_iter().enumerate().map(|(at, name)| {
            let parts: Vec<Value> = batches.iter_mut().map(|batch| batch[at].clone()).collect();
            let value =
                if parts.len() == 1 { parts.into_iter().next() } else { Some(Value::concat(parts, 0)?) };
            Ok((name, value.ok_or_else(|| Error::input("no examples to predict"))?.with_mask(None)))
        });
        Ok(Outputs::new(joined.collect::<Result<_>>()?))
    }

    /// The batch size that the model's inputs prescribe.
    fn fixed_batch(&self, total: usize) -> Result<Option<usize>> {
        let fixed = self.inputs().into_iter().find_map(|spec| spec.shape.first().copied().flatten());
        match fixed {
            Some(size) if size == 0 || !total.is_multiple_of(size) => Err(Error::input(format_args!(
                "expected a multiple of the fixed batch of {size}, got {total} examples"
            ))),
            fixed => Ok(fixed),
        }
    }

    /// The inputs in the model's order, compared with what it takes, with its element types.
    pub(crate) fn prepare(&self, inputs: Inputs, device: Option<&Device>) -> Result<Vec<Value>> {
        let names = self.input_names();
        let values = inputs.in_order(&names)?;
        let mut total = None;
        let values = values.into_iter().zip(self.inputs()).zip(&names).map(|((value, spec), name)| {
            let value =
                prepare_one(value, spec, device).map_err(|error| error.at(format_args!("input {name:?}")))?;
            let examples = value.shape()[0];
            match *total.get_or_insert(examples) {
                0 => Err(Error::input("no examples to predict")),
                total if total != examples => Err(Error::input(format_args!(
                    "input {name:?} has {examples} examples, another has {total}"
                ))),
                _ => Ok(value),
            }
        });
        values.collect()
    }
}

fn prepare_one(value: Value, spec: &Spec, device: Option<&Device>) -> Result<Value> {
    let mut value = match device {
        Some(device) => value.to_device(device)?,
        None => value,
    };
    let (rank, last) = (value.rank(), spec.shape.last().copied().flatten());
    // Keras adds or drops a last axis of size 1 as well.
    if rank + 1 == spec.rank() && last == Some(1) {
        value = value.expand_dims(rank)?;
    } else if rank == spec.rank() + 1 && value.shape().last() == Some(&1) {
        value = value.squeeze(&[rank - 1])?;
    }
    let shape = value.shape();
    // The batch may be split, so a fixed one is compared elsewhere.
    let fits = shape.len() == spec.rank()
        && shape
            .iter()
            .zip(&spec.shape)
            .skip(1)
            .all(|(size, expected)| expected.is_none_or(|expected| expected == *size));
    if !fits {
        return Err(Error::input(format_args!("expected the shape {spec}, got {shape:?}")));
    }
    match spec.dtype {
        Dtype::String => value.strings().map(|_| value.clone()),
        dtype => value.cast(burn_dtype(dtype)?),
    }
}

/// Names of which none is there twice: `a`, `a_1`, ...
fn unique(names: Vec<&str>) -> Vec<String> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    let numbered = names.into_iter().map(|name| {
        let count = counts.entry(name).or_default();
        *count += 1;
        if *count == 1 { name.to_owned() } else { format!("{name}_{}", *count - 1) }
    });
    numbered.collect()
}

impl Module for KerasModel {
    fn collect_devices(&self, devices: Devices) -> Devices {
        self.network.collect_devices(devices)
    }
    fn fork(self, device: &Device) -> Self {
        Self { network: self.network.fork(device), device: device.clone(), ..self }
    }
    fn to_device(self, device: &Device) -> Self {
        Self { network: self.network.to_device(device), device: device.clone(), ..self }
    }
    fn train(self) -> Self {
        Self { network: self.network.train(), ..self }
    }
    fn valid(&self) -> Self {
        Self {
            network: self.network.valid(),
            origin: Arc::clone(&self.origin),
            store: Arc::clone(&self.store),
            report: Arc::clone(&self.report),
            device: self.device.clone(),
        }
    }
    fn materialize(self) -> Self {
        Self { network: self.network.materialize(), ..self }
    }
    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        self.network.visit(visitor);
    }
    fn map<M: ModuleMapper>(self, mapper: &mut M) -> Self {
        Self { network: self.network.map(mapper), ..self }
    }
}

impl ModuleDisplayDefault for KerasModel {
    fn content(&self, content: Content) -> Option<Content> {
        self.network.content(content)
    }
}

impl ModuleDisplay for KerasModel {}

impl std::fmt::Display for KerasModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.summary().fmt(f)
    }
}
