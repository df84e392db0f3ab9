//! A stranger who has read the document of the API and nothing else: `schemathesis` makes up requests, right ones and wrong ones,
//! with a token that may do everything and without any, and holds what is answered against the document.

use std::path::Path;
use std::process::Command;

use crate::support::child::Ran;
use crate::support::components;
use crate::support::house::{House, Server};
use crate::support::proof::prove;

/// What must hold of every answer: no failure of the server, and nothing that the document does not tell.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
    response_schema_conformance";
/// Requests that are made up for an operation.
const EXAMPLES: u32 = 8;
/// What the stranger must not do, because it would end the run and not the server: end the account or the organization that asks.
const SPARED: [&str; 2] = [
    "/api/v2/organizations/{organization}/actions/shred",
    "/api/v2/users/{user}/actions/disable",
];

/// Lets it ask, and fails unless nothing was found.
fn ask(server: &Server, place: &Path, token: Option<&str>, seed: &str) {
    let mut command = Command::new(components::schemathesis());
    let document = format!("{}/api/v2/openapi.json", server.address);
    let examples = (EXAMPLES * u32::try_from(statehouse_e2e::scale()).unwrap()).to_string();
    command
        .current_dir(place)
        .env_clear()
        .env("HOME", place)
        .env("PATH", "/usr/bin:/bin");
    command.args([
        "run",
        &document,
        "--checks",
        CHECKS,
        "--seed",
        seed,
        "--max-examples",
        &examples,
    ]);
    command.args([
        "--phases",
        "coverage,fuzzing",
        "--workers",
        "4",
        "--no-shrink",
        "--warnings",
        "off",
    ]);
    command.args([
        "--continue-on-failure",
        "--suppress-health-check",
        "all",
        "--request-timeout",
        "30",
    ]);
    command.arg("--tls-verify").arg(server.authority());
    for path in SPARED {
        command.args(["--exclude-path", path]);
    }
    if let Some(token) = token {
        command.args(["--header", &format!("Authorization: Bearer {token}")]);
    }
    let ran = Ran::of(&mut command);
    // It counts what it asked: a run that asked nothing proves nothing.
    ran.ends(0, &["test cases generated", "No issues found"]);
}

#[test]
fn a_stranger_who_read_the_document_finds_no_failure_and_nothing_untold() {
    let home = tempfile::tempdir().unwrap();
    let server = House::up(home.path()).start();
    ask(&server, home.path(), Some(&server.token), "1");
    ask(&server, home.path(), None, "2");
    prove(server);
}
