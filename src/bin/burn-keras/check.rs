//! `burn-keras check` and `burn-keras diff`.

use burn_keras::layer::Registry;
use burn_keras::{KerasFile, Limits, Result};

use crate::args::{Check, Diff};

/// What is said, and whether it is good news.
pub type Verdict = (String, bool);

/// An error is bad news already.
pub fn run(args: &Check) -> Result<Verdict> {
    let file = KerasFile::open(&args.model, &Limits::default())?;
    let report = file.check(&Registry::new()).map_err(|error| error.in_file(&args.model))?;
    Ok((report.to_string(), true))
}

pub fn diff(args: &Diff) -> Result<Verdict> {
    let open = |path| KerasFile::open(path, &Limits::default());
    let difference = open(&args.left)?.difference(&open(&args.right)?, &Registry::new())?;
    Ok((difference.to_string(), difference.is_empty()))
}
