//! Pictures of models: what `keras.utils.plot_model` draws, without Graphviz.
//!
//! A [`Plot`] draws the layers of a model file, and how they are connected, as SVG, as PNG, or as text for
//! Graphviz. Its options have the names and the meanings of those of `plot_model`; shapes, types and names
//! are shown unless told otherwise. The weights are not read, and need not fit.
//!
//! ```no_run
//! use burn_keras::layer::Registry;
//! use burn_keras::plot::{Direction, Plot};
//! use burn_keras::{KerasFile, Limits};
//!
//! let file = KerasFile::open("model.keras", &Limits::default())?;
//! let plot = Plot::of(&file, &Registry::new())?
//!     .show_layer_activations(true)
//!     .expand_nested(true)
//!     .rankdir(Direction::LeftToRight);
//! plot.save("model.svg")?;
//! std::fs::write("model.dot", plot.dot()).unwrap();
//! # Ok::<(), burn_keras::Error>(())
//! ```

mod align;
mod card;
mod dot;
mod facts;
mod font;
mod layout;
mod png;
mod ranks;
mod svg;

use std::path::Path;

use crate::KerasFile;
use crate::error::{Error, Result};
use crate::file::save::{Content, save_file};
use crate::layer::Registry;
use crate::module::graph_of;
use facts::{Model, SEQUENTIAL};

/// A picture of a model, yet to be drawn.
#[derive(Clone, Debug)]
pub struct Plot {
    model: Model,
    options: Options,
}

/// What is shown, and how.
#[derive(Clone, Copy, Debug)]
struct Options {
    shapes: bool,
    dtype: bool,
    names: bool,
    activations: bool,
    trainable: bool,
    expand_nested: bool,
    rankdir: Direction,
    dpi: u32,
}

/// Where the data flows to in a picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// Downwards, `TB`.
    #[default]
    TopToBottom,
    /// Upwards, `BT`.
    BottomToTop,
    /// To the right, `LR`.
    LeftToRight,
    /// To the left, `RL`.
    RightToLeft,
}

impl Direction {
    /// Graphviz' name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::TopToBottom => "TB",
            Self::BottomToTop => "BT",
            Self::LeftToRight => "LR",
            Self::RightToLeft => "RL",
        }
    }

    fn is_sideways(self) -> bool {
        matches!(self, Self::LeftToRight | Self::RightToLeft)
    }

    fn is_backwards(self) -> bool {
        matches!(self, Self::BottomToTop | Self::RightToLeft)
    }
}

impl Plot {
    /// The picture of a model file, with the kinds of layers in `registry`.
    ///
    /// # Errors
    /// Everything that is wrong with the model description, all at once.
    pub fn of(file: &KerasFile, registry: &Registry) -> Result<Self> {
        let (description, specs) = file.read_model(registry)?;
        let root = description.root.as_ref();
        let graph = graph_of(root).ok_or_else(|| Error::config("a picture of a model without layers"))?;
        let is_trainable = root.class() == SEQUENTIAL || file.config()["config"]["trainable"] != false;
        let model = Model::new(file.name(), graph, &specs, root.class() == SEQUENTIAL, is_trainable)?;
        let options = Options {
            shapes: true,
            dtype: true,
            names: true,
            activations: false,
            trainable: false,
            expand_nested: false,
            rankdir: Direction::TopToBottom,
            dpi: 200,
        };
        Ok(Self { model, options })
    }

    /// Whether to show the shapes of what layers take and give.
    #[must_use]
    pub fn show_shapes(mut self, show: bool) -> Self {
        self.options.shapes = show;
        self
    }

    /// Whether to show the types of what layers give.
    #[must_use]
    pub fn show_dtype(mut self, show: bool) -> Self {
        self.options.dtype = show;
        self
    }

    /// Whether to show the names of layers beside their classes.
    #[must_use]
    pub fn show_layer_names(mut self, show: bool) -> Self {
        self.options.names = show;
        self
    }

    /// Whether to show activations, of layers that have one.
    #[must_use]
    pub fn show_layer_activations(mut self, show: bool) -> Self {
        self.options.activations = show;
        self
    }

    /// Whether to show which layers training may change, of those that have variables.
    #[must_use]
    pub fn show_trainable(mut self, show: bool) -> Self {
        self.options.trainable = show;
        self
    }

    /// Whether to show what is in nested models.
    #[must_use]
    pub fn expand_nested(mut self, expand: bool) -> Self {
        self.options.expand_nested = expand;
        self
    }

    /// Where the data flows to.
    #[must_use]
    pub fn rankdir(mut self, rankdir: Direction) -> Self {
        self.options.rankdir = rankdir;
        self
    }

    /// How many pixels of a PNG make an inch. An SVG has 96 of its units to the inch.
    #[must_use]
    pub fn dpi(mut self, dpi: u32) -> Self {
        self.options.dpi = dpi;
        self
    }

    /// The picture in Graphviz' language, DOT.
    #[must_use]
    pub fn dot(&self) -> String {
        dot::draw(&self.model.scene(self.options.expand_nested), &self.options)
    }

    /// The picture as SVG.
    ///
    /// # Errors
    /// When the model is too large to be laid out.
    pub fn svg(&self) -> Result<String> {
        let scene = self.model.scene(self.options.expand_nested);
        let font = svg::Fonts::new();
        let cards = card::cards(&scene, &font, &self.options);
        let picture = layout::lay_out(&scene, &cards, &font, self.options.rankdir)?;
        Ok(svg::draw(&scene, &cards, &picture, self.options.rankdir))
    }

    /// The picture as PNG, in a font of its own: it looks the same everywhere.
    ///
    /// # Errors
    /// When the model is too large to be laid out, or the picture would have too many pixels.
    pub fn png(&self) -> Result<Vec<u8>> {
        png::draw(&self.svg()?, self.options.dpi)
    }

    /// Writes the picture into a file, whole or not at all, in place of one that is there. The name says its
    /// kind: `.svg`, `.png`, or `.dot` and `.gv` for Graphviz.
    ///
    /// # Errors
    /// When the name ends otherwise, the picture cannot be drawn, or the file not be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
        let picture = match ending.as_deref() {
            Some("svg") => self.svg().map(String::into_bytes),
            Some("png") => self.png(),
            Some("dot" | "gv") => Ok(self.dot().into_bytes()),
            _ => Err(Error::input("expected a name that ends in .svg, .png or .dot")),
        };
        let picture = picture.map_err(|error| error.in_file(path))?;
        save_file(path, Content::Bytes(picture.into())).map_err(|error| error.in_file(path))
    }
}

/// Longest name of a picture, and longest list of shapes, in characters.
const LONGEST_NAME: usize = 64;
const LONGEST_LIST: usize = 2_000;

/// Text out of a file as it can be shown: without what would steer a terminal or turn the line around, and
/// without the middle of what is long.
fn text(given: &str, longest: usize) -> String {
    let is_hidden = |c: char| c.is_control() || HIDDEN.iter().any(|hidden| hidden.contains(&c));
    let shown: Vec<char> = given.chars().filter(|c| !is_hidden(*c)).collect();
    if shown.len() <= longest {
        return shown.into_iter().collect();
    }
    let half = longest / 2;
    shown[..half].iter().chain(&['…']).chain(&shown[shown.len() - half + 1..]).collect()
}

/// Characters that are not seen by themselves, and those that XML has no place for.
const HIDDEN: [std::ops::RangeInclusive<char>; 6] = [
    '\u{61c}'..='\u{61c}',
    '\u{200b}'..='\u{200f}',
    '\u{2028}'..='\u{202e}',
    '\u{2060}'..='\u{206f}',
    '\u{feff}'..='\u{feff}',
    '\u{fff9}'..='\u{ffff}',
];

/// Text in XML, and in labels of Graphviz, which are written like it.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\'' => out += "&#39;",
            c => out.push(c),
        }
    }
    out
}
