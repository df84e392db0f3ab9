//! Where states go: workspaces of our server, looked at, made, locked, written and read back.
//!
//! Everything happens through the server's own interface, under a lock that says that it is an import. A lock that an earlier
//! import of the same machine left behind is taken over when that process is gone; every other lock is respected.

use std::io::Write;

use aws_lc_rs::digest::{Context, SHA256};
use fs_err as fs;
use rustix::process::{Pid, test_kill_process};
use serde_json::{Value, json};
use statehouse_model::Name;

use super::chain::Head;
use super::source::{Digest, Facts};
use crate::client::{Resource, escape};
use crate::cmd::session::Client;
use crate::failure::{Exit, Failure, Result};

/// What the server knows our locks by.
const IMPORT: &str = "import";

/// A workspace that states go to.
pub(super) struct Workspace {
    pub(super) id: String,
    pub(super) name: Name,
    /// The version that is current.
    head: Option<String>,
    lock: Option<String>,
    frozen: bool,
}

/// A workspace under a lock of ours.
pub(super) struct Locked<'w> {
    workspace: &'w Workspace,
    /// The id of the lock.
    id: String,
}

/// Our server.
pub(super) struct Target<'a> {
    client: &'a Client,
    project: Option<Name>,
    /// This process among all that import.
    process: Process,
}

/// What tells an import's lock from others.
struct Process {
    host: String,
    id: i32,
}

impl Process {
    fn own() -> Self {
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let plain = |character: char| character.is_ascii_alphanumeric() || character == '-';
        Self {
            host: host
                .trim()
                .chars()
                .map(|each| if plain(each) { each } else { '-' })
                .take(64)
                .collect(),
            id: rustix::process::getpid().as_raw_nonzero().get(),
        }
    }

    /// The id of a lock. No two are the same: one that was released is not taken again.
    fn lock_id(&self) -> Result<String> {
        let mut random = [0; 8];
        aws_lc_rs::rand::fill(&mut random)
            .map_err(|_| Failure::failed("the machine has no randomness"))?;
        let random = hex::encode(random);
        Ok(format!("{IMPORT}-{}-{}-{random}", self.host, self.id))
    }

    /// Whether a lock was left behind by an import of this machine that is gone.
    fn left(&self, lock: &str) -> bool {
        let own = lock.strip_prefix(&format!("{IMPORT}-{}-", self.host));
        let id = own.and_then(|rest| rest.split_once('-')?.0.parse().ok());
        let Some(id) = id.filter(|id| *id != self.id).and_then(Pid::from_raw) else {
            return false;
        };
        // Of a process that may not be asked it is known that it is there.
        test_kill_process(id) == Err(rustix::io::Errno::SRCH)
    }
}

impl<'a> Target<'a> {
    /// Workspaces of the organization that is meant; new ones go to `project`, which must be there.
    pub(super) fn new(client: &'a Client, project: Option<Name>) -> Result<Self> {
        // Whoever may not even see the organization is told so before anything is read.
        client.api.get(&client.organization("")?)?;
        if let Some(project) = &project {
            client
                .named("/projects", "project", project.as_str())
                .map_err(|failure| {
                    failure.hint(format!(
                        "nothing was imported; `statehouse project create {project}` makes it"
                    ))
                })?;
        }
        Ok(Self {
            client,
            project,
            process: Process::own(),
        })
    }

    /// The workspace of this name, if there is one.
    pub(super) fn find(&self, name: &Name) -> Result<Option<Workspace>> {
        let path = self.client.organization(&format!("/workspaces/{name}"))?;
        match self.client.api.get(&path) {
            Ok(found) => Ok(Some(workspace(&found, name))),
            Err(failure) if failure.exit == Exit::Refused => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// A new workspace.
    pub(super) fn make(&self, name: &Name) -> Result<Workspace> {
        let mut wish = json!({ "name": name.as_str() });
        if let (Some(project), Some(wish)) = (&self.project, wish.as_object_mut()) {
            wish.insert("project".to_owned(), project.as_str().into());
        }
        let path = self.client.organization("/workspaces")?;
        let made = self.client.api.post(&path, &wish)?;
        Ok(workspace(&made, name))
    }

    /// What is current in a workspace.
    pub(super) fn head(&self, workspace: &Workspace) -> Result<Option<Head>> {
        let Some(id) = &workspace.head else {
            return Ok(None);
        };
        let path = format!("/api/v2/workspaces/{}/state-versions", workspace.id);
        let missing = || {
            Failure::failed(format!(
                "the current version {id} of {} is in no list",
                workspace.name
            ))
        };
        let found = self.client.api.find(&path, id)?.ok_or_else(missing)?;
        let marks = found.get("marks").and_then(Value::as_array);
        Ok(Some(Head {
            id: id.clone(),
            lineage: found.text("lineage").to_owned(),
            serial: found.get("serial").and_then(Value::as_u64),
            size: found.get("size").and_then(Value::as_u64).unwrap_or(0),
            imported: marks.is_some_and(|marks| marks.contains(&"imported".into())),
        }))
    }

    /// Fails where nobody may write at the moment.
    pub(super) fn require_free(&self, workspace: &Workspace) -> Result {
        if workspace.frozen {
            let words = format!("workspace {} is frozen", workspace.name);
            return Err(
                Failure::new(Exit::Conflict, words).hint("thaw it, and run the import again")
            );
        }
        match &workspace.lock {
            Some(lock) if !self.process.left(lock) => {
                let words = format!("workspace {} is locked under the id {lock}", workspace.name);
                let hint = format!(
                    "run the import again when whoever holds it is done; one that an import left behind: \
                     `statehouse state unlock {} {lock}`",
                    workspace.name
                );
                Err(Failure::new(Exit::Conflict, words).hint(hint))
            }
            _ => Ok(()),
        }
    }

    /// Locks a workspace, which must be as it was looked at.
    pub(super) fn lock<'w>(&self, workspace: &'w Workspace) -> Result<Locked<'w>> {
        self.require_free(workspace)?;
        let id = match &workspace.lock {
            Some(left) => left.clone(),
            None => self.process.lock_id()?,
        };
        let wish = json!({ "id": id, "operation": IMPORT, "reason": "statehouse import" });
        let locked = self.client.api.post(&action(workspace, "lock"), &wish)?;
        let lock = Locked { workspace, id };
        if text(&locked, "head") != workspace.head {
            let words = format!(
                "workspace {} was written while it was looked at",
                workspace.name
            );
            let unlocked = self.unlock(lock);
            return unlocked.and(Err(
                Failure::new(Exit::Conflict, words).hint("run the import again")
            ));
        }
        Ok(lock)
    }

    /// Releases it.
    pub(super) fn unlock(&self, lock: Locked<'_>) -> Result {
        let Locked { workspace, id } = lock;
        let wish = json!({ "id": id });
        let released = self.client.api.post(&action(workspace, "unlock"), &wish);
        released.map(drop).map_err(|failure| Failure {
            message: format!(
                "workspace {} is still locked under the id {id}: {}",
                workspace.name, failure.message
            ),
            ..failure
        })
    }

    /// Sends a version and reads it back: what the server has must be what the source had.
    pub(super) fn send(&self, locked: &Locked<'_>, bytes: Vec<u8>, facts: &Facts) -> Result {
        let Locked { workspace, id } = locked;
        let path = format!(
            "/api/v2/workspaces/{}/state?lock-id={}",
            workspace.id,
            escape(id)
        );
        let stored = self.client.api.upload(&path, bytes)?;
        self.compare(workspace, stored.text("id"), facts)
    }

    /// Compares a version that the server has with what the source has.
    pub(super) fn compare(&self, workspace: &Workspace, version: &str, facts: &Facts) -> Result {
        let path = format!(
            "/api/v2/workspaces/{}/state?version={}",
            workspace.id,
            escape(version)
        );
        let mut digest = Hashing(Context::new(&SHA256));
        self.client
            .api
            .download("GET", &path)?
            .copy_to(&mut digest)?;
        if digest.end() == facts.sha256 {
            return Ok(());
        }
        Err(Failure::new(
            Exit::Conflict,
            format!(
                "version {version} of workspace {} has other content than the source's {}: SHA-256 {} is expected",
                workspace.name,
                facts.serial(),
                hex::encode(facts.sha256)
            ),
        ))
    }
}

fn action(workspace: &Workspace, verb: &str) -> String {
    format!("/api/v2/workspaces/{}/actions/{verb}", workspace.id)
}

fn workspace(found: &Resource, name: &Name) -> Workspace {
    Workspace {
        id: found.text("id").to_owned(),
        name: name.clone(),
        head: text(found, "head"),
        lock: text(found, "lock-id"),
        frozen: found.get("frozen").and_then(Value::as_bool) == Some(true),
    }
}

fn text(resource: &Resource, key: &str) -> Option<String> {
    Some(resource.text(key).to_owned()).filter(|text| !text.is_empty())
}

/// Bytes that are digested as they come, and kept by nobody.
pub(crate) struct Hashing(pub(crate) Context);

impl Hashing {
    /// The digest of all that came.
    pub(crate) fn end(self) -> Digest {
        let mut found = [0; 32];
        found.copy_from_slice(self.0.finish().as_ref());
        found
    }
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, missing_docs)]

    use super::*;

    #[test]
    fn only_a_lock_of_an_import_that_is_gone_is_taken_over() {
        let own = Process::own();
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let gone = child.id();
        child.wait().unwrap();
        let check = |lock: &str, expected| assert_eq!(own.left(lock), expected, "{lock}");
        check(&format!("import-{}-{gone}-00", own.host), true);
        check(&format!("import-{}-1-00", own.host), false);
        check(&own.lock_id().unwrap(), false);
        check(&format!("import-elsewhere.{}-{gone}-00", own.host), false);
        check(&format!("import-{}-x-00", own.host), false);
        check("7d0a6bd4-0c7e-4d0b-8a52-2f8d0fb9a4b1", false);
        check("", false);
    }
}
