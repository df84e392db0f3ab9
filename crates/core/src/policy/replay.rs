//! Replays: what another bundle would have said of plans that are stored.
//!
//! Each plan is judged twice now, by the bundle in force and by the other one, from the same stored JSON and the same facts: what differs is the
//! bundle's doing. Nothing is changed and nothing of it is kept. It is asked for in pages, so that a long history takes many short questions.

use bytes::Bytes;
use statehouse_model::{PolicySetId, RunId};

use super::judge::{self, Outcome, Question, Set, Stage};
use super::publish::ARCHIVE_BYTES_MAX;
use super::sql;
use crate::ctx::Ctx;
use crate::door::{self, Target, actions};
use crate::error::{Error, Result};
use crate::run::sql as runs;

actions! {
    /// Look what another bundle would have said.
    ReplaySet = "policy-set.replay" needs PolicyWrite;
}

/// Plans of one page: each takes some tens of milliseconds, a large one seconds.
const PAGE: i64 = 20;

/// What became of a plan, and what would have.
#[derive(Debug, Clone)]
pub struct Replayed {
    /// The run.
    pub run: RunId,
    /// The id of its workspace.
    pub workspace: String,
    /// The id of its project.
    pub project: String,
    /// When it was made, in microseconds since 1970.
    pub created_at: i64,
    /// Where the run is.
    pub status: String,
    /// How many approved it.
    pub approvals: usize,
    /// What the bundle in force says; `None` where there is none.
    pub before: Option<Outcome>,
    /// What the other one says.
    pub after: Outcome,
    /// The policies of the other one that have something against it, by name.
    pub hits: Vec<String>,
}

/// A page of them.
#[derive(Debug, Clone)]
pub struct Page {
    /// The oldest first.
    pub plans: Vec<Replayed>,
    /// Runs that were passed over: the set does not reach them, or their plan is not kept any more.
    pub passed_over: usize,
    /// Where the next page begins; `None` where this is the last.
    pub next: Option<RunId>,
}

/// Judges stored plans by another bundle: those of runs that were made at `since` or later, and after a run that a page ended with.
pub async fn replay(
    ctx: &Ctx,
    id: &PolicySetId,
    archive: Bytes,
    (since, after): (i64, Option<RunId>),
) -> Result<Page> {
    if archive.len() > ARCHIVE_BYTES_MAX {
        let words = format!("a bundle of policies has at most {ARCHIVE_BYTES_MAX} bytes");
        return Err(Error::invalid(words));
    }
    let wanted = id.clone();
    let (set, found) = door::read(ctx, ReplaySet, &Target::House, move |rows| {
        Box::pin(async move {
            let set = sql::needed_set(rows, &wanted).await?;
            let found = runs::since(rows, since, after.as_ref(), PAGE).await?;
            Ok((set, found))
        })
    })
    .await?;
    let judge = judge::needed(ctx.house())?;
    let parameters = super::read(&set.parameters)?;
    let checked = judge.check(archive, &parameters).await;
    let archive = checked.map_err(Error::invalid)?.archive;
    let is_full = i64::try_from(found.len()).is_ok_and(|count| count == PAGE);
    let mut page = Page {
        next: found.last().filter(|_| is_full).map(|run| run.id.clone()),
        plans: Vec::new(),
        passed_over: 0,
    };
    for run in found {
        let _turn = ctx.house().turn_to_judge().await;
        let Some(gathered) = Box::pin(judge::gathered_for(ctx, &run.id, id)).await? else {
            page.passed_over += 1;
            continue;
        };
        let other = Set {
            name: set.name.clone(),
            archive: archive.clone(),
            enforcement: set.enforcement.parse()?,
            parameters: super::read(&set.parameters)?,
            exceptions: super::read(&set.exceptions)?,
        };
        let sets: Vec<Set> = gathered.in_force.into_iter().chain([other]).collect();
        let count = sets.len();
        let question = Question {
            stage: Stage::Plan,
            sets,
            plan: gathered.plan,
            cost: gathered.cost,
            facts: gathered.facts,
            now: ctx.house().now(),
        };
        let said = judge.assess(question).await.map_err(Error::unavailable)?;
        let (Some(after), true) = (said.last(), said.len() == count) else {
            return Err(Error::internal("not every policy set was answered for"));
        };
        let hits = after.results.iter().filter(|each| each.outcome != "passed");
        page.plans.push(Replayed {
            workspace: run.workspace.to_string(),
            project: gathered.project,
            created_at: run.created_at,
            status: run.status,
            approvals: gathered.approvals,
            before: said.first().filter(|_| count > 1).map(|said| said.outcome),
            after: after.outcome,
            hits: hits.map(|each| each.policy.clone()).collect(),
            run: run.id,
        });
    }
    Ok(page)
}
