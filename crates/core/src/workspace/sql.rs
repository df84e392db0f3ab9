//! Every statement on `workspace`.

use statehouse_model::{ActorId, Name, ProjectId, VersionId, WorkspaceId};

use crate::db::Value;
use crate::door::{Action, Tx};
use crate::error::{Error, Result};
use crate::record::{Rows, column, record};
use crate::workspace::Workspace as Ref;

record! {
    /// A workspace with its head and its lock.
    pub(crate) struct Workspace in "workspace" key 1 {
        id: WorkspaceId,
        project: ProjectId,
        name: Name,
        created_at: i64,
        /// The version that a download gives.
        head: Option<VersionId>,
        /// How many finished versions there are.
        sequence: u64,
        /// How often the lock was taken.
        fence: u64,
        /// The id under which the lock is held.
        lock_id: Option<String>,
        lock_holder: Option<ActorId>,
        locked_at: Option<i64>,
        /// The lock that was released last, so that a repeated release is one.
        unlocked_id: Option<String>,
        unlocked_by: Option<ActorId>,
    }
}

pub(crate) async fn by_id(rows: &mut Rows, id: &WorkspaceId) -> Result<Option<Workspace>> {
    rows.one("WHERE id = $1", &[id.as_str().into()]).await
}

pub(crate) async fn by_name(rows: &mut Rows, name: &Name) -> Result<Option<Workspace>> {
    rows.one("WHERE name = $1", &[name.as_str().into()]).await
}

/// The workspace that a reference means.
pub(crate) async fn by_ref(rows: &mut Rows, workspace: &Ref) -> Result<Option<Workspace>> {
    match workspace {
        Ref::Id(id) => by_id(rows, id).await,
        Ref::Name(name) => by_name(rows, name).await,
        Ref::Of(version) => match crate::state::sql::by_id(rows, version).await? {
            Some(version) => by_id(rows, &version.workspace).await,
            None => Ok(None),
        },
    }
}

/// The workspace that a reference means, which must be there.
pub(crate) async fn needed(rows: &mut Rows, workspace: &Ref) -> Result<Workspace> {
    let found = by_ref(rows, workspace).await?;
    found.ok_or_else(|| Error::not_found("workspace"))
}

/// Workspaces by name, after the one named `after`.
pub(crate) async fn page(rows: &mut Rows, after: &str, limit: i64) -> Result<Vec<Workspace>> {
    rows.find(
        "WHERE name > $1 ORDER BY name LIMIT $2",
        &[after.into(), Value::Int(limit)],
    )
    .await
}

/// The sealed lock info of the current lock.
pub(crate) async fn lock_info(rows: &mut Rows, id: &WorkspaceId) -> Result<Option<Vec<u8>>> {
    let sql = "SELECT lock_info FROM workspace WHERE id = $1";
    let mut found = rows.transaction.query(sql, &[id.as_str().into()]).await?;
    found
        .pop()
        .map_or(Ok(None), |mut row| column(&mut row, 0, "workspace"))
}

pub(crate) async fn put_lock_info<A: Action>(
    tx: &mut Tx<A>,
    id: &WorkspaceId,
    info: Option<Vec<u8>>,
) -> Result<()> {
    let info = info.map_or(Value::Null, Value::Bytes);
    tx.put_outside(
        "UPDATE workspace SET lock_info = $2 WHERE id = $1",
        &[id.as_str().into(), info],
    )
    .await?;
    Ok(())
}
