//! The walk that the house is built for: start, paste, apply, prove without the server, and find an edited byte.

use std::path::Path;

use rusqlite::Connection;

use crate::support::child::Ran;
use crate::support::files::only;
use crate::support::house::House;
use crate::support::project::{APPLY, Project, resources};
use crate::support::proof::prove;

/// What `verify` ends with where stored data was altered.
const ALTERED: i32 = 15;

/// Flips a bit of the one sealed state, in the file of the database and behind the back of its engine.
fn flip_in_sealed_state(database: &Path) {
    let sealed: Vec<u8> = {
        let opened = Connection::open(database).unwrap();
        let body = opened.query_row("SELECT body FROM blob", [], |row| row.get(0));
        body.unwrap()
    };
    let mut whole = fs_err::read(database).unwrap();
    let beginning = &sealed[..64];
    let mut places = whole.windows(beginning.len());
    let at = places.position(|bytes| bytes == beginning).unwrap();
    whole[at + 32] ^= 1;
    fs_err::write(database, &whole).unwrap();
}

#[test]
fn from_the_pasted_block_to_a_proof_without_the_server_and_a_byte_that_is_found() {
    let home = tempfile::tempdir().unwrap();
    let server = House::up(home.path()).start();
    let project = Project::ready(server.pasted(), &resources(5));
    project.run(APPLY).ends(0, &["5 added"]);
    let state = project.pull();
    assert_eq!(state, server.pull("example"));
    server
        .run(&["ledger", "export", "--out", "ledger.tar"])
        .done();
    let house = server.stop();
    house
        .verify(&["ledger.tar"])
        .ends(0, &["PROVEN: ", "is whole and unaltered"]);

    let database = only(&house.folder("").join("houses"), "db", "none.db");
    flip_in_sealed_state(&database);

    let server = house.start();
    project.run(&["state", "pull"]).ends(1, &[]);
    server
        .run(&["state", "pull", "example"])
        .ends(1, &["nothing was served"]);
    let live: Ran = server.run(&["verify", "--live"]);
    live.ends(ALTERED, &["found: ", "NOT PROVEN"]);
    server.stop();

    // It was that bit and nothing else.
    flip_in_sealed_state(&database);
    let server = house.start();
    // What was found altered stays frozen until somebody says that it is over.
    project
        .run(&["plan", "-detailed-exitcode"])
        .ends(1, &["already locked", "frozen"]);
    let thaw = ["workspace", "thaw", "example", "--reason", "it is mended"];
    server.run(&thaw).ends(0, &[]);
    project.is_settled();
    assert_eq!(project.pull(), state);
    prove(&server, "example");
    server.stop();
}
