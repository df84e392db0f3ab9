//! `statehouse variable-set`: sets of variables, given to the runs of many workspaces. Their variables are set by
//! `statehouse variable … --of-set`.

use serde_json::{Map, Value, json};
use statehouse_model::VariableSetId;

use super::attached::To;
use super::session::{Client, Session};
use crate::failure::{Failure, Result};
use crate::out::Column;

/// Verbs.
#[derive(clap::Subcommand)]
pub(super) enum Verb {
    /// List those of the organization, or those that reach one workspace
    List {
        /// Those that reach this workspace: its name, organization/name, or id
        #[arg(long)]
        workspace: Option<String>,
    },
    /// Make one
    Create {
        /// Its name
        name: String,
        #[command(flatten)]
        set: Settings,
    },
    /// Show one: how far it reaches, and its variables
    Show {
        /// Its name or id
        set: String,
    },
    /// Change one; what is not named stays as it is
    Change {
        /// Its name or id
        set: String,
        /// Another name
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        settings: Settings,
    },
    /// Remove one with its variables
    Delete {
        /// Its name or id
        set: String,
    },
    /// Attach one to a project or a workspace
    Attach {
        /// Its name or id
        set: String,
        #[command(flatten)]
        to: To,
    },
    /// Take one from a project or a workspace
    Detach {
        /// Its name or id
        set: String,
        #[command(flatten)]
        to: To,
    },
}

/// How a set is.
#[derive(clap::Args)]
pub(super) struct Settings {
    /// What it is for
    #[arg(long)]
    description: Option<String>,
    /// Whether it reaches every workspace; one that does is attached to nothing
    #[arg(long, value_name = "true|false", num_args = 0..=1, default_missing_value = "true")]
    global: Option<bool>,
    /// Whether nothing that is said for less of the organization goes over it, variables of a run neither
    #[arg(long, value_name = "true|false", num_args = 0..=1, default_missing_value = "true")]
    priority: Option<bool>,
}

const COLUMNS: &[Column] = &[
    ("NAME", "name"),
    ("GLOBAL", "global"),
    ("PRIORITY", "priority"),
    ("PROJECTS", "project-count"),
    ("WORKSPACES", "workspace-count"),
    ("VARIABLES", "var-count"),
    ("DESCRIPTION", "description"),
    ("ID", "id"),
];

/// The id of the set that is meant by an id or a name.
pub(super) fn id(client: &Client, text: &str) -> Result<VariableSetId> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    let id = client.named("/varsets", "set of variables", text)?;
    id.parse().map_err(Failure::failed)
}

fn path(client: &Client, set: &str) -> Result<String> {
    Ok(format!("/api/v2/varsets/{}", id(client, set)?))
}

/// A document that wishes for a set.
fn wish(name: Option<String>, settings: Settings) -> Value {
    let said = [
        ("name", name.map(Value::from)),
        ("description", settings.description.map(Value::from)),
        ("global", settings.global.map(Value::from)),
        ("priority", settings.priority.map(Value::from)),
    ];
    let said = said
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value?)));
    let said: Map<String, Value> = said.collect();
    json!({ "data": { "type": "varsets", "attributes": said } })
}

pub(super) fn run(verb: Verb, session: &Session) -> Result {
    let (client, out) = (session.client()?, session.out);
    match verb {
        Verb::List { workspace } => {
            let path = match workspace {
                Some(workspace) => {
                    format!(
                        "/api/v2/workspaces/{}/varsets",
                        client.workspace(&workspace)?
                    )
                }
                None => client.organization("/varsets")?,
            };
            out.list(COLUMNS, &client.api.list(&path)?)
        }
        Verb::Create { name, set } => {
            let path = client.organization("/varsets")?;
            out.one(&client.api.send("POST", &path, &wish(Some(name), set))?)
        }
        Verb::Show { set } => out.one(&client.api.get(&path(&client, &set)?)?),
        Verb::Change {
            set,
            name,
            settings,
        } => {
            let path = path(&client, &set)?;
            out.one(&client.api.send("PATCH", &path, &wish(name, settings))?)
        }
        Verb::Delete { set } => {
            client.api.delete(&path(&client, &set)?)?;
            out.say(&format!("{set} is removed, and its variables with it"));
            Ok(())
        }
        Verb::Attach { set, to } => {
            to.say(&client, "POST", &path(&client, &set)?)?;
            out.say(&format!("{set} is attached"));
            Ok(())
        }
        Verb::Detach { set, to } => {
            to.say(&client, "DELETE", &path(&client, &set)?)?;
            out.say(&format!("{set} is detached"));
            Ok(())
        }
    }
}
