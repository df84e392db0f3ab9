//! What teams may do in one workspace (`team-workspaces`) or project (`team-projects`).

use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use statehouse_core::Ctx;
use statehouse_core::access::Scope;
use statehouse_core::team::reach::{self, Level, ReachId, ReachView};
use statehouse_model::{HouseId, ProjectId, TeamId, TeamProjectId, TeamWorkspaceId, WorkspaceId};

use super::document::{Document, to_one};
use super::query::{PAGE, Query};
use super::sent::{Sent, only};
use super::teams;
use crate::auth::{self, Asker, At};
use crate::problem::Problem;

/// What an access is over.
#[derive(Clone, Copy)]
enum Over {
    Workspace,
    Project,
}

impl Over {
    fn kind(self) -> &'static str {
        match self {
            Self::Workspace => "team-workspaces",
            Self::Project => "team-projects",
        }
    }

    /// The relation that names it, and its type.
    fn relation(self) -> (&'static str, &'static str) {
        match self {
            Self::Workspace => ("workspace", "workspaces"),
            Self::Project => ("project", "projects"),
        }
    }

    async fn of_id(self, asker: &Asker, text: &str) -> Result<(Ctx, ReachId), Problem> {
        match self {
            Self::Workspace => {
                let id: TeamWorkspaceId = auth::id(text)?;
                Ok((asker.house_of(&id).await?, ReachId::Workspace(id)))
            }
            Self::Project => {
                let id: TeamProjectId = auth::id(text)?;
                Ok((asker.house_of(&id).await?, ReachId::Project(id)))
            }
        }
    }

    async fn scope(self, asker: &Asker, text: &str) -> Result<(Ctx, Scope), Problem> {
        match self {
            Self::Workspace => {
                let id: WorkspaceId = auth::id(text)?;
                Ok((asker.house_of(&id).await?, Scope::Workspace(id)))
            }
            Self::Project => {
                let id: ProjectId = auth::id(text)?;
                Ok((asker.house_of(&id).await?, Scope::Project(id)))
            }
        }
    }
}

/// The access as a request wishes it.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Wished {
    access: Option<String>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

impl Wished {
    fn level(&self) -> Result<Level, Problem> {
        let words = match self.access.as_deref() {
            Some("custom") => {
                "`custom` access would need roles of your own, which do not exist yet"
            }
            None => "the attribute `access` is missing",
            Some(text) => {
                // Clients repeat the parts of a level beside it; they say nothing new.
                let parts = ["project-access", "workspace-access"];
                let mut rest = self.rest.clone();
                rest.retain(|name, value| !parts.contains(&name.as_str()) || !empty(value));
                only(&rest, &json!({}))?;
                return text.parse().map_err(|error: statehouse_core::Error| {
                    Problem::unprocessable(error.message().to_owned())
                });
            }
        };
        Err(Problem::unprocessable(words))
    }
}

fn empty(value: &Value) -> bool {
    value.is_null() || value.as_object().is_some_and(Map::is_empty)
}

/// What is told of an access.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Told {
    /// `read`, `plan`, `write`, `maintain` or `admin`.
    access: String,
}

fn document(over: Over, view: &ReachView) -> Value {
    let (relation, kind) = over.relation();
    json!({
        "type": over.kind(),
        "id": view.id,
        "attributes": Told { access: view.access.clone() },
        "relationships": {
            "team": to_one(teams::KIND, &view.team),
            relation: to_one(kind, &view.scope),
        },
        "links": { "self": format!("/api/v2/{}/{}", over.kind(), view.id) },
    })
}

async fn list(over: Over, asker: &Asker, query: &Query) -> Result<Document, Problem> {
    let name = match over {
        Over::Workspace => "filter[workspace][id]",
        Over::Project => "filter[project][id]",
    };
    let missing = || Problem::unprocessable(format!("`{name}` is needed"));
    let asked = query.get(name).ok_or_else(missing)?;
    let (ctx, scope) = over.scope(asker, asked).await?;
    let found = reach::list(&ctx, scope).await?;
    let (page, pages) = query.page(&format!("/api/v2/{}", over.kind()), found, PAGE)?;
    let data = page.iter().map(|view| document(over, view)).collect();
    Ok(Document::page(data, &pages))
}

async fn create(over: Over, asker: &Asker, sent: Sent<Wished>) -> Result<Document, Problem> {
    let (relation, kind) = over.relation();
    let team: TeamId = sent.relationships.one("team", teams::KIND)?;
    let id: String = sent.relationships.one(relation, kind)?;
    let level = sent.attributes.level()?;
    let (ctx, scope) = over.scope(asker, &id).await?;
    if team.house() != ctx.house().code() {
        return Err(Problem::not_found());
    }
    let made = reach::give(&ctx, team, scope, level).await?;
    Ok(Document::made(document(over, &made)))
}

async fn show(over: Over, asker: &Asker, id: &str) -> Result<Document, Problem> {
    let (ctx, id) = over.of_id(asker, id).await?;
    Ok(Document::one(document(over, &reach::show(&ctx, id).await?)))
}

async fn change(
    over: Over,
    asker: &Asker,
    id: &str,
    sent: Sent<Wished>,
) -> Result<Document, Problem> {
    let level = sent.attributes.level()?;
    let (ctx, id) = over.of_id(asker, id).await?;
    let changed = reach::change(&ctx, id, level).await?;
    Ok(Document::one(document(over, &changed)))
}

async fn delete(over: Over, asker: &Asker, id: &str) -> Result<StatusCode, Problem> {
    let (ctx, id) = over.of_id(asker, id).await?;
    reach::take(&ctx, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The teams with access of their own to a workspace.
pub(crate) async fn list_workspace(asker: Asker, query: Query) -> Result<Document, Problem> {
    list(Over::Workspace, &asker, &query).await
}

/// Gives a team access to a workspace.
pub(crate) async fn create_workspace(
    asker: Asker,
    sent: Sent<Wished>,
) -> Result<Document, Problem> {
    create(Over::Workspace, &asker, sent).await
}

/// One access to a workspace.
pub(crate) async fn show_workspace(asker: Asker, At(id): At<String>) -> Result<Document, Problem> {
    show(Over::Workspace, &asker, &id).await
}

/// Gives another access to the workspace.
pub(crate) async fn change_workspace(
    asker: Asker,
    At(id): At<String>,
    sent: Sent<Wished>,
) -> Result<Document, Problem> {
    change(Over::Workspace, &asker, &id, sent).await
}

/// Takes the access to a workspace away.
pub(crate) async fn delete_workspace(
    asker: Asker,
    At(id): At<String>,
) -> Result<StatusCode, Problem> {
    delete(Over::Workspace, &asker, &id).await
}

/// The teams with access of their own to a project.
pub(crate) async fn list_project(asker: Asker, query: Query) -> Result<Document, Problem> {
    list(Over::Project, &asker, &query).await
}

/// Gives a team access to a project.
pub(crate) async fn create_project(asker: Asker, sent: Sent<Wished>) -> Result<Document, Problem> {
    create(Over::Project, &asker, sent).await
}

/// One access to a project.
pub(crate) async fn show_project(asker: Asker, At(id): At<String>) -> Result<Document, Problem> {
    show(Over::Project, &asker, &id).await
}

/// Gives another access to the project.
pub(crate) async fn change_project(
    asker: Asker,
    At(id): At<String>,
    sent: Sent<Wished>,
) -> Result<Document, Problem> {
    change(Over::Project, &asker, &id, sent).await
}

/// Takes the access to a project away.
pub(crate) async fn delete_project(
    asker: Asker,
    At(id): At<String>,
) -> Result<StatusCode, Problem> {
    delete(Over::Project, &asker, &id).await
}
