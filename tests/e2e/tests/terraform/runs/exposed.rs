//! The level `process`: jobs are done with little around them, and every run says so.

use fs_err as fs;

use crate::support::plant::{Plant, Runs, remote};
use crate::support::project::{APPLY, resources};
use crate::support::proof::{prove, story};

const REASON: &str = "the kernel of this host has no namespaces";

#[test]
fn a_run_at_the_level_process_says_so_wherever_it_is_looked_at_and_why() {
    let reason = format!("runs.level_reason={REASON}");
    let plant = Plant::new(&["runs.level=process", &reason, "runs.slots=1"]);
    let server = plant.house.start();
    let project = remote(&server, "exposed", &resources(1));
    project.run(APPLY).ends(0, &["1 added"]);
    let run = Runs::of(&server).newest("exposed");
    run.ended("applied", "");

    let show = ["run", "show", &run.id];
    let told = server.json(&show);
    assert_eq!(
        (told["sandbox"].as_str(), told["sandbox-reason"].as_str()),
        (Some("process"), Some(REASON)),
        "{told}"
    );
    let shown = server.run(&show).ends(0, &[REASON]);
    let words = |line: &str| line.split_whitespace().eq(["sandbox", "process"]);
    assert!(shown.text().lines().any(words), "{}", shown.text());

    // The plan and the apply were taken each; what the leaves hold of the reason is a commitment.
    let story = story(&server, &run.id);
    let leases = story
        .lines()
        .filter(|line| line.contains("sandbox=process"));
    let committed = leases.filter(|line| line.contains("detail="));
    assert_eq!(committed.count(), 2, "{story}");
    assert!(!story.contains("kernel"), "{story}");
    prove(&server, "exposed");
    let log = server.log();
    let warned = |line: &&str| line.contains("runs.level is process") && line.contains(REASON);
    assert_eq!(log.lines().filter(warned).count(), 1, "{log}");
    server.stop();
    let stored = fs::read(plant.database()).unwrap();
    let reason = REASON.as_bytes();
    assert!(!stored.windows(reason.len()).any(|bytes| bytes == reason));
}
