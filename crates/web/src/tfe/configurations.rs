//! Configuration versions: what terraform uploads to be planned.

use axum::http::StatusCode;
use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use statehouse_core::Ctx;
use statehouse_core::configuration::{self, ConfigurationView, Wish};
use statehouse_core::url::Granted;
use statehouse_model::ConfigurationId;

use super::document::{Document, to_one};
use super::instant::{self, Instant};
use super::sent::Sent;
use super::transfers::address;
use super::workspaces::of_id;
use crate::auth::{self, Asker, At};
use crate::problem::Problem;

pub(super) const KIND: &str = "configuration-versions";

/// What is told of a configuration.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Told {
    /// `pending` until its archive came, then `uploaded`.
    status: String,
    /// Only for plans.
    speculative: bool,
    /// For a plan that is saved.
    provisional: bool,
    /// Always false: runs are started by whoever wants one.
    auto_queue_runs: bool,
    /// Always `tfe-api`.
    source: &'static str,
    /// Bytes of the archive.
    size: u64,
    created_at: Option<Instant>,
    /// Where the archive is to go, without a token, once.
    upload_url: Option<String>,
    /// Always null.
    error: Option<String>,
    /// Always null.
    error_message: Option<String>,
}

pub(super) fn resource(origin: &str, view: &ConfigurationView) -> Value {
    let attributes = Told {
        status: view.status.clone(),
        speculative: view.speculative,
        provisional: view.provisional,
        auto_queue_runs: false,
        source: "tfe-api",
        size: view.size,
        created_at: instant::at(view.created_at),
        upload_url: view.put.as_ref().map(|put| address(origin, "uploads", put)),
        error: None,
        error_message: None,
    };
    json!({
        "type": KIND,
        "id": view.id,
        "attributes": attributes,
        "relationships": { "workspace": to_one(super::workspaces::KIND, &view.workspace) },
        "links": { "self": format!("/api/v2/configuration-versions/{}", view.id) },
    })
}

/// What a configuration is wished for.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Wished {
    /// Only `false`: runs are started by whoever wants one.
    auto_queue_runs: Option<bool>,
    /// Only for plans.
    #[serde(default)]
    speculative: bool,
    /// For a plan that is saved.
    #[serde(default)]
    provisional: bool,
}

/// Wishes for a configuration: 201 with the address that its archive goes to.
pub(crate) async fn create(
    asker: Asker,
    At(id): At<String>,
    sent: Sent<Wished>,
) -> Result<Document, Problem> {
    let (ctx, workspace) = of_id(&asker, &id).await?;
    let wished = sent.attributes;
    if wished.auto_queue_runs == Some(true) {
        return Err(Problem::unprocessable(
            "`auto-queue-runs` can only be false: upload the configuration, then start a run of it",
        ));
    }
    let wish = Wish {
        speculative: wished.speculative,
        provisional: wished.provisional,
    };
    let made = configuration::wish(&ctx, &workspace, wish).await;
    let made = made.map_err(super::runs::refused)?;
    Ok(Document::made(resource(asker.origin(), &made)))
}

/// One configuration, by its id.
pub(crate) async fn show(asker: Asker, At(id): At<String>) -> Result<Document, Problem> {
    let id: ConfigurationId = auth::id(&id)?;
    let ctx = asker.house_of(&id).await?;
    let found = configuration::show(&ctx, &id).await?;
    Ok(Document::one(resource(asker.origin(), &found)))
}

/// Takes the archive of a configuration at its signed address.
pub(super) async fn upload(
    ctx: &Ctx,
    granted: &Granted,
    id: &ConfigurationId,
    bytes: Bytes,
) -> Result<StatusCode, Problem> {
    configuration::upload(ctx, granted, id, bytes).await?;
    Ok(StatusCode::OK)
}
