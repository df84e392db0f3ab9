//! What people do with runs, and what is refused, in words.

use super::*;
use crate::support::{Answer, Person};

/// Sends an act with a body.
async fn say(place: &Remote, who: &Person, run: &str, action: &str, body: &str) -> Answer {
    let path = format!("/api/v2/runs/{run}/actions/{action}");
    let body = body.to_owned();
    place.server().call(who, "POST", &path, body).await
}

async fn decide(place: &Remote, who: &Person, run: &str, action: &str, capsule: &Value) -> Answer {
    let body = document(&json!({ "capsule": capsule, "comment": "looked at" }));
    say(place, who, run, action, &body).await
}

/// Asks for this many approvals in the workspace.
async fn asks(place: &Remote, approvals: u64) {
    let path = format!("{ACME}/executions");
    let wish = json!({ "scope": place.workspace, "approvals": approvals });
    place.acme.post(place.owner(), &path, wish, 201).await;
}

#[tokio::test]
async fn an_act_that_means_nothing_now_is_refused_in_words() {
    let place = Remote::new().await;
    let refused = async |run: &str, action: &str, words: &str| {
        let refused = place.act(place.owner(), run, action).await.is(409);
        let told = detail(&refused);
        assert!(told.contains(words), "{action}: {told}");
        assert!(told.contains(run), "{action}: {told}");
    };
    let run = place.run(json!({})).await;
    refused(
        &run,
        "apply",
        "the run is pending, in which `confirm` means nothing",
    )
    .await;
    refused(&run, "force-cancel", "means nothing").await;
    let line = job_of(place.server(), &run).await;
    refused(&run, "apply", "the run is fetching").await;
    refused(&run, "discard", "the run is fetching").await;
    refused(&run, "force-cancel", "cancel it first").await;
    line.planning().await.unwrap();
    place.act(place.owner(), &run, "cancel").await.is(202);
    let told = place.told(&run).await;
    assert_eq!(told["status"], "planning");
    assert_eq!(told["actions"]["is-force-cancelable"], true);
    assert_eq!(told["actions"]["is-cancelable"], false);
    place.act(place.owner(), &run, "force-cancel").await.is(202);
    assert_eq!(place.told(&run).await["status"], "force_canceled");
    for action in ["apply", "discard", "cancel", "force-cancel"] {
        refused(
            &run,
            action,
            "the run is force_canceled, and nothing more becomes of it",
        )
        .await;
    }
    let only = place.planned(json!({ "plan-only": true })).await;
    let told = place.told(&only).await;
    assert_eq!(told["status"], "planned_and_finished");
    assert_eq!(told["actions"]["is-confirmable"], false);
    refused(&only, "apply", "nothing more becomes of it").await;
}

#[tokio::test]
async fn what_is_said_beside_an_act_is_a_text_of_reasonable_length() {
    let place = Remote::new().await;
    let run = place.run(json!({})).await;
    let long = json!({ "comment": "ж".repeat(10_000) }).to_string();
    for action in ["apply", "discard", "cancel", "force-cancel", "withdraw"] {
        for (body, words) in [
            ("{", "cannot be read"),
            ("[]", "no object"),
            ("7", "no object"),
            (r#"{"comment":7}"#, "string"),
            (r#"{"comment":["x"]}"#, "string"),
            (r#"{"comment":"a\u0000b"}"#, "U+0000"),
            (&*long, "longer than 4096 bytes"),
        ] {
            let refused = say(&place, place.owner(), &run, action, body).await.is(400);
            assert!(detail(&refused).contains(words), "{}", refused.text());
        }
    }
    assert_eq!(place.told(&run).await["status"], "pending");
    let odd = json!({ "comment": "شبكة 🏠 \u{202e}<script>" }).to_string();
    say(&place, place.owner(), &run, "discard", &odd)
        .await
        .is(202);
}

#[tokio::test]
async fn what_is_said_of_a_run_stands_beside_it_and_changes_nothing() {
    let place = Remote::new().await;
    let [ada, eve] = [
        place.member("ada", Role::Writer).await,
        place.member("eve", Role::Reader).await,
    ];
    let run = place.run(json!({})).await;
    place.act(place.owner(), &run, "discard").await.is(202);
    let path = format!("/api/v2/runs/{run}/comments");
    let body = |words: &str| json!({ "body": words });
    for words in ["the gate is\nred", "the gate is green"] {
        let said = place.server().post(&ada, &path, body(words)).await.is(201);
        let said = said.json()["data"].clone();
        assert_eq!(said["type"], "comments");
        assert_eq!(said["attributes"]["body"], words);
        assert_eq!(said["attributes"]["actor-name"], "ada");
    }
    place.server().post(&eve, &path, body("no")).await.is(403);
    for (words, why) in [
        ("", "says something"),
        (" \n", "says something"),
        ("a\0b", "U+0000"),
    ] {
        let refused = place.server().post(&ada, &path, body(words)).await;
        assert!(
            refused.text().contains(why),
            "{words:?}: {}",
            refused.text()
        );
        assert!([400, 422].contains(&refused.status.as_u16()), "{words:?}");
    }
    let told = place.server().call(&eve, "GET", &path, "").await.is(200);
    let told = told.json()["data"].as_array().unwrap().clone();
    let words: Vec<&Value> = told
        .iter()
        .map(|each| &each["attributes"]["body"])
        .collect();
    assert_eq!(words, ["the gate is\nred", "the gate is green"]);
    assert_eq!(place.told(&run).await["status"], "discarded");
}

#[tokio::test]
async fn a_run_is_applied_when_it_is_confirmed_and_somebody_else_agrees() {
    let place = Remote::new().await;
    asks(&place, 1).await;
    let ada = place.member("ada", Role::Maintainer).await;
    let run = place.planned(json!({})).await;
    let capsule = place.told(&run).await["capsule"].clone();
    assert_eq!(capsule.as_str().unwrap().len(), 64);
    place.act(place.owner(), &run, "apply").await.is(202);
    let told = place.told(&run).await;
    assert_eq!(told["status"], "confirmed");
    assert_eq!(told["stage"], "awaiting_approval");
    assert_eq!(told["actions"]["is-confirmable"], false);
    assert_eq!(told["actions"]["is-cancelable"], true);
    // Whoever started it is not enough.
    let own = decide(&place, place.owner(), &run, "approve", &capsule).await;
    let stage = |told: Answer| told.is(200).json()["data"]["attributes"]["stage"].clone();
    assert_eq!(stage(own), "awaiting_approval");
    let waits = json!({
        "needed": 1,
        "counted": 0,
        "by": [],
        "by-names": [],
        "own-counts": false,
        "own-reason": "you started it",
    });
    assert_eq!(place.told(&run).await["approvals"], waits);
    let path = format!("/api/v2/runs/{run}");
    let shown = place.server().call(&ada, "GET", &path, "").await.is(200);
    let shown = shown.json()["data"]["attributes"]["approvals"].clone();
    assert_eq!(shown["own-counts"], true);
    assert_eq!(shown["own-reason"], Value::Null);
    let agreed = decide(&place, &ada, &run, "approve", &capsule).await;
    assert_eq!(stage(agreed), "approved");
    let told = place.told(&run).await["approvals"].clone();
    assert_eq!(told["counted"], 1);
    assert_eq!(told["by"], json!([ada.id.as_str()]));
    // The same again changes nothing; taken back, it waits again.
    let again = decide(&place, &ada, &run, "approve", &capsule).await;
    assert_eq!(stage(again), "approved");
    let back = say(&place, &ada, &run, "withdraw", "").await;
    assert_eq!(stage(back), "awaiting_approval");
    let nothing = say(&place, &ada, &run, "withdraw", "").await.is(409);
    assert!(
        nothing.text().contains("you have not approved this run"),
        "{}",
        nothing.text()
    );
    decide(&place, &ada, &run, "approve", &capsule)
        .await
        .is(200);
    until(place.server(), &place.ctx, &run, Status::Verifying).await;
    let apply = format!("/api/v2/applies/{}", planned::apply_of(&run));
    let apply = place.get(&apply).await;
    assert_eq!(apply["data"]["attributes"]["status"], "queued");
}

#[tokio::test]
async fn an_approval_is_of_what_was_looked_at_by_a_person_who_may() {
    let place = Remote::new().await;
    asks(&place, 1).await;
    let ada = place.member("ada", Role::Writer).await;
    let run = place.planned(json!({})).await;
    let capsule = place.told(&run).await["capsule"].clone();
    for action in ["approve", "reject"] {
        for (wrong, status, words) in [
            (json!({}), 400, "missing field `capsule`"),
            (json!({ "capsule": 7 }), 400, "string"),
            (json!({ "capsule": "شبكة" }), 422, "no SHA-256 in hex"),
            (json!({ "capsule": "ab" }), 422, "no SHA-256 in hex"),
            (
                json!({ "capsule": "ab".repeat(5000) }),
                422,
                "no SHA-256 in hex",
            ),
            (
                json!({ "capsule": "00".repeat(32) }),
                409,
                "something else than what you looked at",
            ),
            (
                json!({ "capsule": capsule, "reason": "x" }),
                400,
                "unknown field `reason`",
            ),
            (
                json!({ "capsule": capsule, "comment": "x".repeat(5000) }),
                400,
                "longer than 4096",
            ),
        ] {
            let body = document(&wrong);
            let refused = say(&place, &ada, &run, action, &body).await;
            let found = (refused.status.as_u16(), refused.text().contains(words));
            assert_eq!(found, (status, true), "{action}: {}", refused.text());
        }
    }
    for role in [Role::Planner, Role::Reader, Role::Auditor] {
        let other = place.member(role.as_str(), role).await;
        decide(&place, &other, &run, "approve", &capsule)
            .await
            .is(403);
    }
    assert_eq!(place.told(&run).await["stage"], "awaiting_approval");
    let rejected = decide(&place, &ada, &run, "reject", &capsule).await;
    let rejected = rejected.is(200).json();
    assert_eq!(rejected["data"]["attributes"]["status"], "discarded");
    decide(&place, &ada, &run, "approve", &capsule)
        .await
        .is(409);

    // Before there is a plan there is nothing to look at.
    let early = place.run(json!({})).await;
    decide(&place, &ada, &early, "approve", &capsule)
        .await
        .is(409);
}

#[tokio::test]
async fn a_saved_plan_waits_without_the_lock_and_takes_it_when_it_is_confirmed() {
    let place = Remote::new().await;
    let run = place.run(json!({ "save-plan": true })).await;
    plan(&job_of(place.server(), &run).await, true).await;
    until(place.server(), &place.ctx, &run, Status::PlannedAndSaved).await;
    let at = format!("/api/v2/workspaces/{}", place.workspace);
    let locked = async || place.get(&at).await["data"]["attributes"]["locked"].clone();
    assert_eq!(locked().await, false);
    let lock = async |action: &str| {
        let path = format!("{at}/actions/{action}");
        place
            .acme
            .post(place.owner(), &path, json!({ "id": "one" }), 200)
            .await
    };
    lock("lock").await;
    let refused = place.act(place.owner(), &run, "apply").await.is(409);
    assert!(
        detail(&refused).contains("is locked by User"),
        "{}",
        refused.text()
    );
    assert_eq!(place.told(&run).await["status"], "planned_and_saved");
    lock("unlock").await;
    place.act(place.owner(), &run, "apply").await.is(202);
    assert_eq!(locked().await, true);
    assert_eq!(place.told(&run).await["status"], "confirmed");
}

#[tokio::test]
async fn a_frozen_workspace_is_planned_and_takes_no_run_that_applies() {
    let place = Remote::new().await;
    let path = format!("/api/v2/workspaces/{}/actions/freeze", place.workspace);
    let why = json!({ "reason": "the quarter ends" });
    place.acme.post(place.owner(), &path, why, 200).await;
    let refused = place.ask(place.owner(), json!({})).await.is(423);
    assert!(
        detail(&refused).contains("the quarter ends"),
        "{}",
        refused.text()
    );
    let run = place.planned(json!({ "plan-only": true })).await;
    assert_eq!(place.told(&run).await["status"], "planned_and_finished");
}
