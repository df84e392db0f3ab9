//! Every statement on `key_epoch`, and on the MACs that rotation renews.

use crate::db::{Row, Transaction, Value};
use crate::door::{Action, Tx};
use crate::error::{Error, Result};
use crate::record::{self, Rows, Table, column, record};

record! {
    /// An epoch of a house's keys; the wrapped keys are beside it.
    pub(crate) struct Epoch in "key_epoch" key 1 {
        epoch: u64,
        /// The verifier key of the ledger's checkpoints.
        vkey: String,
        created_at: i64,
        retired_at: Option<i64>,
    }
}

/// An epoch as it is read before there are keys to check it with.
pub(crate) struct EpochRow {
    pub(crate) epoch: u32,
    pub(crate) wrapped: Vec<u8>,
    pub(crate) retired_at: Option<i64>,
}

/// Every epoch with its wrapped keys. The keys authenticate themselves.
pub(crate) async fn epochs(transaction: &mut Transaction) -> Result<Vec<EpochRow>> {
    let sql = "SELECT epoch, wrapped, retired_at FROM key_epoch ORDER BY epoch";
    let rows = transaction.query(sql, &[]).await?;
    let read = |mut row: Row| {
        let number = u32::try_from(row.int(0)?)
            .map_err(|_| Error::tampered("a key epoch has no sensible number"))?;
        Ok(EpochRow {
            epoch: number,
            wrapped: column(&mut row, 1, "key_epoch")?,
            retired_at: column(&mut row, 2, "key_epoch")?,
        })
    };
    rows.into_iter().map(read).collect()
}

/// Asks for the epochs that are not retired, in order.
pub(crate) const LIVE: &str = "SELECT epoch FROM key_epoch WHERE retired_at IS NULL ORDER BY epoch";

/// The answer to [`LIVE`].
pub(crate) fn live_epochs(rows: &[Row]) -> Result<Vec<u32>> {
    let number = |value: i64| {
        u32::try_from(value).map_err(|_| Error::tampered("a key epoch has no sensible number"))
    };
    rows.iter().map(|row| number(row.int(0)?)).collect()
}

pub(crate) async fn all(rows: &mut Rows) -> Result<Vec<Epoch>> {
    rows.find("ORDER BY epoch", &[]).await
}

pub(crate) async fn put_wrapped<A: Action>(
    tx: &mut Tx<A>,
    epoch: u64,
    wrapped: Vec<u8>,
) -> Result<()> {
    tx.put_outside(
        "UPDATE key_epoch SET wrapped = $2 WHERE epoch = $1",
        &[epoch.into(), wrapped.into()],
    )
    .await?;
    Ok(())
}

/// Renews the MACs of one table that were made under an older epoch; says how
/// many there were. The rows and their digests stay as they are.
pub(crate) async fn renew_macs<A: Action>(
    tx: &mut Tx<A>,
    table: &Table,
    prefix: &[u8; 4],
    limit: i64,
) -> Result<u64> {
    let sql = format!("{} WHERE mac < $1 ORDER BY mac LIMIT $2", table.select());
    let rows = tx
        .transaction
        .query(&sql, &[prefix.to_vec().into(), Value::Int(limit)])
        .await?;
    let mut renewed = 0;
    for row in rows {
        let stored = table.stored(row)?;
        if !stored.genuine(table, &tx.keyring) {
            return Err(Error::tampered(format!(
                "row `{}` of `{}` is not what was written",
                stored.key, table.name
            )));
        }
        let mac = tx
            .keyring
            .row_mac(&record::mac_message(
                table.name,
                stored.leaf,
                &stored.digest,
            ))
            .to_vec();
        let mut cells: Vec<Value> = stored.values.into_iter().take(table.key_len).collect();
        cells.push(mac.into());
        tx.put_outside(&table.update_mac(), &cells).await?;
        renewed += 1;
    }
    Ok(renewed)
}
