//! Every statement on `drift_schedule` and `drift_check`.

use std::collections::HashMap;

use statehouse_model::{RunId, WorkspaceId};

use crate::db::Value;
use crate::error::Result;
use crate::record::{Rows, record};

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

/// Every schedule, by its scope.
pub(crate) async fn schedules(rows: &mut Rows) -> Result<HashMap<String, Schedule>> {
    let found: Vec<Schedule> = rows.find("", &[]).await?;
    let by_scope = found.into_iter().map(|each| (each.scope.clone(), each));
    Ok(by_scope.collect())
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
    if workspaces.is_empty() {
        return Ok(Vec::new());
    }
    let places: Vec<String> = (1..=workspaces.len()).map(|at| format!("${at}")).collect();
    let values: Vec<Value> = workspaces.iter().map(|id| id.as_str().into()).collect();
    let clause = format!(
        "WHERE workspace IN ({}) AND sequence = (
            SELECT max(sequence) FROM drift_check n WHERE n.workspace = drift_check.workspace)",
        places.join(", ")
    );
    rows.find(&clause, &values).await
}
