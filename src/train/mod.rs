//! Training: `compile`, `fit`, `evaluate`, on the learner of burn-train.

mod batch;
pub(crate) mod document;
mod fit;
mod history;
mod looping;
mod plan;
mod progress;
mod quiet;
mod rate;
mod resume;
mod run;
mod running;
mod settings;
mod state;
mod trainable;

pub use batch::{Arrays, Batch};
pub use fit::{Evaluate, Fit};
pub use history::History;
pub use looping::KerasLoop;
pub use run::ValidationFreq;
pub use settings::{Compile, Custom, PerOutput};
pub use trainable::{Step, Trainable};
