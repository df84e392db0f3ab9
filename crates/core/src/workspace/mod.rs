//! Workspaces: one state each, with its history and its lock.
//!
//! A workspace is found by id or by name; both are resolved inside the
//! transaction that uses it. Terraform's `http` backend names workspaces that
//! do not exist yet, so [`ensure`] makes one for callers who may.
//!
//! A deleted workspace is no longer found and its name is free; its versions
//! and its leaves stay, and [`undelete`] brings it back. Deliberately absent:
//! removing one for good.

mod change;
mod delete;
pub mod freeze;
mod search;
pub(crate) mod sql;
mod tags;

use std::sync::Arc;

use statehouse_model::{ConfigurationId, Name, NotificationId, RunId, VersionId, WorkspaceId};

use crate::ctx::Ctx;
use crate::door::{self, Entry, Outcome, Target, actions};
use crate::drift;
use crate::error::{Error, Kind, Result};
use crate::execution;
use crate::policy::saved::{self, Trial};
use crate::project::{self, Project};
pub(crate) use change::unset;
pub use change::{Change, New, Settings, create_as, update};
pub use delete::{DeletedView, delete, deleted, undelete};
pub use search::{Full, Order, Page, Search, full, search};
pub use tags::{TagView, WishedTag, add_tags, all_tags, remove_tags, tags};

/// Workspaces on one page of a list.
pub const PAGE_MAX: usize = 100;

actions! {
    /// Make a workspace.
    CreateWorkspace = "workspace.create" needs WorkspaceCreate;
    /// See workspaces.
    ListWorkspaces = "workspace.list" needs WorkspaceRead;
    /// See one.
    ShowWorkspace = "workspace.show" needs WorkspaceRead;
}

/// How a caller names a workspace.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Workspace {
    /// By its id.
    Id(WorkspaceId),
    /// By its name, unique in the organization.
    Name(Name),
    /// The one that a version of a state belongs to.
    Of(VersionId),
    /// The one that a run belongs to.
    OfRun(RunId),
    /// The one that a configuration belongs to.
    OfConfiguration(ConfigurationId),
    /// The one of whose runs somebody is notified.
    OfNotification(NotificationId),
    /// One that was deleted, by its id.
    Deleted(WorkspaceId),
}

impl std::fmt::Display for Workspace {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Id(id) | Self::Deleted(id) => id.fmt(formatter),
            Self::Name(name) => name.fmt(formatter),
            Self::Of(version) => version.fmt(formatter),
            Self::OfRun(run) => run.fmt(formatter),
            Self::OfConfiguration(configuration) => configuration.fmt(formatter),
            Self::OfNotification(notification) => notification.fmt(formatter),
        }
    }
}

/// A workspace, for people and programs to read.
#[derive(Debug, Clone, serde::Serialize)]
pub struct WorkspaceView {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The id of its project.
    pub project: String,
    /// The id of the current version of its state.
    pub head: Option<String>,
    /// How many finished versions it has.
    pub versions: u64,
    /// The id under which the lock is held.
    pub lock_id: Option<String>,
    /// Who holds the lock.
    pub locked_by: Option<String>,
    /// Since when, in microseconds since 1970.
    pub locked_at: Option<i64>,
    /// The fence: how often the lock was taken.
    pub fence: u64,
    /// When it was made, in microseconds since 1970.
    pub created_at: i64,
}

impl From<sql::Workspace> for WorkspaceView {
    fn from(workspace: sql::Workspace) -> Self {
        Self {
            id: workspace.id.to_string(),
            name: workspace.name.to_string(),
            project: workspace.project.to_string(),
            head: workspace.head.map(|head| head.to_string()),
            versions: workspace.sequence,
            lock_id: workspace.lock_id,
            locked_by: workspace.lock_holder.map(|holder| holder.to_string()),
            locked_at: workspace.locked_at,
            fence: workspace.fence,
            created_at: workspace.created_at,
        }
    }
}

/// Makes a workspace in `project` (the default one unless named).
pub async fn create(ctx: &Ctx, name: Name, project: Option<Name>) -> Result<WorkspaceView> {
    let new = New {
        project: project.map(Project::Name),
        ..New::named(name)
    };
    make(ctx, new, true).await
}

/// The workspace of that name, made in the default project if it is missing.
pub async fn ensure(ctx: &Ctx, name: Name) -> Result<WorkspaceView> {
    make(ctx, New::named(name), false).await
}

async fn make(ctx: &Ctx, new: New, fresh: bool) -> Result<WorkspaceView> {
    proper(&new.name)?;
    let id = WorkspaceId::from_entropy(ctx.house().code(), crate::entropy());
    let project = match new.project.clone() {
        Some(project) => project,
        None => Project::Name(default_project()?),
    };
    let given = Arc::new((id, new, project, ctx.clone()));
    saved::judged(ctx, |trial| made(ctx, given.clone(), fresh, trial)).await
}

async fn made(
    ctx: &Ctx,
    given: Arc<(WorkspaceId, New, Project, Ctx)>,
    fresh: bool,
    trial: Trial,
) -> Result<WorkspaceView> {
    let target = given.2.target();
    door::change(ctx, CreateWorkspace, target, move |tx| {
        let (given, trial) = (given.clone(), trial.clone());
        Box::pin(async move {
            let (id, new, project, asked) = &*given;
            if let Some(found) = sql::by_name(tx, &new.name).await? {
                if fresh {
                    return Err(taken(&new.name));
                }
                return Ok(Outcome::Unchanged(found.into()));
            }
            let workspace = sql::Workspace {
                id: id.clone(),
                project: project::sql::needed(tx, project).await?.id,
                name: new.name.clone(),
                created_at: tx.now(),
                head: None,
                sequence: 0,
                fence: 0,
                lock_id: None,
                lock_holder: None,
                locked_at: None,
                unlocked_id: None,
                unlocked_by: None,
            };
            tx.put(&workspace).await?;
            change::put_settings(tx, &workspace.id, &new.settings).await?;
            tags::put(tx, &workspace, &new.tags).await?;
            let placed = execution::place(tx, asked, &workspace, new.mode.clone()).await?;
            let switched = drift::switch(tx, asked, &workspace, new.looks).await?;
            trial.require(tx, asked, &workspace).await?;
            let entry = Entry::new(&workspace.id).fact("project", workspace.project.as_str());
            let entry = change::told(entry, new.mode.as_ref().filter(|_| placed));
            let entry = change::told_looks(entry, new.looks.filter(|_| switched));
            Ok(Outcome::Recorded(workspace.into(), trial.told(entry)))
        })
    })
    .await
}

fn default_project() -> Result<Name> {
    project::DEFAULT
        .parse()
        .map_err(|error| Error::internal(format!("{error}")))
}

fn taken(name: &Name) -> Error {
    Error::new(Kind::Conflict, format!("a workspace named `{name}` exists"))
}

/// A workspace cannot be called like an id: a deleted one carries its own, and
/// addresses take either.
fn proper(name: &Name) -> Result<()> {
    if name.as_str().parse::<WorkspaceId>().is_ok() {
        let words = format!("`{name}` is an id and cannot be a name");
        return Err(Error::invalid(words));
    }
    Ok(())
}

/// One workspace.
pub async fn show(ctx: &Ctx, workspace: &Workspace) -> Result<WorkspaceView> {
    let wanted = workspace.clone();
    door::read(
        ctx,
        ShowWorkspace,
        &Target::Workspace(workspace.clone()),
        move |rows| {
            Box::pin(async move {
                let found = sql::needed(rows, &wanted).await?;
                Ok(found.into())
            })
        },
    )
    .await
}

/// The id of a workspace, for a caller who may do `action` to it.
pub(crate) async fn id_of<A: door::Action>(
    ctx: &Ctx,
    action: A,
    workspace: &Workspace,
) -> Result<WorkspaceId> {
    let wanted = workspace.clone();
    door::read(
        ctx,
        action,
        &Target::Workspace(workspace.clone()),
        move |rows| {
            Box::pin(async move {
                let found = sql::needed(rows, &wanted).await?;
                Ok(found.id)
            })
        },
    )
    .await
}

/// Workspaces by name, after the one named `after`; at most [`PAGE_MAX`].
pub async fn list(ctx: &Ctx, after: Option<Name>, limit: usize) -> Result<Vec<WorkspaceView>> {
    let search = Search {
        after,
        size: limit,
        ..Search::default()
    };
    let found = search::search(ctx, search).await?;
    Ok(found.items.into_iter().map(|full| full.workspace).collect())
}
