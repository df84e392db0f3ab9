//! Every statement on `version`.

use std::collections::HashMap;

use statehouse_model::{VersionId, WorkspaceId};

use crate::db::{Row, Value};
use crate::error::{Error, Result};
use crate::record::{Ask, Rows, record};

record! {
    /// One stored version of a state.
    pub(crate) struct Version in "version" key 1 {
        id: VersionId,
        workspace: WorkspaceId,
        /// Its place among the finished versions, from 1.
        sequence: Option<u64>,
        /// `finished`, `conflict`, `quarantined` or `discarded`.
        status: String,
        /// Encrypted by the client: lineage and serial are its word.
        opaque: bool,
        lineage: String,
        serial: Option<u64>,
        /// Bytes as uploaded.
        size: u64,
        /// Managed resource instances.
        resources: u64,
        tool_version: String,
        body_digest: Vec<u8>,
        commitment: Vec<u8>,
        /// A MAC of the plaintext: tells a repeated upload from another one.
        fingerprint: Vec<u8>,
        actor: String,
        /// The fence of the lock it was written under.
        fence: u64,
        /// The head that it was kept beside, for an upload that was kept.
        base: Option<VersionId>,
        /// What was unusual and passed all the same, in words joined by commas.
        marks: String,
        created_at: i64,
    }
}

pub(crate) async fn by_id(rows: &mut Rows, id: &VersionId) -> Result<Option<Version>> {
    rows.by_key(vec![id.as_str().into()]).await
}

/// What [`by_id`] will ask.
pub(crate) fn ask_id(id: &VersionId) -> Ask {
    Ask::rows::<Version>("WHERE id = $1", vec![id.as_str().into()])
}

/// The version that a workspace's head will point to, if nobody moves it.
pub(crate) fn ask_head(workspace: &WorkspaceId) -> Ask {
    Ask::rows::<Version>(
        "WHERE id = (SELECT head FROM workspace WHERE id = $1)",
        vec![workspace.as_str().into()],
    )
}

/// Versions by their ids, in no order.
pub(crate) async fn by_ids(rows: &mut Rows, ids: &[VersionId]) -> Result<Vec<Version>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let places: Vec<String> = (1..=ids.len()).map(|at| format!("${at}")).collect();
    let values: Vec<Value> = ids.iter().map(|id| id.as_str().into()).collect();
    let clause = format!("WHERE id IN ({})", places.join(", "));
    rows.find(&clause, &values).await
}

/// How many versions of any status a workspace has.
pub(crate) async fn count(rows: &mut Rows, workspace: &WorkspaceId) -> Result<u64> {
    let sql = "SELECT count(*) FROM version WHERE workspace = $1";
    let found = rows
        .transaction
        .query(sql, &[workspace.as_str().into()])
        .await?;
    let count = found.first().map(|row| row.int(0)).transpose()?;
    Ok(u64::try_from(count.unwrap_or(0)).unwrap_or(0))
}

/// The same as [`page`], by how many to pass over.
pub(crate) async fn numbered(
    rows: &mut Rows,
    workspace: &WorkspaceId,
    offset: i64,
    limit: i64,
) -> Result<Vec<Version>> {
    let values = [
        workspace.as_str().into(),
        Value::Int(offset),
        Value::Int(limit),
    ];
    let clause = "WHERE workspace = $1 ORDER BY created_at DESC, id DESC LIMIT $3 OFFSET $2";
    rows.find(clause, &values).await
}

/// Versions of a workspace, the newest first.
pub(crate) async fn page(
    rows: &mut Rows,
    workspace: &WorkspaceId,
    before: i64,
    limit: i64,
) -> Result<Vec<Version>> {
    let values = [
        workspace.as_str().into(),
        Value::Int(before),
        Value::Int(limit),
    ];
    let clause =
        "WHERE workspace = $1 AND created_at < $2 ORDER BY created_at DESC, id DESC LIMIT $3";
    rows.find(clause, &values).await
}

/// Uploads of a workspace that wait for a person.
pub(crate) async fn kept(rows: &mut Rows, workspace: &WorkspaceId) -> Result<Vec<Version>> {
    let clause =
        "WHERE workspace = $1 AND status IN ('conflict', 'quarantined') ORDER BY created_at, id";
    rows.find(clause, &[workspace.as_str().into()]).await
}

/// The newest finished version of a workspace that one actor wrote.
pub(crate) async fn written_by(
    rows: &mut Rows,
    workspace: &WorkspaceId,
    actor: &str,
) -> Result<Option<Version>> {
    let clause = "WHERE workspace = $1 AND actor = $2 AND status = 'finished'
        ORDER BY sequence DESC LIMIT 1";
    rows.one(clause, &[workspace.as_str().into(), actor.into()])
        .await
}

/// The version at a place among the finished ones.
pub(crate) async fn by_sequence(
    rows: &mut Rows,
    workspace: &WorkspaceId,
    sequence: u64,
) -> Result<Option<Version>> {
    let values = [workspace.as_str().into(), sequence.into()];
    rows.one("WHERE workspace = $1 AND sequence = $2", &values)
        .await
}

/// Finished versions before a place, the newest first.
pub(crate) async fn finished_before(
    rows: &mut Rows,
    workspace: &WorkspaceId,
    sequence: u64,
    limit: usize,
) -> Result<Vec<Version>> {
    let values = [
        workspace.as_str().into(),
        sequence.into(),
        (limit as u64).into(),
    ];
    let clause = "WHERE workspace = $1 AND sequence < $2 ORDER BY sequence DESC LIMIT $3";
    rows.find(clause, &values).await
}

/// The leaves that last changed these versions, by id: their indexes.
pub(crate) async fn leaves(rows: &mut Rows, versions: &[Version]) -> Result<HashMap<String, u64>> {
    if versions.is_empty() {
        return Ok(HashMap::new());
    }
    let places: Vec<String> = (1..=versions.len()).map(|at| format!("${at}")).collect();
    let values: Vec<Value> = versions
        .iter()
        .map(|each| each.id.as_str().into())
        .collect();
    let sql = format!(
        "SELECT id, leaf FROM version WHERE id IN ({})",
        places.join(", ")
    );
    let found = rows.transaction.query(&sql, &values).await?;
    let leaf = |row: &Row| {
        Ok((
            row.text(0)?.to_owned(),
            u64::try_from(row.int(1)?).unwrap_or(0),
        ))
    };
    found.iter().map(leaf).collect()
}

/// The leaf that last changed the row of a version: its index and its bytes.
pub(crate) async fn leaf_of(rows: &mut Rows, id: &VersionId) -> Result<(u64, String)> {
    let sql =
        "SELECT l.seq, l.body FROM version v JOIN ledger_leaf l ON l.seq = v.leaf WHERE v.id = $1";
    let found = rows.transaction.query(sql, &[id.as_str().into()]).await?;
    let row = found.first();
    let row =
        row.ok_or_else(|| Error::tampered(format!("the leaf of version `{id}` is missing")))?;
    Ok((
        u64::try_from(row.int(0)?).unwrap_or(0),
        row.text(1)?.to_owned(),
    ))
}
