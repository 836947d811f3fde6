//! The order of layers and calls. After `map_graph` in `keras/src/ops/function.py`.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use super::{Named, show};
use crate::error::{Error, Result};
use crate::layer::Tree;

/// A call by layer and number.
type Key = (usize, usize);

/// A layer of a graph, with its calls.
pub(crate) trait Called {
    /// How often it is called.
    fn calls(&self) -> usize;
    /// Every tensor of a call in Keras' flattened order, which decides the order of layers.
    fn parents(&self, call: usize) -> &[Named];
    /// Whether it is an input, which nobody calls.
    fn is_input(&self) -> bool;
    /// Where it stands in the file, for messages.
    fn place(&self) -> &str;
}

/// The order of calls and layers.
pub(crate) struct Order {
    /// Calls, in the order in which Keras runs them: it shows where a layer takes masks off its inputs.
    pub(crate) nodes: Vec<Key>,
    /// Layers, in Keras' order of `model.layers`.
    pub(crate) layers: Vec<usize>,
}

impl Order {
    pub(crate) fn new(
        entries: &[impl Called],
        names: &HashMap<&str, usize>,
        inputs: &Tree<Named>,
        outputs: &Tree<Named>,
    ) -> Result<Self> {
        let key = |named: &Named| -> Result<Key> {
            let known = names.get(named.layer.as_str()).copied().filter(|layer| {
                let entry = &entries[*layer];
                named.call < entry.calls() || (entry.is_input() && named.call == 0)
            });
            let layer = known.ok_or_else(|| Error::config(format_args!("no such call: {}", show(named))))?;
            Ok((layer, named.call))
        };
        let parents = |node: Key| -> Result<Vec<Key>> {
            let parents = entries[node.0].parents(node.1).iter().map(key);
            parents.collect::<Result<Vec<_>>>().map_err(|error| error.at(entries[node.0].place()))
        };
        let roots = outputs.leaves().into_iter().map(key).collect::<Result<Vec<_>>>()?;
        let (mut nodes, mut index) = depth_first(&roots, &parents, entries)?;

        let mut node_depth = Depths::default();
        let mut depth: HashMap<usize, usize> = HashMap::new();
        for node in nodes.iter().rev() {
            let at = node_depth.at_least(*node, depth.get(&node.0).copied().unwrap_or(0));
            depth.insert(node.0, at);
            for parent in parents(*node)? {
                node_depth.at_least(parent, at + 1);
            }
        }
        nodes.sort_by_key(|node| node_depth.place(*node));
        for input in inputs.leaves() {
            let node = key(input)?;
            if let Entry::Vacant(unreached) = depth.entry(node.0) {
                unreached.insert(0);
                index.insert(node.0, -1);
                nodes.push(node);
            }
        }
        let mut layers: Vec<usize> = depth.keys().copied().collect();
        layers.sort_by_key(|layer| (std::cmp::Reverse(depth[layer]), index[layer]));
        Ok(Self { nodes, layers })
    }
}

/// How far from the outputs each call is, and in which order that was found out.
#[derive(Default)]
struct Depths(HashMap<Key, (usize, usize)>);

impl Depths {
    fn at_least(&mut self, node: Key, depth: usize) -> usize {
        let number = self.0.len();
        let (known, _) = self.0.entry(node).or_insert((0, number));
        *known = depth.max(*known);
        *known
    }

    /// The farthest come first.
    fn place(&self, node: Key) -> (std::cmp::Reverse<usize>, usize) {
        let (depth, number) = self.0.get(&node).copied().unwrap_or_default();
        (std::cmp::Reverse(depth), number)
    }
}

/// Post-order of calls from the outputs, and the pre-order number of every layer. Without recursion,
/// since a file may be as deep as it likes.
fn depth_first(
    roots: &[Key],
    parents: &impl Fn(Key) -> Result<Vec<Key>>,
    entries: &[impl Called],
) -> Result<(Vec<Key>, HashMap<usize, i64>)> {
    let (mut post, mut index) = (Vec::new(), HashMap::new());
    let (mut open, mut closed) = (HashSet::new(), HashSet::new());
    let mut stack: Vec<(Key, std::vec::IntoIter<Key>)> = Vec::new();
    for root in roots {
        let mut next = Some(*root);
        loop {
            if let Some(node) = next.take().filter(|node| !closed.contains(node)) {
                if !open.insert(node) {
                    return Err(Error::config("the graph has a loop").at(entries[node.0].place()));
                }
                let number = index.len() as i64;
                index.entry(node.0).or_insert(number);
                stack.push((node, parents(node)?.into_iter()));
            }
            let Some((node, rest)) = stack.last_mut() else { break };
            match rest.next() {
                Some(parent) => next = Some(parent),
                None => {
                    closed.insert(*node);
                    post.push(*node);
                    stack.pop();
                }
            }
        }
    }
    Ok((post, index))
}
