//! Groups that have other names in `.keras` files of Keras 2.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::Resolved;
use crate::config::graph::Graph;
use crate::config::snake_case;
use crate::file::store::{Store, is_below};
use crate::keras_file::{Description, WEIGHTS};
use crate::layer::Variable;
use crate::module::graph_of;
use crate::versions::Change;

/// Today's name of a group, and the one in files of Keras 2.
const RENAMED: &[(&str, &str)] = &[
    ("query_dense", "_query_dense"),
    ("key_dense", "_key_dense"),
    ("value_dense", "_value_dense"),
    ("output_dense", "_output_dense"),
];

/// The group of the layers of a model, and what it was before Keras 2.15.
pub(crate) const LAYERS: &str = "layers";
pub(crate) const FORMER_LAYERS: &str = "_layer_checkpoint_dependencies";

/// The tensors of a file that has paths of Keras 3, or almost; and the version that it is of, where that is
/// known.
pub(super) fn resolve(store: &Store, description: &Description, version: Option<&str>) -> Resolved {
    let mut moved = BTreeMap::new();
    let groups: Vec<&str> =
        description.variables.iter().flat_map(Variable::datasets).map(|it| it.0).collect();
    let is_there = |group: &str| store.tensors.contains_key(&format!("{group}/vars/0"));
    let mut names = None;
    let is_new = is_there_below(store, LAYERS);
    if store.groups.contains_key(FORMER_LAYERS) && !is_new {
        let twice = of_2_13(description);
        let is_twice = match version.and_then(|version| version.get(.."2.1x".len())) {
            Some("2.12" | "2.13") => true,
            Some(_) => false,
            // The last number is one that no layer has when they are counted otherwise.
            None => groups.iter().all(|group| is_there(&old_name(group, &twice))),
        };
        names = Some(twice).filter(|_| is_twice);
    }
    for group in groups {
        let old = match &names {
            Some(names) => old_name(group, names),
            None if is_new => old_name(group, &HashMap::new()),
            None => of_2_14(&old_name(group, &HashMap::new())),
        };
        if old != group && !is_there(group) {
            moved.insert(old, group);
        }
    }
    let now = |path: &str| {
        let (group, rest) = path.split_at(path.find("/vars").unwrap_or(path.len()));
        moved.get(group).map(|group| format!("{group}{rest}"))
    };
    let mut found = Resolved::default();
    // Both at once are two names of the same.
    let is_other_name = |path: &str| is_new && is_below(path, FORMER_LAYERS);
    for (path, attributes) in store.groups.iter().filter(|it| !is_other_name(it.0)) {
        found.store.groups.insert(now(path).unwrap_or_else(|| path.clone()), attributes.clone());
    }
    for (path, tensor) in store.tensors.iter().filter(|it| !is_other_name(it.0)) {
        match now(path) {
            Some(new) => found.take(new, path, tensor.clone()),
            None => drop(found.store.tensors.insert(path.clone(), tensor.clone())),
        }
    }
    found
}

fn is_there_below(store: &Store, group: &str) -> bool {
    store.tensors.keys().any(|path| is_below(path, group))
}

/// The tensors of a model as Keras 2 wants them in a `.keras` file, and whether Keras 2.13 finds them too. The
/// root needs a group of variables there, even when it is empty.
///
/// Keras 2.15 finds layers where Keras 3 does. To 2.14 their group has another name, and 2.13 counts differently
/// besides: groups have these names as well, unless two of them would have the same. Keras 2.13 then asks for
/// a number that no layer has, and fails.
pub(crate) fn to_keras2(store: &Store, description: &Description) -> (Store, bool) {
    let old = |path: &String| old_name(path, &HashMap::new());
    let mut out = Store {
        groups: store.groups.iter().map(|(path, attributes)| (old(path), attributes.clone())).collect(),
        tensors: store.tensors.iter().map(|(path, tensor)| (old(path), tensor.clone())).collect(),
        links: BTreeMap::new(),
    };
    out.groups.entry("vars".to_owned()).or_default();
    let numbers = of_2_13(description);
    let groups = store.tensors.keys().filter_map(|path| path.rsplit_once('/'));
    let groups: BTreeSet<&str> = groups.map(|it| it.0).filter(|group| is_below(group, LAYERS)).collect();
    let mut twice = BTreeMap::new();
    for group in groups {
        let object = old_name(group, &HashMap::new());
        twice.insert(old_name(group, &numbers), object.clone());
        out.links.insert(of_2_14(&object), object);
    }
    let is_free = |(name, object): (&String, &String)| {
        out.links.get(name).is_none_or(|other| other == object) && of_2_14(name) == *name
    };
    let is_for_all = twice.iter().all(is_free);
    if is_for_all {
        out.links.extend(twice);
    }
    (out, is_for_all)
}

/// What is told where Keras 2.13 does not find its layers.
pub(crate) fn not_for_2_13() -> Change {
    let what = "Keras 2.13 does not find its layers: it gives two of a kind the number of a third";
    Change { place: WEIGHTS.to_owned(), what: what.to_owned() }
}

/// Other names of a member of an archive for Keras before 2.15, where it belongs to a layer.
pub(crate) fn former_asset(member: &str) -> Option<String> {
    Some(of_2_14(member)).filter(|name| name != member)
}

/// Whether a member of an archive is one of Keras before 2.15.
pub(crate) fn is_former_asset(member: &str) -> bool {
    member.split('/').nth(1) == Some(FORMER_LAYERS)
}

/// A path of Keras 2.15 in Keras 2.14.
fn of_2_14(path: &str) -> String {
    let parts = path.split('/').map(|part| if part == LAYERS { FORMER_LAYERS } else { part });
    parts.collect::<Vec<_>>().join("/")
}

/// The groups of the layers of a model in Keras 2.13, where those with weights were listed, and counted, twice.
fn of_2_13(description: &Description) -> HashMap<String, String> {
    let groups: Vec<&str> =
        description.variables.iter().flat_map(Variable::datasets).map(|it| it.0).collect();
    let mut names = HashMap::new();
    if let Some(graph) = graph_of(description.root.as_ref()) {
        number(graph, ["", ""], &groups, &mut names);
    }
    names
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

/// Collects the groups of the layers of a model as above.
fn number(graph: &Graph, [new, old]: [&str; 2], groups: &[&str], names: &mut HashMap<String, String>) {
    let mut used = HashMap::<String, usize>::new();
    for layer in &graph.layers {
        let Some(group) = &layer.group else { continue };
        let new = format!("{new}{group}");
        let class = snake_case(layer.config.class());
        let count = used.entry(class.clone()).or_default();
        let name = if *count == 0 { class } else { format!("{class}_{count}") };
        let has_weights = groups.iter().any(|it| is_below(it, &new));
        *count += 1 + usize::from(has_weights);
        let old = format!("{old}{FORMER_LAYERS}/{name}");
        if let Some(inner) = graph_of(layer.config.as_ref()) {
            number(inner, [&format!("{new}/"), &format!("{old}/")], groups, names);
        }
        names.insert(new, old);
    }
}
