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

    GET    "/.well-known/terraform.json" => discovery::document;
    GET    "/api/v2/ping" => tfe::service::ping;
    POST   "/api/v2/login" => tfe::tokens::login;
    GET    "/api/v2/account/details" => tfe::users::own;
    PATCH  "/api/v2/account/update" => tfe::users::update_own;
    PATCH  "/api/v2/account/password" => tfe::users::change_own_password;
    GET    "/api/v2/permissions" => tfe::permissions::list;

    GET    "/api/v2/users" => tfe::users::list;
    POST   "/api/v2/users" => tfe::users::create;
    GET    "/api/v2/users/{user}" => tfe::users::show;
    GET    "/api/v2/users/{user}/authentication-tokens" => tfe::authentication_tokens::list_own;
    POST   "/api/v2/users/{user}/authentication-tokens" => tfe::authentication_tokens::create_own;
    GET    "/api/v2/authentication-tokens/{token}" => tfe::authentication_tokens::show;
    DELETE "/api/v2/authentication-tokens/{token}" => tfe::authentication_tokens::delete;
    POST   "/api/v2/users/{user}/actions/disable" => tfe::users::disable;
    POST   "/api/v2/users/{user}/actions/set-password" => tfe::users::set_password;
    POST   "/api/v2/users/{user}/tokens" => tfe::tokens::issue;
    GET    "/api/v2/tokens" => tfe::tokens::list;
    POST   "/api/v2/tokens" => tfe::tokens::create;
    DELETE "/api/v2/tokens/{token}" => tfe::tokens::revoke;

    GET    "/api/v2/organizations" => tfe::organizations::list;
    POST   "/api/v2/organizations" => tfe::organizations::create;
    GET    "/api/v2/organizations/{organization}" => tfe::organizations::show;
    PATCH  "/api/v2/organizations/{organization}" => tfe::organizations::change;
    DELETE "/api/v2/organizations/{organization}" => tfe::organizations::delete;
    GET    "/api/v2/organizations/{organization}/entitlement-set" => tfe::service::entitlements;
    POST   "/api/v2/organizations/{organization}/actions/shred" => tfe::organizations::shred;
    GET    "/api/v2/organizations/{organization}/projects" => tfe::projects::list;
    POST   "/api/v2/organizations/{organization}/projects" => tfe::projects::create;
    GET    "/api/v2/projects/{project}" => tfe::projects::show;
    PATCH  "/api/v2/projects/{project}" => tfe::projects::update;
    DELETE "/api/v2/projects/{project}" => tfe::projects::delete;
    GET    "/api/v2/organizations/{organization}/resources" => tfe::found::list;
    GET    "/api/v2/organizations/{organization}/retention-policies" => tfe::retention::list;
    POST   "/api/v2/organizations/{organization}/retention-policies" => tfe::retention::set;
    GET    "/api/v2/organizations/{organization}/retention-policies/{scope}" => tfe::retention::show;
    DELETE "/api/v2/organizations/{organization}/retention-policies/{scope}" => tfe::retention::end;
    GET    "/api/v2/organizations/{organization}/tags" => tfe::tags::of_organization;
    GET    "/api/v2/organizations/{organization}/grants" => tfe::grants::list;
    POST   "/api/v2/organizations/{organization}/grants" => tfe::grants::give;
    DELETE "/api/v2/organizations/{organization}/grants/{grant}" => tfe::grants::take;
    GET    "/api/v2/organizations/{organization}/workspaces" => tfe::workspaces::list;
    POST   "/api/v2/organizations/{organization}/workspaces" => tfe::workspaces::create;
    GET    "/api/v2/organizations/{organization}/workspaces/{name}" => tfe::workspaces::show_named;

    PATCH  "/api/v2/organizations/{organization}/workspaces/{name}" => tfe::workspaces::update_named;
    DELETE "/api/v2/organizations/{organization}/workspaces/{name}" => tfe::workspaces::delete_named;
    POST   "/api/v2/organizations/{organization}/workspaces/{name}/actions/safe-delete" => tfe::workspaces::safe_delete_named;
    GET    "/api/v2/organizations/{organization}/deleted-workspaces" => tfe::workspaces::deleted;
    GET    "/api/v2/organizations/{organization}/organization-memberships" => tfe::memberships::list;
    POST   "/api/v2/organizations/{organization}/organization-memberships" => tfe::memberships::create;
    GET    "/api/v2/organization-memberships/{membership}" => tfe::memberships::show;
    DELETE "/api/v2/organization-memberships/{membership}" => tfe::memberships::delete;
    GET    "/api/v2/organizations/{organization}/teams" => tfe::teams::list;
    POST   "/api/v2/organizations/{organization}/teams" => tfe::teams::create;
    GET    "/api/v2/teams/{team}" => tfe::teams::show;
    PATCH  "/api/v2/teams/{team}" => tfe::teams::change;
    DELETE "/api/v2/teams/{team}" => tfe::teams::delete;
    POST   "/api/v2/teams/{team}/relationships/users" => tfe::teams::add_users;
    DELETE "/api/v2/teams/{team}/relationships/users" => tfe::teams::remove_users;
    POST   "/api/v2/teams/{team}/relationships/organization-memberships" => tfe::teams::add_members;
    DELETE "/api/v2/teams/{team}/relationships/organization-memberships" => tfe::teams::remove_members;
    GET    "/api/v2/teams/{team}/authentication-token" => tfe::authentication_tokens::show_of_team;
    POST   "/api/v2/teams/{team}/authentication-token" => tfe::authentication_tokens::create_of_team;
    DELETE "/api/v2/teams/{team}/authentication-token" => tfe::authentication_tokens::delete_of_team;
    GET    "/api/v2/teams/{team}/authentication-tokens" => tfe::authentication_tokens::list_of_team;
    POST   "/api/v2/teams/{team}/authentication-tokens" => tfe::authentication_tokens::create_one_of_team;
    GET    "/api/v2/organizations/{organization}/team-tokens" => tfe::authentication_tokens::list_of_teams;
    GET    "/api/v2/organizations/{organization}/authentication-token" => tfe::authentication_tokens::show_of_organization;
    POST   "/api/v2/organizations/{organization}/authentication-token" => tfe::authentication_tokens::create_of_organization;
    DELETE "/api/v2/organizations/{organization}/authentication-token" => tfe::authentication_tokens::delete_of_organization;
    GET    "/api/v2/team-workspaces" => tfe::reach::list_workspace;
    POST   "/api/v2/team-workspaces" => tfe::reach::create_workspace;
    GET    "/api/v2/team-workspaces/{access}" => tfe::reach::show_workspace;
    PATCH  "/api/v2/team-workspaces/{access}" => tfe::reach::change_workspace;
    DELETE "/api/v2/team-workspaces/{access}" => tfe::reach::delete_workspace;
    GET    "/api/v2/team-projects" => tfe::reach::list_project;
    POST   "/api/v2/team-projects" => tfe::reach::create_project;
    GET    "/api/v2/team-projects/{access}" => tfe::reach::show_project;
    PATCH  "/api/v2/team-projects/{access}" => tfe::reach::change_project;
    DELETE "/api/v2/team-projects/{access}" => tfe::reach::delete_project;

    GET    "/api/v2/workspaces/{workspace}" => tfe::workspaces::show;
    PATCH  "/api/v2/workspaces/{workspace}" => tfe::workspaces::update;
    DELETE "/api/v2/workspaces/{workspace}" => tfe::workspaces::delete;
    POST   "/api/v2/workspaces/{workspace}/actions/safe-delete" => tfe::workspaces::safe_delete;
    POST   "/api/v2/workspaces/{workspace}/actions/undelete" => tfe::workspaces::undelete;
    GET    "/api/v2/workspaces/{workspace}/tag-bindings" => tfe::tags::bindings;
    PATCH  "/api/v2/workspaces/{workspace}/tag-bindings" => tfe::tags::bind;
    GET    "/api/v2/workspaces/{workspace}/effective-tag-bindings" => tfe::tags::effective;
    GET    "/api/v2/workspaces/{workspace}/relationships/tags" => tfe::tags::list;
    POST   "/api/v2/workspaces/{workspace}/relationships/tags" => tfe::tags::add;
    DELETE "/api/v2/workspaces/{workspace}/relationships/tags" => tfe::tags::remove;
    GET    "/api/v2/workspaces/{workspace}/state-versions" => tfe::versions::list;
    POST   "/api/v2/workspaces/{workspace}/state-versions" => tfe::transfers::announce;
    PATCH  "/api/v2/workspaces/{workspace}/state-versions" => tfe::versions::roll_back;
    GET    "/api/v2/workspaces/{workspace}/current-state-version" => tfe::versions::current;
    GET    "/api/v2/workspaces/{workspace}/current-state-version-outputs" => tfe::outputs::current;
    GET    "/api/v2/workspaces/{workspace}/resources" => tfe::resources::list;
    GET    "/api/v2/workspaces/{workspace}/resources/show" => tfe::resources::show;
    GET    "/api/v2/workspaces/{workspace}/resources/history" => tfe::resources::history;
    GET    "/api/v2/workspaces/{workspace}/resources/blame" => tfe::resources::blame;
    GET    "/api/v2/workspaces/{workspace}/kept-versions" => tfe::versions::kept;
    GET    "/api/v2/workspaces/{workspace}/state" => tfe::versions::download;
    POST   "/api/v2/workspaces/{workspace}/state" => tfe::versions::upload;
    GET    "/api/v2/workspaces/{workspace}/lock" => tfe::locks::show;
    POST   "/api/v2/workspaces/{workspace}/actions/lock" => tfe::locks::take;
    POST   "/api/v2/workspaces/{workspace}/actions/unlock" => tfe::locks::release;
    POST   "/api/v2/workspaces/{workspace}/actions/force-unlock" => tfe::locks::force;
    POST   "/api/v2/workspaces/{workspace}/actions/freeze" => tfe::freezes::freeze;
    POST   "/api/v2/workspaces/{workspace}/actions/thaw" => tfe::freezes::thaw;
    GET    "/api/v2/state-versions" => tfe::versions::list_named;
    GET    "/api/v2/state-versions/{version}" => tfe::versions::show;
    GET    "/api/v2/state-versions/{version}/download" => tfe::transfers::of_version;
    GET    "/api/v2/state-versions/{version}/json-download" => tfe::transfers::json_of_version;
    GET    "/api/v2/state-versions/{version}/outputs" => tfe::outputs::of_version;
    GET    "/api/v2/state-versions/{version}/diff" => tfe::looks::compare;
    POST   "/api/v2/state-versions/{version}/diff" => tfe::looks::compare_with;
    GET    "/api/v2/state-versions/{version}/rollback-preview" => tfe::looks::preview;
    GET    "/api/v2/state-version-outputs/{output}" => tfe::outputs::show;
    PUT    "/api/v2/uploads/{url}/{signature}" => tfe::transfers::upload;
    GET    "/api/v2/downloads/{url}/{signature}" => tfe::transfers::download;
    POST   "/api/v2/state-versions/{version}/actions/accept" => tfe::versions::accept;
    POST   "/api/v2/state-versions/{version}/actions/discard" => tfe::versions::discard;
    POST   "/api/v2/state-versions/{version}/actions/remove-content" => tfe::versions::remove_content;

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
    GET    "/api/v2/site/shredded-organizations/{house}/ledger/export" => tfe::ledgers::export_shredded;
    POST   "/api/v2/site/ledger/actions/verify-live" => tfe::ledgers::verify_live_site;
    POST   "/api/v2/site/backups" => tfe::backups::create;

    GET    "/ledger/{house}/checkpoint" => ledger::checkpoint;
    GET    "/ledger/{house}/tile/{*tile}" => ledger::tile;

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
