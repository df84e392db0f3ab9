//! Runs of the corpus, so that each of their tables has rows: one that waits for a second person, and
//! on the second day one that was canceled.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use statehouse_core::access::Scope;
use statehouse_core::job::{Holder, Sandbox};
use statehouse_core::policy::{self, overrule, publish, replay};
use statehouse_core::run::act::{self, Decision};
use statehouse_core::run::capsule::{Found, OfRunner};
use statehouse_core::run::machine::{Kind, Status};
use statehouse_core::run::work::{Begun, Ended, Line};
use statehouse_core::variable::set;
use statehouse_core::workspace::Workspace;
use statehouse_core::{
    Core, Ctx, agent, configuration, cost, drift, execution, notification, reach, run, variable,
    workspace,
};
use statehouse_model::{ConfigurationId, RunId, VariableSetId};

use super::corpus::name;

/// The JSON of a plan that changes nothing.
const PLAN_JSON: &str = "{\"format_version\":\"1.2\"}";
/// A round is made every few seconds, and after each act at once.
const PATIENCE: Duration = Duration::from_secs(20);

fn archive(path: &str, text: &str) -> Bytes {
    let gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut archive = tar::Builder::new(gzip);
    let mut header = tar::Header::new_gnu();
    header.set_size(text.len() as u64);
    header.set_mode(0o644);
    archive
        .append_data(&mut header, path, text.as_bytes())
        .unwrap();
    archive.into_inner().unwrap().finish().unwrap().into()
}

fn hex_digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// A workspace whose runs some people must agree to, with a configuration.
async fn prepared(
    core: &Core,
    ctx: &Ctx,
    called: &str,
    approvals: u64,
) -> (Workspace, ConfigurationId) {
    let made = workspace::create(ctx, name(called), None).await.unwrap();
    let workspace = Workspace::Id(made.id.parse().unwrap());
    let wish = execution::Wish {
        mode: execution::Word::Say(execution::Mode::Remote),
        approvals: execution::Word::Say(approvals),
        author_approves: execution::Word::Say(true),
        reverify: execution::Word::Say(execution::Reverify::Always),
        tool: execution::Word::Say(execution::Tool::Terraform),
    };
    let scope = Scope::Workspace(made.id.parse().unwrap());
    execution::set(ctx, scope, wish).await.unwrap();
    let wish = variable::Wish {
        name: Some("region".to_owned()),
        value: Some("eu-north-1".to_owned()),
        ..variable::Wish::default()
    };
    variable::create(ctx, &workspace, wish).await.unwrap();
    let text = "resource \"terraform_data\" \"one\" {}\n";
    let id = uploaded(core, ctx, &workspace, archive("main.tf", text)).await;
    (workspace, id)
}

/// A configuration of a workspace.
async fn uploaded(
    core: &Core,
    ctx: &Ctx,
    workspace: &Workspace,
    archive: Bytes,
) -> ConfigurationId {
    let wish = configuration::Wish::default();
    let wished = configuration::wish(ctx, workspace, wish).await.unwrap();
    let (put, id) = (wished.put.unwrap(), wished.id.parse().unwrap());
    let address = core.signed(&put.id, &put.signature, None).await;
    let (bearer, granted) = address.unwrap();
    configuration::upload(&bearer, &granted, &id, archive)
        .await
        .unwrap();
    id
}

/// A set that reaches every workspace, with a variable.
async fn set_of_variables(ctx: &Ctx, text: &str) {
    let wish = set::Wish {
        name: Some(text.to_owned()),
        reach: reach::Wish::global(true),
        ..set::Wish::default()
    };
    let made = set::create(ctx, wish).await.unwrap();
    let id: VariableSetId = made.id.parse().unwrap();
    let wish = variable::Wish {
        name: Some(text.to_owned()),
        value: Some("all".to_owned()),
        ..variable::Wish::default()
    };
    variable::create(ctx, &id, wish).await.unwrap();
}

/// What a runner does that plans.
async fn plan(line: &Line) {
    line.log(0, Bytes::from_static(b"Initializing\n"))
        .await
        .unwrap();
    line.planning().await.unwrap();
    let files = [
        ("plan", "the plan"),
        ("plan-json", PLAN_JSON),
        ("plan-shown", "{\"shown\":true}"),
    ];
    for (name, text) in files {
        line.file(name, Bytes::from_static(text.as_bytes()))
            .await
            .unwrap();
    }
    let (found, changes) = (Box::new(found()), true);
    line.done(Ended::Planned { found, changes }).await.unwrap();
}

/// What it found.
fn found() -> Found {
    Found {
        plan: hex_digest(b"the plan"),
        plan_json: hex_digest(PLAN_JSON.as_bytes()),
        plan_shown: hex_digest(b"{\"shown\":true}"),
        lock_file: None,
        tool: "terraform".to_owned(),
        tool_version: "1.11.4".to_owned(),
        tool_digest: hex_digest(b"terraform"),
        providers: std::collections::BTreeMap::new(),
        sandbox: "strict".to_owned(),
        backend: None,
    }
}

/// A place that takes jobs, and says why it is no strict one.
fn corpus() -> Holder {
    let why = Some("nothing is started here");
    Holder::own("corpus", Sandbox::told("process", why).unwrap())
}

/// Looks for jobs until the run is where it waits for people.
async fn comes_to(core: &Arc<Core>, ctx: &Ctx, id: &RunId, status: Status) {
    let waited = tokio::time::timeout(PATIENCE, async {
        loop {
            let shown = run::show(ctx, id).await.unwrap();
            if shown.state.status() == status {
                return;
            }
            let holder = corpus();
            let look = core.next_job(&holder);
            tokio::time::timeout(Duration::from_millis(50), look)
                .await
                .ok();
        }
    });
    waited.await.expect("the plan is judged");
}

/// Looks for jobs until policies were asked of the state that a run left.
async fn until_judged(core: &Arc<Core>, ctx: &Ctx, id: &RunId) {
    let waited = tokio::time::timeout(PATIENCE, async {
        loop {
            let shown = run::show(ctx, id).await.unwrap();
            if shown
                .written
                .is_some_and(|written| written.outcome.is_some())
            {
                break;
            }
            let holder = corpus();
            let look = core.next_job(&holder);
            tokio::time::timeout(Duration::from_millis(50), look)
                .await
                .ok();
        }
    });
    waited.await.expect("the state is judged");
}

/// A run that is planned, and that one person agreed to.
async fn half_agreed(core: &Arc<Core>, ctx: &Ctx, of: (&Workspace, &ConfigurationId)) -> RunId {
    let wish = run::Wish {
        configuration: of.1.clone(),
        kind: Kind::PlanAndApply,
        auto_apply: false,
        options: run::Options::default(),
    };
    let id = run::create(ctx, of.0, wish).await.unwrap().id;
    let line = core.next_job(&corpus()).await;
    assert_eq!(line.run(), &id);
    plan(&line).await;
    comes_to(core, ctx, &id, Status::AwaitingApproval).await;
    let seen = run::show(ctx, &id).await.unwrap();
    let capsule = seen.state.capsule().unwrap();
    act::decide(ctx, &id, Decision::Approve, capsule, None)
        .await
        .unwrap();
    id
}

/// A workspace with a policy set of its own, whose verdict somebody overrode.
async fn overruled(core: &Arc<Core>, ctx: &Ctx, called: &str) {
    let (workspace, configuration) = prepared(core, ctx, called, 0).await;
    let shown = workspace::show(ctx, &workspace).await.unwrap();
    let wish = policy::Wish {
        name: Some(called.to_owned()),
        reach: reach::Wish::workspaces([shown.id.parse().unwrap()]),
        replay_hours: Some(24),
        ..policy::Wish::default()
    };
    let set = policy::create(ctx, wish).await.unwrap();
    let id = set.id.parse().unwrap();
    let bundle = Bytes::from(called.to_owned());
    let all = replay::Stretch {
        keep: true,
        ..replay::Stretch::default()
    };
    let replayed = Box::pin(replay::replay(ctx, &id, bundle.clone(), all)).await;
    replayed.unwrap();
    publish::publish(ctx, &id, bundle).await.unwrap();
    let brought = archive(".statehouse/policy/one.rego", "package one\n");
    uploaded(core, ctx, &workspace, brought).await;
    let wish = run::Wish {
        configuration,
        kind: Kind::PlanAndApply,
        auto_apply: false,
        options: run::Options::default(),
    };
    let run = run::create(ctx, &workspace, wish).await.unwrap().id;
    let line = core.next_job(&corpus()).await;
    assert_eq!(line.run(), &run);
    plan(&line).await;
    comes_to(core, ctx, &run, Status::PolicyFailed).await;
    let reason = "nobody is against it".to_owned();
    overrule::overrule(ctx, &run, reason, None).await.unwrap();
    comes_to(core, ctx, &run, Status::AwaitingApproval).await;
}

/// By what plans are estimated from now on.
async fn priced(ctx: &Ctx, text: &'static str) {
    let named = (cost::Kind::Overlay, format!("{text}.csv"));
    let bytes = Bytes::from_static(text.as_bytes());
    cost::set(ctx, Scope::Organization, named, bytes)
        .await
        .unwrap();
}

/// Somebody who is told of the runs of a workspace, and was tried.
async fn told(core: &Core, ctx: &Ctx, workspace: &Workspace, called: &str) {
    let wish = notification::Wish {
        name: Some(called.to_owned()),
        url: Some(format!("https://hooks.example.com/{called}")),
        token: Some("a token of a receiver".to_owned().into()),
        triggers: Some(vec![notification::Trigger::Completed]),
        enabled: Some(true),
    };
    core.create_notification(ctx, workspace, wish)
        .await
        .unwrap();
}

/// A set that judges the states of one workspace.
async fn judge_states(ctx: &Ctx, workspace: &Workspace) {
    let shown = workspace::show(ctx, workspace).await.unwrap();
    let wish = policy::Wish {
        name: Some(format!("states of {}", shown.name)),
        reach: reach::Wish::workspaces([shown.id.parse().unwrap()]),
        ..policy::Wish::default()
    };
    let set = policy::create(ctx, wish).await.unwrap();
    let id = set.id.parse().unwrap();
    let bundle = Bytes::from(format!("state of {}", shown.name));
    publish::publish(ctx, &id, bundle).await.unwrap();
}

/// A workspace in which a run applied something, and policies are against what it left.
async fn applied(core: &Arc<Core>, ctx: &Ctx, called: &str) -> Workspace {
    let (workspace, configuration) = prepared(core, ctx, called, 0).await;
    judge_states(ctx, &workspace).await;
    let wish = run::Wish {
        configuration,
        kind: Kind::PlanAndApply,
        auto_apply: true,
        options: run::Options::default(),
    };
    let run = run::create(ctx, &workspace, wish).await.unwrap().id;
    plan(&core.next_job(&corpus()).await).await;
    let line = core.next_job(&corpus()).await;
    let said = OfRunner {
        found: found(),
        derived: true,
    };
    let begun = line.begin(said).await.unwrap();
    assert!(matches!(begun, Begun::Verified(_)), "{begun:?}");
    let state = serde_json::json!({
        "version": 4, "terraform_version": "1.11.4", "serial": 1, "lineage": "drifting", "outputs": {}, "resources": [],
    });
    let bytes = Bytes::from(state.to_string());
    line.put_state(bytes).await.unwrap();
    line.done(Ended::Applied).await.unwrap();
    until_judged(core, ctx, &run).await;
    workspace
}

/// Somebody looks for drift, and thinks better of it.
async fn looks(ctx: &Ctx, workspace: &Workspace, hours: u64) {
    let shown = workspace::show(ctx, workspace).await.unwrap();
    let scope = Scope::Workspace(shown.id.parse().unwrap());
    drift::set(ctx, scope, Some(hours)).await.unwrap();
    let look = drift::start(ctx, workspace, String::new()).await.unwrap();
    act::cancel(ctx, &look.id, None).await.unwrap();
}

/// What happens on the first day.
pub(super) async fn first(core: &Arc<Core>, ctx: &Ctx) {
    agent::create(ctx, name("first")).await.unwrap();
    set_of_variables(ctx, "first").await;
    priced(ctx, "first").await;
    let (workspace, configuration) = prepared(core, ctx, "runs", 2).await;
    half_agreed(core, ctx, (&workspace, &configuration)).await;
    told(core, ctx, &workspace, "first").await;
    let workspace = Box::pin(applied(core, ctx, "drifting")).await;
    looks(ctx, &workspace, 48).await;
    Box::pin(overruled(core, ctx, "judged")).await;
}

/// What happens on the second: the first run ends, another takes its place.
pub(super) async fn second(core: &Arc<Core>, ctx: &Ctx) {
    agent::create(ctx, name("second")).await.unwrap();
    set_of_variables(ctx, "second").await;
    priced(ctx, "second").await;
    let workspace = Workspace::Name(name("runs"));
    told(core, ctx, &workspace, "second").await;
    let runs = run::list(ctx, &workspace, 1, 10).await.unwrap();
    let first = &runs.items[0];
    let why = Some("not today".to_owned());
    act::withdraw(ctx, &first.id, None).await.unwrap();
    act::discard(ctx, &first.id, why).await.unwrap();
    let configuration = first.configuration.parse().unwrap();
    half_agreed(core, ctx, (&workspace, &configuration)).await;
    looks(ctx, &Workspace::Name(name("drifting")), 24).await;
    Box::pin(applied(core, ctx, "judged-states")).await;
    let sets = policy::list(ctx).await.unwrap();
    let first = sets.iter().find(|set| set.name == "judged").unwrap();
    let id = first.id.parse().unwrap();
    let wish = policy::Wish {
        replay_hours: Some(0),
        ..policy::Wish::default()
    };
    policy::update(ctx, &id, wish).await.unwrap();
    let bundle = Bytes::from_static(b"another");
    publish::publish(ctx, &id, bundle).await.unwrap();
    Box::pin(overruled(core, ctx, "judged-again")).await;
}
