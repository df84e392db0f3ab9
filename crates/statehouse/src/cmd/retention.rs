//! `statehouse retention`: for how long the content of old versions is kept.

use serde_json::json;

use super::scope::Scope;
use super::session::Session;
use crate::failure::{Failure, Result};
use crate::out::Column;

/// Verbs.
#[derive(clap::Subcommand)]
pub(super) enum Verb {
    /// List what was said of the organization, its projects and its workspaces
    List,
    /// Show what counts somewhere
    Show {
        #[command(flatten)]
        scope: Scope,
    },
    /// Keep the content of versions for some days, of the newest always; what is over is removed for good, within an hour
    ///
    /// Never removed is the content of the current version, of an upload that waits, and of a frozen workspace. Rows, leaves and
    /// proofs of all versions stay.
    Set {
        #[command(flatten)]
        scope: Scope,
        /// For how many days
        #[arg(long, required_unless_present = "for_ever")]
        days: Option<u64>,
        /// Always of so many of the newest versions
        #[arg(long, default_value_t = 0, value_name = "COUNT")]
        versions: u64,
        /// For ever, whatever counts around it
        #[arg(long, conflicts_with = "days")]
        for_ever: bool,
    },
    /// Take back what was said of a scope; what counts around it counts there again
    Unset {
        #[command(flatten)]
        scope: Scope,
    },
}

const COLUMNS: &[Column] = &[
    ("SCOPE", "scope"),
    ("DAYS", "days"),
    ("VERSIONS", "versions"),
    ("SET BY", "set-by"),
    ("SET", "set-at"),
];

pub(super) fn run(verb: Verb, session: &Session) -> Result {
    let (client, out) = (session.client()?, session.out);
    let path = client.organization("/retention-policies")?;
    match verb {
        Verb::List => out.list(COLUMNS, &client.api.list(&path)?),
        Verb::Show { scope } => {
            let scope = scope.text(&client)?;
            match client.api.get_or_none(&format!("{path}/{scope}"))? {
                Some(found) => out.one(&found),
                None if out.is_json() => out.json(&serde_json::Value::Null),
                None => {
                    out.say("nothing was said: the content of every version is kept");
                    Ok(())
                }
            }
        }
        Verb::Set {
            scope,
            days,
            versions,
            for_ever,
        } => {
            if days.is_none() && !for_ever {
                return Err(Failure::usage("say for how many --days, or --for-ever"));
            }
            let scope = scope.text(&client)?;
            let wish = json!({ "scope": scope, "days": days, "versions": versions });
            out.one(&client.api.post(&path, &wish)?)
        }
        Verb::Unset { scope } => {
            let scope = scope.text(&client)?;
            client.api.delete(&format!("{path}/{scope}"))?;
            out.say(&format!("nothing more is said of {scope}"));
            Ok(())
        }
    }
}
