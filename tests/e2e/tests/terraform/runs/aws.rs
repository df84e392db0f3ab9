//! The AWS provider in the strict sandbox: it reaches what the list of ways out names, and nothing else.

use crate::support::components;
use crate::support::moto::moto;
use crate::support::plant::{Plant, Runs, remote};
use crate::support::project::APPLY;
use crate::support::proof::prove;

const CONFIGURATION: &str = include_str!("../../../fixtures/aws/main.tf");
const SIZE: usize = 5;

#[test]
fn aws_resources_are_made_through_the_one_way_out_that_is_open() {
    let (_moto, endpoint) = moto();
    let way = format!(
        "runs.egress=[\"{}\"]",
        endpoint.replace("http://", "tcp://")
    );
    let mirror = components::provider_mirror();
    let mirror = format!("runs.provider_mirror={}", mirror.display());
    let plant = Plant::new(&[&way, &mirror]);
    let server = plant.house.start();
    let project = remote(&server, "aws", "");
    // Terraform writes what has no order in another order each time: derived again it is the same plan.
    let again = [
        "execution",
        "set",
        "--workspace",
        "aws",
        "--reverify",
        "always",
    ];
    server.run(&again).done();
    // Whoever is refused need not ask again and again.
    let provider = "provider \"aws\" {\n";
    let once = format!("{provider}  max_retries = 1\n");
    project.write("main.tf", CONFIGURATION.replace(provider, &once));
    let variables = |endpoint: &str| {
        let variables = serde_json::json!({ "endpoint": endpoint, "size": SIZE });
        project.write("terraform.tfvars.json", variables.to_string());
    };
    variables(&endpoint);
    let added = format!("{} added", SIZE + 1);
    project.run(APPLY).ends(0, &[&added]);
    assert_eq!(server.versions("aws")[0]["resource-count"], SIZE + 1);
    let opened = (
        "connection-opened".to_owned(),
        endpoint.replace("http://", "tcp://"),
    );
    let happened = Runs::of(&server).newest("aws").happened();
    // Of the plan and of the apply, whatever number of times each connected.
    let told = happened.iter().filter(|each| **each == opened);
    assert_eq!(told.count(), 2, "{happened:?}");

    variables("https://aws.example.com");
    let refused = "a connection to aws.example.com:443 was refused";
    project.run(&["plan"]).ends(1, &[refused]);
    let run = Runs::of(&server).newest("aws");
    run.ended("errored", "plan");
    let is_told = |(what, about): &(String, String)| {
        what == "connection-refused" && about.starts_with("https://aws.example.com:443: ")
    };
    assert!(run.happened().iter().any(is_told), "{:?}", run.happened());

    prove(&server, "aws");
    server.stop();
}
