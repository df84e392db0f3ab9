//! The ledger as a whole: a bundle for `statehouse verify`, a comparison with the live database, and who may read its hashes.

use axum::http::StatusCode;
use axum::response::Response;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use statehouse_core::Ctx;
use statehouse_core::ledger;

use super::document::Document;
use super::sent::Attributes;
use super::stream::Spool;
use crate::auth::{self, Asker, At};
use crate::problem::Problem;

async fn bundle(asker: &Asker, ctx: &Ctx) -> Result<Response, Problem> {
    let spool = Spool::new(asker.core())?;
    ledger::export(ctx, &spool.path).await?;
    spool
        .send(&format!("ledger-{}.tar", ctx.house().code()))
        .await
}

/// What a comparison found.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Report {
    /// The code of the organization.
    house: String,
    /// Leaves that were hashed.
    leaves: u64,
    /// Rows that were compared.
    rows: u64,
    /// Sealed objects that were opened.
    objects: u64,
    /// What was proven, in words.
    proved: Vec<String>,
    /// What differs; at most a thousand are listed.
    differences: Vec<Difference>,
    /// How many differences there are in all.
    count: u64,
}

/// One difference between the database and the ledger.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
struct Difference {
    /// `missing`, `extra`, `altered`, `older`, `unreadable` or `ledger`.
    kind: String,
    /// A table and key, a leaf, or an object.
    place: String,
    words: String,
}

async fn compare(ctx: &Ctx) -> Result<Document, Problem> {
    let report = ledger::verify_live(ctx).await?;
    let difference = |each: ledger::Difference| Difference {
        kind: each.kind,
        place: each.place,
        words: each.words,
    };
    let attributes = Report {
        house: report.house,
        leaves: report.leaves,
        rows: report.rows,
        objects: report.objects,
        proved: report.proved,
        differences: report.differences.into_iter().map(difference).collect(),
        count: report.count,
    };
    let id = ctx.request().as_str();
    Ok(Document::one(
        json!({ "type": "ledger-reports", "id": id, "attributes": attributes }),
    ))
}

/// The bundle of an organization.
pub(crate) async fn export(
    asker: Asker,
    At(organization): At<String>,
) -> Result<Response, Problem> {
    let ctx = asker.organization(&organization).await?;
    bundle(&asker, &ctx).await
}

/// The bundle of the site.
pub(crate) async fn export_site(asker: Asker) -> Result<Response, Problem> {
    bundle(&asker, asker.site()).await
}

/// The bundle of an organization whose keys were destroyed.
pub(crate) async fn export_shredded(
    asker: Asker,
    At(house): At<String>,
) -> Result<Response, Problem> {
    let code = auth::id(&house)?;
    let spool = Spool::new(asker.core())?;
    asker
        .core()
        .export_shredded(asker.caller(), code, &spool.path)
        .await?;
    spool.send(&format!("ledger-{code}.tar")).await
}

/// Compares an organization's database with its ledger. Differences are a result, not a failure.
pub(crate) async fn verify_live(
    asker: Asker,
    At(organization): At<String>,
) -> Result<Document, Problem> {
    compare(&asker.organization(&organization).await?).await
}

/// Compares the site's database with its ledger.
pub(crate) async fn verify_live_site(asker: Asker) -> Result<Document, Problem> {
    compare(asker.site()).await
}

/// Whether everybody may read the checkpoint and the hashes.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Publish {
    published: bool,
}

/// Publishes checkpoint and hashes, or stops.
pub(crate) async fn publish(
    asker: Asker,
    At(organization): At<String>,
    Attributes(publish): Attributes<Publish>,
) -> Result<StatusCode, Problem> {
    let ctx = asker.organization(&organization).await?;
    ledger::publish(&ctx, publish.published).await?;
    Ok(StatusCode::NO_CONTENT)
}
