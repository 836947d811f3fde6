//! Which tensor of a file is which variable of a model.

mod draws;
mod legacy;
mod report;

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::config::{Dtype, Json};
use crate::error::{Error, Result};
use crate::file::h5::{Attribute, Attributes, ElementType};
use crate::file::store::{Store, Stored};
use crate::keras_file::Description;
use crate::layer::{Variable, Variables};
use crate::module::graph_of;
use crate::registry::nearest_of;
use crate::versions::Origin;

pub(crate) use draws::Draws;
pub use report::{LoadReport, Loaded, Missing, Skipped, Unused};

/// The tensors of a file, and how it names them.
#[derive(Debug)]
pub(crate) struct WeightsFile {
    pub(crate) store: Store,
    pub(crate) layout: Layout,
}

/// How a file names its tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// By class and number: `layers/dense_1/vars/0`.
    Keras3,
    /// By layer and variable, below a group: `model_weights/dense_1/dense_1/kernel:0`.
    Legacy { root: &'static str },
    /// There are none.
    None,
}

/// The tensors of a file under the paths of Keras 3.
#[derive(Debug, Default)]
pub(crate) struct Resolved {
    pub(crate) store: Store,
    /// Where the file has those that it has elsewhere.
    sources: HashMap<String, String>,
    /// Tensors of the file that are none of the model's.
    unused: Vec<(String, Vec<usize>)>,
}

impl WeightsFile {
    /// A file without any.
    pub(crate) fn none() -> Self {
        Self { store: Store::default(), layout: Layout::None }
    }

    /// Finds the variables of a model among the tensors of the file.
    pub(crate) fn resolve(
        &self,
        description: &Description,
        config: &Json,
        origin: &Origin,
    ) -> Result<Resolved> {
        match self.layout {
            Layout::Keras3 => Ok(Resolved { store: self.store.clone(), ..Resolved::default() }),
            Layout::Legacy { root } => legacy::resolve(&self.store, root, description, config, origin),
            Layout::None => Ok(Resolved { store: planned(description)?, ..Resolved::default() }),
        }
    }
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
        suggest(&mut report);
        report
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

/// Names the most similar for everything that has been missed.
fn suggest(report: &mut LoadReport) {
    let unused: Vec<String> = report.unused.iter().map(|unused| unused.path.clone()).collect();
    let missing: Vec<String> = report.missing.iter().map(|missing| missing.path.clone()).collect();
    // What is missing everywhere has no likeness anywhere, and comparing all with all takes its time.
    if unused.len().saturating_mul(missing.len()) > 1 << 16 {
        return;
    }
    for missing in &mut report.missing {
        missing.nearest = nearest_of(&missing.path, unused.iter().map(String::as_str));
    }
    for unused in &mut report.unused {
        unused.nearest = nearest_of(&unused.path, missing.iter().map(String::as_str));
    }
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
