//! Locks: one writer at a time, known by name, and a way on when a lock is left behind.

use std::time::Duration;

use crate::support::child::until;
use crate::support::house::Server;
use crate::support::project::{APPLY, Project, resources, slow_resource};
use crate::support::proof::prove;

/// A second apply fails while the first one works, and is told who holds the lock.
pub(crate) fn second_apply(server: Server) -> Server {
    let first = Project::ready(&server.block("busy"), &slow_resource());
    let second = Project::ready(&server.block("busy"), &slow_resource());
    let applying = first.start(APPLY);
    let started = || first.path("started").exists().then_some(());
    until("the first apply works", Duration::from_mins(1), started);

    let held = server.lock_id("busy").unwrap();
    second
        .run(APPLY)
        .ends(1, &[&format!("already locked: ID={held}")]);
    let who = ["locked by", "OperationTypeApply", &held];
    server.run(&["state", "lock", "busy"]).ends(4, &who);
    // Reading needs no lock.
    second.run(&["plan", "-lock=false"]).done();

    first.write("go", "");
    applying.end().ends(0, &["1 added"]);
    assert_eq!(server.lock_id("busy"), None);
    second.is_settled();
    prove(&server, "busy");
    server
}

/// `-lock=false` writes where nobody holds the lock, and the version says so; where somebody does, nothing is lost.
pub(crate) fn without_lock(server: Server) -> Server {
    let apply = ["apply", "-auto-approve", "-lock=false"];
    let project = Project::ready(&server.block("unlocked"), &resources(2));
    project.run(&apply).done();
    let newest = &server.versions("unlocked")[0];
    assert_eq!(newest["marks"], serde_json::json!(["unlocked"]));

    let before = server.pull("unlocked");
    let reason = ["state", "lock", "unlocked", "--reason", "maintenance"];
    server.run(&reason).done();
    let held = server.lock_id("unlocked").unwrap();
    project.write("main.tf", resources(3));
    project
        .run(&apply)
        .ends(1, &["HTTP error: 423", "errored.tfstate"]);
    assert_eq!(server.pull("unlocked"), before);

    server.run(&["state", "unlock", "unlocked", &held]).done();
    project.run(&["state", "push", "errored.tfstate"]).done();
    project.is_settled();
    prove(&server, "unlocked");
    server
}

/// force-unlock breaks the lock that there is, whatever id is typed, because terraform sends none; by those who may.
pub(crate) fn force_unlock(server: Server) -> Server {
    let project = Project::ready(&server.block("left"), &resources(2));
    project.run(APPLY).done();
    server.run(&["state", "lock", "left"]).done();
    let held = server.lock_id("left").unwrap();

    let writer = server.account("unlock-writer", "writer");
    let block = server.block("left").replace(&server.token, &writer);
    let theirs = Project::ready(&block, &resources(2));
    let force = |id| ["force-unlock", "-force", id];
    theirs.run(&force(&held)).ends(1, &["403"]);
    assert_eq!(server.lock_id("left").as_ref(), Some(&held));

    project.run(&force("some-other-id")).done();
    assert_eq!(server.lock_id("left"), None);
    project.run(&force("some-other-id")).ends(1, &["409"]);
    project.is_settled();
    prove(&server, "left");
    server
}
