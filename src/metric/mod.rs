//! The metrics of `keras.metrics`.
