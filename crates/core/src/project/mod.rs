//! Projects: folders of workspaces, and a scope for roles.
//!
//! Every organization has a `default` project from its first day. Absent on
//! purpose: nesting.

pub(crate) mod sql;

use statehouse_model::{Name, ProjectId};

use crate::ctx::Ctx;
use crate::door::{self, Entry, Outcome, Target, actions};
use crate::error::{Error, Kind, Result};
use sql::Project;

/// The project that workspaces belong to unless said otherwise.
pub const DEFAULT: &str = "default";

actions! {
    /// Make a project.
    CreateProject = "project.create" needs ProjectCreate;
    /// See projects.
    ListProjects = "project.list" needs ProjectRead;
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

impl From<Project> for ProjectView {
    fn from(project: Project) -> Self {
        Self {
            id: project.id.to_string(),
            name: project.name.to_string(),
            created_at: project.created_at,
        }
    }
}

/// Makes a project; its name must be free.
pub async fn create(ctx: &Ctx, name: Name) -> Result<ProjectView> {
    let id = ProjectId::from_entropy(ctx.house().code(), crate::entropy());
    door::change(ctx, CreateProject, Target::House, move |tx| {
        let project = Project {
            id: id.clone(),
            name: name.clone(),
            created_at: tx.now(),
        };
        Box::pin(async move {
            if sql::by_name(tx, &project.name).await?.is_some() {
                return Err(Error::new(
                    Kind::Conflict,
                    format!("a project named `{}` exists", project.name),
                ));
            }
            tx.put(&project).await?;
            let entry = Entry::new(&project.id);
            Ok(Outcome::Recorded(project.into(), entry))
        })
    })
    .await
}

/// Every project of the organization, by name.
pub async fn list(ctx: &Ctx) -> Result<Vec<ProjectView>> {
    door::read(ctx, ListProjects, &Target::House, |rows| {
        Box::pin(async move {
            Ok(sql::all(rows)
                .await?
                .into_iter()
                .map(ProjectView::from)
                .collect())
        })
    })
    .await
}
