//! How routes about runs, drift and agents are called.

use serde_json::{Value, json};
use statehouse_core::drift;
use statehouse_core::run::machine::Kind;
use statehouse_core::run::{self, act};
use statehouse_model::AssessmentId;
use statehouse_web::Route;

use super::{Call, World};
use crate::agents::{self, Far};
use crate::planned;
use crate::support::Person;

/// Whether a route is about a run or a part of one.
pub(super) fn is_of_run(route: &Route) -> bool {
    let parts = [
        "/{configuration}",
        "/{run}",
        "/{plan}",
        "/{apply}",
        "/logs/",
    ];
    route.path == "/api/v2/runs" || parts.iter().any(|part| route.path.contains(part))
}

/// How a route about drift is called: in a workspace in which something was applied and somebody looked.
pub(super) async fn of_drift(world: &World, last: &str, tag: &str, call: &mut Call) {
    // What the call before started takes part in every turn of the server.
    for run in run::queue(&world.acme).await.unwrap() {
        if run.state.kind() == Kind::Drift {
            act::cancel(&world.acme, &run.id, None).await.ok();
            act::force_cancel(&world.acme, &run.id, None).await.ok();
        }
    }
    let (server, owner) = (&world.server, &world.owner);
    let workspace = world.workspace(tag).await;
    let of = workspace.to_string();
    planned::remote(server, owner, &of).await;
    let configuration = planned::uploaded(server, owner, &of).await;
    let run = planned::started(
        server,
        owner,
        planned::wish(&of, &configuration, &json!({})),
    )
    .await;
    world.in_place_of_the_last(&run).await;
    planned::applied(server, &world.acme, &run).await;
    call.fill("{workspace}", &of);
    if last == "look-for-drift" {
        return call.say(&json!({ "message": tag }));
    }
    let look = drift::start(&world.acme, &workspace, tag.to_owned()).await;
    let look = look.unwrap().id;
    act::cancel(&world.acme, &look, None).await.unwrap();
    call.fill("{assessment}", AssessmentId::from(&look).as_str());
}

/// How a route of agents and their pools is called, so that the agent of the matrix may do what is an agent's.
pub(super) async fn of_agent(world: &World, route: &Route, tag: &str, call: &mut Call) {
    let last = route.path.rsplit('/').next().unwrap();
    if route.path.contains("/{pool}") {
        let pool = Far::new(&world.acme, tag).await.pool;
        call.fill("{pool}", &pool);
        return call.say(&json!({ "description": tag }));
    }
    if last == "agent-pools" {
        return call.say(&json!({ "name": tag }));
    }
    if last == "jobs" {
        return call.say(&json!({ "holder": tag, "sandbox": "strict", "wait-seconds": 0 }));
    }
    let (server, owner) = (&world.server, &world.owner);
    let workspace = world.workspace(tag).await.to_string();
    world.far.serves(server, owner, &workspace).await;
    let configuration = planned::uploaded(server, owner, &workspace).await;
    let plan_only = last != "state";
    let wish = json!({ "plan-only": plan_only });
    let wish = planned::wish(&workspace, &configuration, &wish);
    let run = planned::started(server, owner, wish).await;
    world.in_place_of_the_last(&run).await;
    if last == "state" {
        call.body = world.far.applies(server, &world.acme, &run).await;
        return call.fill("{run}", &run);
    }
    let job = world.far.job(server, &run, tag).await;
    call.fill("{job}", &job);
    if last == "{job}" {
        call.body = agents::framed(&statehouse_control::Ask::Beat, b"").await;
    }
    call.path = format!("{}?holder={tag}", call.path);
}

/// How a route about a run is called: one that waits for its turn, or as far along as the act needs it.
pub(super) async fn of_run(
    world: &World,
    route: &Route,
    who: Option<&Person>,
    tag: &str,
    call: &mut Call,
) {
    let (server, owner) = (&world.server, &world.owner);
    let workspace = world.workspace(tag).await.to_string();
    planned::remote(server, owner, &workspace).await;
    let configuration = planned::uploaded(server, owner, &workspace).await;
    if route.path.contains("/{configuration}") {
        return call.fill("{configuration}", &configuration);
    }
    let last = route.path.rsplit('/').next().unwrap();
    let plan_only = matches!(last, "runs" | "cancel") || route.method == "GET";
    let wish = json!({
        "plan-only": plan_only,
        "message": tag,
        "target-addrs": ["terraform_data.it"],
        "replace-addrs": ["terraform_data.it"],
        "variables": [{ "key": "name", "value": "\"zed\"" }],
    });
    let wish = planned::wish(&workspace, &configuration, &wish);
    if last == "runs" {
        call.body = wish.into();
        return;
    }
    let run = planned::started(server, owner, wish).await;
    world.in_place_of_the_last(&run).await;
    let (plan, apply) = (planned::plan_of(&run), planned::apply_of(&run));
    match last {
        "force-cancel" => planned::stopping(server, owner, &run).await,
        "apply"
        | "approve"
        | "reject"
        | "withdraw"
        | "json-output"
        | "json-output-redacted"
        | "state-copy" => {
            planned::planned(server, &world.acme, &run).await;
        }
        _ => {}
    }
    if matches!(last, "approve" | "reject" | "withdraw") {
        let capsule = planned::told(server, owner, &run).await["capsule"].clone();
        call.say(&json!({ "capsule": capsule, "comment": tag }));
    }
    if (route.method, last) == ("POST", "comments") {
        call.say(&json!({ "body": tag }));
    }
    if let ("withdraw", Some(who)) = (last, who) {
        // Whoever may approve has done so; the others are refused already.
        let path = format!("/api/v2/runs/{run}/actions/approve");
        let body = std::mem::replace(&mut call.body, json!({ "comment": tag }).to_string().into());
        server.call(who, "POST", &path, body).await;
    }
    call.fill("{run}", &run);
    call.fill("{plan}", &plan);
    call.fill("{apply}", &apply);
    if route.path.contains("/logs/") {
        of_log(world, who, &plan, call).await;
    }
}

/// The address of a log: one's own for whoever may have one, everybody else's has a wrong signature.
async fn of_log(world: &World, who: Option<&Person>, plan: &str, call: &mut Call) {
    let path = format!("/api/v2/plans/{plan}");
    if let Some(who) = who {
        let shown = world.server.call(who, "GET", &path, "").await;
        let link = (shown.status.as_u16() == 200)
            .then(|| shown.json()["data"]["attributes"]["log-read-url"].clone());
        if let Some(Value::String(link)) = link {
            call.path = link.replace("https://localhost", "");
            return;
        }
    }
    let shown = world.server.call(&world.owner, "GET", &path, "").await;
    let link = shown.is(200).json()["data"]["attributes"]["log-read-url"].clone();
    let id = link
        .as_str()
        .unwrap()
        .rsplit('/')
        .nth(1)
        .unwrap()
        .to_owned();
    call.fill("{url}", &id);
    call.fill("{signature}", &"00".repeat(36));
}
