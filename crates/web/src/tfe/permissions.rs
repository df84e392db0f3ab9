//! The published list: every permission, and the roles that hold it. For anybody.

use axum::response::IntoResponse;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use statehouse_core::access;
use statehouse_model::{Level, Permission, Role};

use super::document::Document;

/// What is told of a permission.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Told {
    /// Where it is asked: `site` or `organization`.
    level: &'static str,
    /// The roles that hold it.
    roles: Vec<&'static str>,
}

/// Every permission.
pub(crate) async fn list() -> impl IntoResponse {
    let resource = |(permission, roles): (Permission, Vec<Role>)| {
        let level = match permission.level() {
            Level::Site => "site",
            Level::House => "organization",
        };
        let roles = roles.into_iter().map(Role::as_str).collect();
        json!({ "type": "permissions", "id": permission.as_str(), "attributes": Told { level, roles } })
    };
    Document::list(access::matrix().into_iter().map(resource).collect())
}
