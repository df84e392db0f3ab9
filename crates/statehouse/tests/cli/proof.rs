//! Ledger, keys, backup and restore: what can be proven, and what is found.

use std::path::Path;

use tempfile::{TempDir, tempdir};

use crate::support::{Ran, Server, state, statehouse};

fn push(server: &Server, serial: u64) {
    Ran::fed(
        &mut server.client(&["state", "push", "net", "-"]),
        &state("a", serial, 2),
    )
    .done();
}

fn with_states(place: &TempDir) -> Server {
    let server = Server::up(place);
    server.run(&["workspace", "create", "net"]).done();
    push(&server, 1);
    push(&server, 2);
    server
}

/// The offline verifier has nothing but the file.
fn verify(place: &TempDir, args: &[&str]) -> Ran {
    Ran::of(statehouse(place.path()).arg("verify").args(args))
}

#[test]
fn an_export_is_proven_without_the_server_and_a_flipped_byte_is_found() {
    let place = tempdir().unwrap();
    let server = with_states(&place);
    server.run(&["ledger", "export", "--out", "old.tar"]).done();
    server
        .run(&["ledger", "export", "--out", "old.tar"])
        .ends(2, ["is there already"]);
    fs_err::write(
        place.path().join("piped.tar"),
        server.run(&["ledger", "export"]).done().out,
    )
    .unwrap();
    verify(&place, &["piped.tar"]).done();
    push(&server, 3);
    let anchor = server.run(&["ledger", "checkpoint"]).done();
    fs_err::write(place.path().join("anchor"), &anchor.out).unwrap();
    let vkey = server.json(&["key", "list"])[0]["vkey"]
        .as_str()
        .unwrap()
        .to_owned();
    server.run(&["ledger", "export", "--out", "new.tar"]).done();
    server.stop();
    let proven = verify(&place, &["new.tar", "--key", &vkey, "--anchor", "anchor"]).done();
    assert!(
        proven.text().contains("proved: ") && proven.text().ends_with("is whole and unaltered\n"),
        "{}",
        proven.text()
    );
    let report = verify(&place, &["new.tar", "--output", "json"])
        .done()
        .json();
    assert_eq!(
        (report["proven"].as_bool(), report["exit-code"].as_u64()),
        (Some(true), Some(0))
    );
    let older = verify(&place, &["old.tar", "--anchor", "anchor"]);
    assert_eq!(older.code, 13, "{older:?}");
    assert!(older.text().contains("NOT PROVEN"), "{}", older.text());
    let other = verify(
        &place,
        &[
            "new.tar",
            "--key",
            "other+00000000+AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        ],
    );
    assert_eq!(other.code, 12, "{other:?}");
    assert_eq!(verify(&place, &["nowhere.tar"]).code, 18);
    let mut bytes = fs_err::read(place.path().join("new.tar")).unwrap();
    let action = b"\"action\":\"state.";
    let at = bytes
        .windows(action.len())
        .position(|window| window == action)
        .expect("an entry about a state");
    bytes[at + action.len()] ^= 1;
    fs_err::write(place.path().join("bad.tar"), bytes).unwrap();
    let bad = verify(&place, &["bad.tar"]);
    assert_eq!(bad.code, 15, "{bad:?}");
    assert!(bad.text().contains("found: altered"), "{}", bad.text());
    verify(&place, &[]).ends(2, ["BUNDLE"]);
}

#[test]
fn the_live_database_is_what_its_ledger_says() {
    let place = tempdir().unwrap();
    let server = with_states(&place);
    let live = server.run(&["verify", "--live"]).done();
    assert!(
        live.text()
            .contains("PROVEN: the database is what its ledger says"),
        "{}",
        live.text()
    );
    assert_eq!(server.json(&["verify", "--live", "--site"])["count"], 0);
}

#[test]
fn keys_rotate_while_serving_and_old_states_stay_readable() {
    let place = tempdir().unwrap();
    let server = with_states(&place);
    let before = server.run(&["state", "pull", "net"]).done().out;
    server
        .run(&["key", "rotate"])
        .ends(0, ["epoch 2 is open", "renewing"]);
    server.run(&["key", "rotate", "--site"]).done();
    server.run(&["key", "rotate", "--resume"]).done();
    assert_eq!(server.json(&["key", "list"]).as_array().unwrap().len(), 2);
    assert_eq!(server.run(&["state", "pull", "net"]).done().out, before);
    push(&server, 3);
    server.run(&["verify", "--live"]).done();
    server
        .run(&["ledger", "export", "--out", "rotated.tar"])
        .done();
    verify(&place, &["rotated.tar"]).done();
}

#[test]
fn a_backup_is_restored_and_proven_and_an_older_copy_must_be_accepted() {
    let place = tempdir().unwrap();
    let server = with_states(&place);
    let backed_up = server.run(&["state", "pull", "net"]).done().out;
    server
        .run(&["backup", "create", "--out", "backup.tar"])
        .done();
    push(&server, 3);
    server.stop();
    let house = place.path().join("house");
    let house = house.to_str().unwrap();
    let run = |args: &[&str]| Ran::of(statehouse(place.path()).args(args));
    run(&["restore", "backup.tar", "--dir", house]).ends(4, ["not empty"]);
    fs_err::rename(house, place.path().join("lost")).unwrap();
    run(&["restore", "nowhere.tar", "--dir", house]).ends(5, ["nowhere.tar"]);
    let restored = run(&["restore", "backup.tar", "--dir", house]).ends(0, ["restore accept"]);
    assert!(restored.text().contains("site"), "{}", restored.text());

    // The anchors remember more than the backup holds: nothing is changed before somebody says that this is meant.
    run(&["up", "--json", "--port", "0", "--dir", house]).ends(5, ["older copy", "restore accept"]);
    run(&["restore", "accept", "--dir", house]).ends(2, ["--reason"]);
    let accepted = run(&[
        "restore",
        "accept",
        "--dir",
        house,
        "--reason",
        "the disk died",
    ])
    .done();
    assert!(accepted.text().contains("main"), "{}", accepted.text());
    run(&["restore", "accept", "--dir", house, "--reason", "again"])
        .ends(0, ["nothing is read-only"]);

    let server = Server::up(&place);
    assert_eq!(server.run(&["state", "pull", "net"]).done().out, backed_up);
    push(&server, 4);
    server.run(&["verify", "--live"]).done();
    server
        .run(&["ledger", "export", "--out", "after.tar"])
        .done();
    assert!(Path::new(house).join("site.db").exists());
    verify(&place, &["after.tar"]).done();
}

#[test]
fn a_backup_without_one_of_the_organizations_fails_and_names_it() {
    let place = tempdir().unwrap();
    let server = with_states(&place);
    let whole = server.json(&["backup", "create", "--out", "whole.tar"]);
    assert_eq!(whole.as_array().unwrap().len(), 2, "{whole}");
    server.run(&["org", "create", "closed"]).done();
    let code = server.json(&["org", "show", "closed"])["code"].clone();
    let code = code.as_str().unwrap();
    server.stop();
    let key = fs_err::read_dir(place.path().join("house.keys"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.to_string_lossy().contains(code))
        .expect("the key of the organization is a file with its code in the name");
    fs_err::rename(&key, place.path().join("elsewhere")).unwrap();

    let server = Server::up(&place);
    let partial = server
        .run(&["backup", "create", "--out", "partial.tar"])
        .ends(1, ["1 of 3 houses", code, "back up once more"]);
    assert!(partial.text().contains("PROBLEM"), "{}", partial.text());
    server.stop();
    fs_err::rename(place.path().join("elsewhere"), &key).unwrap();

    let server = Server::up(&place);
    let whole = server.json(&["backup", "create", "--out", "again.tar"]);
    assert_eq!(whole.as_array().unwrap().len(), 3, "{whole}");
}

fn in_gone<'a>(args: &[&'a str]) -> Vec<&'a str> {
    [args, &["--organization", "gone"]].concat()
}

#[test]
fn what_was_shredded_stays_unreadable_in_an_older_backup_and_closes_nothing_else() {
    let place = tempdir().unwrap();
    let server = with_states(&place);
    server.run(&["org", "create", "gone"]).done();
    server.run(&in_gone(&["workspace", "create", "net"])).done();
    Ran::fed(
        &mut server.client(&in_gone(&["state", "push", "net", "-"])),
        &state("a", 1, 2),
    )
    .done();
    server
        .run(&in_gone(&["ledger", "export", "--out", "gone.tar"]))
        .done();
    server
        .run(&["backup", "create", "--out", "backup.tar"])
        .done();
    push(&server, 3);
    server
        .run(&["org", "shred", "gone", "--confirm", "main", "--reason", "r"])
        .ends(2, ["nothing was done"]);
    server
        .run(&["org", "shred", "gone", "--confirm", "gone", "--reason", "r"])
        .done();
    server
        .run(&in_gone(&["state", "pull", "net"]))
        .ends(3, ["error:"]);
    // What was exported before is history, and still verifies; so does what is exported afterwards, without rows.
    let gone = server.json(&["org", "list"]);
    let gone = gone.as_array().unwrap();
    let gone = gone.iter().find(|each| each["name"] == "gone").unwrap();
    let code = gone["code"].as_str().unwrap();
    let again = ["ledger", "export", "--shredded", code, "--out", "left.tar"];
    server.run(&again).done();
    let main = server.json(&["org", "show", "main"])["code"].clone();
    let other = ["ledger", "export", "--shredded", main.as_str().unwrap()];
    server
        .run(&[&other[..], &["--out", "no.tar"]].concat())
        .ends(4, ["was not shredded"]);
    server.stop();
    verify(&place, &["gone.tar"]).done();
    let left = verify(&place, &["left.tar"]).done();
    assert!(left.text().contains("PROVEN"), "{}", left.text());
    let has_rows = |bundle: &str| {
        let bytes = fs_err::read(place.path().join(bundle)).unwrap();
        bytes.windows(9).any(|part| part == b"\"columns\"")
    };
    assert!(has_rows("gone.tar") && !has_rows("left.tar"));

    let house = place.path().join("house");
    let house = house.to_str().unwrap();
    let run = |args: &[&str]| Ran::of(statehouse(place.path()).args(args));
    fs_err::rename(house, place.path().join("lost")).unwrap();
    run(&["restore", "backup.tar", "--dir", house]).done();
    let accepted = run(&["restore", "accept", "--dir", house, "--reason", "r"])
        .ends(5, ["gone", "is missing", "was shredded"]);
    assert!(accepted.text().contains("main"), "{}", accepted.text());

    let server = Server::up(&place);
    server
        .run(&in_gone(&["state", "pull", "net"]))
        .ends(5, ["cannot be opened"]);
    server.run(&["state", "pull", "net"]).done();
    push(&server, 4);
}
