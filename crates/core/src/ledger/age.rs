//! Which leaf was the first of a time.

use statehouse_ledger::leaf::Leaf;
use statehouse_ledger::tree::leaf_hash;

use super::sql;
use crate::error::{Error, Result};
use crate::record::Rows;

/// The index of the first leaf at or after an instant; the size of the ledger
/// when there is none. Found by halving: clocks go forward, and where one was
/// set back, the answer is one of those that are right for a part of the leaves.
pub(crate) async fn first_since(rows: &mut Rows, instant: i64) -> Result<u64> {
    let (mut low, mut high) = (0, sql::size_seen(&mut rows.transaction).await?);
    while low < high {
        let middle = low + (high - low) / 2;
        if at(rows, middle).await? < instant {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}

/// When a leaf was written, in microseconds since 1970.
async fn at(rows: &mut Rows, index: u64) -> Result<i64> {
    let wrong = || Error::tampered(format!("leaf {index} of the ledger cannot be read"));
    let found = sql::leaves(&mut rows.transaction, index, index + 1).await?;
    let leaf = found.first().ok_or_else(wrong)?;
    if leaf_hash(leaf.body.as_bytes()) != leaf.hash {
        return Err(wrong());
    }
    Ok(Leaf::parse(leaf.body.as_bytes()).map_err(|_| wrong())?.at)
}
