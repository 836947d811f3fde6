//! Where Keras masks may be.

use crate::config::graph::Graph;
use crate::module::graph_of;

/// For every node of a graph, whether its outputs may have masks.
///
/// `inputs` says it of the inputs of the graph. Where it is not certain that there is none, there may be one.
pub(super) fn masked(graph: &Graph, inputs: &[bool]) -> Vec<bool> {
    let given = graph.inputs.leaves();
    let mut nodes: Vec<bool> = Vec::with_capacity(graph.nodes.len());
    for (index, node) in graph.nodes.iter().enumerate() {
        let layer = &graph.layers[node.layer];
        let may = |at: usize| nodes.get(at).copied().unwrap_or(true);
        let takes: Vec<bool> = node.args.leaves().into_iter().map(|at| may(at.node)).collect();
        let any = node.mask.is_some() || takes.contains(&true);
        let outputs = match given.iter().position(|input| **input == index) {
            Some(at) => inputs.get(at).copied().unwrap_or(true),
            None if layer.keeps_masks => any,
            None => match graph_of(layer.config.as_ref()) {
                Some(inner) => gives(inner, &takes),
                None => layer.config.gives_masks(any),
            },
        };
        nodes.push(outputs);
    }
    nodes
}

/// Whether an output of a graph may have a mask.
fn gives(graph: &Graph, inputs: &[bool]) -> bool {
    let nodes = masked(graph, inputs);
    graph.outputs.leaves().into_iter().any(|at| nodes.get(at.node).copied().unwrap_or(true))
}
