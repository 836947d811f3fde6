//! Training: `compile`, `fit`, `evaluate`, on the learner of burn-train.

mod batch;
mod history;
mod settings;

pub use batch::{Arrays, Batch};
pub use history::History;
pub use settings::{Compile, PerOutput};
