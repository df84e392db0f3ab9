//! `statehouse token`: what terraform and pipelines authenticate with.

use serde_json::{Map, Value};
use statehouse_model::{Name, Permission, TokenId};

use super::session::Session;
use crate::failure::{Failure, Result};
use crate::out::Column;

/// Verbs.
#[derive(clap::Subcommand)]
pub(super) enum Verb {
    /// Make one, and print it: it is shown here and never again
    Create {
        /// What it is for
        #[arg(long)]
        label: String,
        /// A permission to narrow it to, as `statehouse permissions` lists them; may be repeated
        #[arg(long = "scope", value_name = "PERMISSION")]
        scopes: Vec<Permission>,
        /// Days until it ends by itself, at most 366
        #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=366))]
        days: u32,
        /// For another account than yours; for operators of the site
        #[arg(long, value_name = "NAME")]
        user: Option<Name>,
    },
    /// List yours
    List,
    /// End one of yours, at once
    Revoke {
        /// Its id, as `list` shows it
        token: TokenId,
    },
}

const COLUMNS: &[Column] = &[
    ("ID", "id"),
    ("LABEL", "label"),
    ("SCOPES", "scopes"),
    ("CREATED", "created-at"),
    ("EXPIRES", "expires-at"),
    ("REVOKED", "revoked-at"),
];

pub(super) fn run(verb: Verb, session: &Session) -> Result {
    let client = session.client()?;
    match verb {
        Verb::List => session
            .out
            .list(COLUMNS, &client.api.list("/api/v2/tokens")?),
        Verb::Revoke { token } => {
            client.api.delete(&format!("/api/v2/tokens/{token}"))?;
            session.out.say(&format!("{token} ended"));
            Ok(())
        }
        Verb::Create {
            label,
            scopes,
            days,
            user,
        } => {
            let path = user.map_or_else(
                || "/api/v2/tokens".to_owned(),
                |user| format!("/api/v2/users/{user}/tokens"),
            );
            let mut wish: Map<String, Value> = Map::new();
            wish.insert("label".to_owned(), label.into());
            wish.insert("life-days".to_owned(), days.into());
            if !scopes.is_empty() {
                wish.insert(
                    "scopes".to_owned(),
                    scopes.iter().map(|scope| scope.as_str()).collect(),
                );
            }
            let made = client.api.post(&path, &wish.into())?;
            if session.out.is_json() {
                return session.out.one(&made);
            }
            let secret = made.text("token");
            if secret.is_empty() {
                return Err(Failure::failed(
                    "the server made a token, but did not send it",
                ));
            }
            session.out.text(&format!("{secret}\n"))?;
            session.out.say(&format!(
                "{} ends {}; it is not shown again",
                made.text("id"),
                made.text("expires-at")
            ));
            Ok(())
        }
    }
}
