//! The AWS provider, with moto in the place of AWS: a configuration of a size that people have.

use statehouse_e2e::scale;

use crate::support::child::Ran;
use crate::support::components;
use crate::support::house::House;
use crate::support::moto::moto;
use crate::support::project::APPLY;
use crate::support::proof::prove;

const CONFIGURATION: &str = include_str!("../../fixtures/aws/main.tf");
/// Resources in the small form, beside the one network that they share, and in `./dev soak`.
const RESOURCES: usize = 20;
const RESOURCES_SOAK: usize = 100;

/// Providers from the mirror and from nowhere else.
fn cli_config() -> String {
    let mirror = components::provider_mirror();
    format!(
        "provider_installation {{\n  filesystem_mirror {{\n    path = {:?}\n  }}\n}}\n",
        mirror.display().to_string()
    )
}

#[test]
fn aws_resources_are_made_kept_and_destroyed() {
    let count = if scale() > 1 {
        RESOURCES_SOAK
    } else {
        RESOURCES
    };
    let (_moto, endpoint) = moto();
    let home = tempfile::tempdir().unwrap();
    let server = House::up(home.path()).start();
    let token = &server.token;
    let block = server.block("aws");
    let project = server.project_with(token, &cli_config(), &block, CONFIGURATION);
    let variables = serde_json::json!({ "endpoint": endpoint, "size": count });
    project.write("terraform.tfvars.json", variables.to_string());
    project.run(&["init"]).ends(0, &["hashicorp/aws v5.100.0"]);

    let added = format!("{} added", count + 1);
    project.run(APPLY).ends(0, &[&added]);
    project.is_settled();
    assert_eq!(project.pull(), server.pull("aws"));
    let newest = &server.versions("aws")[0];
    assert_eq!(newest["resource-count"], count + 1);

    // From the `http` backend into the `cloud` block: nothing is left to do, and all of it is found.
    project.write("backend.tf", server.cloud("name = \"aws-cloud\""));
    project
        .answer(&["init"], "yes\nyes\n")
        .ends(0, &["initialized"]);
    project.is_settled();
    assert_eq!(project.pull(), server.pull("aws-cloud"));
    let search = [
        "state",
        "search",
        "--provider",
        "hashicorp/aws",
        "--mode",
        "managed",
    ];
    let here = [
        "--workspace",
        "aws-cloud",
        "--limit",
        "1000",
        "--output",
        "json",
    ];
    let found = Ran::of(&mut server.client_of(token, &[search.as_slice(), &here].concat())).done();
    let found: serde_json::Value = serde_json::from_slice(&found.out).unwrap();
    assert_eq!(found.as_array().unwrap().len(), count + 1);

    let destroyed = format!("{} destroyed", count + 1);
    project
        .run(&["destroy", "-auto-approve"])
        .ends(0, &[&destroyed]);
    assert_eq!(server.versions("aws-cloud")[0]["resource-count"], 0);
    prove(&server, "aws-cloud");
    server.stop();
}
