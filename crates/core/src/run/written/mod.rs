//! The state that an apply left, and what policies say of it.
//!
//! What was applied cannot be undone, so nothing waits for this and nothing is held up: it is asked beside the round when the apply has ended, kept as a
//! file of the run and told as something that happened to it. What is against it stays visible on the workspace until a later apply is judged.
//!
//! That it is to be asked is a row from the change on in which the apply ends, so that no stop has it forgotten. What cannot be asked counts as against
//! it; where nobody could ask for want of time, it is asked again some times, and then that counts as against it, too: what ends the process that judges
//! each time is told apart from load by nothing else. A state that comes later, because its runner was lost, is judged again.

pub(crate) mod sql;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use statehouse_model::{RunId, WorkspaceId};

use super::assess::Judging;
use super::files::{self, Kind};
use super::sql::{self as runs, Run};
use super::turn::{target, told};
use super::{happened_about, needed};
use crate::ctx::Ctx;
use crate::door::{self, Action, Entry, Outcome, Plan, Target, Tx, actions};
use crate::error::{Error, Kind as Trouble, Result};
use crate::house::House;
use crate::policy::force;
use crate::policy::judge::{self, Outcome as Said, Stage, Verdicts};
use crate::policy::overrule::ShowVerdicts;
use crate::record::Rows;
use crate::run::capsule;
use crate::workspace::Workspace;
use crate::workspace::sql::Workspace as WorkspaceRow;
use sql::Written;

actions! {
    /// Judge the state that an apply left.
    JudgeWritten = "run.judge-state" needs RunPlan;
}

/// How long nobody is asked again of a state about which nobody could be asked, the first time; after that twice as long each time, and so often. The last time is
/// an hour later; a server that starts anew begins anew.
const AGAIN: Duration = if cfg!(test) {
    Duration::from_millis(1)
} else {
    Duration::from_secs(30)
};
const TRIES_MAX: u32 = 8;
/// The word of the event.
pub(crate) const JUDGED: &str = "state-judged";

/// What policies say of the state that an apply left, for people and programs to see.
#[derive(Debug, Clone)]
pub struct WrittenView {
    /// The run that applied.
    pub run: String,
    /// What they come to; `None` until they were asked.
    pub outcome: Option<Said>,
    /// Why they could not be asked, in words; empty where they were.
    pub reason: String,
    /// When, in microseconds since 1970.
    pub judged_at: Option<i64>,
}

impl WrittenView {
    fn of(row: Written) -> Self {
        Self {
            run: row.run.to_string(),
            // What was altered in a row does not read; a word of a later version is as strict as there is.
            outcome: (!row.outcome.is_empty())
                .then(|| Said::from_word(&row.outcome).unwrap_or(Said::HardFailed)),
            reason: row.reason,
            judged_at: row.judged_at,
        }
    }

    /// Whether a mandatory policy is against it.
    pub fn is_against(&self) -> bool {
        self.outcome >= Some(Said::SoftFailed)
    }
}

/// Writes down that the state is to be judged that a run left which ends now, where any policy judges states.
pub(super) async fn await_it<A: Action>(
    tx: &mut Tx<A>,
    run: &Run,
    workspace: &WorkspaceRow,
) -> Result<()> {
    let entities = Stage::Applied.entities();
    let judges = |set: &force::InForce| entities.iter().any(|each| set.judges(*each));
    let is_judged = match force::of_run(tx, (run, workspace)).await {
        Ok(in_force) => in_force.iter().any(judges),
        // An apply ends whatever was altered beside it; that nobody can be asked is said when they would be.
        Err(error) if *error.kind() == Trouble::Tampered => true,
        Err(error) => return Err(error),
    };
    if !is_judged {
        return Ok(());
    }
    let now = tx.now();
    tx.put(&Written {
        run: run.id.clone(),
        workspace: run.workspace.clone(),
        sequence: run.sequence,
        outcome: String::new(),
        reason: String::new(),
        ended_at: now,
        judged_at: None,
    })
    .await
}

/// Has it judged again, because another state of the run came. Before the apply has ended there is nothing to do: then it is judged for the first time.
pub(super) async fn again(task: &Ctx, id: &RunId) -> Result<()> {
    let wanted = id.clone();
    door::change(task, JudgeWritten, target(id), move |tx| {
        let wanted = wanted.clone();
        Box::pin(async move {
            let run = needed(tx, &wanted).await?;
            if !run.state()?.status().is_final() {
                return Ok(Outcome::Unchanged(()));
            }
            let workspace = capsule::workspace_of(tx, &run).await?;
            await_it(tx, &run, &workspace).await?;
            if sql::of_run(tx, &wanted).await?.is_none() {
                return Ok(Outcome::Unchanged(()));
            }
            Ok(Outcome::Recorded(
                (),
                Entry::new(&run.id).fact("event", "state-came"),
            ))
        })
    })
    .await
}

/// Has policies asked, beside the round so that nobody waits.
pub(super) fn judge(task: &Ctx, id: &RunId) {
    let Some(judging) = Judging::begin(task, id) else {
        return;
    };
    tokio::spawn(async move {
        let (task, id) = judging.of();
        told(id, Box::pin(asked(task, id)).await);
    });
}

/// Asks until it is answered, and writes down that nobody answers where nobody does. Nothing waits for it.
async fn asked(task: &Ctx, id: &RunId) -> Result<()> {
    let (mut tried, mut wait) = (1, AGAIN);
    loop {
        match Box::pin(ask(task, id)).await {
            Err(error) if *error.kind() == Trouble::Unavailable => {
                tracing::warn!(run = %id, tried, %error, "the state that a run left is not judged yet");
                if tried == TRIES_MAX {
                    let why = format!("nobody could judge it, {tried} times: {}", error.message());
                    return settle(task, id, Err(why), None).await;
                }
            }
            done => return done,
        }
        tokio::time::sleep(wait).await;
        (tried, wait) = (tried + 1, wait.saturating_mul(2));
    }
}

async fn ask(task: &Ctx, id: &RunId) -> Result<()> {
    let said = match Box::pin(judge::judge(task, id, Stage::Applied)).await {
        Ok(Ok(said)) => Ok(said),
        Ok(Err(why)) => return Err(Error::unavailable(why)),
        Err(error) if *error.kind() == Trouble::Unavailable => return Err(error),
        Err(error) => Err(error.message().to_owned()),
    };
    let kept = match &said {
        Ok(Some(verdicts)) => {
            let part = next_part(task, id).await?;
            let kind = Kind::StateVerdicts;
            Some(files::prepare(task, id, kind, part, verdicts.text()?).await?)
        }
        _ => None,
    };
    settle(task, id, said, kept).await
}

/// The part that the next verdicts of a run are: each time that it is judged they are another.
async fn next_part(task: &Ctx, id: &RunId) -> Result<u64> {
    let wanted = id.clone();
    door::read(task, JudgeWritten, &target(id), move |rows| {
        Box::pin(async move {
            let last = runs::file(rows, &wanted, Kind::StateVerdicts.as_str()).await?;
            Ok(last.map_or(0, |last| last.part + 1))
        })
    })
    .await
}

/// Writes down what was said, unless somebody else did meanwhile.
async fn settle(
    task: &Ctx,
    id: &RunId,
    said: std::result::Result<Option<Verdicts>, String>,
    kept: Option<files::Prepared>,
) -> Result<()> {
    let plan = Plan {
        weight: kept.as_ref().map_or(0, files::Prepared::weight),
        asks: Vec::new(),
    };
    let file = kept.as_ref().map(|kept| kept.row.id.clone());
    let given = Arc::new((id.clone(), said, kept));
    let settled = door::planned(task, JudgeWritten, target(id), plan, move |tx| {
        let given = given.clone();
        Box::pin(async move {
            let (wanted, said, kept) = &*given;
            let waits = |row: &Written| row.outcome.is_empty();
            let Some(mut row) = sql::of_run(tx, wanted).await?.filter(waits) else {
                return Ok(Outcome::Unchanged(false));
            };
            let run = needed(tx, wanted).await?;
            let outcome = match said {
                Ok(Some(verdicts)) => verdicts.outcome(),
                // No policy of states is in force any more.
                Ok(None) => Said::Passed,
                Err(why) => {
                    row.reason.clone_from(why);
                    Said::HardFailed
                }
            };
            outcome.as_str().clone_into(&mut row.outcome);
            row.judged_at = Some(tx.now());
            tx.put(&row).await?;
            happened_about(tx, &run, (JUDGED, outcome.as_str().to_owned())).await?;
            let mut entry = Entry::new(&run.id);
            if let Some(file) = kept {
                files::store(tx, file).await?;
                entry = files::told(entry, &file.row);
            }
            let entry = entry
                .fact("event", JUDGED)
                .fact("outcome", outcome.as_str())
                .fact("workspace", run.workspace.as_str())
                .detail((!row.reason.is_empty()).then_some(row.reason.as_str()));
            Ok(Outcome::Recorded(true, entry))
        })
    })
    .await;
    if let Some(file) = file {
        files::forget_unless(task, &file, &settled);
    }
    settled.map(drop)
}

/// What policies say of the state that a run left; `None` where they are not asked.
pub(crate) async fn of_run(rows: &mut Rows, run: &RunId) -> Result<Option<WrittenView>> {
    match sql::of_run(rows, run).await {
        Ok(row) => Ok(row.map(WrittenView::of)),
        // The run itself must still be seen.
        Err(error) if *error.kind() == Trouble::Tampered => Ok(Some(WrittenView {
            run: run.to_string(),
            outcome: Some(Said::HardFailed),
            reason: error.message().to_owned(),
            judged_at: None,
        })),
        Err(error) => Err(error),
    }
}

/// What they said of the states that the last applies of some workspaces left, of those that are judged.
pub(crate) async fn of_all(
    rows: &mut Rows,
    workspaces: &[WorkspaceId],
) -> Result<HashMap<WorkspaceId, WrittenView>> {
    let newest = sql::newest_of(rows, workspaces).await?.into_iter();
    let each = newest.map(|row| (row.workspace.clone(), WrittenView::of(row)));
    Ok(each.collect())
}

/// What each set said of the state that a run left, the last time.
pub(crate) async fn kept(rows: &mut Rows, house: &House, run: &Run) -> Result<Option<Verdicts>> {
    if runs::file(rows, &run.id, Kind::StateVerdicts.as_str())
        .await?
        .is_none()
    {
        return Ok(None);
    }
    let text = capsule::open(rows, house, run, Kind::StateVerdicts).await?;
    Verdicts::read(&text).map(Some)
}

/// What each set said of the state that a run left, beside what it comes to; `None` where they are not asked.
pub async fn verdicts(ctx: &Ctx, id: &RunId) -> Result<Option<(WrittenView, Option<Verdicts>)>> {
    let (wanted, house) = (id.clone(), ctx.house().clone());
    let target = Target::Workspace(Workspace::OfRun(id.clone()));
    door::read(ctx, ShowVerdicts, &target, move |rows| {
        Box::pin(async move {
            let run = needed(rows, &wanted).await?;
            let Some(view) = of_run(rows, &run.id).await? else {
                return Ok(None);
            };
            let verdicts = kept(rows, &house, &run).await?;
            Ok(Some((view, verdicts)))
        })
    })
    .await
}
