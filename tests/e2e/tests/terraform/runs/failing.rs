//! Configurations that fail, one way each: the person is told, nothing stays locked, and the next plan goes on.

use crate::support::house::Server;
use crate::support::plant::{Plant, Runs, remote};
use crate::support::project::{APPLY, PLAN, resources};
use crate::support::proof::prove;

const HALF: &str = r#"
resource "terraform_data" "made" {
  input = "made"
}
resource "terraform_data" "broken" {
  depends_on = [terraform_data.made]
  provisioner "local-exec" {
    command = "echo it breaks here; exit 7"
  }
}
"#;

/// A configuration, and what is said of it.
fn check(server: &Server, workspace: &str, main: &str, words: &[&str], reason: &str) {
    let project = remote(server, workspace, &resources(1));
    project.write("main.tf", main);
    project.run(PLAN).ends(1, words);
    project.run(APPLY).ends(1, words);
    let run = Runs::of(server).newest(workspace);
    run.ended("errored", reason);
    assert_eq!(server.lock_id(workspace), None);
    project.write("main.tf", resources(1));
    project.run(PLAN).ends(2, &["1 to add"]);
}

/// What was made before it failed is in the state, and the next apply goes on from there.
fn half_applied(server: &Server) {
    let project = remote(server, "half", HALF);
    project
        .run(APPLY)
        .ends(1, &["it breaks here", "exit status 7"]);
    Runs::of(server).newest("half").ended("errored", "apply");
    assert_eq!(server.lock_id("half"), None);
    let list = project.run(&["state", "list"]).done();
    assert!(list.text().contains("terraform_data.made"), "{list}");
    project.write("main.tf", HALF.replace("exit 7", "exit 0"));
    project
        .run(APPLY)
        .ends(0, &["1 added, 0 changed, 1 destroyed"]);
    project.is_settled();
    prove(server, "half");
}

#[test]
fn what_fails_is_told_gives_the_workspace_back_and_keeps_what_was_made() {
    let plant = Plant::new(&[]);
    let server = plant.house.start();
    let reference = "output \"none\" {\n  value = terraform_data.nowhere.id\n}\n";
    let said = ["Reference to undeclared resource", "terraform_data.nowhere"];
    check(&server, "wrong", reference, &said, "plan");
    let precondition = resources(1)
        + "resource \"terraform_data\" \"never\" {\n  lifecycle {\n    precondition {\n      \
           condition     = length(terraform_data.each) == 2\n      error_message = \"one is not two\"\n    }\n  }\n}\n";
    check(&server, "never", &precondition, &["one is not two"], "plan");
    let provider = "terraform {\n  required_providers {\n    nowhere = {\n      source = \"example.com/no/nowhere\"\n    }\n  }\n}\n\
         resource \"nowhere_thing\" \"any\" {}\n";
    check(
        &server,
        "missing",
        provider,
        &["example.com/no/nowhere"],
        "init",
    );
    half_applied(&server);
    server.stop();
}
