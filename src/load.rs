//! From a file to a model.

use std::collections::HashMap;
use std::path::Path;

use burn::tensor::{AllocationProperty, Bytes, Device, TensorData};

use crate::config::Dtype;
use crate::error::{Error, Result};
use crate::keras_file::{Description, KerasFile};
use crate::layer::{Args, Registry, Variable, Weights};
use crate::limits::Limits;
use crate::model::KerasModel;
use crate::module::Network;
use crate::value::burn_dtype;
use crate::variables::{Asset, WeightSource};

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

    /// Loads a `.keras` file or directory.
    ///
    /// # Errors
    /// Everything that keeps the model from being loaded, all at once.
    pub fn load(&self, path: impl AsRef<Path>, device: &Device) -> Result<KerasModel> {
        let path = path.as_ref();
        let file = KerasFile::open(path, &self.limits)?;
        self.build(file, device).map_err(|error| error.in_file(path))
    }

    /// Loads a `.keras` file that lies in memory.
    ///
    /// # Errors
    /// Everything that keeps the model from being loaded, all at once.
    pub fn from_bytes(&self, bytes: impl Into<bytes::Bytes>, device: &Device) -> Result<KerasModel> {
        self.build(KerasFile::from_bytes(bytes, &self.limits)?, device)
    }

    fn build(&self, file: KerasFile, device: &Device) -> Result<KerasModel> {
        let description = file.describe(&self.registry)?;
        let network = network(&description, &Stored(&file), device)?;
        KerasModel::new(network, file, description, device)
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

/// The variables and assets of a file.
struct Stored<'a>(&'a KerasFile);

impl WeightSource for Stored<'_> {
    fn read(&self, variable: &Variable) -> Result<TensorData> {
        let path = variable.dataset();
        self.read_dataset(&path, variable).map_err(|error| error.at(path))
    }

    fn text(&self, asset: &Asset) -> Result<String> {
        let member = asset.member();
        let bytes = self.0.archive.read(&member)?.ok_or_else(|| Error::weights("missing").at(&member))?;
        let text = String::from_utf8(bytes.to_vec());
        text.map_err(|error| Error::damaged("not UTF-8").with_source(error).at(member))
    }
}

impl Stored<'_> {
    fn read_dataset(&self, path: &str, variable: &Variable) -> Result<TensorData> {
        let dataset = self.0.weights.datasets().get(path).ok_or_else(|| Error::weights("missing"))?;
        let dtype = dataset.element.keras_name().and_then(Dtype::from_name);
        let dtype = burn_dtype(dtype.ok_or_else(|| Error::weights("expected numbers"))?)?;
        let bytes = self.0.weights.read(path)?;
        let shape = if variable.shape.is_empty() { vec![1] } else { variable.shape.clone() };
        // Burn takes foreign memory only when it is aligned to the element; a misaligned mapping
        // would make the first operation panic.
        let aligned = bytes.as_ptr().align_offset(dtype.size().max(1)) == 0;
        let bytes = match aligned {
            true => Bytes::from_shared(bytes, AllocationProperty::File),
            false => Bytes::from_elems(bytes.to_vec()),
        };
        TensorData::try_from_bytes(bytes, shape, dtype)
            .map_err(|error| Error::damaged(format_args!("the data does not fill its shape: {error}")))
    }
}
