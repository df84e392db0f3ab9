//! `statehouse backup`: the site and every organization, consistent while serving, and without any key.

use std::path::PathBuf;

use super::{ledger, session::Session};
use crate::failure::Result;

/// Verbs.
#[derive(clap::Subcommand)]
pub(super) enum Verb {
    /// Have the server write one; a restore needs the root keys as well
    Create {
        /// A new file, readable by you only
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

pub(super) fn run(verb: Verb, session: &Session) -> Result {
    let Verb::Create { out } = verb;
    ledger::save(
        &session.client()?,
        "POST",
        "/api/v2/site/backups",
        Some(&out),
        session,
    )
}
