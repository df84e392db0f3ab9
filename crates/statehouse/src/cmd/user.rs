//! `statehouse user`: accounts, for operators of the site.

use std::path::PathBuf;

use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};
use statehouse_model::Name;

use super::session::Session;
use crate::failure::Result;
use crate::files;
use crate::out::Column;

/// Verbs.
#[derive(clap::Subcommand)]
pub(super) enum Verb {
    /// List the accounts
    List,
    /// Make one; without a password it can only use tokens that an operator makes for it
    Create {
        /// Its name
        name: Name,
        /// It operates the site: accounts, organizations, backups
        #[arg(long)]
        operator: bool,
        /// Ask for a password, or read it from standard input
        #[arg(long, conflicts_with = "password_file")]
        password: bool,
        /// A file whose first line is its password
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// End one: its tokens stop working at once
    Disable {
        /// Its name
        name: Name,
    },
    /// Set its password, asked for or read from standard input
    Password {
        /// Its name
        name: Name,
        /// A file whose first line is the password
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
}

const COLUMNS: &[Column] = &[
    ("NAME", "name"),
    ("ID", "id"),
    ("OPERATOR", "operator"),
    ("CREATED", "created-at"),
    ("DISABLED", "disabled-at"),
];

pub(super) fn run(verb: Verb, session: &Session) -> Result {
    let client = session.client()?;
    let out = session.out;
    match verb {
        Verb::List => out.list(COLUMNS, &client.api.list("/api/v2/users")?),
        Verb::Create {
            name,
            operator,
            password,
            password_file,
        } => {
            let mut wish: Map<String, Value> = Map::new();
            wish.insert("name".to_owned(), name.as_str().into());
            wish.insert("operator".to_owned(), operator.into());
            if password || password_file.is_some() {
                let password = files::secret_or_ask(
                    password_file.as_deref(),
                    &format!("password of {name}"),
                    out,
                )?;
                wish.insert("password".to_owned(), password.expose_secret().into());
            }
            out.one(&client.api.post("/api/v2/users", &wish.into())?)
        }
        Verb::Disable { name } => out.one(
            &client
                .api
                .post(&format!("/api/v2/users/{name}/actions/disable"), &json!({}))?,
        ),
        Verb::Password {
            name,
            password_file,
        } => {
            let password = files::secret_or_ask(
                password_file.as_deref(),
                &format!("new password of {name}"),
                out,
            )?;
            let wish = json!({ "password": password.expose_secret() });
            client
                .api
                .post(&format!("/api/v2/users/{name}/actions/set-password"), &wish)?;
            out.say(&format!("the password of {name} was set"));
            Ok(())
        }
    }
}
