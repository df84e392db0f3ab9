//! Forms: what a browser sends, and whether it sends it from a page of ours.
//!
//! Two things must hold, either of which would do alone. The browser says that the request comes from this very origin
//! (`Sec-Fetch-Site`, and `Origin` where there is none), which a page elsewhere cannot make it say. And the form carries a text
//! that was made for this form and this session ([`Visitor::form_token`]), which a page elsewhere cannot read.

use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header::{CONTENT_TYPE, HOST, ORIGIN};
use axum::http::request::Parts;
use axum::http::uri::{Authority, PathAndQuery};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use statehouse_core::Core;
use statehouse_core::session::Visitor;

use super::cookie;
use crate::answer::Named;
use crate::auth::source;
use crate::body::{self, Whole};
use crate::problem::Problem;

/// Whoever looks at a page, signed in or not.
pub(crate) struct Looker(pub(crate) Option<Visitor>);

/// Whoever looks at a page for which one must be signed in; others are sent to do that, and come back.
pub(crate) struct SignedIn(pub(crate) Visitor);

impl FromRequestParts<Arc<Core>> for Looker {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, core: &Arc<Core>) -> Result<Self, Problem> {
        let Some(shown) = cookie::get(&parts.headers, cookie::SESSION) else {
            return Ok(Self(None));
        };
        let visitor = core.visitor(shown, source(parts)).await?;
        if let (Some(visitor), Some(named)) = (&visitor, parts.extensions.get::<Named>()) {
            named.give(visitor.site().request());
        }
        Ok(Self(visitor))
    }
}

impl FromRequestParts<Arc<Core>> for SignedIn {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, core: &Arc<Core>) -> Result<Self, Response> {
        let looker = Looker::from_request_parts(parts, core).await;
        let Looker(visitor) = looker.map_err(IntoResponse::into_response)?;
        visitor.map(Self).ok_or_else(|| {
            let to = parts.uri.path_and_query().map_or("/", PathAndQuery::as_str);
            super::sign_in::first(to)
        })
    }
}

/// The form of a page.
pub(crate) trait Form: DeserializeOwned {
    /// What it is for. A form that was made for one thing is not taken for another.
    const PURPOSE: &'static str;
}

/// A form that somebody who is signed in sent from a page of ours.
pub(crate) struct Sent<F> {
    pub(crate) visitor: Visitor,
    pub(crate) form: F,
}

/// The text that a form carries.
#[derive(Deserialize)]
struct Carried {
    form: String,
}

impl<F: Form> FromRequest<Arc<Core>> for Sent<F> {
    type Rejection = Problem;

    async fn from_request(request: Request, core: &Arc<Core>) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        same_origin(&parts)?;
        let Looker(visitor) = Looker::from_request_parts(&mut parts, core).await?;
        let visitor = visitor.ok_or_else(Problem::signed_out)?;
        let request = Request::from_parts(parts, body);
        let Fields(bytes) = Fields::from_request(request, core).await?;
        let carried: Carried = read(&bytes).map_err(|_| Problem::foreign_form())?;
        if !visitor.is_form_token(F::PURPOSE, &carried.form) {
            return Err(Problem::foreign_form());
        }
        Ok(Self {
            visitor,
            form: read(&bytes)?,
        })
    }
}

/// The fields of a form, not read yet.
pub(crate) struct Fields(pub(crate) axum::body::Bytes);

impl<S: Send + Sync> FromRequest<S> for Fields {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let kind = request.headers().get(CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(Problem::invalid(
                "this address takes a form (application/x-www-form-urlencoded)",
            ));
        }
        let whole = Whole::<body::Form>::from_request(request, state).await?;
        Ok(Self(whole.bytes))
    }
}

/// Reads fields. One that is there twice is refused, one that is not known is passed over. What was sent is not repeated: it may
/// hold a password.
pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    serde_urlencoded::from_bytes(bytes).map_err(|_| {
        Problem::invalid("a field of the form is missing, is there twice or has a wrong value")
    })
}

/// Refuses what does not come from a page of ours.
pub(crate) fn same_origin(parts: &Parts) -> Result<(), Problem> {
    let text = |name: &str| {
        let value = parts.headers.get(name);
        value.map(|value| value.to_str().unwrap_or_default())
    };
    let own = format!("https://{}", authority(parts));
    let origin = text(ORIGIN.as_str());
    let good = match (text("sec-fetch-site"), origin) {
        // A browser that hides the origin from us says `null`.
        (Some(site), origin) => {
            site == "same-origin" && origin.is_none_or(|origin| origin == own || origin == "null")
        }
        (None, Some(origin)) => origin == own,
        (None, None) => false,
    };
    if good {
        Ok(())
    } else {
        Err(Problem::foreign_form())
    }
}

/// The name that the browser reached us by. HTTP/2 says it in the address.
pub(crate) fn authority(parts: &Parts) -> String {
    let named = parts.uri.authority().map(Authority::as_str);
    let host = || parts.headers.get(HOST)?.to_str().ok();
    named.or_else(host).unwrap_or_default().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, missing_docs)]

    use super::*;

    fn check(headers: &[(&str, &str)], expected: bool) {
        let mut request = Request::builder().uri("/sign-in");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, _) = request
            .body(axum::body::Body::empty())
            .unwrap()
            .into_parts();
        assert_eq!(same_origin(&parts).is_ok(), expected, "{headers:?}");
    }

    #[test]
    fn a_form_comes_from_this_origin_or_is_refused() {
        let host = ("host", "state.example:8443");
        let own = ("origin", "https://state.example:8443");
        let same = ("sec-fetch-site", "same-origin");
        check(&[host, own], true);
        check(&[host, own, same], true);
        check(&[host, same], true);
        check(&[host, ("origin", "null"), same], true);
        check(&[host], false);
        check(&[host, ("origin", "null")], false);
        check(&[host, ("origin", "https://state.example")], false);
        check(&[host, ("origin", "http://state.example:8443")], false);
        check(&[host, ("origin", "https://evil.example"), same], false);
        for site in ["cross-site", "same-site", "none", ""] {
            check(&[host, own, ("sec-fetch-site", site)], false);
        }
    }
}
