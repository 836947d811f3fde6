//! What source models become.

use std::path::Path;

use super::Codegen;

fn source(case: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(format!("{case}.keras"));
    Codegen::new(path).name("Model").source().unwrap()
}
