//! The operations of `keras.ops.nn`.

pub mod activation;
pub mod attention;
pub mod conv;
pub mod ctc;
pub mod loss;
pub mod normalization;
pub mod patches;
pub mod pooling;
