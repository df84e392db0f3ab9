//! `statehouse workspace`: one state and its history each.

use serde_json::{Map, Value, json};
use statehouse_model::{Name, WorkspaceId};

use super::session::Session;
use crate::failure::Result;
use crate::out::Column;

/// Verbs.
#[derive(clap::Subcommand)]
pub(super) enum Verb {
    /// List those of the organization
    List,
    /// Make one; terraform makes one by itself when it locks it first
    Create {
        /// Its name
        name: Name,
        /// The project it belongs to
        #[arg(long, value_name = "NAME")]
        project: Option<Name>,
    },
    /// Show one
    Show {
        /// Its name, organization/name, or id
        workspace: String,
    },
    /// Let nobody change its state, whatever their client; reading goes on
    Freeze {
        /// Its name, organization/name, or id
        workspace: String,
        /// Why; whoever is kept out reads it
        #[arg(long)]
        reason: String,
    },
    /// Let its state be changed again
    Thaw {
        /// Its name, organization/name, or id
        workspace: String,
        /// Why; stands in the ledger
        #[arg(long)]
        reason: String,
    },
    /// Delete one that manages nothing any more; its versions stay, and it can be brought back
    Delete {
        /// Its name, organization/name, or id
        workspace: String,
        /// Even if it manages resources; they stay as they are, managed by nobody
        #[arg(long)]
        force: bool,
    },
    /// List those that were deleted
    Deleted,
    /// Bring a deleted one back
    Undelete {
        /// Its id, as `deleted` lists it
        id: WorkspaceId,
        /// Another name, where its own is taken
        #[arg(long)]
        name: Option<Name>,
    },
}

const COLUMNS: &[Column] = &[
    ("NAME", "name"),
    ("ID", "id"),
    ("VERSIONS", "versions"),
    ("LOCKED BY", "locked-by"),
    ("CREATED", "created-at"),
];

const DELETED: &[Column] = &[
    ("NAME", "name"),
    ("ID", "id"),
    ("DELETED BY", "deleted-by"),
    ("DELETED", "deleted-at"),
];

/// Freezes or thaws a workspace.
fn act(workspace: &str, verb: &str, reason: &str, session: &Session) -> Result {
    let client = session.client()?;
    let id = client.workspace(workspace)?;
    let path = format!("/api/v2/workspaces/{id}/actions/{verb}");
    let done = client.api.post(&path, &json!({ "reason": reason }))?;
    session.out.one(&done)
}

pub(super) fn run(verb: Verb, session: &Session) -> Result {
    let client = session.client()?;
    match verb {
        Verb::List => session.out.list(
            COLUMNS,
            &client.api.list(&client.organization("/workspaces")?)?,
        ),
        Verb::Create { name, project } => {
            let mut wish = Map::from_iter([("name".to_owned(), Value::from(name.as_str()))]);
            if let Some(project) = project {
                wish.insert("project".to_owned(), project.as_str().into());
            }
            session.out.one(
                &client
                    .api
                    .post(&client.organization("/workspaces")?, &wish.into())?,
            )
        }
        Verb::Freeze { workspace, reason } => act(&workspace, "freeze", &reason, session),
        Verb::Thaw { workspace, reason } => act(&workspace, "thaw", &reason, session),
        Verb::Delete { workspace, force } => {
            let path = format!("/api/v2/workspaces/{}", client.workspace(&workspace)?);
            if force {
                client.api.delete(&path)
            } else {
                let nothing = Value::Object(Map::new());
                let path = format!("{path}/actions/safe-delete");
                client.api.post(&path, &nothing).map(drop)
            }
        }
        Verb::Deleted => session.out.list(
            DELETED,
            &client
                .api
                .list(&client.organization("/deleted-workspaces")?)?,
        ),
        Verb::Undelete { id, name } => {
            let name = name.map(|name| ("name".to_owned(), name.as_str().into()));
            let wish: Map<String, Value> = name.into_iter().collect();
            let path = format!("/api/v2/workspaces/{id}/actions/undelete");
            session.out.one(&client.api.post(&path, &wish.into())?)
        }
        Verb::Show { workspace } => {
            let id = client.workspace(&workspace)?;
            session
                .out
                .one(&client.api.get(&format!("/api/v2/workspaces/{id}"))?)
        }
    }
}
