//! Key epochs, of an organization and of the site.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};
use statehouse_core::Ctx;
use statehouse_core::key::{self, EpochView};

use super::document::Document;
use super::instant::{self, Instant};
use crate::auth::{Asker, At};
use crate::problem::Problem;

/// What is told of an epoch.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Epoch {
    /// Its number, from 1.
    epoch: u64,
    /// The verifier key of checkpoints that were signed in it.
    vkey: String,
    created_at: Option<Instant>,
    retired_at: Option<Instant>,
}

/// What a renewal did.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Renewed {
    /// Sealed objects whose key was wrapped anew.
    rewrapped: u64,
    /// Rows whose MAC was made anew.
    renewed: u64,
    /// Epochs that were retired because nothing uses them.
    retired: Vec<u64>,
    /// Epochs that were kept, and why.
    kept: Vec<String>,
}

fn epoch(view: &EpochView) -> Value {
    let attributes = Epoch {
        epoch: view.epoch,
        vkey: view.vkey.clone(),
        created_at: instant::at(view.created_at),
        retired_at: view.retired_at.and_then(instant::at),
    };
    json!({ "type": "key-epochs", "id": format!("key-{}", view.epoch), "attributes": attributes })
}

async fn all(ctx: &Ctx) -> Result<Document, Problem> {
    let epochs = key::list(ctx).await?;
    Ok(Document::list(epochs.iter().map(epoch).collect()))
}

async fn renew(ctx: &Ctx) -> Result<Document, Problem> {
    let progress = key::rewrap(ctx).await?;
    let attributes = Renewed {
        rewrapped: progress.rewrapped,
        renewed: progress.renewed,
        retired: progress.retired,
        kept: progress.kept,
    };
    let id = ctx.request().as_str();
    Ok(Document::one(
        json!({ "type": "key-rewraps", "id": id, "attributes": attributes }),
    ))
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
    Ok(Document::made(epoch(&key::rotate(&ctx).await?)))
}

/// Opens a new epoch of the site.
pub(crate) async fn rotate_site(asker: Asker) -> Result<Document, Problem> {
    Ok(Document::made(epoch(&key::rotate(asker.site()).await?)))
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
