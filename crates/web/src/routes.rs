//! The one table of addresses.
//!
//! A route stands here once, with its method, its path and its handler. The router is made from this table, the metrics count
//! by it, and the tests walk it: every route must have a case in the access matrix and in the test that two organizations
//! cannot see each other, so a route that nobody tried does not pass.
//!
//! Methods are dispatched here and not by axum's own filters, because `LOCK` and `UNLOCK` of the `http` backend are as good as
//! `GET`. `HEAD` is not offered: a download of a state is recorded, and a client that throws the bytes away should not be.

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
use tower::ServiceExt;
use tower::util::BoxCloneSyncService;

use crate::problem::Problem;
use crate::{answer, backend, discovery, ledger, tfe, ui};

type Service = BoxCloneSyncService<Request, Response, Infallible>;

/// One address and what it takes.
pub struct Route {
    /// The method, `LOCK` and `UNLOCK` included.
    pub method: &'static str,
    /// The path, its variable parts in braces.
    pub path: &'static str,
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

macro_rules! routes {
    ($($method:ident $path:literal => $handler:path;)*) => {
        /// Every address of the server.
        pub const ROUTES: &[Route] = &[
            $(Route { method: stringify!($method), path: $path, service: |core| service($handler, core) },)*
        ];
    };
}

routes! {
    GET    "/state/{organization}/{workspace}" => backend::state::get;
    POST   "/state/{organization}/{workspace}" => backend::state::post;
    LOCK   "/state/{organization}/{workspace}" => backend::lock::lock;
    UNLOCK "/state/{organization}/{workspace}" => backend::lock::unlock;

    POST   "/api/v2/login" => tfe::tokens::login;
    GET    "/api/v2/account/details" => tfe::users::own;
    GET    "/api/v2/permissions" => tfe::permissions::list;

    GET    "/api/v2/users" => tfe::users::list;
    POST   "/api/v2/users" => tfe::users::create;
    POST   "/api/v2/users/{user}/actions/disable" => tfe::users::disable;
    POST   "/api/v2/users/{user}/actions/set-password" => tfe::users::set_password;
    POST   "/api/v2/users/{user}/tokens" => tfe::tokens::issue;
    GET    "/api/v2/tokens" => tfe::tokens::list;
    POST   "/api/v2/tokens" => tfe::tokens::create;
    DELETE "/api/v2/tokens/{token}" => tfe::tokens::revoke;

    GET    "/api/v2/organizations" => tfe::organizations::list;
    POST   "/api/v2/organizations" => tfe::organizations::create;
    GET    "/api/v2/organizations/{organization}" => tfe::organizations::show;
    POST   "/api/v2/organizations/{organization}/actions/shred" => tfe::organizations::shred;
    GET    "/api/v2/organizations/{organization}/projects" => tfe::projects::list;
    POST   "/api/v2/organizations/{organization}/projects" => tfe::projects::create;
    GET    "/api/v2/organizations/{organization}/grants" => tfe::grants::list;
    POST   "/api/v2/organizations/{organization}/grants" => tfe::grants::give;
    DELETE "/api/v2/organizations/{organization}/grants/{grant}" => tfe::grants::take;
    GET    "/api/v2/organizations/{organization}/workspaces" => tfe::workspaces::list;
    POST   "/api/v2/organizations/{organization}/workspaces" => tfe::workspaces::create;
    GET    "/api/v2/organizations/{organization}/workspaces/{name}" => tfe::workspaces::show_named;

    GET    "/api/v2/workspaces/{workspace}" => tfe::workspaces::show;
    GET    "/api/v2/workspaces/{workspace}/state-versions" => tfe::versions::list;
    GET    "/api/v2/workspaces/{workspace}/kept-versions" => tfe::versions::kept;
    GET    "/api/v2/workspaces/{workspace}/state" => tfe::versions::download;
    POST   "/api/v2/workspaces/{workspace}/state" => tfe::versions::upload;
    GET    "/api/v2/workspaces/{workspace}/lock" => tfe::locks::show;
    POST   "/api/v2/workspaces/{workspace}/actions/lock" => tfe::locks::take;
    POST   "/api/v2/workspaces/{workspace}/actions/unlock" => tfe::locks::release;
    POST   "/api/v2/workspaces/{workspace}/actions/force-unlock" => tfe::locks::force;
    POST   "/api/v2/state-versions/{version}/actions/accept" => tfe::versions::accept;
    POST   "/api/v2/state-versions/{version}/actions/discard" => tfe::versions::discard;

    GET    "/api/v2/organizations/{organization}/keys" => tfe::keys::list;
    POST   "/api/v2/organizations/{organization}/keys/actions/rotate" => tfe::keys::rotate;
    POST   "/api/v2/organizations/{organization}/keys/actions/rewrap" => tfe::keys::rewrap;
    GET    "/api/v2/site/keys" => tfe::keys::list_site;
    POST   "/api/v2/site/keys/actions/rotate" => tfe::keys::rotate_site;
    POST   "/api/v2/site/keys/actions/rewrap" => tfe::keys::rewrap_site;

    GET    "/api/v2/organizations/{organization}/ledger/export" => tfe::ledgers::export;
    POST   "/api/v2/organizations/{organization}/ledger/actions/verify-live" => tfe::ledgers::verify_live;
    POST   "/api/v2/organizations/{organization}/ledger/actions/publish" => tfe::ledgers::publish;
    GET    "/api/v2/site/ledger/export" => tfe::ledgers::export_site;
    POST   "/api/v2/site/ledger/actions/verify-live" => tfe::ledgers::verify_live_site;
    POST   "/api/v2/site/backups" => tfe::backups::create;

    GET    "/ledger/{house}/checkpoint" => ledger::checkpoint;
    GET    "/ledger/{house}/tile/{*tile}" => ledger::tile;

    GET    "/.well-known/terraform.json" => discovery::services;
    GET    "/oauth/authorize" => ui::consent::show;
    POST   "/oauth/authorize" => ui::consent::decide;
    POST   "/oauth/token" => ui::consent::token;

    GET    "/" => ui::start::show;
    GET    "/sign-in" => ui::sign_in::show;
    POST   "/sign-in" => ui::sign_in::send;
    GET    "/sign-out" => ui::sign_out::show;
    POST   "/sign-out" => ui::sign_out::send;
    GET    "/app/settings/tokens" => ui::tokens::show;
    POST   "/app/settings/tokens" => ui::tokens::make;
    POST   "/app/settings/tokens/{token}/actions/revoke" => ui::tokens::revoke;
    GET    "/assets/{file}" => ui::assets::show;
}

/// Every address of the server, over one core. To be served by [`crate::listen::serve`], which says who the peer is.
pub fn router(core: Arc<Core>) -> Router {
    let mut paths: BTreeMap<&str, Vec<(usize, &Route)>> = BTreeMap::new();
    for (index, route) in ROUTES.iter().enumerate() {
        paths.entry(route.path).or_default().push((index, route));
    }
    let mut router = Router::new();
    for (path, routes) in paths {
        router = router.route(path, by_method(&routes, &core));
    }
    router
        .fallback(|| async { Problem::not_found() })
        .layer(from_fn_with_state(core, answer::answer))
}

/// One path: the service of each of its methods, and words for every other method.
fn by_method(routes: &[(usize, &Route)], core: &Arc<Core>) -> MethodRouter {
    let bound =
        |(index, route): &(usize, &Route)| (route.method, *index, (route.service)(core.clone()));
    let table: Arc<[(&'static str, usize, Service)]> = routes.iter().map(bound).collect();
    any(move |request: Request| {
        let table = table.clone();
        async move {
            let asked = table
                .iter()
                .find(|(method, ..)| *method == request.method().as_str());
            let Some((_, index, service)) = asked else {
                let methods: Vec<&str> = table.iter().map(|(method, ..)| *method).collect();
                return Problem::method(request.method(), &methods.join(", ")).into_response();
            };
            let Ok(mut response) = service.clone().oneshot(request).await;
            response.extensions_mut().insert(Answered(*index));
            response
        }
    })
}
