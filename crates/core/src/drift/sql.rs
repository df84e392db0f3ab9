//! Every statement on `drift_schedule` and `drift_check`, and what a look asks of the
//! runs beside it.

use std::collections::{HashMap, HashSet};

use statehouse_model::{RunId, WorkspaceId};

use crate::db::Value;
use crate::error::{Kind, Result};
use crate::record::{Rows, record};
use crate::run::sql::Run;
use crate::workspace::sql::{Workspace, said_around};

record! {
    /// How often drift is looked for in a scope.
    pub(crate) struct Schedule in "drift_schedule" key 1 {
        /// `organization`, or the id of a project or workspace.
        scope: String,
        /// Every so many hours; 0 is never.
        hours: u64,
        set_by: String,
        set_at: i64,
    }
}

record! {
    /// What a run found that looked for drift.
    pub(crate) struct Check in "drift_check" key 1 {
        run: RunId,
        workspace: WorkspaceId,
        /// The place of the run among those of its workspace.
        sequence: u64,
        /// The status that the run ended in.
        outcome: String,
        /// Why it ended so, a word; empty where nothing is to say.
        reason: String,
        /// How many resources drifted; unknown where the run did not come to its end.
        drifted: Option<u64>,
        /// Managed resources in the state that was compared, where it is kept here.
        resources: Option<u64>,
        checked_at: i64,
    }
}

pub(crate) async fn of_scope(rows: &mut Rows, scope: &str) -> Result<Option<Schedule>> {
    rows.by_key(vec![scope.into()]).await
}

fn by_scope(found: Vec<Schedule>) -> HashMap<String, Schedule> {
    let by_scope = found.into_iter().map(|each| (each.scope.clone(), each));
    by_scope.collect()
}

/// What is said of workspaces, of their projects and of the organization, by scope. A
/// row that was altered is nobody's affair whose workspaces are not around it.
pub(crate) async fn around(
    rows: &mut Rows,
    workspaces: &[Workspace],
) -> Result<HashMap<String, Schedule>> {
    Ok(by_scope(said_around(rows, workspaces).await?))
}

/// What all scopes say.
#[derive(Default)]
pub(crate) struct Said {
    /// What each says, by its name.
    pub(crate) by_scope: HashMap<String, Schedule>,
    /// Those whose rows do not read: what they say nobody knows.
    pub(crate) altered: HashSet<String>,
}

/// What all scopes say. Where a row does not read, the others do, one by one.
pub(crate) async fn all(rows: &mut Rows) -> Result<Said> {
    match rows.find::<Schedule>("", &[]).await {
        Ok(found) => Ok(Said {
            by_scope: by_scope(found),
            altered: HashSet::new(),
        }),
        Err(error) if *error.kind() == Kind::Tampered => one_by_one(rows).await,
        Err(error) => Err(error),
    }
}

async fn one_by_one(rows: &mut Rows) -> Result<Said> {
    let sql = "SELECT scope FROM drift_schedule";
    let found = rows.transaction.query(sql, &[]).await?;
    let mut said = Said::default();
    for row in &found {
        // What is no text is no scope.
        let Ok(scope) = row.text(0) else { continue };
        match of_scope(rows, scope).await {
            Ok(schedule) => said
                .by_scope
                .extend(schedule.map(|schedule| (scope.to_owned(), schedule))),
            Err(error) if *error.kind() == Kind::Tampered => {
                said.altered.insert(scope.to_owned());
            }
            Err(error) => return Err(error),
        }
    }
    Ok(said)
}

/// Whether another run of its workspace applied since a look had its turn, or applies:
/// by the order of the ledger, which no clock puts out of order. A look that never had
/// one was there before everything.
pub(crate) async fn applied_since(rows: &mut Rows, look: &Run) -> Result<bool> {
    let sql = "SELECT 1 FROM run_event e
        WHERE e.status = 'applying'
            AND e.leaf > (
                SELECT COALESCE(min(leaf), 0) FROM run_event WHERE run = $2 AND status = 'fetching')
            AND EXISTS (SELECT 1 FROM run r WHERE r.id = e.run AND r.workspace = $1)
        LIMIT 1";
    let values = [look.workspace.as_str().into(), look.id.as_str().into()];
    Ok(!rows.transaction.query(sql, &values).await?.is_empty())
}

/// What one run found.
pub(crate) async fn of_run(rows: &mut Rows, run: &RunId) -> Result<Option<Check>> {
    rows.by_key(vec![run.as_str().into()]).await
}

/// What was found in a workspace, the newest first.
pub(crate) async fn page(
    rows: &mut Rows,
    workspace: &WorkspaceId,
    offset: i64,
    limit: i64,
) -> Result<Vec<Check>> {
    let values = [
        workspace.as_str().into(),
        Value::Int(offset),
        Value::Int(limit),
    ];
    let clause = "WHERE workspace = $1 ORDER BY sequence DESC LIMIT $3 OFFSET $2";
    rows.find(clause, &values).await
}

/// How often a workspace was looked at.
pub(crate) async fn count(rows: &mut Rows, workspace: &WorkspaceId) -> Result<u64> {
    let sql = "SELECT count(*) FROM drift_check WHERE workspace = $1";
    let found = rows
        .transaction
        .query(sql, &[workspace.as_str().into()])
        .await?;
    let count = found.first().map(|row| row.int(0)).transpose()?;
    Ok(u64::try_from(count.unwrap_or(0)).unwrap_or(0))
}

/// The last time that something was found out about a workspace.
pub(crate) async fn last_known(rows: &mut Rows, workspace: &WorkspaceId) -> Result<Option<Check>> {
    let clause = "WHERE workspace = $1 AND drifted IS NOT NULL ORDER BY sequence DESC LIMIT 1";
    rows.one(clause, &[workspace.as_str().into()]).await
}

/// What was found last in each of some workspaces.
pub(crate) async fn newest_of(rows: &mut Rows, workspaces: &[WorkspaceId]) -> Result<Vec<Check>> {
    rows.newest_of(workspaces).await
}
