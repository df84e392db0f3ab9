//! Runs in a network of an organization's own: what they reach has a certificate of its authority, and the way there is its proxy.
//!
//! Terraform itself is the client, with the `http` backend and no word about certificates: what it trusts is what the server's operator
//! says. What it reaches is another server of ours, which stands for whatever is private there.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

use fs_err as fs;
use tempfile::TempDir;

use crate::support::child::{Ran, Running, until};
use crate::support::house::{House, Server};
use crate::support::network::Network;
use crate::support::plant::{Plant, Run, Runs, runners};
use crate::support::project::Project;
use crate::support::upstream::Upstream;

const WORKSPACE: &str = "far";
const NAME: &str = "vault.corp.example";
/// How a user and a password are written in an address, what they are, and how they are said.
const CREDENTIAL: &str = "build:hunter2%20is%20long";
const PASSWORD: &str = "hunter2 is long";
const SAID: &str = "Basic YnVpbGQ6aHVudGVyMiBpcyBsb25n";
/// A program must have begun by then.
const BEGINS_MAX: Duration = Duration::from_mins(1);

/// Says what it sees of the world around it, and stays while somebody looks at it from outside. What it will say is not in its text, which
/// terraform shows, too.
const LOOKS: &str = r#"
resource "terraform_data" "looks" {
  provisioner "local-exec" {
    command = "env; cat /conf/*.json; cat /proc/*/cmdline /proc/*/environ | tr '\\0' '\\n'; echo $(grep -c BEGIN /conf/authorities.pem) are tr''usted; touch /conf/authorities.pem || echo and none is ad''ded; echo it beg''ins; sleep 5"
  }
}
"#;

/// Something private that runs are to reach: a server that keeps their state.
struct Private {
    server: Server,
    _home: TempDir,
}

impl Private {
    fn new(name: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let named = format!("tls.names=[\"{name}\"]");
        let server = House::up(home.path()).with(&[named]).start();
        server.run(&["workspace", "create", WORKSPACE]).done();
        Self {
            server,
            _home: home,
        }
    }

    fn place(&self, name: &str) -> String {
        format!("https://{name}:{}", self.server.port())
    }

    /// A configuration that keeps its state there.
    fn project(&self, name: &str, more: &str) -> Project {
        let state = format!("{}/state/main/{WORKSPACE}", self.place(name));
        let block = format!(
            "terraform {{\n  backend \"http\" {{\n    address = \"{state}\"\n    lock_address = \"{state}\"\n    \
             unlock_address = \"{state}\"\n    retry_max = 0\n  }}\n}}\n"
        );
        Project::new(&block, more)
    }

    fn trusted(&self) -> String {
        format!("runs.ca_file={}", self.server.authority().display())
    }
}

/// A server of the plant's house with these settings.
fn serve(plant: &Plant, settings: &[String]) -> Server {
    plant.house.clone().with(settings).start()
}

/// A workspace whose runs happen with the server, and get to a private one.
fn furnish(server: &Server, private: &Private) {
    server.run(&["workspace", "create", WORKSPACE]).done();
    Runs::of(server).remote(WORKSPACE, 0);
    for (name, value) in [
        ("TF_HTTP_USERNAME", "somebody"),
        ("TF_HTTP_PASSWORD", &*private.server.token),
        ("CANARY", "a variable of the workspace"),
        ("REQUESTS_CA_BUNDLE", "/of/the/workspace"),
    ] {
        let words = ["variable", "set", WORKSPACE, name, value, "--env"];
        server.run(&words).done();
    }
}

fn starts(server: &Server, project: &Project) -> Command {
    let folder = project.path("");
    let words = ["run", "start", WORKSPACE, "--auto-apply", "--dir"];
    let words = [&words[..], &[folder.to_str().unwrap()]].concat();
    server.client_of(&server.token, &words)
}

/// A plan that fails, and says why.
fn fails<'a>(server: &'a Server, project: &Project, words: &str) -> Run<'a> {
    Ran::of(&mut starts(server, project)).ends(1, &[]);
    let run = Runs::of(server).newest(WORKSPACE);
    let log = run.log("plan");
    let said = log.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains(words), "nothing says {words:?}: {log}");
    run
}

/// An apply that works, looked at while a program of it runs.
fn applies<'a>(server: &'a Server, project: &Project, look: impl FnOnce()) -> Run<'a> {
    let started = Running::start(&mut starts(server, project));
    let run = Runs::of(server).at(WORKSPACE, "applying");
    let begins = || run.log("apply").contains("it begins").then_some(());
    until("the apply works", BEGINS_MAX, begins);
    look();
    started.end().done();
    run.gets_to("applied");
    run
}

/// A file with the address of a proxy, for nobody else.
fn secret(home: &TempDir, name: &str, upstream: &Upstream, credential: &str) -> String {
    let path = home.path().join(name);
    fs::write(
        &path,
        format!("http://{credential}@{}\n", upstream.address()),
    )
    .unwrap();
    fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    format!("runs.proxy_file={}", path.display())
}

/// The processes of this machine in whose arguments or environment one of these texts is.
fn processes_with(texts: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for process in fs::read_dir("/proc").unwrap().flatten() {
        for file in ["cmdline", "environ"] {
            let path = process.path().join(file);
            let text = fs::read(&path).unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            if texts.iter().any(|each| text.contains(each)) {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

#[test]
fn what_an_own_authority_signed_is_reached_through_a_proxy_whose_password_no_run_sees() {
    let private = Private::new(NAME);
    let upstream = Upstream::to(private.server.port(), Some(SAID));
    let home = tempfile::tempdir().unwrap();
    let right = secret(&home, "right", &upstream, CREDENTIAL);
    let wrong = secret(&home, "wrong", &upstream, "build:hunter3");
    let plant = Plant::new(&[&format!("runs.egress=[\"{}\"]", private.place(NAME))]);
    let through = format!("{} through {}", private.place(NAME), upstream.address());
    let project = private.project(NAME, LOOKS);

    // Without the authority the way is there, and nobody is believed at its end.
    let server = serve(&plant, std::slice::from_ref(&right));
    furnish(&server, &private);
    let run = fails(&server, &project, "certificate signed by unknown authority");
    let opened = ("connection-opened".to_owned(), through.clone());
    assert!(run.happened().contains(&opened), "{:?}", run.happened());
    server.stop();

    // Without the right password there is no way.
    let server = serve(&plant, &[wrong, private.trusted()]);
    let run = fails(
        &server,
        &project,
        "answered 407: it wants a user and a password",
    );
    let is_told = |(what, about): &(String, String)| {
        what == "connection-refused" && about.starts_with(&format!("{through}: the proxy "))
    };
    assert!(run.happened().iter().any(is_told), "{:?}", run.happened());
    server.stop();

    let server = serve(&plant, &[right, private.trusted()]);
    let credentials = [CREDENTIAL, PASSWORD, SAID];
    let run = applies(&server, &project, || {
        assert_eq!(runners(&server).len(), 1);
        assert_eq!(processes_with(&credentials), Vec::<String>::new());
        // The same look finds what is in an environment.
        assert!(!processes_with(&["a variable of the workspace"]).is_empty());
    });
    let log = run.log("apply");
    for said in [
        "SSL_CERT_FILE=/conf/authorities.pem",
        "AWS_CA_BUNDLE=/conf/authorities.pem",
        "GIT_SSL_CAINFO=/conf/authorities.pem",
        // What the workspace says goes over what the operator says.
        "REQUESTS_CA_BUNDLE=/of/the/workspace",
        "and none is added",
    ] {
        assert!(log.contains(said), "nothing says {said:?}: {log}");
    }
    // Its own authority is one among those of the system.
    let (before, _) = log.split_once(" are trusted").unwrap();
    let count = before.rsplit([' ', '\n']).next().unwrap();
    assert!(count.parse::<usize>().unwrap() > 1, "{count}");
    for credential in credentials {
        for seen in [
            &log,
            &run.log("plan"),
            &server.log(),
            &format!("{:?}", run.happened()),
        ] {
            assert!(!seen.contains(credential), "{seen}");
        }
    }
    assert_eq!(private.server.versions(WORKSPACE).len(), 1);

    // Who is not on the list is refused here, and the proxy hears nothing of it.
    let other = private.project("other.corp.example", LOOKS);
    let run = fails(
        &server,
        &other,
        "other.corp.example is not on the egress list",
    );
    assert!(run.events().contains(&"connection-refused".to_owned()));
    let port = private.server.port();
    let expected = format!("CONNECT {NAME}:{port} HTTP/1.1\r\nHost: {NAME}:{port}\r\n");
    for asked in upstream.asked() {
        assert!(asked.starts_with(&expected), "{asked}");
    }
    server.stop();
}

#[test]
fn a_host_that_is_excepted_is_reached_without_the_proxy_and_another_needs_no_password() {
    let mut network = Network::new();
    let near = network.near().to_owned();
    let private = Private::new(&near);
    network.lead_to(private.server.port());
    let upstream = Upstream::to(private.server.port(), None);
    let plant = Plant::new(&[&format!("runs.egress=[\"{}\"]", private.place(&near))]);
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("proxy");
    fs::write(&path, format!("http://{}", upstream.address())).unwrap();
    fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    let proxy = format!("runs.proxy_file={}", path.display());
    let project = private.project(&near, LOOKS);

    let except = format!("runs.proxy_except=[\"{near}\"]");
    let settings = [proxy.clone(), private.trusted(), except];
    let server = serve(&plant, &settings);
    furnish(&server, &private);
    let run = applies(&server, &project, || {});
    let opened = ("connection-opened".to_owned(), private.place(&near));
    assert!(run.happened().contains(&opened), "{:?}", run.happened());
    assert_eq!(upstream.asked(), Vec::<String>::new());
    server.stop();

    let server = serve(&plant, &[proxy, private.trusted()]);
    project.write("main.tf", LOOKS.replace("\"looks\"", "\"again\""));
    applies(&server, &project, || {});
    let asked = upstream.asked();
    assert!(!asked.is_empty());
    let port = private.server.port();
    let expected = format!("CONNECT {near}:{port} HTTP/1.1\r\nHost: {near}:{port}\r\n\r\n");
    for asked in asked {
        assert_eq!(asked, expected);
    }
    server.stop();
}

#[test]
fn neither_a_server_nor_an_agent_starts_with_authorities_or_a_proxy_that_are_none() {
    let plant = Plant::new(&[]);
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("file");
    fs::write(&path, "http://build:hunter2@proxy\n").unwrap();
    fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    let path = path.display();
    let server = plant.house.start();
    server.run(&["agent-pool", "create", "far"]).done();
    let made = server.json(&["agent-pool", "token", "create", "far"]);
    for (setting, code, words) in [
        (format!("runs.ca_file={path}"), 2, "there is no certificate"),
        (format!("runs.ca_file={path}.gone"), 2, "No such file"),
        (format!("runs.proxy_file={path}.gone"), 2, "No such file"),
        (
            format!("runs.proxy_file={path}"),
            2,
            "runs.proxy_file: it needs a port",
        ),
    ] {
        let mut agent = Command::new("env");
        plant.agent(&mut agent, "one", &server);
        agent.args(["--set", &setting]);
        agent.env("STATEHOUSE_ADDRESS", &server.address);
        agent.env("STATEHOUSE_TOKEN", made["token"].as_str().unwrap());
        Ran::of(&mut agent).ends(code, &[words]);
    }
    server.stop();
    for (setting, code, words) in [
        (format!("runs.ca_file={path}"), 2, "there is no certificate"),
        (
            format!("runs.proxy_file={path}"),
            2,
            "runs.proxy_file: it needs a port",
        ),
    ] {
        let refused = plant.house.clone().with(&[setting]).refuses();
        let refused = refused.ends(code, &[words]);
        assert!(!format!("{refused}").contains("hunter2"), "{refused}");
    }
}
