//! Files that are still to be written: the tree that they will have, with the places of all variables.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use bytes::Bytes;

use super::super::contract::{KerasUnit, KerasVariable};
use super::{Form, KerasSide, Order, Tensor, described, names};
use crate::error::{Error, Result};
use crate::file::archive::Archive;
use crate::file::h5::{Attribute, Attributes, ElementType};
use crate::file::store::{Store, Stored};
use crate::keras_file::{Described, Description, KerasFile, WEIGHTS};
use crate::layer::Registry;
use crate::save::{self, legacy_tree};
use crate::versions::Target;
use crate::weights::legacy::{set_names, signature, wanted};
use crate::weights::{
    Container, KerasWeights, Kind, Layout, MODEL_WEIGHTS, SHARD_BYTES, named, optimizer, weights_file,
};

impl KerasSide {
    /// A file that is to be written: of the kind that the name `path` stands for, of a described model. Variables
    /// have the values that are in the file of the description, if any are.
    ///
    /// # Errors
    /// When the name stands for no kind of file that can be written, or the description cannot be read.
    pub(crate) fn of_model(path: &Path, model: &KerasFile, registry: &Registry) -> Result<Self> {
        let made = file_of_model(path, model, registry);
        let (weights, found) = made.map_err(|error| error.in_file(path))?;
        let Described { description, store, .. } = found;
        let names = names_in(&weights, &description);
        let units = described::units(&description, model.config(), &store)?;
        let names = |path: &str| names.get(path).cloned().into_iter().collect();
        let tensors = described::tensors(&description, &store, &weights.file, names)?;
        Ok(Self { units, order: Order::All, undescribed: None, tensors, weights })
    }

    /// A file of weights that is to be written, for a flat model of these layers in this order; their places do
    /// not matter. The name stands for the kind of file: `.weights.h5`, `.weights.json`, `.h5`, `.safetensors`.
    ///
    /// # Errors
    /// When the name stands for a file that needs a description of the model, or two layers have the same name.
    pub(crate) fn of_units(path: &Path, mut units: Vec<KerasUnit>) -> Result<Self> {
        let weights = file_of_units(path, &mut units).map_err(|error| error.in_file(path))?;
        let mut tensors = BTreeMap::new();
        for variable in units.iter().flat_map(|unit| &unit.variables) {
            let now = weights.file.store.tensors.get(&variable.place).cloned();
            let now =
                now.ok_or_else(|| Error::input("two variables have the same name").at(&variable.place))?;
            let place = variable.place.clone();
            let tensor = Tensor { now, sources: vec![place.clone()], form: Form::Same };
            if tensors.insert(place, tensor).is_some() {
                return Err(Error::input("two variables have the same name")
                    .at(&variable.place)
                    .in_file(path));
            }
        }
        Ok(Self { units, order: Order::All, undescribed: None, tensors, weights })
    }
}

/// The tree of a file of that name for a described model, and the model.
fn file_of_model(path: &Path, model: &KerasFile, registry: &Registry) -> Result<(KerasWeights, Described)> {
    let mut found = model.describe(registry, true)?;
    found.store.remove(optimizer::GROUP);
    let Described { description, store, .. } = &found;
    let of = |store, layout, container| KerasWeights::new(weights_file(store, layout), container);
    let weights = match (save::Kind::of(path), Kind::of(path)) {
        (kind @ (save::Kind::Keras | save::Kind::Directory), _) => {
            let archive = archive(model)?.into();
            let container = match kind {
                save::Kind::Keras => Container::Zip(archive),
                _ => Container::Directory(archive),
            };
            of(store.clone(), Layout::Keras3, container)
        }
        (save::Kind::H5, _) => {
            let tree = legacy_tree(model, description, store, Target::Keras3)?;
            of(tree, Layout::Legacy { root: MODEL_WEIGHTS }, Container::H5)
        }
        (_, Some(Kind::Keras3)) => of(store.clone(), Layout::Keras3, Container::H5),
        (_, Some(Kind::Shards)) => of(store.clone(), Layout::Keras3, Container::Shards(SHARD_BYTES)),
        (_, Some(Kind::Safetensors)) => {
            let mut named = named::named(store, description)?;
            named.groups.insert(String::new(), of_keras());
            of(named, Layout::Names, Container::Safetensors)
        }
        _ => return Err(unknown_kind()),
    };
    Ok((weights, found))
}

/// The members of a new archive of a model: its documents, and the files of its layers.
fn archive(model: &KerasFile) -> Result<Archive> {
    let documents = model.documents()?.map(|(name, bytes)| (name.to_owned(), bytes));
    let mut members = Vec::from(documents);
    // Its contents are made when it is written.
    members.push((WEIGHTS.to_owned(), Bytes::new()));
    for name in model.others() {
        members.push((name.to_owned(), model.archive.read(name)?.unwrap_or_default()));
    }
    Ok(Archive::of_members(members))
}

/// What such a file calls the variable of each path of Keras 3.
fn names_in(weights: &KerasWeights, description: &Description) -> HashMap<String, String> {
    let mut names = HashMap::new();
    for layer in wanted(description) {
        for it in &layer.variables {
            for (_, path) in it.variable.datasets() {
                let name = match &weights.file.layout {
                    Layout::Legacy { root } => format!("{root}/{}/{}", layer.name, it.name),
                    Layout::Names => it.name.clone(),
                    _ => path.clone(),
                };
                names.insert(path, name);
            }
        }
    }
    names
}

/// The tree of a file of that name for layers of which no more is known; they get their places in it.
fn file_of_units(path: &Path, units: &mut [KerasUnit]) -> Result<KerasWeights> {
    let (layout, container) = match Kind::of(path) {
        Some(Kind::Keras3) => (Layout::Keras3, Container::H5),
        Some(Kind::Shards) => (Layout::Keras3, Container::Shards(SHARD_BYTES)),
        Some(Kind::Legacy) => (Layout::Legacy { root: "" }, Container::H5),
        Some(Kind::Safetensors) => (Layout::Names, Container::Safetensors),
        _ if matches!(save::Kind::of(path), save::Kind::Keras | save::Kind::Directory) => {
            let message = "a file of a whole model needs its description; give the model with it";
            return Err(Error::unsupported(message));
        }
        _ => return Err(unknown_kind()),
    };
    let mut store = Store::default();
    let root = match layout {
        Layout::Legacy { .. } => Attributes::from(signature(Target::Keras3)),
        Layout::Names => of_keras(),
        _ => Attributes::new(),
    };
    store.groups.insert(String::new(), root);
    let mut counts = HashMap::<String, usize>::new();
    let (mut layers, mut seen) = (Vec::new(), HashSet::new());
    for unit in units {
        let layer = unit.path.replace(['.', '/'], "_");
        let group = names::group(&unit.class);
        let count = counts.entry(group.clone()).or_default();
        let numbered =
            if *count == 0 { format!("layers/{group}") } else { format!("layers/{group}_{count}") };
        *count += 1;
        if !seen.insert(layer.clone()) && !matches!(layout, Layout::Keras3) {
            return Err(Error::input("two layers have the same name").at(layer));
        }
        let mut listed = Vec::new();
        let mut inside = HashMap::<String, usize>::new();
        for variable in &mut unit.variables {
            let name = variable.name.replace('.', "/");
            let (part, _) = name.rsplit_once('/').unwrap_or_default();
            variable.place = match layout {
                Layout::Legacy { .. } => format!("{layer}/{layer}/{name}"),
                Layout::Names => format!("{layer}/{name}"),
                _ => {
                    let number = inside.entry(part.to_owned()).or_default();
                    *number += 1;
                    let parts = [numbered.as_str(), part, "vars"].into_iter().filter(|part| !part.is_empty());
                    format!("{}/{}", parts.collect::<Vec<_>>().join("/"), *number - 1)
                }
            };
            listed.push(format!("{layer}/{name}"));
            store.tensors.insert(variable.place.clone(), planned(variable)?);
        }
        match layout {
            Layout::Legacy { .. } => {
                set_names(store.groups.entry(layer.clone()).or_default(), "weight_names", listed);
            }
            Layout::Keras3 => {
                let name = ("name".to_owned(), Attribute::Str(layer.clone()));
                store.groups.insert(format!("{numbered}/vars"), Attributes::from([name]));
            }
            _ => {}
        }
        layers.push(layer);
    }
    if let Layout::Legacy { .. } = layout {
        set_names(store.groups.entry(String::new()).or_default(), "layer_names", layers);
    }
    Ok(KerasWeights::new(weights_file(store, layout), container))
}

fn planned(variable: &KerasVariable) -> Result<Stored> {
    let element = ElementType::from_keras_name(variable.dtype.name());
    let element =
        element.ok_or_else(|| Error::unsupported(format_args!("variables of type {}", variable.dtype)));
    Ok(Stored::planned(variable.shape.clone(), element.map_err(|error| error.at(&variable.place))?))
}

/// What a safetensors file says of who made it.
fn of_keras() -> Attributes {
    Attributes::from([("format".to_owned(), Attribute::Str("keras".to_owned()))])
}

fn unknown_kind() -> Error {
    Error::input("expected a name that ends in .keras, .weights.h5, .weights.json, .h5 or .safetensors")
}
