//! Files that say of every tensor what it is called, and no more.

use super::legacy::{LegacyVariable, wanted};
use super::present::shared;
use super::{Resolved, planned};
use crate::config::Dtype;
use crate::error::{Error, Result};
use crate::file::store::{Store, Stored};
use crate::keras_file::Description;
use crate::layer::Variable;
use crate::load::tensor_data;
use crate::value::burn_dtype;

/// What is not of the model has Keras' paths in such files, too.
const OPTIMIZER: &str = "optimizer/";

/// So many names are compared at most, when they are not the very same.
const COMPARED: usize = 1 << 22;

/// Finds the variables of a model under Keras' names of them; unless it has to be `exactly` those, also
/// where only one name can be meant.
pub(super) fn by_variable(file: &Store, description: &Description, exactly: bool) -> Result<Resolved> {
    let mut found = empty(description)?;
    let mut left = file.tensors.clone();
    let mut variables: Vec<_> = wanted(description).into_iter().flat_map(|layer| layer.variables).collect();
    variables.retain(|it| match left.remove(&it.name) {
        Some(tensor) => {
            put(&mut found, it.variable, &it.name, Some(tensor));
            false
        }
        None => true,
    });
    let compared = variables.len().saturating_mul(variables.len() + left.len());
    let pairs = variables.iter().map(|it| {
        let name = only(left.keys().filter(|name| is_meant(it, name)))?;
        only(variables.iter().filter(|it| is_meant(it, name))).map(|_| name.clone())
    });
    let pairs: Vec<Option<String>> = match exactly || compared > COMPARED {
        true => vec![None; variables.len()],
        false => pairs.collect(),
    };
    for (it, name) in variables.iter().zip(pairs) {
        let tensor = name.as_ref().and_then(|name| left.remove(name));
        put(&mut found, it.variable, name.as_ref().unwrap_or(&it.name), tensor);
    }
    let state = left.extract_if(OPTIMIZER.to_owned().., |path, _| path.starts_with(OPTIMIZER));
    for (path, tensor) in state {
        let group = path.rsplit_once('/').map_or("", |(group, _)| group);
        found.store.groups.entry(group.to_owned()).or_default();
        found.store.tensors.insert(path, tensor);
    }
    found.unused = left.into_iter().map(|(path, tensor)| (path, tensor.shape)).collect();
    Ok(found)
}

/// Finds the variables of a model under the paths of Burn's parameters, and turns them into Keras' order.
pub(super) fn by_param(file: &Store, description: &Description) -> Result<Resolved> {
    let mut found = empty(description)?;
    let mut left = file.tensors.clone();
    for variable in &description.variables {
        let tensor = left.remove(&variable.param).map(|tensor| turned(variable, tensor));
        put(&mut found, variable, &variable.param, tensor);
    }
    found.unused = left.into_iter().map(|(path, tensor)| (path, tensor.shape)).collect();
    Ok(found)
}

/// The tensors of a model under Keras' names of them, and those of its optimizer.
///
/// # Errors
/// When two variables have the same name.
pub(crate) fn named(store: &Store, description: &Description) -> Result<Store> {
    let mut named = Store::default();
    for variable in wanted(description).into_iter().flat_map(|layer| layer.variables) {
        let path = variable.variable.dataset();
        let tensor = store.tensors.get(&path).ok_or_else(|| Error::weights("missing").at(path))?;
        if named.tensors.insert(variable.name.clone(), tensor.clone()).is_some() {
            return Err(Error::unsupported("two variables have this name").at(variable.name));
        }
    }
    let state = store.tensors.range(OPTIMIZER.to_owned()..);
    for (path, tensor) in state.take_while(|(path, _)| path.starts_with(OPTIMIZER)) {
        if named.tensors.insert(path.clone(), tensor.clone()).is_some() {
            return Err(Error::unsupported("a layer is called like the optimizer").at(path));
        }
    }
    Ok(named)
}

/// Whether a name can be meant for a variable. Keras names the models around a layer or not, as they were
/// built, and it has names of its own for cells and the like.
fn is_meant(variable: &LegacyVariable<'_>, name: &str) -> bool {
    let mut models: Vec<&str> = variable.name[..variable.layer].split('/').collect();
    let mut parts: Vec<&str> = name.split('/').collect();
    let layer = models.pop();
    if parts.pop() != Some(variable.variable.name) {
        return false;
    }
    parts.iter().position(|part| Some(*part) == layer).is_some_and(|at| {
        let has_parts = at + 1 < parts.len();
        let should_have = variable.name.len() > variable.layer + 1 + variable.variable.name.len();
        has_parts == should_have && parts.get(..at).is_some_and(|before| models.ends_with(before))
    })
}

/// The one that there is, if there are no more.
fn only<T>(mut all: impl Iterator<Item = T>) -> Option<T> {
    all.next().filter(|_| all.next().is_none())
}

fn empty(description: &Description) -> Result<Resolved> {
    let mut found = Resolved { store: planned(description)?, ..Resolved::default() };
    found.store.tensors.clear();
    Ok(found)
}

fn put(found: &mut Resolved, variable: &Variable, name: &str, tensor: Option<Stored>) {
    for (_, path) in variable.datasets() {
        match &tensor {
            Some(tensor) => found.take(path, name, tensor.clone()),
            None => drop(found.sources.insert(path, name.to_owned())),
        }
    }
}

/// The value of a parameter as Keras would have it.
fn turned(variable: &Variable, mut tensor: Stored) -> Stored {
    if tensor.shape != variable.param_shape() {
        // What does not fit is told with its shape in Keras' order, which then does not fit either.
        let axes = variable.inverse_axes();
        if variable.moves() && tensor.shape.len() == axes.len() {
            tensor.shape = axes.iter().filter_map(|axis| tensor.shape.get(*axis).copied()).collect();
        }
        return tensor;
    }
    if !variable.moves() {
        tensor.shape.clone_from(&variable.shape);
        return tensor;
    }
    let (variable, element) = (variable.clone(), tensor.element.clone());
    tensor.map(variable.shape.clone(), move |bytes| {
        let dtype = element.keras_name().and_then(Dtype::from_name);
        let dtype = burn_dtype(dtype.ok_or_else(|| Error::weights("expected numbers"))?)?;
        let data = variable.to_file(tensor_data(bytes, &variable.param_shape(), dtype)?)?;
        Ok(shared(data))
    })
}
