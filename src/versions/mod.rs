//! What other versions of Keras write, and what they read.

mod keras2_calls;
mod keras2_classes;
mod keras2_functions;
mod keras2_masks;
pub(crate) mod portable;
#[cfg(test)]
mod tests;
