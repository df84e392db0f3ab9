//! Plans that policies judge: shown in the terminal, stopped where they are forbidden, let pass with a word and a reason, and held to the policies that
//! are in force when they are applied.

use std::path::Path;

use fs_err as fs;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::house::Server;
use crate::support::plant::{Plant, Run, Runs, remote, remote_with};
use crate::support::project::{APPLY, resources};
use crate::support::proof::{prove, story};

/// A directory of policies: each with its name, its level, and the number of resources from which on it is against a plan.
struct Bundle(TempDir);

/// One that has its limit at `count`.
fn policy(name: &str, count: usize) -> String {
    format!(
        r#"package {name}

made := [change | some change in input.resource_changes; "create" in change.change.actions]

deny contains {{"msg": "{name} has its limit here", "address": change.address}} if {{
	count(made) >= {count}
	some change in made
}}
"#
    )
}

/// What the manifest says of it.
fn declared(name: &str, level: &str, count: usize) -> String {
    format!(
        r#"
[[policy]]
name = "{name}"
level = "{level}"
title = "Fewer than {count}"
entrypoints = ["data.{name}.deny"]
"#
    )
}

impl Bundle {
    fn of(policies: &[(&str, &str, usize)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut manifest = "dialect = \"native\"\nentity = \"plan\"\n".to_owned();
        for (name, level, count) in policies {
            manifest += &declared(name, level, *count);
            let file = folder.path().join(format!("{name}.rego"));
            fs::write(file, policy(name, *count)).unwrap();
        }
        fs::write(folder.path().join("statehouse.toml"), manifest).unwrap();
        Self(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

/// A policy set that reaches one workspace, with this bundle in force.
fn set(server: &Server, name: &str, workspace: &str, bundle: &Bundle) {
    server.run(&["policy-set", "create", name]).done();
    let to = ["policy-set", "attach", name, "--workspace", workspace];
    server.run(&to).done();
    publish(server, name, bundle);
}

fn publish(server: &Server, name: &str, bundle: &Bundle) {
    let dir = bundle.path().to_str().unwrap();
    server.run(&["policy-set", "publish", name, dir]).done();
}

/// What policies said of a run: each set with its outcome.
fn verdicts(runs: Runs<'_>, run: &Run<'_>) -> Vec<(String, String)> {
    let id = run.id.replacen("run-", "poleval-", 1);
    let path = format!("/api/v2/policy-evaluations/{id}/policy-set-outcomes");
    let found = runs.get(&path);
    let text = |set: &Value, name| set["attributes"][name].as_str().unwrap().to_owned();
    let sets = found["data"].as_array().unwrap().iter();
    sets.map(|set| (text(set, "policy-set-name"), text(set, "outcome")))
        .collect()
}

/// What is advice, or passes, is shown and stops nothing; a plan that is only looked at is judged as well.
fn shown(server: &Server) {
    let runs = Runs::of(server);
    let project = remote(server, "shown", &resources(2));
    let bundle = Bundle::of(&[("many", "hard-mandatory", 3), ("few", "advisory", 2)]);
    set(server, "shown", "shown", &bundle);
    let words = [
        "Policy set 1: shown (2)",
        "Policy name: many",
        "Passed",
        "Policy name: few",
        "Advisory",
        "terraform_data.each[0]: few has its limit here",
    ];
    project.run(&["plan"]).ends(0, &words);
    project.run(APPLY).ends(
        0,
        &[&words[..], &["Apply complete! Resources: 2 added"]].concat(),
    );
    let run = runs.newest("shown");
    run.ended("applied", "");
    let expected = [("shown".to_owned(), "advised".to_owned())];
    assert_eq!(verdicts(runs, &run), expected);
    let log = run.log("apply");
    assert!(log.contains("the policies in force say"), "{log}");
    prove(server, "shown");
}

/// What is forbidden hard stops terraform, whoever asks, and leaves the workspace to the next run.
fn forbidden(server: &Server) {
    let runs = Runs::of(server);
    let project = remote(server, "forbidden", &resources(3));
    let bundle = Bundle::of(&[("many", "hard-mandatory", 3)]);
    set(server, "forbidden", "forbidden", &bundle);
    // The plan is shown, too: it is what is to be changed.
    let words = [
        "terraform_data.each[2] will be created",
        "3 to add",
        "Policy name: many",
        "Failed",
        "Task Stage failed",
    ];
    project.run(&["plan"]).ends(1, &words);
    project.run(APPLY).ends(1, &words);
    let run = runs.newest("forbidden");
    run.ended("errored", "policies");
    assert_eq!(server.lock_id("forbidden"), None);
    assert_eq!(server.versions("forbidden"), [] as [Value; 0]);
    server
        .run(&["run", "override", &run.id, "--reason", "please"])
        .ends(4, &["no policy holds"]);
    server.run(&["run", "show", &run.id]).ends(
        0,
        &[
            "Policy set forbidden: hard failed",
            "many (hard-mandatory): failed",
        ],
    );
    project.write("main.tf", resources(2));
    project.run(APPLY).ends(0, &["2 added"]);
}

/// What is forbidden softly waits for the word, and goes on with it; without it nothing is applied.
fn overridden(server: &Server) {
    let runs = Runs::of(server);
    let project = remote(server, "soft", &resources(3));
    let bundle = Bundle::of(&[("many", "soft-mandatory", 3)]);
    set(server, "soft", "soft", &bundle);
    let asked = "Do you want to override the failed policies?";
    project.answer(APPLY, "no\n").ends(1, &[asked]);
    runs.newest("soft").ended("discarded", "policies");
    assert_eq!(server.versions("soft"), [] as [Value; 0]);

    // Who may not override is not asked.
    let writer = server.account("writes-soft", "writer");
    let theirs = server.project(&writer, &server.cloud("name = \"soft\""), &resources(3));
    theirs.run(&["init"]).done();
    theirs.run(APPLY).ends(1, &["Task Stage failed"]);
    // It waits for somebody who may, and keeps the workspace meanwhile.
    let waits = runs.newest("soft");
    assert_eq!(waits.stage(), "policy_failed");
    server.run(&["run", "discard", &waits.id]).done();

    project
        .answer(APPLY, "override\n")
        .ends(0, &[asked, "Apply complete! Resources: 3 added"]);
    let run = runs.newest("soft");
    run.ended("applied", "");
    let story = story(server, &run.id);
    assert!(story.contains("policy.override"), "{story}");
    prove(server, "soft");

    // The command line says why, and for how long.
    project.write("main.tf", resources(7));
    project.run(&["apply", "-auto-approve"]).ends(1, &[asked]);
    let run = runs.newest("soft");
    let reason = ["--reason", "agreed with security", "--hours", "1"];
    let said = [&["run", "override", &run.id], &reason[..]].concat();
    server.run(&said).done();
    run.gets_to("applied");
    let why = "let it pass that policies are against: \"agreed with security\"";
    server.run(&["run", "show", &run.id]).ends(0, &[why]);
}

/// Other policies in force than judged a plan stop its apply, and say so.
fn changed_meanwhile(server: &Server, other: &str) {
    let runs = Runs::of(server);
    let project = remote_with(server, "meanwhile", &resources(2), 1);
    set(
        server,
        "meanwhile",
        "meanwhile",
        &Bundle::of(&[("many", "hard-mandatory", 3)]),
    );
    let applying = project.start(APPLY);
    let run = runs.at("meanwhile", "awaiting_approval");
    publish(
        server,
        "meanwhile",
        &Bundle::of(&[("many", "hard-mandatory", 4)]),
    );
    run.word("approve", other).json();
    applying.end().ends(1, &[]);
    run.ended("stale", "policies");
    let log = run.log("apply");
    assert!(log.contains("differs: "), "{log}");
    assert!(log.contains("polic"), "{log}");
    assert_eq!(server.versions("meanwhile"), [] as [Value; 0]);
}

/// What a plan would take from a state is judged before, and what an apply left after it.
fn of_states(server: &Server) {
    let runs = Runs::of(server);
    let project = remote(server, "states", &resources(3));
    let folder = tempfile::tempdir().unwrap();
    let manifest = [
        "dialect = \"native\"\nentity = \"state\"\n",
        &declared("shrinks", "hard-mandatory", 2),
        &declared("holds", "soft-mandatory", 3),
    ];
    let shrinks = r#"package shrinks

deny contains {"msg": "it is lost", "address": lost.address} if {
	count(input.transition.dropped) >= 2
	some lost in input.transition.dropped
}
"#;
    let holds = r#"package holds

deny contains sprintf("it holds %v of %v", [count(instances), input.transition.resources_after]) if {
	input.stage == "applied"
	count(instances) >= 3
}

instances contains [resource.name, instance.index_key] if {
	some resource in input.state.resources
	some instance in resource.instances
}
"#;
    for (file, text) in [
        ("statehouse.toml", &*manifest.concat()),
        ("shrinks.rego", shrinks),
        ("holds.rego", holds),
    ] {
        fs::write(folder.path().join(file), text).unwrap();
    }
    set(server, "states", "states", &Bundle(folder));
    project.run(APPLY).ends(0, &["Resources: 3 added"]);
    let run = runs.newest("states");
    let path = format!("/api/v2/runs/{}/state-verdicts", run.id);
    let said = loop {
        let said = runs.get(&path)["data"]["attributes"].clone();
        if said["outcome"] != "awaited" {
            break said;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    };
    assert_eq!(said["outcome"], "soft-failed", "{said}");
    assert!(said.to_string().contains("it holds 3 of 3"), "{said}");
    // What is left is not undone, and stops nobody; what would be lost is kept.
    project.write("main.tf", resources(1));
    let words = ["Policy name: shrinks", "terraform_data.each[2]: it is lost"];
    project.run(APPLY).ends(1, &words);
    project.write("main.tf", resources(2));
    project.run(APPLY).ends(0, &["1 destroyed"]);
    prove(server, "states");
}

/// What a configuration brings is asked beside what the organization has, and stops its own plans alone.
fn of_a_repository(server: &Server) {
    let project = remote(server, "brings", &resources(2));
    fs::create_dir_all(project.path(".statehouse/policy")).unwrap();
    let own = ".statehouse/policy/mine.rego";
    project.write(own, policy("mine", 2));
    project.run(APPLY).ends(
        1,
        &[
            "repository",
            "terraform_data.each[0]: mine has its limit here",
        ],
    );
    project.write(own, policy("mine", 3));
    project.run(APPLY).ends(0, &["2 added"]);
    prove(server, "brings");
}

/// What does not read, or would not judge, is refused where it is published, and names where.
fn not_published(server: &Server) {
    server.run(&["policy-set", "create", "broken"]).done();
    let bundle = Bundle::of(&[("many", "hard-mandatory", 3)]);
    let broken = "package many\n\ndeny contains \"x\" if {\n";
    fs::write(bundle.path().join("many.rego"), broken).unwrap();
    let dir = bundle.path().to_str().unwrap();
    server
        .run(&["policy-set", "publish", "broken", dir])
        .ends(1, &["many.rego:"]);
    let found = server.json(&["policy-set", "show", "broken"]);
    assert_eq!(found["bundle-digest"], json!(null));
}

#[test]
fn every_plan_is_judged_by_the_policies_in_force() {
    let plant = Plant::new(&[]);
    let server = plant.house.start();
    shown(&server);
    forbidden(&server);
    overridden(&server);
    let other = server.account("agrees", "writer");
    changed_meanwhile(&server, &other);
    of_states(&server);
    of_a_repository(&server);
    not_published(&server);
    server.stop();
}
