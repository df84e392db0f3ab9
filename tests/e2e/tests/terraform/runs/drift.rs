//! Looking for drift with a provider whose resources somebody changes behind terraform's back.

use crate::support::components;
use crate::support::moto::{moto, script};
use crate::support::plant::{Plant, Runs, remote};
use crate::support::project::APPLY;
use crate::support::proof::prove;

const CONFIGURATION: &str = include_str!("../../../fixtures/aws/main.tf");
const SIZE: usize = 5;

/// Another owner of the network, and a queue fewer.
const MEDDLE: &str = r#"
import sys
import boto3

def client(name):
    return boto3.client(name, endpoint_url=sys.argv[1], region_name="eu-west-1")

ec2, sqs = client("ec2"), client("sqs")
networks = ec2.describe_vpcs(Filters=[{"Name": "cidr", "Values": ["10.20.0.0/16"]}])
ec2.create_tags(Resources=[networks["Vpcs"][0]["VpcId"]], Tags=[{"Key": "owner", "Value": "mallory"}])
sqs.delete_queue(QueueUrl=sqs.get_queue_url(QueueName="jobs-0")["QueueUrl"])
"#;

#[test]
fn what_was_changed_outside_is_found_and_what_was_not_is_not() {
    let (_moto, endpoint) = moto();
    let way = format!(
        "runs.egress=[\"{}\"]",
        endpoint.replace("http://", "tcp://")
    );
    let mirror = components::provider_mirror();
    let mirror = format!("runs.provider_mirror={}", mirror.display());
    let plant = Plant::new(&[&way, &mirror]);
    let server = plant.house.start();
    let project = remote(&server, "drifting", "");
    project.write("main.tf", CONFIGURATION);
    let variables = serde_json::json!({ "endpoint": endpoint, "size": SIZE });
    project.write("terraform.tfvars.json", variables.to_string());
    let start = ["drift", "start", "drifting"];
    let nothing = "no run has applied anything in workspace `drifting` yet";
    server.run(&start).ends(4, &[nothing]);
    let unknown = "nobody has looked for drift there yet";
    server
        .run(&["drift", "show", "drifting"])
        .ends(1, &[unknown]);

    project
        .run(APPLY)
        .ends(0, &[&format!("{} added", SIZE + 1)]);
    let versions = server.versions("drifting").len();
    server.run(&start).ends(0, &["nothing drifted"]);

    script(MEDDLE, &[&endpoint]);
    let words = [
        "aws_vpc.network is changed",
        "tags_all.owner: \"platform\" -> \"mallory\"",
        "aws_sqs_queue.jobs[0] is gone",
        "2 resources drifted",
    ];
    server.run(&start).ends(20, &words);
    server.run(&["drift", "show", "drifting"]).ends(20, &words);
    let run = Runs::of(&server).newest("drifting");
    let mut events = run.ended("planned_and_finished", "").events();
    events.retain(|event| !event.starts_with("connection-"));
    assert_eq!(events, ["create", "start", "fetched", "planned"]);
    assert_eq!(run.shown()["purpose"], "drift");
    assert_eq!(
        server.versions("drifting").len(),
        versions,
        "it stored nothing"
    );
    assert_eq!(server.lock_id("drifting"), None);

    project.run(APPLY).ends(0, &["1 added, 1 changed"]);
    server.run(&start).ends(0, &["nothing drifted"]);
    let often = ["drift", "schedule", "set", "--every", "12"];
    server
        .run(&[&often[..], &["--workspace", "drifting"]].concat())
        .ends(0, &["12"]);

    prove(&server, "drifting");
    server.stop();
}
