//! Every layer and operation class of the installed Keras is proven by fixtures, or listed as
//! unsupported with its reason.

mod common;

use std::io::Write;
use std::process::Stdio;

use burn_keras::layer::rows;

#[test]
fn every_class_of_keras_is_proven_or_explained() {
    let Some(mut coverage) = common::script("coverage.py") else { return };
    let rows: Vec<_> =
        rows().map(|row| serde_json::json!({"classes": row.classes, "operation": row.operation})).collect();
    let mut child = coverage.stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(serde_json::json!(rows).to_string().as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "some classes are neither proven nor explained");
}
