//! The layers of a described model.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::super::contract::{KerasUnit, KerasVariable};
use super::{Form, Tensor};
use crate::config::graph::Graph;
use crate::config::{Dtype, Json, Object, snake_case};
use crate::error::{Error, Result};
use crate::file::store::{Store, is_below};
use crate::keras_file::Description;
use crate::layer::Variable;
use crate::module::graph_of;
use crate::weights::{Layout, WeightsFile};

/// The layers that have variables, in the order of Keras' `model.layers`, those of an inner model in its place.
/// `config` is what describes the model.
///
/// # Errors
/// When a variable does not hold numbers.
pub(super) fn units(description: &Description, config: &Json, store: &Store) -> Result<Vec<KerasUnit>> {
    let mut units = Vec::new();
    if let Some(graph) = graph_of(description.root.as_ref()) {
        let all: Vec<&Variable> = description.variables.iter().collect();
        collect((graph, config), ["", ""], &all, store, &mut units)?;
    }
    Ok(units)
}

/// The layers of a model by their names.
fn layers(model: &Json) -> HashMap<String, &Json> {
    let layers = model.pointer("/config/layers").and_then(Json::as_array).into_iter().flatten();
    let named = layers.filter_map(|json| {
        let object = Object::of(json)?;
        let name = object.text("name").or_else(|| object.config.get("name").and_then(Json::as_str));
        Some((name.map_or_else(|| snake_case(object.class), str::to_owned), json))
    });
    named.collect()
}

/// Those of the model of that group and path; `own` are the variables below it.
fn collect(
    (graph, config): (&Graph, &Json),
    [group, path]: [&str; 2],
    own: &[&Variable],
    store: &Store,
    units: &mut Vec<KerasUnit>,
) -> Result<()> {
    let configs = layers(config);
    for layer in &graph.layers {
        let config = configs.get(&layer.name).copied().unwrap_or(&Json::Null);
        let Some(part) = &layer.group else { continue };
        let group = format!("{group}{part}");
        let own: Vec<&Variable> = own.iter().filter(|it| is_below(&it.group, &group)).copied().collect();
        let path = format!("{path}{}", layer.name);
        match graph_of(layer.config.as_ref()) {
            _ if own.is_empty() => {}
            Some(inner) => {
                collect((inner, config), [&format!("{group}/"), &format!("{path}.")], &own, store, units)?
            }
            None => {
                let variables = own.into_iter().map(|it| variable(it, &group, store));
                let (class, variables) = (layer.config.class().to_owned(), variables.collect::<Result<_>>()?);
                let config = config.get("config").and_then(Json::as_object).cloned().unwrap_or_default();
                units.push(KerasUnit { path, class, variables, config });
            }
        }
    }
    Ok(())
}

fn variable(variable: &Variable, unit: &str, store: &Store) -> Result<KerasVariable> {
    let place = variable.dataset();
    let tensor = store.tensors.get(&place).ok_or_else(|| Error::weights("missing").at(&place))?;
    let dtype = tensor.element.keras_name().and_then(Dtype::from_name);
    let dtype = dtype.ok_or_else(|| Error::weights("expected numbers").at(&place))?;
    let groups = variable.group.get(unit.len()..).unwrap_or_default().split('/');
    let names: Vec<&str> = groups.filter(|part| !part.is_empty()).chain([variable.name]).collect();
    Ok(KerasVariable { name: names.join("."), shape: tensor.shape.clone(), dtype, place })
}

/// The variables by their places; `names` tells what the file calls the dataset of a path.
///
/// # Errors
/// When one is missing.
pub(super) fn tensors(
    description: &Description,
    store: &Store,
    file: &WeightsFile,
    names: impl Fn(&str) -> Vec<String>,
) -> Result<BTreeMap<String, Tensor>> {
    let tensor = |variable: &Variable| {
        let place = variable.dataset();
        let now = store.tensors.get(&place).ok_or_else(|| Error::weights("missing").at(&place))?.clone();
        let sources: Vec<String> = variable.datasets().flat_map(|(_, path)| names(&path)).collect();
        let stored = sources.iter().filter_map(|source| file.store.tensors.get(source));
        let form = match file.layout {
            Layout::Params => Form::Param(Arc::new(variable.clone())),
            _ if stored.count() == sources.len()
                && sources.first().is_some_and(|it| is_same(&now, file, it)) =>
            {
                Form::Same
            }
            _ => Form::Former,
        };
        Ok((place, Tensor { now, sources, form }))
    };
    description.variables.iter().map(tensor).collect()
}

/// Whether the file has a tensor under that name as it is, or will have it.
fn is_same(tensor: &crate::file::store::Stored, file: &WeightsFile, source: &str) -> bool {
    let stored = file.store.tensors.get(source);
    stored.is_some_and(|stored| stored.is(tensor) || (stored.is_planned() && tensor.is_planned()))
}
