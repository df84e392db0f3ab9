//! What a plan costs: shown in the terminal and bound by the apply, held to a budget, changed by the organization's own prices from then on, and made
//! again from what it names.

use fs_err as fs;
use serde_json::Value;

use crate::support::browser::{Browser, Scripts};
use crate::support::components;
use crate::support::house::Server;
use crate::support::moto::moto;
use crate::support::plant::{Plant, Run, Runs, remote};
use crate::support::project::{APPLY, Project};
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
    iam = var.endpoint
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

/// A workspace of volumes, whose number is a variable.
struct Place<'s> {
    server: &'s Server,
    project: Project,
    endpoint: String,
}

impl Place<'_> {
    fn volumes(&self, count: usize) {
        let variables = serde_json::json!({ "endpoint": self.endpoint, "volumes": count });
        self.project
            .write("terraform.tfvars.json", variables.to_string());
    }

    fn runs(&self) -> Runs<'_> {
        Runs::of(self.server)
    }

    /// What an apply prints, binds and leaves on its page; its run and the digest of its estimate.
    fn shown(&self) -> (String, String) {
        self.volumes(2);
        let words = [
            "Cost Estimation:",
            "Resources: 2 of 2 estimated",
            "$17.60/mo +$17.60",
            "2 added",
        ];
        self.project.run(APPLY).ends(0, &words);
        let run = self.runs().newest("costs");
        let log = run.log("apply");
        let bound = "the estimate is 17600000 millionths of a USD a month (+17600000)";
        assert!(log.contains(bound), "{log}");
        let (monthly, delta, digest) = estimate(self.runs(), &run);
        assert_eq!((&*monthly, &*delta), ("17.60", "17.60"));
        self.server
            .run(&["cost", "show", &run.id])
            .ends(0, &["17.60 USD", &digest]);
        let whole = ["cost", "show", &run.id, "--format", "infracost"];
        let document = self.server.run(&whole).done();
        let document: Value = serde_json::from_slice(&document.out).unwrap();
        assert_eq!(document["totalMonthlyCost"], "17.6");

        self.server.person("ada", PASSWORD);
        self.server.run(&["grant", "give", "ada", "owner"]).done();
        let browser = Browser::start(self.server.authority(), Scripts::Off);
        browser.open(&self.server.page("/sign-in"));
        browser.sign_in("ada", PASSWORD);
        browser.says("header", "ada");
        let page = format!("/app/main/costs/runs/{}", run.id);
        browser.open(&self.server.page(&page));
        for words in [
            "17.60 USD a month (+17.60)",
            "What it costs",
            "aws_ebs_volume.disk[1]",
        ] {
            browser.says("main", words);
        }
        (run.id, digest)
    }

    /// The organization's own prices change the next estimate, and no past one.
    fn priced(&self, first: &(String, String)) {
        let folder = tempfile::tempdir().unwrap();
        let set = |name: &str, line: &str| {
            let file = folder.path().join(name);
            let text = format!("op,service,region,attributes,value\n{line}\n");
            fs::write(&file, text).unwrap();
            self.server
                .run(&["cost", "overlay", "set", file.to_str().unwrap()])
        };
        set("ours.csv", "multiply,AmazonEC2,*,,0.5").done();
        set("wrong.csv", "set,AmazonEC2,*,,-1").ends(1, &["wrong.csv:2", "negative"]);
        self.volumes(3);
        let plan = self.project.run(&["plan"]);
        plan.ends(0, &["$13.20/mo +$4.40"]);
        let second = self.runs().newest("costs");
        let of_first = first.0.replacen("run-", "ce-", 1);
        let kept = self
            .runs()
            .get(&format!("/api/v2/cost-estimates/{of_first}"));
        assert_eq!(kept["data"]["attributes"]["digest"], first.1);
        is_made_again(self.server, &first.0);
        is_made_again(self.server, &second.id);
    }

    fn budget(&self, monthly: &str) {
        let set = [
            "budget",
            "set",
            "--workspace",
            "costs",
            "--monthly",
            monthly,
        ];
        let hard = ["--enforcement", "hard-mandatory"];
        self.server.run(&[&set[..], &hard].concat()).done();
    }

    /// A budget stops an apply, and says by how much; a higher one lets it pass.
    fn held(&self) {
        self.budget("10");
        let words = [
            "Policy name: cost-limit",
            "it will cost 13.20 USD a month; at most 10",
            "Task Stage failed",
        ];
        self.project.run(APPLY).ends(1, &words);
        self.runs().newest("costs").ended("errored", "policies");
        assert_eq!(self.server.versions("costs")[0]["resource-count"], 2);
        self.budget("15.5");
        self.project.run(APPLY).ends(0, &["1 added"]);
    }

    /// Without an estimate there is nothing to hold against a budget, and that is against the plan.
    fn switched_off(&self) {
        let switch = |to: &str| {
            let off = ["cost", "estimation", to, "--workspace", "costs"];
            self.server.run(&off).done();
        };
        switch("off");
        self.volumes(4);
        let words = ["there is no complete estimate of its cost to judge"];
        self.project.run(APPLY).ends(1, &words);
        switch("inherit");
        let words = ["it will cost 17.60 USD a month"];
        self.project.run(&["plan"]).ends(1, &words);
    }

    /// What plans came to, and what they would cost elsewhere.
    fn past(&self) {
        let past = ["cost", "history", "--workspace", "costs"];
        let past = self.server.json(&past);
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
        let replayed = self.server.json(&replay);
        let plans = replayed["plans"].as_array().unwrap();
        assert_eq!(plans.len(), 5);
        assert_eq!(plans[0]["before"]["USD"]["after"], "17.6");
        assert_eq!(plans[0]["after"]["USD"]["after"], "16");
    }
}

const PASSWORD: &str = "correct horse battery";

#[test]
fn a_plan_says_what_it_costs_and_a_budget_stops_what_costs_more() {
    let (_moto, endpoint) = moto();
    let way = endpoint.replace("http://", "tcp://");
    let way = format!("runs.egress=[\"{way}\"]");
    let mirror = components::provider_mirror();
    let mirror = format!("runs.provider_mirror={}", mirror.display());
    let plant = Plant::new(&[&way, &mirror]);
    let server = plant.house.start();
    let project = remote(&server, "costs", "");
    project.write("main.tf", CONFIGURATION);
    let place = Place {
        server: &server,
        project,
        endpoint,
    };
    let first = place.shown();
    place.priced(&first);
    place.held();
    place.switched_off();
    place.past();
    prove(&server, "costs");
    server.stop();
}
