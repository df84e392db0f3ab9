//! Versions of a state: lists of them, their bytes, and the decision on those that wait for one.

pub(crate) mod told;

use axum::http::HeaderName;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use statehouse_core::Ctx;
use statehouse_core::state::{self, PAGE_MAX, Put, Remove, Shown, Upload, VersionView, Which};
use statehouse_core::workspace::Workspace;
use statehouse_model::{Name, UserId, VersionId};

use super::document::{Document, to_many};
use super::instant;
use super::outputs;
use super::query::{Query, Sizes};
use super::sent::{Attributes, Sent};
use super::workspaces::of_id;
use crate::auth::{self, Asked, Asker, At};
use crate::backend::state::bytes;
use crate::body::{self, Whole};
use crate::problem::Problem;
use told::Told;
pub(super) use told::{resource, shown};

/// What may be beside one version.
pub(crate) const INCLUDES: &[&str] = &["outputs"];
pub(super) const KIND: &str = "state-versions";
const PAGE: Sizes = Sizes::whole(PAGE_MAX);
/// What terraform takes the interval of snapshots from.
const SNAPSHOT_INTERVAL: HeaderName = HeaderName::from_static("x-terraform-snapshot-interval");

fn resources(origin: &str, versions: &[VersionView]) -> Vec<Value> {
    versions
        .iter()
        .map(|version| resource(origin, version))
        .collect()
}

/// The same, with the names of those who made them, and of those who removed their content.
async fn told(
    asker: &Asker,
    ctx: &Ctx,
    workspace: &Workspace,
    versions: &[VersionView],
) -> Result<Vec<Value>, Problem> {
    let of_page = versions
        .iter()
        .filter_map(|version| version.id.parse().ok());
    let mut removed = state::removed(ctx, workspace, of_page.collect()).await?;
    let mut ids: Vec<UserId> = versions
        .iter()
        .filter_map(|version| version.actor.parse().ok())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    let names = asker.core().names_of(ids).await?;
    let told = versions.iter().map(|version| {
        let id = version.actor.parse::<UserId>().ok();
        // A run is called by its id: who started it is the run's to say.
        let run = version
            .actor
            .starts_with("run-")
            .then(|| version.actor.clone());
        let name = id
            .and_then(|id| names.get(&id))
            .map(Name::to_string)
            .or(run);
        let told = Told::listed(asker.origin(), version);
        told.with(name, removed.remove(&version.id))
            .resource(version)
    });
    Ok(told.collect())
}

/// A page of a workspace's versions, the newest first.
pub(crate) async fn list(
    asker: Asker,
    At(id): At<String>,
    query: Query,
) -> Result<Document, Problem> {
    let (ctx, workspace) = of_id(&asker, &id).await?;
    let path = format!("/api/v2/workspaces/{workspace}/state-versions");
    page(&asker, &ctx, &workspace, &query, &path).await
}

/// The same, of the workspace that the filter names.
pub(crate) async fn list_named(asker: Asker, query: Query) -> Result<Document, Problem> {
    let part = |what: &str| {
        let name = format!("filter[{what}][name]");
        let missing = || Problem::invalid(format!("`{name}` is missing"));
        query.get(&name).ok_or_else(missing)
    };
    let (organization, name) = (part("organization")?, part("workspace")?);
    let ctx = asker.organization(organization).await?;
    let workspace = Workspace::Name(auth::name(name)?);
    page(&asker, &ctx, &workspace, &query, "/api/v2/state-versions").await
}

async fn page(
    asker: &Asker,
    ctx: &Ctx,
    workspace: &Workspace,
    query: &Query,
    path: &str,
) -> Result<Document, Problem> {
    let size = query.size(PAGE)?;
    let cursor = |last: Option<&VersionView>| {
        let last = last.and_then(|last| instant::format(last.created_at));
        last.map(|last| query.next(path, "page[before]", &last))
    };
    if let Some(text) = query.get("page[before]") {
        let wrong = || {
            Problem::invalid("`page[before]` is no instant; take it from the link to the next page")
        };
        let before = instant::parse(text).ok_or_else(wrong)?;
        let found = state::list(ctx, workspace, Some(before), size).await?;
        let next = cursor(found.last().filter(|_| found.len() == size));
        let told = told(asker, ctx, workspace, &found).await?;
        return Ok(Document::onward(told, None, next));
    }
    let number = query.number()?;
    let found = state::page(ctx, workspace, number.unwrap_or(1) as u64, size).await?;
    let pages = query.pages(path, found.total, PAGE)?;
    let told = told(asker, ctx, workspace, &found.items).await?;
    if number.is_some() {
        return Ok(Document::page(told, &pages));
    }
    let next = cursor(found.items.last().filter(|_| found.items.len() == size));
    Ok(Document::onward(told, Some(&pages), next))
}

/// The current version. 404 where there is none: that is how clients know that a workspace is new.
pub(crate) async fn current(
    asker: Asker,
    At(id): At<String>,
    query: Query,
) -> Result<Response, Problem> {
    let (ctx, workspace) = of_id(&asker, &id).await?;
    let (found, interval) = state::current(&ctx, &workspace).await?;
    // The first apply learns from the refusal how often it is to store its state.
    let Some(found) = found else {
        return Ok(answer(Problem::not_found(), interval));
    };
    let document = whole(&asker, &ctx, &found, &query).await?;
    Ok(answer(document, found.snapshot_interval_s))
}

/// One version, announced or stored.
pub(crate) async fn show(
    asker: Asker,
    At(id): At<String>,
    query: Query,
) -> Result<Response, Problem> {
    let id: VersionId = auth::id(&id)?;
    let ctx = asker.house_of(&id).await?;
    let found = state::shown(&ctx, id).await?;
    let document = whole(&asker, &ctx, &found, &query).await?;
    Ok(answer(document, found.snapshot_interval_s))
}

/// A version with its addresses, and its outputs beside it where they are asked for and there are any yet.
async fn whole(
    asker: &Asker,
    ctx: &Ctx,
    found: &Shown,
    query: &Query,
) -> Result<Document, Problem> {
    let mut version = shown(asker.origin(), found);
    if !query.includes("outputs") || found.put_state.is_some() {
        return Ok(Document::one(version));
    }
    let id: VersionId = auth::id(&found.version.id)?;
    let outputs = state::outputs(ctx, &Workspace::Of(id.clone()), Which::Version(id)).await?;
    let related = to_many(
        outputs::KIND,
        outputs.iter().map(|output| output.id.as_str()),
    );
    let relation = version.pointer_mut("/relationships/outputs");
    if let (Some(Value::Object(relation)), Value::Object(related)) = (relation, related) {
        relation.extend(related);
    }
    let outputs = outputs.iter().map(outputs::resource);
    Ok(Document::one(version).including(outputs.collect()))
}

/// An answer that tells terraform how often to store a state in the middle of an apply.
pub(super) fn answer(answer: impl IntoResponse, seconds: u32) -> Response {
    let mut response = answer.into_response();
    if seconds > 0 {
        response
            .headers_mut()
            .insert(SNAPSHOT_INTERVAL, seconds.into());
    }
    response
}

/// Uploads that wait for a person.
pub(crate) async fn kept(asker: Asker, At(id): At<String>) -> Result<Document, Problem> {
    let (ctx, workspace) = of_id(&asker, &id).await?;
    let kept = state::kept(&ctx, &workspace).await?;
    Ok(Document::list(resources(asker.origin(), &kept)))
}

/// Which version to download.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Wanted {
    version: Option<String>,
}

/// The bytes of a version; the current one unless another is named. 204 when there is none.
pub(crate) async fn download(
    asker: Asker,
    At(id): At<String>,
    Asked(wanted): Asked<Wanted>,
) -> Result<Response, Problem> {
    let (ctx, workspace) = of_id(&asker, &id).await?;
    let which = match wanted.version {
        Some(version) => Which::Version(auth::id(&version)?),
        None => Which::Current,
    };
    Ok(bytes(state::get(&ctx, &workspace, which).await?))
}

/// The query of an upload.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Held {
    lock_id: Option<String>,
}

/// A new version: 201 when it is current now, 200 when it was already, 409 when it waits for a person.
pub(crate) async fn upload(
    asker: Asker,
    At(id): At<String>,
    Asked(held): Asked<Held>,
    body: Whole<body::State>,
) -> Result<Document, Problem> {
    let (ctx, workspace) = of_id(&asker, &id).await?;
    let upload = Upload {
        bytes: body.bytes.clone(),
        lock_id: held.lock_id,
    };
    match state::put(&ctx, &workspace, upload).await? {
        Put::Stored(version) => Ok(Document::made(resource(asker.origin(), &version))),
        Put::Repeated(version) => Ok(Document::one(resource(asker.origin(), &version))),
        Put::Kept(kept) => Err(Problem::kept(&kept)),
    }
}

/// Why somebody decides so.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Decision {
    reason: String,
    /// The current version that the caller has seen and means to replace.
    over: Option<String>,
}

/// Makes a kept upload the current version.
pub(crate) async fn accept(
    asker: Asker,
    At(id): At<String>,
    Attributes(decision): Attributes<Decision>,
) -> Result<Document, Problem> {
    let over = decision.over.as_deref().map(auth::id).transpose()?;
    let (ctx, workspace, id) = waiting(&asker, &id).await?;
    let accepted = state::accept_over(&ctx, &workspace, id, decision.reason, over).await?;
    Ok(Document::one(resource(asker.origin(), &accepted)))
}

/// Decides that a kept upload is not to be used.
pub(crate) async fn discard(
    asker: Asker,
    At(id): At<String>,
    Attributes(decision): Attributes<Decision>,
) -> Result<Document, Problem> {
    let (ctx, workspace, id) = waiting(&asker, &id).await?;
    let discarded = state::discard(&ctx, &workspace, id, decision.reason).await?;
    Ok(Document::one(resource(asker.origin(), &discarded)))
}

/// Why content is removed.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Why {
    reason: String,
}

/// Removes the bytes of a version that is not current.
pub(crate) async fn remove_content(
    asker: Asker,
    At(id): At<String>,
    Attributes(why): Attributes<Why>,
) -> Result<Document, Problem> {
    let id: VersionId = auth::id(&id)?;
    let ctx = asker.house_of(&id).await?;
    let now = (asker.core().options().clock)();
    let wish = Remove {
        reason: why.reason,
        who: asker.called().await?,
        since: instant::format(now).unwrap_or_default(),
    };
    let version = state::remove_content(&ctx, id, wish).await?;
    Ok(Document::one(resource(asker.origin(), &version)))
}

/// The house of a version that waits, and its workspace: the one it belongs to.
async fn waiting(asker: &Asker, text: &str) -> Result<(Ctx, Workspace, VersionId), Problem> {
    let id: VersionId = auth::id(text)?;
    let ctx = asker.house_of(&id).await?;
    Ok((ctx, Workspace::Of(id.clone()), id))
}

/// Why somebody goes back.
#[derive(Default, Deserialize, JsonSchema)]
pub(crate) struct Back {
    reason: Option<String>,
}

/// Makes the content of an older version the current one again, for whoever holds the lock.
pub(crate) async fn roll_back(
    asker: Asker,
    At(id): At<String>,
    sent: Sent<Back>,
) -> Result<Response, Problem> {
    let (ctx, workspace) = of_id(&asker, &id).await?;
    let missing = || {
        Problem::unprocessable("relate to the version to go back to, as `rollback-state-version`")
    };
    let to = sent.relationships.maybe("rollback-state-version", KIND)?;
    let to: VersionId = to.ok_or_else(missing)?;
    let put = state::roll_back(&ctx, &workspace, to, sent.attributes.reason).await;
    match put.map_err(|error| Problem::from(error).into_conflict())? {
        Put::Stored(version) | Put::Repeated(version) => {
            let found = state::shown(&ctx, auth::id(&version.id)?).await?;
            Ok(answer(
                Document::one(shown(asker.origin(), &found)),
                found.snapshot_interval_s,
            ))
        }
        Put::Kept(kept) => Err(Problem::kept(&kept).in_detail(None)),
    }
}
