//! States that the configuration keeps in a bucket: they stay there, terraform alone writes them, and the server keeps copies and notices
//! what changed meanwhile.

use serde_json::Value;

use crate::support::child::Ran;
use crate::support::house::Server;
use crate::support::moto::{moto, script};
use crate::support::plant::{Plant, Runs};
use crate::support::project::{Project, resources};
use crate::support::proof::prove_all;

const WORKSPACE: &str = "far";
const SECRET: &str = "kept-in-the-environment-alone";

/// Makes a bucket, prints the state in it, or puts the next serial of it there.
const BUCKET: &str = r#"
import json, sys, boto3
s3 = boto3.client("s3", endpoint_url=sys.argv[2])
place = {"Bucket": "states", "Key": "far/terraform.tfstate"}
if sys.argv[1] == "make":
    s3.create_bucket(Bucket="states")
else:
    state = json.loads(s3.get_object(**place)["Body"].read())
    if sys.argv[1] == "change":
        state["serial"] += 1
        s3.put_object(Body=json.dumps(state).encode(), **place)
    print(json.dumps(state))
"#;

struct Far<'a> {
    server: &'a Server,
    project: Project,
    endpoint: &'a str,
}

impl Far<'_> {
    /// Keeps the state in the bucket, with so many resources.
    fn wants(&self, count: usize) {
        let endpoint = self.endpoint;
        let block = format!(
            "terraform {{\n  backend \"s3\" {{\n    bucket = \"states\"\n    key = \"far/terraform.tfstate\"\n    region = \"us-east-1\"\n    \
             use_path_style = true\n    use_lockfile = true\n    skip_credentials_validation = true\n    skip_requesting_account_id = true\n    \
             skip_metadata_api_check = true\n    skip_region_validation = true\n    endpoints = {{ s3 = \"{endpoint}\" }}\n  }}\n}}\n"
        );
        self.project.write("main.tf", block + &resources(count));
    }

    fn starts(&self, more: &[&str]) -> Ran {
        let folder = self.project.path("");
        let folder = folder.to_str().unwrap();
        let words = ["run", "start", WORKSPACE, "--dir", folder];
        self.server.run(&[&words[..], more].concat())
    }

    fn bucket(&self, verb: &str) -> Value {
        serde_json::from_str(&script(BUCKET, &[verb, self.endpoint])).unwrap()
    }

    fn copy(&self, run: &str) -> Value {
        let copied = self.server.run(&["run", "state-copy", run]).done();
        serde_json::from_str(copied.text()).unwrap()
    }
}

/// How many instances of its one resource a state has.
fn made(state: &Value) -> usize {
    state["resources"][0]["instances"].as_array().unwrap().len()
}

#[test]
fn a_state_in_a_bucket_stays_there_and_is_copied_and_watched() {
    let (_moto, endpoint) = moto();
    script(BUCKET, &["make", &endpoint]);
    let way = endpoint.replace("http://", "tcp://");
    let plant = Plant::new(&[&format!("runs.egress=[\"{way}\"]")]);
    let server = plant.house.start();
    server.run(&["workspace", "create", WORKSPACE]).done();
    let runs = Runs::of(&server);
    runs.remote(WORKSPACE, 0);
    for (name, value) in [
        ("AWS_ACCESS_KEY_ID", "test-test"),
        ("AWS_SECRET_ACCESS_KEY", SECRET),
    ] {
        let words = ["variable", "set", WORKSPACE, name, value, "--env"];
        server.run(&words).done();
    }
    let far = Far {
        server: &server,
        project: Project::new("", ""),
        endpoint: &endpoint,
    };

    far.wants(1);
    far.starts(&["--auto-apply"]).done();
    let first = runs.newest(WORKSPACE);
    first.gets_to("applied");
    let there = far.bucket("show");
    assert_eq!(made(&there), 1);
    assert_eq!(far.copy(&first.id)["serial"], there["serial"]);
    assert!(
        server.versions(WORKSPACE).is_empty(),
        "it is no version here"
    );

    // Somebody changes it behind everybody's back: before a plan that is told, and between plan and apply it ends the run.
    far.bucket("change");
    far.wants(2);
    far.starts(&["--detach"]).done();
    let second = runs.at(WORKSPACE, "awaiting_approval");
    let said = format!("changed outside Statehouse since {}", first.id);
    assert!(second.log("plan").contains(&said), "{}", second.log("plan"));
    assert!(second.events().contains(&"changed-outside".to_owned()));
    let there = far.bucket("change");
    second.acts("apply", &server.token, &Value::Null).json();
    second.gets_to("stale").ended("stale", "backend-state");
    assert_eq!(far.bucket("show")["serial"], there["serial"]);

    far.starts(&["--auto-apply"]).done();
    let third = runs.newest(WORKSPACE);
    third.gets_to("applied");
    let there = far.bucket("show");
    assert_eq!(made(&there), 2);
    assert_eq!(far.copy(&third.id)["serial"], there["serial"]);
    for log in [third.log("plan"), third.log("apply")] {
        assert!(!log.contains(SECRET), "{log}");
    }

    far.project
        .write("main.tf", "terraform {\n  backend \"local\" {}\n}\n");
    far.starts(&["--plan-only"]).ends(1, &["backend `local`"]);
    runs.newest(WORKSPACE).ended("errored", "configuration");

    prove_all(&server);
    server.stop();
}
