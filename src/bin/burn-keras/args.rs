//! The arguments of the program.

use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Looks into Keras models, runs them and converts them.
#[derive(Debug, Parser)]
#[command(name = "burn-keras", version)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Shows what is in a model file, and everything that is wrong with it.
    Inspect(Inspect),
    /// Prints the table of a model that Keras prints as its summary.
    Summary(Summary),
    /// Draws a model as Keras does: its layers, their shapes, and how they are connected.
    Plot(Plot),
    /// Runs a model on arrays of NumPy's.
    Predict(Predict),
    /// Trains a model on arrays of NumPy's: from where its file is in its training.
    Fit(Box<Fit>),
    /// Measures a model on arrays of NumPy's.
    Evaluate(Evaluate),
    /// Writes a model, or its weights, as a file of another kind.
    Convert(Convert),
    /// Brings a model of any version of Keras into the form of today's, and tells what was changed.
    Upgrade(Upgrade),
    /// Writes a model as a Burn module in Rust source.
    Codegen(Codegen),
    /// Tells two models apart: their configs, and every variable. Exits with 1 if there is anything to tell.
    Diff(Diff),
    /// Tells everything that keeps a file from being loaded. Exits with 1 if there is anything.
    Check(Check),
    /// Lists the weights in a file of any kind, takes one out as a NumPy array, renames or drops some.
    Weights(Weights),
    /// Lists the supported layers and operations.
    Layers(Layers),
}

#[derive(Debug, Args)]
pub struct Inspect {
    /// A model file of any kind.
    pub model: PathBuf,
    /// Prints one JSON document.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Summary {
    /// A model file of any kind.
    pub model: PathBuf,
}

#[derive(Debug, Args)]
pub struct Plot {
    /// A model file of any kind.
    pub model: PathBuf,
    /// The picture to write: .svg, .png or .dot.
    #[arg(long, short, value_name = "OUT", required_unless_present = "dot")]
    pub output: Option<PathBuf>,
    /// Prints the picture in Graphviz' language, instead of writing it.
    #[arg(long, conflicts_with = "output")]
    pub dot: bool,
    /// Shows no shapes.
    #[arg(long)]
    pub no_shapes: bool,
    /// Shows no types.
    #[arg(long)]
    pub no_dtype: bool,
    /// Shows classes without names.
    #[arg(long)]
    pub no_layer_names: bool,
    /// Shows activations.
    #[arg(long)]
    pub show_layer_activations: bool,
    /// Shows which layers training may change.
    #[arg(long)]
    pub show_trainable: bool,
    /// Shows what is in nested models.
    #[arg(long)]
    pub expand_nested: bool,
    /// Where the data flows to.
    #[arg(long, value_enum, ignore_case = true, default_value_t = Rankdir::Tb)]
    pub rankdir: Rankdir,
    /// How many pixels of a .png make an inch.
    #[arg(long, value_name = "DPI", default_value = "200")]
    pub dpi: NonZeroU32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Rankdir {
    Tb,
    Bt,
    Lr,
    Rl,
}

#[derive(Debug, Args)]
pub struct Predict {
    /// A model file of any kind.
    pub model: PathBuf,
    /// A .npz file with an array for every input, under the input's name. A model with one input
    /// takes any name, and a .npy file.
    #[arg(long, value_name = "IN")]
    pub inputs: PathBuf,
    /// The .npz file to write, with an array for every output under the output's name; a .npy file
    /// for a model with one output.
    #[arg(long, value_name = "OUT")]
    pub outputs: PathBuf,
    /// How many examples go through the model at once [default: 32].
    #[arg(long, value_name = "N")]
    pub batch_size: Option<NonZeroUsize>,
    /// The device to run on: flex, ndarray, cpu, cuda[:N], rocm[:N], wgpu[:N], wgpu:cpu, vulkan,
    /// metal, webgpu or tch[:cuda:N], if compiled in [default: a processor].
    #[arg(long, value_name = "D")]
    pub device: Option<String>,
}

/// Where a model is trained and measured.
const DEVICES: &str = "The device to run on, as for predict [default: a processor]";

#[derive(Debug, Args)]
pub struct Fit {
    /// A model file of any kind.
    pub model: PathBuf,
    /// A .npz file with an array for every input, under the input's name; one of a single input may have any
    /// name, and may be a .npy file.
    #[arg(long, value_name = "X")]
    pub inputs: PathBuf,
    /// The same for what the outputs are to be.
    #[arg(long, value_name = "Y")]
    pub targets: PathBuf,
    /// Inputs that the model is measured on after every epoch.
    #[arg(long, value_name = "X", requires = "validation_targets")]
    pub validation_inputs: Option<PathBuf>,
    /// What the outputs are to be for them.
    #[arg(long, value_name = "Y", requires = "validation_inputs")]
    pub validation_targets: Option<PathBuf>,
    /// At which epoch to end.
    #[arg(long, value_name = "E", default_value = "1")]
    pub epochs: NonZeroUsize,
    /// How many examples go through the model at once.
    #[arg(long, value_name = "B", default_value = "32")]
    pub batch_size: NonZeroUsize,
    /// Takes the examples as they are in the file.
    #[arg(long)]
    pub no_shuffle: bool,
    /// What the order of the examples and all random numbers follow from.
    #[arg(long, value_name = "S")]
    pub seed: Option<u64>,
    /// The learning rate, in place of that of the optimizer.
    #[arg(long, value_name = "RATE", value_parser = rate, allow_negative_numbers = true)]
    pub learning_rate: Option<f64>,
    /// Layers that stay as they are; one of an inner model is inner/layer. MODEL comes before them, or after --.
    #[arg(long, value_name = "LAYER", num_args = 1..)]
    pub freeze: Vec<String>,
    /// How the model is trained, in place of what its file says: the name of an optimizer of Keras.
    #[arg(long, value_name = "NAME", requires = "loss")]
    pub optimizer: Option<String>,
    /// The name of a loss of Keras, for all outputs.
    #[arg(long, value_name = "NAME")]
    pub loss: Option<String>,
    /// Names of metrics of Keras, for all outputs.
    #[arg(long, value_name = "NAME", num_args = 1.., requires = "loss")]
    pub metrics: Vec<String>,
    /// Saves the model while it is trained, under names such as run/{epoch:02d}-{val_loss:.2f}.keras.
    #[arg(long, value_name = "TEMPLATE")]
    pub checkpoint: Option<String>,
    /// What checkpoints are compared by [default: val_loss, or loss without validation].
    #[arg(long, value_name = "M", requires = "checkpoint")]
    pub monitor: Option<String>,
    /// Whether less or more of it is better.
    #[arg(long, value_enum, default_value_t = Mode::Auto, requires = "checkpoint")]
    pub mode: Mode,
    /// Saves only what is better than ever.
    #[arg(long, requires = "checkpoint")]
    pub save_best_only: bool,
    /// Saves weights and the state of the optimizer: names in .weights.h5.
    #[arg(long, requires = "checkpoint")]
    pub save_weights_only: bool,
    /// After how many batches to save [default: after every epoch].
    #[arg(long, value_name = "N", requires = "checkpoint")]
    pub save_freq: Option<NonZeroU64>,
    /// How many of the best checkpoints are kept [default: all].
    #[arg(long, value_name = "K", requires = "checkpoint")]
    pub keep_best: Option<NonZeroUsize>,
    /// Goes on from the newest checkpoint, if there is one.
    #[arg(long, requires = "checkpoint")]
    pub resume: bool,
    /// The model to write.
    #[arg(long, short, value_name = "OUT")]
    pub output: PathBuf,
    /// Draws the loss and the metrics of every epoch: a .svg file.
    #[arg(long, value_name = "PICTURE")]
    pub plot: Option<PathBuf>,
    /// Writes the loss and the metrics of every epoch as a table: a .csv file.
    #[arg(long, value_name = "TABLE")]
    pub history: Option<PathBuf>,
    #[arg(long, value_name = "D", help = DEVICES)]
    pub device: Option<String>,
}

fn rate(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0);
    number.ok_or_else(|| "expected a number, not a negative one".to_owned())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    Auto,
    Min,
    Max,
}

#[derive(Debug, Args)]
pub struct Evaluate {
    /// A model file of any kind.
    pub model: PathBuf,
    /// As for fit.
    #[arg(long, value_name = "X")]
    pub inputs: PathBuf,
    /// As for fit.
    #[arg(long, value_name = "Y")]
    pub targets: PathBuf,
    /// How many examples go through the model at once.
    #[arg(long, value_name = "B", default_value = "32")]
    pub batch_size: NonZeroUsize,
    /// Prints one JSON document.
    #[arg(long)]
    pub json: bool,
    #[arg(long, value_name = "D", help = DEVICES)]
    pub device: Option<String>,
}

#[derive(Debug, Args)]
pub struct Convert {
    /// A model file of any kind.
    #[arg(value_name = "IN")]
    pub from: PathBuf,
    /// What to write. The name says the kind: .keras, / for its directory form, .h5; of weights alone
    /// .weights.h5, .weights.json, .safetensors, .bpk.
    #[arg(value_name = "OUT")]
    pub to: PathBuf,
    /// Which Keras is to open it.
    #[arg(long, value_enum, default_value_t = Target::Keras3)]
    pub target: Target,
    /// Replaces what is there.
    #[arg(long)]
    pub overwrite: bool,
    /// Leaves out the state of the optimizer.
    #[arg(long)]
    pub no_optimizer: bool,
    /// How large the files of a .weights.json may be, in bytes.
    #[arg(long, value_name = "BYTES")]
    pub max_shard_size: Option<u64>,
    /// Takes fresh values for variables that the file does not have.
    #[arg(long)]
    pub partial: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Target {
    Keras2,
    Keras3,
}

#[derive(Debug, Args)]
pub struct Upgrade {
    /// A model file of any kind and version.
    pub old: PathBuf,
    /// The .keras file to write.
    pub new: PathBuf,
    /// Replaces what is there.
    #[arg(long)]
    pub overwrite: bool,
}

#[derive(Debug, Args)]
pub struct Codegen {
    /// A model file of any kind.
    pub model: PathBuf,
    /// The folder for the files; it is made if it is not there.
    #[arg(long, value_name = "FOLDER")]
    pub out_dir: PathBuf,
    /// What the struct is called, and the files after it [default: the name of the model file].
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Makes the weights part of the program, too: those of a .keras file.
    #[arg(long)]
    pub embed: bool,
}

#[derive(Debug, Args)]
pub struct Diff {
    /// A model file of any kind.
    pub left: PathBuf,
    /// Another one.
    pub right: PathBuf,
}

#[derive(Debug, Args)]
pub struct Check {
    /// A model file of any kind.
    pub model: PathBuf,
}

#[derive(Debug, Args)]
pub struct Weights {
    /// A model file, or one of weights alone, of any kind.
    pub file: PathBuf,
    /// Lists the variables; also without any other option.
    #[arg(long)]
    pub list: bool,
    /// Writes a variable as an array: a .npy or .npz file.
    #[arg(long, num_args = 2, value_names = ["PATH", "OUT"])]
    pub get: Vec<String>,
    /// Calls a variable otherwise.
    #[arg(long, num_args = 2, value_names = ["OLD", "NEW"])]
    pub rename: Vec<String>,
    /// Removes a variable.
    #[arg(long, value_name = "PATH")]
    pub drop: Vec<String>,
    /// Where to write what was renamed and dropped, as a file of the same kind [default: the file itself].
    #[arg(long, short, value_name = "OUT")]
    pub output: Option<PathBuf>,
    /// Replaces what is there.
    #[arg(long)]
    pub overwrite: bool,
}

#[derive(Debug, Args)]
pub struct Layers {
    /// Prints a table in Markdown.
    #[arg(long)]
    pub markdown: bool,
}
