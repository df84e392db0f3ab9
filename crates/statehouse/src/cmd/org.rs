//! `statehouse org`: organizations.

use serde_json::json;
use statehouse_model::Name;

use super::session::Session;
use crate::failure::{Failure, Result};
use crate::out::Column;

/// Verbs.
#[derive(clap::Subcommand)]
pub(super) enum Verb {
    /// List those that you may see
    List,
    /// Make one, owned by you
    Create {
        /// Its name
        name: Name,
    },
    /// Show one
    Show {
        /// Its name; without it, the one that is meant anyway
        name: Option<Name>,
    },
    /// Destroy the keys of one: its content is unreadable from then on, for ever, in older backups too
    Shred {
        /// Its name
        name: Name,
        /// Why; stands in the ledger
        #[arg(long)]
        reason: String,
        /// The name once more: this cannot be undone
        #[arg(long, value_name = "NAME")]
        confirm: Name,
    },
}

const COLUMNS: &[Column] = &[
    ("NAME", "name"),
    ("STATUS", "status"),
    ("CODE", "code"),
    ("ID", "external-id"),
    ("CREATED", "created-at"),
];

pub(super) fn run(verb: Verb, session: &Session) -> Result {
    let client = session.client()?;
    match verb {
        Verb::List => session
            .out
            .list(COLUMNS, &client.api.list("/api/v2/organizations")?),
        Verb::Create { name } => session.out.one(
            &client
                .api
                .post("/api/v2/organizations", &json!({ "name": name.as_str() }))?,
        ),
        Verb::Show { name } => {
            let path = match name {
                Some(name) => format!("/api/v2/organizations/{name}"),
                None => client.organization("")?,
            };
            session.out.one(&client.api.get(&path)?)
        }
        Verb::Shred {
            name,
            reason,
            confirm,
        } => {
            if name != confirm {
                return Err(Failure::usage(format!(
                    "--confirm says {confirm}, and {name} was to be shredded; nothing was done"
                )));
            }
            let path = format!("/api/v2/organizations/{name}/actions/shred");
            session
                .out
                .one(&client.api.post(&path, &json!({ "reason": reason }))?)
        }
    }
}
