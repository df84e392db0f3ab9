//! What terraform finds a server by: one document, for anybody, with the addresses of the services that there are.
//!
//! `tfe.v2` is what the `cloud` block asks for, `tfe.v2.1` the `remote` backend, `state.v2` that backend where it is told to
//! run locally; `tfe.v2.2` is what other servers name, too. A service that is not named is refused by terraform in clear
//! words. Addresses are relative, so that a host is right under every name that it is reached by.

use axum::Json;
use serde_json::{Map, Value, json};
use statehouse_core::oauth::{CLIENT, PORTS};

/// Where the API is.
const API: &str = "/api/v2/";

/// `/.well-known/terraform.json`. Credentials that are sent along say nothing, good or bad.
pub(crate) async fn document() -> Json<Value> {
    let mut services = Map::new();
    for name in ["state.v2", "tfe.v2", "tfe.v2.1", "tfe.v2.2"] {
        services.insert(name.to_owned(), API.into());
    }
    services.insert("login.v1".to_owned(), login());
    Json(Value::Object(services))
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
