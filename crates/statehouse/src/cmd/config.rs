//! `statehouse config`: what the server is told, and by whom.

use serde_json::{Value, json};

use super::session::Session;
use crate::client::Resource;
use crate::config::{DEFAULT, Settings, Sources};
use crate::failure::Result;

/// Verbs.
#[derive(clap::Subcommand)]
pub(super) enum Verb {
    /// Show every setting as it is in force, and where it comes from; secrets are not shown
    Show {
        #[command(flatten)]
        sources: Sources,
    },
    /// Print the default, which explains every setting
    Default,
}

pub(super) fn run(verb: Verb, session: &Session) -> Result {
    let Verb::Show { sources } = verb else {
        return session.out.text(DEFAULT);
    };
    let settings = Settings::load(&sources, &session.environment)?;
    // What is shown is what `serve` would take.
    settings.config()?;
    let entry = |entry: crate::config::Entry| {
        Resource::from_pairs([
            ("key", json!(entry.key)),
            ("value", entry.value),
            ("origin", Value::from(entry.origin)),
        ])
    };
    let entries: Vec<Resource> = settings.entries()?.into_iter().map(entry).collect();
    session.out.list(
        &[("SETTING", "key"), ("VALUE", "value"), ("ORIGIN", "origin")],
        &entries,
    )
}
