//! Every statement on `run_file_removal`, and the question what of a look is over.

use statehouse_model::{FileId, RunId, WorkspaceId};

use crate::db::Value;
use crate::drift::sql::Check;
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
    let kept = kept(rows, workspace).await?;
    let clause = "WHERE kind IN ('plan', 'plan-json', 'plan-shown', 'plan-log')
            AND run IN (
                SELECT c.run FROM drift_check c JOIN run r ON r.id = c.run
                WHERE c.workspace = $1 AND r.kind = 'drift' AND c.leaf < $2
                    AND c.run <> $4 AND c.run <> $5)
            AND NOT EXISTS (SELECT 1 FROM run_file_removal x WHERE x.file = run_file.id)
        ORDER BY created_at, id LIMIT $3";
    let [newest, telling] = kept;
    let values = [
        workspace.as_str().into(),
        cut.into(),
        Value::Int(limit),
        newest.into(),
        telling.into(),
    ];
    rows.find(clause, &values).await
}

/// The newest look of a workspace, and the newest that found something out, each a row that reads: who may write rows cannot make another the newest.
async fn kept(rows: &mut Rows, workspace: &WorkspaceId) -> Result<[String; 2]> {
    let newest = |found: Vec<Check>| {
        let found = found.into_iter().next();
        found.map_or_else(String::new, |check| check.run.to_string())
    };
    let of = [workspace.as_str().into()];
    let last = "WHERE workspace = $1 ORDER BY sequence DESC LIMIT 1";
    let telling = "WHERE workspace = $1 AND drifted IS NOT NULL ORDER BY sequence DESC LIMIT 1";
    Ok([
        newest(rows.find(last, &of).await?),
        newest(rows.find(telling, &of).await?),
    ])
}
