//! Variables of workspaces and of sets, and what sets are attached to.

use serde_json::json;
use tempfile::{TempDir, tempdir};

use crate::support::Server;

/// A server with a workspace in a project, and a set that is attached to nothing.
fn prepared(place: &TempDir) -> Server {
    let server = Server::up(place);
    server.run(&["project", "create", "net"]).done();
    let workspace = ["workspace", "create", "dns", "--project", "net"];
    server.run(&workspace).done();
    let made = server.json(&["variable-set", "create", "the cloud", "--priority"]);
    assert_eq!(made["global"], json!(false));
    assert_eq!(made["priority"], json!(true));
    server
}

/// How many sets reach the workspace.
fn reaching(server: &Server) -> usize {
    let sets = server.json(&["variable-set", "list", "--workspace", "dns"]);
    sets.as_array().unwrap().len()
}

#[test]
fn a_variable_is_set_in_a_set_as_in_a_workspace() {
    let place = tempdir().unwrap();
    let server = prepared(&place);
    let set = "variable set --env --sensitive --of-set";
    let set: Vec<&str> = set.split(' ').collect();
    let set = [&set[..], &["the cloud", "KEY", "correct-horse-battery"]].concat();
    for _ in 0..2 {
        assert_eq!(server.json(&set)["value"], json!(null));
    }
    let own = ["variable", "set", "dns", "region", "north"];
    server.run(&own).done();
    let listed = server.json(&["variable", "list", "the cloud", "--of-set"]);
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
    assert_eq!(listed[0]["key"], "KEY");
    let shown = server.json(&["variable-set", "show", "the cloud"]);
    assert_eq!(shown["vars"].as_array().unwrap().len(), 1, "{shown}");
    let rm = ["variable", "rm", "the cloud", "KEY", "--env", "--of-set"];
    server.run(&rm).done();
    let gone = server.json(&["variable", "list", "the cloud", "--of-set"]);
    assert_eq!(gone, json!([]));
}

#[test]
fn a_set_is_attached_changed_and_removed() {
    let place = tempdir().unwrap();
    let server = prepared(&place);
    assert_eq!(reaching(&server), 0);
    let attach = ["variable-set", "attach", "the cloud", "--project", "net"];
    server.run(&attach).done();
    assert_eq!(reaching(&server), 1);
    let shown = server.json(&["variable-set", "show", "the cloud"]);
    assert_eq!(shown["projects"].as_array().unwrap().len(), 1, "{shown}");
    let global = ["variable-set", "change", "the cloud", "--global"];
    assert_eq!(server.json(&global)["global"], json!(true));
    server.run(&attach).ends(4, ["attached to none", "next:"]);
    let id = shown["id"].as_str().unwrap();
    let narrow = ["variable-set", "change", id, "--global", "false"];
    let narrow = [&narrow[..], &["--name", "sky"]].concat();
    assert_eq!(server.json(&narrow)["name"], "sky");
    let alone = ["variable-set", "attach", "sky"];
    server.run(&alone).ends(2, ["--project"]);
    for (verb, count) in [("attach", 1), ("detach", 0)] {
        let place = ["variable-set", verb, "sky", "--workspace", "dns"];
        server.run(&place).done();
        assert_eq!(reaching(&server), count);
    }
    server.run(&["variable-set", "delete", "sky"]).done();
    let gone = server.run(&["variable-set", "show", "sky"]);
    gone.ends(2, ["no set of variables named `sky`"]);
}
