#![allow(missing_docs)]

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;
use crate::bundle;
use crate::input::{Context, Part, Person, Repository, Run, RunVariable, Workspace};
use crate::verdict::{Outcome, Summary};

const PLAN: &str = r#"{"format_version": "1.2", "terraform_version": "1.11.4", "resource_changes": [
    {"address": "aws_s3_bucket.a", "type": "aws_s3_bucket", "change": {"actions": ["create"], "after": {"acl": "public-read"}}}]}"#;
const STATE: &str = r#"{"version": 4, "serial": 7, "lineage": "l", "resources": [{"type": "aws_instance", "instances": [{"attributes": {"ami": "x"}}]}]}"#;
const COST: &str = r#"{"currency": "USD", "monthly_before": 10, "monthly_after": 12.5, "monthly_change": 2.5, "monthly_change_percent": 25,
    "resources": [{"address": "aws_instance.a", "type": "aws_instance", "monthly_before": 10, "monthly_after": 12.5}]}"#;

fn context() -> Context {
    let ada = Person {
        user: "ada".into(),
        name: "Ada".into(),
        email: "ada@example.com".into(),
        kind: "user".into(),
    };
    Context {
        workspace: Workspace {
            name: "network".into(),
            tags: vec!["prod".into()],
            tool: "terraform".into(),
            terraform_version: "1.11.4".into(),
            environment_type: "production".into(),
            vcs_repo: Some(Repository {
                identifier: "acme/net".into(),
                connector: "github".into(),
                ..Repository::default()
            }),
            variables: BTreeMap::from([(
                "TOKEN".into(),
                RunVariable {
                    category: "env".into(),
                    sensitive: true,
                },
            )]),
            ..Workspace::default()
        },
        run: Some(Run {
            message: "hello".into(),
            created_by: ada,
            is_destroy: true,
            ..Run::default()
        }),
        timestamp_ns: 1_700_000_000_000_000_000,
        ..Context::default()
    }
}

fn set(files: &[(&str, &str)]) -> Set {
    let files = files
        .iter()
        .map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()));
    let bundle = Bundle::from_files(files, &bundle::Limits::default()).unwrap();
    Set::new("set", Arc::new(bundle), Values::new()).unwrap()
}

fn request(sets: Vec<Set>) -> Request {
    let documents = [(Part::Plan, PLAN), (Part::State, STATE), (Part::Cost, COST)];
    Request {
        sets,
        entities: vec![Entity::Plan, Entity::Cost, Entity::State, Entity::Workspace],
        input: Input {
            documents: documents.map(|(part, text)| (part, text.into())).into(),
            context: context(),
            data: BTreeMap::from([("teams".into(), json!({"ada": "core"}))]),
        },
    }
}

/// What each policy says, by name: how it ended, and its texts.
fn said(sets: Vec<Set>) -> Vec<(String, Outcome, Vec<String>)> {
    let verdicts = assess(&request(sets), &Limits::default());
    let results = verdicts.into_iter().flat_map(|it| it.results);
    let texts =
        |it: &crate::verdict::PolicyResult| it.messages.iter().map(|it| it.text.clone()).collect();
    results
        .map(|it| (it.policy.clone(), it.outcome, texts(&it)))
        .collect()
}

/// A policy of a dialect finds what it expects where it expects it.
fn check(files: &[(&str, &str)], texts: &[&str]) {
    let said = said(vec![set(files)]);
    let found: Vec<&str> = said
        .iter()
        .flat_map(|(_, _, texts)| texts.iter().map(String::as_str))
        .collect();
    assert_eq!(found, texts, "{files:?}: {said:?}");
}

#[test]
fn a_native_policy_reads_the_native_document() {
    let policy = r#"package acme
import rego.v1
deny contains {"msg": "public", "address": r.address} if {
    some r in input.plan.resource_changes
    r.change.after.acl == "public-read"
}
deny contains sprintf("%d resources", [count(input.resource_changes)])
warn contains sprintf("%v %v", [input.cost.monthly_after, input.run.message])
warn contains sprintf("%v", [data.teams[input.run.created_by]])
violation_state contains "serial" if input.state.serial == 7
deny_time contains "now" if time.now_ns() == input.request.timestamp_ns
"#;
    let texts = [
        "1 resources",
        "now",
        "public",
        "serial",
        "12.5 hello",
        "core",
    ];
    check(&[("acme.rego", policy)], &texts);
}

#[test]
fn a_policy_of_hcp_terraform_is_asked_what_its_list_says() {
    let list = "policy \"public\" {\n query = \"data.terraform.policies.public.deny\"\n enforcement_level = \"mandatory\"\n}\n";
    let policy = r#"package terraform.policies.public
import input.plan as plan
deny[msg] {
    r := plan.resource_changes[_]
    r.change.after.acl == "public-read"
    msg := sprintf("%s by %s in %s", [r.address, input.run.created_by, input.run.workspace.name])
}
"#;
    check(
        &[("policies.hcl", list), ("public.rego", policy)],
        &["aws_s3_bucket.a by ada in network"],
    );
}

#[test]
fn a_policy_of_scalr_finds_tfplan_and_tfrun() {
    let list = "version = \"v1\"\npolicy \"limit\" {\n enabled = true\n enforcement_level = \"soft-mandatory\"\n}\n";
    let policy = r#"package terraform
import input.tfplan as tfplan
import input.tfrun as tfrun
deny["too dear"] { tfrun.cost_estimate.proposed_monthly_cost > 12 }
deny[r] {
    tfrun.workspace.environment_type == "production"
    tfrun.is_destroy
    r := sprintf("%s of %s", [tfplan.resource_changes[_].type, tfrun.created_by.username])
}
"#;
    let set = set(&[("scalr-policy.hcl", list), ("limit.rego", policy)]);
    let verdict = assess(&request(vec![set]), &Limits::default()).remove(0);
    assert_eq!(verdict.summary, Summary::SoftFailed, "{verdict:?}");
    let texts: Vec<&str> = verdict.results[0]
        .messages
        .iter()
        .map(|it| it.text.as_str())
        .collect();
    assert_eq!(texts, ["aws_s3_bucket of ada", "too dear"]);
}

#[test]
fn a_policy_of_spacelift_finds_spacelift_and_terraform_and_its_warnings_are_advice() {
    let policy = r#"package spacelift
deny[sprintf("no %s", [r.address])] {
    r := input.terraform.resource_changes[_]
    input.spacelift.stack.labels[_] == "prod"
}
warn["mind"] { input.spacelift.run.triggered_by == "ada" }
sample { true }
"#;
    check(&[("s.rego", policy)], &["no aws_s3_bucket.a", "mind"]);
}

#[test]
fn a_policy_of_conftest_finds_the_plan_at_the_root_and_may_except_itself() {
    let policy = r#"package main
import rego.v1
deny_public contains msg if {
    some r in input.resource_changes
    r.change.after.acl == "public-read"
    msg := r.address
}
deny_excepted contains "excepted"
violation contains {"msg": "violated", "details": {"why": 1}}
warn_old contains "old"
exception contains ["excepted"]
"#;
    let set = set(&[("p.rego", policy)]);
    let verdict = assess(&request(vec![set]), &Limits::default()).remove(0);
    let messages: Vec<_> = verdict.results[0]
        .messages
        .iter()
        .map(|it| (it.text.as_str(), it.level))
        .collect();
    let wanted = [
        ("aws_s3_bucket.a", Level::HardMandatory),
        ("violated", Level::HardMandatory),
        ("excepted", Level::Advisory),
        ("old", Level::Advisory),
    ];
    assert_eq!(messages, wanted, "{verdict:?}");
}

#[test]
fn policies_of_harness_find_what_their_package_names() {
    let plan = "package terraform_plan\ndeny[m] { m := input.resource_changes[_].address; input.iacmMetadata.workspace == \"network\" }\n";
    let cost = r#"package terraform_plan_cost
deny[m] { to_number(input.TotalMonthlyCost) > 12; m := sprintf("%s %v %s", [input.DiffTotalMonthlyCost, input.PercentageChangeTotalMonthlyCost, input.Currency]) }
deny["typed"] { input.metadata.type == "terraform_plan_cost"; input.Diff.aws_instance.Diff[_].MonthlyCost == "12.50" }
deny["new"] { input.costs.totalMonthlyCost == 12.5 }
"#;
    let state = "package terraform_state\ndeny[m] { m := input.resources[_].instances[_].attributes.ami; input.serial == 7; not input.resource_changes }\n";
    let workspace = r#"package workspace
deny[m] { m := sprintf("%s %s", [input.workspace.provisioner, input.workspace.repository_connector]); input.workspace.environment_variables.TOKEN.sensitive }
"#;
    let files = [
        ("1.rego", plan),
        ("2.rego", cost),
        ("3.rego", state),
        ("4.rego", workspace),
    ];
    check(
        &files,
        &[
            "aws_s3_bucket.a",
            "2.50 25 USD",
            "new",
            "typed",
            "x",
            "terraform github",
        ],
    );
}

#[test]
fn a_policy_of_env0_waits_where_it_says_pending() {
    let policy = r#"package env0
pending["dear"] { input.costEstimation.monthlyCostDiff > 2 }
warn["hi"] { input.deployerUser.email == "ada@example.com"; input.deploymentRequest.type == "destroy" }
allow["fine"] { true }
"#;
    let verdict = assess(
        &request(vec![set(&[("e.rego", policy)])]),
        &Limits::default(),
    )
    .remove(0);
    assert_eq!(verdict.summary, Summary::SoftFailed, "{verdict:?}");
    assert_eq!(verdict.results[0].messages.len(), 2);
}

#[test]
fn one_broken_policy_leaves_the_others_their_answers() {
    let manifest = r#"
[[policy]]
name = "fine"
entrypoints = ["data.fine.deny"]
[[policy]]
name = "conflict"
entrypoints = ["data.conflict.deny"]
[[policy]]
name = "nowhere"
entrypoints = ["data.nowhere.deny"]
[[policy]]
name = "web"
entrypoints = ["data.web.deny"]
[[policy]]
name = "torn"
files = ["torn.rego"]
"#;
    let files = [
        ("statehouse.toml", manifest),
        (
            "a/fine.rego",
            "package fine\nimport rego.v1\ndeny contains \"no\"\n",
        ),
        (
            "a/conflict.rego",
            "package conflict\nimport rego.v1\ndeny := 1 if true\ndeny := 2 if true\n",
        ),
        (
            "a/web.rego",
            "package web\nimport rego.v1\ndeny contains m if m := http.send({\"method\": \"get\", \"url\": \"http://127.0.0.1\"}).raw_body\n",
        ),
    ];
    let said = said(vec![set(&files), {
        Set {
            name: "torn".into(),
            ..torn()
        }
    }]);
    let ended: Vec<_> = said
        .iter()
        .map(|(name, outcome, _)| (name.as_str(), *outcome))
        .collect();
    let wanted = [
        ("conflict", Outcome::Error),
        ("fine", Outcome::Failed),
        ("nowhere", Outcome::Error),
        ("torn", Outcome::Error),
        ("web", Outcome::Error),
        ("torn", Outcome::Error),
    ];
    assert_eq!(ended, wanted, "{said:?}");
    assert!(said[5].2[0].contains("torn.rego:3"), "{:?}", said[5]);
}

fn torn() -> Set {
    set(&[("torn.rego", "package torn\n\ndeny contains if if\n")])
}

#[test]
fn parameters_data_and_exceptions_stand_under_data() {
    let manifest = r#"
[[policy]]
name = "max-cost"
entrypoints = ["data.acme.deny"]
[policy.parameter.most]
type = "number"
default = 3
"#;
    let policy = r#"package acme
import rego.v1
deny contains sprintf("%v %v %v %v", [data.parameters.max_cost.most, data.acme.limits.low, data.top, count(data.exceptions)])
"#;
    let files = [
        ("statehouse.toml", manifest),
        ("acme.rego", policy),
        ("acme/limits/data.yaml", "low: 1\n"),
        ("data.json", "{\"top\": true}"),
    ];
    let mut given = set(&files);
    given
        .manifest
        .give(Values::from([("most".into(), json!(9))]));
    let (before, mut excepted) = (set(&files).digest(), given.clone());
    excepted.exceptions.push(Exception {
        policy: "x".into(),
        address: "*".into(),
        until_us: 1,
        reason: String::new(),
    });
    assert_ne!(given.digest(), before);
    assert_ne!(given.digest(), excepted.digest());
    assert_eq!(said(vec![given])[0].2, ["9 1 true 0"]);
    assert_eq!(said(vec![excepted])[0].2, ["9 1 true 1"]);
    // A parameter that nobody declares is an error of all that the set holds.
    let mut wrong = set(&files);
    wrong
        .manifest
        .give(Values::from([("least".into(), Value::Null)]));
    assert_eq!(said(vec![wrong])[0].1, Outcome::Error);
}

#[test]
fn what_is_not_there_is_not_judged_and_does_not_pass() {
    let files = [
        ("statehouse.toml", "entity = \"cost\"\n"),
        (
            "a.rego",
            "package a\nimport rego.v1\ndeny contains \"x\" if input.cost.monthly_after > 1000\n",
        ),
    ];
    let mut asked = request(vec![set(&files)]);
    assert_eq!(
        assess(&asked, &Limits::default())[0].summary,
        Summary::Passed
    );
    asked.input.documents.remove(&Part::Cost);
    let verdict = assess(&asked, &Limits::default()).remove(0);
    assert_eq!(verdict.summary, Summary::HardFailed);
    assert!(
        verdict.results[0].messages[0]
            .text
            .contains("no cost to judge"),
        "{verdict:?}"
    );
    asked.entities.retain(|it| *it != Entity::Cost);
    let verdict = assess(&asked, &Limits::default()).remove(0);
    assert_eq!(
        (verdict.summary, verdict.results.len()),
        (Summary::Passed, 0)
    );
    asked.entities.push(Entity::Cost);
    asked
        .input
        .documents
        .insert(Part::Plan, "{\"format_version\": ".into());
    let verdict = assess(&asked, &Limits::default()).remove(0);
    assert!(
        verdict.results[0].messages[0]
            .text
            .contains("the plan cannot be read"),
        "{verdict:?}"
    );
}

#[test]
fn the_same_request_twice_gives_the_same_bytes() {
    let native = "package acme\nimport rego.v1\ndeny contains {\"msg\": r.address, \"actions\": r.change.actions} if some r in input.resource_changes\n";
    let spacelift = "package spacelift\nwarn[k] { input.terraform[k] }\n";
    let sets = || {
        vec![
            set(&[("a.rego", native), ("s.rego", spacelift)]),
            Set {
                name: "other".into(),
                ..set(&[("a.rego", native)])
            },
        ]
    };
    let bytes = |request: &Request| {
        assess(request, &Limits::default())
            .iter()
            .map(Verdict::to_bytes)
            .collect::<Vec<_>>()
    };
    let first = bytes(&request(sets()));
    let mut turned = sets();
    turned.reverse();
    assert_eq!(bytes(&request(sets())), first);
    assert_eq!(bytes(&request(turned)), first);
}

#[test]
fn a_set_is_looked_at_before_it_is_published() {
    let manifest = "[[policy]]\nname = \"a\"\nentrypoints = [\"data.acme.deni\"]\n";
    let fine = "package acme\nimport rego.v1\ndeny contains \"x\"\n";
    let wrong =
        check::check_set(&set(&[("statehouse.toml", manifest), ("a.rego", fine)])).unwrap_err();
    assert!(wrong[0].message.contains("data.acme.deni"), "{wrong:?}");
    let wrong = check::check_set(&torn()).unwrap_err();
    assert_eq!((wrong[0].file.as_str(), wrong[0].line), ("torn.rego", 3));
    let wrong =
        check::check_set(&set(&[("a.rego", "package lib\nimport rego.v1\nx := 1\n")])).unwrap_err();
    assert!(wrong[0].message.contains("no package"), "{wrong:?}");
    let wrong = check::check_set(&set(&[("a.rego", fine), ("data.yaml", "a: [")])).unwrap_err();
    assert!(wrong[0].message.contains("data.yaml"), "{wrong:?}");
    let described = check::check_set(&set(&[("a.rego", fine)])).unwrap();
    assert_eq!(described[0].entrypoints[0].query, "data.acme.deny");
    assert_eq!(
        described[0].location.clone().unwrap().to_string(),
        "a.rego:3"
    );
}

/// A set that is against this many resources: `deny` has an object for each, with what a piece of Rego adds to it.
fn against(count: usize, more: &str) -> Set {
    let text = format!(
        "package p\nimport rego.v1\ndeny contains {{\"msg\": sprintf(\"%05d\", [i]), \"address\": sprintf(\"a.r%05d\", [i]){more}}} if some i in numbers.range(1, {count})\n"
    );
    set(&[("p.rego", &text)])
}

fn exception(address: &str) -> Exception {
    Exception {
        policy: "p".into(),
        address: address.into(),
        until_us: i64::MAX,
        reason: "old".into(),
    }
}

/// What a set of one policy comes to: the summary, what is kept, and what is counted only.
fn comes_to(set: Set) -> (Summary, usize, u64, String) {
    let policy = set.manifest.policies[0].name.clone();
    let exceptions = set.exceptions.iter().cloned();
    let exceptions = exceptions.map(|it| Exception {
        policy: policy.clone(),
        ..it
    });
    let set = Set {
        exceptions: exceptions.collect(),
        ..set.clone()
    };
    let request = Request {
        sets: vec![set],
        entities: vec![Entity::Plan],
        input: Input {
            documents: BTreeMap::from([(Part::Plan, PLAN.into())]),
            context: context(),
            ..Input::default()
        },
    };
    let verdicts = assess(&request, &Limits::default());
    let result = &verdicts[0].results[0];
    let first = result.messages[0].text.clone();
    (
        verdicts[0].summary,
        result.messages.len(),
        result.messages_left_out,
        first,
    )
}

#[test]
fn of_many_objections_a_thousand_are_kept_and_what_weighs_most_is_among_them() {
    let first = |at: &str| at.to_owned();
    let plain = comes_to(against(2_500, ""));
    assert_eq!(plain, (Summary::HardFailed, 1_000, 1_500, first("00001")));
    // Whatever is excepted first, one that is not is seen.
    let mut set = against(2_500, "");
    set.exceptions = vec![exception("a.r00*"), exception("a.r01*")];
    let seen = comes_to(set);
    assert_eq!(seen, (Summary::HardFailed, 1_000, 1_500, first("02000")));
    let mut set = against(2_500, "");
    set.exceptions = vec![exception("*")];
    let (summary, kept, left_out, _) = comes_to(set);
    assert_eq!((summary, kept, left_out), (Summary::Advised, 1_000, 1_500));
    // The heaviest comes last in the order of values.
    let heavy = against(
        2_500,
        ", \"severity\": {true: \"hard-mandatory\", false: \"advisory\"}[i == 2500]",
    );
    let seen = comes_to(heavy);
    assert_eq!(seen, (Summary::HardFailed, 1_000, 1_500, first("02500")));
    // One objection over and over is one.
    let text = "package p\nimport rego.v1\ndeny := [\"no\" | some _ in numbers.range(1, 3000)]\n";
    let once = comes_to(self::set(&[("p.rego", text)]));
    assert_eq!(once, (Summary::HardFailed, 1, 0, first("no")));
}
