//! Which tensor of a file is which variable of a model.

mod container;
mod draws;
pub(crate) mod legacy;
mod load;
pub(crate) mod named;
mod objects;
pub(crate) mod optimizer;
pub(crate) mod pack;
mod present;
pub(crate) mod renamed;
mod report;
mod save;
mod saved_model;
mod shards;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use crate::config::{Dtype, Json};
use crate::error::{Error, Result};
use crate::file::archive::Archive;
use crate::file::bundle::Objects;
use crate::file::h5::{Attribute, Attributes, ElementType, H5File};
use crate::file::store::{Store, Stored};
use crate::keras_file::{DatasetInfo, Description, WEIGHTS};
use crate::layer::{Variable, Variables};
use crate::limits::Limits;
use crate::module::graph_of;
use crate::registry::nearest_of;
use crate::versions::{Change, Origin};

pub use container::KerasWeights;
pub(crate) use container::{Container, holds_weights_only, numbers, weights_file};
pub(crate) use draws::Draws;
pub use load::{Matching, WeightsOptions};
pub(crate) use present::{present, shared};
pub use report::{LoadReport, Loaded, Missing, Skipped, Unused};
pub(crate) use save::{Kind, SHARD_BYTES};
pub(crate) use saved_model::{Saved, checkpoint, saved_model};
pub(crate) use shards::is_index;

/// The group of the weights in a legacy HDF5 file of a whole model.
pub(crate) const MODEL_WEIGHTS: &str = "model_weights";

/// The tensors of a file, and how it names them.
#[derive(Clone, Debug)]
pub(crate) struct WeightsFile {
    pub(crate) store: Store,
    pub(crate) layout: Layout,
    /// Who wrote it.
    pub(crate) origin: Origin,
}

/// How a file names its tensors.
#[derive(Clone, Debug)]
pub(crate) enum Layout {
    /// By class and number: `layers/dense_1/vars/0`.
    Keras3,
    /// By layer and variable, below a group: `model_weights/dense_1/dense_1/kernel:0`.
    Legacy { root: &'static str },
    /// By whichever way leads to them in a graph of objects: `layer_with_weights-1/kernel`.
    Objects(Arc<Objects>),
    /// As Keras names variables: `dense_1/kernel`.
    Names,
    /// As Burn names parameters, and in the order of their axes: `dense_1.kernel`.
    Params,
    /// There are none.
    None,
}

/// The tensors of a file under the paths of Keras 3.
#[derive(Debug, Default)]
pub(crate) struct Resolved {
    pub(crate) store: Store,
    /// Where the file has those that it has elsewhere, or would have them.
    sources: HashMap<String, String>,
    /// Tensors of the file that are none of the model's.
    unused: Vec<(String, Vec<usize>)>,
    /// What was left out, and why.
    pub(crate) changes: Vec<Change>,
}

impl WeightsFile {
    /// A file without any.
    pub(crate) fn none() -> Self {
        Self { store: Store::default(), layout: Layout::None, origin: Origin::default() }
    }

    /// What it holds.
    pub(crate) fn datasets(&self) -> impl Iterator<Item = DatasetInfo> {
        self.store.tensors.iter().map(|(path, tensor)| {
            let dtype =
                tensor.element.keras_name().map_or_else(|| format!("{:?}", tensor.element), str::to_owned);
            DatasetInfo { path: path.clone(), shape: tensor.shape.clone(), dtype, bytes: tensor.bytes() }
        })
    }

    /// The weights of a `.keras` archive.
    pub(crate) fn of_archive(archive: &Archive, limits: &Limits) -> Result<Self> {
        match archive.read(WEIGHTS)? {
            Some(bytes) => Ok(Self {
                store: H5File::open(bytes, limits).map_err(|error| error.at(WEIGHTS))?.into(),
                layout: Layout::Keras3,
                origin: Origin::default(),
            }),
            None if archive.names().any(|name| name == "model.weights.npz") => {
                Err(Error::unsupported("weights in a model.weights.npz"))
            }
            None => Err(Error::damaged(format_args!("there is no {WEIGHTS} in it"))),
        }
    }

    /// The weights of an HDF5 file: those of Keras 3, or legacy ones, alone or of a whole model.
    pub(crate) fn of_h5(store: Store) -> Self {
        let has_layers = |group: &&str| {
            let group = store.groups.get(*group);
            group.is_some_and(|attributes| legacy::names(attributes, "layer_names").is_some())
        };
        let Some(root) = ["", MODEL_WEIGHTS].into_iter().find(has_layers) else {
            return Self { store, layout: Layout::Keras3, origin: Origin::default() };
        };
        let text = |key: &str| {
            let text = ["", root].into_iter().find_map(|group| store.groups.get(group)?.get(key));
            text.and_then(Attribute::text).map(str::to_owned)
        };
        let origin = Origin { keras_version: text("keras_version"), backend: text("backend") };
        Self { store, layout: Layout::Legacy { root }, origin }
    }

    /// Finds the variables of a model among the tensors of the file.
    pub(crate) fn resolve(
        &self,
        description: &Description,
        config: &Json,
        matching: Option<Matching>,
    ) -> Result<Resolved> {
        match (&self.layout, matching) {
            (Layout::Keras3, None | Some(Matching::Path)) => {
                let version = self.origin.keras_version.as_deref();
                let mut found = renamed::resolve(&self.store, description, version);
                optimizer::modernize(self, description, config, &mut found);
                Ok(found)
            }
            (Layout::Keras3, Some(Matching::Name)) => Ok(by_name(&self.store, description)),
            (Layout::Keras3, Some(Matching::Order)) => {
                Err(Error::unsupported("a file of Keras 3 does not say in which order its layers are"))
            }
            (Layout::Legacy { .. }, Some(Matching::Path)) => {
                Err(Error::unsupported("a legacy file has no paths of Keras 3"))
            }
            (Layout::Legacy { root }, matching) => {
                let by_name = matching == Some(Matching::Name);
                legacy::resolve(self, root, description, config, by_name)
            }
            (Layout::Objects(objects), None | Some(Matching::Order)) => {
                objects::resolve(&self.store, objects, description, config)
            }
            (Layout::Objects(_), _) => Err(Error::unsupported(
                "a checkpoint of TensorFlow has neither the paths of Keras 3 nor names",
            )),
            (Layout::Names | Layout::Params, Some(Matching::Order)) => {
                Err(Error::unsupported("a file of names does not say in which order its layers are"))
            }
            (Layout::Names, _) => {
                named::by_variable(&self.store, description, matching == Some(Matching::Name))
            }
            (Layout::Params, _) => named::by_param(&self.store, description),
            (Layout::None, _) => Ok(Resolved { store: planned(description)?, ..Resolved::default() }),
        }
    }
}

/// The tensors of a file of Keras 3 under the paths of the model's layers of the same names.
fn by_name(store: &Store, description: &Description) -> Resolved {
    let mut found = Resolved::default();
    let Some(graph) = graph_of(description.root.as_ref()) else { return found };
    let groups: HashMap<&str, &str> = graph
        .layers
        .iter()
        .filter_map(|layer| Some((layer.name.as_str(), layer.group.as_deref()?)))
        .collect();
    let named = store.groups.iter().filter_map(|(path, attributes)| {
        let group = path.strip_suffix("/vars").filter(|group| group.matches('/').count() == 1)?;
        Some((group, attributes.get("name")?.text()?))
    });
    let named: HashMap<&str, &str> = named.collect();
    for (path, tensor) in &store.tensors {
        let end = path.match_indices('/').nth(1).map_or(0, |(at, _)| at);
        let name = path.get(..end).and_then(|group| named.get(group));
        match name.and_then(|name| groups.get(name)).zip(path.get(end..)) {
            Some((group, rest)) => found.take(format!("{group}{rest}"), path, tensor.clone()),
            None => found.unused.push((path.clone(), tensor.shape.clone())),
        }
    }
    found
}

impl Resolved {
    /// Takes a tensor of the file for the one at a path of Keras 3.
    fn take(&mut self, path: String, source: &str, tensor: Stored) {
        self.sources.insert(path.clone(), source.to_owned());
        self.store.tensors.insert(path, tensor);
    }

    fn source(&self, path: &str) -> String {
        self.sources.get(path).map_or(path, String::as_str).to_owned()
    }

    /// Compares what is there with what a model declares, as strictly as Keras does: every variable with
    /// its exact shape, and nothing else among a layer's own variables.
    pub(crate) fn compare(&self, variables: &Variables, members: &HashSet<&str>) -> LoadReport {
        let mut report = LoadReport::default();
        let mut counts = BTreeMap::<&str, usize>::new();
        let mut claimed = HashSet::new();
        let datasets = |variable| Variable::datasets(variable).map(move |dataset| (variable, dataset));
        for (variable, (group, path)) in variables.iter().flat_map(datasets) {
            *counts.entry(group).or_default() += 1;
            let (name, source) = (variable.name, self.source(&path));
            match self.store.tensors.get(&path) {
                None => {
                    let (name, shape) = (Some(name), variable.shape.clone());
                    report.missing.push(Missing { path: path.clone(), name, shape, nearest: None });
                }
                Some(tensor) => match misfit(variable, tensor) {
                    Some(element) => report.skipped.push(Skipped {
                        path: path.clone(),
                        name,
                        source,
                        expected: variable.shape.clone(),
                        found: tensor.shape.clone(),
                        element,
                    }),
                    None => report.loaded.push(Loaded { path: path.clone(), source }),
                },
            }
            claimed.insert(path);
        }
        for member in variables.assets().iter().map(crate::variables::Asset::member) {
            if !members.contains(member.as_str()) {
                report.missing.push(Missing { path: member, name: None, shape: Vec::new(), nearest: None });
            }
        }
        let free = self.store.tensors.iter().filter(|(path, _)| !claimed.contains(*path));
        let free = free.filter(|(path, _)| !path.starts_with("optimizer/"));
        report.unused = free
            .map(|(path, tensor)| {
                let group = path.rsplit_once("vars/").map_or("", |(group, _)| group.trim_end_matches('/'));
                let is_surplus = counts.contains_key(group);
                Unused { path: self.source(path), shape: tensor.shape.clone(), is_surplus, nearest: None }
            })
            .chain(self.unused.iter().map(|(path, shape)| Unused {
                path: path.clone(),
                shape: shape.clone(),
                is_surplus: false,
                nearest: None,
            }))
            .collect();
        self.suggest(&mut report);
        report
    }

    /// Names the most similar for everything that has been missed.
    fn suggest(&self, report: &mut LoadReport) {
        let unused: Vec<String> = report.unused.iter().map(|unused| unused.path.clone()).collect();
        let missing: Vec<String> = report.missing.iter().map(|missing| self.source(&missing.path)).collect();
        // What is missing everywhere has no likeness anywhere, and comparing all with all takes its time.
        if unused.len().saturating_mul(missing.len()) > 1 << 16 {
            return;
        }
        for (missing, name) in report.missing.iter_mut().zip(&missing) {
            missing.nearest = nearest_of(name, unused.iter().map(String::as_str));
        }
        for unused in &mut report.unused {
            unused.nearest = nearest_of(&unused.path, missing.iter().map(String::as_str));
        }
    }

    /// What is left to be filled with fresh values has a place in the tree, but no value.
    pub(crate) fn plan(mut self, report: &LoadReport, variables: &Variables) -> Result<Store> {
        let missing: HashSet<&str> = (report.missing.iter().map(|it| it.path.as_str()))
            .chain(report.skipped.iter().map(|it| it.path.as_str()))
            .collect();
        for variable in variables {
            for (_, path) in variable.datasets().filter(|(_, path)| missing.contains(path.as_str())) {
                let tensor = Stored::planned(variable.shape.clone(), element(variable)?);
                self.store.tensors.insert(path, tensor);
            }
        }
        Ok(self.store)
    }
}

/// Why a tensor cannot be the value of a variable: its shape, or what its elements are.
fn misfit(variable: &Variable, tensor: &Stored) -> Option<Option<String>> {
    if tensor.shape != variable.shape {
        return Some(None);
    }
    let is_number = tensor.element.keras_name().and_then(Dtype::from_name).is_some();
    (!is_number).then(|| Some(format!("{:?}", tensor.element)))
}

fn element(variable: &Variable) -> Result<ElementType> {
    ElementType::from_keras_name(variable.dtype.name())
        .ok_or_else(|| Error::unsupported(format_args!("variables of type {}", variable.dtype)))
}

/// The tree of a weights file of Keras 3, with the groups that Keras makes, and without values.
pub(crate) fn planned(description: &Description) -> Result<Store> {
    let mut store =
        Store { groups: BTreeMap::from([(String::new(), Attributes::new())]), ..Store::default() };
    if let Some(graph) = graph_of(description.root.as_ref()) {
        for layer in &graph.layers {
            let name = Attribute::Str(layer.name.clone());
            let vars = layer.group.iter().map(|group| format!("{group}/vars"));
            store
                .groups
                .extend(vars.map(|vars| (vars, Attributes::from([("name".to_owned(), name.clone())]))));
        }
    }
    for variable in &description.variables {
        for (_, path) in variable.datasets() {
            store.tensors.insert(path, Stored::planned(variable.shape.clone(), element(variable)?));
        }
    }
    Ok(store)
}
