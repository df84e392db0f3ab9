//! Moving out: everything as plain files, from a server or from a backup and its keys.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::{TempDir, tempdir};

use crate::support::{Ran, Server, state, statehouse};

const LINEAGE: &str = "3f1c0b52-7f6e-4a1c-9d51-0a1b2c3d4e5f";

/// Two projects; a workspace with history, an upload that waits, one that was discarded, removed content, and an empty one.
fn filled(place: &TempDir) -> Server {
    let server = Server::up(place);
    server.run(&["project", "create", "prod"]).done();
    server
        .run(&["workspace", "create", "net", "--project", "prod"])
        .done();
    server.run(&["workspace", "create", "dns"]).done();
    server.run(&["workspace", "create", "empty"]).done();
    push(&server, "dns", 4, 1);
    for (serial, resources) in [(1, 30), (2, 31), (3, 32)] {
        push(&server, "net", serial, resources);
    }
    for (serial, resources) in [(4, 2), (5, 3)] {
        let text = state(LINEAGE, serial, resources);
        Ran::fed(&mut server.client(&["state", "push", "net", "-"]), &text)
            .ends(4, ["resources fall"]);
    }
    let waiting = server.json(&["state", "quarantine", "net"]);
    let id = waiting[0]["id"].as_str().unwrap();
    server
        .run(&["state", "discard", id, "--reason", "by mistake"])
        .done();
    server
        .run(&["state", "rm-version", "net", "1", "--reason", "a secret"])
        .done();
    server
}

fn push(server: &Server, workspace: &str, serial: u64, resources: usize) {
    let text = state(LINEAGE, serial, resources);
    Ran::fed(
        &mut server.client(&["state", "push", workspace, "-"]),
        &text,
    )
    .done();
}

/// Every file below a folder: its path from there, its mode, its bytes.
fn contents(folder: &Path) -> Vec<(PathBuf, u32, Vec<u8>)> {
    let (mut all, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        for entry in fs_err::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            let mode = fs_err::metadata(&path).unwrap().permissions().mode() & 0o777;
            if path.is_dir() {
                assert_eq!(mode, 0o700, "{}", path.display());
                folders.push(path);
            } else {
                let bytes = fs_err::read(&path).unwrap();
                all.push((path.strip_prefix(folder).unwrap().to_owned(), mode, bytes));
            }
        }
    }
    all.sort();
    all
}

fn eject(server: &Server, dir: &Path, more: &[&str]) -> Ran {
    let words = ["eject", "--dir", dir.to_str().unwrap()];
    server.run(&[&words[..], more].concat())
}

fn offline(place: &TempDir, backup: &Path, dir: &Path, more: &[&str]) -> Ran {
    let mut command = statehouse(place.path());
    command.arg("eject").arg("--dir").arg(dir);
    Ran::of(command.arg("--backup").arg(backup).args(more))
}

fn manifest(dir: &Path) -> Value {
    serde_json::from_slice(&fs_err::read(dir.join("MANIFEST.json")).unwrap()).unwrap()
}

#[test]
fn every_state_is_written_as_it_was_put_and_the_manifest_tells_which_it_is() {
    let place = tempdir().unwrap();
    let server = filled(&place);
    let out = place.path().join("out");
    eject(&server, &out, &[]).ends(0, ["everything was written"]);
    let files = contents(&out);
    assert!(files.iter().all(|(_, mode, _)| *mode == 0o600), "{files:?}");
    let net = out.join("prod/net");
    assert_eq!(
        fs_err::read(net.join("terraform.tfstate")).unwrap(),
        state(LINEAGE, 3, 32).as_bytes()
    );
    assert!(
        fs_err::read_to_string(net.join("backend.tf"))
            .unwrap()
            .contains("backend \"local\"")
    );
    let told = manifest(&out);
    assert_eq!(
        (&told["format"], &told["organization"]),
        (&"statehouse-eject/1".into(), &"main".into())
    );
    let names: Vec<&str> = told["workspaces"]
        .as_array()
        .unwrap()
        .iter()
        .map(|each| each["workspace"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["dns", "empty", "net"]);
    let states = told["workspaces"][2]["states"].as_array().unwrap();
    let roles: Vec<&str> = states
        .iter()
        .map(|each| each["role"].as_str().unwrap())
        .collect();
    assert_eq!(roles, ["current", "kept"], "{told}");
    assert_eq!(states[1]["status"], "quarantined");
    // The leaf is the one that the ledger has for this very version.
    let bundle = place.path().join("bundle.tar");
    server
        .run(&["ledger", "export", "--out", bundle.to_str().unwrap()])
        .done();
    let text = String::from_utf8_lossy(&fs_err::read(&bundle).unwrap()).into_owned();
    for state in states {
        let (leaf, version) = (
            state["leaf"].as_u64().unwrap(),
            state["version"].as_str().unwrap(),
        );
        let of_leaf = text.lines().find(|line| {
            line.contains(&format!("\"seq\":{leaf},"))
                || line.contains(&format!("\"index\":{leaf},"))
        });
        assert!(
            of_leaf.is_some_and(|line| line.contains(version)),
            "leaf {leaf}: {of_leaf:?}"
        );
    }
    eject(&server, &out, &[]).ends(2, ["is not empty"]);
    assert_eq!(contents(&out), files);
}

#[test]
fn what_was_ejected_moves_in_again_whole() {
    let place = tempdir().unwrap();
    let server = filled(&place);
    let out = place.path().join("out");
    eject(&server, &out, &["--all-versions"]).done();
    let paths: Vec<String> = contents(&out)
        .iter()
        .map(|(path, ..)| path.display().to_string())
        .collect();
    let kept = paths
        .iter()
        .filter(|path| path.starts_with("prod/net/kept/sv-"))
        .count();
    assert_eq!(kept, 2, "one waits and one was discarded: {paths:?}");
    assert!(
        paths.contains(&"prod/net/versions/00000002.tfstate".to_owned()),
        "{paths:?}"
    );
    let removed = &manifest(&out)["workspaces"][2]["states"][0];
    assert_eq!(
        (&removed["content-removed"], &removed["file"]),
        (&true.into(), &Value::Null)
    );
    let elsewhere = tempdir().unwrap();
    let other = Server::up(&elsewhere);
    let ran = other
        .run(&[
            "import",
            "files",
            out.join("prod").to_str().unwrap(),
            "--output",
            "json",
        ])
        .done();
    assert_eq!(ran.json()[0]["sent"], 2);
    assert_eq!(
        other.run(&["state", "pull", "net"]).done().text(),
        state(LINEAGE, 3, 32)
    );
}

#[test]
fn a_backup_and_its_keys_give_the_same_files_without_any_server() {
    let place = tempdir().unwrap();
    let server = filled(&place);
    let backup = place.path().join("site.tar");
    server
        .run(&["backup", "create", "--out", backup.to_str().unwrap()])
        .done();
    let (online, out) = (place.path().join("online"), place.path().join("offline"));
    eject(&server, &online, &["--all-versions"]).done();
    server.stop();
    let keys = place.path().join("house.keys");
    let before = (contents(&keys), fs_err::read(&backup).unwrap());
    let with_keys = [
        "--all-versions",
        "--keys",
        keys.to_str().unwrap(),
        "--organization",
        "main",
    ];
    offline(&place, &backup, &out, &with_keys).ends(0, ["everything was written"]);
    assert_eq!(contents(&out), contents(&online));
    let all = place.path().join("all");
    offline(&place, &backup, &all, &["--keys", keys.to_str().unwrap()]).done();
    assert!(all.join("main/prod/net/terraform.tfstate").exists());
    assert_eq!(
        (contents(&keys), fs_err::read(&backup).unwrap()),
        before,
        "nothing was written to"
    );
    offline(
        &place,
        &backup,
        &place.path().join("none"),
        &["--keys", keys.to_str().unwrap(), "--organization", "none"],
    )
    .ends(1, ["the backup has no organization none"]);
}

#[test]
fn a_backup_without_its_keys_is_refused_and_makes_none() {
    let place = tempdir().unwrap();
    let server = filled(&place);
    let backup = place.path().join("site.tar");
    server
        .run(&["backup", "create", "--out", backup.to_str().unwrap()])
        .done();
    server.stop();
    let (out, nowhere) = (place.path().join("out"), place.path().join("nowhere"));
    offline(&place, &backup, &out, &[]).ends(2, ["a backup holds no key"]);
    offline(
        &place,
        &backup,
        &out,
        &["--keys", nowhere.to_str().unwrap()],
    )
    .ends(2, ["is no key directory"]);
    assert!(!nowhere.exists());
    // Keys of another site; and those of the site without the organization's.
    let other = tempdir().unwrap();
    Server::up(&other).stop();
    let foreign = other.path().join("house.keys");
    let before = contents(&foreign);
    let refused = offline(
        &place,
        &backup,
        &out,
        &["--keys", foreign.to_str().unwrap()],
    );
    assert_ne!(refused.code, 0, "{refused:?}");
    assert!(refused.err.contains("key"), "{refused:?}");
    assert_eq!(contents(&foreign), before, "no key was made");
    assert_eq!(contents(&out), []);
    let keys = place.path().join("house.keys");
    for file in fs_err::read_dir(&keys).unwrap() {
        let path = file.unwrap().path();
        if !path.to_string_lossy().contains("site") && !path.to_string_lossy().contains("ca") {
            fs_err::remove_file(path).unwrap();
        }
    }
    let refused = offline(&place, &backup, &out, &["--keys", keys.to_str().unwrap()]);
    assert_ne!(refused.code, 0, "{refused:?}");
    assert!(refused.err.contains("organization main"), "{refused:?}");
    // A backup that somebody changed.
    let mut bytes = fs_err::read(&backup).unwrap();
    let middle = bytes.len() / 2;
    bytes.truncate(middle);
    fs_err::write(&backup, bytes).unwrap();
    offline(
        &place,
        &backup,
        &place.path().join("cut"),
        &["--keys", keys.to_str().unwrap()],
    )
    .ends(1, ["backup"]);
}

#[test]
fn what_cannot_be_read_is_named_and_the_rest_is_written() {
    let place = tempdir().unwrap();
    let server = filled(&place);
    server.run(&["user", "create", "ada"]).done();
    server.run(&["grant", "give", "ada", "reader"]).done();
    let dns = server.json(&["workspace", "show", "dns"]);
    server
        .run(&[
            "grant",
            "give",
            "ada",
            "planner",
            "--scope",
            dns["id"].as_str().unwrap(),
        ])
        .done();
    let token = server.json(&["token", "create", "--user", "ada", "--label", "x"]);
    let out = place.path().join("out");
    let mut command = server.client(&["eject", "--dir", out.to_str().unwrap()]);
    let ran = Ran::of(command.env("STATEHOUSE_TOKEN", token["token"].as_str().unwrap()));
    ran.ends(
        3,
        [
            "2 of what was asked for could not be written",
            "prod/net/terraform.tfstate",
        ],
    );
    assert!(out.join("default/dns/terraform.tfstate").exists());
    let problems = &manifest(&out)["workspaces"][2]["problems"];
    assert_eq!(problems.as_array().unwrap().len(), 2, "{problems}");
}
