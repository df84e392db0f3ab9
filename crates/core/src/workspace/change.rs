//! Making a workspace with all that it may have, and changing it.

use std::sync::Arc;

use statehouse_model::{Name, Permission, ProjectId, WorkspaceId};

use super::{WishedTag, Workspace, WorkspaceView, make, proper, sql, tags, taken};
use crate::access;
use crate::ctx::Ctx;
use crate::door::{self, Action, Entry, Outcome, Target, Tx, actions};
use crate::drift;
use crate::error::{Error, Result};
use crate::execution::{self, Mode};
use crate::policy::force;
use crate::policy::saved::{self, Trial};
use crate::project::{self, Project};

actions! {
    /// Change a workspace.
    UpdateWorkspace = "workspace.update" needs WorkspaceUpdate;
}

/// Longest text of a setting, in bytes. What people describe fits.
const TEXT_BYTES_MAX: usize = 4096;

/// Settings to set; what is `None` stays as it is.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// What it is for.
    pub description: Option<String>,
    /// The version of the tool; empty for none in particular.
    pub terraform_version: Option<String>,
    /// Where in its repository it lies.
    pub working_directory: Option<String>,
    /// Whether its runs are applied unasked.
    pub auto_apply: Option<bool>,
    /// Whether its runs log in a form that programs read.
    pub structured_run_output: Option<bool>,
}

impl Settings {
    fn is_empty(&self) -> bool {
        let texts = [
            &self.description,
            &self.terraform_version,
            &self.working_directory,
        ];
        texts.into_iter().all(Option::is_none)
            && self.auto_apply.is_none()
            && self.structured_run_output.is_none()
    }

    fn check(&self) -> Result<()> {
        let texts = [
            ("description", &self.description),
            ("terraform-version", &self.terraform_version),
            ("working-directory", &self.working_directory),
        ];
        for (name, text) in texts {
            if text
                .as_ref()
                .is_some_and(|text| text.len() > TEXT_BYTES_MAX)
            {
                let words =
                    format!("`{name}` is longer than the {TEXT_BYTES_MAX} bytes it may have");
                return Err(Error::invalid(words));
            }
        }
        Ok(())
    }
}

/// A workspace to make.
#[derive(Debug, Clone)]
pub struct New {
    /// Its name.
    pub name: Name,
    /// Its project; the default one unless said.
    pub project: Option<Project>,
    /// Its settings.
    pub settings: Settings,
    /// Its tags.
    pub tags: Vec<WishedTag>,
    /// Where its runs happen. Needs the permission for it, if that is not what its project says.
    pub mode: Option<Mode>,
    /// Whether drift is looked for, by the same permission.
    pub looks: Option<bool>,
}

impl New {
    /// One of that name, and nothing else said.
    pub fn named(name: Name) -> Self {
        Self {
            name,
            project: None,
            settings: Settings::default(),
            tags: Vec::new(),
            mode: None,
            looks: None,
        }
    }
}

/// What to change of a workspace; what is `None` stays as it is.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// Its name. Needs the permission to delete it, because it is gone under the old one.
    pub name: Option<Name>,
    /// Its project. Needs that, and to make workspaces in the new one.
    pub project: Option<Project>,
    /// Its settings.
    pub settings: Settings,
    /// Tags to add, or to set to another value.
    pub tags: Vec<WishedTag>,
    /// Where its runs happen. Needs the permission for it.
    pub mode: Option<Mode>,
    /// Whether drift is looked for. Needs the same permission.
    pub looks: Option<bool>,
}

/// Makes a workspace; its name must be free.
pub async fn create_as(ctx: &Ctx, new: New) -> Result<WorkspaceView> {
    new.settings.check()?;
    tags::check(&new.tags)?;
    make(ctx, new, true).await
}

/// Changes a workspace.
pub async fn update(ctx: &Ctx, workspace: &Workspace, change: Change) -> Result<WorkspaceView> {
    change.settings.check()?;
    tags::check(&change.tags)?;
    if let Some(name) = &change.name {
        proper(name)?;
    }
    saved::judged(ctx, |trial| {
        let given = (workspace.clone(), change.clone());
        updated(ctx, given, trial)
    })
    .await
}

async fn updated(
    ctx: &Ctx,
    (workspace, change): (Workspace, Change),
    trial: Trial,
) -> Result<WorkspaceView> {
    let target = Target::Workspace(workspace.clone());
    let given = Arc::new((workspace, change, ctx.clone(), trial));
    door::change(ctx, UpdateWorkspace, target, move |tx| {
        let given = given.clone();
        Box::pin(async move {
            let (wanted, change, asked, trial) = &*given;
            let mut workspace = sql::needed(tx, wanted).await?;
            let before = execution::of(tx, &workspace).await?;
            let judged_by = force::names_of(tx, &workspace).await?;
            let moved = relocate(tx, asked, &mut workspace, change).await?;
            if moved {
                tx.put(&workspace).await?;
            }
            let set = put_settings(tx, &workspace.id, &change.settings).await?;
            let tagged = tags::put(tx, &workspace, &change.tags).await?;
            let placed = execution::place(tx, asked, &workspace, change.mode.clone()).await?;
            let switched = drift::switch(tx, asked, &workspace, change.looks).await?;
            // A tag or a project that it had may be what a policy set reaches it by.
            force::require_none_lost(tx, asked, &workspace, &judged_by).await?;
            if !moved && !set && !tagged && !placed && !switched {
                return Ok(Outcome::Unchanged(workspace.into()));
            }
            trial.require(tx, asked, &workspace).await?;
            let entry = Entry::new(&workspace.id).fact("project", workspace.project.as_str());
            let after = execution::of(tx, &workspace).await?;
            let entry = told(
                entry,
                Some(&after.mode).filter(|mode| **mode != before.mode),
            );
            let entry = told_looks(entry, change.looks.filter(|_| switched));
            Ok(Outcome::Recorded(workspace.into(), trial.told(entry)))
        })
    })
    .await
}

/// Says where the runs of a workspace happen from now on, if that is another place.
pub(super) fn told(entry: Entry, mode: Option<&Mode>) -> Entry {
    match mode {
        Some(mode) => mode.told(entry),
        None => entry,
    }
}

/// Says whether drift is looked for from now on, if that is otherwise than before.
pub(super) fn told_looks(entry: Entry, looks: Option<bool>) -> Entry {
    match looks {
        Some(looks) => entry.fact("looks-for-drift", looks),
        None => entry,
    }
}

/// Gives a workspace its new name and project, and says whether either is another.
async fn relocate(
    tx: &mut Tx<UpdateWorkspace>,
    ctx: &Ctx,
    workspace: &mut sql::Workspace,
    change: &Change,
) -> Result<bool> {
    let mut moved = false;
    let own = Target::Workspace(Workspace::Id(workspace.id.clone()));
    if let Some(name) = change.name.clone().filter(|name| *name != workspace.name) {
        let now = tx.now();
        access::decide(tx, ctx, Permission::WorkspaceDelete, &own, now).await?;
        if sql::by_name(tx, &name).await?.is_some() {
            return Err(taken(&name));
        }
        workspace.name = name;
        moved = true;
    }
    if let Some(project) = &change.project {
        let project = project::sql::needed(tx, project).await?.id;
        if project != workspace.project {
            let now = tx.now();
            access::decide(tx, ctx, Permission::WorkspaceDelete, &own, now).await?;
            enter(tx, ctx, (workspace, &own), project).await?;
            moved = true;
        }
    }
    Ok(moved)
}

/// Puts a workspace into a project, in which the caller must be allowed to make one; and to say where and when its runs
/// happen, where they happen otherwise there. What the project gives to runs they have then.
pub(super) async fn enter<A: Action>(
    tx: &mut Tx<A>,
    ctx: &Ctx,
    (workspace, own): (&mut sql::Workspace, &Target),
    project: ProjectId,
) -> Result<()> {
    let (now, into) = (tx.now(), Target::Project(project.clone()));
    access::decide(tx, ctx, Permission::WorkspaceCreate, &into, now).await?;
    let before = execution::of(tx, workspace).await?;
    workspace.project = project;
    if !execution::of(tx, workspace).await?.is_as(&before) {
        access::decide(tx, ctx, Permission::RunConfigure, own, now).await?;
    }
    Ok(())
}

/// Sets settings, and says whether any is another now.
pub(super) async fn put_settings<A: Action>(
    tx: &mut Tx<A>,
    workspace: &WorkspaceId,
    new: &Settings,
) -> Result<bool> {
    if new.is_empty() {
        return Ok(false);
    }
    let now = tx.now();
    let found = sql::setting(tx, workspace).await?;
    let old = found.unwrap_or_else(|| unset(workspace.clone()));
    let kept = |new: &Option<String>, old: &String| new.clone().unwrap_or_else(|| old.clone());
    let setting = sql::Setting {
        workspace: workspace.clone(),
        description: kept(&new.description, &old.description),
        terraform_version: kept(&new.terraform_version, &old.terraform_version),
        working_directory: kept(&new.working_directory, &old.working_directory),
        auto_apply: new.auto_apply.unwrap_or(old.auto_apply),
        structured_run_output: new
            .structured_run_output
            .unwrap_or(old.structured_run_output),
        updated_at: now,
    };
    let same = setting.description == old.description
        && setting.terraform_version == old.terraform_version
        && setting.working_directory == old.working_directory
        && setting.auto_apply == old.auto_apply
        && setting.structured_run_output == old.structured_run_output;
    if same {
        return Ok(false);
    }
    tx.put(&setting).await?;
    Ok(true)
}

/// The settings of a workspace of which nothing was set.
pub(crate) fn unset(workspace: WorkspaceId) -> sql::Setting {
    sql::Setting {
        workspace,
        description: String::new(),
        terraform_version: String::new(),
        working_directory: String::new(),
        auto_apply: false,
        structured_run_output: true,
        updated_at: 0,
    }
}
