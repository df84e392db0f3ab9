//! Workspaces, as terraform's `cloud` block, its `remote` backend and the `tfe` provider read and change them.
//!
//! Where their runs happen is a setting of its own (`executions`), which `execution-mode` reads and sets.

pub(crate) mod told;

use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use statehouse_core::Ctx;
use statehouse_core::execution::Mode;
use statehouse_core::project::Project;
use statehouse_core::workspace::{
    self, Change, New, Order, PAGE_MAX, Search, Settings, WishedTag, Workspace,
};
use statehouse_model::{Name, WorkspaceId};

use super::document::Document;
use super::instant;
use super::instant::Instant;
use super::query::{Query, Sizes};
use super::sent::{Relationships, Sent};
use super::tags::{Binding, Flat};
use crate::auth::{self, Asker, At};
use crate::problem::Problem;
pub(super) use told::resource;

pub(super) const KIND: &str = "workspaces";
const PAGE: Sizes = Sizes::whole(PAGE_MAX);
/// Deleted workspaces on one page.
const DELETED: Sizes = Sizes::whole(1000);

async fn shown(ctx: &Ctx, workspace: &Workspace) -> Result<Value, Problem> {
    let full = workspace::full(ctx, workspace).await?;
    Ok(resource(ctx, &full))
}

/// A page of the organization's workspaces: all of them, or those that are looked for.
pub(crate) async fn list(
    asker: Asker,
    At(organization): At<String>,
    query: Query,
) -> Result<Document, Problem> {
    let ctx = asker.organization(&organization).await?;
    let (number, size) = (query.number()?, query.size(PAGE)?);
    let search = search(&query, number, size)?;
    let (order, after) = (search.order, search.after.is_some());
    let found = workspace::search(&ctx, search).await?;
    let path = format!("/api/v2/organizations/{organization}/workspaces");
    let pages = query.pages(&path, found.total, PAGE)?;
    let items = found.items.iter().map(|full| resource(&ctx, full));
    let items: Vec<Value> = items.collect();
    // By name a list goes on after the last one, whatever came or went meanwhile; otherwise pages are counted.
    if number.is_some() || order != Order::Name {
        return Ok(Document::page(items, &pages));
    }
    let last = found.items.last().filter(|_| found.items.len() == size);
    let next = last.map(|last| query.next(&path, "page[after]", &last.workspace.name));
    Ok(Document::onward(items, (!after).then_some(&pages), next))
}

fn search(query: &Query, number: Option<usize>, size: usize) -> Result<Search, Problem> {
    let bindings = query.numbered("filter[tagged]");
    let mut search = Search {
        name: query.get("search[name]").map(str::to_owned),
        wildcard: query.get("search[wildcard-name]").map(str::to_owned),
        tags: query.words("search[tags]"),
        without: query.words("search[exclude-tags]"),
        after: query.get("page[after]").map(auth::name).transpose()?,
        project: query.get("filter[project][id]").map(auth::id).transpose()?,
        page: number.unwrap_or(1) as u64,
        size,
        order: match query.get("sort") {
            Some("-name") => Order::NameDescending,
            Some("created-at") => Order::Created,
            Some("-created-at") => Order::CreatedDescending,
            _ => Order::Name,
        },
        bindings: Vec::new(),
    };
    for (key, value) in bindings {
        match value {
            Some(value) => search.bindings.push(WishedTag { key, value }),
            None => search.tags.push(key),
        }
    }
    Ok(search)
}

/// What is set of a workspace, new or there.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Set {
    /// Unique in the organization.
    name: Option<String>,
    /// The name of a project, for our own clients; others relate to it.
    project: Option<String>,
    description: Option<String>,
    /// `local`, where terraform is started, `remote`, with a runner of the server, or `agent`, with one of a pool.
    execution_mode: Option<String>,
    /// The id of the pool of agents, where it is `agent`.
    agent_pool_id: Option<String>,
    /// The same in older words: whether it is `remote`.
    operations: Option<bool>,
    /// The version that works with it; told to clients and not enforced.
    terraform_version: Option<String>,
    working_directory: Option<String>,
    auto_apply: Option<bool>,
    structured_run_output_enabled: Option<bool>,
    /// Whether drift is looked for by itself: every 24 hours, where nothing else is said around it.
    assessments_enabled: Option<bool>,
}

impl Set {
    fn name(&self) -> Result<Option<Name>, Problem> {
        let name = self.name.as_deref().map(str::parse);
        name.transpose().map_err(Problem::unprocessable)
    }

    fn settings(&self) -> Settings {
        Settings {
            description: self.description.clone(),
            terraform_version: self.terraform_version.clone(),
            working_directory: self.working_directory.clone(),
            auto_apply: self.auto_apply,
            structured_run_output: self.structured_run_output_enabled,
        }
    }

    /// Where its runs are to happen, if that is said.
    fn mode(&self) -> Result<Option<Mode>, Problem> {
        let older = self
            .operations
            .map(|remote| if remote { Mode::Remote } else { Mode::Local });
        let pool = self.agent_pool_id.as_deref();
        let pool = pool.filter(|pool| !pool.is_empty());
        let pool = pool.map(auth::id).transpose()?;
        match (self.execution_mode.as_deref(), pool) {
            (None, None) => Ok(older),
            // Clients that change a workspace send what they read of it.
            (Some(mode @ ("local" | "remote")), _) => Mode::of(mode, None)
                .map(Some)
                .map_err(Problem::unprocessable),
            (None, Some(pool)) => Ok(Some(Mode::Agent(pool))),
            (Some(mode), pool) => Mode::of(mode, pool)
                .map(Some)
                .map_err(Problem::unprocessable),
        }
    }

    fn project(&self, relationships: &Relationships) -> Result<Option<Project>, Problem> {
        if let Some(id) = relationships.maybe("project", "projects")? {
            return Ok(Some(Project::Id(id)));
        }
        let named = self.project.as_deref().map(auth::name).transpose()?;
        Ok(named.map(Project::Name))
    }
}

/// Tags that a document relates to, of both kinds.
fn tags(relationships: &Relationships) -> Result<Vec<WishedTag>, Problem> {
    let flat = relationships.items::<Flat>("tags")?.into_iter();
    let mut tags: Vec<WishedTag> = flat
        .filter_map(|tag| Some(tag.attributes?.into()))
        .collect();
    let bound = relationships.items::<Binding>("tag-bindings")?.into_iter();
    tags.extend(bound.filter_map(|tag| Some(tag.attributes?.into())));
    Ok(tags)
}

/// Makes a workspace, in the default project unless another is named.
pub(crate) async fn create(
    asker: Asker,
    At(organization): At<String>,
    sent: Sent<Set>,
) -> Result<Document, Problem> {
    let ctx = asker.organization(&organization).await?;
    let set = sent.attributes;
    let nameless = || Problem::unprocessable("a workspace needs a `name`");
    let new = New {
        name: set.name()?.ok_or_else(nameless)?,
        project: set.project(&sent.relationships)?,
        settings: set.settings(),
        tags: tags(&sent.relationships)?,
        mode: set.mode()?,
        looks: set.assessments_enabled,
    };
    let made = workspace::create_as(&ctx, new).await?;
    let made = Workspace::Id(auth::id(&made.id)?);
    Ok(Document::made(shown(&ctx, &made).await?))
}

/// One workspace, by its name.
pub(crate) async fn show_named(
    asker: Asker,
    At(at): At<(String, String)>,
) -> Result<Document, Problem> {
    let (ctx, workspace) = named(&asker, at).await?;
    Ok(Document::one(shown(&ctx, &workspace).await?))
}

/// One workspace, by its id.
pub(crate) async fn show(asker: Asker, At(id): At<String>) -> Result<Document, Problem> {
    let (ctx, workspace) = of_id(&asker, &id).await?;
    Ok(Document::one(shown(&ctx, &workspace).await?))
}

async fn change(ctx: &Ctx, workspace: &Workspace, sent: Sent<Set>) -> Result<Document, Problem> {
    let set = sent.attributes;
    let change = Change {
        name: set.name()?,
        project: set.project(&sent.relationships)?,
        settings: set.settings(),
        tags: tags(&sent.relationships)?,
        mode: set.mode()?,
        looks: set.assessments_enabled,
    };
    let changed = workspace::update(ctx, workspace, change).await?;
    let changed = Workspace::Id(auth::id(&changed.id)?);
    Ok(Document::one(shown(ctx, &changed).await?))
}

/// Changes a workspace, by its name.
pub(crate) async fn update_named(
    asker: Asker,
    At(at): At<(String, String)>,
    sent: Sent<Set>,
) -> Result<Document, Problem> {
    let (ctx, workspace) = named(&asker, at).await?;
    change(&ctx, &workspace, sent).await
}

/// Changes a workspace, by its id.
pub(crate) async fn update(
    asker: Asker,
    At(id): At<String>,
    sent: Sent<Set>,
) -> Result<Document, Problem> {
    let (ctx, workspace) = of_id(&asker, &id).await?;
    change(&ctx, &workspace, sent).await
}

async fn remove(ctx: &Ctx, workspace: &Workspace, safe: bool) -> Result<StatusCode, Problem> {
    match workspace::delete(ctx, workspace, safe).await {
        Ok(_) => Ok(StatusCode::NO_CONTENT),
        Err(error) => Err(Problem::from(error).into_conflict().in_detail(None)),
    }
}

/// Deletes a workspace, by its name.
pub(crate) async fn delete_named(
    asker: Asker,
    At(at): At<(String, String)>,
) -> Result<StatusCode, Problem> {
    let (ctx, workspace) = named(&asker, at).await?;
    remove(&ctx, &workspace, false).await
}

/// Deletes a workspace, by its id.
pub(crate) async fn delete(asker: Asker, At(id): At<String>) -> Result<StatusCode, Problem> {
    let (ctx, workspace) = of_id(&asker, &id).await?;
    remove(&ctx, &workspace, false).await
}

/// Deletes a workspace that manages nothing, by its name.
pub(crate) async fn safe_delete_named(
    asker: Asker,
    At(at): At<(String, String)>,
) -> Result<StatusCode, Problem> {
    let (ctx, workspace) = named(&asker, at).await?;
    remove(&ctx, &workspace, true).await
}

/// Deletes a workspace that manages nothing, by its id.
pub(crate) async fn safe_delete(asker: Asker, At(id): At<String>) -> Result<StatusCode, Problem> {
    let (ctx, workspace) = of_id(&asker, &id).await?;
    remove(&ctx, &workspace, true).await
}

/// What is told of a deleted workspace.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Deleted {
    /// What it was called.
    name: String,
    /// The id of who deleted it.
    deleted_by: String,
    deleted_at: Option<Instant>,
}

/// Workspaces that were deleted, the newest deletion first.
pub(crate) async fn deleted(
    asker: Asker,
    At(organization): At<String>,
    query: Query,
) -> Result<Document, Problem> {
    let ctx = asker.organization(&organization).await?;
    let path = format!("/api/v2/organizations/{organization}/deleted-workspaces");
    let (page, pages) = query.page(&path, workspace::deleted(&ctx).await?, DELETED)?;
    let page = page.into_iter().map(|gone| {
        let attributes = Deleted {
            name: gone.name,
            deleted_by: gone.deleted_by,
            deleted_at: instant::at(gone.deleted_at),
        };
        json!({ "type": "deleted-workspaces", "id": gone.id, "attributes": attributes })
    });
    Ok(Document::page(page.collect(), &pages))
}

/// Under which name a workspace comes back, if not its old one.
#[derive(Default, Deserialize, JsonSchema)]
pub(crate) struct Back {
    name: Option<String>,
}

/// Brings a deleted workspace back.
pub(crate) async fn undelete(
    asker: Asker,
    At(id): At<String>,
    sent: Sent<Back>,
) -> Result<Document, Problem> {
    let id: WorkspaceId = auth::id(&id)?;
    let ctx = asker.house_of(&id).await?;
    let name = sent.attributes.name.as_deref().map(str::parse);
    let name = name.transpose().map_err(Problem::unprocessable)?;
    workspace::undelete(&ctx, id.clone(), name).await?;
    Ok(Document::one(shown(&ctx, &Workspace::Id(id)).await?))
}

/// The caller in the house of a workspace's id, and the workspace.
pub(super) async fn of_id(asker: &Asker, text: &str) -> Result<(Ctx, Workspace), Problem> {
    let id: WorkspaceId = auth::id(text)?;
    Ok((asker.house_of(&id).await?, Workspace::Id(id)))
}

/// The caller in an organization, and a workspace there by its name.
async fn named(
    asker: &Asker,
    (organization, name): (String, String),
) -> Result<(Ctx, Workspace), Problem> {
    let ctx = asker.organization(&organization).await?;
    Ok((ctx, Workspace::Name(auth::name(&name)?)))
}
