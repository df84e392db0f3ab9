//! Uploading a state.
//!
//! Before the door: read the header, digest, compress, seal. In the door: the
//! lock, the head, the verdict, the rows. Nothing is half there: a large body
//! that no row came to name is removed again.

use std::sync::Arc;

use md5::Md5;
use sha2::{Digest, Sha256};
use statehouse_model::{Permission, UrlId, VersionId, WorkspaceId};
use statehouse_seal::Keyring;
use statehouse_terraform::state::{StateFile, Unusual, read};

use super::judge::{Standing, Verdict, judge, judge_opaque};
use super::sql::Version;
use super::{
    CONFLICT, QUARANTINED, VersionView, announce, context, entry, finish, head_of, lock, sql,
};
use crate::access;
use crate::blob::{self, Stored};
use crate::ctx::Ctx;
use crate::door::{self, Action, Outcome, Plan, Target, Tx, actions};
use crate::error::{Error, Kind, Result};
use crate::workspace::{self, Workspace};

actions! {
    /// Upload a state.
    WriteState = "state.write" needs StateWrite;
}

/// Share of the resources that may vanish unasked, in thousandths.
const DROPPED_PERMILLE_MAX: u16 = 500;

/// A state on its way in.
#[derive(Clone)]
pub struct Upload {
    /// The bytes, stored as they are.
    pub bytes: bytes::Bytes,
    /// The id of the lock that the client says it holds.
    pub lock_id: Option<String>,
}

/// What is known of an upload that came by terraform's `cloud` block, whose
/// client names neither its lock nor what it is doing.
#[derive(Debug, Clone)]
pub(crate) struct Cloud {
    /// The version that it is to be.
    pub(crate) id: VersionId,
    /// Whether that was announced.
    pub(crate) announced: bool,
    /// The signed address that it came to.
    pub(crate) address: Option<UrlId>,
    /// What was said of the bytes beforehand.
    pub(crate) expected: Option<Expected>,
    /// The version whose content it is, and why it is there again.
    pub(crate) rolled_back: Option<(VersionId, Option<String>)>,
}

/// What was said of bytes before they came.
#[derive(Debug, Clone)]
pub(crate) struct Expected {
    pub(crate) md5: Vec<u8>,
    pub(crate) serial: u64,
    pub(crate) lineage: String,
}

impl Expected {
    /// The bytes are those that were announced. What an encrypted state does
    /// not say is not compared.
    fn check(&self, bytes: &[u8], file: &StateFile) -> Result<()> {
        let (lineage, serial) = match file {
            StateFile::Plain(plain) => (Some(&plain.lineage), Some(plain.serial)),
            StateFile::Opaque(opaque) => (opaque.lineage.as_ref(), opaque.serial),
        };
        let what = if Md5::digest(bytes).as_slice() != self.md5 {
            "MD5"
        } else if serial.is_some_and(|serial| serial != self.serial) {
            "serial"
        } else if lineage.is_some_and(|lineage| *lineage != self.lineage) {
            "lineage"
        } else {
            return Ok(());
        };
        let words =
            format!("the bytes are not those that were announced: they have another {what}");
        Err(Error::invalid(words).hint("nothing was stored; send the announced bytes, whole"))
    }
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
    cloud: Option<Cloud>,
    actor: String,
    target: Target,
    workspace: Workspace,
    /// How the caller named it.
    named: Workspace,
}

/// Stores a new version of a workspace's state.
pub async fn put(ctx: &Ctx, workspace: &Workspace, upload: Upload) -> Result<Put> {
    put_as(ctx, workspace, upload, None).await
}

/// The same, by the `cloud` block.
pub(crate) async fn put_as(
    ctx: &Ctx,
    workspace: &Workspace,
    upload: Upload,
    cloud: Option<Cloud>,
) -> Result<Put> {
    let permits = ctx.house().permits();
    if let Some(id) = permits.find(ctx, WriteState::NAME, workspace) {
        match put_into(ctx, workspace, id, upload.clone(), cloud.clone()).await {
            // The name may mean another workspace by now.
            Err(error) if *error.kind() == Kind::NotFound => {
                permits.forget(ctx, WriteState::NAME, workspace);
            }
            Err(error) if error.refused() => {
                permits.forget(ctx, WriteState::NAME, workspace);
                return Err(error);
            }
            put => return put,
        }
    }
    let id = workspace::id_of(ctx, WriteState, workspace).await?;
    permits.keep(ctx, WriteState::NAME, workspace, id.clone());
    put_into(ctx, workspace, id, upload, cloud).await
}

/// Stores a new version in the workspace with this id, which must still be
/// what `named` means.
async fn put_into(
    ctx: &Ctx,
    named: &Workspace,
    workspace_id: WorkspaceId,
    upload: Upload,
    cloud: Option<Cloud>,
) -> Result<Put> {
    ctx.house().writable()?;
    let large = upload.bytes.len() > 1024 * 1024;
    let asks = vec![
        sql::ask_head(&workspace_id),
        workspace::freeze::sql::ask(&workspace_id),
    ];
    let task = prepare_task(ctx, named.clone(), workspace_id, upload, cloud);
    let prepared = if large {
        let task = tokio::task::spawn_blocking(task).await;
        task.map_err(|error| Error::internal(format!("preparing a state: {error}")))?
    } else {
        task()
    };
    let (prepared, stored) = prepared?;
    let (id, in_file) = (prepared.id.clone(), stored.body.is_none());
    // The body of an announced version may be another try's by now: what no row
    // comes to name is swept away later.
    let fresh = prepared.cloud.as_ref().is_none_or(|cloud| !cloud.announced);
    let plan = Plan {
        weight: stored.body.as_ref().map_or(0, Vec::len),
        asks,
    };
    let (prepared, stored, asked) = (Arc::new(prepared), Arc::new(stored), ctx.clone());
    let result = door::planned(ctx, WriteState, prepared.target.clone(), plan, move |tx| {
        let (prepared, stored, asked) = (prepared.clone(), stored.clone(), asked.clone());
        Box::pin(async move { store(tx, &asked, &prepared, &stored).await })
    })
    .await;
    let named = match &result {
        Ok(Put::Stored(version) | Put::Repeated(version) | Put::Kept(Kept { version, .. })) => {
            version.id == id.as_str()
        }
        // Whether an unanswered change was made is not known: the file stays.
        Err(error) => *error.kind() == Kind::Unavailable,
    };
    if in_file && fresh && !named {
        ctx.house().blobs().forget(id.as_str());
    }
    result
}

fn prepare_task(
    ctx: &Ctx,
    named: Workspace,
    workspace: WorkspaceId,
    upload: Upload,
    cloud: Option<Cloud>,
) -> impl FnOnce() -> Result<(Prepared, Stored)> + Send + 'static {
    let house = ctx.house().clone();
    let actor = ctx.actor().id().to_owned();
    move || {
        let file = read(&upload.bytes).map_err(|error| {
            Error::invalid(format!("the body is not a state: {error}"))
                .hint("nothing was stored; the current state is unchanged")
        })?;
        if let Some(expected) = cloud.as_ref().and_then(|cloud| cloud.expected.as_ref()) {
            expected.check(&upload.bytes, &file)?;
        }
        let id = match &cloud {
            Some(cloud) => cloud.id.clone(),
            None => VersionId::from_entropy(house.code(), crate::entropy()),
        };
        let digest: [u8; 32] = Sha256::digest(&upload.bytes).into();
        let prepared = Prepared {
            id,
            size: u64::try_from(upload.bytes.len()).unwrap_or(u64::MAX),
            file,
            digest,
            lock_id: upload.lock_id,
            cloud,
            actor,
            target: Target::Workspace(Workspace::Id(workspace.clone())),
            workspace: Workspace::Id(workspace.clone()),
            named,
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
    /// What becomes of it beside `head`.
    fn judged(&self, head: Option<&Version>, standing: Standing) -> Verdict {
        match (head, &self.file) {
            (None, _) => Verdict::Take(Vec::new()),
            (Some(head), StateFile::Plain(new)) => judge(head, new, standing, DROPPED_PERMILLE_MAX),
            (Some(head), StateFile::Opaque(new)) => {
                judge_opaque(head, new.lineage.as_deref(), new.serial, standing)
            }
        }
    }

    /// Whether `version` has the bytes of this upload.
    fn is(&self, keyring: &Keyring, version: &Version) -> bool {
        keyring.row_mac_verify(&fingerprint(&self.digest), &version.fingerprint)
    }

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
            base: None,
            marks: String::new(),
            created_at: 0,
        }
    }
}

pub(crate) fn fingerprint(digest: &[u8; 32]) -> Vec<u8> {
    [b"fingerprint\0".as_slice(), digest].concat()
}

/// Inside the door: what was announced, and all that comes of it.
async fn store(
    tx: &mut Tx<WriteState>,
    ctx: &Ctx,
    prepared: &Prepared,
    stored: &Stored,
) -> Result<Outcome<Put>> {
    let Some(cloud) = &prepared.cloud else {
        return decide(tx, ctx, prepared, stored).await;
    };
    let announced = announce::open(tx, cloud).await?;
    let mut outcome = decide(tx, ctx, prepared, stored).await?;
    if let (Some((from, reason)), Outcome::Recorded(_, entry)) = (&cloud.rolled_back, &mut outcome)
    {
        entry
            .facts
            .insert("rolled-back-to".to_owned(), from.as_str().into());
        if entry.detail.is_none() {
            entry.detail = reason.clone().map(|reason| ("detail", reason));
        }
    }
    announce::settle(tx, cloud, announced, outcome).await
}

/// Whether the lock is held by whom this upload comes from; an error where
/// another holds it.
async fn holds_lock(
    tx: &mut Tx<WriteState>,
    workspace: &workspace::sql::Workspace,
    prepared: &Prepared,
) -> Result<bool> {
    let actor = &prepared.actor;
    if prepared.cloud.is_some() {
        return lock::require_api(tx, workspace, actor).await;
    }
    lock::require(tx, workspace, prepared.lock_id.as_deref(), actor).await
}

/// Inside the door: head, lock, verdict, rows.
async fn decide(
    tx: &mut Tx<WriteState>,
    ctx: &Ctx,
    prepared: &Prepared,
    stored: &Stored,
) -> Result<Outcome<Put>> {
    if !tx.keyring.epochs().any(|epoch| epoch == stored.epoch) {
        let words = "the keys that sealed this upload were retired while it waited";
        return Err(Error::unavailable(words).hint("nothing was stored; send it again"));
    }
    let workspace = workspace::sql::needed(tx, &prepared.workspace).await?;
    if matches!(&prepared.named, Workspace::Name(name) if *name != workspace.name) {
        return Err(Error::not_found("workspace"));
    }
    workspace::freeze::require_thawed(tx, &workspace).await?;
    let head = head_of(tx, &workspace).await?;
    let (shown, actor) = (prepared.lock_id.as_deref(), &prepared.actor);
    if let Some(head) = &head
        && same_bytes(tx, ctx, prepared, head).await?
    {
        if prepared.cloud.is_some() {
            lock::require_api(tx, &workspace, actor).await?;
        } else {
            lock::require_not_of_another(tx, &workspace, shown, actor).await?;
        }
        return Ok(Outcome::Unchanged(Put::Repeated(head.clone().into())));
    }
    let locked = holds_lock(tx, &workspace, prepared).await?;
    let imported = locked && lock::imports(tx, &workspace).await?;
    let mut verdict = prepared.judged(head.as_ref(), Standing::default());
    if locked && verdict != Verdict::Take(Vec::new()) {
        let standing = standing(tx, ctx, &workspace, prepared).await?;
        verdict = prepared.judged(head.as_ref(), standing);
    }
    let mut version = prepared.version(&workspace.id, Some(stored), &tx.keyring);
    version.fence = workspace.fence;
    version.created_at = tx.now();
    match verdict {
        Verdict::Take(mut marks) => {
            marks.extend((!locked).then_some("unlocked"));
            marks.extend(imported.then_some("imported"));
            let back = prepared
                .cloud
                .as_ref()
                .and_then(|cloud| cloud.rolled_back.as_ref());
            marks.extend(back.map(|_| "rolled-back"));
            version.marks = marks.join(",");
            take(tx, workspace, version, stored).await
        }
        Verdict::Conflict(unusual) => {
            version.status = CONFLICT.to_owned();
            version.base = workspace.head;
            keep(tx, prepared, version, stored, &unusual).await
        }
        Verdict::Quarantine(unusual) => {
            version.status = QUARANTINED.to_owned();
            version.base = workspace.head;
            keep(tx, prepared, version, stored, &unusual).await
        }
    }
}

/// Whether the upload has the head's bytes. Once the key of the head's
/// fingerprint is retired, the bytes themselves are compared.
async fn same_bytes(
    tx: &mut Tx<WriteState>,
    ctx: &Ctx,
    prepared: &Prepared,
    head: &Version,
) -> Result<bool> {
    if prepared.is(&tx.keyring, head) {
        return Ok(true);
    }
    let live = |epoch: u32| head.fingerprint.starts_with(&epoch.to_be_bytes());
    if head.size != prepared.size || tx.keyring.epochs().any(live) {
        return Ok(false);
    }
    let stored = super::stored(tx, head).await?;
    let blobs = ctx.house().blobs();
    let bytes = blobs.load(&tx.keyring, &context(head), &stored, head.size)?;
    Ok(<[u8; 32]>::from(Sha256::digest(&bytes)) == prepared.digest)
}

/// What the operation that the lock was taken for says for letting unusual
/// things pass.
async fn standing(
    tx: &mut Tx<WriteState>,
    ctx: &Ctx,
    workspace: &workspace::sql::Workspace,
    prepared: &Prepared,
) -> Result<Standing> {
    let now = tx.now();
    let operation = if prepared.cloud.is_some() {
        lock::CLOUD.to_owned()
    } else {
        lock::operation(tx, workspace).await?
    };
    let cloud = operation == lock::CLOUD;
    let (pushing, importing) = (
        cloud || operation == "state-push",
        operation == lock::IMPORT,
    );
    let target = &prepared.target;
    let accepter = (pushing || importing)
        && access::holds(tx, ctx, Permission::StateAccept, target, now).await?;
    Ok(Standing {
        push_by_accepter: pushing && accepter,
        applying: operation == "OperationTypeApply" || operation == lock::RUN,
        drops_pass: cloud || importing && accepter,
    })
}

/// The version becomes the head of its workspace.
async fn take(
    tx: &mut Tx<WriteState>,
    mut workspace: workspace::sql::Workspace,
    mut version: Version,
    stored: &Stored,
) -> Result<Outcome<Put>> {
    finish(&mut workspace, &mut version);
    tx.put(&workspace).await?;
    tx.put(&version).await?;
    blob::sql::insert(tx, &version.id, stored).await?;
    let entry = entry(&version);
    Ok(Outcome::Recorded(Put::Stored(version.into()), entry))
}

/// The version is kept aside, once.
async fn keep(
    tx: &mut Tx<WriteState>,
    prepared: &Prepared,
    version: Version,
    stored: &Stored,
    unusual: &[Unusual],
) -> Result<Outcome<Put>> {
    let unusual: Vec<String> = unusual.iter().map(ToString::to_string).collect();
    let waiting = sql::kept(tx, &version.workspace).await?;
    if let Some(waiting) = waiting
        .into_iter()
        .find(|waiting| prepared.is(&tx.keyring, waiting))
    {
        let version = waiting.into();
        return Ok(Outcome::Unchanged(Put::Kept(Kept { version, unusual })));
    }
    tx.put(&version).await?;
    blob::sql::insert(tx, &version.id, stored).await?;
    let entry = entry(&version).detail(Some(&unusual.join("; ")));
    let version = version.into();
    Ok(Outcome::Recorded(
        Put::Kept(Kept { version, unusual }),
        entry,
    ))
}
