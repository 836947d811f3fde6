//! Pictures of models.

#[test]
fn none() {}
