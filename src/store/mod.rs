//! Keras files as a store of weights for hand-written Burn modules.
//!
//! [`KerasStore`] stands beside burn-store's `SafetensorsStore` and `PytorchStore` and has their vocabulary. It reads
//! and writes `.keras`, `.weights.h5`, sharded and legacy `.h5` files, and what else this crate knows:
//!
//! ```no_run
//! use burn::module::Module;
//! use burn::nn::conv::{Conv2d, Conv2dConfig};
//! use burn::nn::{Linear, LinearConfig};
//! use burn::store::ModuleSnapshot;
//! use burn::tensor::Device;
//! use burn_keras::store::KerasStore;
//!
//! #[derive(Module, Debug)]
//! struct Digits {
//!     stem: Conv2d,
//!     head: Linear,
//! }
//!
//! let device = Device::flex();
//! let mut digits = Digits {
//!     stem: Conv2dConfig::new([1, 8], [3, 3]).init(&device),
//!     head: LinearConfig::new(5408, 10).init(&device),
//! };
//! let mut store = KerasStore::from_file("digits.keras");
//! println!("{}", store.plan(&digits)?);
//! digits.load_from(&mut store)?;
//! // ... some training later, back into the file, of which all but the weights stays as it is:
//! digits.save_into(&mut store)?;
//! # Ok::<(), burn_keras::Error>(())
//! ```
//!
//! # Which module is which layer
//!
//! Modules of burn-nn are compared as wholes: an `Lstm` with all its gates is one layer. What is compared is, in this
//! order:
//!
//! 1. what the caller says: [`with_layer`](KerasStore::with_layer), [`with_plan`](KerasStore::with_plan),
//!    [`with_key_remapping`](KerasStore::with_key_remapping);
//! 2. names: the fields that lead to the module against those of the layers, in lower case and with everything but
//!    letters and digits as `_`; the last of them alone, too, if only one on each side is called so;
//! 3. kinds and shapes, where they leave one possibility;
//! 4. the order of the module's fields against that of the model, if it leaves one possibility.
//!
//! What is still open then is an error that lists the possibilities. Nothing is ever guessed.

mod adapter;
mod contract;
mod keras;
mod matching;
mod module;
mod plan;
mod report;
mod resolve;
mod transfer;
mod turned;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use burn::module::Module;
use burn::store::burn_pack::Tensor;
use burn::store::{ApplyResult, KeyRemapper, ModuleSnapshot, ModuleStore, PathFilter};
use bytes::Bytes;

pub use self::plan::{Found, Plan, PlannedLayer, PlannedModule, PlannedParam, PlannedVariable};
pub use self::report::StoreReport;

use self::keras::KerasSide;
use crate::error::{Error, Problems, Result};
use crate::layer::Registry;
use crate::limits::Limits;

/// A Keras file as a store of weights for any Burn module.
///
/// It fits burn-store's [`ModuleStore`], and so `load_from` and `save_into` of every module. See the
/// [documentation of this part](self) for how modules find their layers.
///
/// # Loading
///
/// Everything is read and checked before the module changes. A parameter without a layer is an error, unless
/// [`allow_partial`](Self::allow_partial) says otherwise; a layer without a module is told as unused. Afterwards
/// [`report`](Self::report) tells what was done.
///
/// # Saving
///
/// | there is | what is written |
/// |---|---|
/// | a file | the same, with the weights of the module in it; the state of an optimizer is left out |
/// | no file, but a [description](Self::with_model) | a whole file of the model that is described |
/// | neither | a `.weights.h5` of the layers that the modules stand for, in their order |
///
/// The file takes its place whole, or not at all.
pub struct KerasStore {
    source: Source,
    model: Option<Source>,
    registry: Registry,
    limits: Limits,
    filter: PathFilter,
    remapper: KeyRemapper,
    /// Modules and what they are said to be, the last word last.
    layers: Vec<(String, String)>,
    plan: Option<Plan>,
    allow_partial: bool,
    validate: bool,
    skip_enum_variants: bool,
    overwrite: bool,
    max_shard_size: Option<u64>,
    /// What was wrong with the arguments of the methods above; told when the store is used.
    faults: Vec<String>,
    report: Option<StoreReport>,
    opened: Option<Arc<KerasSide>>,
    tensors: Option<BTreeMap<String, Tensor>>,
}

/// Where bytes are.
#[derive(Clone, Debug)]
enum Source {
    Path(PathBuf),
    Bytes(Bytes),
}

impl fmt::Debug for KerasStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source: &dyn fmt::Debug = match &self.source {
            Source::Path(path) => path,
            Source::Bytes(_) => &"in memory",
        };
        f.debug_struct("KerasStore").field("source", source).finish_non_exhaustive()
    }
}

impl KerasStore {
    fn new(source: Source) -> Self {
        Self {
            source,
            model: None,
            registry: Registry::new(),
            limits: Limits::default(),
            filter: PathFilter::new(),
            remapper: KeyRemapper::new(),
            layers: Vec::new(),
            plan: None,
            allow_partial: false,
            validate: true,
            skip_enum_variants: true,
            overwrite: false,
            max_shard_size: None,
            faults: Vec::new(),
            report: None,
            opened: None,
            tensors: None,
        }
    }

    /// A store for a file of any kind that [`KerasWeights::open`](crate::KerasWeights::open) knows; for saving, it need
    /// not be there yet.
    pub fn from_file(path: impl Into<PathBuf>) -> Self {
        Self::new(Source::Path(path.into()))
    }

    /// A store for a whole file in memory, such as `include_bytes!` gives. Saving replaces these bytes; see
    /// [`get_bytes`](Self::get_bytes).
    pub fn from_bytes(bytes: impl Into<Bytes>) -> Self {
        Self::new(Source::Bytes(bytes.into()))
    }

    /// The bytes of a store that lies in memory.
    ///
    /// # Errors
    /// When it is a file.
    pub fn get_bytes(&self) -> Result<Bytes> {
        match &self.source {
            Source::Bytes(bytes) => Ok(bytes.clone()),
            Source::Path(_) => Err(Error::input("the store is a file, and not in memory")),
        }
    }

    /// A file that describes the model, of any kind that [`KerasFile::open`](crate::KerasFile::open) knows: for files
    /// of weights alone, which do not say in which order their layers are, and for files that are not there yet.
    #[must_use]
    pub fn with_model(mut self, path: impl Into<PathBuf>) -> Self {
        self.model = Some(Source::Path(path.into()));
        self.forget()
    }

    /// As [`with_model`](Self::with_model), with the description that Keras' `model.to_json()` gives.
    #[must_use]
    pub fn with_model_json(mut self, json: &str) -> Self {
        self.model = Some(Source::Bytes(json.to_owned().into_bytes().into()));
        self.forget()
    }

    /// Kinds of layers beside those of this crate.
    #[must_use]
    pub fn with_registry(mut self, registry: Registry) -> Self {
        self.registry = registry;
        self.forget()
    }

    /// How much a file may ask for.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self.forget()
    }

    /// Which parameters of the module take part, by their paths. Default: all.
    #[must_use]
    pub fn filter(mut self, filter: PathFilter) -> Self {
        self.filter = filter;
        self
    }

    /// Parameters whose paths match a regular expression take part, beside those that other filters name.
    #[must_use]
    pub fn with_regex<S: AsRef<str>>(self, pattern: S) -> Self {
        self.with_regexes([pattern])
    }

    /// [`with_regex`](Self::with_regex) for several.
    #[must_use]
    pub fn with_regexes<I, S>(mut self, patterns: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: AsRef<str>,
    {
        for pattern in patterns {
            let pattern = pattern.as_ref();
            // The filter itself would panic.
            match KeyRemapper::new().add_pattern(pattern, "") {
                Ok(_) => self.filter = self.filter.with_regex(pattern),
                Err(error) => self.faults.push(error.to_string()),
            }
        }
        self
    }

    /// The parameter at a path takes part, beside those that other filters name.
    #[must_use]
    pub fn with_full_path<S: Into<String>>(mut self, path: S) -> Self {
        self.filter = self.filter.with_full_path(path);
        self
    }

    /// [`with_full_path`](Self::with_full_path) for several.
    #[must_use]
    pub fn with_full_paths<I, S>(mut self, paths: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: Into<String>,
    {
        self.filter = self.filter.with_full_paths(paths);
        self
    }

    /// Parameters for whose path and containers `predicate` holds take part, beside those that other filters name.
    #[must_use]
    pub fn with_predicate(mut self, predicate: fn(&str, &str) -> bool) -> Self {
        self.filter = self.filter.with_predicate(predicate);
        self
    }

    /// [`with_predicate`](Self::with_predicate) for several.
    #[must_use]
    pub fn with_predicates<I>(mut self, predicates: I) -> Self
    where
        I: IntoIterator<Item = fn(&str, &str) -> bool>,
    {
        self.filter = self.filter.with_predicates(predicates);
        self
    }

    /// All parameters take part, whatever the filters say.
    #[must_use]
    pub fn match_all(mut self) -> Self {
        self.filter = self.filter.match_all();
        self
    }

    /// What the keys of the file are to be called: see [`with_key_remapping`](Self::with_key_remapping).
    #[must_use]
    pub fn remap(mut self, remapper: KeyRemapper) -> Self {
        self.remapper = remapper;
        self.tensors = None;
        self
    }

    /// Calls the keys of the file (`encoder.lstm.cell.kernel`) otherwise, where `from_pattern`, a regular expression,
    /// matches. Layers are then compared with modules under their new names.
    #[must_use]
    pub fn with_key_remapping(
        mut self,
        from_pattern: impl AsRef<str>,
        to_pattern: impl Into<String>,
    ) -> Self {
        match self.remapper.clone().add_pattern(from_pattern, to_pattern) {
            Ok(remapper) => self.remapper = remapper,
            Err(error) => self.faults.push(error.to_string()),
        }
        self.tensors = None;
        self
    }

    /// The module at `module`, such as `encoder.rnn`, is the layer at `layer`, such as `encoder.lstm`: the names of the
    /// nested models and its own, as the file has them.
    #[must_use]
    pub fn with_layer(self, module: impl Into<String>, layer: impl Into<String>) -> Self {
        self.with_layers([(module.into(), layer.into())])
    }

    /// [`with_layer`](Self::with_layer) for several.
    #[must_use]
    pub fn with_layers<I, M, L>(mut self, layers: I) -> Self
    where
        I: IntoIterator<Item = (M, L)>,
        M: Into<String>,
        L: Into<String>,
    {
        self.layers.extend(layers.into_iter().map(|(module, layer)| (module.into(), layer.into())));
        self
    }

    /// What a plan says is done, unless [`with_layer`](Self::with_layer) says otherwise.
    #[must_use]
    pub fn with_plan(mut self, plan: Plan) -> Self {
        self.plan = Some(plan);
        self
    }

    /// Whether parameters may be without a layer. Default: no.
    #[must_use]
    pub fn allow_partial(mut self, allow: bool) -> Self {
        self.allow_partial = allow;
        self
    }

    /// Whether a module that does not fit the layer of its name, or a tensor that cannot be read, is an error; if not,
    /// it is left alone, and told in [`ApplyResult::errors`]. Default: yes.
    #[must_use]
    pub fn validate(mut self, validate: bool) -> Self {
        self.validate = validate;
        self
    }

    /// Whether the paths of the module leave out the variants of enums, which Keras has none of. Default: yes.
    #[must_use]
    pub fn skip_enum_variants(mut self, skip: bool) -> Self {
        self.skip_enum_variants = skip;
        self
    }

    /// Whether a file that is there is replaced as a whole when saving, and not only its weights. Default: no.
    #[must_use]
    pub fn overwrite(mut self, overwrite: bool) -> Self {
        self.overwrite = overwrite;
        self
    }

    /// Of how many bytes of weights a file has at most, when they go into several: see
    /// [`SaveOptions::max_shard_size`](crate::SaveOptions::max_shard_size).
    #[must_use]
    pub fn max_shard_size(mut self, bytes: u64) -> Self {
        self.max_shard_size = Some(bytes);
        self
    }

    /// What would become of `module`: which layer each part of it is, and what is left over. Neither is changed.
    ///
    /// What [`load_from`](ModuleSnapshot::load_from) would refuse stands in the plan: undecided, missing, or not
    /// fitting.
    ///
    /// # Errors
    /// When the file cannot be opened, or something in it or in the module is named that is not there.
    pub fn plan<M: Module>(&mut self, module: &M) -> Result<Plan> {
        self.planned(module)
    }

    /// What the last loading or saving did; none before the first.
    #[must_use]
    pub fn report(&self) -> Option<&StoreReport> {
        self.report.as_ref()
    }

    /// What was found in the file is to be found anew.
    fn forget(mut self) -> Self {
        (self.opened, self.tensors) = (None, None);
        self
    }

    /// Tells what was wrong with the arguments of the builder's methods.
    fn check(&self) -> Result<()> {
        let mut problems = Problems::default();
        self.faults.iter().for_each(|fault| problems.push(Error::input(fault)));
        problems.finish()
    }
}

impl ModuleStore for KerasStore {
    type Error = Error;

    fn collect_from<M: ModuleSnapshot>(&mut self, module: &M) -> Result<()> {
        self.save(module)
    }

    fn apply_to<M: ModuleSnapshot>(&mut self, module: &mut M) -> Result<ApplyResult> {
        self.load(module)
    }

    /// The keys are those of [`keys`](Self::keys); shape, order and type are Keras' own.
    fn get_tensor(&mut self, name: &str) -> Result<Option<&Tensor>> {
        Ok(self.get_all_tensors()?.get(name))
    }

    fn get_all_tensors(&mut self) -> Result<&BTreeMap<String, Tensor>> {
        if self.tensors.is_none() {
            let tensors = self.all_tensors()?;
            self.tensors = Some(tensors);
        }
        Ok(self.tensors.get_or_insert_default())
    }

    /// `layer.path.variable` for every variable of every layer, remapped.
    fn keys(&mut self) -> Result<Vec<String>> {
        Ok(self.get_all_tensors()?.keys().cloned().collect())
    }
}
