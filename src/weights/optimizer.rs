//! The state of an optimizer: where Keras 3 has it, from where older files have it.

use bytes::Bytes;

use super::legacy::{names, set_names, wanted};
use super::{Resolved, WeightsFile};
use crate::config::Json;
use crate::error::{Error, Result};
use crate::file::h5::{Attributes, ElementType};
use crate::file::store::{Store, Stored};
use crate::keras_file::Description;
use crate::versions::optimizer::{
    Layout, Slot, SlotName, Trainable, from_layout, from_legacy, momentum_product, to_keras2, to_legacy,
};
use crate::versions::{Change, Target};

/// Where Keras 3 has the variables of an optimizer.
const GROUP: &str = "optimizer";
const VARIABLES: &str = "optimizer/vars";
const INNER_VARIABLES: &str = "optimizer/inner_optimizer/vars";

/// The group of the state in a legacy file.
const LEGACY: &str = "optimizer_weights";

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

/// Brings the state in a `.keras` file of Keras 2 into the order of Keras 3.
pub(super) fn modernize(file: &WeightsFile, description: &Description, config: &Json, found: &mut Resolved) {
    let is_keras2 = file.origin.keras_version.as_deref().is_some_and(|version| version.starts_with("2."));
    if !is_keras2 || !file.store.groups.contains_key(VARIABLES) {
        return;
    }
    let numbered = (0..).map_while(|number| {
        let name = number.to_string();
        let tensor = file.store.tensors.get(&format!("{VARIABLES}/{name}"))?.clone();
        Some((SlotName { name, shape: tensor.shape.clone() }, tensor))
    });
    let (names, tensors): (Vec<_>, Vec<_>) = numbered.collect();
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

/// Puts the state into a legacy file, if that version of Keras has such an optimizer.
pub(crate) fn put_legacy(
    store: &Store,
    description: &Description,
    config: &Json,
    target: Target,
    tree: &mut Store,
) -> Option<()> {
    let numbered = (0..).map_while(|number| store.tensors.get(&format!("{VARIABLES}/{number}")).cloned());
    let stored: Vec<Stored> = numbered.collect();
    let slots = to_legacy(optimizer_of(config)?, &trainable(description), target)?;
    let mut names = Vec::new();
    let mut tensors = Vec::new();
    for (name, slot) in slots {
        tensors.push((format!("{LEGACY}/{name}"), filled(slot, &stored)?));
        names.push(name);
    }
    tree.tensors.extend(tensors);
    set_names(tree.groups.entry(LEGACY.to_owned()).or_default(), "weight_names", names);
    Some(())
}

/// Brings the state into the order of a `.keras` file of Keras 2; without an optimizer there, it is left out.
pub(crate) fn put_keras2(description: &Description, config: &Json, store: &mut Store) {
    let numbered = (0..).map_while(|number| store.tensors.get(&format!("{VARIABLES}/{number}")).cloned());
    let stored: Vec<Stored> = numbered.collect();
    store.remove(GROUP);
    let slots = optimizer_of(config).and_then(|optimizer| to_keras2(optimizer, &trainable(description)));
    let filled = slots.into_iter().flatten().map(|slot| filled(slot, &stored)).collect::<Option<Vec<_>>>();
    let tensors = filled.unwrap_or_default().into_iter().enumerate();
    store.tensors.extend(tensors.map(|(number, tensor)| (format!("{VARIABLES}/{number}"), tensor)));
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
    let variables = wanted(description).into_iter().flat_map(|layer| layer.variables);
    let trained = variables.filter(|variable| variable.variable.trainable);
    trained.map(|variable| (variable.name, variable.variable.shape.clone())).collect()
}

/// Puts the variables of an optimizer where Keras 3 has them; what scales losses has those of its inner one
/// twice.
fn put(
    optimizer: &Json,
    slots: impl Fn(&Json) -> Option<Vec<Slot>>,
    stored: &[Stored],
    store: &mut Store,
) -> Option<()> {
    let inner = optimizer.pointer("/config/inner_optimizer");
    let groups = [(VARIABLES, Some(optimizer)), (INNER_VARIABLES, inner)];
    let mut tensors = Vec::new();
    for (group, optimizer) in groups {
        let Some(optimizer) = optimizer else { continue };
        for (number, slot) in slots(optimizer)?.into_iter().enumerate() {
            tensors.push((format!("{group}/{number}"), filled(slot, stored)?));
        }
        store.groups.insert(group.to_owned(), Attributes::new());
    }
    store.tensors.extend(tensors);
    Some(())
}

/// The tensor that a slot is filled with.
fn filled(slot: Slot, stored: &[Stored]) -> Option<Stored> {
    let float = |shape, number: Box<dyn Fn() -> Result<f64> + Send + Sync>| {
        Stored::new(shape, ElementType::F32, move || {
            Ok(Bytes::from(((number()?) as f32).to_le_bytes().to_vec()))
        })
    };
    match slot {
        Slot::Stored(at) => stored.get(at).cloned(),
        // Keras 3 has nothing but scalars that others lack.
        Slot::Constant(number, shape) => shape.is_empty().then(|| float(shape, Box::new(move || Ok(number)))),
        Slot::MomentumProduct(beta_1) => {
            let steps = stored.first()?.clone();
            Some(float(Vec::new(), Box::new(move || Ok(momentum_product(beta_1, count(&steps)?)))))
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
