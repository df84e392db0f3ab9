//! Projects.

use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use statehouse_core::Ctx;
use statehouse_core::project::{self, Full, Project};
use statehouse_model::{Permission, ProjectId};

use super::document::{Document, to};
use super::instant::{self, Instant};
use super::query::{Query, Sizes};
use super::sent::Sent;
use crate::auth::{self, Asker, At};
use crate::problem::Problem;

pub(super) const KIND: &str = "projects";
/// Projects on one page.
const PAGE: Sizes = Sizes::whole(100);

/// What is told of a project.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Told {
    name: String,
    /// Always null.
    description: Option<String>,
    created_at: Option<Instant>,
    permissions: May,
}

/// What the caller may do with it.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
struct May {
    can_update: bool,
    can_destroy: bool,
    can_create_workspace: bool,
}

fn resource(ctx: &Ctx, full: &Full) -> Value {
    let project = &full.project;
    let may = |permission| full.may.contains(&permission);
    json!({
        "type": KIND,
        "id": project.id,
        "attributes": Told {
            name: project.name.clone(),
            description: None,
            created_at: instant::at(project.created_at),
            permissions: May {
                can_update: may(Permission::ProjectUpdate),
                can_destroy: may(Permission::ProjectDelete),
                can_create_workspace: may(Permission::WorkspaceCreate),
            },
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
    let names = query.words("filter[names]");
    if !names.is_empty() {
        found.retain(|full| names.contains(&full.project.name));
    }
    if let Some(part) = query.lower("q") {
        found.retain(|full| full.project.name.to_lowercase().contains(&part));
    }
    query.sort(&mut found, |full, by| match by {
        "created-at" => instant::format(full.project.created_at).unwrap_or_default(),
        _ => full.project.name.clone(),
    });
    let path = format!("/api/v2/organizations/{organization}/projects");
    let (page, pages) = query.page(&path, found, PAGE)?;
    let page = page.iter().map(|full| resource(&ctx, full));
    Ok(Document::page(page.collect(), &pages))
}

/// A new project, or another name for one.
#[derive(Deserialize, JsonSchema)]
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
    let made = project::show(&ctx, &Project::Id(auth::id(&made.id)?)).await?;
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
    project::rename(&ctx, &project, name.map_err(Problem::unprocessable)?).await?;
    let renamed = project::show(&ctx, &project).await?;
    Ok(Document::one(resource(&ctx, &renamed)))
}

/// Removes a project that has no workspaces.
pub(crate) async fn delete(asker: Asker, At(id): At<String>) -> Result<StatusCode, Problem> {
    let (ctx, project) = of_id(&asker, &id).await?;
    project::delete(&ctx, &project).await?;
    Ok(StatusCode::NO_CONTENT)
}
