//! `statehouse policy`: for authors of policies. Everything but `replay` works without a server, with the same engine.

mod replay;

pub(super) use replay::since;

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use statehouse_policy::author::{check, compare, test};
use statehouse_policy::opa::Opa;
use statehouse_policy::{library, worker};

use super::session::Session;
use crate::failure::{Failure, Result};

/// The hidden subcommand of an evaluation.
pub(crate) const WORKER: &str = "policy-worker";

/// Verbs.
#[derive(clap::Subcommand)]
pub(super) enum Verb {
    /// Judge a plan by policies that nobody published yet; fails where a run would be held up
    Check(Check),
    /// Run the tests of a directory: rules that are called `test_…`, in the style of `opa test`
    Test {
        /// The directory
        dir: PathBuf,
        /// Only tests whose name has this in it
        #[arg(long, value_name = "TEXT")]
        only: Option<String>,
        /// Which lines were evaluated, and which were not
        #[arg(long)]
        coverage: bool,
        /// Seconds that one test may take
        #[arg(long, value_name = "SECONDS")]
        timeout: Option<u64>,
    },
    /// Judge the plans of past runs by a bundle that nobody published yet: what it would newly block, newly allow, and never hit
    Replay(Replay),
    /// Judge by our engine and by an `opa` of yours, and tell about which policies they do not agree; fails where there are any
    Compare {
        #[command(flatten)]
        asked: Check,
        /// The binary of Open Policy Agent
        #[arg(long, value_name = "PATH")]
        opa: PathBuf,
        /// Seconds that it may take for one set
        #[arg(long, value_name = "SECONDS", default_value_t = 60)]
        timeout: u64,
    },
    /// The starter library: policies that a set takes by name, with parameters
    Library {
        /// Show this one
        name: Option<String>,
    },
}

/// What is judged, and by what.
#[derive(clap::Args)]
pub(super) struct Check {
    /// The plan, as `terraform show -json PLANFILE` gives it
    plan: Option<PathBuf>,
    /// A directory or `tar.gz` with policies; may be given more than once
    #[arg(long, value_name = "DIR")]
    policy: Vec<PathBuf>,
    /// A policy of the starter library; `all` for every one
    #[arg(long, value_name = "NAME")]
    library: Vec<String>,
    /// A state, for policies of states
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// A cost, for policies of costs
    #[arg(long, value_name = "FILE")]
    cost: Option<PathBuf>,
    /// What is known of run and workspace, JSON
    #[arg(long, value_name = "FILE")]
    context: Option<PathBuf>,
    /// Values of parameters, JSON
    #[arg(long, value_name = "FILE")]
    parameters: Option<PathBuf>,
}

/// What is judged again.
#[derive(clap::Args)]
pub(super) struct Replay {
    /// The policy set that the bundle would be published for: its name or id
    set: String,
    /// The directory with its policies
    dir: PathBuf,
    /// Runs that were made then or later: an instant (RFC 3339), or so long ago (`7d`, `12h`)
    #[arg(long, default_value = "7d")]
    since: String,
    /// Keep what it comes to: a set may take a bundle into force only after that (`policy-set change --replay-hours`)
    #[arg(long)]
    record: bool,
    /// Judge the plans of all workspaces, as if the set reached them: before it is attached to more
    #[arg(long)]
    everywhere: bool,
    /// Judge as if the set had this strictest level, before it is changed: `advisory`, `soft-mandatory` or `hard-mandatory`
    #[arg(long, value_name = "LEVEL")]
    enforcement: Option<String>,
    /// Judge by the values of parameters in this file, one JSON object, in place of those that the set has
    #[arg(long, value_name = "FILE")]
    parameters: Option<PathBuf>,
    /// Judge with the exceptions in this file, a JSON array of {policy, address, until, reason}, in place of those that the set has
    #[arg(long, value_name = "FILE")]
    exceptions: Option<PathBuf>,
}

/// One evaluation, for the server: before anything is opened or started.
pub(crate) fn worker() -> std::process::ExitCode {
    worker::main()
}

/// Prints a report: for eyes, or as one JSON value.
fn report(session: &Session, report: &(impl Serialize + ToString)) -> Result {
    if session.out.is_json() {
        let text = serde_json::to_string(report).map_err(Failure::failed)?;
        return session.out.text(&format!("{text}\n"));
    }
    session.out.text(&report.to_string())
}

impl Check {
    fn question(self) -> Result<check::Question> {
        if self.policy.is_empty() && self.library.is_empty() {
            return Err(Failure::usage(
                "say by what: --policy DIR or --library NAME",
            ));
        }
        Ok(check::Question {
            plan: self.plan,
            state: self.state,
            cost: self.cost,
            context: self.context,
            policies: self.policy,
            library: self.library,
            parameters: self.parameters,
        })
    }
}

fn compared(asked: Check, opa: PathBuf, timeout: u64, session: &Session) -> Result {
    let opa = Opa {
        program: opa,
        temporary: std::env::temp_dir(),
        wall: Duration::from_secs(timeout),
    };
    let compared = compare::compare(&asked.question()?, &opa).map_err(Failure::failed)?;
    report(session, &compared)?;
    if compared.agrees() {
        return Ok(());
    }
    Err(Failure::failed("the engines do not agree"))
}

fn checked(asked: Check, session: &Session) -> Result {
    let question = asked.question()?;
    let checked = check::check(&question).map_err(Failure::failed)?;
    report(session, &checked)?;
    if checked.summary.blocks() {
        return Err(Failure::failed("policies are against it"));
    }
    Ok(())
}

fn title(manifest: &str) -> &str {
    let mut lines = manifest.lines();
    let line = lines.find_map(|line| line.strip_prefix("title = \""));
    line.and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or_default()
}

fn listed(name: Option<&str>, session: &Session) -> Result {
    let Some(name) = name else {
        let lines = library::all().iter();
        let lines = lines.map(|each| format!("{}: {}\n", each.name(), title(each.manifest)));
        return session.out.text(&lines.collect::<String>());
    };
    let found = library::find(name).ok_or_else(|| {
        Failure::failed(format!(
            "the library has no policy `{name}`; without a name all are listed"
        ))
    })?;
    session
        .out
        .text(&format!("{}\n{}", found.manifest, found.policy))
}

pub(super) fn run(verb: Verb, session: &Session) -> Result {
    match verb {
        Verb::Check(asked) => checked(asked, session),
        Verb::Test {
            dir,
            only,
            coverage,
            timeout,
        } => {
            let plain = test::Options::default();
            let options = test::Options {
                only,
                coverage,
                wall: timeout.map_or(plain.wall, Duration::from_secs),
                ..plain
            };
            let tested = test::run(&dir, &options).map_err(Failure::failed)?;
            report(session, &tested)?;
            if tested.is_passed() {
                return Ok(());
            }
            Err(Failure::failed("not every test passed"))
        }
        Verb::Replay(asked) => replay::run(&asked, session),
        Verb::Compare {
            asked,
            opa,
            timeout,
        } => compared(asked, opa, timeout, session),
        Verb::Library { name } => listed(name.as_deref(), session),
    }
}
