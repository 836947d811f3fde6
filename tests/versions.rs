//! What each version of Keras wrote, in every container that it writes: opened, and its predictions and
//! optimizer states compared.
//!
//! The fixtures are made by `tests/keras/versions.py`, one archive for each version.

#[allow(dead_code)]
mod common;
#[path = "common/judged.rs"]
mod judged;
#[path = "../src/bin/burn-keras/npz.rs"]
#[allow(dead_code)]
mod npz;
#[path = "common/versions.rs"]
mod versions;

use burn::tensor::Device;
use burn_keras::{KerasModel, Result};
use versions::Fixture;

/// Makes models of all fixtures of some kinds; each must predict what Keras predicted.
fn predict(kinds: &[&str], make: impl Fn(&Fixture) -> Result<KerasModel>) {
    let device = Device::flex();
    versions::each(kinds, |fixture| {
        let (inputs, expected) = judged::read(&fixture.arrays(), &device)?;
        let outputs =
            make(fixture).and_then(|model| model.predict(inputs)).map_err(|error| error.to_string())?;
        judged::compare(outputs, &expected, fixture.tolerance())
    });
}

#[test]
fn archives() {
    predict(&["keras", "directory"], |fixture| KerasModel::load(fixture.path(), &Device::flex()));
}
