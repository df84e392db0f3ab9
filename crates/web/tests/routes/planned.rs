//! Runs as far along as a test needs them, brought there by what a runner says, while nothing is run.
//!
//! People do their part over HTTP; the runner's part goes through the core, as that of the server's own places does.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use statehouse_core::Ctx;
use statehouse_core::job::{Holder, Sandbox};
use statehouse_core::run::capsule::Found;
use statehouse_core::run::machine::Status;
use statehouse_core::run::work::{Ended, Line};
use statehouse_core::run::{self, act};
use statehouse_model::{ApplyId, PlanId, Role, RunId};
use tar::{Builder, Header};

use crate::support::{Acme, Answer, Person, Server, name, request};

/// Longest wait for something that must happen.
const PATIENCE: Duration = Duration::from_secs(30);

/// An organization with a workspace whose runs happen with a runner of the server, and a configuration of it.
pub(crate) struct Remote {
    pub(crate) acme: Acme,
    /// The machine's operator in the organization.
    pub(crate) ctx: Ctx,
    pub(crate) workspace: String,
    pub(crate) configuration: String,
}

impl Remote {
    pub(crate) async fn new() -> Self {
        let acme = Acme::new().await;
        let ctx = acme
            .server
            .core
            .enter_as_machine(&name("acme"))
            .await
            .unwrap();
        let at = acme.workspace("dns").await;
        let workspace = at.rsplit('/').next().unwrap().to_owned();
        remote(&acme.server, &acme.owner, &workspace).await;
        let configuration = uploaded(&acme.server, &acme.owner, &workspace).await;
        Self {
            acme,
            ctx,
            workspace,
            configuration,
        }
    }

    pub(crate) fn server(&self) -> &Server {
        &self.acme.server
    }

    pub(crate) fn owner(&self) -> &Person {
        &self.acme.owner
    }

    pub(crate) async fn member(&self, called: &str, role: Role) -> Person {
        self.server().member(called, &self.ctx, role).await
    }

    /// Asks for a run with these attributes.
    pub(crate) async fn ask(&self, who: &Person, attributes: Value) -> Answer {
        let wish = wish(&self.workspace, &self.configuration, &attributes);
        self.server().call(who, "POST", "/api/v2/runs", wish).await
    }

    /// Starts a run of the owner's, by its id.
    pub(crate) async fn run(&self, attributes: Value) -> String {
        let made = self.ask(self.owner(), attributes).await.is(201).json();
        made["data"]["id"].as_str().unwrap().to_owned()
    }

    /// The same, planned and judged, with changes.
    pub(crate) async fn planned(&self, attributes: Value) -> String {
        let run = self.run(attributes).await;
        planned(self.server(), &self.ctx, &run).await;
        run
    }

    pub(crate) async fn act(&self, who: &Person, run: &str, action: &str) -> Answer {
        let path = format!("/api/v2/runs/{run}/actions/{action}");
        self.server().call(who, "POST", &path, "").await
    }

    pub(crate) async fn told(&self, run: &str) -> Value {
        told(self.server(), self.owner(), run).await
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.acme.get(self.owner(), path).await
    }
}

/// What stands for the bytes of a plan, its JSON, and its form for the screen.
pub(crate) const PLAN: &str = "a plan file";
pub(crate) const PLAN_JSON: &str = r#"{"format_version":"1.2"}"#;
pub(crate) const PLAN_SHOWN: &str = r#"{"plan_format_version":"1.2"}"#;

/// An archive of these files, as clients pack one.
pub(crate) fn archive(files: &[(&str, &[u8])]) -> Bytes {
    let mut builder = Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (path, content) in files {
        let mut header = Header::new_ustar();
        header.set_mode(0o644);
        header.set_size(content.len() as u64);
        builder.append_data(&mut header, path, *content).unwrap();
    }
    builder.into_inner().unwrap().finish().unwrap().into()
}

/// A configuration that plans nothing.
pub(crate) fn plain() -> Bytes {
    archive(&[("main.tf", b"resource \"terraform_data\" \"it\" {}\n")])
}

/// Lets the runs of a workspace happen with a runner of the server.
pub(crate) async fn remote(server: &Server, who: &Person, workspace: &str) {
    let path = "/api/v2/organizations/acme/executions";
    let wish = json!({ "scope": workspace, "mode": "remote" });
    server.post(who, path, wish).await.is(201);
}

/// Wishes for a configuration; its document.
pub(crate) async fn wished(
    server: &Server,
    who: &Person,
    workspace: &str,
    attributes: Value,
) -> Value {
    let path = format!("/api/v2/workspaces/{workspace}/configuration-versions");
    server.post(who, &path, attributes).await.is(201).json()
}

/// Sends bytes to a signed address.
pub(crate) async fn put(server: &Server, address: &str, bytes: Bytes) -> Answer {
    server.send(request("PUT", address, None, bytes)).await
}

/// A configuration that was uploaded, by its id.
pub(crate) async fn uploaded(server: &Server, who: &Person, workspace: &str) -> String {
    let made = wished(server, who, workspace, json!({})).await;
    let address = crate::cloud::link(&made, "upload-url");
    put(server, &address, plain()).await.is(200);
    made["data"]["id"].as_str().unwrap().to_owned()
}

/// The document that a run is started with.
pub(crate) fn wish(workspace: &str, configuration: &str, attributes: &Value) -> String {
    let relations = json!({
        "workspace": { "data": { "type": "workspaces", "id": workspace } },
        "configuration-version": { "data": { "type": "configuration-versions", "id": configuration } },
    });
    json!({ "data": { "type": "runs", "attributes": attributes, "relationships": relations } })
        .to_string()
}

/// Starts a run; its id.
pub(crate) async fn started(server: &Server, who: &Person, wish: String) -> String {
    let made = server.call(who, "POST", "/api/v2/runs", wish).await;
    let made = made.is(201).json();
    made["data"]["id"].as_str().unwrap().to_owned()
}

fn id(run: &str) -> RunId {
    run.parse().unwrap()
}

/// The id of a run's plan.
pub(crate) fn plan_of(run: &str) -> String {
    PlanId::from(&id(run)).to_string()
}

/// The id of a run's apply.
pub(crate) fn apply_of(run: &str) -> String {
    ApplyId::from(&id(run)).to_string()
}

/// What `who` is told of a run.
pub(crate) async fn told(server: &Server, who: &Person, run: &str) -> Value {
    let path = format!("/api/v2/runs/{run}");
    let shown = server.call(who, "GET", &path, "").await.is(200).json();
    shown["data"]["attributes"].clone()
}

/// A place that takes jobs.
fn a_test() -> Holder {
    Holder::own("a test", Sandbox::Strict)
}

/// The job of a run. Jobs that come first are taken and let lie.
pub(crate) async fn job_of(server: &Server, run: &str) -> Line {
    loop {
        let holder = a_test();
        let next = server.core.next_job(&holder);
        let line = tokio::time::timeout(PATIENCE, next).await;
        let line = line.unwrap_or_else(|_| panic!("no job of {run} comes"));
        if line.run().as_str() == run {
            return line;
        }
    }
}

/// Lets the server do its part until a run is there.
pub(crate) async fn until(server: &Server, ctx: &Ctx, run: &str, status: Status) {
    let core = server.core.clone();
    let rounds = tokio::spawn(async move {
        loop {
            core.next_job(&a_test()).await;
        }
    });
    let seen = async {
        loop {
            let now = run::show(ctx, &id(run)).await.unwrap().state.status();
            if now == status {
                return;
            }
            assert!(!now.is_final(), "{run} is {}", now.as_str());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let seen = tokio::time::timeout(PATIENCE, seen).await;
    rounds.abort();
    seen.unwrap_or_else(|_| panic!("{run} does not become {}", status.as_str()));
}

fn hex_of(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}

/// What a runner says that it planned with.
pub(crate) fn found() -> Box<Found> {
    Box::new(Found {
        plan: hex_of(PLAN),
        plan_json: hex_of(PLAN_JSON),
        plan_shown: hex_of(PLAN_SHOWN),
        lock_file: None,
        tool: "terraform".to_owned(),
        tool_version: "1.11.4".to_owned(),
        tool_digest: hex_of("terraform"),
        providers: BTreeMap::new(),
        sandbox: "strict".to_owned(),
        backend: None,
    })
}

/// Plans a run that has its turn, with changes or without.
pub(crate) async fn plan(line: &Line, changes: bool) {
    line.planning().await.unwrap();
    finish(line, changes).await;
}

/// Says that the plan is made.
pub(crate) async fn finish(line: &Line, changes: bool) {
    finish_shown(line, changes, PLAN_SHOWN).await;
}

/// The same of a plan that has this form for the screen.
pub(crate) async fn finish_shown(line: &Line, changes: bool, shown: &str) {
    for (name, text) in [
        ("plan", PLAN),
        ("plan-json", PLAN_JSON),
        ("plan-shown", shown),
    ] {
        let bytes = Bytes::copy_from_slice(text.as_bytes());
        line.file(name, bytes).await.unwrap();
    }
    let mut found = found();
    found.plan_shown = hex_of(shown);
    line.done(Ended::Planned { found, changes }).await.unwrap();
}

/// Brings a run that waits for its turn to where its plan is judged.
pub(crate) async fn planned(server: &Server, ctx: &Ctx, run: &str) {
    let line = job_of(server, run).await;
    line.copy(true, PLAN.into()).await.unwrap();
    plan(&line, true).await;
    let plan_only = !run::show(ctx, &id(run))
        .await
        .unwrap()
        .state
        .kind()
        .may_apply();
    let status = if plan_only {
        Status::PlannedAndFinished
    } else {
        Status::AwaitingApproval
    };
    until(server, ctx, run, status).await;
}

/// Brings a run that waits for its turn to where it was applied.
pub(crate) async fn applied(server: &Server, ctx: &Ctx, run: &str) {
    plan(&job_of(server, run).await, true).await;
    until(server, ctx, run, Status::AwaitingApproval).await;
    act::confirm(ctx, &id(run), None).await.unwrap();
    let line = job_of(server, run).await;
    line.begin(*found()).await.unwrap();
    line.done(Ended::Applied).await.unwrap();
}

/// Brings a run to where it works and was asked to stop.
pub(crate) async fn stopping(server: &Server, who: &Person, run: &str) {
    job_of(server, run).await;
    let path = format!("/api/v2/runs/{run}/actions/cancel");
    server.call(who, "POST", &path, "").await.is(202);
}
