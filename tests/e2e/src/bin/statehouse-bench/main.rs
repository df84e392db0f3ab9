//! The benchmark: the real binary under real requests, held against stated goals.
//!
//! Every number that depends on the machine is a ratio within one run: what is compared runs in turn, and the median of the
//! pairs counts. Processor time is the server's own, read from the kernel; the clients run in this process. A goal that is missed is
//! reported as missed. Nothing here is a test, and no test asserts a time.
//!
//! Run it with `./dev bench`, which builds everything and names the tools.

mod answers;
mod busy;
mod client;
mod constant;
mod costs;
mod difference;
mod house;
mod idle;
mod import;
mod large;
mod load;
mod machine;
mod moto;
mod offers;
mod plain;
mod plans;
mod policies;
mod postgres;
mod process;
mod program;
mod reads;
mod report;
mod runs;
mod sandbox;
mod search;
mod server;
mod state;
mod stats;
mod terraform;
mod tools;
mod verify;
mod writes;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tempfile::TempDir;

use report::Section;
use tools::Tools;

/// Whatever keeps something from being measured.
type Failure = Box<dyn std::error::Error + Send + Sync>;
type Result<T> = std::result::Result<T, Failure>;

/// Measures Statehouse and prints a table of goals: met or missed
#[derive(Parser)]
#[command(name = "statehouse-bench")]
struct Arguments {
    #[command(subcommand)]
    part: Option<Part>,
    /// Runs of each measurement, in turn with what it is compared with
    #[arg(long, global = true, default_value_t = 9)]
    runs: usize,
    /// Length of a run
    #[arg(long, global = true, default_value_t = 3.0)]
    seconds: f64,
    /// Workspaces of the house whose answers are measured
    #[arg(long, global = true, default_value_t = 10_000)]
    workspaces: usize,
    /// Versions in all of its workspaces together
    #[arg(long, global = true, default_value_t = 1_000_000)]
    versions: usize,
    /// Where data is put while measuring: a folder on the disk to be measured
    #[arg(long, global = true, default_value = "/var/tmp")]
    dir: PathBuf,
    /// Put the table into this page, between its marks
    #[arg(long, global = true, value_name = "FILE")]
    write: Option<PathBuf>,
}

/// What to measure.
#[derive(Subcommand, Clone, PartialEq)]
enum Part {
    /// Everything (the default)
    All,
    /// Writes, on SQLite
    Writes,
    /// The same with slow syncs
    SlowDisk,
    /// Writes, slow syncs and whole applies, on PostgreSQL
    Postgres,
    /// Reads
    Reads,
    /// Whole applies through the `cloud` block
    Apply,
    /// Whole runs, by hand and by the server
    Runs,
    /// Every answer of the API, in a house in which much has happened
    Answers,
    /// Resources that are found among a million
    Search,
    /// A thousand states that move in
    Import,
    /// The difference between two states of 50 MB
    Difference,
    /// A state of 250 MB
    Large,
    /// Memory, start, size
    Idle,
    /// Verification offline
    Verify,
    /// Judging plans by policies
    Policy,
    /// Estimating what plans cost
    Cost,
    /// Serve one body for ever: what reads are compared with
    #[command(hide = true)]
    Constant {
        /// Where its certificates go
        dir: PathBuf,
    },
}

/// How to measure.
pub(crate) struct Plan {
    pub(crate) runs: usize,
    pub(crate) seconds: f64,
    pub(crate) workspaces: usize,
    pub(crate) versions: usize,
    pub(crate) tools: Tools,
    dir: PathBuf,
}

impl Plan {
    /// A new folder for data, which goes away with what is returned. PostgreSQL's user may pass through it.
    pub(crate) fn folder(&self) -> Result<TempDir> {
        let folder = tempfile::Builder::new()
            .prefix("statehouse-bench-")
            .tempdir_in(&self.dir)?;
        postgres::let_pass(folder.path())?;
        Ok(folder)
    }
}

/// The one way to standard output.
pub(crate) fn say(words: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{words}")?;
    Ok(out.flush()?)
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "statehouse-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// A part of the table: which word asks for it, and what measures it.
type Measurement = (Part, fn(&Plan) -> Result<Section>);

const MEASUREMENTS: [Measurement; 18] = [
    (Part::Writes, writes::sqlite),
    (Part::SlowDisk, writes::slow_disk),
    (Part::Postgres, writes::postgres),
    (Part::Postgres, writes::slow_disk_postgres),
    (Part::Postgres, terraform::applies),
    (Part::Apply, terraform::cloud),
    (Part::Runs, runs::aws),
    (Part::Runs, runs::queue),
    (Part::Reads, reads::reads),
    (Part::Answers, answers::answers),
    (Part::Search, search::search),
    (Part::Import, import::import),
    (Part::Difference, difference::difference),
    (Part::Large, large::large),
    (Part::Idle, idle::idle),
    (Part::Verify, verify::verify),
    (Part::Policy, policies::policies),
    (Part::Cost, costs::costs),
];

fn run(arguments: &Arguments) -> Result<()> {
    let part = arguments.part.clone().unwrap_or(Part::All);
    if let Part::Constant { dir } = &part {
        return constant::serve(dir);
    }
    let Arguments {
        runs,
        seconds,
        workspaces,
        versions,
        dir,
        write,
        ..
    } = arguments;
    let plan = Plan {
        runs: *runs,
        seconds: *seconds,
        workspaces: *workspaces,
        versions: *versions,
        tools: Tools::of_environment()?,
        dir: dir.clone(),
    };
    let facts = machine::facts(dir)?;
    let mut table = format!("{facts} Median of {runs} runs of {seconds} s.\n");
    say(&table)?;
    let mut missing = Vec::new();
    for (of, measure) in MEASUREMENTS {
        if part != Part::All && part != of {
            continue;
        }
        match measure(&plan) {
            Ok(section) => {
                let text = section.markdown();
                say(&text)?;
                table.push('\n');
                table.push_str(&text);
            }
            // The other parts are worth having all the same.
            Err(error) => missing.push(error.to_string()),
        }
    }
    if !missing.is_empty() {
        return Err(format!("not measured: {}", missing.join("; ")).into());
    }
    write
        .as_ref()
        .map_or(Ok(()), |page| report::write(page, &table))
}
