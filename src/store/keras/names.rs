//! What a file without a description leaves to be told from names and shapes.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::config::snake_case;
use crate::registry::rows;

/// What a group of a file of Keras 3 holds: the names of its variables in order, of which the last may be left out,
/// but for the `least` first; and of which rank the first is, where that is always the same.
struct Kind {
    groups: &'static [&'static str],
    names: &'static [&'static str],
    least: usize,
    rank: Option<usize>,
}

/// By what the group of a layer is called, without its number, or that of a part of one.
const KINDS: &[Kind] = &[
    Kind { groups: &["dense"], names: &["kernel", "bias"], least: 1, rank: Some(2) },
    Kind { groups: &["einsum_dense"], names: &["kernel", "bias"], least: 1, rank: None },
    Kind { groups: &["embedding", "reversible_embedding"], names: &["embeddings"], least: 1, rank: Some(2) },
    Kind {
        groups: &["conv1d", "conv1d_transpose", "depthwise_conv1d"],
        names: &["kernel", "bias"],
        least: 1,
        rank: Some(3),
    },
    Kind {
        groups: &["conv2d", "conv2d_transpose", "depthwise_conv2d"],
        names: &["kernel", "bias"],
        least: 1,
        rank: Some(4),
    },
    Kind { groups: &["conv3d", "conv3d_transpose"], names: &["kernel", "bias"], least: 1, rank: Some(5) },
    Kind {
        groups: &["separable_conv1d"],
        names: &["depthwise_kernel", "pointwise_kernel", "bias"],
        least: 2,
        rank: Some(3),
    },
    Kind {
        groups: &["separable_conv2d"],
        names: &["depthwise_kernel", "pointwise_kernel", "bias"],
        least: 2,
        rank: Some(4),
    },
    // With fewer variables it may be the scale or the center that there is not.
    Kind {
        groups: &["batch_normalization"],
        names: &["gamma", "beta", "moving_mean", "moving_variance"],
        least: 4,
        rank: Some(1),
    },
    Kind {
        groups: &["batch_normalization"],
        names: &["moving_mean", "moving_variance"],
        least: 2,
        rank: Some(1),
    },
    Kind {
        groups: &["layer_normalization", "group_normalization"],
        names: &["gamma", "beta"],
        least: 2,
        rank: None,
    },
    Kind { groups: &["rms_normalization"], names: &["scale"], least: 1, rank: None },
    Kind { groups: &["normalization"], names: &["mean", "variance", "count"], least: 3, rank: None },
    Kind { groups: &["p_re_lu"], names: &["alpha"], least: 1, rank: None },
    Kind {
        groups: &["cell", "lstm_cell", "gru_cell", "simple_rnn_cell"],
        names: &["kernel", "recurrent_kernel", "bias"],
        least: 2,
        rank: None,
    },
    Kind {
        groups: &["query_dense", "key_dense", "value_dense", "output_dense", "gate_dense"],
        names: &["kernel", "bias"],
        least: 1,
        rank: Some(3),
    },
];

/// The names of the variables of a group, where their number and the rank of the first leave no doubt.
pub(super) fn variables(group: &str, count: usize, rank: usize) -> Option<&'static [&'static str]> {
    let group = group.trim_start_matches('_');
    let fits = |kind: &&Kind| {
        kind.groups.contains(&group)
            && (kind.least..=kind.names.len()).contains(&count)
            && kind.rank.is_none_or(|expected| expected == rank)
    };
    KINDS.iter().find(fits)?.names.get(..count)
}

/// The parts of layers, in their order.
const PARTS: &[&str] = &[
    "forward_layer",
    "backward_layer",
    "query_dense",
    "key_dense",
    "value_dense",
    "gate_dense",
    "output_dense",
    "cell",
    "layer",
];

/// The order of the variables of a layer, where it is not that of their names.
const VARIABLES: &[&str] = &[
    "depthwise_kernel",
    "pointwise_kernel",
    "kernel",
    "recurrent_kernel",
    "bias",
    "gamma",
    "beta",
    "moving_mean",
    "moving_variance",
    "mean",
    "variance",
    "count",
];

/// Where a part or variable of a layer stands among those beside it.
pub(super) fn place_of_part(part: &str) -> usize {
    let part = part.trim_start_matches('_');
    let mut known = PARTS.iter().chain(VARIABLES);
    known.position(|known| *known == part).unwrap_or(usize::MAX)
}

/// What Keras calls parts of a layer in the names of variables, and what the group is that they lie in.
const CALLED: &[(&str, &str)] = &[
    ("query", "query_dense"),
    ("key", "key_dense"),
    ("value", "value_dense"),
    ("gate", "gate_dense"),
    ("attention_output", "output_dense"),
];

/// The part of a layer that part of a name of a variable stands for.
pub(super) fn part(name: &str) -> Option<&'static str> {
    let (base, _) = number(name);
    let same = PARTS.iter().copied().find(|part| *part == base);
    same.or_else(|| CALLED.iter().find(|(called, _)| *called == base).map(|(_, part)| *part)).or(match base {
        _ if base.starts_with("forward_") => Some("forward_layer"),
        _ if base.starts_with("backward_") => Some("backward_layer"),
        _ if base.ends_with("_cell") => Some("cell"),
        _ => None,
    })
}

/// A name without its number, and the number: `dense_12` is 12, `dense` is 0.
pub(super) fn number(name: &str) -> (&str, u64) {
    let numbered = name.rsplit_once('_').and_then(|(base, number)| {
        let is_plain = !number.starts_with('0') && number.bytes().all(|byte| byte.is_ascii_digit());
        Some((base, number.parse().ok().filter(|_| is_plain)?))
    });
    numbered.unwrap_or((name, 0))
}

/// The class of layers that have a name such as this by default: `dense_1`.
pub(super) fn class(name: &str) -> Option<&'static str> {
    static CLASSES: LazyLock<HashMap<String, &'static str>> = LazyLock::new(|| {
        let layers = rows().filter(|row| !row.operation);
        let names =
            layers.flat_map(|row| row.classes.iter().filter_map(|it| Some((it, *row.classes.first()?))));
        names.map(|(class, first)| (snake_case(class), first)).collect()
    });
    // Names may themselves end like a number.
    CLASSES.get(name).or_else(|| CLASSES.get(number(name).0)).copied()
}

/// Python's own name of a class, from which its group gets its own.
const GROUPS: &[(&str, &str)] = &[("group_query_attention", "grouped_query_attention")];

/// The name of the groups of layers of a class.
pub(super) fn group(class: &str) -> String {
    let snake = snake_case(class);
    GROUPS.iter().find(|(exported, _)| *exported == snake).map_or(snake, |(_, own)| (*own).to_owned())
}
