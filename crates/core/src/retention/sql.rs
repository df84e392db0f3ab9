//! Every statement on `retention`, and the question what is over.

use std::collections::BTreeMap;

use statehouse_model::{VersionId, WorkspaceId};

use crate::db::{Row, Value};
use crate::error::Result;
use crate::record::{Rows, column, record};
use crate::state::sql::Version;
use crate::workspace::sql::Workspace;

record! {
    /// How long content is kept.
    pub(crate) struct Policy in "retention" key 1 {
        /// `organization`, or the id of a project or workspace.
        scope: String,
        /// For so many days; without a number, for ever.
        days: Option<u64>,
        /// And always of so many of the newest versions.
        versions: u64,
        set_by: String,
        set_at: i64,
    }
}

pub(crate) async fn of_scope(rows: &mut Rows, scope: &str) -> Result<Option<Policy>> {
    rows.by_key(vec![scope.into()]).await
}

/// Every policy, by its scope.
pub(crate) async fn all(rows: &mut Rows) -> Result<BTreeMap<String, Policy>> {
    let found: Vec<Policy> = rows.find("", &[]).await?;
    let by_scope = found
        .into_iter()
        .map(|policy| (policy.scope.clone(), policy));
    Ok(by_scope.collect())
}

/// Ids of workspaces after one, deleted ones too.
pub(crate) async fn workspaces(
    rows: &mut Rows,
    after: &str,
    limit: i64,
) -> Result<Vec<WorkspaceId>> {
    let sql = "SELECT id FROM workspace WHERE id > $1 ORDER BY id LIMIT $2";
    let values = [after.into(), Value::Int(limit)];
    let found = rows.transaction.query(sql, &values).await?;
    let id = |mut row: Row| column(&mut row, 0, "workspace");
    found.into_iter().map(id).collect()
}

/// A workspace, deleted or not.
pub(crate) async fn workspace(rows: &mut Rows, id: &WorkspaceId) -> Result<Option<Workspace>> {
    rows.by_key(vec![id.as_str().into()]).await
}

/// Versions of a workspace that are kept no longer, the oldest first: not
/// current, replaced or decided against before a leaf, not among the newest
/// ones, and with their content.
pub(crate) async fn over(
    rows: &mut Rows,
    workspace: &Workspace,
    newest: u64,
    cut: u64,
    limit: i64,
) -> Result<Vec<Version>> {
    let newest_kept = workspace.sequence.saturating_sub(newest);
    let current = workspace.head.as_ref().map_or("", VersionId::as_str);
    let values = [
        workspace.id.as_str().into(),
        current.into(),
        cut.into(),
        newest_kept.into(),
        Value::Int(limit),
    ];
    let clause = "WHERE workspace = $1 AND id <> $2
        AND ((status = 'discarded' AND leaf < $3)
            OR (status = 'finished' AND sequence <= $4 AND EXISTS (
                SELECT 1 FROM version n
                WHERE n.workspace = version.workspace AND n.sequence = version.sequence + 1 AND n.leaf < $3)))
        AND NOT EXISTS (SELECT 1 FROM version_removal r WHERE r.version = version.id)
        ORDER BY created_at, id LIMIT $5";
    rows.find(clause, &values).await
}
