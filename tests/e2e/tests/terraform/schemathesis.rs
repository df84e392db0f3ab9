//! A stranger who has read the document of the API and nothing else: `schemathesis` makes up requests, right ones and wrong ones,
//! with a token that may do everything and without any, and holds what is answered against the document.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::child::Ran;
use crate::support::components;
use crate::support::house::{House, Server};
use crate::support::proof::prove;

/// What must hold of every answer: no failure of the server, and nothing that the document does not tell.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
    response_schema_conformance";
/// Requests that are made up for an operation, beside those that its schema asks for by itself.
const EXAMPLES: usize = 4;
/// What it must not do with a token, because it would end its own or the organization: it finds ids in answers, and uses them.
const SPARED: [&str; 5] = [
    "post-organizations-by-organization-actions-shred",
    "delete-organizations-by-organization",
    "post-users-by-user-actions-disable",
    "delete-tokens-by-token",
    "delete-authentication-tokens-by-token",
];
const STATE: &str = r#"{"version":4,"terraform_version":"1.11.4","serial":1,"lineage":"a","resources":[],
    "outputs":{"secret":{"value":"x","type":"string","sensitive":true}}}"#;

/// Makes a workspace with a state.
fn workspace(server: &Server, place: &Path, name: &str) {
    fs_err::write(place.join("state.json"), STATE).unwrap();
    server.run(&["workspace", "create", name]).done();
    server.run(&["state", "push", name, "state.json"]).done();
}

/// What is there, so that it asks about more than what is not.
fn known(server: &Server, place: &Path) {
    workspace(server, place, "example");
    let found = server.json(&["workspace", "list"]);
    let workspace = found[0]["id"].as_str().unwrap().to_owned();
    let version = server.versions("example")[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let project = text(&server.json(&["project", "list"])[0]["id"]);
    let known = [
        ("organization", "main"),
        ("name", "example"),
        ("workspace", &workspace),
        ("version", &version),
        ("project", &project),
    ];
    let mut config = String::from("[parameters]\n");
    for (name, value) in known {
        writeln!(config, "\"path.{name}\" = \"{value}\"").unwrap();
    }
    fs_err::write(place.join("schemathesis.toml"), config).unwrap();
}

/// Lets it ask, and fails unless nothing was found.
fn ask(server: &Server, place: &Path, token: Option<&str>, seed: &str) {
    let mut command = Command::new(components::schemathesis());
    let document = format!("{}/api/v2/openapi.json", server.address);
    let examples = (EXAMPLES * statehouse_e2e::scale()).to_string();
    command.current_dir(place).env_clear();
    command.env("HOME", place).env("PATH", "/usr/bin:/bin");
    command.args(["run", &document, "--checks", CHECKS, "--seed", seed]);
    // One after another: several of its threads trip over each other in Python's own parser.
    command.args(["--workers", "1", "--no-shrink", "--phases"]);
    // Without a token nearly everything is refused alike, before its body is read.
    let phases = if token.is_some() {
        "coverage,fuzzing"
    } else {
        "fuzzing"
    };
    command.arg(phases);
    command.args([
        "--max-examples",
        &examples,
        "--continue-on-failure",
        "--warnings",
        "off",
    ]);
    command.args(["--suppress-health-check", "all", "--request-timeout", "30"]);
    command.arg("--tls-verify").arg(server.authority());
    if let Some(token) = token {
        command.args(["--header", &format!("Authorization: Bearer {token}")]);
        for name in SPARED {
            command.args(["--exclude-operation-id", name]);
        }
    }
    // It counts what it asked: a run that asked nothing proves nothing.
    let ran = Ran::of(&mut command).ends(0, &["No issues found"]);
    let words: Vec<&str> = ran.text().split_whitespace().collect();
    let asked = words
        .windows(2)
        .find(|pair| pair[1].starts_with("generated"));
    let asked: usize = asked.unwrap()[0].parse().unwrap();
    let enough = if token.is_some() { 3000 } else { 200 };
    assert!(asked > enough, "it asked {asked} times only: {ran}");
    eprintln!("schemathesis asked {asked} times");
}

#[test]
fn a_stranger_who_read_the_document_finds_no_failure_and_nothing_untold() {
    let home = tempfile::tempdir().unwrap();
    let server = House::up(home.path()).start();
    known(&server, home.path());
    ask(&server, home.path(), Some(&server.token), "1");
    ask(&server, home.path(), None, "2");
    assert!(!server.log().contains("ERROR"), "{}", server.log());
    workspace(&server, home.path(), "after");
    prove(&server, "after");
}
