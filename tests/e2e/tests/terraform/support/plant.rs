//! A house whose runs happen with it: in a strict sandbox, as users and in a control group of its own.
//!
//! Servers of one machine must not take each other's users: what runs as them is ended before a seat is used again. Users and
//! group are therefore named after the process of the test, and the group is removed with its house.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use fs_err as fs;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::api::{Answer, ask};
use super::child::until;
use super::components;
use super::house::{House, Server};
use super::project::Project;

/// A run that is not where it should be by then never will be.
const RUN_MAX: Duration = Duration::from_mins(2);
/// Stages that nothing comes after.
pub(crate) const ENDS: [&str; 7] = [
    "applied",
    "planned_and_finished",
    "discarded",
    "canceled",
    "errored",
    "stale",
    "state_tampered",
];
/// The first user of all tests' runners: far from those of people and services.
const UID_FIRST: u32 = 1_000_000;
/// Users for one test.
const UIDS: u32 = 16;

/// The house, and the folder that it is in.
pub(crate) struct Plant {
    pub(crate) house: House,
    home: TempDir,
    group: String,
}

impl Plant {
    /// With settings beside those that every test has.
    pub(crate) fn new(settings: &[&str]) -> Self {
        let home = tempfile::tempdir().unwrap();
        // Users of runners pass through it to their seats, and list nothing.
        fs::set_permissions(home.path(), PermissionsExt::from_mode(0o711)).unwrap();
        let tools = home.path().join("tools");
        let version = tools.join("terraform_1.11.4");
        fs::create_dir_all(&version).unwrap();
        fs::os::unix::fs::symlink(components::terraform(), version.join("terraform")).unwrap();
        let process = std::process::id();
        let first = UID_FIRST + process * UIDS;
        let group = format!("statehouse-test-{process}");
        let mut all = vec![
            format!("runs.uid_first={first}"),
            format!("runs.gid_first={first}"),
            format!("runs.cgroup={group}"),
            format!("runs.tools={}", tools.display()),
        ];
        all.extend(settings.iter().map(|&setting| setting.to_owned()));
        Self {
            house: House::up(home.path()).with(&all),
            home,
            group,
        }
    }

    /// Has another tool made in the folder of tools.
    pub(crate) fn tool(&self, name: &str, version: &str, make: impl FnOnce(&Path)) {
        let folder = self.home.path().join(format!("tools/{name}_{version}"));
        fs::create_dir_all(&folder).unwrap();
        make(&folder.join(name));
    }

    /// Adds to a command what starts an agent that works like the server of this house, in a folder, as users and in a
    /// control group of its own.
    pub(crate) fn agent(&self, command: &mut Command, name: &str, server: &Server) {
        let first = UID_FIRST + std::process::id() * UIDS + UIDS / 2;
        let number = u32::try_from(name.len()).unwrap();
        let first = first + number % (UIDS / 2);
        command.arg(components::binary()).arg("agent");
        command.args(["--name", name, "--slots", "1", "--dir"]);
        command.arg(self.home.path().join(format!("agent-{name}")));
        for setting in [
            format!("runs.uid_first={first}"),
            format!("runs.gid_first={first}"),
            format!("runs.cgroup={}-{name}", self.group),
            format!("runs.tools={}", self.home.path().join("tools").display()),
        ] {
            command.args(["--set", &setting]);
        }
        command.env_clear().env("PATH", "/usr/bin:/bin");
        command.env("STATEHOUSE_CA", server.authority());
    }

    /// The file of the organization's database.
    pub(crate) fn database(&self) -> std::path::PathBuf {
        let houses = self.home.path().join("house/houses");
        super::files::only(&houses, "db", "none.db")
    }
}

impl Drop for Plant {
    fn drop(&mut self) {
        // The server ended before: only empty groups are left.
        let _ = std::process::Command::new("find")
            .args(["/sys/fs/cgroup", "-depth", "-type", "d", "-path"])
            .arg(format!("*/{}*", self.group))
            .args(["-exec", "rmdir", "{}", "+"])
            .output();
    }
}

/// What can be asked of a server about runs, with a token.
#[derive(Clone, Copy)]
pub(crate) struct Runs<'a> {
    server: &'a Server,
    token: &'a str,
}

impl<'a> Runs<'a> {
    /// As the owner of the organization.
    pub(crate) fn of(server: &'a Server) -> Self {
        Self {
            server,
            token: &server.token,
        }
    }

    pub(crate) fn with_token<'b>(self, token: &'b str) -> Runs<'b>
    where
        'a: 'b,
    {
        Runs {
            server: self.server,
            token,
        }
    }

    pub(crate) fn get(self, path: &str) -> Value {
        ask(self.server, self.token, ("GET", path), &Value::Null).json()
    }

    pub(crate) fn bytes(self, path: &str) -> Answer {
        ask(self.server, self.token, ("GET", path), &Value::Null)
    }

    pub(crate) fn post(self, path: &str, sent: &Value) -> Answer {
        ask(self.server, self.token, ("POST", path), sent)
    }

    /// The id of a workspace.
    pub(crate) fn workspace(self, name: &str) -> String {
        let found = self.get(&format!("/api/v2/organizations/main/workspaces/{name}"));
        found["data"]["id"].as_str().unwrap().to_owned()
    }

    /// Says that runs of a workspace happen with the server, and how many people must approve.
    pub(crate) fn remote(self, name: &str, approvals: u64) {
        let scope = self.workspace(name);
        let attributes = json!({ "scope": scope, "mode": "remote", "approvals": approvals });
        let sent = json!({ "data": { "type": "executions", "attributes": attributes } });
        let path = "/api/v2/organizations/main/executions";
        self.post(path, &sent).json();
    }

    /// The runs of a workspace, the newest first.
    pub(crate) fn list(self, name: &str) -> Vec<Value> {
        let id = self.workspace(name);
        let found = self.get(&format!("/api/v2/workspaces/{id}/runs"));
        found["data"].as_array().unwrap().clone()
    }

    /// The newest run of a workspace.
    pub(crate) fn newest(self, name: &str) -> Run<'a> {
        let id = self.list(name)[0]["id"].as_str().unwrap().to_owned();
        Run { runs: self, id }
    }

    /// The newest run of a workspace when it gets to a stage.
    pub(crate) fn at(self, name: &str, stage: &str) -> Run<'a> {
        until(&format!("a run of {name} is {stage}"), RUN_MAX, || {
            let newest = self.list(name).into_iter().next()?;
            (newest["attributes"]["stage"] == stage).then_some(())
        });
        self.newest(name)
    }
}

/// One run.
pub(crate) struct Run<'a> {
    runs: Runs<'a>,
    pub(crate) id: String,
}

impl Run<'_> {
    pub(crate) fn shown(&self) -> Value {
        let found = self.runs.get(&format!("/api/v2/runs/{}", self.id));
        found["data"]["attributes"].clone()
    }

    pub(crate) fn stage(&self) -> String {
        self.shown()["stage"].as_str().unwrap().to_owned()
    }

    /// Waits for a stage.
    pub(crate) fn gets_to(&self, stage: &str) -> &Self {
        let mut last = String::new();
        let begun = std::time::Instant::now();
        loop {
            let now = self.stage();
            if now == stage {
                return self;
            }
            assert!(
                !ENDS.contains(&now.as_str()),
                "it is not {stage}: {}",
                self.shown()
            );
            last.clone_from(&now);
            assert!(
                begun.elapsed() < RUN_MAX,
                "{} is {last}, not {stage}",
                self.id
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Asserts how it ended, and why.
    pub(crate) fn ended(&self, stage: &str, reason: &str) -> &Self {
        let shown = self.shown();
        assert_eq!(
            (&shown["stage"], &shown["reason"]),
            (&json!(stage), &json!(reason)),
            "{shown}"
        );
        self
    }

    /// Does something with it.
    pub(crate) fn acts(&self, act: &str, token: &str, sent: &Value) -> Answer {
        let path = format!("/api/v2/runs/{}/actions/{act}", self.id);
        self.runs.with_token(token).post(&path, sent)
    }

    /// Says a word about what it would apply now.
    pub(crate) fn word(&self, word: &str, token: &str) -> Answer {
        let attributes = json!({ "capsule": self.shown()["capsule"] });
        let sent = json!({ "data": { "type": "runs", "attributes": attributes } });
        self.acts(word, token, &sent)
    }

    /// The words of what happened to it.
    pub(crate) fn events(&self) -> Vec<String> {
        self.happened().into_iter().map(|(what, _)| what).collect()
    }

    /// The same, and what each was about.
    pub(crate) fn happened(&self) -> Vec<(String, String)> {
        let path = format!("/api/v2/runs/{}/run-events", self.id);
        let found = self.runs.get(&path);
        let events = found["data"].as_array().unwrap().iter();
        let text = |event: &Value, name| event["attributes"][name].as_str().unwrap().to_owned();
        events
            .map(|event| (text(event, "action"), text(event, "about")))
            .collect()
    }

    /// The log of its plan or its apply, with the marks around it.
    pub(crate) fn log(&self, step: &str) -> String {
        let id = self.id.replacen("run-", &format!("{step}-"), 1);
        let kind = if step == "plan" { "plans" } else { "applies" };
        let found = self.runs.get(&format!("/api/v2/{kind}/{id}"));
        let address = found["data"]["attributes"]["log-read-url"]
            .as_str()
            .unwrap();
        let (_, path) = address.split_at(address.find("/api/").or(address.find("/logs/")).unwrap());
        self.runs
            .bytes(&format!("{path}?limit=1048576&offset=0"))
            .text()
    }

    /// A form of its plan.
    pub(crate) fn plan(&self, form: &str) -> Answer {
        let id = self.id.replacen("run-", "plan-", 1);
        self.runs.bytes(&format!("/api/v2/plans/{id}/{form}"))
    }
}

/// A project whose workspace runs with the server, initialized.
pub(crate) fn remote(server: &Server, workspace: &str, main: &str) -> Project {
    remote_with(server, workspace, main, 0)
}

/// The same, whose applies so many people must approve.
pub(crate) fn remote_with(server: &Server, workspace: &str, main: &str, approvals: u64) -> Project {
    let project = server.project(
        &server.token,
        &server.cloud(&format!("name = \"{workspace}\"")),
        main,
    );
    project.run(&["init"]).done();
    Runs::of(server).remote(workspace, approvals);
    project
}

/// A resource that is being made for `seconds`.
pub(crate) fn sleeps(name: &str, seconds: u32) -> String {
    format!(
        "resource \"terraform_data\" \"{name}\" {{\n  provisioner \"local-exec\" {{\n    command = \"echo it begins; sleep {seconds}\"\n  }}\n}}\n"
    )
}

/// The processes of the runners of a server.
pub(crate) fn runners(server: &Server) -> Vec<u32> {
    runners_of(server.process())
}

/// The processes of the runners that a process started.
pub(crate) fn runners_of(process: u32) -> Vec<u32> {
    let path = format!("/proc/{process}/task");
    let tasks = fs::read_dir(path).unwrap().flatten();
    let children = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    let children: String = children.collect::<Vec<_>>().join(" ");
    let children = children
        .split_whitespace()
        .map(|each| each.parse().unwrap());
    let is_runner = |process: &u32| {
        let line = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).nth(1) == Some(b"runner".as_slice())
    };
    children.filter(is_runner).collect()
}

/// How many seats of runners are not wiped.
pub(crate) fn open_seats(server: &Server) -> usize {
    let seats = server.house.folder(".runner");
    let names = fs::read_dir(seats)
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name());
    names
        .filter(|name| name.to_string_lossy().starts_with("seat-"))
        .count()
}
