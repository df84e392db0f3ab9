//! Ends in the middle: of the server, of a runner, of the client, and by somebody's wish.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::child::until;
use crate::support::house::Server;
use crate::support::plant::{Plant, Run, Runs, remote, runners, sleeps};
use crate::support::project::{APPLY, resources};
use crate::support::proof::prove;

/// A plan that takes some seconds to be made.
const SLOW_PLAN: &str = "output \"sum\" {\n  value = sum([for a in range(1000) : sum([for b in range(1000) : a * b])])\n}\n";
/// A job of a server that is gone is another's when its lease is over.
const LEASE_MAX: Duration = Duration::from_mins(3);

/// Waits until the log of an apply says that its slow resource begins.
fn begins(run: &Run<'_>) {
    run.gets_to("applying");
    let said = || run.log("apply").contains("it begins").then_some(());
    until("the apply works", Duration::from_mins(1), said);
}

fn slow_apply(seconds: u32) -> String {
    let after = sleeps("slow", seconds).replace(
        "provisioner",
        "depends_on = [terraform_data.each]\n  provisioner",
    );
    resources(1) + &after
}

fn kill_runner(server: &Server) {
    let found = runners(server);
    assert_eq!(found.len(), 1, "{found:?}");
    let process = Pid::from_raw(i32::try_from(found[0]).unwrap()).unwrap();
    kill_process(process, Signal::KILL).unwrap();
}

/// The runner of a plan is killed, and another one takes over; that of an apply is, and a person is asked to look.
fn runner_killed(server: &Server) {
    let runs = Runs::of(server);
    let project = remote(server, "killed", SLOW_PLAN);
    let planning = project.start(&["plan"]);
    let run = runs.at("killed", "planning");
    kill_runner(server);
    planning.end().ends(0, &["sum ="]);
    run.ended("planned_and_finished", "");
    assert!(
        run.events().contains(&"lose-runner".to_owned()),
        "{:?}",
        run.events()
    );

    project.write("main.tf", slow_apply(60));
    let applying = project.start(APPLY);
    let run = runs.at("killed", "applying");
    begins(&run);
    kill_runner(server);
    applying.end().ends(1, &[]);
    run.ended("errored", "runner-lost");
    assert_eq!(server.lock_id("killed").as_ref(), Some(&run.id));
    project
        .run(&["force-unlock", "-force", "main/killed"])
        .done();
    project.write("main.tf", resources(1));
    project.run(APPLY).ends(0, &[]);
    prove(server, "killed");
}

/// Ctrl-C stops a plan; the API stops a plan and an apply in order, and what was applied is in the state.
fn stopped(server: &Server) {
    let runs = Runs::of(server);
    let project = remote(server, "stopped", SLOW_PLAN);
    let planning = project.start(APPLY);
    let run = runs.at("stopped", "planning");
    planning.signal(Signal::INT);
    let so = "The remote operation was successfully cancelled";
    planning.end().ends(0, &[so]);
    run.gets_to("canceled");
    assert_eq!(server.lock_id("stopped"), None);

    let planning = project.start(&["plan"]);
    let run = runs.at("stopped", "planning");
    run.acts("cancel", &server.token, &Value::Null).json();
    planning.end().ends(1, &[]);
    run.ended("canceled", "");

    project.write("main.tf", slow_apply(60));
    let applying = project.start(APPLY);
    let run = runs.at("stopped", "applying");
    begins(&run);
    run.acts("cancel", &server.token, &Value::Null).json();
    applying.end().ends(1, &[]);
    run.ended("canceled", "");
    assert_eq!(server.lock_id("stopped"), None);
    let list = project.run(&["state", "list"]).done();
    assert!(list.text().contains("terraform_data.each[0]"), "{list}");
    project.write("main.tf", resources(1));
    project
        .run(APPLY)
        .ends(0, &["0 added, 0 changed, 1 destroyed"]);
    prove(server, "stopped");
}

#[test]
fn a_runner_that_is_killed_and_a_person_who_stops_leave_a_way_on() {
    let plant = Plant::new(&["runs.slots=1"]);
    let server = plant.house.start();
    stopped(&server);
    runner_killed(&server);
    server.stop();
}

#[test]
fn a_server_that_is_killed_plans_again_and_leaves_the_lock_of_an_apply() {
    let plant = Plant::new(&["runs.slots=2"]);
    let server = plant.house.start();
    let runs = Runs::of(&server);
    let (plans, applies) = (
        remote(&server, "plans", SLOW_PLAN),
        remote(&server, "applies", &slow_apply(20)),
    );
    let applying = applies.start(APPLY);
    begins(&runs.at("applies", "applying"));
    let planning = plans.start(&["plan"]);
    runs.at("plans", "planning");
    let server = server.kill().start();
    drop((applying, planning));

    let runs = Runs::of(&server);
    let [planned, applied] = ["plans", "applies"].map(|name| runs.newest(name));
    let ended = || (planned.stage() == "planned_and_finished").then_some(());
    until("it is planned again", LEASE_MAX, ended);
    let ended = || (applied.stage() == "errored").then_some(());
    until("the apply is given up", LEASE_MAX, ended);
    applied.ended("errored", "runner-lost");
    assert_eq!(server.lock_id("applies").as_ref(), Some(&applied.id));
    // What the runner did after it had lost its server was not lost.
    let kept = || (server.versions("applies").len() == 1).then_some(());
    until("the state is taken over", LEASE_MAX, kept);
    let list = applies.run(&["state", "list"]).done();
    assert!(list.text().contains("terraform_data.each[0]"), "{list}");
    applies
        .run(&["force-unlock", "-force", "main/applies"])
        .done();
    applies.write("main.tf", resources(1));
    applies.run(APPLY).ends(0, &["0 added"]);
    prove(&server, "applies");
    server.stop();
}

#[test]
fn an_apply_that_takes_longer_than_it_may_stops_in_order_and_says_what_to_raise() {
    let plant = Plant::new(&["runs.slots=1", "runs.apply_minutes_max=1"]);
    let server = plant.house.start();
    let runs = Runs::of(&server);
    let project = remote(&server, "late", &slow_apply(600));
    let applying = project.start(APPLY);
    let run = runs.at("late", "applying");
    begins(&run);
    let ended = || (run.stage() == "canceled").then_some(());
    until("it is asked to stop", Duration::from_mins(3), ended);
    applying.end().ends(1, &[]);
    run.ended("canceled", "took-longer-than-1-minutes");
    let log = run.log("apply");
    let words = "it took longer than a job may take: 1 minutes; raise runs.apply_minutes_max";
    assert!(log.contains(words), "{log}");
    assert_eq!(server.lock_id("late"), None);
    let list = project.run(&["state", "list"]).done();
    assert!(list.text().contains("terraform_data.each[0]"), "{list}");
    prove(&server, "late");
    server.stop();
}
