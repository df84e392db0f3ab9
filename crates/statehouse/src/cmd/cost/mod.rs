//! `statehouse cost`: what a plan costs. Estimating a file works without a server, with the same engine; the verbs ask one.

mod served;

use std::io::ErrorKind;

use statehouse_cost::desk::DeskError;
use statehouse_cost::desk::estimate::{self, Form};

use super::price::today;
use super::scope::Scope;
use super::session::Session;
use crate::failure::{Failure, Result};
use served::{InputVerb, Kind, Replay, Switch};

/// A plan that is a file, or a verb. A file that is called like a verb is named with its directory: `./history`.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    file: Option<estimate::Arguments>,
}

/// Verbs.
#[derive(clap::Subcommand)]
pub(super) enum Verb {
    /// Check a mapping of resources to components, and say what it covers; without a server
    Mapping(estimate::Checked),
    /// Show by what the server estimates: its book, overlay and usage, and whether it does
    Settings {
        #[command(flatten)]
        scope: Scope,
    },
    /// Have the plans of the organization, a project or a workspace estimated, or not
    Estimation {
        #[arg(value_enum)]
        switch: Switch,
        #[command(flatten)]
        scope: Scope,
    },
    /// The price book of the organization, in the place of the server's own
    #[command(subcommand)]
    Book(InputVerb),
    /// Prices of the organization, over those of the book
    #[command(subcommand)]
    Overlay(InputVerb),
    /// How much is used, of the organization, a project or a workspace; the nearer lies over the wider
    #[command(subcommand)]
    Usage(InputVerb),
    /// Show what the plan of a run costs
    Show {
        /// The run (`run-…`)
        run: String,
        /// Write all of it: in the form of Infracost's output version 0.2, or as it is kept, whose SHA-256 is its digest
        #[arg(long, value_parser = ["infracost", "kept"])]
        format: Option<String>,
    },
    /// Make the estimate of a run again, from the plan, the day and the inputs that it names; fails where it comes to something else
    Recompute {
        /// The run (`run-…`)
        run: String,
    },
    /// What plans came to over time
    History {
        #[command(flatten)]
        scope: Scope,
        /// Runs that were made then or later: an instant (RFC 3339), or so long ago (`7d`, `12h`)
        #[arg(long, default_value = "90d")]
        since: String,
    },
    /// What stored plans would cost by another book, overlay, usage file or region, beside what they were estimated to
    Replay(Replay),
}

fn estimated(mut asked: estimate::Arguments, session: &Session) -> Result {
    if session.out.is_json() {
        asked.format.get_or_insert(Form::Json);
    }
    match session.out.stream(|to| estimate::run(&asked, today(), to)) {
        // The reader has seen enough, as `head` does.
        Err(DeskError::File(error)) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(Failure::failed),
    }
}

fn asked(verb: Verb, session: &Session) -> Result {
    match verb {
        Verb::Mapping(asked) => {
            let text = estimate::check(&asked).map_err(Failure::failed)?;
            session.out.text(&text)
        }
        Verb::Settings { scope } => served::shown(&scope, session),
        Verb::Estimation { switch, scope } => served::switch(switch, &scope, session),
        Verb::Book(verb) => served::input(Kind::Book, verb, session),
        Verb::Overlay(verb) => served::input(Kind::Overlay, verb, session),
        Verb::Usage(verb) => served::input(Kind::Usage, verb, session),
        Verb::Show { run, format } => served::estimate(&run, format.as_deref(), session),
        Verb::Recompute { run } => served::recompute(&run, session),
        Verb::History { scope, since } => served::history(&scope, &since, session),
        Verb::Replay(asked) => served::replay(&asked, session),
    }
}

pub(super) fn run(args: Args, session: &Session) -> Result {
    match (args.verb, args.file) {
        (Some(verb), _) => asked(verb, session),
        (None, Some(asked)) => estimated(asked, session),
        (None, None) => Err(Failure::usage(
            "say of which plan: `statehouse cost PLAN`, where PLAN is what `terraform show -json PLANFILE` printed",
        )),
    }
}
