//! `burn-keras convert` and `burn-keras upgrade`.

use burn_keras::device::default_device;
use burn_keras::{LoadOptions, Result, SaveOptions};

use crate::args::{Convert, Target, Upgrade};

/// Endings of files that hold weights and no model. `.h5` can be both, and is taken for a model.
const WEIGHTS: [&str; 4] = [".weights.h5", ".weights.json", ".safetensors", ".bpk"];

/// Builds the model on the way, so that what would keep it from being used is found out. Prints what the file
/// has no place for.
pub fn run(args: &Convert) -> Result<String> {
    let model = LoadOptions::new().partial(args.partial).load(&args.from, &default_device()?)?;
    let target = match args.target {
        Target::Keras2 => burn_keras::Target::Keras2,
        Target::Keras3 => burn_keras::Target::Keras3,
    };
    let mut options =
        SaveOptions::new().overwrite(args.overwrite).include_optimizer(!args.no_optimizer).target(target);
    if let Some(bytes) = args.max_shard_size {
        options = options.max_shard_size(bytes);
    }
    let name = args.to.as_os_str().as_encoded_bytes();
    match WEIGHTS.iter().any(|ending| name.ends_with(ending.as_bytes())) {
        true => model.save_weights_with(&args.to, &options).map(|()| String::new()),
        false => Ok(model.save_with(&args.to, &options)?.to_string()),
    }
}

/// Prints what was changed.
pub fn upgrade(args: &Upgrade) -> Result<String> {
    let model = LoadOptions::new().load(&args.old, &default_device()?)?;
    let saved = model.save_with(&args.new, &SaveOptions::new().overwrite(args.overwrite))?;
    Ok(format!("{}{saved}", model.load_report()))
}
