//! The table of a model, as Keras prints it.

use std::fmt;

use crate::config::graph::Graph;
use crate::layer::{Spec, Tree, Variables};

/// Layers with their output shapes, parameters and connections, and totals.
///
/// Its `Display` is the table; the fields are for programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The name of the model.
    pub name: String,
    /// One row for every layer, in Keras' order.
    pub rows: Vec<SummaryRow>,
    /// Parameters that training may change.
    pub trainable: usize,
    /// Parameters that it may not.
    pub non_trainable: usize,
}

/// One layer of a [`Summary`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SummaryRow {
    /// The name of the layer.
    pub name: String,
    /// Its class.
    pub class: String,
    /// The shapes of its outputs in its first call, `None` for an axis of any size.
    pub outputs: Vec<Spec>,
    /// How many numbers its variables hold.
    pub parameters: usize,
    /// The layers and outputs that its calls take, as `(layer, output)`.
    pub inputs: Vec<(String, usize)>,
}

impl Summary {
    pub(crate) fn new(graph: &Graph, specs: &[Tree<Spec>], variables: &Variables, name: &str) -> Self {
        // The sizes may be those of a file whose variables nobody has seen yet.
        let count =
            |shape: &[usize]| shape.iter().fold(1, |product: usize, size| product.saturating_mul(*size));
        let sum = |counts: &mut dyn Iterator<Item = usize>| counts.fold(0, usize::saturating_add);
        let layers = graph.layers.iter().zip(graph.calls()).filter(|(layer, _)| !layer.is_array());
        let rows = layers.map(|(layer, calls)| {
            let outputs =
                calls.first().and_then(|node| specs.get(*node)).map(Tree::leaves).unwrap_or_default();
            let inputs = calls.iter().flat_map(|node| graph.nodes[*node].args.leaves()).map(|at| {
                let source = &graph.layers[graph.nodes[at.node].layer];
                (source.name.clone(), at.output)
            });
            let own = variables.iter().filter(|variable| !variable.is_named).filter(|variable| {
                let group = layer.group.as_deref();
                group.is_some_and(|group| {
                    variable
                        .group
                        .strip_prefix(group)
                        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
                })
            });
            SummaryRow {
                name: layer.name.clone(),
                class: layer.config.class().to_owned(),
                outputs: outputs.into_iter().cloned().collect(),
                parameters: sum(&mut own.map(|variable| count(&variable.shape))),
                inputs: inputs.collect(),
            }
        });
        let total = |trainable| {
            let counted = variables.iter().filter(|variable| !variable.is_named);
            let some = counted.filter(|variable| variable.trainable == trainable);
            sum(&mut some.map(|variable| count(&variable.shape)))
        };
        Self {
            name: name.to_owned(),
            rows: rows.collect(),
            trainable: total(true),
            non_trainable: total(false),
        }
    }

    /// Whether every layer takes just what the one before it gives.
    fn is_chain(&self) -> bool {
        self.rows
            .windows(2)
            .all(|pair| matches!(pair[1].inputs.as_slice(), [(name, 0)] if *name == pair[0].name))
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let chain = self.is_chain();
        let mut table = vec![vec!["Layer (type)".to_owned(), "Output Shape".into(), "Param #".into()]];
        if !chain {
            table[0].push("Connected to".into());
        }
        for row in &self.rows {
            let shapes: Vec<String> = row.outputs.iter().map(ToString::to_string).collect();
            let shapes = if shapes.len() == 1 { shapes.concat() } else { format!("[{}]", shapes.join(", ")) };
            let mut cells = vec![format!("{} ({})", row.name, row.class), shapes, thousands(row.parameters)];
            if !chain {
                let inputs = row.inputs.iter().map(|(name, output)| format!("{name}[{output}]"));
                cells.push(if row.inputs.is_empty() {
                    "-".into()
                } else {
                    inputs.collect::<Vec<_>>().join(", ")
                });
            }
            table.push(cells);
        }
        let columns = table[0].len();
        let width = |column: usize| table.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns).map(width).collect();
        writeln!(f, "Model: \"{}\"", self.name)?;
        for (index, row) in table.iter().enumerate() {
            let mut line = String::new();
            for (column, cell) in row.iter().enumerate() {
                let pad = " ".repeat(widths[column] - cell.chars().count());
                // Numbers end in one line, words begin in one.
                line += &if column == 2 { format!("{pad}{cell}  ") } else { format!("{cell}{pad}  ") };
            }
            writeln!(f, "{}", line.trim_end())?;
            if index == 0 {
                writeln!(f, "{}", "-".repeat(widths.iter().map(|width| width + 2).sum::<usize>() - 2))?;
            }
        }
        writeln!(f)?;
        writeln!(f, "Total params: {}", thousands(self.trainable.saturating_add(self.non_trainable)))?;
        writeln!(f, "Trainable params: {}", thousands(self.trainable))?;
        write!(f, "Non-trainable params: {}", thousands(self.non_trainable))
    }
}

/// `1234567` as `1,234,567`.
pub(crate) fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
