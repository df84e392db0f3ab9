//! What clients ask before anything else: whether this is a server they know, and what an organization may do here.

use axum::http::StatusCode;
use serde_json::json;

use super::document::Document;
use crate::auth::{Asker, At};
use crate::problem::Problem;

/// Nothing but the headers that every answer of `/api/v2` has. For anybody.
pub(crate) async fn ping() -> StatusCode {
    StatusCode::NO_CONTENT
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
        "attributes": {
            "agents": false,
            "audit-logging": true,
            "cost-estimation": false,
            "global-run-tasks": false,
            "module-tests-generation": false,
            "operations": false,
            "policy-enforcement": false,
            "policy-limit": null,
            "private-module-registry": false,
            "private-policy-agents": false,
            "private-vcs": false,
            "run-task-limit": null,
            "run-tasks": false,
            "self-serve-billing": false,
            "sentinel": false,
            "sso": false,
            "state-storage": true,
            "teams": false,
            "usage-reporting": false,
            "user-limit": null,
            "vcs-integrations": false,
        },
        "links": { "self": format!("/api/v2/organizations/{organization}/entitlement-set") },
    })))
}
