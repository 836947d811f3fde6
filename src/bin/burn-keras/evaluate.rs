//! `burn-keras evaluate`.

use burn_keras::callback::Logs;
use burn_keras::config::Json;
use burn_keras::device::{default_device, device};
use burn_keras::train;
use burn_keras::{KerasModel, Result};

use crate::args::Evaluate;
use crate::text::table;
use crate::{data, npz};

pub fn run(args: &Evaluate) -> Result<String> {
    // What is wrong with the arguments shows before any work.
    npz::is_single(&args.inputs)?;
    npz::is_single(&args.targets)?;
    let device = args.device.as_deref().map_or_else(default_device, device)?;
    let model = KerasModel::load(&args.model, &device)?;
    let (x, y) = data::examples(&model, &args.inputs, &args.targets, &device)?;
    let logs = model.evaluate(x, y, train::Evaluate::new().batch_size(args.batch_size.get()))?;
    Ok(if args.json { format!("{:#}\n", json(&logs)) } else { lines(&logs) })
}

/// JSON has neither NaN nor infinity: they are null.
fn json(logs: &Logs) -> Json {
    Json::Object(logs.iter().map(|(name, value)| (name.to_owned(), value.into())).collect())
}

fn lines(logs: &Logs) -> String {
    let rows = logs.iter().map(|(name, value)| vec![name.to_owned(), format!("{value:.6}")]);
    table(&rows.collect::<Vec<_>>(), &[1])
}
