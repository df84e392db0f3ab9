//! States: up and down, locks, and uploads that wait.

use std::os::unix::fs::PermissionsExt;

use tempfile::tempdir;

use crate::support::{Ran, Server, state};

#[test]
fn a_state_comes_back_byte_for_byte() {
    let place = tempdir().unwrap();
    let server = Server::up(&place);
    let body = state("3f1c0b52-7f6e-4a1c-9d51-0a1b2c3d4e5f", 1, 3);
    let file = place.path().join("one.tfstate");
    fs_err::write(&file, &body).unwrap();
    server.run(&["workspace", "create", "net"]).done();
    server
        .run(&["state", "pull", "net"])
        .ends(3, ["net has no state yet"]);
    let pushed = server.json(&["state", "push", "net", file.to_str().unwrap()]);
    assert_eq!(
        (
            pushed["serial"].as_u64(),
            pushed["sequence"].as_u64(),
            pushed["resource-count"].as_u64()
        ),
        (Some(1), Some(1), Some(3))
    );
    assert_eq!(server.run(&["state", "pull", "net"]).done().text(), body);
    assert_eq!(
        server.run(&["state", "pull", "main/net"]).done().text(),
        body
    );
    let id = pushed["id"].as_str().unwrap();
    let copy = place.path().join("copy.tfstate");
    server
        .run(&[
            "state",
            "pull",
            "net",
            "--version",
            id,
            "--out",
            copy.to_str().unwrap(),
        ])
        .done();
    assert_eq!(fs_err::read_to_string(&copy).unwrap(), body);
    assert_eq!(
        fs_err::metadata(&copy).unwrap().permissions().mode() & 0o777,
        0o600
    );
}

#[test]
fn a_state_that_cannot_be_sent_leaves_no_lock_behind() {
    let place = tempdir().unwrap();
    let server = Server::up(&place);
    server.run(&["workspace", "create", "net"]).done();
    for serial in [1, 2] {
        let body = state("a", serial, 4);
        Ran::fed(&mut server.client(&["state", "push", "net", "-"]), &body).done();
    }
    let shown = server.json(&["state", "show", "net"]);
    assert_eq!(
        (
            shown["serial"].as_u64(),
            shown["waiting"].as_u64(),
            shown["name"].as_str()
        ),
        (Some(2), Some(0), Some("net"))
    );
    assert!(shown["lock-id"].is_null(), "{shown}");
    assert_eq!(
        server
            .json(&["state", "list", "net"])
            .as_array()
            .unwrap()
            .len(),
        2
    );
    let table = server.run(&["state", "list", "net"]).done();
    assert!(table.text().starts_with("SEQUENCE  ID"), "{}", table.text());
    server
        .run(&["state", "push", "net", "nowhere"])
        .ends(1, ["nowhere"]);
    Ran::fed(
        &mut server.client(&["state", "push", "net", "-"]),
        "{ no json",
    )
    .ends(1, ["error:"]);
    assert!(server.json(&["state", "show", "net"])["lock-id"].is_null());
}

#[test]
fn a_lock_keeps_others_out_and_can_be_forced() {
    let place = tempdir().unwrap();
    let server = Server::up(&place);
    server.run(&["workspace", "create", "net"]).done();
    let id = server
        .run(&["state", "lock", "net", "--reason", "repair"])
        .done()
        .text()
        .trim()
        .to_owned();
    server.run(&["state", "lock", "net"]).ends(4, ["error:"]);
    Ran::fed(
        &mut server.client(&["state", "push", "net", "-"]),
        &state("a", 1, 1),
    )
    .ends(4, ["error:"]);
    Ran::fed(
        &mut server.client(&["state", "push", "net", "-", "--lock-id", &id]),
        &state("a", 1, 1),
    )
    .done();
    assert_eq!(
        server.json(&["state", "show", "net"])["lock-id"],
        id.as_str()
    );
    server
        .run(&["state", "unlock", "net", "another"])
        .ends(4, ["error:"]);
    server.run(&["state", "unlock", "net", &id]).done();
    server.run(&["state", "lock", "net"]).done();
    server
        .run(&["state", "unlock", "net", "--force"])
        .ends(2, ["--reason"]);
    server
        .run(&[
            "state",
            "unlock",
            "net",
            "--force",
            "--reason",
            "holder is gone",
        ])
        .done();
    assert!(server.json(&["workspace", "show", "net"])["lock-id"].is_null());
}

#[test]
fn what_looks_destructive_waits_and_its_id_is_enough_to_go_on() {
    let place = tempdir().unwrap();
    let server = Server::up(&place);
    server.run(&["workspace", "create", "net"]).done();
    let push = |serial, resources| {
        Ran::fed(
            &mut server.client(&["state", "push", "net", "-"]),
            &state("a", serial, resources),
        )
    };
    push(1, 120).done();
    push(2, 3).ends(
        4,
        [
            "120",
            "statehouse state accept sv-",
            "--reason",
            "request: req-",
        ],
    );
    let waiting = server.json(&["state", "quarantine", "net"]);
    let id = waiting[0]["id"].as_str().unwrap();
    assert_eq!(server.json(&["state", "show", "net"])["serial"], 1);
    server.run(&["state", "accept", id]).ends(2, ["--reason"]);
    server
        .run(&["state", "accept", id, "--reason", "the old network is gone"])
        .done();
    assert_eq!(server.json(&["state", "show", "net"])["serial"], 2);
    push(1, 3).ends(4, ["statehouse state discard"]);
    let waiting = server.json(&["state", "quarantine", "net"]);
    server
        .run(&[
            "state",
            "discard",
            waiting[0]["id"].as_str().unwrap(),
            "--reason",
            "a mistake",
        ])
        .done();
    assert_eq!(
        server.json(&["state", "quarantine", "net"]),
        serde_json::json!([])
    );
    assert_eq!(server.json(&["state", "show", "net"])["serial"], 2);
}

#[test]
fn over_a_state_that_moved_on_an_upload_is_accepted_only_by_naming_the_newer_one() {
    let place = tempdir().unwrap();
    let server = Server::up(&place);
    server.run(&["workspace", "create", "net"]).done();
    let push = |serial, resources| {
        Ran::fed(
            &mut server.client(&["state", "push", "net", "-"]),
            &state("a", serial, resources),
        )
    };
    push(1, 120).done();
    push(2, 3).ends(4, ["statehouse state accept sv-"]);
    push(2, 119).done();
    let waiting = server.json(&["state", "quarantine", "net"]);
    let kept = waiting[0]["id"].as_str().unwrap();
    let head = server.json(&["state", "show", "net"])["id"].clone();
    let head = head.as_str().unwrap();
    let accept = |over: &[&str]| {
        server.run(
            &[
                &["state", "accept", kept, "--reason", "torn down"][..],
                over,
            ]
            .concat(),
        )
    };
    accept(&[]).ends(4, ["the current version is", &format!("--over {head}")]);
    accept(&["--over", kept]).ends(4, [head]);
    accept(&["--over", head]).done();
    let shown = server.json(&["state", "show", "net"]);
    assert_eq!(shown["id"], kept);
    assert_eq!(shown["resource-count"], 3);
}
