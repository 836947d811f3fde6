//! What is done to images, for the layers and the operations that do it.
//!
//! Everything here takes `[batch, channels, height, width]`; [`Layout`] brings values there and back.

pub(crate) mod color;
pub(crate) mod filter;
pub(crate) mod histogram;
mod layout;
pub(crate) mod resize;
pub(crate) mod sample;

pub(crate) use layout::{Layout, saturate};
