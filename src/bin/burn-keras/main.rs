//! The `burn-keras` program.
fn main() {}
