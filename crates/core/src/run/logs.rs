//! Reading what a run says and shows: its logs as they grow, and its plan.
//!
//! A log is read under a signed address, as the person who asked for it. A plan
//! holds what will be in the state, so its JSON is the state's to read: the form
//! without sensitive values is enough for who may only see runs.

use bytes::Bytes;
use statehouse_model::RunId;
use tokio::sync::broadcast;

use super::explained::explained;
use super::files::{self, Kind};
use super::machine::Status;
use super::sql::Run;
use super::{needed, sql};
use crate::ctx::Ctx;
use crate::door::{self, Target, actions};
use crate::error::Result;
use crate::url::{self, Purpose, Signed};
use crate::workspace::Workspace;

actions! {
    /// Follow the log of a run.
    ReadLog = "run.read-log" needs RunRead;
    /// See its plan, sensitive values hidden.
    ReadPlanShown = "run.read-plan-shown" needs RunRead;
    /// Read its plan with everything in it.
    ReadPlan = "run.read-plan" needs StateRead;
}

/// Some of a log.
#[derive(Debug, Clone)]
pub struct Stretch {
    /// The bytes.
    pub bytes: Bytes,
    /// How long the whole log is by now.
    pub length: u64,
}

/// An address under which the caller follows a log; `None` for a caller without a token.
pub async fn address(ctx: &Ctx, purpose: Purpose) -> Result<Option<Signed>> {
    let (Purpose::GetPlanLog(run) | Purpose::GetApplyLog(run)) = &purpose else {
        return Ok(None);
    };
    if ctx.actor().token().is_none() || ctx.house().read_only().is_some() {
        return Ok(None);
    }
    let (wanted, asked, of) = (run.clone(), ctx.clone(), purpose.clone());
    let target = Target::Workspace(Workspace::OfRun(run.clone()));
    let (workspace, given) = door::read(ctx, ReadLog, &target, move |rows| {
        Box::pin(async move {
            let run = needed(rows, &wanted).await?;
            let given = url::given(rows, &asked, &of, url::LOG_LIFE_US / 2).await?;
            Ok((run.workspace, given))
        })
    })
    .await?;
    if given.is_some() {
        return Ok(given);
    }
    url::for_log(ctx, &purpose, &workspace).await.map(Some)
}

/// The growth of a run's logs from now on: who found nothing new in one may wait for it.
pub struct Growth {
    run: RunId,
    told: broadcast::Receiver<RunId>,
}

impl Growth {
    /// Of a run.
    pub fn of(ctx: &Ctx, run: &RunId) -> Self {
        Self {
            run: run.clone(),
            told: ctx.house().growth(),
        }
    }

    /// Waits until one of them has grown, or may have.
    pub async fn next(&mut self) {
        while self.told.recv().await.is_ok_and(|run| run != self.run) {}
    }
}

/// Some of the log of the plan, or of the apply, from a place on.
pub async fn read(
    ctx: &Ctx,
    id: &RunId,
    applies: bool,
    from: u64,
    limit: usize,
) -> Result<Stretch> {
    let kind = if applies {
        Kind::ApplyLog
    } else {
        Kind::PlanLog
    };
    let wanted = id.clone();
    let target = Target::Workspace(Workspace::OfRun(id.clone()));
    let (pieces, length, instead) = door::read(ctx, ReadLog, &target, move |rows| {
        Box::pin(async move {
            let run = needed(rows, &wanted).await?;
            let last = sql::file(rows, &run.id, kind.as_str()).await?;
            let instead = match &last {
                None if applies => unapplied(&run)?,
                _ => None,
            };
            let length = last.map_or(0, |last| last.part + last.size);
            Ok((
                files::log(rows, &run.id, kind, from).await?,
                length,
                instead,
            ))
        })
    })
    .await?;
    if let Some(text) = instead {
        let from = usize::try_from(from).ok();
        let rest = from.and_then(|from| text.as_bytes().get(from..));
        let rest = rest.unwrap_or_default();
        return Ok(Stretch {
            bytes: Bytes::copy_from_slice(rest.get(..limit).unwrap_or(rest)),
            length: text.len() as u64,
        });
    }
    let bytes = files::opened(ctx, pieces, from, limit).await?;
    Ok(Stretch { bytes, length })
}

/// What stands in the place of the log of an apply that never began: whoever waits for it is told that it does not, and why.
fn unapplied(run: &Run) -> Result<Option<String>> {
    let state = run.state()?;
    let status = state.status();
    let is_good = matches!(status, Status::Applied | Status::PlannedAndFinished);
    let is_begun = run.began_at.is_some();
    if !status.is_final() || is_good || is_begun || !state.kind().may_apply() {
        return Ok(None);
    }
    let why = match explained(status, &run.reason) {
        Some((what, next)) => format!(": {what}; {next}"),
        None => String::new(),
    };
    Ok(Some(format!(
        "\nNothing was applied: the run is {}{why}.\n`statehouse run events {}` says who did what.\n",
        status.as_str().replace('_', " "),
        run.id
    )))
}

/// The JSON of a run's plan, whole or for the screen; `None` where there is none
/// yet. The read is in the ledger before this returns.
pub async fn plan_json(ctx: &Ctx, id: &RunId, shown: bool) -> Result<Option<Bytes>> {
    if shown {
        plan_as(ctx, ReadPlanShown, id, Kind::PlanShown).await
    } else {
        plan_as(ctx, ReadPlan, id, Kind::PlanJson).await
    }
}

async fn plan_as<A: door::Action>(
    ctx: &Ctx,
    action: A,
    id: &RunId,
    kind: Kind,
) -> Result<Option<Bytes>> {
    let wanted = id.clone();
    let target = Target::Workspace(Workspace::OfRun(id.clone()));
    let found = door::read(ctx, action, &target, move |rows| {
        Box::pin(async move {
            let run = needed(rows, &wanted).await?;
            if run.changes.is_none() {
                return Ok(None);
            }
            files::find(rows, &run.id, kind).await
        })
    })
    .await?;
    let Some((object, stored)) = found else {
        return Ok(None);
    };
    ctx.house()
        .reads()
        .record(ctx, action, &target, &object.id)
        .await?;
    object.open(ctx, stored).await.map(Some)
}
