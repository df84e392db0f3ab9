//! What sets of variables and of policies are attached to, as clients refer to it.

use statehouse_core::Ctx;
use statehouse_core::reach::To;
use statehouse_model::{Name, WorkspaceId};

use super::sent::{References, Relationships};
use super::{projects, workspaces};
use crate::auth;
use crate::problem::Problem;

pub(super) const ORGANIZATIONS: &str = "organizations";

/// Whose a set is to be: sets belong to organizations, and to no projects.
pub(super) fn of_organization(ctx: &Ctx, relations: &Relationships) -> Result<(), Problem> {
    let parent: Option<String> = relations.maybe("parent", ORGANIZATIONS)?;
    match parent {
        Some(parent) if ctx.organization().map(Name::as_str) != Some(&parent) => {
            let words = "the relation `parent` names another organization than the address";
            Err(Problem::unprocessable(words))
        }
        _ => Ok(()),
    }
}

/// The ids of workspaces that are referred to.
pub(super) fn workspace_ids(references: References) -> Result<Vec<WorkspaceId>, Problem> {
    let ids = references.of(workspaces::KIND)?;
    ids.iter().map(|id| auth::id(id)).collect()
}

/// The same, to be attached to.
pub(super) fn workspaces(references: References) -> Result<Vec<To>, Problem> {
    let ids = workspace_ids(references)?.into_iter();
    Ok(ids.map(To::Workspace).collect())
}

/// Projects that are referred to, to be attached to.
pub(super) fn projects(references: References) -> Result<Vec<To>, Problem> {
    let ids = references.of(projects::KIND)?;
    ids.iter()
        .map(|id| Ok(To::Project(auth::id(id)?)))
        .collect()
}
