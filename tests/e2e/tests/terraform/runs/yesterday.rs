//! A whole house that is put back to yesterday, its anchors with it: nothing but the memory of runners knows, and it is enough.

use fs_err as fs;

use crate::support::files;
use crate::support::house::House;
use crate::support::plant::{Plant, Runs, remote};
use crate::support::project::{APPLY, resources};

/// Puts a folder of the house to the place of another.
fn put(house: &House, from: &str, to: &str) {
    let to = house.folder(to);
    if to.exists() {
        fs::remove_dir_all(&to).unwrap();
    }
    files::copy(&house.folder(from), &to);
}

#[test]
fn a_house_put_back_to_yesterday_starts_no_plan_until_somebody_declares_it() {
    let plant = Plant::new(&[]);
    let server = plant.house.start();
    let project = remote(&server, "web", &resources(1));
    project.run(APPLY).ends(0, &["1 added"]);

    let house = server.stop();
    put(&house, "", ".yesterday");
    put(&house, ".anchor", ".anchor-yesterday");
    let server = house.start();
    project.write("main.tf", resources(2));
    project.run(APPLY).ends(0, &["1 added"]);

    // Rows, signatures and anchors agree with each other: the server itself has nothing to compare with.
    let house = server.stop();
    put(&house, "", ".today");
    put(&house, ".anchor", ".anchor-today");
    put(&house, ".yesterday", "");
    put(&house, ".anchor-yesterday", ".anchor");
    let server = house.start();
    let refused = project.run(&["plan"]);
    refused.ends(1, &["refused (ledger)", "rolled back"]);
    let run = Runs::of(&server).newest("web");
    run.ended("state_tampered", "ledger");
    let log = run.log("plan");
    assert!(
        !log.contains("Initializing"),
        "terraform was started: {log}"
    );
    project.run(APPLY).ends(1, &["frozen"]);
    assert_eq!(server.versions("web").len(), 1);

    // The same copy, but the anchors of today remember; a person declares that it is meant.
    let house = server.stop();
    put(&house, ".yesterday", "");
    put(&house, ".anchor-today", ".anchor");
    house.accepts_restore("the disk died");
    let server = house.start();
    project.run(APPLY).ends(0, &["1 added"]);
    assert_eq!(server.versions("web").len(), 2);
    server.run(&["verify", "--live"]).done();
    server.stop();
}
