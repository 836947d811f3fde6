//! Real Keras, for the tests that ask it.

use std::path::{Path, PathBuf};
use std::process::Command;

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A script of `tests/keras` in the virtual environment that `venv.sh` makes, or nothing when
/// `BURN_KERAS_NO_PYTHON` says that there is none.
#[allow(dead_code, reason = "some tests ask no Keras")]
pub fn script(name: &str) -> Option<Command> {
    if without_python() {
        return None;
    }
    Some(command("venv.sh", &[], name))
}

/// A script of `tests/keras` in the Keras of that version, which `versions.sh` makes. The version is its
/// first argument.
#[allow(dead_code, reason = "some tests ask one version only")]
pub fn version(version: &str, name: &str) -> Option<Command> {
    if without_python() {
        return None;
    }
    let mut command = command("versions.sh", &[version], name);
    command.arg(version);
    Some(command)
}

fn without_python() -> bool {
    let is_set = std::env::var_os("BURN_KERAS_NO_PYTHON").is_some();
    if is_set {
        eprintln!("SKIPPED: real Keras was not asked, since BURN_KERAS_NO_PYTHON is set");
    }
    is_set
}

/// A script, with the Python that another one prints.
fn command(maker: &str, arguments: &[&str], name: &str) -> Command {
    let keras = root().join("tests/keras");
    let made =
        Command::new("bash").arg(keras.join(maker)).args(arguments).current_dir(root()).output().unwrap();
    let said = String::from_utf8_lossy(&made.stdout);
    assert!(made.status.success(), "no environment: {said}{}", String::from_utf8_lossy(&made.stderr));
    let mut command = Command::new(PathBuf::from(said.lines().last().unwrap().trim()));
    command.arg(keras.join(name)).env("KERAS_BACKEND", "jax");
    command
}
