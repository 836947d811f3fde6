#![doc = include_str!("../README.md")]
#![deny(missing_docs, missing_debug_implementations, clippy::print_stdout, clippy::print_stderr)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::todo))]

pub mod activation;
mod any_config;
pub mod build;
#[cfg(feature = "train")]
pub mod callback;
pub mod codegen;
pub mod config;
pub mod constraint;
pub mod device;
mod difference;
mod einsum;
pub mod error;
mod file;
#[cfg(all(any(doc, doctest), feature = "train"))]
pub mod guide;
mod image;
pub mod initializer;
mod keras_file;
pub mod layer;
pub mod layers;
mod limits;
mod load;
#[cfg(feature = "train")]
pub mod loss;
#[cfg(feature = "train")]
pub mod metric;
mod model;
pub mod module;
pub mod ops;
#[cfg(feature = "train")]
pub mod optimizer;
mod penalties;
#[cfg(feature = "train")]
mod per_output;
#[cfg(feature = "plot")]
pub mod plot;
mod registry;
pub mod regularizer;
mod reorder;
mod save;
mod spec;
pub mod store;
mod summary;
#[cfg(feature = "train")]
pub mod train;
pub mod value;
mod variables;
mod versions;
mod weights;

pub(crate) use build::layer_config;
pub use difference::{Apart, ConfigDifference, Difference, TensorDifference};
pub use error::{Error, ErrorKind, Problem, Problems, Result};
#[doc(hidden)]
pub use file::h5::read_everything as read_hdf5;
pub use keras_file::{DatasetInfo, Format, KerasFile};
pub use limits::Limits;
pub use load::LoadOptions;
pub use model::{KerasModel, PredictOptions};
pub use save::{SaveOptions, SaveReport};
pub use summary::{Summary, SummaryRow};
pub use value::{Inputs, Outputs, Value};
pub use versions::{Change, Target};
pub use weights::{KerasWeights, LoadReport, Loaded, Matching, Missing, Skipped, Unused, WeightsOptions};
