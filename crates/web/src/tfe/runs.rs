//! Runs, as terraform's `cloud` block starts, follows, confirms and stops them.
//!
//! Terraform crashes where a relation of a run is missing, applies only what has `has-changes`, and takes every status but
//! `pending` and `confirmed` for one whose log can be read; what it is told is said by the machine of runs itself. Of a refusal
//! it shows its user the detail and nothing else, so the way out stands there.

mod told;

use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use statehouse_core::cost::seen::Standing;
use statehouse_core::run::act::Decision;
use statehouse_core::run::machine::Kind;
use statehouse_core::run::waits::Naming;
use statehouse_core::run::{self, Options, PAGE_MAX, RunView, Said, Wish, act};
use statehouse_core::workspace::{self, Workspace};
use statehouse_core::{Ctx, Error};
use statehouse_model::{ConfigurationId, Permission, RunId, WorkspaceId};

use super::document::Document;
use super::instant::{self, Instant};
use super::query::{Query, Sizes};
use super::sent::{Attributes, Plain, Sent};
use super::workspaces::of_id;
use crate::auth::{self, Asker, At};
use crate::people::{self, People};
use crate::problem::Problem;
use crate::waits;
pub(crate) use told::Told;
use told::resource;

const PAGE: Sizes = Sizes::whole(PAGE_MAX);

/// What may be beside one run.
pub(crate) const INCLUDES: &[&str] = &[
    "workspace",
    "plan",
    "apply",
    "configuration-version",
    "task-stages",
    "cost-estimate",
];
/// What clients ask to be beside runs, and what is never there.
pub(crate) const PASSED: &[&str] = &[
    "task-stages",
    "created-by",
    "cost-estimate",
    "run-events",
    "configuration-version.ingress-attributes",
];

/// A variable of a run alone.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Variable {
    key: String,
    /// A literal of HCL.
    value: String,
}

/// A run to start.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Start {
    /// Whether it is applied without being confirmed; as the workspace says, unless said.
    auto_apply: Option<bool>,
    /// Plan to destroy everything.
    is_destroy: Option<bool>,
    /// Plan to look at it, and nothing more.
    plan_only: Option<bool>,
    /// Keep the plan until somebody applies it.
    save_plan: Option<bool>,
    /// Whether to look for what changed outside.
    refresh: Option<bool>,
    /// Only take in what changed outside.
    refresh_only: Option<bool>,
    /// Addresses that the plan is limited to.
    target_addrs: Option<Vec<String>>,
    /// Addresses that are to be made anew.
    replace_addrs: Option<Vec<String>>,
    /// Variables of this run alone.
    variables: Option<Vec<Variable>>,
    /// What its starter says about it.
    message: Option<String>,
    /// Only `false`.
    allow_config_generation: Option<bool>,
}

impl Start {
    fn kind(&self, speculative: bool) -> Kind {
        let said = |flag: Option<bool>| flag == Some(true);
        if speculative || said(self.plan_only) {
            Kind::PlanOnly
        } else if said(self.save_plan) {
            Kind::SavedPlan
        } else if said(self.is_destroy) {
            Kind::Destroy
        } else if said(self.refresh_only) {
            Kind::RefreshOnly
        } else {
            Kind::PlanAndApply
        }
    }

    fn options(self) -> Options {
        let variables = self.variables.unwrap_or_default().into_iter();
        Options {
            destroy: self.is_destroy == Some(true),
            refresh_only: self.refresh_only == Some(true),
            no_refresh: self.refresh == Some(false),
            targets: self.target_addrs.unwrap_or_default(),
            replace: self.replace_addrs.unwrap_or_default(),
            variables: variables.map(|each| (each.key, each.value)).collect(),
            message: self.message.unwrap_or_default(),
            ..Options::default()
        }
    }
}

/// Starts a run of a configuration.
pub(crate) async fn create(asker: Asker, sent: Sent<Start>) -> Result<Document, Problem> {
    let missing = |what: &str| Problem::unprocessable(format!("a run relates to its `{what}`"));
    let workspace: Option<WorkspaceId> = sent.relationships.maybe("workspace", "workspaces")?;
    let workspace = workspace.ok_or_else(|| missing("workspace"))?;
    let configuration: Option<ConfigurationId> = sent
        .relationships
        .maybe("configuration-version", super::configurations::KIND)?;
    let configuration = configuration.ok_or_else(|| missing("configuration-version"))?;
    let ctx = asker.house_of(&workspace).await?;
    let start = sent.attributes;
    if start.allow_config_generation == Some(true) {
        return Err(Problem::unprocessable(
            "configuration is not generated here: run `terraform plan -generate-config-out` where the code is",
        ));
    }
    let found = statehouse_core::configuration::show(&ctx, &configuration).await?;
    let workspace = Workspace::Id(workspace);
    let auto_apply = match start.auto_apply {
        Some(said) => said,
        None => workspace::full(&ctx, &workspace).await?.auto_apply,
    };
    let wish = Wish {
        configuration,
        kind: start.kind(found.speculative),
        auto_apply,
        options: start.options(),
    };
    let made = run::create(&ctx, &workspace, wish).await.map_err(refused)?;
    let made = run::show(&ctx, &made.id).await?;
    Ok(Document::made(named(&asker, &made).await?))
}

/// A run with the names of those whom it speaks of.
pub(super) async fn named(asker: &Asker, run: &RunView) -> Result<Value, Problem> {
    let accounts = people::accounts(waits::actors(run));
    let people = People::of(asker.core(), accounts).await?;
    Ok(resource(run, &people))
}

/// The same of several, in as many journeys.
async fn all_named(asker: &Asker, runs: &[RunView]) -> Result<Vec<Value>, Problem> {
    let accounts = people::accounts(runs.iter().flat_map(waits::actors));
    let people = People::of(asker.core(), accounts).await?;
    Ok(runs.iter().map(|run| resource(run, &people)).collect())
}

/// A refusal in the form that terraform shows whole.
pub(super) fn refused(error: Error) -> Problem {
    Problem::from(error).into_conflict().in_detail(None)
}

pub(super) async fn of_run(asker: &Asker, text: &str) -> Result<(Ctx, RunId), Problem> {
    let id: RunId = auth::id(text)?;
    Ok((asker.house_of(&id).await?, id))
}

/// One run.
pub(crate) async fn show(
    asker: Asker,
    At(id): At<String>,
    query: Query,
) -> Result<Document, Problem> {
    let (ctx, id) = of_run(&asker, &id).await?;
    let naming = match query.get("people") {
        Some("true") => Naming::People,
        _ => Naming::Nobody,
    };
    let found = run::show_naming(&ctx, &id, naming).await?;
    let mut beside = Vec::new();
    if query.includes("workspace") {
        let of = Workspace::Id(auth::id(&found.workspace)?);
        let full = workspace::full(&ctx, &of).await?;
        beside.push(super::workspaces::resource(&ctx, &full));
    }
    if query.includes("plan") {
        beside.push(super::plans::plan_resource(&asker, &ctx, &found).await?);
    }
    if query.includes("apply") {
        beside.push(super::plans::apply_resource(&asker, &ctx, &found).await?);
    }
    if query.includes("configuration-version") {
        let id = auth::id(&found.configuration)?;
        let of = statehouse_core::configuration::show(&ctx, &id).await?;
        beside.push(super::configurations::resource(asker.origin(), &of));
    }
    if query.includes("task-stages") && super::task_stages::is_judged(&found) {
        beside.push(super::task_stages::of(&asker, &ctx, &found).await?);
    }
    let may_see = found.may.contains(&Permission::RunRead);
    if query.includes("cost-estimate") && found.cost != Standing::Untold && may_see {
        beside.push(super::cost_estimates::beside(&ctx, &found.id).await?);
    }
    Ok(Document::one(named(&asker, &found).await?).including(beside))
}

/// A page of a workspace's runs, the newest first.
pub(crate) async fn list(
    asker: Asker,
    At(id): At<String>,
    query: Query,
) -> Result<Document, Problem> {
    let (ctx, workspace) = of_id(&asker, &id).await?;
    let (number, size) = (query.number()?.unwrap_or(1), query.size(PAGE)?);
    let found = run::list(&ctx, &workspace, number as u64, size).await?;
    let path = format!("/api/v2/workspaces/{workspace}/runs");
    let pages = query.pages(&path, found.total, PAGE)?;
    Ok(Document::page(
        all_named(&asker, &found.items).await?,
        &pages,
    ))
}

/// What happened to a run.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Happened {
    /// What, a word of the ledger.
    action: String,
    /// What it was about, an address for instance; empty where the action says all.
    about: String,
    /// The status after it.
    description: String,
    created_at: Option<Instant>,
    /// Who did it.
    actor: String,
    /// What they are called, where it was an account.
    actor_name: Option<String>,
    /// What they said beside it; `null` where they said nothing, and where `comment-fault` stands.
    comment: Option<String>,
    /// That something was said which is not there any more as it was written; absent otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    comment_fault: Option<&'static str>,
}

/// The id of something that happened to a run.
pub(super) fn event_id(kind: &str, run: &RunId, number: u64) -> String {
    format!(
        "{kind}-{}-{number}",
        run.as_str().trim_start_matches("run-")
    )
}

/// What happened to a run, the oldest first.
pub(crate) async fn events(asker: Asker, At(id): At<String>) -> Result<Document, Problem> {
    let (ctx, run) = of_run(&asker, &id).await?;
    let found = run::events(&ctx, &run).await?;
    let accounts = people::accounts(found.iter().map(|event| event.actor.as_str()));
    let people = People::of(asker.core(), accounts).await?;
    let told = found.into_iter().map(|event| {
        let id = event_id("re", &run, event.number);
        let attributes = Happened {
            action: event.event,
            about: event.about,
            description: event.status,
            created_at: instant::at(event.at),
            actor_name: people.name(&event.actor),
            actor: event.actor,
            comment: event.said.words().map(str::to_owned),
            comment_fault: event.said.is_altered().then_some(Said::ALTERED),
        };
        json!({ "type": "run-events", "id": id, "attributes": attributes })
    });
    Ok(Document::list(told.collect()))
}

/// What somebody says beside an act.
#[derive(Default, Deserialize, JsonSchema)]
pub(crate) struct Comment {
    comment: Option<String>,
}

/// Says that a run shall be applied.
pub(crate) async fn confirm(
    asker: Asker,
    At(id): At<String>,
    said: Plain<Comment>,
) -> Result<StatusCode, Problem> {
    let (ctx, id) = of_run(&asker, &id).await?;
    let done = act::confirm(&ctx, &id, said.0.comment).await;
    done.map_err(refused)?;
    Ok(StatusCode::ACCEPTED)
}

/// Says that it shall not.
pub(crate) async fn discard(
    asker: Asker,
    At(id): At<String>,
    said: Plain<Comment>,
) -> Result<StatusCode, Problem> {
    let (ctx, id) = of_run(&asker, &id).await?;
    let done = act::discard(&ctx, &id, said.0.comment).await;
    done.map_err(refused)?;
    Ok(StatusCode::ACCEPTED)
}

/// Asks it to stop.
pub(crate) async fn cancel(
    asker: Asker,
    At(id): At<String>,
    said: Plain<Comment>,
) -> Result<StatusCode, Problem> {
    let (ctx, id) = of_run(&asker, &id).await?;
    let done = act::cancel(&ctx, &id, said.0.comment).await;
    done.map_err(refused)?;
    Ok(StatusCode::ACCEPTED)
}

/// Stops it by force.
pub(crate) async fn force_cancel(
    asker: Asker,
    At(id): At<String>,
    said: Plain<Comment>,
) -> Result<StatusCode, Problem> {
    let (ctx, id) = of_run(&asker, &id).await?;
    let done = act::force_cancel(&ctx, &id, said.0.comment).await;
    done.map_err(refused)?;
    Ok(StatusCode::ACCEPTED)
}

/// A word about what a run would apply.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Word {
    /// The digest of the capsule that was looked at; the run says it.
    capsule: String,
    comment: Option<String>,
}

async fn word(
    asker: &Asker,
    id: &str,
    word: Word,
    decision: Decision,
) -> Result<Document, Problem> {
    let (ctx, id) = of_run(asker, id).await?;
    let digest = hex::decode(&word.capsule).ok();
    let digest = digest.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    let wrong = || Problem::unprocessable("`capsule` is no SHA-256 in hex: take it from the run");
    let digest = digest.ok_or_else(wrong)?;
    act::decide(&ctx, &id, decision, digest, word.comment).await?;
    let now = run::show_naming(&ctx, &id, Naming::People).await?;
    Ok(Document::one(named(asker, &now).await?))
}

/// Approves what a run would apply.
pub(crate) async fn approve(
    asker: Asker,
    At(id): At<String>,
    Attributes(said): Attributes<Word>,
) -> Result<Document, Problem> {
    word(&asker, &id, said, Decision::Approve).await
}

/// Rejects it.
pub(crate) async fn reject(
    asker: Asker,
    At(id): At<String>,
    Attributes(said): Attributes<Word>,
) -> Result<Document, Problem> {
    word(&asker, &id, said, Decision::Reject).await
}

/// Takes an approval back.
pub(crate) async fn withdraw(
    asker: Asker,
    At(id): At<String>,
    said: Plain<Comment>,
) -> Result<Document, Problem> {
    let (ctx, id) = of_run(&asker, &id).await?;
    act::withdraw(&ctx, &id, said.0.comment).await?;
    let now = run::show_naming(&ctx, &id, Naming::People).await?;
    Ok(Document::one(named(&asker, &now).await?))
}

/// How many runs wait and work.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Capacity {
    pending: usize,
    running: usize,
}

/// How many runs wait and work in an organization, as terraform asks while it waits.
pub(crate) async fn capacity(
    asker: Asker,
    At(organization): At<String>,
) -> Result<Document, Problem> {
    let ctx = asker.organization(&organization).await?;
    let (pending, running) = run::counts(&ctx).await?;
    let attributes = Capacity { pending, running };
    Ok(Document::one(json!({
        "type": "organization-capacity",
        "id": organization,
        "attributes": attributes,
    })))
}

/// The runs of an organization that wait or work, the oldest first.
pub(crate) async fn queue(
    asker: Asker,
    At(organization): At<String>,
    query: Query,
) -> Result<Document, Problem> {
    let ctx = asker.organization(&organization).await?;
    let found = run::queue(&ctx).await?;
    let told = all_named(&asker, &found).await?.into_iter();
    let placed = told.enumerate().map(|(index, mut told)| {
        if let Some(position) = told.pointer_mut("/attributes/position-in-queue") {
            *position = Value::from(index);
        }
        told
    });
    let path = format!("/api/v2/organizations/{organization}/runs/queue");
    let (page, pages) = query.page(&path, placed.collect(), PAGE)?;
    Ok(Document::page(page, &pages))
}

/// The runs of an organization that wait for something that the caller may do, the oldest first; whether there may be `more`, and how many are `unread`, for
/// they do not read as they were written, the document itself says.
pub(crate) async fn waiting(
    asker: Asker,
    At(organization): At<String>,
    query: Query,
) -> Result<Document, Problem> {
    let ctx = asker.organization(&organization).await?;
    let found = run::waits::waiting(&ctx).await?;
    let path = format!("/api/v2/organizations/{organization}/runs/waiting");
    let runs = all_named(&asker, &found.runs).await?;
    let (page, pages) = query.page(&path, runs, PAGE)?;
    let more = [("more", found.more.into()), ("unread", found.unread.into())];
    Ok(Document::page(page, &pages).told(more))
}

/// Whether the caller may see plans and logs.
pub(super) fn may_read(run: &RunView) -> bool {
    run.may.contains(&Permission::RunRead)
}
