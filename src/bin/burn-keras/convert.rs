//! `burn-keras convert` and `burn-keras upgrade`.

use burn_keras::device::default_device;
use burn_keras::{LoadOptions, Result, SaveOptions};

use crate::args::{Convert, Target, Upgrade};

/// Builds the model on the way, so that what would keep it from being used is found out.
pub fn run(args: &Convert) -> Result<String> {
    let model = LoadOptions::new().partial(args.partial).load(&args.from, &default_device()?)?;
    let target = match args.target {
        Target::Keras2 => burn_keras::Target::Keras2,
        Target::Keras3 => burn_keras::Target::Keras3,
    };
    let options = SaveOptions::new().overwrite(args.overwrite).include_optimizer(!args.no_optimizer);
    model.save_with(&args.to, &options.target(target))?;
    Ok(String::new())
}

/// Prints what was changed.
pub fn upgrade(args: &Upgrade) -> Result<String> {
    let model = LoadOptions::new().load(&args.old, &default_device()?)?;
    model.save_with(&args.new, &SaveOptions::new().overwrite(args.overwrite))?;
    Ok(model.load_report().to_string())
}
