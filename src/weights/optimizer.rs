//! The state of an optimizer: where Keras 3 has it, from where older files have it.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;

use super::legacy::{names, set_names, wanted};
#[cfg(feature = "train")]
use super::present::Host;
use super::{Resolved, WeightsFile};
use crate::config::Json;
use crate::error::{Error, Result};
use crate::file::bundle::Objects;
use crate::file::h5::{Attributes, ElementType};
use crate::file::store::{Store, Stored, is_below};
use crate::keras_file::Description;
use crate::layer::Variable;
use crate::versions::optimizer::{
    Layout, SCALING, Slot, SlotName, Trainable, from_layout, from_legacy, lost, momentum_product, to_legacy,
};
use crate::versions::{Change, Target};
#[cfg(feature = "train")]
use {
    crate::config::Dtype, crate::load::tensor_data, crate::reorder::aligned, crate::value::burn_dtype,
    burn::tensor::DType, burn::tensor::TensorData,
};

/// Where Keras 3 has the variables of an optimizer.
pub(crate) const GROUP: &str = "optimizer";
pub(crate) const VARIABLES: &str = "optimizer/vars";
pub(crate) const INNER_VARIABLES: &str = "optimizer/inner_optimizer/vars";

/// The group of the state in a legacy file.
pub(crate) const LEGACY: &str = "optimizer_weights";

/// Takes the state out of a legacy file. It is left out where the variables of the model are not those of
/// the file: `is_as_stored`.
pub(super) fn resolve(
    file: &WeightsFile,
    description: &Description,
    config: &Json,
    is_as_stored: bool,
    found: &mut Resolved,
) {
    let (Some(attributes), Some(optimizer)) = (file.store.groups.get(LEGACY), optimizer_of(config)) else {
        return;
    };
    let tensor = |name: String| {
        let tensor = file.store.tensors.get(&format!("{LEGACY}/{name}"))?.clone();
        Some((SlotName { name, shape: tensor.shape.clone() }, tensor))
    };
    let stored: Option<(Vec<_>, Vec<_>)> =
        names(attributes, "weight_names").unwrap_or_default().into_iter().map(tensor).collect();
    let taken = stored.filter(|_| is_as_stored).and_then(|(names, tensors)| {
        let slots = |optimizer: &Json| from_legacy(optimizer, &names, &trainable(description));
        put(optimizer, slots, &tensors, &mut found.store)
    });
    if taken.is_none() {
        found.changes.push(left_out());
    }
}

/// Takes the state out of a checkpoint of TensorFlow.
pub(super) fn of_objects(
    tensors: &BTreeMap<String, Stored>,
    objects: &Objects,
    description: &Description,
    config: &Json,
    found: &mut Resolved,
) {
    let (Some(node), Some(optimizer)) = (objects.find(0, &["optimizer"]), optimizer_of(config)) else {
        return;
    };
    let tensor = |name: String, node| {
        let tensor = tensors.get(objects.variable(node)?)?.clone();
        Some((SlotName { name, shape: tensor.shape.clone() }, tensor))
    };
    let (layout, orders) = match objects.find(node, &["_variables"]) {
        Some(list) => {
            let numbered = (0_usize..).map_while(|number| objects.find(list, &[&number.to_string()]));
            let named = numbered.map(|node| tensor(objects.full_name(node)?.to_owned(), node));
            (Layout::Keras2, vec![named.collect()])
        }
        None => {
            let orders = slots(objects, node, description, found).map(|slots| {
                let steps = objects.find(node, &["iter"]).into_iter().map(|node| ("iter", node));
                let named = steps.chain(slots).map(|(name, node)| tensor(name.to_owned(), node));
                named.collect::<Option<(Vec<_>, Vec<_>)>>()
            });
            (Layout::Legacy, orders.into())
        }
    };
    let taken = orders.into_iter().flatten().find_map(|(names, tensors)| {
        let slots = |optimizer: &Json| from_layout(optimizer, layout, &names, &trainable(description));
        put(optimizer, slots, &tensors, &mut found.store)
    });
    if taken.is_none() {
        found.changes.push(left_out());
    }
}

/// What an optimizer of the old kind keeps beside variables: one kind after the other, each in the order of
/// the variables; and one variable after the other, with all kinds of each. Names tell which it is.
fn slots<'a>(
    objects: &'a Objects,
    optimizer: usize,
    description: &Description,
    found: &Resolved,
) -> [Vec<(&'a str, usize)>; 2] {
    let variables = wanted(description).into_iter().flat_map(|layer| layer.variables);
    let order = variables.map(|it| found.source(&it.variable.dataset())).enumerate();
    let order: HashMap<String, usize> = order.map(|(at, key)| (key, at)).collect();
    let mut kinds = Vec::new();
    let mut slots = Vec::new();
    for (variable, kind, node) in objects.slots(optimizer) {
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
        let at = kinds.iter().position(|other| *other == kind);
        let variable = objects.variable(variable).and_then(|key| order.get(key));
        slots.push((at, variable.copied(), kind, node));
    }
    slots.sort_unstable();
    let nodes = |slots: &[(_, _, &'a str, usize)]| slots.iter().map(|slot| (slot.2, slot.3)).collect();
    let by_kind = nodes(&slots);
    slots.sort_by_key(|slot| slot.1);
    [by_kind, nodes(&slots)]
}

/// Brings the state in a `.keras` file of Keras 2 into the order of Keras 3.
pub(super) fn modernize(file: &WeightsFile, description: &Description, config: &Json, found: &mut Resolved) {
    let is_keras2 = file.origin.keras_version.as_deref().is_some_and(|version| version.starts_with("2."));
    if !is_keras2 {
        return move_product(config, found);
    }
    if !file.store.groups.contains_key(VARIABLES) {
        return;
    }
    let (names, tensors): (Vec<_>, Vec<_>) = numbered(&file.store).unzip();
    found.store.remove(GROUP);
    let taken = optimizer_of(config).and_then(|optimizer| {
        let slots =
            |optimizer: &Json| from_layout(optimizer, Layout::Keras2, &names, &trainable(description));
        put(optimizer, slots, &tensors, &mut found.store)
    });
    if taken.is_none() {
        found.changes.push(left_out());
    }
}

/// Up to Keras 3.6, `Nadam` had the product of its momenta before its slots; now it comes after them.
fn move_product(config: &Json, found: &mut Resolved) {
    let is_nadam = optimizer_of(config).and_then(|it| it.get("class_name")).is_some_and(|it| it == "Nadam");
    let mut tensors: Vec<Stored> = numbered(&found.store).map(|it| it.1).collect();
    let scalars = tensors.iter().take_while(|tensor| tensor.shape.is_empty()).count();
    if !is_nadam || scalars < 2 || tensors.last().is_none_or(|last| last.shape.is_empty()) {
        return;
    }
    let product = tensors.remove(scalars - 1);
    tensors.push(product);
    let places = (0..tensors.len()).map(|at| format!("{VARIABLES}/{at}"));
    found.store.tensors.extend(places.zip(tensors));
}

/// The state of an optimizer as a file has it: the names of its variables there, and their values.
pub(crate) type State = Vec<(String, Stored)>;

/// Whether there is a state.
pub(crate) fn is_in(store: &Store) -> bool {
    store.tensors.keys().any(|path| is_below(path, GROUP))
}

/// What is told of a state that a file has no place for.
pub(crate) fn has_no_place() -> Change {
    let what = "its state is left out: the file has no place for it".to_owned();
    Change { place: GROUP.to_owned(), what }
}

/// The state for a file that a Keras opens, from that in the order of Keras 3. None where there is none, or
/// that Keras has no such optimizer; what it does not store is told, and what is of other variables than those
/// that the model trains: Keras 3.0 trains some frozen ones.
pub(crate) fn state(
    store: &Store,
    description: &Description,
    config: &Json,
    target: Target,
    changes: &mut Vec<Change>,
) -> Option<State> {
    let optimizer = optimizer_of(config).filter(|_| is_in(store))?;
    let trainable = trainable(description);
    let slots = to_legacy(optimizer, &trainable, target)?;
    let stored: Vec<_> = numbered(store).map(|it| it.0).collect();
    if from_layout(optimizer, Layout::Keras3, &stored, &trainable).is_none() {
        changes.push(left_out());
        return Some(State::new());
    }
    let (names, slots): (Vec<_>, Vec<_>) = slots.into_iter().unzip();
    let state = names.into_iter().zip(present(slots, store, target)?).collect();
    let lost = lost(optimizer, target).into_iter();
    changes.extend(lost.map(|what| Change { place: GROUP.to_owned(), what: what.to_owned() }));
    Some(state)
}

/// Puts a state into a legacy file.
pub(crate) fn put_legacy(state: State, tree: &mut Store) {
    if state.is_empty() {
        return;
    }
    let names = state.iter().map(|(name, _)| name.clone()).collect();
    tree.tensors.extend(state.into_iter().map(|(name, tensor)| (format!("{LEGACY}/{name}"), tensor)));
    set_names(tree.groups.entry(LEGACY.to_owned()).or_default(), "weight_names", names);
}

/// Puts a state into a `.keras` file of Keras 2, in place of that of Keras 3.
pub(crate) fn put_keras2(state: State, store: &mut Store) {
    store.remove(GROUP);
    let tensors = state.into_iter().enumerate();
    store.tensors.extend(tensors.map(|(number, (_, tensor))| (format!("{VARIABLES}/{number}"), tensor)));
}

fn present(slots: Vec<Slot>, store: &Store, target: Target) -> Option<Vec<Stored>> {
    let stored = numbered(store).map(|(_, tensor)| tensor).collect::<Vec<_>>();
    let mut filled = slots.into_iter().map(|slot| filled(slot, &stored)).collect::<Option<Vec<_>>>()?;
    if let (Target::Keras2, Some(steps)) = (target, filled.first_mut()) {
        let own = steps.clone();
        *steps = Stored::new(Vec::new(), ElementType::I64, move || {
            Ok(Bytes::from(count(&own)?.to_le_bytes().to_vec()))
        });
    }
    Some(filled)
}

/// The variables of an optimizer by their numbers.
fn numbered(store: &Store) -> impl Iterator<Item = (SlotName, Stored)> + '_ {
    (0..).map_while(|number: usize| {
        let name = number.to_string();
        let tensor = store.tensors.get(&format!("{VARIABLES}/{name}"))?.clone();
        Some((SlotName { name, shape: tensor.shape.clone() }, tensor))
    })
}

fn optimizer_of(config: &Json) -> Option<&Json> {
    config.pointer("/compile_config/optimizer").filter(|optimizer| !optimizer.is_null())
}

fn left_out() -> Change {
    let what = "its state is left out: it is not that of the trained variables of the model";
    Change { place: GROUP.to_owned(), what: what.to_owned() }
}

/// The trainable variables of a model in the order of Keras.
fn trainable(description: &Description) -> Vec<Trainable> {
    trained(description).into_iter().map(|(path, variable)| (path, variable.shape.clone())).collect()
}

/// The same, with their paths in Keras.
pub(crate) fn trained(description: &Description) -> Vec<(String, &Variable)> {
    let variables = wanted(description).into_iter().flat_map(|layer| layer.variables);
    let trained = variables.filter(|variable| variable.variable.trainable);
    trained.map(|variable| (variable.name, variable.variable)).collect()
}

/// The variables of an optimizer, with their paths below the root of a file.
#[cfg(feature = "train")]
pub(crate) fn stored_state(store: &Store) -> Result<Vec<(String, TensorData)>> {
    let own = store.tensors.iter().filter(|(path, _)| is_below(path, GROUP));
    let read = |(path, tensor): (&String, &Stored)| {
        let dtype = tensor.element.keras_name().and_then(Dtype::from_name);
        let dtype = burn_dtype(dtype.ok_or_else(|| Error::weights("expected numbers"))?)?;
        let data = tensor.read().and_then(|bytes| tensor_data(bytes, &tensor.shape, dtype));
        data.map(|data| (path.clone(), aligned(data))).map_err(|error| error.at(path))
    };
    own.map(read).collect()
}

/// Puts the variables of an optimizer into a file, in place of those that are there.
#[cfg(feature = "train")]
pub(crate) fn put_state(store: &mut Store, variables: Vec<(String, TensorData)>) -> Result<()> {
    store.remove(GROUP);
    for (path, data) in variables {
        let element = match data.dtype() {
            DType::I32 => ElementType::I32,
            DType::F32 => ElementType::F32,
            other => return Err(Error::unsupported(format_args!("a variable of type {other:?}")).at(path)),
        };
        if let Some((group, _)) = path.rsplit_once('/') {
            store.groups.entry(group.to_owned()).or_default();
        }
        let (bytes, shape, _) = data.into_parts();
        let bytes = Bytes::from_owner(Host(bytes));
        store.tensors.insert(path, Stored::new(shape.to_vec(), element, move || Ok(bytes.clone())));
    }
    Ok(())
}

/// Puts the variables of an optimizer where Keras 3 has them; what scales losses has those of its inner one
/// twice.
fn put(
    optimizer: &Json,
    slots: impl Fn(&Json) -> Option<Vec<Slot>>,
    stored: &[Stored],
    store: &mut Store,
) -> Option<()> {
    let own = slots(optimizer)?;
    let inner = optimizer.pointer("/config/inner_optimizer").and_then(|_| own.get(SCALING.len()..));
    let groups = [(VARIABLES, Some(own.as_slice())), (INNER_VARIABLES, inner)];
    let mut tensors = Vec::new();
    for (group, slots) in groups {
        let Some(slots) = slots else { continue };
        for (number, slot) in slots.iter().enumerate() {
            tensors.push((format!("{group}/{number}"), filled(slot.clone(), stored)?));
        }
        store.groups.insert(group.to_owned(), Attributes::new());
    }
    store.tensors.extend(tensors);
    Some(())
}

/// The tensor that a slot is filled with.
fn filled(slot: Slot, stored: &[Stored]) -> Option<Stored> {
    let constant = |number: f64, elements: u64| {
        let elements = usize::try_from(elements).map_err(|_| Error::limit("too large for this machine"))?;
        Ok(Bytes::from((number as f32).to_le_bytes().repeat(elements)))
    };
    match slot {
        Slot::Stored(at) => stored.get(at).cloned(),
        Slot::Constant(number, shape) => {
            let elements = Stored::planned(shape.clone(), ElementType::F32).elements();
            Some(Stored::new(shape, ElementType::F32, move || constant(number, elements)))
        }
        Slot::MomentumProduct(beta_1) => {
            let steps = stored.first()?.clone();
            let product = move || constant(momentum_product(beta_1, count(&steps)?), 1);
            Some(Stored::new(Vec::new(), ElementType::F32, product))
        }
    }
}

/// The number of steps. Negative ones would be none.
fn count(steps: &Stored) -> Result<u64> {
    let bytes = steps.read()?;
    let number = match (&steps.element, &bytes[..]) {
        (ElementType::I64, bytes) => bytes.try_into().map(i64::from_le_bytes).ok(),
        (ElementType::I32, bytes) => bytes.try_into().map(|bytes| i64::from(i32::from_le_bytes(bytes))).ok(),
        _ => None,
    };
    let number = number.and_then(|number| u64::try_from(number).ok());
    number.ok_or_else(|| Error::damaged("expected a number of steps").at(VARIABLES))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Object;
    use crate::weights::KerasWeights;
    use crate::{KerasFile, Limits};

    /// What Keras 2 stored goes back as it was.
    #[test]
    fn the_state_goes_back_to_keras_2() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/keras2_training");
        for name in ["adam.h5", "rmsprop.h5", "scaled.h5", "adam_archive.keras"] {
            let path = std::path::Path::new(folder).join(name);
            let file = KerasFile::open(&path, &Limits::default()).unwrap();
            assert!(Object::of(&file.config()["compile_config"]["optimizer"]).is_some());
            let found = file.describe(&crate::layer::Registry::default(), false).unwrap();
            let original = KerasWeights::open(&path, &Limits::default()).unwrap().file;
            let same = |name: &str, own: &Stored, real: &Stored| {
                assert_eq!(own.shape, real.shape, "{name}");
                assert_eq!(own.element, real.element, "{name}");
                assert_eq!(own.read().unwrap(), real.read().unwrap(), "{name}");
            };
            let (store, model, config) = (&found.store, &found.description, file.config());
            let state = |target| state(store, model, config, target, &mut Vec::new()).unwrap();
            let of_keras2 = state(Target::Keras2);
            let Some(group) = original.store.groups.get(LEGACY) else {
                let real: Vec<_> = numbered(&original.store).collect();
                assert_eq!(of_keras2.len(), real.len());
                of_keras2.iter().zip(&real).for_each(|((_, own), (_, real))| same(name, own, real));
                continue;
            };
            let names = names(group, "weight_names").unwrap();
            assert_eq!(of_keras2.len(), names.len());
            for ((own, tensor), real) in of_keras2.iter().zip(&names) {
                // Of nested models Keras 2 names the innermost only.
                let tail = |name: &str| name.rsplit('/').next().map(str::to_owned);
                assert_eq!(tail(own), tail(real), "{own} {real}");
                same(own, tensor, &original.store.tensors[&format!("{LEGACY}/{real}")]);
            }
            assert!(state(Target::Keras3).len() > names.len());
        }
    }
}
