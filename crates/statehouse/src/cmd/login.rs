//! `statehouse login`: from a password or a token to a stored login.

use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::session::Session;
use crate::client::{Api, Connection, Remembered, Resource};
use crate::failure::{Failure, Result};
use crate::files;

/// Arguments.
#[derive(clap::Args)]
pub(super) struct Args {
    /// The account, to log in with its password; without it, --token-file or `STATEHOUSE_TOKEN` is checked and stored
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// A file whose first line is the password; without it, it is asked for, or read from standard input
    #[arg(long, value_name = "FILE", requires = "user")]
    password_file: Option<PathBuf>,
    /// What the new token is called
    #[arg(long, default_value = "login", requires = "user")]
    label: String,
}

pub(super) fn run(args: &Args, session: &Session) -> Result {
    let mut connection = Connection::find(&session.server, &session.environment)?;
    let token = match &args.user {
        Some(user) => {
            connection.token = None;
            let token = by_password(user, args, &connection, session)?;
            connection.token = Some(token.clone());
            token
        }
        None => connection.token()?.clone(),
    };
    let account = Api::new(&connection)?.get("/api/v2/account/details")?;
    let path = Remembered::write(&connection, &token, &session.environment)?;
    let stored = [
        ("user", Value::from(account.text("name"))),
        ("address", connection.address.as_str().into()),
        ("file", json!(path)),
    ];
    session.out.one(&Resource::from_pairs(stored))
}

fn by_password(
    user: &str,
    args: &Args,
    connection: &Connection,
    session: &Session,
) -> Result<SecretString> {
    let question = format!("password of {user}");
    let password = files::secret_or_ask(args.password_file.as_deref(), &question, session.out)?;
    let wish =
        json!({ "username": user, "password": password.expose_secret(), "label": args.label });
    let made = Api::new(connection)?.post("/api/v2/login", &wish)?;
    let token = made.text("token");
    if token.is_empty() {
        return Err(Failure::failed("the server let us in, but sent no token"));
    }
    Ok(token.to_owned().into())
}
