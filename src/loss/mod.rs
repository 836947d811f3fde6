//! The losses of `keras.losses`.
