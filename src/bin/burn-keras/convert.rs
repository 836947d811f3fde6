//! `burn-keras convert`.

use burn_keras::device::default_device;
use burn_keras::{KerasModel, Result};

use crate::args::Convert;

/// Builds the model on the way, so that what would keep it from being used is found out.
pub fn run(args: &Convert) -> Result<String> {
    KerasModel::load(&args.from, &default_device()?)?.save(&args.to)?;
    Ok(String::new())
}
