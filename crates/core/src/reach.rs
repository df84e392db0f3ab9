//! Where something reaches that is said for many workspaces at once: sets of variables, and of policies.
//!
//! It is every workspace of the organization, or those that are named and those of the projects that are named; never both, so that it is said in
//! one place. A row holds it as a flag and a text of ids: one MAC binds it to the rest, so that no place can be taken from it by a row alone.

use std::collections::BTreeSet;

use statehouse_model::{ProjectId, WorkspaceId};

use crate::door::Entry;
use crate::error::{Error, Kind, Result};
use crate::project::{self, Project};
use crate::record::Rows;
use crate::workspace::sql::Workspace as WorkspaceRow;
use crate::workspace::{self, Workspace};

/// Projects and workspaces that one thing is attached to; for more, there are projects,
/// and what reaches everything.
const SCOPES_MAX: usize = 500;

/// What something can be attached to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum To {
    /// A project: all its workspaces.
    Project(ProjectId),
    /// A workspace.
    Workspace(WorkspaceId),
}

impl To {
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Project(id) => id.as_str(),
            Self::Workspace(id) => id.as_str(),
        }
    }

    /// Refuses what is not there.
    pub(crate) async fn require(&self, rows: &mut Rows) -> Result<()> {
        match self {
            Self::Project(id) => {
                let project = Project::Id(id.clone());
                project::sql::needed(rows, &project).await.map(drop)
            }
            Self::Workspace(id) => {
                let workspace = Workspace::Id(id.clone());
                workspace::sql::needed(rows, &workspace).await.map(drop)
            }
        }
    }
}

/// How far something shall reach; what is `None` stays as it is.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// Whether it reaches every workspace. What does is attached to nothing.
    pub global: Option<bool>,
    /// The projects that it is attached to, and no others.
    pub projects: Option<Vec<ProjectId>>,
    /// The workspaces that it is attached to, and no others.
    pub workspaces: Option<Vec<WorkspaceId>>,
}

/// How far something reaches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Reach {
    pub(crate) global: bool,
    /// The ids of projects and workspaces.
    pub(crate) scopes: BTreeSet<String>,
}

impl Wish {
    /// To every workspace, or not.
    pub fn global(global: bool) -> Self {
        let global = Some(global);
        Self {
            global,
            ..Self::default()
        }
    }

    /// To these workspaces.
    pub fn workspaces(workspaces: impl IntoIterator<Item = WorkspaceId>) -> Self {
        Self {
            workspaces: Some(workspaces.into_iter().collect()),
            ..Self::default()
        }
    }

    /// Refuses more than one thing can be attached to; `what` it is, in words.
    pub(crate) fn checked(&self, what: &str) -> Result<()> {
        bounded(what, self.to().len())
    }

    /// What it is to be attached to.
    fn to(&self) -> Vec<To> {
        let projects = self.projects.iter().flatten().cloned().map(To::Project);
        let workspaces = self.workspaces.iter().flatten().cloned();
        projects.chain(workspaces.map(To::Workspace)).collect()
    }

    /// What becomes of a reach that is wished to be so.
    pub(crate) async fn over(&self, rows: &mut Rows, what: &str, old: &Reach) -> Result<Reach> {
        let global = self.global.unwrap_or(old.global);
        let to = self.to();
        for each in &to {
            each.require(rows).await?;
        }
        if global && !to.is_empty() {
            return Err(reaches_all(what));
        }
        if global {
            // What becomes so leaves what it was attached to.
            let scopes = BTreeSet::new();
            return Ok(Reach { global, scopes });
        }
        let stays = |scope: &&String| {
            if is_project(scope) {
                self.projects.is_none()
            } else {
                self.workspaces.is_none()
            }
        };
        let mut scopes: BTreeSet<String> = old.scopes.iter().filter(stays).cloned().collect();
        scopes.extend(to.iter().map(|each| each.as_str().to_owned()));
        bounded(what, scopes.len())?;
        Ok(Reach { global, scopes })
    }
}

fn is_project(scope: &str) -> bool {
    scope.parse::<ProjectId>().is_ok()
}

/// Refuses more than one thing can be attached to.
pub(crate) fn bounded(what: &str, count: usize) -> Result<()> {
    if count > SCOPES_MAX {
        let words = format!("{what} is attached to at most {SCOPES_MAX} projects and workspaces");
        return Err(Error::invalid(words).hint("attach it to a project, or let it be global"));
    }
    Ok(())
}

fn reaches_all(what: &str) -> Error {
    let words = format!("{what} that is global reaches every workspace, and is attached to none");
    Error::new(Kind::Conflict, words)
        .hint("let it be global no more, or leave out what it is attached to")
}

/// Names projects and workspaces in a leaf, each in a fact of its own, so that it is found.
pub(crate) fn named<'a>(entry: Entry, scopes: impl IntoIterator<Item = &'a str>) -> Entry {
    let numbered = scopes.into_iter().zip(1..);
    numbered.fold(entry, |entry, (scope, number)| {
        entry.fact(&format!("scope-{number}"), scope)
    })
}

impl Reach {
    /// Reads it off a row.
    pub(crate) fn of(global: bool, scopes: &str) -> Self {
        let scopes = scopes.split_whitespace().map(str::to_owned).collect();
        Self { global, scopes }
    }

    /// The ids as a row holds them.
    pub(crate) fn text(&self) -> String {
        let scopes: Vec<&str> = self.scopes().collect();
        scopes.join(" ")
    }

    /// The ids of the projects and workspaces.
    pub(crate) fn scopes(&self) -> impl Iterator<Item = &str> {
        self.scopes.iter().map(String::as_str)
    }

    /// The ids of projects, and those of workspaces.
    pub(crate) fn split(&self) -> (Vec<String>, Vec<String>) {
        let scopes = self.scopes.iter().cloned();
        scopes.partition(|scope| is_project(scope))
    }

    /// Whether it reaches a workspace.
    pub(crate) fn reaches(&self, workspace: &WorkspaceRow) -> bool {
        let names = [workspace.project.as_str(), workspace.id.as_str()];
        self.global || names.iter().any(|name| self.scopes.contains(*name))
    }

    /// Attaches it to these beside the others; the ids that are new, none where all are there.
    pub(crate) async fn attach(
        &mut self,
        rows: &mut Rows,
        what: &str,
        to: &[To],
    ) -> Result<Vec<String>> {
        for each in to {
            each.require(rows).await?;
        }
        if self.global && !to.is_empty() {
            return Err(reaches_all(what));
        }
        let asked = to.iter().map(|each| each.as_str().to_owned());
        let new = asked.filter(|each| self.scopes.insert(each.clone()));
        let new = new.collect();
        bounded(what, self.scopes.len())?;
        Ok(new)
    }

    /// Takes it from these; the ids that it was attached to.
    pub(crate) fn detach(&mut self, from: &[&str]) -> Vec<String> {
        let is_gone = |scope: &&str| self.scopes.contains(*scope);
        let gone: Vec<String> = from
            .iter()
            .filter(|scope| is_gone(scope))
            .map(|&scope| scope.to_owned())
            .collect();
        self.scopes.retain(|scope| !gone.contains(scope));
        gone
    }
}
