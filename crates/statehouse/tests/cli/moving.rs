//! Moving in: from files and from another server, whole, again, and never over anything.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::{TempDir, tempdir};

use crate::support::{Ran, Server, state};

const LINEAGE: &str = "3f1c0b52-7f6e-4a1c-9d51-0a1b2c3d4e5f";

fn write(path: &Path, text: &str) {
    fs_err::create_dir_all(path.parent().unwrap()).unwrap();
    fs_err::write(path, text).unwrap();
}

/// A tree with a state for each of these paths: path, serial, resources.
fn tree(states: &[(&str, u64, usize)]) -> TempDir {
    let tree = tempdir().unwrap();
    for (path, serial, resources) in states {
        write(
            &tree.path().join(path),
            &state(LINEAGE, *serial, *resources),
        );
    }
    tree
}

fn files(server: &Server, tree: &TempDir, more: &[&str]) -> Ran {
    let words = [
        "import",
        "files",
        tree.path().to_str().unwrap(),
        "--output",
        "json",
    ];
    server.run(&[&words[..], more].concat())
}

/// What became of one state of an import: its status, and how many versions were sent.
fn status(ran: &Ran, source: &str) -> (String, u64) {
    let rows = ran.json();
    let row = rows
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["source"] == source);
    let row = row.unwrap_or_else(|| panic!("{source} is not in {rows}"));
    (
        row["status"].as_str().unwrap().to_owned(),
        row["sent"].as_u64().unwrap(),
    )
}

fn serials(server: &Server, workspace: &str) -> Vec<u64> {
    let versions = server.json(&["state", "list", workspace]);
    let mut serials: Vec<u64> = versions
        .as_array()
        .unwrap()
        .iter()
        .filter(|version| version["status"] == "finalized")
        .map(|version| version["serial"].as_u64().unwrap())
        .collect();
    serials.reverse();
    serials
}

fn names(server: &Server) -> Vec<String> {
    let all = server.json(&["workspace", "list"]);
    let name = |each: &Value| each["name"].as_str().unwrap().to_owned();
    all.as_array().unwrap().iter().map(name).collect()
}

/// The number of entries in the ledger.
fn entries(server: &Server) -> String {
    let checkpoint = server.run(&["ledger", "checkpoint"]).done();
    checkpoint.text().lines().nth(1).unwrap().to_owned()
}

#[test]
fn a_tree_is_moved_in_once_and_a_second_run_sends_nothing() {
    let place = tempdir().unwrap();
    let server = Server::up(&place);
    let tree = tree(&[
        ("prod/network/terraform.tfstate", 7, 3),
        ("prod/dns.tfstate", 1, 1),
        ("app/terraform.tfstate.d/eu/terraform.tfstate", 2, 2),
        ("app/.terraform/terraform.tfstate", 1, 1),
    ]);
    let ran = files(&server, &tree, &[]).ends(0, ["all 3 states taken over"]);
    assert_eq!(
        status(&ran, "prod/network/terraform.tfstate"),
        ("imported".to_owned(), 1)
    );
    assert_eq!(names(&server), ["app-eu", "prod-dns", "prod-network"]);
    let original = fs_err::read(tree.path().join("prod/network/terraform.tfstate")).unwrap();
    assert_eq!(
        server.run(&["state", "pull", "prod-network"]).done().out,
        original
    );
    let shown = server.json(&["state", "show", "prod-network"]);
    assert!(shown["lock-id"].is_null(), "{shown}");
    let again = files(&server, &tree, &[]).done();
    for row in again.json().as_array().unwrap() {
        assert_eq!(
            (row["status"].as_str(), row["sent"].as_u64()),
            (Some("present"), Some(0))
        );
    }
    assert_eq!(serials(&server, "prod-network"), [7]);
    // The source went on meanwhile, and keeps no history: what an import wrote is continued.
    write(&tree.path().join("prod/dns.tfstate"), &state(LINEAGE, 4, 2));
    files(&server, &tree, &[]).done();
    assert_eq!(serials(&server, "prod-dns"), [1, 4]);
}

#[test]
fn a_dry_run_says_what_would_be_and_changes_nothing() {
    let place = tempdir().unwrap();
    let server = Server::up(&place);
    let tree = tree(&[("a.tfstate", 2, 1), ("b.tfstate", 2, 1)]);
    files(
        &server,
        &tree,
        &["--name-map", name_map(&tree, "b.tfstate -")],
    )
    .done();
    let before = (entries(&server), names(&server));
    let ran = files(&server, &tree, &["--dry-run"]).ends(0, ["all 2 states would be taken over"]);
    assert_eq!(status(&ran, "a.tfstate"), ("present".to_owned(), 0));
    assert_eq!(status(&ran, "b.tfstate"), ("would-import".to_owned(), 1));
    assert_eq!((entries(&server), names(&server)), before);
    files(&server, &tree, &["--project", "nowhere"]).ends(2, ["no project named `nowhere`"]);
    server.run(&["project", "create", "mine"]).done();
    files(&server, &tree, &["--project", "mine"]).done();
    let projects = server.json(&["project", "list"]);
    let mine = projects
        .as_array()
        .unwrap()
        .iter()
        .find(|each| each["name"] == "mine")
        .unwrap();
    assert_eq!(
        server.json(&["workspace", "show", "b"])["project"],
        mine["id"]
    );
}

/// Writes a file of names, whose path lives as long as the test.
fn name_map(tree: &TempDir, text: &str) -> &'static str {
    let path = tree.path().join("names");
    fs_err::write(&path, text).unwrap();
    Box::leak(path.to_str().unwrap().to_owned().into_boxed_str())
}

#[test]
fn names_that_clash_are_refused_before_anything_is_written() {
    let place = tempdir().unwrap();
    let server = Server::up(&place);
    let tree = tree(&[
        ("a/b.tfstate", 1, 1),
        ("a-b.tfstate", 1, 1),
        ("c.tfstate", 1, 1),
    ]);
    let before = entries(&server);
    files(&server, &tree, &[]).ends(
        2,
        ["nothing was imported", "a-b ← a/b.tfstate, a-b.tfstate"],
    );
    assert_eq!(entries(&server), before);
    files(
        &server,
        &tree,
        &["--name-map", name_map(&tree, "a-b.tfstate old")],
    )
    .done();
    assert_eq!(names(&server), ["a-b", "c", "old"]);
}

#[test]
fn what_is_locked_or_no_state_or_other_content_is_left_as_it_is() {
    let place = tempdir().unwrap();
    let server = Server::up(&place);
    let tree = tree(&[
        ("held.tfstate", 1, 1),
        ("other.tfstate", 3, 1),
        ("newer.tfstate", 3, 1),
        ("free.tfstate", 1, 1),
    ]);
    let lock = r#"{"ID":"1","Operation":"OperationTypeApply","Who":"ada@desk"}"#;
    write(&tree.path().join(".held.tfstate.lock.info"), lock);
    for (name, lineage, serial) in [("other", "another", 3), ("newer", LINEAGE, 9)] {
        server.run(&["workspace", "create", name]).done();
        Ran::fed(
            &mut server.client(&["state", "push", name, "-"]),
            &state(lineage, serial, 1),
        )
        .done();
    }
    let ran = files(&server, &tree, &[]).ends(
        4,
        [
            "ada@desk",
            "of lineage another",
            "newer than the source's 3",
        ],
    );
    assert_eq!(status(&ran, "free.tfstate"), ("imported".to_owned(), 1));
    for (name, serial) in [("other", 3), ("newer", 9)] {
        assert_eq!(status(&ran, &format!("{name}.tfstate")).0, "refused");
        assert_eq!(serials(&server, name), [serial]);
        assert_eq!(
            server.json(&["state", "quarantine", name]),
            serde_json::json!([])
        );
    }
    assert!(!names(&server).contains(&"held".to_owned()));
    // The same serial with other bytes: somebody edited the source, or the target.
    write(&tree.path().join("free.tfstate"), &state(LINEAGE, 1, 2));
    files(&server, &tree, &[]).ends(4, ["has other content than the source's serial 1"]);
    let edited = state(LINEAGE, 1, 1).replace("id-0", "id-1");
    write(&tree.path().join("free.tfstate"), &edited);
    files(&server, &tree, &[]).ends(4, ["has other content", "SHA-256"]);
    write(&tree.path().join("broken.tfstate"), "{\"version\": 4,");
    write(&tree.path().join("empty.tfstate"), "");
    let ran = files(&server, &tree, &[]).ends(1, ["broken.tfstate", "it is no state"]);
    assert_eq!(status(&ran, "broken.tfstate").0, "failed");
    assert_eq!(status(&ran, "empty.tfstate").0, "passed-over");
    assert_eq!(serials(&server, "free"), [1]);
}

#[test]
fn whoever_may_not_write_moves_nothing_in() {
    let place = tempdir().unwrap();
    let server = Server::up(&place);
    server.run(&["user", "create", "ada"]).done();
    server.run(&["grant", "give", "ada", "reader"]).done();
    let token = server.json(&["token", "create", "--user", "ada", "--label", "x"]);
    let tree = tree(&[("a.tfstate", 1, 1)]);
    let before = names(&server);
    let mut command = server.client(&["import", "files", tree.path().to_str().unwrap()]);
    let ran = Ran::of(command.env("STATEHOUSE_TOKEN", token["token"].as_str().unwrap()));
    ran.ends(3, ["1 of 1 states were not imported"]);
    assert_eq!(names(&server), before);
    server.run(&["workspace", "create", "a"]).done();
    server
        .run(&["workspace", "freeze", "a", "--reason", "audit"])
        .done();
    files(&server, &tree, &[]).ends(4, ["workspace a is frozen"]);
    server
        .run(&["workspace", "thaw", "a", "--reason", "over"])
        .done();
    server.run(&["state", "lock", "a"]).done();
    files(&server, &tree, &[]).ends(4, ["workspace a is locked under the id"]);
    assert_eq!(serials(&server, "a"), [] as [u64; 0]);
}

/// A tree with one state of many versions.
fn long_history(versions: u64) -> TempDir {
    let tree = tempdir().unwrap();
    for serial in 1..versions {
        let path = format!("net/versions/{serial:08}.tfstate");
        write(&tree.path().join(path), &state(LINEAGE, serial, 2));
    }
    write(
        &tree.path().join("net/terraform.tfstate"),
        &state(LINEAGE, versions, 2),
    );
    tree
}

#[test]
fn an_import_that_was_killed_goes_on_where_it_was() {
    const VERSIONS: u64 = 60;
    let place = tempdir().unwrap();
    let server = Server::up(&place);
    let tree = long_history(VERSIONS);
    let mut command = server.client(&["import", "files", tree.path().to_str().unwrap()]);
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    let there = || server.run(&["workspace", "show", "net"]).code == 0;
    while !there() || serials(&server, "net").len() < 3 {
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "it sends nothing"
        );
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let cut = serials(&server, "net").len() as u64;
    assert!(cut < VERSIONS, "it was over before it was killed");
    let left = server.json(&["workspace", "show", "net"]);
    assert!(
        left["lock-id"].as_str().unwrap().starts_with("import-"),
        "{left}"
    );
    let ran = files(&server, &tree, &[]).done();
    let (word, sent) = status(&ran, "net/terraform.tfstate");
    assert_eq!(word, "imported");
    assert!(
        sent <= VERSIONS - cut + 1 && sent < VERSIONS,
        "{sent} sent after {cut}"
    );
    assert_eq!(serials(&server, "net"), (1..=VERSIONS).collect::<Vec<_>>());
    assert!(server.json(&["workspace", "show", "net"])["lock-id"].is_null());
    server.stop();
}

#[test]
fn an_import_that_is_asked_to_stop_leaves_no_lock() {
    let place = tempdir().unwrap();
    let server = Server::up(&place);
    let tree = long_history(200);
    let mut command = server.client(&["import", "files", tree.path().to_str().unwrap()]);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let begun = Instant::now();
    let there = || server.run(&["workspace", "show", "net"]).code == 0;
    while !there() || serials(&server, "net").is_empty() {
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "it sends nothing"
        );
    }
    let id = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
    let ended = child.wait_with_output().unwrap();
    let err = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(5), "{err}");
    assert!(err.contains("stopped, as asked"), "{err}");
    assert!(server.json(&["workspace", "show", "net"])["lock-id"].is_null());
    assert!(serials(&server, "net").len() < 200);
}

/// Imports everything of another server.
fn from(there: &Server, token: &str, here: &Server, more: &[&str]) -> Ran {
    let host = there.ready("address").strip_prefix("https://").unwrap();
    let words = [
        "import",
        "tfe",
        host,
        "--from-organization",
        "main",
        "--output",
        "json",
    ];
    let mut command = here.client(&[&words[..], more].concat());
    command.args(["--source-ca", there.ready("ca_file")]);
    Ran::of(command.env("STATEHOUSE_SOURCE_TOKEN", token))
}

fn push(server: &Server, workspace: &str, states: &[(u64, usize)]) {
    server.run(&["workspace", "create", workspace]).done();
    for (serial, resources) in states {
        let text = state(&format!("{LINEAGE}-{workspace}"), *serial, *resources);
        let ran = Ran::fed(
            &mut server.client(&["state", "push", workspace, "-"]),
            &text,
        );
        if ran.code == 4 {
            // It waits, because much of it is gone. It is meant so.
            let waiting = server.json(&["state", "quarantine", workspace]);
            let id = waiting[0]["id"].as_str().unwrap();
            server
                .run(&["state", "accept", id, "--reason", "meant"])
                .done();
        }
    }
}

#[test]
fn another_server_is_moved_in_with_its_whole_history() {
    let (one, two) = (tempdir().unwrap(), tempdir().unwrap());
    let (there, here) = (Server::up(&one), Server::up(&two));
    push(&there, "net", &[(1, 30), (2, 31), (5, 2), (6, 3)]);
    push(&there, "held", &[(1, 1)]);
    push(&there, "secret", &[(1, 1)]);
    there.run(&["workspace", "create", "new"]).done();
    there
        .run(&["state", "lock", "held", "--reason", "at work"])
        .done();
    // Whoever sees everything, and reads everything but one workspace.
    there.run(&["user", "create", "ada"]).done();
    there.run(&["grant", "give", "ada", "reader"]).done();
    for workspace in ["net", "held", "new"] {
        let shown = there.json(&["workspace", "show", workspace]);
        let id = shown["id"].as_str().unwrap();
        there
            .run(&["grant", "give", "ada", "planner", "--scope", id])
            .done();
    }
    let token = there.json(&["token", "create", "--user", "ada", "--label", "x"]);
    let token = token["token"].as_str().unwrap();
    let dry = from(&there, token, &here, &["--dry-run"]).ends(1, ["locked at its source"]);
    let fence = |name: &str| {
        there.json(&["workspace", "show", name])["fence"]
            .as_u64()
            .unwrap()
    };
    assert_eq!(fence("new"), 0, "a dry run locks nothing");
    assert_eq!(status(&dry, "net"), ("would-import".to_owned(), 4));
    assert_eq!(names(&here), [] as [&str; 0]);
    let words = [
        "locked at its source: workspace held",
        "the token may not read its states",
    ];
    let ran = from(&there, token, &here, &[]).ends(1, words);
    assert_eq!(
        (status(&ran, "held").0, status(&ran, "secret").0),
        ("refused".to_owned(), "denied".to_owned())
    );
    assert_eq!(fence("new"), 1, "{ran:?}");
    assert_eq!(status(&ran, "net"), ("imported".to_owned(), 4));
    assert_eq!(status(&ran, "new").0, "empty");
    assert_eq!(names(&here), ["net"]);
    assert_eq!(serials(&here, "net"), [1, 2, 5, 6]);
    let marks = here.json(&["state", "list", "net"]);
    assert_eq!(
        marks[1]["marks"],
        serde_json::json!(["resources-dropped", "imported"])
    );
    assert_eq!(
        here.json(&["state", "quarantine", "net"]),
        serde_json::json!([])
    );
    // The owner locks what is read, and lets go of it.
    let before = fence("secret");
    from(&there, there.ready("token"), &here, &[]).ends(4, ["1 of 4 states were not imported"]);
    let shown = there.json(&["workspace", "show", "secret"]);
    assert_eq!(
        (shown["fence"].as_u64(), &shown["lock-id"]),
        (Some(before + 1), &Value::Null)
    );
    assert_eq!(names(&here), ["net", "secret"]);
    from(&there, "sth_user_site_nobody", &here, &[]).ends(3, ["answered 401"]);
    let proven = here.run(&["verify", "--live"]).done();
    assert!(proven.text().contains("PROVEN"), "{proven:?}");
}
