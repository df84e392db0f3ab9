//! Versions of policy sets: the bundles that were published, and those that are on their way.
//!
//! A client announces a version and sends its archive to the address that the answer links to as `upload`. What would not judge is refused there, with
//! every reason.

use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};
use statehouse_core::Ctx;
use statehouse_core::policy::upload::{self, VersionView};
use statehouse_core::policy::{BundleView, PolicyView, publish};
use statehouse_core::url::Granted;
use statehouse_model::PolicyBundleId;

use super::document::{Document, to_one};
use super::instant::{self, Instant};
use super::policy_sets::{self, of_id};
use super::query::{PAGE, Query};
use super::transfers::address;
use crate::auth::{self, Asker, At};
use crate::problem::Problem;

pub(super) const KIND: &str = "policy-set-versions";
/// What an archive is.
pub(crate) const GZIP: &str = "application/gzip";

/// A policy of a bundle.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Policy {
    name: String,
    /// What it is about.
    title: String,
    /// What it judges: `plan`, `state`, …
    entity: String,
    /// How strictly, by itself.
    level: String,
}

impl From<&PolicyView> for Policy {
    fn from(policy: &PolicyView) -> Self {
        Self {
            name: policy.name.clone(),
            title: policy.title.clone(),
            entity: policy.entity.clone(),
            level: policy.level.clone(),
        }
    }
}

/// The policies of a bundle; none where there is none.
pub(super) fn policies(bundle: Option<&BundleView>) -> Vec<Policy> {
    let policies = bundle.into_iter().flat_map(|bundle| &bundle.policies);
    policies.map(Policy::from).collect()
}

/// What is told of a version.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Told {
    /// `pending` until its archive came, then `ready`.
    status: &'static str,
    /// Always `tfe-api`.
    source: &'static str,
    /// SHA-256 over what is in it, in hex.
    digest: Option<String>,
    /// Its policies.
    policies: Vec<Policy>,
    /// Bytes of its archive.
    size: Option<u64>,
    /// Who published it.
    actor: Option<String>,
    created_at: Option<Instant>,
    updated_at: Option<Instant>,
    /// Where its archive is to go, without a token, once; for who announced it. The same as the link `upload`.
    upload_url: Option<String>,
    /// Always null: what would not judge is refused when it comes.
    error: Option<String>,
    /// Always null.
    error_message: Option<String>,
}

fn resource(origin: &str, version: &VersionView) -> Value {
    let bundle = version.bundle.as_ref();
    let put = version.put.as_ref();
    let upload = put.map(|put| address(origin, "uploads", put));
    let attributes = Told {
        status: if bundle.is_some() { "ready" } else { "pending" },
        source: "tfe-api",
        digest: bundle.map(|bundle| bundle.digest.clone()),
        policies: policies(bundle),
        size: bundle.map(|bundle| bundle.size),
        actor: bundle.map(|bundle| bundle.actor.clone()),
        created_at: instant::at(version.created_at),
        updated_at: instant::at(version.created_at),
        upload_url: upload.clone(),
        error: None,
        error_message: None,
    };
    let itself = format!("/api/v2/policy-set-versions/{}", version.id);
    let download = bundle.map(|_| format!("{itself}/download"));
    let links = [
        ("self", Some(itself)),
        ("upload", upload),
        ("download", download),
    ];
    let links = links
        .into_iter()
        .filter_map(|(name, link)| Some((name.to_owned(), Value::from(link?))));
    let links: Map<String, Value> = links.collect();
    json!({
        "type": KIND,
        "id": version.id,
        "attributes": attributes,
        "relationships": { "policy-set": to_one(policy_sets::KIND, &version.policy_set) },
        "links": links,
    })
}

/// Announces a version of a set: 201 with the address that its archive goes to.
pub(crate) async fn create(asker: Asker, At(id): At<String>) -> Result<Document, Problem> {
    let (ctx, id) = of_id(&asker, &id).await?;
    let announced = upload::announce(&ctx, &id).await?;
    Ok(Document::made(resource(asker.origin(), &announced)))
}

/// The bundles that were published for a set, the newest first.
pub(crate) async fn list(
    asker: Asker,
    At(id): At<String>,
    query: Query,
) -> Result<Document, Problem> {
    let (ctx, set) = of_id(&asker, &id).await?;
    let found = publish::history(&ctx, &set).await?;
    let path = format!("/api/v2/policy-sets/{id}/versions");
    let (page, pages) = query.page(&path, found, PAGE)?;
    let versions = page.into_iter().map(|bundle| VersionView {
        id: bundle.id.clone(),
        policy_set: set.to_string(),
        created_at: bundle.created_at,
        bundle: Some(bundle),
        put: None,
    });
    let data = versions.map(|version| resource(asker.origin(), &version));
    Ok(Document::page(data.collect(), &pages))
}

async fn of_version(asker: &Asker, text: &str) -> Result<(Ctx, PolicyBundleId), Problem> {
    let id: PolicyBundleId = auth::id(text)?;
    Ok((asker.house_of(&id).await?, id))
}

/// One version. One whose contents were in force already is that which is in force.
pub(crate) async fn show(asker: Asker, At(id): At<String>) -> Result<Document, Problem> {
    let (ctx, id) = of_version(&asker, &id).await?;
    let found = upload::show(&ctx, &id).await?;
    Ok(Document::one(resource(asker.origin(), &found)))
}

/// The archive of a bundle, as it was published.
pub(crate) async fn download(asker: Asker, At(id): At<String>) -> Result<Response, Problem> {
    let (ctx, id) = of_version(&asker, &id).await?;
    let archive = publish::archive(&ctx, &id).await?;
    Ok(([(CONTENT_TYPE, GZIP)], archive).into_response())
}

/// Takes the archive of a version at its signed address.
pub(super) async fn receive(
    ctx: &Ctx,
    granted: &Granted,
    id: &PolicyBundleId,
    archive: Bytes,
) -> Result<StatusCode, Problem> {
    upload::upload(ctx, granted, id, archive).await?;
    Ok(StatusCode::OK)
}
