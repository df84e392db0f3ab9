//! The published list: every permission, and the roles that hold it. For anybody.

use axum::response::IntoResponse;
use serde_json::json;
use statehouse_core::access;
use statehouse_model::{Level, Permission, Role};

use super::document::Document;

/// Every permission.
pub(crate) async fn list() -> impl IntoResponse {
    let resource = |(permission, roles): (Permission, Vec<Role>)| {
        let level = match permission.level() {
            Level::Site => "site",
            Level::House => "organization",
        };
        let roles: Vec<&str> = roles.into_iter().map(Role::as_str).collect();
        json!({ "type": "permissions", "id": permission.as_str(), "attributes": { "level": level, "roles": roles } })
    };
    Document::list(access::matrix().into_iter().map(resource).collect(), None)
}
