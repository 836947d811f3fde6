//! Keras files as a store of weights for hand-written Burn modules.

mod contract;
mod keras;
