//! Sets of variables, as the platform's clients know them. Their variables are routes of `variables`.

use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use statehouse_core::Ctx;
use statehouse_core::project::Project;
use statehouse_core::reach;
use statehouse_core::variable::set::{self, SetView, Wish};
use statehouse_model::{Name, ProjectId, VariableSetId};

use super::document::{Document, to, to_many};
use super::instant::{self, Instant};
use super::query::{PAGE, Query};
use super::sent::{References, Sent, only};
use super::{attached, projects, variables, workspaces};
use crate::auth::{self, Asker, At};
use crate::problem::Problem;

pub(super) const KIND: &str = "varsets";

/// What clients ask to be beside sets: the references are there already, and there are no stacks.
pub(crate) const PASSED: &[&str] = &["organization", "projects", "stacks", "vars", "workspaces"];

/// What is told of a set of variables.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Told {
    name: String,
    description: String,
    /// Whether it reaches every workspace.
    global: bool,
    /// Whether nothing that is said for less of the organization goes over it.
    priority: bool,
    /// When it was changed last, its variables aside.
    updated_at: Option<Instant>,
    var_count: usize,
    workspace_count: usize,
    project_count: usize,
    permissions: May,
}

/// What the caller may do with it.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
struct May {
    can_update: bool,
}

fn resource(ctx: &Ctx, set: &SetView) -> Value {
    let attributes = Told {
        name: set.name.clone(),
        description: set.description.clone(),
        global: set.global,
        priority: set.priority,
        updated_at: instant::at(set.updated_at),
        var_count: set.variables.len(),
        workspace_count: set.workspaces.len(),
        project_count: set.projects.len(),
        permissions: May {
            can_update: set.manageable,
        },
    };
    let organization = to(
        attached::ORGANIZATIONS,
        ctx.organization().map(Name::as_str),
    );
    let many = |kind, ids: &[String]| to_many(kind, ids.iter().map(String::as_str));
    json!({
        "type": KIND,
        "id": set.id,
        "attributes": attributes,
        "relationships": {
            "organization": organization,
            "parent": organization,
            "projects": many(projects::KIND, &set.projects),
            "workspaces": many(workspaces::KIND, &set.workspaces),
            "vars": many(variables::KIND, &set.variables),
        },
        "links": { "self": format!("/api/v2/varsets/{}", set.id) },
    })
}

/// The house of a set's id, and the id.
pub(super) async fn of_id(asker: &Asker, text: &str) -> Result<(Ctx, VariableSetId), Problem> {
    let id: VariableSetId = auth::id(text)?;
    Ok((asker.house_of(&id).await?, id))
}

/// A set of variables to make, or to change; what is left out stays as it is.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Wished {
    /// Unique in the organization.
    name: Option<String>,
    description: Option<String>,
    /// Whether it reaches every workspace; one that does is attached to nothing.
    global: Option<bool>,
    /// Whether nothing that is said for less of the organization goes over it, variables of a run neither.
    priority: Option<bool>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// What a document wishes of a set of the organization.
fn wish(ctx: &Ctx, sent: Sent<Wished>) -> Result<Wish, Problem> {
    let (wished, relations) = (sent.attributes, sent.relationships);
    only(&wished.rest, &json!({}))?;
    attached::of_organization(ctx, &relations)?;
    for absent in ["vars", "stacks"] {
        if !relations.items::<Value>(absent)?.is_empty() {
            return Err(Problem::unprocessable(format!(
                "a set is not made or changed together with its `{absent}`; variables have an address of their own, below it"
            )));
        }
    }
    Ok(Wish {
        name: wished.name,
        description: wished.description,
        priority: wished.priority,
        reach: reach::Wish {
            global: wished.global,
            projects: relations.said("projects", projects::KIND)?,
            workspaces: relations.said("workspaces", workspaces::KIND)?,
        },
    })
}

/// A page of these sets, of those that are looked for.
fn page(
    ctx: &Ctx,
    mut found: Vec<SetView>,
    query: &Query,
    path: &str,
) -> Result<Document, Problem> {
    if let Some(part) = query.lower("q") {
        found.retain(|set| set.name.to_lowercase().contains(&part));
    }
    let (page, pages) = query.page(path, found, PAGE)?;
    let data = page.iter().map(|set| resource(ctx, set)).collect();
    Ok(Document::page(data, &pages))
}

/// The sets of an organization, by name.
pub(crate) async fn list(
    asker: Asker,
    At(organization): At<String>,
    query: Query,
) -> Result<Document, Problem> {
    let ctx = asker.organization(&organization).await?;
    let path = format!("/api/v2/organizations/{organization}/varsets");
    page(&ctx, set::list(&ctx).await?, &query, &path)
}

/// The sets that reach a workspace, by name.
pub(crate) async fn list_of_workspace(
    asker: Asker,
    At(id): At<String>,
    query: Query,
) -> Result<Document, Problem> {
    let (ctx, workspace) = workspaces::of_id(&asker, &id).await?;
    let found = set::of_workspace(&ctx, &workspace).await?;
    page(
        &ctx,
        found,
        &query,
        &format!("/api/v2/workspaces/{id}/varsets"),
    )
}

/// The sets that reach all workspaces of a project, by name.
pub(crate) async fn list_of_project(
    asker: Asker,
    At(id): At<String>,
    query: Query,
) -> Result<Document, Problem> {
    let project: ProjectId = auth::id(&id)?;
    let ctx = asker.house_of(&project).await?;
    let found = set::of_project(&ctx, &Project::Id(project)).await?;
    page(
        &ctx,
        found,
        &query,
        &format!("/api/v2/projects/{id}/varsets"),
    )
}

/// Makes a set.
pub(crate) async fn create(
    asker: Asker,
    At(organization): At<String>,
    sent: Sent<Wished>,
) -> Result<Document, Problem> {
    let ctx = asker.organization(&organization).await?;
    let made = set::create(&ctx, wish(&ctx, sent)?).await?;
    Ok(Document::made(resource(&ctx, &made)))
}

/// One set.
pub(crate) async fn show(asker: Asker, At(id): At<String>) -> Result<Document, Problem> {
    let (ctx, id) = of_id(&asker, &id).await?;
    let found = set::show(&ctx, &id).await?;
    Ok(Document::one(resource(&ctx, &found)))
}

/// Changes a set.
pub(crate) async fn update(
    asker: Asker,
    At(id): At<String>,
    sent: Sent<Wished>,
) -> Result<Document, Problem> {
    let (ctx, id) = of_id(&asker, &id).await?;
    let changed = set::update(&ctx, &id, wish(&ctx, sent)?).await?;
    Ok(Document::one(resource(&ctx, &changed)))
}

/// Removes a set with its variables.
pub(crate) async fn delete(asker: Asker, At(id): At<String>) -> Result<StatusCode, Problem> {
    let (ctx, id) = of_id(&asker, &id).await?;
    set::remove(&ctx, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Attaches a set to workspaces.
pub(crate) async fn attach_workspaces(
    asker: Asker,
    At(id): At<String>,
    references: References,
) -> Result<StatusCode, Problem> {
    let to = attached::workspaces(references)?;
    let (ctx, id) = of_id(&asker, &id).await?;
    set::attach(&ctx, &id, to).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes a set from workspaces.
pub(crate) async fn detach_workspaces(
    asker: Asker,
    At(id): At<String>,
    references: References,
) -> Result<StatusCode, Problem> {
    let from = attached::workspaces(references)?;
    let (ctx, id) = of_id(&asker, &id).await?;
    set::detach(&ctx, &id, from).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Attaches a set to projects.
pub(crate) async fn attach_projects(
    asker: Asker,
    At(id): At<String>,
    references: References,
) -> Result<StatusCode, Problem> {
    let to = attached::projects(references)?;
    let (ctx, id) = of_id(&asker, &id).await?;
    set::attach(&ctx, &id, to).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes a set from projects.
pub(crate) async fn detach_projects(
    asker: Asker,
    At(id): At<String>,
    references: References,
) -> Result<StatusCode, Problem> {
    let from = attached::projects(references)?;
    let (ctx, id) = of_id(&asker, &id).await?;
    set::detach(&ctx, &id, from).await?;
    Ok(StatusCode::NO_CONTENT)
}
