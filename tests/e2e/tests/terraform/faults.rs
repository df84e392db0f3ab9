//! What can go wrong between terraform's `cloud` block and the server, one request at a time.
//!
//! Each case breaks one exchange of an apply. Whatever it is, terraform ends in bounded time and does not crash, the server
//! holds the state before or the state after and shows nothing that was only announced, and a workspace that stays locked is
//! opened by the name that the next refusal says. Cases are independent workspaces of one server, two at a time.
//!
//! Deliberately absent: failures that never end, of which terraform's own retries make minutes.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use Fault::{
    AltersRequest, Answers, CutsAnswer, CutsRequest, Holds, LosesAnswer, LosesRequest, Repeats,
};
use Left::{Done, Errored, Locked, Nothing};

use crate::support::child::until;
use crate::support::house::Server;
use crate::support::project::{APPLY, Project, resources};
use crate::support::proof::prove;
use crate::support::proxy::{Asked, Fault, Line, Lines, Rule};

/// No command needs so long: the longest waits for two of terraform's own retries.
const COMMAND_MAX: Duration = Duration::from_mins(1);
/// Cases at a time.
const AT_ONCE: usize = 2;

type Is = fn(&Asked) -> bool;

const DISCOVERY: Is = |asked| asked.path.ends_with("/terraform.json");
const PING: Is = |asked| asked.path.ends_with("/ping");
const ENTITLEMENTS: Is = |asked| asked.path.ends_with("/entitlement-set");
const NAMED: Is = |asked| asked.method == "GET" && asked.path.contains("/main/workspaces/");
const CREATE: Is = |asked| asked.method == "POST" && asked.path.ends_with("/workspaces");
const LOCK: Is = |asked| asked.path.ends_with("/actions/lock");
const UNLOCK: Is = |asked| asked.path.ends_with("/actions/unlock");
const CURRENT: Is = |asked| asked.path.ends_with("/current-state-version");
const DOWNLOAD: Is = |asked| asked.path.contains("/downloads/");
const ANNOUNCE: Is = |asked| asked.method == "POST" && asked.path.ends_with("/state-versions");
const STATE: Is = |asked| asked.method == "PUT" && !FORM(asked);
/// The JSON form of a state.
const FORM: Is = |asked| asked.method == "PUT" && asked.body.starts_with(b"{\"format_version\"");
const UPLOADED: Is = |asked| asked.path.contains("/api/v2/state-versions/");

/// What an apply leaves behind that adds a second resource.
#[derive(Clone, Copy)]
enum Left {
    /// What it was to do.
    Done,
    /// Nothing: it says these words, and the next one does it.
    Nothing(&'static str),
    /// The state in a file and a lock, because of these words; so many versions.
    Errored(&'static str, usize),
    /// A lock, because of these words; so many versions.
    Locked(&'static str, usize),
}

const CASES: &[(Is, usize, Fault, Left)] = &[
    (DISCOVERY, 1, Answers(500), Nothing("discovery document")),
    (DISCOVERY, 1, LosesAnswer, Nothing("discovery document")),
    (PING, 1, Answers(500), Nothing("Unsupported")),
    (PING, 1, Answers(429), Nothing("Unsupported")),
    (ENTITLEMENTS, 1, Answers(500), Nothing("\"main\" at host")),
    (NAMED, 1, Answers(500), Done),
    (NAMED, 2, Answers(429), Done),
    (NAMED, 1, Answers(404), Nothing("not found")),
    (LOCK, 1, Answers(500), Done),
    (LOCK, 2, Answers(429), Done),
    (LOCK, 1, LosesRequest, Done),
    (LOCK, 1, LosesAnswer, Locked("workspace already locked", 1)),
    (CURRENT, 1, Answers(500), Done),
    (CURRENT, 2, Answers(429), Done),
    (DOWNLOAD, 1, Answers(500), Done),
    (DOWNLOAD, 1, Answers(404), Nothing("downloading state")),
    (DOWNLOAD, 1, CutsAnswer, Nothing("downloading state")),
    (ANNOUNCE, 1, Answers(500), Done),
    (ANNOUNCE, 2, Answers(500), Done),
    (ANNOUNCE, 1, Answers(403), Errored("on purpose", 1)),
    (ANNOUNCE, 1, LosesRequest, Done),
    (ANNOUNCE, 1, LosesAnswer, Done),
    (STATE, 1, Answers(403), Errored("response: 403", 1)),
    (STATE, 1, Answers(404), Errored("response: 404", 1)),
    (STATE, 1, Answers(500), Done),
    (STATE, 2, LosesRequest, Done),
    (STATE, 1, LosesAnswer, Done),
    (STATE, 1, CutsRequest, Done),
    (STATE, 1, AltersRequest, Errored("response: 400", 1)),
    (STATE, 1, Repeats, Done),
    (FORM, 1, Answers(403), Errored("response: 403", 2)),
    (FORM, 1, Answers(500), Done),
    (FORM, 1, LosesAnswer, Done),
    (FORM, 1, CutsRequest, Done),
    (FORM, 1, Repeats, Done),
    (UPLOADED, 1, Answers(404), Errored("resource not found", 2)),
    (UPLOADED, 1, Answers(500), Done),
    (UNLOCK, 1, Answers(500), Done),
    (
        UNLOCK,
        1,
        Answers(403),
        Locked("releasing the state lock", 2),
    ),
    (UNLOCK, 1, LosesRequest, Done),
    (UNLOCK, 1, LosesAnswer, Done),
];

/// Every case, two at a time.
pub(crate) fn every_exchange(server: Server) -> Server {
    let lines = Lines::new();
    let cases = Mutex::new(CASES.iter().enumerate());
    let next = || cases.lock().unwrap().next();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((number, case)) = next() {
                    check(&server, &lines, &format!("fault-{number}"), case);
                }
            });
        }
    });
    prove(&server, "fault-0");
    server
}

fn check(
    server: &Server,
    lines: &Lines,
    name: &str,
    (is, times, fault, left): &(Is, usize, Fault, Left),
) {
    let line = lines.to(server);
    let project = one_resource(server, &line, name);
    line.breaks(&[Rule {
        is: *is,
        times: *times,
        fault: *fault,
    }]);
    let began = Instant::now();
    let ran = project.run(APPLY).without_crash();
    let what = format!("{name}, {fault:?}: {ran}");
    assert!(began.elapsed() < COMMAND_MAX, "{what}");
    assert!(line.broke_all(), "nothing was broken: {what}");
    line.breaks(&[]);
    let (locked, versions) = (server.lock_id(name).is_some(), finished(server, name));
    let expected = match left {
        Done => (false, 2),
        Nothing(_) => (false, 1),
        Errored(_, versions) | Locked(_, versions) => (true, *versions),
    };
    assert_eq!((locked, versions), expected, "{what}");
    let errored = project.path("errored.tfstate").exists();
    assert_eq!(errored, matches!(left, Errored(..)), "{what}");
    match left {
        Done => drop(ran.ends(0, &["1 added"])),
        Nothing(words) => {
            ran.ends(1, &[words]);
            project.run(APPLY).ends(0, &["1 added"]);
        }
        Errored(words, _) => {
            ran.ends(1, &[words, "errored.tfstate"]);
            opens(&project, name, &["state", "push", "errored.tfstate"]);
        }
        Locked(words, _) => {
            ran.ends(1, &[words]);
            opens(&project, name, APPLY);
        }
    }
    is_whole(server, &project, name);
}

/// A project with one resource, and a second one to be added.
fn one_resource(server: &Server, line: &Line, name: &str) -> Project {
    let project = line.project(server, &format!("name = \"{name}\""), &resources(1));
    project.run(&["init"]).done();
    project.run(APPLY).ends(0, &["1 added"]);
    project.write("main.tf", resources(2));
    project
}

/// How many versions there are, each of them whole.
fn finished(server: &Server, name: &str) -> usize {
    let versions = server.versions(name);
    for version in &versions {
        assert_eq!(version["status"], "finalized", "{versions:?}");
    }
    versions.len()
}

/// The workspace is locked; what is run says by which name it opens, and passes when it is open.
fn opens(project: &Project, name: &str, args: &[&str]) {
    let way_out = format!("main/{name}");
    project.run(args).without_crash().ends(1, &[&way_out]);
    project.run(&["force-unlock", "-force", &way_out]).done();
    project.run(args).without_crash().done();
}

/// Two resources, two versions or three, no lock, and nothing to do.
fn is_whole(server: &Server, project: &Project, name: &str) {
    project.is_settled();
    let pulled = project.pull();
    let state: Value = serde_json::from_slice(&pulled).unwrap();
    let instances = state["resources"][0]["instances"].as_array().unwrap();
    assert_eq!(instances.len(), 2, "{name}: {state}");
    assert_eq!(pulled, server.pull(name), "{name}");
    assert_eq!(server.lock_id(name), None, "{name}");
    assert!((2..=3).contains(&finished(server, name)), "{name}");
}

/// `state push`, `destroy` and `workspace new`, whose most important exchange breaks.
pub(crate) fn other_commands(server: Server) -> Server {
    let lines = Lines::new();
    let line = lines.to(&server);
    let once = |is, fault| {
        line.breaks(&[Rule {
            is,
            times: 1,
            fault,
        }]);
    };
    let project = one_resource(&server, &line, "fault-push");
    let mut pushed: Value = serde_json::from_slice(&project.pull()).unwrap();
    pushed["serial"] = (pushed["serial"].as_u64().unwrap() + 1).into();
    pushed["outputs"]["greeting"] = serde_json::json!({ "value": "hello", "type": "string" });
    project.write("pushed.tfstate", pushed.to_string());
    let push = ["state", "push", "pushed.tfstate"];
    once(STATE, AltersRequest);
    project
        .run(&push)
        .without_crash()
        .ends(1, &["response: 400"]);
    assert_eq!(finished(&server, "fault-push"), 1);
    opens(&project, "fault-push", &push);
    project.run(APPLY).ends(0, &["1 added"]);
    is_whole(&server, &project, "fault-push");
    for (is, fault) in [(STATE, LosesAnswer), (UNLOCK, LosesAnswer)] {
        once(is, fault);
        let destroy = ["destroy", "-auto-approve"];
        project
            .run(&destroy)
            .without_crash()
            .ends(0, &["2 destroyed"]);
        project.run(APPLY).ends(0, &["2 added"]);
    }
    is_settled(&server, "fault-push");

    let project = line.project(&server, "tags = [\"fault\"]", &resources(1));
    project.answer(&["init"], "fault-one\n").done();
    let new = |name| project.run(&["workspace", "new", name]).without_crash();
    once(CREATE, LosesRequest);
    new("fault-two").done();
    // It was made, and terraform did not hear of it: the name is taken, and there to be selected.
    once(CREATE, LosesAnswer);
    new("fault-three").ends(1, &["fault-three"]);
    project.run(&["workspace", "select", "fault-three"]).done();
    project.run(APPLY).ends(0, &["1 added"]);
    prove(&server, "fault-push");
    prove(&server, "fault-three");
    server
}

fn is_settled(server: &Server, name: &str) {
    assert_eq!(server.lock_id(name), None, "{name}");
    let sequences = server.versions(name);
    let sequences = sequences
        .iter()
        .filter_map(|version| version["sequence"].as_u64());
    assert!(sequences.is_sorted_by(|newer, older| newer > older));
}

/// terraform is killed between the announcement and the bytes; the server is stopped, and killed, in the middle of an apply.
pub(crate) fn ends_within(mut server: Server) -> Server {
    let lines = Lines::new();
    let hold = [Rule {
        is: STATE,
        times: 1,
        fault: Holds,
    }];
    let line = lines.to(&server);
    let project = one_resource(&server, &line, "fault-killed");
    line.breaks(&hold);
    let applying = project.start(APPLY);
    until("the state is held", COMMAND_MAX, || line.holds());
    applying.signal(Signal::KILL);
    applying.end();
    line.loses_held();
    assert_eq!(finished(&server, "fault-killed"), 1);
    opens(&project, "fault-killed", APPLY);
    is_whole(&server, &project, "fault-killed");

    for kill in [false, true] {
        let name = if kill { "fault-crash" } else { "fault-restart" };
        let line = lines.to(&server);
        let project = one_resource(&server, &line, name);
        line.breaks(&hold);
        let applying = project.start(APPLY);
        until("the state is held", COMMAND_MAX, || line.holds());
        let house = if kill { server.kill() } else { server.stop() };
        server = house.start();
        line.release();
        applying.end().without_crash().ends(0, &["1 added"]);
        is_whole(&server, &project, name);
    }
    prove(&server, "fault-crash");
    server
}
