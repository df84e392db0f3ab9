//! `statehouse state`: versions, uploads that wait, locks. What has to do with the content of states stands in [`super::life`].

use std::io::{IsTerminal, Read, stdin, stdout};
use std::path::{Path, PathBuf};

use fs_err as fs;
use serde_json::{Map, Value, json};
use statehouse_model::{VersionId, WorkspaceId};

use super::life;
use super::session::{Client, Session};
use crate::client::{Resource, escape};
use crate::failure::{Exit, Failure, Result};
use crate::files::Draft;
use crate::out::{Column, Out};

/// Verbs.
#[derive(clap::Subcommand)]
pub(super) enum Verb {
    /// List the versions of a workspace, newest first, uploads that wait or waited included
    List {
        /// Its name, organization/name, or id
        workspace: String,
    },
    /// Show what is current in a workspace: its version, its lock, and how many uploads wait; or one resource of its state
    Show {
        /// Its name, organization/name, or id
        workspace: String,
        /// The address of a resource, as `terraform state list` prints it, and possibly `.ATTRIBUTE`
        resource: Option<String>,
        /// The version to show it of: an id, a serial, or -1 for the one before the current
        #[arg(
            long,
            value_name = "VERSION",
            requires = "resource",
            allow_negative_numbers = true
        )]
        version: Option<String>,
    },
    #[command(flatten)]
    Life(life::Verb),
    /// Download a state, byte for byte
    Pull {
        /// Name of the workspace, organization/name, or id
        workspace: String,
        /// Another version than the newest
        #[arg(long, value_name = "VERSION")]
        version: Option<VersionId>,
        /// A file, readable by you only, instead of standard output
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Upload a state. The workspace is locked for it, unless --lock-id names a lock that you hold
    Push {
        /// Name of the workspace, organization/name, or id
        workspace: String,
        /// The file, or `-` for standard input
        file: PathBuf,
        /// The id of a lock that you hold
        #[arg(long, value_name = "ID")]
        lock_id: Option<String>,
    },
    /// Make an upload that waits the current state
    Accept {
        /// Its id, as the refusal and `quarantine` name it
        version: VersionId,
        /// Why; stands in the ledger
        #[arg(long)]
        reason: String,
        /// The current version that it is to replace, where that is no longer the one it was uploaded beside
        #[arg(long, value_name = "VERSION")]
        over: Option<VersionId>,
    },
    /// Give up an upload that waits. It stays readable in the history
    Discard {
        /// Its id, as the refusal and `quarantine` name it
        version: VersionId,
        /// Why; stands in the ledger
        #[arg(long)]
        reason: String,
    },
    /// List the uploads that wait, because they contradict the current state or look destructive
    Quarantine {
        /// Name of the workspace, organization/name, or id
        workspace: String,
    },
    /// Lock a workspace, and print the id of the lock
    Lock {
        /// Name of the workspace, organization/name, or id
        workspace: String,
        /// Why; whoever is kept out reads it
        #[arg(long)]
        reason: Option<String>,
    },
    /// Release a lock
    Unlock {
        /// Name of the workspace, organization/name, or id
        workspace: String,
        /// The id of the lock
        #[arg(required_unless_present = "force", conflicts_with = "force")]
        id: Option<String>,
        /// Whoever holds it; its holder may still be at work
        #[arg(long, requires = "reason")]
        force: bool,
        /// Why it is forced; stands in the ledger
        #[arg(long, requires = "force")]
        reason: Option<String>,
    },
}

const VERSIONS: &[Column] = &[
    ("SEQUENCE", "sequence"),
    ("ID", "id"),
    ("STATUS", "status"),
    ("SERIAL", "serial"),
    ("RESOURCES", "resource-count"),
    ("SIZE", "size"),
    ("ACTOR", "actor-name|actor"),
    ("CREATED", "created-at"),
    ("MARKS", "marks"),
];
const WAITING: &[Column] = &[
    ("ID", "id"),
    ("STATUS", "status"),
    ("LINEAGE", "lineage"),
    ("SERIAL", "serial"),
    ("RESOURCES", "resource-count"),
    ("ACTOR", "actor-name|actor"),
    ("CREATED", "created-at"),
];

pub(super) fn run(verb: Verb, session: &Session) -> Result {
    let client = session.client()?;
    let out = session.out;
    match verb {
        Verb::List { workspace } => out.list(
            VERSIONS,
            &client
                .api
                .list(&of(&client, &workspace, "state-versions")?)?,
        ),
        Verb::Quarantine { workspace } => out.list(
            WAITING,
            &client
                .api
                .list(&of(&client, &workspace, "kept-versions")?)?,
        ),
        Verb::Show {
            workspace,
            resource: None,
            ..
        } => out.one(&show(&client, &client.workspace(&workspace)?)?),
        Verb::Show {
            workspace,
            resource: Some(resource),
            version,
        } => life::show(&client, &workspace, &resource, version.as_deref(), out),
        Verb::Life(verb) => life::run(verb, &client, out),
        Verb::Pull {
            workspace,
            version,
            out,
        } => pull(&client, &workspace, version, out.as_deref(), session),
        Verb::Push {
            workspace,
            file,
            lock_id,
        } => {
            let state = read(&file)?;
            let id = client.workspace(&workspace)?;
            out.one(&push(&client, &id, state, lock_id)?)
        }
        Verb::Accept {
            version,
            reason,
            over,
        } => {
            let decision = acceptance(&reason, over.as_ref());
            out.one(&settle(&client, &version, "accept", &decision)?)
        }
        Verb::Discard { version, reason } => out.one(&settle(
            &client,
            &version,
            "discard",
            &json!({ "reason": reason }),
        )?),
        Verb::Lock { workspace, reason } => take(&client, &workspace, reason, out),
        Verb::Unlock {
            workspace,
            id,
            reason,
            ..
        } => release(&client, &workspace, id, reason, out),
    }
}

fn take(client: &Client, workspace: &str, reason: Option<String>, out: Out) -> Result {
    let id = client.workspace(workspace)?;
    let lock = lock(client, &id, reason)?;
    if out.is_json() {
        out.one(&lock)
    } else {
        out.text(&format!("{}\n", lock_id(&lock)?))
    }
}

fn release(
    client: &Client,
    workspace: &str,
    id: Option<String>,
    reason: Option<String>,
    out: Out,
) -> Result {
    let workspace = client.workspace(workspace)?;
    let (verb, wish) = match id {
        Some(id) => ("unlock", json!({ "id": id })),
        None => ("force-unlock", json!({ "reason": reason })),
    };
    let path = format!("/api/v2/workspaces/{workspace}/actions/{verb}");
    out.one(&client.api.post(&path, &wish)?)
}

fn of(client: &Client, workspace: &str, what: &str) -> Result<String> {
    Ok(format!(
        "/api/v2/workspaces/{}/{what}",
        client.workspace(workspace)?
    ))
}

fn acceptance(reason: &str, over: Option<&VersionId>) -> Value {
    match over {
        None => json!({ "reason": reason }),
        Some(over) => json!({ "reason": reason, "over": over.as_str() }),
    }
}

fn settle(client: &Client, version: &VersionId, verb: &str, decision: &Value) -> Result<Resource> {
    client.api.post(
        &format!("/api/v2/state-versions/{version}/actions/{verb}"),
        decision,
    )
}

/// The version that is current, and around it what one wants to know before touching anything.
fn show(client: &Client, workspace: &WorkspaceId) -> Result<Resource> {
    let path = format!("/api/v2/workspaces/{workspace}");
    let found = client.api.get(&path)?;
    let waiting = client.api.list(&format!("{path}/kept-versions"))?.len();
    let head = match found.text("head") {
        "" => None,
        id => client.api.find(&format!("{path}/state-versions"), id)?,
    };
    let mut shown = head
        .unwrap_or_default()
        .with("workspace", workspace.as_str().into())
        .with("waiting", waiting.into());
    for key in ["name", "lock-id", "locked-by", "locked-at"] {
        shown = shown.with(key, found.get(key).cloned().unwrap_or_default());
    }
    Ok(shown)
}

fn pull(
    client: &Client,
    workspace: &str,
    version: Option<VersionId>,
    target: Option<&Path>,
    session: &Session,
) -> Result {
    let query = version
        .map(|version| format!("?version={version}"))
        .unwrap_or_default();
    let path = of(client, workspace, "state")? + &query;
    let state = client.api.download("GET", &path)?;
    if state.is_nothing() {
        return Err(Failure::new(
            Exit::Refused,
            format!("{workspace} has no state yet"),
        ));
    }
    let Some(target) = target else {
        // Received whole before the first byte is printed: half a state must not look like one.
        let mut bytes = Vec::new();
        state.copy_to(&mut bytes)?;
        session.out.write(&bytes)?;
        if stdout().is_terminal() {
            session.out.text("\n")?;
        }
        return Ok(());
    };
    let mut draft = Draft::of(target)?;
    let size = state.copy_to(&mut draft)?;
    draft.keep()?;
    session
        .out
        .say(&format!("{size} bytes written to {}", target.display()));
    Ok(())
}

pub(super) fn read(file: &Path) -> Result<Vec<u8>> {
    if file != Path::new("-") {
        return Ok(fs::read(file)?);
    }
    let mut state = Vec::new();
    stdin().lock().read_to_end(&mut state)?;
    Ok(state)
}

/// Uploads under a lock, as terraform does; one that was taken for it is released whatever came of it.
fn push(
    client: &Client,
    workspace: &WorkspaceId,
    state: Vec<u8>,
    held: Option<String>,
) -> Result<Resource> {
    let upload = |id: &str, state| {
        client.api.upload(
            &format!(
                "/api/v2/workspaces/{workspace}/state?lock-id={}",
                escape(id)
            ),
            state,
        )
    };
    if let Some(id) = held {
        return upload(&id, state);
    }
    let id = lock_id(&lock(client, workspace, Some("state push".to_owned()))?)?;
    let pushed = upload(&id, state);
    let released = client.api.post(
        &format!("/api/v2/workspaces/{workspace}/actions/unlock"),
        &json!({ "id": id }),
    );
    let pushed = pushed?;
    released.map_err(|failure| Failure {
        message: format!(
            "the state was stored as {}, but the lock {id} is still held: {}",
            pushed.text("id"),
            failure.message
        ),
        ..failure
    })?;
    Ok(pushed)
}

pub(super) fn lock(
    client: &Client,
    workspace: &WorkspaceId,
    reason: Option<String>,
) -> Result<Resource> {
    let wish: Map<String, Value> = reason
        .into_iter()
        .map(|reason| ("reason".to_owned(), reason.into()))
        .collect();
    client.api.post(
        &format!("/api/v2/workspaces/{workspace}/actions/lock"),
        &wish.into(),
    )
}

pub(super) fn lock_id(lock: &Resource) -> Result<String> {
    let id = lock.text("lock-id");
    if id.is_empty() {
        Err(Failure::failed(
            "the server locked the workspace, but sent no id of the lock",
        ))
    } else {
        Ok(id.to_owned())
    }
}
