//! The command line.

mod estimate;
mod price;
mod score;
mod score_report;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// What goes wrong, for a person.
pub(crate) type Failure = Box<dyn std::error::Error>;

/// What plans cost, without asking anyone.
#[derive(Parser)]
#[command(name = "statehouse-cost", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Estimates a plan or a state
    Estimate(estimate::Arguments),
    /// Price books
    #[command(subcommand)]
    Price(price::Command),
    /// Compares estimates of cases with what is expected of them
    Score(score::Arguments),
    /// Checks a mapping and says what it covers
    Mapping(estimate::MappingArguments),
}

pub(crate) fn run() -> Result<ExitCode, Failure> {
    match Arguments::parse().command {
        Command::Estimate(arguments) => estimate::run(&arguments),
        Command::Price(command) => price::run(&command),
        Command::Score(arguments) => score::run(&arguments),
        Command::Mapping(arguments) => estimate::mapping(&arguments),
    }
}

/// Prints a text; that nobody reads on is no failure.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}
