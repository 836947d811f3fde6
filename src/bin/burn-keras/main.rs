//! The `burn-keras` program: looks into Keras models, runs, trains and converts them.

mod args;
mod check;
mod codegen;
mod convert;
mod curves;
mod data;
mod evaluate;
mod fit;
mod inspect;
mod layers;
mod npz;
mod plot;
mod predict;
mod summary;
mod text;
mod weights;

use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use clap::Parser;

use args::{Arguments, Command};

fn main() -> ExitCode {
    // Commands give their output instead of printing it, so that nothing of it comes before an error.
    let done = match Arguments::parse().command {
        Command::Inspect(args) => inspect::run(&args).map(good),
        Command::Summary(args) => summary::run(&args).map(good),
        Command::Plot(args) => plot::run(&args).map(good),
        Command::Predict(args) => predict::run(&args).map(good),
        Command::Fit(args) => fit::run(&args),
        Command::Evaluate(args) => evaluate::run(&args).map(good),
        Command::Convert(args) => convert::run(&args).map(good),
        Command::Upgrade(args) => convert::upgrade(&args).map(good),
        Command::Codegen(args) => codegen::run(&args).map(good),
        Command::Diff(args) => check::diff(&args),
        Command::Check(args) => check::run(&args),
        Command::Weights(args) => weights::run(&args).map(good),
        Command::Layers(args) => Ok(good(layers::run(&args))),
    };
    match done {
        Ok((output, is_good)) => match print(&text::printable(&output)) {
            code if is_good => code,
            _ => ExitCode::FAILURE,
        },
        Err(error) => fail(&error),
    }
}

fn good(output: String) -> (String, bool) {
    (output, true)
}

fn print(output: &str) -> ExitCode {
    let mut out = std::io::stdout().lock();
    match out.write_all(output.as_bytes()).and_then(|()| out.flush()) {
        // Whoever reads has had enough: `burn-keras layers | head`.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => fail(&error),
        Ok(()) => ExitCode::SUCCESS,
    }
}

fn fail(error: &dyn std::error::Error) -> ExitCode {
    let message = text::printable(&error.to_string());
    // Without a standard error, the exit status has to say it alone.
    let _ = writeln!(std::io::stderr(), "burn-keras: {message}");
    ExitCode::FAILURE
}
