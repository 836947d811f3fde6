//! `burn-keras plot`.

use burn_keras::layer::Registry;
use burn_keras::plot::{self, Direction};
use burn_keras::{KerasFile, Limits, Result};

use crate::args::{Plot, Rankdir};

pub fn run(args: &Plot) -> Result<String> {
    let file = KerasFile::open(&args.model, &Limits::default())?;
    let plot = plot::Plot::of(&file, &Registry::new()).map_err(|error| error.in_file(&args.model))?;
    let rankdir = match args.rankdir {
        Rankdir::Tb => Direction::TopToBottom,
        Rankdir::Bt => Direction::BottomToTop,
        Rankdir::Lr => Direction::LeftToRight,
        Rankdir::Rl => Direction::RightToLeft,
    };
    let plot = plot
        .show_shapes(!args.no_shapes)
        .show_dtype(!args.no_dtype)
        .show_layer_names(!args.no_layer_names)
        .show_layer_activations(args.show_layer_activations)
        .show_trainable(args.show_trainable)
        .expand_nested(args.expand_nested)
        .rankdir(rankdir)
        .dpi(args.dpi.get());
    match &args.output {
        Some(path) => plot.save(path).map(|()| String::new()),
        None => Ok(plot.dot()),
    }
}
