//! From a file to a model.

use std::collections::HashMap;
use std::path::Path;

use burn::tensor::{AllocationProperty, Bytes, DType, Device, TensorData};

use crate::config::Dtype;
use crate::error::{Error, Result};
use crate::file::archive::Archive;
use crate::file::store::Store;
use crate::keras_file::{Described, Description, KerasFile};
use crate::layer::{Args, Registry, Variable, Weights};
use crate::limits::Limits;
use crate::model::KerasModel;
use crate::module::Network;
use crate::value::burn_dtype;
use crate::variables::{Asset, WeightSource};
use crate::weights::Draws;
#[cfg(feature = "train")]
use crate::weights::present;

/// How a model is loaded: within which limits, and with which kinds of layers.
///
/// ```no_run
/// use burn::tensor::Device;
/// use burn_keras::{LoadOptions, Limits};
///
/// let limits = Limits { member_bytes: 1 << 30, ..Limits::default() };
/// let model = LoadOptions::new().limits(limits).load("model.keras", &Device::flex())?;
/// # Ok::<(), burn_keras::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct LoadOptions {
    limits: Limits,
    registry: Registry,
    partial: bool,
    seed: Option<u64>,
}

impl LoadOptions {
    /// The defaults: this crate's layers, and limits that any honest model keeps.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Within other limits.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// With further kinds of layers.
    #[must_use]
    pub fn registry(mut self, registry: Registry) -> Self {
        self.registry = registry;
        self
    }

    /// Also loads a model for some of whose variables the file has nothing, or something of another
    /// shape: they get fresh values. [`KerasModel::load_report`] says which. Default: no.
    #[must_use]
    pub fn partial(mut self, partial: bool) -> Self {
        self.partial = partial;
        self
    }

    /// Makes the random numbers of fresh values repeat.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Loads a model file of any kind that [`KerasFile::open`] knows. One without weights gives a model
    /// with fresh ones.
    ///
    /// # Errors
    /// Everything that keeps the model from being loaded, all at once.
    pub fn load(&self, path: impl AsRef<Path>, device: &Device) -> Result<KerasModel> {
        let path = path.as_ref();
        let file = KerasFile::open(path, &self.limits)?;
        self.build(file, device).map_err(|error| error.in_file(path))
    }

    /// Loads a model file that lies in memory.
    ///
    /// # Errors
    /// Everything that keeps the model from being loaded, all at once.
    pub fn from_bytes(&self, bytes: impl Into<bytes::Bytes>, device: &Device) -> Result<KerasModel> {
        self.build(KerasFile::from_bytes(bytes, &self.limits)?, device)
    }

    /// Loads a model file out of a stream, which is read to its end.
    ///
    /// # Errors
    /// Everything that keeps the model from being loaded, all at once.
    pub fn from_reader(&self, reader: impl std::io::Read, device: &Device) -> Result<KerasModel> {
        self.build(KerasFile::from_reader(reader, &self.limits)?, device)
    }

    fn build(&self, file: KerasFile, device: &Device) -> Result<KerasModel> {
        let Described { description, store, report } = file.describe(&self.registry, self.partial)?;
        let fresh = Draws::new(self.seed);
        let planned = store.tensors.values().filter(|tensor| tensor.is_planned());
        let planned = planned.fold(0_u64, |sum, tensor| sum.saturating_add(tensor.bytes()));
        Limits::check("fresh values in bytes", planned, self.limits.fresh_bytes)?;
        let source = Source { store: &store, archive: &file.archive, fresh: &fresh };
        let network = network(&description, &source, device)?;
        let described = Described { description, store, report };
        KerasModel::new(network, file, described, self.registry.clone(), device)
    }
}

impl KerasModel {
    /// The same model with another description, built anew with the present values.
    #[cfg(feature = "train")]
    pub(crate) fn rebuilt(&self, file: KerasFile) -> Result<Self> {
        let registry = self.origin().registry.clone();
        let (description, _) = file.read_model(&registry)?;
        let (store, report) = (present(self)?, self.load_report().clone());
        let source = Source { store: &store, archive: &file.archive, fresh: &Draws::new(None) };
        let device = self.device();
        let network = network(&description, &source, &device)?;
        let described = Described { description, store: self.store().clone(), report };
        Self::new(network, file, described, registry, &device)
    }
}

/// Builds what a config describes.
pub(crate) fn network(
    description: &Description,
    source: &dyn WeightSource,
    device: &Device,
) -> Result<Network> {
    let variables = by_param(description.variables.iter())?;
    let assets = description.variables.assets();
    let path = String::new();
    let mut weights = Weights { variables: &variables, assets, source, device, path, trainable: true };
    let built = description.root.build(&Args::none(), &mut weights)?;
    let network = built.downcast_ref::<Network>().cloned();
    network.ok_or_else(|| Error::unsupported("expected a Sequential or Functional model"))
}

/// Variables by the path of their Burn parameter.
pub(crate) fn by_param<'a>(
    variables: impl Iterator<Item = &'a Variable>,
) -> Result<HashMap<String, Variable>> {
    let mut by_param = HashMap::new();
    for variable in variables {
        if by_param.insert(variable.param.clone(), variable.clone()).is_some() {
            let message = "two layers give a variable the same path";
            return Err(Error::unsupported(message).at(&variable.param));
        }
    }
    Ok(by_param)
}

/// The variables and assets of a file, and fresh values for what it does not have.
struct Source<'a> {
    store: &'a Store,
    archive: &'a Archive,
    fresh: &'a Draws,
}

impl WeightSource for Source<'_> {
    fn read(&self, variable: &Variable) -> Result<TensorData> {
        let path = variable.dataset();
        let tensor = self.store.tensors.get(&path).ok_or_else(|| Error::weights("missing").at(&path))?;
        if tensor.is_planned() {
            return self.fresh.read(variable);
        }
        let dtype = tensor.element.keras_name().and_then(Dtype::from_name);
        let dtype = burn_dtype(dtype.ok_or_else(|| Error::weights("expected numbers").at(&path))?)?;
        let data = tensor.read().and_then(|bytes| tensor_data(bytes, &variable.shape, dtype));
        data.map_err(|error| error.at(path))
    }

    fn text(&self, asset: &Asset) -> Result<String> {
        let member = asset.member();
        let bytes = self.archive.read(&member)?.ok_or_else(|| Error::weights("missing").at(&member))?;
        let text = String::from_utf8(bytes.to_vec());
        text.map_err(|error| Error::damaged("not UTF-8").with_source(error).at(member))
    }
}

/// Bytes of a file as a tensor on the host, where they lie. They may lie where no operation of Burn's can
/// use them: [`Variable::param_data`] sees to that.
pub(crate) fn tensor_data(bytes: bytes::Bytes, shape: &[usize], dtype: DType) -> Result<TensorData> {
    let shape = if shape.is_empty() { vec![1] } else { shape.to_vec() };
    TensorData::try_from_bytes(Bytes::from_shared(bytes, AllocationProperty::File), shape, dtype)
        .map_err(|error| Error::damaged(format_args!("the data does not fill its shape: {error}")))
}
