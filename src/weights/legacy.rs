//! Legacy weights: a group for every layer, under its name, with a list of the names of its variables.

use std::collections::HashMap;

use super::{Resolved, WeightsFile, optimizer, planned};
use crate::config::{Json, Map, Object};
use crate::error::{Error, Problems, Result};
use crate::file::h5::{Attribute, Attributes, ElementType};
use crate::file::store::{Store, is_below};
use crate::keras_file::{Description, KERAS_VERSION};
use crate::layer::Variable;
use crate::module::graph_of;
use crate::versions::{NamedArray, Target, modern_arrays};

/// A layer of a legacy file, and its arrays in the order of the file.
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) arrays: Vec<NamedArray>,
}

/// Finds the variables of a model below the group `root`: in layers of the same names, or in as many
/// layers in the same order.
pub(super) fn resolve(
    file: &WeightsFile,
    root: &str,
    description: &Description,
    config: &Json,
    by_name: bool,
) -> Result<Resolved> {
    let mut found = Resolved { store: planned(description)?, ..Resolved::default() };
    found.store.tensors.clear();
    let mut groups = groups(&file.store, root)?;
    groups.retain(|group| !group.arrays.is_empty());
    let mut layers = wanted(description);
    layers.retain(|layer| !layer.variables.is_empty());
    if !by_name && groups.len() != layers.len() {
        let (expected, got) = (layers.len(), groups.len());
        return Err(Error::weights(format_args!("expected {expected} layers with weights, got {got}")));
    }
    let configs = configs(config);
    let mut problems = Problems::default();
    let mut is_as_stored = true;
    for layer in layers {
        let at = match by_name {
            true => groups.iter().position(|group| group.name == layer.name),
            false => Some(0),
        };
        let Some(at) = at else { continue };
        let group = groups.remove(at);
        let before = group.arrays.clone();
        let arrays = match configs.get(layer.name.as_str()) {
            Some(object) => modern_arrays(object.class, object.config, &file.origin, group.arrays),
            None => Ok(group.arrays),
        };
        let Some(arrays) = problems.note(arrays.map_err(|error| error.at(&layer.name))) else { continue };
        is_as_stored &= before.len() == arrays.len()
            && before.iter().zip(&arrays).all(|(before, now)| before.tensor.is(&now.tensor));
        for (variable, array) in pair(&layer.variables, arrays, &mut found) {
            for (_, path) in variable.variable.datasets() {
                found.take(path, &array.name, array.tensor.clone());
            }
        }
    }
    optimizer::resolve(file, description, config, is_as_stored, &mut found);
    let left = groups.into_iter().flat_map(|group| group.arrays);
    found.unused.extend(left.map(|array| (array.name, array.tensor.shape)));
    problems.finish().map(|()| found)
}

/// A layer of a model, with its variables in the order of a legacy file.
pub(crate) struct LegacyLayer<'a> {
    pub(crate) name: String,
    pub(crate) variables: Vec<LegacyVariable<'a>>,
}

/// A variable, and its name as Keras 3 has it: `inner/dense/kernel`.
pub(crate) struct LegacyVariable<'a> {
    pub(crate) variable: &'a Variable,
    pub(crate) name: String,
    /// How much of the name is that of its layer, with the models around it.
    pub(crate) layer: usize,
}

/// The layers of a model, in its order.
///
/// The variables of a layer are those that are trained, then the others; those of inner layers stand
/// among them as if they were its own.
pub(crate) fn wanted(description: &Description) -> Vec<LegacyLayer<'_>> {
    let Some(graph) = graph_of(description.root.as_ref()) else { return Vec::new() };
    let mut names = Vec::new();
    name_layers(graph, "", "", &mut names);
    let layers = graph.layers.iter().filter_map(|layer| Some((layer, layer.group.as_deref()?)));
    let layers = layers.map(|(layer, group)| {
        let own = description.variables.iter().filter(|variable| is_below(&variable.group, group));
        let mut variables: Vec<_> = own.map(|variable| named(variable, &names)).collect();
        variables.sort_by_key(|it| !it.variable.trainable);
        LegacyLayer { name: layer.name.clone(), variables }
    });
    layers.collect()
}

/// The groups of all layers, inner ones too, and their names.
fn name_layers(
    graph: &crate::config::graph::Graph,
    group: &str,
    path: &str,
    names: &mut Vec<(String, String)>,
) {
    for layer in &graph.layers {
        let Some(own) = &layer.group else { continue };
        let own = if group.is_empty() { own.clone() } else { format!("{group}/{own}") };
        let path = if path.is_empty() { layer.name.clone() } else { format!("{path}/{}", layer.name) };
        if let Some(inner) = graph_of(layer.config.as_ref()) {
            name_layers(inner, &own, &path, names);
        }
        names.push((own, path));
    }
}

fn named<'a>(variable: &'a Variable, names: &[(String, String)]) -> LegacyVariable<'a> {
    let owner = names.iter().filter(|(group, _)| is_below(&variable.group, group));
    let Some((group, path)) = owner.max_by_key(|(group, _)| group.len()) else {
        return LegacyVariable { variable, name: variable.name.to_owned(), layer: 0 };
    };
    let name = format!("{path}{}/{}", &variable.group[group.len()..], variable.name);
    LegacyVariable { variable, name, layer: path.len() }
}

/// The layers of a file, in its order.
pub(crate) fn groups(file: &Store, root: &str) -> Result<Vec<Group>> {
    let none = Attributes::new();
    let attributes = |path: &str| file.groups.get(path).unwrap_or(&none);
    let layers = names(attributes(root), "layer_names")
        .ok_or_else(|| Error::damaged("expected a list of layers: layer_names").at(root))?;
    let layers = layers.into_iter().map(|layer| {
        let path = below(root, &layer);
        let arrays = names(attributes(&path), "weight_names").unwrap_or_default().into_iter().map(|name| {
            let name = below(&path, &name);
            let tensor = file.tensors.get(&name).cloned();
            let tensor = tensor.ok_or_else(|| Error::damaged("listed, but not there").at(&name))?;
            Ok(NamedArray { name, tensor })
        });
        Ok(Group { name: layer, arrays: arrays.collect::<Result<_>>()? })
    });
    layers.collect()
}

fn below(outer: &str, inner: &str) -> String {
    match outer.is_empty() {
        true => inner.to_owned(),
        false => format!("{outer}/{inner}"),
    }
}

/// A list of names, which is cut into `<key>0`, `<key>1`, ... when it is long.
pub(crate) fn names(attributes: &Attributes, key: &str) -> Option<Vec<String>> {
    let list = |key: &str| match attributes.get(key) {
        Some(Attribute::Strs(names)) => Some(names.clone()),
        _ => None,
    };
    list(key).or_else(|| {
        let mut parts = (0..).map_while(|part| list(&format!("{key}{part}"))).peekable();
        parts.peek().is_some().then(|| parts.flatten().collect())
    })
}

/// Longest list of names in one attribute, in bytes: what an object header of HDF5 holds, as Keras counts.
const LIST_BYTES: usize = 64_512;
/// What a name takes in an object header, wherever its text lies.
const NAME_BYTES: usize = 16;

/// Writes a list of names, as [`names`] reads it.
pub(crate) fn set_names(attributes: &mut Attributes, key: &str, names: Vec<String>) {
    let longest = names.iter().map(String::len).max().unwrap_or(0).max(NAME_BYTES);
    let parts = (names.len() * longest).div_ceil(LIST_BYTES);
    if parts <= 1 {
        attributes.insert(key.to_owned(), Attribute::Strs(names));
        return;
    }
    for (number, part) in names.chunks(names.len().div_ceil(parts)).enumerate() {
        attributes.insert(format!("{key}{number}"), Attribute::Strs(part.to_vec()));
    }
}

/// The tree of a legacy file below the group `root`, from tensors under the paths of Keras 3.
///
/// # Errors
/// When variables are of a type that such a file cannot name: no Keras reads them there, not even those that it
/// wrote itself.
pub(crate) fn tree(store: &Store, description: &Description, root: &str, target: Target) -> Result<Store> {
    let mut tree = Store::default();
    let mut layers = Vec::new();
    let mut problems = Problems::default();
    for layer in wanted(description) {
        let group = below(root, &layer.name);
        let mut weights = Vec::new();
        for LegacyVariable { variable, name, .. } in &layer.variables {
            let path = variable.dataset();
            let tensor = store.tensors.get(&path).ok_or_else(|| Error::weights("missing").at(path))?;
            if tensor.element == ElementType::BF16 {
                let message = "no Keras reads variables of type bfloat16 in a legacy HDF5 file";
                problems.push(Error::unsupported(message).at(name));
            }
            let name = match target {
                Target::Keras3 => name.clone(),
                // As TensorFlow names outputs.
                Target::Keras2 => format!("{name}:0"),
            };
            tree.tensors.insert(below(&group, &name), tensor.clone());
            weights.push(name);
        }
        set_names(tree.groups.entry(group).or_default(), "weight_names", weights);
        layers.push(layer.name);
    }
    let top = tree.groups.entry(below(root, "top_level_model_weights")).or_default();
    set_names(top, "weight_names", Vec::new());
    let attributes = tree.groups.entry(root.to_owned()).or_default();
    attributes.extend(signature(target));
    set_names(attributes, "layer_names", layers);
    problems.finish().map(|()| tree)
}

/// What a legacy file says of who wrote it.
pub(crate) fn signature(target: Target) -> [(String, Attribute); 2] {
    let version = match target {
        Target::Keras3 => KERAS_VERSION,
        Target::Keras2 => "2.15.0",
    };
    [("keras_version", version), ("backend", "tensorflow")]
        .map(|(key, text)| (key.to_owned(), Attribute::Str(text.to_owned())))
}

/// The layers of a model description, by name.
fn configs(config: &Json) -> HashMap<&str, Object<'_>> {
    let layers = config.pointer("/config/layers").and_then(Json::as_array).into_iter().flatten();
    let named = layers.filter_map(|json| {
        let object = Object::of(json)?;
        Some((object.text("name").or_else(|| name(object.config))?, object))
    });
    named.collect()
}

fn name(config: &Map<String, Json>) -> Option<&str> {
    config.get("name").and_then(Json::as_str)
}

/// The last part of a variable's name, without the number of its output: `kernel`.
fn base(name: &str) -> &str {
    let name = name.rsplit('/').next().unwrap_or(name);
    name.rsplit_once(':').map_or(name, |(name, _)| name)
}

/// The last two parts: `dense/kernel`.
fn tail(name: &str) -> String {
    let mut parts = name.rsplit('/').skip(1);
    format!("{}/{}", parts.next().unwrap_or(""), base(name))
}

/// Finds for every variable of a layer its array.
///
/// Keras goes by position. Where the names say otherwise, as in a file whose layers were frozen after it
/// was saved, they are right.
fn pair<'a, 'b>(
    variables: &'a [LegacyVariable<'b>],
    arrays: Vec<NamedArray>,
    found: &mut Resolved,
) -> Vec<(&'a LegacyVariable<'b>, NamedArray)> {
    let fits = |variable: &LegacyVariable<'_>, array: &NamedArray| {
        variable.variable.shape == array.tensor.shape && base(&array.name) == variable.variable.name
    };
    let in_order = variables.len() == arrays.len()
        && variables.iter().zip(&arrays).all(|(variable, array)| fits(variable, array));
    let mut arrays: Vec<Option<NamedArray>> = arrays.into_iter().map(Some).collect();
    let mut pairs = Vec::new();
    let mut left: Vec<&LegacyVariable<'_>> = variables.iter().collect();
    if !in_order {
        for by_owner in [true, false] {
            left.retain(|variable| {
                let alike = |other: &str| match by_owner {
                    true => tail(other) == tail(&variable.name),
                    false => base(other) == base(&variable.name),
                };
                let rivals = variables.iter().filter(|it| alike(&it.name)).count();
                let mut named = arrays.iter_mut().filter(|it| it.as_ref().is_some_and(|it| alike(&it.name)));
                match (named.next(), named.next()) {
                    (Some(array), None) if rivals == 1 => {
                        pairs.extend(array.take().map(|array| (*variable, array)));
                        false
                    }
                    _ => true,
                }
            });
        }
    }
    let mut rest = arrays.into_iter().flatten();
    pairs.extend(left.into_iter().map_while(|variable| Some((variable, rest.next()?))));
    found.unused.extend(rest.map(|array| (array.name, array.tensor.shape)));
    pairs
}
