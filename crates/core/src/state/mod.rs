//! States: versions of bytes, never changed, never half there.
//!
//! A finished version moves its workspace's head; its bytes are what was put,
//! verbatim. An upload that contradicts the head, or looks destructive, is
//! kept aside with a leaf and an id, and waits for a person who holds
//! `state.accept`. The same upload repeated is one version, because clients
//! retry. States that the client encrypted are stored, locked and proven like
//! any other; what they contain is not known here.
//!
//! Deliberately absent: rewriting, merging, and deleting a version: what can go
//! are the bytes of one that is not current ([`removal`]).

pub(crate) mod announce;
pub(crate) mod json;
pub(crate) mod judge;
pub mod lock;
mod look;
mod newest;
mod outputs;
mod put;
pub(crate) mod removal;
mod rollback;
pub(crate) mod search;
mod shown;
pub(crate) mod sql;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use bytes::Bytes;
use statehouse_model::{VersionId, WorkspaceId};
use statehouse_seal::Context;
use zeroize::Zeroizing;

use crate::blob::{self, Stored};
use crate::ctx::Ctx;
use crate::door::{self, Entry, Outcome, Target, actions};
use crate::error::{Error, Kind, Result};
use crate::record::Rows;
use crate::workspace::{self, Workspace};
pub use announce::{Announced, Wish, announce, upload};
pub use json::{get as json_of, upload as upload_json};
pub use look::{
    Against, BYTES_MAX as FOLLOWED_BYTES_MAX, Blamed, Brief, Compared, Followed, Line, Made, Point,
    Previewed, ResourceView, VERSIONS_MAX as FOLLOWED_MAX, blame, compare, compare_with, history,
    preview_back, resource, resources,
};
pub use outputs::{OutputView, output, outputs};
pub use put::{Kept, Put, Upload, put};
pub(crate) use put::{WriteState, fingerprint};
pub use removal::{Remove, Removed, remove_content, removed};
pub use rollback::roll_back;
pub use search::{
    COUNTED_MAX as FOUND_MAX, Found, Hit, PAGE_MAX as FOUND_PAGE_MAX, Search, Unsearched, Wanted,
    search,
};
pub use shown::{Shown, current, page, shown};
use sql::Version;

/// Versions on one page of a list.
pub const PAGE_MAX: usize = 100;

pub(crate) const FINISHED: &str = "finished";
pub(crate) const CONFLICT: &str = "conflict";
pub(crate) const QUARANTINED: &str = "quarantined";
pub(crate) const DISCARDED: &str = "discarded";

actions! {
    /// Download a state.
    ReadState = "state.read" needs StateRead;
    /// See the versions of a state, without their content.
    ListVersions = "state.list" needs WorkspaceRead;
    /// Make an upload that was kept aside the current version.
    AcceptState = "state.accept" needs StateAccept;
    /// Decide that an upload that was kept aside is not to be used.
    DiscardState = "state.discard" needs StateAccept;
}

/// A version, for people and programs to read.
#[derive(Debug, Clone, serde::Serialize)]
pub struct VersionView {
    /// Its id.
    pub id: String,
    /// The workspace it belongs to.
    pub workspace: String,
    /// Its place among the finished versions, from 1.
    pub sequence: Option<u64>,
    /// `finished`, `conflict`, `quarantined` or `discarded`.
    pub status: String,
    /// Whether the client encrypted it.
    pub opaque: bool,
    /// The lineage, empty where an encrypted state does not say.
    pub lineage: String,
    /// The serial, absent where an encrypted state does not say.
    pub serial: Option<u64>,
    /// Bytes as uploaded.
    pub size: u64,
    /// Managed resource instances.
    pub resources: u64,
    /// The version of the tool that wrote it.
    pub tool_version: String,
    /// SHA-256 of the sealed body, in hex.
    pub body_digest: String,
    /// The salted commitment to the bytes, in hex.
    pub commitment: String,
    /// Who uploaded it.
    pub actor: String,
    /// The fence of the lock it was written under.
    pub fence: u64,
    /// What was unusual about it and passed all the same.
    pub marks: Vec<String>,
    /// When it arrived, in microseconds since 1970.
    pub created_at: i64,
    /// The index of its leaf in the ledger, where a list of versions is asked.
    pub leaf: Option<u64>,
}

impl From<Version> for VersionView {
    fn from(version: Version) -> Self {
        Self {
            id: version.id.to_string(),
            workspace: version.workspace.to_string(),
            sequence: version.sequence,
            status: version.status,
            opaque: version.opaque,
            lineage: version.lineage,
            serial: version.serial,
            size: version.size,
            resources: version.resources,
            tool_version: version.tool_version,
            body_digest: hex::encode(version.body_digest),
            commitment: hex::encode(version.commitment),
            actor: version.actor,
            fence: version.fence,
            marks: version
                .marks
                .split(',')
                .filter(|mark| !mark.is_empty())
                .map(str::to_owned)
                .collect(),
            created_at: version.created_at,
            leaf: None,
        }
    }
}

/// Which version of a state.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Which {
    /// The one that a workspace's head points to.
    Current,
    /// One by its id, kept aside or finished.
    Version(VersionId),
}

/// The bytes of a state as they were put, and what is known of them. `None`
/// when the workspace has no state yet.
///
/// The read is in the ledger before this returns.
pub async fn get(
    ctx: &Ctx,
    workspace: &Workspace,
    which: Which,
) -> Result<Option<(VersionView, Bytes)>> {
    let target = Target::Workspace(workspace.clone());
    let question = (
        ctx.actor().token().map(str::to_owned),
        workspace.clone(),
        which.clone(),
    );
    let house = ctx.house();
    let asked = match house.opened().ask(house.seen().await, &question) {
        Ok((version, bytes)) => {
            let id = version.id.as_str();
            house.reads().record(ctx, ReadState, &target, id).await?;
            return Ok(Some(((*version).clone().into(), bytes)));
        }
        Err(asked) => asked,
    };
    let of = (workspace, &which);
    let found = newest::loaded(ctx, ReadState, workspace, which.clone()).await?;
    let Some((version, stored)) = found else {
        return Ok(None);
    };
    let id = version.id.as_str();
    house.reads().record(ctx, ReadState, &target, id).await?;
    let opened = newest::told(ctx, of, open(ctx, &version, stored).await);
    let bytes = Bytes::from_owner(Zeroizing::new(opened.await?));
    let version = Arc::new(version);
    if ctx.actor().token().is_some() {
        let answer = (version.clone(), bytes.clone());
        house.opened().keep(asked, question, answer, bytes.len());
    }
    Ok(Some(((*version).clone().into(), bytes)))
}

/// A state with what ties it to its leaf.
#[derive(Debug, Clone)]
pub struct Witnessed {
    /// The version.
    pub version: VersionId,
    /// What its commitment is salted with.
    pub salt: Vec<u8>,
    /// Its bytes, wiped when nobody needs them.
    pub bytes: Bytes,
}

/// The same as [`get`], for somebody who holds it against the ledger.
pub(crate) async fn witnessed(
    ctx: &Ctx,
    workspace: &Workspace,
    which: Which,
) -> Result<Option<Witnessed>> {
    let (wanted, target) = (workspace.clone(), Target::Workspace(workspace.clone()));
    let found = door::read(ctx, ReadState, &target, move |rows| {
        Box::pin(async move { load(rows, &wanted, which).await })
    })
    .await?;
    let Some((version, stored)) = found else {
        return Ok(None);
    };
    let reads = ctx.house().reads();
    reads
        .record(ctx, ReadState, &target, version.id.as_str())
        .await?;
    let (salt, bytes) = open_salted(ctx, &version, stored).await?;
    Ok(Some(Witnessed {
        version: version.id,
        salt,
        bytes: Bytes::from_owner(Zeroizing::new(bytes)),
    }))
}

/// What a read of a state asks: by which token, of which workspace, which version.
pub(crate) type Question = (Option<String>, Workspace, Which);

/// What it is answered: the version, and its bytes, wiped when nobody needs them.
pub(crate) type Opened = (Arc<Version>, Bytes);

async fn load(
    rows: &mut Rows,
    workspace: &Workspace,
    which: Which,
) -> Result<Option<(Version, Stored)>> {
    let workspace = workspace::sql::needed(rows, workspace).await?;
    let version = match which {
        Which::Current => match head_of(rows, &workspace).await? {
            Some(head) => head,
            None => return Ok(None),
        },
        Which::Version(id) => {
            let found = sql::by_id(rows, &id).await?;
            found
                .filter(|version| version.workspace == workspace.id)
                .ok_or_else(|| Error::not_found("version"))?
        }
    };
    let stored = stored(rows, &version).await?;
    Ok(Some((version, stored)))
}

/// The current version of a workspace; `None` when it has no state yet. One
/// whose row is gone is never taken for none: to terraform no state means that
/// everything is to be made anew.
pub(crate) async fn head_of(
    rows: &mut Rows,
    workspace: &workspace::sql::Workspace,
) -> Result<Option<Version>> {
    match &workspace.head {
        Some(id) => head_at(rows, &workspace.id, id).await.map(Some),
        None => Ok(None),
    }
}

/// The version that is the head of a workspace.
async fn head_at(rows: &mut Rows, workspace: &WorkspaceId, id: &VersionId) -> Result<Version> {
    let found = sql::by_id(rows, id).await?;
    let own = found.filter(|version| version.workspace == *workspace);
    own.ok_or_else(|| {
        let words = format!("version `{id}`, the head of its workspace, is missing");
        Error::tampered(words)
    })
}

/// The sealed bytes of a version, as the database has them.
pub(crate) async fn stored(rows: &mut Rows, version: &Version) -> Result<Stored> {
    let gone = || Error::tampered(format!("the bytes of version `{}` are missing", version.id));
    let Some((header, body)) = blob::sql::of_version(rows, &version.id).await? else {
        return Err(removal::why_gone(rows, &version.id, gone()).await);
    };
    let digest = |bytes: &[u8]| <[u8; 32]>::try_from(bytes).map_err(|_| gone());
    Ok(Stored {
        header,
        epoch: 0,
        body,
        body_digest: digest(&version.body_digest)?,
        commitment: digest(&version.commitment)?,
    })
}

/// What binds sealed bytes to their place.
pub(crate) fn context(version: &Version) -> Context<'_> {
    Context {
        kind: "state",
        object: version.workspace.as_str(),
        version: version.id.as_str(),
        lineage: &version.lineage,
        serial: version.serial,
    }
}

/// Opens a version's bytes; large ones on a thread that may block.
async fn open(ctx: &Ctx, version: &Version, stored: Stored) -> Result<Vec<u8>> {
    let salted = open_salted(ctx, version, stored).await?;
    Ok(salted.1)
}

/// The same, with the salt of the commitment before it.
async fn open_salted(ctx: &Ctx, version: &Version, stored: Stored) -> Result<(Vec<u8>, Vec<u8>)> {
    let house = ctx.house().clone();
    let version = version.clone();
    let small = stored.body.is_some();
    let open = move || {
        house
            .blobs()
            .load_salted(&house.keyring(), &context(&version), &stored, version.size)
    };
    if small {
        return open();
    }
    let opened = tokio::task::spawn_blocking(open).await;
    opened.map_err(|error| Error::internal(format!("opening a state: {error}")))?
}

/// Versions of a state, the newest first: those before the instant `before`
/// (microseconds since 1970), at most [`PAGE_MAX`].
pub async fn list(
    ctx: &Ctx,
    workspace: &Workspace,
    before: Option<i64>,
    limit: usize,
) -> Result<Vec<VersionView>> {
    let limit = i64::try_from(limit.min(PAGE_MAX)).unwrap_or(0);
    versions(ctx, workspace, move |rows, id| {
        Box::pin(async move { sql::page(rows, &id, before.unwrap_or(i64::MAX), limit).await })
    })
    .await
}

/// Uploads that wait for a person, the oldest first.
pub async fn kept(ctx: &Ctx, workspace: &Workspace) -> Result<Vec<VersionView>> {
    versions(ctx, workspace, |rows, id| {
        Box::pin(async move { sql::kept(rows, &id).await })
    })
    .await
}

async fn versions<F>(ctx: &Ctx, workspace: &Workspace, find: F) -> Result<Vec<VersionView>>
where
    F: for<'t> FnOnce(&'t mut Rows, WorkspaceId) -> door::BoxFuture<'t, Result<Vec<Version>>>
        + Send
        + 'static,
{
    let wanted = workspace.clone();
    door::read(
        ctx,
        ListVersions,
        &Target::Workspace(workspace.clone()),
        move |rows| {
            Box::pin(async move {
                let workspace = workspace::sql::needed(rows, &wanted).await?;
                let found = find(rows, workspace.id).await?;
                views(rows, found).await
            })
        },
    )
    .await
}

/// Versions as people read them, each with the index of its leaf.
pub(crate) async fn views(rows: &mut Rows, found: Vec<Version>) -> Result<Vec<VersionView>> {
    let leaves = sql::leaves(rows, &found).await?;
    let view = |version: Version| {
        let leaf = leaves.get(version.id.as_str()).copied();
        VersionView {
            leaf,
            ..version.into()
        }
    };
    Ok(found.into_iter().map(view).collect())
}

/// Makes an upload that was kept aside the current version of its workspace.
pub async fn accept(
    ctx: &Ctx,
    workspace: &Workspace,
    id: VersionId,
    reason: String,
) -> Result<VersionView> {
    accept_over(ctx, workspace, id, reason, None).await
}

/// [`accept`], over a head that moved on since the upload was kept: the person
/// names the head that they have seen and mean to replace.
pub async fn accept_over(
    ctx: &Ctx,
    workspace: &Workspace,
    id: VersionId,
    reason: String,
    over: Option<VersionId>,
) -> Result<VersionView> {
    decide_kept(
        ctx,
        AcceptState,
        workspace,
        id,
        reason,
        Decision::Accept(over),
    )
    .await
}

/// Decides that an upload that was kept aside is not to be used. Its bytes stay.
pub async fn discard(
    ctx: &Ctx,
    workspace: &Workspace,
    id: VersionId,
    reason: String,
) -> Result<VersionView> {
    decide_kept(ctx, DiscardState, workspace, id, reason, Decision::Discard).await
}

/// What a person decides about an upload that was kept.
#[derive(Clone)]
enum Decision {
    /// Use it, over this head if one is named.
    Accept(Option<VersionId>),
    /// Do not.
    Discard,
}

async fn decide_kept<A: door::Action>(
    ctx: &Ctx,
    action: A,
    workspace: &Workspace,
    id: VersionId,
    reason: String,
    decision: Decision,
) -> Result<VersionView> {
    if reason.trim().is_empty() {
        return Err(
            Error::invalid("a reason is needed").hint("say why with `--reason`; it is recorded")
        );
    }
    let wanted = workspace.clone();
    door::change(
        ctx,
        action,
        Target::Workspace(workspace.clone()),
        move |tx| {
            let (wanted, id, reason, decision) =
                (wanted.clone(), id.clone(), reason.clone(), decision.clone());
            Box::pin(async move {
                let mut workspace = workspace::sql::needed(tx, &wanted).await?;
                let version = sql::by_id(tx, &id)
                    .await?
                    .filter(|version| version.workspace == workspace.id);
                let mut version = version.ok_or_else(|| Error::not_found("version"))?;
                if ![CONFLICT, QUARANTINED].contains(&version.status.as_str()) {
                    let status = &version.status;
                    return Err(Error::new(
                        Kind::Conflict,
                        format!("version `{id}` is {status}; it waits for nobody"),
                    ));
                }
                if let Decision::Accept(over) = decision {
                    workspace::freeze::require_thawed(tx, &workspace).await?;
                    lock::require_free(tx, &workspace).await?;
                    same_head(&workspace, over.or_else(|| version.base.clone()).as_ref())?;
                    version.marks = join(&version.marks, "accepted");
                    finish(&mut workspace, &mut version);
                    tx.put(&workspace).await?;
                } else {
                    version.status = DISCARDED.to_owned();
                }
                tx.put(&version).await?;
                let entry = entry(&version).detail(Some(&reason));
                Ok(Outcome::Recorded(version.into(), entry))
            })
        },
    )
    .await
}

/// The head is the one that the upload was kept beside, or that the person named.
fn same_head(workspace: &workspace::sql::Workspace, seen: Option<&VersionId>) -> Result<()> {
    if workspace.head.as_ref() == seen {
        return Ok(());
    }
    let words = |head: Option<&VersionId>| head.map_or("none".to_owned(), ToString::to_string);
    let (now, then) = (words(workspace.head.as_ref()), words(seen));
    Err(Error::new(
        Kind::Conflict,
        format!("the current version is {now}; it was {then} when this upload was kept"),
    )
    .hint(format!(
        "look at both, then accept it over the newer one: `--over {now}`"
    )))
}

/// Makes `version` the head of its workspace.
pub(crate) fn finish(workspace: &mut workspace::sql::Workspace, version: &mut Version) {
    workspace.sequence += 1;
    workspace.head = Some(version.id.clone());
    version.sequence = Some(workspace.sequence);
    version.status = FINISHED.to_owned();
}

fn join(marks: &str, mark: &str) -> String {
    if marks.is_empty() {
        mark.to_owned()
    } else {
        format!("{marks},{mark}")
    }
}

/// What the ledger says of a version.
pub(crate) fn entry(version: &Version) -> Entry {
    let mut entry = Entry::new(&version.workspace)
        .fact("version", version.id.as_str())
        .fact("workspace", version.workspace.as_str())
        .fact("status", version.status.as_str())
        .fact("size", version.size)
        .fact("body", hex::encode(&version.body_digest))
        .fact("commitment", hex::encode(&version.commitment))
        .fact("fence", version.fence);
    if !version.lineage.is_empty() {
        entry = entry.fact("lineage", version.lineage.as_str());
    }
    if let Some(serial) = version.serial {
        entry = entry.fact("serial", serial);
    }
    if let Some(sequence) = version.sequence {
        entry = entry.fact("sequence", sequence);
    }
    entry
}
