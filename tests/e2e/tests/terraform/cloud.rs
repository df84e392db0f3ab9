//! terraform through its `cloud` block and its `remote` backend.

use std::time::Duration;

use serde_json::Value;

use crate::support::child::until;
use crate::support::house::Server;
use crate::support::project::{APPLY, PLAN, Project, resources, slow_resource};
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

/// A project of the server's owner in a workspace of that name, initialized.
fn ready(server: &Server, workspace: &str, main: &str) -> Project {
    let project = named(server, workspace, main);
    project
        .run(&["init"])
        .ends(0, &["successfully initialized"]);
    project
}

fn named(server: &Server, workspace: &str, main: &str) -> Project {
    let block = server.cloud(&format!("name = \"{workspace}\""));
    server.project(&server.token, &block, main)
}

/// init, plan, apply, output, console, graph, state list, show, mv, rm, pull and push, with and without force, destroy.
pub(crate) fn every_command(server: Server) -> Server {
    let project = ready(&server, "cloud-commands", THREE);
    project.run(PLAN).ends(2, &["3 to add, 0 to change"]);
    project.run(APPLY).ends(0, &["3 added"]);
    project.is_settled();
    let output = |name| project.run(&["output", "-raw", name]).done();
    assert_eq!(output("greeting").text(), "hello");
    assert_eq!(output("password").text(), "hunter2");
    let all = project.run(&["output", "-json"]).done();
    let all: Value = serde_json::from_slice(&all.out).unwrap();
    assert_eq!(all["password"]["value"], "hunter2");
    assert_eq!(all["greeting"]["type"], "string");
    project.run(&["graph"]).ends(0, &["terraform_data.network"]);
    project
        .answer(&["console"], "terraform_data.network.output\n")
        .ends(0, &["10.0.0.0/16"]);
    project
        .run(&["state", "show", "terraform_data.network"])
        .ends(0, &["10.0.0.0/16"]);

    let (from, to) = ("terraform_data.host[0]", "terraform_data.kept");
    project.run(&["state", "mv", from, to]).done();
    project
        .run(&["state", "rm", "terraform_data.host[1]"])
        .done();
    let list = project.run(&["state", "list"]).done();
    assert_eq!(list.text(), "terraform_data.kept\nterraform_data.network\n");
    assert_eq!(project.pull(), server.pull("cloud-commands"));

    let mut pushed: Value = serde_json::from_slice(&project.pull()).unwrap();
    let older = pushed.clone();
    pushed["serial"] = (pushed["serial"].as_u64().unwrap() + 1).into();
    pushed["outputs"]["greeting"]["value"] = "good day".into();
    project.write("pushed.tfstate", pushed.to_string());
    project.run(&["state", "push", "pushed.tfstate"]).done();
    assert_eq!(output("greeting").text(), "good day");
    let mut foreign = older;
    foreign["lineage"] = "11111111-2222-3333-4444-555555555555".into();
    project.write("foreign.tfstate", foreign.to_string());
    project
        .run(&["state", "push", "foreign.tfstate"])
        .ends(1, &["lineage"]);
    project
        .run(&["state", "push", "-force", "foreign.tfstate"])
        .done();
    let newest = &server.versions("cloud-commands")[0];
    assert_eq!(newest["marks"], serde_json::json!(["lineage-changed"]));
    assert_eq!(newest["tool-version"], "1.11.4");

    project
        .run(&["destroy", "-auto-approve"])
        .ends(0, &["2 destroyed"]);
    assert_eq!(server.lock_id("cloud-commands"), None);
    prove(&server, "cloud-commands");
    server
}

/// What the server was asked since its log had `from` bytes: method and route of each request, in their order.
fn asked(server: &Server, from: usize) -> Vec<String> {
    let log = server.log();
    let word = |line: &str, name: &str| {
        let (_, rest) = line.split_once(&format!("{name}="))?;
        Some(rest.split_whitespace().next()?.trim_matches('"').to_owned())
    };
    let short = |route: String| {
        let route = route.replace("/api/v2/", "").replace("/.well-known/", "");
        let route = route.replace("organizations/{organization}/workspaces", "O");
        route.replace("workspaces/{workspace}", "W")
    };
    let line = |line: &str| {
        Some(format!(
            "{} {}",
            word(line, "method")?,
            short(word(line, "route")?)
        ))
    };
    log[from..].lines().filter_map(line).collect()
}

/// Asserts what a command asks after the three questions that every command begins with.
fn check(server: &Server, project: &Project, args: &[&str], code: i32, expected: &[&str]) {
    let from = server.log().len();
    project.run(args).ends(code, &[]);
    let begin = [
        "GET terraform.json",
        "GET ping",
        "GET organizations/{organization}/entitlement-set",
    ];
    let expected: Vec<&str> = begin.iter().chain(expected).copied().collect();
    assert_eq!(asked(server, from), expected, "{args:?}");
}

/// Requests come in the order that was measured with terraform 1.11.4, and no others.
pub(crate) fn order(server: Server) -> Server {
    const FOUND: &str = "GET O/{name}";
    const CURRENT: &str = "GET W/current-state-version";
    const DOWN: &str = "GET downloads/{url}/{signature}";
    const LOCK: &str = "POST W/actions/lock";
    const UNLOCK: &str = "POST W/actions/unlock";
    const UP: &str = "PUT uploads/{url}/{signature}";
    const POST: &str = "POST W/state-versions";
    const READ: &str = "GET state-versions/{version}";
    let project = named(&server, "cloud-order", THREE);
    let made = [FOUND, "POST O", "PATCH W", CURRENT];
    check(&server, &project, &["init"], 0, &made);
    check(
        &server,
        &project,
        PLAN,
        2,
        &[FOUND, FOUND, LOCK, CURRENT, UNLOCK],
    );
    let applied = [
        FOUND, FOUND, LOCK, CURRENT, CURRENT, POST, UP, UP, READ, UNLOCK,
    ];
    check(&server, &project, APPLY, 0, &applied);
    check(
        &server,
        &project,
        &["state", "pull"],
        0,
        &[FOUND, CURRENT, DOWN],
    );
    let outputs = [
        FOUND,
        "GET W/current-state-version-outputs",
        "GET state-version-outputs/{output}",
    ];
    check(&server, &project, &["output"], 0, &outputs);
    check(
        &server,
        &project,
        PLAN,
        0,
        &[FOUND, FOUND, LOCK, CURRENT, DOWN, UNLOCK],
    );
    prove(&server, "cloud-order");
    server
}

/// Workspaces by tags, plain and with values, in a project of their own: made, listed, selected, deleted.
pub(crate) fn tags(server: Server) -> Server {
    let block = server.cloud("tags = [\"app\", \"eu\"]\n      project = \"net\"");
    let project = server.project(&server.token, &block, &resources(1));
    project
        .answer(&["init"], "app-one\n")
        .ends(0, &["successfully initialized"]);
    project.run(APPLY).ends(0, &["1 added"]);
    project.run(&["workspace", "new", "app-two"]).done();
    let list = project.run(&["workspace", "list"]).done();
    let words: Vec<&str> = list.text().split_whitespace().collect();
    assert_eq!(words, ["app-one", "*", "app-two"]);
    project.run(APPLY).ends(0, &["1 added"]);
    project.run(&["workspace", "select", "app-one"]).done();
    let delete = ["workspace", "delete", "app-two"];
    project.run(&delete).ends(1, &["not empty"]);
    let other = ["workspace", "delete", "-force", "app-two"];
    project.run(&other).done();
    project.run(&["destroy", "-auto-approve"]).done();
    project.run(&["workspace", "new", "app-three"]).done();
    project.run(&["workspace", "delete", "app-one"]).done();
    let list = project.run(&["workspace", "list"]).done();
    assert_eq!(list.text().split_whitespace().last(), Some("app-three"));

    let block = server.cloud("tags = {\n        env = \"prod\"\n      }");
    let project = server.project(&server.token, &block, &resources(1));
    project
        .answer(&["init"], "env-one\n")
        .ends(0, &["successfully initialized"]);
    project.run(APPLY).ends(0, &["1 added"]);
    project.run(&["workspace", "new", "env-two"]).done();
    let list = project.run(&["workspace", "list"]).done();
    let words: Vec<&str> = list.text().split_whitespace().collect();
    assert_eq!(words, ["env-one", "*", "env-two"]);
    prove(&server, "env-one");
    server
}

/// local → cloud, http → cloud, cloud → local: nothing is left to do after any of them.
pub(crate) fn migrations(server: Server) -> Server {
    let parts = |state: &[u8]| -> Value {
        let state: Value = serde_json::from_slice(state).unwrap();
        serde_json::json!([state["resources"], state["outputs"]])
    };
    let project = server.project(&server.token, "", THREE);
    project.run(&["init"]).done();
    project.run(APPLY).done();
    let local = parts(&project.read("terraform.tfstate"));
    project.write("backend.tf", server.cloud("name = \"cloud-local\""));
    project
        .answer(&["init"], "yes\nyes\n")
        .ends(0, &["initialized"]);
    project.is_settled();
    assert_eq!(parts(&server.pull("cloud-local")), local);

    let project = server.project(&server.token, &server.block("http-first"), THREE);
    project.run(&["init"]).done();
    project.run(APPLY).done();
    let http = parts(&server.pull("http-first"));
    project.write("backend.tf", server.cloud("name = \"cloud-http\""));
    project
        .answer(&["init"], "yes\nyes\n")
        .ends(0, &["initialized"]);
    project.is_settled();
    assert_eq!(parts(&server.pull("cloud-http")), http);

    project.run(&["state", "pull"]).done();
    let pulled = project.pull();
    project.write("backend.tf", "");
    fs_err::remove_dir_all(project.path(".terraform")).unwrap();
    project.write("terraform.tfstate", &pulled);
    project.run(&["init"]).done();
    project.is_settled();
    prove(&server, "cloud-local");
    prove(&server, "cloud-http");
    server
}

/// The older backend, for one workspace and for several with a prefix.
pub(crate) fn remote(server: Server) -> Server {
    let block = |workspaces: &str| {
        format!(
            "terraform {{\n  backend \"remote\" {{\n    hostname = \"{}\"\n    organization = \"main\"\n    workspaces {{\n      {workspaces}\n    }}\n  }}\n}}\n",
            server.host()
        )
    };
    let project = server.project(&server.token, &block("name = \"remote-one\""), THREE);
    project
        .run(&["init"])
        .ends(0, &["successfully initialized"]);
    project.run(APPLY).ends(0, &["3 added"]);
    project.is_settled();
    let output = project.run(&["output", "-raw", "password"]).done();
    assert_eq!(output.text(), "hunter2");
    assert_eq!(project.pull(), server.pull("remote-one"));

    // With a prefix it wants a workspace to be there before it makes others.
    server.run(&["workspace", "create", "many-a"]).done();
    let project = server.project(&server.token, &block("prefix = \"many-\""), &resources(1));
    project
        .run(&["init"])
        .ends(0, &["successfully initialized"]);
    project.run(&["workspace", "new", "b"]).done();
    project.run(APPLY).ends(0, &["1 added"]);
    let list = project.run(&["workspace", "list"]).done();
    let words: Vec<&str> = list.text().split_whitespace().collect();
    assert_eq!(words, ["a", "*", "b"]);
    assert_eq!(project.pull(), server.pull("many-b"));
    prove(&server, "remote-one");
    prove(&server, "many-b");
    server
}

/// A second user is kept out while the first one works; a lock that is left behind is broken by its name.
pub(crate) fn locks(server: Server) -> Server {
    let writer = server.account("cloud-writer", "writer");
    let block = server.cloud("name = \"cloud-busy\"");
    let first = server.project(&server.token, &block, &slow_resource());
    let second = server.project(&writer, &block, &slow_resource());
    first.run(&["init"]).done();
    second.run(&["init"]).done();
    let applying = first.start(APPLY);
    let started = || first.path("started").exists().then_some(());
    until("the first apply works", Duration::from_mins(1), started);
    second
        .run(APPLY)
        .ends(1, &["workspace already locked", "main/cloud-busy"]);
    // One person at two desks is two clients.
    let own = server.project(&server.token, &block, &slow_resource());
    own.run(&["init"]).done();
    own.run(APPLY).ends(1, &["workspace already locked"]);
    second.run(&["plan", "-lock=false"]).done();
    second
        .run(&["force-unlock", "-force", "main/cloud-busy"])
        .ends(1, &[]);
    first.write("go", "");
    applying.end().ends(0, &["1 added"]);
    assert_eq!(server.lock_id("cloud-busy"), None);

    server.run(&["state", "lock", "cloud-busy"]).done();
    second.run(APPLY).ends(1, &["workspace already locked"]);
    first
        .run(&["force-unlock", "-force", "cloud-busy"])
        .ends(1, &[]);
    first
        .run(&["force-unlock", "-force", "main/cloud-busy"])
        .done();
    assert_eq!(server.lock_id("cloud-busy"), None);
    second.write("go", "");
    let replace = "-replace=terraform_data.slow";
    second
        .run(&["apply", "-auto-approve", "-lock=false", replace])
        .ends(0, &["1 added"]);
    let newest = &server.versions("cloud-busy")[0];
    assert_eq!(newest["marks"], serde_json::json!(["unlocked"]));
    prove(&server, "cloud-busy");
    server
}

/// An account ends while its apply works: the state is in a file, the workspace stays locked, and a colleague goes on.
pub(crate) fn failed_upload(server: Server) -> Server {
    let writer = server.account("cloud-leaver", "writer");
    let block = server.cloud("name = \"cloud-left\"");
    let theirs = server.project(&writer, &block, &slow_resource());
    theirs.run(&["init"]).done();
    let applying = theirs.start(APPLY);
    let started = || theirs.path("started").exists().then_some(());
    until("the apply works", Duration::from_mins(1), started);
    server.run(&["user", "disable", "cloud-leaver"]).done();
    theirs.write("go", "");
    applying.end().ends(1, &["errored.tfstate"]);
    let left = server.lock_id("cloud-left");
    assert!(left.is_some(), "terraform leaves it locked by design");

    let project = server.project(&server.token, &block, &slow_resource());
    project.run(&["init"]).done();
    project.write("errored.tfstate", theirs.read("errored.tfstate"));
    project
        .run(&["state", "push", "errored.tfstate"])
        .ends(1, &["main/cloud-left"]);
    project
        .run(&["force-unlock", "-force", "main/cloud-left"])
        .done();
    project.run(&["state", "push", "errored.tfstate"]).done();
    project.is_settled();
    prove(&server, "cloud-left");
    server
}
