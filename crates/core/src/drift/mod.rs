//! Drift: whether what is there is still as it was applied.
//!
//! A look for drift is a run of a kind of its own: it plans with `-refresh-only`
//! what was applied last, with the variables that it was applied with and those
//! of its workspace, holds no lock, and never applies. When it has ended it
//! leaves one row ([`sql::Check`]): how many managed resources drifted, or why
//! nobody knows. The number is read off the plan's JSON by the server itself. It
//! knows nothing where the state moved while it looked, where another run began to
//! apply meanwhile, and where at its end somebody else than an open run holds the
//! lock ([`moved`]): what it found may be what they did. People may start a look
//! under such a lock, because it may be free when the look has ended; a schedule
//! starts none.
//!
//! People start looks by hand ([`start`]); and every so many hours the server
//! does ([`look`]), where that is said of the organization, of a project or of a
//! workspace, of which the narrowest says ([`set`]).
//!
//! Deliberately absent: doing anything about it. Who wants what is there in the
//! state starts a run that only refreshes, who wants it back as it was, applies.

pub(crate) mod look;
mod rhythm;
pub(crate) mod sql;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::HashMap;
use std::slice;

use statehouse_model::{Actor, ConfigurationId, Permission, RunId, WorkspaceId};

use crate::access::{self, DRIFT, ORGANIZATION, Scope};
use crate::ctx::Ctx;
use crate::door::{self, Action, Entry, Outcome, Target, Tx, actions};
use crate::error::{Error, Kind as Trouble, Result};
use crate::execution::{self, Mode};
use crate::record::Rows;
use crate::run::machine::Kind;
use crate::run::sql::Run;
use crate::run::{self, Options, PAGE_MAX, RunView, Wish, files};
use crate::state;
use crate::workspace::sql::Workspace as Row;
use crate::workspace::{self, Page, Workspace};
use rhythm::Rhythm;
use sql::{Check, Schedule};

actions! {
    /// Find out what a look for drift would compare.
    PrepareLook = "drift.prepare" needs RunPlan;
    /// See whether anything drifted.
    ShowDrift = "drift.show" needs WorkspaceRead;
    /// Say how often drift is looked for.
    SetSchedule = "drift.schedule" needs RunConfigure;
    /// See that.
    ShowSchedule = "drift.show-schedule" needs WorkspaceRead;
}

/// Least hours between two looks: more often, providers are asked more than they like.
pub const HOURS_MIN: u64 = 1;
/// Most hours: a year, after which nobody remembers that drift is looked for.
pub const HOURS_MAX: u64 = 366 * 24;
/// Where somebody wants looks and does not say how often.
pub const HOURS: u64 = 24;

/// What a run found that looked for drift, for people and programs to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckView {
    /// The run.
    pub run: RunId,
    /// Its workspace.
    pub workspace: WorkspaceId,
    /// How many resources drifted; unknown where the run did not come to its end.
    pub drifted: Option<u64>,
    /// Managed resources in the state that was compared, where it is kept here.
    pub resources: Option<u64>,
    /// The status that the run ended in.
    pub outcome: String,
    /// Why it ended so, a word; empty where nothing is to say.
    pub reason: String,
    /// When it ended, in microseconds since 1970.
    pub at: i64,
}

impl From<Check> for CheckView {
    fn from(row: Check) -> Self {
        Self {
            run: row.run,
            workspace: row.workspace,
            drifted: row.drifted,
            resources: row.resources,
            outcome: row.outcome,
            reason: row.reason,
            at: row.checked_at,
        }
    }
}

/// What is known of the drift of a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriftView {
    /// What was found last, or that nothing was.
    pub newest: Option<CheckView>,
    /// The last time that something was found out.
    pub known: Option<CheckView>,
    /// How often it is looked for.
    pub schedule: InForce,
}

/// How often drift is looked for somewhere.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InForce {
    /// Every so many hours; `None` is never.
    pub hours: Option<u64>,
    /// The scope that says so; `None` where nothing is said.
    pub scope: Option<String>,
    /// Of a workspace: when the next look is due, in microseconds since 1970.
    pub next_at: Option<i64>,
}

impl InForce {
    /// What is in force by what these scopes say, the narrowest first.
    fn of<'r>(said: impl IntoIterator<Item = &'r Schedule>) -> Self {
        let narrowest = said.into_iter().next();
        Self {
            hours: narrowest
                .map(|row| row.hours)
                .filter(|hours| *hours >= HOURS_MIN),
            scope: narrowest.map(|row| row.scope.clone()),
            next_at: None,
        }
    }
}

/// The scopes around a workspace, the narrowest first.
fn scopes_of(workspace: &Row) -> [&str; 3] {
    let (own, project) = (workspace.id.as_str(), workspace.project.as_str());
    [own, project, ORGANIZATION]
}

/// What counts for a workspace, from what was said.
fn narrowest<'s>(said: &'s HashMap<String, Schedule>, workspace: &Row) -> Option<&'s Schedule> {
    scopes_of(workspace)
        .into_iter()
        .find_map(|scope| said.get(scope))
}

/// How often drift is looked for in a workspace, from what [`sql::around`] found.
pub(crate) fn among(said: &HashMap<String, Schedule>, workspace: &Row) -> InForce {
    InForce::of(narrowest(said, workspace))
}

/// Says how often drift is looked for in a scope: every so many hours, never
/// (`Some(0)`), or as what the scope lies in says (`None`).
pub async fn set(ctx: &Ctx, scope: Scope, hours: Option<u64>) -> Result<InForce> {
    if hours.is_some_and(|hours| hours > HOURS_MAX) {
        let words = format!("drift is looked for at least every {HOURS_MAX} hours, or never");
        return Err(Error::invalid(words));
    }
    let actor = ctx.actor().id().to_owned();
    door::change(ctx, SetSchedule, scope.target(), move |tx| {
        let (scope, actor) = (scope.clone(), actor.clone());
        Box::pin(async move {
            let text = scope.text();
            if !say(tx, &text, hours, &actor).await? {
                return Ok(Outcome::Unchanged(in_scope(tx, &scope).await?));
            }
            let entry = Entry::new(&text);
            let entry = match hours {
                Some(hours) => entry.fact("hours", hours),
                None => entry,
            };
            Ok(Outcome::Recorded(in_scope(tx, &scope).await?, entry))
        })
    })
    .await
}

/// Writes what a scope says, and tells whether that is something else than before.
async fn say<A: Action>(
    tx: &mut Tx<A>,
    scope: &str,
    hours: Option<u64>,
    actor: &str,
) -> Result<bool> {
    let old = sql::of_scope(tx, scope).await?;
    if old.as_ref().map(|old| old.hours) == hours {
        return Ok(false);
    }
    match hours {
        None => tx.remove::<Schedule>(&[scope.into()]).await?,
        Some(hours) => {
            let row = Schedule {
                scope: scope.to_owned(),
                hours,
                set_by: actor.to_owned(),
                set_at: tx.now(),
            };
            tx.put(&row).await?;
        }
    }
    Ok(true)
}

/// Lets drift be looked for in a workspace, or not, beside another change of it, and
/// says whether that is otherwise than before. It needs the permission for it.
pub(crate) async fn switch<A: Action>(
    tx: &mut Tx<A>,
    ctx: &Ctx,
    workspace: &Row,
    on: Option<bool>,
) -> Result<bool> {
    let Some(on) = on else { return Ok(false) };
    let said = sql::around(tx, slice::from_ref(workspace)).await?;
    if on == among(&said, workspace).hours.is_some() {
        return Ok(false);
    }
    let target = Target::Workspace(Workspace::Id(workspace.id.clone()));
    let now = tx.now();
    access::decide(tx, ctx, Permission::RunConfigure, &target, now).await?;
    let hours = if on { HOURS } else { 0 };
    say(tx, workspace.id.as_str(), Some(hours), ctx.actor().id()).await
}

/// How often drift is looked for in a scope.
async fn in_scope(rows: &mut Rows, scope: &Scope) -> Result<InForce> {
    if let Scope::Workspace(id) = scope {
        let workspace = Workspace::Id(id.clone());
        let workspace = workspace::sql::needed(rows, &workspace).await?;
        return of(rows, &workspace).await;
    }
    let own = sql::of_scope(rows, &scope.text()).await?;
    let all = match scope {
        Scope::Organization => None,
        _ => sql::of_scope(rows, ORGANIZATION).await?,
    };
    Ok(InForce::of(own.iter().chain(&all)))
}

/// How often drift is looked for in a workspace, and when next.
async fn of(rows: &mut Rows, workspace: &Row) -> Result<InForce> {
    let said = sql::around(rows, slice::from_ref(workspace)).await?;
    let mut found = among(&said, workspace);
    if let Some(rhythm) = rhythm_of(rows, &said, workspace).await? {
        found.next_at = Some(rhythm.next());
    }
    Ok(found)
}

/// When a workspace is looked at, if it is.
async fn rhythm_of(
    rows: &mut Rows,
    said: &HashMap<String, Schedule>,
    workspace: &Row,
) -> Result<Option<Rhythm>> {
    let Some(schedule) = narrowest(said, workspace).filter(|row| row.hours >= HOURS_MIN) else {
        return Ok(None);
    };
    let last = run::sql::last_look(rows, &workspace.id).await?;
    let begun = schedule.set_at.max(workspace.created_at);
    let last = last.map(|run| run.created_at);
    Ok(Some(Rhythm::of(&workspace.id, schedule.hours, begun, last)))
}

/// How often drift is looked for in a scope, for whoever may see it.
pub async fn schedule(ctx: &Ctx, scope: Scope) -> Result<InForce> {
    let target = scope.target();
    door::read(ctx, ShowSchedule, &target, move |rows| {
        Box::pin(async move { in_scope(rows, &scope).await })
    })
    .await
}

/// What is known of the drift of a workspace.
pub async fn show(ctx: &Ctx, workspace: &Workspace) -> Result<DriftView> {
    let wanted = workspace.clone();
    let target = Target::Workspace(workspace.clone());
    door::read(ctx, ShowDrift, &target, move |rows| {
        Box::pin(async move {
            let workspace = workspace::sql::needed(rows, &wanted).await?;
            let newest = sql::page(rows, &workspace.id, 0, 1).await?.pop();
            let known = sql::last_known(rows, &workspace.id).await?;
            Ok(DriftView {
                newest: newest.map(CheckView::from),
                known: known.map(CheckView::from),
                schedule: of(rows, &workspace).await?,
            })
        })
    })
    .await
}

/// What was found in a workspace, the newest first; `number` counts pages from 1.
pub async fn list(
    ctx: &Ctx,
    workspace: &Workspace,
    number: u64,
    size: usize,
) -> Result<Page<CheckView>> {
    let wanted = workspace.clone();
    let target = Target::Workspace(workspace.clone());
    let size = size.min(PAGE_MAX) as u64;
    let offset = number.saturating_sub(1).saturating_mul(size);
    let [size, offset] = [size, offset].map(|each| i64::try_from(each).unwrap_or(i64::MAX));
    door::read(ctx, ShowDrift, &target, move |rows| {
        Box::pin(async move {
            let workspace = workspace::sql::needed(rows, &wanted).await?;
            let found = sql::page(rows, &workspace.id, offset, size).await?;
            let total = sql::count(rows, &workspace.id).await?;
            let items = found.into_iter().map(CheckView::from).collect();
            Ok(Page { items, total })
        })
    })
    .await
}

/// What one run found.
pub async fn of_run(ctx: &Ctx, id: &RunId) -> Result<CheckView> {
    let wanted = id.clone();
    let target = Target::Workspace(Workspace::OfRun(id.clone()));
    door::read(ctx, ShowDrift, &target, move |rows| {
        Box::pin(async move {
            let found = sql::of_run(rows, &wanted).await?;
            let found = found.ok_or_else(|| Error::not_found("look for drift"));
            found.map(CheckView::from)
        })
    })
    .await
}

/// Starts a look for drift in a workspace.
pub async fn start(ctx: &Ctx, workspace: &Workspace, message: String) -> Result<RunView> {
    let wanted = workspace.clone();
    let target = Target::Workspace(workspace.clone());
    let (configuration, options) = door::read(ctx, PrepareLook, &target, move |rows| {
        Box::pin(async move {
            let workspace = workspace::sql::needed(rows, &wanted).await?;
            run::require_remote(rows, &workspace).await?;
            let applied = applied(rows, &workspace).await?;
            let options = files::find(rows, &applied.id, files::Kind::Options).await?;
            Ok((applied.configuration, options))
        })
    })
    .await?;
    let applied = run::read_options(ctx, options).await?;
    let wish = Wish {
        configuration,
        kind: Kind::Drift,
        auto_apply: false,
        options: Options {
            refresh_only: true,
            variables: applied.variables,
            message,
            ..Options::default()
        },
    };
    run::create(ctx, workspace, wish).await
}

/// The run that applied what is compared with.
async fn applied(rows: &mut Rows, workspace: &Row) -> Result<Run> {
    let found = run::sql::last_applied(rows, &workspace.id).await?;
    found.ok_or_else(|| {
        let words = format!(
            "no run has applied anything in workspace `{}` yet, so there is no configuration to look for drift with",
            workspace.name
        );
        Error::new(Trouble::Conflict, words).hint("apply it with a run first")
    })
}

/// Whether a workspace has a state, here or in a backend of its own.
async fn has_state(rows: &mut Rows, workspace: &Row) -> Result<bool> {
    Ok(workspace.head.is_some() || run::sql::has_copy(rows, &workspace.id).await?)
}

/// Refuses a look that would not find anything out, or that nobody waits for.
pub(crate) async fn require<A: Action>(
    tx: &mut Tx<A>,
    ctx: &Ctx,
    workspace: &Row,
    configuration: &ConfigurationId,
) -> Result<()> {
    let refuse = |words: String| Err(Error::new(Trouble::Conflict, words));
    if applied(tx, workspace).await?.configuration != *configuration {
        return refuse("something else was applied meanwhile; start again".to_owned());
    }
    if !has_state(tx, workspace).await? {
        return refuse(format!("workspace `{}` has no state", workspace.name));
    }
    let last = run::sql::last_look(tx, &workspace.id).await?;
    if let Some(last) = last {
        let status = last.state()?.status();
        if !status.is_final() {
            let words = format!(
                "{} looks for drift already: it is {}",
                last.id,
                status.as_str()
            );
            return refuse(words);
        }
    }
    if *ctx.actor() != Actor::Task(DRIFT) {
        return Ok(());
    }
    let now = tx.now();
    let said = sql::around(tx, slice::from_ref(workspace)).await?;
    let rhythm = rhythm_of(tx, &said, workspace).await?;
    if !rhythm.is_some_and(|rhythm| rhythm.is_due(now)) || !is_at_rest(tx, workspace).await? {
        return refuse(format!("it is not the time for {}", workspace.id));
    }
    Ok(())
}

/// Whether a look that nobody asked for disturbs nobody, and could find something out.
async fn is_at_rest(rows: &mut Rows, workspace: &Row) -> Result<bool> {
    let mode = execution::of(rows, workspace).await?.mode;
    let frozen = workspace::freeze::sql::of(rows, &workspace.id).await?;
    Ok(mode != Mode::Local
        && frozen.is_none()
        && workspace.lock_id.is_none()
        && run::sql::open_in(rows, &workspace.id, 1).await?.is_empty()
        && run::sql::last_applied(rows, &workspace.id).await?.is_some()
        && has_state(rows, workspace).await?)
}

/// Whether what a run found says nothing: the state that it compared with is another by
/// now, or what is there was changed meanwhile, or may have been.
pub(crate) async fn moved(rows: &mut Rows, run: &Run) -> Result<bool> {
    let of = Workspace::Id(run.workspace.clone());
    let workspace = workspace::sql::needed(rows, &of).await?;
    Ok(workspace.head != run.base
        || run::sql::applies_in(rows, &workspace.id).await?
        || sql::applied_since(rows, run).await?
        || is_in_other_hands(rows, &workspace).await?)
}

/// Whether somebody holds a workspace of whom nobody here knows what they do there, or did:
/// a person, terraform elsewhere, a run that ended half applied. What an open run does is
/// in its status.
async fn is_in_other_hands(rows: &mut Rows, workspace: &Row) -> Result<bool> {
    let Some(lock) = &workspace.lock_id else {
        return Ok(false);
    };
    let Ok(id) = lock.parse::<RunId>() else {
        return Ok(true);
    };
    match run::sql::by_id(rows, &id).await? {
        Some(holder) if holder.has_lock(workspace) => Ok(holder.state()?.status().is_final()),
        _ => Ok(true),
    }
}

/// Writes down what became of a run that looked for drift and has ended: what it
/// found, where it came to its end, and otherwise that it found nothing out.
pub(crate) async fn conclude<A: Action>(
    tx: &mut Tx<A>,
    run: &Run,
    drifted: Option<u64>,
) -> Result<()> {
    let base = match &run.base {
        Some(base) => state::sql::by_id(tx, base).await?,
        None => None,
    };
    let check = Check {
        run: run.id.clone(),
        workspace: run.workspace.clone(),
        sequence: run.sequence,
        outcome: run.status.clone(),
        reason: run.reason.clone(),
        drifted,
        resources: base.map(|base| base.resources),
        checked_at: tx.now(),
    };
    tx.put(&check).await
}
