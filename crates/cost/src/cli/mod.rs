//! The command line.

mod measure;
mod score;
mod score_report;

use std::io::{ErrorKind, Write as _};
use std::process::ExitCode;
use std::time::SystemTime;

use clap::{Parser, Subcommand};
use statehouse_cost::desk::{self, DeskError};

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
    Estimate(desk::estimate::Arguments),
    /// Price books
    Price {
        /// What is done with them
        #[command(subcommand)]
        verb: desk::price::Verb,
        /// Answer with one line of JSON
        #[arg(long, global = true)]
        json: bool,
    },
    /// Compares estimates of cases with what is expected of them
    Score(score::Arguments),
    /// Tells what an estimate of a plan takes, a book, and a lookup
    Measure(measure::Arguments),
    /// Checks a mapping and says what it covers
    Mapping(desk::estimate::Checked),
}

pub(crate) fn run() -> Result<ExitCode, Failure> {
    match Arguments::parse().command {
        Command::Estimate(asked) => {
            match desk::estimate::run(&asked, today(), &mut std::io::stdout().lock()) {
                Err(DeskError::File(error)) if error.kind() == ErrorKind::BrokenPipe => {}
                other => other?,
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Price { verb, json } => {
            let report = desk::price::run(&verb, today())?;
            print(&if json {
                serde_json::to_string(&report)? + "\n"
            } else {
                report.to_string()
            })?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Score(arguments) => score::run(&arguments),
        Command::Measure(arguments) => measure::run(&arguments),
        Command::Mapping(asked) => {
            print(&desk::estimate::check(&asked)?)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the clock is read once, by the binary, where no date is given"
)]
fn today() -> u32 {
    desk::day_of(SystemTime::now())
}

/// Prints a text; that nobody reads on is no failure.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}
