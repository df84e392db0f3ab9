//! The style sheet, the scripts and the mark, each under a name that holds its digest: what is under a name never changes, so
//! browsers keep it.

use std::sync::LazyLock;

use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use crate::auth::At;
use crate::problem::Problem;

/// As much of a digest as tells two editions apart.
const DIGEST_LEN: usize = 16;
const FOREVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// A file that pages refer to.
pub(crate) struct Asset {
    name: String,
    kind: &'static str,
    text: &'static str,
}

/// How pages look.
pub(crate) static STYLE: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("style", "css", "text/css", include_str!("assets/style.css")));
/// Offers to copy what is shown.
pub(crate) static COPY: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new(
        "copy",
        "js",
        "text/javascript",
        include_str!("assets/copy.js"),
    )
});
/// Follows what goes on.
pub(crate) static FOLLOW: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new(
        "follow",
        "js",
        "text/javascript",
        include_str!("assets/follow.js"),
    )
});
/// The mark.
pub(crate) static MARK: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new(
        "mark",
        "svg",
        "image/svg+xml",
        include_str!("assets/mark.svg"),
    )
});

impl Asset {
    fn new(name: &str, extension: &str, kind: &'static str, text: &'static str) -> Self {
        let digest = hex::encode(Sha256::digest(text));
        let digest = digest.get(..DIGEST_LEN).unwrap_or(&digest);
        Self {
            name: format!("{name}-{digest}.{extension}"),
            kind,
            text,
        }
    }

    /// Its address.
    pub(crate) fn path(&self) -> String {
        format!("/assets/{}", self.name)
    }
}

/// An asset, by its name.
pub(crate) async fn show(At(name): At<String>) -> Result<Response, Problem> {
    let all: [&Asset; 4] = [&STYLE, &COPY, &FOLLOW, &MARK];
    let found = all.into_iter().find(|asset| asset.name == name);
    let asset = found.ok_or_else(Problem::not_found)?;
    let kind = HeaderValue::from_static(asset.kind);
    let headers = [(CONTENT_TYPE, kind), (CACHE_CONTROL, FOREVER)];
    Ok((headers, asset.text).into_response())
}
