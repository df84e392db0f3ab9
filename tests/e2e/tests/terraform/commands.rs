//! What terraform's commands do to a state, through the block that is pasted.

use serde_json::Value;

use crate::support::house::Server;
use crate::support::project::{APPLY, PLAN, Project, resources};
use crate::support::proof::prove;

const THREE: &str = r#"
resource "terraform_data" "network" {
  input = "10.0.0.0/16"
}
resource "terraform_data" "host" {
  count = 2
  input = "host ${count.index} in ${terraform_data.network.output}"
}
output "greeting" {
  value = "hello"
}
output "password" {
  value     = "hunter2"
  sensitive = true
}
"#;

/// init, plan, apply, output, state list, mv, rm, pull and push, destroy; and what the backend has not.
pub(crate) fn every_command(server: Server) -> Server {
    let project = Project::new(&server.block("commands"), THREE);
    project
        .run(&["init"])
        .ends(0, &["successfully initialized"]);
    project.run(PLAN).ends(2, &["3 to add, 0 to change"]);
    project.run(APPLY).ends(0, &["3 added"]);
    project.is_settled();
    let output = |name| project.run(&["output", "-raw", name]).done();
    assert_eq!(output("greeting").text(), "hello");
    assert_eq!(output("password").text(), "hunter2");

    project
        .run(&[
            "state",
            "mv",
            "terraform_data.host[0]",
            "terraform_data.kept",
        ])
        .done();
    project
        .run(&["state", "rm", "terraform_data.host[1]"])
        .done();
    let list = project.run(&["state", "list"]).done();
    assert_eq!(list.text(), "terraform_data.kept\nterraform_data.network\n");
    assert_eq!(project.pull(), server.pull("commands"));

    let mut pushed: Value = serde_json::from_slice(&project.pull()).unwrap();
    let older = pushed.clone();
    pushed["serial"] = (pushed["serial"].as_u64().unwrap() + 1).into();
    pushed["outputs"]["greeting"]["value"] = "good day".into();
    project.write("pushed.tfstate", pushed.to_string());
    project.run(&["state", "push", "pushed.tfstate"]).done();
    assert_eq!(output("greeting").text(), "good day");
    let newest = &server.versions("commands")[0];
    let pulled: Value = serde_json::from_slice(&project.pull()).unwrap();
    assert_eq!(newest["serial"], pulled["serial"]);
    assert_eq!(newest["tool-version"], "1.11.4");
    assert_eq!(newest["marks"], serde_json::json!([]));
    // An older one is refused by terraform itself.
    project.write("older.tfstate", older.to_string());
    project
        .run(&["state", "push", "older.tfstate"])
        .ends(1, &["over newer state with serial"]);

    project
        .run(&["workspace", "new", "second"])
        .ends(1, &["not supported"]);
    project
        .run(&["destroy", "-auto-approve"])
        .ends(0, &["2 destroyed"]);
    assert_eq!(project.run(&["state", "list"]).done().text(), "");
    assert_eq!(server.lock_id("commands"), None);
    prove(&server, "commands");
    server
}

/// `init -migrate-state` brings all of a local state, and nothing is left to do. The lineage is a new one: terraform gives
/// a state that it migrates to an empty backend its own.
pub(crate) fn migration(server: Server) -> Server {
    let project = Project::ready("", THREE);
    project.run(APPLY).done();
    let local: Value = serde_json::from_slice(&project.read("terraform.tfstate")).unwrap();
    project.write("backend.tf", server.block("migrated"));
    project
        .run(&["init", "-migrate-state", "-force-copy"])
        .done();
    project.is_settled();
    let ours: Value = serde_json::from_slice(&server.pull("migrated")).unwrap();
    for part in ["resources", "outputs", "check_results"] {
        assert_eq!(ours[part], local[part], "{part}");
    }
    assert_eq!(project.pull(), server.pull("migrated"));
    prove(&server, "migrated");
    server
}

/// A destroy is no accident, however much goes.
pub(crate) fn destroy_of_many(server: Server) -> Server {
    let project = Project::ready(&server.block("many"), &resources(40));
    project.run(APPLY).ends(0, &["40 added"]);
    project
        .run(&["destroy", "-auto-approve"])
        .ends(0, &["40 destroyed"]);
    assert_eq!(server.versions("many")[0]["resource-count"], 0);
    assert_eq!(server.waiting("many"), [] as [Value; 0]);
    prove(&server, "many");
    server
}

/// The server is stopped and started between a plan and its apply.
pub(crate) fn restart_within(server: Server) -> Server {
    let project = Project::ready(&server.block("planned"), THREE);
    project.run(&["plan", "-out", "saved"]).done();
    let server = server.restart();
    project.run(&["apply", "saved"]).ends(0, &["3 added"]);
    project.is_settled();
    assert_eq!(project.pull(), server.pull("planned"));
    prove(&server, "planned");
    server
}
