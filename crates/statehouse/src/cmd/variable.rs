//! `statehouse variable`: what the runs of a workspace are given, or those of every workspace that a set reaches.

use std::path::PathBuf;

use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};

use super::session::{Client, Session};
use super::variable_set;
use crate::client::Resource;
use crate::failure::{Failure, Result};
use crate::files;
use crate::out::Column;

/// Whose variables are meant.
#[derive(clap::Args)]
pub(super) struct Of {
    /// The workspace: its name, organization/name, or id; with --of-set the set, by its name or id
    #[arg(value_name = "WORKSPACE|SET")]
    whose: String,
    /// Those of a set of variables, not of a workspace
    #[arg(long)]
    of_set: bool,
}

impl Of {
    /// Where they are.
    fn path(&self, client: &Client) -> Result<String> {
        if self.of_set {
            let set = variable_set::id(client, &self.whose)?;
            return Ok(format!("/api/v2/varsets/{set}/relationships/vars"));
        }
        let workspace = client.workspace(&self.whose)?;
        Ok(format!("/api/v2/workspaces/{workspace}/vars"))
    }
}

/// Verbs.
#[derive(clap::Subcommand)]
pub(super) enum Verb {
    /// List those of a workspace or a set; values of sensitive ones are shown to nobody
    List {
        #[command(flatten)]
        of: Of,
    },
    /// Set one: made where it is not there, changed where it is
    Set {
        #[command(flatten)]
        of: Of,
        /// Its name
        name: String,
        /// Its value; a secret is better read with --value-file, because everybody sees arguments
        #[arg(required_unless_present = "value_file")]
        value: Option<String>,
        /// A file that is the value; `-` is standard input
        #[arg(long, value_name = "FILE", conflicts_with = "value")]
        value_file: Option<PathBuf>,
        /// Of the environment of terraform, not of its configuration
        #[arg(long)]
        env: bool,
        /// The value is a literal of HCL
        #[arg(long, conflicts_with = "env")]
        hcl: bool,
        /// Nobody may see the value, for good
        #[arg(long)]
        sensitive: bool,
        /// What it is for
        #[arg(long)]
        description: Option<String>,
    },
    /// Remove one
    Rm {
        #[command(flatten)]
        of: Of,
        /// Its name
        name: String,
        /// Of the environment
        #[arg(long)]
        env: bool,
    },
}

const COLUMNS: &[Column] = &[
    ("NAME", "key"),
    ("VALUE", "value"),
    ("CATEGORY", "category"),
    ("HCL", "hcl"),
    ("SENSITIVE", "sensitive"),
    ("DESCRIPTION", "description"),
    ("ID", "id"),
];

fn category(env: bool) -> &'static str {
    if env { "env" } else { "terraform" }
}

/// The variable of that name, if it is there.
fn found(client: &Client, path: &str, name: &str, env: bool) -> Result<Option<Resource>> {
    let all = client.api.list(path)?;
    let this = |each: &Resource| each.text("key") == name && each.text("category") == category(env);
    Ok(all.into_iter().find(this))
}

pub(super) fn run(verb: Verb, session: &Session) -> Result {
    let (client, out) = (session.client()?, session.out);
    match verb {
        Verb::List { of } => out.list(COLUMNS, &client.api.list(&of.path(&client)?)?),
        Verb::Set {
            of,
            name,
            value,
            value_file,
            env,
            hcl,
            sensitive,
            description,
        } => {
            let value = match (value, value_file) {
                (Some(value), _) => value,
                (None, Some(file)) => files::whole_secret(&file)?.expose_secret().to_owned(),
                (None, None) => return Err(Failure::usage("say the value, or --value-file")),
            };
            let path = of.path(&client)?;
            let mut wish = Map::from_iter([
                ("key".to_owned(), Value::from(name.as_str())),
                ("value".to_owned(), value.into()),
                ("category".to_owned(), category(env).into()),
                ("hcl".to_owned(), hcl.into()),
            ]);
            if sensitive {
                wish.insert("sensitive".to_owned(), true.into());
            }
            if let Some(description) = description {
                wish.insert("description".to_owned(), description.into());
            }
            let document = json!({ "data": { "type": "vars", "attributes": wish } });
            let set = match found(&client, &path, &name, env)? {
                Some(there) => {
                    let at = format!("{path}/{}", there.text("id"));
                    client.api.send("PATCH", &at, &document)?
                }
                None => client.api.send("POST", &path, &document)?,
            };
            out.one(&set)
        }
        Verb::Rm { of, name, env } => {
            let path = of.path(&client)?;
            let there = found(&client, &path, &name, env)?;
            let unknown = || Failure::usage(format!("there is no variable named `{name}`"));
            let there = there.ok_or_else(unknown)?;
            client.api.delete(&format!("{path}/{}", there.text("id")))?;
            out.say(&format!("{name} is removed"));
            Ok(())
        }
    }
}
