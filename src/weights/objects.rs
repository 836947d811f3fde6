//! Checkpoints of TensorFlow: what a model calls its layers, and a layer its parts, leads to a variable.
//!
//! That is so for SavedModels and for what `save_weights` of Keras 2 writes. The keys of such a file are
//! whichever way to a variable its writer found first, so they say nothing by themselves.

use std::collections::{BTreeSet, HashMap};

use super::{Resolved, optimizer, planned};
use crate::config::graph::Graph;
use crate::config::{Json, Map, Object};
use crate::error::{Error, Problems, Result};
use crate::file::bundle::Objects;
use crate::file::store::Store;
use crate::keras_file::Description;
use crate::layer::Variable;
use crate::module::graph_of;

/// Names in Keras 3, and what Keras 2 had instead.
const FORMER: &[(&str, &str)] = &[("kernel", "depthwise_kernel")];

/// Finds the variables of a model.
pub(super) fn resolve(
    file: &Store,
    objects: &Objects,
    description: &Description,
    config: &Json,
) -> Result<Resolved> {
    let mut found = Resolved { store: planned(description)?, ..Resolved::default() };
    found.store.tensors.clear();
    let mut search = Search { objects, description, pairs: Vec::new(), problems: Problems::default() };
    if let (Some(graph), Some(model)) = (graph_of(description.root.as_ref()), Object::of(config)) {
        search.model(graph, model.config, root(objects), "");
    }
    search.problems.finish()?;
    let mut unused: BTreeSet<&str> = file.tensors.keys().map(String::as_str).collect();
    for (variable, key) in search.pairs {
        let Some(tensor) = file.tensors.get(key) else { continue };
        unused.remove(key);
        for (_, path) in variable.datasets() {
            found.take(path, key, tensor.clone());
        }
    }
    optimizer::of_objects(&file.tensors, objects, description, config, &mut found);
    let unused = unused.into_iter().filter(|key| !is_of_optimizer(key));
    let unused = unused.filter_map(|key| Some((key.to_owned(), file.tensors.get(key)?.shape.clone())));
    found.unused = unused.collect();
    Ok(found)
}

/// The layers of a model: for each its place in the config, and its object. None when there are not as many.
///
/// `Sequential` does not count its input among them.
pub(super) fn layers(
    objects: &Objects,
    model: usize,
    config: &Map<String, Json>,
) -> Option<Vec<(usize, usize)>> {
    let all = config.get("layers")?.as_array()?;
    let count = objects.children(model).filter(|(name, _)| number(name, "layer-").is_some()).count();
    let is_counted = |layer: &Json| all.len() == count || layer["class_name"] != "InputLayer";
    let places: Vec<usize> = (0..all.len()).filter(|place| all.get(*place).is_some_and(is_counted)).collect();
    if places.len() != count {
        return None;
    }
    let numbered = places.into_iter().enumerate();
    numbered.map(|(at, place)| Some((place, objects.find(model, &[&format!("layer-{at}")])?))).collect()
}

/// The object of the model: the root, or what a `tf.train.Checkpoint(model=...)` has.
fn root(objects: &Objects) -> usize {
    let inner = objects.find(0, &["model"]).filter(|_| objects.find(0, &["layer-0"]).is_none());
    inner.unwrap_or(0)
}

fn is_of_optimizer(key: &str) -> bool {
    key.starts_with("optimizer/") || key.contains("/.OPTIMIZER_SLOT/")
}

/// The number behind a name such as `layer-3`.
fn number(name: &str, prefix: &str) -> Option<usize> {
    name.strip_prefix(prefix)?.parse().ok()
}

struct Search<'a> {
    objects: &'a Objects,
    description: &'a Description,
    /// Variables, and the keys of their values.
    pairs: Vec<(&'a Variable, &'a str)>,
    problems: Problems,
}

impl<'a> Search<'a> {
    /// Finds the variables of the model that is the object `node` and has the group `prefix`.
    fn model(&mut self, graph: &Graph, config: &Map<String, Json>, node: usize, prefix: &str) {
        let Some(layers) = layers(self.objects, node, config) else {
            let message = "the checkpoint is of a model with another number of layers";
            let name = config.get("name").and_then(Json::as_str).unwrap_or("model");
            return self.problems.push(Error::weights(message).at(name));
        };
        let known: HashMap<&str, _> = graph.layers.iter().map(|layer| (layer.name.as_str(), layer)).collect();
        let mut names = Vec::new();
        for (place, child) in layers {
            let object = config.get("layers").and_then(|layers| Object::of(layers.get(place)?));
            let name =
                object.and_then(|object| object.text("name").or_else(|| object.config.get("name")?.as_str()));
            let Some(layer) = name.and_then(|name| known.get(name)) else { continue };
            let Some(group) = layer.group.as_deref().map(|group| below(prefix, group)) else { continue };
            match (graph_of(layer.config.as_ref()), object) {
                (Some(inner), Some(object)) => self.model(inner, object.config, child, &group),
                _ => names.extend(self.layer(child, &group).map(|other| (layer.name.as_str(), other))),
            }
        }
        // Where the layers have the same names, they are the better witness.
        let own: BTreeSet<&str> = names.iter().map(|(own, _)| *own).collect();
        let others: BTreeSet<&str> = names.iter().map(|(_, other)| *other).collect();
        if own == others
            && let Some((own, other)) = names.iter().find(|(own, other)| own != other)
        {
            let message = format!("by its place, the checkpoint has the layer {other:?} for it");
            self.problems.push(Error::weights(message).at(own));
        }
    }

    /// Finds the variables of the layer that is the object `node` and has the group `prefix`. Gives the name
    /// that the layer had.
    fn layer(&mut self, node: usize, prefix: &str) -> Option<&'a str> {
        let mut name = None;
        let description = self.description;
        for variable in description.variables.iter() {
            let Some(rest) = inside(&variable.group, prefix) else { continue };
            let mut path = prefix.to_owned();
            let mut owner = Some(node);
            for part in rest.split('/').filter(|part| !part.is_empty()) {
                owner = owner.and_then(|owner| self.part(owner, &path, part));
                path = below(&path, part);
            }
            let child = owner.and_then(|owner| self.child(owner, variable.name));
            let key = child.and_then(|child| self.objects.variable(child));
            self.pairs.extend(key.map(|key| (variable, key)));
            name = name.or_else(|| self.objects.full_name(child?)?.split('/').next());
        }
        name
    }

    /// What `node`, which has the group `path`, calls its part of the group `part`.
    fn part(&self, node: usize, path: &str, part: &str) -> Option<usize> {
        if let Some(child) = self.child(node, part) {
            return Some(child);
        }
        // The layers of a model in a wrapper are children of the model, and not of a list of layers.
        let numbered = |prefix| {
            self.objects.children(node).filter(move |(name, _)| number(name, prefix).is_some()).count()
        };
        const OF_MODEL: &str = "layer_with_weights-";
        let of_model = numbered(OF_MODEL);
        if part == "layers" && of_model > 0 {
            return Some(node);
        }
        let parts = self.parts(path);
        let at = parts.iter().position(|other| *other == part)?;
        let prefix = if of_model > 0 { OF_MODEL } else { "" };
        // The number of a part is certain only if both sides have as many of them.
        let is_certain = numbered(prefix) == parts.len();
        is_certain.then(|| self.objects.find(node, &[&format!("{prefix}{at}")])).flatten()
    }

    /// The groups right below a group that have variables, in the order of their variables.
    fn parts(&self, path: &str) -> Vec<&'a str> {
        let mut parts = Vec::new();
        for variable in self.description.variables.iter() {
            let part = inside(&variable.group, path).and_then(|rest| rest.split('/').next());
            if let Some(part) = part.filter(|part| !part.is_empty() && !parts.contains(part)) {
                parts.push(part);
            }
        }
        parts
    }

    /// What Keras 2 called what Keras 3 calls `name`, without the underscore of what is nobody else's business.
    fn child(&self, node: usize, name: &str) -> Option<usize> {
        let hidden = format!("_{name}");
        let former = FORMER.iter().filter(|(now, _)| *now == name).map(|(_, former)| *former);
        [name, &hidden].into_iter().chain(former).find_map(|name| self.objects.find(node, &[name]))
    }
}

fn below(outer: &str, inner: &str) -> String {
    if outer.is_empty() { inner.to_owned() } else { format!("{outer}/{inner}") }
}

/// The rest of a group that is `outer` or below it.
fn inside<'a>(group: &'a str, outer: &str) -> Option<&'a str> {
    match group.strip_prefix(outer)? {
        "" => Some(""),
        rest => rest.strip_prefix('/'),
    }
}
