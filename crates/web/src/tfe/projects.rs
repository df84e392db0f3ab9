//! Projects.

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use statehouse_core::Ctx;
use statehouse_core::project::{self, Project, ProjectView};
use statehouse_model::ProjectId;

use super::document::{Document, Pagination, Sent, to};
use super::instant;
use super::query::Query;
use crate::auth::{self, Asker, At};
use crate::problem::Problem;

const KIND: &str = "projects";
/// Projects on one page.
const PAGE_MAX: usize = 100;

fn resource(ctx: &Ctx, project: &ProjectView) -> Value {
    json!({
        "type": KIND,
        "id": project.id,
        "attributes": {
            "name": project.name,
            "description": null,
            "created-at": instant::format(project.created_at),
            "permissions": { "can-update": true, "can-destroy": true, "can-create-workspace": true },
        },
        "relationships": {
            "organization": to("organizations", ctx.organization().map(statehouse_model::Name::as_str)),
        },
        "links": { "self": format!("/api/v2/projects/{}", project.id) },
    })
}

/// A page of the organization's projects, of certain names if they are asked for.
pub(crate) async fn list(
    asker: Asker,
    At(organization): At<String>,
    query: Query,
) -> Result<Document, Problem> {
    let ctx = asker.organization(&organization).await?;
    let mut found = project::list(&ctx).await?;
    if let Some(names) = query.get("filter[names]") {
        let names: Vec<&str> = names.split(',').map(str::trim).collect();
        found.retain(|project| names.contains(&project.name.as_str()));
    }
    if let Some(part) = query.get("q") {
        let part = part.to_lowercase();
        found.retain(|project| project.name.to_lowercase().contains(&part));
    }
    let pagination = Pagination {
        number: query.number()?.unwrap_or(1).max(1),
        size: query.size(PAGE_MAX)?,
        total: found.len() as u64,
    };
    let before = usize::try_from(pagination.number - 1).unwrap_or(usize::MAX);
    let page = found
        .iter()
        .skip(before.saturating_mul(pagination.size))
        .take(pagination.size);
    let page = page.map(|project| resource(&ctx, project)).collect();
    let path = format!("/api/v2/organizations/{organization}/projects");
    let next = pagination.next();
    let next = next.map(|next| query.next(&path, "page[number]", &next.to_string()));
    Ok(Document::page(page, Some(pagination), next))
}

/// A new project, or another name for one.
#[derive(Deserialize)]
pub(crate) struct Named {
    name: String,
}

/// Makes a project.
pub(crate) async fn create(
    asker: Asker,
    At(organization): At<String>,
    sent: Sent<Named>,
) -> Result<Document, Problem> {
    let ctx = asker.organization(&organization).await?;
    let name = sent.attributes.name.parse();
    let made = project::create(&ctx, name.map_err(Problem::unprocessable)?).await?;
    Ok(Document::made(resource(&ctx, &made)))
}

async fn of_id(asker: &Asker, text: &str) -> Result<(Ctx, Project), Problem> {
    let id: ProjectId = auth::id(text)?;
    Ok((asker.house_of(&id).await?, Project::Id(id)))
}

/// One project.
pub(crate) async fn show(asker: Asker, At(id): At<String>) -> Result<Document, Problem> {
    let (ctx, project) = of_id(&asker, &id).await?;
    let found = project::show(&ctx, &project).await?;
    Ok(Document::one(resource(&ctx, &found)))
}

/// Gives a project another name.
pub(crate) async fn update(
    asker: Asker,
    At(id): At<String>,
    sent: Sent<Named>,
) -> Result<Document, Problem> {
    let (ctx, project) = of_id(&asker, &id).await?;
    let name = sent.attributes.name.parse();
    let renamed = project::rename(&ctx, &project, name.map_err(Problem::unprocessable)?).await?;
    Ok(Document::one(resource(&ctx, &renamed)))
}

/// Removes a project that has no workspaces.
pub(crate) async fn delete(asker: Asker, At(id): At<String>) -> Result<StatusCode, Problem> {
    let (ctx, project) = of_id(&asker, &id).await?;
    project::delete(&ctx, &project).await?;
    Ok(StatusCode::NO_CONTENT)
}
