//! `statehouse cost`: what a plan costs. Estimating a file works without a server, with the same engine; the verbs ask one.

use std::io::ErrorKind;

use statehouse_cost::desk::DeskError;
use statehouse_cost::desk::estimate::{self, Form};

use super::price::today;
use super::session::Session;
use crate::failure::{Failure, Result};

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

pub(super) fn run(args: Args, session: &Session) -> Result {
    match (args.verb, args.file) {
        (Some(Verb::Mapping(asked)), _) => {
            let text = estimate::check(&asked).map_err(Failure::failed)?;
            session.out.text(&text)
        }
        (None, Some(asked)) => estimated(asked, session),
        (None, None) => Err(Failure::usage(
            "say of which plan: `statehouse cost PLAN`, where PLAN is what `terraform show -json PLANFILE` printed",
        )),
    }
}
