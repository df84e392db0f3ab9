//! A plan of which every resource is against many policies of the starter library: all of them answer, and nothing that is said of it
//! is more than a worker may say.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::{Value, json};
use statehouse_policy::assess::{Request, Set};
use statehouse_policy::bundle::{self, Bundle};
use statehouse_policy::input::{Input, Part};
use statehouse_policy::library;
use statehouse_policy::manifest::{Entity, Values, expand};
use statehouse_policy::verdict::{Outcome, Summary};
use statehouse_policy::worker::{Canceled, Limits, Settings, Workers};

const RESOURCES: usize = 3_000;
/// Far less than what all objections to that plan take, and more than those that a verdict keeps.
const OUTPUT_BYTES_MAX: usize = 3 << 20;

/// Policies that are against each of them.
const AGAINST: [&str; 9] = [
    "aws-imdsv2",
    "aws-instance-types",
    "aws-public-ip",
    "denied-types",
    "plain-secrets",
    "provisioners",
    "required-tags",
    "resource-names",
    "tag-values",
];

/// Instances without the tags that they need, open to everybody, with programs and a secret in their configuration.
fn plan() -> String {
    let instance = |at: usize| {
        let after = json!({
            "instance_type": "x1e.32xlarge", "associate_public_ip_address": true,
            "metadata_options": [{"http_tokens": "optional"}], "tags": {"environment": "nobody knows"},
        });
        json!({
            "address": format!("aws_instance.R_{at}"), "mode": "managed", "type": "aws_instance", "name": format!("R_{at}"),
            "change": {"actions": ["create"], "before": null, "after": after, "after_unknown": {}},
        })
    };
    let configured = |at: usize| {
        json!({
            "address": format!("aws_instance.R_{at}"), "mode": "managed", "type": "aws_instance", "name": format!("R_{at}"),
            "expressions": {"password": {"constant_value": "hunter2"}, "ami": {"constant_value": "ami-1"}},
            "provisioners": [{"type": "local-exec"}],
        })
    };
    let all = 0..RESOURCES;
    json!({
        "format_version": "1.2", "terraform_version": "1.11.4",
        "resource_changes": all.clone().map(instance).collect::<Vec<Value>>(),
        "configuration": {"root_module": {"resources": all.map(configured).collect::<Vec<Value>>()}},
    })
    .to_string()
}

/// A set of policies of the library.
fn set() -> Set {
    let mut text = String::from("name = \"all\"\n");
    for name in AGAINST {
        writeln!(text, "[[use]]\npolicy = \"{name}\"").unwrap();
    }
    let text = text.replace(
        "policy = \"denied-types\"",
        "policy = \"denied-types\"\nparameters = { types = [\"aws_*\"] }",
    );
    let own = [("statehouse.toml".to_owned(), text.into_bytes())];
    let bundle = Bundle::from_files(own, &bundle::Limits::default()).unwrap();
    let bundle = expand(bundle, library::files).unwrap();
    Set::new("all", Arc::new(bundle), Values::new()).unwrap()
}

#[test]
fn a_plan_of_which_every_resource_is_against_many_policies_is_answered_by_all_of_them() {
    let request = Request {
        sets: vec![set()],
        entities: vec![Entity::Plan],
        input: Input {
            documents: BTreeMap::from([(Part::Plan, plan().into())]),
            ..Input::default()
        },
    };
    let settings = Settings {
        limits: Limits {
            output_bytes_max: OUTPUT_BYTES_MAX,
            ..Limits::default()
        },
        ..Settings::new(env!("CARGO_BIN_EXE_statehouse-policy").into(), ["worker"])
    };
    let workers = Workers::new(settings);
    let assessed = workers.assess_blocking(&request, &Canceled::default());
    assert_eq!(assessed.workers, 1, "nothing ended the worker");
    let verdict = &assessed.verdicts[0];
    assert_eq!(verdict.summary, Summary::HardFailed);
    let names: Vec<&str> = verdict
        .results
        .iter()
        .map(|it| it.policy.as_str())
        .collect();
    assert_eq!(names, AGAINST);
    for result in &verdict.results {
        let name = &result.policy;
        assert_eq!(
            result.outcome,
            Outcome::Failed,
            "{name}: {:?}",
            result.messages[0]
        );
        let all = result.messages.len() as u64 + result.messages_left_out;
        assert_eq!(
            (result.messages.len(), all),
            (1_000, RESOURCES as u64),
            "{name}"
        );
    }
}
