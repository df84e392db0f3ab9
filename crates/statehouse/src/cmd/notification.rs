//! `statehouse notification`: who elsewhere is told what becomes of the runs of a workspace.

use std::path::{Path, PathBuf};

use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};
use statehouse_model::NotificationId;

use super::session::Session;
use crate::client::Resource;
use crate::failure::{Failure, Result};
use crate::files;
use crate::out::{Column, Out};

/// Verbs.
#[derive(clap::Subcommand)]
pub(super) enum Verb {
    /// Have somebody told of the runs of a workspace; the receiver is tried first, and must answer 200 to 299
    Create {
        /// The workspace: its name, organization/name, or id
        workspace: String,
        /// What it is called
        name: String,
        #[command(flatten)]
        said: Said,
        /// Send nothing yet, and do not try the receiver
        #[arg(long)]
        disabled: bool,
    },
    /// Change one; what is not named stays as it is
    Set {
        /// Its id
        notification: NotificationId,
        /// What it is called
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        said: Said,
        /// Whether anything is sent; one that is enabled again begins with what happens from then on
        #[arg(long, value_name = "true|false")]
        enabled: Option<bool>,
    },
    /// List those of a workspace
    List {
        /// The workspace: its name, organization/name, or id
        workspace: String,
    },
    /// Show one
    Show {
        /// Its id
        notification: NotificationId,
    },
    /// List what came of the last deliveries of one
    Deliveries {
        /// Its id
        notification: NotificationId,
    },
    /// Send a message that shows whether the receiver takes it
    Verify {
        /// Its id
        notification: NotificationId,
    },
    /// End one
    Delete {
        /// Its id
        notification: NotificationId,
    },
}

/// Where messages go, what signs them, and what they tell.
#[derive(clap::Args)]
pub(super) struct Said {
    /// Where messages are sent, as <https://hooks.example.com/runs>
    #[arg(long)]
    url: Option<String>,
    /// A file whose first line that is, for an address that is a secret
    #[arg(long, value_name = "FILE", conflicts_with = "url")]
    url_file: Option<PathBuf>,
    /// A file whose first line is what messages are signed with (HMAC-SHA512, in `X-TFE-Notification-Signature`); another address needs it again
    #[arg(long, value_name = "FILE")]
    sign_with: Option<PathBuf>,
    /// What is told: `run:created`, `run:planning`, `run:needs_attention`, `run:applying`, `run:completed`, `run:errored`, `state:tampered`, `state:policies_failed`
    #[arg(long, value_delimiter = ',', value_name = "TRIGGER,…")]
    on: Vec<String>,
}

impl Said {
    fn attributes(self) -> Result<Map<String, Value>> {
        let mut wish = Map::new();
        let url = match (self.url, self.url_file) {
            (None, Some(file)) => Some(line(&file)?),
            (url, _) => url,
        };
        if let Some(url) = url {
            wish.insert("url".to_owned(), url.into());
        }
        if let Some(file) = self.sign_with {
            wish.insert("token".to_owned(), line(&file)?.into());
        }
        if !self.on.is_empty() {
            wish.insert("triggers".to_owned(), self.on.into());
        }
        Ok(wish)
    }
}

fn line(file: &Path) -> Result<String> {
    Ok(files::secret(file)?.expose_secret().trim().to_owned())
}

const COLUMNS: &[Column] = &[
    ("NAME", "name"),
    ("ID", "id"),
    ("ENABLED", "enabled"),
    ("SIGNED", "signed"),
    ("TRIGGERS", "triggers"),
    ("URL", "url"),
];

const DELIVERY_COLUMNS: &[Column] = &[
    ("SENT", "sent-at"),
    ("OUTCOME", "outcome"),
    ("STATUS", "code"),
    ("TROUBLE", "trouble"),
    ("ATTEMPTS", "attempts"),
    ("RUN", "run-id"),
    ("TRIGGERS", "triggers"),
    ("DELIVERY", "delivery-id"),
];

fn path(id: &NotificationId) -> String {
    format!("/api/v2/notification-configurations/{id}")
}

fn document(attributes: Map<String, Value>) -> Value {
    json!({ "data": { "type": "notification-configurations", "attributes": attributes } })
}

/// One configuration, for eyes without what came of its deliveries, which is a list of its own.
fn show(out: Out, found: &Resource) -> Result {
    if out.is_json() {
        return out.one(found);
    }
    let mut pairs = found.pairs();
    pairs.retain(|(name, _)| name != "delivery-responses" && name != "token");
    out.pairs(&pairs)
}

fn deliveries(found: &Resource) -> Vec<Resource> {
    let all = found.get("delivery-responses").and_then(Value::as_array);
    let all = all.into_iter().flatten();
    all.filter_map(|each| Resource::of(&json!({ "attributes": each })))
        .collect()
}

pub(super) fn run(verb: Verb, session: &Session) -> Result {
    let (client, out) = (session.client()?, session.out);
    match verb {
        Verb::Create {
            workspace,
            name,
            said,
            disabled,
        } => {
            let mut wish = said.attributes()?;
            if !wish.contains_key("url") {
                return Err(Failure::usage("say where to: --url or --url-file"));
            }
            wish.insert("destination-type".to_owned(), "generic".into());
            wish.insert("name".to_owned(), name.into());
            wish.insert("enabled".to_owned(), (!disabled).into());
            let workspace = client.workspace(&workspace)?;
            let path = format!("/api/v2/workspaces/{workspace}/notification-configurations");
            show(out, &client.api.send("POST", &path, &document(wish))?)
        }
        Verb::Set {
            notification,
            name,
            said,
            enabled,
        } => {
            let mut wish = said.attributes()?;
            wish.extend(name.map(|name| ("name".to_owned(), name.into())));
            wish.extend(enabled.map(|enabled| ("enabled".to_owned(), enabled.into())));
            if wish.is_empty() {
                let words = "say something: --name, --url, --sign-with, --on or --enabled";
                return Err(Failure::usage(words));
            }
            let changed = client
                .api
                .send("PATCH", &path(&notification), &document(wish))?;
            show(out, &changed)
        }
        Verb::List { workspace } => {
            let workspace = client.workspace(&workspace)?;
            let path = format!("/api/v2/workspaces/{workspace}/notification-configurations");
            out.list(COLUMNS, &client.api.list(&path)?)
        }
        Verb::Show { notification } => show(out, &client.api.get(&path(&notification))?),
        Verb::Deliveries { notification } => {
            let found = client.api.get(&path(&notification))?;
            out.list(DELIVERY_COLUMNS, &deliveries(&found))
        }
        Verb::Verify { notification } => {
            let path = format!("{}/actions/verify", path(&notification));
            client.api.post(&path, &json!({}))?;
            out.say("the receiver took it");
            Ok(())
        }
        Verb::Delete { notification } => {
            client.api.delete(&path(&notification))?;
            out.say(&format!("{notification} ended"));
            Ok(())
        }
    }
}
