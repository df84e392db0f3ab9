//! The real binary as a server, and as the client beside it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use super::child::{Ran, Running, until};
use super::components;
use super::project::Project;
use super::small_disk::SmallDisk;

/// A server that is not ready by then never will be. A quiet machine needs a third of a second.
const READY_MAX: Duration = Duration::from_mins(1);

/// A house to be served, again and again: where it is, and how.
#[derive(Clone)]
pub(crate) struct House {
    /// The home of whoever runs it.
    home: PathBuf,
    /// Its data; keys and anchors lie beside it.
    data: PathBuf,
    /// Settings of `serve`; without them it is served by `up`.
    settings: Option<Vec<(String, String)>>,
    /// Settings of `up`, as it takes them.
    set: Vec<String>,
    /// Whose file systems it sees, as the command that a program is started with.
    within: Vec<OsString>,
    /// 0 until the first start found one; then it stays, because it is part of addresses.
    port: Arc<AtomicU16>,
}

impl House {
    /// Served by `up`.
    pub(crate) fn up(home: &Path) -> Self {
        Self {
            home: home.to_owned(),
            data: home.join("house"),
            settings: None,
            set: Vec::new(),
            within: Vec::new(),
            port: Arc::default(),
        }
    }

    /// Served by `serve`, with settings as the environment names them after `STATEHOUSE_SERVER_`.
    pub(crate) fn serve(home: &Path, settings: &[(&str, &str)]) -> Self {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Self {
            settings: Some(settings.iter().map(own).collect()),
            ..Self::up(home)
        }
    }

    /// Served by `up`, with more of its settings.
    pub(crate) fn with(mut self, settings: &[String]) -> Self {
        self.set.extend_from_slice(settings);
        self
    }

    /// With data, keys and anchors on a small disk.
    pub(crate) fn on(mut self, disk: &SmallDisk) -> Self {
        self.data = disk.path().join("house");
        self.within = disk.within();
        self
    }

    /// The folder of data, with a suffix those of keys (`.keys`) and anchors (`.anchor`).
    pub(crate) fn folder(&self, suffix: &str) -> PathBuf {
        let mut name = self.data.clone().into_os_string();
        name.push(suffix);
        name.into()
    }

    /// The binary, with nothing in its environment but what every program needs.
    fn program(&self) -> Command {
        let binary = components::binary().into_os_string();
        let mut words = self.within.iter().chain([&binary]);
        let mut command = Command::new(words.next().unwrap());
        command.args(words).current_dir(&self.home).env_clear();
        command.env("HOME", &self.home).env("PATH", "/usr/bin:/bin");
        command
    }

    fn server(&self) -> Command {
        let mut command = self.program();
        let port = self.port.load(Ordering::Relaxed).to_string();
        let Some(settings) = &self.settings else {
            command.args(["up", "--json", "--port", &port, "--dir"]);
            command.arg(&self.data);
            for setting in &self.set {
                command.args(["--set", setting]);
            }
            return command;
        };
        command.args(["serve", "--first-token", "token"]);
        let of_server = |name: &str| format!("STATEHOUSE_SERVER_{name}");
        command.env(of_server("DATA_DIR"), &self.data);
        command.env(of_server("DATA_ANCHORS"), self.folder(".anchor"));
        command.env(of_server("KEYS_DIR"), self.folder(".keys"));
        command.env(of_server("LISTEN_PORT"), port);
        for (name, value) in settings {
            // The one variable that is not the server's own is SoftHSM's.
            let own = name.starts_with("SOFTHSM");
            command.env(if own { name.clone() } else { of_server(name) }, value);
        }
        command
    }

    /// Serves it. The organization is `main`, and the caller owns it.
    pub(crate) fn start(&self) -> Server {
        let mut running = Running::start(&mut self.server());
        let ready = until("the server is ready", READY_MAX, || {
            if let Some(ran) = running.ended() {
                panic!("the server does not go on: {ran}");
            }
            match &self.settings {
                None => whole_line(&running.out()),
                Some(_) => self.ready(&running.err()),
            }
        });
        let text = |key: &str| ready[key].as_str().unwrap().to_owned();
        let server = Server {
            address: text("address"),
            token: text("token"),
            authority: text("ca_file").into(),
            block: ready["http_block"].as_str().map(str::to_owned),
            cloud_block: ready["cloud_block"].as_str().map(str::to_owned),
            house: self.clone(),
            running,
        };
        let (_, port) = server.address.rsplit_once(':').unwrap();
        self.port.store(port.parse().unwrap(), Ordering::Relaxed);
        if self.settings.is_some() && server.run(&["org", "show"]).is_refused() {
            server.run(&["org", "create", "main"]).done();
        }
        server
    }

    /// What `up` says of itself, for `serve`, which says it in its log.
    fn ready(&self, log: &str) -> Option<Value> {
        let (_, rest) = log.split_once(" serving address=")?;
        let address = rest.split_whitespace().next()?;
        let token = fs_err::read_to_string(self.home.join("token")).ok()?;
        Some(serde_json::json!({
            "address": format!("https://{address}"),
            "token": token.trim(),
            "ca_file": self.data.join("ca.pem"),
        }))
    }

    /// What it says when it cannot be served.
    pub(crate) fn refuses(&self) -> Ran {
        Ran::of(&mut self.server())
    }

    /// Declares, with the server stopped, that it is an older copy on purpose.
    pub(crate) fn accepts_restore(&self, reason: &str) {
        let mut command = self.program();
        command
            .args(["restore", "accept", "--reason", reason, "--dir"])
            .arg(&self.data);
        Ran::of(&mut command).done();
    }

    /// Proves a bundle, with nothing but the file.
    pub(crate) fn verify(&self, args: &[&str]) -> Ran {
        let mut command = self.program();
        Ran::of(command.arg("verify").args(args))
    }
}

fn whole_line(out: &str) -> Option<Value> {
    let (line, _) = out.split_once('\n')?;
    Some(serde_json::from_str(line).unwrap())
}

/// A house that is served.
pub(crate) struct Server {
    pub(crate) house: House,
    pub(crate) address: String,
    pub(crate) token: String,
    authority: PathBuf,
    block: Option<String>,
    cloud_block: Option<String>,
    running: Running,
}

impl Server {
    /// Its process.
    pub(crate) fn process(&self) -> u32 {
        self.running.process()
    }

    /// Where it listens on loopback.
    pub(crate) fn port(&self) -> u16 {
        let (_, port) = self.address.rsplit_once(':').unwrap();
        port.parse().unwrap()
    }

    /// The block to paste for a workspace.
    pub(crate) fn block(&self, workspace: &str) -> String {
        let state = format!("{}/state/main/{workspace}", self.address);
        match &self.block {
            Some(pasted) => {
                pasted.replace("/state/main/example", &format!("/state/main/{workspace}"))
            }
            None => format!(
                "terraform {{\n  backend \"http\" {{\n    address = \"{state}\"\n    lock_address = \"{state}\"\n    \
                 unlock_address = \"{state}\"\n    username = \"admin\"\n    password = \"{}\"\n    \
                 client_ca_certificate_pem = <<-EOT\n{}EOT\n  }}\n}}\n",
                self.token,
                self.authority_pem(),
            ),
        }
    }

    /// The server as a `cloud` block names it.
    pub(crate) fn host(&self) -> String {
        let authority = self.address.strip_prefix("https://").unwrap();
        authority.replace("127.0.0.1", "localhost")
    }

    /// The `cloud` block as the server printed it, with these workspaces.
    pub(crate) fn cloud(&self, workspaces: &str) -> String {
        let block = "terraform {\n  cloud {\n    hostname     = \"HOST\"\n    organization = \"main\"\n\n    \
             workspaces {\n      name = \"example\"\n    }\n  }\n}\n";
        let block = block.replace("HOST", &self.host());
        if let Some(printed) = &self.cloud_block {
            assert_eq!(*printed, block);
        }
        block.replace("name = \"example\"", workspaces)
    }

    /// A folder with a configuration, whose terraform knows this server and a token for it.
    pub(crate) fn project(&self, token: &str, block: &str, main: &str) -> Project {
        self.project_with(token, "", block, main)
    }

    /// The same, with more settings of terraform itself.
    pub(crate) fn project_with(&self, token: &str, cli: &str, block: &str, main: &str) -> Project {
        let credentials = format!(
            "credentials \"{}\" {{\n  token = \"{token}\"\n}}\n{cli}",
            self.host()
        );
        let authority = self.authority.to_str().unwrap();
        Project::new(block, main)
            .with_cli_config(&credentials)
            .with("SSL_CERT_FILE", authority)
    }

    /// The block as the server printed it.
    pub(crate) fn pasted(&self) -> &str {
        self.block.as_deref().unwrap()
    }

    /// The file of the certificate to trust.
    pub(crate) fn authority(&self) -> &Path {
        &self.authority
    }

    /// The certificate to trust.
    pub(crate) fn authority_pem(&self) -> String {
        fs_err::read_to_string(&self.authority).unwrap()
    }

    /// The command line against this server, with a token.
    pub(crate) fn client_of(&self, token: &str, args: &[&str]) -> Command {
        let mut command = self.house.program();
        command.args(args).env("STATEHOUSE_ADDRESS", &self.address);
        command.env("STATEHOUSE_TOKEN", token);
        command.env("STATEHOUSE_CA", &self.authority);
        command.env("STATEHOUSE_ORGANIZATION", "main");
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        Ran::of(&mut self.client_of(&self.token, args))
    }

    /// The answer in JSON of a command that must succeed.
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let ran = self.run(&[args, &["--output", "json"]].concat()).done();
        serde_json::from_slice(&ran.out).unwrap()
    }

    /// The bytes of a state, as the server has them.
    pub(crate) fn pull(&self, workspace: &str) -> Vec<u8> {
        self.run(&["state", "pull", workspace]).done().out
    }

    /// The versions of a workspace, the newest first.
    pub(crate) fn versions(&self, workspace: &str) -> Vec<Value> {
        let versions = self.json(&["state", "list", workspace]);
        versions.as_array().unwrap().clone()
    }

    /// Who waits for a person in a workspace.
    pub(crate) fn waiting(&self, workspace: &str) -> Vec<Value> {
        let waiting = self.json(&["state", "quarantine", workspace]);
        waiting.as_array().unwrap().clone()
    }

    /// The id under which a workspace is locked.
    pub(crate) fn lock_id(&self, workspace: &str) -> Option<String> {
        let shown = self.json(&["state", "show", workspace]);
        shown["lock-id"].as_str().map(str::to_owned)
    }

    /// A new account with a role, and a token of it.
    pub(crate) fn account(&self, name: &str, role: &str) -> String {
        self.run(&["user", "create", name]).done();
        self.run(&["grant", "give", name, role]).done();
        let made = self.json(&["token", "create", "--user", name, "--label", "test"]);
        made["token"].as_str().unwrap().to_owned()
    }

    /// A new account that signs in with a password, without any role.
    pub(crate) fn person(&self, name: &str, password: &str) {
        let mut create = self.client_of(&self.token, &["user", "create", name, "--password"]);
        Running::fed(&mut create, &format!("{password}\n"))
            .end()
            .done();
    }

    /// A page of it.
    pub(crate) fn page(&self, path: &str) -> String {
        format!("https://{}{path}", self.host())
    }

    /// Its log until now.
    pub(crate) fn log(&self) -> String {
        self.running.err()
    }

    /// Asks it to stop, which it must do in order.
    pub(crate) fn stop(self) -> House {
        self.running.signal(Signal::TERM);
        self.running.end().done();
        self.house
    }

    /// Ends it in the middle of whatever it does.
    pub(crate) fn kill(self) -> House {
        self.running.signal(Signal::KILL);
        let Self { house, running, .. } = self;
        running.end();
        house
    }

    /// Stops it and starts it again, under the same address.
    pub(crate) fn restart(self) -> Self {
        self.stop().start()
    }
}
