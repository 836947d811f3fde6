//! The arguments of the program.

use std::num::NonZeroUsize;
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
    /// Runs a model on arrays of NumPy's.
    Predict(Predict),
    /// Writes a model, or its weights, as a file of another kind.
    Convert(Convert),
    /// Brings a model of any version of Keras into the form of today's, and tells what was changed.
    Upgrade(Upgrade),
    /// Tells two models apart: their configs, and every variable. Exits with 1 if there is anything to tell.
    Diff(Diff),
    /// Tells everything that keeps a file from being loaded. Exits with 1 if there is anything.
    Check(Check),
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
pub struct Layers {
    /// Prints a table in Markdown.
    #[arg(long)]
    pub markdown: bool,
}
