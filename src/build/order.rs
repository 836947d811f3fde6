//! Whether Keras lists the layers of a fresh graph in the order in which this crate does: their weights
//! go by it.
//!
//! Keras computes the mask of a `Masking` layer in operations of their own, which push what comes before
//! it further from the outputs. The config of a fresh model does not have them.

use std::collections::{BTreeSet, HashSet};

use crate::config::graph::Graph;
use crate::error::{Error, Result};
use crate::layer::Function;
use crate::layers::Masking;
use crate::module::graph_of;

/// Refuses a graph whose layers may change places.
pub(super) fn check(graph: &Graph) -> Result<()> {
    for layer in &graph.layers {
        if let Some(inner) = graph_of(layer.config.as_ref()) {
            check(inner).map_err(|error| error.at(&layer.place))?;
        }
    }
    let of_layer = |layer: usize| (0..graph.nodes.len()).filter(move |at| graph.nodes[*at].layer == layer);
    let masks = (0..graph.nodes.len())
        .filter(|at| Masking::CLASSES.contains(&graph.layers[graph.nodes[*at].layer].config.class()));
    for pushed in layers_of(graph, &before(graph, masks)) {
        let own: Vec<usize> = of_layer(pushed).collect();
        let mut related = before(graph, own.iter().copied());
        related.extend(after(graph, own.into_iter()));
        let related = layers_of(graph, &related);
        let kind = graph.layers[pushed].config.group_name();
        for other in (0..graph.layers.len()).filter(|other| *other != pushed && !related.contains(other)) {
            let is_alike = kind.is_some() && graph.layers[other].config.group_name() == kind;
            if is_alike && has_variables(graph, pushed)? {
                let [pushed, other] = [pushed, other].map(|layer| &graph.layers[layer]);
                let name = &other.name;
                let what =
                    format_args!("Keras may list it after {name:?} or before, for a mask that is made of it");
                return Err(Error::unsupported(what).at(&pushed.place));
            }
        }
    }
    Ok(())
}

fn has_variables(graph: &Graph, layer: usize) -> Result<bool> {
    let calls = graph.first_calls(&graph.infer(None)?)?;
    let variables = calls.get(layer).map(|call| graph.layers[layer].config.variables(call)).transpose()?;
    Ok(variables.is_some_and(|variables| variables.iter().next().is_some()))
}

fn layers_of(graph: &Graph, nodes: &HashSet<usize>) -> BTreeSet<usize> {
    nodes.iter().map(|node| graph.nodes[*node].layer).collect()
}

/// Every call that these need.
fn before(graph: &Graph, nodes: impl Iterator<Item = usize>) -> HashSet<usize> {
    let mut open: Vec<usize> = nodes.collect();
    let mut found = HashSet::new();
    while let Some(node) = open.pop() {
        let parents = graph.nodes[node].args.leaves().into_iter().map(|parent| parent.node);
        open.extend(parents.filter(|parent| found.insert(*parent)));
    }
    found
}

/// Every call that needs these.
fn after(graph: &Graph, nodes: impl Iterator<Item = usize>) -> HashSet<usize> {
    let mut found: HashSet<usize> = nodes.collect();
    loop {
        let more: Vec<usize> = (0..graph.nodes.len())
            .filter(|at| !found.contains(at))
            .filter(|at| graph.nodes[*at].args.leaves().iter().any(|parent| found.contains(&parent.node)))
            .collect();
        if more.is_empty() {
            return found;
        }
        found.extend(more);
    }
}
