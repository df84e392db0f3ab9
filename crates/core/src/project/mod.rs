//! Projects: folders of workspaces, and a scope for roles.
//!
//! Every organization has a `default` project from its first day. Absent on
//! purpose: nesting.

pub(crate) mod sql;

use std::collections::BTreeSet;

use statehouse_model::{Name, Permission, ProjectId};

use crate::access::Rights;
use crate::ctx::Ctx;
use crate::door::{self, Entry, Outcome, Target, actions};
use crate::error::{Error, Kind, Result};
use crate::policy;
use crate::record::Rows;
use crate::variable;
use crate::workspace;
use sql::Project as Row;

/// The project that workspaces belong to unless said otherwise.
pub const DEFAULT: &str = "default";

actions! {
    /// Make a project.
    CreateProject = "project.create" needs ProjectCreate;
    /// See projects.
    ListProjects = "project.list" needs ProjectRead;
    /// See one.
    ShowProject = "project.show" needs ProjectRead;
    /// Rename one.
    UpdateProject = "project.update" needs ProjectUpdate;
    /// Remove one that is empty.
    DeleteProject = "project.delete" needs ProjectDelete;
}

/// How a caller names a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Project {
    /// By its id.
    Id(ProjectId),
    /// By its name, unique in the organization.
    Name(Name),
}

impl Project {
    pub(crate) fn target(&self) -> Target {
        match self {
            Self::Id(id) => Target::Project(id.clone()),
            Self::Name(name) => Target::ProjectNamed(name.clone()),
        }
    }
}

/// A project, for people and programs to read.
#[derive(Debug, Clone, serde::Serialize)]
pub struct ProjectView {
    /// Its id.
    pub id: String,
    /// Its name, unique in the organization.
    pub name: String,
    /// When it was made, in microseconds since 1970.
    pub created_at: i64,
}

impl From<Row> for ProjectView {
    fn from(project: Row) -> Self {
        Self {
            id: project.id.to_string(),
            name: project.name.to_string(),
            created_at: project.created_at,
        }
    }
}

/// A project, and what the caller may do with it.
#[derive(Debug, Clone)]
pub struct Full {
    /// The project.
    pub project: ProjectView,
    /// What of [`TOLD`] the caller may do.
    pub may: BTreeSet<Permission>,
}

/// What clients look at before they ask.
pub const TOLD: &[Permission] = &[
    Permission::ProjectUpdate,
    Permission::ProjectDelete,
    Permission::WorkspaceCreate,
];

/// What the caller may do with each of these.
async fn full(rows: &mut Rows, ctx: &Ctx, found: Vec<Row>) -> Result<Vec<Full>> {
    let rights = Rights::of(rows, ctx, ctx.house().now()).await?;
    let reaches = rights.reaches(TOLD)?;
    let mut all = Vec::with_capacity(found.len());
    for project in found {
        let may = reaches.that(|reach| reach.covers_project(&project.id));
        all.push(Full {
            project: project.into(),
            may,
        });
    }
    Ok(all)
}

/// Makes a project; its name must be free.
pub async fn create(ctx: &Ctx, name: Name) -> Result<ProjectView> {
    let id = ProjectId::from_entropy(ctx.house().code(), crate::entropy());
    door::change(ctx, CreateProject, Target::House, move |tx| {
        let project = Row {
            id: id.clone(),
            name: name.clone(),
            created_at: tx.now(),
        };
        Box::pin(async move {
            if sql::by_name(tx, &project.name).await?.is_some() {
                return Err(taken(&project.name));
            }
            tx.put(&project).await?;
            let entry = Entry::new(&project.id);
            Ok(Outcome::Recorded(project.into(), entry))
        })
    })
    .await
}

/// Every project of the organization that the caller may see, by name.
pub async fn list(ctx: &Ctx) -> Result<Vec<Full>> {
    let asked = ctx.clone();
    door::read_within(ctx, ListProjects, move |rows, reach| {
        Box::pin(async move {
            let mut found = sql::all(rows).await?;
            found.retain(|project| reach.covers_project(&project.id));
            full(rows, &asked, found).await
        })
    })
    .await
}

fn taken(name: &Name) -> Error {
    Error::new(Kind::Conflict, format!("a project named `{name}` exists"))
}

/// One project.
pub async fn show(ctx: &Ctx, project: &Project) -> Result<Full> {
    let (wanted, asked) = (project.clone(), ctx.clone());
    door::read(ctx, ShowProject, &project.target(), move |rows| {
        Box::pin(async move {
            let found = vec![sql::needed(rows, &wanted).await?];
            let shown = full(rows, &asked, found).await?.pop();
            shown.ok_or_else(|| Error::not_found("project"))
        })
    })
    .await
}

/// Gives a project another name, which must be free.
pub async fn rename(ctx: &Ctx, project: &Project, name: Name) -> Result<ProjectView> {
    let wanted = project.clone();
    door::change(ctx, UpdateProject, project.target(), move |tx| {
        let (wanted, name) = (wanted.clone(), name.clone());
        Box::pin(async move {
            let mut project = sql::needed(tx, &wanted).await?;
            if project.name == name {
                return Ok(Outcome::Unchanged(project.into()));
            }
            if project.name.as_str() == DEFAULT {
                return Err(Error::new(
                    Kind::Conflict,
                    format!("the project `{DEFAULT}` keeps its name: new workspaces belong to it"),
                ));
            }
            if sql::by_name(tx, &name).await?.is_some() {
                return Err(taken(&name));
            }
            project.name = name;
            tx.put(&project).await?;
            let entry = Entry::new(&project.id);
            Ok(Outcome::Recorded(project.into(), entry))
        })
    })
    .await
}

/// Removes a project that has no workspaces. Deleted ones do not count: they
/// come back in the default project.
pub async fn delete(ctx: &Ctx, project: &Project) -> Result<()> {
    let wanted = project.clone();
    door::change(ctx, DeleteProject, project.target(), move |tx| {
        let wanted = wanted.clone();
        Box::pin(async move {
            let project = sql::needed(tx, &wanted).await?;
            if project.name.as_str() == DEFAULT {
                let words = format!("the project `{DEFAULT}` cannot be removed");
                return Err(Error::new(Kind::Conflict, words));
            }
            let count = workspace::sql::of_project(tx, &project.id).await?;
            if count > 0 {
                let words = format!("the project `{}` has {count} workspaces", project.name);
                return Err(Error::new(Kind::Conflict, words)
                    .hint("move them to another project or delete them first"));
            }
            variable::set::leave_project(tx, &project.id).await?;
            policy::leave_project(tx, &project.id).await?;
            tx.remove::<Row>(&[project.id.as_str().into()]).await?;
            Ok(Outcome::Recorded((), Entry::new(&project.id)))
        })
    })
    .await
}
