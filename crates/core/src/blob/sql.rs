//! Every statement on `blob`: bodies of versions, and of their JSON forms,
//! each under its own id.

use statehouse_model::VersionId;

use super::Stored;
use crate::db::Value;
use crate::door::{Action, Tx};
use crate::error::Result;
use crate::record::{Rows, column};

pub(crate) async fn insert<A: Action>(
    tx: &mut Tx<A>,
    version: &VersionId,
    stored: &Stored,
) -> Result<()> {
    insert_object(tx, version.as_str(), stored).await
}

/// The same for any object.
pub(crate) async fn insert_object<A: Action>(
    tx: &mut Tx<A>,
    object: &str,
    stored: &Stored,
) -> Result<()> {
    let body = stored
        .body
        .as_ref()
        .map_or(Value::Null, |body| Value::Bytes(body.clone()));
    let values = vec![
        object.into(),
        stored.header.clone().into(),
        stored.epoch.into(),
        body,
    ];
    let sql = "INSERT INTO blob (version, header, epoch, body) VALUES ($1, $2, $3, $4)";
    tx.put_one_outside(sql, values, "blob").await
}

/// Removes an object's bytes, as far as they are in the database.
pub(crate) async fn remove<A: Action>(tx: &mut Tx<A>, object: &str) -> Result<()> {
    let sql = "DELETE FROM blob WHERE version = $1";
    tx.put_outside(sql, &[object.into()]).await.map(drop)
}

/// The header and, where it is kept in the row, the body.
pub(crate) async fn of_version(
    rows: &mut Rows,
    version: &VersionId,
) -> Result<Option<(Vec<u8>, Option<Vec<u8>>)>> {
    of_object(rows, version.as_str()).await
}

/// The same for any object.
pub(crate) async fn of_object(
    rows: &mut Rows,
    object: &str,
) -> Result<Option<(Vec<u8>, Option<Vec<u8>>)>> {
    let sql = "SELECT header, body FROM blob WHERE version = $1";
    let mut found = rows.transaction.query(sql, &[object.into()]).await?;
    let Some(mut row) = found.pop() else {
        return Ok(None);
    };
    Ok(Some((
        column(&mut row, 0, "blob")?,
        column(&mut row, 1, "blob")?,
    )))
}

/// Objects whose keys are wrapped under an epoch before `epoch`.
pub(crate) async fn before_epoch(
    rows: &mut Rows,
    epoch: u32,
    limit: i64,
) -> Result<Vec<(String, Vec<u8>)>> {
    let sql = "SELECT version, header FROM blob WHERE epoch < $1 ORDER BY epoch, version LIMIT $2";
    let found = rows
        .transaction
        .query(sql, &[epoch.into(), Value::Int(limit)])
        .await?;
    let read =
        |mut row: crate::db::Row| Ok((column(&mut row, 0, "blob")?, column(&mut row, 1, "blob")?));
    found.into_iter().map(read).collect()
}

pub(crate) async fn rewrap<A: Action>(
    tx: &mut Tx<A>,
    object: &str,
    header: Vec<u8>,
    epoch: u32,
) -> Result<()> {
    let values = [object.into(), header.into(), epoch.into()];
    tx.put_outside(
        "UPDATE blob SET header = $2, epoch = $3 WHERE version = $1",
        &values,
    )
    .await?;
    Ok(())
}

/// Every object's header and the epoch that its index column states.
pub(crate) async fn epochs(rows: &mut Rows) -> Result<Vec<(String, Vec<u8>, i64)>> {
    let found = rows
        .transaction
        .query(
            "SELECT version, header, epoch FROM blob ORDER BY version",
            &[],
        )
        .await?;
    let read = |mut row: crate::db::Row| {
        Ok((
            column(&mut row, 0, "blob")?,
            column(&mut row, 1, "blob")?,
            row.int(2)?,
        ))
    };
    found.into_iter().map(read).collect()
}

/// The versions whose bodies lie in the directory.
pub(crate) async fn in_files(rows: &mut Rows) -> Result<std::collections::HashSet<String>> {
    let sql = "SELECT version FROM blob WHERE body IS NULL";
    let found = rows.transaction.query(sql, &[]).await?;
    found
        .iter()
        .map(|row| Ok(row.text(0)?.to_owned()))
        .collect()
}
