//! What terraform finds a server by: one document, for anybody, with the base addresses of the services that there are.
//!
//! `tfe.v2` is what the `cloud` block asks for, `tfe.v2.1` the `remote` backend, `state.v2` that backend where it is told to
//! run locally; `tfe.v2.2` is what other servers name, too. A service that is not named is refused by terraform in clear words.

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};

/// Where all of them are.
const API: &str = "/api/v2/";

/// `/.well-known/terraform.json`. Credentials that are sent along say nothing, good or bad.
pub(crate) async fn document() -> Response {
    let mut services = Map::new();
    for name in ["state.v2", "tfe.v2", "tfe.v2.1", "tfe.v2.2"] {
        services.insert(name.to_owned(), API.into());
    }
    sign_in(&mut services);
    let body = Value::Object(services).to_string();
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}

/// Adds how `terraform login` works here. Nothing yet: it then asks for a token to be pasted.
fn sign_in(_services: &mut Map<String, Value>) {}
