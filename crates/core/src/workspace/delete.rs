//! Deleting a workspace, and bringing it back.

use std::sync::Arc;

use statehouse_model::{Name, WorkspaceId};

use super::sql::{self, Deletion};
use super::{Workspace, WorkspaceView, change, default_project, freeze, proper, taken};
use crate::ctx::Ctx;
use crate::door::{self, Entry, Outcome, Target, actions};
use crate::error::{Error, Kind, Result};
use crate::policy::saved::{self, Trial};
use crate::project::{self, Project};
use crate::state;

actions! {
    /// Delete a workspace.
    DeleteWorkspace = "workspace.delete" needs WorkspaceDelete;
    /// Bring it back.
    UndeleteWorkspace = "workspace.undelete" needs WorkspaceDelete;
    /// See what was deleted.
    ListDeleted = "workspace.list-deleted" needs WorkspaceDelete;
}

/// A deleted workspace, for people and programs to read.
#[derive(Debug, Clone, serde::Serialize)]
pub struct DeletedView {
    /// Its id.
    pub id: String,
    /// What it was called.
    pub name: String,
    /// Who deleted it.
    pub deleted_by: String,
    /// When, in microseconds since 1970.
    pub deleted_at: i64,
}

impl From<Deletion> for DeletedView {
    fn from(deletion: Deletion) -> Self {
        Self {
            id: deletion.workspace.to_string(),
            name: deletion.name.to_string(),
            deleted_by: deletion.deleted_by,
            deleted_at: deletion.deleted_at,
        }
    }
}

/// Deletes a workspace that nobody holds the lock of; `safe` only one that
/// manages nothing any more. Its versions stay where they are; runs of it that
/// wait or plan are canceled.
pub async fn delete(ctx: &Ctx, workspace: &Workspace, safe: bool) -> Result<DeletedView> {
    let wanted = workspace.clone();
    let actor = ctx.actor().id().to_owned();
    let target = Target::Workspace(workspace.clone());
    door::change(ctx, DeleteWorkspace, target, move |tx| {
        let (wanted, actor) = (wanted.clone(), actor.clone());
        Box::pin(async move {
            let mut workspace = sql::needed(tx, &wanted).await?;
            freeze::require_thawed(tx, &workspace).await?;
            state::lock::require_free(tx, &workspace).await?;
            let head = state::head_of(tx, &workspace).await?;
            let inhabited = head.is_some_and(|head| head.opaque || head.resources > 0);
            if safe && inhabited {
                let words = format!(
                    "workspace `{}` still manages resources and is not safe to delete",
                    workspace.name
                );
                return Err(Error::new(Kind::Conflict, words)
                    .hint("destroy them first, or delete it by force: what it manages stays as it is, unmanaged"));
            }
            crate::run::end_all(tx, &workspace).await?;
            let deletion = Deletion {
                workspace: workspace.id.clone(),
                name: workspace.name.clone(),
                deleted_by: actor,
                deleted_at: tx.now(),
            };
            workspace.name = name_of(&workspace.id)?;
            tx.put(&workspace).await?;
            tx.put(&deletion).await?;
            let entry = Entry::new(&workspace.id);
            Ok(Outcome::Recorded(deletion.into(), entry))
        })
    })
    .await
}

/// What a deleted workspace is called in its row.
fn name_of(id: &WorkspaceId) -> Result<Name> {
    id.as_str()
        .parse()
        .map_err(|error| Error::internal(format!("{error}")))
}

/// Brings a deleted workspace back, under its old name or another.
pub async fn undelete(ctx: &Ctx, id: WorkspaceId, name: Option<Name>) -> Result<WorkspaceView> {
    if let Some(name) = &name {
        proper(name)?;
    }
    let given = Arc::new((id, name, ctx.clone()));
    saved::judged(ctx, |trial| undeleted(ctx, given.clone(), trial)).await
}

async fn undeleted(
    ctx: &Ctx,
    given: Arc<(WorkspaceId, Option<Name>, Ctx)>,
    trial: Trial,
) -> Result<WorkspaceView> {
    let target = Target::Workspace(Workspace::Deleted(given.0.clone()));
    door::change(ctx, UndeleteWorkspace, target.clone(), move |tx| {
        let (given, trial, target) = (given.clone(), trial.clone(), target.clone());
        Box::pin(async move {
            let (id, name, asked) = &*given;
            let gone = || Error::not_found("workspace");
            let mut workspace = sql::deleted(tx, id).await?.ok_or_else(gone)?;
            let deletion = sql::deletion(tx, id).await?.ok_or_else(|| {
                Error::tampered(format!(
                    "what the deleted workspace `{id}` was called is missing"
                ))
            })?;
            workspace.name = name.clone().unwrap_or(deletion.name);
            if sql::by_name(tx, &workspace.name).await?.is_some() {
                return Err(taken(&workspace.name).hint("bring it back under another `name`"));
            }
            if project::sql::by_id(tx, &workspace.project).await?.is_none() {
                // Its own went meanwhile: it comes into another, as if it were moved.
                let default = Project::Name(default_project()?);
                let default = project::sql::needed(tx, &default).await?.id;
                change::enter(tx, asked, (&mut workspace, &target), default).await?;
            }
            tx.put(&workspace).await?;
            tx.remove::<Deletion>(&[id.as_str().into()]).await?;
            trial.require(tx, asked, &workspace).await?;
            let entry = Entry::new(&workspace.id).fact("project", workspace.project.as_str());
            Ok(Outcome::Recorded(workspace.into(), trial.told(entry)))
        })
    })
    .await
}

/// Deleted workspaces, the newest deletion first; at most [`super::PAGE_MAX`].
pub async fn deleted(ctx: &Ctx) -> Result<Vec<DeletedView>> {
    let limit = i64::try_from(super::PAGE_MAX).unwrap_or(i64::MAX);
    door::read(ctx, ListDeleted, &Target::House, move |rows| {
        Box::pin(async move {
            let found = sql::deletions(rows, limit).await?;
            Ok(found.into_iter().map(DeletedView::from).collect())
        })
    })
    .await
}
