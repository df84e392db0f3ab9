//! `statehouse agent-pool`: agents that take the runs of the same workspaces, and their tokens.

use serde_json::json;
use statehouse_model::{AgentPoolId, HouseTokenId, Name};

use super::session::{Client, Session};
use super::token;
use crate::failure::{Failure, Result};
use crate::out::Column;

/// Verbs.
#[derive(clap::Subcommand)]
pub(super) enum Verb {
    /// List them
    List,
    /// Make one
    Create {
        /// Its name
        name: Name,
    },
    /// Show one
    Show {
        /// Its name or id
        pool: String,
    },
    /// End one that no workspace relies on, and its tokens
    Delete {
        /// Its name or id
        pool: String,
    },
    /// List the agents of one that were heard of lately
    Agents {
        /// Its name or id
        pool: String,
    },
    /// Tokens of one: what its agents show
    #[command(subcommand)]
    Token(TokenVerb),
}

/// Verbs for tokens.
#[derive(clap::Subcommand)]
pub(super) enum TokenVerb {
    /// Make one, and print it: it is shown here and never again
    Create {
        /// The name or id of the pool
        pool: String,
        /// What it is for, to tell it apart
        #[arg(long, default_value = "")]
        label: String,
        /// Days until it ends by itself, at most 366
        #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=366))]
        days: u32,
    },
    /// List those of a pool
    List {
        /// The name or id of the pool
        pool: String,
    },
    /// End one, at once
    Revoke {
        /// Its id, as `list` shows it
        token: HouseTokenId,
    },
}

const COLUMNS: &[Column] = &[
    ("NAME", "name"),
    ("ID", "id"),
    ("AGENTS", "agent-count"),
    ("CREATED", "created-at"),
];

const AGENT_COLUMNS: &[Column] = &[
    ("NAME", "name"),
    ("STATUS", "status"),
    ("ADDRESS", "ip-address"),
    ("LAST HEARD OF", "last-ping-at"),
];

const TOKEN_COLUMNS: &[Column] = &[
    ("ID", "id"),
    ("LABEL", "description"),
    ("ENDS IN", "last-four"),
    ("CREATED", "created-at"),
    ("EXPIRES", "expired-at"),
];

/// The id of the pool that is meant by an id or a name.
pub(super) fn id(client: &Client, text: &str) -> Result<AgentPoolId> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    let id = client.named("/agent-pools", "pool of agents", text)?;
    id.parse().map_err(Failure::failed)
}

fn path(client: &Client, pool: &str) -> Result<String> {
    Ok(format!("/api/v2/agent-pools/{}", id(client, pool)?))
}

pub(super) fn run(verb: Verb, session: &Session) -> Result {
    let (client, out) = (session.client()?, session.out);
    match verb {
        Verb::List => {
            let found = client.api.list(&client.organization("/agent-pools")?)?;
            out.list(COLUMNS, &found)
        }
        Verb::Create { name } => {
            let wish = json!({ "name": name.as_str() });
            out.one(
                &client
                    .api
                    .post(&client.organization("/agent-pools")?, &wish)?,
            )
        }
        Verb::Show { pool } => out.one(&client.api.get(&path(&client, &pool)?)?),
        Verb::Delete { pool } => {
            client.api.delete(&path(&client, &pool)?)?;
            out.say(&format!("{pool} ended"));
            Ok(())
        }
        Verb::Agents { pool } => {
            let path = format!("{}/agents", path(&client, &pool)?);
            out.list(AGENT_COLUMNS, &client.api.list(&path)?)
        }
        Verb::Token(verb) => tokens(verb, &client, session),
    }
}

fn tokens(verb: TokenVerb, client: &Client, session: &Session) -> Result {
    let path =
        |pool: &str| Ok::<_, Failure>(format!("{}/authentication-tokens", path(client, pool)?));
    match verb {
        TokenVerb::Create { pool, label, days } => {
            let wish = json!({ "description": label, "life-days": days });
            token::print(session, &client.api.post(&path(&pool)?, &wish)?)
        }
        TokenVerb::List { pool } => session
            .out
            .list(TOKEN_COLUMNS, &client.api.list(&path(&pool)?)?),
        TokenVerb::Revoke { token } => {
            let path = format!("/api/v2/authentication-tokens/{token}");
            client.api.delete(&path)?;
            session.out.say(&format!("{token} ended"));
            Ok(())
        }
    }
}
