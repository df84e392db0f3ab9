//! The approvals of a run, for people to see: how many it needs, whose count, and whether the caller's would.
//!
//! Nothing is decided here. What is needed and what counts is said by what decides whether the run goes on
//! ([`super::capsule`], [`tally`]); whether the caller's would count is its answer for the one that they would give.
//! Of a run that began to apply it is told what was counted then, from what was written down in the same change.

use std::collections::BTreeSet;

use statehouse_capsule::{Decision, FoundApproval, Mismatch, Tally, Verified, tally};
use statehouse_ledger::Hash;
use statehouse_model::{ActorId, ApprovalId, Permission};

use super::sql::{self, Run};
use super::{act, capsule};
use crate::ctx::Ctx;
use crate::error::{Kind as Trouble, Result};
use crate::record::Rows;

/// Beside the events of the machine: the approvals that an apply began with.
pub(super) const COUNTED: &str = "approvals-counted";
/// Stands in its words between how many were needed and who gave them.
const NEEDED: &str = " needed: ";
/// Stands there between two people.
const AND: &str = ", ";

/// The approvals that a run needs and has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approvals {
    /// How many are needed, for what its capsule binds and for what is asked now.
    pub needed: u32,
    /// Who gave those that count, each as often as they count.
    pub by: Vec<ActorId>,
    /// Whether one of the caller's counts, or would.
    pub own: Own,
}

impl Approvals {
    /// How many count.
    pub fn counted(&self) -> usize {
        self.by.len()
    }

    /// How many are missing.
    pub fn missing(&self) -> u32 {
        let counted = u32::try_from(self.counted()).unwrap_or(u32::MAX);
        self.needed.saturating_sub(counted)
    }
}

/// Whether an approval of the caller's counts, or would.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Own {
    /// Yes.
    Counts,
    /// They started the run.
    Started,
    /// They stand behind it otherwise: by what they uploaded, or by a token of their team.
    StandsBehind,
    /// They gave it too long ago.
    Expired,
    /// They may not approve it.
    MayNot,
    /// Nobody's does any more: it began to apply.
    Over,
}

impl Own {
    /// Why it does not, in words to the caller; nothing where it does, or nobody's does.
    pub fn why_not(self) -> Option<&'static str> {
        match self {
            Self::Counts | Self::Over => None,
            Self::Started => Some("you started it"),
            Self::StandsBehind => {
                Some("you stand behind it, as who uploaded what it plans or by your team's token")
            }
            Self::Expired => Some("it has expired: withdraw it, then approve again"),
            Self::MayNot => Some("you may not approve it"),
        }
    }
}

/// What is told of a run to a caller who may do this with it. Where something of it was altered or is gone nothing
/// is, for the run itself must still be seen: what was altered is named when the apply would begin.
pub(super) async fn of(
    rows: &mut Rows,
    ctx: &Ctx,
    run: &Run,
    may: &BTreeSet<Permission>,
) -> Result<Option<Approvals>> {
    let told = if run.began_at.is_some() {
        written(rows, run).await
    } else if run.capsule.is_none() || run.state()?.status().is_final() {
        Ok(None)
    } else {
        count(rows, ctx, run, may).await.map(Some)
    };
    match told {
        Err(error) if matches!(error.kind(), Trouble::Tampered | Trouble::NotFound) => Ok(None),
        told => told,
    }
}

/// Counts as whoever decides whether the run goes on.
async fn count(
    rows: &mut Rows,
    ctx: &Ctx,
    run: &Run,
    may: &BTreeSet<Permission>,
) -> Result<Approvals> {
    let (house, now) = (ctx.house(), ctx.house().now());
    let workspace = capsule::workspace_of(rows, run).await?;
    let requirement = capsule::requirement(rows, &workspace).await?;
    let signed = capsule::read(rows, house, run).await?;
    let digest = signed.capsule().digest();
    let found = capsule::approvals(rows, run, now).await?;
    let alone = if may.contains(&Permission::RunApprove) {
        callers(rows, ctx, run, (found.as_slice(), digest), now).await?
    } else {
        Vec::new()
    };
    let of = (signed.capsule().terms(), digest);
    let own = tally(&requirement, of, &alone, now);
    let tally = tally(&requirement, of, &found, now);
    Ok(Approvals {
        needed: tally.needed,
        by: tally.approvers,
        own: verdict(&own, run.actor == ActorId::from(ctx.actor())),
    })
}

/// The caller's approval of a capsule: the one that stands, or else the one that they would give now; none where they
/// could give none.
async fn callers(
    rows: &mut Rows,
    ctx: &Ctx,
    run: &Run,
    (found, digest): (&[FoundApproval], Hash),
    now: i64,
) -> Result<Vec<FoundApproval>> {
    let actor = ActorId::from(ctx.actor());
    let stands = |each: &&FoundApproval| {
        let approval = &each.approval;
        approval.approver == actor
            && approval.decision == Decision::Approve
            && approval.capsule == digest
            && !each.withdrawn
    };
    if let Some(own) = found.iter().find(stands) {
        return Ok(vec![own.clone()]);
    }
    if ctx.actor().user().is_none() {
        return Ok(Vec::new());
    }
    let id = ApprovalId::from_entropy(ctx.house().code(), crate::entropy());
    let given = (&id, Decision::Approve, digest);
    let word = act::word(rows, ctx, run, given, now).await;
    match word {
        Err(error) if *error.kind() == Trouble::Denied => Ok(Vec::new()),
        word => Ok(vec![capsule::looked_up(rows, run, word?, now).await?]),
    }
}

/// What the count of the caller's approval alone says.
fn verdict(alone: &Tally, started: bool) -> Own {
    if !alone.counted.is_empty() {
        return Own::Counts;
    }
    match alone.discounted.first() {
        Some(Mismatch::ApprovalAuthor(_)) if started => Own::Started,
        Some(Mismatch::ApprovalAuthor(_)) => Own::StandsBehind,
        Some(Mismatch::ApprovalExpired(_)) => Own::Expired,
        _ => Own::MayNot,
    }
}

/// What is written down when an apply begins, where approvals were needed.
pub(super) fn about(verified: &Verified) -> Option<String> {
    let by: Vec<_> = verified.approvers().iter().map(ActorId::as_str).collect();
    let needed = verified.needed();
    (needed > 0).then(|| format!("{needed}{NEEDED}{}", by.join(AND)))
}

/// What was written down when it began; nothing where none were needed.
async fn written(rows: &mut Rows, run: &Run) -> Result<Option<Approvals>> {
    let counted = sql::last_of_kind(rows, &run.id, COUNTED).await?;
    Ok(counted.and_then(|event| read(&event.about)))
}

fn read(about: &str) -> Option<Approvals> {
    let (needed, by) = about.split_once(NEEDED)?;
    let by = by.split(AND).map(|each| each.parse::<ActorId>().ok());
    Some(Approvals {
        needed: needed.parse().ok()?,
        by: by.collect::<Option<Vec<_>>>()?,
        own: Own::Over,
    })
}
