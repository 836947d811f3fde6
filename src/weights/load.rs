//! Weights onto a model that is there.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Int, Tensor, TensorData};

use super::{KerasWeights, LoadReport, WeightsFile};
use crate::config::Dtype;
use crate::error::{Error, Problems, Result};
use crate::file::store::{Stored, is_below};
use crate::layer::Variable;
use crate::limits::Limits;
use crate::load::tensor_data;
use crate::model::KerasModel;
use crate::value::burn_dtype;

/// What says which layer of a file is which layer of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Matching {
    /// The path of every variable: from classes and numbers, the way of Keras 3, or its name, in a file of
    /// names.
    Path,
    /// The names of layers. Layers that the file does not name keep their values.
    Name,
    /// The order of the layers that have weights: the way of Keras 2.
    Order,
}

/// How weights are loaded onto a model.
#[derive(Clone, Debug, Default)]
pub struct WeightsOptions {
    matching: Option<Matching>,
    skip_mismatch: bool,
    limits: Limits,
}

impl WeightsOptions {
    /// The defaults: as Keras goes about a file of that kind, and strictly.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What says which layer is which. Default: [`Matching::Order`] for legacy files, [`Matching::Path`]
    /// for all others.
    #[must_use]
    pub fn matching(mut self, matching: Matching) -> Self {
        self.matching = Some(matching);
        self
    }

    /// Whether variables for which the file has nothing, or nothing that fits, keep their values. Default:
    /// no, they are an error.
    #[must_use]
    pub fn skip_mismatch(mut self, skip: bool) -> Self {
        self.skip_mismatch = skip;
        self
    }

    /// Within other limits.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }
}

impl KerasModel {
    /// Loads weights from a file of any kind that [`KerasWeights::open`] knows, as Keras' `load_weights`.
    ///
    /// # Errors
    /// Everything that does not fit, all at once; the model is then as it was.
    pub fn load_weights(&mut self, path: impl AsRef<Path>) -> Result<&LoadReport> {
        self.load_weights_with(path, &WeightsOptions::default())
    }

    /// [`load_weights`](Self::load_weights) with options.
    ///
    /// ```no_run
    /// use burn::tensor::Device;
    /// use burn_keras::{KerasModel, Matching, WeightsOptions};
    ///
    /// let mut model = KerasModel::load("model.keras", &Device::flex())?;
    /// let options = WeightsOptions::new().matching(Matching::Name).skip_mismatch(true);
    /// let report = model.load_weights_with("pretrained.h5", &options)?;
    /// println!("{report}");
    /// # Ok::<(), burn_keras::Error>(())
    /// ```
    ///
    /// # Errors
    /// Everything that does not fit, all at once; the model is then as it was.
    pub fn load_weights_with(
        &mut self,
        path: impl AsRef<Path>,
        options: &WeightsOptions,
    ) -> Result<&LoadReport> {
        let path = path.as_ref();
        let weights = KerasWeights::open(path, &options.limits)?;
        self.take_weights(&weights.file, options).map_err(|error| error.in_file(path))?;
        Ok(self.load_report())
    }

    fn take_weights(&mut self, file: &WeightsFile, options: &WeightsOptions) -> Result<()> {
        let description = &self.origin().description;
        let config = self.file().config();
        let found = file.resolve(description, config, options.matching)?;
        // Assets are not weights: the model has its own.
        let assets: Vec<String> =
            description.variables.assets().iter().map(crate::variables::Asset::member).collect();
        let report = found.compare(&description.variables, &assets.iter().map(String::as_str).collect());
        match (options.skip_mismatch, options.matching) {
            (true, _) => {}
            (false, Some(Matching::Name)) => {
                LoadReport { missing: Vec::new(), ..report.clone() }.check()?;
            }
            (false, _) => report.check()?,
        }
        let mut values = HashMap::new();
        let mut problems = Problems::default();
        let loaded: HashMap<&str, &str> =
            report.loaded.iter().map(|it| (it.path.as_str(), it.source.as_str())).collect();
        for variable in &description.variables {
            let path = variable.dataset();
            let source = loaded.get(path.as_str());
            let Some((source, tensor)) = source.zip(found.store.tensors.get(&path)) else { continue };
            let data = value_of(variable, tensor).map_err(|error| error.at(source));
            values.extend(problems.note(data).map(|data| (variable.param.clone(), data)));
        }
        problems.finish()?;
        let mut mapper = Replace { path: Vec::new(), values };
        let mut store = self.store().clone();
        if found.store.tensors.range("optimizer/".to_owned()..).next().is_some_and(|it| is_optimizer(it.0)) {
            store.remove("optimizer");
            store.groups.extend(found.store.groups.into_iter().filter(|(path, _)| is_optimizer(path)));
            store.tensors.extend(found.store.tensors.into_iter().filter(|(path, _)| is_optimizer(path)));
        }
        *self = self.clone().map(&mut mapper).with_loaded(Arc::new(store), Arc::new(report));
        Ok(())
    }
}

fn is_optimizer(path: &str) -> bool {
    is_below(path, "optimizer")
}

/// The value of a variable as its parameter holds it.
fn value_of(variable: &Variable, tensor: &Stored) -> Result<TensorData> {
    let dtype = tensor.element.keras_name().and_then(Dtype::from_name);
    let dtype = burn_dtype(dtype.ok_or_else(|| Error::weights("expected numbers"))?)?;
    variable.param_data(tensor_data(tensor.read()?, &variable.shape, dtype)?)
}

/// Gives the parameters of a module new values.
struct Replace {
    path: Vec<String>,
    values: HashMap<String, TensorData>,
}

impl ModuleMapper for Replace {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(data) = self.values.remove(&self.path.join(".")) else { return param };
        param.map(|old| {
            let new = Tensor::from_data(data, (&old.device(), old.dtype()));
            new.set_require_grad(old.is_require_grad())
        })
    }
    fn map_int<const D: usize>(&mut self, param: Param<Tensor<D, Int>>) -> Param<Tensor<D, Int>> {
        let Some(data) = self.values.remove(&self.path.join(".")) else { return param };
        param.map(|old| Tensor::from_data(data, (&old.device(), old.dtype())))
    }
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }
    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }
}
