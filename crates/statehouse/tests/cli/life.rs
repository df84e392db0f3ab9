//! The life of a state: differences, history, blame, going back.

use serde_json::json;
use tempfile::tempdir;

use crate::support::{Ran, Server};

/// A state with one resource, whose `pin` is marked as sensitive.
fn state(serial: u64, size: u64, pin: &str) -> String {
    let mark = json!([[{ "type": "get_attr", "value": "pin" }]]);
    json!({
        "version": 4, "terraform_version": "1.11.4", "serial": serial, "lineage": "a", "outputs": {},
        "resources": [{
            "mode": "managed", "type": "aws_x", "name": "a",
            "provider": "provider[\"registry.terraform.io/hashicorp/aws\"]",
            "instances": [{
                "schema_version": 0, "sensitive_attributes": mark,
                "attributes": { "id": "i\u{1b}[2J", "size": size, "pin": pin },
            }],
        }],
    })
    .to_string()
}

#[test]
#[expect(clippy::too_many_lines, reason = "one life")]
fn a_state_is_compared_blamed_and_taken_back() {
    let place = tempdir().unwrap();
    let server = Server::up(&place);
    server.run(&["workspace", "create", "net"]).done();
    for (serial, size, pin) in [
        (4, 1, "one-s3cret"),
        (5, 2, "two-s3cret"),
        (7, 3, "two-s3cret"),
    ] {
        let body = state(serial, size, pin);
        Ran::fed(&mut server.client(&["state", "push", "net", "-"]), &body).done();
    }
    let words = |args: &[&str]| server.run(args).done().text().to_owned();
    let check = |args: &[&str], expected: &[&str]| {
        let got = words(args);
        for line in expected {
            assert!(got.contains(line), "{args:?} without {line}:\n{got}");
        }
        assert!(!got.contains("s3cret") && !got.contains('\u{1b}'), "{got}");
    };
    let one = [
        "# aws_x.a changed",
        "~ size = 2 -> 3",
        "0 added, 1 changed, 0 moved, 0 removed",
    ];
    check(&["state", "diff", "net"], &one);
    check(&["state", "diff", "net", "-1"], &one);
    check(&["state", "diff", "net", "5", "7"], &one);
    let both = ["serial 4 (sv-", "~ pin = (sensitive)", "~ size = 1 -> 3"];
    check(&["state", "diff", "net", "-2"], &both);
    let file = place.path().join("new.tfstate");
    fs_err::write(&file, state(8, 9, "f-s3cret")).unwrap();
    let file = file.to_str().unwrap();
    check(
        &["state", "diff", "net", "--file", file],
        &["-> the file", "~ size = 3 -> 9"],
    );
    let found = server.json(&["state", "diff", "net", "4"]);
    assert_eq!(found["totals"]["changed"], 1);
    server
        .run(&["state", "diff", "net", "99"])
        .ends(3, ["no version 99"]);
    server
        .run(&["state", "diff", "net", "x"])
        .ends(2, ["names no version"]);

    check(
        &["state", "show", "net", "aws_x.a"],
        &["size = 3", "pin = (sensitive)"],
    );
    check(
        &["state", "show", "net", "aws_x.a.size", "--version", "4"],
        &["size = 1"],
    );
    check(&["state", "log", "net"], &["WHO", "admin", "finalized"]);
    check(
        &["state", "blame", "net", "aws_x.a"],
        &["serial 7", "size = 3", "serial 5", "admin"],
    );
    check(
        &["state", "history", "net", "aws_x.a.size"],
        &["+ appeared", "~ changed", "size = 2 -> 3"],
    );

    check(&["state", "search", "AWS_x"], &["net", "aws_x.a"]);
    let found = server.json(&["state", "search", "--type", "aws_x", "--workspace", "net"]);
    assert_eq!(found[0]["address"], "aws_x.a");
    assert_eq!(server.json(&["state", "search", "s3cret"]), json!([]));
    server
        .run(&["state", "search", "--mode", "odd"])
        .ends(1, ["`managed` or `data`"]);

    let back = ["state", "rollback", "net", "4", "--reason", "tried"];
    server.run(&back).ends(2, ["give --yes", "serial 4"]);
    let mut sure = back.to_vec();
    sure.push("--yes");
    let before = server.json(&["state", "show", "net"])["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let done = server.json(&sure);
    assert_eq!(done["serial"], 8);
    let shown = server.json(&["state", "show", "net"]);
    assert_eq!(
        (&shown["serial"], shown["lock-id"].is_null()),
        (&json!(8), true)
    );
    let id = done["id"].as_str().unwrap();
    check(&["state", "diff", "net", "4", id], &["0 added, 0 changed"]);
    server
        .run(&["state", "rm-version", "net", "-1", "--reason", "leaked"])
        .done();
    server
        .run(&["state", "pull", "net", "--version", &before])
        .ends(4, ["was removed on", "leaked"]);
    server.run(&["verify", "--live"]).done();
}

#[test]
fn a_workspace_is_frozen_thawed_deleted_and_brought_back() {
    let place = tempdir().unwrap();
    let server = Server::up(&place);
    server.run(&["workspace", "create", "net"]).done();
    let push = || {
        Ran::fed(
            &mut server.client(&["state", "push", "net", "-"]),
            &state(1, 1, "x"),
        )
    };
    let frozen = server.json(&["workspace", "freeze", "net", "--reason", "the audit"]);
    assert_eq!(frozen["freeze-reason"], "the audit");
    push().ends(
        4,
        ["frozen since", "admin: the audit", "workspace thaw net"],
    );
    server
        .run(&["workspace", "thaw", "net", "--reason", "over"])
        .done();
    push().done();
    server
        .run(&["workspace", "delete", "net"])
        .ends(4, ["still manages resources"]);
    server
        .run(&["workspace", "delete", "net", "--force"])
        .done();
    server.run(&["workspace", "show", "net"]).ends(3, [""; 0]);
    let deleted = server.json(&["workspace", "deleted"]);
    let id = deleted[0]["id"].as_str().unwrap();
    server
        .run(&["workspace", "undelete", id, "--name", "net2"])
        .done();
    let back = server.json(&["state", "show", "net2"]);
    assert_eq!(back["serial"], 1);
}

#[test]
fn a_policy_of_retention_is_said_shown_and_taken_back() {
    let place = tempdir().unwrap();
    let server = Server::up(&place);
    server.run(&["workspace", "create", "net"]).done();
    let show = ["retention", "show", "--workspace", "net"];
    assert_eq!(server.json(&show), json!(null));
    let set = ["retention", "set", "--days", "90", "--versions", "10"];
    assert_eq!(server.json(&set)["days"], 90);
    let shown = server.json(&show);
    assert_eq!(
        (&shown["scope"], &shown["inherited"]),
        (&json!("organization"), &json!(true))
    );
    let own = ["retention", "set", "--for-ever", "--workspace", "net"];
    server.run(&own).done();
    let shown = server.json(&show);
    assert_eq!(
        (&shown["days"], &shown["inherited"]),
        (&json!(null), &json!(false))
    );
    let of_project = ["retention", "set", "--days", "7", "--project", "default"];
    server.run(&of_project).done();
    let listed = server.json(&["retention", "list"]);
    assert_eq!(listed.as_array().unwrap().len(), 3);
    server
        .run(&["retention", "set", "--days", "0"])
        .ends(1, ["keeps no day and no version"]);
    server
        .run(&["retention", "set", "--versions", "3"])
        .ends(2, ["--days"]);
    server
        .run(&["retention", "unset", "--workspace", "net"])
        .done();
    assert_eq!(server.json(&show)["days"], 7);
}

#[test]
fn how_often_drift_is_looked_for_is_said_and_what_nobody_knows_is_no_success() {
    let place = tempdir().unwrap();
    let server = Server::up(&place);
    server.run(&["workspace", "create", "net"]).done();
    let show = ["drift", "schedule", "show", "--workspace", "net"];
    let told = |key: &str| server.json(&show)[key].clone();
    assert_eq!(told("every-hours"), json!(null));
    server
        .run(&["drift", "schedule", "set", "--every", "24"])
        .done();
    assert_eq!(told("every-hours"), 24);
    assert_eq!(told("said-of"), "organization");
    assert!(told("next-at").is_string());
    let never = ["drift", "schedule", "set", "--never", "--workspace", "net"];
    server.run(&never).done();
    assert_eq!(told("every-hours"), json!(null));
    let unset = ["drift", "schedule", "unset", "--workspace", "net"];
    server.run(&unset).done();
    assert_eq!(told("every-hours"), 24);
    for wrong in [&["--every", "0"][..], &["--every", "24", "--never"], &[]] {
        let set = [&["drift", "schedule", "set"], wrong].concat();
        server.run(&set).ends(2, [""; 0]);
    }
    server
        .run(&["drift", "start", "net"])
        .ends(4, ["its execution mode is `local`"]);
    server
        .run(&["drift", "show", "net"])
        .ends(1, ["nobody has looked for drift there yet"]);
    assert_eq!(server.json(&["drift", "list", "net"]), json!([]));
}

#[test]
fn the_tool_of_runs_is_said_of_a_scope_and_taken_back() {
    let place = tempdir().unwrap();
    let server = Server::up(&place);
    server.run(&["workspace", "create", "net"]).done();
    let show = ["execution", "show", "--workspace", "net"];
    let tool = || server.json(&show)["tool"].clone();
    assert_eq!(tool(), "terraform");
    server.run(&["execution", "set", "--tool", "tofu"]).done();
    assert_eq!(tool(), "tofu");
    let set = ["execution", "set", "--workspace", "net"];
    let says = |what: &[&str]| server.run(&[&set, what].concat());
    says(&["--tool", "terraform", "--approvals", "1"]).done();
    assert_eq!(tool(), "terraform");
    says(&["--inherit", "tool"]).done();
    assert_eq!(tool(), "tofu");
    assert_eq!(server.json(&show)["approvals"], 1);
    says(&["--tool", "tofu", "--inherit", "tool"]).ends(2, ["not both"]);
    says(&["--tool", "pulumi"]).ends(2, ["possible values: terraform, tofu"]);
}
