//! What was planned is not what is there any more: nothing is applied, and the run says what it was.

use rusqlite::Connection;
use serde_json::Value;

use crate::support::house::Server;
use crate::support::plant::{Plant, Runs, remote};
use crate::support::project::{APPLY, Project, resources};
use crate::support::proof::prove;

/// Pushes the state again, as its next version.
fn push(project: &Project) {
    let mut state: Value = serde_json::from_slice(&project.pull()).unwrap();
    state["serial"] = (state["serial"].as_u64().unwrap() + 1).into();
    project.write("pushed.tfstate", state.to_string());
    project.run(&["state", "push", "pushed.tfstate"]).done();
}

/// A workspace with one resource, whose configuration now wants two.
fn begun(server: &Server, workspace: &str) -> Project {
    let project = remote(server, workspace, &resources(1));
    project.run(APPLY).ends(0, &["1 added"]);
    project.write("main.tf", resources(2));
    project
}

/// Its lock is broken and a state pushed while it waits to be confirmed.
fn pushed_while_it_waits(server: &Server) {
    let runs = Runs::of(server);
    let project = begun(server, "broken");
    project
        .run(&["apply", "-input=false"])
        .ends(1, &["1 to add"]);
    let run = runs.newest("broken");
    project
        .run(&["force-unlock", "-force", "main/broken"])
        .done();
    push(&project);
    run.gets_to("stale").ended("stale", "lock-broken");
    run.acts("apply", &server.token, &Value::Null)
        .refuses(409, "stale");
    assert_eq!(server.versions("broken").len(), 2);
    prove(server, "broken");
}

/// A state is pushed between a saved plan, which holds no lock, and its apply.
fn pushed_after_it_was_saved(server: &Server) {
    let runs = Runs::of(server);
    let project = begun(server, "later");
    project.run(&["plan", "-out=saved"]).ends(0, &["1 to add"]);
    push(&project);
    project.run(&["apply", "saved"]).ends(1, &["differs: "]);
    runs.newest("later").ended("stale", "state-moved");
    assert_eq!(server.versions("later").len(), 2);
    assert_eq!(server.lock_id("later"), None);
    project.run(APPLY).ends(0, &["1 added"]);
    prove(server, "later");
}

#[test]
fn a_state_that_was_pushed_in_between_makes_a_plan_stale() {
    let plant = Plant::new(&[]);
    let server = plant.house.start();
    pushed_while_it_waits(&server);
    pushed_after_it_was_saved(&server);
    server.stop();
}

/// What is altered in the database, by where its object is named, and the reason that the run is to give.
const ALTERED: [(&str, &str, &str); 6] = [
    ("plan", FILE, "plan"),
    ("found", FILE, "run"),
    ("plan-json", FILE, "plan-json"),
    ("capsule", FILE, "capsule"),
    (
        "configuration",
        "SELECT configuration FROM run WHERE id = $1 AND $2 <> ''",
        "configuration",
    ),
    (
        "base",
        "SELECT base FROM run WHERE id = $1 AND $2 <> ''",
        "state",
    ),
];
const FILE: &str = "SELECT id FROM run_file WHERE run = $1 AND kind = $2";

/// Flips a bit in the middle of a sealed object, behind the back of the server.
fn flip(database: &Connection, (run, kind): (&str, &str), named: &str) {
    let object: String = database
        .query_row(named, [run, kind], |row| row.get(0))
        .unwrap();
    let body = "SELECT body FROM blob WHERE version = $1";
    let mut body: Vec<u8> = database
        .query_row(body, [&object], |row| row.get(0))
        .unwrap();
    let middle = body.len() / 2;
    body[middle] ^= 1;
    let changed = database.execute(
        "UPDATE blob SET body = ?2 WHERE version = ?1",
        (&object, body),
    );
    assert_eq!(changed.unwrap(), 1);
}

#[test]
fn a_byte_that_was_altered_in_the_database_is_named_and_nothing_is_applied() {
    let plant = Plant::new(&[]);
    let server = plant.house.start();
    let mut waiting = Vec::new();
    for (workspace, statement, reason) in ALTERED {
        let project = begun(&server, workspace);
        project
            .run(&["apply", "-input=false"])
            .ends(1, &["1 to add"]);
        let run = Runs::of(&server).newest(workspace).id;
        waiting.push((workspace, statement, reason, run));
    }
    let house = server.stop();
    let database = Connection::open(plant.database()).unwrap();
    for (kind, statement, _, run) in &waiting {
        flip(&database, (run, kind), statement);
    }
    drop(database);
    let server = house.start();
    let runs = Runs::of(&server);
    for (workspace, ..) in &waiting {
        let run = runs.newest(workspace);
        run.acts("apply", &server.token, &Value::Null).json();
    }
    for (workspace, _, reason, _) in waiting {
        let run = runs.newest(workspace);
        run.gets_to("state_tampered")
            .ended("state_tampered", reason);
        assert_eq!(server.versions(workspace).len(), 1, "{workspace}");
    }
    server.run(&["verify", "--live"]).ends(15, &["NOT PROVEN"]);
    server.stop();
}
