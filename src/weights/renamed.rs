//! Groups that have other names in `.keras` files of Keras 2.

use std::collections::{BTreeMap, HashMap};

use super::Resolved;
use crate::config::graph::Graph;
use crate::config::snake_case;
use crate::file::store::Store;
use crate::keras_file::Description;
use crate::layer::Variable;
use crate::module::graph_of;

/// Today's name of a group, and the one in files of Keras 2.
const RENAMED: &[(&str, &str)] = &[
    ("query_dense", "_query_dense"),
    ("key_dense", "_key_dense"),
    ("value_dense", "_value_dense"),
    ("output_dense", "_output_dense"),
];

/// The group of the layers of a model before Keras 2.15.
const LAYERS: &str = "_layer_checkpoint_dependencies";

/// The tensors of a file that has paths of Keras 3, or almost.
pub(super) fn resolve(store: &Store, description: &Description) -> Resolved {
    let mut moved = BTreeMap::new();
    let groups: Vec<&str> =
        description.variables.iter().flat_map(Variable::datasets).map(|it| it.0).collect();
    let mut names = HashMap::new();
    if let Some(graph) = graph_of(description.root.as_ref()).filter(|_| store.groups.contains_key(LAYERS)) {
        number(graph, ["", ""], &groups, &mut names);
    }
    for group in groups {
        let old = old_name(group, &names);
        if old != group && !store.tensors.contains_key(&format!("{group}/vars/0")) {
            moved.insert(old, group);
        }
    }
    let now = |path: &str| {
        let (group, rest) = path.split_at(path.find("/vars").unwrap_or(path.len()));
        moved.get(group).map(|group| format!("{group}{rest}"))
    };
    let mut found = Resolved::default();
    for (path, attributes) in &store.groups {
        found.store.groups.insert(now(path).unwrap_or_else(|| path.clone()), attributes.clone());
    }
    for (path, tensor) in &store.tensors {
        match now(path) {
            Some(new) => found.take(new, path, tensor.clone()),
            None => drop(found.store.tensors.insert(path.clone(), tensor.clone())),
        }
    }
    found
}

/// The tensors of a model as Keras 2 wants them in a `.keras` file. The root needs a group of variables there,
/// even when it is empty.
pub(crate) fn to_keras2(store: &Store) -> Store {
    let old = |path: &String| old_name(path, &HashMap::new());
    let mut out = Store {
        groups: store.groups.iter().map(|(path, attributes)| (old(path), attributes.clone())).collect(),
        tensors: store.tensors.iter().map(|(path, tensor)| (old(path), tensor.clone())).collect(),
    };
    out.groups.entry("vars".to_owned()).or_default();
    out
}

/// What Keras 2 called a group.
fn old_name(group: &str, layers: &HashMap<String, String>) -> String {
    let ends = group.match_indices('/').map(|(at, _)| at).chain([group.len()]);
    let layer = ends.rev().find_map(|end| Some((layers.get(group.get(..end)?)?.as_str(), group.get(end..)?)));
    let (layer, rest) = layer.unwrap_or(("", group));
    let rest = rest.split('/').map(|name| RENAMED.iter().find(|it| it.0 == name).map_or(name, |it| it.1));
    let rest: Vec<&str> = rest.collect();
    format!("{layer}{}", rest.join("/"))
}

/// Collects the groups of the layers of a model under [`LAYERS`], where those with weights were listed,
/// and counted, twice.
fn number(graph: &Graph, [new, old]: [&str; 2], groups: &[&str], names: &mut HashMap<String, String>) {
    let mut used = HashMap::<String, usize>::new();
    for layer in &graph.layers {
        let Some(group) = &layer.group else { continue };
        let new = format!("{new}{group}");
        let class = snake_case(layer.config.class());
        let count = used.entry(class.clone()).or_default();
        let name = if *count == 0 { class } else { format!("{class}_{count}") };
        let has_weights = groups
            .iter()
            .any(|it| it.strip_prefix(&new).is_some_and(|it| it.is_empty() || it.starts_with('/')));
        *count += 1 + usize::from(has_weights);
        let old = format!("{old}{}/{name}", LAYERS);
        if let Some(inner) = graph_of(layer.config.as_ref()) {
            number(inner, [&format!("{new}/"), &format!("{old}/")], groups, names);
        }
        names.insert(new, old);
    }
}
