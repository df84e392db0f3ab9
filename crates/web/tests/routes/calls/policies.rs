//! How routes about policy sets, and about what they say of runs, are called.

use serde_json::json;
use statehouse_core::{policy, project};
use statehouse_model::{PolicyEvaluationId, RunId, TaskStageId};
use statehouse_web::Route;

use super::{Call, World};
use crate::judge::says;
use crate::planned;
use crate::policies::{held_up, published};
use crate::support::name;

/// Whether a route is about policies.
pub(super) fn is_of_policies(route: &Route) -> bool {
    let parts = [
        "/{policyset}",
        "/{bundle}",
        "/{stage}",
        "/{evaluation}",
        "/{outcome}",
    ];
    parts.iter().any(|part| route.path.contains(part))
}

/// How one is called.
pub(super) async fn of_policies(world: &World, route: &Route, tag: &str, call: &mut Call) {
    // There may be a hundred, and what the calls before made judges nothing more.
    for set in policy::list(&world.acme).await.unwrap() {
        let id = set.id.parse().unwrap();
        policy::remove(&world.acme, &id).await.unwrap();
    }
    let last = route.path.rsplit('/').next().unwrap();
    if route.path.contains("/{policyset}") || route.path.contains("/{bundle}") {
        of_set(world, route, last, tag, call).await;
    } else {
        of_stage(world, tag, call).await;
    }
}

/// A set that is attached to nothing, or to what it is taken from.
async fn of_set(world: &World, route: &Route, last: &str, tag: &str, call: &mut Call) {
    let (server, owner) = (&world.server, &world.owner);
    let path = "/api/v2/organizations/acme/policy-sets";
    let made = server.post(owner, path, json!({ "name": tag })).await;
    let id = made.is(201).json()["data"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let at = format!("/api/v2/policy-sets/{id}");
    match last {
        "workspaces" | "projects" | "workspace-exclusions" => {
            let (kind, to) = if last == "projects" {
                let made = project::create(&world.acme, name(tag)).await.unwrap();
                ("projects", made.id)
            } else {
                ("workspaces", world.workspace(tag).await.to_string())
            };
            let refer = json!({ "data": [{ "type": kind, "id": to }] }).to_string();
            if route.method == "DELETE" {
                let at = format!("{at}/relationships/{last}");
                let attached = server.call(owner, "POST", &at, refer.clone()).await;
                attached.is(204);
            }
            call.body = refer.into();
        }
        "{bundle}" | "download" => {
            let version = published(server, owner, &at, "passed").await;
            call.fill("{bundle}", &version);
        }
        "{policyset}" if route.method == "PATCH" => call.say(&json!({ "description": tag })),
        "replays" => call.body = says("passed"),
        _ => {}
    }
    call.fill("{policyset}", &id);
}

/// What policies say of a run that they hold up.
async fn of_stage(world: &World, tag: &str, call: &mut Call) {
    let (server, owner) = (&world.server, &world.owner);
    let workspace = world.workspace(tag).await.to_string();
    planned::remote(server, owner, &workspace).await;
    let set = json!({ "data": {
        "type": "policy-sets",
        "attributes": { "name": tag },
        "relationships": { "workspaces": { "data": [{ "type": "workspaces", "id": workspace }] } },
    } });
    let path = "/api/v2/organizations/acme/policy-sets";
    let made = server.call(owner, "POST", path, set.to_string()).await;
    let set = made.is(201).json()["data"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let at = format!("/api/v2/policy-sets/{set}");
    published(server, owner, &at, "soft-failed").await;
    let configuration = planned::uploaded(server, owner, &workspace).await;
    let wish = planned::wish(&workspace, &configuration, &json!({ "message": tag }));
    let run = planned::started(server, owner, wish).await;
    world.in_place_of_the_last(&run).await;
    held_up(server, &world.acme, &run).await;
    let id: RunId = run.parse().unwrap();
    call.fill("{stage}", TaskStageId::from(&id).as_str());
    let evaluation = PolicyEvaluationId::from(&id);
    if call.path.contains("{outcome}") {
        let path = format!("/api/v2/policy-evaluations/{evaluation}/policy-set-outcomes");
        let listed = server.call(owner, "GET", &path, "").await.is(200).json();
        call.fill("{outcome}", listed["data"][0]["id"].as_str().unwrap());
    }
    call.fill("{evaluation}", evaluation.as_str());
}
