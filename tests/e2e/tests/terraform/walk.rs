//! The walk that the house is built for: start, paste, apply, prove without the server, and find an edited byte.

use rusqlite::Connection;

use crate::support::child::Ran;
use crate::support::files::only;
use crate::support::house::House;
use crate::support::project::{APPLY, Project, resources};
use crate::support::proof::prove;

/// What `verify` ends with where stored data was altered.
const ALTERED: i32 = 15;

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

    let database = only(&house.folder("").join("houses"), |name| {
        name.ends_with(".db")
    });
    let sealed: Vec<u8> = {
        let opened = Connection::open(&database).unwrap();
        opened
            .query_row("SELECT body FROM blob", [], |row| row.get(0))
            .unwrap()
    };
    let whole = fs_err::read(&database).unwrap();
    let wanted = &sealed[..64];
    let at = whole
        .windows(wanted.len())
        .position(|bytes| bytes == wanted)
        .unwrap();
    let mut edited = whole.clone();
    edited[at + 32] ^= 1;
    fs_err::write(&database, &edited).unwrap();

    let server = house.start();
    project.run(&["state", "pull"]).ends(1, &[]);
    server
        .run(&["state", "pull", "example"])
        .ends(1, &["nothing was served"]);
    let live: Ran = server.run(&["verify", "--live"]);
    live.ends(ALTERED, &["found: ", "NOT PROVEN"]);
    server.stop();

    // It was that byte and nothing else.
    fs_err::write(&database, &whole).unwrap();
    let server = house.start();
    project.is_settled();
    assert_eq!(project.pull(), state);
    prove(&server, "example");
    server.stop();
}
