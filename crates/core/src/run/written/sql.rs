//! Every statement on `run_written`.

use statehouse_model::{RunId, WorkspaceId};

use crate::db::Value;
use crate::error::Result;
use crate::record::{Rows, record};

record! {
    /// What policies say of the state that an apply left.
    pub(crate) struct Written in "run_written" key 1 {
        run: RunId,
        workspace: WorkspaceId,
        /// The place of the run among those of its workspace.
        sequence: u64,
        /// What they come to; empty until they were asked.
        outcome: String,
        /// Why they could not be asked, in words; empty where they were.
        reason: String,
        /// When the apply ended, or its state came later.
        ended_at: i64,
        judged_at: Option<i64>,
    }
}

pub(crate) async fn of_run(rows: &mut Rows, run: &RunId) -> Result<Option<Written>> {
    rows.by_key(vec![run.as_str().into()]).await
}

/// The newest of each of some workspaces.
pub(crate) async fn newest_of(rows: &mut Rows, workspaces: &[WorkspaceId]) -> Result<Vec<Written>> {
    rows.newest_of(workspaces).await
}

/// Runs whose state is to be judged, the oldest first. Only their ids: a row that does not read keeps none of the others from being found.
pub(crate) async fn waiting(rows: &mut Rows, limit: i64) -> Result<Vec<RunId>> {
    let sql = "SELECT run FROM run_written WHERE outcome = '' ORDER BY ended_at, run LIMIT $1";
    let found = rows.transaction.query(sql, &[Value::Int(limit)]).await?;
    let mut ids = Vec::new();
    for row in &found {
        let text = row.text(0)?;
        if let Ok(id) = text.parse() {
            ids.push(id);
        } else {
            tracing::warn!(row = text, "a run is passed over: its id was altered");
        }
    }
    Ok(ids)
}
