//! Policies from the command line, without a server: for authors, and for measuring.
//!
//! The answer is on standard output, as text or (`--json`) as one line of JSON; what went wrong on standard error. Exit code 0: passed;
//! 1: a test failed, or a policy that is mandatory; 2: nothing was judged.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use serde::Serialize;
use statehouse_policy::author::{check, measure, test};
use statehouse_policy::{conformance, library, worker};

const HELP: &str = "\
statehouse-policy: policies without a server

  check [PLAN] --policy DIR… [--library NAME…] [--state F] [--cost F] [--context F] [--parameters F] [--json]
        judges a plan (the JSON of `show -json`) by policy sets and policies of the library (`all` for every one)
  test DIR [--only TEXT] [--coverage] [--timeout SECONDS] [--json]
        runs the tests of a directory
  measure PLAN [DIR] [--library NAME…] [--parameters F] [--runs N] [--json]
        tells what judging takes, in workers
  score DIR [--json]
        runs the language's conformance suite
  library [NAME]
        lists the starter library; shows one policy of it
";

/// How often `measure` judges.
const RUNS: usize = 10;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let command = arguments.next().unwrap_or_default();
    // Before anything is opened or started.
    if command == "worker" {
        return worker::main();
    }
    let done = Arguments::read(arguments.map(|it| it.to_string_lossy().into_owned()))
        .and_then(|arguments| run(&command.to_string_lossy(), &arguments));
    match done {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            // Nobody is left to tell if standard error is closed.
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::from(2)
        }
    }
}

fn run(command: &str, arguments: &Arguments) -> Result<u8, String> {
    match command {
        "check" => {
            let question = arguments.question(arguments.first().map(PathBuf::from));
            let checked = check::check(&question).map_err(told)?;
            say(arguments, &checked, &checked)?;
            Ok(u8::from(checked.summary.blocks()))
        }
        "test" => tested(arguments),
        "measure" => {
            let plan = PathBuf::from(arguments.first().ok_or("name the plan to judge")?);
            let mut question = arguments.question(Some(plan));
            question
                .policies
                .extend(arguments.positional.get(1).map(PathBuf::from));
            let program = std::env::current_exe().map_err(told)?;
            let runs = arguments
                .number("--runs")?
                .map_or(RUNS, |it| usize::try_from(it).unwrap_or(RUNS));
            let measured = measure::measure(&question, program, runs).map_err(told)?;
            let text = serde_json::to_string_pretty(&measured).map_err(told)?;
            say(arguments, &measured, &format!("{text}\n"))?;
            Ok(u8::from(measured.errors > 0))
        }
        "score" => scored(arguments),
        "library" => listed(arguments.first()),
        "help" | "--help" | "-h" | "" => {
            write(HELP)?;
            Ok(0)
        }
        other => Err(format!("there is no command {other:?}\n\n{HELP}")),
    }
}

fn tested(arguments: &Arguments) -> Result<u8, String> {
    let directory = arguments
        .first()
        .ok_or("name the directory with the tests")?;
    let mut options = test::Options {
        only: arguments.value("--only").map(str::to_owned),
        coverage: arguments.has("--coverage"),
        ..test::Options::default()
    };
    if let Some(seconds) = arguments.number("--timeout")? {
        options.wall = Duration::from_secs(seconds);
    }
    let report = test::run(Path::new(directory), &options).map_err(told)?;
    say(arguments, &report, &report)?;
    Ok(u8::from(!report.is_passed()))
}

fn scored(arguments: &Arguments) -> Result<u8, String> {
    let directory = arguments
        .first()
        .ok_or("name the directory with the suite")?;
    let score = conformance::score(Path::new(directory)).map_err(told)?;
    let mut text = String::new();
    for failed in &score.failures {
        let _ = writeln!(
            text,
            "{}: {}: {}",
            failed.folder, failed.note, failed.reason
        );
    }
    let _ = writeln!(
        text,
        "{} of {} cases passed, {} left out",
        score.passed, score.total, score.excluded
    );
    say(arguments, &score, &text)?;
    Ok(0)
}

fn listed(name: Option<&str>) -> Result<u8, String> {
    let Some(name) = name else {
        let mut text = String::new();
        for starter in library::all() {
            let _ = writeln!(text, "{}: {}", starter.name(), title(starter.manifest));
        }
        write(&text)?;
        return Ok(0);
    };
    let starter = library::find(name).ok_or_else(|| {
        format!("the library has no policy {name:?}; without a name, all are listed")
    })?;
    write(&format!("{}\n{}", starter.manifest, starter.policy))?;
    Ok(0)
}

/// The title in a manifest of the library.
fn title(manifest: &str) -> &str {
    let line = manifest
        .lines()
        .find_map(|line| line.strip_prefix("title = \""));
    line.and_then(|it| it.strip_suffix('"')).unwrap_or_default()
}

fn say(arguments: &Arguments, value: &impl Serialize, text: &impl ToString) -> Result<(), String> {
    if arguments.has("--json") {
        let line = serde_json::to_string(value).map_err(told)?;
        return write(&format!("{line}\n"));
    }
    write(&text.to_string())
}

fn write(text: &str) -> Result<(), String> {
    io::stdout().lock().write_all(text.as_bytes()).map_err(told)
}

fn told(error: impl ToString) -> String {
    error.to_string()
}

/// Options that take a value.
const VALUES: [&str; 9] = [
    "--policy",
    "--library",
    "--state",
    "--cost",
    "--context",
    "--parameters",
    "--only",
    "--timeout",
    "--runs",
];
/// Options that do not.
const FLAGS: [&str; 2] = ["--json", "--coverage"];

#[derive(Debug, Default)]
struct Arguments {
    positional: Vec<String>,
    values: Vec<(String, String)>,
    flags: Vec<String>,
}

impl Arguments {
    fn read(mut arguments: impl Iterator<Item = String>) -> Result<Arguments, String> {
        let mut read = Arguments::default();
        while let Some(argument) = arguments.next() {
            if VALUES.contains(&argument.as_str()) {
                let value = arguments
                    .next()
                    .ok_or_else(|| format!("{argument} needs a value"))?;
                read.values.push((argument, value));
            } else if FLAGS.contains(&argument.as_str()) {
                read.flags.push(argument);
            } else if argument.starts_with("--") {
                return Err(format!("there is no option {argument}\n\n{HELP}"));
            } else {
                read.positional.push(argument);
            }
        }
        Ok(read)
    }

    fn first(&self) -> Option<&str> {
        self.positional.first().map(String::as_str)
    }

    fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|it| it == flag)
    }

    fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.values
            .iter()
            .filter(move |(it, _)| it == name)
            .map(|(_, value)| value.as_str())
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.all(name).last()
    }

    fn number(&self, name: &str) -> Result<Option<u64>, String> {
        let number = |text: &str| {
            text.parse()
                .map_err(|_| format!("{name} needs a number, and {text:?} is none"))
        };
        self.value(name).map(number).transpose()
    }

    fn question(&self, plan: Option<PathBuf>) -> check::Question {
        let file = |name| self.value(name).map(PathBuf::from);
        check::Question {
            plan,
            state: file("--state"),
            cost: file("--cost"),
            context: file("--context"),
            policies: self.all("--policy").map(PathBuf::from).collect(),
            library: self.all("--library").map(str::to_owned).collect(),
            parameters: file("--parameters"),
        }
    }
}
