//! The ledger as a whole: a bundle for `statehouse verify`, a comparison with the live database, and who may read its hashes.

use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use statehouse_core::Ctx;
use statehouse_core::ledger;

use super::document::{Attributes, Document, resource_named};
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

async fn compare(ctx: &Ctx) -> Result<Document, Problem> {
    let report = ledger::verify_live(ctx).await?;
    Ok(Document::one(resource_named(
        "ledger-reports",
        ctx.request().as_str(),
        &report,
    )?))
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
#[derive(Deserialize)]
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
