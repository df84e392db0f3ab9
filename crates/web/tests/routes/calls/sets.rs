//! How routes about sets of variables are called.

use serde_json::json;
use statehouse_core::project;
use statehouse_web::Route;

use super::{Call, World};
use crate::support::name;

/// How a route about a set of variables is called: one that is attached to nothing, or to what it is taken from.
pub(super) async fn of_set(world: &World, route: &Route, last: &str, tag: &str, call: &mut Call) {
    let (server, owner) = (&world.server, &world.owner);
    let path = "/api/v2/organizations/acme/varsets";
    let made = server.post(owner, path, json!({ "name": tag })).await;
    let id = made.is(201).json()["data"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let at = format!("/api/v2/varsets/{id}/relationships");
    match last {
        "workspaces" | "projects" => {
            let to = if last == "workspaces" {
                world.workspace(tag).await.to_string()
            } else {
                project::create(&world.acme, name(tag)).await.unwrap().id
            };
            let refer = json!({ "data": [{ "type": last, "id": to }] }).to_string();
            if route.method == "DELETE" {
                let at = format!("{at}/{last}");
                let attached = server.call(owner, "POST", &at, refer.clone()).await;
                attached.is(204);
            }
            call.body = refer.into();
        }
        "vars" if route.method == "POST" => {
            call.say(&json!({ "key": "region", "value": "eu-north-1" }));
        }
        "{variable}" => {
            let made = json!({ "key": "region", "value": "eu-north-1" });
            let made = server.post(owner, &format!("{at}/vars"), made).await;
            let variable = made.is(201).json()["data"]["id"].clone();
            call.fill("{variable}", variable.as_str().unwrap());
            call.say(&json!({ "value": "eu-north-2" }));
        }
        "{varset}" if route.method == "PATCH" => call.say(&json!({ "description": tag })),
        _ => {}
    }
    call.fill("{varset}", &id);
}
