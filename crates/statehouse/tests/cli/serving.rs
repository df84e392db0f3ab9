//! Starting, stopping, starting again, and the block that is pasted.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;

use rustix::process::Signal;
use tempfile::tempdir;

use crate::support::{Ran, Server, statehouse};

/// Where programs are found, in this process and in the children that need others.
#[expect(
    clippy::disallowed_methods,
    reason = "a test is told by the environment where terraform is"
)]
fn search_path() -> OsString {
    std::env::var_os("PATH").unwrap_or_default()
}

fn terraform(dir: &Path, args: &[&str]) -> Ran {
    let path = search_path();
    let found = std::env::split_paths(&path).any(|dir| dir.join("terraform").is_file());
    assert!(
        found,
        "terraform is not in PATH; get 1.11.4 from https://releases.hashicorp.com/terraform/1.11.4/"
    );
    let mut command = Command::new("terraform");
    command
        .env_clear()
        .env("PATH", path)
        .env("HOME", dir)
        .env("CHECKPOINT_DISABLE", "1")
        .env("TF_IN_AUTOMATION", "1");
    Ran::of(command.current_dir(dir).args(args))
}

#[test]
fn the_pasted_block_works_with_nothing_else_set() {
    let place = tempdir().unwrap();
    let server = Server::up(&place);
    let project = place.path().join("project");
    fs_err::create_dir(&project).unwrap();
    fs_err::write(project.join("backend.tf"), server.ready("http_block")).unwrap();
    fs_err::write(
        project.join("main.tf"),
        "resource \"terraform_data\" \"one\" {\n  input = \"hello\"\n}\n",
    )
    .unwrap();
    terraform(&project, &["init", "-input=false"]).done();
    terraform(&project, &["apply", "-input=false", "-auto-approve"]).done();
    // Terraform adds the end of a line to what it prints.
    let mut state = terraform(&project, &["state", "pull"]).done().out;
    assert_eq!(state.pop(), Some(b'\n'));
    let ours = server.run(&["state", "pull", "example"]).done().out;
    assert_eq!(
        String::from_utf8(ours).unwrap(),
        String::from_utf8(state).unwrap()
    );
    let versions = server.json(&["state", "list", "example"]);
    assert_eq!(
        (
            versions[0]["resource-count"].as_u64(),
            versions[0]["tool-version"].as_str()
        ),
        (Some(1), Some("1.11.4"))
    );
    server.stop();
}

#[test]
fn a_second_start_opens_the_same_house_and_keeps_the_old_token() {
    let place = tempdir().unwrap();
    let first = Server::up(&place);
    first.run(&["workspace", "create", "kept"]).done();
    let old = first.ready("token").to_owned();
    first.stop();
    let second = Server::up(&place);
    assert_ne!(second.ready("token"), old);
    assert_eq!(second.ready("organization"), "main");
    for token in [second.ready("token"), &old] {
        let mut command = second.client(&["workspace", "list", "--output", "json"]);
        assert_eq!(
            Ran::of(command.env("STATEHOUSE_TOKEN", token))
                .done()
                .json()[0]["name"],
            "kept"
        );
    }
    second.stop();
}

#[test]
fn nothing_is_written_but_the_three_siblings_and_keys_are_not_in_the_data() {
    let place = tempdir().unwrap();
    let server = Server::up(&place);
    let names = |dir: &Path| {
        let mut names: Vec<_> = fs_err::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names(place.path()), ["house", "house.anchor", "house.keys"]);
    assert!(names(&place.path().join("house.keys")).contains(&"authority.pem".to_owned()));
    assert!(Path::new(server.ready("ca_file")).starts_with(place.path().join("house")));
    assert!(Path::new(server.ready("binary")).is_file());
    for private in ["house", "house.keys"] {
        let mode = fs_err::metadata(place.path().join(private))
            .unwrap()
            .permissions()
            .mode()
            & 0o777;
        assert_eq!(mode, 0o700, "{private}");
    }
    server.stop();
    assert!(!place.path().join("house/health.sock").exists());
}

#[test]
fn a_directory_is_served_once() {
    let place = tempdir().unwrap();
    let server = Server::up(&place);
    let again = Ran::of(
        statehouse(place.path())
            .args(["up", "--port", "0", "--json", "--dir"])
            .arg(place.path().join("house")),
    );
    let again = again.ends(4, ["another process serves", "stop it first"]);
    assert_eq!(again.text(), "");
    server.run(&["org", "list"]).done();
    let busy = server
        .ready("address")
        .rsplit(':')
        .next()
        .unwrap()
        .to_owned();
    Ran::of(
        statehouse(place.path())
            .args(["up", "--port", &busy, "--dir"])
            .arg(place.path().join("other")),
    )
    .ends(1, ["cannot listen on 127.0.0.1", "listen.port"]);
}

#[test]
fn the_human_form_says_what_to_do_and_shouts_about_the_keys() {
    use std::io::{BufRead, BufReader};
    let place = tempdir().unwrap();
    let mut command = statehouse(place.path());
    command
        .args(["up", "--port", "0", "--dir"])
        .arg(place.path().join("house"));
    let mut child = command
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut text = String::new();
    while !text.contains("Stop with Ctrl-C") {
        text += &(lines.next().expect("it goes on").unwrap() + "\n");
    }
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let keys = place.path().join("house.keys");
    for words in [
        "KEYS:",
        "another volume",
        keys.to_str().unwrap(),
        "export SSL_CERT_FILE=",
        "export PATH=\"$PATH:",
        "backend \"http\"",
        "BEGIN CERTIFICATE",
    ] {
        assert!(text.contains(words), "{words} is not in {text}");
    }
}

#[test]
fn serve_makes_the_first_access_once_tells_its_health_and_reloads() {
    let place = tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let path = |name: &str| place.path().join(name);
    let config = format!(
        "[listen]\nport = {port}\n[data]\ndir = {:?}\nanchors = {:?}\n[keys]\ndir = {:?}\n[log]\nformat = \"json\"\n",
        path("data"),
        path("anchors"),
        path("keys"),
    );
    fs_err::write(path("config.toml"), config).unwrap();
    let address = format!("https://127.0.0.1:{port}");
    let args = ["--config", "config.toml", "--first-token", "token"];
    let server = Server::serve(&place, &args, &path("token"), address, &path("data/ca.pem"));
    assert_eq!(
        fs_err::metadata(path("token"))
            .unwrap()
            .permissions()
            .mode()
            & 0o777,
        0o600
    );
    server.run(&["org", "create", "main"]).done();
    let mut health = UnixStream::connect(path("data/health.sock")).unwrap();
    health
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    health.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    server.signal(Signal::HUP);
    server.run(&["org", "show"]).done();
    server.stop();
    // There is an account now: no other is made, and no file.
    fs_err::remove_file(path("token")).unwrap();
    let server = Server::up_on_config(&place, &args, port);
    assert!(!path("token").exists());
    server.stop();
}

#[test]
fn a_server_that_cannot_open_says_why() {
    let place = tempdir().unwrap();
    let check = |set: &[&str], code: i32, words: &str| {
        let mut command = statehouse(place.path());
        command.arg("serve");
        for setting in [
            &[
                "data.dir=data",
                "data.anchors=anchors",
                "keys.dir=keys",
                "listen.port=0",
            ],
            set,
        ]
        .concat()
        {
            command.args(["--set", setting]);
        }
        Ran::of(&mut command).ends(code, [words]);
    };
    let public = place.path().join("public");
    fs_err::write(&public, "correct horse battery staple\n").unwrap();
    check(
        &["keys.provider=passphrase", "keys.passphrase_file=nowhere"],
        1,
        "nowhere",
    );
    fs_err::set_permissions(&public, PermissionsExt::from_mode(0o644)).unwrap();
    check(
        &["keys.provider=passphrase", "keys.passphrase_file=public"],
        1,
        "chmod 600",
    );
    fs_err::write(&public, "short\n").unwrap();
    fs_err::set_permissions(&public, PermissionsExt::from_mode(0o600)).unwrap();
    check(
        &["keys.provider=passphrase", "keys.passphrase_file=public"],
        1,
        "at least 16",
    );
    let pkcs11 = [
        "keys.provider=pkcs11",
        "keys.module=/nowhere/module.so",
        "keys.token=house",
        "keys.pin_file=public",
    ];
    check(&pkcs11, 1, "/nowhere/module.so");
    check(&["tls.chain=no.pem", "tls.key=no.pem"], 1, "no.pem");
    check(
        &["tls.names=[\"bank.example.com\"]", "log.level=a=b=c"],
        2,
        "log.level",
    );
    check(&["data.dir=/proc/nowhere"], 1, "/proc/nowhere");
}
