//! `burn-keras fit`.

use std::io::IsTerminal;
use std::path::Path;

use burn::train::Interrupter;
use burn_keras::callback::{LambdaCallback, Mode, ModelCheckpoint, SaveFreq, Template};
use burn_keras::device::{default_device, device};
use burn_keras::train::{Compile, Fit, History};
use burn_keras::{Error, KerasModel, Problems, Result};

use crate::args;
use crate::check::Verdict;
use crate::{curves, data, npz};

pub fn run(args: &args::Fit) -> Result<Verdict> {
    check(args)?;
    let device = args.device.as_deref().map_or_else(default_device, device)?;
    let mut model = KerasModel::load(&args.model, &device)?;
    let mut problems = Problems::default();
    problems.note(compile(&mut model, args));
    problems.at("--freeze", |problems| {
        for layer in &args.freeze {
            problems.note(model.set_trainable(layer, false));
        }
    });
    problems.finish()?;
    let (x, y) = data::examples(&model, &args.inputs, &args.targets, &device)?;
    let mut fit = Fit::new()
        .epochs(args.epochs.get())
        .batch_size(args.batch_size.get())
        .shuffle(!args.no_shuffle)
        .verbose(if std::io::stderr().is_terminal() { 1 } else { 2 });
    if let (Some(inputs), Some(targets)) = (&args.validation_inputs, &args.validation_targets) {
        let (x, y) = data::examples(&model, inputs, targets, &device)?;
        fit = fit.validation(x, y);
    }
    if let Some(seed) = args.seed {
        fit = fit.seed(seed);
    }
    if let Some(rate) = args.learning_rate {
        fit = fit.callback(LambdaCallback::new().on_train_begin(move |run| run.set_learning_rate(rate)));
    }
    if let Some(checkpoint) = checkpoint(args) {
        fit = fit.callback(checkpoint);
    }
    if let Some(template) = args.checkpoint.as_ref().filter(|_| args.resume) {
        fit = fit.resume(template);
    }
    let interrupter = Interrupter::new();
    stop_on_ctrl_c(&interrupter)?;

    let history = model.fit(x, y, fit.interrupter(interrupter.clone()))?;
    model.save(&args.output)?;
    if let Some(path) = &args.history {
        history.save_csv(path)?;
    }
    if let Some(path) = &args.plot {
        curves::draw(&history, path)?;
    }
    let stopped = interrupter.should_stop();
    let last = match stopped {
        true => "stopped; what was trained so far is saved\n",
        false if history.last().is_none() => "nothing was left to train\n",
        false => "",
    };
    Ok((report(&history) + last, !stopped))
}

/// What is wrong with the arguments shows before any work, all of it.
fn check(args: &args::Fit) -> Result<()> {
    let mut problems = Problems::default();
    let read = [Some(&args.inputs), Some(&args.targets), args.validation_inputs.as_ref()];
    for path in read.into_iter().chain([args.validation_targets.as_ref()]).flatten() {
        problems.note(npz::is_single(path));
    }
    let written: [(_, &[&str]); 3] = [
        (Some(&args.output), &[".keras", ".h5", ".hdf5", "/"]),
        (args.plot.as_ref(), &[".svg"]),
        (args.history.as_ref(), &[".csv"]),
    ];
    for (path, endings) in written {
        if let Some(path) = path {
            problems.note(check_target(path, endings).map_err(|error| error.in_file(path)));
        }
    }
    if let Some(template) = &args.checkpoint {
        problems.note(Template::parse(template).map_err(|error| error.at("--checkpoint")));
    }
    problems.finish()
}

/// Whether a file of a name with one of these endings can be written. Nothing is left behind.
fn check_target(path: &Path, endings: &[&str]) -> Result<()> {
    let name = path.as_os_str().to_string_lossy();
    if !endings.iter().any(|ending| name.ends_with(ending)) || name.ends_with(".weights.h5") {
        return Err(Error::input(format_args!("expected a name that ends in {}", endings.join(", "))));
    }
    if path.is_dir() && !name.ends_with('/') {
        return Err(Error::input("this is a directory"));
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    tempfile::tempfile_in(folder)
        .map(drop)
        .map_err(|source| Error::io("no file can be written into this folder", source))
}

/// Trains as the arguments say, or else as the file says.
fn compile(model: &mut KerasModel, args: &args::Fit) -> Result<()> {
    let Some(loss) = &args.loss else {
        return match model.compiled()? {
            Some(_) => Ok(()),
            None => {
                Err(Error::input("the model was never compiled: --loss and --optimizer say how to train it")
                    .in_file(&args.model))
            }
        };
    };
    let optimizer = args.optimizer.as_deref().unwrap_or("rmsprop");
    let metrics: Vec<&str> = args.metrics.iter().map(String::as_str).collect();
    model.compile(Compile::new(optimizer, loss.as_str()).metrics(metrics))
}

fn checkpoint(args: &args::Fit) -> Option<ModelCheckpoint> {
    let measured = if args.validation_inputs.is_some() { "val_loss" } else { "loss" };
    let mut checkpoint = ModelCheckpoint::new(args.checkpoint.as_ref()?)
        .monitor(args.monitor.as_deref().unwrap_or(measured))
        .mode(match args.mode {
            args::Mode::Auto => Mode::Auto,
            args::Mode::Min => Mode::Min,
            args::Mode::Max => Mode::Max,
        })
        .save_best_only(args.save_best_only)
        .save_weights_only(args.save_weights_only)
        .save_on_interrupt(!replaces_the_best(args))
        .verbose(1);
    if let Some(batches) = args.save_freq {
        checkpoint = checkpoint.save_freq(SaveFreq::Batches(batches.get()));
    }
    if let Some(count) = args.keep_best {
        checkpoint = checkpoint.keep_best(count.get());
    }
    Some(checkpoint)
}

/// Whether what is saved on Ctrl-C would have the name of the best file.
fn replaces_the_best(args: &args::Fit) -> bool {
    let template = args.checkpoint.as_ref().and_then(|template| Template::parse(template).ok());
    let has = |name| template.as_ref().is_some_and(|template| template.names().any(|it| it == name));
    let differ = has("epoch") && (args.save_freq.is_none() || has("batch"));
    (args.save_best_only || args.keep_best.is_some()) && !differ
}

/// The first Ctrl-C ends the training after its batch; what was trained so far is saved then.
fn stop_on_ctrl_c(interrupter: &Interrupter) -> Result<()> {
    let interrupter = interrupter.clone();
    let stop = move || match interrupter.should_stop() {
        true => std::process::exit(130),
        false => interrupter.stop(Some("Ctrl-C")),
    };
    ctrlc::set_handler(stop).map_err(|error| Error::input(format_args!("cannot catch Ctrl-C: {error}")))
}

fn report(history: &History) -> String {
    let last = history.last().map(|logs| {
        logs.iter()
            .map(|(name, number)| format!("{name}: {}", curves::short(number)))
            .collect::<Vec<_>>()
            .join(" - ")
    });
    let curves = curves::text(history);
    last.map_or_else(String::new, |last| format!("{curves}{last}\n"))
}
