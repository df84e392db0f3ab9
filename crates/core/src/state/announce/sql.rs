//! Every statement on `version_announcement`.

use statehouse_model::{VersionId, WorkspaceId};

use crate::db::Value;
use crate::error::Result;
use crate::record::{Rows, record};

record! {
    /// A version whose bytes are on their way, or were there already.
    pub(crate) struct Announcement in "version_announcement" key 1 {
        id: VersionId,
        workspace: WorkspaceId,
        serial: u64,
        lineage: String,
        md5: Vec<u8>,
        actor: String,
        /// The version that has the bytes, where it is another one.
        stored_as: Option<VersionId>,
        created_at: i64,
        expires_at: i64,
    }
}

pub(crate) async fn by_id(rows: &mut Rows, id: &VersionId) -> Result<Option<Announcement>> {
    rows.one("WHERE id = $1", &[id.as_str().into()]).await
}

/// Announcements of a workspace that ended.
pub(crate) async fn ended(
    rows: &mut Rows,
    workspace: &WorkspaceId,
    now: i64,
    limit: i64,
) -> Result<Vec<Announcement>> {
    let clause = "WHERE workspace = $1 AND expires_at < $2 ORDER BY expires_at, id LIMIT $3";
    let values = [
        workspace.as_str().into(),
        Value::Int(now),
        Value::Int(limit),
    ];
    rows.find(clause, &values).await
}
