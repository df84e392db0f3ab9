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
//! frozen, has an open run, no state, or nothing applied, or whose runs happen
//! elsewhere, is passed over until that is otherwise.

use std::collections::HashMap;
use std::sync::Arc;

use statehouse_model::{Actor, AgentPoolId, WorkspaceId};

use super::{is_at_rest, rhythm_of, sql, start};
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
/// Looks that are open, counted at most.
const OPEN_MAX: i64 = 10_000;
/// The part of a place's jobs that looks may have: one of so many, and one at least.
const SHARE: u64 = 4;

/// What stands beside such a run.
const MESSAGE: &str = "looks for drift, as its schedule says";

/// What was found in a house.
#[derive(Default)]
struct Found {
    /// Workspaces whose time has come, by when it was.
    due: Vec<(i64, WorkspaceId)>,
    /// When the next one's time will come, of those that wait for nothing else.
    next: Option<i64>,
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
    let found = find(&task).await?;
    let (waiting, mut started, mut next) = (found.due.len(), 0, found.next);
    let chosen = with_room(&task, found.due, jobs_max).await?;
    if chosen.len() < waiting {
        next = Some(house.now());
    }
    for id in chosen {
        match start(&task, &Workspace::Id(id.clone()), MESSAGE.to_owned()).await {
            Ok(run) => {
                started += 1;
                tracing::info!(workspace = %id, run = %run.id, "looks for drift");
            }
            // Somebody was first, or does something else there by now.
            Err(error) if matches!(error.kind(), Kind::Conflict | Kind::NotFound) => {
                tracing::debug!(workspace = %id, %error, "does not look for drift");
            }
            Err(error) if *error.kind() == Kind::Unavailable => return Err(error),
            Err(error) => tracing::warn!(workspace = %id, %error, "cannot look for drift"),
        }
    }
    Ok(Done { started, next })
}

/// Goes through the workspaces of a house. Where nothing is said, that is one question.
async fn find(task: &Ctx) -> Result<Found> {
    let (mut found, mut after) = (Found::default(), String::new());
    while let Some((page, last)) = find_after(task, after).await? {
        found.due.extend(page.due);
        found.next = found.next.into_iter().chain(page.next).min();
        after = last;
    }
    found.due.sort_unstable();
    Ok(found)
}

/// The same for some of them, after one; and the last that was looked at.
async fn find_after(task: &Ctx, after: String) -> Result<Option<(Found, String)>> {
    let now = task.house().now();
    door::read(task, FindDue, &Target::House, move |rows| {
        Box::pin(async move {
            let said = sql::schedules(rows).await?;
            if said.values().all(|row| row.hours == 0) {
                return Ok(None);
            }
            let page = retention::sql::workspaces(rows, &after, PAGE).await?;
            let Some(last) = page.last().map(ToString::to_string) else {
                return Ok(None);
            };
            let mut found = Found::default();
            for id in page {
                match add(rows, &mut found, &said, &id, now).await {
                    Err(error) if *error.kind() == Kind::Tampered => {
                        tracing::error!(workspace = %id, %error, "no drift is looked for where rows do not read");
                    }
                    added => added?,
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
    said: &HashMap<String, sql::Schedule>,
    id: &WorkspaceId,
    now: i64,
) -> Result<()> {
    let Some(workspace) = workspace::sql::by_id(rows, id).await? else {
        return Ok(());
    };
    let Some(rhythm) = rhythm_of(rows, said, &workspace).await? else {
        return Ok(());
    };
    if !rhythm.is_due(now) {
        found.next = found.next.into_iter().chain([rhythm.next()]).min();
    } else if is_at_rest(rows, &workspace).await? {
        found.due.push((rhythm.next(), workspace.id));
    }
    Ok(())
}

/// Those for which a place has room, the ones that wait longest first.
async fn with_room(
    task: &Ctx,
    due: Vec<(i64, WorkspaceId)>,
    jobs_max: u64,
) -> Result<Vec<WorkspaceId>> {
    if due.is_empty() {
        return Ok(Vec::new());
    }
    door::read(task, FindDue, &Target::House, move |rows| {
        Box::pin(async move {
            let mut looks: HashMap<Option<AgentPoolId>, u64> = HashMap::new();
            for run in run::sql::open_by(rows, DRIFT, OPEN_MAX).await? {
                let of = Workspace::OfRun(run);
                let Some(workspace) = workspace::sql::by_ref(rows, &of).await? else {
                    continue;
                };
                let place = job::place_of(rows, &workspace).await?;
                *looks.entry(place).or_default() += 1;
            }
            let mut chosen = Vec::new();
            for (_, id) in due {
                if chosen.len() >= STARTED_MAX {
                    break;
                }
                let Some(workspace) = workspace::sql::by_id(rows, &id).await? else {
                    continue;
                };
                let place = job::place_of(rows, &workspace).await?;
                let open = job::sql::open_count(rows, place.as_ref()).await?;
                let looks = looks.entry(place).or_default();
                if open < jobs_max && *looks < (jobs_max / SHARE).max(1) {
                    *looks += 1;
                    chosen.push(id);
                }
            }
            Ok::<_, Error>(chosen)
        })
    })
    .await
}
