//! Real Keras, for the tests that ask it.

use std::path::{Path, PathBuf};
use std::process::Command;

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A script of `tests/keras` in the virtual environment that `venv.sh` makes, or nothing when
/// `BURN_KERAS_NO_PYTHON` says that there is none.
pub fn script(name: &str) -> Option<Command> {
    if std::env::var_os("BURN_KERAS_NO_PYTHON").is_some() {
        eprintln!("SKIPPED: real Keras was not asked, since BURN_KERAS_NO_PYTHON is set");
        return None;
    }
    let made =
        Command::new("bash").arg(root().join("tests/keras/venv.sh")).current_dir(root()).output().unwrap();
    let said = String::from_utf8_lossy(&made.stdout);
    assert!(made.status.success(), "no environment: {said}{}", String::from_utf8_lossy(&made.stderr));
    let mut command = Command::new(PathBuf::from(said.lines().last().unwrap().trim()));
    command.arg(root().join("tests/keras").join(name)).env("KERAS_BACKEND", "jax");
    Some(command)
}
