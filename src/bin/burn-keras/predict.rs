//! `burn-keras predict`.

use std::time::{Duration, Instant};

use burn_keras::device::{default_device, device};
use burn_keras::{Error, KerasModel, PredictOptions, Result};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::args::Predict;
use crate::data;
use crate::npz::{self, Array};

/// Whoever waits no longer than this needs no progress bar.
const PATIENCE: Duration = Duration::from_secs(1);

pub fn run(args: &Predict) -> Result<String> {
    // What is wrong with the arguments shows before any work.
    npz::is_single(&args.inputs)?;
    let single = npz::is_single(&args.outputs)?;
    let device = args.device.as_deref().map_or_else(default_device, device)?;
    let model = KerasModel::load(&args.model, &device)?;
    let names = model.output_names();
    if single && names.len() != 1 {
        let message = format_args!("a .npy file holds one array, the model gives {names:?}");
        return Err(Error::input(message).in_file(&args.outputs));
    }
    let mut options = PredictOptions::default();
    if let Some(size) = args.batch_size {
        options.batch_size = size.get();
        check_batch_size(&model, size.get())?;
    }

    let arrays = npz::read(&args.inputs)?;
    let examples = arrays.first().and_then(|(_, array)| array.shape().first()).copied().unwrap_or(0);
    let mut progress = Progress::new(examples);
    let mut advance = |done| progress.advance(done);
    options.on_batch = Some(&mut advance);
    let outputs =
        data::inputs(&model, arrays, &device).and_then(|inputs| model.predict_with(inputs, options));
    progress.bar.finish_and_clear();

    let outputs = outputs.map_err(|error| error.in_file(&args.inputs))?;
    let outputs: Vec<_> = outputs.into_iter().map(|(name, value)| (name, Array::of(value))).collect();
    npz::write(&args.outputs, &outputs)?;
    Ok(String::new())
}

/// A model with a fixed batch is run with that, so another wish could only be ignored.
fn check_batch_size(model: &KerasModel, size: usize) -> Result<()> {
    match model.inputs().into_iter().find_map(|spec| spec.shape.first().copied().flatten()) {
        Some(fixed) if fixed != size => {
            Err(Error::input(format_args!("the model has a fixed batch of {fixed}, got --batch-size {size}")))
        }
        _ => Ok(()),
    }
}

struct Progress {
    bar: ProgressBar,
    started: Instant,
    shown: bool,
}

impl Progress {
    fn new(examples: usize) -> Self {
        let bar = ProgressBar::with_draw_target(Some(examples as u64), ProgressDrawTarget::hidden());
        let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} {eta}");
        let bar = bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { bar, started: Instant::now(), shown: false }
    }

    fn advance(&mut self, done: usize) {
        if !self.shown && self.started.elapsed() > PATIENCE {
            // Draws nothing unless standard error is a terminal.
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
            self.shown = true;
        }
        self.bar.set_position(done as u64);
    }
}
