//! Puts archives on disk whole or not at all.
