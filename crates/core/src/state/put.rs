//! Uploading a state.
//!
//! Before the door: read the header, digest, compress, seal. In the door: the
//! lock, the head, the verdict, the rows. Nothing is half there: a large body
//! that no row came to name is removed again.

use std::sync::Arc;

use sha2::{Digest, Sha256};
use statehouse_model::{Permission, VersionId, WorkspaceId};
use statehouse_seal::Keyring;
use statehouse_terraform::state::{StateFile, read};

use super::judge::{Standing, Verdict, judge, judge_opaque};
use super::sql::Version;
use super::{CONFLICT, QUARANTINED, VersionView, context, entry, finish, lock, sql, workspace_of};
use crate::access;
use crate::blob::{self, Stored};
use crate::ctx::Ctx;
use crate::door::{self, Outcome, Target, Tx, actions};
use crate::error::{Error, Kind, Result};
use crate::workspace::{self, Workspace};

actions! {
    /// Upload a state.
    WriteState = "state.write" needs StateWrite;
}

/// Share of the resources that may vanish unasked, in thousandths.
const DROPPED_PERMILLE_MAX: u16 = 500;

/// A state on its way in.
pub struct Upload {
    /// The bytes, stored as they are.
    pub bytes: bytes::Bytes,
    /// The id of the lock that the client says it holds.
    pub lock_id: Option<String>,
}

/// An upload that was kept aside.
#[derive(Debug, Clone)]
pub struct Kept {
    /// The version that waits.
    pub version: VersionView,
    /// What was unusual about it, in clauses.
    pub unusual: Vec<String>,
}

/// How an upload ended.
#[derive(Debug, Clone)]
pub enum Put {
    /// It is the current version.
    Stored(VersionView),
    /// It was the current version already.
    Repeated(VersionView),
    /// It waits for a person.
    Kept(Kept),
}

/// A prepared upload: everything that needs no transaction.
struct Prepared {
    id: VersionId,
    file: StateFile,
    size: u64,
    digest: [u8; 32],
    lock_id: Option<String>,
    actor: String,
    target: Target,
    workspace: Workspace,
}

/// Stores a new version of a workspace's state.
pub async fn put(ctx: &Ctx, workspace: &Workspace, upload: Upload) -> Result<Put> {
    ctx.house().writable()?;
    let workspace_id = workspace::id_of(ctx, WriteState, workspace).await?;
    let large = upload.bytes.len() > 1024 * 1024;
    let task = prepare_task(ctx, workspace_id, upload);
    let prepared = if large {
        let task = tokio::task::spawn_blocking(task).await;
        task.map_err(|error| Error::internal(format!("preparing a state: {error}")))?
    } else {
        task()
    };
    let (prepared, stored) = prepared?;
    let (id, in_file) = (prepared.id.clone(), stored.body.is_none());
    let weight = stored.body.as_ref().map_or(0, Vec::len);
    let (prepared, stored, asked) = (Arc::new(prepared), Arc::new(stored), ctx.clone());
    let result = door::weighed(
        ctx,
        WriteState,
        prepared.target.clone(),
        weight,
        move |tx| {
            let (prepared, stored, asked) = (prepared.clone(), stored.clone(), asked.clone());
            Box::pin(async move { store(tx, &asked, &prepared, &stored).await })
        },
    )
    .await;
    let named = match &result {
        Ok(Put::Stored(version) | Put::Kept(Kept { version, .. })) => version.id == id.as_str(),
        // Whether an unanswered change was made is not known: the file stays.
        Err(error) => *error.kind() == Kind::Unavailable,
        Ok(Put::Repeated(_)) => false,
    };
    if in_file && !named {
        ctx.house().blobs().forget(id.as_str());
    }
    result
}

fn prepare_task(
    ctx: &Ctx,
    workspace: WorkspaceId,
    upload: Upload,
) -> impl FnOnce() -> Result<(Prepared, Stored)> + Send + 'static {
    let house = ctx.house().clone();
    let actor = ctx.actor().id().to_owned();
    move || {
        let file = read(&upload.bytes).map_err(|error| {
            Error::invalid(format!("the body is not a state: {error}"))
                .hint("nothing was stored; the current state is unchanged")
        })?;
        let id = VersionId::from_entropy(house.code(), crate::entropy());
        let digest: [u8; 32] = Sha256::digest(&upload.bytes).into();
        let prepared = Prepared {
            id,
            size: u64::try_from(upload.bytes.len()).unwrap_or(u64::MAX),
            file,
            digest,
            lock_id: upload.lock_id,
            actor,
            target: Target::Workspace(Workspace::Id(workspace.clone())),
            workspace: Workspace::Id(workspace.clone()),
        };
        let version = prepared.version(&workspace, None, &house.keyring());
        let stored =
            house
                .blobs()
                .store(&house.keyring(), &context(&version), &upload.bytes, &digest)?;
        Ok((prepared, stored))
    }
}

impl Prepared {
    /// The row, as far as it is known before the door.
    fn version(
        &self,
        workspace: &WorkspaceId,
        stored: Option<&Stored>,
        keyring: &Keyring,
    ) -> Version {
        let (lineage, serial, resources, tool_version, opaque) = match &self.file {
            StateFile::Plain(plain) => (
                plain.lineage.clone(),
                Some(plain.serial),
                plain.resources,
                plain.terraform_version.clone(),
                false,
            ),
            StateFile::Opaque(opaque) => (
                opaque.lineage.clone().unwrap_or_default(),
                opaque.serial,
                0,
                String::new(),
                true,
            ),
        };
        Version {
            id: self.id.clone(),
            workspace: workspace.clone(),
            sequence: None,
            status: String::new(),
            opaque,
            lineage,
            serial,
            size: self.size,
            resources,
            tool_version,
            body_digest: stored
                .map(|stored| stored.body_digest.to_vec())
                .unwrap_or_default(),
            commitment: stored
                .map(|stored| stored.commitment.to_vec())
                .unwrap_or_default(),
            fingerprint: keyring.row_mac(&fingerprint(&self.digest)).to_vec(),
            actor: self.actor.clone(),
            fence: 0,
            marks: String::new(),
            created_at: 0,
        }
    }
}

fn fingerprint(digest: &[u8; 32]) -> Vec<u8> {
    [b"fingerprint\0".as_slice(), digest].concat()
}

/// Inside the door: lock, head, verdict, rows.
async fn store(
    tx: &mut Tx<WriteState>,
    ctx: &Ctx,
    prepared: &Prepared,
    stored: &Stored,
) -> Result<Outcome<Put>> {
    let mut workspace = workspace_of(tx, &prepared.workspace).await?;
    let head = match &workspace.head {
        Some(id) => Some(sql::by_id(tx, id).await?.ok_or_else(|| {
            Error::tampered(format!(
                "version `{id}`, the head of its workspace, is missing"
            ))
        })?),
        None => None,
    };
    let same = |tx: &Tx<WriteState>, version: &Version| {
        tx.keyring
            .row_mac_verify(&fingerprint(&prepared.digest), &version.fingerprint)
    };
    if let Some(head) = head.as_ref().filter(|head| same(tx, head)) {
        lock::require_not_of_another(tx, &workspace, prepared.lock_id.as_deref(), &prepared.actor)
            .await?;
        return Ok(Outcome::Unchanged(Put::Repeated(head.clone().into())));
    }
    let operation =
        lock::require(tx, &workspace, prepared.lock_id.as_deref(), &prepared.actor).await?;
    let pushing = operation.as_deref() == Some("state-push");
    let now = tx.now();
    let standing = Standing {
        push_by_accepter: pushing
            && access::holds(tx, ctx, Permission::StateAccept, &prepared.target, now).await?,
        applying: operation.as_deref() == Some("OperationTypeApply"),
    };
    let mut version = prepared.version(&workspace.id, Some(stored), &tx.keyring.clone());
    version.fence = workspace.fence;
    version.created_at = tx.now();
    let verdict = match (&head, &prepared.file) {
        (None, _) => Verdict::Take(Vec::new()),
        (Some(head), StateFile::Plain(new)) => judge(head, new, standing, DROPPED_PERMILLE_MAX),
        (Some(head), StateFile::Opaque(new)) => {
            judge_opaque(head, new.lineage.as_deref(), new.serial, standing)
        }
    };
    let (kept, unusual) = match verdict {
        Verdict::Take(mut marks) => {
            if operation.is_none() {
                marks.push("unlocked");
            }
            version.marks = marks.join(",");
            finish(&mut workspace, &mut version);
            tx.put(&workspace).await?;
            (None, Vec::new())
        }
        Verdict::Conflict(unusual) => (Some(CONFLICT), unusual),
        Verdict::Quarantine(unusual) => (Some(QUARANTINED), unusual),
    };
    if let Some(status) = kept {
        status.clone_into(&mut version.status);
        let unusual: Vec<String> = unusual.iter().map(ToString::to_string).collect();
        let waiting = sql::kept(tx, &workspace.id).await?;
        if let Some(waiting) = waiting.into_iter().find(|waiting| same(tx, waiting)) {
            return Ok(Outcome::Unchanged(Put::Kept(Kept {
                version: waiting.into(),
                unusual,
            })));
        }
        tx.put(&version).await?;
        blob::sql::insert(tx, &version.id, stored).await?;
        let entry = entry(&version).detail(Some(&unusual.join("; ")));
        return Ok(Outcome::Recorded(
            Put::Kept(Kept {
                version: version.into(),
                unusual,
            }),
            entry,
        ));
    }
    tx.put(&version).await?;
    blob::sql::insert(tx, &version.id, stored).await?;
    let entry = entry(&version);
    Ok(Outcome::Recorded(Put::Stored(version.into()), entry))
}
