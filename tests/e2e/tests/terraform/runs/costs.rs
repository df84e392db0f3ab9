//! What a plan costs: shown in the terminal and bound by the apply, held to a budget, changed by the organization's own prices from then on, and made
//! again from what it names.

use fs_err as fs;
use serde_json::Value;

use crate::support::components;
use crate::support::house::Server;
use crate::support::moto::moto;
use crate::support::plant::{Plant, Run, Runs, remote};
use crate::support::project::APPLY;
use crate::support::proof::prove;

/// Volumes of a hundred gigabytes, each of which has a price.
const CONFIGURATION: &str = r#"
terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "5.100.0"
    }
  }
}

variable "endpoint" {
  type = string
}

variable "volumes" {
  type = number
}

provider "aws" {
  region     = "eu-west-1"
  access_key = "nobody"
  secret_key = "nothing"

  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_region_validation      = true

  endpoints {
    ec2 = var.endpoint
    sts = var.endpoint
  }
}

resource "aws_ebs_volume" "disk" {
  count             = var.volumes
  availability_zone = "eu-west-1a"
  size              = 100
  type              = "gp3"
}
"#;

/// What the estimate of a run comes to, and its digest.
fn estimate(runs: Runs<'_>, run: &Run<'_>) -> (String, String, String) {
    let id = run.id.replacen("run-", "ce-", 1);
    let found = runs.get(&format!("/api/v2/cost-estimates/{id}"));
    let text = |name: &str| {
        let value = &found["data"]["attributes"][name];
        value.as_str().unwrap_or_default().to_owned()
    };
    (
        text("proposed-monthly-cost"),
        text("delta-monthly-cost"),
        text("digest"),
    )
}

/// Made again from what it names, an estimate is the same to the byte.
fn is_made_again(server: &Server, run: &str) {
    let again = server.json(&["cost", "recompute", run]);
    assert_eq!(again["same"], Value::Bool(true), "{again}");
}

#[test]
fn a_plan_says_what_it_costs_and_a_budget_stops_what_costs_more() {
    let (_moto, endpoint) = moto();
    let way = format!(
        "runs.egress=[\"{}\"]",
        endpoint.replace("http://", "tcp://")
    );
    let mirror = components::provider_mirror();
    let mirror = format!("runs.provider_mirror={}", mirror.display());
    let plant = Plant::new(&[&way, &mirror]);
    let server = plant.house.start();
    let runs = Runs::of(&server);
    let project = remote(&server, "costs", "");
    project.write("main.tf", CONFIGURATION);
    let volumes = |count: usize| {
        let variables = serde_json::json!({ "endpoint": endpoint, "volumes": count });
        project.write("terraform.tfvars.json", variables.to_string());
    };
    volumes(2);
    let words = [
        "Cost Estimation:",
        "Resources: 2 of 2 estimated",
        "$17.60/mo +$17.60",
        "2 added",
    ];
    project.run(APPLY).ends(0, &words);
    let first = runs.newest("costs");
    let log = first.log("apply");
    let bound = "the estimate is 17600000 millionths of a USD a month (+17600000)";
    assert!(log.contains(bound), "{log}");
    let (monthly, delta, digest) = estimate(runs, &first);
    assert_eq!((&*monthly, &*delta), ("17.60", "17.60"));
    server
        .run(&["cost", "show", &first.id])
        .ends(0, &["17.60 USD", &digest]);
    let document = server.run(&["cost", "show", &first.id, "--format", "infracost"]);
    let document: Value = serde_json::from_slice(&document.done().out).unwrap();
    assert_eq!(document["totalMonthlyCost"], "17.6");

    // The organization's own prices change the next estimate, and no past one.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ours.csv");
    fs::write(
        &file,
        "op,service,region,attributes,value\nmultiply,AmazonEC2,*,,0.5\n",
    )
    .unwrap();
    server
        .run(&["cost", "overlay", "set", file.to_str().unwrap()])
        .done();
    let wrong = folder.path().join("wrong.csv");
    fs::write(
        &wrong,
        "op,service,region,attributes,value\nset,AmazonEC2,*,,-1\n",
    )
    .unwrap();
    server
        .run(&["cost", "overlay", "set", wrong.to_str().unwrap()])
        .ends(1, &["wrong.csv:2", "negative"]);
    volumes(3);
    project.run(&["plan"]).ends(0, &["$13.20/mo +$4.40"]);
    let second = runs.newest("costs");
    assert_eq!(estimate(runs, &first).2, digest);
    is_made_again(&server, &first.id);
    is_made_again(&server, &second.id);

    // A budget stops an apply, and says by how much; a higher one lets it pass.
    let budget = |monthly: &str| {
        let set = [
            "budget",
            "set",
            "--workspace",
            "costs",
            "--monthly",
            monthly,
        ];
        let hard = ["--enforcement", "hard-mandatory"];
        server.run(&[&set[..], &hard].concat()).done();
    };
    budget("10");
    let words = [
        "Policy name: cost-limit",
        "it will cost 13.20 USD a month; at most 10",
        "Task Stage failed",
    ];
    project.run(APPLY).ends(1, &words);
    runs.newest("costs").ended("errored", "policies");
    assert_eq!(server.versions("costs")[0]["resource-count"], 2);
    budget("15.5");
    project.run(APPLY).ends(0, &["1 added"]);

    // Without an estimate there is nothing to hold against a budget, and that is against the plan.
    let switch = |to: &str| {
        server
            .run(&["cost", "estimation", to, "--workspace", "costs"])
            .done();
    };
    switch("off");
    volumes(4);
    let words = ["there is no complete estimate of its cost to judge"];
    project.run(APPLY).ends(1, &words);
    switch("inherit");
    project
        .run(&["plan"])
        .ends(1, &["it will cost 17.60 USD a month"]);

    let past = server.json(&["cost", "history", "--workspace", "costs"]);
    let amounts = past["runs"].as_array().unwrap().iter();
    let amounts: Vec<&str> = amounts
        .map(|run| run["totals"]["USD"]["after"].as_str().unwrap())
        .collect();
    assert_eq!(amounts, ["17.6", "13.2", "13.2", "13.2", "17.6"]);
    let replay = [
        "cost",
        "replay",
        "--workspace",
        "costs",
        "--region",
        "us-east-1",
    ];
    let replayed = server.json(&replay);
    assert_eq!(replayed["plans"].as_array().unwrap().len(), 5);
    prove(&server, "costs");
    server.stop();
}
