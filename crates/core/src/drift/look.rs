//! Looking for drift when it is time: activated by time alone, and told nothing.
//!
//! Whatever it knows it reads off the rows: what was said, and when each
//! workspace was looked at last. So it can be stopped at any moment, and run in
//! several processes at once; the change that makes a run asks everything again,
//! and whoever comes second is refused ([`super::require`]).
//!
//! Runs of people go first: looks are started only where a place for jobs is
//! free, a few at a time, those first that wait longest; and a look that waits is
//! passed by everybody who comes ([`crate::run::turn`]). A workspace that is
//! frozen or locked, has an open run, no state, or nothing applied, or whose runs
//! happen elsewhere, is passed over until that is otherwise. One that cannot be
//! looked at, or whose rows do not read, keeps none of the others waiting.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use statehouse_model::{Actor, AgentPoolId, WorkspaceId};

use super::{is_at_rest, rhythm_of, scopes_of, sql, start};
use crate::access::DRIFT;
use crate::ctx::Ctx;
use crate::door::{self, Target, actions};
use crate::error::{Error, Kind, Result};
use crate::house::House;
use crate::job;
use crate::record::Rows;
use crate::retention;
use crate::run;
use crate::workspace::{self, Workspace};

actions! {
    /// Find workspaces whose time has come.
    FindDue = "drift.find-due" needs RunPlan;
}

/// Workspaces that are gone through in one read.
const PAGE: i64 = 100;
/// Looks that are started in one go: the rest has its turn a minute later.
const STARTED_MAX: usize = 50;
/// Workspaces that are tried for that: so many that fail keep no others waiting.
const TRIED_MAX: usize = 4 * STARTED_MAX;
/// Looks that are open, counted at most.
const OPEN_MAX: i64 = 10_000;
/// The part of a place's jobs that looks may have: one of so many, and one at least.
/// Two processes that start them at the same moment start twice as many.
const SHARE: u64 = 4;

/// What stands beside such a run.
const MESSAGE: &str = "looks for drift, as its schedule says";

/// The pool whose agents plan something; without one, this server's own places.
type Place = Option<AgentPoolId>;

/// What was found in a house.
#[derive(Default)]
struct Found {
    /// Workspaces whose time has come, by when it was.
    due: Vec<(i64, WorkspaceId)>,
    /// When the next one's time will come, of those that wait for nothing else.
    next: Option<i64>,
}

/// What waits for a place.
struct Waiting {
    /// Workspaces and their places, those first that wait longest.
    due: Vec<(WorkspaceId, Place)>,
    /// How many looks each place may be given now.
    room: HashMap<Place, u64>,
}

/// What was done in a house.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Done {
    /// How many looks were started.
    pub(crate) started: usize,
    /// When to come again, where anything is to be looked for.
    pub(crate) next: Option<i64>,
}

/// Starts the looks in a house whose time has come, as far as there is room.
pub(crate) async fn round(house: &Arc<House>, jobs_max: u64) -> Result<Done> {
    let task = Ctx::new(house.clone(), Actor::Task(DRIFT), None, None);
    let Found { due, mut next } = find(&task).await?;
    let (mut started, mut tried) = (0, 0);
    if due.is_empty() {
        return Ok(Done { started, next });
    }
    let mut waiting = placed(&task, due, jobs_max).await?;
    for (id, place) in waiting.due {
        let room = waiting.room.entry(place).or_default();
        if started >= STARTED_MAX || tried >= TRIED_MAX || *room == 0 {
            next = Some(house.now());
            continue;
        }
        tried += 1;
        if is_started(&task, &id).await? {
            *room -= 1;
            started += 1;
        }
    }
    Ok(Done { started, next })
}

/// Starts one look, and says whether it is there now.
async fn is_started(task: &Ctx, id: &WorkspaceId) -> Result<bool> {
    match start(task, &Workspace::Id(id.clone()), MESSAGE.to_owned()).await {
        Ok(run) => {
            tracing::info!(workspace = %id, run = %run.id, "looks for drift");
            return Ok(true);
        }
        // Somebody was first, or does something else there by now.
        Err(error) if matches!(error.kind(), Kind::Conflict | Kind::NotFound) => {
            tracing::debug!(workspace = %id, %error, "does not look for drift");
        }
        Err(error) if *error.kind() == Kind::Unavailable => return Err(error),
        Err(error) => tracing::warn!(workspace = %id, %error, "cannot look for drift"),
    }
    Ok(false)
}

/// Goes through the workspaces of a house. Where nothing is said, that is one question.
async fn find(task: &Ctx) -> Result<Found> {
    let said = door::read(task, FindDue, &Target::House, |rows| {
        Box::pin(async move { sql::all(rows).await })
    })
    .await?;
    let mut found = Found::default();
    if said.altered.is_empty() && said.by_scope.values().all(|row| row.hours == 0) {
        return Ok(found);
    }
    for scope in &said.altered {
        tracing::warn!(%scope, "no drift is looked for where how often was altered");
    }
    let (said, mut after) = (Arc::new(said), String::new());
    while let Some((page, last)) = find_after(task, &said, after).await? {
        found.due.extend(page.due);
        found.next = found.next.into_iter().chain(page.next).min();
        after = last;
    }
    found.due.sort_unstable();
    Ok(found)
}

/// The same for some of them, after one; and the last that was looked at.
async fn find_after(
    task: &Ctx,
    said: &Arc<sql::Said>,
    after: String,
) -> Result<Option<(Found, String)>> {
    let (now, said) = (task.house().now(), said.clone());
    door::read(task, FindDue, &Target::House, move |rows| {
        Box::pin(async move {
            let page = retention::sql::workspaces(rows, &after, PAGE).await?;
            let Some(last) = page.last().map(ToString::to_string) else {
                return Ok(None);
            };
            let mut found = Found::default();
            for id in page {
                if let Err(error) = add(rows, &mut found, &said, &id, now).await {
                    pass_over(&id, error)?;
                }
            }
            Ok(Some((found, last)))
        })
    })
    .await
}

async fn add(
    rows: &mut Rows,
    found: &mut Found,
    said: &sql::Said,
    id: &WorkspaceId,
    now: i64,
) -> Result<()> {
    let Some(workspace) = workspace::sql::by_id(rows, id).await? else {
        return Ok(());
    };
    // What counts there nobody knows.
    if scopes_of(&workspace)
        .iter()
        .any(|scope| said.altered.contains(*scope))
    {
        return Ok(());
    }
    let Some(rhythm) = rhythm_of(rows, &said.by_scope, &workspace).await? else {
        return Ok(());
    };
    if !rhythm.is_due(now) {
        found.next = found.next.into_iter().chain([rhythm.next()]).min();
    } else if is_at_rest(rows, &workspace).await? {
        found.due.push((rhythm.next(), workspace.id));
    }
    Ok(())
}

/// What does not read keeps none of the others waiting: it is told.
fn pass_over(what: impl fmt::Display, error: Error) -> Result<()> {
    if *error.kind() == Kind::Unavailable {
        return Err(error);
    }
    tracing::warn!(%what, %error, "is passed over where drift is looked for");
    Ok(())
}

/// Where the workspaces whose time has come are planned, and what room there is.
async fn placed(task: &Ctx, due: Vec<(i64, WorkspaceId)>, jobs_max: u64) -> Result<Waiting> {
    door::read(task, FindDue, &Target::House, move |rows| {
        Box::pin(async move {
            let looks = looks(rows).await?;
            let mut waiting = Waiting {
                due: Vec::new(),
                room: HashMap::new(),
            };
            for (_, id) in due {
                match place_of(rows, &Workspace::Id(id.clone())).await {
                    Ok(place) => waiting.due.push((id, place)),
                    Err(error) => pass_over(id, error)?,
                }
            }
            for (_, place) in &waiting.due {
                if waiting.room.contains_key(place) {
                    continue;
                }
                let jobs = job::sql::open_count(rows, place.as_ref()).await?;
                let looks = looks.get(place).copied().unwrap_or(0);
                let share = (jobs_max / SHARE).max(1).saturating_sub(looks);
                let room = if jobs < jobs_max { share } else { 0 };
                waiting.room.insert(place.clone(), room);
            }
            Ok(waiting)
        })
    })
    .await
}

/// How many looks that nobody asked for are open, by their places.
async fn looks(rows: &mut Rows) -> Result<HashMap<Place, u64>> {
    let mut looks: HashMap<Place, u64> = HashMap::new();
    for run in run::sql::open_by(rows, DRIFT, OPEN_MAX).await? {
        match place_of(rows, &Workspace::OfRun(run.clone())).await {
            Ok(place) => *looks.entry(place).or_default() += 1,
            Err(error) => pass_over(run, error)?,
        }
    }
    Ok(looks)
}

/// Where a workspace is planned.
async fn place_of(rows: &mut Rows, workspace: &Workspace) -> Result<Place> {
    let workspace = workspace::sql::needed(rows, workspace).await?;
    job::place_of_plans(rows, &workspace).await
}
