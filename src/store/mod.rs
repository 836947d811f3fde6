//! Keras files as a store of weights for hand-written Burn modules.

mod adapter;
mod contract;
mod keras;
