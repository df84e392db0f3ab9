//! What policies are to a run, for people and programs to see: whether they are asked, what they said, who let it pass, and whether the caller may.
//!
//! Nothing is decided here: whether the caller may let a plan pass is what an override is refused by ([`super::overrule`]). Where what was said was
//! altered or is gone, the run itself must still be seen, and so it is told that nothing can be told.

use statehouse_model::{Permission, RunId};

use super::judge::{Outcome, Verdicts};
use super::sql::{self, PolicyOverride};
use super::{force, overrule};
use crate::access;
use crate::ctx::Ctx;
use crate::door::{self, Target};
use crate::error::{Kind as Trouble, Result};
use crate::house::House;
use crate::record::Rows;
use crate::run::machine::{Kind, Status};
use crate::run::sql::Run;
use crate::run::{capsule, needed};
use crate::workspace::Workspace;

/// What policies are to a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// They are not asked, or what they said does not read any more.
    Untold,
    /// They will be asked of its plan.
    Awaited,
    /// They said this.
    Said(Outcome),
}

/// Whether a caller may let a plan pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// No policy holds it up.
    Free,
    /// They may.
    Open,
    /// They may not, for this reason.
    Closed(String),
}

/// Somebody's word that a plan may pass.
#[derive(Debug, Clone)]
pub struct OverrideView {
    /// The digest of the policy set that it is about, as it was in force, in hex.
    pub policy_set: String,
    /// Who gave it.
    pub actor: String,
    /// When, in microseconds since 1970.
    pub created_at: i64,
    /// Until when it is good.
    pub expires_at: i64,
    /// When it was taken back.
    pub withdrawn_at: Option<i64>,
}

impl From<PolicyOverride> for OverrideView {
    fn from(row: PolicyOverride) -> Self {
        Self {
            policy_set: hex::encode(&row.policy_set),
            actor: row.actor.to_string(),
            created_at: row.created_at,
            expires_at: row.expires_at,
            withdrawn_at: row.withdrawn_at,
        }
    }
}

/// What policies said of a run.
#[derive(Debug, Clone)]
pub struct Seen {
    /// What each set said, the last time; `None` where they were not asked.
    pub verdicts: Option<Verdicts>,
    /// What people said against it, the oldest first.
    pub overrides: Vec<OverrideView>,
    /// Whether the caller may let it pass.
    pub way: Way,
}

/// What policies are to a run.
pub(crate) async fn standing(rows: &mut Rows, house: &House, run: &Run) -> Result<Standing> {
    let state = run.state()?;
    let told = match state.status() {
        Status::Pending
        | Status::Fetching
        | Status::Planning
        | Status::Planned
        | Status::Assessing => match state.kind() {
            Kind::Drift => Ok(Standing::Untold),
            _ => awaited(rows, run).await,
        },
        _ => overrule::kept(rows, house, run).await.map(said),
    };
    match told {
        Err(error) if is_gone(error.kind()) => Ok(Standing::Untold),
        told => told,
    }
}

fn said(verdicts: Option<Verdicts>) -> Standing {
    verdicts.map_or(Standing::Untold, |verdicts| {
        Standing::Said(verdicts.outcome())
    })
}

async fn awaited(rows: &mut Rows, run: &Run) -> Result<Standing> {
    let workspace = capsule::workspace_of(rows, run).await?;
    let in_force = force::of_run(rows, (run, &workspace)).await?;
    Ok(if in_force.is_empty() {
        Standing::Untold
    } else {
        Standing::Awaited
    })
}

/// Whether something was altered, or a policy of retention removed it.
pub(crate) fn is_gone(kind: &Trouble) -> bool {
    matches!(
        kind,
        Trouble::Tampered | Trouble::NotFound | Trouble::Conflict
    )
}

/// What policies said of a run, who let it pass, and whether the caller may.
pub async fn of_run(ctx: &Ctx, id: &RunId) -> Result<Seen> {
    let (wanted, asked) = (id.clone(), ctx.clone());
    let target = Target::Workspace(Workspace::OfRun(id.clone()));
    door::read(ctx, overrule::ShowVerdicts, &target, move |rows| {
        Box::pin(async move {
            let run = needed(rows, &wanted).await?;
            let overrides = sql::overrides(rows, &run.id).await?;
            Ok(Seen {
                verdicts: overrule::kept(rows, asked.house(), &run).await?,
                overrides: overrides.into_iter().map(OverrideView::from).collect(),
                way: way(rows, &asked, &run).await?,
            })
        })
    })
    .await
}

/// Whether the caller may let the plan of a run pass.
pub(crate) async fn way(rows: &mut Rows, ctx: &Ctx, run: &Run) -> Result<Way> {
    if run.state()?.status() != Status::PolicyFailed {
        return Ok(Way::Free);
    }
    if let Err(error) = overrule::overridable(rows, (ctx.house(), ctx), run).await {
        return match error.kind() {
            Trouble::Conflict | Trouble::Denied => Ok(Way::Closed(error.message().to_owned())),
            _ => Err(error),
        };
    }
    let target = Target::Workspace(Workspace::Id(run.workspace.clone()));
    let (permission, now) = (Permission::PolicyOverride, ctx.house().now());
    let may = access::holds(rows, ctx, permission, &target, now).await?;
    let closed = || {
        Way::Closed(format!(
            "you may not override it; that needs `{permission}`, held by {}",
            permission.holders()
        ))
    };
    Ok(if may { Way::Open } else { closed() })
}
