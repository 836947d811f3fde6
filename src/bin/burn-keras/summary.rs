//! `burn-keras summary`.

use burn_keras::layer::Registry;
use burn_keras::{KerasFile, Limits, Result};

use crate::args::Summary;
use crate::text::printable;

pub fn run(args: &Summary) -> Result<String> {
    let file = KerasFile::open(&args.model, &Limits::default())?;
    let summary = file.summary(&Registry::new()).map_err(|error| error.in_file(&args.model))?;
    Ok(printable(&format!("{summary}\n")))
}
