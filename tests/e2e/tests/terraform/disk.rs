//! Disks that are full or refuse writes: everything that was answered is there afterwards, and nothing else.

use std::time::Duration;

use crate::support::child::{Ran, until};
use crate::support::files::{NOTHING, changed, contents, only};
use crate::support::house::{House, Server};
use crate::support::project::{APPLY, Project, resources, slow_resource};
use crate::support::proof::prove;
use crate::support::small_disk::SmallDisk;

/// Room for a house, and little more.
const SIZE: &str = "16m";
const FULL: &str = "database or disk is full";

/// A state whose sealed bytes are too many for a row: they go to a file.
fn large_state(project: &Project) -> String {
    let mut state: serde_json::Value = serde_json::from_slice(&project.pull()).unwrap();
    state["serial"] = (state["serial"].as_u64().unwrap() + 1).into();
    let digits = (0_u64..60_000)
        .map(|number| format!("{:016x}", number.wrapping_mul(0x9E37_79B9_7F4A_7C15)));
    state["outputs"]["large"] =
        serde_json::json!({ "value": digits.collect::<String>(), "type": "string" });
    state.to_string()
}

/// Everything that is asked while the disk is full is refused in words. A state that a token has read a moment ago is given
/// to it again, because that is counted and not recorded anew; `stranger` has not read it yet.
fn check_full(server: &Server, project: &Project, stranger: &str) {
    let mut first = server.client_of(stranger, &["state", "pull", "disk"]);
    let first = Ran::of(&mut first).ends(5, &[FULL]);
    assert!(first.out.is_empty(), "no record, no answer: {first}");
    let large = project.path("large.tfstate");
    for command in [
        &["workspace", "create", "another"][..],
        &["token", "create", "--label", "another"],
        &["key", "rotate"],
    ] {
        server
            .run(command)
            .ends(5, &[FULL, "try again when the cause is gone"]);
    }
    let large = [
        "state",
        "push",
        "disk",
        large.to_str().unwrap(),
        "--lock-id",
        "any",
    ];
    server.run(&large).ends(5, &["No space left on device"]);
}

#[test]
fn a_disk_that_fills_up_during_an_apply_loses_nothing() {
    let home = tempfile::tempdir().unwrap();
    let disk = SmallDisk::mount(&home.path().join("disk"), SIZE);
    let server = House::up(home.path()).on(&disk).start();
    let project = Project::ready(&server.block("disk"), &resources(3));
    project.run(APPLY).done();
    let before = server.pull("disk");
    let stranger = server.account("stranger", "writer");
    project.write("large.tfstate", large_state(&project));

    project.write("slow.tf", slow_resource());
    let applying = project.start(APPLY);
    let started = || project.path("started").exists().then_some(());
    until("the apply works", Duration::from_mins(1), started);
    disk.fill();
    project.write("go", "");
    applying
        .end()
        .ends(1, &["Failed to save state", "errored.tfstate"]);
    check_full(&server, &project, &stranger);

    // The disk has room again, and the server goes on as it is. The lock was kept: half an apply wants a person.
    disk.free();
    assert_eq!(server.pull("disk"), before);
    assert_eq!(server.versions("disk").len(), 1);
    let held = server.lock_id("disk").unwrap();
    project.run(&["force-unlock", "-force", &held]).done();
    project.run(&["state", "push", "errored.tfstate"]).done();
    project.is_settled();
    prove(&server, "disk");

    // Killed on a full disk, it does not start there, and starts as it was when there is room.
    disk.fill();
    let house = server.kill();
    house.refuses().ends(5, &[FULL]);
    disk.free();
    let server = house.start();
    project.is_settled();
    let push = ["state", "push", "large.tfstate"];
    project.write("large.tfstate", large_state(&project));
    project.run(&push).done();
    prove(&server, "disk");
    server.stop();
}

#[test]
fn a_read_only_disk_is_refused_at_the_start_and_left_as_it_is() {
    let home = tempfile::tempdir().unwrap();
    let disk = SmallDisk::mount(&home.path().join("disk"), SIZE);
    let server = House::up(home.path()).on(&disk).start();
    let project = Project::ready(&server.block("disk"), &resources(3));
    project.run(APPLY).done();
    let before = project.pull();
    let house = server.stop();

    let all = [disk.seen(disk.path())];
    let files = contents(&all);
    disk.read_only(true);
    house.refuses().ends(1, &["Read-only file system"]);
    assert_eq!(changed(&files, &all), NOTHING);
    disk.read_only(false);
    let server = house.start();
    project.is_settled();
    assert_eq!(project.pull(), before);
    prove(&server, "disk");
    server.stop();
}

#[test]
fn a_read_only_database_refuses_in_words_and_nothing_is_half_written() {
    let home = tempfile::tempdir().unwrap();
    let disk = SmallDisk::mount(&home.path().join("disk"), SIZE);
    let server = House::up(home.path()).on(&disk).start();
    let project = Project::ready(&server.block("disk"), &resources(3));
    project.run(APPLY).done();
    let before = project.pull();
    let house = server.stop();

    let houses = house.folder("").join("houses");
    let seen = only(&disk.seen(&houses), "db", "none.db");
    let database = houses.join(seen.file_name().unwrap());
    disk.protect(&database);
    let server = house.start();
    // No record, no answer: a state that may not be recorded as read is not given away.
    for command in [&["state", "pull", "disk"][..], &["state", "lock", "disk"]] {
        let refused = server.run(command);
        assert!(refused.out.is_empty(), "{refused}");
        refused.ends(5, &["attempt to write a readonly database"]);
    }
    project.write("main.tf", resources(4));
    project
        .run(APPLY)
        .ends(1, &["giving up after 3 attempt(s)"]);
    let house = server.kill();
    disk.release(&database);

    let server = house.start();
    assert_eq!(server.lock_id("disk"), None);
    assert_eq!(project.pull(), before);
    project.run(APPLY).ends(0, &["1 added"]);
    prove(&server, "disk");
    server.stop();
}
