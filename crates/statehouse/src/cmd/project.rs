//! `statehouse project`: folders of workspaces.

use serde_json::json;
use statehouse_model::Name;

use super::session::Session;
use crate::failure::Result;
use crate::out::Column;

/// Verbs.
#[derive(clap::Subcommand)]
pub(super) enum Verb {
    /// List those of the organization
    List,
    /// Make one
    Create {
        /// Its name
        name: Name,
    },
}

const COLUMNS: &[Column] = &[("NAME", "name"), ("ID", "id"), ("CREATED", "created-at")];

pub(super) fn run(verb: Verb, session: &Session) -> Result {
    let client = session.client()?;
    let path = client.organization("/projects")?;
    match verb {
        Verb::List => session.out.list(COLUMNS, &client.api.list(&path)?),
        Verb::Create { name } => session
            .out
            .one(&client.api.post(&path, &json!({ "name": name.as_str() }))?),
    }
}
