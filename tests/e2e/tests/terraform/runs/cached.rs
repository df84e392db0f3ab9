//! Providers out of a registry: what one run fetched, the next ones of the same organization take out of the plugin cache, and nothing else.
//!
//! Terraform's own registry protocol, answered by a table; the package is a script that stands for a provider, signed by a key made for it. Its
//! private key was thrown away: neither can be changed. Terraform finds out what it is when it plans, and there these runs end.

use std::os::unix::fs::PermissionsExt;

use fs_err as fs;
use serde_json::{Value, json};

use crate::support::child::Ran;
use crate::support::house::Server;
use crate::support::other::{Answer, Asked, Other};
use crate::support::plant::{Plant, Runs};
use crate::support::project::Project;
use crate::support::upstream::Upstream;

const HOST: &str = "registry.corp.example";
const PACKAGE: &[u8] = include_bytes!("../registry/thing.zip");
const SUMS: &str = include_str!("../registry/SHA256SUMS");
const SIGNATURE: &[u8] = include_bytes!("../registry/SHA256SUMS.sig");
const KEY: &str = include_str!("../registry/key.asc");
/// Over what is in the package, counted with `sha256sum` and `base64`.
const H1: &str = "h1:gzy1T372YZE2WZWrl+KIEcZ1CRdmneBjDmZZsUP7Ogw=";
const INSTALLED: &str = "Installed registry.corp.example/acme/thing v1.0.0";
const TAKEN: &str = "Using previously-installed registry.corp.example/acme/thing v1.0.0";

fn document(value: &Value) -> Answer {
    Answer {
        header: "Content-Type: application/json\r\n".to_owned(),
        ..Answer::of(200, value.to_string())
    }
}

/// The registry of an organization's own.
fn registry(asked: &Asked, _: usize) -> Answer {
    let (digest, file) = SUMS.trim().split_once("  ").unwrap();
    // Terraform asks with `HEAD` first what it downloads.
    let (_, path) = asked.what.split_once(' ').unwrap();
    match path {
        "/.well-known/terraform.json" => document(&json!({ "providers.v1": "/v1/" })),
        "/v1/acme/thing/versions" => {
            let platform = json!({ "os": "linux", "arch": "amd64" });
            let version =
                json!({ "version": "1.0.0", "protocols": ["5.0"], "platforms": [platform] });
            document(&json!({ "versions": [version] }))
        }
        "/v1/acme/thing/1.0.0/download/linux/amd64" => {
            let key = json!({ "key_id": "BEC34E2CF99403B7", "ascii_armor": KEY });
            let package = json!({
                "protocols": ["5.0"], "os": "linux", "arch": "amd64", "filename": file, "shasum": digest,
                "download_url": "/thing.zip", "shasums_url": "/sums", "shasums_signature_url": "/signature",
                "signing_keys": { "gpg_public_keys": [key] },
            });
            document(&package)
        }
        "/thing.zip" => Answer::of(200, PACKAGE),
        "/sums" => Answer::of(200, SUMS),
        "/signature" => Answer::of(200, SIGNATURE),
        _ => Answer::of(404, ""),
    }
}

/// A configuration that wants the provider.
fn project(resource: &str, hash: Option<&str>) -> Project {
    let wants = format!(
        "terraform {{\n  required_providers {{\n    thing = {{\n      source = \"{HOST}/acme/thing\"\n    }}\n  }}\n}}\n"
    );
    let project = Project::new(
        &wants,
        &format!("resource \"terraform_data\" \"{resource}\" {{}}\n"),
    );
    if let Some(hash) = hash {
        let text = format!(
            "provider \"{HOST}/acme/thing\" {{\n  version = \"1.0.0\"\n  hashes = [\n    \"{hash}\",\n  ]\n}}\n"
        );
        project.write(".terraform.lock.hcl", text);
    }
    project
}

/// The log of a run, which ends where the script would have to be a provider: after `init`.
fn initializes(server: &Server, workspace: &str, project: &Project) -> String {
    let folder = project.path("");
    let words = ["run", "start", workspace, "--dir"];
    let words = [&words[..], &[folder.to_str().unwrap()]].concat();
    Ran::of(&mut server.client_of(&server.token, &words)).ends(1, &[]);
    Runs::of(server).newest(workspace).log("plan")
}

#[test]
fn a_provider_is_fetched_once_for_all_runs_whose_lock_file_names_it() {
    let home = tempfile::tempdir().unwrap();
    let registry = Other::called(&[HOST], home.path(), registry);
    let upstream = Upstream::to(registry.port(), None);
    let proxy = home.path().join("proxy");
    fs::write(&proxy, format!("http://{}", upstream.address())).unwrap();
    fs::set_permissions(&proxy, PermissionsExt::from_mode(0o600)).unwrap();
    let plant = Plant::new(&[
        &format!("runs.egress=[\"https://{HOST}\"]"),
        &format!("runs.ca_file={}", registry.ca().display()),
        &format!("runs.proxy_file={}", proxy.display()),
    ]);
    let server = plant.house.start();
    for workspace in ["one", "two"] {
        server.run(&["workspace", "create", workspace]).done();
        Runs::of(&server).remote(workspace, 0);
    }
    let fetched = || {
        let is_package = |asked: &Asked| asked.what == "GET /thing.zip";
        registry
            .seen()
            .iter()
            .filter(|&asked| is_package(asked))
            .count()
    };

    // Without a lock file nobody says which content it must have.
    for times in 1..=2 {
        let log = initializes(&server, "one", &project("first", None));
        assert!(log.contains(INSTALLED), "{log}");
        assert_eq!(fetched(), times);
    }

    // What names it has it, whatever terraform asks of versions; in another workspace, too.
    for workspace in ["one", "two"] {
        let log = initializes(&server, workspace, &project("second", Some(H1)));
        assert!(log.contains(TAKEN), "{log}");
    }
    assert_eq!(fetched(), 2);

    // Another content is not taken out of it, and not believed when it comes.
    let other = H1.replace("h1:g", "h1:h");
    let log = initializes(&server, "two", &project("third", Some(&other)));
    let said = log.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("match any of the checksums"), "{log}");
    assert_eq!(fetched(), 3);
    server.stop();
}
