//! Workspaces.

use serde::Deserialize;
use statehouse_core::workspace::{self, PAGE_MAX, Workspace};
use statehouse_model::WorkspaceId;

use super::document::{self, Attributes, Document, Page, resource, resources};
use crate::auth::{self, Asked, Asker, At};
use crate::problem::Problem;

pub(super) const KIND: &str = "workspaces";

/// A page of the organization's workspaces, by name.
pub(crate) async fn list(
    asker: Asker,
    At(organization): At<String>,
    Asked(page): Asked<Page>,
) -> Result<Document, Problem> {
    let ctx = asker.organization(&organization).await?;
    let after = page.after.as_deref().map(auth::name).transpose()?;
    let size = page.size(PAGE_MAX);
    let found = workspace::list(&ctx, after, size).await?;
    let last = found.last().filter(|_| found.len() == size);
    let path = format!("/api/v2/organizations/{organization}/workspaces");
    let next = last.map(|last| document::next(&path, size, "after", &last.name));
    Ok(Document::list(resources(KIND, &found)?, next))
}

/// A new workspace.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct New {
    name: String,
    project: Option<String>,
}

/// Makes a workspace, in the default project unless one is named.
pub(crate) async fn create(
    asker: Asker,
    At(organization): At<String>,
    Attributes(new): Attributes<New>,
) -> Result<Document, Problem> {
    let ctx = asker.organization(&organization).await?;
    let project = new.project.as_deref().map(auth::name).transpose()?;
    let made = workspace::create(&ctx, auth::name(&new.name)?, project).await?;
    Ok(Document::made(resource(KIND, &made)?))
}

/// One workspace, by its name.
pub(crate) async fn show_named(
    asker: Asker,
    At((organization, name)): At<(String, String)>,
) -> Result<Document, Problem> {
    let ctx = asker.organization(&organization).await?;
    let found = workspace::show(&ctx, &Workspace::Name(auth::name(&name)?)).await?;
    Ok(Document::one(resource(KIND, &found)?))
}

/// One workspace, by its id.
pub(crate) async fn show(asker: Asker, At(id): At<String>) -> Result<Document, Problem> {
    let (ctx, workspace) = of_id(&asker, &id).await?;
    Ok(Document::one(resource(
        KIND,
        &workspace::show(&ctx, &workspace).await?,
    )?))
}

/// The caller in the house of a workspace's id, and the workspace.
pub(super) async fn of_id(
    asker: &Asker,
    text: &str,
) -> Result<(statehouse_core::Ctx, Workspace), Problem> {
    let id: WorkspaceId = auth::id(text)?;
    Ok((asker.house_of(&id).await?, Workspace::Id(id)))
}
