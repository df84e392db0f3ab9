//! What people do with runs: confirm, approve, decide against, stop.
//!
//! Every act is bound to what its actor could see: an approval names the digest
//! of the capsule that it is about, and the server refuses one for a capsule
//! that is not the run's any more.

use std::sync::Arc;

pub use statehouse_capsule::Decision;
use statehouse_ledger::Hash;
use statehouse_model::{ActorId, ApprovalId, Permission, RunId};

use super::capsule;
use super::machine::{Act, Event, Status, Step};
use super::sql::{self, ApprovalRow, Run};
use super::{arrow, needed};
use crate::access::{self, Held};
use crate::ctx::Ctx;
use crate::door::{self, Action, Entry, Outcome, Target, Tx, actions};
use crate::error::{Error, Kind as Trouble, Result};
use crate::record::Rows;
use crate::workspace::{self, Workspace};

actions! {
    /// Say that a run shall be applied.
    ConfirmRun = "run.confirm" needs RunApply;
    /// Say that it shall not.
    DiscardRun = "run.discard" needs RunApply;
    /// Ask it to stop.
    CancelRun = "run.cancel" needs RunPlan;
    /// Stop it, after it was asked to and did not.
    ForceCancelRun = "run.force-cancel" needs RunForce;
    /// Say something about it.
    CommentRun = "run.comment" needs RunPlan;
    /// Approve what it would apply, or reject it.
    ApproveRun = "run.approve" needs RunApprove;
}

/// Longest comment beside an act, in bytes: as long as a run's message.
const COMMENT_BYTES_MAX: usize = 4096;
/// Most comments on one run, and most times of any other act on it; what ends a run happens once.
const TIMES_MAX: i64 = if cfg!(test) { 20 } else { 200 };
/// How long an approval is good, in microseconds: a week, as long as a capsule.
const APPROVAL_LIFE_US: i64 = capsule::LIFE_US;

/// Says that a run shall be applied. A saved plan takes the lock of its workspace with it.
pub async fn confirm(ctx: &Ctx, id: &RunId, comment: Option<String>) -> Result<()> {
    act(ctx, ConfirmRun, id, comment, |sufficient| Act::Confirm {
        sufficient,
    })
    .await
}

/// Says that it shall not be applied.
pub async fn discard(ctx: &Ctx, id: &RunId, comment: Option<String>) -> Result<()> {
    act(ctx, DiscardRun, id, comment, |_| Act::Discard).await
}

/// Asks it to stop. Of a run that may apply, whoever may apply asks.
pub async fn cancel(ctx: &Ctx, id: &RunId, comment: Option<String>) -> Result<()> {
    act(ctx, CancelRun, id, comment, |_| Act::Cancel).await
}

/// Stops it, after it was asked to and did not.
pub async fn force_cancel(ctx: &Ctx, id: &RunId, comment: Option<String>) -> Result<()> {
    act(ctx, ForceCancelRun, id, comment, |_| Act::ForceCancel).await
}

/// Says something about it, which changes nothing.
pub async fn comment(ctx: &Ctx, id: &RunId, text: String) -> Result<()> {
    if text.trim().is_empty() {
        return Err(Error::invalid("a comment says something"));
    }
    act(ctx, CommentRun, id, Some(text), |_| Act::Comment).await
}

/// Refuses what was done to a run as often as it may be: each is kept, and read whenever somebody looks at the run.
async fn require_room(rows: &mut Rows, run: &Run, act: Act) -> Result<()> {
    let word = act.as_str();
    if sql::times(rows, &run.id, word).await? < TIMES_MAX {
        return Ok(());
    }
    let words = format!("`{word}` stands {TIMES_MAX} times beside this run, and no more do");
    Err(Error::new(Trouble::Conflict, words).hint("start another run"))
}

fn check(comment: Option<&str>) -> Result<()> {
    if comment.is_some_and(|comment| comment.len() > COMMENT_BYTES_MAX) {
        let words = format!("the comment is longer than {COMMENT_BYTES_MAX} bytes");
        return Err(Error::invalid(words));
    }
    Ok(())
}

async fn act<A: Action>(
    ctx: &Ctx,
    action: A,
    id: &RunId,
    comment: Option<String>,
    what: fn(bool) -> Act,
) -> Result<()> {
    check(comment.as_deref())?;
    let given = Arc::new((id.clone(), comment, ctx.clone()));
    let target = Target::Workspace(Workspace::OfRun(id.clone()));
    door::change(ctx, action, target, move |tx| {
        let given = given.clone();
        Box::pin(async move {
            let (id, comment, ctx) = &*given;
            let mut run = needed(tx, id).await?;
            let state = run.state()?;
            // Whoever decides against a run can, also where its capsule does not open.
            let confirms = matches!(what(false), Act::Confirm { .. });
            // Before there is a capsule nobody can have approved anything.
            let sufficient = match state.capsule() {
                Some(_) if confirms => capsule::suffices(tx, ctx.house(), &run).await?,
                _ => false,
            };
            let act = what(sufficient);
            require_room(tx, &run, act).await?;
            if act == Act::Cancel {
                may_stop(tx, ctx, &run).await?;
            }
            if confirms && state.status() == Status::PlannedAndSaved && !state.holds_lock() {
                arrow(tx, &mut run, Event::Server(Step::Lock)).await?;
            }
            let entry = arrow(tx, &mut run, Event::Person(act)).await?;
            Ok(Outcome::Recorded((), entry.detail(comment.as_deref())))
        })
    })
    .await?;
    ctx.house().work_is_there();
    Ok(())
}

/// A run that may apply is not stopped by who may only plan.
async fn may_stop<A: Action>(tx: &mut Tx<A>, ctx: &Ctx, run: &Run) -> Result<()> {
    if !run.state()?.kind().may_apply() {
        return Ok(());
    }
    let target = Target::Workspace(Workspace::Id(run.workspace.clone()));
    let now = tx.now();
    access::decide(tx, ctx, Permission::RunApply, &target, now).await
}

/// Approves what a run would apply, or rejects it. `seen` is the digest of the
/// capsule that the person looked at.
pub async fn decide(
    ctx: &Ctx,
    id: &RunId,
    decision: Decision,
    seen: Hash,
    comment: Option<String>,
) -> Result<()> {
    check(comment.as_deref())?;
    if ctx.actor().user().is_none() {
        let words = "approvals are people's: a team or an organization has nobody to answer for it";
        return Err(Error::new(Trouble::Denied, words).hint("approve with a token of your own"));
    }
    let approval = ApprovalId::from_entropy(ctx.house().code(), crate::entropy());
    let given = Arc::new((id.clone(), approval, comment, ctx.clone()));
    let target = Target::Workspace(Workspace::OfRun(id.clone()));
    door::change(ctx, ApproveRun, target, move |tx| {
        let given = given.clone();
        Box::pin(async move {
            let (id, approval, comment, ctx) = &*given;
            let mut run = needed(tx, id).await?;
            if run.state()?.capsule() != Some(seen) {
                let words = "the run would apply something else than what you looked at";
                return Err(Error::new(Trouble::Conflict, words).hint("look at it again"));
            }
            let actor = ActorId::from(ctx.actor());
            let said = sql::approvals(tx, id).await?;
            let stands = |row: &&ApprovalRow| {
                row.actor == actor && row.withdrawn_at.is_none() && row.capsule == seen
            };
            if said
                .iter()
                .any(|row| stands(&row) && row.decision == decision.as_str())
            {
                return Ok(Outcome::Unchanged(()));
            }
            let now = tx.now();
            let row = word(tx, ctx, &run, (approval, decision, seen), now).await?;
            tx.put(&row).await?;
            let sufficient = capsule::suffices(tx, ctx.house(), &run).await?;
            let act = match decision {
                Decision::Approve => Act::Approve { sufficient },
                Decision::Reject => Act::Reject,
            };
            require_room(tx, &run, act).await?;
            let entry = arrow(tx, &mut run, Event::Person(act)).await?;
            let entry = told(entry, approval, &seen).detail(comment.as_deref());
            Ok(Outcome::Recorded((), entry))
        })
    })
    .await?;
    ctx.house().work_is_there();
    Ok(())
}

/// What the caller says of a run, as it is written down.
pub(super) async fn word(
    rows: &mut Rows,
    ctx: &Ctx,
    run: &Run,
    (approval, decision, seen): (&ApprovalId, Decision, Hash),
    now: i64,
) -> Result<ApprovalRow> {
    let actor = ActorId::from(ctx.actor());
    let capacity = capacity(rows, ctx, run, now).await?;
    let is_authors = capsule::stands_behind(rows, run, &actor).await?;
    Ok(ApprovalRow {
        id: approval.clone(),
        run: run.id.clone(),
        capsule: seen.to_vec(),
        decision: decision.as_str().to_owned(),
        capacity,
        is_authors,
        actor,
        created_at: now,
        expires_at: now.saturating_add(APPROVAL_LIFE_US),
        withdrawn_at: None,
    })
}

fn told(entry: Entry, approval: &ApprovalId, capsule: &Hash) -> Entry {
    entry
        .fact("approval", approval.as_str())
        .fact("capsule", hex::encode(capsule))
}

/// As what the caller approves: the strongest role by which they may.
async fn capacity(rows: &mut Rows, ctx: &Ctx, run: &Run, now: i64) -> Result<String> {
    let wanted = Workspace::Id(run.workspace.clone());
    let workspace = workspace::sql::needed(rows, &wanted).await?;
    let rights = access::Rights::of(rows, ctx, now).await?;
    let scopes = [
        access::ORGANIZATION,
        workspace.project.as_str(),
        workspace.id.as_str(),
    ];
    let mut roles: Vec<_> = rights
        .held()
        .iter()
        .filter_map(|held| match held {
            Held::Role(role, scope) if scopes.contains(&scope.as_str()) => Some(*role),
            _ => None,
        })
        .filter(|role| Permission::RunApprove.held_by(*role))
        .collect();
    roles.sort_unstable();
    let role = roles.first().ok_or_else(|| {
        Error::new(
            Trouble::Denied,
            "only people with a role in the organization approve",
        )
    })?;
    Ok(format!("role:{role}"))
}

/// Takes one's own approval of a run back.
pub async fn withdraw(ctx: &Ctx, id: &RunId, comment: Option<String>) -> Result<()> {
    check(comment.as_deref())?;
    let given = Arc::new((id.clone(), comment, ctx.clone()));
    let target = Target::Workspace(Workspace::OfRun(id.clone()));
    door::change(ctx, ApproveRun, target, move |tx| {
        let given = given.clone();
        Box::pin(async move {
            let (id, comment, ctx) = &*given;
            let mut run = needed(tx, id).await?;
            let actor = ActorId::from(ctx.actor());
            let said = sql::approvals(tx, id).await?;
            let own = said.into_iter().find(|row| {
                row.actor == actor
                    && row.withdrawn_at.is_none()
                    && row.decision == Decision::Approve.as_str()
            });
            let Some(mut own) = own else {
                return Err(Error::new(
                    Trouble::Conflict,
                    "you have not approved this run",
                ));
            };
            own.withdrawn_at = Some(tx.now());
            tx.put(&own).await?;
            let sufficient = capsule::suffices(tx, ctx.house(), &run).await?;
            let act = Act::Withdraw { sufficient };
            let entry = arrow(tx, &mut run, Event::Person(act)).await?;
            let entry = entry
                .fact("approval", own.id.as_str())
                .detail(comment.as_deref());
            Ok(Outcome::Recorded((), entry))
        })
    })
    .await?;
    ctx.house().work_is_there();
    Ok(())
}
