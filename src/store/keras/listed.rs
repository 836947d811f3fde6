//! The layers of a file that names its variables, as legacy HDF5 files and safetensors do.

use std::collections::HashMap;

use super::super::contract::{KerasUnit, KerasVariable};
use super::{names, variables};
use crate::config::Dtype;
use crate::error::{Error, Result};
use crate::file::store::{Store, Stored};
use crate::weights::legacy::groups;

/// The layers of a legacy file below the group `root`, in its order.
///
/// # Errors
/// When its lists are damaged, or a variable does not hold numbers.
pub(super) fn of_legacy(store: &Store, root: &str) -> Result<Vec<KerasUnit>> {
    let mut units = Units::default();
    for group in groups(store, root)? {
        let prefix =
            if root.is_empty() { format!("{}/", group.name) } else { format!("{root}/{}/", group.name) };
        for array in &group.arrays {
            let name = array.name.strip_prefix(&prefix).unwrap_or(&array.name);
            // As TensorFlow names outputs.
            let name = name.rsplit_once(':').map_or(name, |(name, _)| name);
            let mut parts: Vec<&str> = name.split('/').collect();
            // A layer names itself again, but a model in Keras 2 does not name itself beside its layers.
            if parts.first() == Some(&group.name.as_str()) {
                parts.remove(0);
            }
            units.put(Some(&group.name), &parts, &array.name, &array.tensor)?;
        }
    }
    Ok(units.all)
}

/// The layers of a file in which every variable has Keras' name of it: `encoder/lstm/cell/kernel`.
///
/// # Errors
/// When a variable does not hold numbers.
pub(super) fn of_names(store: &Store) -> Result<Vec<KerasUnit>> {
    let mut units = Units::default();
    for (path, tensor) in variables(store) {
        units.put(None, &path.split('/').collect::<Vec<_>>(), path, tensor)?;
    }
    for unit in &mut units.all {
        // Names lie in the file in an order of their own.
        unit.variables
            .sort_by_cached_key(|it| it.name.split('.').map(names::place_of_part).collect::<Vec<_>>());
    }
    Ok(units.all)
}

/// The layers that have been met.
#[derive(Default)]
struct Units {
    all: Vec<KerasUnit>,
    /// Where each is, by its path.
    places: HashMap<String, usize>,
}

impl Units {
    /// Adds a variable to its layer: that of the last name that is not one of a part of a layer.
    fn put(&mut self, group: Option<&str>, parts: &[&str], place: &str, tensor: &Stored) -> Result<()> {
        let dtype = tensor.element.keras_name().and_then(Dtype::from_name);
        let dtype = dtype.ok_or_else(|| Error::weights("expected numbers").at(place))?;
        let (name, before) = parts.split_last().unwrap_or((&"", &[]));
        let inside = before.iter().rev().take_while(|part| names::part(part).is_some()).count();
        // The first name is that of a layer, whatever it is.
        let most = before.len().saturating_sub(usize::from(group.is_none()));
        let (layers, inside) = before.split_at(before.len() - inside.min(most));
        let path: Vec<&str> = group.into_iter().chain(layers.iter().copied()).collect();
        let class = path.last().map_or("", |layer| names::class(layer).unwrap_or(names::number(layer).0));
        let path = path.join(".");
        let at = *self.places.entry(path.clone()).or_insert(self.all.len());
        if at == self.all.len() {
            self.all.push(KerasUnit { path, class: class.to_owned(), ..KerasUnit::default() });
        }
        let Some(unit) = self.all.get_mut(at) else { return Ok(()) };
        let parts =
            inside.iter().filter_map(|part| names::part(part)).chain([*name]).collect::<Vec<_>>().join(".");
        let own = inside.iter().copied().chain([*name]).collect::<Vec<_>>().join(".");
        // Several cells of one layer have names of their own.
        let mut names = [parts, own, place.to_owned()].into_iter();
        let is_free = |name: &String| unit.variables.iter().all(|it| it.name != *name);
        let name = names.find(is_free).unwrap_or_default();
        let (shape, place) = (tensor.shape.clone(), place.to_owned());
        unit.variables.push(KerasVariable { name, shape, dtype, place });
        Ok(())
    }
}
