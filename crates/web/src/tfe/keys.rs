//! Key epochs, of an organization and of the site.

use serde_json::Value;
use statehouse_core::Ctx;
use statehouse_core::key::{self, EpochView};

use super::document::{Document, resource_named};
use crate::auth::{Asker, At};
use crate::problem::Problem;

fn epoch(view: &EpochView) -> Result<Value, Problem> {
    resource_named("key-epochs", &format!("key-{}", view.epoch), view)
}

async fn all(ctx: &Ctx) -> Result<Document, Problem> {
    let epochs = key::list(ctx).await?;
    Ok(Document::list(
        epochs.iter().map(epoch).collect::<Result<_, _>>()?,
        None,
    ))
}

async fn renew(ctx: &Ctx) -> Result<Document, Problem> {
    let progress = key::rewrap(ctx).await?;
    Ok(Document::one(resource_named(
        "key-rewraps",
        ctx.request().as_str(),
        &progress,
    )?))
}

/// Every epoch of the organization.
pub(crate) async fn list(asker: Asker, At(organization): At<String>) -> Result<Document, Problem> {
    all(&asker.organization(&organization).await?).await
}

/// Every epoch of the site.
pub(crate) async fn list_site(asker: Asker) -> Result<Document, Problem> {
    all(asker.site()).await
}

/// Opens a new epoch of the organization.
pub(crate) async fn rotate(
    asker: Asker,
    At(organization): At<String>,
) -> Result<Document, Problem> {
    let ctx = asker.organization(&organization).await?;
    Ok(Document::made(epoch(&key::rotate(&ctx).await?)?))
}

/// Opens a new epoch of the site.
pub(crate) async fn rotate_site(asker: Asker) -> Result<Document, Problem> {
    Ok(Document::made(epoch(&key::rotate(asker.site()).await?)?))
}

/// Renews what older epochs of the organization hold. Answers when it is done; stopping it anywhere loses nothing.
pub(crate) async fn rewrap(
    asker: Asker,
    At(organization): At<String>,
) -> Result<Document, Problem> {
    renew(&asker.organization(&organization).await?).await
}

/// Renews what older epochs of the site hold.
pub(crate) async fn rewrap_site(asker: Asker) -> Result<Document, Problem> {
    renew(asker.site()).await
}
