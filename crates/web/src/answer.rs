//! What every request and every answer has in common.
//!
//! One layer around all routes: it names the request, turns a [`Problem`] into the client's own form, sets the headers that
//! every answer carries, counts, and writes one line to the log. The line holds the method, the route as the table spells it,
//! the status, the time and the request's id; never a query, a header, a body or a token, because all of them may be secret.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use statehouse_core::{Core, Kind};
use statehouse_model::RequestId;

use crate::problem::{Form, Problem, Raised};
use crate::routes::Answered;
use crate::{health, unread};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Two years are what browsers' preload lists ask.
const ONLY_TLS: HeaderValue = HeaderValue::from_static("max-age=63072000");

/// On every answer that does not say otherwise.
const ALWAYS: [(HeaderName, HeaderValue); 3] = [
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    ),
];

/// What terraform's platform clients look for in every answer of `/api/v2`. Their `cloud` block refuses a server whose
/// `TFP-API-Version` is missing or below 2.5, and needs 2.6 for imports; plans are rendered for an unknown name only where
/// `X-TFE-Version` has this form.
const OF_API: [(HeaderName, HeaderValue); 3] = [
    (
        HeaderName::from_static("tfp-api-version"),
        HeaderValue::from_static("2.6"),
    ),
    (
        HeaderName::from_static("tfp-appname"),
        HeaderValue::from_static("Statehouse"),
    ),
    (
        HeaderName::from_static("x-tfe-version"),
        HeaderValue::from_static("v202502-1"),
    ),
];

/// Addresses that carry the right to use them: what follows is never repeated.
const SIGNED: [&str; 2] = ["/api/v2/uploads/", "/api/v2/downloads/"];

/// The id of a request, given once its caller is known: then it is the one that the ledger's entries carry.
#[derive(Clone, Default)]
pub(crate) struct Named(Arc<OnceLock<RequestId>>);

impl Named {
    /// Gives the id; the first one stays.
    pub(crate) fn give(&self, id: &RequestId) {
        self.0.get_or_init(|| id.clone());
    }
}

/// The layer.
pub(crate) async fn answer(
    State(core): State<Arc<Core>>,
    mut request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let named = Named::default();
    request.extensions_mut().insert(named.clone());
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let version = request.version();
    let form = Form::of(&path, request.headers().get(ACCEPT));
    let secured = keeps_to_tls(&request);

    let (request, unread) = unread::watch(request);
    let mut response = next.run(request).await;
    let id = named.0.get_or_init(|| core.machine().request().clone());
    let problem = response.extensions_mut().remove::<Raised>();
    let answered = response.extensions_mut().remove::<Answered>();
    if let Some(Raised(problem)) = &problem {
        let headers = std::mem::take(response.headers_mut());
        response = problem.answer(form, shown(&path), id.as_str(), version);
        // What a handler says beside its refusal.
        response.headers_mut().extend(headers);
    }
    unread.tell(&mut response);
    dress(response.headers_mut(), id, secured);
    if path.starts_with("/api/v2/") {
        response.headers_mut().extend(OF_API);
    }
    let took = started.elapsed();
    health::count(
        answered.map(|Answered(index)| index),
        response.status(),
        took,
    );
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    log(
        method.as_str(),
        route,
        response.status(),
        took,
        id,
        problem.as_ref().map(|Raised(problem)| &**problem),
    );
    response
}

/// A path as it may be repeated to whoever asked.
fn shown(path: &str) -> &str {
    let signed = SIGNED.into_iter().find(|prefix| path.starts_with(prefix));
    signed.unwrap_or(path)
}

/// Whether browsers may be told to reach this host by TLS alone. They would hold it against every port of the host; on
/// `localhost` another port is where `terraform login` listens, in clear.
fn keeps_to_tls(request: &Request) -> bool {
    let named = request.uri().authority().map(Authority::as_str);
    let host = || request.headers().get(HOST)?.to_str().ok();
    let host = named.or_else(host).unwrap_or_default();
    let name = host.split(':').next().unwrap_or_default();
    let name = name.to_ascii_lowercase();
    name != "localhost" && !name.ends_with(".localhost")
}

fn dress(headers: &mut HeaderMap, id: &RequestId, secured: bool) {
    if secured {
        headers.insert(STRICT_TRANSPORT_SECURITY, ONLY_TLS);
    }
    for (name, value) in ALWAYS {
        headers.entry(name).or_insert(value);
    }
    // An id is base58 after its prefix, so it is always a header's value.
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        headers.insert(X_REQUEST_ID, value);
    }
}

fn log(
    method: &str,
    route: &str,
    status: StatusCode,
    took: Duration,
    request: &RequestId,
    problem: Option<&Problem>,
) {
    let (status, ms) = (status.as_u16(), took.as_secs_f64() * 1000.0);
    let cause = problem.and_then(Problem::cause).filter(|_| status >= 500);
    let Some(cause) = cause else {
        tracing::info!(method, route, status, ms, %request, "answered");
        return;
    };
    let causes = chain(cause);
    match cause.kind() {
        Kind::Unavailable => {
            tracing::warn!(method, route, status, ms, %request, causes, "not available");
        }
        Kind::Tampered => {
            tracing::error!(method, route, status, ms, %request, causes, "stored data was altered");
        }
        _ => tracing::error!(method, route, status, ms, %request, causes, "failed"),
    }
}

/// An error and what it came from, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        words.push_str(": ");
        words.push_str(&cause.to_string());
        source = cause.source();
    }
    words
}
