//! Two states side by side.

use bytes::Bytes;
use statehouse_model::VersionId;
use statehouse_terraform::diff::{Diff, Limits, diff};
use statehouse_terraform::rollback::Preview;

use super::{Sealed, aside, look, room};
use crate::ctx::Ctx;
use crate::door::{self, Action, Target, actions};
use crate::error::{Error, Kind, Result};
use crate::record::Rows;
use crate::state::sql::{self, Version};
use crate::state::{FINISHED, VersionView, head_of};
use crate::workspace::{self, Workspace};

actions! {
    /// See what differs between two versions of a state, or a version and a file.
    CompareStates = "state.compare" needs StateRead;
    /// See what going back to a version would mean.
    PreviewBack = "state.preview-rollback" needs StateRead;
}

/// What a version is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Against {
    /// The version that was current before it; for an upload that was kept
    /// aside, the one that it was kept beside.
    Previous,
    /// Another version of the workspace.
    Version(VersionId),
}

/// A difference, and between what.
#[derive(Debug, Clone)]
pub struct Compared {
    /// The first side.
    pub before: VersionView,
    /// The second side; `None` for a file.
    pub after: Option<VersionView>,
    /// What differs.
    pub diff: Diff,
}

/// What going back would mean.
#[derive(Debug, Clone)]
pub struct Previewed {
    /// The version to go back to.
    pub version: VersionView,
    /// The current one.
    pub current: VersionView,
    /// What it would mean.
    pub preview: Preview,
}

/// What is different in version `id` from `against`. Both reads are in the
/// ledger before this returns.
pub async fn compare(ctx: &Ctx, id: VersionId, against: Against) -> Result<Compared> {
    let (before, after) = both(ctx, CompareStates, &id, move |rows, version| {
        Box::pin(async move {
            match against {
                Against::Version(id) => Ok(id),
                Against::Previous => previous(rows, &version).await,
            }
        })
    })
    .await?;
    let views = (before.version.clone(), after.version.clone());
    let _room = room(before.bytes() + after.bytes()).await?;
    let diff = aside(ctx.house(), move |house| {
        let (before, after) = (before.open(house)?, after.open(house)?);
        before.look(|before| after.look(|after| diff(before, after, Limits::default())))?
    })
    .await?;
    Ok(Compared {
        before: views.0.into(),
        after: Some(views.1.into()),
        diff,
    })
}

/// What is different in a file from version `id`. Nothing of the file is kept.
pub async fn compare_with(ctx: &Ctx, id: VersionId, file: Bytes) -> Result<Compared> {
    let target = Target::Workspace(Workspace::Of(id.clone()));
    let before = door::read(ctx, CompareStates, &target, |rows| {
        Box::pin(async move {
            let workspace = workspace::sql::needed(rows, &Workspace::Of(id.clone())).await?;
            Sealed::of(rows, &workspace.id, &id).await
        })
    })
    .await?;
    record(ctx, CompareStates, &target, &[&before.version]).await?;
    let view = before.version.clone();
    let _room = room(before.bytes() + file.len() as u64).await?;
    let diff = aside(ctx.house(), move |house| {
        let before = before.open(house)?;
        before.look(|before| look(&file, None, |after| diff(before, after, Limits::default())))?
    })
    .await?;
    Ok(Compared {
        before: view.into(),
        after: None,
        diff,
    })
}

/// What it would mean to make the content of `id` the current one again.
pub async fn preview_back(ctx: &Ctx, id: VersionId) -> Result<Previewed> {
    let (current, old) = both(ctx, PreviewBack, &id, |rows, version| {
        Box::pin(async move {
            if version.status != FINISHED {
                let words = format!("version `{}` was never the current one", version.id);
                return Err(Error::new(Kind::Conflict, words)
                    .hint("an upload that was kept aside is accepted: `statehouse state accept`"));
            }
            let workspace =
                workspace::sql::needed(rows, &Workspace::Id(version.workspace.clone())).await?;
            let head = head_of(rows, &workspace).await?;
            head.map(|head| head.id)
                .ok_or_else(|| Error::not_found("state"))
        })
    })
    .await?;
    let views = (current.version.clone(), old.version.clone());
    let _room = room(current.bytes() + old.bytes()).await?;
    let preview = aside(ctx.house(), move |house| {
        let (current, old) = (current.open(house)?, old.open(house)?);
        current.look(|current| old.look(|old| Preview::of(current, old)))?
    })
    .await?;
    Ok(Previewed {
        version: views.1.into(),
        current: views.0.into(),
        preview,
    })
}

/// The other version and `id`, in this order, of one workspace and one moment,
/// their reads recorded.
async fn both<A, F>(ctx: &Ctx, action: A, id: &VersionId, other: F) -> Result<(Sealed, Sealed)>
where
    A: Action,
    F: for<'t> FnOnce(&'t mut Rows, Version) -> door::BoxFuture<'t, Result<VersionId>>
        + Send
        + 'static,
{
    let target = Target::Workspace(Workspace::Of(id.clone()));
    let id = id.clone();
    let (other, this) = door::read(ctx, action, &target, |rows| {
        Box::pin(async move {
            let workspace = workspace::sql::needed(rows, &Workspace::Of(id.clone())).await?;
            let this = Sealed::of(rows, &workspace.id, &id).await?;
            let other = other(rows, this.version.clone()).await?;
            let other = Sealed::of(rows, &workspace.id, &other).await?;
            Ok((other, this))
        })
    })
    .await?;
    record(ctx, action, &target, &[&other.version, &this.version]).await?;
    Ok((other, this))
}

/// Returns once the reads of all are in the ledger.
async fn record<A: Action>(
    ctx: &Ctx,
    action: A,
    target: &Target,
    versions: &[&Version],
) -> Result<()> {
    for version in versions {
        let reads = ctx.house().reads();
        reads
            .record(ctx, action, target, version.id.as_str())
            .await?;
    }
    Ok(())
}

async fn previous(rows: &mut Rows, version: &Version) -> Result<VersionId> {
    if let Some(base) = version.sequence.is_none().then(|| version.base.clone()) {
        return base.ok_or_else(|| first(version));
    }
    let before = version.sequence.unwrap_or(0).saturating_sub(1);
    let found = sql::by_sequence(rows, &version.workspace, before).await?;
    Ok(found.ok_or_else(|| first(version))?.id)
}

fn first(version: &Version) -> Error {
    let words = format!(
        "version `{}` is the first of its workspace, and there is none before it",
        version.id
    );
    Error::new(Kind::Conflict, words).hint("name two versions, or a version and a file")
}
