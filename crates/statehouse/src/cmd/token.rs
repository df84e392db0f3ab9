//! `statehouse token`: what terraform and pipelines authenticate with.

use serde_json::{Map, Value};
use statehouse_model::{HouseTokenId, Name, Permission, TokenId};

use super::session::{Client, Session};
use crate::client::Resource;
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
        /// For a team, by name or id: good in its organization alone, and nobody's in person
        #[arg(long, value_name = "TEAM", conflicts_with = "user")]
        team: Option<String>,
        /// The organization's own, which manages people, teams and projects; the one before ends
        #[arg(long, conflicts_with_all = ["user", "team"])]
        of_organization: bool,
    },
    /// List yours, or those of the organization's teams
    List {
        /// Those of the teams
        #[arg(long)]
        teams: bool,
    },
    /// End one of yours, of a team or of the organization, at once
    Revoke {
        /// Its id, as `list` shows it
        token: String,
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

const TEAM_COLUMNS: &[Column] = &[
    ("ID", "id"),
    ("TEAM", "team"),
    ("LABEL", "description"),
    ("ENDS IN", "last-four"),
    ("SCOPES", "scopes"),
    ("CREATED", "created-at"),
    ("EXPIRES", "expired-at"),
];

pub(super) fn run(verb: Verb, session: &Session) -> Result {
    let client = session.client()?;
    match verb {
        Verb::List { teams: false } => session
            .out
            .list(COLUMNS, &client.api.list("/api/v2/tokens")?),
        Verb::List { teams: true } => {
            let path = client.organization("/team-tokens")?;
            session.out.list(TEAM_COLUMNS, &client.api.list(&path)?)
        }
        Verb::Revoke { token } => {
            revoke(&client, &token)?;
            session.out.say(&format!("{token} ended"));
            Ok(())
        }
        Verb::Create {
            label,
            scopes,
            days,
            user,
            team,
            of_organization,
        } => {
            let wish = Wish {
                label,
                scopes,
                days,
            };
            let made = if let Some(team) = team {
                let id = client.team(&team)?;
                let path = format!("/api/v2/teams/{id}/authentication-tokens");
                client.api.post(&path, &wish.of_house())?
            } else if of_organization {
                let path = client.organization("/authentication-token")?;
                client.api.post(&path, &wish.of_house())?
            } else {
                let path = user.map_or_else(
                    || "/api/v2/tokens".to_owned(),
                    |user| format!("/api/v2/users/{user}/tokens"),
                );
                client.api.post(&path, &wish.of_user())?
            };
            print(session, &made)
        }
    }
}

/// Ends a token: the id says whose it is.
fn revoke(client: &Client, token: &str) -> Result {
    if token.parse::<TokenId>().is_ok() {
        return client.api.delete(&format!("/api/v2/tokens/{token}"));
    }
    let id: HouseTokenId = token.parse().map_err(Failure::usage)?;
    client
        .api
        .delete(&format!("/api/v2/authentication-tokens/{id}"))
}

/// What a new token shall be.
struct Wish {
    label: String,
    scopes: Vec<Permission>,
    days: u32,
}

impl Wish {
    fn of_user(&self) -> Value {
        self.document("label")
    }

    fn of_house(&self) -> Value {
        self.document("description")
    }

    fn document(&self, label: &str) -> Value {
        let mut wish: Map<String, Value> = Map::new();
        wish.insert(label.to_owned(), self.label.as_str().into());
        wish.insert("life-days".to_owned(), self.days.into());
        if !self.scopes.is_empty() {
            let scopes = self.scopes.iter().map(|scope| scope.as_str());
            wish.insert("scopes".to_owned(), scopes.collect());
        }
        wish.into()
    }
}

/// Prints the secret, which is not shown again.
pub(super) fn print(session: &Session, made: &Resource) -> Result {
    if session.out.is_json() {
        return session.out.one(made);
    }
    let secret = made.text("token");
    if secret.is_empty() {
        return Err(Failure::failed(
            "the server made a token, but did not send it",
        ));
    }
    session.out.text(&format!("{secret}\n"))?;
    let ends = match made.text("expires-at") {
        "" => made.text("expired-at"),
        ends => ends,
    };
    session.out.say(&format!(
        "{} ends {ends}; it is not shown again",
        made.text("id")
    ));
    Ok(())
}
