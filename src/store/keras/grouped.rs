//! The layers of a file of Keras 3 that says no more than its groups do.

use std::collections::BTreeMap;

use super::super::contract::{KerasUnit, KerasVariable};
use super::{names, variables};
use crate::config::Dtype;
use crate::error::{Error, Result};
use crate::file::h5::Attribute;
use crate::file::store::{Store, Stored, is_below};
use crate::weights::renamed::{FORMER_LAYERS, LAYERS};

/// The name of the group of an object's own variables.
const VARS: &str = "vars";

/// The layers, those of a class in the order of their numbers.
///
/// A layer is the outermost group of a known class, or a group of variables that is in none.
///
/// # Errors
/// When a variable does not hold numbers.
pub(super) fn units(store: &Store) -> Result<Vec<KerasUnit>> {
    let has_new = store.tensors.keys().any(|path| is_below(path, LAYERS));
    // Where there are both, the one is another name of the other.
    let tensors = variables(store).filter(|(path, _)| !(has_new && is_below(path, FORMER_LAYERS)));
    let mut groups = BTreeMap::<Vec<&str>, Vec<(&str, &str, &Stored)>>::new();
    for (path, tensor) in tensors {
        let (group, key) = path.rsplit_once('/').unwrap_or(("", path));
        let group = group.strip_suffix(VARS).map_or(group, |group| group.trim_end_matches('/'));
        let parts = group.split('/').filter(|part| !part.is_empty()).collect();
        groups.entry(parts).or_default().push((key, path, tensor));
    }
    let mut units = BTreeMap::new();
    for (parts, mut own) in groups {
        let (unit, inner) = parts.split_at(owner(store, &parts));
        own.sort_by_key(|(key, ..)| (key.parse::<u64>().unwrap_or(u64::MAX), *key));
        let order: Vec<_> = unit.iter().map(|part| names::number(part)).collect();
        let order_inside: Vec<_> =
            inner.iter().map(|part| (names::place_of_part(part), names::number(part))).collect();
        let variables = named(store, unit, inner, &own)?;
        let (_, all) = units.entry(order).or_insert_with(|| (unit.to_vec(), BTreeMap::new()));
        all.insert(order_inside, variables);
    }
    let units = units.into_values().map(|(unit, variables)| KerasUnit {
        path: path(store, &unit),
        class: class(store, &unit).map_or_else(|| own_name(&unit).to_owned(), str::to_owned),
        variables: variables.into_values().flatten().collect(),
        ..KerasUnit::default()
    });
    Ok(units.collect())
}

/// How many parts of the path of a group lead to its layer.
fn owner(store: &Store, parts: &[&str]) -> usize {
    let is_layer = |end: &usize| {
        let is_model = parts.get(*end).is_some_and(|next| is_list(next));
        !is_model && parts.get(..*end).is_some_and(|unit| class(store, unit).is_some())
    };
    (1..parts.len()).find(is_layer).unwrap_or(parts.len())
}

fn is_list(part: &str) -> bool {
    part == LAYERS || part == FORMER_LAYERS
}

/// The class of the object of a group: what the group is called in a list, and elsewhere what its object is, if
/// it has the name that it gets by itself.
fn class(store: &Store, parts: &[&str]) -> Option<&'static str> {
    let (last, before) = parts.split_last()?;
    if before.last().is_some_and(|part| is_list(part)) {
        return names::class(last);
    }
    if is_list(last) {
        return None;
    }
    let own = object_name(store, parts).and_then(names::class);
    own.or_else(|| names::class(last))
}

/// The name of the object of a group, which newer files have.
fn object_name<'a>(store: &'a Store, parts: &[&str]) -> Option<&'a str> {
    let vars = [parts, &[VARS]].concat().join("/");
    store.groups.get(&vars)?.get("name").and_then(Attribute::text)
}

/// What a group is called, without a number.
fn own_name<'a>(parts: &[&'a str]) -> &'a str {
    parts.last().map_or("", |part| names::number(part).0)
}

/// The names of the objects around and of a group. Those in lists have no other place for their names; others
/// have the name of the attribute that they are.
fn path(store: &Store, parts: &[&str]) -> String {
    let ends = (1..=parts.len()).filter_map(|end| parts.get(..end));
    let names = ends.filter_map(|object| {
        let (last, before) = object.split_last()?;
        let is_listed = before.last().is_some_and(|part| is_list(part));
        let name = object_name(store, object).filter(|_| is_listed);
        (!is_list(last)).then(|| name.unwrap_or(last))
    });
    let names: Vec<&str> = names.collect();
    match names.is_empty() {
        true => object_name(store, &[]).unwrap_or("model").to_owned(),
        false => names.join("."),
    }
}

/// The variables of a group in a layer.
fn named(
    store: &Store,
    unit: &[&str],
    inner: &[&str],
    own: &[(&str, &str, &Stored)],
) -> Result<Vec<KerasVariable>> {
    let whole = [unit, inner].concat();
    let mut kinds = [own_name(&whole).to_owned()].into_iter().chain(class(store, &whole).map(names::group));
    let is_float = |tensor: &Stored| {
        let dtype = tensor.element.keras_name().and_then(Dtype::from_name);
        dtype.is_some_and(Dtype::is_float)
    };
    let is_plain = own.iter().enumerate().all(|(at, (key, ..))| *key == at.to_string())
        && own.first().is_some_and(|(_, _, tensor)| is_float(tensor));
    let rank = own.first().map_or(0, |(_, _, tensor)| tensor.shape.len());
    let known = kinds.find_map(|kind| names::variables(&kind, own.len(), rank)).filter(|_| is_plain);
    let variables = own.iter().enumerate().map(|(at, (key, place, tensor))| {
        let dtype = tensor.element.keras_name().and_then(Dtype::from_name);
        let dtype = dtype.ok_or_else(|| Error::weights("expected numbers").at(place))?;
        let name = known.and_then(|known| known.get(at).copied()).unwrap_or(key);
        let parts: Vec<&str> = inner.iter().copied().chain([name]).collect();
        Ok(KerasVariable {
            name: parts.join("."),
            shape: tensor.shape.clone(),
            dtype,
            place: (*place).to_owned(),
        })
    });
    variables.collect()
}
