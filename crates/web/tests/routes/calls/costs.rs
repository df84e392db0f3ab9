//! How routes about costs are called.

use bytes::Bytes;
use serde_json::json;
use statehouse_core::access::Scope;
use statehouse_core::cost::{self, Kind};
use statehouse_core::run::machine::Status;
use statehouse_model::{CostEstimateId, RunId};
use statehouse_web::Route;

use super::{Call, World};
use crate::planned;

/// Whether a route is about costs.
pub(super) fn is_of_costs(route: &Route) -> bool {
    route.path.contains("/cost-")
}

/// How one is called.
pub(super) async fn of_costs(world: &World, route: &Route, tag: &str, call: &mut Call) {
    let last = route.path.rsplit('/').next().unwrap();
    if route.path.contains("/{estimate}") {
        return of_estimate(world, tag, call).await;
    }
    let workspace = world.workspace(tag).await.to_string();
    let scope = Scope::Workspace(workspace.parse().unwrap());
    let bytes = Bytes::from(tag.to_owned());
    match (route.method, last) {
        ("PATCH", _) => call.say(&json!({ "estimation": false })),
        ("PUT", _) | ("POST", "cost-books") => call.body = bytes,
        ("DELETE", _) | ("GET", "content" | "versions") => {
            let named = (Kind::Usage, tag.to_owned());
            cost::set(&world.acme, scope, named, bytes).await.unwrap();
        }
        ("POST", "cost-replays") => call.say(&json!({ "scope": workspace })),
        _ => {}
    }
    call.fill("{scope}", &workspace);
    call.fill("{kind}", "usage");
}

/// The estimate of a run that waits for somebody.
async fn of_estimate(world: &World, tag: &str, call: &mut Call) {
    let (server, owner) = (&world.server, &world.owner);
    let workspace = world.workspace(tag).await.to_string();
    planned::remote(server, owner, &workspace).await;
    let configuration = planned::uploaded(server, owner, &workspace).await;
    let wish = planned::wish(&workspace, &configuration, &json!({ "message": tag }));
    let run = planned::started(server, owner, wish).await;
    world.in_place_of_the_last(&run).await;
    planned::plan(&planned::job_of(server, &run).await, true).await;
    planned::until(server, &world.acme, &run, Status::AwaitingApproval).await;
    let id: RunId = run.parse().unwrap();
    call.fill("{estimate}", CostEstimateId::from(&id).as_str());
}
