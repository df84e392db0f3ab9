//! For what and for whom a run waits, for people to see: told, and decided nowhere here.
//!
//! What is missing is said by what decides whether the run goes on: the machine, the count of approvals, the policies, the queue ([`super::turn`]). Whether
//! the caller may do something about it is asked by the checks of the acts themselves. Who else may is told by name only to whoever may see who
//! holds which role.

use statehouse_model::{ActorId, AgentPoolId, Permission, RunId};

use super::counted::{Approvals, Own};
use super::machine::{Kind, State, Status};
use super::sql::{self, Run};
use super::{ShowRun, allowed, capsule, counted, needed};
use crate::access::{self, Reach};
use crate::agent;
use crate::ctx::Ctx;
use crate::door::{self, Action, Target};
use crate::error::{Kind as Trouble, Result};
use crate::job;
use crate::policy::overrule::{self, Held};
use crate::policy::seen::{self, Way};
use crate::record::Rows;
use crate::run::RunView;
use crate::workspace::sql::Workspace as WorkspaceRow;
use crate::workspace::{self, Workspace};

/// Statuses in which a run waits for a person.
const FOR_PEOPLE: [Status; 3] = [
    Status::PolicyFailed,
    Status::AwaitingApproval,
    Status::PlannedAndSaved,
];
/// Most runs of the organization that are known to wait for people.
const KNOWN_MAX: usize = if cfg!(test) { 20 } else { 10_000 };
/// Most of those that are looked at, among what the caller may see.
const LOOKED_AT: usize = if cfg!(test) { 8 } else { 500 };
/// Most that are told to wait for the caller.
const TOLD_MAX: usize = if cfg!(test) { 4 } else { 100 };
/// People who are named of those who may do something.
const PEOPLE_MAX: usize = 20;
/// People who are asked whether they may.
const ASKED_MAX: usize = 100;

/// What a person does so that a run goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// Says that it shall be applied.
    Confirm,
    /// Says that it may be.
    Approve,
    /// Lets it pass that policies are against.
    Override,
}

impl Deed {
    /// Its word, as commands and addresses spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Confirm => "confirm",
            Self::Approve => "approve",
            Self::Override => "override",
        }
    }

    /// What it needs.
    pub fn permission(self) -> Permission {
        match self {
            Self::Confirm => Permission::RunApply,
            Self::Approve => Permission::RunApprove,
            Self::Override => Permission::PolicyOverride,
        }
    }
}

/// What a run waits for, and what of that the caller may do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Waits {
    /// Whether it was asked what the run waits for; else only what the caller may do.
    pub is_whole: bool,
    /// All that must come before it goes on.
    pub of: Vec<Awaited>,
    /// What of it the caller may do, by the checks of the acts themselves.
    pub mine: Vec<Deed>,
}

/// Something that must come before a run goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Awaited {
    /// Another run lets its workspace go.
    Run {
        /// Which.
        id: RunId,
        /// Its place among the runs of the workspace.
        sequence: u64,
        /// How far it is; one that has ended left the lock for a person to look.
        status: Status,
    },
    /// So many runs of its workspace, which were started before, have their turn.
    Earlier(u64),
    /// Whoever has the lock of its workspace gives it back.
    Lock(Option<ActorId>),
    /// Somebody thaws its workspace.
    Thaw,
    /// A runner takes it.
    Runner(Place),
    /// Nobody can let it pass: a hard-mandatory policy is against it.
    Nobody,
    /// Nobody can let it pass any more: other policies are in force than judged it, and another run takes its place.
    Another,
    /// Somebody does this.
    Person(Deed, Candidates),
}

/// Where a runner comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// It is one of this server's own.
    Here,
    /// It is an agent of a pool, which is named to whoever may see pools.
    Pool(Option<String>),
}

/// Who may do what a run waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidates {
    /// How many of them must.
    pub missing: u32,
    /// Whether those who stand behind the run are none of them.
    pub others_only: bool,
    /// Who they are, as far as they are named; `None` where they were not asked for, and to a caller who may not see who holds which role.
    pub people: Option<Vec<ActorId>>,
    /// Whether there may be more.
    pub more: bool,
}

/// Whether people are named who may do what a run waits for. That is read off every grant, and not for programs that look each second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// They are.
    People,
    /// They are not.
    Nobody,
}

/// The runs that wait for something that the caller may do.
#[derive(Debug, Clone, Default)]
pub struct Mine {
    /// They, the oldest first.
    pub runs: Vec<RunView>,
    /// Whether there may be more: not all that wait were looked at.
    pub more: bool,
    /// How many of those that the caller may see do not read as they were written.
    pub unread: usize,
}

impl Mine {
    /// Whether nothing is to be told.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty() && !self.more && self.unread == 0
    }
}

/// What a run waits for. Where something of it was altered or is gone nothing is told: the run itself must still be seen.
pub(super) async fn of(
    rows: &mut Rows,
    (ctx, naming): (&Ctx, Naming),
    run: &Run,
    approvals: Option<&Approvals>,
) -> Result<Option<Waits>> {
    match told(rows, (ctx, naming), run, approvals).await {
        Err(error) if matches!(error.kind(), Trouble::Tampered | Trouble::NotFound) => Ok(None),
        waits => waits.map(Some),
    }
}

async fn told(
    rows: &mut Rows,
    (ctx, naming): (&Ctx, Naming),
    run: &Run,
    approvals: Option<&Approvals>,
) -> Result<Waits> {
    let state = run.state()?;
    let workspace = capsule::workspace_of(rows, run).await?;
    let of = match state.status() {
        Status::Pending => of_queue(rows, ctx, (run, &state), &workspace).await?,
        Status::Approved => {
            vec![runner(rows, ctx, (run, &workspace), job::Step::Apply).await?]
        }
        Status::Fetching | Status::Verifying => untaken(rows, ctx, run).await?,
        Status::PolicyFailed => of_policies(rows, (ctx, naming), run, &workspace).await?,
        Status::AwaitingApproval | Status::PlannedAndSaved => {
            of_people(rows, (ctx, naming), (run, &state), (&workspace, approvals)).await?
        }
        _ => Vec::new(),
    };
    let mine = mine(rows, ctx, (run, &state), approvals).await?;
    Ok(Waits {
        is_whole: true,
        of,
        mine,
    })
}

/// What keeps a run from its turn.
async fn of_queue(
    rows: &mut Rows,
    ctx: &Ctx,
    (run, state): (&Run, &State),
    workspace: &WorkspaceRow,
) -> Result<Vec<Awaited>> {
    let mut of = Vec::new();
    if state.needs_lock_to_plan() {
        if let Some(lock) = &workspace.lock_id {
            of.push(holder(rows, lock, workspace).await?);
        }
        let earlier = sql::pending_before(rows, run).await?;
        if earlier > 0 {
            of.push(Awaited::Earlier(earlier));
        }
        if workspace::freeze::sql::of(rows, &workspace.id)
            .await?
            .is_some()
        {
            of.push(Awaited::Thaw);
        }
    } else if state.kind() == Kind::Drift
        && let Some(applying) = sql::applying_in(rows, &workspace.id).await?
    {
        of.push(as_awaited(&applying)?);
    }
    if of.is_empty() {
        of.push(runner(rows, ctx, (run, workspace), job::Step::Plan).await?);
    }
    Ok(of)
}

/// Who holds a workspace: a run, or somebody by a lock of their own.
async fn holder(rows: &mut Rows, lock: &str, workspace: &WorkspaceRow) -> Result<Awaited> {
    if let Ok(id) = lock.parse::<RunId>()
        && let Some(other) = sql::by_id(rows, &id).await?
    {
        return as_awaited(&other);
    }
    Ok(Awaited::Lock(workspace.lock_holder.clone()))
}

fn as_awaited(run: &Run) -> Result<Awaited> {
    Ok(Awaited::Run {
        id: run.id.clone(),
        sequence: run.sequence,
        status: run.state()?.status(),
    })
}

/// A free runner of where the step of a run happens.
async fn runner(
    rows: &mut Rows,
    ctx: &Ctx,
    (run, workspace): (&Run, &WorkspaceRow),
    step: job::Step,
) -> Result<Awaited> {
    let pool = job::place_of(rows, &run.id, workspace, step).await?;
    Ok(Awaited::Runner(place(rows, ctx, pool).await?))
}

async fn place(rows: &mut Rows, ctx: &Ctx, pool: Option<AgentPoolId>) -> Result<Place> {
    let Some(pool) = pool else {
        return Ok(Place::Here);
    };
    let now = ctx.house().now();
    let name = if access::holds(rows, ctx, Permission::AgentRead, &Target::House, now).await? {
        Some(agent::sql::needed(rows, &pool).await?.name.to_string())
    } else {
        None
    };
    Ok(Place::Pool(name))
}

/// The runner that has not taken the job of a run yet.
async fn untaken(rows: &mut Rows, ctx: &Ctx, run: &Run) -> Result<Vec<Awaited>> {
    let open = job::sql::open_of(rows, &run.id).await?;
    match open.filter(|job| job.status == job::QUEUED) {
        Some(job) => Ok(vec![Awaited::Runner(place(rows, ctx, job.pool).await?)]),
        None => Ok(Vec::new()),
    }
}

async fn of_policies(
    rows: &mut Rows,
    (ctx, naming): (&Ctx, Naming),
    run: &Run,
    workspace: &WorkspaceRow,
) -> Result<Vec<Awaited>> {
    match overrule::standing(rows, ctx.house(), (run, workspace)).await? {
        Held::Soft(_) => {}
        Held::Hard(_) => return Ok(vec![Awaited::Nobody]),
        Held::Outdated => return Ok(vec![Awaited::Another]),
    }
    let requirement = capsule::requirement(rows, workspace).await?;
    let others_only = requirement.count > 0 && !requirement.author_counts;
    let wanted = (Deed::Override, 1, others_only);
    let candidates = candidates(rows, (ctx, naming), (run, workspace), wanted, &[]).await?;
    Ok(vec![Awaited::Person(Deed::Override, candidates)])
}

/// What people still have to say.
async fn of_people(
    rows: &mut Rows,
    asked: (&Ctx, Naming),
    (run, state): (&Run, &State),
    (workspace, approvals): (&WorkspaceRow, Option<&Approvals>),
) -> Result<Vec<Awaited>> {
    let mut of = Vec::new();
    if let Some(approvals) = approvals {
        let missing = approvals.missing();
        if missing > 0 {
            let requirement = capsule::requirement(rows, workspace).await?;
            let wanted = (Deed::Approve, missing, !requirement.author_counts);
            let candidates = candidates(rows, asked, (run, workspace), wanted, &approvals.by);
            let candidates = candidates.await?;
            of.push(Awaited::Person(Deed::Approve, candidates));
        }
    }
    if state.actions().is_confirmable {
        let wanted = (Deed::Confirm, 1, false);
        let candidates = candidates(rows, asked, (run, workspace), wanted, &[]).await?;
        of.push(Awaited::Person(Deed::Confirm, candidates));
    }
    Ok(of)
}

/// Who may do something about a run, besides those who did.
async fn candidates(
    rows: &mut Rows,
    (ctx, naming): (&Ctx, Naming),
    (run, workspace): (&Run, &WorkspaceRow),
    (deed, missing, others_only): (Deed, u32, bool),
    did: &[ActorId],
) -> Result<Candidates> {
    let now = ctx.house().now();
    let mut candidates = Candidates {
        missing,
        others_only,
        people: None,
        more: false,
    };
    if naming == Naming::Nobody
        || !access::holds(rows, ctx, Permission::GrantRead, &Target::House, now).await?
    {
        return Ok(candidates);
    }
    let permission = deed.permission();
    let mut people = Vec::new();
    let granted = access::granted(rows, permission, workspace, now).await?;
    let others = granted.into_iter().filter(|person| !did.contains(person));
    for (asked, person) in others.enumerate() {
        if people.len() == PEOPLE_MAX || asked == ASKED_MAX {
            candidates.more = true;
            break;
        }
        let is_out = others_only && capsule::stands_behind(rows, run, &person).await?;
        if !is_out && access::holds_here(rows, &person, permission, workspace, now).await? {
            people.push(person);
        }
    }
    candidates.people = Some(people);
    Ok(candidates)
}

/// What the caller may do so that a run goes on.
async fn mine(
    rows: &mut Rows,
    ctx: &Ctx,
    (run, state): (&Run, &State),
    approvals: Option<&Approvals>,
) -> Result<Vec<Deed>> {
    let target = Target::Workspace(Workspace::Id(run.workspace.clone()));
    let (now, me) = (ctx.house().now(), ActorId::from(ctx.actor()));
    let mut mine = Vec::new();
    if !FOR_PEOPLE.contains(&state.status()) {
        return Ok(mine);
    }
    let counts = approvals.is_some_and(|found| {
        found.missing() > 0 && found.own == Own::Counts && !found.by.contains(&me)
    });
    let may_help = [
        (Deed::Approve, counts),
        (Deed::Confirm, state.actions().is_confirmable),
    ];
    for (deed, helps) in may_help {
        if helps && access::holds(rows, ctx, deed.permission(), &target, now).await? {
            mine.push(deed);
        }
    }
    if seen::way(rows, ctx, run).await? == Way::Open {
        mine.push(Deed::Override);
    }
    Ok(mine)
}

/// The runs of the organization that wait for something that the caller may do, among those that the caller may see. A member who may see none is told of
/// none, which is no refusal: they ask all their organizations. To everybody else the organization is not there.
pub async fn waiting(ctx: &Ctx) -> Result<Mine> {
    let permission = ShowRun::PERMISSION;
    if ctx.in_scope(permission)
        && !access::holds_anywhere(ctx, permission).await?
        && access::holds_anywhere(ctx, Permission::OrganizationRead).await?
    {
        return Ok(Mine::default());
    }
    let asked = ctx.clone();
    door::read_within(ctx, ShowRun, move |rows, reach| {
        Box::pin(async move {
            let limit = i64::try_from(KNOWN_MAX).unwrap_or(i64::MAX);
            let known = sql::in_turn(rows, &FOR_PEOPLE, limit).await?;
            let mut found = Mine {
                more: known.len() == KNOWN_MAX,
                ..Mine::default()
            };
            let seen = known.into_iter();
            let seen = seen.filter(|each| reach.covers(&each.project, &each.workspace));
            for (looked, each) in seen.enumerate() {
                if looked == LOOKED_AT || found.runs.len() == TOLD_MAX {
                    found.more = true;
                    break;
                }
                match one_of_mine(rows, &asked, &each.run, &reach).await {
                    // It keeps none of the others from being told.
                    Err(error) if matches!(error.kind(), Trouble::Tampered | Trouble::NotFound) => {
                        found.unread += 1;
                    }
                    run => found.runs.extend(run?),
                }
            }
            found.runs.sort_by_key(|run| run.created_at);
            Ok(found)
        })
    })
    .await
}

/// A run, if it waits for something that the caller may do.
async fn one_of_mine(
    rows: &mut Rows,
    ctx: &Ctx,
    id: &RunId,
    reach: &Reach,
) -> Result<Option<RunView>> {
    let run = needed(rows, id).await?;
    let workspace = capsule::workspace_of(rows, &run).await?;
    if !reach.covers(&workspace.project, &workspace.id) {
        return Ok(None);
    }
    let may = allowed(rows, ctx, &run).await?;
    let approvals = counted::of(rows, ctx, &run, &may).await?;
    let state = run.state()?;
    let mine = mine(rows, ctx, (&run, &state), approvals.as_ref()).await?;
    if mine.is_empty() {
        return Ok(None);
    }
    let waits = Waits {
        mine,
        ..Waits::default()
    };
    Ok(Some(RunView {
        approvals,
        waits: Some(waits),
        workspace_name: Some(workspace.name.to_string()),
        ..RunView::of(run, may, ctx.house().now())?
    }))
}
