//! Runs that use `OpenTofu`, as far as that can be shown without it.
//!
//! No package of the systems that this runs on has `tofu`. What is called so here is a stand-in: a script that says that it is
//! `OpenTofu`, and hands everything else to the real terraform. It shows that the tool that was named is found, started in the
//! sandbox, bound, and held against the one that would apply. It does not show that `OpenTofu` takes the arguments, writes the
//! plan file and its JSON in the form that is read here, reads `.tofu` files before `.tf` files, or installs providers as terraform
//! does. Where `STATEHOUSE_TEST_TOFU` names a real one, that is used instead, and then all but the files is shown.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use fs_err as fs;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::api::ask;
use crate::support::components;
use crate::support::house::Server;
use crate::support::plant::{Plant, Runs, remote};
use crate::support::project::{APPLY, PLAN, resources};
use crate::support::proof::prove;

/// The version that the stand-in says it is of.
const VERSION: &str = "1.9.0";

/// A house with a `tofu`, and the folder that the stand-in finds terraform in: what is in the mirror of providers can be
/// started in every sandbox.
fn plant() -> (Plant, TempDir) {
    let mirror = tempfile::tempdir().unwrap();
    fs::set_permissions(mirror.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let setting = format!("runs.provider_mirror={}", mirror.path().display());
    let plant = Plant::new(&[&setting]);
    if let Some(real) = components::tofu() {
        let version = version_of(&real);
        plant.tool("tofu", &version, |path| {
            fs::os::unix::fs::symlink(&real, path).unwrap();
        });
        return (plant, mirror);
    }
    fs::copy(components::terraform(), mirror.path().join("terraform")).unwrap();
    plant.tool("tofu", VERSION, stand_in);
    (plant, mirror)
}

/// The version that a real one says it is of.
fn version_of(tool: &Path) -> String {
    let said = Command::new(tool).arg("version").output().unwrap().stdout;
    let said = String::from_utf8(said).unwrap();
    let (_, version) = said.lines().next().unwrap().split_once(" v").unwrap();
    version.to_owned()
}

fn stand_in(path: &Path) {
    let script = format!(
        "#!/bin/sh\nif [ \"$1\" = version ]; then\n  echo 'OpenTofu v{VERSION}'\n  echo 'on linux_amd64'\n  exit\nfi\nexec /mirror/terraform \"$@\"\n"
    );
    fs::write(path, script).unwrap();
    fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
}

/// A workspace that terraform's client made wants the version of that client, which is none of the other tool.
fn use_tool(server: &Server, workspace: &str, tool: &str) {
    let set = ["execution", "set", "--workspace", workspace, "--tool", tool];
    server.run(&set).done();
    wants(server, workspace, "latest");
}

fn wants(server: &Server, workspace: &str, version: &str) {
    let version = serde_json::json!({ "terraform-version": version });
    let sent = serde_json::json!({ "data": { "type": "workspaces", "attributes": version } });
    let id = Runs::of(server).workspace(workspace);
    let path = format!("/api/v2/workspaces/{id}");
    ask(server, &server.token, ("PATCH", &path), &sent).json();
}

/// It plans and applies with the tool that is named, and says so to everybody.
fn planned_and_applied(server: &Server) {
    let project = remote(server, "forked", &resources(2));
    use_tool(server, "forked", "tofu");
    project.run(PLAN).ends(2, &["2 to add"]);
    project.run(APPLY).ends(0, &["2 added"]);
    let run = Runs::of(server).newest("forked");
    run.ended("applied", "");
    let log = run.log("apply");
    for words in ["tofu v1.", "verified: the tool is tofu 1."] {
        assert!(log.contains(words), "no {words}: {log}");
    }
    assert_eq!(server.versions("forked").len(), 1);
    project.is_settled();
    prove(server, "forked");
}

/// What one tool planned the other does not apply, whichever of them planned.
fn changed_in_between(server: &Server) {
    let runs = Runs::of(server);
    let project = remote(server, "turned", &resources(1));
    for (one, other) in [("tofu", "terraform"), ("terraform", "tofu")] {
        use_tool(server, "turned", one);
        project
            .run(&["apply", "-input=false"])
            .ends(1, &["1 to add"]);
        let run = runs.newest("turned");
        use_tool(server, "turned", other);
        run.acts("apply", &server.token, &Value::Null).json();
        run.gets_to("errored");
        run.ended("errored", "tool-binary,tool-name,tool-version");
        let log = run.log("apply");
        assert!(
            log.contains("another tool would apply than planned"),
            "{log}"
        );
        assert_eq!(server.versions("turned"), [] as [Value; 0]);
        assert_eq!(server.lock_id("turned"), None);
    }
    // With the one that is named now it is planned and applied anew.
    project.run(APPLY).ends(0, &["1 added"]);
    prove(server, "turned");
}

/// A configuration cannot put a file of its own in the place of the runner's backend.
fn hidden(server: &Server) {
    let project = remote(server, "hidden", &resources(1));
    use_tool(server, "hidden", "tofu");
    let name = "zz_statehouse_backend_override.tofu.json";
    project.write(name, "{}");
    project.run(APPLY).ends(1, &[name, "which is the runner's"]);
    Runs::of(server)
        .newest("hidden")
        .ended("errored", "configuration");
    assert_eq!(server.versions("hidden"), [] as [Value; 0]);
}

/// A version that is not here is named, and no other is used.
fn missing(server: &Server) {
    let project = remote(server, "missing", &resources(1));
    use_tool(server, "missing", "tofu");
    wants(server, "missing", "0.0.1");
    project.run(PLAN).ends(1, &["tofu 0.0.1"]);
    Runs::of(server).newest("missing").ended("errored", "tool");
}

#[test]
fn a_run_uses_the_tool_that_is_named_and_no_other_applies_what_it_planned() {
    let (plant, _mirror) = plant();
    let server = plant.house.start();
    planned_and_applied(&server);
    changed_in_between(&server);
    hidden(&server);
    missing(&server);
    server.stop();
}
