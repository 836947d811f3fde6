//! The arguments of the program.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

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
    /// Writes a model in its other form: a .keras file, or a directory.
    Convert(Convert),
    /// Lists the supported layers and operations.
    Layers(Layers),
}

#[derive(Debug, Args)]
pub struct Inspect {
    /// A .keras file or directory.
    pub model: PathBuf,
    /// Prints one JSON document.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Summary {
    /// A .keras file or directory.
    pub model: PathBuf,
}

#[derive(Debug, Args)]
pub struct Predict {
    /// A .keras file or directory.
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
    /// A .keras file or directory.
    #[arg(value_name = "IN")]
    pub from: PathBuf,
    /// What to write: a name that ends in .keras, or in / for a directory. A model that is there is
    /// replaced.
    #[arg(value_name = "OUT")]
    pub to: PathBuf,
}

#[derive(Debug, Args)]
pub struct Layers {
    /// Prints a table in Markdown.
    #[arg(long)]
    pub markdown: bool,
}
