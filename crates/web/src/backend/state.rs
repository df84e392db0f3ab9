//! `GET` and `POST`: a state down, a state up.

use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Deserialize;
use statehouse_core::state::{self, Put, Upload, VersionView, Which};

use super::{made, named};
use crate::auth::{Asked, Asker, At};
use crate::body::{self, Whole};
use crate::problem::Problem;

/// Which version was answered, or made. For people who look; no client needs it.
pub(crate) const STATEHOUSE_VERSION: &str = "statehouse-version";

/// `GET`: the current state, or 204.
pub(crate) async fn get(
    asker: Asker,
    At((organization, workspace)): At<(String, String)>,
) -> Result<Response, Problem> {
    let (ctx, workspace) = named(&asker, &organization, &workspace).await?;
    Ok(bytes(state::get(&ctx, &workspace, Which::Current).await?))
}

/// The bytes of a state as an answer; 204 for none.
pub(crate) fn bytes(found: Option<(VersionView, Bytes)>) -> Response {
    match found {
        None => StatusCode::NO_CONTENT.into_response(),
        Some((version, bytes)) => (
            [
                (CONTENT_TYPE.as_str(), "application/json"),
                (STATEHOUSE_VERSION, &version.id),
            ],
            bytes,
        )
            .into_response(),
    }
}

/// The query of an upload.
#[derive(Deserialize)]
pub(crate) struct Shown {
    /// The lock that the client says it holds.
    #[serde(rename = "ID")]
    id: Option<String>,
}

/// `POST`: a new version. 200 for one that is current now, or was already; 409 for one that waits for a person.
pub(crate) async fn post(
    asker: Asker,
    At((organization, workspace)): At<(String, String)>,
    Asked(shown): Asked<Shown>,
    body: Whole<body::State>,
) -> Result<Response, Problem> {
    let (ctx, workspace) = named(&asker, &organization, &workspace).await?;
    let lock_id = shown.id.filter(|id| !id.is_empty());
    let upload = || Upload {
        bytes: body.bytes.clone(),
        lock_id: lock_id.clone(),
    };
    let put = match state::put(&ctx, &workspace, upload()).await {
        Err(error) if made(&ctx, &workspace, &error).await? => {
            state::put(&ctx, &workspace, upload()).await
        }
        put => put,
    };
    match put? {
        Put::Stored(version) | Put::Repeated(version) => {
            Ok([(STATEHOUSE_VERSION, version.id)].into_response())
        }
        Put::Kept(kept) => Err(Problem::kept(&kept)),
    }
}
