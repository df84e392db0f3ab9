//! Accounts, tokens, grants, logins, and what refusals look like.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;
use tempfile::tempdir;

use crate::support::{Ran, Server, statehouse};

#[test]
fn every_failure_has_its_exit_code_and_says_what_next() {
    let place = tempdir().unwrap();
    let server = Server::up(&place);
    let check = |args: &[&str], code: i32, words: &[&str]| drop(server.run(args).ends(code, words));
    check(&["org", "show", "nobody"], 3, &["error:", "request: req-"]);
    check(&["workspace", "show", "nothing"], 3, &["error:"]);
    check(&["org", "create", "main"], 4, &["error:"]);
    check(&["org", "create", "no/slash"], 2, &["not a valid name"]);
    check(
        &["org", "shred", "main", "--reason", "x", "--confirm", "man"],
        2,
        &["nothing was done"],
    );
    check(&["no-such-noun"], 2, &["unrecognized subcommand"]);
    check(&["org", "list", "--token", "sth_x"], 2, &["--token"]);
    check(
        &["org", "list", "--address", "http://127.0.0.1:1"],
        2,
        &["never sent in clear"],
    );

    let with =
        |name: &str, value: &str| Ran::of(server.client(&["workspace", "list"]).env(name, value));
    with("STATEHOUSE_TOKEN", "sth_user_nonsense").ends(3, ["not a Statehouse token"]);
    let mut typo = server.ready("token").to_owned();
    typo.replace_range(12..13, if &typo[12..13] == "x" { "y" } else { "x" });
    with("STATEHOUSE_TOKEN", &typo).ends(3, ["error:"]);
    with("STATEHOUSE_TOKEN", "").ends(3, ["there is no token", "next:"]);
    with("STATEHOUSE_ORGANIZATION", "").ends(2, ["organization"]);
    let other = tempdir().unwrap();
    let foreign = Server::up(&other);
    with("STATEHOUSE_CA", foreign.ready("ca_file")).ends(1, ["is not trusted", "--ca"]);
    with("STATEHOUSE_CA", "/nowhere/ca.pem").ends(1, ["/nowhere/ca.pem"]);
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    with("STATEHOUSE_ADDRESS", &format!("https://127.0.0.1:{port}"))
        .ends(5, ["cannot reach https://127.0.0.1"]);
    Ran::of(statehouse(place.path()).args(["org", "list"]))
        .ends(2, ["no server is named", "statehouse login"]);
}

#[test]
fn lists_are_tables_for_eyes_and_arrays_for_programs() {
    let place = tempdir().unwrap();
    let server = Server::up(&place);
    server.run(&["project", "create", "networks"]).done();
    server
        .run(&["workspace", "create", "net", "--project", "networks"])
        .done();
    let names = |args: &[&str]| {
        let list = server.json(args);
        list.as_array()
            .unwrap()
            .iter()
            .map(|each| each["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&["org", "list"]), ["main"]);
    assert!(names(&["project", "list"]).contains(&"networks".to_owned()));
    assert_eq!(names(&["workspace", "list"]), ["net"]);
    assert_eq!(names(&["user", "list"]), ["admin"]);
    let table = server.run(&["workspace", "list"]).done();
    assert!(table.text().starts_with("NAME  ID"), "{}", table.text());
    assert_eq!(table.text().lines().count(), 2);
    let permissions = server.json(&["permissions"]);
    assert!(
        permissions
            .as_array()
            .unwrap()
            .iter()
            .any(|each| each["id"] == "state.read"),
        "{permissions}"
    );
}

#[test]
fn a_user_with_a_grant_may_do_what_the_role_says_until_it_is_taken() {
    let place = tempdir().unwrap();
    let server = Server::up(&place);
    server.run(&["workspace", "create", "net"]).done();
    server.run(&["user", "create", "ada"]).done();
    let token = server
        .run(&["token", "create", "--user", "ada", "--label", "test"])
        .done()
        .text()
        .trim()
        .to_owned();
    assert!(token.starts_with("sth_user_"), "{token}");
    let ada = |args: &[&str]| Ran::of(server.client(args).env("STATEHOUSE_TOKEN", &token));
    ada(&["workspace", "list"]).ends(3, ["error:"]);
    let grant = server.json(&["grant", "give", "ada", "reader"]);
    ada(&["workspace", "show", "net"]).done();
    assert_ne!(ada(&["workspace", "create", "more"]).code, 0);
    server
        .run(&["grant", "give", "ada", "king"])
        .ends(2, ["is not a role"]);
    assert!(server.json(&["grant", "list"]).as_array().unwrap().len() >= 2);
    server
        .run(&["grant", "take", grant["id"].as_str().unwrap()])
        .done();
    ada(&["workspace", "show", "net"]).ends(3, ["error:"]);
    server.run(&["user", "disable", "ada"]).done();
    ada(&["org", "list"]).ends(3, ["unknown, expired or revoked"]);
}

#[test]
fn a_team_works_by_its_people_and_its_tokens_until_they_leave() {
    let place = tempdir().unwrap();
    let server = Server::up(&place);
    server.run(&["workspace", "create", "net"]).done();
    server.run(&["user", "create", "ada"]).done();
    let made = ["token", "create", "--user", "ada", "--label", "test"];
    let token = server.run(&made).done().text().trim().to_owned();
    let with =
        |token: &str, args: &[&str]| Ran::of(server.client(args).env("STATEHOUSE_TOKEN", token));
    server
        .run(&["team", "create", "ops", "--description", "on call"])
        .done();
    server.run(&["team", "add", "ops", "ada"]).done();
    with(&token, &["workspace", "show", "net"]).ends(3, ["error:"]);
    server
        .run(&["team", "access", "ops", "read", "--workspace", "net"])
        .done();
    with(&token, &["workspace", "show", "net"]).done();
    server
        .run(&["team", "access", "ops", "write", "--project", "default"])
        .done();
    server
        .run(&["team", "access", "ops", "write", "--project", "default"])
        .done();
    let made = [
        "token", "create", "--team", "ops", "--label", "ci", "--days", "7",
    ];
    let ci = server.json(&made);
    let secret = ci["token"].as_str().unwrap();
    assert!(secret.starts_with("sth_team_"), "{secret}");
    with(secret, &["workspace", "create", "more"]).done();
    let listed = server.json(&["token", "list", "--teams"]);
    assert_eq!(listed[0]["description"], "ci");
    server
        .run(&["token", "revoke", ci["id"].as_str().unwrap()])
        .done();
    with(secret, &["org", "list"]).ends(3, ["unknown, expired or revoked"]);
    let names = |list: serde_json::Value, key: &str| {
        let each = list.as_array().unwrap().clone().into_iter();
        each.map(|each| each[key].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        names(server.json(&["team", "list"]), "name"),
        ["ops", "owners"]
    );
    assert_eq!(
        names(server.json(&["member", "list"]), "email"),
        ["ada", "admin"]
    );
    server.run(&["member", "remove", "ada"]).done();
    with(&token, &["workspace", "show", "net"]).ends(3, ["error:"]);
    server
        .run(&["member", "add", "ada", "--team", "ops"])
        .done();
    with(&token, &["workspace", "show", "net"]).done();
    server.run(&["team", "remove", "ops", "ada"]).done();
    server
        .run(&["grant", "give", "ops", "reader", "--team"])
        .done();
    server.run(&["team", "delete", "ops"]).done();
    server
        .run(&["member", "remove", "admin"])
        .ends(4, ["last owner"]);
    let made = server
        .run(&["token", "create", "--of-organization", "--label", "x"])
        .done();
    assert!(made.text().starts_with("sth_org_"), "{}", made.text());
}

#[test]
fn a_token_is_shown_once_and_ends_when_revoked() {
    let place = tempdir().unwrap();
    let server = Server::up(&place);
    let made = server.json(&[
        "token",
        "create",
        "--label",
        "ci",
        "--scope",
        "state.read",
        "--days",
        "7",
    ]);
    let secret = made["token"].as_str().unwrap();
    let listed = server.json(&["token", "list"]);
    assert!(!listed.to_string().contains(secret));
    let ci = listed
        .as_array()
        .unwrap()
        .iter()
        .find(|each| each["label"] == "ci")
        .unwrap();
    assert_eq!(ci["scopes"], json!(["state.read"]));
    let file = place.path().join("token");
    fs_err::write(&file, secret).unwrap();
    fs_err::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
    let with_file = |args: &[&str]| Ran::of(server.client(args).args(["--token-file", "token"]));
    with_file(&["workspace", "create", "x"]).ends(3, ["error:"]);
    server
        .run(&["token", "revoke", ci["id"].as_str().unwrap()])
        .done();
    with_file(&["org", "list"]).ends(3, ["unknown, expired or revoked"]);
    fs_err::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
    with_file(&["org", "list"]).ends(1, ["chmod 600"]);
    server
        .run(&["token", "create", "--label", "x", "--days", "400"])
        .ends(2, ["366"]);
    server
        .run(&["token", "create", "--label", "x", "--scope", "state.fly"])
        .ends(2, ["state.fly"]);
}

#[test]
fn a_login_is_stored_for_its_owner_and_used_from_then_on() {
    let place = tempdir().unwrap();
    let server = Server::up(&place);
    let plain = |args: &[&str], input: &str| Ran::fed(statehouse(place.path()).args(args), input);
    let password = "correct horse battery staple";
    Ran::fed(
        &mut server.client(&["user", "create", "ada", "--password"]),
        password,
    )
    .done();
    server.run(&["grant", "give", "ada", "reader"]).done();
    let login = [
        "login",
        "--address",
        server.ready("address"),
        "--ca",
        server.ready("ca_file"),
        "--organization",
        "main",
        "--user",
        "ada",
    ];
    plain(&login, "wrong horse battery staple\n").ends(3, ["error:"]);
    let file = place.path().join(".config/statehouse/client.toml");
    assert!(!file.exists());
    plain(&login, &format!("{password}\n")).done();
    assert_eq!(
        fs_err::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    plain(&["workspace", "list"], "").done();
    Ran::fed(
        &mut server.client(&["user", "password", "ada"]),
        "another correct horse\n",
    )
    .ends(0, ["was set"]);
    plain(&login, &format!("{password}\n")).ends(3, ["error:"]);
    // A token can be stored as well.
    Ran::of(&mut server.client(&["login"])).done();
    plain(&["workspace", "create", "mine"], "").done();
}

#[test]
fn failed_logins_are_recorded_and_a_name_that_is_tried_too_often_waits() {
    let place = tempdir().unwrap();
    let server = Server::up(&place);
    let create = ["user", "create", "ada", "--password"];
    Ran::fed(&mut server.client(&create), "correct horse battery\n").done();
    let login = |name: &str, password: &str| {
        Ran::fed(&mut server.client(&["login", "--user", name]), password)
    };
    login("nobody", "wrong horse battery\n").ends(3, ["error:"]);
    for _ in 0..10 {
        login("ada", "wrong horse battery\n").ends(3, ["error:"]);
    }
    login("ada", "correct horse battery\n").ends(5, ["too many logins", "wait 15 minutes"]);
    let export = server.run(&["ledger", "export", "--site"]).done().out;
    let failed = String::from_utf8_lossy(&export)
        .matches("login.failed")
        .count();
    assert_eq!(
        failed, 2,
        "one of each name: the same name counts once a minute"
    );
}
