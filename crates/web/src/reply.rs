//! The last step of an answer that a route gave: a document is written down, no more of it than was wanted, and a caller who
//! has it already is told so.
//!
//! What a `GET` answers carries an `ETag`, the digest of its bytes. It spares the line and not the work: whether the caller may
//! read, and that it did, is settled and recorded anew each time, and a state that was read twice was read twice.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::Response;
use sha2::{Digest, Sha256};

use crate::problem::JSON_API;
use crate::routes::check::Wanted;
use crate::tfe::document::Said;

/// As much of a digest as tells two answers apart.
const DIGEST_LEN: usize = 32;

/// What a caller said of what it has.
pub(crate) struct Seen {
    get: bool,
    tags: Vec<HeaderValue>,
}

impl Seen {
    /// What a request says.
    pub(crate) fn of(request: &Request) -> Self {
        let tags = request.headers().get_all(IF_NONE_MATCH);
        Self {
            get: request.method() == Method::GET,
            tags: tags.iter().cloned().collect(),
        }
    }

    /// Whether the caller has this. Weak tags compare like strong ones. (RFC 9110 §13.1.2)
    fn has(&self, tag: &str) -> bool {
        let lists = self.tags.iter().filter_map(|value| value.to_str().ok());
        lists
            .flat_map(|list| list.split(','))
            .map(str::trim)
            .any(|each| each == "*" || each.trim_start_matches("W/") == tag)
    }
}

/// Writes down what the handler said, if it was a document.
pub(crate) fn write(mut response: Response, wanted: &Wanted, seen: &Seen) -> Response {
    let Some(Said(document)) = response.extensions_mut().remove::<Said>() else {
        return response;
    };
    let mut document = Arc::unwrap_or_clone(document);
    wanted.cut(&mut document);
    let text = document.to_string();
    response.headers_mut().insert(CONTENT_TYPE, JSON_API);
    if seen.get && response.status() == StatusCode::OK {
        let digest = hex::encode(Sha256::digest(&text));
        let tag = format!("\"{}\"", digest.get(..DIGEST_LEN).unwrap_or(&digest));
        if let Ok(value) = HeaderValue::from_str(&tag) {
            response.headers_mut().insert(ETAG, value);
        }
        if seen.has(&tag) {
            response.headers_mut().remove(CONTENT_TYPE);
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return response;
        }
    }
    *response.body_mut() = Body::from(text);
    response
}
