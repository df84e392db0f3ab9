//! Moving in and out with what terraform itself wrote: trees of its `local` backend, buckets of its `s3` backend, and a folder
//! that `eject` wrote, in which it goes on without any server.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::Value;

use crate::support::child::{Ran, Running};
use crate::support::house::{House, Server};
use crate::support::moto::{moto, script};
use crate::support::other::{Answer, Asked, Other};
use crate::support::project::{APPLY, PLAN, Project, resources};
use crate::support::proof::prove;

const LOCAL: &str = "terraform {\n  backend \"local\" {}\n}\n";

/// A row of what an import said, by what the source calls the state.
fn row(ran: &Ran, source: &str) -> Value {
    let rows: Value = serde_json::from_slice(&ran.out).unwrap();
    let row = rows
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["source"] == source);
    row.unwrap_or_else(|| panic!("{source} is not in {rows}"))
        .clone()
}

fn serials(server: &Server, workspace: &str) -> Vec<u64> {
    let versions = server.versions(workspace);
    versions
        .iter()
        .rev()
        .map(|version| version["serial"].as_u64().unwrap())
        .collect()
}

#[test]
fn a_tree_of_the_local_backend_moves_in_and_nothing_is_left_to_do() {
    let home = tempfile::tempdir().unwrap();
    let server = House::up(home.path()).start();
    let project = Project::ready(LOCAL, &resources(3));
    project.run(APPLY).ends(0, &["3 added"]);
    project.run(&["workspace", "new", "eu"]).done();
    project.run(APPLY).ends(0, &["3 added"]);
    let tree = project.path("").display().to_string();
    let map = project.path("names");
    let root = "terraform.tfstate net\nterraform.tfstate.d/eu/terraform.tfstate net-eu\n";
    project.write("names", root);
    let import = [
        "import",
        "files",
        &tree,
        "--name-map",
        map.to_str().unwrap(),
    ];
    server.run(&import).ends(0, &["all 2 states taken over"]);
    for (workspace, file) in [
        ("net", "terraform.tfstate"),
        ("net-eu", "terraform.tfstate.d/eu/terraform.tfstate"),
    ] {
        assert_eq!(server.pull(workspace), project.read(file));
        let moved = Project::ready(&server.block(workspace), &resources(3));
        moved.is_settled();
        prove(&server, workspace);
    }
    server.stop();
}

#[test]
fn terraform_goes_on_in_what_was_ejected_without_any_server() {
    let home = tempfile::tempdir().unwrap();
    let server = House::up(home.path()).start();
    let project = Project::ready(&server.block("net"), &resources(3));
    project.run(APPLY).ends(0, &["3 added"]);
    let out = project.path("out").display().to_string();
    server.run(&["eject", "--dir", &out]).done();
    let state = project.read("out/default/net/terraform.tfstate");
    assert_eq!(state, server.pull("net"));
    server.stop();
    project.write("out/default/net/main.tf", resources(3));
    let there = ["-chdir=out/default/net"];
    project.run(&[&there[..], &["init"]].concat()).done();
    project
        .run(&[&there[..], PLAN].concat())
        .ends(0, &["No changes"]);
    project.write("out/default/net/main.tf", resources(4));
    project
        .run(&[&there[..], APPLY].concat())
        .ends(0, &["1 added"]);
    assert_ne!(project.read("out/default/net/terraform.tfstate"), state);
}

/// Makes a versioned bucket, and a user whose requests are checked from then on: id and secret.
const PREPARE: &str = r#"
import json, sys, urllib.request, boto3
endpoint = sys.argv[1]
s3 = boto3.client("s3", endpoint_url=endpoint)
s3.create_bucket(Bucket="states")
s3.put_bucket_versioning(Bucket="states", VersioningConfiguration={"Status": "Enabled"})
iam = boto3.client("iam", endpoint_url=endpoint)
iam.create_user(UserName="mover")
rights = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
iam.put_user_policy(UserName="mover", PolicyName="all", PolicyDocument=json.dumps(rights))
key = iam.create_access_key(UserName="mover")["AccessKey"]
print(json.dumps({"id": key["AccessKeyId"], "secret": key["SecretAccessKey"]}))
"#;
/// Has moto check the signature and the right of everything after so many requests. Of keys with signs that are escaped it
/// refuses every client's signature, AWS's own included.
const CHECK: &str = r#"
import sys, urllib.request
form = {"Content-Type": "text/plain"}
urllib.request.urlopen(urllib.request.Request(sys.argv[1] + "/moto-api/reset-auth", sys.argv[2].encode(), form, method="POST")).read()
"#;
/// Puts, or deletes, an object.
const PUT: &str = r#"
import sys, boto3
endpoint, id, secret, key, body = sys.argv[1:]
s3 = boto3.client("s3", endpoint_url=endpoint, aws_access_key_id=id, aws_secret_access_key=secret)
s3.put_object(Bucket="states", Key=key, Body=body.encode()) if body else s3.delete_object(Bucket="states", Key=key)
"#;

fn small(serial: u64) -> String {
    let state = serde_json::json!({ "version": 4, "terraform_version": "1.11.4", "serial": serial, "lineage": "small",
        "outputs": {}, "resources": [], "check_results": null });
    state.to_string()
}

/// A bucket that terraform writes to.
struct Bucket {
    endpoint: String,
    id: String,
    secret: String,
}

impl Bucket {
    fn new(endpoint: String) -> Self {
        let made: Value = serde_json::from_str(&script(PREPARE, &[&endpoint])).unwrap();
        let text = |key: &str| made[key].as_str().unwrap().to_owned();
        let (id, secret) = (text("id"), text("secret"));
        Self {
            endpoint,
            id,
            secret,
        }
    }

    fn put(&self, key: &str, body: &str) {
        script(PUT, &[&self.endpoint, &self.id, &self.secret, key, body]);
    }

    fn block(&self, key: &str) -> String {
        let Self {
            endpoint,
            id,
            secret,
        } = self;
        format!(
            "terraform {{\n  backend \"s3\" {{\n    bucket = \"states\"\n    key = \"{key}\"\n    region = \"us-east-1\"\n    \
             access_key = \"{id}\"\n    secret_key = \"{secret}\"\n    use_path_style = true\n    use_lockfile = true\n    \
             skip_credentials_validation = true\n    skip_requesting_account_id = true\n    skip_metadata_api_check = true\n    \
             skip_region_validation = true\n    endpoints = {{ s3 = \"{endpoint}\" }}\n  }}\n}}\n"
        )
    }

    /// With signatures checked.
    fn checked(&self, server: &Server, secret: &str, more: &[&str]) -> Ran {
        script(CHECK, &[&self.endpoint, "0"]);
        let ran = self.import(server, secret, more);
        script(CHECK, &[&self.endpoint, "inf"]);
        ran
    }

    fn import(&self, server: &Server, secret: &str, more: &[&str]) -> Ran {
        let words = [
            "import",
            "s3",
            "states",
            "--endpoint",
            &self.endpoint,
            "--output",
            "json",
        ];
        let mut command: Command = server.client_of(&server.token, &[&words[..], more].concat());
        command.env("AWS_ACCESS_KEY_ID", &self.id);
        Ran::of(command.env("AWS_SECRET_ACCESS_KEY", secret))
    }
}

/// A project of which a part was destroyed once, and which has a workspace of terraform's own.
fn applied_again_and_again(bucket: &Bucket) -> Project {
    let project = Project::ready(
        &bucket.block("prod/n\u{e9}t +1/terraform.tfstate"),
        &resources(30),
    );
    project.run(APPLY).ends(0, &["30 added"]);
    for count in [31, 2, 3] {
        project.write("main.tf", resources(count));
        project.run(APPLY).done();
    }
    project.run(&["workspace", "new", "eu"]).done();
    project.run(APPLY).ends(0, &["3 added"]);
    project
}

#[test]
fn a_versioned_bucket_of_the_s3_backend_moves_in_with_its_history() {
    let (_moto, endpoint) = moto();
    let home = tempfile::tempdir().unwrap();
    let server = House::up(home.path()).start();
    let bucket = Bucket::new(endpoint);
    let project = applied_again_and_again(&bucket);
    bucket.put("notes.txt", "no state");
    bucket.put("old.tfstate", "{}");
    bucket.put("old.tfstate", "");
    let (whole, held) = (
        "prod/n\u{e9}t +1/terraform.tfstate",
        "env:/eu/prod/n\u{e9}t +1/terraform.tfstate",
    );

    let refused = bucket.checked(&server, "wrong", &[]);
    refused.ends(3, &["cannot be listed: 403 SignatureDoesNotMatch"]);
    bucket.put("plain/a b.tfstate", &small(1));
    let signed = bucket
        .checked(&server, &bucket.secret, &["--prefix", "plain"])
        .done();
    assert_eq!(row(&signed, "plain/a b.tfstate")["workspace"], "plain-a-b");
    bucket.put("plain/a b.tfstate", "");
    server.run(&["workspace", "delete", "plain-a-b"]).done();
    let lock = r#"{"ID":"1","Operation":"OperationTypeApply","Who":"ada@desk"}"#;
    bucket.put(&format!("{held}.tflock"), lock);
    let dry = bucket
        .import(&server, &bucket.secret, &["--dry-run"])
        .ends(4, &["ada@desk"]);
    assert_eq!(row(&dry, whole)["status"], "would-import");
    assert_eq!(server.json(&["workspace", "list"]), serde_json::json!([]));

    let ran = bucket
        .import(&server, &bucket.secret, &[])
        .ends(4, &["old.tfstate: deleted in the bucket", "ada@desk"]);
    assert_eq!(row(&ran, held)["status"], "refused");
    assert_eq!(row(&ran, "notes.txt")["status"], "passed-over");
    let moved = row(&ran, whole);
    let name = moved["workspace"].as_str().unwrap();
    assert_eq!(
        (name, &moved["status"]),
        ("prod-n-t--1", &"imported".into())
    );
    let all = serials(&server, name);
    assert!(
        all.len() >= 4 && all.windows(2).all(|pair| pair[0] < pair[1]),
        "{all:?}"
    );
    assert_eq!(moved["sent"].as_u64(), Some(all.len() as u64));
    assert!(
        server.waiting(name).is_empty(),
        "what fell long ago waits for nobody"
    );

    bucket.put(&format!("{held}.tflock"), "");
    let again = bucket
        .import(&server, &bucket.secret, &[])
        .ends(0, &["taken over"]);
    assert_eq!(
        (&row(&again, whole)["status"], &row(&again, held)["status"]),
        (&"present".into(), &"imported".into())
    );
    assert_eq!(serials(&server, name), all);
    project.run(&["workspace", "select", "default"]).done();
    assert_eq!(server.pull(name), project.pull());
    let here = Project::ready(&server.block(name), &resources(3));
    here.is_settled();
    prove(&server, name);
    server.stop();
}

/// Where others keep the bytes: signed addresses, for which no token is wanted.
fn archive(asked: &Asked, _: usize) -> Answer {
    match asked.what.as_str() {
        "GET /object/3" => Answer::of(200, small(3)),
        "GET /object/1" => Answer::of(200, small(1)),
        "GET /object/bad" => Answer::of(200, "no state"),
        _ => Answer::of(404, ""),
    }
}

/// A workspace of another server's list, or of its versions.
fn page(items: &Value, next: Option<u64>) -> Answer {
    let page =
        serde_json::json!({ "data": items, "meta": { "pagination": { "next-page": next } } });
    Answer::of(200, page.to_string())
}

fn workspace(name: &str) -> Value {
    let may = serde_json::json!({ "can-lock": true, "can-read-state-versions": true });
    serde_json::json!({ "id": format!("ws-{name}"), "type": "workspaces",
        "attributes": { "name": name, "locked": false, "permissions": may } })
}

fn version(id: &str, status: &str, url: &str) -> Value {
    serde_json::json!({ "id": id, "type": "state-versions",
        "attributes": { "serial": 1, "status": status, "hosted-state-download-url": url } })
}

/// Another server: too busy at first, two pages, a version that is gone, one whose bytes are gone, one behind a redirect.
fn api(archive: &str, own: &str, asked: &Asked, before: usize) -> Answer {
    let what = asked.what.as_str();
    if what.contains("/organizations/acme/workspaces") && what.contains("number%5D=1&") {
        if before == 0 {
            let busy = Answer::of(429, "");
            return Answer {
                header: "Retry-After: 0.1\r\n".to_owned(),
                ..busy
            };
        }
        return page(&serde_json::json!([workspace("net")]), Some(2));
    }
    if what.contains("/organizations/acme/workspaces") {
        return page(&serde_json::json!([workspace("bad")]), None);
    }
    if what.contains("/state-versions?") && what.contains("=bad") {
        return page(
            &serde_json::json!([version(
                "sv-9",
                "finalized",
                &format!("{archive}/object/bad")
            )]),
            None,
        );
    }
    if what.contains("/state-versions?") {
        return page(
            &serde_json::json!([
                version("sv-3", "finalized", &format!("{archive}/object/3")),
                version("sv-2", "backing_data_soft_deleted", ""),
                version("sv-1", "finalized", &format!("{own}/redirect")),
                version("sv-0", "finalized", &format!("{archive}/object/0")),
            ]),
            None,
        );
    }
    if what == "GET /redirect" {
        let found = Answer::of(302, "");
        return Answer {
            header: format!("Location: {archive}/object/1\r\n"),
            ..found
        };
    }
    Answer::of(if what.starts_with("POST") { 200 } else { 404 }, "{}")
}

#[test]
fn a_token_goes_to_its_own_server_and_locks_are_released_whatever_comes() {
    let home = tempfile::tempdir().unwrap();
    let server = House::up(home.path()).start();
    let folder = |name: &str| {
        let folder = home.path().join(name);
        fs_err::create_dir(&folder).unwrap();
        folder
    };
    let bytes = Other::start(&folder("bytes"), archive);
    let address = format!("https://{}", bytes.host());
    let other = Other::start(&folder("other"), move |asked, before| {
        api(&address, "", asked, before)
    });
    let both = home.path().join("both.pem");
    let pem = |ca| fs_err::read_to_string(ca).unwrap();
    fs_err::write(&both, pem(bytes.ca()) + &pem(other.ca())).unwrap();
    let host = other.host();
    let words = [
        "import",
        "tfe",
        &host,
        "--from-organization",
        "acme",
        "--output",
        "json",
        "--source-ca",
    ];
    let mut command = server.client_of(&server.token, &words);
    command
        .arg(&both)
        .env("STATEHOUSE_SOURCE_TOKEN", "secret-of-the-other");
    let ran = Ran::of(&mut command).ends(
        1,
        &[
            "sv-2 (serial 1): backing_data_soft_deleted there",
            "sv-0 (serial 1)",
            "it is no state",
        ],
    );
    assert_eq!(
        (&row(&ran, "net")["sent"], &row(&ran, "bad")["status"]),
        (&2.into(), &"failed".into())
    );
    assert_eq!(serials(&server, "net"), [1, 3]);
    assert!(
        !bytes.seen().is_empty() && bytes.seen().iter().all(|asked| asked.token.is_none()),
        "{:?}",
        bytes.seen()
    );
    let seen = other.seen();
    assert!(
        seen.iter()
            .all(|asked| asked.token.as_deref() == Some("Bearer secret-of-the-other")),
        "{seen:?}"
    );
    for name in ["net", "bad"] {
        let acted = |verb: &str| {
            let what = format!("POST /api/v2/workspaces/ws-{name}/actions/{verb}");
            seen.iter().filter(|asked| asked.what == what).count()
        };
        assert_eq!((acted("lock"), acted("unlock")), (1, 1), "{name}");
    }
    server.stop();
}

#[test]
fn a_backup_under_a_passphrase_opens_with_it_alone() {
    let home = tempfile::tempdir().unwrap();
    let secret = |name: &str, text: &str| {
        let path = home.path().join(name);
        fs_err::write(&path, text).unwrap();
        fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path.display().to_string()
    };
    let (right, wrong) = (
        secret("right", "correct horse battery"),
        secret("wrong", "another horse battery"),
    );
    let settings = [
        ("KEYS_PROVIDER", "passphrase"),
        ("KEYS_PASSPHRASE_FILE", right.as_str()),
    ];
    let server = House::serve(home.path(), &settings).start();
    server.run(&["workspace", "create", "net"]).done();
    let mut push = server.client_of(&server.token, &["state", "push", "net", "-"]);
    Running::fed(&mut push, &small(1)).end().done();
    let path = |name: &str| home.path().join(name).display().to_string();
    let (backup, out) = (path("site.tar"), path("out"));
    server.run(&["backup", "create", "--out", &backup]).done();
    let keys = server.house.folder(".keys").display().to_string();
    let eject = |dir: &str, passphrase: &str| {
        let words = [
            "eject",
            "--dir",
            dir,
            "--backup",
            &backup,
            "--keys",
            &keys,
            "--passphrase-file",
            passphrase,
        ];
        server.run(&words)
    };
    eject(&path("refused"), &wrong).ends(1, &["passphrase"]);
    eject(&out, &right).done();
    let ejected = fs_err::read(home.path().join("out/default/net/terraform.tfstate")).unwrap();
    assert_eq!(ejected, small(1).as_bytes());
    server.stop();
}
