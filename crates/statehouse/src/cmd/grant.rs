//! `statehouse grant`: which role who has where.

use serde_json::{Map, Value, json};
use statehouse_model::{GrantId, Role};

use super::session::Session;
use crate::failure::{Failure, Result};
use crate::out::Column;

/// Verbs.
#[derive(clap::Subcommand)]
pub(super) enum Verb {
    /// List the grants of the organization
    List,
    /// Give a role
    Give {
        /// Name or id of the user; with --team, of the team
        subject: String,
        /// owner, maintainer, writer, planner, reader, auditor or member; `statehouse permissions` tells what each may do
        role: Role,
        /// `organization`, or the id of a project or workspace
        #[arg(long, default_value = "organization")]
        scope: String,
        /// To a team instead of a user
        #[arg(long)]
        team: bool,
        /// When it ends by itself, as 2030-01-31T12:00:00Z
        #[arg(long, value_name = "INSTANT")]
        expires_at: Option<String>,
    },
    /// Take a grant back, at once
    Take {
        /// Its id, as `list` shows it
        grant: GrantId,
    },
}

const COLUMNS: &[Column] = &[
    ("ID", "id"),
    ("USER", "user-name|user"),
    ("TEAM", "team-name|team"),
    ("ROLE", "role"),
    ("OVER", "scope-name|scope"),
    ("SCOPE", "scope"),
    ("EXPIRES", "expires-at"),
];

pub(super) fn run(verb: Verb, session: &Session) -> Result {
    let client = session.client()?;
    let path = client.organization("/grants")?;
    match verb {
        Verb::List => session.out.list(COLUMNS, &client.api.list(&path)?),
        Verb::Give {
            subject,
            role,
            scope,
            team,
            expires_at,
        } => {
            let known = ["prj-", "ws-"]
                .iter()
                .any(|prefix| scope.starts_with(prefix));
            if scope != "organization" && !known {
                return Err(Failure::usage(format!(
                    "`{scope}` is no scope: give `organization`, prj-… or ws-…"
                )));
            }
            let mut wish: Map<String, Value> = Map::new();
            let kind = if team { "team" } else { "user" };
            wish.insert(kind.to_owned(), subject.into());
            wish.insert("role".to_owned(), role.as_str().into());
            wish.insert("scope".to_owned(), scope.into());
            if let Some(expires_at) = expires_at {
                wish.insert("expires-at".to_owned(), expires_at.into());
            }
            session.out.one(&client.api.post(&path, &json!(wish))?)
        }
        Verb::Take { grant } => {
            client.api.delete(&format!("{path}/{grant}"))?;
            session.out.say(&format!("{grant} was taken back"));
            Ok(())
        }
    }
}
