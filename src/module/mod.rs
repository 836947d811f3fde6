//! Burn modules: layers of any kind, state that layers update, and the graph that runs them.

mod border;
mod erased;
mod keras_layer;
mod network;
mod state;

pub(crate) use border::Governed;
pub use erased::AnyLayer;
#[cfg(test)]
pub(crate) use keras_layer::read_tensor;
pub use keras_layer::{AsValue, AsValues, Call, CallSite, ChannelsFirst, KerasLayer, KerasObject, typed};
pub use network::{FunctionalConfig, Network, SequentialConfig};
pub(crate) use network::{
    call_layer, graph_of, is_trainable, masked, missing_integers, refuse_integers,
};
pub use state::{State, Training};
