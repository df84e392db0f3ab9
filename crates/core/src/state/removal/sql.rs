//! Every statement on `version_removal`.

use statehouse_model::{VersionId, WorkspaceId};

use crate::db::Value;
use crate::error::{Error, Result};
use crate::ledger;
use crate::record::{Rows, record};

record! {
    /// That the bytes of a version were removed.
    pub(crate) struct Removal in "version_removal" key 1 {
        version: VersionId,
        workspace: WorkspaceId,
        removed_by: String,
        /// What that person was called then.
        who: String,
        /// When, as clients read it.
        since: String,
        removed_at: i64,
    }
}

pub(crate) async fn of(rows: &mut Rows, version: &VersionId) -> Result<Option<Removal>> {
    rows.one("WHERE version = $1", &[version.as_str().into()])
        .await
}

/// Those of these versions whose bytes were removed.
pub(crate) async fn all_of(rows: &mut Rows, versions: &[VersionId]) -> Result<Vec<Removal>> {
    if versions.is_empty() {
        return Ok(Vec::new());
    }
    let places: Vec<String> = (1..=versions.len()).map(|at| format!("${at}")).collect();
    let values: Vec<Value> = versions.iter().map(|id| id.as_str().into()).collect();
    let clause = format!("WHERE version IN ({})", places.join(", "));
    rows.find(&clause, &values).await
}

/// Why they were removed: the sealed text of the leaf that says so.
pub(crate) async fn reason(rows: &mut Rows, version: &VersionId) -> Result<String> {
    let sql = "SELECT l.seq, l.detail FROM version_removal r JOIN ledger_leaf l ON l.seq = r.leaf WHERE r.version = $1";
    let found = ledger::sql::detail(rows, sql, version.as_str()).await?;
    found.ok_or_else(|| Error::tampered(format!("why version `{version}` was removed is missing")))
}
