//! Agents: runs that happen on a machine in another network, which reaches the server over HTTPS and nothing else.

use std::process::Command;
use std::time::Duration;

use fs_err as fs;
use rustix::process::Signal;
use serde_json::Value;

use crate::support::child::{Ran, Running, until};
use crate::support::house::Server;
use crate::support::network::Network;
use crate::support::plant::{Plant, Run, Runs, runners, sleeps};
use crate::support::project::{APPLY, Project, resources};
use crate::support::proof::prove;

/// A job of an agent that is gone is nobody's when its lease is over.
const LEASE_MAX: Duration = Duration::from_mins(3);
/// An agent that asks is heard by then.
const HEARD_MAX: Duration = Duration::from_mins(1);
/// In so long an agent that may have a job would have it.
const WHILE: Duration = Duration::from_secs(8);

/// A server without places of its own, and a network that leads to it.
struct Far {
    plant: Plant,
    network: Network,
    server: Server,
}

impl Far {
    fn new() -> Self {
        let mut network = Network::new();
        let named = format!("tls.names=[\"{}\"]", network.near());
        let plant = Plant::new(&["runs.slots=0", &named]);
        let server = plant.house.start();
        network.lead_to(server.port());
        Self {
            plant,
            network,
            server,
        }
    }

    /// A pool, and a token of it with its id.
    fn pool(&self, name: &str) -> (String, String) {
        self.server.run(&["agent-pool", "create", name]).done();
        let made = self.server.json(&["agent-pool", "token", "create", name]);
        let text = |key: &str| made[key].as_str().unwrap().to_owned();
        (text("token"), text("id"))
    }

    /// The command of an agent in the network, which works in a folder of its own.
    fn agent(&self, name: &str, token: &str) -> Command {
        let [enter, namespace] = self.network.within();
        let mut command = Command::new(enter);
        command.arg(namespace);
        let address = format!("https://{}:{}", self.network.near(), self.server.port());
        self.plant.agent(&mut command, name, &self.server);
        command.env("STATEHOUSE_ADDRESS", address);
        command.env("STATEHOUSE_TOKEN", token);
        command
    }

    /// A project whose workspace runs with a pool, initialized.
    fn project(&self, pool: &str, workspace: &str, main: &str) -> Project {
        let block = self.server.cloud(&format!("name = \"{workspace}\""));
        let project = self.server.project(&self.server.token, &block, main);
        project.run(&["init"]).done();
        let set = ["execution", "set", "--workspace", workspace];
        let set = [&set[..], &["--mode", "agent", "--pool", pool]].concat();
        self.server.run(&set).done();
        project
    }
}

/// Which network a process is in.
fn network_of(process: impl std::fmt::Display) -> std::path::PathBuf {
    fs::read_link(format!("/proc/{process}/ns/net")).unwrap()
}

fn is_heard(server: &Server, pool: &str, status: &str) {
    until("the agent is heard of", HEARD_MAX, || {
        let agents = server.json(&["agent-pool", "agents", pool]);
        let of = |agent: &Value| agent["status"] == status;
        agents.as_array().unwrap().iter().any(of).then_some(())
    });
}

/// Waits until the log of an apply says that its slow resource begins.
fn begins(run: &Run<'_>) {
    run.gets_to("applying");
    let said = || run.log("apply").contains("it begins").then_some(());
    until("the apply works", HEARD_MAX, said);
}

fn stop(agent: Running) {
    agent.signal(Signal::TERM);
    agent.end().done();
}

#[test]
fn an_apply_through_the_cloud_block_happens_on_an_agent_in_another_network() {
    let far = Far::new();
    let server = &far.server;
    let (token, _) = far.pool("far");
    let project = far.project("far", "planned", &resources(2));
    let agent = Running::start(&mut far.agent("one", &token));
    is_heard(server, "far", "idle");
    assert_ne!(network_of(agent.process()), network_of("self"));

    project.answer(&["apply"], "yes\n").ends(0, &["2 added"]);
    let run = Runs::of(server).newest("planned");
    run.ended("applied", "");
    assert!(runners(server).is_empty(), "the server itself runs nothing");
    assert_eq!(server.lock_id("planned"), None);

    project.write("main.tf", sleeps("slow", 3));
    let folder = project.path("");
    let folder = folder.to_str().unwrap();
    let start = ["run", "start", "planned", "--dir", folder];
    let mut start = server.client_of(&server.token, &[&start[..], &["--auto-apply"]].concat());
    let started = Running::start(&mut start);
    let run = Runs::of(server).at("planned", "applying");
    is_heard(server, "far", "busy");
    let [runner] = children(agent.process())[..] else {
        panic!("one runner works");
    };
    assert_eq!(network_of(runner), network_of(agent.process()));
    started.end().done();
    run.gets_to("applied");
    stop(agent);
    prove(server, "planned");
}

/// The runners of an agent.
fn children(process: u32) -> Vec<u32> {
    crate::support::plant::runners_of(process)
}

#[test]
fn a_killed_agent_leaves_the_lock_and_its_state_is_taken_when_it_comes_back() {
    let far = Far::new();
    let server = &far.server;
    let (token, _) = far.pool("far");
    let slow = sleeps("slow", 20).replace(
        "provisioner",
        "depends_on = [terraform_data.each]\n  provisioner",
    );
    let project = far.project("far", "applies", &(resources(1) + &slow));
    let agent = Running::start(&mut far.agent("one", &token));
    let applying = project.start(APPLY);
    let run = Runs::of(server).at("applies", "applying");
    begins(&run);
    agent.signal(Signal::KILL);
    agent.end();

    applying.end().ends(1, &[]);
    let ended = || (run.stage() == "errored").then_some(());
    until("the apply is given up", LEASE_MAX, ended);
    run.ended("errored", "runner-lost");
    assert_eq!(server.lock_id("applies").as_ref(), Some(&run.id));
    assert_eq!(server.versions("applies").len(), 0);
    let agent = Running::start(&mut far.agent("one", &token));
    let kept = || (server.versions("applies").len() == 1).then_some(());
    until("the state is taken", LEASE_MAX, kept);
    assert_eq!(server.lock_id("applies").as_ref(), Some(&run.id));
    let list = project.run(&["state", "list"]).done();
    assert!(list.text().contains("terraform_data.each[0]"), "{list}");

    project
        .run(&["force-unlock", "-force", "main/applies"])
        .done();
    project.write("main.tf", resources(1));
    project.run(APPLY).ends(0, &["0 added"]);
    stop(agent);
    prove(server, "applies");
}

#[test]
fn an_apply_of_an_agent_goes_on_while_the_server_is_restarted() {
    let far = Far::new();
    let (token, _) = far.pool("far");
    let project = far.project("far", "restarted", &sleeps("slow", 15));
    let agent = Running::start(&mut far.agent("one", &token));
    let folder = project.path("");
    let start = [
        "run",
        "start",
        "restarted",
        "--dir",
        folder.to_str().unwrap(),
    ];
    let start = [&start[..], &["--auto-apply", "--detach"]].concat();
    far.server.run(&start).done();
    begins(&Runs::of(&far.server).at("restarted", "applying"));
    let Far {
        plant: _plant,
        network: _network,
        server,
    } = far;
    let server = server.restart();
    let run = Runs::of(&server).newest("restarted");
    run.gets_to("applied");
    assert_eq!(server.lock_id("restarted"), None);
    stop(agent);
    prove(&server, "restarted");
}

#[test]
fn an_agent_of_another_pool_or_with_a_revoked_token_gets_nothing() {
    let far = Far::new();
    let server = &far.server;
    let (token, _) = far.pool("far");
    let (revoked, id) = far.pool("other");
    let again = server.json(&["agent-pool", "token", "create", "far"]);
    let (gone, gone_id) = (&again["token"], again["id"].as_str().unwrap());
    server
        .run(&["agent-pool", "token", "revoke", gone_id])
        .done();
    let project = far.project("far", "mine", &resources(1));
    let other = Running::start(&mut far.agent("other", &revoked));
    let ended = Running::start(&mut far.agent("gone", gone.as_str().unwrap()));
    is_heard(server, "other", "idle");
    let beside = Ran::of(&mut far.agent("other", &revoked));
    beside.ends(4, &["another process"]);
    let by_hand = Ran::of(&mut far.agent("hand", &server.token));
    by_hand.ends(2, &["the token is none of a pool of agents"]);
    let applying = project.start(APPLY);
    let run = Runs::of(server).at("mine", "fetching");
    std::thread::sleep(WHILE);
    assert_eq!(run.stage(), "fetching", "nobody may take it");
    assert!(
        ended.err().contains("the server refuses"),
        "{}",
        ended.err()
    );

    // One that worked is refused from the next question on.
    server.run(&["agent-pool", "token", "revoke", &id]).done();
    let refused = || other.err().contains("the server refuses").then_some(());
    until("the other agent is refused", HEARD_MAX, refused);
    let agent = Running::start(&mut far.agent("one", &token));
    applying.end().ends(0, &["1 added"]);
    run.ended("applied", "");
    for agent in [other, ended, agent] {
        stop(agent);
    }
    prove(server, "mine");
}
