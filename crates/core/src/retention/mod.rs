//! How long the content of old versions is kept.
//!
//! A policy over the organization, a project or a workspace says for how many
//! days content is kept, and of how many of the newest versions always; the
//! narrowest one counts. What is over is removed as a person would remove it
//! ([`crate::state::remove_content`]): the bytes go, the version's row, its leaf
//! and the proof stay, and whoever asks for the bytes is told.
//!
//! Never removed is the content of a current version, of an upload that waits
//! for a person, and of a frozen workspace. Policies are applied when a house
//! opens and every hour while it is open.

pub(crate) mod sql;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use statehouse_model::{Actor, WorkspaceId, instant};

use crate::access::{self, Scope};
use crate::ctx::Ctx;
use crate::door::{self, Entry, Outcome, Target, Tx, actions};
use crate::error::{Error, Result};
use crate::house::House;
use crate::record::Rows;
use crate::state::removal;
use crate::state::sql::Version;
use crate::workspace::sql::Workspace as Row;
use crate::workspace::{self, Workspace};
use sql::Policy;

actions! {
    /// Say how long content is kept.
    SetRetention = "retention.set" needs StateRemove;
    /// Say nothing more about it.
    EndRetention = "retention.end" needs StateRemove;
    /// See what was said.
    ShowRetention = "retention.show" needs WorkspaceRead;
    /// Remove what is over.
    Retain = "state.retain" needs StateRemove;
}

/// Longest time and most versions that a policy can say: a century, and more
/// versions than one a minute makes in it.
const DAYS_MAX: u64 = 36_500;
const VERSIONS_MAX: u64 = 100_000_000;

const DAY_US: i64 = 24 * 3600 * 1_000_000;

/// Versions whose content one change removes: each is a row in its leaf.
const BATCH: i64 = 50;
/// Workspaces that are looked at in one go.
const PAGE: i64 = 100;

/// How long content is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wish {
    /// For so many days; `None` is for ever.
    pub days: Option<u64>,
    /// And always of so many of the newest versions.
    pub versions: u64,
}

/// A policy, for people and programs to read.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct PolicyView {
    /// `organization`, or the id of a project or workspace.
    pub scope: String,
    /// For how many days content is kept; `None` is for ever.
    pub days: Option<u64>,
    /// Of how many of the newest versions it is always kept.
    pub versions: u64,
    /// Who said so.
    pub set_by: String,
    /// When, in microseconds since 1970.
    pub set_at: i64,
}

impl From<Policy> for PolicyView {
    fn from(policy: Policy) -> Self {
        Self {
            scope: policy.scope,
            days: policy.days,
            versions: policy.versions,
            set_by: policy.set_by,
            set_at: policy.set_at,
        }
    }
}

/// What is said of a scope, and what counts there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The policy of the scope itself.
    pub own: Option<PolicyView>,
    /// The one in force: its own, or that of what it lies in.
    pub in_force: Option<PolicyView>,
}

/// Says how long content is kept in a scope.
pub async fn set(ctx: &Ctx, scope: Scope, wish: Wish) -> Result<PolicyView> {
    if wish.days == Some(0) && wish.versions == 0 {
        let words = "a policy that keeps no day and no version would remove every change at once";
        return Err(Error::invalid(words).hint("keep a day, or a version"));
    }
    if wish.days.is_some_and(|days| days > DAYS_MAX) || wish.versions > VERSIONS_MAX {
        let words = format!("at most {DAYS_MAX} days and {VERSIONS_MAX} versions can be said");
        return Err(Error::invalid(words).hint("to keep everything, say so: without days"));
    }
    let actor = ctx.actor().id().to_owned();
    door::change(ctx, SetRetention, scope.target(), move |tx| {
        let policy = Policy {
            scope: scope.text(),
            days: wish.days,
            versions: wish.versions,
            set_by: actor.clone(),
            set_at: tx.now(),
        };
        Box::pin(async move {
            tx.put(&policy).await?;
            let mut entry = Entry::new(&policy.scope).fact("versions", policy.versions);
            if let Some(days) = policy.days {
                entry = entry.fact("days", days);
            }
            Ok(Outcome::Recorded(policy.into(), entry))
        })
    })
    .await
}

/// Says nothing more about a scope. Once more is answered alike.
pub async fn end(ctx: &Ctx, scope: Scope) -> Result<()> {
    door::change(ctx, EndRetention, scope.target(), move |tx| {
        let scope = scope.text();
        Box::pin(async move {
            if sql::of_scope(tx, &scope).await?.is_none() {
                return Ok(Outcome::Unchanged(()));
            }
            tx.remove::<Policy>(&[scope.as_str().into()]).await?;
            Ok(Outcome::Recorded((), Entry::new(&scope)))
        })
    })
    .await
}

/// Everything that is said, by scope.
pub async fn list(ctx: &Ctx) -> Result<Vec<PolicyView>> {
    door::read(ctx, ShowRetention, &Target::House, |rows| {
        Box::pin(async move {
            let policies = sql::all(rows).await?;
            Ok(policies.into_values().map(PolicyView::from).collect())
        })
    })
    .await
}

/// What is said of a scope.
pub async fn show(ctx: &Ctx, scope: Scope) -> Result<Said> {
    let target = scope.target();
    door::read(ctx, ShowRetention, &target, move |rows| {
        Box::pin(async move {
            let policies = sql::all(rows).await?;
            let own = policies.get(&scope.text()).cloned();
            let in_force = match &scope {
                Scope::Workspace(id) => {
                    let workspace = Workspace::Id(id.clone());
                    let workspace = workspace::sql::needed(rows, &workspace).await?;
                    in_force(&policies, &workspace)
                }
                Scope::Project(_) | Scope::Organization => {
                    own.as_ref().or_else(|| policies.get(access::ORGANIZATION))
                }
            };
            let in_force = in_force.cloned().map(PolicyView::from);
            Ok(Said {
                own: own.map(PolicyView::from),
                in_force,
            })
        })
    })
    .await
}

/// The policy that counts for a workspace.
fn in_force<'p>(policies: &'p BTreeMap<String, Policy>, workspace: &Row) -> Option<&'p Policy> {
    let (own, project) = (workspace.id.as_str(), workspace.project.as_str());
    let scopes = [own, project, access::ORGANIZATION];
    scopes.into_iter().find_map(|scope| policies.get(scope))
}

/// Removes what is over in a house, and says of how many versions.
pub(crate) async fn apply(house: &Arc<House>) -> Result<u64> {
    let task = Ctx::new(house.clone(), Actor::Task(access::RETENTION), None, None);
    let (mut removed, mut after) = (0, String::new());
    loop {
        let (over, last) = look(&task, after).await?;
        for id in over {
            loop {
                let taken = remove(&task, id.clone()).await?;
                removed += taken;
                if taken < u64::try_from(BATCH).unwrap_or(0) {
                    break;
                }
            }
        }
        match last {
            Some(last) => after = last,
            None => return Ok(removed),
        }
    }
}

/// Those of the workspaces after an id in which anything is over, and the last
/// that was looked at.
async fn look(task: &Ctx, after: String) -> Result<(Vec<WorkspaceId>, Option<String>)> {
    let now = task.house().now();
    door::read(task, Retain, &Target::House, move |rows| {
        Box::pin(async move {
            let policies = sql::all(rows).await?;
            if policies.values().all(|policy| policy.days.is_none()) {
                return Ok((Vec::new(), None));
            }
            let page = sql::workspaces(rows, &after, PAGE).await?;
            let last = page.last().map(|workspace| workspace.id.to_string());
            let mut found = Vec::new();
            for workspace in page {
                if !over(rows, &policies, &workspace, now, 1).await?.is_empty() {
                    found.push(workspace.id);
                }
            }
            Ok((found, last))
        })
    })
    .await
}

/// What is over in a workspace, by the policy that counts there now.
async fn over(
    rows: &mut Rows,
    policies: &BTreeMap<String, Policy>,
    workspace: &Row,
    now: i64,
    limit: i64,
) -> Result<Vec<Version>> {
    let policy = in_force(policies, workspace);
    let Some((policy, days)) = policy.and_then(|policy| Some((policy, policy.days?))) else {
        return Ok(Vec::new());
    };
    if workspace::freeze::sql::of(rows, &workspace.id)
        .await?
        .is_some()
    {
        return Ok(Vec::new());
    }
    let days = i64::try_from(days).unwrap_or(i64::MAX);
    let before = now.saturating_sub(days.saturating_mul(DAY_US));
    sql::over(rows, workspace, policy, before, limit).await
}

/// Removes the content of some of the versions that are over in a workspace.
async fn remove(task: &Ctx, id: WorkspaceId) -> Result<u64> {
    let objects = door::change(task, Retain, Target::House, move |tx| {
        let id = id.clone();
        Box::pin(async move { remove_in(tx, &id).await })
    });
    let objects = objects.await?;
    let mut count = 0;
    for objects in objects {
        count += 1;
        for object in objects {
            task.house().blobs().forget(&object);
        }
    }
    Ok(count)
}

async fn remove_in(tx: &mut Tx<Retain>, id: &WorkspaceId) -> Result<Outcome<Vec<Vec<String>>>> {
    let now = tx.now();
    let Some(workspace) = sql::workspace(tx, id).await? else {
        return Ok(Outcome::Unchanged(Vec::new()));
    };
    let policies = sql::all(tx).await?;
    let over = over(tx, &policies, &workspace, now, BATCH).await?;
    if over.is_empty() {
        return Ok(Outcome::Unchanged(Vec::new()));
    }
    let by = removal::By {
        id: access::RETENTION.to_owned(),
        who: "the retention policy".to_owned(),
        since: instant::format(now).unwrap_or_default(),
    };
    let mut removed = Vec::with_capacity(over.len());
    for version in &over {
        removed.push(removal::remove(tx, version, &by).await?);
    }
    let entry = Entry::new(id)
        .fact("versions", removed.len())
        .detail(Some("it is older than what the policy keeps"));
    Ok(Outcome::Recorded(removed, entry))
}
