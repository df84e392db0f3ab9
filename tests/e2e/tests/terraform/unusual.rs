//! Uploads that a person should look at: they are kept, answered 409, and go on by one command.

use serde_json::Value;

use crate::support::house::Server;
use crate::support::project::{APPLY, Project, resources};
use crate::support::proof::prove;
use crate::support::proxy::{Asked, Lines};

/// Whether a state is sent.
fn is_post(asked: &Asked) -> bool {
    asked.method == "POST"
}

/// `state push -force` of another lineage: a mark where the caller may accept states, a question where not.
pub(crate) fn lineage(server: Server) -> Server {
    let ours = Project::ready(&server.block("lineage"), &resources(3));
    ours.run(APPLY).done();
    let before = server.pull("lineage");
    let foreign = Project::ready("", &resources(2));
    foreign.run(APPLY).done();
    let foreign = foreign.read("terraform.tfstate");

    let writer = server.account("lineage-writer", "writer");
    let lines = Lines::new();
    let line = lines.to(&server);
    let block = line
        .block(&server, "lineage")
        .replace(&server.token, &writer);
    let theirs = Project::ready(&block, &resources(3));
    theirs.write("foreign.tfstate", &foreign);
    let push = ["state", "push", "foreign.tfstate"];
    theirs.run(&push).ends(1, &["unrelated state with lineage"]);
    let forced = ["state", "push", "-force", "foreign.tfstate"];
    theirs.run(&forced).ends(1, &["HTTP error: 409"]);

    let waiting = server.waiting("lineage");
    assert_eq!(waiting.len(), 1, "{waiting:?}");
    let id = waiting[0]["id"].as_str().unwrap();
    let told = &line.seen(is_post)[0];
    let both = [&before, &foreign].map(|state| {
        let state: Value = serde_json::from_slice(state).unwrap();
        state["lineage"].as_str().unwrap().to_owned()
    });
    let accept = format!("statehouse state accept {id} --reason");
    let discard = format!("statehouse state discard {id} --reason");
    assert_eq!(told.status, Some(409));
    for words in [&both[0], &both[1], &accept, &discard] {
        assert!(told.answered.contains(words), "{words} is not in {told:?}");
    }
    assert_eq!(server.pull("lineage"), before);
    // The writer may look, and not decide.
    let decide = ["state", "discard", id, "--reason", "mine"];
    let mut decided = server.client_of(&writer, &decide);
    assert!(crate::support::child::Ran::of(&mut decided).is_refused());
    server
        .run(&["state", "discard", id, "--reason", "not this one"])
        .done();

    ours.write("foreign.tfstate", &foreign);
    ours.run(&forced).done();
    let newest = &server.versions("lineage")[0];
    assert_eq!(newest["lineage"], both[1]);
    assert_eq!(newest["marks"], serde_json::json!(["lineage-changed"]));
    assert_eq!(server.waiting("lineage"), [] as [Value; 0]);
    prove(&server, "lineage");
    server
}

/// An apply that leaves a tenth of the resources waits, and goes on by its id.
pub(crate) fn shrinking(server: Server) -> Server {
    let lines = Lines::new();
    let line = lines.to(&server);
    let project = Project::ready(&line.block(&server, "shrinking"), &resources(30));
    project.run(APPLY).done();
    let before = server.pull("shrinking");
    project.write("main.tf", resources(3));
    let said = ["HTTP error: 409", "terraform state push errored.tfstate"];
    project.run(APPLY).ends(1, &said);
    let told = line.seen(is_post).pop().unwrap();
    let words = "resources fall from 30 to 3";
    assert!(told.answered.contains(words), "{told:?}");
    assert_eq!(server.pull("shrinking"), before);
    assert_eq!(server.lock_id("shrinking"), None);

    let waiting = server.waiting("shrinking");
    assert_eq!(waiting[0]["resource-count"], 3, "{waiting:?}");
    let id = waiting[0]["id"].as_str().unwrap();
    server
        .run(&["state", "accept", id, "--reason", "the rest was moved"])
        .done();
    project.is_settled();
    assert_eq!(
        server.versions("shrinking")[0]["marks"],
        serde_json::json!(["accepted"])
    );
    prove(&server, "shrinking");
    server
}

/// Another lineage through the `cloud` block, without the permission: terraform names the status alone and leaves the lock;
/// whoever decides is told by which name it opens.
pub(crate) fn lineage_in_cloud(server: Server) -> Server {
    let name = "cloud-lineage";
    let block = server.cloud(&format!("name = \"{name}\""));
    let ours = server.project(&server.token, &block, &resources(3));
    ours.run(&["init"]).done();
    ours.run(APPLY).done();
    let foreign = Project::ready("", &resources(2));
    foreign.run(APPLY).done();

    let writer = server.account("cloud-lineage-writer", "writer");
    let theirs = server.project(&writer, &block, &resources(3));
    theirs.run(&["init"]).done();
    theirs.write("foreign.tfstate", foreign.read("terraform.tfstate"));
    let push = ["state", "push", "-force", "foreign.tfstate"];
    let pushed = theirs.run(&push).without_crash();
    pushed.ends(1, &["error HTTP response: 409"]);
    let waiting = server.waiting(name);
    let id = waiting[0]["id"].as_str().unwrap();
    let accept = ["state", "accept", id, "--reason", "this one"];
    let way_out = "terraform force-unlock main/cloud-lineage";
    server.run(&accept).ends(4, &[way_out]);
    let discard = ["state", "discard", id, "--reason", "not this one"];
    let unlock = ["force-unlock", "-force", "main/cloud-lineage"];
    ours.run(&unlock).done();
    server.run(&discard).done();
    ours.is_settled();
    prove(&server, name);
    server
}
