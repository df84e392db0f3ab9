//! Whether the server lives, and how much it does: for the machine itself.
//!
//! These two addresses have no token, so they are served on a Unix socket or on loopback only, and they name no organization,
//! no workspace and no person: routes are named as the table spells them.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use statehouse_core::Core;

use crate::routes::ROUTES;

/// Upper bounds of the histogram, in microseconds: a cached read, a write, a write on a slow disk, a large upload.
const BOUNDS_US: [u64; 6] = [1_000, 5_000, 25_000, 100_000, 500_000, 5_000_000];

/// What was counted of one route.
struct Counter {
    /// Answers by the first digit of their status, 2 to 5.
    classes: [AtomicU64; 4],
    /// Answers by the first of [`BOUNDS_US`] that holds them.
    buckets: [AtomicU64; BOUNDS_US.len()],
    sum_us: AtomicU64,
}

impl Counter {
    const fn new() -> Self {
        Self {
            classes: [const { AtomicU64::new(0) }; 4],
            buckets: [const { AtomicU64::new(0) }; BOUNDS_US.len()],
            sum_us: AtomicU64::new(0),
        }
    }
}

/// One counter for each route, and one for what no route answered. A process has one server, so they are its own.
static COUNTERS: [Counter; ROUTES.len() + 1] = [const { Counter::new() }; ROUTES.len() + 1];

/// Counts an answer of the route at `index`.
pub(crate) fn count(index: Option<usize>, status: StatusCode, took: Duration) {
    let Some(counter) = COUNTERS.get(index.unwrap_or(ROUTES.len())) else {
        return;
    };
    let class = usize::from((status.as_u16() / 100).clamp(2, 5) - 2);
    if let Some(class) = counter.classes.get(class) {
        class.fetch_add(1, Relaxed);
    }
    let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    let bucket = BOUNDS_US.iter().position(|bound| us <= *bound);
    if let Some(bucket) = bucket.and_then(|at| counter.buckets.get(at)) {
        bucket.fetch_add(1, Relaxed);
    }
    counter.sum_us.fetch_add(us, Relaxed);
}

/// `/healthz` and `/metrics`. To be served where only the machine itself can ask.
pub fn health_router(core: Arc<Core>) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/metrics", get(metrics))
        .with_state(core)
}

/// 200 while the site takes changes, 503 and the reason when it is read-only.
async fn healthz(State(core): State<Arc<Core>>) -> (StatusCode, String) {
    match core.machine().house().read_only() {
        None => (StatusCode::OK, "ok\n".to_owned()),
        Some(reason) => (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("the site is read-only: {reason}\n"),
        ),
    }
}

/// The counters, as Prometheus reads them (text format 0.0.4).
async fn metrics(State(core): State<Arc<Core>>) -> impl IntoResponse {
    let writable = core.machine().house().read_only().is_none();
    (
        [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        exposition(writable),
    )
}

// Writing to a String cannot fail, so the results of `writeln` say nothing.
fn exposition(writable: bool) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "# HELP statehouse_site_writable Whether the site takes changes."
    );
    let _ = writeln!(
        text,
        "# TYPE statehouse_site_writable gauge\nstatehouse_site_writable {}",
        u8::from(writable)
    );
    let _ = writeln!(
        text,
        "# HELP statehouse_http_requests_total Answers by route and class of status."
    );
    let _ = writeln!(text, "# TYPE statehouse_http_requests_total counter");
    for (labels, counter) in used() {
        for (class, count) in counter.classes.iter().enumerate() {
            let (class, count) = (class + 2, count.load(Relaxed));
            if count > 0 {
                let _ = writeln!(
                    text,
                    "statehouse_http_requests_total{{{labels},status=\"{class}xx\"}} {count}"
                );
            }
        }
    }
    let _ = writeln!(
        text,
        "# HELP statehouse_http_request_seconds Time from the head of a request to its answer."
    );
    let _ = writeln!(text, "# TYPE statehouse_http_request_seconds histogram");
    for (labels, counter) in used() {
        let mut below = 0;
        for (bound, bucket) in BOUNDS_US.iter().zip(&counter.buckets) {
            below += bucket.load(Relaxed);
            let seconds = Duration::from_micros(*bound).as_secs_f64();
            let _ = writeln!(
                text,
                "statehouse_http_request_seconds_bucket{{{labels},le=\"{seconds}\"}} {below}"
            );
        }
        let all: u64 = counter
            .classes
            .iter()
            .map(|class| class.load(Relaxed))
            .sum();
        let sum = Duration::from_micros(counter.sum_us.load(Relaxed)).as_secs_f64();
        let _ = writeln!(
            text,
            "statehouse_http_request_seconds_bucket{{{labels},le=\"+Inf\"}} {all}"
        );
        let _ = writeln!(
            text,
            "statehouse_http_request_seconds_sum{{{labels}}} {sum}"
        );
        let _ = writeln!(
            text,
            "statehouse_http_request_seconds_count{{{labels}}} {all}"
        );
    }
    text
}

/// The labels and counter of every route that was asked at least once.
fn used() -> impl Iterator<Item = (String, &'static Counter)> {
    let labels = ROUTES
        .iter()
        .map(|route| format!("method=\"{}\",route=\"{}\"", route.method, route.path));
    let labels = labels.chain(std::iter::once("method=\"any\",route=\"none\"".to_owned()));
    labels
        .zip(&COUNTERS)
        .filter(|(_, counter)| counter.classes.iter().any(|class| class.load(Relaxed) > 0))
}
