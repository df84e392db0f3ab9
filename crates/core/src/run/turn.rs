//! Whose turn it is: the server's own part in the life of runs.
//!
//! A house is gone through after every act on one of its runs and every few
//! seconds: leases that ended, plans that are to be judged, runs that are agreed
//! on, and runs that wait, the oldest first. A run that may apply waits for the
//! lock of its workspace, a run that only plans for nothing but a free runner;
//! so one workspace never keeps the others waiting. Looks for drift that nobody
//! asked for come last.
//!
//! Whatever a stop interrupted is found here again: nothing is remembered between
//! two rounds but what stands in the rows.

use std::collections::HashMap;
use std::sync::Arc;

use statehouse_model::{Actor, AgentPoolId, JobId, RunId, WorkspaceId};

use super::assess::assess;
use super::capsule;
use super::machine::{self, Act, Event, Status, Step};
use super::sql::{self, Run};
use super::{arrow, needed, written};
use crate::access::{DRIFT, RUNS};
use crate::agent;
use crate::ctx::Ctx;
use crate::door::{self, Outcome, Target, actions};
use crate::error::{Kind as Trouble, Result};
use crate::house::House;
use crate::job::{self, sql::Job};
use crate::record::Rows;
use crate::state;
use crate::workspace::{self, Workspace};

actions! {
    /// Give a run its turn to be planned.
    StartRun = "run.start" needs RunPlan;
    /// Give it its turn to be applied.
    QueueRun = "run.queue" needs RunApply;
    /// End what is over: a lease, a capsule, a lock that was taken away.
    TendRun = "run.tend" needs RunPlan;
}

/// Runs of one kind that are looked at in one round: the rest has its turn in the next.
const ROUND: i64 = 200;
/// The same where there are pools of agents: the first may all be of one that has no agent.
const LOOKED_AT: i64 = 2000;

/// What is to be done in a house, as far as its columns say: each is looked at
/// anew in the change that does it.
#[derive(Default)]
struct Todo {
    lapsed: Vec<RunId>,
    over: Vec<RunId>,
    planned: Vec<RunId>,
    /// Those that ended, and left a state that is to be judged.
    written: Vec<RunId>,
    approved: Vec<RunId>,
    waiting: Vec<RunId>,
}

/// Goes through a house once, and says whether any run in it is open, or has left a
/// state to be judged. Where none is, that is two questions to the database.
pub(crate) async fn round(house: &Arc<House>, jobs_max: u64) -> Result<bool> {
    let task = Ctx::new(house.clone(), Actor::Task(RUNS), None, None);
    let Some(todo) = look(&task, jobs_max).await? else {
        return Ok(false);
    };
    for id in &todo.lapsed {
        told(id, lose_runner(&task, id, Lost::Lapsed).await);
    }
    for id in &todo.over {
        told(id, tend(&task, id).await);
    }
    for id in &todo.planned {
        told(id, Box::pin(assess(&task, id)).await);
    }
    for id in &todo.written {
        written::judge(&task, id);
    }
    // What was lost or judged a moment ago has its turn too.
    let rest = if todo.lapsed.is_empty() && todo.over.is_empty() && todo.planned.is_empty() {
        Some(todo)
    } else {
        look(&task, jobs_max).await?
    };
    let Some(todo) = rest else { return Ok(true) };
    for id in &todo.approved {
        told(id, queue(&task, id, jobs_max).await);
    }
    for id in &todo.waiting {
        told(id, start(&task, id, jobs_max).await);
    }
    Ok(true)
}

/// One run that does not go on keeps no other from it.
pub(super) fn told(id: &RunId, done: Result<()>) {
    if let Err(error) = done {
        tracing::warn!(run = %id, %error, "a run did not go on");
    }
}

/// What is to be done; `None` where nothing is.
async fn look(task: &Ctx, jobs_max: u64) -> Result<Option<Todo>> {
    let now = task.house().now();
    door::read(task, TendRun, &Target::House, move |rows| {
        Box::pin(async move {
            let there = sql::open_statuses(rows).await?;
            let mut todo = Todo {
                written: written::sql::waiting(rows, ROUND).await?,
                ..Todo::default()
            };
            if there.is_empty() {
                return Ok((!todo.written.is_empty()).then_some(todo));
            }
            let any = |of: &[Status]| of.iter().any(|status| there.contains(status));
            if any(&AT_RUNNER) {
                todo.lapsed = job::sql::lapsed(rows, now, ROUND).await?;
            }
            if any(&HOLDING) {
                todo.over = sql::over(rows, now, ROUND).await?;
            }
            if any(&TO_JUDGE) {
                todo.planned = sql::in_status(rows, &TO_JUDGE, ROUND).await?;
            }
            let mut room = Room::of(rows, jobs_max).await?;
            if any(&[Status::Approved]) && room.is_left() {
                let found = sql::in_status(rows, &[Status::Approved], room.looked_at).await?;
                todo.approved = room
                    .whose_place_has_some(rows, found, job::Step::Apply)
                    .await?;
            }
            if any(&[Status::Pending]) && room.is_left() {
                let found = sql::waiting(rows, DRIFT, room.looked_at).await?;
                todo.waiting = room
                    .whose_place_has_some(rows, found, job::Step::Plan)
                    .await?;
            }
            Ok(Some(todo))
        })
    })
    .await
}

/// How many jobs each place may still be given: one that is full, or that nobody works
/// at, keeps no other waiting.
struct Room {
    jobs_max: u64,
    /// Runs that are looked at to find those whose place has room.
    looked_at: i64,
    open: HashMap<Option<AgentPoolId>, u64>,
}

impl Room {
    async fn of(rows: &mut Rows, jobs_max: u64) -> Result<Self> {
        let pools = agent::sql::ids(rows).await?;
        let looked_at = if pools.is_empty() { ROUND } else { LOOKED_AT };
        let places = pools.into_iter().map(Some).chain([None]);
        let mut open = HashMap::new();
        for place in places {
            let count = job::sql::open_count(rows, place.as_ref()).await?;
            open.insert(place, count);
        }
        Ok(Self {
            jobs_max,
            looked_at,
            open,
        })
    }

    /// Whether any place has room.
    fn is_left(&self) -> bool {
        self.open.values().any(|open| *open < self.jobs_max)
    }

    /// Those of some runs whose places have room for a step, as many as a round has turns
    /// for; to be planned, as many as it is enough for. One that does not read has its turn,
    /// where it is told.
    async fn whose_place_has_some(
        &mut self,
        rows: &mut Rows,
        runs: Vec<RunId>,
        step: job::Step,
    ) -> Result<Vec<RunId>> {
        let turns = usize::try_from(ROUND).unwrap_or(usize::MAX);
        let mut places = HashMap::new();
        let mut chosen = Vec::new();
        for id in runs {
            if chosen.len() >= turns || !self.is_left() {
                break;
            }
            let place = match place_of_run(rows, &id, step, &mut places).await {
                Ok(place) => place,
                Err(error) if *error.kind() == Trouble::Unavailable => return Err(error),
                Err(_) => {
                    chosen.push(id);
                    continue;
                }
            };
            let open = self.open.entry(place).or_default();
            if *open < self.jobs_max {
                *open += u64::from(step == job::Step::Plan);
                chosen.push(id);
            }
        }
        Ok(chosen)
    }
}

/// The place of a run's next job: of plans, once for each workspace.
async fn place_of_run(
    rows: &mut Rows,
    id: &RunId,
    step: job::Step,
    places: &mut HashMap<WorkspaceId, Option<AgentPoolId>>,
) -> Result<Option<AgentPoolId>> {
    let run = needed(rows, id).await?;
    if let Some(place) = places.get(&run.workspace) {
        return Ok(place.clone());
    }
    let of = Workspace::Id(run.workspace.clone());
    let workspace = workspace::sql::needed(rows, &of).await?;
    let place = job::place_of(rows, id, &workspace, step).await?;
    if step == job::Step::Plan {
        places.insert(run.workspace, place.clone());
    }
    Ok(place)
}

/// What a run's next job finds at its place.
enum AtPlace {
    /// There is room for one more.
    Room,
    /// There is none now.
    Full,
    /// It is a pool whose row does not read: what is wrong with it.
    Altered(String),
}

/// Looks at the place of a run's next job.
async fn at_its_place(
    rows: &mut Rows,
    run: &Run,
    step: job::Step,
    jobs_max: u64,
) -> Result<AtPlace> {
    let of = Workspace::Id(run.workspace.clone());
    let workspace = workspace::sql::needed(rows, &of).await?;
    let place = job::place_of(rows, &run.id, &workspace, step).await?;
    if let Some(pool) = &place
        && let Some(why) = agent::sql::altered(rows, pool).await?
    {
        return Ok(AtPlace::Altered(why));
    }
    let open = job::sql::open_count(rows, place.as_ref()).await?;
    Ok(if open < jobs_max {
        AtPlace::Room
    } else {
        AtPlace::Full
    })
}

/// Ends a run that was to happen with a pool that was altered. Runs of other places go on.
async fn has_no_pool<A: door::Action>(
    tx: &mut door::Tx<A>,
    run: &mut Run,
    why: &str,
) -> Result<Outcome<()>> {
    "agent-pool-altered".clone_into(&mut run.reason);
    let entry = arrow(tx, run, Event::Server(Step::Fail)).await?;
    Ok(Outcome::Recorded((), entry.detail(Some(why))))
}

/// Statuses in which a lease can end.
const AT_RUNNER: [Status; 4] = [
    Status::Fetching,
    Status::Planning,
    Status::Verifying,
    Status::Applying,
];
/// Statuses in which a run holds something that can be over.
const HOLDING: [Status; 10] = [
    Status::Fetching,
    Status::Planning,
    Status::Planned,
    Status::Assessing,
    Status::PolicyFailed,
    Status::AwaitingApproval,
    Status::PlannedAndSaved,
    Status::Approved,
    Status::Verifying,
    Status::Applying,
];
/// Statuses in which a plan is to be judged.
const TO_JUDGE: [Status; 2] = [Status::Planned, Status::Assessing];

pub(super) fn target(id: &RunId) -> Target {
    Target::Workspace(Workspace::OfRun(id.clone()))
}

/// Why a runner counts as lost.
pub(crate) enum Lost {
    /// Its lease ended.
    Lapsed,
    /// Whoever had this job says so.
    Holder(JobId),
}

impl Lost {
    fn is(&self, job: &Job, now: i64) -> bool {
        match self {
            // It may have been renewed since somebody looked.
            Self::Lapsed => job.lease_until.is_none_or(|until| until < now),
            // By now it may be another's.
            Self::Holder(id) => job.id == *id,
        }
    }
}

/// Ends the job of a runner that is gone: another tries, or the run ends.
pub(crate) async fn lose_runner(task: &Ctx, id: &RunId, lost: Lost) -> Result<()> {
    let given = Arc::new((id.clone(), lost));
    door::change(task, TendRun, target(id), move |tx| {
        let given = given.clone();
        Box::pin(async move {
            let (wanted, lost) = &*given;
            let mut run = needed(tx, wanted).await?;
            let job = job::sql::open_of(tx, wanted).await?;
            let now = tx.now();
            let gone = |job: &Job| job.status == job::LEASED && lost.is(job, now);
            let Some(job) = job.filter(gone) else {
                return Ok(Outcome::Unchanged(()));
            };
            let step = job::Step::of(&job);
            job::end_of(tx, wanted, job::LOST).await?;
            let event = || Event::Server(Step::LoseRunner);
            let ends = machine::next(&run.state()?, event());
            if ends.is_ok_and(|next| next.status().is_final()) && !job::is_overdue(&run.reason) {
                "runner-lost".clone_into(&mut run.reason);
            }
            let entry = arrow(tx, &mut run, event()).await?;
            let state = run.state()?;
            if state.status().has_runner() {
                job::queue(tx, wanted, step, state.attempt()).await?;
            }
            Ok(Outcome::Recorded((), entry))
        })
    })
    .await
}

/// Asks a run to stop whose job took longer than one may, as if it was canceled. Who
/// canceled it before said so already.
pub(crate) async fn interrupt(task: &Ctx, id: &RunId, job: &JobId, step: job::Step) -> Result<()> {
    let longest = task.house().longest();
    let given = Arc::new((id.clone(), job.clone()));
    door::change(task, TendRun, target(id), move |tx| {
        let given = given.clone();
        Box::pin(async move {
            let (wanted, job) = &*given;
            job::held(tx, job).await?;
            let mut run = needed(tx, wanted).await?;
            if run.state()?.cancel_requested() {
                return Ok(Outcome::Unchanged(()));
            }
            run.reason = longest.reason(step);
            let entry = arrow(tx, &mut run, Event::Person(Act::Cancel)).await?;
            let words = longest.words(step);
            Ok(Outcome::Recorded((), entry.detail(Some(&words))))
        })
    })
    .await
}

/// Ends a run whose lock was taken away, or whose time is over.
async fn tend(task: &Ctx, id: &RunId) -> Result<()> {
    let wanted = id.clone();
    door::change(task, TendRun, target(id), move |tx| {
        let wanted = wanted.clone();
        Box::pin(async move {
            let mut run = needed(tx, &wanted).await?;
            let state = run.state()?;
            let of = Workspace::Id(run.workspace.clone());
            let workspace = workspace::sql::needed(tx, &of).await?;
            let event = if state.holds_lock() && !run.has_lock(&workspace) {
                "lock-broken".clone_into(&mut run.reason);
                Step::LoseLock
            } else if can_expire(state.status()) && is_over(tx, &run).await? {
                "expired".clone_into(&mut run.reason);
                Step::Expire
            } else {
                return Ok(Outcome::Unchanged(()));
            };
            let entry = arrow(tx, &mut run, Event::Server(event)).await?;
            Ok(Outcome::Recorded((), entry))
        })
    })
    .await
}

/// Whether a run waits for somebody who may not come.
fn can_expire(status: Status) -> bool {
    matches!(
        status,
        Status::PolicyFailed
            | Status::AwaitingApproval
            | Status::PlannedAndSaved
            | Status::Approved
    )
}

async fn is_over(tx: &mut door::Tx<TendRun>, run: &Run) -> Result<bool> {
    let now = tx.now();
    if run.state()?.status() == Status::PolicyFailed {
        return Ok(run.changed_at.saturating_add(capsule::LIFE_US) <= now);
    }
    let capsule = sql::capsule(tx, &run.id).await?;
    Ok(capsule.is_some_and(|capsule| capsule.expires_at <= now))
}

/// Gives a waiting run its turn, if there is room and its workspace is free.
async fn start(task: &Ctx, id: &RunId, jobs_max: u64) -> Result<()> {
    let wanted = id.clone();
    door::change(task, StartRun, target(id), move |tx| {
        let wanted = wanted.clone();
        Box::pin(async move {
            let mut run = needed(tx, &wanted).await?;
            let state = run.state()?;
            if state.status() != Status::Pending {
                return Ok(Outcome::Unchanged(()));
            }
            match at_its_place(tx, &run, job::Step::Plan, jobs_max).await? {
                AtPlace::Room => {}
                AtPlace::Full => return Ok(Outcome::Unchanged(())),
                AtPlace::Altered(why) => return has_no_pool(tx, &mut run, &why).await,
            }
            let of = Workspace::Id(run.workspace.clone());
            let workspace = workspace::sql::needed(tx, &of).await?;
            let looks = state.kind() == machine::Kind::Drift;
            if looks && sql::applies_in(tx, &workspace.id).await? {
                return Ok(Outcome::Unchanged(()));
            }
            if state.needs_lock_to_plan() && !state.holds_lock() {
                let frozen = workspace::freeze::sql::of(tx, &workspace.id).await?;
                if workspace.lock_id.is_some() || frozen.is_some() {
                    return Ok(Outcome::Unchanged(()));
                }
                arrow(tx, &mut run, Event::Server(Step::Lock)).await?;
            }
            run.base = state::head_of(tx, &workspace).await?.map(|head| head.id);
            let entry = arrow(tx, &mut run, Event::Server(Step::Start)).await?;
            let attempt = run.state()?.attempt();
            job::queue(tx, &run.id, job::Step::Plan, attempt).await?;
            let entry = match &run.base {
                Some(base) => entry.fact("base", base.as_str()),
                None => entry,
            };
            Ok(Outcome::Recorded((), entry))
        })
    })
    .await
}

/// Gives a run that is agreed on its turn to be applied. Where it is not agreed
/// on any more, because more is asked for or somebody may not approve now, it
/// waits again.
async fn queue(task: &Ctx, id: &RunId, jobs_max: u64) -> Result<()> {
    let given = Arc::new((id.clone(), task.house().clone()));
    door::change(task, QueueRun, target(id), move |tx| {
        let given = given.clone();
        Box::pin(async move {
            let (wanted, house) = &*given;
            let mut run = needed(tx, wanted).await?;
            if run.state()?.status() != Status::Approved {
                return Ok(Outcome::Unchanged(()));
            }
            match at_its_place(tx, &run, job::Step::Apply, jobs_max).await? {
                AtPlace::Room => {}
                AtPlace::Full => return Ok(Outcome::Unchanged(())),
                AtPlace::Altered(why) => return has_no_pool(tx, &mut run, &why).await,
            }
            // What does not open is the runner's to find: then the run ends by it.
            match capsule::suffices(tx, house, &run).await {
                Ok(true) => {}
                Ok(false) => {
                    let act = Act::Withdraw { sufficient: false };
                    let entry = arrow(tx, &mut run, Event::Person(act)).await?;
                    return Ok(Outcome::Recorded((), entry));
                }
                Err(error) if *error.kind() == Trouble::Tampered => {}
                Err(error) => return Err(error),
            }
            let entry = arrow(tx, &mut run, Event::Server(Step::Queue)).await?;
            let attempt = run.state()?.attempt();
            job::queue(tx, &run.id, job::Step::Apply, attempt).await?;
            Ok(Outcome::Recorded((), entry))
        })
    })
    .await
}
