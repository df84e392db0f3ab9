//! Versions of a state: lists of them, their bytes, and the decision on those that wait for one.

use axum::response::Response;
use serde::Deserialize;
use statehouse_core::Ctx;
use statehouse_core::state::{self, PAGE_MAX, Put, Upload, Which};
use statehouse_core::workspace::Workspace;
use statehouse_model::VersionId;

use super::document::{self, Attributes, Document, Page, resource, resources};
use super::instant;
use super::workspaces::of_id;
use crate::auth::{self, Asked, Asker, At};
use crate::backend::state::bytes;
use crate::body::{self, Whole};
use crate::problem::Problem;

const KIND: &str = "state-versions";

/// A page of a workspace's versions, the newest first.
pub(crate) async fn list(
    asker: Asker,
    At(id): At<String>,
    Asked(page): Asked<Page>,
) -> Result<Document, Problem> {
    let (ctx, workspace) = of_id(&asker, &id).await?;
    let wrong =
        || Problem::invalid("`page[before]` is no instant; take it from the link to the next page");
    let before = page
        .before
        .as_deref()
        .map(|text| instant::parse(text).ok_or_else(wrong))
        .transpose()?;
    let size = page.size(PAGE_MAX);
    let found = state::list(&ctx, &workspace, before, size).await?;
    let last = found
        .last()
        .filter(|_| found.len() == size)
        .and_then(|last| instant::format(last.created_at));
    let path = format!("/api/v2/workspaces/{workspace}/state-versions");
    let next = last.map(|last| document::next(&path, size, "before", &last));
    Ok(Document::list(resources(KIND, &found)?, next))
}

/// Uploads that wait for a person.
pub(crate) async fn kept(asker: Asker, At(id): At<String>) -> Result<Document, Problem> {
    let (ctx, workspace) = of_id(&asker, &id).await?;
    Ok(Document::list(
        resources(KIND, &state::kept(&ctx, &workspace).await?)?,
        None,
    ))
}

/// Which version to download.
#[derive(Deserialize)]
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
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Shown {
    lock_id: Option<String>,
}

/// A new version: 201 when it is current now, 200 when it was already, 409 when it waits for a person.
pub(crate) async fn upload(
    asker: Asker,
    At(id): At<String>,
    Asked(shown): Asked<Shown>,
    body: Whole<body::State>,
) -> Result<Document, Problem> {
    let (ctx, workspace) = of_id(&asker, &id).await?;
    let upload = Upload {
        bytes: body.bytes.clone(),
        lock_id: shown.lock_id,
    };
    match state::put(&ctx, &workspace, upload).await? {
        Put::Stored(version) => Ok(Document::made(resource(KIND, &version)?)),
        Put::Repeated(version) => Ok(Document::one(resource(KIND, &version)?)),
        Put::Kept(kept) => Err(Problem::kept(&kept)),
    }
}

/// Why somebody decides so.
#[derive(Deserialize)]
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
    Ok(Document::one(resource(
        KIND,
        &state::accept_over(&ctx, &workspace, id, decision.reason, over).await?,
    )?))
}

/// Decides that a kept upload is not to be used.
pub(crate) async fn discard(
    asker: Asker,
    At(id): At<String>,
    Attributes(decision): Attributes<Decision>,
) -> Result<Document, Problem> {
    let (ctx, workspace, id) = waiting(&asker, &id).await?;
    Ok(Document::one(resource(
        KIND,
        &state::discard(&ctx, &workspace, id, decision.reason).await?,
    )?))
}

/// The house of a version that waits, and its workspace: the one it belongs to.
async fn waiting(asker: &Asker, text: &str) -> Result<(Ctx, Workspace, VersionId), Problem> {
    let id: VersionId = auth::id(text)?;
    let ctx = asker.house_of(&id).await?;
    Ok((ctx, Workspace::Of(id.clone()), id))
}
