//! `statehouse state`, as far as it looks into states: what differs, what became of a resource and by whom, going back.
//!
//! A version is named by its id, by its serial, or by steps back from the current one (`-1`).

mod search;
mod words;

use std::io::{BufRead, IsTerminal, stdin};
use std::path::PathBuf;

use serde_json::json;
use statehouse_model::{VersionId, WorkspaceId};

use super::session::Client;
use super::state::{lock, lock_id, read};
use crate::client::{Resource, escape};
use crate::failure::{Exit, Failure, Result};
use crate::out::{Column, Out};

/// Versions of a log, unless more are asked for.
const LOG: usize = 20;

/// Verbs.
#[derive(clap::Subcommand)]
pub(super) enum Verb {
    /// Tell who changed a state, when and with what, the newest first
    Log {
        /// Name of the workspace, organization/name, or id
        workspace: String,
        /// How many versions
        #[arg(long, default_value_t = LOG, value_name = "COUNT")]
        limit: usize,
    },
    /// Show what differs between two versions, or a version and a file; sensitive values are hidden
    ///
    /// Without FROM and TO, what the current version changed. A version is an id, a serial, or -1 for the one before the current.
    Diff {
        /// Name of the workspace, organization/name, or id
        workspace: String,
        /// The first side; the version before TO unless it is named
        #[arg(allow_negative_numbers = true)]
        from: Option<String>,
        /// The second side; the current version unless another is named
        #[arg(allow_negative_numbers = true)]
        to: Option<String>,
        /// A file as the second side, or `-` for standard input; FROM is the current version unless it is named
        #[arg(long, value_name = "FILE", conflicts_with = "to")]
        file: Option<PathBuf>,
    },
    /// Tell what became of a resource, or of one of its attributes
    History {
        /// Name of the workspace, organization/name, or id
        workspace: String,
        /// The address, as `terraform state list` prints it, and possibly `.ATTRIBUTE`
        resource: String,
        /// Go on with the versions before this place, as the end of a longer history names it
        #[arg(long, value_name = "SEQUENCE")]
        before: Option<u64>,
    },
    /// Tell who last changed each attribute of a resource, or one of them
    Blame {
        /// Name of the workspace, organization/name, or id
        workspace: String,
        /// The address, as `terraform state list` prints it, and possibly `.ATTRIBUTE`
        resource: String,
    },
    /// Find resources in the current states of all workspaces
    Search(search::Search),
    /// Remove the bytes of a version that is not current; what it was, who made it and its proof stay
    RmVersion {
        /// Name of the workspace, organization/name, or id
        workspace: String,
        /// The version: an id, a serial, or -1 for the one before the current
        #[arg(allow_negative_numbers = true)]
        version: String,
        /// Why; whoever asks for the bytes reads it
        #[arg(long)]
        reason: String,
    },
    /// Make the content of an older version current again, as a new version; shows what that means, and asks
    Rollback {
        /// Name of the workspace, organization/name, or id
        workspace: String,
        /// The version to go back to: an id, a serial, or -1 for the one before the current
        #[arg(allow_negative_numbers = true)]
        version: String,
        /// Why; stands in the ledger
        #[arg(long)]
        reason: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

const LOGGED: &[Column] = &[
    ("SEQUENCE", "sequence"),
    ("SERIAL", "serial"),
    ("CREATED", "created-at"),
    ("WHO", "actor-name"),
    ("TOOL", "tool-version"),
    ("RESOURCES", "resource-count"),
    ("STATUS", "status"),
    ("MARKS", "marks"),
    ("ID", "id"),
];

pub(super) fn run(verb: Verb, client: &Client, out: Out) -> Result {
    match verb {
        Verb::Log { workspace, limit } => {
            let id = client.workspace(&workspace)?;
            let size = limit.clamp(1, 100);
            let path = format!("/api/v2/workspaces/{id}/state-versions?page[size]={size}");
            out.list(LOGGED, &client.api.first(&path, limit)?)
        }
        Verb::Diff {
            workspace,
            from,
            to,
            file,
        } => {
            let id = client.workspace(&workspace)?;
            let found = diff(client, &id, from.as_deref(), to.as_deref(), file)?;
            words::print(&found, out, words::diff)
        }
        Verb::History {
            workspace,
            resource,
            before,
        } => {
            let id = client.workspace(&workspace)?;
            let before = before.map(|before| format!("&before={before}"));
            let path = format!(
                "/api/v2/workspaces/{id}/resources/history?address={}{}",
                escape(&resource),
                before.unwrap_or_default()
            );
            words::print(&client.api.get(&path)?, out, words::history)
        }
        Verb::Blame {
            workspace,
            resource,
        } => {
            let id = client.workspace(&workspace)?;
            let path = format!(
                "/api/v2/workspaces/{id}/resources/blame?address={}",
                escape(&resource)
            );
            words::print(&client.api.get(&path)?, out, words::blame)
        }
        Verb::Search(wanted) => search::run(&wanted, client, out),
        Verb::RmVersion {
            workspace,
            version,
            reason,
        } => {
            let id = client.workspace(&workspace)?;
            let version = named(client, &id, &version)?;
            let path = format!("/api/v2/state-versions/{version}/actions/remove-content");
            out.one(&client.api.post(&path, &json!({ "reason": reason }))?)
        }
        Verb::Rollback {
            workspace,
            version,
            reason,
            yes,
        } => {
            let id = client.workspace(&workspace)?;
            let version = named(client, &id, &version)?;
            roll_back(client, &id, &version, &reason, yes, out)
        }
    }
}

/// One resource, or one of its attributes.
pub(super) fn show(
    client: &Client,
    workspace: &str,
    resource: &str,
    version: Option<&str>,
    out: Out,
) -> Result {
    let id = client.workspace(workspace)?;
    let version = version.map(|version| named(client, &id, version));
    let version = version.transpose()?.map(|id| format!("&version={id}"));
    let path = format!(
        "/api/v2/workspaces/{id}/resources/show?address={}{}",
        escape(resource),
        version.unwrap_or_default()
    );
    words::print(&client.api.get(&path)?, out, words::resource)
}

/// The version that a person means.
fn named(client: &Client, workspace: &WorkspaceId, text: &str) -> Result<VersionId> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    let unknown = |why: &str| Failure::usage(format!("{text} names no version: {why}"));
    let number: i64 = text
        .parse()
        .map_err(|_| unknown("give an id, a serial, or -1 for the one before the current"))?;
    let is_finished = |each: &Resource| each.text("status") == "finalized";
    let number_of = |each: &Resource, key| each.get(key).and_then(serde_json::Value::as_i64);
    let path = format!("/api/v2/workspaces/{workspace}/state-versions");
    let found = if number < 0 {
        let shown = client.api.get(&format!("/api/v2/workspaces/{workspace}"))?;
        let place = number_of(&shown, "versions").unwrap_or(0) + number;
        client
            .api
            .find_by(&path, |each| number_of(each, "sequence") == Some(place))?
    } else {
        client.api.find_by(&path, |each| {
            is_finished(each) && number_of(each, "serial") == Some(number)
        })?
    };
    let found = found.ok_or_else(|| {
        let words = format!("the workspace has no version {text}");
        Failure::new(Exit::Refused, words).hint("`statehouse state log` lists them")
    })?;
    found.text("id").parse().map_err(Failure::failed)
}

/// The current version.
fn head(client: &Client, workspace: &WorkspaceId) -> Result<VersionId> {
    let found = client.api.get(&format!("/api/v2/workspaces/{workspace}"))?;
    let head = found.text("head");
    if head.is_empty() {
        let words = "the workspace has no state yet";
        return Err(Failure::new(Exit::Refused, words));
    }
    head.parse().map_err(Failure::failed)
}

fn diff(
    client: &Client,
    workspace: &WorkspaceId,
    from: Option<&str>,
    to: Option<&str>,
    file: Option<PathBuf>,
) -> Result<Resource> {
    let version = |text: Option<&str>| match text {
        Some(text) => named(client, workspace, text),
        None => head(client, workspace),
    };
    let path = |id: &VersionId| format!("/api/v2/state-versions/{id}/diff");
    if let Some(file) = file {
        return client.api.upload(&path(&version(from)?), read(&file)?);
    }
    let against = match from {
        Some(from) => format!("?against={}", named(client, workspace, from)?),
        None => String::new(),
    };
    client.api.get(&(path(&version(to)?) + &against))
}

fn roll_back(
    client: &Client,
    workspace: &WorkspaceId,
    version: &VersionId,
    reason: &str,
    yes: bool,
    out: Out,
) -> Result {
    let path = format!("/api/v2/state-versions/{version}/rollback-preview");
    let preview = client.api.get(&path)?;
    out.say(words::preview(&preview).trim_end());
    if !yes && !agreed(out)? {
        return Err(Failure::failed("nothing was changed"));
    }
    let id = lock_id(&lock(client, workspace, None)?)?;
    let to = json!({ "data": { "type": "state-versions", "id": version.as_str() } });
    let document = json!({ "data": {
        "type": "state-versions",
        "attributes": { "reason": reason },
        "relationships": { "rollback-state-version": to },
    } });
    let path = format!("/api/v2/workspaces/{workspace}");
    // Somebody may have written between the preview and the lock: what was shown is what is done, or nothing.
    let moved = || -> Result {
        let seen = preview.get("current").and_then(|current| current.get("id"));
        let now = head(client, workspace)?;
        if seen.and_then(serde_json::Value::as_str) == Some(now.as_str()) {
            return Ok(());
        }
        let words = "the state moved on since the preview; nothing was changed";
        Err(Failure::new(Exit::Conflict, words).hint("run the command again"))
    };
    let done = moved().and_then(|()| {
        client
            .api
            .send("PATCH", &format!("{path}/state-versions"), &document)
    });
    let released = client
        .api
        .post(&format!("{path}/actions/unlock"), &json!({ "id": id }));
    let done = done?;
    released.map_err(|failure| Failure {
        message: format!(
            "the state went back as {}, but the lock {id} is still held: {}",
            done.text("id"),
            failure.message
        ),
        ..failure
    })?;
    // Addresses that were signed for this answer alone are nothing to print.
    if out.is_json() {
        return out.one(&Resource::from_pairs([
            ("id", done.text("id").into()),
            ("serial", done.get("serial").cloned().unwrap_or_default()),
            ("rolled-back-to", version.as_str().into()),
        ]));
    }
    out.text(&format!("{}\n", done.text("id")))
}

/// Whether a person at the terminal says yes.
fn agreed(out: Out) -> Result<bool> {
    if !stdin().is_terminal() {
        return Err(Failure::usage("nobody can be asked here").hint("give --yes"));
    }
    out.ask("Go back? Only `yes` is taken for one: ");
    let mut line = String::new();
    stdin().lock().read_line(&mut line)?;
    Ok(line.trim() == "yes")
}
