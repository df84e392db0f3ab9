//! `statehouse member`: who belongs to an organization.

use serde_json::{Value, json};

use super::session::Session;
use crate::client::escape;
use crate::failure::{Failure, Result};
use crate::out::Column;

/// Verbs.
#[derive(clap::Subcommand)]
pub(super) enum Verb {
    /// List everybody: whoever holds a role or is in a team
    List,
    /// Bring somebody in
    Add {
        /// Name or id of the account
        user: String,
        /// A team to put them into, by name or id; may be repeated
        #[arg(long = "team", value_name = "TEAM")]
        teams: Vec<String>,
    },
    /// Put somebody out: every role and every team at once
    Remove {
        /// Name of the account
        user: String,
    },
}

const COLUMNS: &[Column] = &[
    ("NAME", "email"),
    ("ID", "id"),
    ("USER", "user"),
    ("ROLES", "roles"),
    ("SINCE", "created-at"),
];

pub(super) fn run(verb: Verb, session: &Session) -> Result {
    let client = session.client()?;
    let path = client.organization("/organization-memberships")?;
    match verb {
        Verb::List => session.out.list(COLUMNS, &client.api.list(&path)?),
        Verb::Add { user, teams } => {
            let mut references: Vec<Value> = Vec::with_capacity(teams.len());
            for team in &teams {
                let id = client.team(team)?;
                references.push(json!({ "type": "teams", "id": id.as_str() }));
            }
            let data = json!({
                "type": "organization-memberships",
                "attributes": { "email": user },
                "relationships": { "teams": { "data": references } },
            });
            let made = client.api.send("POST", &path, &json!({ "data": data }))?;
            session.out.one(&made)
        }
        Verb::Remove { user } => {
            let named = format!("{path}?filter%5Bemail%5D={}", escape(&user));
            let found = client.api.list(&named)?;
            let unknown =
                || Failure::usage(format!("nobody named `{user}` belongs to the organization"));
            let id = found.first().ok_or_else(unknown)?.text("id").to_owned();
            client
                .api
                .delete(&format!("/api/v2/organization-memberships/{id}"))?;
            session.out.say(&format!("{user} was put out"));
            Ok(())
        }
    }
}
