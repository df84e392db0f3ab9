//! A run: from a plan to a verified apply, or to the reason why not.
//!
//! Its life cycle is [`machine`], a pure function that every change of a run's
//! status passes ([`arrow`]); each is one change of the house, hence one leaf.
//! People act on a run ([`act`]), the server gives it its turn ([`turn`]), and
//! its runner works on it ([`work`]). What it was asked and what it made are
//! files, sealed and write-once ([`files`]).
//!
//! Deliberately absent: running anything. That is a runner's, in a process of its own.

pub mod act;
mod assess;
pub mod capsule;
pub mod copies;
pub mod counted;
mod ended;
mod events;
pub mod explained;
pub mod files;
pub mod logs;
pub mod machine;
#[cfg(test)]
mod model;
mod older;
#[cfg(test)]
mod papers;
pub(crate) mod removal;
pub(crate) mod sql;
#[cfg(test)]
mod tests;
pub mod turn;
pub mod waits;
pub mod work;
pub mod written;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use statehouse_model::{ActorId, ConfigurationId, Permission, RunId};
use statehouse_terraform::literal;

use crate::access::{self, Held};
use crate::configuration;
use crate::cost;
use crate::ctx::Ctx;
use crate::door::{self, Action, Entry, Outcome, Plan, Target, Tx, actions};
use crate::drift;
use crate::error::{Error, Kind as Trouble, Result};
use crate::execution::{self, Mode};
use crate::job::{self, sandbox::SandboxView};
use crate::object::Object;
use crate::policy::seen::{self, Standing};
use crate::record::Rows;
use crate::state::lock;
use crate::workspace::sql::Workspace as WorkspaceRow;
use crate::workspace::{self, Page, Workspace};
pub(crate) use ended::{end_all, end_restored};
pub use events::{EventView, Said, events};
use machine::{Event, Kind, State, Status, Stored};
use sql::{Run, RunEvent};

actions! {
    /// Start a run that only plans.
    PlanRun = "run.create" needs RunPlan;
    /// Start a run that may apply.
    CreateRun = "run.create" needs RunApply;
    /// See runs, and how far they are.
    ShowRun = "run.show" needs WorkspaceRead;
}

/// Runs on one page of a list.
pub const PAGE_MAX: usize = 100;
/// Addresses that one run is limited to, or makes anew.
const ADDRESSES_MAX: usize = 1000;
/// Longest message of a run, in bytes.
const MESSAGE_BYTES_MAX: usize = 4096;

/// How a run is to plan, and what was said about it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Options {
    /// Plan to destroy everything.
    pub destroy: bool,
    /// Only take in what changed outside.
    pub refresh_only: bool,
    /// Do not look for what changed outside.
    pub no_refresh: bool,
    /// Addresses that the plan is limited to.
    pub targets: Vec<String>,
    /// Addresses that are to be made anew.
    pub replace: Vec<String>,
    /// Variables of this run alone, as HCL literals.
    pub variables: BTreeMap<String, String>,
    /// What its starter says about it.
    pub message: String,
    /// What commitments to its variables are salted with, and what its runner keeps is sealed under.
    pub salt: String,
    /// Where in its configuration the root module is, as its workspace said when it was started: a plan is applied where it was made. Whoever
    /// starts one does not choose it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub working_directory: Option<String>,
}

impl Options {
    fn check(&self) -> Result<()> {
        let long = self.targets.len().max(self.replace.len()) > ADDRESSES_MAX;
        if long || self.variables.len() > ADDRESSES_MAX {
            let words = format!("a run has at most {ADDRESSES_MAX} addresses and variables");
            return Err(Error::invalid(words));
        }
        if self.message.len() > MESSAGE_BYTES_MAX {
            let words = format!("the message is longer than {MESSAGE_BYTES_MAX} bytes");
            return Err(Error::invalid(words));
        }
        for (key, value) in &self.variables {
            if key.is_empty() || key.contains('\0') {
                return Err(Error::invalid("a variable has no name"));
            }
            literal::to_json(value).map_err(|why| {
                let words = format!("the value of the variable `{key}` is no literal: {why}");
                Error::invalid(words).hint("send a literal of HCL: a text stands in quotes")
            })?;
        }
        if self.destroy && self.refresh_only {
            let words = "a run destroys everything or only takes in what changed, not both";
            return Err(Error::invalid(words));
        }
        // They become arguments of the tool: none may look like a switch of it.
        let odd = |address: &String| {
            address.is_empty() || address.starts_with('-') || address.contains('\0')
        };
        if let Some(address) = self
            .targets
            .iter()
            .chain(&self.replace)
            .find(|each| odd(each))
        {
            return Err(Error::invalid(format!(
                "`{address}` is no address of a resource"
            )));
        }
        Ok(())
    }
}

/// A run to start.
#[derive(Debug, Clone)]
pub struct Wish {
    /// The configuration; the newest one that was uploaded unless named.
    pub configuration: ConfigurationId,
    /// What it is for.
    pub kind: Kind,
    /// Whether it is applied without being confirmed.
    pub auto_apply: bool,
    /// How it is to plan.
    pub options: Options,
}

/// A run, for people and programs to read.
#[derive(Debug, Clone)]
pub struct RunView {
    /// Its id.
    pub id: RunId,
    /// Its workspace.
    pub workspace: String,
    /// What that is called, where it was looked up.
    pub workspace_name: Option<String>,
    /// Its configuration.
    pub configuration: String,
    /// Its place among the runs of its workspace.
    pub sequence: u64,
    /// How far it is, and what can be done with it.
    pub state: State,
    /// Why it ended so, a word.
    pub reason: String,
    /// Who started it.
    pub actor: String,
    /// Whether its plan changes anything; unknown until it is planned.
    pub changes: Option<bool>,
    /// The version of the state that it planned on.
    pub base: Option<String>,
    /// What kept its jobs apart, where one run is asked for and somebody took one.
    pub sandbox: Option<SandboxView>,
    /// The approvals that it needs and has, where one run is asked for that waits for them or began to apply.
    pub approvals: Option<counted::Approvals>,
    /// What it waits for, where one run is asked for.
    pub waits: Option<waits::Waits>,
    /// What policies are to it, where one run is asked for.
    pub policies: Standing,
    /// What is known of what it costs, where one run is asked for.
    pub cost: cost::seen::Standing,
    /// What policies say of the state that it left, where one run is asked for that applied.
    pub written: Option<written::WrittenView>,
    /// How it plans, where one run is asked for.
    pub options: Option<Options>,
    /// When it was started, in microseconds since 1970.
    pub created_at: i64,
    /// When its status changed last.
    pub changed_at: i64,
    /// When it began to apply, if it did.
    pub began_at: Option<i64>,
    /// When it was looked at.
    pub seen_at: i64,
    /// What the caller may do with it.
    pub may: BTreeSet<Permission>,
}

/// Permissions that [`RunView::may`] speaks of.
const TOLD: [Permission; 6] = [
    Permission::RunRead,
    Permission::RunPlan,
    Permission::RunApply,
    Permission::RunApprove,
    Permission::RunForce,
    Permission::PolicyOverride,
];

impl RunView {
    fn of(run: Run, may: BTreeSet<Permission>, seen_at: i64) -> Result<Self> {
        Ok(Self {
            state: run.state()?,
            workspace: run.workspace.to_string(),
            workspace_name: None,
            configuration: run.configuration.to_string(),
            sequence: run.sequence,
            reason: run.reason,
            actor: run.actor.to_string(),
            changes: run.changes,
            base: run.base.map(|base| base.to_string()),
            sandbox: None,
            approvals: None,
            waits: None,
            policies: Standing::Untold,
            cost: cost::seen::Standing::Untold,
            written: None,
            options: None,
            created_at: run.created_at,
            changed_at: run.changed_at,
            began_at: run.began_at,
            seen_at,
            may,
            id: run.id,
        })
    }
}

impl Run {
    /// The run as the machine knows it.
    pub(crate) fn state(&self) -> Result<State> {
        let unknown = |what: &str| Error::internal(format!("run {}: unknown {what}", self.id));
        let capsule = match self.capsule.as_deref().map(<[u8; 32]>::try_from) {
            None => None,
            Some(digest) => Some(digest.map_err(|_| unknown("capsule"))?),
        };
        Ok(State::recall(Stored {
            kind: Kind::from_word(&self.kind).ok_or_else(|| unknown("kind"))?,
            status: Status::from_word(&self.status).ok_or_else(|| unknown("status"))?,
            auto_apply: self.auto_apply,
            attempt: u32::try_from(self.attempt).map_err(|_| unknown("attempt"))?,
            losses: u8::try_from(self.losses).map_err(|_| unknown("losses"))?,
            capsule,
            under_policies: self.under_policies,
            approvals_suffice: self.approvals_suffice,
            confirmed: self.confirmed,
            cancel_requested: self.cancel_requested,
            holds_lock: self.holds_lock,
        }))
    }

    fn keep(&mut self, state: &State, now: i64) {
        let stored = state.stored();
        stored.kind.as_str().clone_into(&mut self.kind);
        stored.status.as_str().clone_into(&mut self.status);
        self.auto_apply = stored.auto_apply;
        self.attempt = u64::from(stored.attempt);
        self.losses = u64::from(stored.losses);
        self.capsule = stored.capsule.map(|digest| digest.to_vec());
        self.under_policies = stored.under_policies;
        self.approvals_suffice = stored.approvals_suffice;
        self.confirmed = stored.confirmed;
        self.cancel_requested = stored.cancel_requested;
        self.holds_lock = stored.holds_lock;
        self.changed_at = now;
    }

    /// Whether the lock of its workspace is the one that it took.
    pub(crate) fn has_lock(&self, workspace: &WorkspaceRow) -> bool {
        workspace.lock_id.as_deref() == Some(self.id.as_str())
            && self.fence == Some(workspace.fence)
    }
}

/// Moves a run by one arrow of the machine, with its lock and its open job, and
/// writes it down. Says what the leaf is to say.
pub(crate) async fn arrow<A: Action>(tx: &mut Tx<A>, run: &mut Run, event: Event) -> Result<Entry> {
    let wanted = Workspace::Id(run.workspace.clone());
    let mut workspace = workspace::sql::needed(tx, &wanted).await?;
    let word = event.as_str();
    let before = run.state()?;
    let after = machine::next(&before, event)
        .map_err(|refused| Error::new(Trouble::Conflict, format!("run {}: {refused}", run.id)))?;
    if after.holds_lock() && !before.holds_lock() {
        lock::take_for_run(tx, &mut workspace, &run.id).await?;
        run.fence = Some(workspace.fence);
    }
    if before.holds_lock() && !after.holds_lock() && run.has_lock(&workspace) {
        lock::release_of_run(tx, &mut workspace).await?;
    }
    if before.status().has_runner() && !after.status().has_runner() {
        job::end_of(tx, &run.id, job::DONE).await?;
    }
    run.keep(&after, tx.now());
    tx.put(run).await?;
    if before.status() == Status::Applying && after.status().is_final() {
        written::await_it(tx, run, &workspace).await?;
    }
    if ends_unknowing(&before, &after) {
        drift::conclude(tx, run, None).await?;
    }
    happened(tx, run, word).await?;
    let mut entry = Entry::new(&run.id);
    if after.status() == Status::StateTampered {
        workspace::freeze::beside_run(tx, &workspace, &run.id).await?;
        // Who is kept out reads the words of this leaf.
        let words = format!(
            "{} found that something was altered: {}",
            run.id, run.reason
        );
        entry = entry.detail(Some(&words));
    }
    Ok(entry
        .fact("event", word)
        .fact("status", run.status.as_str())
        .fact("workspace", run.workspace.as_str()))
}

/// Whether a look for drift has ended and found nothing out; what it finds is
/// written down by who reads it.
fn ends_unknowing(before: &State, after: &State) -> bool {
    let ended = !before.status().is_final() && after.status().is_final();
    ended && after.kind() == Kind::Drift && after.status() != Status::PlannedAndFinished
}

/// Writes down that something happened to a run.
async fn happened<A: Action>(tx: &mut Tx<A>, run: &Run, event: &str) -> Result<()> {
    happened_about(tx, run, (event, String::new())).await
}

/// The same, and what it was about.
async fn happened_about<A: Action>(
    tx: &mut Tx<A>,
    run: &Run,
    (event, about): (&str, String),
) -> Result<()> {
    let number = sql::next_number(tx, &run.id).await?;
    let happened = RunEvent {
        run: run.id.clone(),
        number,
        event: event.to_owned(),
        about,
        status: run.status.clone(),
        actor: tx.actor().to_owned(),
        created_at: tx.now(),
    };
    tx.put(&happened).await
}

/// Starts a run. Who starts one that may apply needs the permission to apply.
pub async fn create(ctx: &Ctx, workspace: &Workspace, wish: Wish) -> Result<RunView> {
    if wish.kind.may_apply() {
        create_as(ctx, CreateRun, workspace, wish).await
    } else {
        create_as(ctx, PlanRun, workspace, wish).await
    }
}

async fn create_as<A: Action>(
    ctx: &Ctx,
    action: A,
    workspace: &Workspace,
    wish: Wish,
) -> Result<RunView> {
    wish.options.check()?;
    let id = RunId::from_entropy(ctx.house().code(), crate::entropy());
    let salted = Options {
        salt: hex::encode(crate::random::<32>()),
        refresh_only: wish.options.refresh_only || wish.kind == Kind::Drift,
        working_directory: Some(directory_of(ctx, action, workspace).await?),
        ..wish.options.clone()
    };
    let text = serde_json::to_vec(&salted)
        .map_err(|error| Error::internal(format!("options of a run: {error}")))?;
    let options = files::prepare(ctx, &id, files::Kind::Options, 0, Bytes::from(text)).await?;
    let plan = Plan {
        weight: options.weight(),
        asks: Vec::new(),
    };
    let file = options.row.id.clone();
    let given = Arc::new((id, wish, options, workspace.clone(), ctx.clone()));
    let target = Target::Workspace(workspace.clone());
    let made = door::planned(ctx, action, target, plan, move |tx| {
        let given = given.clone();
        Box::pin(async move {
            let (id, wish, options, wanted, ctx) = &*given;
            let run = fresh(tx, ctx, id, wish, wanted).await?;
            tx.put(&run).await?;
            happened(tx, &run, "create").await?;
            files::store(tx, options).await?;
            let entry = files::told(Entry::new(&run.id), &options.row)
                .fact("workspace", run.workspace.as_str())
                .fact("configuration", run.configuration.as_str())
                .fact("run-kind", run.kind.as_str())
                .fact("auto-apply", run.auto_apply);
            let may = allowed(tx, ctx, &run).await?;
            Ok(Outcome::Recorded(RunView::of(run, may, tx.now())?, entry))
        })
    })
    .await;
    files::forget_refused(ctx, &file, &made);
    if made.is_ok() {
        ctx.house().work_is_there();
    }
    made
}

/// Where a workspace has the root module of its configurations.
async fn directory_of<A: Action>(ctx: &Ctx, action: A, workspace: &Workspace) -> Result<String> {
    let wanted = workspace.clone();
    let target = Target::Workspace(workspace.clone());
    door::read(ctx, action, &target, move |rows| {
        Box::pin(async move {
            let workspace = workspace::sql::needed(rows, &wanted).await?;
            let setting = workspace::sql::setting(rows, &workspace.id).await?;
            Ok(setting.map_or_else(String::new, |setting| setting.working_directory))
        })
    })
    .await
}

/// Refuses runs where terraform itself makes them.
pub(crate) async fn require_remote(rows: &mut Rows, workspace: &WorkspaceRow) -> Result<()> {
    if execution::of(rows, workspace).await?.mode != Mode::Local {
        return Ok(());
    }
    let words = format!(
        "the runs of workspace `{}` happen where terraform is started: its execution mode is `local`",
        workspace.name
    );
    Err(Error::new(Trouble::Conflict, words)
        .hint("`statehouse execution set --workspace NAME --mode remote` has them made here"))
}

/// A run that is new, if it may be.
async fn fresh<A: Action>(
    tx: &mut Tx<A>,
    ctx: &Ctx,
    id: &RunId,
    wish: &Wish,
    wanted: &Workspace,
) -> Result<Run> {
    let workspace = workspace::sql::needed(tx, wanted).await?;
    require_remote(tx, &workspace).await?;
    if wish.kind.may_apply() {
        workspace::freeze::require_thawed(tx, &workspace).await?;
    }
    let configuration = configuration::needed(tx, wanted, &wish.configuration).await?;
    if configuration.status != configuration::UPLOADED {
        let words = format!("the archive of {} has not come yet", configuration.id);
        return Err(Error::new(Trouble::Conflict, words).hint("upload it, then start the run"));
    }
    if configuration.speculative && wish.kind.may_apply() {
        let words = format!("{} was uploaded to be planned only", configuration.id);
        return Err(Error::new(Trouble::Conflict, words));
    }
    if wish.kind == Kind::Drift {
        drift::require(tx, ctx, &workspace, &configuration.id).await?;
    }
    let newest = sql::newest(tx, &workspace.id).await?;
    let now = tx.now();
    let mut run = Run {
        id: id.clone(),
        workspace: workspace.id,
        configuration: configuration.id,
        sequence: newest.map_or(1, |newest| newest.sequence + 1),
        kind: String::new(),
        status: String::new(),
        reason: String::new(),
        actor: ActorId::from(ctx.actor()),
        auto_apply: false,
        attempt: 0,
        losses: 0,
        capsule: None,
        under_policies: false,
        approvals_suffice: false,
        confirmed: false,
        cancel_requested: false,
        holds_lock: false,
        changes: None,
        fence: None,
        base: None,
        began_at: None,
        created_at: now,
        changed_at: now,
    };
    run.keep(&State::new(wish.kind, wish.auto_apply), now);
    Ok(run)
}

/// A run, which must be there.
pub(crate) async fn needed(rows: &mut Rows, id: &RunId) -> Result<Run> {
    let found = sql::by_id(rows, id).await?;
    found.ok_or_else(|| Error::not_found("run"))
}

async fn allowed(rows: &mut Rows, ctx: &Ctx, run: &Run) -> Result<BTreeSet<Permission>> {
    let now = ctx.house().now();
    let rights = access::Rights::of(rows, ctx, now).await?;
    let wanted = Workspace::Id(run.workspace.clone());
    let workspace = workspace::sql::needed(rows, &wanted).await?;
    let reaches = rights.reaches(&TOLD)?;
    Ok(reaches.that(|reach| reach.covers(&workspace.project, &workspace.id)))
}

/// One run, with how it plans.
pub async fn show(ctx: &Ctx, id: &RunId) -> Result<RunView> {
    show_naming(ctx, id, waits::Naming::Nobody).await
}

/// The same, with the people named who may do what it waits for, or not.
pub async fn show_naming(ctx: &Ctx, id: &RunId, naming: waits::Naming) -> Result<RunView> {
    let (wanted, asked) = (id.clone(), ctx.clone());
    let target = Target::Workspace(Workspace::OfRun(id.clone()));
    let (mut view, options) = door::read(ctx, ShowRun, &target, move |rows| {
        Box::pin(async move {
            let run = needed(rows, &wanted).await?;
            let options = files::find(rows, &run.id, files::Kind::Options).await?;
            let may = allowed(rows, &asked, &run).await?;
            let sandbox = job::sandbox::of_run(rows, &run.id).await?;
            let approvals = counted::of(rows, &asked, &run, &may).await?;
            let policies = seen::standing(rows, asked.house(), &run).await?;
            let cost = cost::seen::standing(rows, asked.house(), &run).await?;
            let waits = waits::of(rows, (&asked, naming), &run, approvals.as_ref()).await?;
            let workspace = capsule::workspace_of(rows, &run).await?;
            let view = RunView {
                sandbox,
                approvals,
                waits,
                workspace_name: Some(workspace.name.to_string()),
                policies,
                cost,
                written: written::of_run(rows, &run.id).await?,
                ..RunView::of(run, may, asked.house().now())?
            };
            Ok((view, options))
        })
    })
    .await?;
    view.options = Some(read_options(ctx, options).await?);
    Ok(view)
}

/// Opens the options of a run.
pub(crate) async fn read_options(
    ctx: &Ctx,
    found: Option<(Object, crate::blob::Stored)>,
) -> Result<Options> {
    let Some((object, stored)) = found else {
        return Err(Error::tampered("the options of a run are missing"));
    };
    let bytes = object.open(ctx, stored).await?;
    serde_json::from_slice(&bytes)
        .map_err(|error| Error::internal(format!("stored options of a run: {error}")))
}

/// A page of a workspace's runs, the newest first; `number` counts from 1.
pub async fn list(
    ctx: &Ctx,
    workspace: &Workspace,
    number: u64,
    size: usize,
) -> Result<Page<RunView>> {
    let (wanted, asked) = (workspace.clone(), ctx.clone());
    let target = Target::Workspace(workspace.clone());
    let size = size.min(PAGE_MAX) as u64;
    let offset = number.saturating_sub(1).saturating_mul(size);
    let [size, offset] = [size, offset].map(|each| i64::try_from(each).unwrap_or(i64::MAX));
    door::read(ctx, ShowRun, &target, move |rows| {
        Box::pin(async move {
            let workspace = workspace::sql::needed(rows, &wanted).await?;
            let found = sql::page(rows, &workspace.id, offset, size).await?;
            let total = sql::newest(rows, &workspace.id).await?;
            let total = total.map_or(0, |newest| newest.sequence);
            let may = match found.first() {
                Some(run) => allowed(rows, &asked, run).await?,
                None => BTreeSet::new(),
            };
            let now = asked.house().now();
            let view = |run| {
                Ok(RunView {
                    workspace_name: Some(workspace.name.to_string()),
                    ..RunView::of(run, may.clone(), now)?
                })
            };
            let items = found.into_iter().map(view);
            let items = items.collect::<Result<Vec<_>>>()?;
            Ok(Page { items, total })
        })
    })
    .await
}

/// Statuses in which a run waits for its turn, or works.
const IN_QUEUE: [Status; 8] = [
    Status::Pending,
    Status::Fetching,
    Status::Planning,
    Status::Planned,
    Status::Assessing,
    Status::Approved,
    Status::Verifying,
    Status::Applying,
];

/// Most runs that a queue tells of.
const QUEUE_MAX: i64 = 1000;

/// The runs of the organization that wait or work, the oldest first, among those
/// that the caller may see.
pub async fn queue(ctx: &Ctx) -> Result<Vec<RunView>> {
    let asked = ctx.clone();
    door::read_within(ctx, ShowRun, move |rows, reach| {
        Box::pin(async move {
            let mut seen = Vec::new();
            for id in sql::in_status(rows, &IN_QUEUE, QUEUE_MAX).await? {
                let run = needed(rows, &id).await?;
                let of = Workspace::Id(run.workspace.clone());
                let Some(workspace) = workspace::sql::by_ref(rows, &of).await? else {
                    continue;
                };
                if reach.covers(&workspace.project, &workspace.id) {
                    let may = allowed(rows, &asked, &run).await?;
                    seen.push(RunView {
                        workspace_name: Some(workspace.name.to_string()),
                        ..RunView::of(run, may, asked.house().now())?
                    });
                }
            }
            Ok(seen)
        })
    })
    .await
}

/// How many runs of the organization wait, and how many work.
pub async fn counts(ctx: &Ctx) -> Result<(usize, usize)> {
    let seen = queue(ctx).await?;
    let waits = |run: &&RunView| run.state.status() == Status::Pending;
    let pending = seen.iter().filter(waits).count();
    Ok((pending, seen.len() - pending))
}

/// What a run itself may do now: read the state of its workspace while it plans,
/// write it while it applies, and bring what its runner kept after it was lost.
pub(crate) async fn held(rows: &mut Rows, id: &RunId) -> Result<Option<Held>> {
    let Some(run) = sql::by_id(rows, id).await? else {
        return Ok(None);
    };
    let state = run.state()?;
    Ok(match state.status() {
        Status::Fetching | Status::Planning | Status::Verifying => Some(Held::Plans(run.workspace)),
        Status::Applying => Some(Held::Applies(run.workspace)),
        _ if state.leaves_lock() => {
            let found = workspace::sql::by_id(rows, &run.workspace).await?;
            let kept = found.is_some_and(|workspace| run.has_lock(&workspace));
            kept.then_some(Held::Applies(run.workspace))
        }
        _ => None,
    })
}
