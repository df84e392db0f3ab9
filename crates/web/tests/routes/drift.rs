//! Looking for drift: started, found, told; and how often it is done by itself.

use bytes::Bytes;
use secrecy::SecretString;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use statehouse_core::access::{self, Scope};
use statehouse_core::run::machine::Status;
use statehouse_core::run::work::{Ended, Line};
use statehouse_core::state::{self, Upload};
use statehouse_core::user;
use statehouse_core::workspace::Workspace;
use statehouse_model::{Role, UserId};

use crate::pages::PASSWORD;
use crate::planned::{Remote, applied, found, job_of, until};
use crate::support::{Answer, Browser, document, name, state as bytes_of};

const SAY: &str = "/api/v2/organizations/acme/drift-schedules";
const PLAN: &str = "a plan file";
const STILL: &str = r#"{"format_version":"1.2"}"#;

/// A resource that drifted; what is secret of it is hidden in the form for the screen.
fn changed(address: &str, tag: &str) -> Value {
    let change = json!({
        "actions": ["update"], "before": { "tag": "a", "key": "k" }, "after": { "tag": tag, "key": "k" },
    });
    json!({ "address": address, "mode": "managed", "change": change })
}

/// One of the resources drifted.
fn drifted(tag: &str) -> String {
    let drift = changed("aws_vpc.net", tag);
    json!({ "format_version": "1.2", "resource_drift": [drift] }).to_string()
}

/// Says that the plan of a look is this JSON.
async fn report(line: &Line, json: &str) {
    report_as(line, json, json).await;
}

/// The same, where the form for the screen is another one.
async fn report_as(line: &Line, json: &str, shown: &str) {
    line.planning().await.unwrap();
    for (name, text) in [("plan", PLAN), ("plan-json", json), ("plan-shown", shown)] {
        line.file(name, Bytes::from(text.to_owned())).await.unwrap();
    }
    let mut found = found();
    found.plan_json = hex::encode(Sha256::digest(json));
    found.plan_shown = hex::encode(Sha256::digest(shown));
    line.done(Ended::Planned {
        found,
        changes: true,
    })
    .await
    .unwrap();
}

/// A workspace in which something was applied.
async fn place() -> Remote {
    let place = Remote::new().await;
    let of = Workspace::Id(place.workspace.parse().unwrap());
    let bytes = bytes_of("a", 1, 3).into();
    let upload = Upload {
        bytes,
        lock_id: None,
    };
    state::put(&place.ctx, &of, upload).await.unwrap();
    let run = place.run(json!({})).await;
    applied(place.server(), &place.ctx, &run).await;
    place
}

fn at(place: &Remote, rest: &str) -> String {
    format!("/api/v2/workspaces/{}{rest}", place.workspace)
}

async fn start(place: &Remote) -> Answer {
    let path = at(place, "/actions/look-for-drift");
    let wish = json!({ "message": "the audit asks" });
    place.server().post(place.owner(), &path, wish).await
}

async fn finds(place: &Remote, json: &str) -> String {
    let made = start(place).await.is(201).json();
    let run = made["data"]["id"].as_str().unwrap().to_owned();
    report(&job_of(place.server(), &run).await, json).await;
    until(place.server(), &place.ctx, &run, Status::PlannedAndFinished).await;
    run
}

#[tokio::test]
async fn a_look_is_started_and_what_it_found_is_told() {
    let place = Remote::new().await;
    let newest = at(&place, "/current-assessment-result");
    let none = place.server().call(place.owner(), "GET", &newest, "");
    none.await.is(404);
    let refused = start(&place).await.is(409);
    assert!(
        refused.text().contains("no run has applied anything"),
        "{}",
        refused.text()
    );

    let place = self::place().await;
    let newest = at(&place, "/current-assessment-result");
    let made = start(&place).await.is(201).json();
    let attributes = &made["data"]["attributes"];
    assert_eq!(attributes["purpose"], "drift");
    for flag in ["plan-only", "refresh-only"] {
        assert_eq!(attributes[flag], true, "{made}");
    }
    assert_eq!(attributes["message"], "the audit asks");
    let again = start(&place).await.is(409);
    assert!(
        again.text().contains("looks for drift already"),
        "{}",
        again.text()
    );
    let run = made["data"]["id"].as_str().unwrap().to_owned();
    report(&job_of(place.server(), &run).await, &drifted("b")).await;

    let told = place.get(&newest).await;
    let id = told["data"]["id"].as_str().unwrap().to_owned();
    assert!(id.starts_with("asmtres-"), "{id}");
    let attributes = &told["data"]["attributes"];
    let expected = json!({
        "drifted": true, "succeeded": true, "error-msg": null, "error-message": null,
        "resources-drifted": 1, "resources-undrifted": attributes["resources-undrifted"],
        "created-at": attributes["created-at"],
    });
    assert_eq!(*attributes, expected);
    assert!(attributes["created-at"].is_string());
    let relations = &told["data"]["relationships"];
    assert_eq!(relations["run"]["data"]["id"], run);
    assert_eq!(relations["workspace"]["data"]["id"], place.workspace);
    assert_eq!(
        place.get(&format!("/api/v2/assessment-results/{id}")).await["data"],
        told["data"]
    );
    assert_eq!(place.told(&run).await["has-changes"], true);

    let still = finds(&place, STILL).await;
    let told = place.get(&newest).await;
    assert_eq!(told["data"]["attributes"]["drifted"], false);
    assert_eq!(told["data"]["relationships"]["run"]["data"]["id"], still);
    let made = start(&place).await.is(201).json();
    let run = made["data"]["id"].as_str().unwrap().to_owned();
    place.act(place.owner(), &run, "cancel").await.is(202);
    let told = place.get(&newest).await;
    let attributes = &told["data"]["attributes"];
    assert_eq!(
        (&attributes["drifted"], &attributes["succeeded"]),
        (&Value::Null, &json!(false))
    );
    assert_eq!(attributes["error-msg"], "the run is canceled");

    let all = place
        .get(&at(&place, "/assessment-results?page[size]=2"))
        .await;
    assert_eq!(all["data"].as_array().unwrap().len(), 2);
    assert_eq!(all["meta"]["pagination"]["total-count"], 3);
    let workspace = place.get(&at(&place, "")).await;
    let current = &workspace["data"]["relationships"]["current-assessment-result"]["data"];
    assert_eq!(current["id"], told["data"]["id"]);
    let when = &workspace["data"]["attributes"]["last-assessment-result-at"];
    assert_eq!(*when, attributes["created-at"]);
}

#[tokio::test]
async fn the_narrowest_scope_says_how_often_and_a_workspace_its_own() {
    let place = Remote::new().await;
    let own = place.workspace.clone();
    let shown = async |scope: &str| {
        let told = place.get(&format!("{SAY}/{scope}")).await["data"].clone();
        assert_eq!(told["id"], scope);
        let told = &told["attributes"];
        (told["every-hours"].clone(), told["said-of"].clone())
    };
    let enabled = async || {
        let told = place.get(&at(&place, "")).await;
        told["data"]["attributes"]["assessments-enabled"].clone()
    };
    let say = async |wish: Value, status: u16| {
        let answer = place.server().post(place.owner(), SAY, wish).await;
        answer.is(status).text().to_owned()
    };
    assert_eq!(shown(&own).await, (Value::Null, Value::Null));
    say(json!({ "every-hours": 48 }), 201).await;
    assert_eq!(shown(&own).await, (json!(48), json!("organization")));
    assert_eq!(enabled().await, true);
    let next = place.get(&format!("{SAY}/{own}")).await;
    assert!(next["data"]["attributes"]["next-at"].is_string(), "{next}");

    let set = async |on: bool| {
        let body = document(&json!({ "assessments-enabled": on }));
        let path = at(&place, "");
        let changed = place
            .server()
            .call(place.owner(), "PATCH", &path, body)
            .await;
        changed.is(200);
    };
    set(false).await;
    assert_eq!(
        (shown(&own).await, enabled().await),
        ((Value::Null, json!(own)), json!(false))
    );
    set(true).await;
    assert_eq!(
        (shown(&own).await, enabled().await),
        ((json!(24), json!(own)), json!(true))
    );
    say(json!({ "scope": own, "every-hours": null }), 201).await;
    assert_eq!(shown(&own).await, (json!(48), json!("organization")));
    say(json!({ "scope": own, "every-hours": 0 }), 201).await;
    assert_eq!(shown(&own).await, (Value::Null, json!(own)));
}

#[tokio::test]
async fn how_often_is_a_number_of_hours_from_whoever_configures_runs() {
    let place = Remote::new().await;
    for (wrong, words) in [
        (json!({}), "0 for never"),
        (
            json!({ "every-hours": 100_000 }),
            "at least every 8784 hours",
        ),
        (json!({ "every-hours": -1 }), "u64"),
        (json!({ "every-hours": 1.5 }), "u64"),
        (json!({ "every-hours": "24" }), "u64"),
        (json!({ "every-hour": 24 }), "unknown field"),
        (
            json!({ "every-hours": 24, "scope": "everything" }),
            "a scope is",
        ),
    ] {
        let answer = place.server().post(place.owner(), SAY, wrong.clone()).await;
        let told = answer.is(400).text().to_owned();
        assert!(told.contains(words), "{wrong}: {told}");
    }
    // Who may change a workspace, but not say where and when its runs happen, does not say this either.
    let writer = place.member("wim", Role::Writer).await;
    for on in [true, false] {
        let body = document(&json!({ "assessments-enabled": on, "description": "x" }));
        let path = at(&place, "");
        let status = if on { 403 } else { 200 };
        place
            .server()
            .call(&writer, "PATCH", &path, body)
            .await
            .is(status);
    }
}

/// A browser of somebody who has a role.
async fn browser<'s>(place: &'s Remote, called: &str, role: Role) -> Browser<'s> {
    let machine = place.server().core.machine();
    let password: SecretString = PASSWORD.into();
    let made = user::create(&machine, name(called), false, Some(password)).await;
    let id: UserId = made.unwrap().id.parse().unwrap();
    let given = access::give(&place.ctx, id, role, Scope::Organization, None).await;
    given.unwrap();
    let mut browser = Browser::new(place.server());
    browser.sign_in(called, PASSWORD).await.is(303);
    browser
}

#[tokio::test]
async fn a_page_says_plainly_whether_anything_drifted() {
    let place = place().await;
    let mut ada = browser(&place, "ada", Role::Planner).await;
    let path = "/app/acme/dns";
    let says = async |browser: &mut Browser<'_>, path: &str, words: &[&str]| {
        let shown = browser.get(path).await.is(200);
        for words in words {
            assert!(shown.text().contains(words), "{words}: {}", shown.text());
        }
    };
    says(
        &mut ada,
        path,
        &["nobody has found out yet", "when somebody asks"],
    )
    .await;
    let run = finds(&place, &drifted("<b>")).await;
    let words = "drifted: 1 resource is not as it was applied";
    says(&mut ada, path, &[words, &format!("{path}/runs/{run}")]).await;
    let page = format!("{path}/runs/{run}");
    says(
        &mut ada,
        &page,
        &["What drifted", "~ aws_vpc.net is changed"],
    )
    .await;
    finds(&place, STILL).await;
    say_hours(&place).await;
    says(
        &mut ada,
        path,
        &["as it was applied</strong>", "every 36 hours", "next "],
    )
    .await;
    let made = start(&place).await.is(201).json();
    let run = made["data"]["id"].as_str().unwrap().to_owned();
    place.act(place.owner(), &run, "cancel").await.is(202);
    says(
        &mut ada,
        path,
        &[
            "as it was applied</strong>",
            "found nothing out: it ended canceled",
        ],
    )
    .await;
}

#[tokio::test]
async fn a_page_of_a_look_says_what_the_server_found_out_and_not_what_its_plan_shows() {
    let place = place().await;
    let mut ada = browser(&place, "ada", Role::Planner).await;
    let mut rhea = browser(&place, "rhea", Role::Reader).await;
    let page = async |browser: &mut Browser<'_>, run: &str| {
        let shown = browser.get(&format!("/app/acme/dns/runs/{run}")).await;
        shown.is(200).text().to_owned()
    };
    let begun = async || {
        let made = start(&place).await.is(201).json();
        let run = made["data"]["id"].as_str().unwrap().to_owned();
        let line = job_of(place.server(), &run).await;
        (run, line)
    };
    let still = "as it was applied";
    let unknown = "Nobody knows: the look ended canceled";

    // The form for the screen names none of what drifted, or something that did not.
    let (run, line) = begun().await;
    assert!(!page(&mut ada, &run).await.contains("What drifted"));
    let two = [changed("aws_vpc.net", "b"), changed("aws_vpc.lab", "b")];
    let two = json!({ "format_version": "1.2", "resource_drift": two }).to_string();
    report_as(&line, &two, "{}").await;
    let told = page(&mut ada, &run).await;
    assert!(told.contains("2 of the managed resources"), "{told}");
    assert!(told.contains("2 of them are not named here"), "{told}");
    assert!(!told.contains(still), "{told}");
    let (run, line) = begun().await;
    report_as(&line, STILL, &drifted("b")).await;
    let told = page(&mut ada, &run).await;
    assert!(told.contains(still) && !told.contains("aws_vpc"), "{told}");

    // Who reads no runs is told the number.
    let run = finds(&place, &drifted("b")).await;
    let told = page(&mut rhea, &run).await;
    assert!(told.contains("1 of the managed resources"), "{told}");
    assert!(!told.contains("aws_vpc"), "{told}");

    // What was found when it was to stop counts as little as what was not.
    let (run, line) = begun().await;
    place.act(place.owner(), &run, "cancel").await.is(202);
    report(&line, STILL).await;
    let told = page(&mut ada, &run).await;
    assert!(told.contains(unknown) && !told.contains(still), "{told}");
    let made = start(&place).await.is(201).json();
    let run = made["data"]["id"].as_str().unwrap().to_owned();
    place.act(place.owner(), &run, "cancel").await.is(202);
    let told = page(&mut ada, &run).await;
    assert!(told.contains(unknown) && !told.contains(still), "{told}");
}

async fn say_hours(place: &Remote) {
    let wish = json!({ "scope": place.workspace, "every-hours": 36 });
    place.server().post(place.owner(), SAY, wish).await.is(201);
}
