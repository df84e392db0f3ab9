//! Whose turn it is: workspaces do not wait for each other, and the runs of one do.

use crate::support::child::until;
use crate::support::plant::{Plant, Runs, open_seats, remote, sleeps};
use crate::support::project::APPLY;
use crate::support::proof::prove;
use std::time::Duration;

#[test]
fn workspaces_apply_at_once_and_the_runs_of_one_after_each_other() {
    let plant = Plant::new(&[]);
    let server = plant.house.start();
    let runs = Runs::of(&server);
    let [one, other] = ["one", "other"].map(|name| remote(&server, name, &sleeps("slow", 8)));
    let again = server.project(
        &server.token,
        &server.cloud("name = \"one\""),
        &sleeps("slow", 8),
    );
    again.run(&["init"]).done();

    let (first, beside) = (one.start(APPLY), other.start(APPLY));
    let [run, _] = ["one", "other"].map(|name| runs.at(name, "applying"));
    let after = again.start(APPLY);
    let waiting = runs.at("one", "pending");
    assert_ne!(run.id, waiting.id);
    // All three were there together.
    run.ended("applying", "");
    runs.newest("other").ended("applying", "");
    let queue = runs.get("/api/v2/organizations/main/runs/queue");
    assert_eq!(queue["data"].as_array().unwrap().len(), 3);
    let capacity = runs.get("/api/v2/organizations/main/capacity");
    assert_eq!(capacity["data"]["attributes"]["pending"], 1);
    assert_eq!(capacity["data"]["attributes"]["running"], 2);

    first.end().ends(0, &["1 added"]);
    beside.end().ends(0, &["1 added"]);
    after.end().ends(0, &["No changes"]);
    waiting.ended("planned_and_finished", "");
    for workspace in ["one", "other"] {
        assert_eq!(server.versions(workspace).len(), 1);
        assert_eq!(server.lock_id(workspace), None);
        prove(&server, workspace);
    }
    let empty = || (open_seats(&server) == 0).then_some(());
    until("the seats are wiped", Duration::from_secs(30), empty);
    server.stop();
}
