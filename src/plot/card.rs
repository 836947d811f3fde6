//! The card that stands for a layer: its texts, and how large it is.

use super::facts::{Layer, Scene};
use super::svg::Fonts;
use super::{LONGEST_NAME, Options, text};

/// Sizes of text, in pixels.
pub(super) const TITLE: f64 = 13.0;
pub(super) const LABEL: f64 = 9.5;
pub(super) const VALUE: f64 = 11.5;
/// Heights of the rows of a card.
pub(super) const HEAD: f64 = 28.0;
pub(super) const LINE: f64 = 14.0;
const ROW: f64 = 22.0;
/// About how many characters a line of a value has, and how many lines there are.
const LINE_LENGTH: usize = 36;
const MOST_LINES: usize = 8;
/// Room beside text.
pub(super) const PADDING: f64 = 12.0;

/// What is written on a card.
#[derive(Debug)]
pub(super) struct Card<'a> {
    pub name: Option<&'a str>,
    pub class: &'a str,
    pub family: &'static Family,
    pub rows: Vec<Row>,
    pub width: f64,
    pub height: f64,
}

/// Facts beside each other.
#[derive(Debug)]
pub(super) struct Row {
    pub cells: Vec<Cell>,
    pub height: f64,
}

/// A fact with its name.
#[derive(Debug)]
pub(super) struct Cell {
    pub label: &'static str,
    /// Its lines.
    pub value: Vec<String>,
    /// The least width that it takes.
    pub width: f64,
}

/// Kinds of layers that look alike.
#[derive(Debug)]
pub(super) struct Family {
    /// Its class in the picture.
    pub name: &'static str,
    /// What the names of its classes have in them, in small letters.
    stems: &'static [&'static str],
    /// The colors of the head of a card, and of the text on it.
    pub fill: &'static str,
    pub ink: &'static str,
}

/// The first that fits is taken.
pub(super) const FAMILIES: &[Family] = &[
    Family { name: "input", stems: &["inputlayer"], fill: "#e2e8f0", ink: "#1e293b" },
    Family { name: "model", stems: &["sequential", "functional"], fill: "#e7e5e4", ink: "#292524" },
    Family { name: "normalization", stems: &["normalization"], fill: "#d9f2e3", ink: "#14532d" },
    Family {
        name: "pooling",
        stems: &["pool", "sampling", "padding", "cropping"],
        fill: "#cdeef2",
        ink: "#134e5e",
    },
    Family {
        name: "sequence",
        stems: &["lstm", "gru", "rnn", "bidirectional", "timedistributed", "attention"],
        fill: "#e6dcf7",
        ink: "#4c1d95",
    },
    Family { name: "convolution", stems: &["conv", "locallyconnected"], fill: "#d6e6fb", ink: "#1e3a8a" },
    Family {
        name: "activation",
        stems: &["activation", "relu", "elu", "softmax", "sigmoid", "tanh", "silu", "softplus"],
        fill: "#fdecc8",
        ink: "#713f12",
    },
    Family {
        name: "regularization",
        stems: &["dropout", "noise", "regularization"],
        fill: "#f1f1f3",
        ink: "#3f3f46",
    },
    Family {
        name: "merge",
        stems: &["add", "subtract", "multiply", "average", "maximum", "minimum", "concatenate", "dot"],
        fill: "#fbdcd5",
        ink: "#7c2d12",
    },
    Family { name: "dense", stems: &["dense", "embedding"], fill: "#f9d9e8", ink: "#831843" },
    Family { name: "other", stems: &[""], fill: "#e9ecef", ink: "#343a40" },
];

/// The cards of all nodes.
pub(super) fn cards<'a>(scene: &Scene<'a>, fonts: &Fonts, options: &Options) -> Vec<Card<'a>> {
    scene.nodes.iter().map(|layer| Card::new(layer, fonts, options)).collect()
}

impl<'a> Card<'a> {
    fn new(layer: &'a Layer, fonts: &Fonts, options: &Options) -> Self {
        let cell = |is_shown: bool, label, value: &str| {
            let value = lines(value);
            let widths = value.iter().map(|line| fonts.bold.width(line, VALUE));
            let width = widths.fold(fonts.regular.width(label, LABEL), f64::max);
            is_shown.then_some(Cell { label, value, width: width + 2.0 * PADDING })
        };
        let trainable = layer.trainable.filter(|_| options.trainable);
        let facts = [
            cell(options.shapes && !layer.is_input, "Input shape", &layer.input_shape),
            cell(options.shapes, "Output shape", &layer.output_shape),
            cell(options.dtype, "Output dtype", &layer.dtype),
        ];
        let activation = layer.activation.as_deref().unwrap_or_default();
        let settings = [
            cell(options.activations && layer.activation.is_some(), "Activation function", activation),
            cell(trainable.is_some(), "Trainable", if trainable == Some(true) { "yes" } else { "no" }),
        ];
        let rows: [Vec<Cell>; 2] =
            [facts.into_iter().flatten().collect(), settings.into_iter().flatten().collect()];
        let mut rows: Vec<Row> = rows.into_iter().filter(|row| !row.is_empty()).map(Row::new).collect();

        let name = Some(layer.name.as_str()).filter(|_| options.names);
        let class = if name.is_some() { &fonts.regular } else { &fonts.bold };
        let head = name.map_or(0.0, |name| fonts.bold.width(name, TITLE) + PADDING)
            + class.width(layer.class, TITLE)
            + 2.0 * PADDING;
        let widths = rows.iter().map(Row::width);
        let width = widths.fold(head, f64::max).ceil();
        for row in &mut rows {
            let spare = (width - row.width()) / row.cells.len() as f64;
            row.cells.iter_mut().for_each(|cell| cell.width += spare);
        }
        let height = HEAD + rows.iter().map(|row| row.height).sum::<f64>();
        let lower = layer.class.to_lowercase();
        let family = FAMILIES.iter().find(|family| family.stems.iter().any(|stem| lower.contains(stem)));
        let family = family.unwrap_or(&FAMILIES[FAMILIES.len() - 1]);
        Self { name, class: layer.class, family, rows, width, height }
    }
}

impl Row {
    fn new(cells: Vec<Cell>) -> Self {
        let lines = cells.iter().map(|cell| cell.value.len()).max().unwrap_or(0);
        Self { cells, height: ROW + LINE * lines as f64 }
    }

    fn width(&self) -> f64 {
        self.cells.iter().map(|cell| cell.width).sum()
    }
}

/// Breaks a long list between its tensors.
fn lines(value: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for item in value.split_inclusive("), ") {
        let last = lines.len() - 1;
        if !lines[last].is_empty() && lines[last].len() + item.len() > LINE_LENGTH {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            *line += item;
        }
    }
    if lines.len() > MOST_LINES {
        let left = lines.split_off(MOST_LINES - 1).len();
        lines.push(format!("… {left} more lines"));
    }
    lines.into_iter().map(|line| text(line.trim_end(), LONGEST_NAME)).collect()
}
