//! `/.well-known/terraform.json`: where terraform and tofu find what they ask a host for.
//!
//! Addresses are relative, so that a host is right under every name that it is reached by.

use axum::Json;
use serde_json::{Value, json};
use statehouse_core::oauth::{CLIENT, PORTS};

/// The services of this host.
pub(crate) async fn services() -> Json<Value> {
    Json(json!({ "login.v1": login() }))
}

/// `terraform login`: an authorization code with PKCE, brought back to a listener on one of these ports.
fn login() -> Value {
    json!({
        "client": CLIENT,
        "grant_types": ["authz_code"],
        "authz": "/oauth/authorize",
        "token": "/oauth/token",
        "ports": PORTS,
    })
}
