//! Burn modules: layers of any kind, state that layers update, and the graph that runs them.

mod border;
mod erased;
mod network;
mod state;

pub(crate) use border::Governed;
pub use erased::AnyLayer;
pub use network::{FunctionalConfig, Network, SequentialConfig};
pub(crate) use network::{call_layer, graph_of, is_trainable};
pub use state::{State, Training};
