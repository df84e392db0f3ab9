//! Workspaces, as terraform's `cloud` block, its `remote` backend and the `tfe` provider read and change them.
//!
//! They run where their client runs: `execution-mode` is `local`, and another one is refused rather than ignored, because a
//! client that believes in it would wait for a run that nobody makes.

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use statehouse_core::Ctx;
use statehouse_core::project::Project;
use statehouse_core::workspace::{
    self, Change, Full, New, Order, PAGE_MAX, Search, Settings, WishedTag, Workspace,
};
use statehouse_model::{Name, Permission, WorkspaceId};

use super::document::{Document, Pagination, Relationships, Sent, resources, to};
use super::query::Query;
use super::tags::{Binding, Flat};
use super::{instant, versions};
use crate::auth::{self, Asker, At};
use crate::problem::Problem;

pub(super) const KIND: &str = "workspaces";

/// A workspace as clients read one.
pub(super) fn resource(ctx: &Ctx, full: &Full) -> Value {
    let workspace = &full.workspace;
    let organization = ctx.organization().map_or("", Name::as_str);
    let tags: Vec<&str> = full.tags.iter().map(|tag| tag.key.as_str()).collect();
    let text = |text: &String| (!text.is_empty()).then(|| text.clone());
    let version = full.terraform_version.as_str();
    json!({
        "type": KIND,
        "id": workspace.id,
        "attributes": {
            "name": workspace.name,
            "description": text(&full.description),
            "execution-mode": "local",
            "operations": false,
            "auto-apply": full.auto_apply,
            "locked": workspace.lock_id.is_some(),
            "terraform-version": if version.is_empty() { "latest" } else { version },
            "working-directory": full.working_directory,
            "structured-run-output-enabled": full.structured_run_output,
            "tag-names": tags,
            "resource-count": full.head.as_ref().map_or(0, |head| head.resources),
            "vcs-repo": null,
            "source": "tfe-api",
            "allow-destroy-plan": true,
            "assessments-enabled": false,
            "file-triggers-enabled": false,
            "global-remote-state": false,
            "queue-all-runs": false,
            "speculative-enabled": false,
            "trigger-prefixes": [],
            "trigger-patterns": [],
            "setting-overwrites": { "execution-mode": true, "agent-pool": false },
            "created-at": instant::format(workspace.created_at),
            "updated-at": instant::format(full.updated_at),
            "latest-change-at": instant::format(full.updated_at),
            "actions": { "is-destroyable": true },
            "permissions": permissions(full),
            "versions": workspace.versions,
            "head": workspace.head,
            "fence": workspace.fence,
            "frozen": full.frozen.is_some(),
            "frozen-by": full.frozen.as_ref().map(|freeze| &freeze.who),
            "frozen-at": full.frozen.as_ref().and_then(|freeze| instant::format(freeze.frozen_at)),
            "freeze-reason": full.frozen.as_ref().and_then(|freeze| freeze.reason.as_ref()),
            "lock-id": workspace.lock_id,
            "locked-at": workspace.locked_at.and_then(instant::format),
        },
        "relationships": {
            "organization": to("organizations", Some(organization)),
            "project": to("projects", Some(&workspace.project)),
            "current-run": to("runs", None),
            "latest-run": to("runs", None),
            "current-state-version": to(versions::KIND, workspace.head.as_deref()),
            "locked-by": to("users", workspace.locked_by.as_deref()),
        },
        "links": { "self": format!("/api/v2/organizations/{organization}/workspaces/{}", workspace.name) },
    })
}

/// What the caller may do. Clients look at this before they ask, and crash where it is missing.
fn permissions(full: &Full) -> Value {
    let may = |permission| full.may.contains(&permission);
    let (update, delete) = (
        may(Permission::WorkspaceUpdate),
        may(Permission::WorkspaceDelete),
    );
    let (read, write) = (may(Permission::StateRead), may(Permission::StateWrite));
    let lock = may(Permission::StateLock);
    json!({
        "can-update": update,
        "can-destroy": delete,
        "can-force-delete": delete,
        "can-freeze": may(Permission::WorkspaceFreeze),
        "can-lock": lock,
        "can-unlock": lock,
        "can-force-unlock": may(Permission::StateForceUnlock),
        "can-read-state-versions": read,
        "can-create-state-versions": write,
        "can-read-state-outputs": may(Permission::OutputRead),
        "can-manage-tags": update,
        "can-read-settings": true,
        "can-read-variable": false,
        "can-update-variable": false,
        "can-read-run": false,
        "can-queue-run": false,
        "can-queue-apply": false,
        "can-queue-destroy": false,
        "can-manage-run-tasks": false,
        "can-read-assessment-results": false,
        "can-create-variable-sets": false,
    })
}

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
    let (number, size) = (query.number()?, query.size(PAGE_MAX)?);
    let search = search(&query, number, size)?;
    let (order, after) = (search.order, search.after.is_some());
    let found = workspace::search(&ctx, search).await?;
    let pagination = Pagination {
        number: number.unwrap_or(1).max(1),
        size,
        total: found.total,
    };
    let path = format!("/api/v2/organizations/{organization}/workspaces");
    // By name a list goes on after the last one, whatever came or went meanwhile; otherwise pages are counted.
    let by_name = number.is_none() && order == Order::Name;
    let last = found.items.last().filter(|_| found.items.len() == size);
    let next = match last {
        Some(last) if by_name => Some(query.next(&path, "page[after]", &last.workspace.name)),
        _ if by_name => None,
        _ => pagination
            .next()
            .map(|next| query.next(&path, "page[number]", &next.to_string())),
    };
    let items = found
        .items
        .iter()
        .map(|full| resource(&ctx, full))
        .collect();
    Ok(Document::page(items, (!after).then_some(pagination), next))
}

fn search(query: &Query, number: Option<u64>, size: usize) -> Result<Search, Problem> {
    let bindings = query.numbered("filter[tagged]");
    let mut search = Search {
        name: query.get("search[name]").map(str::to_owned),
        wildcard: query.get("search[wildcard-name]").map(str::to_owned),
        tags: query.words("search[tags]"),
        without: query.words("search[exclude-tags]"),
        after: query.get("page[after]").map(auth::name).transpose()?,
        project: query.get("filter[project][id]").map(auth::id).transpose()?,
        page: number.unwrap_or(1),
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
#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Set {
    name: Option<String>,
    /// The name of a project, for our own clients; others relate to it.
    project: Option<String>,
    description: Option<String>,
    execution_mode: Option<String>,
    operations: Option<bool>,
    terraform_version: Option<String>,
    working_directory: Option<String>,
    auto_apply: Option<bool>,
    structured_run_output_enabled: Option<bool>,
}

impl Set {
    fn name(&self) -> Result<Option<Name>, Problem> {
        let name = self.name.as_deref().map(str::parse);
        name.transpose().map_err(Problem::unprocessable)
    }

    fn settings(&self) -> Result<Settings, Problem> {
        let elsewhere = self
            .execution_mode
            .as_deref()
            .filter(|mode| *mode != "local");
        if elsewhere.is_some() || self.operations == Some(true) {
            return Err(Problem::unprocessable(
                "workspaces run where terraform runs: `execution-mode` can only be `local`",
            ));
        }
        Ok(Settings {
            description: self.description.clone(),
            terraform_version: self.terraform_version.clone(),
            working_directory: self.working_directory.clone(),
            auto_apply: self.auto_apply,
            structured_run_output: self.structured_run_output_enabled,
        })
    }

    fn project(&self, relationships: &Relationships) -> Result<Option<Project>, Problem> {
        if let Some(id) = relationships.id("project") {
            return Ok(Some(Project::Id(auth::id(id)?)));
        }
        let named = self.project.as_deref().map(auth::name).transpose()?;
        Ok(named.map(Project::Name))
    }
}

/// Tags that a document relates to, of both kinds.
fn tags(relationships: &Relationships) -> Result<Vec<WishedTag>, Problem> {
    let flat = relationships.all::<Flat>("tags")?.into_iter();
    let mut tags: Vec<WishedTag> = flat
        .filter_map(|tag| Some(tag.attributes?.into()))
        .collect();
    let bound = relationships.all::<Binding>("tag-bindings")?.into_iter();
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
        settings: set.settings()?,
        tags: tags(&sent.relationships)?,
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
        settings: set.settings()?,
        tags: tags(&sent.relationships)?,
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

/// Workspaces that were deleted, the newest deletion first.
pub(crate) async fn deleted(
    asker: Asker,
    At(organization): At<String>,
) -> Result<Document, Problem> {
    let ctx = asker.organization(&organization).await?;
    let found = workspace::deleted(&ctx).await?;
    Ok(Document::list(
        resources("deleted-workspaces", &found)?,
        None,
    ))
}

/// Under which name a workspace comes back, if not its old one.
#[derive(Default, Deserialize)]
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
