//! Every statement on the ledger's tables.

use statehouse_ledger::Hash;

use super::Head;
use crate::db::{Row, Transaction, Value, dialect};
use crate::door::detail_context;
use crate::error::{Error, Result};
use crate::record::{Rows, record};

record! {
    /// A setting of a house.
    pub(crate) struct Setting in "setting" key 1 {
        name: String,
        value: String,
    }
}

/// The value of a setting, if it was ever set.
pub(crate) async fn setting(rows: &mut Rows, name: &str) -> Result<Option<String>> {
    let found: Option<Setting> = rows.one("WHERE name = $1", &[name.into()]).await?;
    Ok(found.map(|setting| setting.value))
}

fn hash(bytes: &[u8]) -> Result<Hash> {
    bytes
        .try_into()
        .map_err(|_| Error::tampered("a hash of the ledger has a wrong length"))
}

fn number(value: i64) -> Result<u64> {
    u64::try_from(value).map_err(|_| Error::tampered("a size or index of the ledger is negative"))
}

fn head_row(row: &Row) -> Result<Head> {
    Ok(Head {
        size: number(row.int(0)?)?,
        root: hash(row.bytes(1)?)?,
        origin: row.text(2)?.to_owned(),
        note: row.text(3)?.to_owned(),
    })
}

const HEAD: &str = "SELECT size, root, origin, note, retained FROM ledger_head WHERE one = 1";

/// Asks for the newest checkpoint; on PostgreSQL its row is locked, which
/// makes the writers of several processes serial.
pub(crate) fn head_for_writing(transaction: &Transaction) -> String {
    format!("{HEAD}{}", dialect::lock_row(transaction))
}

/// The newest checkpoint, locked.
pub(crate) async fn head(transaction: &mut Transaction) -> Result<Option<Head>> {
    let sql = head_for_writing(transaction);
    let rows = transaction.query(&sql, &[]).await?;
    rows.first().map(head_row).transpose()
}

/// How many leaves there are, for readers.
pub(crate) async fn size_seen(transaction: &mut Transaction) -> Result<u64> {
    let rows = transaction
        .query("SELECT size FROM ledger_head WHERE one = 1", &[])
        .await?;
    rows.first().map_or(Ok(0), |row| number(row.int(0)?))
}

/// The newest checkpoint, for readers.
pub(crate) async fn head_seen(transaction: &mut Transaction) -> Result<Option<Head>> {
    let sql = "SELECT size, root, origin, note FROM ledger_head WHERE one = 1";
    let rows = transaction.query(sql, &[]).await?;
    rows.first().map(head_row).transpose()
}

/// How many heads there are: one, or none in a house that was never begun.
pub(crate) async fn heads(transaction: &mut Transaction) -> Result<i64> {
    let rows = transaction
        .query("SELECT count(*) FROM ledger_head", &[])
        .await?;
    rows.first().map_or(Ok(0), |row| Ok(row.int(0)?))
}

/// The newest checkpoint and what its row binds of the retained ones.
pub(crate) async fn bound(transaction: &mut Transaction) -> Result<Option<(Head, Vec<u8>)>> {
    let rows = transaction.query(HEAD, &[]).await?;
    rows.first().map(bound_row).transpose()
}

/// A row of [`HEAD`].
pub(crate) fn bound_row(row: &Row) -> Result<(Head, Vec<u8>)> {
    Ok((head_row(row)?, row.bytes(4)?.to_vec()))
}

pub(crate) async fn move_head(
    transaction: &mut Transaction,
    head: &Head,
    retained: Vec<u8>,
) -> Result<()> {
    let values = [
        head.size.into(),
        head.root.to_vec().into(),
        head.origin.as_str().into(),
        head.note.as_str().into(),
        retained.into(),
    ];
    let sql = "INSERT INTO ledger_head (one, size, root, origin, note, retained) VALUES (1, $1, $2, $3, $4, $5)
        ON CONFLICT (one) DO UPDATE SET size = excluded.size, root = excluded.root,
        origin = excluded.origin, note = excluded.note, retained = excluded.retained";
    Ok(transaction
        .execute_one(sql, values.to_vec(), "ledger_head")
        .await?)
}

/// A checkpoint as it was retained.
pub(crate) struct Retained {
    pub(crate) size: u64,
    pub(crate) origin: String,
    pub(crate) note: String,
}

pub(crate) async fn retain_checkpoint(
    transaction: &mut Transaction,
    kept: &Retained,
) -> Result<()> {
    let sql = "INSERT INTO ledger_checkpoint (size, origin, note) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
    let values = [
        kept.size.into(),
        kept.origin.as_str().into(),
        kept.note.as_str().into(),
    ];
    transaction.execute(sql, &values).await?;
    Ok(())
}

/// Every retained checkpoint, the oldest first.
pub(crate) async fn checkpoints(transaction: &mut Transaction) -> Result<Vec<Retained>> {
    let sql = "SELECT size, origin, note FROM ledger_checkpoint ORDER BY size, origin";
    let rows = transaction.query(sql, &[]).await?;
    let retained = |row: &Row| {
        Ok(Retained {
            size: number(row.int(0)?)?,
            origin: row.text(1)?.to_owned(),
            note: row.text(2)?.to_owned(),
        })
    };
    rows.iter().map(retained).collect()
}

/// The first retained checkpoint over more than `from` leaves and at most `most`.
pub(crate) async fn checkpoint_between(
    transaction: &mut Transaction,
    from: u64,
    most: u64,
) -> Result<Option<Retained>> {
    let sql = "SELECT size, origin, note FROM ledger_checkpoint
        WHERE size > $1 AND size <= $2 ORDER BY size, origin DESC LIMIT 1";
    let rows = transaction.query(sql, &[from.into(), most.into()]).await?;
    let retained = |row: &Row| {
        Ok(Retained {
            size: number(row.int(0)?)?,
            origin: row.text(1)?.to_owned(),
            note: row.text(2)?.to_owned(),
        })
    };
    rows.first().map(retained).transpose()
}

pub(crate) async fn insert_leaf(
    transaction: &mut Transaction,
    seq: u64,
    hash: &Hash,
    body: String,
    detail: Value,
) -> Result<()> {
    let sql = "INSERT INTO ledger_leaf (seq, hash, body, detail) VALUES ($1, $2, $3, $4)";
    let values = vec![seq.into(), hash.to_vec().into(), body.into(), detail];
    Ok(transaction.execute_one(sql, values, "ledger_leaf").await?)
}

/// Leaf hashes from `start` up to and without `end`.
pub(crate) async fn leaf_hashes(
    transaction: &mut Transaction,
    start: u64,
    end: u64,
) -> Result<Vec<Hash>> {
    let sql = "SELECT hash FROM ledger_leaf WHERE seq >= $1 AND seq < $2 ORDER BY seq";
    let rows = transaction.query(sql, &[start.into(), end.into()]).await?;
    rows.iter().map(|row| hash(row.bytes(0)?)).collect()
}

/// A leaf as stored.
pub(crate) struct StoredLeaf {
    pub(crate) seq: u64,
    pub(crate) hash: Hash,
    pub(crate) body: String,
    pub(crate) detail: Option<Vec<u8>>,
}

/// Leaves from `start` up to and without `end`.
pub(crate) async fn leaves(
    transaction: &mut Transaction,
    start: u64,
    end: u64,
) -> Result<Vec<StoredLeaf>> {
    let sql =
        "SELECT seq, hash, body, detail FROM ledger_leaf WHERE seq >= $1 AND seq < $2 ORDER BY seq";
    let rows = transaction.query(sql, &[start.into(), end.into()]).await?;
    let leaf = |mut row: Row| {
        Ok(StoredLeaf {
            seq: number(row.int(0)?)?,
            hash: hash(row.bytes(1)?)?,
            body: row.text(2)?.to_owned(),
            detail: crate::record::column(&mut row, 3, "ledger_leaf")?,
        })
    };
    rows.into_iter().map(leaf).collect()
}

/// What leaves say, from `start` up to and without `end`, with their indexes.
pub(crate) async fn bodies(
    transaction: &mut Transaction,
    start: u64,
    end: u64,
) -> Result<Vec<(u64, String)>> {
    let sql = "SELECT seq, body FROM ledger_leaf WHERE seq >= $1 AND seq < $2 ORDER BY seq";
    let rows = transaction.query(sql, &[start.into(), end.into()]).await?;
    let body = |row: &Row| Ok((number(row.int(0)?)?, row.text(1)?.to_owned()));
    rows.iter().map(body).collect()
}

/// The sealed text of the leaf that `sql` finds for `id`, as its index and the
/// text; `None` where there is none.
pub(crate) async fn detail(rows: &mut Rows, sql: &str, id: &str) -> Result<Option<String>> {
    let Some(mut row) = rows.transaction.query(sql, &[id.into()]).await?.pop() else {
        return Ok(None);
    };
    let leaf = number(row.int(0)?)?;
    let Some(sealed) = crate::record::column::<Option<Vec<u8>>>(&mut row, 1, "ledger_leaf")? else {
        return Ok(None);
    };
    let mut salted = open_detail(rows, leaf, &sealed)?;
    Ok(String::from_utf8(salted.split_off(salted.len().min(SALT_LEN))).ok())
}

/// Bytes of the salt of its commitment, which come before a sealed text.
pub(crate) const SALT_LEN: usize = 32;

/// Opens the sealed text of a leaf: the salt, then the text. The leaf commits to both together.
pub(crate) fn open_detail(rows: &Rows, leaf: u64, sealed: &[u8]) -> Result<Vec<u8>> {
    crate::open_small(&rows.keyring, &detail_context(&leaf.to_string()), sealed)
}

/// How many leaves lie beyond `size`: there must be none.
pub(crate) async fn leaves_beyond(transaction: &mut Transaction, size: u64) -> Result<i64> {
    let rows = transaction
        .query(
            "SELECT count(*) FROM ledger_leaf WHERE seq >= $1",
            &[size.into()],
        )
        .await?;
    rows.first().map_or(Ok(0), |row| Ok(row.int(0)?))
}

/// A stored row of up to 256 hashes of a tile level.
pub(crate) async fn tile(
    transaction: &mut Transaction,
    level: u64,
    index: u64,
) -> Result<Option<Vec<Hash>>> {
    let sql = "SELECT hashes FROM ledger_tile WHERE level = $1 AND idx = $2";
    let rows = transaction
        .query(sql, &[level.into(), index.into()])
        .await?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    row.bytes(0)?
        .chunks(32)
        .map(hash)
        .collect::<Result<Vec<_>>>()
        .map(Some)
}

pub(crate) async fn put_tile(
    transaction: &mut Transaction,
    level: u64,
    index: u64,
    hashes: &[Hash],
) -> Result<()> {
    let sql = "INSERT INTO ledger_tile (level, idx, hashes) VALUES ($1, $2, $3)
        ON CONFLICT (level, idx) DO UPDATE SET hashes = excluded.hashes";
    let values = vec![level.into(), index.into(), hashes.concat().into()];
    Ok(transaction.execute_one(sql, values, "ledger_tile").await?)
}

/// Every stored tile row of a level: its index and its hashes.
pub(crate) async fn tiles(transaction: &mut Transaction) -> Result<Vec<(u64, u64, Vec<Hash>)>> {
    let rows = transaction
        .query(
            "SELECT level, idx, hashes FROM ledger_tile ORDER BY level, idx",
            &[],
        )
        .await?;
    let tile = |row: &Row| {
        let hashes = row
            .bytes(2)?
            .chunks(32)
            .map(hash)
            .collect::<Result<Vec<_>>>()?;
        Ok((number(row.int(0)?)?, number(row.int(1)?)?, hashes))
    };
    rows.iter().map(tile).collect()
}
