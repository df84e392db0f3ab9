//! Every statement on `run_file_removal`, and the question what of a look is over.

use statehouse_model::{FileId, RunId, WorkspaceId};

use crate::db::Value;
use crate::error::Result;
use crate::record::{Rows, record};
use crate::run::sql::RunFile;

record! {
    /// That the bytes of a run's file were removed.
    pub(crate) struct Removal in "run_file_removal" key 1 {
        file: FileId,
        run: RunId,
        removed_by: String,
        /// When, as clients read it.
        since: String,
        removed_at: i64,
    }
}

pub(crate) async fn of(rows: &mut Rows, file: &FileId) -> Result<Option<Removal>> {
    rows.by_key(vec![file.as_str().into()]).await
}

/// Large files of a workspace's looks for drift that ended before a leaf, the oldest
/// first, with their bytes. The newest look keeps its own, and so does the newest that
/// found something out.
pub(crate) async fn over(
    rows: &mut Rows,
    workspace: &WorkspaceId,
    cut: u64,
    limit: i64,
) -> Result<Vec<RunFile>> {
    let clause = "WHERE kind IN ('plan', 'plan-json', 'plan-shown', 'plan-log')
            AND run IN (
                SELECT c.run FROM drift_check c JOIN run r ON r.id = c.run
                WHERE c.workspace = $1 AND r.kind = 'drift' AND c.leaf < $2
                    AND c.sequence < (SELECT max(n.sequence) FROM drift_check n WHERE n.workspace = $1)
                    AND c.sequence <> (SELECT COALESCE(max(n.sequence), 0) FROM drift_check n
                        WHERE n.workspace = $1 AND n.drifted IS NOT NULL))
            AND NOT EXISTS (SELECT 1 FROM run_file_removal x WHERE x.file = run_file.id)
        ORDER BY created_at, id LIMIT $3";
    let values = [workspace.as_str().into(), cut.into(), Value::Int(limit)];
    rows.find(clause, &values).await
}
