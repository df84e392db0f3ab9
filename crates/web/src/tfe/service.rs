//! What clients ask before anything else: whether this is a server they know, and what an organization may do here.

use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::document::Document;
use crate::auth::{Asker, At};
use crate::problem::Problem;

/// Nothing but the headers that every answer of `/api/v2` has. For anybody.
pub(crate) async fn ping() -> StatusCode {
    StatusCode::NO_CONTENT
}

/// What an organization may do, in the words of clients.
#[derive(Default, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "these are the words of the clients"
)]
pub(crate) struct Entitled {
    agents: bool,
    audit_logging: bool,
    cost_estimation: bool,
    global_run_tasks: bool,
    module_tests_generation: bool,
    operations: bool,
    policy_enforcement: bool,
    policy_limit: Option<u64>,
    private_module_registry: bool,
    private_policy_agents: bool,
    private_vcs: bool,
    run_task_limit: Option<u64>,
    run_tasks: bool,
    self_serve_billing: bool,
    sentinel: bool,
    sso: bool,
    state_storage: bool,
    teams: bool,
    usage_reporting: bool,
    user_limit: Option<u64>,
    vcs_integrations: bool,
}

/// What an organization may do here. Without `operations` clients run plans and applies themselves.
pub(crate) async fn entitlements(
    asker: Asker,
    At(organization): At<String>,
) -> Result<Document, Problem> {
    let name = crate::auth::name(&organization)?;
    let found = asker.core().organization(asker.caller(), &name).await?;
    Ok(Document::one(json!({
        "type": "entitlement-sets",
        "id": found.id,
        "attributes": Entitled {
            agents: true,
            audit_logging: true,
            cost_estimation: true,
            operations: true,
            state_storage: true,
            ..Entitled::default()
        },
        "links": { "self": format!("/api/v2/organizations/{organization}/entitlement-set") },
    })))
}

/// The document of this interface. For anybody: it tells nothing of what is stored.
pub(crate) async fn openapi() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], crate::openapi::text())
}
