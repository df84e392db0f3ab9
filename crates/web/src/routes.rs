//! Addresses, and what answers them.
//!
//! A route stands once in the table ([`ROUTES`]), with its method, its path, its handler and what it says of itself. The router is
//! made from it, the metrics count by it, the document of the API is made from it, and the tests walk it: every route must have a
//! case in the access matrix and in the test that two organizations cannot see each other, and every answer must be as it is said
//! there, so a route that nobody tried does not pass.
//!
//! Methods are dispatched here and not by axum's own filters, because `LOCK` and `UNLOCK` of the `http` backend are as good as
//! `GET`. `HEAD` is not offered: a download of a state is recorded, and a client that throws the bytes away should not be.

mod bound;
pub(crate) mod check;
pub(crate) mod operation;
mod table;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::handler::Handler;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any};
use statehouse_core::Core;
use tower::util::BoxCloneSyncService;

use crate::answer;
use crate::problem::Problem;
use crate::throttle::Pace;
use bound::{Bound, Shared};
use operation::Intake;
pub use operation::{Gives, Operation};
pub use table::ROUTES;

type Service = BoxCloneSyncService<Request, Response, Infallible>;

/// One address and what it takes.
pub struct Route {
    /// The method, `LOCK` and `UNLOCK` included.
    pub method: &'static str,
    /// The path, its variable parts in braces.
    pub path: &'static str,
    /// What it says of itself, if it is of `/api/v2`.
    pub operation: Option<Operation>,
    /// What its handler takes.
    pub(crate) intake: fn() -> Intake,
    service: fn(Arc<Core>) -> Service,
}

impl std::fmt::Debug for Route {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} {}", self.method, self.path)
    }
}

/// Which entry of [`ROUTES`] answered; in an answer's extensions.
#[derive(Clone, Copy)]
pub(crate) struct Answered(pub(crate) usize);

fn service<H, T>(handler: H, core: Arc<Core>) -> Service
where
    H: Handler<T, Arc<Core>> + Sync,
    T: 'static,
{
    BoxCloneSyncService::new(handler.with_state(core))
}

/// Every address of the server, over one core, for callers at this pace. To be served by [`crate::listen::serve`], which says who
/// the peer is.
pub fn router(core: Arc<Core>, pace: Pace) -> Router {
    let shared = Arc::new(Shared::new(core.clone(), pace));
    let mut paths: BTreeMap<&str, Vec<(usize, &Route)>> = BTreeMap::new();
    for (index, route) in ROUTES.iter().enumerate() {
        paths.entry(route.path).or_default().push((index, route));
    }
    let mut router = Router::new();
    for (path, routes) in paths {
        router = router.route(path, by_method(&routes, &shared));
    }
    router
        .fallback(|| async { Problem::not_found() })
        .layer(from_fn_with_state(core, answer::answer))
}

/// One path: the service of each of its methods, and words for every other method.
fn by_method(routes: &[(usize, &'static Route)], shared: &Arc<Shared>) -> MethodRouter {
    let bound =
        |(index, route): &(usize, &'static Route)| Bound::new(*index, route, shared.clone());
    let table: Arc<[Bound]> = routes.iter().map(bound).collect();
    any(move |request: Request| {
        let table = table.clone();
        async move {
            let method = request.method().as_str();
            let asked = table.iter().find(|bound| bound.route.method == method);
            let Some(bound) = asked else {
                let methods: Vec<&str> = table.iter().map(|bound| bound.route.method).collect();
                return Problem::method(request.method(), &methods.join(", ")).into_response();
            };
            let mut response = bound.answer(request).await;
            response.extensions_mut().insert(Answered(bound.index));
            response
        }
    })
}
