//! Burn modules: layers of any kind, state that layers update, and the graph that runs them.

mod erased;
mod network;
mod state;

pub use erased::AnyLayer;
pub use network::{FunctionalConfig, Network, SequentialConfig};
pub(crate) use network::{call_layer, graph_of};
pub use state::{State, Training};
