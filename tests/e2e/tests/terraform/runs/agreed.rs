//! More than one person: what is applied was approved by others, as the workspace says.

use crate::support::child::until;
use crate::support::house::Server;
use crate::support::plant::{Plant, Runs, remote_with};
use crate::support::project::{APPLY, resources};
use crate::support::proof::{prove, story};
use serde_json::Value;
use std::time::Duration;

/// It waits for somebody else, whatever its author says, and goes on when they approve.
fn approved(server: &Server, other: &str) {
    let runs = Runs::of(server);
    let project = remote_with(server, "approved", &resources(2), 1);
    let applying = project.start(APPLY);
    let run = runs.at("approved", "awaiting_approval");
    run.word("approve", &server.token).json();
    assert_eq!(run.stage(), "awaiting_approval");
    run.word("approve", other).json();
    applying.end().ends(0, &["2 added"]);
    run.ended("applied", "");
    let log = run.log("apply");
    assert!(log.contains("approv"), "{log}");
    prove(server, "approved");

    // A stranger is told all of it: who wished, what was planned, who agreed to just that, and what came of it.
    let story = story(server, &run.id);
    let capsule = run.shown()["capsule"].as_str().unwrap().to_owned();
    let mut rest = story.as_str();
    for words in [
        // In sentences first.
        "started the run",
        "It was planned. It would change something",
        &format!("bound by the capsule {capsule}"),
        &format!("approved what the capsule {capsule} binds"),
        &format!("Everything was compared with the capsule {capsule} and was the same"),
        "Its runner wrote the state version",
        "It was applied, and ended.",
        "run.create",
        "event=planned",
        &format!("run.assess  capsule={capsule}"),
        "run.approve  approval=apv-",
        &format!("capsule={capsule}"),
        &format!("run.apply  capsule={capsule}"),
        "state.write",
        "event=applied",
    ] {
        let (_, after) = rest
            .split_once(words)
            .unwrap_or_else(|| panic!("no {words} in its place: {story}"));
        rest = after;
    }
}

/// A rejection ends it, and nothing is applied.
fn rejected(server: &Server, other: &str) {
    let runs = Runs::of(server);
    let project = remote_with(server, "rejected", &resources(2), 1);
    let applying = project.start(APPLY);
    let run = runs.at("rejected", "awaiting_approval");
    run.word("reject", other).json();
    applying.end().ends(1, &[]);
    run.ended("discarded", "");
    assert_eq!(server.versions("rejected"), [] as [Value; 0]);
    assert_eq!(server.lock_id("rejected"), None);
    run.word("approve", other).refuses(409, "");
}

/// An approval that was taken back does not count when the author confirms.
fn withdrawn(server: &Server, other: &str) {
    let runs = Runs::of(server);
    let project = remote_with(server, "withdrawn", &resources(2), 1);
    project
        .run(&["apply", "-input=false"])
        .ends(1, &["2 to add"]);
    let run = runs.newest("withdrawn");
    run.word("approve", other).json();
    run.acts("withdraw", other, &Value::Null).json();
    run.acts("apply", &server.token, &Value::Null).json();
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(run.stage(), "awaiting_approval");
    run.word("approve", other).json();
    run.gets_to("applied");
    assert_eq!(server.lock_id("withdrawn"), None);
}

/// Who loses the right to approve while it waits has not approved.
fn without_right(server: &Server, other: &str) {
    let runs = Runs::of(server);
    let reader = server.account("approver-reader", "reader");
    let project = remote_with(server, "rights", &resources(1), 1);
    project
        .run(&["apply", "-input=false"])
        .ends(1, &["1 to add"]);
    let run = runs.newest("rights");
    run.word("approve", &reader).refuses(403, "");
    run.word("approve", other).json();
    let grants = server.json(&["grant", "list"]);
    let theirs = |grant: &&Value| grant["role"] == "writer";
    let grant = grants.as_array().unwrap().iter().find(theirs).unwrap();
    let grant = grant["id"].as_str().unwrap();
    server.run(&["grant", "take", grant]).done();
    run.acts("apply", &server.token, &Value::Null).json();
    until("it is not applied", Duration::from_mins(1), || {
        let stage = run.stage();
        assert_ne!(stage, "applied");
        (stage == "awaiting_approval" || stage == "errored").then_some(())
    });
    assert_eq!(server.versions("rights"), [] as [Value; 0]);
}

#[test]
fn an_apply_waits_for_another_person_and_ends_where_they_say_no() {
    let plant = Plant::new(&[]);
    let server = plant.house.start();
    let other = server.account("approver", "writer");
    approved(&server, &other);
    rejected(&server, &other);
    withdrawn(&server, &other);
    without_right(&server, &other);
    server.stop();
}
