//! Removing the content of a version: its bytes go, its row and its leaf stay.
//!
//! A version that is not current may hold a secret that must not stay. Its
//! bytes and those of its JSON form are deleted by whoever may, with a reason;
//! what it was, who made it, its digests and its place in the history remain,
//! and so does the proof. Whoever asks for the bytes is told when, by whom and
//! why they were removed. Backups made before still hold them.
//!
//! The current version keeps its bytes, and so does an upload that waits for a
//! person, and every version of a frozen workspace.

pub(crate) mod sql;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use statehouse_model::VersionId;
use statehouse_terraform::lock::TEXT_BYTES_MAX;

use super::json;
use super::sql::{Version, by_id};
use super::{CONFLICT, ListVersions, PAGE_MAX, QUARANTINED, VersionView};
use crate::blob;
use crate::ctx::Ctx;
use crate::door::{self, Action, Entry, Outcome, Target, Tx, actions};
use crate::error::{Error, Kind, Result};
use crate::record::Rows;
use crate::workspace::{self, Workspace};
use sql::Removal;

actions! {
    /// Remove the bytes of a version.
    RemoveContent = "state.remove-content" needs StateRemove;
}

/// A removal to make.
#[derive(Debug, Clone)]
pub struct Remove {
    /// Why; everybody reads it who asks for the bytes.
    pub reason: String,
    /// What the person is called.
    pub who: String,
    /// Now, as clients read it.
    pub since: String,
}

/// Who removes content, and when.
pub(crate) struct By {
    pub(crate) id: String,
    /// What they are called.
    pub(crate) who: String,
    /// Now, as clients read it.
    pub(crate) since: String,
}

/// That the bytes of a version were removed.
#[derive(Debug, Clone)]
pub struct Removed {
    /// Who removed them, by their id.
    pub by: String,
    /// What they were called then.
    pub who: String,
    /// When, as clients read it.
    pub since: String,
}

/// Removes the bytes of a version that is not current. Once more is answered
/// alike.
pub async fn remove_content(ctx: &Ctx, id: VersionId, wish: Remove) -> Result<VersionView> {
    if wish.reason.trim().is_empty() {
        return Err(
            Error::invalid("a reason is needed").hint("say why with `--reason`; it is recorded")
        );
    }
    if wish.reason.len() > TEXT_BYTES_MAX {
        let words = format!("the reason is longer than the {TEXT_BYTES_MAX} bytes it may have");
        return Err(Error::invalid(words));
    }
    let actor = ctx.actor().id().to_owned();
    let target = Target::Workspace(Workspace::Of(id.clone()));
    let (view, objects) = door::change(ctx, RemoveContent, target, move |tx| {
        let (id, actor, wish) = (id.clone(), actor.clone(), wish.clone());
        Box::pin(async move {
            let workspace = workspace::sql::needed(tx, &Workspace::Of(id.clone())).await?;
            let gone = || Error::not_found("version");
            let version = by_id(tx, &id).await?.ok_or_else(gone)?;
            if sql::of(tx, &id).await?.is_some() {
                return Ok(Outcome::Unchanged((version.into(), Vec::new())));
            }
            workspace::freeze::require_thawed(tx, &workspace).await?;
            removable(&workspace, &version)?;
            let by = By {
                id: actor,
                who: wish.who,
                since: wish.since,
            };
            let objects = remove(tx, &version, &by).await?;
            let entry = Entry::new(&workspace.id)
                .fact("version", id.as_str())
                .fact("size", version.size)
                .fact("body", hex::encode(&version.body_digest))
                .detail(Some(&wish.reason));
            Ok(Outcome::Recorded((version.into(), objects), entry))
        })
    })
    .await?;
    // Files of large bodies; one that a stop leaves behind is swept later.
    for object in objects {
        ctx.house().blobs().forget(&object);
    }
    Ok(view)
}

/// Removes the bytes of a version in the database, and names the objects whose
/// files are to go after the commit.
pub(crate) async fn remove<A: Action>(
    tx: &mut Tx<A>,
    version: &Version,
    by: &By,
) -> Result<Vec<String>> {
    let mut objects = vec![version.id.to_string()];
    let form = json::sql::of_version(tx, &version.id).await?;
    objects.extend(form.map(|form| form.id.to_string()));
    for object in &objects {
        blob::sql::remove(tx, object).await?;
    }
    let removal = Removal {
        version: version.id.clone(),
        workspace: version.workspace.clone(),
        removed_by: by.id.clone(),
        who: by.who.clone(),
        since: by.since.clone(),
        removed_at: tx.now(),
    };
    tx.put(&removal).await?;
    Ok(objects)
}

fn removable(workspace: &workspace::sql::Workspace, version: &Version) -> Result<()> {
    let id = &version.id;
    if workspace.head.as_ref() == Some(id) {
        let words = format!("version `{id}` is the current one, and its content stays");
        return Err(Error::new(Kind::Conflict, words)
            .hint("store another version first, and then remove the content of this one"));
    }
    if [CONFLICT, QUARANTINED].contains(&version.status.as_str()) {
        let words = format!("version `{id}` waits for a person");
        return Err(Error::new(Kind::Conflict, words)
            .hint("decide on it first: `statehouse state discard`, or `accept`"));
    }
    Ok(())
}

/// Which of these versions of a workspace have no content any more.
pub async fn removed(
    ctx: &Ctx,
    workspace: &Workspace,
    ids: Vec<VersionId>,
) -> Result<BTreeMap<String, Removed>> {
    let wanted = workspace.clone();
    let target = Target::Workspace(workspace.clone());
    door::read(ctx, ListVersions, &target, move |rows| {
        Box::pin(async move {
            let workspace = workspace::sql::needed(rows, &wanted).await?;
            let ids = ids.get(..PAGE_MAX.min(ids.len())).unwrap_or_default();
            let found = sql::all_of(rows, ids).await?;
            let own = found
                .into_iter()
                .filter(|removal| removal.workspace == workspace.id);
            let view = |removal: Removal| {
                let removed = Removed {
                    by: removal.removed_by,
                    who: removal.who,
                    since: removal.since,
                };
                (removal.version.to_string(), removed)
            };
            Ok(own.map(view).collect())
        })
    })
    .await
}

/// Why a version has no bytes: they were removed, or they are missing.
pub(super) async fn why_gone(rows: &mut Rows, version: &VersionId, missing: Error) -> Error {
    match told(rows, version).await {
        Ok(Some(error)) | Err(error) => error,
        Ok(None) => missing,
    }
}

async fn told(rows: &mut Rows, version: &VersionId) -> Result<Option<Error>> {
    let Some(removal) = sql::of(rows, version).await? else {
        return Ok(None);
    };
    let reason = sql::reason(rows, version).await?;
    let words = format!(
        "the content of version `{version}` was removed on {} by {}: {reason}",
        removal.since, removal.who
    );
    let hint = "what it was stays recorded; its bytes may be in a backup made before";
    Ok(Some(Error::new(Kind::Conflict, words).hint(hint)))
}
