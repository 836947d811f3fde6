//! Pictures as text for Graphviz.

use std::fmt::Write as _;

use super::facts::{Cluster, Layer, Part, Scene};
use super::{Options, escape};

/// Nodes `n0`, `n1`, ..., with tables for labels as Keras has them; a cluster for every expanded model.
pub(super) fn draw(scene: &Scene<'_>, options: &Options) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = writeln!(out, "digraph {} {{", quote(scene.root.name));
    let _ = writeln!(
        out,
        "  graph [rankdir={}, concentrate=true, dpi={}, splines=ortho];",
        options.rankdir.name(),
        options.dpi
    );
    out += "  node [shape=plain, fontname=\"Helvetica\"];\n";
    out += "  edge [penwidth=2];\n";
    let mut clusters = 0;
    parts(&scene.root, scene, options, 1, &mut clusters, &mut out);
    for (from, to) in &scene.edges {
        let _ = writeln!(out, "  n{from} -> n{to};");
    }
    out + "}\n"
}

fn parts(
    cluster: &Cluster<'_>,
    scene: &Scene<'_>,
    options: &Options,
    depth: usize,
    clusters: &mut usize,
    out: &mut String,
) {
    let indent = "  ".repeat(depth);
    for part in &cluster.parts {
        match part {
            Part::Node(node) => {
                let label = scene.nodes.get(*node).map(|layer| label(layer, options)).unwrap_or_default();
                let _ = writeln!(out, "{indent}n{node} [label=<{label}>];");
            }
            Part::Cluster(inner) => {
                let _ = writeln!(out, "{indent}subgraph cluster_{clusters} {{");
                let _ = writeln!(
                    out,
                    "{indent}  graph [style=dashed, label={}, labeljust=l];",
                    quote(inner.name)
                );
                *clusters += 1;
                parts(inner, scene, options, depth + 1, clusters, out);
                let _ = writeln!(out, "{indent}}}");
            }
        }
    }
}

/// The table of a layer: its name and class, its activation, and the other facts beside each other.
fn label(layer: &Layer, options: &Options) -> String {
    let class = escape(layer.class);
    let title = match options.names {
        true => format!("<b>{}</b> ({class})", escape(&layer.name)),
        false => format!("<b>{class}</b>"),
    };
    let mut cells = String::new();
    let mut count = 0;
    let mut cell = |style: &str, text: String| {
        cells += &format!("<td {style}>{text}</td>");
        count += 1;
    };
    let fact = |name: &str, value: &str| format!("{name} <b>{}</b>", escape(value));
    let white = "bgcolor=\"white\"";
    if options.shapes {
        if !layer.is_input {
            cell(white, fact("Input shape:", &layer.input_shape));
        }
        cell(white, fact("Output shape:", &layer.output_shape));
    }
    if options.dtype {
        cell(white, fact("Output dtype:", &layer.dtype));
    }
    match layer.trainable.filter(|_| options.trainable) {
        Some(true) => {
            cell("bgcolor=\"forestgreen\"", "<font color=\"white\"><b>Trainable</b></font>".to_owned())
        }
        Some(false) => {
            cell("bgcolor=\"firebrick\"", "<font color=\"white\"><b>Non-trainable</b></font>".to_owned())
        }
        None => {}
    }
    let span = count.max(1);
    let mut rows = format!(
        "<tr><td colspan=\"{span}\" bgcolor=\"black\"><font point-size=\"16\" color=\"white\">{title}</font></td></tr>"
    );
    if let Some(activation) = layer.activation.as_deref().filter(|_| options.activations) {
        let fact = fact("Activation:", activation);
        rows += &format!("<tr><td colspan=\"{span}\" {white}>{fact}</td></tr>");
    }
    if !cells.is_empty() {
        rows += &format!("<tr>{cells}</tr>");
    }
    format!("<table border=\"0\" cellborder=\"1\" cellspacing=\"0\" cellpadding=\"10\">{rows}</table>")
}

/// A name or a label in quotes. Graphviz gives a meaning to backslashes in labels.
fn quote(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
