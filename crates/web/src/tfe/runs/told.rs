//! A run as clients read one.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};
use statehouse_core::cost::seen::Standing as Cost;
use statehouse_core::policy::seen::Standing;
use statehouse_core::run::RunView;
use statehouse_core::run::counted;
use statehouse_core::run::explained::POLICIES;
use statehouse_core::run::machine::{Kind, Status};
use statehouse_core::run::waits::Awaited;
use statehouse_model::{ActorId, ApplyId, Permission, PlanId, TaskStageId};

use super::super::document::{to, to_many, to_one};
use super::super::instant::{self, Instant};
use super::super::{state_verdicts, task_stages};
use crate::people::People;
use crate::waits;

const KIND: &str = "runs";
/// For how long after that clients are told that policies are looking at it, in microseconds.
const SEEN_AFTER_US: i64 = 4_000_000;

/// What is told of a run. Some of it only because clients look for it: what never changes here says so.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "these are the words of the clients"
)]
pub(crate) struct Told {
    /// In the words of the platform's clients.
    status: &'static str,
    /// In our own, which are finer.
    stage: &'static str,
    /// What it is for: `plan_and_apply`, `plan_only`, `saved_plan`, `destroy`, `refresh_only`, …
    purpose: &'static str,
    /// Why it ended so, a word; empty where there is nothing to say.
    reason: String,
    message: String,
    /// What its workspace is called.
    workspace_name: Option<String>,
    /// What its starter is called, where it was an account.
    created_by_name: Option<String>,
    /// Always `tfe-api`.
    source: &'static str,
    auto_apply: bool,
    /// Whether somebody said that it shall be applied.
    confirmed: bool,
    is_destroy: bool,
    plan_only: bool,
    save_plan: bool,
    refresh: bool,
    refresh_only: bool,
    target_addrs: Vec<String>,
    replace_addrs: Vec<String>,
    /// Whether the plan changes anything.
    has_changes: bool,
    /// Its place among the runs of its workspace.
    sequence: u64,
    /// The digest of what would be applied, in hex: what an approval names.
    capsule: Option<String>,
    /// The id of the version of the state that it planned on.
    base: Option<String>,
    /// What kept its jobs apart, of all that a runner took the weakest: `strict`, `process`, or `unknown` where what was written down of it was
    /// altered; `null` before, and in lists.
    sandbox: Option<String>,
    /// Why it is not `strict`, as the site of the runner says; absent where there is nothing to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    sandbox_reason: Option<String>,
    /// The approvals that it needs and has: while it waits for them, and as they were when it began to apply; absent otherwise, and in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    approvals: Option<Approvals>,
    /// All that must come before it goes on; absent in lists, and where something of it was altered.
    #[serde(skip_serializing_if = "Option::is_none")]
    waits_for: Option<Vec<WaitsFor>>,
    /// What of that the caller may do: `confirm`, `approve`, `override`; absent where that is not told.
    #[serde(skip_serializing_if = "Option::is_none")]
    waits_for_me: Option<Vec<&'static str>>,
    /// What policies are to it: `awaited` until they were asked of its plan, then what they came to: `passed`, `advised`, `soft-failed` or `hard-failed`;
    /// absent where they have nothing to do with it, and in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    policies: Option<&'static str>,
    /// What policies say of the state that it left when it was applied, in the same words; absent where none judges it, and in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    state_policies: Option<&'static str>,
    /// Always 0, unless a queue is asked for.
    position_in_queue: u64,
    created_at: Option<Instant>,
    changed_at: Option<Instant>,
    actions: Actions,
    permissions: May,
}

/// The approvals of a run.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
struct Approvals {
    /// How many are needed, by what was planned and by what is asked now.
    needed: u32,
    /// How many count.
    counted: u64,
    /// The ids of those who gave them.
    by: Vec<String>,
    /// What they are called.
    by_names: Vec<String>,
    /// Whether one of the caller's counts, or would.
    own_counts: bool,
    /// Why it does not, in words to the caller; `null` where it does, or where nobody's does any more.
    own_reason: Option<String>,
}

impl Approvals {
    fn of(found: &counted::Approvals, people: &People) -> Self {
        let by = || found.by.iter().map(ActorId::as_str);
        Self {
            needed: found.needed,
            counted: found.counted() as u64,
            by: by().map(str::to_owned).collect(),
            by_names: by().map(|who| people.called(who)).collect(),
            own_counts: found.own == counted::Own::Counts,
            own_reason: found.own.why_not().map(str::to_owned),
        }
    }
}

/// Something that must come before a run goes on.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
struct WaitsFor {
    /// `run` (another one holds the workspace), `earlier` (others have their turn first), `lock`, `thaw`, `runner`, `nobody` (a hard-mandatory policy is
    /// against it), `another` (other policies are in force than judged it: start another run), `confirm`, `approve`, `override`.
    what: &'static str,
    /// The same for people, in a sentence.
    words: String,
    /// The run that it waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<String>,
    /// How many runs of its workspace come before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    ahead: Option<u64>,
    /// How many people must.
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<u32>,
    /// What that needs.
    #[serde(skip_serializing_if = "Option::is_none")]
    permission: Option<&'static str>,
    /// The ids of people who may, where `people=true` is asked, for whoever may see who holds which role; the first of them, where they are many.
    #[serde(skip_serializing_if = "Option::is_none")]
    people: Option<Vec<String>>,
}

impl WaitsFor {
    fn of(awaited: &Awaited, run: &RunView, people: &People) -> Self {
        let mut told = Self {
            what: "nobody",
            words: waits::sentence(awaited, run, people),
            run: None,
            ahead: None,
            missing: None,
            permission: None,
            people: None,
        };
        match awaited {
            Awaited::Run { id, .. } => {
                told.what = "run";
                told.run = Some(id.to_string());
            }
            Awaited::Earlier(ahead) => {
                told.what = "earlier";
                told.ahead = Some(*ahead);
            }
            Awaited::Lock(_) => told.what = "lock",
            Awaited::Thaw => told.what = "thaw",
            Awaited::Runner(_) => told.what = "runner",
            Awaited::Nobody => {}
            Awaited::Another => told.what = "another",
            Awaited::Person(deed, candidates) => {
                let named = candidates.people.as_ref();
                told.what = deed.as_str();
                told.missing = Some(candidates.missing);
                told.permission = Some(deed.permission().as_str());
                told.people = named.map(|named| named.iter().map(ToString::to_string).collect());
            }
        }
        told
    }
}

/// What can be done with it.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "these are the words of the clients"
)]
struct Actions {
    is_cancelable: bool,
    is_confirmable: bool,
    is_discardable: bool,
    is_force_cancelable: bool,
}

/// What the caller may do.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "these are the words of the clients"
)]
struct May {
    can_apply: bool,
    can_cancel: bool,
    can_comment: bool,
    can_discard: bool,
    can_force_cancel: bool,
    can_force_execute: bool,
    can_override_policy_check: bool,
    can_approve: bool,
}

/// The status for the platform's clients. Terraform looks once a second, and shows no plan of a run that had failed when it looked first
/// after the plan: one that policies have ended is told as one that they are looking at for as long. `stage` says at once how it is.
fn status(run: &RunView) -> &'static str {
    let is_said = matches!(run.policies, Standing::Said(_)) && run.reason == POLICIES;
    let is_fresh = (0..SEEN_AFTER_US).contains(&run.seen_at.saturating_sub(run.changed_at));
    if run.state.status() == Status::Errored && is_said && is_fresh {
        Status::Assessing.platform_word()
    } else {
        run.state.platform_word()
    }
}

fn waits_for(run: &RunView, people: &People) -> Option<Vec<WaitsFor>> {
    let waits = run.waits.as_ref().filter(|waits| waits.is_whole)?;
    let told = waits
        .of
        .iter()
        .map(|awaited| WaitsFor::of(awaited, run, people));
    Some(told.collect())
}

fn policies(run: &RunView) -> Option<&'static str> {
    match run.policies {
        Standing::Untold => None,
        Standing::Awaited => Some("awaited"),
        Standing::Said(outcome) => Some(outcome.as_str()),
    }
}

impl Told {
    fn of(run: &RunView, people: &People) -> Self {
        let kind = run.state.kind();
        let options = run.options.clone().unwrap_or_default();
        let actions = run.state.actions();
        let may = |permission| run.may.contains(&permission);
        let apply = may(Permission::RunApply);
        let stop = if kind.may_apply() {
            apply
        } else {
            may(Permission::RunPlan)
        };
        Self {
            status: status(run),
            stage: run.state.status().as_str(),
            purpose: kind.as_str(),
            reason: run.reason.clone(),
            message: options.message,
            workspace_name: run.workspace_name.clone(),
            created_by_name: people.name(&run.actor),
            source: "tfe-api",
            auto_apply: run.state.stored().auto_apply,
            confirmed: run.state.is_confirmed(),
            is_destroy: kind == Kind::Destroy || options.destroy,
            plan_only: !kind.may_apply(),
            save_plan: kind == Kind::SavedPlan,
            refresh: !options.no_refresh,
            refresh_only: matches!(kind, Kind::RefreshOnly | Kind::Drift) || options.refresh_only,
            target_addrs: options.targets,
            replace_addrs: options.replace,
            has_changes: run.changes == Some(true),
            sequence: run.sequence,
            capsule: run.state.capsule().map(hex::encode),
            base: run.base.clone(),
            sandbox: run.sandbox.as_ref().map(|sandbox| sandbox.level.clone()),
            sandbox_reason: run
                .sandbox
                .as_ref()
                .and_then(|sandbox| sandbox.reason.clone()),
            approvals: run
                .approvals
                .as_ref()
                .map(|found| Approvals::of(found, people)),
            waits_for: waits_for(run, people),
            waits_for_me: run
                .waits
                .as_ref()
                .map(|waits| waits.mine.iter().map(|deed| deed.as_str()).collect()),
            policies: policies(run),
            state_policies: run.written.as_ref().map(state_verdicts::word),
            position_in_queue: 0,
            created_at: instant::at(run.created_at),
            changed_at: instant::at(run.changed_at),
            actions: Actions {
                is_cancelable: actions.is_cancelable,
                is_confirmable: actions.is_confirmable,
                is_discardable: actions.is_discardable,
                is_force_cancelable: actions.is_force_cancelable,
            },
            permissions: May {
                can_apply: apply,
                can_cancel: stop,
                can_comment: may(Permission::RunPlan),
                can_discard: apply,
                can_force_cancel: may(Permission::RunForce),
                can_force_execute: false,
                can_override_policy_check: may(Permission::PolicyOverride),
                can_approve: may(Permission::RunApprove),
            },
        }
    }
}

/// A run, and what it belongs to; `people` are those whom it names.
pub(in crate::tfe) fn resource(run: &RunView, people: &People) -> Value {
    let plan = PlanId::from(&run.id);
    let apply = ApplyId::from(&run.id);
    let stage = TaskStageId::from(&run.id);
    let stages = task_stages::is_judged(run).then(|| stage.as_str());
    // Terraform waits for one that a run relates to: where none will be made, there is none.
    let cost = match run.cost {
        Cost::Untold => to(super::super::cost_estimates::KIND, None),
        Cost::Awaited | Cost::Made(_) => super::super::costs::relation(&run.id),
    };
    json!({
        "type": KIND,
        "id": run.id.as_str(),
        "attributes": Told::of(run, people),
        "relationships": {
            "workspace": to_one(super::super::workspaces::KIND, &run.workspace),
            "configuration-version": to_one(super::super::configurations::KIND, &run.configuration),
            "created-by": to("users", run.actor.starts_with("user-").then_some(run.actor.as_str())),
            "plan": to_one("plans", plan.as_str()),
            "apply": to_one("applies", apply.as_str()),
            "cost-estimate": cost,
            "policy-checks": to_many("policy-checks", []),
            "task-stages": to_many(task_stages::KIND, stages),
            "run-events": to_many("run-events", []),
        },
        "links": { "self": format!("/api/v2/runs/{}", run.id) },
    })
}
