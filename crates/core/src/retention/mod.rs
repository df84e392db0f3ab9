//! How long the content of old versions is kept.
//!
//! A policy over the organization, a project or a workspace says for how many
//! days content is kept after another version took its place (or after somebody
//! decided against it), and of how many of the newest versions always; the
//! narrowest one counts. Time is that of the ledger: the leaf by which a version
//! was replaced is older than so many days. What is over is removed as a person would remove it
//! ([`crate::state::remove_content`]): the bytes go, the version's row, its leaf
//! and the proof stay, and whoever asks for the bytes is told.
//!
//! Never removed is the content of a current version, of an upload that waits
//! for a person, and of a frozen workspace. The same days count for what looks for drift left behind
//! ([`crate::run::removal`]): the newest look keeps all of it, and the newest that found something out. Policies are applied about every
//! hour while a house is open. A workspace whose rows do not read is passed over
//! and told in the log; a policy that does not read stops everything.

pub(crate) mod sql;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use statehouse_model::{Actor, WorkspaceId, instant};

use crate::access::{self, Scope};
use crate::ctx::Ctx;
use crate::door::{self, Entry, Outcome, Target, Tx, actions};
use crate::error::{Error, Kind, Result};
use crate::house::House;
use crate::record::Rows;
use crate::run::sql::RunFile;
use crate::state::removal;
use crate::state::sql::Version;
use crate::workspace::sql::Workspace as Row;
use crate::workspace::{self, Workspace};
use crate::{ledger, project, run};
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
/// Fewest versions of a policy that keeps none for a day: the current one and
/// the one to go back to.
const VERSIONS_MIN: u64 = 2;

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
    if wish.days == Some(0) && wish.versions < VERSIONS_MIN {
        let words = "a policy that keeps no day and no version but the current one would remove each at once that is replaced";
        return Err(Error::invalid(words).hint("keep a day, or two versions"));
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

/// Says nothing more about a scope. Once more is answered alike. What was said
/// of a project or workspace that is gone is taken back by whoever may for the
/// whole organization.
pub async fn end(ctx: &Ctx, scope: Scope) -> Result<()> {
    match end_at(ctx, scope.target(), scope.clone()).await {
        Err(error) if *error.kind() == Kind::NotFound => end_at(ctx, Target::House, scope).await,
        ended => ended,
    }
}

async fn end_at(ctx: &Ctx, target: Target, scope: Scope) -> Result<()> {
    let of_house = target == Target::House;
    door::change(ctx, EndRetention, target, move |tx| {
        let scope = scope.clone();
        Box::pin(async move {
            if of_house && is_there(tx, &scope).await? {
                return Err(Error::not_found("scope"));
            }
            let text = scope.text();
            if sql::of_scope(tx, &text).await?.is_none() {
                return Ok(Outcome::Unchanged(()));
            }
            tx.remove::<Policy>(&[text.as_str().into()]).await?;
            Ok(Outcome::Recorded((), Entry::new(&text)))
        })
    })
    .await
}

/// Whether a project or workspace is there to be asked for itself.
async fn is_there(rows: &mut Rows, scope: &Scope) -> Result<bool> {
    Ok(match scope {
        Scope::Organization => false,
        Scope::Project(id) => project::sql::by_id(rows, id).await?.is_some(),
        Scope::Workspace(id) => workspace::sql::by_id(rows, id).await?.is_some(),
    })
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

/// What was said, and up to which leaf something happened long enough ago.
struct Rules {
    policies: BTreeMap<String, Policy>,
    /// By how many days ago: every leaf before this one is older.
    cuts: BTreeMap<u64, u64>,
}

impl Rules {
    async fn read(rows: &mut Rows, now: i64) -> Result<Self> {
        let policies = sql::all(rows).await?;
        let days: BTreeSet<u64> = policies.values().filter_map(|each| each.days).collect();
        let mut cuts = BTreeMap::new();
        for days in days {
            let ago = i64::try_from(days)
                .unwrap_or(i64::MAX)
                .saturating_mul(DAY_US);
            let cut = ledger::first_since(rows, now.saturating_sub(ago)).await?;
            cuts.insert(days, cut);
        }
        Ok(Self { policies, cuts })
    }

    /// Whether nothing is ever over.
    fn keep_all(&self) -> bool {
        self.cuts.is_empty()
    }

    /// What is over in a workspace, by the policy that counts there.
    async fn over(&self, rows: &mut Rows, workspace: &Row, limit: i64) -> Result<Over> {
        let policy = in_force(&self.policies, workspace);
        let cut = policy.and_then(|policy| self.cuts.get(&policy.days?));
        let Some((policy, cut)) = policy.zip(cut) else {
            return Ok(Over::default());
        };
        if workspace::freeze::sql::of(rows, &workspace.id)
            .await?
            .is_some()
        {
            return Ok(Over::default());
        }
        let versions = sql::over(rows, workspace, policy.versions, *cut, limit).await?;
        let left = limit.saturating_sub(i64::try_from(versions.len()).unwrap_or(limit));
        let files = if left > 0 {
            run::removal::over(rows, &workspace.id, *cut, left).await?
        } else {
            Vec::new()
        };
        Ok(Over { versions, files })
    }
}

/// What is over.
#[derive(Default)]
struct Over {
    versions: Vec<Version>,
    /// Files of looks for drift.
    files: Vec<RunFile>,
}

impl Over {
    fn is_empty(&self) -> bool {
        self.versions.is_empty() && self.files.is_empty()
    }
}

/// Removes what is over in a house, and says of how many versions and files.
pub(crate) async fn apply(house: &Arc<House>) -> Result<u64> {
    let task = Ctx::new(house.clone(), Actor::Task(access::RETENTION), None, None);
    let (mut removed, mut after) = (0, String::new());
    while let Some((over, last)) = look(&task, after).await? {
        for id in over {
            match remove_all(&task, id.clone()).await {
                Err(error) if *error.kind() == Kind::Tampered => passed_over(&id, &error),
                counted => removed += counted?,
            }
        }
        after = last;
    }
    Ok(removed)
}

fn passed_over(id: &WorkspaceId, error: &Error) {
    tracing::error!(workspace = %id, %error, "nothing is removed of a workspace whose rows do not read");
}

/// Those of the workspaces after an id in which anything is over, and the last
/// that was looked at; `None` where there are no more.
async fn look(task: &Ctx, after: String) -> Result<Option<(Vec<WorkspaceId>, String)>> {
    let now = task.house().now();
    door::read(task, Retain, &Target::House, move |rows| {
        Box::pin(async move {
            let rules = Rules::read(rows, now).await?;
            if rules.keep_all() {
                return Ok(None);
            }
            let page = sql::workspaces(rows, &after, PAGE).await?;
            let Some(last) = page.last().map(ToString::to_string) else {
                return Ok(None);
            };
            let mut found = Vec::new();
            for id in page {
                match over_in(rows, &rules, &id, 1).await {
                    Ok(over) if over.is_empty() => {}
                    Ok(_) => found.push(id),
                    Err(error) if *error.kind() == Kind::Tampered => passed_over(&id, &error),
                    Err(error) => return Err(error),
                }
            }
            Ok(Some((found, last)))
        })
    })
    .await
}

async fn over_in(rows: &mut Rows, rules: &Rules, id: &WorkspaceId, limit: i64) -> Result<Over> {
    match sql::workspace(rows, id).await? {
        Some(workspace) => rules.over(rows, &workspace, limit).await,
        None => Ok(Over::default()),
    }
}

/// Removes all that is over in a workspace, batch by batch.
async fn remove_all(task: &Ctx, id: WorkspaceId) -> Result<u64> {
    let mut removed = 0;
    loop {
        match remove(task, id.clone()).await? {
            0 => return Ok(removed),
            count => removed += count,
        }
    }
}

/// Removes some of what is over in a workspace.
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
    let rules = Rules::read(tx, now).await?;
    let over = over_in(tx, &rules, id, BATCH).await?;
    if over.is_empty() {
        return Ok(Outcome::Unchanged(Vec::new()));
    }
    let by = removal::By {
        id: access::RETENTION.to_owned(),
        who: "the retention policy".to_owned(),
        since: instant::format(now).unwrap_or_default(),
    };
    let mut removed = Vec::with_capacity(over.versions.len() + over.files.len());
    for version in &over.versions {
        removed.push(removal::remove(tx, version, &by).await?);
    }
    for file in &over.files {
        let object = run::removal::remove(tx, file, (&by.id, &by.since)).await?;
        removed.push(vec![object]);
    }
    let entry = Entry::new(id).fact("versions", over.versions.len());
    let entry = if over.files.is_empty() {
        entry
    } else {
        entry.fact("run-files", over.files.len())
    };
    let entry = entry.detail(Some("it is older than what the policy keeps"));
    Ok(Outcome::Recorded(removed, entry))
}
