//! Every statement on `key_epoch`, and on the MACs that rotation renews.

use crate::db::{Transaction, Value};
use crate::door::{Action, Tx};
use crate::error::{Error, Result};
use crate::record::{self, Record, Rows, column, record};

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
    let read = |mut row: crate::db::Row| {
        let number = u32::try_from(row.int(0)?).map_err(|_| Error::tampered("a key epoch has no sensible number"))?;
        Ok(EpochRow { epoch: number, wrapped: column(&mut row, 1, "key_epoch")?, retired_at: column(&mut row, 2, "key_epoch")? })
    };
    rows.into_iter().map(read).collect()
}

pub(crate) async fn all(rows: &mut Rows) -> Result<Vec<Epoch>> {
    rows.find("ORDER BY epoch", &[]).await
}

pub(crate) async fn put_wrapped<A: Action>(tx: &mut Tx<A>, epoch: u64, wrapped: Vec<u8>) -> Result<()> {
    tx.put_outside("UPDATE key_epoch SET wrapped = $2 WHERE epoch = $1", &[epoch.into(), wrapped.into()]).await?;
    Ok(())
}

/// Renews the MACs of one table that were made under an older epoch; says how
/// many there were. The rows and their digests stay as they are.
pub(crate) async fn renew_macs<R: Record, A: Action>(tx: &mut Tx<A>, prefix: &[u8; 4], limit: i64) -> Result<u64> {
    let sql = format!("{} WHERE mac < $1 ORDER BY mac LIMIT $2", record::select::<R>());
    let rows = tx.transaction.query(&sql, &[prefix.to_vec().into(), Value::Int(limit)]).await?;
    let mut renewed = 0;
    for mut row in rows {
        let width = R::COLUMNS.len();
        let values = (0..width).map(|at| row.take(at)).collect::<Result<Vec<_>, _>>()?;
        let (salt, leaf, mac) = (row.take(width)?, row.take(width + 1)?, row.take(width + 2)?);
        let mut whole = values.clone();
        whole.extend([salt.clone(), leaf.clone(), mac]);
        record::checked::<R>(whole.into(), &tx.keyring)?;
        let message = record::message_of::<R>(&values, &salt, &leaf)?;
        let mac = tx.keyring.row_mac(&message).to_vec();
        let mut cells: Vec<Value> = values.into_iter().take(R::KEY_LEN).collect();
        cells.push(mac.into());
        tx.put_outside(&record::update_mac::<R>(), &cells).await?;
        renewed += 1;
    }
    Ok(renewed)
}
