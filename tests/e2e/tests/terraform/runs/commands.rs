//! What people type: every way to plan, to look at a plan, and to apply it.

use serde_json::{Value, json};

use crate::support::house::Server;
use crate::support::plant::{Plant, Run, Runs, remote};
use crate::support::project::{APPLY, PLAN, resources};
use crate::support::proof::prove;

const TWO: &str = r#"
resource "terraform_data" "network" {
  input = "10.0.0.0/16"
}
resource "terraform_data" "host" {
  input = "host in ${terraform_data.network.output}"
}
output "password" {
  value     = "hunter2hunter2"
  sensitive = true
}
"#;

/// Asserts what there is of a run: its log, its plan in both forms, its capsule, and what happened to it.
fn is_told_whole(run: &Run<'_>, events: &[&str]) {
    let log = run.log("plan");
    assert!(
        log.starts_with('\u{2}') && log.ends_with('\u{3}'),
        "{log:?}"
    );
    assert!(log.contains("2 to add"), "{log}");
    let whole = run.plan("json-output").json();
    assert_eq!(whole["resource_changes"].as_array().unwrap().len(), 2);
    assert_eq!(
        whole["planned_values"]["outputs"]["password"]["value"],
        "hunter2hunter2"
    );
    let shown = run.plan("json-output-redacted");
    assert!(!shown.text().contains("hunter2hunter2"));
    let shown = shown.json();
    assert_eq!(shown["resource_changes"].as_array().unwrap().len(), 2);
    assert!(shown["provider_schemas"].is_object());
    assert_eq!(run.events(), events);
}

/// A plan that is looked at, an apply without a question, and one that is asked about: answered with yes, and with no.
fn asked_and_answered(server: &Server) {
    let runs = Runs::of(server);
    let project = remote(server, "first", TWO);
    project.run(PLAN).ends(
        2,
        &[
            "2 to add, 0 to change",
            "terraform_data.host will be created",
        ],
    );
    let events = [
        "create", "start", "fetched", "planned", "assess", "assessed",
    ];
    let run = runs.newest("first");
    is_told_whole(run.ended("planned_and_finished", ""), &events);

    project
        .answer(&["apply"], "no\n")
        .ends(1, &["2 to add", "Do you want to perform these actions"]);
    runs.newest("first").ended("discarded", "");
    assert_eq!(server.versions("first"), [] as [Value; 0]);
    assert_eq!(server.lock_id("first"), None);

    project
        .answer(&["apply"], "yes\n")
        .ends(0, &["2 to add", "Apply complete! Resources: 2 added"]);
    let run = runs.newest("first");
    run.ended("applied", "");
    let (before, after) = (
        ["create", "lock"],
        ["confirm", "queue", "verified", "applied"],
    );
    is_told_whole(&run, &[&before, &events[1..], &after].concat());
    let log = run.log("apply");
    assert!(
        log.contains("verified: ") && log.contains("2 added"),
        "{log}"
    );
    assert_eq!(run.shown()["capsule"].as_str().unwrap().len(), 64);
    assert_eq!(server.lock_id("first"), None);
    assert_eq!(project.pull(), server.pull("first"));
    assert_eq!(server.versions("first").len(), 1);
    project.is_settled();
}

/// Without an answer the run stays planned and keeps its workspace; it goes on when somebody confirms it.
fn left_to_be_confirmed(server: &Server) {
    let runs = Runs::of(server);
    let project = remote(server, "left", TWO);
    project
        .run(&["apply", "-input=false"])
        .ends(1, &["2 to add"]);
    let run = runs.newest("left");
    assert_eq!(run.shown()["status"], "planned");
    assert_eq!(server.lock_id("left").as_ref(), Some(&run.id));
    let token = &server.token;
    run.acts("apply", token, &Value::Null).json();
    run.gets_to("applied");
    assert_eq!(server.lock_id("left"), None);
    run.acts("apply", token, &Value::Null).refuses(409, "");

    // From here on without a question, and only a part of it.
    project.write("main.tf", TWO.replace("10.0", "10.1"));
    project
        .run(&["apply", "-auto-approve", "-target=terraform_data.network"])
        .ends(0, &["1 changed"]);
    project
        .run(&["apply", "-auto-approve", "-replace=terraform_data.host"])
        .ends(0, &["1 added, 0 changed, 1 destroyed"]);
    project.is_settled();
}

/// A plan is saved, shown, applied once, and refused after that.
fn saved(server: &Server) {
    let project = remote(server, "saved", TWO);
    project.run(&["plan", "-out=saved"]).ends(0, &["2 to add"]);
    assert_eq!(server.lock_id("saved"), None);
    project
        .run(&["show", "saved"])
        .ends(0, &["terraform_data.network will be created"]);
    let shown = project.run(&["show", "-json", "saved"]).done();
    let shown: Value = serde_json::from_slice(&shown.out).unwrap();
    assert_eq!(shown["resource_changes"].as_array().unwrap().len(), 2);
    project.run(&["apply", "saved"]).ends(0, &["2 added"]);
    project
        .run(&["apply", "saved"])
        .ends(1, &["Saved plan is already applied"]);
    project.is_settled();
    assert_eq!(server.versions("saved").len(), 1);
    project
        .run(&["plan", "-destroy", "-out=gone"])
        .ends(0, &["2 to destroy"]);
    project.run(&["apply", "gone"]).ends(0, &["2 destroyed"]);
}

const VARIABLES: &str = r#"
variable "text" {
  type = string
}
variable "number" {
  type = number
}
variable "list" {
  type = list(string)
}
variable "map" {
  type = map(object({ on = bool, at = list(number) }))
}
variable "plain" {}
output "all" {
  value = [var.text, var.number, var.list, var.map, var.plain]
}
"#;

/// Variables of the command line arrive as they were typed; outputs alone are a change.
fn variables(server: &Server) {
    let project = remote(server, "variables", VARIABLES);
    let text = r#"a "quoted" ${word}, %{if}, \n and ünïcode"#;
    let (text_is, list, map) = (
        format!("-var=text={text}"),
        r#"-var=list=["one", "two $${three}"]"#,
        r#"-var=map={ a = { on = true, at = [1, 2.5] }, "b c" = { on = false, at = [] } }"#,
    );
    let rest = [&*text_is, "-var=number=-1.25", list, map, "-var=plain=true"];
    project
        .run(&[APPLY, &rest].concat())
        .ends(0, &["Apply complete! Resources: 0 added"]);
    let found = project.run(&["output", "-json", "all"]).done();
    let found: Value = serde_json::from_slice(&found.out).unwrap();
    let expected = json!([
        text,
        -1.25,
        ["one", "two ${three}"],
        { "a": { "on": true, "at": [1, 2.5] }, "b c": { "on": false, "at": [] } },
        "true",
    ]);
    assert_eq!(found, expected);
    project
        .run(&[PLAN, &rest].concat())
        .ends(0, &["No changes"]);
    project
        .run(&["plan", "-input=false"])
        .ends(1, &["No value for required variable"]);
}

/// Nothing but the state is brought up to what is there; in the end everything is destroyed.
fn refreshed_and_destroyed(server: &Server) {
    let runs = Runs::of(server);
    let project = remote(server, "last", &resources(2));
    project.run(APPLY).ends(0, &["2 added"]);
    project
        .run(&["apply", "-auto-approve", "-refresh-only"])
        .ends(0, &["No changes"]);
    runs.newest("last").ended("planned_and_finished", "");
    project
        .run(&["destroy", "-auto-approve"])
        .ends(0, &["2 destroyed"]);
    assert_eq!(server.versions("last")[0]["resource-count"], 0);
    assert_eq!(server.lock_id("last"), None);
}

#[test]
fn a_remote_run_is_asked_about_applied_and_leaves_everything_that_it_was() {
    let plant = Plant::new(&[]);
    let server = plant.house.start();
    asked_and_answered(&server);
    left_to_be_confirmed(&server);
    prove(&server, "first");
    prove(&server, "left");
    server.stop();
}

#[test]
fn plans_are_saved_limited_refreshed_given_variables_and_destroyed() {
    let plant = Plant::new(&[]);
    let server = plant.house.start();
    saved(&server);
    variables(&server);
    refreshed_and_destroyed(&server);
    prove(&server, "saved");
    prove(&server, "variables");
    prove(&server, "last");
    server.stop();
}

/// What a state says, but for what is new each time.
fn content(state: &[u8]) -> Value {
    let mut state: Value = serde_json::from_slice(state).unwrap();
    state["lineage"] = Value::Null;
    state["serial"] = Value::Null;
    let resources = state["resources"].as_array_mut().unwrap();
    for resource in resources {
        for instance in resource["instances"].as_array_mut().unwrap() {
            instance["attributes"]["id"] = Value::Null;
        }
    }
    state
}

#[test]
fn the_same_configuration_gives_the_same_state_here_and_there() {
    let plant = Plant::new(&[]);
    let server = plant.house.start();
    let remote = remote(&server, "there", TWO);
    let local = server.project(&server.token, &server.cloud("name = \"here\""), TWO);
    local.run(&["init"]).done();
    for project in [&remote, &local] {
        project.run(APPLY).ends(0, &["2 added"]);
    }
    assert_eq!(
        content(&server.pull("there")),
        content(&server.pull("here"))
    );
    assert_eq!(Runs::of(&server).list("here"), [] as [Value; 0]);

    // Who runs here goes on there, and the other way round.
    let runs = Runs::of(&server);
    runs.remote("here", 0);
    local.is_settled();
    local.write("main.tf", TWO.replace("10.0", "10.2"));
    local.run(APPLY).ends(0, &["2 changed"]);
    assert_eq!(runs.list("here").len(), 2);
    prove(&server, "here");
    prove(&server, "there");
    server.stop();
}
